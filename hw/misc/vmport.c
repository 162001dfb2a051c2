/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "vmport": an IN from port 5658h with a magic number in EAX is a call, ECX
 * says which. Known to guests from VMware's open-vm-tools (backdoor_def.h); the
 * commands and answers are those of QEMU 7.2, seen from a guest.
 */
#include "util/osdep.h"

#include "hw/core/machine.h"
#include "hw/misc/vmport.h"
#include "softmmu/cpu.h"
#include "softmmu/vm.h"
#include "target/i386/cpu.h"
#include "util/error.h"

enum {
    PORT = 0x5658,
    MAGIC = 0x564d5868,

    GET_VERSION = 10,
    GET_UUID = 19,
    GET_RAM_SIZE = 20,
    GET_HZ = 45,
    GET_VCPU_INFO = 68,

    RAM_SIZE_MARK = 0x1177,
    VCPU_X2APIC = 1 << 3, /* without interrupt remapping */
    APIC_BUS_HZ = 1000000000,
};
#define UNKNOWN UINT32_MAX

typedef struct Vmport {
    IsaDevice parent;
    MemRegion io;
    uint32_t version;
    uint8_t type;
    bool report_type, signal_unsupported, commands_2;
} Vmport;

QOM_DECLARE_TYPE(Vmport, vmport)

static void get_uuid(const Vm *vm, X86PortRegs *r)
{
    uint32_t words[4];

    memcpy(words, vm->uuid, sizeof(words));
    r->eax = GUINT32_FROM_LE(words[0]);
    r->ebx = GUINT32_FROM_LE(words[1]);
    r->ecx = GUINT32_FROM_LE(words[2]);
    r->edx = GUINT32_FROM_LE(words[3]);
}

/* Of the TSC, and of the local APIC's timer. */
static void get_hz(Cpu *cpu, X86PortRegs *r)
{
    uint64_t hz = x86_cpu_tsc_hz(cpu);

    if (!hz) {
        r->ebx = UNKNOWN;
        return;
    }
    r->eax = hz;
    r->ebx = hz >> 32;
    r->ecx = APIC_BUS_HZ;
}

static void command_2(const Vmport *s, Cpu *cpu, X86PortRegs *r)
{
    switch (r->ecx & 0xffff) {
    case GET_UUID:
        get_uuid(s->parent.dev.vm, r);
        return;
    case GET_HZ:
        get_hz(cpu, r);
        return;
    case GET_VCPU_INFO:
        r->eax = x86_cpu_has_x2apic(cpu) ? VCPU_X2APIC : 0;
        return;
    }
}

static bool is_known(const Vmport *s, uint32_t ecx)
{
    switch (ecx & 0xffff) {
    case GET_VERSION:
    case GET_RAM_SIZE:
        return true;
    case GET_UUID:
    case GET_HZ:
    case GET_VCPU_INFO:
        return s->commands_2;
    default:
        return false;
    }
}

static void command(const Vmport *s, Cpu *cpu, X86PortRegs *r)
{
    if (!is_known(s, r->ecx)) {
        if (s->signal_unsupported) {
            r->eax = UNKNOWN;
        }
        return;
    }
    switch (r->ecx & 0xffff) {
    case GET_VERSION:
        r->eax = s->version;
        r->ebx = MAGIC;
        if (s->report_type) {
            r->ecx = s->type;
        }
        break;
    case GET_RAM_SIZE:
        r->eax = s->parent.dev.vm->machine->ram_size;
        r->ebx = RAM_SIZE_MARK;
        break;
    default:
        command_2(s, cpu, r);
    }
}

/* On the thread of the vCPU that asks; without one nobody does. */
static uint64_t vmport_read(void *opaque, hwaddr addr, unsigned size)
{
    const Vmport *s = opaque;
    Cpu *cpu = cpu_current();
    X86PortRegs r;

    if (!cpu || addr) {
        return UNKNOWN;
    }
    x86_cpu_get_port_regs(cpu, &r);
    if (r.eax == MAGIC) {
        command(s, cpu, &r);
    } else {
        r.eax = UNKNOWN;
    }
    x86_cpu_set_port_regs(cpu, &r);
    return r.eax;
}

/* An OUT calls too, and has its answer in EAX. */
static void vmport_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    vmport_read(opaque, addr, size);
}

static const MemOps vmport_ops = {
    .read = vmport_read,
    .write = vmport_write,
    .valid = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 4 },
};

static bool vmport_realize(Device *dev, Error **errp)
{
    Vmport *s = vmport(dev);

    mem_region_init_io(&s->io, &dev->obj, &vmport_ops, s, "vmport", 4);
    return isa_add_io(&s->parent, &s->io, PORT, errp);
}

static void vmport_finalize(Object *obj)
{
    mem_region_cleanup(&vmport(obj)->io);
}

static const Prop vmport_props[] = {
    PROP(Vmport, version, "vmware-vmx-version", 6),
    PROP(Vmport, type, "vmware-vmx-type", 2),
    PROP(Vmport, report_type, "x-report-vmx-type", true),
    PROP(Vmport, signal_unsupported, "x-signal-unsupported-cmd", true),
    PROP(Vmport, commands_2, "x-cmds-v2", true),
    {},
};

static const IsaDeviceClass vmport_class = {
    .device = {
        .props = vmport_props,
        .realize = vmport_realize,
        .internal = true,
        .no_hotplug = true,
    },
};
QOM_DEFINE(Vmport, vmport, .name = "vmport", .parent = &isa_device_type,
           .class = &vmport_class, .finalize = vmport_finalize);
