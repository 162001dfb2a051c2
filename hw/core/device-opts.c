/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices from user options: -device, device_add, device_del. */
#include "util/osdep.h"

#include "hw/core/core-internal.h"
#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "qapi/qapi-commands-qdev.h"
#include "softmmu/vm.h"
#include "util/error.h"

static bool is_pluggable(const ObjectType *t)
{
    const DeviceClass *dc;

    if (t->abstract || !type_is_a(t, &device_type)) {
        return false;
    }
    dc = type_class(t);
    return !dc->internal;
}

bool device_unknown_driver(const char *driver, Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const ObjectType *t;

    error_set(errp, "'%s' is not a valid device model name", driver);
    for (size_t i = 0; (t = type_at(i)); i++) {
        if (is_pluggable(t)) {
            g_ptr_array_add(names, (char *)t->name);
        }
    }
    g_ptr_array_add(names, NULL);
    error_hint_nearest(errp, driver, (const char *const *)names->pdata);
    return false;
}

static const ObjectType *driver_type(const char *driver, Error **errp)
{
    const ObjectType *t = type_find(driver);

    if (!t || !type_is_a(t, &device_type)) {
        device_unknown_driver(driver, errp);
        return NULL;
    }
    if (!is_pluggable(t)) {
        error_set(errp, "Parameter 'driver' expects a pluggable device type");
        return NULL;
    }
    return t;
}

/* The bus that "bus=" names, or the first with room. *@bus NULL: none needed. */
static bool choose_bus(Vm *vm, const ObjectType *type, const QDict *opts,
                       Bus **bus, Error **errp)
{
    const ObjectType *want = device_bus_type(type);
    const char *name = qdict_get_str(opts, "bus");

    *bus = NULL;
    if (name) {
        *bus = bus_find(vm, name, errp);
        if (!*bus) {
            return false;
        }
        if (!want) {
            return error_set(errp, "Device '%s' has no bus", type->name);
        }
        if (!type_is_a((*bus)->obj.type, want)) {
            return error_set(errp, "Device '%s' can't go on %s bus",
                             type->name, (*bus)->obj.type->name);
        }
        return true;
    }
    if (!want) {
        return true;
    }
    *bus = bus_find_type(vm, want);
    return *bus || error_set(errp, "No '%s' bus found for device '%s'",
                             want->name, type->name);
}

static bool id_is_wellformed(const char *id)
{
    if (!g_ascii_isalpha(*id)) {
        return false;
    }
    for (; *id; id++) {
        if (!g_ascii_isalnum(*id) && !strchr("-._", *id)) {
            return false;
        }
    }
    return true;
}

/* Below /machine/peripheral by id, or /machine/peripheral-anon. */
static bool place_in_tree(Device *dev, const char *id, Error **errp)
{
    Vm *vm = dev->vm;

    if (!id) {
        Object *anon = object_container(vm->root, "machine/peripheral-anon");

        return object_add_child(anon, "device[*]", dev, errp);
    }
    if (!id_is_wellformed(id)) {
        error_set(errp, "Parameter 'id' expects an identifier");
        error_hint(errp, "Identifiers consist of letters, digits, '-', '.', "
                   "'_', starting with a letter.\n");
        return false;
    }
    if (device_find(vm, id)) {
        return error_set(errp, "Duplicate device ID '%s'", id);
    }
    dev->id = g_strdup(id);
    return object_add_child(object_container(vm->root, "machine/peripheral"),
                            id, dev, errp);
}

Device *device_add_opts(Vm *vm, const QDict *opts, QapiMode mode, Error **errp)
{
    static const char *const skip[] = { "driver", "id", "bus", NULL };
    const char *driver = qdict_get_str(opts, "driver");
    const ObjectType *type;
    Device *dev;
    Bus *bus;

    if (!driver) {
        error_set(errp, "Parameter 'driver' is missing");
        return NULL;
    }
    type = driver_type(driver, errp);
    if (!type || !choose_bus(vm, type, opts, &bus, errp)) {
        return NULL;
    }
    dev = device_new(vm, type);
    dev->opts = (QDict *)qobject_clone((const QObject *)opts);
    if (!place_in_tree(dev, qdict_get_str(opts, "id"), errp)) {
        object_unref(dev);
        return NULL;
    }
    if (!object_props_set_dict(&dev->obj, opts, skip, mode, errp) ||
        !device_realize(dev, bus, errp)) {
        object_unparent(dev);
        object_unref(dev);
        return NULL;
    }
    object_unref(dev); /* the tree holds it */
    return dev;
}

bool qmp_device_add(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    if (!vm->machine || !vm->machine->ready) {
        return error_set(errp, "The machine is not ready for devices yet");
    }
    return device_add_opts(vm, args, QAPI_STRICT, errp);
}

static Device *find_user_device(Vm *vm, const char *id, Error **errp)
{
    Object *obj = *id == '/' ? object_resolve(vm->root, id, NULL)
                             : (Object *)device_find(vm, id);

    if (!obj) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", id);
        return NULL;
    }
    if (!object_dynamic_cast(obj, &device_type)) {
        error_set(errp, "%s is not a hotpluggable device", id);
        return NULL;
    }
    return device_cast(obj);
}

bool qmp_device_del(Vm *vm, const char *id, Error **errp)
{
    Device *dev = find_user_device(vm, id, errp);

    if (!dev) {
        return false;
    }
    if (dev->unplug_pending) {
        return error_set(errp, "Device %s is already in the process of unplug",
                         id);
    }
    if (device_class(dev)->no_hotplug) {
        return error_set(errp, "Device '%s' does not support hotplugging",
                         dev->obj.type->name);
    }
    if (!dev->bus || !bus_class(dev->bus)->unplug_request) {
        return error_set(errp, "Bus '%s' does not support hotplugging",
                         dev->bus ? dev->bus->name : "none");
    }
    return bus_can_hotplug(dev->bus, errp) &&
           bus_class(dev->bus)->unplug_request(dev->bus, dev, errp);
}
