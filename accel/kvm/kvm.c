/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The KVM accelerator: opening /dev/kvm, creating the VM and its interrupt
 * controllers. Documentation/virt/kvm/api.rst.
 */
#include "util/osdep.h"

#include <sys/ioctl.h>

#include "accel/kvm/kvm-internal.h"
#include "qapi/qapi-types-run-state.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* ioctls ----------------------------------------------------------------------- */

static int retry_ioctl(int fd, unsigned long req, void *arg)
{
    int ret = RETRY_ON_EINTR(ioctl(fd, req, arg));

    return ret < 0 ? -errno : ret;
}

int kvm_system_ioctl(Accel *accel, unsigned long req, void *arg)
{
    return retry_ioctl(kvm_accel(accel)->fd, req, arg);
}

int kvm_vm_ioctl(Accel *accel, unsigned long req, void *arg)
{
    return retry_ioctl(((KvmAccel *)accel)->vm_fd, req, arg);
}

int kvm_vcpu_ioctl(Cpu *cpu, unsigned long req, void *arg)
{
    return retry_ioctl(kvm_cpu(cpu)->fd, req, arg);
}

int kvm_vm_check_extension(Accel *accel, int cap)
{
    int ret = kvm_vm_ioctl(accel, KVM_CHECK_EXTENSION, (void *)(long)cap);

    return MAX(ret, 0);
}

int kvm_vm_enable_cap(Accel *accel, int cap, uint64_t arg0, uint64_t arg1)
{
    struct kvm_enable_cap c = { .cap = cap, .args = { arg0, arg1 } };

    return kvm_vm_ioctl(accel, KVM_ENABLE_CAP, &c);
}

int kvm_vcpu_enable_cap(Cpu *cpu, int cap, uint64_t arg0)
{
    struct kvm_enable_cap c = { .cap = cap, .args = { arg0 } };

    return kvm_vcpu_ioctl(cpu, KVM_ENABLE_CAP, &c);
}

const KvmTuning *kvm_tuning(Accel *accel)
{
    return &kvm_accel(accel)->tuning;
}

int kvm_open_system(Error **errp)
{
    int fd = RETRY_ON_EINTR(open("/dev/kvm", O_RDWR | O_CLOEXEC));

    if (fd < 0) {
        error_errno(errp, errno, "Could not access KVM kernel module");
    }
    return fd;
}

/* Opening ------------------------------------------------------------------------ */

static bool check_version(KvmAccel *s, Error **errp)
{
    int version = retry_ioctl(s->fd, KVM_GET_API_VERSION, NULL);

    if (version != KVM_API_VERSION) {
        return error_set(errp, "kvm version %s",
                         version < KVM_API_VERSION ? "too old"
                                                   : "not supported");
    }
    return true;
}

static bool create_vm(KvmAccel *s, Error **errp)
{
    int ret = retry_ioctl(s->fd, KVM_CREATE_VM, NULL);

    if (ret < 0) {
        return error_errno(errp, -ret, "KVM cannot create a VM");
    }
    s->vm_fd = ret;
    ret = retry_ioctl(s->fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
    if (ret < (int)sizeof(struct kvm_run)) {
        return error_set(errp, "KVM tells no size of its vCPU area");
    }
    s->run_size = ret;
    return true;
}

static bool check_capabilities(KvmAccel *s, Error **errp)
{
    static const struct {
        int cap;
        const char *name;
    } needed[] = {
        { KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
        { KVM_CAP_DESTROY_MEMORY_REGION_WORKS,
          "KVM_CAP_DESTROY_MEMORY_REGION_WORKS" },
        { KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
        { KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
        { KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
        { KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
        { KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(needed); i++) {
        if (!kvm_vm_check_extension(&s->parent, needed[i].cap)) {
            return error_set(errp, "the host's KVM does not support %s",
                             needed[i].name);
        }
    }
    s->readonly_mem = kvm_vm_check_extension(&s->parent, KVM_CAP_READONLY_MEM);
    s->ioeventfd_any =
        kvm_vm_check_extension(&s->parent, KVM_CAP_IOEVENTFD_ANY_LENGTH);
    return true;
}

static bool init_irqchip(KvmAccel *s, Error **errp)
{
    if (s->irqchip_prop == IRQCHIP_NONE) {
        return error_set(errp, "kernel-irqchip=off is not supported: use "
                         "'on' or 'split'");
    }
    s->parent.irqchip =
        s->irqchip_prop >= 0 ? (IrqchipMode)s->irqchip_prop : IRQCHIP_FULL;
    if (!kvm_arch_ops.init_irqchip(&s->parent, errp)) {
        return false;
    }
    kvm_route_commit(&s->parent);
    return true;
}

static bool kvm_init_vm(Accel *accel, Machine *machine, Error **errp)
{
    KvmAccel *s = kvm_accel(accel);

    s->fd = kvm_open_system(errp);
    if (s->fd < 0 || !check_version(s, errp)) {
        return false;
    }
    if (!create_vm(s, errp) || !check_capabilities(s, errp) ||
        !kvm_arch_ops.init_vm(accel, errp) || !kvm_memory_init(s, errp) ||
        !kvm_irq_init(s, errp) || !init_irqchip(s, errp)) {
        return error_prefix(errp, "failed to initialize kvm");
    }
    return true;
}

static bool kvm_machine_done(Accel *accel, Error **errp)
{
    KvmAccel *s = kvm_accel(accel);

    if (accel->vm->memory) {
        kvm_memory_listen(s);
    }
    return kvm_cpus_ready(s, errp);
}

static void kvm_nmi(Cpu *cpu)
{
    cpu_run_on(cpu, kvm_arch_ops.nmi, NULL);
}

static void kvm_cleanup(Accel *accel)
{
    kvm_memory_cleanup(kvm_accel(accel));
}

/* Properties ------------------------------------------------------------------------ */

static bool set_kernel_irqchip(Object *obj, const Prop *prop,
                               const QObject *value, QapiMode mode,
                               Error **errp)
{
    KvmAccel *s = kvm_accel(obj);
    const char *text = qobject_get_str(value);
    bool on;

    if (qobject_get_bool(value, &on)) {
        text = on ? "on" : "off";
    }
    if (text && !strcmp(text, "on")) {
        s->irqchip_prop = IRQCHIP_FULL;
    } else if (text && !strcmp(text, "split")) {
        s->irqchip_prop = IRQCHIP_SPLIT;
    } else if (text && !strcmp(text, "off")) {
        s->irqchip_prop = IRQCHIP_NONE;
    } else {
        return error_set(errp, "Parameter 'kernel-irqchip' does not accept "
                         "value '%s'", text ? text : "");
    }
    return true;
}

static QObject *get_notify(Object *obj, const Prop *prop, Error **errp)
{
    int v = kvm_accel(obj)->tuning.notify_vmexit;

    return qstr_new(qapi_enum_name(&qapi_type_NotifyVmexitOption,
                                   MAX(v, NOTIFY_VMEXIT_OPTION_RUN)));
}

static bool set_notify(Object *obj, const Prop *prop, const QObject *value,
                       QapiMode mode, Error **errp)
{
    NotifyVmexitOption v;

    if (!qapi_read_named(&qapi_type_NotifyVmexitOption, prop->name, value, &v,
                         mode, errp)) {
        return false;
    }
    kvm_accel(obj)->tuning.notify_vmexit = v;
    return true;
}

static void kvm_accel_init(Object *obj)
{
    KvmAccel *s = kvm_accel(obj);

    s->fd = -1;
    s->vm_fd = -1;
    s->irqchip_prop = -1;
    s->tuning.notify_vmexit = -1;
}

static void kvm_accel_finalize(Object *obj)
{
    KvmAccel *s = kvm_accel(obj);

    kvm_irq_cleanup(s);
    kvm_cpus_cleanup(s);
    if (s->vm_fd >= 0) {
        close(s->vm_fd);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
}

static const Prop kvm_props[] = {
    PROP_FN("kernel-irqchip", "on|off|split", NULL, set_kernel_irqchip,
            .help = "Configure KVM in-kernel irqchip"),
    PROP(KvmAccel, tuning.shadow_mem, "kvm-shadow-mem", -1, .type = "int",
         .help = "KVM shadow MMU size"),
    PROP_FN("notify-vmexit", "NotifyVMexitOption", get_notify, set_notify,
            .help = "Enable notify VM exit"),
    PROP(KvmAccel, tuning.notify_window, "notify-window", 0,
         .help = "Clock cycles without an event window after which a "
                 "notification VM exit occurs"),
    {},
};

static const AccelClass kvm_class = {
    .props = kvm_props,
    .name = "kvm",
    .init_vm = kvm_init_vm,
    .machine_done = kvm_machine_done,
    .cleanup = kvm_cleanup,
    .cpu_start = kvm_cpu_start,
    .cpu_end = kvm_cpu_end,
    .cpu_sync = kvm_cpu_sync,
    .cpu_nmi = kvm_nmi,
    .set_gsi = kvm_set_gsi,
    .send_msi = kvm_send_msi,
    .route_add_msi = kvm_route_add_msi,
    .route_gsi_msi = kvm_route_gsi_msi,
    .route_update_msi = kvm_route_update_msi,
    .route_del = kvm_route_del,
    .route_commit = kvm_route_commit,
    .route_hold = kvm_route_hold,
    .irqfd_add = kvm_irqfd_add,
    .irqfd_del = kvm_irqfd_del,
};

QOM_DEFINE(KvmAccel, kvm_accel, .name = "kvm-accel", .parent = &accel_type,
           .class = &kvm_class, .init = kvm_accel_init,
           .finalize = kvm_accel_finalize);
