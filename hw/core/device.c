/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices: realize, reset and unrealize over the chain of class structs. */
#include "util/osdep.h"

#include "hw/core/core-internal.h"
#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "qapi/qapi-events-qdev.h"
#include "softmmu/cpu.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/trace.h"

TRACE_POINT(qdev_reset);
TRACE_POINT(qdev_realize);

/* Properties that every device has ------------------------------------------------ */

static QObject *get_realized(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(device_cast(obj)->realized);
}

static QObject *get_hotplugged(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(device_cast(obj)->hotplugged);
}

static QObject *get_hotpluggable(Object *obj, const Prop *prop, Error **errp)
{
    Device *dev = device_cast(obj);
    autoerr Error *err = NULL;

    return qbool_new(!device_class(dev)->no_hotplug &&
                     (!dev->bus || bus_can_hotplug(dev->bus, &err)));
}

static QObject *get_parent_bus(Object *obj, const Prop *prop, Error **errp)
{
    Device *dev = device_cast(obj);
    g_autofree char *path = dev->bus ? object_path(&dev->bus->obj) : NULL;

    return qstr_new(path ?: "");
}

static const Prop device_props[] = {
    PROP_FN("realized", "bool", get_realized, NULL),
    PROP_FN("hotplugged", "bool", get_hotplugged, NULL),
    PROP_FN("hotpluggable", "bool", get_hotpluggable, NULL),
    PROP_FN("parent_bus", "link<bus>", get_parent_bus, NULL),
    {},
};

static void device_finalize(Object *obj)
{
    Device *dev = device_cast(obj);

    assert(!dev->realized);
    device_gpio_cleanup(dev);
    if (dev->buses) {
        g_ptr_array_free(dev->buses, TRUE);
    }
    if (dev->global_err) {
        error_free(dev->global_err);
    }
    qobject_unref(dev->opts);
    g_free((char *)dev->id);
}

static const DeviceClass device_base_class = {
    .props = device_props,
};

const ObjectType device_type = {
    .name = "device",
    .parent = &object_type,
    .size = sizeof(Device),
    .abstract = true,
    .class = &device_base_class,
    .finalize = device_finalize,
};
static const ObjectType *const device_type_entry
    __attribute__((section("qom_types"), used)) = &device_type;

/* Making --------------------------------------------------------------------------- */

/* -global of this type or an ancestor; the last of the same name wins. */
static void apply_globals(Device *dev)
{
    GPtrArray *globals = dev->vm->globals;

    for (guint i = 0; globals && i < globals->len; i++) {
        GlobalProp *g = globals->pdata[i];

        if (!type_is_a_name(dev->obj.type, g->driver)) {
            continue;
        }
        g->used = true;
        if (!dev->global_err &&
            !object_prop_set_str(&dev->obj, g->property, g->value,
                                 &dev->global_err)) {
            error_prefix(&dev->global_err, "can't apply global %s.%s=%s",
                         g->driver, g->property, g->value);
        }
    }
}

/* What follows the model's name in -cpu is for CPUs of -device too. */
static void apply_cpu_options(Device *dev)
{
    const Machine *m = dev->vm->machine;

    if (m && m->cpu_opts && !dev->global_err &&
        !strcmp(dev->obj.type->name, m->cpu_type)) {
        object_props_set_dict(&dev->obj, m->cpu_opts, NULL, QAPI_KEYVAL,
                              &dev->global_err);
    }
}

/* The device whose properties @dev shows as its own, or NULL. */
static Device *forwarded_device(Device *dev)
{
    const ObjectType *t = dev->obj.type;

    while (t && !t->forward) {
        t = t->parent;
    }
    return t ? object_dynamic_cast(*(Object **)((char *)dev + t->forward_at),
                                   &device_type)
             : NULL;
}

void device_setup(Device *dev, Vm *vm)
{
    Device *inner = forwarded_device(dev);

    dev->vm = vm;
    object_set_root(&dev->obj, vm->root);
    if (inner) {
        device_setup(inner, vm);
    }
    apply_globals(dev);
    apply_cpu_options(dev);
}

Device *device_new(Vm *vm, const ObjectType *type)
{
    Device *dev = device_cast(object_new(type));

    device_setup(dev, vm);
    return dev;
}

/* The levels of a type's chain that have a class struct of their own. */
static unsigned class_levels(const Device *dev, const DeviceClass **levels,
                             unsigned max)
{
    const ObjectType *t = dev->obj.type;
    unsigned n = 0;

    for (; t && type_is_a(t, &device_type); t = t->parent) {
        if (t->class) {
            assert(n < max);
            levels[n++] = t->class;
        }
    }
    return n; /* leaf first */
}

#define MAX_LEVELS 16

static bool realize_levels(Device *dev, Error **errp)
{
    const DeviceClass *levels[MAX_LEVELS];
    unsigned n = class_levels(dev, levels, MAX_LEVELS);

    for (unsigned i = n; i-- > 0;) {
        if (levels[i]->realize && !levels[i]->realize(dev, errp)) {
            for (unsigned done = i + 1; done < n; done++) {
                if (levels[done]->unrealize) {
                    levels[done]->unrealize(dev);
                }
            }
            return false;
        }
    }
    return true;
}

static void unrealize_levels(Device *dev)
{
    const DeviceClass *levels[MAX_LEVELS];
    unsigned n = class_levels(dev, levels, MAX_LEVELS);

    for (unsigned i = 0; i < n; i++) {
        if (levels[i]->unrealize) {
            levels[i]->unrealize(dev);
        }
    }
}

static void reset_levels(Device *dev)
{
    const DeviceClass *levels[MAX_LEVELS];
    unsigned n = class_levels(dev, levels, MAX_LEVELS);

    trace(qdev_reset, "obj=%p(%s)", dev, dev->obj.type->name);
    for (unsigned i = n; i-- > 0;) {
        if (levels[i]->reset) {
            levels[i]->reset(dev);
        }
    }
}

void device_reset_tree(Device *dev)
{
    for (guint b = 0; dev->buses && b < dev->buses->len; b++) {
        Bus *bus = dev->buses->pdata[b];

        for (guint i = 0; i < bus->children->len; i++) {
            device_reset_tree(bus->children->pdata[i]);
        }
        if (bus_class(bus) && bus_class(bus)->reset) {
            bus_class(bus)->reset(bus);
        }
    }
    reset_levels(dev);
}

/* Realize -------------------------------------------------------------------------- */

const ObjectType *device_bus_type(const ObjectType *type)
{
    for (; type_is_a(type, &device_type); type = type->parent) {
        const DeviceClass *dc = type->class;

        if (dc && dc->bus_type) {
            return dc->bus_type;
        }
    }
    return NULL;
}

static bool check_bus(Device *dev, Bus *bus, Error **errp)
{
    const ObjectType *want = device_bus_type(dev->obj.type);
    const BusClass *bc = bus ? bus_class(bus) : NULL;

    if (want && (!bus || !type_is_a(bus->obj.type, want))) {
        return error_set(errp, "Device '%s' can't go on %s bus",
                         dev->obj.type->name, bus ? bus->obj.type->name : "no");
    }
    if (bus && bus->max_devices &&
        (int)bus->children->len >= bus->max_devices) {
        return error_set(errp, "Bus '%s' is full", bus->name);
    }
    return !bc || !bc->check || bc->check(bus, dev, errp);
}

static bool check_hotplug(Device *dev, Bus *bus, Error **errp)
{
    Machine *machine = dev->vm->machine;

    dev->hotplugged = machine && machine->ready;
    if (!dev->hotplugged) {
        return true;
    }
    if (device_class(dev)->no_hotplug) {
        return error_set(errp, "Device '%s' does not support hotplugging",
                         dev->obj.type->name);
    }
    return !bus || bus_can_hotplug(bus, errp);
}

static void put_in_tree(Device *dev)
{
    Object *unattached;

    if (!dev->obj.parent) {
        unattached = object_container(dev->vm->root, "machine/unattached");
        object_add_child(unattached, "device[*]", dev, error_abort);
    }
}

bool device_realize(Device *dev, Bus *bus, Error **errp)
{
    bool had_parent = dev->obj.parent;

    assert(!dev->realized && !dev->bus);
    trace(qdev_realize, "obj=%p(%s) bus %p", dev, dev->obj.type->name, bus);
    if (dev->global_err) {
        return error_move(errp, g_steal_pointer(&dev->global_err));
    }
    if (!check_bus(dev, bus, errp) || !check_hotplug(dev, bus, errp)) {
        return false;
    }
    put_in_tree(dev);
    if (bus) {
        bus_attach(bus, dev);
    }
    if (realize_levels(dev, errp)) {
        dev->realized = dev->obj.fixed = true;
        if (!bus || !bus_class(bus) || !bus_class(bus)->plug ||
            bus_class(bus)->plug(bus, dev, errp)) {
            if (dev->hotplugged) {
                device_reset_tree(dev);
            }
            return true;
        }
        unrealize_levels(dev);
        dev->realized = dev->obj.fixed = false;
    }
    if (bus) {
        bus_detach(bus, dev);
    }
    if (!had_parent) {
        object_unparent(dev);
    }
    return false;
}

bool device_realize_and_unref(Device *dev, Bus *bus, Error **errp)
{
    bool ok = device_realize(dev, bus, errp);

    object_unref(dev);
    return ok;
}

void device_unrealize(Device *dev)
{
    if (!dev->realized) {
        return;
    }
    /* What sits on its buses goes before it, the buses after: it may still
     * look at them. */
    for (guint i = dev->buses ? dev->buses->len : 0; i-- > 0;) {
        bus_empty(dev->buses->pdata[i]);
    }
    dev->realized = dev->obj.fixed = false;
    unrealize_levels(dev);
    while (dev->buses && dev->buses->len) {
        bus_unparent(dev->buses->pdata[dev->buses->len - 1]);
    }
    if (dev->bus) {
        bus_detach(dev->bus, dev);
    }
}

static void unplug_now(Device *dev)
{
    g_autofree char *path = object_path(&dev->obj);

    object_ref(dev);
    device_unrealize(dev);
    object_unparent(dev);
    qapi_event_send_device_deleted(dev->vm->events, dev->id, path);
    object_unref(dev);
}

static void unplug_later(void *opaque)
{
    Device *dev = opaque;

    if (dev->realized) {
        device_unplug(dev);
    }
    object_unref(dev);
}

void device_unplug(Device *dev)
{
    if (cpu_current()) {
        /* The guest ejects it. Watches and timers of the main loop that the
         * device has can only be taken away on the main loop's thread. */
        object_ref(dev);
        loop_post(dev->vm->loop, unplug_later, dev);
        return;
    }
    unplug_now(dev);
}

/* Names ------------------------------------------------------------------------------ */

Device *device_find(Vm *vm, const char *id)
{
    Object *peripheral = object_container(vm->root, "machine/peripheral");

    return object_dynamic_cast(object_child(peripheral, id), &device_type);
}

char *device_path(Device *dev)
{
    const BusClass *bc = dev->bus ? bus_class(dev->bus) : NULL;

    return bc && bc->device_path ? bc->device_path(dev) : NULL;
}

char *device_fw_path(Device *dev)
{
    g_autofree char *above = NULL;
    g_autofree char *own = NULL;

    if (!dev->bus) {
        return g_strdup("");
    }
    if (dev->bus->parent) {
        above = device_fw_path(dev->bus->parent);
    }
    if (bus_class(dev->bus)->fw_device_path) {
        own = bus_class(dev->bus)->fw_device_path(dev);
    }
    return own ? g_strdup_printf("%s/%s", above ?: "", own)
               : g_strdup(above ?: "");
}
