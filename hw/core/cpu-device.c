/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "cpu": the type that all CPU models are below. */
#include "util/osdep.h"

#include "hw/core/cpu-device.h"

static const DeviceClass cpu_device_class = {
    .category = DEVICE_CATEGORY_CPU,
    .no_hotplug = true,
};

QOM_DEFINE(CpuDevice, cpu_device, .name = "cpu", .parent = &device_type,
           .class = &cpu_device_class, .abstract = true);
