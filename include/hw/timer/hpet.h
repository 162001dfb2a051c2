/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The high precision event timer of PC machines. Machine lock. */
#ifndef HW_TIMER_HPET_H
#define HW_TIMER_HPET_H

#include "hw/timer/i8254.h"

enum {
    HPET_BASE = 0xfed00000,
    HPET_SIZE = 0x400,
    HPET_PINS = 32, /* out pins: the interrupts that a timer may raise */
};
typedef struct Hpet Hpet;

/*
 * At HPET_BASE, with the routes @intcap (bit per interrupt). The machine
 * connects the unnamed out pins. In pins 0 and 1 are what the 8254 and the
 * real-time clock drive: they go on to interrupts 0 and 8 unless timers 0 and
 * 1 replace them.
 */
Hpet *hpet_create(Vm *vm, uint32_t intcap, Error **errp);
/* The 8254 whose interrupt it turns off; NULL when there is none. */
void hpet_connect_pit(Hpet *s, Pit *pit);
/* The low half of its capabilities, as firmware wants to know. */
uint32_t hpet_block_id(const Hpet *s);

#endif
