/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The property "bootindex" and the list made of it: see boot-order.h. */
#include "util/osdep.h"

#include "hw/core/boot-order.h"
#include "util/error.h"

/* A device that has a place. */
typedef struct BootEntry {
    int32_t index;
    Device *dev;
    const char *suffix;
} BootEntry;

typedef struct FindProp {
    const ObjectType *type;
    const Prop *found;
} FindProp;

/* Not those of an object behind this one: that is a device itself. */
static bool find_prop(const Prop *prop, const ObjectType *owner, void *opaque)
{
    FindProp *f = opaque;

    if (prop->kind == &prop_kind_bootindex && type_is_a(f->type, owner)) {
        f->found = prop;
    }
    return true;
}

static bool add_entry(Device *dev, void *opaque)
{
    GArray *entries = opaque;
    FindProp f = { dev->obj.type, NULL };
    BootEntry e = { -1, dev, NULL };

    type_props_foreach(dev->obj.type, find_prop, &f);
    if (!f.found) {
        return true;
    }
    e.index = *(int32_t *)prop_slot(&dev->obj, f.found);
    e.suffix = f.found->arg;
    if (e.index >= 0) {
        g_array_append_val(entries, e);
    }
    return true;
}

static int compare_entries(const void *a, const void *b)
{
    const BootEntry *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

static GArray *find_entries(Vm *vm)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(BootEntry));

    bus_foreach(system_bus(vm), add_entry, entries);
    g_array_sort(entries, compare_entries);
    return entries;
}

GByteArray *boot_order_list(Vm *vm, bool strict)
{
    g_autoptr(GArray) entries = find_entries(vm);
    g_autoptr(GString) list = g_string_new(NULL);
    GByteArray *out = g_byte_array_new();

    for (guint i = 0; i < entries->len; i++) {
        const BootEntry *e = &g_array_index(entries, BootEntry, i);
        g_autofree char *path = device_fw_path(e->dev);

        g_string_append_printf(list, "%s%s%s", i ? "\n" : "", path,
                               e->suffix ? e->suffix : "");
    }
    if (entries->len) {
        g_string_append(list, strict ? "\nHALT" : "");
        g_byte_array_append(out, (uint8_t *)list->str, list->len + 1);
    }
    return out;
}

/* The property ---------------------------------------------------------------
 */

static QObject *bootindex_get(Object *obj, const Prop *prop, Error **errp)
{
    return qint_new(*(int32_t *)prop_slot(obj, prop));
}

static bool check_free(Device *dev, int32_t index, Error **errp)
{
    g_autoptr(GArray) entries = index < 0 ? NULL : find_entries(dev->vm);

    for (guint i = 0; entries && i < entries->len; i++) {
        const BootEntry *e = &g_array_index(entries, BootEntry, i);

        if (e->index == index && e->dev != dev) {
            return error_set(errp, "The bootindex %d has already been used",
                             index);
        }
    }
    return true;
}

static bool bootindex_set(Object *obj, const Prop *prop, const QObject *value,
                          QapiMode mode, Error **errp)
{
    int32_t index = -1;

    if (!qapi_read_named(&qapi_type_int32, prop->name, value, &index, mode,
                         errp) ||
        !check_free(device_cast(obj), index, errp)) {
        return false;
    }
    *(int32_t *)prop_slot(obj, prop) = index;
    return true;
}

static void bootindex_set_default(Object *obj, const Prop *prop)
{
    *(int32_t *)prop_slot(obj, prop) = prop->def.i;
}

const PropKind prop_kind_bootindex = {
    .type = "int32",
    .get = bootindex_get,
    .set = bootindex_set,
    .set_default = bootindex_set_default,
};
