/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "isa-debugcon": bytes written to one port go to a chardev. */
#include "util/osdep.h"

#include "chardev/char.h"
#include "hw/isa/isa.h"
#include "util/error.h"

typedef struct DebugCon {
    IsaDevice parent;
    MemRegion io;
    /* Properties. */
    CharFrontend chr;
    uint32_t iobase, readback;
} DebugCon;

QOM_DECLARE_TYPE(DebugCon, debugcon)

static uint64_t debugcon_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((DebugCon *)opaque)->readback;
}

static void debugcon_write(void *opaque, hwaddr addr, uint64_t value,
                           unsigned size)
{
    DebugCon *s = opaque;
    uint8_t byte = value;

    /* Output for people: a slow reader holds up the guest, loses nothing. */
    char_fe_write_all(&s->chr, &byte, 1);
}

static const MemOps debugcon_ops = {
    .read = debugcon_read,
    .write = debugcon_write,
    .valid = { 1, 1 },
};

static bool debugcon_realize(Device *dev, Error **errp)
{
    DebugCon *s = debugcon(dev);

    if (!s->chr.id && !s->chr.chr) {
        return error_set(errp, "Can't create debugcon device, empty char "
                               "device");
    }
    if (!char_fe_connect(&s->chr, dev->vm, errp)) {
        return false;
    }
    mem_region_init_io(&s->io, &dev->obj, &debugcon_ops, s, "isa-debugcon", 1);
    if (!isa_add_io(&s->parent, &s->io, s->iobase, errp)) {
        char_fe_deinit(&s->chr);
        return false;
    }
    return true;
}

static void debugcon_unrealize(Device *dev)
{
    char_fe_deinit(&debugcon(dev)->chr);
}

static const Prop debugcon_props[] = {
    PROP(DebugCon, iobase, "iobase", 0xe9),
    PROP_CHARDEV(DebugCon, chr, "chardev"),
    PROP(DebugCon, readback, "readback", 0xe9),
    {},
};

static const IsaDeviceClass debugcon_class = {
    .device = {
        .props = debugcon_props,
        .category = DEVICE_CATEGORY_MISC,
        .bus_type = &isa_bus_type,
        .no_hotplug = true,
        .realize = debugcon_realize,
        .unrealize = debugcon_unrealize,
    },
};

QOM_DEFINE(DebugCon, debugcon, .name = "isa-debugcon",
           .parent = &isa_device_type, .class = &debugcon_class);
