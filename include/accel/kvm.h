/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM (Documentation/virt/kvm/api.rst) for the code that knows the
 * architecture: target/TARGET/kvm implements KvmArchOps on the calls offered
 * here. Nobody else needs <linux/kvm.h>.
 */
#ifndef ACCEL_KVM_H
#define ACCEL_KVM_H

#include "accel/accel.h"
#include "softmmu/cpu.h"

struct kvm_run;
struct kvm_irq_routing_entry;

/* Properties of the accelerator that the target gives their effect. */
typedef struct KvmTuning {
    int notify_vmexit; /* NotifyVmexitOption, or -1: not said */
    uint32_t notify_window; /* clock cycles; 0: as short as the CPU can */
    int64_t shadow_mem; /* bytes of shadow page tables; -1: KVM's choice */
} KvmTuning;
const KvmTuning *kvm_tuning(Accel *accel);

/* What the target adds. Hooks for vCPUs run on the vCPU's thread. */
typedef struct KvmArchOps {
    /* The VM exists, nothing else does. */
    bool (*init_vm)(Accel *accel, Error **errp);
    /* Create the interrupt controllers of accel->irqchip and set the routes of
     * the interrupt lines (kvm_route_set_gsi). */
    bool (*init_irqchip)(Accel *accel, Error **errp);
    /* The vCPU is about to be made, by the thread that asked for it. May be
     * NULL. Machine lock. */
    bool (*before_vcpu)(Cpu *cpu, Error **errp);
    /* The vCPU exists in the kernel: features and registers that it keeps. */
    bool (*init_vcpu)(Cpu *cpu, Error **errp);
    /* Registers from and to KVM, as @cpu->dirty says. */
    bool (*get_state)(Cpu *cpu, Error **errp);
    bool (*put_state)(Cpu *cpu, CpuDirty level, Error **errp);
    /* About to enter the guest: interrupts that user space injects. May be
     * NULL. Machine lock not held. */
    void (*pre_run)(Cpu *cpu, struct kvm_run *run);
    /* Exits that only the target knows; false: unknown. Machine lock not
     * held. */
    bool (*handle_exit)(Cpu *cpu, struct kvm_run *run);
    /* The NMI button; on the vCPU's thread, machine lock held. */
    void (*nmi)(Cpu *cpu, void *unused);
    /* Registers as text, for reports. */
    char *(*dump_state)(Cpu *cpu);
    unsigned gsi_count; /* lines of the interrupt controllers */
} KvmArchOps;
extern const KvmArchOps kvm_arch_ops;

/* ioctl() that retries on EINTR; result or -errno. @arg as the ioctl takes
 * it. */
int kvm_system_ioctl(Accel *accel, unsigned long req, void *arg);
int kvm_vm_ioctl(Accel *accel, unsigned long req, void *arg);
int kvm_vcpu_ioctl(Cpu *cpu, unsigned long req, void *arg);
/* KVM_CHECK_EXTENSION on the VM; 0 when missing. */
int kvm_vm_check_extension(Accel *accel, int cap);
int kvm_vm_enable_cap(Accel *accel, int cap, uint64_t arg0, uint64_t arg1);
int kvm_vcpu_enable_cap(Cpu *cpu, int cap, uint64_t arg0);
/* For probes without a VM (query-cpu-model-expansion under -machine none): a
 * new descriptor of /dev/kvm or -1. */
int kvm_open_system(Error **errp);

struct kvm_run *kvm_vcpu_run_area(Cpu *cpu);
size_t kvm_vcpu_run_size(Cpu *cpu);

/* One more target of interrupt line @gsi: pin @pin of in-kernel chip @chip.
 * Takes effect at the next commit. Machine lock. */
void kvm_route_set_gsi(Accel *accel, int gsi, unsigned chip, unsigned pin);

#endif
