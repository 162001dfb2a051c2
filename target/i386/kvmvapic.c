/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "kvmvapic": in QEMU, what speeds up the task priority register of 32-bit
 * guests with help of an option ROM. That ROM is not ours to load, so nothing
 * here ever acts; the device keeps what a stream says of it, and refuses
 * guests that use it.
 */
#include "util/osdep.h"

#include "target/i386/apic.h"
#include "util/error.h"

enum { STATE_INACTIVE, STATE_STANDBY, STATE_ACTIVE };

typedef struct VapicHandlers {
    uint32_t set_tpr, set_tpr_eax, get_tpr[8], get_tpr_stack;
} VapicHandlers;

typedef struct VapicRom {
    uint32_t vaddr, fixup_start, fixup_end, vapic_vaddr, vapic_size, vcpu_shift,
        real_tpr_addr;
    VapicHandlers up, mp;
} VapicRom;

QOM_DECLARE(KvmVapic, kvm_vapic)
struct KvmVapic {
    Device parent;
    VapicRom rom_state;
    uint32_t state, real_tpr_addr, rom_state_vaddr, vapic_paddr,
        rom_state_paddr;
};

static const VmState handlers_vmstate = {
    .name = "kvmvapic-handlers",
    .version = 1,
    .fields = (const VmField[]) {
        VMS(VapicHandlers, set_tpr),
        VMS(VapicHandlers, set_tpr_eax),
        VMS_ARRAY(VapicHandlers, get_tpr, "get_tpr"),
        VMS(VapicHandlers, get_tpr_stack),
        {},
    },
};

static const VmState rom_vmstate = {
    .name = "kvmvapic-guest-rom",
    .version = 1,
    .fields = (const VmField[]) {
        VMS_UNUSED(8), /* its signature */
        VMS(VapicRom, vaddr),
        VMS(VapicRom, fixup_start),
        VMS(VapicRom, fixup_end),
        VMS(VapicRom, vapic_vaddr),
        VMS(VapicRom, vapic_size),
        VMS(VapicRom, vcpu_shift),
        VMS(VapicRom, real_tpr_addr),
        VMS_STRUCT(VapicRom, up, "up", &handlers_vmstate),
        VMS_STRUCT(VapicRom, mp, "mp", &handlers_vmstate),
        {},
    },
};

static bool vapic_check(const void *opaque, int version, Error **errp)
{
    const KvmVapic *s = opaque;

    return s->state < STATE_ACTIVE ||
           error_set(errp, "the guest's TPR accesses are patched");
}

static const VmState vapic_vmstate = {
    .name = "kvm-tpr-opt",
    .version = 1,
    .check = vapic_check,
    .fields = (const VmField[]) {
        VMS_STRUCT(KvmVapic, rom_state, "rom_state", &rom_vmstate),
        VMS(KvmVapic, state),
        VMS(KvmVapic, real_tpr_addr),
        VMS(KvmVapic, rom_state_vaddr),
        VMS(KvmVapic, vapic_paddr),
        VMS(KvmVapic, rom_state_paddr),
        {},
    },
};

static const DeviceClass vapic_class = {
    .vmstate = &vapic_vmstate,
    .internal = true,
    .no_hotplug = true,
};
QOM_DEFINE(KvmVapic, kvm_vapic, .name = "kvmvapic",
           .parent = &device_type, .class = &vapic_class);

bool x86_vapic_create(Vm *vm, Error **errp)
{
    return device_realize_and_unref(device_new(vm, &kvm_vapic_type),
                                    system_bus(vm), errp);
}
