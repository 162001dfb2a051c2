/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of CPU features, and the property kind that sets one bit. */
#include "util/osdep.h"

#include "target/i386/cpu-internal.h"
#include "util/error.h"

#define CPUID_WORD(l, r) .leaf = l, .reg = R_##r
#define CPUID_SUB(l, s, r) .leaf = l, .subleaf = s, .has_subleaf = true,       \
    .reg = R_##r

const FeatureWordInfo feature_words[FEAT__MAX] = {
    [FEAT_1_EDX] = { CPUID_WORD(1, EDX) },
    [FEAT_1_ECX] = { CPUID_WORD(1, ECX) },
    [FEAT_7_0_EBX] = { CPUID_SUB(7, 0, EBX) },
    [FEAT_7_0_ECX] = { CPUID_SUB(7, 0, ECX) },
    [FEAT_7_0_EDX] = { CPUID_SUB(7, 0, EDX) },
    [FEAT_7_1_EAX] = { CPUID_SUB(7, 1, EAX) },
    [FEAT_8000_0001_EDX] = { CPUID_WORD(0x80000001, EDX) },
    /* Topology by leaf 8000001Eh needs a matching -smp: on request only. */
    [FEAT_8000_0001_ECX] = { CPUID_WORD(0x80000001, ECX),
                             .no_auto = F8_1_ECX_TOPOEXT },
    [FEAT_8000_0007_EDX] = { CPUID_WORD(0x80000007, EDX),
                             .unmigratable = F8_7_EDX_INVTSC },
    [FEAT_8000_0008_EBX] = { CPUID_WORD(0x80000008, EBX),
                             /* KVM's emulation says it all. */
                             .no_auto = BIT(25) },
    [FEAT_KVM] = { CPUID_WORD(0x40000001, EAX) },
    [FEAT_KVM_HINTS] = { CPUID_WORD(0x40000001, EDX),
                         .no_auto = FKVM_HINT_REALTIME },
    [FEAT_SVM] = { CPUID_WORD(0x8000000a, EDX) },
    [FEAT_XSAVE] = { CPUID_SUB(0xd, 1, EAX) },
    [FEAT_6_EAX] = { CPUID_WORD(6, EAX) },
    [FEAT_ARCH_CAPS] = { .msr = 0x10a },
    [FEAT_CORE_CAPS] = { .msr = 0xcf },
};

static QObject *feature_get(Object *obj, const Prop *prop, Error **errp)
{
    const X86Cpu *cpu = x86_cpu(obj);

    return qbool_new(cpu->features[prop->offset] & BIT(prop->bit));
}

static bool feature_set(Object *obj, const Prop *prop, const QObject *value,
                        QapiMode mode, Error **errp)
{
    X86Cpu *cpu = x86_cpu(obj);
    bool on;

    if (!qapi_read_named(&qapi_type_bool, prop->name, value, &on, mode, errp)) {
        return false;
    }
    x86_cpu_set_feature(cpu, prop->offset, prop->bit, on);
    return true;
}

const PropKind prop_kind_feature = {
    .type = "bool",
    .get = feature_get,
    .set = feature_set,
};

uint64_t feature_bits(FeatureWord w, unsigned bit)
{
    uint64_t both = FKVM_CLOCKSOURCE | FKVM_CLOCKSOURCE2;

    return w == FEAT_KVM && both & BIT(bit) ? both : BIT(bit);
}

const char *feature_name(FeatureWord w, unsigned bit)
{
    for (const Prop *p = x86_cpu_props; p->name; p++) {
        if (p->kind == &prop_kind_feature && p->offset == w && p->bit == bit) {
            return p->name;
        }
    }
    return NULL;
}

uint64_t feature_named_bits(FeatureWord w)
{
    uint64_t bits = 0;

    for (const Prop *p = x86_cpu_props; p->name; p++) {
        if (p->kind == &prop_kind_feature && p->offset == w) {
            bits |= feature_bits(w, p->bit);
        }
    }
    return bits;
}

char *feature_describe(FeatureWord w, unsigned bit)
{
    static const char *const regs[] = { "EAX", "EBX", "ECX", "EDX" };
    const FeatureWordInfo *info = &feature_words[w];
    const char *name = feature_name(w, bit);

    if (info->msr) {
        return g_strdup_printf("MSR(%02XH)%s%s [bit %u]", info->msr,
                               name ? "." : "", name ? name : "", bit);
    }
    return g_strdup_printf("CPUID.%02XH:%s%s%s [bit %u]", info->leaf,
                           regs[info->reg], name ? "." : "", name ? name : "",
                           bit);
}
