/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "kvm-apic": a CPU's local APIC as an object below the CPU. KVM does what it
 * does; its registers are part of the CPU's. "apic" stands there without KVM.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "softmmu/vm.h"
#include "target/i386/apic.h"
#include "target/i386/cpu-internal.h"
#include "util/error.h"

static const Prop apic_props[] = {
    PROP(X86Apic, id, "id", UINT32_MAX),
    PROP(X86Apic, version, "version", 0x14),
    PROP(X86Apic, vapic, "vapic", true),
    {},
};

static const DeviceClass apic_class = {
    .props = apic_props,
    .internal = true,
    .no_hotplug = true,
};
QOM_DEFINE(X86Apic, x86_apic, .name = "apic-common", .parent = &device_type,
           .class = &apic_class, .abstract = true);
QOM_DEFINE(X86Apic, x86_plain_apic, .name = "apic", .parent = &x86_apic_type);
QOM_DEFINE(X86Apic, x86_kvm_apic, .name = "kvm-apic",
           .parent = &x86_apic_type);

/* Every CPU but a lonely one without the feature has one. */
static bool wants_apic(const X86Cpu *cpu)
{
    return x86_has(cpu, FEAT_1_EDX, F1_EDX_APIC) ||
           cpu->parent.cpu.vm->machine->smp.cpus > 1;
}

bool x86_apic_create(X86Cpu *cpu, Error **errp)
{
    Vm *vm = cpu->parent.dev.vm;
    Device *dev;

    if (!wants_apic(cpu)) {
        return true;
    }
    dev = device_new(vm, accel_is_kvm(vm) ? &x86_kvm_apic_type
                                          : &x86_plain_apic_type);
    cpu->apic = x86_apic(dev);
    cpu->apic->cpu = cpu;
    cpu->apic->id = cpu->apic_id;
    return object_add_child((Object *)cpu, "lapic", dev, errp) &&
           device_realize_and_unref(dev, NULL, errp) &&
           (!cpu->apic->vapic || !x86_cpu_is_bsp(cpu) ||
            x86_vapic_create(vm, errp));
}

void x86_apic_remove(X86Cpu *cpu)
{
    Device *dev = (Device *)cpu->apic;

    if (dev) {
        cpu->apic = NULL;
        device_unrealize(dev);
        object_unparent(dev);
    }
}
