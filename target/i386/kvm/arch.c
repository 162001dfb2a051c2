/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM on x86: the VM, its interrupt controllers, exits that only x86 has.
 * Documentation/virt/kvm/api.rst.
 */
#include "util/osdep.h"

#include <sys/syscall.h>

#include "qapi/qapi-types-run-state.h"
#include "softmmu/vm.h"
#include "target/i386/kvm/kvm-x86.h"
#include "util/error.h"

#define REQ_XCOMP_GUEST_PERM 0x1025
#define XFEATURE_XTILEDATA   18

/* VM -------------------------------------------------------------------------- */

static bool check_capabilities(Accel *accel, Error **errp)
{
    static const struct {
        int cap;
        const char *name;
    } needed[] = {
        { KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
        { KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS" },
        { KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS" },
        { KVM_CAP_XSAVE, "KVM_CAP_XSAVE" },
        { KVM_CAP_XCRS, "KVM_CAP_XCRS" },
        { KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
        if (!kvm_vm_check_extension(accel, needed[i].cap)) {
            return error_set(errp, "the host's KVM does not support %s",
                             needed[i].name);
        }
    }
    return true;
}

/*
 * A guest that opens no event window is taken off the CPU after a while. By
 * default where the host can; who asks for it hears when it cannot.
 */
static bool init_notify(Accel *accel, Error **errp)
{
    const KvmTuning *t = kvm_tuning(accel);
    const int need = KVM_X86_NOTIFY_VMEXIT_ENABLED | KVM_X86_NOTIFY_VMEXIT_USER;
    int have = kvm_vm_check_extension(accel, KVM_CAP_X86_NOTIFY_VMEXIT);
    int ret;

    if (t->notify_vmexit == NOTIFY_VMEXIT_OPTION_DISABLE) {
        return true;
    }
    if (have <= 0 || (have & need) != need) {
        if (t->notify_vmexit >= 0 || t->notify_window) {
            warn_report("the host's KVM has no notify VM exits: notify-vmexit "
                        "and notify-window have no effect");
        }
        return true;
    }
    ret = kvm_vm_enable_cap(accel, KVM_CAP_X86_NOTIFY_VMEXIT,
                            (uint64_t)t->notify_window << 32 | need, 0);
    return ret >= 0 || error_errno(errp, -ret, "Could not enable notify VM "
                                   "exits");
}

static bool init_shadow_mem(Accel *accel, Error **errp)
{
    int64_t bytes = kvm_tuning(accel)->shadow_mem;
    int ret;

    if (bytes == -1) {
        return true;
    }
    if (bytes < 0 || bytes / 4096 > UINT32_MAX) {
        return error_set(errp, "kvm-shadow-mem=%" PRId64 " is out of range",
                         bytes);
    }
    ret = kvm_vm_ioctl(accel, KVM_SET_NR_MMU_PAGES,
                       (void *)(uintptr_t)(bytes / 4096));
    return ret >= 0 || error_errno(errp, -ret, "KVM refuses kvm-shadow-mem=%"
                                   PRId64, bytes);
}

static bool x86_init_vm(Accel *accel, Error **errp)
{
    uint64_t identity = X86_KVM_PAGES_BASE;
    X86Kvm *k;
    int ret;

    if (!check_capabilities(accel, errp) || !x86_kvm_probe(accel, errp)) {
        return false;
    }
    k = x86_kvm(accel);
    /* For real mode on Intel hosts: one page table, then a TSS. */
    ret = kvm_vm_ioctl(accel, KVM_SET_IDENTITY_MAP_ADDR, &identity);
    if (!ret) {
        ret = kvm_vm_ioctl(accel, KVM_SET_TSS_ADDR,
                           (void *)(uintptr_t)(identity + 0x1000));
    }
    if (ret < 0) {
        return error_errno(errp, -ret, "KVM cannot place its real-mode pages");
    }
    k->payload = kvm_vm_check_extension(accel, KVM_CAP_EXCEPTION_PAYLOAD) &&
                 !kvm_vm_enable_cap(accel, KVM_CAP_EXCEPTION_PAYLOAD, 1, 0);
#ifdef KVM_CAP_X86_TRIPLE_FAULT_EVENT
    k->triple_fault =
        kvm_vm_check_extension(accel, KVM_CAP_X86_TRIPLE_FAULT_EVENT) &&
        !kvm_vm_enable_cap(accel, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1, 0);
#endif
    /* AMX state is only there for those who ask before the first vCPU. */
    syscall(SYS_arch_prctl, REQ_XCOMP_GUEST_PERM, XFEATURE_XTILEDATA);
    k->smm = kvm_vm_check_extension(accel, KVM_CAP_X86_SMM);
    k->nested = kvm_vm_check_extension(accel, KVM_CAP_NESTED_STATE) > 0;
    ret = kvm_vm_check_extension(accel, KVM_CAP_XSAVE2);
    k->xsave2 = ret > 0;
    k->xsave_size = MAX(ret, (int)sizeof(struct kvm_xsave));
    return init_notify(accel, errp) && init_shadow_mem(accel, errp);
}

/* Interrupt controllers -------------------------------------------------------- */

/* ISA interrupts go to both PICs and to the I/O APIC, where the timer has pin
 * 2 (ACPI's interrupt source override says so). */
static void full_routes(Accel *accel)
{
    for (unsigned i = 0; i < 16; i++) {
        if (i != 2) {
            kvm_route_set_gsi(accel, i, i < 8 ? KVM_IRQCHIP_PIC_MASTER
                                              : KVM_IRQCHIP_PIC_SLAVE, i % 8);
        }
    }
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        if (i != 2) {
            kvm_route_set_gsi(accel, i, KVM_IRQCHIP_IOAPIC, i ? i : 2);
        }
    }
}

static bool x86_init_irqchip(Accel *accel, Error **errp)
{
    int ret;

    if (accel->irqchip == IRQCHIP_SPLIT) {
        if (!kvm_vm_check_extension(accel, KVM_CAP_SPLIT_IRQCHIP)) {
            return error_set(errp, "the host's KVM does not support "
                             "kernel-irqchip=split");
        }
        ret = kvm_vm_enable_cap(accel, KVM_CAP_SPLIT_IRQCHIP, IOAPIC_PINS, 0);
        return ret >= 0 ||
               error_errno(errp, -ret, "Could not enable split irqchip mode");
    }
    ret = kvm_vm_ioctl(accel, KVM_CREATE_IRQCHIP, NULL);
    if (ret < 0) {
        return error_errno(errp, -ret, "Create kernel irqchip failed");
    }
    full_routes(accel);
    return true;
}

/* Exits --------------------------------------------------------------------------- */

static void split_eoi(Cpu *cpu, int vector)
{
    const X86Split *split = &x86_kvm(cpu->vm->accel)->split;

    vm_lock(cpu->vm);
    if (split->eoi) {
        split->eoi(split->ioapic, vector);
    }
    vm_unlock(cpu->vm);
}

/* False: the VM stops for it. */
static bool notify_exit(Cpu *cpu, const struct kvm_run *run)
{
    bool lost = run->notify.flags & KVM_NOTIFY_CONTEXT_INVALID;

    warn_report_ratelimited("the guest of CPU %d opened no event window for "
                            "too long%s", cpu->index,
                            lost ? "; its state is lost" : "");
    return !lost && kvm_tuning(cpu->vm->accel)->notify_vmexit !=
                        NOTIFY_VMEXIT_OPTION_INTERNAL_ERROR;
}

static bool x86_handle_exit(Cpu *cpu, struct kvm_run *run)
{
    switch (run->exit_reason) {
    case KVM_EXIT_IOAPIC_EOI:
        split_eoi(cpu, run->eoi.vector);
        return true;
    case KVM_EXIT_NOTIFY:
        return notify_exit(cpu, run);
    case KVM_EXIT_SET_TPR:
    case KVM_EXIT_HLT:
        return true;
    default:
        return false;
    }
}

/*
 * Without a PIC in the kernel, its interrupts are injected here. The vector is
 * asked for only when the guest can take it.
 */
static void x86_pre_run(Cpu *cpu, struct kvm_run *run)
{
    X86Cpu *x = x86_of(cpu);
    const X86Split *split = &x86_kvm(cpu->vm->accel)->split;
    struct kvm_interrupt irq;
    int vector = -1;

    if (likely(!__atomic_load_n(&x->pic_level, __ATOMIC_ACQUIRE))) {
        run->request_interrupt_window = 0;
        return;
    }
    if (!run->ready_for_interrupt_injection || !run->if_flag) {
        run->request_interrupt_window = 1;
        return;
    }
    vm_lock(cpu->vm);
    if (x->pic_level && split->pic_ack) {
        vector = split->pic_ack(split->pic);
    }
    run->request_interrupt_window = x->pic_level;
    vm_unlock(cpu->vm);
    if (vector >= 0) {
        irq.irq = vector;
        kvm_vcpu_ioctl(cpu, KVM_INTERRUPT, &irq);
    }
}

/* By the LAPIC's input LINT1, as it is programmed. */
static void x86_nmi(Cpu *cpu, void *unused)
{
    const uint32_t lint1 = 0x360, masked = 0x10000, mode = 0x700, nmi = 0x400;
    struct kvm_lapic_state lapic;
    uint32_t lvt;

    if (kvm_vcpu_ioctl(cpu, KVM_GET_LAPIC, &lapic) < 0) {
        return;
    }
    memcpy(&lvt, lapic.regs + lint1, 4);
    if (!(lvt & masked) && (lvt & mode) == nmi) {
        kvm_vcpu_ioctl(cpu, KVM_NMI, NULL);
    }
}

static char *x86_dump_state(Cpu *cpu)
{
    autoerr Error *err = NULL;

    if (cpu->dirty == CPU_CLEAN && !x86_kvm_get_state(cpu, &err)) {
        return g_strdup_printf("%s\n", error_text(err));
    }
    return x86_cpu_dump(x86_of(cpu));
}

const KvmArchOps kvm_arch_ops = {
    .init_vm = x86_init_vm,
    .init_irqchip = x86_init_irqchip,
    .before_vcpu = x86_kvm_before_vcpu,
    .init_vcpu = x86_kvm_init_vcpu,
    .get_state = x86_kvm_get_state,
    .put_state = x86_kvm_put_state,
    .pre_run = x86_pre_run,
    .handle_exit = x86_handle_exit,
    .nmi = x86_nmi,
    .dump_state = x86_dump_state,
    .gsi_count = IOAPIC_PINS,
};
