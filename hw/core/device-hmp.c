/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: the device tree, adding and removing devices. */
#include "util/osdep.h"

#include "hw/core/core-internal.h"
#include "hw/core/device-info.h"
#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "qapi/hmp.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* info qtree ------------------------------------------------------------------- */

typedef struct TreePrint {
    Hmp *hmp;
    Device *dev;
    int indent;
} TreePrint;

static void print_value(TreePrint *p, const char *name, const QObject *v)
{
    uint64_t u;
    int64_t i;

    hmp_printf(p->hmp, "%*s%s = ", p->indent, "", name);
    if (qobject_type(v) == QTYPE_QSTRING) {
        hmp_printf(p->hmp, "\"%s\"\n", qobject_get_str(v));
    } else if (qobject_get_int(v, &i)) {
        hmp_printf(p->hmp, "%" PRIi64 " (0x%" PRIx64 ")\n", i, (uint64_t)i);
    } else if (qobject_get_uint(v, &u)) {
        hmp_printf(p->hmp, "%" PRIu64 " (0x%" PRIx64 ")\n", u, u);
    } else {
        g_autofree char *json = qobject_to_json(v);

        hmp_printf(p->hmp, "%s\n", json);
    }
}

static bool print_prop(const Prop *prop, const ObjectType *owner, void *opaque)
{
    TreePrint *p = opaque;
    autoerr Error *err = NULL;
    g_autoptr(QObject) v = NULL;

    if (owner == &device_type || prop->kind == &prop_kind_fn) {
        return true;
    }
    v = object_prop_get(&p->dev->obj, prop->name, &err);
    if (v) {
        print_value(p, prop->name, v);
    }
    return true;
}

static void print_bus(Hmp *hmp, Bus *bus, int indent);

static void print_device(Hmp *hmp, Device *dev, int indent)
{
    TreePrint p = { hmp, dev, indent + 2 };

    hmp_printf(hmp, "%*sdev: %s, id \"%s\"\n", indent, "", dev->obj.type->name,
               dev->id ?: "");
    device_gpio_info(dev, hmp->out, indent + 2);
    type_props_foreach(dev->obj.type, print_prop, &p);
    for (guint i = 0; dev->buses && i < dev->buses->len; i++) {
        print_bus(hmp, dev->buses->pdata[i], indent + 2);
    }
}

/* Newest first, as in QEMU. */
static void print_bus(Hmp *hmp, Bus *bus, int indent)
{
    hmp_printf(hmp, "%*sbus: %s\n", indent, "", bus->name);
    hmp_printf(hmp, "%*s  type %s\n", indent, "", bus->obj.type->name);
    for (guint i = bus->children->len; i-- > 0;) {
        print_device(hmp, bus->children->pdata[i], indent + 2);
    }
}

static bool info_qtree(Hmp *hmp, const QDict *args, Error **errp)
{
    Bus *bus = system_bus(hmp->vm);

    if (bus) {
        print_bus(hmp, bus, 0);
    }
    return true;
}

/* device_add, device_del ---------------------------------------------------------- */

static bool hmp_device_add(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *text = qdict_get_str(args, "device");
    bool help = false;
    QapiMode mode;
    g_autoptr(QDict) opts =
        qapi_parse_opts_dict(text, "driver", &help, &mode, errp);
    const char *driver;

    if (!opts) {
        return false;
    }
    qapi_opts_keep_last(opts);
    driver = qdict_get_str(opts, "driver");
    if (help) {
        if (driver && !g_str_equal(driver, "help")) {
            return device_help(driver, hmp->out, errp);
        }
        device_list_help(hmp->out);
        return true;
    }
    return device_add_opts(hmp->vm, opts, mode, errp);
}

static bool hmp_device_del(Hmp *hmp, const QDict *args, Error **errp)
{
    QDict *qmp = qdict_new();

    qdict_put_str(qmp, "id", qdict_get_str(args, "id"));
    return hmp_qmp_void(hmp, "device_del", qmp, errp);
}

static void complete_driver(Hmp *hmp, const char *prefix, GPtrArray *list)
{
    g_autofree const char **names = type_names(&device_type);

    for (const char **n = names; *n; n++) {
        const DeviceClass *dc = type_class(type_find(*n));

        if (!dc->internal && g_str_has_prefix(*n, prefix)) {
            g_ptr_array_add(list, g_strdup(*n));
        }
    }
}

typedef struct IdSearch {
    const char *prefix;
    GPtrArray *list;
} IdSearch;

static bool collect_id(Object *obj, void *opaque)
{
    IdSearch *s = opaque;

    if (g_str_has_prefix(object_name(obj), s->prefix)) {
        g_ptr_array_add(s->list, g_strdup(object_name(obj)));
    }
    return true;
}

static void complete_id(Hmp *hmp, const char *prefix, GPtrArray *list)
{
    IdSearch s = { prefix, list };

    object_children_foreach(
        object_container(hmp->vm->root, "machine/peripheral"), collect_id, &s);
}

static const HmpArg device_add_args[] = {
    { "device", HMP_REST, .complete = complete_driver },
    {},
};
static const HmpArg device_del_args[] = {
    { "id", HMP_WORD, .complete = complete_id },
    {},
};

static const HmpCommand device_commands[] = {
    { .name = "info qtree", .help = "show device tree", .run = info_qtree },
    { .name = "device_add", .args = device_add_args,
      .params = "driver[,prop=value][,...]",
      .help = "add device, like -device on the command line",
      .run = hmp_device_add },
    { .name = "device_del", .args = device_del_args, .params = "device",
      .help = "remove device", .run = hmp_device_del },
};
HMP_COMMANDS(device_commands);
