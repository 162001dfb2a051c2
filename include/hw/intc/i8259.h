/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's pair of 8259A interrupt controllers. Machine lock. */
#ifndef HW_INTC_I8259_H
#define HW_INTC_I8259_H

#include "hw/isa/isa.h"
#include "target/i386/irqchip.h"

typedef struct Pic Pic;
struct Pic {
    IsaDevice parent;
    /* Properties. */
    uint32_t iobase, elcr_addr;
    uint8_t elcr_mask;
    bool master;

    X86PicRegs r;
    MemRegion io, elcr_io;
    IrqLine *out;  /* to the CPU, or to the master's input 2 */
    Pic *slave;    /* of a master */
};
QOM_DECLARE_TYPE(Pic, pic)

/*
 * Make both on @bus: with their controllers in KVM, only what holds their
 * state, else whole devices, whose 16 inputs @inputs gets (NULLs otherwise)
 * and whose output goes to the boot processor.
 */
bool pics_create(IsaBus *bus, IrqLine *inputs[ISA_NUM_IRQS], Error **errp);

#endif
