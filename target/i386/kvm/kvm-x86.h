/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the x86 part of the KVM accelerator shares. */
#ifndef TARGET_I386_KVM_X86_H
#define TARGET_I386_KVM_X86_H

#include <linux/kvm.h>

#include "accel/kvm.h"
#include "target/i386/cpu-internal.h"

/* Accel.arch: what the host's KVM can do. Const after it was made. */
typedef struct X86Kvm {
    struct kvm_cpuid2 *supported; /* NULL until the machine thread asks */
    struct kvm_msr_list *msrs; /* that KVM keeps for a vCPU */
    bool payload;      /* exceptions with payload */
    bool triple_fault; /* events tell of one pending */
    bool xsave2;
    bool smm;    /* events carry SMM's */
    bool nested; /* KVM_SET_NESTED_STATE */
    bool pmu_decided; /* by the first vCPU: has the VM counters at all? */
    size_t xsave_size; /* of KVM's XSAVE image */
    X86Split split;
} X86Kvm;

static inline X86Kvm *x86_kvm(Accel *accel)
{
    return accel->arch;
}

/* supported.c */
bool x86_kvm_probe(Accel *accel, Error **errp);
extern const X86AccelOps x86_kvm_accel_ops;
bool x86_kvm_has_msr(Accel *accel, uint32_t index);

/* irqchip.c */
extern const X86IrqchipOps x86_kvm_irqchip_ops;

/* vcpu.c */
bool x86_kvm_before_vcpu(Cpu *cpu, Error **errp);
bool x86_kvm_init_vcpu(Cpu *cpu, Error **errp);
/* state.c */
bool x86_kvm_get_state(Cpu *cpu, Error **errp);
bool x86_kvm_put_state(Cpu *cpu, CpuDirty level, Error **errp);
/* msrs.c */
bool x86_kvm_get_msrs(X86Cpu *cpu, Error **errp);
bool x86_kvm_put_msrs(X86Cpu *cpu, CpuDirty level, Error **errp);
/* The deadline of the LAPIC's timer: must follow the LAPIC. */
bool x86_kvm_put_deadline(X86Cpu *cpu, Error **errp);

#endif
