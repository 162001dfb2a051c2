/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HPET's registers, shared with the table of its state. */
#ifndef HW_TIMER_HPET_INTERNAL_H
#define HW_TIMER_HPET_INTERNAL_H

#include "hw/timer/hpet.h"

enum {
    HPET_MIN_TIMERS = 3,
    HPET_MAX_TIMERS = 32,

    HPET_CFG_ENABLE = 1 << 0,
    HPET_CFG_LEGACY = 1 << 1,

    HPET_TN_LEVEL = 1 << 1,
    HPET_TN_ENABLE = 1 << 2,
    HPET_TN_PERIODIC = 1 << 3,
    HPET_TN_PERIODIC_CAP = 1 << 4,
    HPET_TN_SIZE_CAP = 1 << 5,
    HPET_TN_SETVAL = 1 << 6,
    HPET_TN_32BIT = 1 << 8,
    HPET_TN_ROUTE_SHIFT = 9,
    HPET_TN_FSB_ENABLE = 1 << 14,
    HPET_TN_FSB_CAP = 1 << 15,
    HPET_TN_WRITABLE = 0x3f4e, /* FSB_ENABLE too where there is FSB_CAP */
};

typedef struct HpetTimer {
    Hpet *hpet;
    uint8_t tn; /* number */
    uint64_t config, cmp, fsb;
    uint64_t period;   /* what was last written to a periodic comparator */
    uint8_t wrap_flag; /* of 7.2's streams; not used */
    VmTimer timer;     /* the next match */
} HpetTimer;

struct Hpet {
    Device dev;
    uint8_t num_timers;
    bool msi, offset_saved;
    uint32_t intcap;
    Pit *pit; /* or NULL */
    IrqLine *irqs[HPET_PINS];
    MemRegion io;

    uint64_t config, isr;
    uint64_t counter; /* while it stands still */
    int64_t offset;   /* ns: to the virtual clock, while it runs */
    uint8_t rtc_level;
    HpetTimer timer[HPET_MAX_TIMERS];
};
QOM_DECLARE_TYPE(Hpet, hpet)

uint64_t hpet_counter(const Hpet *s);
/* Make the running counter go on from .counter. */
void hpet_set_offset(Hpet *s);
/* After .config or .rtc_level was loaded. */
void hpet_update_legacy(Hpet *s);

extern const VmState hpet_vmstate;

#endif
