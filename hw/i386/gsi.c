/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's interrupt lines: KVM's interrupt controllers (or, with the
 * qtest accelerator, nobody) hear of them. An object of its own, so that tests
 * can listen.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "hw/i386/pc.h"
#include "util/error.h"

static void gsi_set(void *opaque, int n, int level)
{
    Device *dev = opaque;

    accel_set_gsi(dev->vm, n, level);
}

static bool gsi_realize(Device *dev, Error **errp)
{
    device_irqs_in(dev, NULL, gsi_set, dev, PC_GSIS);
    return true;
}

static const DeviceClass gsi_class = {
    .internal = true,
    .no_hotplug = true,
    .realize = gsi_realize,
};
extern const ObjectType kvm_ioapic_type;
QOM_DEFINE(Device, kvm_ioapic, .name = "kvm-ioapic", .parent = &device_type,
           .class = &gsi_class);

Device *pc_gsi_create(Vm *vm, Object *parent, Error **errp)
{
    Device *dev = device_new(vm, &kvm_ioapic_type);

    object_add_child(parent, "ioapic", dev, error_abort);
    return device_realize_and_unref(dev, system_bus(vm), errp) ? dev : NULL;
}
