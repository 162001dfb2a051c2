/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop's timers, as loop.c uses them. */
#ifndef UTIL_LOOP_TIMER_H
#define UTIL_LOOP_TIMER_H

#include "util/loop.h"

/* Nanoseconds until the first deadline (0: now), -1 when there is none. */
int64_t loop_timers_timeout(Loop *loop);
/* Run what is due; true when any was. */
/* The same for timers of block I/O only. */
int64_t loop_io_timers_timeout(Loop *loop);
bool loop_io_timers_run(Loop *loop);
bool loop_timers_run(Loop *loop);

#endif
