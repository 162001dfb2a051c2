/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What features the accelerator can give to a guest. */
#include "util/osdep.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "accel/accel.h"
#include "softmmu/vm.h"
#include "target/i386/cpu-internal.h"

const X86AccelOps *x86_accel_ops(Vm *vm)
{
    return vm->accel ? vm->accel->arch_ops : NULL;
}

CpuidRegs x86_supported_cpuid(Vm *vm, uint32_t leaf, uint32_t subleaf)
{
    const X86AccelOps *ops = x86_accel_ops(vm);

    return ops ? ops->cpuid(vm->accel, leaf, subleaf) : (CpuidRegs){ { 0 } };
}

#ifdef __x86_64__
CpuidRegs x86_host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    CpuidRegs r = { { 0 } };

    __get_cpuid_count(leaf, subleaf, &r.r[R_EAX], &r.r[R_EBX], &r.r[R_ECX],
                      &r.r[R_EDX]);
    return r;
}
#else
CpuidRegs x86_host_cpuid(uint32_t leaf, uint32_t subleaf)
{
    return (CpuidRegs){ { 0 } };
}
#endif

/* Bits that the VMM adds to what KVM_GET_SUPPORTED_CPUID says, as the manual
 * of that ioctl tells it to. */
static uint64_t add_known(Vm *vm, FeatureWord w, uint64_t bits)
{
    switch (w) {
    case FEAT_1_ECX:
        /* The LAPIC is in the kernel: it has both. */
        return bits | F1_ECX_HYPERVISOR | F1_ECX_X2APIC | F1_ECX_TSC_DEADLINE;
    case FEAT_1_EDX:
        return bits | F1_EDX_HTT; /* set by topology */
    case FEAT_6_EAX:
        return bits | BIT(2); /* ARAT: the LAPIC timer never stops */
    case FEAT_8000_0001_ECX:
        return bits | F8_1_ECX_TOPOEXT; /* nothing but leaf 8000001Eh */
    case FEAT_KVM_HINTS:
        return bits | FKVM_HINT_REALTIME;
    default:
        return bits;
    }
}

uint64_t x86_supported(Vm *vm, FeatureWord w)
{
    const FeatureWordInfo *info = &feature_words[w];
    const X86AccelOps *ops = x86_accel_ops(vm);

    if (!ops) {
        return UINT64_MAX;
    }
    if (info->msr) {
        return ops->feature_msr(vm->accel, info->msr);
    }
    return add_known(vm, w, ops->cpuid(vm->accel, info->leaf,
                                       info->subleaf).r[info->reg]);
}
