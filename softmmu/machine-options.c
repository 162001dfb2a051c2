/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything the command line says of the machine, from -machine, -m, -smp,
 * -boot, -kernel and so on, as one dict of machine properties.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "hw/core/machine.h"
#include "qapi/qapi-types-machine.h"
#include "qapi/qapi.h"
#include "softmmu/launch.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* "kernel_irqchip" is "kernel-irqchip". */
static char *canonical_key(const char *key)
{
    char *k = g_strdup(key);

    return g_strdelimit(k, "_", '-');
}

/* Options of the accelerator that -machine still takes. */
static bool is_accel_key(const char *key)
{
    return g_str_equal(key, "kernel-irqchip") ||
           g_str_equal(key, "kvm-shadow-mem");
}

static QDict *parse(const char *text, const char *implied, const char *option,
                    Error **errp)
{
    QapiMode mode;
    bool help = false;
    QDict *d = g_str_equal(option, "machine")
                   ? qapi_parse_option_dict(text, implied, &help, &mode, errp)
                   : qapi_parse_opts_dict(text, implied, &help, &mode, errp);

    if (!d) {
        error_prefix(errp, "-%s %s", option, text);
    }
    return d;
}

static bool add_machine(Launch *l, const char *text, char **type, Error **errp)
{
    g_autoptr(QDict) d = parse(text, "type", "machine", errp);

    if (!d) {
        return false;
    }
    QDICT_FOREACH(d, e) {
        g_autofree char *key = canonical_key(e->key);

        if (g_str_equal(key, "type")) {
            g_free(*type);
            *type = g_strdup(qobject_get_str(e->value));
        } else if (g_str_equal(key, "accel")) {
            g_free(l->accel_list);
            l->accel_list = g_strdup(qobject_get_str(e->value));
        } else {
            QDict *to = is_accel_key(key) ? l->accel_props : l->machine_props;

            qdict_put(to, key, qobject_ref(e->value));
        }
    }
    return true;
}

/* -m counts in MiB where there is no suffix; "maxmem" is "max-size". */
static void fix_memory_units(QDict *mem)
{
    const char *size = qdict_get_str(mem, "size");
    QObject *max = qdict_take(mem, "maxmem");

    if (size && *size && g_ascii_isdigit(size[strlen(size) - 1])) {
        g_autofree char *mib = g_strdup_printf("%sM", size);

        qdict_put_str(mem, "size", mib);
    }
    if (max) {
        qdict_put(mem, "max-size", max);
    }
}

/* Does @d fit @type? The value itself is made once all options are known. */
static bool check_structured(const QapiType *type, const QDict *d, Error **errp)
{
    void *value =
        qapi_from_qobject(type, (const QObject *)d, QAPI_KEYVAL, errp);

    qapi_free(type, value);
    return value;
}

/* Add the pairs of every -OPTION to the structured property @prop. */
static bool add_structured(Launch *l, OptionId id, const char *implied,
                           const char *prop, const QapiType *type,
                           Error **errp)
{
    const char *text;
    unsigned pos = 0;

    while ((text = options_next(&l->options, id, &pos))) {
        g_autoptr(QDict) d = parse(text, implied, option_def(id)->name, errp);
        QDict *old;

        if (!d) {
            return false;
        }
        qapi_opts_keep_last(d);
        if (id == OPT_M) {
            fix_memory_units(d);
        }
        if (!check_structured(type, d, errp)) {
            return error_prefix(errp, "-%s %s", option_def(id)->name, text);
        }
        old = qdict_get_dict(l->machine_props, prop);
        if (!old) {
            old = qdict_new();
            qdict_put(l->machine_props, prop, old);
        }
        qdict_join(old, d, true);
    }
    return true;
}

static void add_simple(Launch *l)
{
    static const struct {
        OptionId id;
        const char *prop, *value; /* NULL: the option's argument */
    } simple[] = {
        { OPT_KERNEL, "kernel", NULL },
        { OPT_INITRD, "initrd", NULL },
        { OPT_APPEND, "append", NULL },
        { OPT_DTB, "dtb", NULL },
        { OPT_BIOS, "firmware", NULL },
        { OPT_NO_HPET, "hpet", "off" },
        { OPT_NO_ACPI, "acpi", "off" },
        { OPT_USB, "usb", "on" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(simple); i++) {
        const char *text = options_last(&l->options, simple[i].id);

        if (text) {
            qdict_put_str(l->machine_props, simple[i].prop,
                          simple[i].value ?: text);
        }
    }
}

static const ObjectType *default_machine(const char *target)
{
    const ObjectType *t;

    for (size_t i = 0; (t = type_at(i)); i++) {
        if (!t->abstract && type_is_a(t, &machine_type)) {
            const MachineClass *mc = type_class(t);

            if (mc->is_default && g_strcmp0(mc->target, target) == 0) {
                return t;
            }
        }
    }
    return NULL;
}

bool machine_options_collect(Launch *l, Error **errp)
{
    g_autofree char *type = NULL;
    const char *text;
    unsigned pos = 0;

    l->machine_props = qdict_new();
    l->accel_props = qdict_new();
    while ((text = options_next(&l->options, OPT_MACHINE, &pos))) {
        if (!add_machine(l, text, &type, errp)) {
            return false;
        }
    }
    if (!add_structured(l, OPT_SMP, "cpus", "smp", &qapi_type_SMPConfiguration,
                        errp) ||
        !add_structured(l, OPT_M, "size", "memory",
                        &qapi_type_MemorySizeConfiguration, errp) ||
        !add_structured(l, OPT_BOOT, "order", "boot",
                        &qapi_type_BootConfiguration, errp)) {
        return false;
    }
    add_simple(l);
    if (type) {
        l->machine_type = machine_find(type, l->target, errp);
        return l->machine_type;
    }
    l->machine_type = default_machine(l->target);
    if (!l->machine_type) {
        error_set(errp, "No machine specified, and there is no default");
        error_hint(errp, "Use -machine help to list supported machines\n");
    }
    return l->machine_type;
}

/* CPU model and features ------------------------------------------------------------ */

/* "+x" is "x=on", "-x" is "x=off"; empty parts are skipped. */
static void add_cpu_feature(QDict *opts, char *part)
{
    char *eq = strchr(part, '=');

    if (*part == '+') {
        qdict_put_str(opts, part + 1, "on");
    } else if (*part == '-') {
        qdict_put_str(opts, part + 1, "off");
    } else if (eq) {
        *eq = '\0';
        qdict_put_str(opts, part, eq + 1);
    } else if (*part) {
        qdict_put_str(opts, part, "on");
    }
}

/* Name the model that may have been meant. */
static void hint_cpu(const char *model, const char *suffix, Error **errp)
{
    const ObjectType *base = type_find(suffix);
    g_autofree const char **types = base ? type_names(base) : NULL;
    g_autoptr(GPtrArray) models = g_ptr_array_new_with_free_func(g_free);

    for (const char **t = types; t && *t; t++) {
        g_ptr_array_add(models,
                        g_strndup(*t, strlen(*t) - strlen(suffix) - 1));
    }
    g_ptr_array_add(models, NULL);
    error_hint_nearest(errp, model, (const char *const *)models->pdata);
}

static bool apply_cpu(Machine *m, const char *text, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    const char *suffix =
        g_str_equal(m->vm->target, "aarch64") ? "arm-cpu" : "x86_64-cpu";
    const ObjectType *t;

    g_free(m->cpu_type);
    m->cpu_type = g_strdup_printf("%s-%s", parts[0], suffix);
    t = type_find(m->cpu_type);
    if (!t || t->abstract) {
        error_set(errp, "unable to find CPU model '%s'", parts[0]);
        hint_cpu(parts[0], suffix, errp);
        error_hint(errp, "Use -cpu help to list supported models\n");
        return false;
    }
    m->cpu_opts = qdict_new();
    for (char **p = parts + 1; *p; p++) {
        add_cpu_feature(m->cpu_opts, *p);
    }
    return true;
}

bool machine_options_apply(Launch *l, Machine *m, Error **errp)
{
    const char *cpu = options_last(&l->options, OPT_CPU);
    const MachineClass *mc = machine_class(m);

    if (!object_props_set_dict(&m->obj, l->machine_props, NULL, QAPI_KEYVAL,
                               errp)) {
        return false;
    }
    m->mem_path = g_strdup(options_last(&l->options, OPT_MEM_PATH));
    m->mem_prealloc = options_have(&l->options, OPT_MEM_PREALLOC);
    if (l->nographic) {
        m->graphics = false;
    }
    if (!m->kernel && (m->initrd || m->append || m->dtb)) {
        return error_set(errp, "-initrd, -append and -dtb need -kernel");
    }
    if (m->dtb && g_str_equal(l->target, "x86_64")) {
        return error_set(errp,
                         "-dtb %s: x86 machines boot without a device "
                         "tree",
                         m->dtb);
    }
    if (cpu) {
        return apply_cpu(m, cpu, errp);
    }
    m->cpu_type = g_strdup(mc->default_cpu_type);
    return true;
}

/* Accelerators ------------------------------------------------------------------------- */

/* QEMU has more accelerators: clients may name one as their second choice. */
static bool check_accel_name(const char *name, Error **errp)
{
    static const char *const others[] = { "tcg",  "hax", "hvf", "nvmm",
                                          "whpx", "xen", NULL };
    g_autofree char *type = g_strdup_printf("%s-accel", name);

    return type_find(type) || g_strv_contains(others, name) ||
           error_set(errp, "invalid accelerator %s", name);
}

/* The first of the list that opens; what fails before it is told at the end. */
bool accel_options_apply(Launch *l, Vm *vm, Error **errp)
{
    bool may_be_none = g_str_equal(machine_class(vm->machine)->name, "none");
    autoerr Error *err = NULL, *unknown = NULL;
    const char *text;
    unsigned pos = 0;
    bool tried = false;

    while ((text = options_next(&l->options, OPT_ACCEL, &pos))) {
        g_autoptr(QDict) d = parse(text, "accel", "accel", errp);
        g_autofree char *name = NULL;

        if (!d) {
            return false;
        }
        tried = true;
        qapi_opts_keep_last(d);
        name = g_strdup(qdict_get_str(d, "accel"));
        if (!name) {
            return error_set(errp, "-accel %s: no accelerator given", text);
        }
        if (!unknown) {
            check_accel_name(name, &unknown);
        }
        if (l->accel_list) {
            return error_set(errp, "The -accel and \"-machine accel=\" options "
                                   "are incompatible");
        }
        qdict_del(d, "accel");
        qdict_join(d, l->accel_props, false);
        autoerr_cleanup(&err);
        err = NULL;
        if (accel_select(vm, name, d, &err)) {
            return true;
        }
    }
    if (!tried) {
        const char *list = l->accel_list;

        if (!list) {
            list = options_have(&l->options, OPT_QTEST) ? "qtest" : "kvm";
        }
        if (accel_select(vm, list, l->accel_props, &err)) {
            return true;
        }
    }
    if (unknown) {
        return error_move(errp, g_steal_pointer(&unknown));
    }
    if (may_be_none) {
        return true;
    }
    return error_move(errp, g_steal_pointer(&err));
}
