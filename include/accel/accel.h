/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accelerators: what runs guest code (KVM) or stands in for it (qtest), and
 * the interrupt routes that they offer to devices and loops.
 */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H

#include "qom/object.h"
#include "util/event-notifier.h"

typedef enum IrqchipMode {
    IRQCHIP_NONE,  /* no interrupt controller in the kernel */
    IRQCHIP_SPLIT, /* LAPIC in the kernel, PIC/IOAPIC in user space */
    IRQCHIP_FULL,
} IrqchipMode;

struct Accel {
    Object obj;
    Vm *vm;
    IrqchipMode irqchip;
    const void *arch_ops; /* of the target's part; NULL: none */
    void *arch;           /* its data */
};

typedef struct MsiMessage {
    uint64_t addr;
    uint32_t data;
    uint32_t device_id; /* requester id, for ITS and IOMMU */
} MsiMessage;

typedef struct AccelClass {
    OBJECT_CLASS_FIELDS
    const char *name; /* "kvm" */
    /* Cheap: may this accelerator work on this host? With the reason. */
    bool (*available)(Error **errp);
    /* Create the VM: before memory, CPUs and devices. */
    bool (*init_vm)(Accel *accel, Machine *machine, Error **errp);
    /* All devices exist, before the first vCPU runs. */
    bool (*machine_done)(Accel *accel, Error **errp);
    /* The VM goes; vCPUs are gone. */
    void (*cleanup)(Accel *accel);
    /* vCPUs: start the thread (stopped); end it at unplug. */
    bool (*cpu_start)(Cpu *cpu, Error **errp);
    void (*cpu_end)(Cpu *cpu);
    /* Make the device's copy of the registers current (cpu->dirty). */
    void (*cpu_sync)(Cpu *cpu);
    /* Raise a non-maskable interrupt as the machine's NMI button does. */
    void (*cpu_nmi)(Cpu *cpu);

    /* Interrupts; NULL where there is none. */
    void (*set_gsi)(Accel *accel, int gsi, int level);
    int (*send_msi)(Accel *accel, const MsiMessage *msg);
    int (*route_add_msi)(Accel *accel, const MsiMessage *msg);
    /* Interrupt line @gsi is message @msg; NULL: nothing. */
    void (*route_gsi_msi)(Accel *accel, int gsi, const MsiMessage *msg);
    void (*route_update_msi)(Accel *accel, int virq, const MsiMessage *msg);
    void (*route_del)(Accel *accel, int virq);
    void (*route_commit)(Accel *accel);
    void (*route_hold)(Accel *accel, int change); /* +1 or -1 */
    int (*irqfd_add)(Accel *accel, int fd, int resample_fd, int virq);
    int (*irqfd_del)(Accel *accel, int fd, int virq);
} AccelClass;

QOM_DECLARE_CAST(Accel, accel_type, accel_cast)

/* Machine lock for all of these, except where said. */

/* In-kernel irqchip input; any thread. */
void accel_set_gsi(Vm *vm, int gsi, int level);
/* Deliver a message now (cached route); any thread. */
int accel_send_msi(Vm *vm, const MsiMessage *msg);
/* Is it possible to bind eventfds to MSI routes? */
bool accel_has_irqfd(const Vm *vm);
/* A route's number (virq) or -errno. Changes take effect at the next
 * irq_routes_commit(). */
int irq_route_add_msi(Vm *vm, const MsiMessage *msg);
void irq_route_update_msi(Vm *vm, int virq, const MsiMessage *msg);
void irq_route_del(Vm *vm, int virq);
/* For I/O APICs outside of the kernel: line @gsi sends @msg (NULL: nothing),
 * so that the accelerator knows whose end of interrupt to tell. */
void irq_route_gsi_msi(Vm *vm, int gsi, const MsiMessage *msg);
void irq_routes_commit(Vm *vm);
/* Between these, which nest, commits wait for the end: sending routes to the
 * kernel is slow, and it takes all of them at once. Nothing may raise a new
 * route before the end. */
void irq_routes_begin(Vm *vm);
void irq_routes_end(Vm *vm);
/* Writing @e raises @virq from any thread or process. @resample may be NULL. */
int irqfd_add(Vm *vm, EventNotifier *e, EventNotifier *resample, int virq);
void irqfd_del(Vm *vm, EventNotifier *e, int virq);

/*
 * Open the first of a list like "kvm:tcg" that works: sets vm->accel. @props
 * (may be NULL) are those of -accel and the machine's kernel-irqchip.
 */
bool accel_select(Vm *vm, const char *list, const QDict *props, Error **errp);
bool accel_machine_done(Vm *vm, Error **errp);
void accel_cleanup(Vm *vm);

/* vCPUs. Without an accelerator that runs guest code, nothing happens. */
bool accel_cpu_start(Cpu *cpu, Error **errp);
void accel_cpu_end(Cpu *cpu);
/* Before reading or changing a vCPU's registers; the change takes effect when
 * it next runs. */
void accel_cpu_sync(Cpu *cpu);
bool accel_is_kvm(const Vm *vm);
bool accel_is_qtest(const Vm *vm);

#endif
