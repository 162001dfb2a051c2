/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "port92": system control port A, fast A20 gate and reset. */
#include "util/osdep.h"

#include "hw/input/i8042.h"
#include "softmmu/vm.h"

enum {
    FAST_RESET = 1,
    A20 = 2,
};

typedef struct Port92 {
    IsaDevice parent;
    MemRegion io;
    IrqLine *a20; /* not owned */
    uint8_t outport;
} Port92;

QOM_DECLARE_TYPE(Port92, port92)

static uint64_t port92_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((Port92 *)opaque)->outport;
}

static void port92_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    Port92 *s = opaque;
    uint8_t old = s->outport;

    s->outport = value;
    irq_set(s->a20, !!(value & A20));
    if ((value & FAST_RESET) && !(old & FAST_RESET)) {
        vm_reset_request(s->parent.dev.vm, SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static const MemOps port92_ops = {
    .read = port92_read,
    .write = port92_write,
    .impl = { 1, 1 },
};

static bool port92_realize(Device *dev, Error **errp)
{
    Port92 *s = port92(dev);

    device_irqs_out(dev, "a20", &s->a20, 1);
    mem_region_init_io(&s->io, &dev->obj, &port92_ops, s, "port92", 1);
    return isa_add_io(&s->parent, &s->io, 0x92, errp);
}

static void port92_reset(Device *dev)
{
    port92(dev)->outport &= ~FAST_RESET;
}

static const VmState port92_vmstate = {
    .name = "port92",
    .version = 1,
    .fields = (const VmField[]){ VMS(Port92, outport), {} },
};

static const IsaDeviceClass port92_class = {
    .device = {
        .category = DEVICE_CATEGORY_MISC,
        .bus_type = &isa_bus_type,
        .internal = true,
        .no_hotplug = true,
        .realize = port92_realize,
        .reset = port92_reset,
        .vmstate = &port92_vmstate,
    },
};

QOM_DEFINE(Port92, port92, .name = "port92", .parent = &isa_device_type,
           .class = &port92_class);
