/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Buses: naming, finding, and what sits on them. */
#include "util/osdep.h"

#include "hw/core/core-internal.h"
#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "softmmu/vm.h"
#include "util/error.h"

static void bus_obj_init(Object *obj)
{
    Bus *bus = bus_cast(obj);

    bus->children = g_ptr_array_new();
}

static void bus_finalize(Object *obj)
{
    Bus *bus = bus_cast(obj);

    g_ptr_array_free(bus->children, TRUE);
    g_free(bus->name);
}

static QObject *get_realized(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(bus_cast(obj)->realized);
}

static const Prop bus_props[] = {
    PROP_FN("realized", "bool", get_realized, NULL),
    {},
};

static const BusClass bus_base_class = {
    .props = bus_props,
};

const ObjectType bus_type = {
    .name = "bus",
    .parent = &object_type,
    .size = sizeof(Bus),
    .abstract = true,
    .class = &bus_base_class,
    .init = bus_obj_init,
    .finalize = bus_finalize,
};
static const ObjectType *const bus_type_entry
    __attribute__((section("qom_types"), used)) = &bus_type;

/* "ID.N" below a device with an id, else "TYPE.N" in lower case. */
static char *bus_default_name(const ObjectType *type, Vm *vm, Device *parent)
{
    unsigned n = parent && parent->buses ? parent->buses->len : 0;
    g_autofree char *stem = NULL;

    if (parent && parent->id) {
        return g_strdup_printf("%s.%u", parent->id, n);
    }
    stem = g_ascii_strdown(type->name, -1);
    for (n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("%s.%u", stem, n);

        if (!bus_lookup(vm, name)) {
            return g_steal_pointer(&name);
        }
    }
}

Bus *bus_new(const ObjectType *type, Vm *vm, Device *parent,
             const char *name_or_null)
{
    Bus *bus = bus_cast(object_new(type));

    bus->vm = vm;
    bus->parent = parent;
    bus->name = name_or_null ? g_strdup(name_or_null)
                             : bus_default_name(type, vm, parent);
    bus->realized = true;
    object_set_root(&bus->obj, vm->root);
    if (parent) {
        if (!parent->buses) {
            parent->buses = g_ptr_array_new();
        }
        g_ptr_array_add(parent->buses, bus);
        object_add_child(&parent->obj, bus->name, bus, error_abort);
        object_unref(bus); /* the parent device holds it */
    }
    return bus;
}

void bus_empty(Bus *bus)
{
    while (bus->children->len) {
        Device *dev = bus->children->pdata[bus->children->len - 1];

        object_ref(dev);
        device_unrealize(dev);
        object_unparent(dev);
        object_unref(dev);
    }
}

void bus_unparent(Bus *bus)
{
    Device *parent = bus->parent;

    bus_empty(bus);
    bus->realized = false;
    if (parent) {
        bus->parent = NULL;
        g_ptr_array_remove(parent->buses, bus);
        object_unparent(bus);
    }
}

void bus_attach(Bus *bus, Device *dev)
{
    object_ref(dev);
    g_ptr_array_add(bus->children, dev);
    dev->bus = bus;
}

void bus_detach(Bus *bus, Device *dev)
{
    g_ptr_array_remove(bus->children, dev);
    dev->bus = NULL;
    object_unref(dev);
}

bool bus_can_hotplug(Bus *bus, Error **errp)
{
    const BusClass *bc = bus_class(bus);

    if (bc->can_hotplug) {
        return bc->can_hotplug(bus, errp);
    }
    return bc->hotplug ||
           error_set(errp, "Bus '%s' does not support hotplugging", bus->name);
}

bool bus_foreach(Bus *bus, DeviceFn *fn, void *opaque)
{
    g_autoptr(GPtrArray) devs = NULL;

    if (!bus) {
        return true;
    }
    devs = g_ptr_array_copy(bus->children, NULL, NULL);
    for (guint i = 0; i < devs->len; i++) {
        Device *dev = devs->pdata[i];

        if (!fn(dev, opaque)) {
            return false;
        }
        for (guint b = 0; dev->buses && b < dev->buses->len; b++) {
            if (!bus_foreach(dev->buses->pdata[b], fn, opaque)) {
                return false;
            }
        }
    }
    return true;
}

/* Finding ----------------------------------------------------------------------- */

typedef struct BusSearch {
    const char *name;       /* by name, or ... */
    const ObjectType *type; /* ... by type, with room */
    Bus *found, *full;
} BusSearch;

static bool bus_matches(Bus *bus, BusSearch *s)
{
    if (s->name) {
        return g_str_equal(bus->name, s->name);
    }
    if (!type_is_a(bus->obj.type, s->type)) {
        return false;
    }
    if (bus->full ||
        (bus->max_devices && (int)bus->children->len >= bus->max_devices)) {
        s->full = s->full ?: bus;
        return false;
    }
    return true;
}

static bool search_device(Device *dev, void *opaque)
{
    BusSearch *s = opaque;

    for (guint b = 0; dev->buses && b < dev->buses->len; b++) {
        if (bus_matches(dev->buses->pdata[b], s)) {
            s->found = dev->buses->pdata[b];
            return false;
        }
    }
    return true;
}

Bus *bus_lookup(Vm *vm, const char *name)
{
    BusSearch s = { .name = name };
    Bus *main_bus = system_bus(vm);

    if (main_bus && bus_matches(main_bus, &s)) {
        return main_bus;
    }
    bus_foreach(main_bus, search_device, &s);
    return s.found;
}

/* Paths such as "/pci.0/net0" name a bus by any of its steps: the last counts. */
Bus *bus_find(Vm *vm, const char *path_or_name, Error **errp)
{
    const char *slash = strrchr(path_or_name, '/');
    Bus *bus = bus_lookup(vm, slash ? slash + 1 : path_or_name);

    if (!bus) {
        error_set(errp, "Bus '%s' not found", path_or_name);
    }
    return bus;
}

Bus *bus_find_type(Vm *vm, const ObjectType *type)
{
    BusSearch s = { .type = type };
    Bus *main_bus = system_bus(vm);

    if (main_bus && bus_matches(main_bus, &s)) {
        return main_bus;
    }
    bus_foreach(main_bus, search_device, &s);
    return s.found ?: s.full;
}

/* The main system bus --------------------------------------------------------------- */

static char *system_bus_fw_path(Device *dev)
{
    const DeviceClass *dc = device_class(dev);

    return g_strdup(dc->fw_name ?: dev->obj.type->name);
}

static const BusClass system_bus_class = {
    .fw_device_path = system_bus_fw_path,
};
QOM_DEFINE(Bus, system_bus, .name = "System", .parent = &bus_type,
           .class = &system_bus_class);

Bus *system_bus(Vm *vm)
{
    return vm->machine ? vm->machine->main_bus : NULL;
}
