/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Model-specific registers between X86Regs and KVM: one table says where each
 * lives and when it is written.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "softmmu/vm.h"
#include "target/i386/kvm/kvm-x86.h"
#include "util/error.h"

#define MSR_TSC_DEADLINE 0x6e0

typedef struct MsrInfo {
    uint32_t index;
    uint16_t offset;     /* in X86Regs */
    uint8_t level;       /* CpuDirty from which on it is written */
    uint8_t word;        /* the feature that brings it ... */
    uint64_t bits;       /* ... any of these bits; 0: always there */
} MsrInfo;

#define MSR(idx, field, lvl) MSR_IF(idx, field, lvl, FEAT_1_EDX, 0)
#define MSR_IF(idx, field, lvl, w, b)                                          \
    { .index = idx, .offset = offsetof(X86Regs, field), .level = lvl,    \
      .word = w, .bits = b }

static const MsrInfo table[] = {
    MSR(0x174, sysenter_cs, CPU_DIRTY),
    MSR(0x175, sysenter_esp, CPU_DIRTY),
    MSR(0x176, sysenter_eip, CPU_DIRTY),
    MSR(0x277, pat, CPU_DIRTY),
    MSR(0xc0000081, star, CPU_DIRTY),
    MSR_IF(0xc0000082, lstar, CPU_DIRTY, FEAT_8000_0001_EDX, F8_1_EDX_LM),
    MSR_IF(0xc0000083, cstar, CPU_DIRTY, FEAT_8000_0001_EDX, F8_1_EDX_LM),
    MSR_IF(0xc0000084, fmask, CPU_DIRTY, FEAT_8000_0001_EDX, F8_1_EDX_LM),
    MSR_IF(0xc0000102, kernel_gs_base, CPU_DIRTY, FEAT_8000_0001_EDX, F8_1_EDX_LM),
    MSR_IF(0xc0000103, tsc_aux, CPU_DIRTY, FEAT_8000_0001_EDX, F8_1_EDX_RDTSCP),
    MSR_IF(0xc0010117, vm_hsave_pa, CPU_DIRTY, FEAT_8000_0001_ECX, F8_1_ECX_SVM),
    MSR_IF(0x3b, tsc_adjust, CPU_DIRTY_RESET, FEAT_7_0_EBX, F7_EBX_TSC_ADJUST),
    MSR(0x1a0, misc_enable, CPU_DIRTY),
    MSR(0x34, smi_count, CPU_DIRTY),
    MSR(0x9e, smbase, CPU_DIRTY_RESET),
    MSR_IF(0xd90, bndcfgs, CPU_DIRTY, FEAT_7_0_EBX, F7_EBX_MPX),
    MSR_IF(0xda0, xss, CPU_DIRTY, FEAT_XSAVE, FXSAVE_XSAVES),
    MSR_IF(0xe1, umwait, CPU_DIRTY, FEAT_7_0_ECX, F7_ECX_WAITPKG),
    MSR_IF(0x48, spec_ctrl, CPU_DIRTY, FEAT_7_0_EDX, F7_EDX_SPEC_CTRL),
    MSR_IF(0x122, tsx_ctrl, CPU_DIRTY, FEAT_ARCH_CAPS, BIT(7)),
    MSR_IF(0xc001011f, virt_ssbd, CPU_DIRTY, FEAT_8000_0008_EBX, BIT(25)),
    MSR_IF(0x6e1, pkrs, CPU_DIRTY, FEAT_7_0_ECX, F7_ECX_PKS),
    MSR_IF(0x1c4, xfd, CPU_DIRTY, FEAT_XSAVE, FXSAVE_XFD),
    MSR_IF(0x1c5, xfd_err, CPU_DIRTY, FEAT_XSAVE, FXSAVE_XFD),
    MSR_IF(0x3a, feature_control, CPU_DIRTY_RESET, FEAT_1_ECX, F1_ECX_VMX),
    /* Clocks go on while the VM stands still: written only when new. */
    MSR(0x10, tsc, CPU_DIRTY_RESET),
    MSR_IF(0x11, wall_clock, CPU_DIRTY_RESET, FEAT_KVM, FKVM_CLOCKSOURCE),
    MSR_IF(0x12, system_time, CPU_DIRTY_RESET, FEAT_KVM, FKVM_CLOCKSOURCE),
    MSR_IF(0x4b564d02, async_pf, CPU_DIRTY_RESET, FEAT_KVM, FKVM_ASYNC_PF),
    MSR_IF(0x4b564d03, steal_time, CPU_DIRTY_RESET, FEAT_KVM, FKVM_STEAL_TIME),
    MSR_IF(0x4b564d04, pv_eoi, CPU_DIRTY_RESET, FEAT_KVM, FKVM_PV_EOI),
    MSR_IF(0x4b564d05, poll_control, CPU_DIRTY_RESET, FEAT_KVM, FKVM_POLL_CONTROL),
    MSR_IF(0x4b564d06, async_pf_int, CPU_DIRTY_RESET, FEAT_KVM, FKVM_ASYNC_PF_INT),
};

static const uint32_t mtrr_fixed_index[] = {
    0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
};

typedef struct Batch {
    struct kvm_msrs head;
    struct kvm_msr_entry entries[192];
    uint16_t offset[192]; /* where a value that was read goes */
} Batch;

static void add(Batch *b, const X86Regs *r, uint32_t index, size_t offset)
{
    unsigned n = b->head.nmsrs++;

    assert(n < ARRAY_SIZE(b->entries));
    b->entries[n].index = index;
    memcpy(&b->entries[n].data, (const char *)r + offset, 8);
    b->offset[n] = offset;
}

static void add_mtrrs(Batch *b, const X86Regs *r)
{
    add(b, r, 0x2ff, offsetof(X86Regs, mtrr_deftype));
    for (unsigned i = 0; i < ARRAY_SIZE(mtrr_fixed_index); i++) {
        add(b, r, mtrr_fixed_index[i], offsetof(X86Regs, mtrr_fixed[i]));
    }
    for (unsigned i = 0; i < 2 * MTRR_VARIABLE; i++) {
        add(b, r, 0x200 + i, offsetof(X86Regs, mtrr_var[i]));
    }
}

static void add_mce(Batch *b, const X86Regs *r)
{
    add(b, r, 0x17a, offsetof(X86Regs, mcg_status));
    add(b, r, 0x17b, offsetof(X86Regs, mcg_ctl));
    for (unsigned i = 0; i < 4 * MCE_BANKS; i++) {
        add(b, r, 0x400 + i, offsetof(X86Regs, mce_banks[i]));
    }
}

/* The counters of the CPU that the guest sees, as far as KVM keeps them. */
static unsigned pmu_msrs(const X86Cpu *cpu, X86PmuMsr out[PMU_MAX_MSRS])
{
    CpuidRegs r = x86_cpuid(cpu, 0xa, 0);
    unsigned n, kept = 0;

    if (!cpu->pmu) {
        return 0;
    }
    n = x86_is_amd(cpu)
            ? x86_pmu_amd(x86_has(cpu, FEAT_8000_0001_ECX,
                                  F8_1_ECX_PERFCTR_CORE), out)
            : x86_pmu_intel(r.r[R_EAX], r.r[R_EDX], out);
    for (unsigned i = 0; i < n; i++) {
        if (x86_kvm_has_msr(cpu->parent.cpu.vm->accel, out[i].index)) {
            out[kept++] = out[i];
        }
    }
    return kept;
}

/* @stop: first of all, counters stand still while they are written. */
static void add_pmu(X86Cpu *cpu, Batch *b, bool stop)
{
    const size_t base = offsetof(X86Regs, pmu);
    X86PmuMsr msrs[PMU_MAX_MSRS];
    unsigned n = pmu_msrs(cpu, msrs);

    for (unsigned i = 0; stop && i < n; i++) {
        if (msrs[i].stop) {
            add(b, &cpu->regs, msrs[i].index, base + msrs[i].offset);
            b->entries[b->head.nmsrs - 1].data = 0;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        add(b, &cpu->regs, msrs[i].index, base + msrs[i].offset);
    }
}

static void collect(X86Cpu *cpu, Batch *b, CpuDirty level, bool put)
{
    Accel *accel = cpu->parent.cpu.vm->accel;

    b->head.nmsrs = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        const MsrInfo *m = &table[i];

        if (m->level <= level &&
            (!m->bits || (cpu->features[m->word] & m->bits)) &&
            x86_kvm_has_msr(accel, m->index)) {
            add(b, &cpu->regs, m->index, m->offset);
        }
    }
    if (level < CPU_DIRTY_RESET) {
        return;
    }
    /* KVM's list does not name these. */
    if (x86_has(cpu, FEAT_1_EDX, BIT(12))) {
        add_mtrrs(b, &cpu->regs);
    }
    if (x86_has(cpu, FEAT_1_EDX, BIT(7) | BIT(14)) &&
        kvm_vm_check_extension(accel, KVM_CAP_MCE)) {
        add_mce(b, &cpu->regs);
    }
    add_pmu(cpu, b, put);
}

/* One that may be refused without harm. */
static bool put_one(X86Cpu *cpu, uint32_t index, uint64_t value)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } m = { .head.nmsrs = 1, .entry.index = index, .entry.data = value };

    return kvm_vcpu_ioctl(&cpu->parent.cpu, KVM_SET_MSRS, &m) == 1;
}

bool x86_kvm_put_msrs(X86Cpu *cpu, CpuDirty level, Error **errp)
{
    g_autofree Batch *b = g_new0(Batch, 1);
    int ret;

    if (level == CPU_DIRTY_FULL) {
        put_one(cpu, 0x8b, cpu->regs.ucode_rev);
        if (x86_has(cpu, FEAT_7_0_EDX, F7_EDX_ARCH_CAPS)) {
            /* Some kernels keep their own on AMD. */
            put_one(cpu, 0x10a, cpu->regs.arch_caps);
        }
    }
    collect(cpu, b, level, true);
    ret = kvm_vcpu_ioctl(&cpu->parent.cpu, KVM_SET_MSRS, b);
    if (ret < 0) {
        return error_errno(errp, -ret, "KVM_SET_MSRS failed");
    }
    if ((unsigned)ret < b->head.nmsrs) {
        return error_set(errp, "KVM refuses to set MSR %#x to %#" PRIx64,
                         b->entries[ret].index,
                         (uint64_t)b->entries[ret].data);
    }
    return true;
}

bool x86_kvm_put_deadline(X86Cpu *cpu, Error **errp)
{
    return !x86_has(cpu, FEAT_1_ECX, F1_ECX_TSC_DEADLINE) ||
           put_one(cpu, MSR_TSC_DEADLINE, cpu->regs.tsc_deadline) ||
           error_set(errp, "KVM refuses the TSC deadline");
}

bool x86_kvm_get_msrs(X86Cpu *cpu, Error **errp)
{
    g_autofree Batch *b = g_new0(Batch, 1);
    int ret;

    collect(cpu, b, CPU_DIRTY_FULL, false);
    if (x86_has(cpu, FEAT_1_ECX, F1_ECX_TSC_DEADLINE)) {
        add(b, &cpu->regs, MSR_TSC_DEADLINE, offsetof(X86Regs, tsc_deadline));
    }
    ret = kvm_vcpu_ioctl(&cpu->parent.cpu, KVM_GET_MSRS, b);
    if (ret < 0) {
        return error_errno(errp, -ret, "KVM_GET_MSRS failed");
    }
    if ((unsigned)ret < b->head.nmsrs) {
        return error_set(errp, "KVM cannot read MSR %#x",
                         b->entries[ret].index);
    }
    for (int i = 0; i < ret; i++) {
        memcpy((char *)&cpu->regs + b->offset[i], &b->entries[i].data, 8);
    }
    return true;
}
