/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clock's calendar: registers in BCD or binary, 12 or 24 hours, alarms.
 * Motorola MC146818 data sheet, "Time, calendar, and alarm locations".
 */
#include "util/osdep.h"

#include "hw/rtc/rtc-private.h"
#include "qapi/qapi-events-misc.h"

/* UIP is set this long before the update: 8 ticks, 244 us. */
#define UIP_NS       (8 * NS_PER_S / RTC_CLOCK_RATE)

#define PM           0x80
#define ANY_VALUE(v) (((v)&0xc0) == 0xc0)

int64_t rtc_clock(const Rtc *s)
{
    const Vm *vm = s->parent.dev.vm;

    return vm_clock_ns(vm, vm->rtc_clock);
}

uint64_t rtc_guest_ns(const Rtc *s)
{
    return s->base_rtc * NS_PER_S + rtc_clock(s) - s->last_update + s->offset;
}

void rtc_set_base(Rtc *s, int64_t guest_ns)
{
    s->base_rtc = guest_ns / NS_PER_S;
    s->offset = guest_ns % NS_PER_S;
    s->last_update = rtc_clock(s);
}

/* Divider values 6 and 7 hold the clock in reset. */
bool rtc_runs(const Rtc *s)
{
    return !(s->cmos[RTC_B] & B_SET) && (s->cmos[RTC_A] & A_DIVIDER) <= 0x20;
}

bool rtc_updating(const Rtc *s)
{
    return rtc_runs(s) && rtc_guest_ns(s) % NS_PER_S >= NS_PER_S - UIP_NS;
}

static uint8_t encode(const Rtc *s, unsigned v)
{
    return s->cmos[RTC_B] & B_BINARY ? v : (v / 10 % 10) << 4 | v % 10;
}

static unsigned decode(const Rtc *s, uint8_t v)
{
    return s->cmos[RTC_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 0xf);
}

static uint8_t encode_hour(const Rtc *s, unsigned hour)
{
    unsigned h12 = hour % 12 ? hour % 12 : 12;

    if (s->cmos[RTC_B] & B_24H) {
        return encode(s, hour);
    }
    return encode(s, h12) | (hour >= 12 ? PM : 0);
}

static unsigned decode_hour(const Rtc *s, uint8_t v)
{
    if (s->cmos[RTC_B] & B_24H) {
        return decode(s, v);
    }
    return decode(s, v & ~PM) % 12 + (v & PM ? 12 : 0);
}

void rtc_load_registers(Rtc *s)
{
    time_t seconds = rtc_guest_ns(s) / NS_PER_S;
    struct tm tm;
    unsigned year;

    if (!gmtime_r(&seconds, &tm)) {
        return;
    }
    year = tm.tm_year + 1900 - s->base_year;
    s->cmos[RTC_SECONDS] = encode(s, tm.tm_sec);
    s->cmos[RTC_MINUTES] = encode(s, tm.tm_min);
    s->cmos[RTC_HOURS] = encode_hour(s, tm.tm_hour);
    s->cmos[RTC_WEEKDAY] = encode(s, tm.tm_wday + 1);
    s->cmos[RTC_DAY] = encode(s, tm.tm_mday);
    s->cmos[RTC_MONTH] = encode(s, tm.tm_mon + 1);
    s->cmos[RTC_YEAR] = encode(s, year % 100);
    s->cmos[RTC_CENTURY] = encode(s, year / 100 % 100);
    s->cmos[RTC_CENTURY_PS2] = s->cmos[RTC_CENTURY];
}

void rtc_get_tm(const Rtc *s, struct tm *tm)
{
    memset(tm, 0, sizeof(*tm));
    tm->tm_sec = decode(s, s->cmos[RTC_SECONDS]);
    tm->tm_min = decode(s, s->cmos[RTC_MINUTES]);
    tm->tm_hour = decode_hour(s, s->cmos[RTC_HOURS]);
    tm->tm_wday = (int)decode(s, s->cmos[RTC_WEEKDAY]) - 1;
    tm->tm_mday = decode(s, s->cmos[RTC_DAY]);
    tm->tm_mon = (int)decode(s, s->cmos[RTC_MONTH]) - 1;
    tm->tm_year = decode(s, s->cmos[RTC_YEAR]) + s->base_year +
                  decode(s, s->cmos[RTC_CENTURY]) * 100 - 1900;
}

void rtc_take_registers(Rtc *s)
{
    Vm *vm = s->parent.dev.vm;
    g_autofree char *path = object_path(&s->parent.dev.obj);
    struct tm tm;
    int64_t seconds;

    rtc_get_tm(s, &tm);
    seconds = timegm(&tm);
    s->base_rtc = seconds;
    s->offset = 0;
    s->last_update = rtc_clock(s);
    qapi_event_send_rtc_change(vm->events, seconds - vm_rtc_ns(vm) / NS_PER_S,
                               path ? path : "");
}

/* Alarms ------------------------------------------------------------------- */

typedef struct AlarmField {
    bool any;
    unsigned value;
} AlarmField;

static AlarmField alarm_field(const Rtc *s, unsigned reg)
{
    uint8_t v = s->cmos[reg];

    if (ANY_VALUE(v)) {
        return (AlarmField){ .any = true };
    }
    return (AlarmField){
        .value = reg == RTC_HOURS_ALARM ? decode_hour(s, v) : decode(s, v),
    };
}

static bool matches(AlarmField f, unsigned value)
{
    return f.any || f.value == value;
}

/*
 * Step from the next second on to the first that matches, by whole hours and
 * minutes where these do not match. Values that no clock shows never match.
 */
uint32_t rtc_alarm_distance(const Rtc *s)
{
    AlarmField hour = alarm_field(s, RTC_HOURS_ALARM);
    AlarmField minute = alarm_field(s, RTC_MINUTES_ALARM);
    AlarmField second = alarm_field(s, RTC_SECONDS_ALARM);
    uint32_t start = rtc_guest_ns(s) / NS_PER_S % 86400, t = start + 1;

    while (t <= start + 86400) {
        if (!matches(hour, t / 3600 % 24)) {
            t += 3600 - t % 3600;
        } else if (!matches(minute, t / 60 % 60)) {
            t += 60 - t % 60;
        } else if (!matches(second, t % 60)) {
            t++;
        } else {
            return t - start;
        }
    }
    return 0;
}
