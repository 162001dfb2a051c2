/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of the mc146818rtc, shared by its files. */
#ifndef HW_RTC_RTC_PRIVATE_H
#define HW_RTC_RTC_PRIVATE_H

#include <time.h>

#include "hw/rtc/mc146818rtc.h"
#include "qapi/qapi-types-common.h"
#include "softmmu/vm.h"

/* registers */
enum {
    RTC_SECONDS = 0,
    RTC_SECONDS_ALARM = 1,
    RTC_MINUTES = 2,
    RTC_MINUTES_ALARM = 3,
    RTC_HOURS = 4,
    RTC_HOURS_ALARM = 5,
    RTC_WEEKDAY = 6,
    RTC_DAY = 7,
    RTC_MONTH = 8,
    RTC_YEAR = 9,
    RTC_A = 10,
    RTC_B = 11,
    RTC_C = 12,
    RTC_D = 13,
    RTC_CENTURY = 0x32,
    RTC_CENTURY_PS2 = 0x37,

    A_UIP = 0x80,
    A_DIVIDER = 0x70,
    A_RATE = 0x0f,
    B_SET = 0x80,
    B_PIE = 0x40,
    B_AIE = 0x20,
    B_UIE = 0x10,
    B_SQWE = 0x08,
    B_BINARY = 0x04,
    B_24H = 0x02,
    C_IRQF = 0x80,
    C_PF = 0x40,
    C_AF = 0x20,
    C_UF = 0x10,
    D_VALID = 0x80,
};

#define NS_PER_S       INT64_C(1000000000)
#define RTC_CLOCK_RATE 32768

struct Rtc {
    IsaDevice parent;
    MemRegion io;
    IrqLine *irq; /* not owned */
    /* Properties. */
    int32_t base_year;
    uint16_t iobase;
    uint8_t isairq;
    int lost_tick_policy; /* LostTickPolicy */

    /* Guest state. */
    uint8_t cmos[128];
    uint8_t index;
    /* Guest's time = base (s) + offset (ns) + clock - last_update (ns). */
    uint64_t base_rtc, last_update;
    int64_t offset;
    VmTimer periodic, update; /* on vm->rtc_clock */
    int64_t next_periodic;    /* ns */
    uint64_t next_alarm;      /* ns */
    uint32_t period;          /* in ticks of 32768 Hz; 0: off */
    uint32_t coalesced;       /* ticks the guest missed */
    uint16_t reinject_on_ack_count;
};
QOM_DECLARE_TYPE(Rtc, rtc)

int64_t rtc_clock(const Rtc *s); /* ns, of vm->rtc_clock */
/* rtc-time.c: the guest's time. */
uint64_t rtc_guest_ns(const Rtc *s);
bool rtc_runs(const Rtc *s);     /* neither being set nor held */
void rtc_load_registers(Rtc *s); /* time to registers */
void rtc_take_registers(Rtc *s); /* and back; tells RTC_CHANGE */
void rtc_set_base(Rtc *s, int64_t guest_ns);
bool rtc_updating(const Rtc *s);              /* shortly before a second ends */
void rtc_get_tm(const Rtc *s, struct tm *tm); /* what the registers say */
/* Seconds until the alarm; 0: never. */
uint32_t rtc_alarm_distance(const Rtc *s);

extern const VmState rtc_vmstate;
void rtc_schedule(Rtc *s); /* arm the update timer */
void rtc_update_irq(Rtc *s);

#endif
