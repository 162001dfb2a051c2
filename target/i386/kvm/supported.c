/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host's KVM offers: CPUID bits, feature MSRs, MSRs it keeps. */
#include "util/osdep.h"

#include "target/i386/kvm/kvm-x86.h"
#include "util/error.h"

#define MAX_CPUID_ENTRIES 512

static struct kvm_cpuid2 *get_supported(Accel *accel, Error **errp)
{
    for (unsigned n = 128; n <= MAX_CPUID_ENTRIES; n *= 2) {
        struct kvm_cpuid2 *c = g_malloc0(sizeof(*c) +
                                         n * sizeof(c->entries[0]));
        int ret;

        c->nent = n;
        ret = kvm_system_ioctl(accel, KVM_GET_SUPPORTED_CPUID, c);
        if (!ret) {
            return c;
        }
        g_free(c);
        if (ret != -E2BIG) {
            error_errno(errp, -ret, "KVM_GET_SUPPORTED_CPUID failed");
            return NULL;
        }
    }
    error_set(errp, "KVM_GET_SUPPORTED_CPUID returns too much");
    return NULL;
}

static struct kvm_msr_list *get_msr_list(Accel *accel, Error **errp)
{
    struct kvm_msr_list head = { 0 }, *list;
    int ret = kvm_system_ioctl(accel, KVM_GET_MSR_INDEX_LIST, &head);

    if (ret != -E2BIG) {
        error_errno(errp, -ret, "KVM_GET_MSR_INDEX_LIST failed");
        return NULL;
    }
    list = g_malloc0(sizeof(*list) + head.nmsrs * sizeof(list->indices[0]));
    list->nmsrs = head.nmsrs;
    ret = kvm_system_ioctl(accel, KVM_GET_MSR_INDEX_LIST, list);
    if (ret < 0) {
        g_free(list);
        error_errno(errp, -ret, "KVM_GET_MSR_INDEX_LIST failed");
        return NULL;
    }
    return list;
}

bool x86_kvm_probe(Accel *accel, Error **errp)
{
    X86Kvm *k = g_new0(X86Kvm, 1);

    accel->arch = k; /* lives as long as the process's only accelerator */
    accel->arch_ops = &x86_kvm_accel_ops;
    k->msrs = get_msr_list(accel, errp);
    return k->msrs != NULL;
}

bool x86_kvm_has_msr(Accel *accel, uint32_t index)
{
    const struct kvm_msr_list *l = x86_kvm(accel)->msrs;

    for (unsigned i = 0; i < l->nmsrs; i++) {
        if (l->indices[i] == index) {
            return true;
        }
    }
    return false;
}

/* Asked when a CPU is made, not at every start: it takes KVM half a
 * millisecond. */
static const struct kvm_cpuid2 *supported(Accel *accel)
{
    X86Kvm *k = x86_kvm(accel);

    if (!k->supported) {
        Error *err = NULL;

        k->supported = get_supported(accel, &err);
        if (!k->supported) {
            error_report_err(err);
            k->supported = g_new0(struct kvm_cpuid2, 1);
        }
    }
    return k->supported;
}

static CpuidRegs supported_cpuid(Accel *accel, uint32_t leaf, uint32_t subleaf)
{
    const struct kvm_cpuid2 *c = supported(accel);

    for (unsigned i = 0; i < c->nent; i++) {
        const struct kvm_cpuid_entry2 *e = &c->entries[i];

        if (e->function == leaf &&
            (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
             e->index == subleaf)) {
            return (CpuidRegs){ { e->eax, e->ebx, e->ecx, e->edx } };
        }
    }
    return (CpuidRegs){ { 0 } };
}

static uint64_t feature_msr(Accel *accel, uint32_t index)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } m = { .head.nmsrs = 1, .entry.index = index };

    return kvm_system_ioctl(accel, KVM_GET_MSRS, &m) == 1 ? m.entry.data : 0;
}

const X86AccelOps x86_kvm_accel_ops = {
    .irqchip = &x86_kvm_irqchip_ops,
    .cpuid = supported_cpuid,
    .feature_msr = feature_msr,
};
