/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "isa-debug-exit": a write of V ends the process with status 2 V + 1. */
#include "util/osdep.h"

#include "hw/isa/isa.h"
#include "softmmu/vm.h"
#include "util/error.h"

typedef struct DebugExit {
    IsaDevice parent;
    MemRegion io;
    uint32_t iobase, iosize; /* properties */
} DebugExit;

QOM_DECLARE_TYPE(DebugExit, debug_exit)

static uint64_t debug_exit_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void debug_exit_write(void *opaque, hwaddr addr, uint64_t value,
                             unsigned size)
{
    DebugExit *s = opaque;

    vm_exit_request(s->parent.dev.vm, (int)(value << 1 | 1));
}

static const MemOps debug_exit_ops = {
    .read = debug_exit_read,
    .write = debug_exit_write,
    .valid = { 1, 4 },
};

static bool debug_exit_realize(Device *dev, Error **errp)
{
    DebugExit *s = debug_exit(dev);

    if (s->iosize == 0 || s->iosize > 0x10000) {
        return error_set(errp, "isa-debug-exit: iosize must be 1 to 65536");
    }
    mem_region_init_io(&s->io, &dev->obj, &debug_exit_ops, s, "isa-debug-exit",
                       s->iosize);
    return isa_add_io(&s->parent, &s->io, s->iobase, errp);
}

static const Prop debug_exit_props[] = {
    PROP(DebugExit, iobase, "iobase", 0x501),
    PROP(DebugExit, iosize, "iosize", 2),
    {},
};

static const IsaDeviceClass debug_exit_class = {
    .device = {
        .props = debug_exit_props,
        .category = DEVICE_CATEGORY_MISC,
        .bus_type = &isa_bus_type,
        .no_hotplug = true,
        .realize = debug_exit_realize,
    },
};

QOM_DEFINE(DebugExit, debug_exit, .name = "isa-debug-exit",
           .parent = &isa_device_type, .class = &debug_exit_class);
