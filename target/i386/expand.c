/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a model and the user's "+x,-y" to the features that the guest gets:
 * what the host has is added or, where it lacks something, taken away.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "softmmu/vm.h"
#include "target/i386/cpu-internal.h"
#include "util/error.h"

/* Bits of 80000001h EDX that repeat 1 EDX on AMD. */
#define AMD_ALIASES UINT64_C(0x0183f3ff)

#define AUTO_LEVEL UINT32_MAX

#define MSR_UCODE_REV 0x8b

bool x86_is_intel(const X86Cpu *cpu)
{
    return !g_strcmp0(cpu->vendor, X86_VENDOR_INTEL);
}

bool x86_is_amd(const X86Cpu *cpu)
{
    return !g_strcmp0(cpu->vendor, X86_VENDOR_AMD) ||
           !g_strcmp0(cpu->vendor, X86_VENDOR_HYGON);
}

void x86_cpu_set_feature(X86Cpu *cpu, FeatureWord w, unsigned bit, bool on)
{
    uint64_t bits = feature_bits(w, bit);

    if (on) {
        cpu->features[w] |= bits;
    } else {
        cpu->features[w] &= ~bits;
    }
    cpu->user_features[w] |= bits;
}

/* Add bits, or take them away, where the user said nothing. */
static void put_bits(X86Cpu *cpu, FeatureWord w, uint64_t bits, bool on)
{
    bits &= ~cpu->user_features[w];
    if (on) {
        cpu->features[w] |= bits;
    } else {
        cpu->features[w] &= ~bits;
    }
}

/* Models -------------------------------------------------------------------- */

static void set_text(char **field, const char *text)
{
    if (!*field) {
        *field = g_strdup(text);
    }
}

static void put_vendor(char *out, const CpuidRegs *r)
{
    memcpy(out, &r->r[R_EBX], 4);
    memcpy(out + 4, &r->r[R_EDX], 4);
    memcpy(out + 8, &r->r[R_ECX], 4);
    out[12] = 0;
}

static void host_vendor(Vm *vm, char out[13])
{
    CpuidRegs r = x86_supported_cpuid(vm, 0, 0);

    put_vendor(out, &r);
}

/* What KVM emulates well is on, what it does not is off. */
static void apply_kvm_defaults(X86Cpu *cpu, Vm *vm)
{
    char vendor[13];

    host_vendor(vm, vendor);
    set_text(&cpu->vendor, vendor);
    put_bits(cpu, FEAT_KVM,
             FKVM_CLOCKSOURCE | FKVM_CLOCKSOURCE2 | BIT(1) | FKVM_ASYNC_PF |
                 FKVM_STEAL_TIME | FKVM_PV_EOI | BIT(24), true);
    put_bits(cpu, FEAT_1_ECX, F1_ECX_X2APIC, true);
    put_bits(cpu, FEAT_1_ECX, F1_ECX_MONITOR, false);
    put_bits(cpu, FEAT_1_EDX, BIT(22), false); /* ACPI */
    put_bits(cpu, FEAT_8000_0001_ECX, F8_1_ECX_SVM, false);
}

static void apply_named(X86Cpu *cpu, const X86Model *m, Vm *vm)
{
    for (FeatureWord w = 0; w < FEAT__MAX; w++) {
        put_bits(cpu, w, m->features[w], true);
    }
    put_bits(cpu, FEAT_1_ECX, F1_ECX_HYPERVISOR, true);
    if (x86_accel_ops(vm)) {
        apply_kvm_defaults(cpu, vm);
    }
    set_text(&cpu->vendor, m->vendor);
    set_text(&cpu->model_id, m->id);
    cpu->family = cpu->family < 0 ? m->family : cpu->family;
    cpu->model = cpu->model < 0 ? m->model : cpu->model;
    cpu->stepping = cpu->stepping < 0 ? m->stepping : cpu->stepping;
    cpu->min_level = MAX(cpu->min_level, m->level);
    cpu->min_xlevel = MAX(cpu->min_xlevel, m->xlevel);
}

static void host_model_id(char out[49])
{
    for (unsigned i = 0; i < 3; i++) {
        CpuidRegs r = x86_host_cpuid(0x80000002 + i, 0);

        memcpy(out + 16 * i, r.r, 16);
    }
    out[48] = 0;
}

static void apply_host_identity(X86Cpu *cpu, Vm *vm)
{
    uint32_t sig = x86_supported_cpuid(vm, 1, 0).r[R_EAX];
    uint32_t family = sig >> 8 & 0xf, model = sig >> 4 & 0xf;
    char vendor[13], id[49];

    if (family == 0xf) {
        family += sig >> 20 & 0xff;
    }
    model |= sig >> 12 & 0xf0;
    host_vendor(vm, vendor);
    host_model_id(id);
    set_text(&cpu->vendor, vendor);
    set_text(&cpu->model_id, id);
    cpu->family = cpu->family < 0 ? family : cpu->family;
    cpu->model = cpu->model < 0 ? model : cpu->model;
    cpu->stepping = cpu->stepping < 0 ? sig & 0xf : cpu->stepping;
    cpu->min_level = MAX(cpu->min_level,
                         x86_supported_cpuid(vm, 0, 0).r[R_EAX]);
    cpu->min_xlevel = MAX(cpu->min_xlevel,
                          x86_supported_cpuid(vm, 0x80000000, 0).r[R_EAX]);
}

/* "host" and "max": all that there is, or all that can migrate. */
static void apply_host(X86Cpu *cpu, Vm *vm)
{
    for (FeatureWord w = 0; w < FEAT__MAX; w++) {
        uint64_t bits = x86_supported(vm, w) & ~feature_words[w].no_auto;

        if (cpu->migratable || !x86_accel_ops(vm)) {
            bits &= feature_named_bits(w) & ~feature_words[w].unmigratable;
        }
        if (w == FEAT_1_EDX) {
            bits &= ~F1_EDX_HTT;
        }
        put_bits(cpu, w, bits, true);
    }
    if (x86_accel_ops(vm)) {
        apply_host_identity(cpu, vm);
    }
}

/* Without KVM there is no host to ask: a plain 64-bit CPU. */
static void apply_last_defaults(X86Cpu *cpu)
{
    const bool is_max = x86_class(cpu)->host;

    cpu->family = cpu->family < 0 ? (is_max ? 6 : 0) : cpu->family;
    cpu->model = cpu->model < 0 ? (is_max ? 6 : 0) : cpu->model;
    cpu->stepping = cpu->stepping < 0 ? (is_max ? 3 : 0) : cpu->stepping;
    set_text(&cpu->vendor, is_max ? X86_VENDOR_AMD : "");
    set_text(&cpu->model_id, "");
}

/* Checks -------------------------------------------------------------------- */

/* A feature that needs another is nothing without it. */
static void drop_dependent(X86Cpu *cpu)
{
    static const struct {
        FeatureWord on;
        uint64_t bits;
        FeatureWord dependent;
    } needs[] = {
        { FEAT_7_0_EDX, F7_EDX_ARCH_CAPS, FEAT_ARCH_CAPS },
        { FEAT_7_0_EDX, F7_EDX_CORE_CAPS, FEAT_CORE_CAPS },
        { FEAT_1_ECX, F1_ECX_XSAVE, FEAT_XSAVE },
        { FEAT_8000_0001_ECX, F8_1_ECX_SVM, FEAT_SVM },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++) {
        if (!x86_has(cpu, needs[i].on, needs[i].bits)) {
            cpu->features[needs[i].dependent] &=
                cpu->user_features[needs[i].dependent];
        }
    }
    if (!cpu->expose_kvm) {
        cpu->features[FEAT_KVM] = 0;
        cpu->features[FEAT_KVM_HINTS] = 0;
    }
}

static void alias_amd(X86Cpu *cpu)
{
    uint64_t *ext = &cpu->features[FEAT_8000_0001_EDX];

    if (x86_is_amd(cpu)) {
        *ext &= ~AMD_ALIASES;
        *ext |= cpu->features[FEAT_1_EDX] & AMD_ALIASES;
    }
}

static bool filter(X86Cpu *cpu, Vm *vm, Error **errp)
{
    bool any = false;

    for (FeatureWord w = 0; w < FEAT__MAX; w++) {
        uint64_t lost = cpu->features[w] & ~x86_supported(vm, w);

        cpu->filtered[w] = lost;
        cpu->features[w] &= ~lost;
        any |= lost != 0;
        for (; lost && (cpu->check || cpu->enforce); lost &= lost - 1) {
            g_autofree char *text =
                feature_describe(w, __builtin_ctzll(lost));

            warn_report("host doesn't support requested feature: %s", text);
        }
    }
    return !any || !cpu->enforce ||
           error_set(errp, "Host doesn't support requested features");
}

static void set_levels(X86Cpu *cpu)
{
    for (FeatureWord w = 0; w < FEAT__MAX && cpu->full_cpuid_auto_level; w++) {
        const FeatureWordInfo *info = &feature_words[w];

        if (!cpu->features[w] || info->msr || w == FEAT_KVM ||
            w == FEAT_KVM_HINTS) {
            continue;
        }
        if (info->leaf >= 0x80000000) {
            cpu->min_xlevel = MAX(cpu->min_xlevel, info->leaf);
        } else {
            cpu->min_level = MAX(cpu->min_level, info->leaf);
        }
        if (w == FEAT_7_1_EAX && cpu->level_func7 == AUTO_LEVEL) {
            cpu->level_func7 = 1;
        }
    }
    if (cpu->topo.dies > 1 && x86_is_intel(cpu)) {
        cpu->min_level = MAX(cpu->min_level, 0x1f);
    }
    if (x86_has(cpu, FEAT_7_0_EDX, F7_EDX_AMX_TILE)) {
        cpu->min_level = MAX(cpu->min_level, 0x1e);
    }
    cpu->level = cpu->level == AUTO_LEVEL ? cpu->min_level : cpu->level;
    cpu->xlevel = cpu->xlevel == AUTO_LEVEL ? cpu->min_xlevel : cpu->xlevel;
    cpu->level_func7 =
        cpu->level_func7 == AUTO_LEVEL ? 0 : cpu->level_func7;
}

static bool set_phys_bits(X86Cpu *cpu, Vm *vm, Error **errp)
{
    uint32_t host = x86_supported_cpuid(vm, 0x80000008, 0).r[R_EAX] & 0xff;

    if (!x86_has(cpu, FEAT_8000_0001_EDX, F8_1_EDX_LM)) {
        if (cpu->phys_bits) {
            return error_set(errp, "phys-bits is not user-configurable in 32 "
                             "bit");
        }
        cpu->phys_bits = x86_has(cpu, FEAT_1_EDX, BIT(17)) ? 36 : 32;
        return true;
    }
    if (cpu->host_phys_bits && host) {
        cpu->phys_bits = host;
        if (cpu->host_phys_bits_limit) {
            cpu->phys_bits = MIN(host, cpu->host_phys_bits_limit);
        }
    }
    if (cpu->phys_bits && (cpu->phys_bits < 32 || cpu->phys_bits > 52)) {
        return error_set(errp, "phys-bits should be between 32 and 52 (but is "
                         "%u)", cpu->phys_bits);
    }
    cpu->phys_bits = cpu->phys_bits ? cpu->phys_bits : 40;
    return true;
}

/* State components by the features that need them (Intel SDM volume 1,
 * 13.1). */
static void set_components(X86Cpu *cpu, Vm *vm)
{
    CpuidRegs host = x86_supported_cpuid(vm, 0xd, 0);
    uint64_t possible = host.r[R_EAX] | (uint64_t)host.r[R_EDX] << 32;
    uint64_t mask = 3;

    cpu->xcr0_mask = cpu->xss_mask = 0;
    if (x86_has(cpu, FEAT_1_ECX, F1_ECX_XSAVE)) {
        mask |= x86_has(cpu, FEAT_1_ECX, BIT(28)) ? BIT(2) : 0;
        mask |= x86_has(cpu, FEAT_7_0_EBX, F7_EBX_MPX) ? BIT(3) | BIT(4) : 0;
        mask |= x86_has(cpu, FEAT_7_0_EBX, BIT(16))
                    ? BIT(5) | BIT(6) | BIT(7) : 0;
        mask |= x86_has(cpu, FEAT_7_0_ECX, F7_ECX_PKU) ? BIT(9) : 0;
        mask |= x86_has(cpu, FEAT_7_0_EDX, F7_EDX_AMX_TILE)
                    ? BIT(17) | BIT(18) : 0;
        cpu->xcr0_mask = mask & possible;
    }
}

/* The microcode's revision: the host's for "host" and "max". */
static void set_ucode(X86Cpu *cpu, Vm *vm)
{
    const X86AccelOps *ops = x86_accel_ops(vm);

    if (!cpu->ucode_rev && ops && x86_class(cpu)->host) {
        cpu->ucode_rev = ops->feature_msr(vm->accel, MSR_UCODE_REV);
    }
    if (!cpu->ucode_rev) {
        cpu->ucode_rev = x86_is_amd(cpu) ? 0x01000065 : UINT64_C(1) << 32;
    }
}

bool x86_cpu_expand(X86Cpu *cpu, Vm *vm, Error **errp)
{
    const X86CpuClass *c = x86_class(cpu);

    if (c->needs_kvm && !x86_accel_ops(vm)) {
        return error_set(errp, "CPU model 'host' requires KVM");
    }
    cpu->parent.cpu.vm = vm;
    if (c->host) {
        apply_host(cpu, vm);
    } else if (c->model) {
        apply_named(cpu, c->model, vm);
    }
    apply_last_defaults(cpu);
    drop_dependent(cpu);
    alias_amd(cpu);
    set_levels(cpu);
    return true;
}

bool x86_cpu_finish(X86Cpu *cpu, Vm *vm, Error **errp)
{
    if (!filter(cpu, vm, errp) || !set_phys_bits(cpu, vm, errp)) {
        return false;
    }
    set_components(cpu, vm);
    set_ucode(cpu, vm);
    return true;
}
