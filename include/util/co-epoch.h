/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grace periods: who takes something out of a shared structure can wait until
 * everybody who might have seen it there is done, without a lock for those
 * who look. Like sleepable RCU (Linux Documentation/RCU/checklist.rst), with
 * coroutines.
 */
#ifndef UTIL_CO_EPOCH_H
#define UTIL_CO_EPOCH_H

#include "util/co-gate.h"
#include "util/coroutine.h"

typedef struct CoEpoch {
    int parity;   /* atomic: which counter newcomers use */
    int waiting;  /* atomic: someone is in co_epoch_wait() */
    CoMutex sync; /* one waiter at a time */
    Mutex lock;
    Coroutine *waiter; /* lock */
    Loop *waiter_loop;
    struct {
        unsigned in[2]; /* atomic */
        char pad[56];
    } slot[CO_GATE_SLOTS];
} CoEpoch;

void co_epoch_init(CoEpoch *e);
void co_epoch_destroy(CoEpoch *e);
/* Wait until all who entered before this call have left. */
void coroutine_fn co_epoch_wait(CoEpoch *e);

/* To be handed to co_epoch_leave(). May be held over yields. */
static inline int co_epoch_enter(CoEpoch *e)
{
    int p = __atomic_load_n(&e->parity, __ATOMIC_SEQ_CST);

    __atomic_fetch_add(&e->slot[thread_slot() % CO_GATE_SLOTS].in[p], 1,
                       __ATOMIC_SEQ_CST);
    return p;
}

void co_epoch_wake(CoEpoch *e);

static inline void co_epoch_leave(CoEpoch *e, int p)
{
    __atomic_fetch_sub(&e->slot[thread_slot() % CO_GATE_SLOTS].in[p], 1,
                       __ATOMIC_SEQ_CST);
    if (unlikely(__atomic_load_n(&e->waiting, __ATOMIC_SEQ_CST))) {
        co_epoch_wake(e);
    }
}

#endif
