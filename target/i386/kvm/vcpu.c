/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving a new vCPU its CPUID, clock rate and machine-check banks. */
#include "util/osdep.h"

#include "softmmu/vm.h"
#include "target/i386/kvm/kvm-x86.h"
#include "util/error.h"

#define MAX_ENTRIES 128

#define KVM_LEAF        0x40000000
#define KVM_LEAF_TIMING 0x40000010
#define APIC_BUS_KHZ    1000000

typedef struct CpuidTable {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entries[MAX_ENTRIES];
} CpuidTable;

/* The space for entries runs out only if a table of ours is wrong. */
static void put(CpuidTable *t, uint32_t leaf, uint32_t sub, bool has_sub,
                const CpuidRegs *r)
{
    struct kvm_cpuid_entry2 *e = &t->entries[t->head.nent];

    assert(t->head.nent < MAX_ENTRIES);
    *e = (struct kvm_cpuid_entry2){
        .function = leaf,
        .index = sub,
        .flags = has_sub ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
        .eax = r->r[R_EAX],
        .ebx = r->r[R_EBX],
        .ecx = r->r[R_ECX],
        .edx = r->r[R_EDX],
    };
    t->head.nent++;
}

static bool is_zero(const CpuidRegs *r)
{
    return !(r->r[R_EAX] | r->r[R_EBX] | r->r[R_ECX] | r->r[R_EDX]);
}

/* Is @sub the last subleaf of @leaf, by what it says? */
static bool is_last(uint32_t leaf, uint32_t sub, const CpuidRegs *r,
                    const CpuidRegs *first)
{
    switch (leaf) {
    case 4:
    case 0x8000001d:
        return !(r->r[R_EAX] & 0x1f);
    case 0xb:
    case 0x1f:
        return !(r->r[R_ECX] & 0xff00);
    case 0xd:
        return sub == 63;
    default: /* 7, 1Dh, 1Eh: subleaf 0 says how many */
        return sub >= first->r[R_EAX] || sub == 63;
    }
}

static bool has_subleaves(uint32_t leaf)
{
    return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd ||
           leaf == 0x1d || leaf == 0x1e || leaf == 0x1f || leaf == 0x8000001d;
}

static void put_leaf(CpuidTable *t, const X86Cpu *cpu, uint32_t leaf)
{
    CpuidRegs r = x86_cpuid(cpu, leaf, 0), first = r;

    if (!has_subleaves(leaf)) {
        if (!is_zero(&r) || leaf == 0) {
            put(t, leaf, 0, false, &r);
        }
        return;
    }
    for (uint32_t sub = 0;; sub++) {
        r = x86_cpuid(cpu, leaf, sub);
        if (leaf != 0xd || !is_zero(&r)) {
            put(t, leaf, sub, true, &r);
        }
        if (is_last(leaf, sub, &r, &first)) {
            return;
        }
    }
}

static void put_kvm_leaves(CpuidTable *t, const X86Cpu *cpu)
{
    bool timing = cpu->tsc_khz &&
                  (cpu->tsc_frequency ||
                   x86_has(cpu, FEAT_8000_0007_EDX, F8_7_EDX_INVTSC));
    CpuidRegs sig = { { timing ? KVM_LEAF_TIMING : KVM_LEAF + 1 } };
    CpuidRegs features = { { cpu->features[FEAT_KVM], 0, 0,
                             cpu->features[FEAT_KVM_HINTS] } };
    CpuidRegs khz = { { cpu->tsc_khz, APIC_BUS_KHZ, 0, 0 } };

    if (!cpu->expose_kvm) {
        return;
    }
    memcpy(&sig.r[R_EBX], "KVMKVMKVM\0\0\0", 12);
    put(t, KVM_LEAF, 0, false, &sig);
    put(t, KVM_LEAF + 1, 0, false, &features);
    if (timing) {
        put(t, KVM_LEAF_TIMING, 0, false, &khz);
    }
}

static bool set_cpuid(X86Cpu *cpu, Error **errp)
{
    g_autofree CpuidTable *t = g_new0(CpuidTable, 1);
    int ret;

    put_kvm_leaves(t, cpu);
    for (uint32_t leaf = 0; leaf <= MIN(cpu->level, 0x1f); leaf++) {
        put_leaf(t, cpu, leaf);
    }
    for (uint32_t leaf = 0x80000000; leaf <= MIN(cpu->xlevel, 0x80000021);
         leaf++) {
        put_leaf(t, cpu, leaf);
    }
    ret = kvm_vcpu_ioctl(&cpu->parent.cpu, KVM_SET_CPUID2, t);
    return ret >= 0 || error_errno(errp, -ret, "KVM_SET_CPUID2 failed");
}

static bool set_tsc(X86Cpu *cpu, Error **errp)
{
    Cpu *c = &cpu->parent.cpu;
    int ret;

    if (cpu->tsc_frequency) {
        ret = kvm_vcpu_ioctl(c, KVM_SET_TSC_KHZ,
                             (void *)(uintptr_t)(cpu->tsc_frequency / 1000));
        if (ret < 0) {
            return error_errno(errp, -ret, "the host cannot run the TSC at %"
                               PRId64 " Hz", cpu->tsc_frequency);
        }
    }
    ret = kvm_vcpu_ioctl(c, KVM_GET_TSC_KHZ, NULL);
    cpu->tsc_khz = MAX(ret, 0);
    return true;
}

/* MCG_CTL_P, MCG_SER_P: as far as the host's KVM has them. */
static bool set_mce(X86Cpu *cpu, Error **errp)
{
    Accel *accel = cpu->parent.cpu.vm->accel;
    uint64_t cap = BIT(8) | BIT(24), possible = 0;
    int ret;

    if (!x86_has(cpu, FEAT_1_EDX, BIT(7) | BIT(14)) ||
        !kvm_vm_check_extension(accel, KVM_CAP_MCE)) {
        return true;
    }
    ret = kvm_system_ioctl(accel, KVM_X86_GET_MCE_CAP_SUPPORTED, &possible);
    if (ret < 0) {
        return error_errno(errp, -ret, "KVM_X86_GET_MCE_CAP_SUPPORTED failed");
    }
    cap = (cap & possible) | MCE_BANKS;
    cpu->mcg_cap = cap;
    ret = kvm_vcpu_ioctl(&cpu->parent.cpu, KVM_X86_SETUP_MCE, &cap);
    return ret >= 0 || error_errno(errp, -ret, "KVM_X86_SETUP_MCE failed");
}

static void grow_xsave(X86Cpu *cpu)
{
    size_t need = x86_kvm(cpu->parent.cpu.vm->accel)->xsave_size;

    if (need > cpu->xsave_size) {
        cpu->regs.xsave = g_realloc(cpu->regs.xsave, need);
        memset(cpu->regs.xsave + cpu->xsave_size, 0, need - cpu->xsave_size);
        cpu->xsave_size = need;
    }
}

/*
 * "pmu=off" also takes away counters that need no CPUID leaf, as AMD's do. KVM
 * has one switch for the VM, which must be thrown before its first vCPU.
 */
bool x86_kvm_before_vcpu(Cpu *c, Error **errp)
{
    Accel *accel = c->vm->accel;
    X86Kvm *k = x86_kvm(accel);
    int ret = 0;

    if (!k->pmu_decided && !x86_of(c)->pmu &&
        kvm_vm_check_extension(accel, KVM_CAP_PMU_CAPABILITY) > 0) {
        ret = kvm_vm_enable_cap(accel, KVM_CAP_PMU_CAPABILITY,
                                KVM_PMU_CAP_DISABLE, 0);
    }
    k->pmu_decided = true;
    return ret >= 0 || error_errno(errp, -ret, "KVM cannot take the "
                                   "performance counters away");
}

bool x86_kvm_init_vcpu(Cpu *c, Error **errp)
{
    X86Cpu *cpu = x86_of(c);

    grow_xsave(cpu);
    if (!set_tsc(cpu, errp) || !set_cpuid(cpu, errp) || !set_mce(cpu, errp)) {
        return false;
    }
    if (cpu->enforce_pv &&
        kvm_vcpu_enable_cap(c, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1) < 0) {
        return error_set(errp, "the host's KVM does not support "
                         "kvm-pv-enforce-cpuid");
    }
    return true;
}
