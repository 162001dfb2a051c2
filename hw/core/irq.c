/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupt lines between devices. */
#include "util/osdep.h"

#include "hw/core/irq.h"

IrqLine *irq_new(IrqHandler *fn, void *opaque, int n)
{
    IrqLine *irq = g_new(IrqLine, 1);

    *irq = (IrqLine){ fn, opaque, n };
    return irq;
}

void irq_free(IrqLine *irq)
{
    g_free(irq);
}

IrqLine **irqs_new(IrqHandler *fn, void *opaque, int n)
{
    IrqLine **irqs = g_new(IrqLine *, n);

    for (int i = 0; i < n; i++) {
        irqs[i] = irq_new(fn, opaque, i);
    }
    return irqs;
}

void irqs_free(IrqLine **irqs, int n)
{
    for (int i = 0; i < n; i++) {
        irq_free(irqs[i]);
    }
    g_free(irqs);
}

static void irq_inverted(void *opaque, int n, int level)
{
    irq_set(opaque, !level);
}

IrqLine *irq_invert(IrqLine *irq)
{
    return irq_new(irq_inverted, irq, 0);
}
