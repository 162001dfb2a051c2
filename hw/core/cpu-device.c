/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "cpu": the type that all CPU models are below. */
#include "util/osdep.h"

#include "accel/accel.h"
#include "hw/core/cpu-device.h"

static void common_pre_save(void *state)
{
    CpuDevice *dev = state;

    accel_cpu_sync(&dev->cpu);
    dev->vms_halted = dev->cpu.halted;
    dev->vms_interrupt_request = 0; /* the accelerator knows of interrupts */
}

static bool common_post_load(void *state, int version, Error **errp)
{
    CpuDevice *dev = state;

    dev->cpu.halted = dev->vms_halted;
    return true;
}

const VmState cpu_common_vmstate = {
    .name = "cpu_common",
    .version = 1,
    .pre_save = common_pre_save,
    .post_load = common_post_load,
    .fields =
        (const VmField[]){
            VMS_N(CpuDevice, vms_halted, "halted"),
            VMS_N(CpuDevice, vms_interrupt_request, "interrupt_request"),
            {},
        },
};

static const DeviceClass cpu_device_class = {
    .category = DEVICE_CATEGORY_CPU,
    .no_hotplug = true,
};

QOM_DEFINE(CpuDevice, cpu_device, .name = "cpu", .parent = &device_type,
           .class = &cpu_device_class, .abstract = true);
