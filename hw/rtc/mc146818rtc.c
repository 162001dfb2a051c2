/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "mc146818rtc": real-time clock and CMOS memory. Motorola MC146818 data sheet.
 *
 * Nothing ticks by itself: registers are computed when read, and the update
 * timer runs only until the flags that it would set are set.
 */
#include "util/osdep.h"

#include "hw/acpi/aml.h"
#include "hw/rtc/rtc-private.h"
#include "qapi/qapi-commands-misc-target.h"
#include "util/error.h"

/* Missed ticks that one acknowledgement after the other may bring, before
 * waiting for the next tick. */
#define REINJECT_MAX 20

/* Interrupts --------------------------------------------------------------- */

void rtc_update_irq(Rtc *s)
{
    uint8_t enabled = s->cmos[RTC_B] & (B_PIE | B_AIE | B_UIE);

    if (s->cmos[RTC_C] & enabled) {
        s->cmos[RTC_C] |= C_IRQF;
        irq_raise(s->irq);
    } else {
        s->cmos[RTC_C] &= ~C_IRQF;
        irq_lower(s->irq);
    }
}

/* Wake up for the end of this second, or for the alarm, if it changes a flag.
 */
void rtc_schedule(Rtc *s)
{
    uint64_t guest = rtc_guest_ns(s), in_second = guest % NS_PER_S;
    int64_t now = rtc_clock(s);
    uint32_t distance;

    vm_timer_cancel(&s->update);
    s->next_alarm = 0;
    if (!rtc_runs(s)) {
        return;
    }
    if (!(s->cmos[RTC_C] & C_AF) && (distance = rtc_alarm_distance(s))) {
        s->next_alarm = now - in_second + distance * NS_PER_S;
    }
    if (!(s->cmos[RTC_C] & C_UF)) {
        vm_timer_set(&s->update, now - in_second + NS_PER_S);
    } else if (s->next_alarm) {
        vm_timer_set(&s->update, s->next_alarm);
    }
}

static void update_timer(void *opaque)
{
    Rtc *s = opaque;

    s->cmos[RTC_C] |= C_UF;
    if (s->next_alarm && rtc_clock(s) >= s->next_alarm) {
        s->cmos[RTC_C] |= C_AF;
    }
    rtc_update_irq(s);
    rtc_schedule(s);
}

/* Ticks of 32768 Hz between periodic interrupts; 0: none. Rates 1 and 2 are
 * 8 and 9 in disguise. */
static uint32_t tick_period(const Rtc *s)
{
    unsigned rate = s->cmos[RTC_A] & A_RATE;

    if (!rate || !(s->cmos[RTC_B] & B_PIE) ||
        (s->cmos[RTC_A] & A_DIVIDER) > 0x20) {
        return 0;
    }
    return UINT32_C(1) << ((rate <= 2 ? rate + 7 : rate) - 1);
}

static int64_t ticks_to_ns(uint64_t ticks)
{
    return ticks / RTC_CLOCK_RATE * NS_PER_S +
           ticks % RTC_CLOCK_RATE * NS_PER_S / RTC_CLOCK_RATE;
}

static uint64_t ns_to_ticks(uint64_t ns)
{
    return ns / NS_PER_S * RTC_CLOCK_RATE +
           ns % NS_PER_S * RTC_CLOCK_RATE / NS_PER_S;
}

/* The next tick is at a multiple of the period. */
static void schedule_periodic(Rtc *s)
{
    uint64_t now = ns_to_ticks(rtc_clock(s));

    s->next_periodic = ticks_to_ns((now / s->period + 1) * s->period) + 1;
    vm_timer_set(&s->periodic, s->next_periodic);
}

static void restart_periodic(Rtc *s)
{
    uint32_t period = tick_period(s);

    if (period == s->period && (!period || vm_timer_pending(&s->periodic))) {
        return;
    }
    /* What was missed is time: keep it in units of the new period. */
    s->coalesced = period ? (uint64_t)s->coalesced * s->period / period : 0;
    s->period = period;
    if (period) {
        schedule_periodic(s);
    } else {
        vm_timer_cancel(&s->periodic);
    }
}

static bool reinjects(const Rtc *s)
{
    return s->lost_tick_policy == LOST_TICK_POLICY_SLEW;
}

static void add_coalesced(Rtc *s, uint64_t n)
{
    s->coalesced = MIN(s->coalesced + n, UINT32_MAX);
}

static void periodic_timer(void *opaque)
{
    Rtc *s = opaque;
    int64_t late = rtc_clock(s) - s->next_periodic;

    if (!s->period) {
        return;
    }
    if (reinjects(s)) {
        /* Ticks that passed while nobody ran, and one that the guest has not
         * yet acknowledged. */
        if (late > 0) {
            add_coalesced(s, ns_to_ticks(late) / s->period);
        }
        if (s->cmos[RTC_C] & C_PF) {
            add_coalesced(s, 1);
        }
        s->reinject_on_ack_count = 0;
    }
    s->cmos[RTC_C] |= C_PF;
    rtc_update_irq(s);
    schedule_periodic(s);
}

/* Reading register C acknowledges; with slew, a missed tick follows at once. */
static uint8_t read_c(Rtc *s)
{
    uint8_t c = s->cmos[RTC_C];

    s->cmos[RTC_C] = 0;
    irq_lower(s->irq);
    if (s->coalesced && (s->cmos[RTC_B] & B_PIE) && (c & C_PF) &&
        s->reinject_on_ack_count < REINJECT_MAX) {
        s->reinject_on_ack_count++;
        s->coalesced--;
        s->cmos[RTC_C] |= C_PF;
        rtc_update_irq(s);
    }
    if (c & (C_UF | C_AF)) {
        rtc_schedule(s);
    }
    return c;
}

static bool forget_missed(Device *dev, void *opaque)
{
    Rtc *s = object_dynamic_cast(dev, &rtc_type);

    if (s) {
        s->coalesced = 0;
    }
    return true;
}

bool qmp_rtc_reset_reinjection(Vm *vm, Error **errp)
{
    IsaBus *bus = vm->machine ? isa_find_bus(vm) : NULL;

    if (bus) {
        bus_foreach(&bus->bus, forget_missed, NULL);
    }
    return true;
}

/* Registers ---------------------------------------------------------------- */

static bool is_time_register(uint8_t index)
{
    return index == RTC_SECONDS || index == RTC_MINUTES || index == RTC_HOURS ||
           (index >= RTC_WEEKDAY && index <= RTC_YEAR) ||
           index == RTC_CENTURY || index == RTC_CENTURY_PS2;
}

static void write_time(Rtc *s, uint8_t index, uint8_t value)
{
    if (rtc_runs(s)) {
        rtc_load_registers(s);
    }
    s->cmos[index] = value;
    if (index == RTC_CENTURY_PS2) {
        s->cmos[RTC_CENTURY] = value;
    }
    if (rtc_runs(s)) {
        rtc_take_registers(s);
        rtc_schedule(s);
    }
}

/* A divider leaving reset starts a second half a second later. */
static void write_a(Rtc *s, uint8_t value)
{
    bool ran = rtc_runs(s);

    if (ran) {
        rtc_load_registers(s);
    }
    s->cmos[RTC_A] = value & ~A_UIP;
    if (!ran && rtc_runs(s)) {
        rtc_take_registers(s);
        s->offset = NS_PER_S / 2;
    }
    restart_periodic(s);
    rtc_schedule(s);
}

static void write_b(Rtc *s, uint8_t value)
{
    bool ran = rtc_runs(s);

    if (ran) {
        rtc_load_registers(s);
    }
    if (value & B_SET) {
        value &= ~B_UIE;
    }
    if (ran && !(value & B_SET)) { /* another representation, perhaps */
        s->cmos[RTC_B] = value;
        rtc_load_registers(s);
    } else {
        /* A time that was set is read as the new mode says. */
        s->cmos[RTC_B] = value;
        if (!ran && rtc_runs(s)) {
            rtc_take_registers(s);
        }
    }
    rtc_update_irq(s);
    restart_periodic(s);
    rtc_schedule(s);
}

static void write_register(Rtc *s, uint8_t index, uint8_t value)
{
    if (is_time_register(index)) {
        write_time(s, index, value);
        return;
    }
    switch (index) {
    case RTC_SECONDS_ALARM:
    case RTC_MINUTES_ALARM:
    case RTC_HOURS_ALARM:
        s->cmos[index] = value;
        rtc_schedule(s);
        break;
    case RTC_A:
        write_a(s, value);
        break;
    case RTC_B:
        write_b(s, value);
        break;
    case RTC_C:
    case RTC_D:
        break; /* read-only */
    default:
        s->cmos[index] = value;
        break;
    }
}

static uint8_t read_register(Rtc *s, uint8_t index)
{
    if (is_time_register(index) && rtc_runs(s)) {
        rtc_load_registers(s);
    }
    switch (index) {
    case RTC_CENTURY_PS2:
        return s->cmos[RTC_CENTURY];
    case RTC_A:
        return s->cmos[RTC_A] | (rtc_updating(s) ? A_UIP : 0);
    case RTC_C:
        return read_c(s);
    default:
        return s->cmos[index];
    }
}

static uint64_t rtc_read(void *opaque, hwaddr addr, unsigned size)
{
    Rtc *s = opaque;

    return addr & 1 ? read_register(s, s->index) : 0xff;
}

static void rtc_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Rtc *s = opaque;

    if (addr & 1) {
        write_register(s, s->index, value);
    } else {
        s->index = value & 0x7f; /* bit 7 masks NMI elsewhere */
    }
}

static const MemOps rtc_ops = {
    .read = rtc_read,
    .write = rtc_write,
    .impl = { 1, 1 },
};

void rtc_set_cmos(Rtc *s, uint8_t index, uint8_t value)
{
    assert(index > RTC_D && index < sizeof(s->cmos));
    s->cmos[index] = value;
}

uint8_t rtc_get_cmos(const Rtc *s, uint8_t index)
{
    assert(index < sizeof(s->cmos));
    return s->cmos[index];
}

/* Device ------------------------------------------------------------------- */

static bool rtc_realize(Device *dev, Error **errp)
{
    Rtc *s = rtc(dev);
    Vm *vm = dev->vm;

    s->irq = isa_irq(&s->parent, s->isairq, errp);
    if (!s->irq) {
        return false;
    }
    if (vm->rtc_slew) {
        s->lost_tick_policy = LOST_TICK_POLICY_SLEW;
    }
    if (s->lost_tick_policy != LOST_TICK_POLICY_SLEW &&
        s->lost_tick_policy != LOST_TICK_POLICY_DISCARD) {
        return error_set(errp, "Invalid lost tick policy.");
    }
    s->cmos[RTC_A] = 0x26;
    s->cmos[RTC_B] = B_24H;
    s->cmos[RTC_D] = D_VALID;
    vm_timer_init(&s->periodic, vm, vm->rtc_clock, periodic_timer, s);
    vm_timer_init(&s->update, vm, vm->rtc_clock, update_timer, s);
    rtc_set_base(s, vm_rtc_ns(vm));
    rtc_load_registers(s);
    mem_region_init_io(&s->io, &dev->obj, &rtc_ops, s, "rtc", 2);
    if (!isa_add_io(&s->parent, &s->io, s->iobase, errp)) {
        mem_region_cleanup(&s->io);
        return false;
    }
    rtc_schedule(s);
    return true;
}

static void rtc_unrealize(Device *dev)
{
    Rtc *s = rtc(dev);

    vm_timer_cancel(&s->periodic);
    vm_timer_cancel(&s->update);
    mem_region_cleanup(&s->io);
}

/* RESET touches interrupts only: time and memory have a battery. */
static void rtc_reset(Device *dev)
{
    Rtc *s = rtc(dev);

    s->cmos[RTC_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    s->cmos[RTC_C] = 0;
    s->coalesced = 0;
    s->reinject_on_ack_count = 0;
    irq_lower(s->irq);
    restart_periodic(s);
    rtc_schedule(s);
}

static void rtc_build_aml(Device *dev, Aml *a)
{
    Rtc *s = rtc(dev);

    aml_device(a, "RTC");
    aml_name_eisaid(a, "_HID", "PNP0B00");
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_io(a, s->iobase, s->iobase, 1, 8);
    aml_res_irq(a, s->isairq);
    aml_end(a);
    aml_end(a);
}

static QObject *get_time(Object *obj, const Prop *prop, Error **errp)
{
    Rtc *s = rtc(obj);
    QDict *d = qdict_new();
    struct tm tm;

    if (rtc_runs(s)) {
        rtc_load_registers(s);
    }
    rtc_get_tm(s, &tm);
    qdict_put_int(d, "tm_year", tm.tm_year);
    qdict_put_int(d, "tm_mon", tm.tm_mon);
    qdict_put_int(d, "tm_mday", tm.tm_mday);
    qdict_put_int(d, "tm_hour", tm.tm_hour);
    qdict_put_int(d, "tm_min", tm.tm_min);
    qdict_put_int(d, "tm_sec", tm.tm_sec);
    return &d->base;
}

static const Prop rtc_props[] = {
    PROP(Rtc, base_year, "base_year", 1980),
    PROP(Rtc, iobase, "iobase", 0x70),
    PROP(Rtc, isairq, "irq", 8),
    PROP_ENUM(Rtc, lost_tick_policy, "lost_tick_policy",
              &qapi_type_LostTickPolicy, LOST_TICK_POLICY_DISCARD),
    {},
};

static const IsaDeviceClass rtc_class = {
    .device = {
        .props = rtc_props,
        .category = DEVICE_CATEGORY_MISC,
        .bus_type = &isa_bus_type,
        .no_hotplug = true,
        .realize = rtc_realize,
        .unrealize = rtc_unrealize,
        .reset = rtc_reset,
        .vmstate = &rtc_vmstate,
        .build_aml = rtc_build_aml,
    },
};

QOM_DEFINE(Rtc, rtc, .name = "mc146818rtc", .parent = &isa_device_type,
           .class = &rtc_class);

static QObject *machine_get_time(Object *obj, const char *name, void *opaque,
                                 Error **errp)
{
    return get_time(opaque, NULL, errp);
}

Rtc *rtc_create(Machine *machine, IsaBus *bus, Error **errp)
{
    IsaDevice *d = isa_new(bus, &rtc_type);
    Rtc *s = rtc(d);

    s->base_year = 0; /* the registers hold the century, too */
    if (!isa_realize(d, bus, errp)) {
        return NULL;
    }
    object_prop_add(&machine->obj, "rtc-time", "struct tm", machine_get_time,
                    NULL, d);
    return s;
}
