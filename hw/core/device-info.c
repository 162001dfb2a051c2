/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be asked of device types: device-list-properties, "-device help",
 * "-device X,help".
 */
#include "util/osdep.h"

#include "hw/core/boot-order.h"
#include "hw/core/core-internal.h"
#include "hw/core/device-info.h"
#include "hw/core/device.h"
#include "qapi/qapi-commands-qdev.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* Properties of every device, which the lists leave out. */
static bool is_common_prop(const char *name)
{
    static const char *const common[] = { "type", "realized", "hotpluggable",
                                          "hotplugged", "parent_bus", NULL };

    return g_strv_contains(common, name);
}

typedef struct ListVisit {
    Object *obj; /* an instance, for default values; or NULL */
    ObjectPropertyInfoList **tail;
} ListVisit;

/* Defaults as QEMU shows them: those that the table states. */
static QObject *prop_default(const Prop *prop)
{
    const PropKind *k = prop->kind;

    if (!prop->has_def || k == &prop_kind_bootindex) {
        return NULL;
    }
    if (k == &prop_kind_bool || k == &prop_kind_bit || k == &prop_kind_bit64) {
        return qbool_new(prop->def.u);
    }
    if (k == &prop_kind_enum) {
        return qstr_new(qapi_enum_name(prop->arg, prop->def.i));
    }
    if (k == &prop_kind_str) {
        return qstr_new(prop->def.s);
    }
    if (g_str_has_prefix(k->type, "int")) {
        return qint_new(prop->def.i);
    }
    if (k->set_default) {
        return quint_new(prop->def.u);
    }
    return NULL;
}

/* Bits and OnOffAuto are described by their values. */
static const char *prop_help(const Prop *prop)
{
    bool bit = prop->kind == &prop_kind_bit || prop->kind == &prop_kind_bit64;

    if (prop->help) {
        return prop->help;
    }
    if (prop->kind == &prop_kind_enum && prop->arg == &qapi_type_OnOffAuto) {
        return "on/off/auto";
    }
    return bit ? "on/off" : NULL;
}

static bool list_prop(const Prop *prop, const ObjectType *owner, void *opaque)
{
    ListVisit *v = opaque;
    ObjectPropertyInfo *info;

    if (is_common_prop(prop->name)) {
        return true;
    }
    info = g_new0(ObjectPropertyInfo, 1);
    info->name = g_strdup(prop->name);
    info->type = g_strdup(prop_type_name(prop));
    info->description = g_strdup(prop_help(prop));
    info->default_value = prop_default(prop);
    QAPI_LIST_APPEND(v->tail, info);
    return true;
}

ObjectPropertyInfoList *qmp_device_list_properties(Vm *vm,
                                                   const char *type_name,
                                                   Error **errp)
{
    ObjectPropertyInfoList *list = NULL;
    ListVisit v = { .tail = &list };
    const ObjectType *t = type_find(type_name);

    /* An alias is for -device only. */
    if (!t || !g_str_equal(t->name, type_name)) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", type_name);
        return NULL;
    }
    if (!type_is_a(t, &device_type) || t->abstract) {
        error_set(errp, "Parameter 'typename' expects a non-abstract device "
                  "type");
        return NULL;
    }
    type_props_foreach(t, list_prop, &v);
    return list;
}

/* Help texts ------------------------------------------------------------------------ */

static int compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool help_line(const Prop *prop, const ObjectType *owner, void *opaque)
{
    g_autofree char *name = NULL;
    g_autofree char *value = NULL;
    g_autoptr(QObject) def = NULL;
    const char *help = prop_help(prop);

    if (is_common_prop(prop->name) || prop->read_only ||
        (prop->kind == &prop_kind_fn && !prop->set_fn)) {
        return true;
    }
    name = g_strdup_printf("%s=<%s>", prop->name, prop_type_name(prop));
    def = prop_default(prop);
    if (def) {
        g_autofree char *json = qobject_to_json(def);

        value = g_strdup_printf(" (default: %s)", json);
    }
    g_ptr_array_add(opaque,
                    help || value
                        ? g_strdup_printf("  %-22s - %s%s", name, help ?: "",
                                          value ?: "")
                        : g_strdup_printf("  %s", name));
    return true;
}

void type_props_help(const ObjectType *t, GString *out)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    type_props_foreach(t, help_line, lines);
    g_ptr_array_sort(lines, compare_lines);
    for (guint i = 0; i < lines->len; i++) {
        g_string_append_printf(out, "%s\n", (char *)lines->pdata[i]);
    }
}

bool device_help(const char *driver, GString *out, Error **errp)
{
    const ObjectType *t = type_find(driver);

    if (!t || t->abstract || !type_is_a(t, &device_type)) {
        return device_unknown_driver(driver, errp);
    }
    g_string_append_printf(out, "%s options:\n", driver);
    type_props_help(t, out);
    return true;
}

/* Kinds of one bus go by the name of the first: PCIE is a PCI. */
static const char *bus_family(const ObjectType *bus)
{
    while (bus->parent && bus->parent != &bus_type) {
        bus = bus->parent;
    }
    return bus->name;
}

void device_list_help(GString *out)
{
    static const char *const titles[DEVICE_CATEGORY__MAX] = {
        [DEVICE_CATEGORY_BRIDGE] = "Controller/Bridge/Hub",
        [DEVICE_CATEGORY_USB] = "USB",
        [DEVICE_CATEGORY_STORAGE] = "Storage",
        [DEVICE_CATEGORY_NETWORK] = "Network",
        [DEVICE_CATEGORY_INPUT] = "Input",
        [DEVICE_CATEGORY_DISPLAY] = "Display",
        [DEVICE_CATEGORY_SOUND] = "Sound",
        [DEVICE_CATEGORY_MISC] = "Misc",
        [DEVICE_CATEGORY_CPU] = "CPU",
        [DEVICE_CATEGORY_WATCHDOG] = "Watchdog",
    };
    static const DeviceCategory order[] = {
        DEVICE_CATEGORY_BRIDGE, DEVICE_CATEGORY_USB, DEVICE_CATEGORY_STORAGE,
        DEVICE_CATEGORY_NETWORK, DEVICE_CATEGORY_INPUT,
        DEVICE_CATEGORY_DISPLAY, DEVICE_CATEGORY_SOUND, DEVICE_CATEGORY_MISC,
        DEVICE_CATEGORY_CPU, DEVICE_CATEGORY_WATCHDOG,
    };
    g_autofree const char **names = type_names(&device_type);
    bool any = false;

    for (size_t c = 0; c < ARRAY_SIZE(order); c++) {
        bool titled = false;

        for (const char **n = names; *n; n++) {
            const ObjectType *t = type_find(*n);
            const DeviceClass *dc = type_class(t);
            const ObjectType *bus = device_bus_type(t);

            if (dc->internal || dc->category != order[c]) {
                continue;
            }
            if (!titled) {
                g_string_append_printf(out, "%s%s devices:\n", any ? "\n" : "",
                                       titles[order[c]]);
                titled = any = true;
            }
            g_string_append_printf(out, "name \"%s\"", *n);
            if (bus) {
                g_string_append_printf(out, ", bus %s", bus_family(bus));
            }
            if (t->alias) {
                g_string_append_printf(out, ", alias \"%s\"", t->alias);
            }
            if (dc->desc && dc->category != DEVICE_CATEGORY_CPU) {
                g_string_append_printf(out, ", desc \"%s\"", dc->desc);
            }
            g_string_append_c(out, '\n');
        }
    }
}
