/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI buses: the tree of buses, finding functions in it, and where a new
 * function may sit. PCI-to-PCI Bridge Architecture 1.2, PCI Express Base 4.0.
 */
#include "util/osdep.h"

#include "hw/pci/pci-internal.h"
#include "hw/pci/pcie.h"
#include "softmmu/vm.h"
#include "util/error.h"

static void pci_bus_init(Object *obj)
{
    PciBus *bus = pci_bus(obj);

    bus->express = type_is_a(obj->type, &pcie_bus_type);
    bus->child_buses = g_ptr_array_new();
}

static void pci_bus_finalize(Object *obj)
{
    PciBus *bus = pci_bus(obj);

    if (bus->no_dma) {
        address_space_free(bus->no_dma);
        mem_region_cleanup(&bus->no_memory);
    }
    g_free(bus->irq_counts);
    g_ptr_array_unref(bus->child_buses);
}

static char *pci_bus_device_path(Device *dev)
{
    const PciDevice *d = pci_device(dev);
    PciBus *bus = pci_get_bus(d);
    GString *path = g_string_new(NULL);

    /* Slots from the root down, so that the guest's numbering of buses does
     * not change the path. */
    for (;;) {
        g_autofree char *part =
            g_strdup_printf(":%02x.%x", PCI_DEVFN_SLOT(d->devfn),
                            PCI_DEVFN_FUNC(d->devfn));

        g_string_prepend(path, part);
        if (bus->root) {
            break;
        }
        d = pci_bus_bridge(bus);
        bus = pci_get_bus(d);
    }
    g_string_prepend(path, "0000:00");
    return g_string_free(path, FALSE);
}

static char *pci_bus_fw_path(Device *dev)
{
    const PciDevice *d = pci_device(dev);
    g_autofree char *name = pci_class_fw_name(d);
    unsigned fn = PCI_DEVFN_FUNC(d->devfn);

    if (fn) {
        return g_strdup_printf("%s@%x,%x", name, PCI_DEVFN_SLOT(d->devfn), fn);
    }
    return g_strdup_printf("%s@%x", name, PCI_DEVFN_SLOT(d->devfn));
}

/* Hot-plugging needs a slot controller, which only a bridge with one has. */
static bool pci_bus_can_hotplug(Bus *b, Error **errp)
{
    return pci_bus(b)->hotplug_enabled ||
           error_set(errp, "Bus '%s' does not support hotplugging", b->name);
}

static bool pci_bus_plug(Bus *b, Device *dev, Error **errp)
{
    PciBus *bus = pci_bus(b);

    if (bus->hotplug) {
        bus->hotplug->plugged(bus, pci_device(dev));
    }
    return true;
}

static bool pci_bus_unplug_request(Bus *b, Device *dev, Error **errp)
{
    PciBus *bus = pci_bus(b);

    return pci_bus_can_hotplug(b, errp) &&
           bus->hotplug->unplug_request(bus, pci_device(dev), errp);
}

static const BusClass pci_bus_class = {
    .check = pci_bus_check,
    .plug = pci_bus_plug,
    .unplug_request = pci_bus_unplug_request,
    .hotplug = true,
    .can_hotplug = pci_bus_can_hotplug,
    .device_path = pci_bus_device_path,
    .fw_device_path = pci_bus_fw_path,
};
QOM_DEFINE(PciBus, pci_bus, .name = "PCI", .parent = &bus_type,
           .class = &pci_bus_class, .init = pci_bus_init,
           .finalize = pci_bus_finalize);
QOM_DEFINE(PciBus, pcie_bus, .name = "PCIE", .parent = &pci_bus_type);

/* Where functions may sit ------------------------------------------------------ */

static bool slot_is_multifunction(const PciDevice *d)
{
    return d->flags & BIT(PCI_FLAG_MULTIFUNCTION);
}

static bool check_multifunction(const PciBus *bus, const PciDevice *d,
                                uint8_t devfn, Error **errp)
{
    unsigned slot = PCI_DEVFN_SLOT(devfn);
    const PciDevice *f0 = bus->devices[PCI_DEVFN_MAKE(slot, 0)];

    if (PCI_DEVFN_FUNC(devfn)) {
        if (f0 && !slot_is_multifunction(f0)) {
            return error_set(errp,
                             "PCI: slot %u function 0 is '%s', which is not "
                             "multifunction",
                             slot, f0->name);
        }
        return true;
    }
    if (slot_is_multifunction(d)) {
        return true;
    }
    for (unsigned fn = 1; fn < 8; fn++) {
        if (bus->devices[PCI_DEVFN_MAKE(slot, fn)]) {
            return error_set(errp,
                             "PCI: slot %u has function %u already, so "
                             "function 0 must be multifunction",
                             slot, fn);
        }
    }
    return true;
}

/* Links of ports lead to device 0 only. */
static bool check_port_slot(PciBus *bus, const PciDevice *d, uint8_t devfn,
                            Error **errp)
{
    PciDevice *bridge = pci_bus_bridge(bus);

    if (bridge && pcie_is_port(bridge) && PCI_DEVFN_SLOT(devfn)) {
        return error_set(errp,
                         "PCI: slot %u is not valid for '%s', the parent "
                         "port has only slot 0",
                         PCI_DEVFN_SLOT(devfn), d->dev.obj.type->name);
    }
    return true;
}

/* The devfn that @d gets, or -1. */
int pci_bus_place(PciBus *bus, const PciDevice *d, Error **errp)
{
    const char *name = d->dev.obj.type->name;
    PciDevice *bridge = pci_bus_bridge(bus);
    unsigned end = bridge && pcie_is_port(bridge) ? 8 : 256;
    const PciDevice *other;

    if (d->addr < 0) {
        for (unsigned devfn = bus->devfn_min; devfn < end; devfn += 8) {
            if (!bus->devices[devfn]) {
                return check_multifunction(bus, d, devfn, errp) ? (int)devfn
                                                                : -1;
            }
        }
        error_set(errp, "PCI: no slot/function available for %s, all in use",
                  name);
        return -1;
    }
    if (d->addr > 255) {
        error_set(errp, "PCI: address %d of %s is not a slot and function",
                  d->addr, name);
        return -1;
    }
    other = bus->devices[d->addr];
    if (other) {
        error_set(errp,
                  "PCI: slot %u function %u not available for %s, in use by "
                  "%s,id=%s",
                  PCI_DEVFN_SLOT(d->addr), PCI_DEVFN_FUNC(d->addr), name,
                  other->name, other->dev.id ? other->dev.id : "");
        return -1;
    }
    if (d->addr < bus->devfn_min) {
        error_set(errp, "PCI: slot %u is not valid for %s on bus '%s'",
                  PCI_DEVFN_SLOT(d->addr), name, bus->bus.name);
        return -1;
    }
    if (!check_port_slot(bus, d, d->addr, errp) ||
        !check_multifunction(bus, d, d->addr, errp)) {
        return -1;
    }
    return d->addr;
}

bool pci_bus_check(Bus *b, Device *dev, Error **errp)
{
    PciBus *bus = pci_bus(b);
    PciDevice *d = pci_device(dev);

    if (bus->hotplug && bus->hotplug->check &&
        !bus->hotplug->check(bus, d, errp)) {
        return false;
    }
    return pci_bus_place(bus, d, errp) >= 0;
}

/* The tree -------------------------------------------------------------------- */

PciBus *pci_root_bus_new(Device *host, const ObjectType *type,
                         const char *name, MemRegion *mem, MemRegion *io,
                         uint8_t devfn_min)
{
    PciBus *bus = pci_bus(bus_new(type, host->vm, host, name));

    bus->root = true;
    bus->mem = mem;
    bus->io = io;
    bus->devfn_min = devfn_min;
    mem_region_init(&bus->no_memory, &bus->bus.obj, "no-bus-master", 0);
    bus->no_dma = address_space_new(host->vm, "no-bus-master",
                                    &bus->no_memory);
    return bus;
}

void pci_bus_set_irqs(PciBus *bus, const PciIrqOps *ops, void *opaque,
                      int n_irqs)
{
    g_free(bus->irq_counts);
    bus->irq_ops = ops;
    bus->irq_opaque = opaque;
    bus->n_irqs = n_irqs;
    bus->irq_counts = g_new0(int, n_irqs);
}

PciDevice *pci_bus_bridge(const PciBus *bus)
{
    return bus->root ? NULL : (PciDevice *)bus->bus.parent;
}

int pci_bus_num(const PciBus *bus)
{
    const PciDevice *bridge = pci_bus_bridge(bus);

    return bridge ? bridge->config[PCI_SECONDARY_BUS] : bus->root_num;
}

PciBus *pci_root_bus(PciBus *bus)
{
    while (!bus->root) {
        bus = pci_get_bus(pci_bus_bridge(bus));
    }
    return bus;
}

PciBus *pci_find_root_bus(Vm *vm)
{
    Bus *bus = bus_find_type(vm, &pci_bus_type);

    return bus ? pci_root_bus(pci_bus(bus)) : NULL;
}

/* Bridges pass on a bus number that lies in their window. */
static PciBus *find_bus(PciBus *bus, int num)
{
    guint i = 0;

    if (pci_bus_num(bus) == num) {
        return bus;
    }
    while (i < bus->child_buses->len) {
        PciBus *child = g_ptr_array_index(bus->child_buses, i++);
        const uint8_t *config = pci_bus_bridge(child)->config;

        if (config[PCI_SECONDARY_BUS] <= num &&
            num <= config[PCI_SUBORDINATE_BUS]) {
            bus = child;
            if (config[PCI_SECONDARY_BUS] == num) {
                return bus;
            }
            i = 0;
        }
    }
    return NULL;
}

PciDevice *pci_find_device(PciBus *root, int bus_num, uint8_t devfn)
{
    PciBus *bus = find_bus(root, bus_num);

    return bus ? bus->devices[devfn] : NULL;
}

void pci_bus_foreach(PciBus *bus, PciDeviceFn *fn, void *opaque)
{
    for (unsigned devfn = 0; devfn < ARRAY_SIZE(bus->devices); devfn++) {
        if (bus->devices[devfn]) {
            fn(bus->devices[devfn], opaque);
        }
    }
}

uint16_t pci_requester_id(const PciDevice *d)
{
    PciBus *bus = pci_get_bus(d);
    const PciDevice *bridge;

    /* A PCI Express to PCI bridge asks for all behind it, as device 0 of its
     * secondary bus; a bridge of PCI to PCI with its own id. */
    while (!bus->root && !bus->express) {
        bridge = pci_bus_bridge(bus);
        if (bridge->exp_cap) {
            return pci_bus_num(bus) << 8;
        }
        d = bridge;
        bus = pci_get_bus(d);
    }
    return pci_bus_num(bus) << 8 | d->devfn;
}

PciDevice *pci_new(PciBus *bus, int devfn, bool multifunction,
                   const ObjectType *type)
{
    PciDevice *d = pci_device(device_new(bus->bus.vm, type));

    d->addr = devfn;
    if (multifunction) {
        d->flags |= BIT(PCI_FLAG_MULTIFUNCTION);
    }
    return d;
}

bool pci_realize(PciDevice *d, PciBus *bus, Error **errp)
{
    return device_realize_and_unref(&d->dev, &bus->bus, errp);
}

PciDevice *pci_create(PciBus *bus, int devfn, bool multifunction,
                      const ObjectType *type, Error **errp)
{
    PciDevice *d = pci_new(bus, devfn, multifunction, type);

    return pci_realize(d, bus, errp) ? d : NULL;
}
