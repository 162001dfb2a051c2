/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "x86_64-cpu": properties and life of x86 CPUs. */
#include "util/osdep.h"

#include "accel/accel.h"
#include "softmmu/vm.h"
#include "target/i386/apic.h"
#include "target/i386/cpu-internal.h"
#include "util/error.h"

/* Properties ------------------------------------------------------------------ */

static QObject *get_vendor(Object *obj, const Prop *prop, Error **errp)
{
    const char *v = x86_cpu(obj)->vendor;

    return qstr_new(v ? v : "");
}

static bool set_vendor(Object *obj, const Prop *prop, const QObject *value,
                       QapiMode mode, Error **errp)
{
    X86Cpu *cpu = x86_cpu(obj);
    const char *text = qobject_get_str(value);

    if (!text || strlen(text) != 12) {
        return error_set(errp, "Property '%s.vendor' doesn't take value '%s'",
                         obj->type->name, text ? text : "");
    }
    g_free(cpu->vendor);
    cpu->vendor = g_strdup(text);
    return true;
}

static int64_t *version_field(X86Cpu *cpu, const Prop *prop)
{
    int64_t *const fields[] = { &cpu->family, &cpu->model, &cpu->stepping };

    return fields[prop->bit];
}

static QObject *get_version(Object *obj, const Prop *prop, Error **errp)
{
    return qint_new(MAX(*version_field(x86_cpu(obj), prop), 0));
}

static bool set_version(Object *obj, const Prop *prop, const QObject *value,
                        QapiMode mode, Error **errp)
{
    static const int64_t max[] = { 0xff + 0xf, 0xff, 0xf };
    int64_t v;

    if (!qapi_read_named(&qapi_type_int, prop->name, value, &v, mode, errp)) {
        return false;
    }
    if (v < 0 || v > max[prop->bit]) {
        return error_set(errp, "Property %s.%s doesn't take value %" PRId64
                         " (minimum: 0, maximum: %" PRId64 ")",
                         obj->type->name, prop->name, v, max[prop->bit]);
    }
    *version_field(x86_cpu(obj), prop) = v;
    return true;
}

static QObject *get_unavailable(Object *obj, const Prop *prop, Error **errp)
{
    X86Cpu *cpu = x86_cpu(obj);
    QList *list = qlist_new();

    for (FeatureWord w = 0; w < FEAT__MAX; w++) {
        for (uint64_t f = cpu->filtered[w]; f; f &= f - 1) {
            const char *name = feature_name(w, __builtin_ctzll(f));

            if (name) {
                qlist_append_str(list, name);
            }
        }
    }
    return QOBJECT(list);
}

/* prop->bit: 0 the features there are, 1 those that were taken away. */
static QObject *get_feature_words(Object *obj, const Prop *prop, Error **errp)
{
    static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };
    X86Cpu *cpu = x86_cpu(obj);
    QList *list = qlist_new();

    for (FeatureWord w = 0; w < FEAT__MAX; w++) {
        const FeatureWordInfo *info = &feature_words[w];
        QDict *d;

        if (info->msr) {
            continue;
        }
        d = qdict_new();
        qdict_put_uint(d, "cpuid-input-eax", info->leaf);
        if (info->has_subleaf) {
            qdict_put_uint(d, "cpuid-input-ecx", info->subleaf);
        }
        qdict_put_str(d, "cpuid-register", regs[info->reg]);
        qdict_put_uint(d, "features", prop->bit ? cpu->filtered[w]
                                                : cpu->features[w]);
        qlist_append(list, d);
    }
    return QOBJECT(list);
}

#define FEATURE(word, bitnr, nam)                                              \
    { .name = nam, .kind = &prop_kind_feature, .offset = FEAT_##word,          \
      .bit = bitnr },
#define ALIAS FEATURE
#define P(field, nam, dflt, ...) PROP(X86Cpu, field, nam, dflt, __VA_ARGS__)

const Prop x86_cpu_props[] = {
#include "target/i386/feature-list.h"
    PROP_FN("vendor", "string", get_vendor, set_vendor),
    PROP_STR(X86Cpu, model_id, "model-id", .type = "string"),
    PROP_FN("family", "int", get_version, set_version, .bit = 0),
    PROP_FN("model", "int", get_version, set_version, .bit = 1),
    PROP_FN("stepping", "int", get_version, set_version, .bit = 2),
    P(level, "level", UINT32_MAX),
    P(xlevel, "xlevel", UINT32_MAX),
    P(level_func7, "level-func7", UINT32_MAX),
    P(min_level, "min-level", 0),
    P(min_xlevel, "min-xlevel", 0),
    P(full_cpuid_auto_level, "full-cpuid-auto-level", true),
    P(phys_bits, "phys-bits", 0),
    P(host_phys_bits, "host-phys-bits", false),
    P(host_phys_bits_limit, "host-phys-bits-limit", 0),
    P(check, "check", true),
    P(enforce, "enforce", false),
    P(expose_kvm, "kvm", true),
    P(enforce_pv, "kvm-pv-enforce-cpuid", false),
    P(pmu, "pmu", false),
    P(cpuid_0xb, "cpuid-0xb", true),
    P(l3_cache, "l3-cache", true),
    P(ucode_rev, "ucode-rev", 0),
    P(tsc_frequency, "tsc-frequency", 0, .type = "int"),
    P(apic_id, "apic-id", UINT32_MAX),
    P(node_id, "node-id", -1),
    P(socket_id, "socket-id", -1),
    P(die_id, "die-id", -1),
    P(core_id, "core-id", -1),
    P(thread_id, "thread-id", -1),
    PROP_FN("unavailable-features", "strList", get_unavailable, NULL),
    PROP_FN("feature-words", "X86CPUFeatureWordInfo", get_feature_words, NULL,
            .bit = 0),
    PROP_FN("filtered-features", "X86CPUFeatureWordInfo", get_feature_words,
            NULL, .bit = 1),
    {},
};

/* Place ----------------------------------------------------------------------- */

static bool slot_matches(const CpuSlot *slot, const X86Cpu *cpu)
{
    const CpuInstanceProperties *p = &slot->props;

    if (cpu->apic_id != UINT32_MAX) {
        return slot->arch_id == cpu->apic_id;
    }
    return p->socket_id == cpu->socket_id &&
           p->die_id == MAX(cpu->die_id, 0) && p->core_id == cpu->core_id &&
           p->thread_id == cpu->thread_id;
}

static CpuSlot *find_slot(Machine *m, const X86Cpu *cpu)
{
    for (unsigned i = 0; i < m->n_cpu_slots; i++) {
        if (slot_matches(&m->cpu_slots[i], cpu)) {
            return &m->cpu_slots[i];
        }
    }
    return NULL;
}

static bool check_id(const char *name, int64_t id, unsigned n, Error **errp)
{
    if (id >= 0 && id < MAX(n, 1)) {
        return true;
    }
    if (id < 0) {
        return error_set(errp, "CPU %s is not set", name);
    }
    return error_set(errp, "Invalid CPU %s: %" PRId64 " must be in range 0:%u",
                     name, id, MAX(n, 1) - 1);
}

bool x86_cpu_pre_plug(Machine *m, Device *dev, Error **errp)
{
    X86Cpu *cpu = x86_cpu(dev);
    const CpuTopology *t = &m->smp;
    CpuSlot *slot;

    if (strcmp(dev->obj.type->name, m->cpu_type)) {
        return error_set(errp, "Invalid CPU type, expected cpu type: '%s'",
                         m->cpu_type);
    }
    if (cpu->apic_id == UINT32_MAX &&
        (!check_id("socket-id", cpu->socket_id, t->sockets, errp) ||
         !check_id("die-id", MAX(cpu->die_id, 0), t->dies, errp) ||
         !check_id("core-id", cpu->core_id, t->cores, errp) ||
         !check_id("thread-id", cpu->thread_id, t->threads, errp))) {
        return false;
    }
    slot = find_slot(m, cpu);
    if (!slot) {
        return error_set(errp, "Invalid CPU [apic-id %u]: there is no such "
                         "place", cpu->apic_id);
    }
    if (slot->cpu) {
        return error_set(errp, "CPU[%u] with APIC ID %" PRIu64 " exists",
                         (unsigned)(slot - m->cpu_slots), slot->arch_id);
    }
    if (slot->props.has_node_id && cpu->node_id >= 0 &&
        cpu->node_id != slot->props.node_id) {
        return error_set(errp, "invalid node-id, must be %" PRId64,
                         slot->props.node_id);
    }
    if (m->ready) {
        return error_set(errp, "CPUs cannot be added while the machine runs: "
                               "use -smp or -device");
    }
    cpu->apic_id = slot->arch_id;
    cpu->node_id = slot->props.has_node_id ? slot->props.node_id : cpu->node_id;
    cpu->socket_id = slot->props.socket_id;
    cpu->die_id = slot->props.die_id;
    cpu->core_id = slot->props.core_id;
    cpu->thread_id = slot->props.thread_id;
    return true;
}

void x86_cpu_slot(Machine *m, unsigned i, CpuSlot *slot)
{
    X86Place p = x86_place(&m->smp, i);

    slot->arch_id = x86_apic_id(&m->smp, i);
    slot->vcpus_count = 1;
    slot->props = (CpuInstanceProperties){
        .has_socket_id = true, .socket_id = p.socket,
        .has_die_id = m->smp.dies > 1, .die_id = p.die,
        .has_core_id = true, .core_id = p.core,
        .has_thread_id = true, .thread_id = p.thread,
    };
}

bool x86_cpus_create(Machine *m, Error **errp)
{
    const ObjectType *type = type_find(m->cpu_type);

    for (unsigned i = 0; i < m->smp.cpus; i++) {
        Device *dev = device_new(m->vm, type);

        x86_cpu(dev)->apic_id = m->cpu_slots[i].arch_id;
        if (!device_realize(dev, NULL, errp)) {
            object_unref(dev);
            return false;
        }
        object_unref(dev);
    }
    return true;
}

/* Life -------------------------------------------------------------------------- */

static void reset_cpu(void *opaque)
{
    X86Cpu *cpu = opaque;

    accel_cpu_sync(&cpu->parent.cpu);
    x86_cpu_reset_regs(cpu);
    if (cpu->parent.cpu.dirty < CPU_DIRTY_RESET) {
        cpu->parent.cpu.dirty = CPU_DIRTY_RESET;
    }
}

static bool x86_cpu_realize(Device *dev, Error **errp)
{
    X86Cpu *cpu = x86_cpu(dev);
    Cpu *c = &cpu->parent.cpu;
    Machine *m = dev->vm->machine;
    CpuSlot *slot;

    if (!x86_cpu_pre_plug(m, dev, errp)) {
        return false;
    }
    cpu->topo = m->smp;
    if (!x86_cpu_expand(cpu, dev->vm, errp) ||
        !x86_cpu_finish(cpu, dev->vm, errp)) {
        return false;
    }
    c->dev = dev;
    c->arch_id = cpu->apic_id;
    cpu->xsave_size = MAX(x86_xsave_size(cpu->xcr0_mask), 4096);
    cpu->regs.xsave = g_malloc0(cpu->xsave_size);
    slot = find_slot(m, cpu);
    cpu_register(c, dev->vm, slot - m->cpu_slots);
    x86_cpu_reset_regs(cpu);
    if (!x86_apic_create(cpu, errp)) {
        cpu_unregister(c);
        return false;
    }
    if (!accel_cpu_start(c, errp)) {
        x86_apic_remove(cpu);
        cpu_unregister(c);
        return false;
    }
    slot->cpu = c;
    vm_reset_register(dev->vm, reset_cpu, cpu);
    return true;
}

static void x86_cpu_unrealize(Device *dev)
{
    X86Cpu *cpu = x86_cpu(dev);
    Cpu *c = &cpu->parent.cpu;
    CpuSlot *slot = find_slot(dev->vm->machine, cpu);

    vm_reset_unregister(dev->vm, reset_cpu, cpu);
    accel_cpu_end(c);
    x86_apic_remove(cpu);
    cpu_unregister(c);
    slot->cpu = NULL;
}

static void x86_cpu_init(Object *obj)
{
    X86Cpu *cpu = x86_cpu(obj);

    cpu->family = cpu->model = cpu->stepping = -1;
    if (x86_class(cpu)->host) {
        cpu->host_phys_bits = true;
        cpu->migratable = true;
        cpu->pmu = true;
    }
}

static void x86_cpu_finalize(Object *obj)
{
    X86Cpu *cpu = x86_cpu(obj);

    g_free(cpu->vendor);
    g_free(cpu->regs.xsave);
    g_free(cpu->boot);
}

unsigned x86_cpu_phys_bits(Cpu *cpu)
{
    return x86_of(cpu)->phys_bits;
}

bool x86_cpu_has_lm(Cpu *cpu)
{
    return x86_has(x86_of(cpu), FEAT_8000_0001_EDX, F8_1_EDX_LM);
}

bool x86_cpu_has_x2apic(Cpu *cpu)
{
    return x86_has(x86_of(cpu), FEAT_1_ECX, F1_ECX_X2APIC);
}

uint64_t x86_cpu_tsc_hz(Cpu *cpu)
{
    return x86_of(cpu)->tsc_khz * 1000;
}

void x86_cpu_get_port_regs(Cpu *cpu, X86PortRegs *r)
{
    const uint64_t *gpr = x86_of(cpu)->regs.gpr;

    accel_cpu_sync(cpu);
    *r = (X86PortRegs){
        .eax = gpr[X86_RAX],
        .ebx = gpr[X86_RBX],
        .ecx = gpr[X86_RCX],
        .edx = gpr[X86_RDX],
    };
}

void x86_cpu_set_port_regs(Cpu *cpu, const X86PortRegs *r)
{
    uint64_t *gpr = x86_of(cpu)->regs.gpr;

    gpr[X86_RAX] = r->eax;
    gpr[X86_RBX] = r->ebx;
    gpr[X86_RCX] = r->ecx;
    gpr[X86_RDX] = r->edx;
}

static const X86CpuClass x86_cpu_class = {
    .parent = {
        .props = x86_cpu_props,
        .category = DEVICE_CATEGORY_CPU,
        .realize = x86_cpu_realize,
        .unrealize = x86_cpu_unrealize,
    },
};

QOM_DEFINE(X86Cpu, x86_cpu, .name = "x86_64-cpu", .parent = &cpu_device_type,
           .class = &x86_cpu_class, .abstract = true, .init = x86_cpu_init,
           .finalize = x86_cpu_finalize);
