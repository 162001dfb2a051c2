/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PC machines: what the machine types share. Placement only; devices describe
 * themselves.
 */
#ifndef HW_I386_PC_H
#define HW_I386_PC_H

#include "hw/core/machine.h"
#include "hw/i386/pc-boot.h"
#include "hw/isa/ich9.h"
#include "hw/pci-host/q35.h"
#include "hw/rtc/mc146818rtc.h"
#include "hw/timer/hpet.h"

enum {
    PC_GSIS = 24,
    PC_IOAPIC_ADDR = 0xfec00000,
    PC_IOAPIC_ID = 0,
};

typedef struct PcMachine PcMachine;
struct PcMachine {
    Machine parent;

    /* Options. */
    int acpi, pic, pit, smm, vmport; /* OnOffAuto */
    bool i8042, smbus, hpet_on;
    uint64_t max_ram_below_4g;
    char *oem_id, *oem_table_id, *smbios_ep;

    /* Memory: RAM below 4 GiB, from 4 GiB on, and what is kept for DIMMs. */
    uint64_t below_4g, above_4g;
    hwaddr device_memory_end; /* of everything that is RAM */
    MemRegion ram_low, ram_high, pci_memory;

    IrqLine **gsi; /* PC_GSIS of them */
    IrqLine *pic_inputs[ISA_NUM_IRQS]; /* NULLs while KVM has the PICs */
    IrqLine *ioapic_inputs[PC_GSIS];
    Device *ioapic;
    Q35Host *host;
    Ich9Lpc *lpc;
    IsaBus *isa;
    Hpet *hpet; /* or NULL */
    Rtc *rtc;
    IsaDevice *kbd; /* keyboard controller, or NULL */
    PcBoot *boot;
    bool boot_once; /* -boot once= holds */
};

QOM_DECLARE_TYPE(PcMachine, pc_machine)

/* pc-memory.c */
bool pc_memory_init(PcMachine *pc, Error **errp);
/* The host bridge's windows, as pc-boot.h wants them. @pc is a PcMachine. */
unsigned pc_pci_windows(void *pc, AcpiPciWindow *out, unsigned max);
/* Direct boot: what firmware would set up; the last bus number. @pc is a
 * PcMachine. */
unsigned pc_setup(void *pc);

/* gsi.c: the machine's interrupt lines with the I/O APIC, a child of @parent;
 * then, once there is an ISA bus, PICs and timer. */
bool pc_gsi_create(PcMachine *pc, Object *parent, Error **errp);
bool pc_intc_create(PcMachine *pc, Error **errp);

#endif
