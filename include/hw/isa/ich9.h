/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ICH9 south bridge: LPC bridge 00:1f.0 with its power management, and the
 * SMBus controller 00:1f.3. Intel I/O Controller Hub 9 datasheet (316972).
 */
#ifndef HW_ISA_ICH9_H
#define HW_ISA_ICH9_H

#include "hw/acpi/pm-regs.h"
#include "hw/isa/isa.h"
#include "hw/pci/pci.h"

enum {
    ICH9_SLOT = 31,
    ICH9_LPC_FUNC = 0,
    ICH9_SMB_FUNC = 3,
    ICH9_GSIS = 24,
    ICH9_PIRQS = 8,
    ICH9_PM_IO_SIZE = 128,
    ICH9_GPE0_LEN = 16,
    ICH9_RCRB_SIZE = 0x4000,
    ICH9_SCI_IRQ = 9,
    ICH9_APM_PORT = 0xb2,
    ICH9_ACPI_ENABLE = 2,
    ICH9_ACPI_DISABLE = 3,
    ICH9_RESET_PORT = 0xcf9,
    /* Where direct boot (and SeaBIOS) puts the power management block. */
    ICH9_PM_BASE_DEFAULT = 0x600,
};

/* The total cost of ownership watchdog (datasheet 13.9). */
typedef struct Tco {
    Vm *vm;
    uint16_t rld, sts1, sts2, cnt1, cnt2, tmr;
    uint8_t din, dout, msg1, msg2, wdcnt, sw_irq_gen;
    uint8_t timeouts;
    int64_t expire_time;
    VmTimer timer;
    MemRegion io;
    bool (*no_reboot)(void *opaque);
    void *opaque;
    int64_t timer_deadline; /* vmstate */
} Tco;
void tco_init(Tco *t, Object *owner, Vm *vm, bool (*no_reboot)(void *),
              void *opaque);
void tco_cleanup(Tco *t);
void tco_reset(Tco *t);
extern const VmState tco_vmstate;

QOM_DECLARE(Ich9Lpc, ich9_lpc)
struct Ich9Lpc {
    PciDevice pci;

    /* Properties. */
    bool noreboot, smm_compat, enable_tco;
    uint8_t disable_s3;
    uint64_t smi_features;

    IsaBus *isa;
    IrqLine *gsi[ICH9_GSIS]; /* out pins "gsi", connected by the machine */

    /* Power management block. */
    MemRegion pm_io, smi_io;
    bool pm_mapped;
    AcpiRegs regs;
    uint32_t smi_en, smi_sts;
    bool smi_locked;
    Tco tco;

    /* Advanced power management ports: a command and a status byte. */
    uint8_t apmc, apms;
    MemRegion apm_io;

    uint8_t rst_cnt;
    MemRegion rst_io;

    uint8_t chip_config[ICH9_RCRB_SIZE];
    MemRegion rcrb;
    bool rcrb_mapped;
    uint8_t irq_map[32][PCI_NUM_PINS]; /* PIRQ of each slot and pin */
    uint32_t pirq_levels; /* bit per PIRQ */
    uint16_t isa_routed;  /* bit per ISA interrupt that the bridge drives */
    uint32_t sci_level;
    int sci_gsi;
};

/* Route the root bus's pins; before devices are on it but those of the
 * machine. */
void ich9_lpc_attach(Ich9Lpc *lpc, PciBus *bus);
/* The ISA interrupt of a pin of @d on the root bus; 0xff: none. */
uint8_t ich9_lpc_pin_irq(const Ich9Lpc *lpc, PciDevice *d, int pin);
/* The SMBus controller, with nothing on its bus. */
PciDevice *ich9_smb_create(PciBus *bus, Error **errp);
/* What firmware sets up: the PM block at @pm_base, ACPI mode, RCRB, PIRQs. */
void ich9_lpc_direct_boot(Ich9Lpc *lpc);

#endif
