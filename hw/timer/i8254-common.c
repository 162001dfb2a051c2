/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pit-common": properties and state of the 8254, and "kvm-pit", which is in
 * KVM.
 */
#include "util/osdep.h"

#include "hw/timer/i8254-internal.h"
#include "qapi/qapi-types-common.h"
#include "util/error.h"

/* State ------------------------------------------------------------------------ */

static bool in_kernel(const Pit *s)
{
    return x86_irqchip_in_kernel(s->parent.dev.vm);
}

static void pit_pre_save(void *state)
{
    Pit *s = state;

    if (in_kernel(s) && !s->stopped) {
        x86_pit_get(s->parent.dev.vm, s->ch);
    }
}

static bool pit_check(const void *state, int version, Error **errp)
{
    const Pit *s = state;

    for (unsigned i = 0; i < 3; i++) {
        if (s->ch[i].count < 0 || s->ch[i].count > 0x10000 ||
            s->ch[i].mode > 7) {
            return error_set(errp, "i8254: impossible state of channel %u", i);
        }
    }
    return true;
}

static bool pit_post_load(void *state, int version, Error **errp)
{
    Pit *s = state;

    for (unsigned i = 0; i < 3; i++) {
        s->ch[i].count = s->ch[i].count ? s->ch[i].count : 0x10000;
    }
    if (!in_kernel(s)) {
        pit_restart(s);
    } else if (!s->stopped) {
        x86_pit_put(s->parent.dev.vm, s->ch, s->irq_disabled);
    }
    return true;
}

#define FIELD(f) VMS_N(X86PitChannel, f, #f)

static const VmState channel_vmstate = {
    .name = "pit channel",
    .version = 2,
    .fields = (const VmField[]) {
        FIELD(count),
        FIELD(latched_count),
        FIELD(count_latched),
        FIELD(status_latched),
        FIELD(status),
        FIELD(read_state),
        FIELD(write_state),
        FIELD(write_latch),
        FIELD(rw_mode),
        FIELD(mode),
        FIELD(bcd),
        FIELD(gate),
        FIELD(count_load_time),
        FIELD(next_transition_time),
        {},
    },
};

static const VmState pit_vmstate = {
    .name = "i8254",
    .version = 3,
    .min_version = 2,
    .pre_save = pit_pre_save,
    .check = pit_check,
    .post_load = pit_post_load,
    .fields = (const VmField[]) {
        VMS_V(Pit, irq_disabled, "channels[0].irq_disabled", 3),
        VMS_STRUCT_ARRAY(Pit, ch, "channels", &channel_vmstate),
        VMS_N(Pit, ch[0].next_transition_time,
              "channels[0].next_transition_time"),
        {},
    },
};

static const Prop pit_props[] = {
    PROP(Pit, iobase, "iobase", UINT32_MAX),
    {},
};

static const IsaDeviceClass pit_class = {
    .device = {
        .props = pit_props,
        .vmstate = &pit_vmstate,
        .internal = true,
        .no_hotplug = true,
    },
};
QOM_DEFINE(Pit, pit, .name = "pit-common", .parent = &isa_device_type,
           .class = &pit_class, .abstract = true);

void pit_reset_channels(Pit *s)
{
    for (unsigned i = 0; i < 3; i++) {
        s->ch[i] = (X86PitChannel){
            .mode = 3,
            .gate = i != 2,
            .count = 0x10000,
            .count_load_time =
                vm_clock_ns(s->parent.dev.vm, VM_CLOCK_VIRTUAL),
        };
    }
    s->irq_disabled = 0;
}

/* kvm-pit ------------------------------------------------------------------------- */

/* KVM's timer goes on by the host's clock: take its state out while the VM
 * stands still. */
static void run_state_changed(void *opaque, bool running, RunState state)
{
    Pit *s = opaque;

    if (!running && !s->stopped) {
        s->stopped = x86_pit_get(s->parent.dev.vm, s->ch);
    } else if (running && s->stopped) {
        x86_pit_put(s->parent.dev.vm, s->ch, s->irq_disabled);
        s->stopped = false;
    }
}

static bool kvm_pit_realize(Device *dev, Error **errp)
{
    Pit *s = pit(dev);
    bool reinject = s->lost_tick_policy == LOST_TICK_POLICY_DELAY;

    if (!reinject && s->lost_tick_policy != LOST_TICK_POLICY_DISCARD) {
        return error_set(errp, "Lost tick policy '%s' is not supported.",
                         qapi_enum_name(&qapi_type_LostTickPolicy,
                                        s->lost_tick_policy));
    }
    if (!x86_pit_create(dev->vm, reinject, errp)) {
        return false;
    }
    s->listener = (VmStateListener){ .fn = run_state_changed, .opaque = s };
    vm_state_listener_add(dev->vm, &s->listener);
    return true;
}

static void kvm_pit_reset(Device *dev)
{
    Pit *s = pit(dev);

    pit_reset_channels(s);
    x86_pit_put(dev->vm, s->ch, s->irq_disabled);
}

static const Prop kvm_pit_props[] = {
    PROP_ENUM(Pit, lost_tick_policy, "lost_tick_policy",
              &qapi_type_LostTickPolicy, LOST_TICK_POLICY_DELAY),
    {},
};

static const IsaDeviceClass kvm_pit_class = {
    .device = {
        .props = kvm_pit_props,
        .realize = kvm_pit_realize,
        .reset = kvm_pit_reset,
        .internal = true,
        .no_hotplug = true,
    },
};
extern const ObjectType kvm_pit_type;
QOM_DEFINE(Pit, kvm_pit, .name = "kvm-pit", .parent = &pit_type,
           .class = &kvm_pit_class);

void pit_enable_irq(Pit *s, bool enable)
{
    if (s->irq_disabled == !enable) {
        return;
    }
    s->irq_disabled = !enable;
    if (!in_kernel(s)) {
        pit_irq_changed(s);
    } else if (s->stopped || x86_pit_get(s->parent.dev.vm, s->ch)) {
        x86_pit_put(s->parent.dev.vm, s->ch, s->irq_disabled);
    }
}

Pit *pit_create(IsaBus *bus, Error **errp)
{
    bool kvm = x86_irqchip_in_kernel(bus->bus.vm);
    IsaDevice *d = isa_new(bus, kvm ? &kvm_pit_type : &isa_pit_type);

    pit(d)->iobase = 0x40;
    if (!isa_realize(d, bus, errp)) {
        return NULL;
    }
    if (!kvm) {
        device_connect_out(&d->dev, NULL, 0, bus->irqs[0]);
    }
    return pit(d);
}
