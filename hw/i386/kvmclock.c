/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "kvmclock": the paravirtual clock of guests stands still while the VM does.
 * Documentation/virt/kvm/api.rst, KVM_GET_CLOCK; .../x86/msr.rst.
 */
#include "util/osdep.h"

#include "hw/i386/kvmclock.h"
#include "softmmu/vm.h"
#include "target/i386/irqchip.h"

typedef struct KvmClock {
    Device dev;
    bool use_reliable; /* property */
    uint64_t clock;    /* ns, while the VM stands still */
    bool valid, reliable;
    VmStateListener listener;
} KvmClock;
QOM_DECLARE_TYPE(KvmClock, kvm_clock)

static void run_state_changed(void *opaque, bool running, RunState state)
{
    KvmClock *s = opaque;
    Vm *vm = s->dev.vm;

    if (!running) {
        s->valid = s->valid || x86_clock_get(vm, &s->clock, &s->reliable);
        return;
    }
    if (s->valid) {
        x86_clock_set(vm, s->clock);
        x86_clock_paused(vm);
        s->valid = false;
    }
}

static void clock_pre_save(void *state)
{
    KvmClock *s = state;

    if (!s->valid) {
        x86_clock_get(s->dev.vm, &s->clock, &s->reliable);
    }
}

static bool clock_post_load(void *state, int version, Error **errp)
{
    KvmClock *s = state;

    s->valid = true;
    return true;
}

static bool reliable_needed(const void *state)
{
    const KvmClock *s = state;

    return s->reliable && s->use_reliable;
}

static const VmState reliable_vmstate = {
    .name = "kvmclock/clock_is_reliable",
    .version = 1,
    .needed = reliable_needed,
    .fields = (const VmField[]) {
        VMS_N(KvmClock, reliable, "clock_is_reliable"),
        {},
    },
};

static const VmState clock_vmstate = {
    .name = "kvmclock",
    .version = 1,
    .pre_save = clock_pre_save,
    .post_load = clock_post_load,
    .fields = (const VmField[]) { VMS(KvmClock, clock), {} },
    .subsections = (const VmState *const[]) { &reliable_vmstate, NULL },
};

static bool clock_realize(Device *dev, Error **errp)
{
    KvmClock *s = kvm_clock(dev);

    s->listener = (VmStateListener){ .fn = run_state_changed, .opaque = s };
    vm_state_listener_add(dev->vm, &s->listener);
    return true;
}

static const Prop clock_props[] = {
    PROP(KvmClock, use_reliable, "x-mach-use-reliable-get-clock", true),
    {},
};

static const DeviceClass clock_class = {
    .props = clock_props,
    .realize = clock_realize,
    .vmstate = &clock_vmstate,
    .internal = true,
    .no_hotplug = true,
};
QOM_DEFINE(KvmClock, kvm_clock, .name = "kvmclock", .parent = &device_type,
           .class = &clock_class);

bool kvmclock_create(Vm *vm, Error **errp)
{
    uint64_t ns;
    bool reliable;

    if (!x86_clock_get(vm, &ns, &reliable)) {
        return true; /* no KVM */
    }
    return device_realize_and_unref(device_new(vm, &kvm_clock_type),
                                    system_bus(vm), errp);
}
