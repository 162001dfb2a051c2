/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt lines of PC machines ("GSIs"), their controllers and the timer. In
 * KVM each line goes to all controllers by routes; else it is connected here
 * to the PICs and the I/O APIC.
 */
#include "util/osdep.h"

#include "hw/i386/kvmclock.h"
#include "hw/i386/pc.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/timer/pcspk.h"
#include "util/error.h"

static void gsi_set(void *opaque, int n, int level)
{
    PcMachine *pc = opaque;

    if (n < ISA_NUM_IRQS) {
        irq_set(pc->pic_inputs[n], level);
    }
    irq_set(pc->ioapic_inputs[n], level);
}

bool pc_gsi_create(PcMachine *pc, Object *parent, Error **errp)
{
    pc->gsi = irqs_new(gsi_set, pc, PC_GSIS);
    pc->ioapic = ioapic_create(pc->parent.vm, parent, PC_IOAPIC_ADDR, errp);
    for (unsigned n = 0; pc->ioapic && n < PC_GSIS; n++) {
        pc->ioapic_inputs[n] = device_irq_in(pc->ioapic, NULL, n);
    }
    return pc->ioapic != NULL;
}

enum {
    HPET_ROUTES = 0xff0104, /* I/O APIC pins 2, 8 and 16 to 23 */
    HPET_IN_RTC = 1,
    RTC_IRQ = 8,
};

/* Between the timer and the clock, and their interrupts. */
static bool create_hpet(PcMachine *pc, Error **errp)
{
    Device *dev;

    pc->hpet = hpet_create(pc->parent.vm, HPET_ROUTES, errp);
    if (!pc->hpet) {
        return false;
    }
    dev = (Device *)pc->hpet;
    for (unsigned n = 0; n < PC_GSIS; n++) {
        device_connect_out(dev, "sysbus-irq", n, pc->gsi[n]);
    }
    pc->isa->irqs[0] = device_irq_in(dev, NULL, 0);
    pc->isa->irqs[RTC_IRQ] = device_irq_in(dev, NULL, HPET_IN_RTC);
    return true;
}

/* The speaker is gated by the timer: neither is there without the other. */
static bool create_pit(PcMachine *pc, Error **errp)
{
    Pit *pit = pit_create(pc->isa, errp);

    if (pit && pc->hpet) {
        hpet_connect_pit(pc->hpet, pit);
    }
    return pit && pcspk_create(pc->isa, pit, errp);
}

bool pc_intc_create(PcMachine *pc, Error **errp)
{
    Vm *vm = pc->parent.vm;

    return (pc->pic == ON_OFF_AUTO_OFF ||
            pics_create(pc->isa, pc->pic_inputs, errp)) &&
           (!pc->hpet_on || create_hpet(pc, errp)) &&
           (pc->pit == ON_OFF_AUTO_OFF || create_pit(pc, errp)) &&
           kvmclock_create(vm, errp);
}
