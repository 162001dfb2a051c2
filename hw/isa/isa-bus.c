/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ISA bus and the base of its devices. */
#include "util/osdep.h"

#include "hw/isa/isa.h"
#include "util/error.h"

static char *isa_fw_path(Device *dev)
{
    const IsaDevice *d = isa_device(dev);
    const DeviceClass *k = device_class(dev);
    const char *name = k->fw_name ? k->fw_name : dev->obj.type->name;

    if (d->first_port) {
        return g_strdup_printf("%s@%04x", name, d->first_port);
    }
    return g_strdup(name);
}

static const BusClass isa_bus_class = {
    .fw_device_path = isa_fw_path,
};
QOM_DEFINE(IsaBus, isa_bus, .name = "ISA", .parent = &bus_type,
           .class = &isa_bus_class);

IsaBus *isa_bus_new(Device *bridge, MemRegion *io, MemRegion *mem)
{
    IsaBus *bus = isa_bus(bus_new(&isa_bus_type, bridge->vm, bridge, NULL));

    bus->io = io;
    bus->mem = mem;
    return bus;
}

IsaBus *isa_find_bus(Vm *vm)
{
    Bus *bus = bus_find_type(vm, &isa_bus_type);

    return bus ? isa_bus(bus) : NULL;
}

bool isa_add_io(IsaDevice *d, MemRegion *mr, uint32_t port, Error **errp)
{
    uint64_t size = mem_region_size(mr);

    if (port > 0xffff || size > 0x10000 - port) {
        return error_set(errp,
                         "ports 0x%" PRIx32 " to 0x%" PRIx64 " of '%s' are "
                         "beyond 0xffff",
                         port, port + size - 1, d->dev.obj.type->name);
    }
    assert(d->n_regions < ARRAY_SIZE(d->regions));
    d->regions[d->n_regions++] = mr;
    if (!d->first_port || port < d->first_port) {
        d->first_port = port;
    }
    mem_region_add_overlap(isa_get_bus(d)->io, port, mr, 0);
    return true;
}

IrqLine *isa_irq(IsaDevice *d, uint32_t irq, Error **errp)
{
    if (irq >= ISA_NUM_IRQS) {
        error_set(errp, "there is no ISA interrupt %" PRIu32 " for '%s'", irq,
                  d->dev.obj.type->name);
        return NULL;
    }
    return isa_get_bus(d)->irqs[irq];
}

static void isa_device_unrealize(Device *dev)
{
    IsaDevice *d = isa_device(dev);

    while (d->n_regions) {
        MemRegion *mr = d->regions[--d->n_regions];

        if (mem_region_is_mapped(mr)) {
            mem_region_del(isa_get_bus(d)->io, mr);
        }
    }
    d->first_port = 0;
}

static const IsaDeviceClass isa_device_class = {
    .device = {
        .bus_type = &isa_bus_type,
        .no_hotplug = true,
        .unrealize = isa_device_unrealize,
    },
};
QOM_DEFINE(IsaDevice, isa_device, .name = "isa-device", .parent = &device_type,
           .class = &isa_device_class, .abstract = true);

IsaDevice *isa_new(IsaBus *bus, const ObjectType *type)
{
    return isa_device(device_new(bus->bus.vm, type));
}

bool isa_realize(IsaDevice *d, IsaBus *bus, Error **errp)
{
    return device_realize_and_unref(&d->dev, &bus->bus, errp);
}

IsaDevice *isa_create(IsaBus *bus, const ObjectType *type, Error **errp)
{
    IsaDevice *d = isa_new(bus, type);

    return isa_realize(d, bus, errp) ? d : NULL;
}
