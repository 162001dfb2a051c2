/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt lines between devices: a level, and a handler at the far end.
 * Machine lock.
 */
#ifndef HW_CORE_IRQ_H
#define HW_CORE_IRQ_H

typedef void IrqHandler(void *opaque, int n, int level);

struct IrqLine {
    IrqHandler *fn;
    void *opaque;
    int n;
};

/* NULL lines are not connected: nothing happens. */
static inline void irq_set(IrqLine *irq, int level)
{
    if (irq) {
        irq->fn(irq->opaque, irq->n, level);
    }
}

static inline void irq_raise(IrqLine *irq)
{
    irq_set(irq, 1);
}

static inline void irq_lower(IrqLine *irq)
{
    irq_set(irq, 0);
}

static inline void irq_pulse(IrqLine *irq)
{
    irq_set(irq, 1);
    irq_set(irq, 0);
}

IrqLine *irq_new(IrqHandler *fn, void *opaque, int n);
void irq_free(IrqLine *irq);
/* Array of @n lines numbered from 0; each to be freed by irqs_free(). */
IrqLine **irqs_new(IrqHandler *fn, void *opaque, int n);
void irqs_free(IrqLine **irqs, int n);
IrqLine *irq_invert(IrqLine *irq);

#endif
