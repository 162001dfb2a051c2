/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the state tables of x86 CPUs call when a VM runs: there is none. */
#include "util/osdep.h"

#include "accel/accel.h"
#include "softmmu/vm.h"
#include "target/i386/cpu-internal.h"

void accel_cpu_sync(Cpu *cpu)
{
}

int64_t vm_clock_ns(const Vm *vm, VmClock clock)
{
    return 0;
}

bool x86_is_amd(const X86Cpu *cpu)
{
    return false;
}

void x86_cpu_reset_regs(X86Cpu *cpu)
{
    uint8_t *xsave = cpu->regs.xsave;

    memset(&cpu->regs, 0, sizeof(cpu->regs));
    cpu->regs.xsave = xsave;
}
