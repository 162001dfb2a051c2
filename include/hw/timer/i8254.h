/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's 8254 interval timer, and the speaker port that gates its third
 * channel. Machine lock. */
#ifndef HW_TIMER_I8254_H
#define HW_TIMER_I8254_H

#include "hw/isa/isa.h"
#include "softmmu/vm.h"
#include "target/i386/irqchip.h"

#define PIT_HZ 1193182

typedef struct Pit {
    IsaDevice parent;
    uint32_t iobase;      /* property */
    int lost_tick_policy; /* property of "kvm-pit": LostTickPolicy */
    X86PitChannel ch[3];
    uint32_t irq_disabled; /* the HPET took over channel 0's interrupt */
    MemRegion io;
    VmTimer timer; /* channel 0's next change */
    IrqLine *irq;
    /* kvm-pit: its state while the VM stands still. */
    VmStateListener listener;
    bool stopped;
} Pit;
QOM_DECLARE_TYPE(Pit, pit)

/* At port 40h of @bus: in KVM, or here with interrupt 0. */
Pit *pit_create(IsaBus *bus, Error **errp);

/* Whether channel 0 raises its interrupt. */
void pit_enable_irq(Pit *s, bool enable);

/* For the speaker port. */
void pit_set_gate(Pit *s, unsigned channel, bool gate);
bool pit_gate(const Pit *s, unsigned channel);
bool pit_output(const Pit *s, unsigned channel);

#endif
