/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "cpu": what all CPU models are below. */
#ifndef HW_CORE_CPU_DEVICE_H
#define HW_CORE_CPU_DEVICE_H

#include "hw/core/device.h"
#include "softmmu/cpu.h"

typedef struct CpuDevice {
    Device dev;
    Cpu cpu;
    /* While state is saved or loaded. */
    uint32_t vms_halted, vms_interrupt_request;
} CpuDevice;

QOM_DECLARE_CAST(CpuDevice, cpu_device_type, cpu_device_cast)

/* "cpu_common" of a CpuDevice: travels before the target's "cpu". */
extern const VmState cpu_common_vmstate;

static inline CpuDevice *cpu_device_of(Cpu *cpu)
{
    return container_of(cpu, CpuDevice, cpu);
}

#endif
