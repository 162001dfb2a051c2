/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: the memory devices (DIMMs) of the VM, found in the composition tree by
 * type and asked by property. */
#include "util/osdep.h"

#include "hw/core/device.h"
#include "qapi/qapi-commands-machine.h"
#include "softmmu/vm.h"
#include "util/error.h"

static int64_t int_prop(Object *obj, const char *name)
{
    autoerr Error *err = NULL;
    g_autoptr(QObject) v = object_prop_get(obj, name, &err);
    int64_t n = 0;

    if (v) {
        qobject_get_int(v, &n);
    }
    return n;
}

static bool add_dimm(Object *obj, void *opaque)
{
    MemoryDeviceInfoList **list = opaque;
    MemoryDeviceInfo *info;
    PCDIMMDeviceInfo *d;
    autoerr Error *err = NULL;
    g_autoptr(QObject) memdev = NULL;
    Device *dev = object_dynamic_cast(obj, &device_type);

    if (!dev || !dev->realized || !type_is_a_name(obj->type, "pc-dimm")) {
        return true;
    }
    memdev = object_prop_get(obj, "memdev", &err);
    d = g_new0(PCDIMMDeviceInfo, 1);
    d->id = g_strdup(dev->id);
    d->addr = int_prop(obj, "addr");
    d->size = int_prop(obj, "size");
    d->slot = int_prop(obj, "slot");
    d->node = int_prop(obj, "node");
    d->memdev = g_strdup(memdev ? qobject_get_str(memdev) : "");
    d->hotplugged = dev->hotplugged;
    d->hotpluggable = !device_class(dev)->no_hotplug;
    info = g_new0(MemoryDeviceInfo, 1);
    info->type = type_is_a_name(obj->type, "nvdimm")
                     ? MEMORY_DEVICE_INFO_KIND_NVDIMM
                     : MEMORY_DEVICE_INFO_KIND_DIMM;
    PCDIMMDeviceInfoWrapper *w = info->type == MEMORY_DEVICE_INFO_KIND_NVDIMM
                                     ? &info->u.nvdimm
                                     : &info->u.dimm;
    w->data = d;
    QAPI_LIST_PREPEND(*list, info);
    return true;
}

MemoryDeviceInfoList *qmp_query_memory_devices(Vm *vm, Error **errp)
{
    static const char *const places[] = { "machine/peripheral",
                                          "machine/peripheral-anon" };
    MemoryDeviceInfoList *list = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        object_children_foreach(object_container(vm->root, places[i]), add_dimm,
                                &list);
    }
    return list;
}
