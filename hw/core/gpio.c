/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Named interrupt pins of devices, and the interception that qtest uses to
 * hear of their changes.
 */
#include "util/osdep.h"

#include "hw/core/core-internal.h"
#include "hw/core/device.h"
#include "util/error.h"

typedef struct Intercept {
    IrqInterceptFn *fn;
    void *opaque;
    IrqLine saved; /* what the pin did before */
    IrqLine *saved_out;
    int n;
} Intercept;

struct NamedIrqs {
    NamedIrqs *next;
    char *name; /* NULL: unnamed */
    int n;
    IrqLine **in;        /* inputs: owned lines */
    IrqLine **out;       /* outputs: the device's pins */
    Intercept *intercept; /* n of them, or NULL */
};

static NamedIrqs *irqs_find(NamedIrqs *list, const char *name)
{
    while (list && g_strcmp0(list->name, name)) {
        list = list->next;
    }
    return list;
}

static NamedIrqs *irqs_add(NamedIrqs **list, const char *name, int n)
{
    NamedIrqs *irqs = g_new0(NamedIrqs, 1);

    irqs->name = g_strdup(name);
    irqs->n = n;
    irqs->next = *list;
    *list = irqs;
    return irqs;
}

void device_irqs_in(Device *dev, const char *name, IrqHandler *fn,
                    void *opaque, int n)
{
    NamedIrqs *irqs = irqs_add(&dev->irqs_in, name, n);

    irqs->in = irqs_new(fn, opaque, n);
}

void device_irqs_out(Device *dev, const char *name, IrqLine **pins, int n)
{
    NamedIrqs *irqs = irqs_add(&dev->irqs_out, name, n);

    irqs->out = pins;
}

IrqLine *device_irq_in_find(Device *dev, const char *name, int n)
{
    NamedIrqs *irqs = irqs_find(dev->irqs_in, name);

    return irqs && n >= 0 && n < irqs->n ? irqs->in[n] : NULL;
}

IrqLine *device_irq_in(Device *dev, const char *name, int n)
{
    IrqLine *irq = device_irq_in_find(dev, name, n);

    assert(irq);
    return irq;
}

void device_connect_out(Device *dev, const char *name, int n, IrqLine *irq)
{
    NamedIrqs *irqs = irqs_find(dev->irqs_out, name);

    assert(irqs && n >= 0 && n < irqs->n);
    irqs->out[n] = irq;
}

static void intercepted_in(void *opaque, int n, int level)
{
    Intercept *i = opaque;

    i->fn(i->opaque, n, level);
    irq_set(&i->saved, level);
}

bool device_intercept_in(Device *dev, const char *name, IrqInterceptFn *fn,
                         void *opaque, Error **errp)
{
    NamedIrqs *irqs = irqs_find(dev->irqs_in, name);

    if (!irqs || irqs->intercept) {
        return error_set(errp, "no input pins to intercept");
    }
    irqs->intercept = g_new0(Intercept, irqs->n);
    for (int n = 0; n < irqs->n; n++) {
        Intercept *i = &irqs->intercept[n];

        *i = (Intercept){ .fn = fn, .opaque = opaque, .saved = *irqs->in[n] };
        *irqs->in[n] = (IrqLine){ intercepted_in, i, n };
    }
    return true;
}

static void intercepted_out(void *opaque, int n, int level)
{
    Intercept *i = opaque;

    i->fn(i->opaque, n, level);
    irq_set(i->saved_out, level);
}

bool device_intercept_out(Device *dev, const char *name, IrqInterceptFn *fn,
                          void *opaque, Error **errp)
{
    NamedIrqs *irqs = irqs_find(dev->irqs_out, name);

    if (!irqs || irqs->intercept) {
        return error_set(errp, "no output pins to intercept");
    }
    irqs->intercept = g_new0(Intercept, irqs->n);
    for (int n = 0; n < irqs->n; n++) {
        Intercept *i = &irqs->intercept[n];

        *i = (Intercept){ .fn = fn, .opaque = opaque, .n = n,
                          .saved_out = irqs->out[n] };
        i->saved = (IrqLine){ intercepted_out, i, n };
        irqs->out[n] = &i->saved;
    }
    return true;
}

static void irqs_list_info(NamedIrqs *list, const char *kind, GString *out,
                           int indent)
{
    for (; list; list = list->next) {
        g_string_append_printf(out, "%*s%s \"%s\" %d\n", indent, "", kind,
                               list->name ?: "", list->n);
    }
}

void device_gpio_info(Device *dev, GString *out, int indent)
{
    irqs_list_info(dev->irqs_in, "gpio-in", out, indent);
    irqs_list_info(dev->irqs_out, "gpio-out", out, indent);
}

static void irqs_list_free(NamedIrqs *list)
{
    while (list) {
        NamedIrqs *next = list->next;

        if (list->in) {
            irqs_free(list->in, list->n);
        }
        g_free(list->intercept);
        g_free(list->name);
        g_free(list);
        list = next;
    }
}

void device_gpio_cleanup(Device *dev)
{
    irqs_list_free(g_steal_pointer(&dev->irqs_in));
    irqs_list_free(g_steal_pointer(&dev->irqs_out));
}
