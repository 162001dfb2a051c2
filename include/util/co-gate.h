/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gate that many requests pass and that is closed now and then: who is
 * inside is counted per thread slot, so that loops share no cache line; who
 * closes it waits until all have left. Used for drained sections and for
 * writes that must be alone.
 */
#ifndef UTIL_CO_GATE_H
#define UTIL_CO_GATE_H

#include "util/coroutine.h"
#include "util/loop.h"

#define CO_GATE_SLOTS 8

typedef struct CoGate {
    int closed; /* atomic; number of closers */
    Mutex lock;
    CoQueue queue;     /* those before the gate; lock */
    Coroutine *closer; /* waits in co_gate_close(); lock */
    Loop *closer_loop;
    LoopTask idle; /* posted when someone leaves a closed gate */
    struct {
        unsigned in; /* atomic */
        char pad[60];
    } slot[CO_GATE_SLOTS];
} CoGate;

/* @loop: where gate_wait-style closers wait; see co_gate_shut(). */
void co_gate_init(CoGate *g, Loop *loop);
void co_gate_destroy(CoGate *g);

/* A small number that spreads threads over slots. */
unsigned thread_slot(void);

void coroutine_fn co_gate_wait_open(CoGate *g);

/* Go in; waits while the gate is closed. */
static inline void coroutine_fn co_gate_enter(CoGate *g)
{
    for (;;) {
        unsigned *in = &g->slot[thread_slot() % CO_GATE_SLOTS].in;

        /* Pairs with the increment of closed in co_gate_shut(). */
        __atomic_fetch_add(in, 1, __ATOMIC_SEQ_CST);
        if (likely(!__atomic_load_n(&g->closed, __ATOMIC_SEQ_CST))) {
            return;
        }
        co_gate_wait_open(g);
    }
}

/* Once more, also while the gate is closed: the caller stands for somebody who
 * is inside. */
static inline void co_gate_enter_again(CoGate *g)
{
    __atomic_fetch_add(&g->slot[thread_slot() % CO_GATE_SLOTS].in, 1,
                       __ATOMIC_SEQ_CST);
}

void co_gate_left_closed(CoGate *g);

static inline void co_gate_leave(CoGate *g)
{
    __atomic_fetch_sub(&g->slot[thread_slot() % CO_GATE_SLOTS].in, 1,
                       __ATOMIC_SEQ_CST);
    if (unlikely(__atomic_load_n(&g->closed, __ATOMIC_SEQ_CST))) {
        co_gate_left_closed(g);
    }
}

/* How many are inside. */
unsigned co_gate_inside(const CoGate *g);

/* Close without waiting; nestable. Each time someone leaves, the loop given
 * to co_gate_init() runs a task and so returns from loop_run_io(). */
void co_gate_shut(CoGate *g);
void co_gate_open(CoGate *g);
/* Close and wait until all have left; one closer at a time (the caller's own
 * CoMutex sees to that). Undone by co_gate_open(). */
void coroutine_fn co_gate_close(CoGate *g);

#endif
