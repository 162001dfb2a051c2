/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop's timers: a binary heap by deadline; each timer knows its slot. */
#include "util/osdep.h"

#include <time.h>

#include "util/loop-int.h"
#include "util/loop-timer.h"

int64_t loop_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void heap_put(Loop *loop, unsigned slot, LoopTimer *t)
{
    loop->timers[slot] = t;
    t->slot = slot;
}

static void heap_up(Loop *loop, unsigned slot, LoopTimer *t)
{
    while (slot) {
        unsigned parent = (slot - 1) / 2;

        if (loop->timers[parent]->deadline <= t->deadline) {
            break;
        }
        heap_put(loop, slot, loop->timers[parent]);
        slot = parent;
    }
    heap_put(loop, slot, t);
}

static void heap_down(Loop *loop, unsigned slot, LoopTimer *t)
{
    for (;;) {
        unsigned child = 2 * slot + 1;

        if (child >= loop->n_timers) {
            break;
        }
        if (child + 1 < loop->n_timers &&
            loop->timers[child + 1]->deadline <
                loop->timers[child]->deadline) {
            child++;
        }
        if (t->deadline <= loop->timers[child]->deadline) {
            break;
        }
        heap_put(loop, slot, loop->timers[child]);
        slot = child;
    }
    heap_put(loop, slot, t);
}

static void heap_remove(Loop *loop, LoopTimer *t)
{
    unsigned slot = t->slot;
    LoopTimer *last = loop->timers[--loop->n_timers];

    if (last != t) {
        heap_down(loop, slot, last);
        heap_up(loop, last->slot, last);
    }
    t->deadline = -1;
}

void loop_timer_init(LoopTimer *t, Loop *loop, LoopFn *fn, void *opaque)
{
    *t = (LoopTimer){
        .loop = loop,
        .fn = fn,
        .opaque = opaque,
        .deadline = -1,
    };
}

void loop_timer_set(LoopTimer *t, int64_t deadline_ns)
{
    Loop *loop = t->loop;

    loop_timer_cancel(t);
    if (loop->n_timers == loop->cap_timers) {
        loop->cap_timers = MAX(8, loop->cap_timers * 2);
        loop->timers = g_renew(LoopTimer *, loop->timers, loop->cap_timers);
    }
    t->deadline = MAX(deadline_ns, 0);
    heap_up(loop, loop->n_timers++, t);
}

void loop_timer_cancel(LoopTimer *t)
{
    if (t->deadline >= 0) {
        heap_remove(t->loop, t);
    }
}

bool loop_timer_pending(const LoopTimer *t)
{
    return t->deadline >= 0;
}

void loop_timer_set_io(LoopTimer *t)
{
    t->io = true;
}

static LoopTimer *first_io_timer(Loop *loop)
{
    LoopTimer *first = NULL;

    for (unsigned i = 0; i < loop->n_timers; i++) {
        LoopTimer *t = loop->timers[i];

        if (t->io && (!first || t->deadline < first->deadline)) {
            first = t;
        }
    }
    return first;
}

int64_t loop_io_timers_timeout(Loop *loop)
{
    LoopTimer *t = first_io_timer(loop);

    return t ? MAX(t->deadline - loop_now_ns(), 0) : -1;
}

bool loop_io_timers_run(Loop *loop)
{
    LoopTimer *t = first_io_timer(loop);
    int64_t now = t ? loop_now_ns() : 0;
    bool ran = false;

    while (t && t->deadline <= now) {
        heap_remove(loop, t);
        t->fn(t->opaque);
        ran = true;
        t = first_io_timer(loop);
    }
    return ran;
}

int64_t loop_timers_timeout(Loop *loop)
{
    if (!loop->n_timers) {
        return -1;
    }
    return MAX(loop->timers[0]->deadline - loop_now_ns(), 0);
}

bool loop_timers_run(Loop *loop)
{
    int64_t now;
    bool ran = false;

    if (!loop->n_timers) {
        return false;
    }
    /* One reading of the clock: a timer that sets itself again to "now" does
     * not keep the loop here, because time has passed since. */
    now = loop_now_ns();
    while (loop->n_timers && loop->timers[0]->deadline <= now) {
        LoopTimer *t = loop->timers[0];

        heap_remove(loop, t);
        t->fn(t->opaque);
        ran = true;
    }
    return ran;
}
