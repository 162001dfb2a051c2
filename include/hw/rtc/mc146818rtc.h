/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's clock and CMOS memory. Machine lock. */
#ifndef HW_RTC_MC146818RTC_H
#define HW_RTC_MC146818RTC_H

#include "hw/core/machine.h"
#include "hw/isa/isa.h"

typedef struct Rtc Rtc;

/* Place the clock on @bus; /machine gets "rtc-time" and "rtc_state". */
Rtc *rtc_create(Machine *machine, IsaBus *bus, Error **errp);
/* CMOS memory, 0 .. 127; the clock's registers are its own. */
void rtc_set_cmos(Rtc *s, uint8_t index, uint8_t value);
uint8_t rtc_get_cmos(const Rtc *s, uint8_t index);

/* What the PC's firmware finds in CMOS: memory sizes, boot order, CPUs. */
typedef struct RtcCmosInfo {
    uint64_t low_ram, high_ram; /* below and above 4 GiB */
    unsigned cpus;
    const char *boot_order; /* letters, "cad" */
    bool fd_bootchk;
} RtcCmosInfo;
bool rtc_init_cmos(Rtc *s, const RtcCmosInfo *info, Error **errp);
/* The boot order alone, as in RtcCmosInfo; on errors it stays as it was. */
bool rtc_set_boot_order(Rtc *s, const char *order, bool check_floppy,
                        Error **errp);

#endif
