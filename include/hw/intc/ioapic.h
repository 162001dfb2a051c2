/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The I/O APIC of a PC. Machine lock. */
#ifndef HW_INTC_IOAPIC_H
#define HW_INTC_IOAPIC_H

#include "hw/core/device.h"
#include "softmmu/memory.h"
#include "target/i386/irqchip.h"

typedef struct Ioapic {
    Device dev;
    uint8_t version; /* properties */
    uint32_t gsi_base;
    X86IoapicRegs r;
    uint32_t levels; /* of the inputs */
    uint64_t base;
    MemRegion mmio;
} Ioapic;
QOM_DECLARE_TYPE(Ioapic, ioapic)

/*
 * Make it at @base as child "ioapic" of @parent: in KVM or here. Its 24
 * unnamed inputs are in KVM the machine's interrupt lines, PIC included, else
 * the I/O APIC's pins alone.
 */
Device *ioapic_create(Vm *vm, Object *parent, uint64_t base, Error **errp);

#endif
