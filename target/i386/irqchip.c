/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls of devices to the accelerator's interrupt controllers. */
#include "util/osdep.h"

#include "accel/accel.h"
#include "softmmu/vm.h"
#include "target/i386/cpu-internal.h"
#include "target/i386/irqchip.h"
#include "util/error.h"

static const X86IrqchipOps *ops_of(Vm *vm)
{
    const X86AccelOps *ops = x86_accel_ops(vm);

    return ops ? ops->irqchip : NULL;
}

bool x86_irqchip_in_kernel(Vm *vm)
{
    return ops_of(vm) && vm->accel->irqchip == IRQCHIP_FULL;
}

static bool check(int ret, const char *what)
{
    if (ret < 0) {
        warn_report_ratelimited("KVM: the state of the %s: %s", what,
                                strerror(-ret));
    }
    return ret >= 0;
}

bool x86_irqchip_get_pic(Vm *vm, bool master, X86PicRegs *r)
{
    return check(ops_of(vm)->get_pic(vm->accel, master, r), "PIC");
}

bool x86_irqchip_put_pic(Vm *vm, bool master, const X86PicRegs *r)
{
    return check(ops_of(vm)->put_pic(vm->accel, master, r), "PIC");
}

bool x86_irqchip_get_ioapic(Vm *vm, uint64_t base, X86IoapicRegs *r)
{
    return check(ops_of(vm)->get_ioapic(vm->accel, base, r), "I/O APIC");
}

bool x86_irqchip_put_ioapic(Vm *vm, uint64_t base, const X86IoapicRegs *r)
{
    return check(ops_of(vm)->put_ioapic(vm->accel, base, r), "I/O APIC");
}

bool x86_pit_create(Vm *vm, bool reinject, Error **errp)
{
    int ret = ops_of(vm)->create_pit(vm->accel, reinject);

    return ret >= 0 ||
           error_errno(errp, -ret, "Create kernel PIC irqchip failed");
}

bool x86_pit_get(Vm *vm, X86PitChannel ch[3])
{
    return check(ops_of(vm)->get_pit(vm->accel, ch), "PIT");
}

bool x86_pit_put(Vm *vm, const X86PitChannel ch[3], bool replaced)
{
    return check(ops_of(vm)->put_pit(vm->accel, ch, replaced), "PIT");
}

bool x86_clock_get(Vm *vm, uint64_t *ns, bool *reliable)
{
    return ops_of(vm) &&
           check(ops_of(vm)->get_clock(vm->accel, ns, reliable), "clock");
}

bool x86_clock_set(Vm *vm, uint64_t ns)
{
    return ops_of(vm) && check(ops_of(vm)->set_clock(vm->accel, ns), "clock");
}

void x86_clock_paused(Vm *vm)
{
    for (unsigned i = 0; ops_of(vm) && i < vm->cpus->len; i++) {
        Cpu *cpu = g_ptr_array_index(vm->cpus, i);

        if (cpu && cpu->created) {
            ops_of(vm)->clock_paused(cpu);
        }
    }
}

/* Split ----------------------------------------------------------------------- */

void x86_split_connect_pic(Vm *vm, X86PicAck *ack, void *opaque)
{
    if (ops_of(vm)) {
        X86Split *s = ops_of(vm)->split(vm->accel);

        s->pic_ack = ack;
        s->pic = opaque;
    }
}

void x86_split_pic_output(Vm *vm, int level)
{
    Cpu *cpu = vm->cpus->len ? g_ptr_array_index(vm->cpus, 0) : NULL;

    if (!ops_of(vm) || !cpu) {
        return;
    }
    __atomic_store_n(&x86_of(cpu)->pic_level, level, __ATOMIC_RELEASE);
    if (level) {
        cpu_kick(cpu);
    }
}

void x86_split_connect_ioapic(Vm *vm, X86IoapicEoi *eoi, void *opaque)
{
    if (ops_of(vm)) {
        X86Split *s = ops_of(vm)->split(vm->accel);

        s->eoi = eoi;
        s->ioapic = opaque;
    }
}
