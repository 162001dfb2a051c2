/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "isa-pit": the 8254 programmable interval timer, where KVM has none. Intel
 * 8254 data sheet. Counters are computed from the time since they were loaded;
 * a timer runs for channel 0's interrupt only.
 */
#include "util/osdep.h"

#include "hw/timer/i8254-internal.h"

enum { RW_LATCH, RW_LSB, RW_MSB, RW_WORD };
/* read_state and write_state: what comes next. */
enum { STATE_LSB = 1, STATE_MSB, STATE_WORD0, STATE_WORD1 };

#define NS_PER_S INT64_C(1000000000)

static int64_t clock_of(const Pit *s)
{
    return vm_clock_ns(s->parent.dev.vm, VM_CLOCK_VIRTUAL);
}

/* Clocks since the counter was loaded, and back. */
static int64_t ticks(const X86PitChannel *c, int64_t now)
{
    return (__int128)(now - c->count_load_time) * PIT_HZ / NS_PER_S;
}

static int64_t time_of(const X86PitChannel *c, int64_t tick)
{
    /* Rounded up: at that time ticks() is @tick. */
    return c->count_load_time +
           ((__int128)tick * NS_PER_S + PIT_HZ - 1) / PIT_HZ;
}

static uint16_t counter(const X86PitChannel *c, int64_t now)
{
    int64_t d = ticks(c, now);

    switch (c->mode & 3) {
    case 2:
        return c->count - d % c->count;
    case 3: /* counts by two */
        return c->count - 2 * d % c->count;
    default: /* 0, 1, 4, 5 */
        return c->count - d;
    }
}

bool pit_channel_output(const X86PitChannel *c, int64_t now)
{
    int64_t d = ticks(c, now);

    switch (c->mode) {
    case 0:
        return d >= c->count;
    case 1:
        return d < c->count;
    case 2:
    case 6:
        return d % c->count == 0 && d != 0;
    case 3:
    case 7:
        return d % c->count < (c->count + 1) / 2;
    default:
        return d == c->count;
    }
}

/* When the output changes next; -1: never. */
static int64_t next_change(const X86PitChannel *c, int64_t now)
{
    int64_t d = ticks(c, now), base = d / c->count * c->count, next;
    int64_t high = (c->count + 1) / 2;

    switch (c->mode) {
    case 0:
    case 1:
        next = d < c->count ? c->count : -1;
        break;
    case 2:
    case 6:
        next = d == base && d ? base + 1 : base + c->count;
        break;
    case 3:
    case 7:
        next = d - base < high ? base + high : base + c->count;
        break;
    default:
        next = d < c->count ? c->count : d == c->count ? d + 1 : -1;
    }
    return next < 0 ? -1 : MAX(time_of(c, next), now + 1);
}

static void update_irq(Pit *s, int64_t now)
{
    X86PitChannel *c = &s->ch[0];

    if (s->irq_disabled) {
        vm_timer_cancel(&s->timer);
        c->next_transition_time = -1;
        return;
    }
    irq_set(s->irq, pit_channel_output(c, now));
    c->next_transition_time = next_change(c, now);
    if (c->next_transition_time >= 0) {
        vm_timer_set(&s->timer, c->next_transition_time);
    } else {
        vm_timer_cancel(&s->timer);
    }
}

static void timer_expired(void *opaque)
{
    Pit *s = opaque;

    update_irq(s, s->ch[0].next_transition_time);
}

void pit_restart(Pit *s)
{
    if (s->ch[0].next_transition_time >= 0 && !s->irq_disabled) {
        vm_timer_set(&s->timer, s->ch[0].next_transition_time);
    } else {
        vm_timer_cancel(&s->timer);
    }
}

void pit_irq_changed(Pit *s)
{
    if (s->irq_disabled) {
        irq_lower(s->irq);
    }
    update_irq(s, clock_of(s));
}

static void load_count(Pit *s, X86PitChannel *c, int value)
{
    c->count_load_time = clock_of(s);
    c->count = value ? value : 0x10000;
    if (c == &s->ch[0]) {
        update_irq(s, c->count_load_time);
    }
}

void pit_set_gate(Pit *s, unsigned channel, bool gate)
{
    X86PitChannel *c = &s->ch[channel];
    bool rises = gate && !c->gate;

    /* Modes 1, 2, 3 and 5 start at the rising edge. */
    if (rises && c->mode != 0 && c->mode != 4) {
        c->count_load_time = clock_of(s);
        if (channel == 0) {
            update_irq(s, c->count_load_time);
        }
    }
    c->gate = gate;
}

bool pit_gate(const Pit *s, unsigned channel)
{
    return s->ch[channel].gate;
}

bool pit_output(const Pit *s, unsigned channel)
{
    return pit_channel_output(&s->ch[channel], clock_of(s));
}

/* Registers ------------------------------------------------------------------- */

static void latch_count(Pit *s, X86PitChannel *c)
{
    if (!c->count_latched) {
        c->latched_count = counter(c, clock_of(s));
        c->count_latched = c->rw_mode;
    }
}

static void latch_status(Pit *s, X86PitChannel *c)
{
    if (!c->status_latched) {
        c->status = pit_channel_output(c, clock_of(s)) << 7 |
                    c->rw_mode << 4 | c->mode << 1 | c->bcd;
        c->status_latched = 1;
    }
}

static void read_back(Pit *s, uint8_t v)
{
    for (unsigned i = 0; i < 3; i++) {
        if (v & 2 << i) {
            if (!(v & 0x20)) {
                latch_count(s, &s->ch[i]);
            }
            if (!(v & 0x10)) {
                latch_status(s, &s->ch[i]);
            }
        }
    }
}

static void write_control(Pit *s, uint8_t v)
{
    X86PitChannel *c;

    if (v >> 6 == 3) {
        read_back(s, v);
        return;
    }
    c = &s->ch[v >> 6];
    if ((v >> 4 & 3) == RW_LATCH) {
        latch_count(s, c);
        return;
    }
    c->rw_mode = c->read_state = c->write_state = v >> 4 & 3;
    c->mode = v >> 1 & 7;
    c->bcd = v & 1;
    if (c == &s->ch[0]) {
        update_irq(s, clock_of(s));
    }
}

static void pit_write(void *opaque, hwaddr addr, uint64_t v, unsigned size)
{
    Pit *s = opaque;
    X86PitChannel *c;

    if (addr == 3) {
        write_control(s, v);
        return;
    }
    c = &s->ch[addr];
    switch (c->write_state) {
    case STATE_MSB:
        load_count(s, c, v << 8);
        break;
    case STATE_WORD0:
        c->write_latch = v;
        c->write_state = STATE_WORD1;
        break;
    case STATE_WORD1:
        load_count(s, c, c->write_latch | v << 8);
        c->write_state = STATE_WORD0;
        break;
    default:
        load_count(s, c, v);
    }
}

static uint8_t read_latched(X86PitChannel *c)
{
    uint8_t low = c->latched_count, high = c->latched_count >> 8;

    switch (c->count_latched) {
    case RW_WORD:
        c->count_latched = RW_MSB;
        return low;
    case RW_MSB:
        c->count_latched = 0;
        return high;
    default:
        c->count_latched = 0;
        return low;
    }
}

static uint64_t pit_read(void *opaque, hwaddr addr, unsigned size)
{
    Pit *s = opaque;
    X86PitChannel *c;
    uint16_t count;

    if (addr == 3) {
        return 0;
    }
    c = &s->ch[addr];
    if (c->status_latched) {
        c->status_latched = 0;
        return c->status;
    }
    if (c->count_latched) {
        return read_latched(c);
    }
    count = counter(c, clock_of(s));
    switch (c->read_state) {
    case STATE_MSB:
        return count >> 8;
    case STATE_WORD0:
        c->read_state = STATE_WORD1;
        return count & 0xff;
    case STATE_WORD1:
        c->read_state = STATE_WORD0;
        return count >> 8;
    default:
        return count & 0xff;
    }
}

static const MemOps pit_ops = {
    .read = pit_read,
    .write = pit_write,
    .valid = { 1, 1 },
    .impl = { 1, 1 },
};

/* Life ---------------------------------------------------------------------------- */

static bool isa_pit_realize(Device *dev, Error **errp)
{
    Pit *s = pit(dev);

    vm_timer_init(&s->timer, dev->vm, VM_CLOCK_VIRTUAL, timer_expired, s);
    device_irqs_out(dev, NULL, &s->irq, 1);
    mem_region_init_io(&s->io, &dev->obj, &pit_ops, s, "pit", 4);
    return isa_add_io(&s->parent, &s->io, s->iobase, errp);
}

static void isa_pit_reset(Device *dev)
{
    Pit *s = pit(dev);

    pit_reset_channels(s);
    update_irq(s, s->ch[0].count_load_time);
}

static void isa_pit_finalize(Object *obj)
{
    mem_region_cleanup(&pit(obj)->io);
}

static const IsaDeviceClass isa_pit_class = {
    .device = {
        .realize = isa_pit_realize,
        .reset = isa_pit_reset,
        .internal = true,
        .no_hotplug = true,
    },
};
QOM_DEFINE(Pit, isa_pit, .name = "isa-pit", .parent = &pit_type,
           .class = &isa_pit_class, .finalize = isa_pit_finalize);
