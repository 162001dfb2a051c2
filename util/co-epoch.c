/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grace periods; see include/util/co-epoch.h. */
#include "util/osdep.h"

#include "util/co-epoch.h"

void co_epoch_init(CoEpoch *e)
{
    memset(e, 0, sizeof(*e));
    mutex_init(&e->lock);
    co_mutex_init(&e->sync);
}

void co_epoch_destroy(CoEpoch *e)
{
    co_mutex_destroy(&e->sync);
    mutex_destroy(&e->lock);
}

static unsigned epoch_inside(const CoEpoch *e, int p)
{
    unsigned n = 0;

    for (size_t i = 0; i < CO_GATE_SLOTS; i++) {
        n += __atomic_load_n(&e->slot[i].in[p], __ATOMIC_SEQ_CST);
    }
    return n;
}

void co_epoch_wake(CoEpoch *e)
{
    mutex_lock(&e->lock);
    if (e->waiter) {
        Coroutine *co = e->waiter;

        e->waiter = NULL;
        coroutine_wake_on(co, e->waiter_loop);
    }
    mutex_unlock(&e->lock);
}

static void coroutine_fn epoch_wait_empty(CoEpoch *e, int p)
{
    mutex_lock(&e->lock);
    while (epoch_inside(e, p)) {
        e->waiter = coroutine_self();
        e->waiter_loop = loop_current();
        mutex_unlock(&e->lock);
        coroutine_yield();
        mutex_lock(&e->lock);
    }
    mutex_unlock(&e->lock);
}

void coroutine_fn co_epoch_wait(CoEpoch *e)
{
    co_mutex_lock(&e->sync);
    __atomic_store_n(&e->waiting, 1, __ATOMIC_SEQ_CST);
    /* Twice: someone may have read the parity before the last flip and counted
     * himself after it. */
    for (int i = 0; i < 2; i++) {
        int old = __atomic_fetch_xor(&e->parity, 1, __ATOMIC_SEQ_CST);

        epoch_wait_empty(e, old);
    }
    __atomic_store_n(&e->waiting, 0, __ATOMIC_SEQ_CST);
    co_mutex_unlock(&e->sync);
}
