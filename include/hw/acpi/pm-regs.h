/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fixed hardware of ACPI 6.4, 4.8: PM1 event and control blocks, the power
 * management timer, a block of general-purpose events. Machine lock.
 */
#ifndef HW_ACPI_PM_REGS_H
#define HW_ACPI_PM_REGS_H

#include "softmmu/memory.h"
#include "softmmu/vm.h"

enum {
    ACPI_PM1_TMR = 0x0001,
    ACPI_PM1_GBL = 0x0020,
    ACPI_PM1_PWRBTN = 0x0100,
    ACPI_PM1_RTC = 0x0400,
    ACPI_PM1_WAK = 0x8000,
    ACPI_PM1_SCI_EN = 0x0001,
    ACPI_PM1_SLP_EN = 0x2000,
    ACPI_PM_TIMER_HZ = 3579545,
    ACPI_GPE_MAX = 16, /* bytes of status and enable together */
};

typedef struct AcpiRegs {
    Vm *vm;
    /* Level of the SCI: when it may have changed. */
    void (*update_sci)(void *opaque);
    void *opaque;

    uint16_t pm1_sts, pm1_en, pm1_cnt;
    int64_t overflow_time; /* ticks */
    VmTimer timer;
    uint8_t gpe_sts[ACPI_GPE_MAX], gpe_en[ACPI_GPE_MAX];
    uint8_t gpe_len; /* bytes of the block; half are status */

    bool acpi_only; /* SCI_EN is always set; by the owner, before a reset */
    /* Properties of the owner. */
    uint8_t disable_s4, s4_val;

    MemRegion evt, cnt, tmr, gpe;
    VmPowerdownListener powerdown;
    int64_t timer_deadline; /* vmstate: of .timer */
} AcpiRegs;

/* Regions to be mapped by the owner at PM1a event, PM1a control, PM timer and
 * GPE0 blocks. */
void acpi_regs_init(AcpiRegs *r, Object *owner, Vm *vm, uint8_t gpe_len,
                    void (*update_sci)(void *opaque), void *opaque);
void acpi_regs_cleanup(AcpiRegs *r);
void acpi_regs_reset(AcpiRegs *r);
/* Is there an enabled event? */
bool acpi_regs_sci(const AcpiRegs *r);
/* SCI_EN, as the SMI command port sets it. */
void acpi_regs_set_acpi_mode(AcpiRegs *r, bool on);
/* Raise general-purpose event @bit. */
void acpi_regs_gpe_raise(AcpiRegs *r, unsigned bit);
/* The owner's pre_save and post_load call these. */
void acpi_regs_pre_save(AcpiRegs *r);
void acpi_regs_loaded(AcpiRegs *r);

#endif
