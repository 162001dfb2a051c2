/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of the HPET, as 7.2 has it. */
#include "util/osdep.h"

#include "hw/timer/hpet-internal.h"
#include "util/error.h"

static void pre_save(void *state)
{
    Hpet *s = state;

    s->counter = hpet_counter(s);
}

static bool check(const void *state, int version, Error **errp)
{
    const Hpet *s = state;

    if (s->num_timers < HPET_MIN_TIMERS || s->num_timers > HPET_MAX_TIMERS) {
        return error_set(errp, "hpet: %u timers", s->num_timers);
    }
    for (unsigned i = 0; i < s->num_timers; i++) {
        if (s->timer[i].tn != i) {
            return error_set(errp, "hpet: timer %u calls itself %u", i,
                             s->timer[i].tn);
        }
    }
    return true;
}

static bool post_load(void *state, int version, Error **errp)
{
    Hpet *s = state;

    if (!s->offset_saved) {
        hpet_set_offset(s);
    }
    s->msi = s->timer[0].config & HPET_TN_FSB_CAP;
    if (s->pit) {
        pit_enable_irq(s->pit, !(s->config & HPET_CFG_LEGACY));
    }
    return true;
}

static bool rtc_level_needed(const void *state)
{
    return ((const Hpet *)state)->rtc_level != 0;
}

static const VmState rtc_level_vmstate = {
    .name = "hpet/rtc_irq_level",
    .version = 1,
    .needed = rtc_level_needed,
    .fields =
        (const VmField[]){
            VMS_N(Hpet, rtc_level, "rtc_irq_level"),
            {},
        },
};

static bool offset_needed(const void *state)
{
    const Hpet *s = state;

    return (s->config & HPET_CFG_ENABLE) && s->offset_saved;
}

static const VmState offset_vmstate = {
    .name = "hpet/offset",
    .version = 1,
    .needed = offset_needed,
    .fields =
        (const VmField[]){
            VMS_N(Hpet, offset, "hpet_offset"),
            {},
        },
};

static const VmState timer_vmstate = {
    .name = "hpet_timer",
    .version = 1,
    .fields =
        (const VmField[]){
            VMS(HpetTimer, tn),
            VMS(HpetTimer, config),
            VMS(HpetTimer, cmp),
            VMS(HpetTimer, fsb),
            VMS(HpetTimer, period),
            VMS(HpetTimer, wrap_flag),
            VMS_TIMER(HpetTimer, timer, "qemu_timer"),
            {},
        },
};

const VmState hpet_vmstate = {
    .name = "hpet",
    .version = 2,
    .min_version = 1,
    .pre_save = pre_save,
    .check = check,
    .post_load = post_load,
    .fields =
        (const VmField[]){
            VMS(Hpet, config),
            VMS(Hpet, isr),
            VMS_N(Hpet, counter, "hpet_counter"),
            VMS_V(Hpet, num_timers, "num_timers", 2),
            { .name = "timer",
              .kind = &vmk_struct,
              .offset = offsetof(Hpet, timer),
              .size = sizeof(HpetTimer),
              .num = HPET_MAX_TIMERS,
              .num_offset = offsetof(Hpet, num_timers),
              .num_size = sizeof(uint8_t),
              .flags = VMF_STRUCT | VMF_VARRAY,
              .sub = &timer_vmstate },
            {},
        },
    .subsections =
        (const VmState *const[]){
            &rtc_level_vmstate,
            &offset_vmstate,
            NULL,
        },
};
