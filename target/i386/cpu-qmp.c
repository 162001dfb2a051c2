/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP and HMP: CPU models and what they stand for; registers. */
#include "util/osdep.h"

#include "accel/accel.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-machine-target.h"
#include "softmmu/vm.h"
#include "target/i386/cpu-internal.h"
#include "util/error.h"

#define SUFFIX "-x86_64-cpu"

/* Models ----------------------------------------------------------------------- */

static X86Cpu *model_new(const ObjectType *type)
{
    X86Cpu *cpu = x86_cpu(object_new(type));

    cpu->check = false;
    return cpu;
}

/* What keeps a model from running here. */
static strList *unavailable(Vm *vm, const ObjectType *type)
{
    g_autoptr(X86Cpu) cpu = model_new(type);
    strList *list = NULL, **tail = &list;
    autoerr Error *err = NULL;

    if (!x86_cpu_expand(cpu, vm, &err) || !x86_cpu_finish(cpu, vm, &err)) {
        QAPI_LIST_APPEND(tail, g_strdup("kvm"));
        return list;
    }
    for (FeatureWord w = 0; w < FEAT__MAX; w++) {
        for (uint64_t f = cpu->filtered[w]; f; f &= f - 1) {
            const char *name = feature_name(w, __builtin_ctzll(f));

            if (name) {
                QAPI_LIST_APPEND(tail, g_strdup(name));
            }
        }
    }
    return list;
}

static CpuDefinitionInfo *define(Vm *vm, const ObjectType *type)
{
    const X86CpuClass *c = type_class(type);
    CpuDefinitionInfo *info = g_new0(CpuDefinitionInfo, 1);

    info->name = g_strndup(type->name, strlen(type->name) - strlen(SUFFIX));
    info->typename = g_strdup(type->name);
    info->has_migration_safe = true;
    info->migration_safe = c->migration_safe;
    info->q_static = c->is_static;
    info->alias_of = g_strdup(c->alias_of);
    info->has_unavailable_features = true;
    info->unavailable_features = unavailable(vm, type);
    return info;
}

CpuDefinitionInfoList *qmp_query_cpu_definitions(Vm *vm, Error **errp)
{
    g_autofree const char **names = type_names(&x86_cpu_type);
    CpuDefinitionInfoList *list = NULL, **tail = &list;

    for (unsigned i = 0; names[i]; i++) {
        QAPI_LIST_APPEND(tail, define(vm, type_find(names[i])));
    }
    return list;
}

/* Expansion ---------------------------------------------------------------------- */

static void put_identity(QDict *d, const X86Cpu *cpu)
{
    qdict_put_int(d, "family", cpu->family);
    qdict_put_int(d, "model", cpu->model);
    qdict_put_int(d, "stepping", cpu->stepping);
    qdict_put_uint(d, "min-level", cpu->min_level);
    qdict_put_uint(d, "min-xlevel", cpu->min_xlevel);
    qdict_put_str(d, "vendor", cpu->vendor);
    qdict_put_str(d, "model-id", cpu->model_id);
}

/* On top of "base": every feature, on or off, by the first of its names. */
static void put_static(QDict *d, X86Cpu *cpu)
{
    put_identity(d, cpu);
    for (const Prop *p = x86_cpu_props; p->name; p++) {
        if (p->kind == &prop_kind_feature &&
            !strcmp(p->name, feature_name(p->offset, p->bit))) {
            qdict_put_bool(d, p->name,
                           cpu->features[p->offset] & BIT(p->bit));
        }
    }
}

typedef struct Full {
    X86Cpu *cpu;
    QDict *dict;
} Full;

static bool put_prop(const Prop *prop, const ObjectType *owner, void *opaque)
{
    Full *f = opaque;
    autoerr Error *err = NULL;
    g_autoptr(QObject) value = NULL;

    if (!type_is_a(owner, &x86_cpu_type)) {
        return true;
    }
    value = object_prop_get((Object *)f->cpu, prop->name, &err);
    if (qobject_type(value) == QTYPE_QBOOL ||
        qobject_type(value) == QTYPE_QNUM ||
        qobject_type(value) == QTYPE_QSTRING) {
        qdict_put(f->dict, prop->name, qobject_ref(value));
    }
    return true;
}

static X86Cpu *model_expand(Vm *vm, const CpuModelInfo *model, Error **errp)
{
    g_autofree char *name = g_strconcat(model->name, SUFFIX, NULL);
    const ObjectType *type = type_find(name);
    g_autoptr(X86Cpu) cpu = NULL;
    const QDict *props = NULL;

    if (!type || type->abstract || !type_is_a(type, &x86_cpu_type)) {
        error_set(errp, "CPU model '%s' not found", model->name);
        return NULL;
    }
    cpu = model_new(type);
    if (model->props) {
        props = qobject_to_dict(model->props);
        if (!props) {
            error_set(errp, "Invalid parameter type for 'props', expected: "
                      "dict");
            return NULL;
        }
        if (!object_props_set_dict((Object *)cpu, props, NULL, QAPI_STRICT,
                                   errp)) {
            return NULL;
        }
    }
    cpu->check = false;
    return x86_cpu_expand(cpu, vm, errp) ? g_steal_pointer(&cpu) : NULL;
}

CpuModelExpansionInfo *
qmp_query_cpu_model_expansion(Vm *vm, CpuModelExpansionType type,
                              CpuModelInfo *model, Error **errp)
{
    g_autoptr(X86Cpu) cpu = model_expand(vm, model, errp);
    bool is_static = type == CPU_MODEL_EXPANSION_TYPE_STATIC;
    CpuModelExpansionInfo *info;
    QDict *props;

    if (!cpu) {
        return NULL;
    }
    props = qdict_new();
    if (is_static) {
        put_static(props, cpu);
    } else {
        Full f = { cpu, props };

        cpu->check = true; /* as it would be */
        type_props_foreach(cpu->parent.dev.obj.type, put_prop, &f);
    }
    info = g_new0(CpuModelExpansionInfo, 1);
    info->model = g_new0(CpuModelInfo, 1);
    info->model->name = g_strdup(is_static ? "base" : model->name);
    info->model->props = QOBJECT(props);
    return info;
}

/* Registers ------------------------------------------------------------------------ */

static void print_registers(Hmp *hmp, Cpu *cpu)
{
    g_autofree char *text = NULL;

    accel_cpu_sync(cpu);
    text = x86_cpu_dump(x86_of(cpu));
    hmp_printf(hmp, "\nCPU#%d\n%s", cpu->index, text);
}

static bool info_registers(Hmp *hmp, const QDict *args, Error **errp)
{
    GPtrArray *cpus = hmp->vm->cpus;
    bool all = qdict_get_bool(args, "a", false);
    int64_t index = qdict_get_int(args, "vcpu", hmp->cpu);

    for (unsigned i = 0; all && i < cpus->len; i++) {
        if (g_ptr_array_index(cpus, i)) {
            print_registers(hmp, g_ptr_array_index(cpus, i));
        }
    }
    if (all) {
        return true;
    }
    if (index < 0 || index >= cpus->len || !g_ptr_array_index(cpus, index)) {
        return error_set(errp, "CPU#%" PRId64 " not available", index);
    }
    print_registers(hmp, g_ptr_array_index(cpus, index));
    return true;
}

static const HmpArg registers_args[] = {
    { .name = "a", .kind = HMP_FLAG, .optional = true },
    { .name = "vcpu", .kind = HMP_INT, .optional = true },
    {},
};

static const HmpCommand registers_command = {
    .name = "info registers",
    .args = registers_args,
    .params = "[-a|vcpu]",
    .help = "show the cpu registers (-a: show register info for all cpus; "
            "vcpu: specific vCPU to query; show the current CPU's registers "
            "if no argument is specified)",
    .run = info_registers,
};
HMP_COMMANDS(registers_command);
