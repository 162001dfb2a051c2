/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of accel/kvm share. */
#ifndef ACCEL_KVM_INTERNAL_H
#define ACCEL_KVM_INTERNAL_H

#include <linux/kvm.h>

#include "accel/kvm.h"
#include "softmmu/cpu.h"
#include "softmmu/memory.h"

typedef struct KvmSlot {
    uint64_t gpa, size;
    uint8_t *host;
    RamBlock *block; /* referenced */
    uint64_t offset; /* of host in the block */
    bool readonly, log;
    int id; /* in the kernel; -1: not there yet */
} KvmSlot;

/* Memory slots: changed under the lock here, by listeners (which hold the
 * machine lock) or by the first vCPU to run. */
typedef struct KvmSlots {
    Mutex lock;
    GArray *wanted; /* KvmSlot: what the address space says */
    GArray *active; /* KvmSlot: what the kernel has */
    uint64_t *used_ids; /* bitmap */
    unsigned max;
    bool live;      /* vCPUs may run: changes take effect at once */
    int pending;    /* atomic: wanted differs from active */
    MemListener memory, io;
} KvmSlots;

typedef struct KvmRoutes {
    Mutex lock;
    struct kvm_irq_routing *table; /* what the kernel gets */
    unsigned cap;
    uint64_t *used; /* bitmap of GSI numbers */
    unsigned max;
    bool stale;
    int held; /* commits wait; machine lock */
} KvmRoutes;

QOM_DECLARE(KvmAccel, kvm_accel)
struct KvmAccel {
    Accel parent;
    int fd, vm_fd;
    size_t run_size;
    int irqchip_prop; /* IrqchipMode, or -1: default */
    KvmTuning tuning;
    bool readonly_mem, ioeventfd_any;
    KvmSlots slots;
    KvmRoutes routes;
    GArray *parked; /* KvmParked: vCPUs that were unplugged */
    bool started;   /* machine_done ran */
};

typedef struct KvmCpu {
    KvmAccel *accel;
    int fd;
    struct kvm_run *run;
    bool ready; /* its thread serves it, or failed; lock */
    bool failed; /* the thread ended at once ... */
    Error *err;  /* ... for this reason */
} KvmCpu;

static inline KvmCpu *kvm_cpu(Cpu *cpu)
{
    return cpu->accel;
}

/* kvm-memory.c */
bool kvm_memory_init(KvmAccel *s, Error **errp);
void kvm_memory_listen(KvmAccel *s);
void kvm_memory_cleanup(KvmAccel *s);
/* Before a vCPU enters the guest. 0 or -errno. */
int kvm_slots_flush(KvmAccel *s);

/* kvm-irq.c */
bool kvm_irq_init(KvmAccel *s, Error **errp);
void kvm_irq_cleanup(KvmAccel *s);
void kvm_set_gsi(Accel *accel, int gsi, int level);
int kvm_send_msi(Accel *accel, const MsiMessage *msg);
int kvm_route_add_msi(Accel *accel, const MsiMessage *msg);
void kvm_route_gsi_msi(Accel *accel, int gsi, const MsiMessage *msg);
void kvm_route_update_msi(Accel *accel, int virq, const MsiMessage *msg);
void kvm_route_del(Accel *accel, int virq);
void kvm_route_commit(Accel *accel);
void kvm_route_hold(Accel *accel, int change);
int kvm_irqfd_add(Accel *accel, int fd, int resample_fd, int virq);
int kvm_irqfd_del(Accel *accel, int fd, int virq);

/* kvm-cpu.c */
bool kvm_cpus_ready(KvmAccel *s, Error **errp);
bool kvm_cpu_start(Cpu *cpu, Error **errp);
void kvm_cpu_end(Cpu *cpu);
void kvm_cpu_sync(Cpu *cpu);
void kvm_cpus_cleanup(KvmAccel *s);

#endif
