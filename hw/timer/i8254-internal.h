/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the kinds of 8254. */
#ifndef HW_TIMER_I8254_INTERNAL_H
#define HW_TIMER_I8254_INTERNAL_H

#include "hw/timer/i8254.h"

extern const ObjectType isa_pit_type;
void pit_reset_channels(Pit *s);
/* After the channels were loaded. */
void pit_restart(Pit *s);
/* .irq_disabled did. */
void pit_irq_changed(Pit *s);
/* Is channel @c's output high at @now (ns)? */
bool pit_channel_output(const X86PitChannel *c, int64_t now);

#endif
