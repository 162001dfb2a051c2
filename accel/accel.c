/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Choosing an accelerator, and the calls that devices and CPUs make without
 * knowing which one there is.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-machine.h"
#include "softmmu/cpu.h"
#include "softmmu/vm.h"
#include "util/error.h"

static const AccelClass accel_base_class = { .props = NULL };

QOM_DEFINE(Accel, accel, .name = "accel", .parent = &object_type,
           .class = &accel_base_class, .abstract = true);

static const AccelClass *class_of(const Accel *accel)
{
    return object_class(accel);
}

/* The class of the VM's accelerator; with none, one that can do nothing. */
static const AccelClass *vm_accel_class(const Vm *vm)
{
    return vm->accel ? class_of(vm->accel) : &accel_base_class;
}

static const ObjectType *find_accel(const char *name, Error **errp)
{
    g_autofree char *type_name = g_strdup_printf("%s-accel", name);
    const ObjectType *type = type_find(type_name);

    if (!type || type->abstract || !type_is_a(type, &accel_type)) {
        error_set(errp, "invalid accelerator %s", name);
        if (!strcmp(name, "tcg")) {
            error_hint(errp, "Only KVM runs guest code here.\n");
        }
        return NULL;
    }
    return type;
}

static bool open_one(Vm *vm, const char *name, const QDict *props,
                     Error **errp)
{
    const ObjectType *type = find_accel(name, errp);
    g_autoptr(Accel) accel = NULL;
    const AccelClass *c;

    if (!type) {
        return false;
    }
    accel = accel_cast(object_new(type));
    accel->vm = vm;
    c = class_of(accel);
    if (props && !object_props_set_dict(&accel->obj, props, NULL, QAPI_KEYVAL,
                                        errp)) {
        return false;
    }
    if ((c->available && !c->available(errp)) ||
        (c->init_vm && !c->init_vm(accel, vm->machine, errp))) {
        return false;
    }
    vm->accel = g_steal_pointer(&accel);
    return true;
}

bool accel_select(Vm *vm, const char *list, const QDict *props, Error **errp)
{
    g_auto(GStrv) names = g_strsplit(list, ":", -1);
    autoerr Error *err = NULL;

    if (!names[0]) {
        return error_set(errp, "no accelerator given");
    }
    for (unsigned i = 0; names[i]; i++) {
        autoerr Error *this_err = NULL;

        if (open_one(vm, names[i], props, &this_err)) {
            return true;
        }
        if (!err) {
            err = g_steal_pointer(&this_err); /* the first choice tells best */
        }
    }
    return error_move(errp, g_steal_pointer(&err));
}

bool accel_machine_done(Vm *vm, Error **errp)
{
    const AccelClass *c = vm_accel_class(vm);

    return !c->machine_done || c->machine_done(vm->accel, errp);
}

void accel_cleanup(Vm *vm)
{
    const AccelClass *c = vm_accel_class(vm);

    if (c->cleanup) {
        c->cleanup(vm->accel);
    }
    g_clear_pointer(&vm->accel, object_unref);
}

static bool accel_is(const Vm *vm, const char *name)
{
    return vm->accel && !strcmp(vm_accel_class(vm)->name, name);
}

bool accel_is_kvm(const Vm *vm)
{
    return accel_is(vm, "kvm");
}

bool accel_is_qtest(const Vm *vm)
{
    return accel_is(vm, "qtest");
}

/* vCPUs --------------------------------------------------------------------- */

bool accel_cpu_start(Cpu *cpu, Error **errp)
{
    const AccelClass *c = vm_accel_class(cpu->vm);

    return !c->cpu_start || c->cpu_start(cpu, errp);
}

void accel_cpu_end(Cpu *cpu)
{
    const AccelClass *c = vm_accel_class(cpu->vm);

    if (c->cpu_end) {
        c->cpu_end(cpu);
    }
}

void accel_cpu_sync(Cpu *cpu)
{
    const AccelClass *c = vm_accel_class(cpu->vm);

    if (c->cpu_sync) {
        c->cpu_sync(cpu);
    }
}

bool qmp_inject_nmi(Vm *vm, Error **errp)
{
    const AccelClass *c = vm_accel_class(vm);

    if (!c->cpu_nmi) {
        return error_set(errp, "this feature or command is not currently "
                         "supported");
    }
    for (unsigned i = 0; i < vm->cpus->len; i++) {
        Cpu *cpu = g_ptr_array_index(vm->cpus, i);

        if (cpu) {
            c->cpu_nmi(cpu);
        }
    }
    return true;
}

KvmInfo *qmp_query_kvm(Vm *vm, Error **errp)
{
    KvmInfo *info = g_new0(KvmInfo, 1);

    info->enabled = accel_is_kvm(vm);
    info->present = type_find("kvm-accel") != NULL;
    return info;
}

static bool info_kvm(Hmp *hmp, const QDict *args, Error **errp)
{
    hmp_printf(hmp, "kvm support: %s\n",
               accel_is_kvm(hmp->vm)     ? "enabled"
               : type_find("kvm-accel") ? "disabled"
                                         : "not compiled");
    return true;
}

static const HmpCommand hmp_info_kvm = {
    .name = "info kvm",
    .help = "show KVM information",
    .run = info_kvm,
};
HMP_COMMANDS(hmp_info_kvm);

/* Interrupts ------------------------------------------------------------------ */

void accel_set_gsi(Vm *vm, int gsi, int level)
{
    const AccelClass *c = vm_accel_class(vm);

    if (c->set_gsi) {
        c->set_gsi(vm->accel, gsi, level);
    }
}

int accel_send_msi(Vm *vm, const MsiMessage *msg)
{
    const AccelClass *c = vm_accel_class(vm);

    return c->send_msi ? c->send_msi(vm->accel, msg) : -ENODEV;
}

bool accel_has_irqfd(const Vm *vm)
{
    return vm_accel_class(vm)->irqfd_add != NULL;
}

int irq_route_add_msi(Vm *vm, const MsiMessage *msg)
{
    const AccelClass *c = vm_accel_class(vm);

    return c->route_add_msi ? c->route_add_msi(vm->accel, msg) : -ENODEV;
}

void irq_route_update_msi(Vm *vm, int virq, const MsiMessage *msg)
{
    const AccelClass *c = vm_accel_class(vm);

    if (c->route_update_msi) {
        c->route_update_msi(vm->accel, virq, msg);
    }
}

void irq_route_del(Vm *vm, int virq)
{
    const AccelClass *c = vm_accel_class(vm);

    if (c->route_del) {
        c->route_del(vm->accel, virq);
    }
}

void irq_route_gsi_msi(Vm *vm, int gsi, const MsiMessage *msg)
{
    const AccelClass *c = vm_accel_class(vm);

    if (c->route_gsi_msi) {
        c->route_gsi_msi(vm->accel, gsi, msg);
    }
}

void irq_routes_commit(Vm *vm)
{
    const AccelClass *c = vm_accel_class(vm);

    if (c->route_commit) {
        c->route_commit(vm->accel);
    }
}

static void routes_hold(Vm *vm, int change)
{
    const AccelClass *c = vm_accel_class(vm);

    if (c->route_hold) {
        c->route_hold(vm->accel, change);
    }
}

void irq_routes_begin(Vm *vm)
{
    routes_hold(vm, 1);
}

void irq_routes_end(Vm *vm)
{
    routes_hold(vm, -1);
}

int irqfd_add(Vm *vm, EventNotifier *e, EventNotifier *resample, int virq)
{
    const AccelClass *c = vm_accel_class(vm);

    return c->irqfd_add ? c->irqfd_add(vm->accel, e->fd,
                                       resample ? resample->fd : -1, virq)
                        : -ENODEV;
}

void irqfd_del(Vm *vm, EventNotifier *e, int virq)
{
    const AccelClass *c = vm_accel_class(vm);

    if (c->irqfd_del) {
        c->irqfd_del(vm->accel, e->fd, virq);
    }
}
