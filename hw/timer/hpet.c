/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "hpet": a 64-bit counter of 100 MHz and up to 32 timers that compare with
 * it. IA-PC HPET specification 1.0a, section 2.3. A comparator that is set to
 * a time just gone by (which a guest that was held up does) matches at once,
 * not a whole turn of the counter later.
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "hw/timer/hpet-internal.h"
#include "util/error.h"

enum {
    TICK_NS = 10,
    MIN_INTERVAL_NS = 20000, /* what a guest can keep us busy with */
    RTC_IRQ = 8,
    IN_PIT = 0,
    IN_RTC = 1,

    REG_ID = 0x000,
    REG_PERIOD = 0x004,
    REG_CONFIG = 0x010,
    REG_STATUS = 0x020,
    REG_COUNTER = 0x0f0,
    REG_TIMERS = 0x100,
    TIMER_SIZE = 0x20,
    TN_CONFIG = 0x00,
    TN_COMPARE = 0x08,
    TN_FSB = 0x10,
};

/* Counting -------------------------------------------------------------------
 */

static bool enabled(const Hpet *s)
{
    return s->config & HPET_CFG_ENABLE;
}

static bool legacy(const Hpet *s)
{
    return s->config & HPET_CFG_LEGACY;
}

static int64_t clock_now(const Hpet *s)
{
    return vm_clock_ns(s->dev.vm, VM_CLOCK_VIRTUAL);
}

uint64_t hpet_counter(const Hpet *s)
{
    return enabled(s) ? (uint64_t)(clock_now(s) + s->offset) / TICK_NS
                      : s->counter;
}

void hpet_set_offset(Hpet *s)
{
    s->offset = (int64_t)(s->counter * TICK_NS) - clock_now(s);
}

static bool is_32bit(const HpetTimer *t)
{
    return t->config & HPET_TN_32BIT;
}

static bool is_periodic(const HpetTimer *t)
{
    return t->config & HPET_TN_PERIODIC;
}

/* How far the comparator is ahead, as the guest's counter width sees it. */
static int64_t ticks_ahead(const HpetTimer *t, uint64_t counter)
{
    return is_32bit(t) ? (int32_t)((uint32_t)t->cmp - (uint32_t)counter)
                       : (int64_t)(t->cmp - counter);
}

/* A periodic comparator moves on by whole periods until it is ahead. */
static void advance(HpetTimer *t, uint64_t counter)
{
    uint64_t period = is_32bit(t) ? (uint32_t)t->period : t->period;
    int64_t ahead = ticks_ahead(t, counter);

    if (ahead > 0 || !period) {
        return;
    }
    t->cmp += ((0 - (uint64_t)ahead) / period + 1) * period;
    if (is_32bit(t)) {
        t->cmp = (uint32_t)t->cmp;
    }
}

/* Wait for the next match; @late: one that was just missed counts. */
static void arm(HpetTimer *t, bool late)
{
    Hpet *s = t->hpet;
    uint64_t counter = hpet_counter(s), wait;
    int64_t ahead, now = clock_now(s);

    if (!enabled(s) || !(t->config & HPET_TN_ENABLE)) {
        vm_timer_cancel(&t->timer);
        return;
    }
    if (is_periodic(t)) {
        advance(t, counter);
    }
    ahead = ticks_ahead(t, counter);
    if (ahead > 0) {
        wait = ahead;
    } else if (late) {
        wait = 0;
    } else if (is_32bit(t)) {
        wait = (UINT64_C(1) << 32) + ahead; /* after the counter's next turn */
    } else {
        vm_timer_cancel(&t->timer);
        return;
    }
    if (wait > (uint64_t)(INT64_MAX - now) / TICK_NS) {
        vm_timer_cancel(&t->timer); /* centuries */
        return;
    }
    vm_timer_set(&t->timer, now + (int64_t)wait * TICK_NS);
}

/* Interrupts
 * ------------------------------------------------------------------- */

static IrqLine *route(const HpetTimer *t)
{
    unsigned pin = t->config >> HPET_TN_ROUTE_SHIFT & 0x1f;

    if (t->tn <= 1 && legacy(t->hpet)) {
        pin = t->tn ? RTC_IRQ : 0;
    }
    return t->hpet->irqs[pin];
}

static void send_fsb(const HpetTimer *t)
{
    MsiMessage msg = { .addr = t->fsb >> 32, .data = (uint32_t)t->fsb };

    accel_send_msi(t->hpet->dev.vm, &msg);
}

static void interrupt(HpetTimer *t)
{
    if (t->config & HPET_TN_FSB_ENABLE) {
        send_fsb(t);
    } else if (t->config & HPET_TN_LEVEL) {
        t->hpet->isr |= BIT(t->tn);
        irq_raise(route(t));
    } else {
        irq_pulse(route(t));
    }
}

static void release(HpetTimer *t)
{
    if (t->hpet->isr & BIT(t->tn)) {
        t->hpet->isr &= ~BIT(t->tn);
        irq_lower(route(t));
    }
}

static void expired(void *opaque)
{
    HpetTimer *t = opaque;
    int64_t soonest = clock_now(t->hpet) + MIN_INTERVAL_NS;

    interrupt(t);
    arm(t, false);
    if (vm_timer_pending(&t->timer) && t->timer.deadline < soonest) {
        vm_timer_set(&t->timer, soonest);
    }
}

/* What the 8254 and the clock raise, unless they are replaced. */
static void legacy_input(void *opaque, int n, int level)
{
    Hpet *s = opaque;

    if (n == IN_RTC) {
        s->rtc_level = level;
    }
    if (!legacy(s)) {
        irq_set(s->irqs[n == IN_RTC ? RTC_IRQ : 0], level);
    }
}

void hpet_update_legacy(Hpet *s)
{
    if (s->pit) {
        pit_enable_irq(s->pit, !legacy(s));
    }
    irq_set(s->irqs[RTC_IRQ], !legacy(s) && s->rtc_level);
    if (legacy(s)) {
        irq_lower(s->irqs[0]);
    }
}

/* Registers
 * ---------------------------------------------------------------------- */

/* @old with @size bytes at @shift replaced. */
static uint64_t merge(uint64_t old, uint64_t value, unsigned shift,
                      unsigned size)
{
    uint64_t mask = size == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << shift;

    return (old & ~mask) | (value << shift & mask);
}

static void write_config(Hpet *s, uint64_t value)
{
    uint64_t old = s->config;

    if (enabled(s)) {
        s->counter = hpet_counter(s);
    }
    for (unsigned i = 0; i < s->num_timers; i++) {
        if ((value & HPET_CFG_ENABLE) == 0 || (value ^ old) & HPET_CFG_LEGACY) {
            release(&s->timer[i]);
        }
    }
    s->config = value & (HPET_CFG_ENABLE | HPET_CFG_LEGACY);
    hpet_set_offset(s);
    if ((old ^ s->config) & HPET_CFG_LEGACY) {
        hpet_update_legacy(s);
    }
    if ((old ^ s->config) & HPET_CFG_ENABLE) {
        for (unsigned i = 0; i < s->num_timers; i++) {
            arm(&s->timer[i], false);
        }
    }
}

static void write_status(Hpet *s, uint64_t value)
{
    for (unsigned i = 0; i < s->num_timers; i++) {
        if (value & BIT(i)) {
            release(&s->timer[i]);
        }
    }
}

static void write_timer_config(HpetTimer *t, uint64_t value)
{
    uint64_t writable = HPET_TN_WRITABLE;

    if (t->hpet->msi) {
        writable |= HPET_TN_FSB_ENABLE;
    }
    release(t);
    t->config = (t->config & ~writable) | (value & writable);
    if (is_32bit(t)) {
        t->cmp = (uint32_t)t->cmp;
        t->period = (uint32_t)t->period;
    }
    arm(t, false);
}

static void write_compare(HpetTimer *t, uint64_t value, unsigned shift,
                          unsigned size)
{
    if (is_32bit(t)) {
        if (shift) {
            return;
        }
        value = (uint32_t)value;
    }
    /* A period alone holds from the next match on. */
    if (!is_periodic(t) || (t->config & HPET_TN_SETVAL)) {
        t->cmp = merge(t->cmp, value, shift, size);
    }
    if (is_periodic(t)) {
        t->period = merge(t->period, value, shift, size);
    }
    t->config &= ~(uint64_t)HPET_TN_SETVAL;
    arm(t, true);
}

static void write_timer(HpetTimer *t, unsigned reg, uint64_t value,
                        unsigned size)
{
    unsigned shift = reg & 4 ? 32 : 0;

    switch (reg & ~4u) {
    case TN_CONFIG:
        write_timer_config(t, merge(t->config, value, shift, size));
        break;
    case TN_COMPARE:
        write_compare(t, value, shift, size);
        break;
    case TN_FSB:
        t->fsb = merge(t->fsb, value, shift, size);
    }
}

static void hpet_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Hpet *s = opaque;
    unsigned shift = addr & 4 ? 32 : 0, n;

    if (addr >= REG_TIMERS) {
        n = (addr - REG_TIMERS) / TIMER_SIZE;
        if (n < s->num_timers) {
            write_timer(&s->timer[n], addr % TIMER_SIZE, value, size);
        }
        return;
    }
    switch (addr & ~UINT64_C(4)) {
    case REG_CONFIG:
        write_config(s, merge(s->config, value, shift, size));
        break;
    case REG_STATUS:
        write_status(s, merge(0, value, shift, size));
        break;
    case REG_COUNTER:
        if (!enabled(s)) { /* it is only written while it stands */
            s->counter = merge(s->counter, value, shift, size);
        }
    }
}

static uint64_t timer_reg(const HpetTimer *t, unsigned reg)
{
    switch (reg & ~4u) {
    case TN_CONFIG:
        return t->config;
    case TN_COMPARE:
        return t->cmp;
    case TN_FSB:
        return t->fsb;
    default:
        return 0;
    }
}

static uint64_t reg_value(const Hpet *s, hwaddr addr)
{
    unsigned n = (addr - REG_TIMERS) / TIMER_SIZE;

    if (addr >= REG_TIMERS) {
        return n < s->num_timers ? timer_reg(&s->timer[n], addr % TIMER_SIZE)
                                 : 0;
    }
    switch (addr & ~UINT64_C(4)) {
    case REG_ID:
        return hpet_block_id(s) | UINT64_C(1000000) * TICK_NS
                                      << 32; /* femtoseconds */
    case REG_CONFIG:
        return s->config;
    case REG_STATUS:
        return s->isr;
    case REG_COUNTER:
        return hpet_counter(s);
    default:
        return 0;
    }
}

static uint64_t hpet_read(void *opaque, hwaddr addr, unsigned size)
{
    return reg_value(opaque, addr) >> (addr & 4 ? 32 : 0);
}

static const MemOps hpet_ops = {
    .read = hpet_read,
    .write = hpet_write,
    .valid = { .min = 4, .max = 8 },
    .impl = { .min = 4, .max = 8 },
};

/* Life
 * ------------------------------------------------------------------------------
 */

static bool hpet_realize(Device *dev, Error **errp)
{
    Hpet *s = hpet(dev);

    if (s->num_timers < HPET_MIN_TIMERS || s->num_timers > HPET_MAX_TIMERS) {
        return error_set(errp, "hpet: 'timers' must be from %d to %d",
                         HPET_MIN_TIMERS, HPET_MAX_TIMERS);
    }
    if (!s->intcap) {
        return error_set(errp, "hpet.hpet-intcap not initialized");
    }
    for (unsigned i = 0; i < HPET_MAX_TIMERS; i++) {
        HpetTimer *t = &s->timer[i];

        t->tn = i;
        t->hpet = s;
        vm_timer_init(&t->timer, dev->vm, VM_CLOCK_VIRTUAL, expired, t);
    }
    device_irqs_out(dev, "sysbus-irq", s->irqs, HPET_PINS);
    device_irqs_in(dev, NULL, legacy_input, s, 2);
    mem_region_init_io(&s->io, &dev->obj, &hpet_ops, s, "hpet", HPET_SIZE);
    mem_region_add(dev->vm->system_memory, HPET_BASE, &s->io);
    return true;
}

static void hpet_reset(Device *dev)
{
    Hpet *s = hpet(dev);

    for (unsigned i = 0; i < s->num_timers; i++) {
        HpetTimer *t = &s->timer[i];

        vm_timer_cancel(&t->timer);
        release(t);
        t->cmp = UINT64_MAX;
        t->config = (uint64_t)s->intcap << 32 | HPET_TN_PERIODIC_CAP |
                    HPET_TN_SIZE_CAP | (s->msi ? HPET_TN_FSB_CAP : 0);
        t->period = t->fsb = 0;
        t->wrap_flag = 0;
    }
    s->counter = 0;
    s->offset = 0;
    s->isr = 0;
    s->config = 0;
    hpet_update_legacy(s);
}

static void hpet_finalize(Object *obj)
{
    mem_region_cleanup(&hpet(obj)->io);
}

static const Prop hpet_props[] = {
    PROP(Hpet, num_timers, "timers", HPET_MIN_TIMERS),
    PROP(Hpet, msi, "msi", false),
    PROP(Hpet, intcap, "hpet-intcap", 0),
    PROP(Hpet, offset_saved, "hpet-offset-saved", true),
    {},
};

static const DeviceClass hpet_class = {
    .props = hpet_props,
    .bus_type = &system_bus_type,
    .vmstate = &hpet_vmstate,
    .realize = hpet_realize,
    .reset = hpet_reset,
    .internal = true,
    .no_hotplug = true,
};
QOM_DEFINE(Hpet, hpet, .name = "hpet", .parent = &device_type,
           .class = &hpet_class, .finalize = hpet_finalize);

Hpet *hpet_create(Vm *vm, uint32_t intcap, Error **errp)
{
    Hpet *s = hpet(device_new(vm, &hpet_type));

    if (!s->intcap) {
        s->intcap = intcap;
    }
    return device_realize_and_unref(&s->dev, system_bus(vm), errp) ? s : NULL;
}

void hpet_connect_pit(Hpet *s, Pit *pit)
{
    s->pit = pit;
}

uint32_t hpet_block_id(const Hpet *s)
{
    enum { REVISION = 1, WIDE = 1 << 13, LEGACY = 1 << 15, VENDOR = 0x8086 };

    return REVISION | (s->num_timers - 1u) << 8 | WIDE | LEGACY |
           (uint32_t)VENDOR << 16;
}
