/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gate's slow paths; see include/util/co-gate.h. */
#include "util/osdep.h"

#include "util/co-gate.h"

unsigned thread_slot(void)
{
    static unsigned next;
    static __thread unsigned slot;

    if (unlikely(!slot)) {
        slot = __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED) | BIT(31);
    }
    return slot & 0xffff;
}

static void co_gate_idle(void *opaque)
{
    /* To be seen by who waits in loop_run_io(). */
}

void co_gate_init(CoGate *g, Loop *loop)
{
    memset(g, 0, sizeof(*g));
    mutex_init(&g->lock);
    co_queue_init(&g->queue);
    loop_task_init(&g->idle, loop, co_gate_idle, g);
    loop_task_set_io(&g->idle);
}

void co_gate_destroy(CoGate *g)
{
    assert(!g->closed && co_queue_empty(&g->queue));
    loop_task_cancel(&g->idle);
    mutex_destroy(&g->lock);
}

unsigned co_gate_inside(const CoGate *g)
{
    unsigned n = 0;

    for (size_t i = 0; i < CO_GATE_SLOTS; i++) {
        n += __atomic_load_n(&g->slot[i].in, __ATOMIC_SEQ_CST);
    }
    return n;
}

void co_gate_left_closed(CoGate *g)
{
    mutex_lock(&g->lock);
    if (g->closer && !co_gate_inside(g)) {
        Coroutine *co = g->closer;

        g->closer = NULL;
        coroutine_wake_on(co, g->closer_loop);
    }
    mutex_unlock(&g->lock);
    if (g->idle.loop) {
        loop_task_post(&g->idle);
    }
}

void coroutine_fn co_gate_wait_open(CoGate *g)
{
    co_gate_leave(g);
    mutex_lock(&g->lock);
    if (__atomic_load_n(&g->closed, __ATOMIC_SEQ_CST)) {
        co_queue_wait(&g->queue, &g->lock);
    }
    mutex_unlock(&g->lock);
}

void co_gate_shut(CoGate *g)
{
    __atomic_fetch_add(&g->closed, 1, __ATOMIC_SEQ_CST);
}

void co_gate_open(CoGate *g)
{
    mutex_lock(&g->lock);
    if (!__atomic_sub_fetch(&g->closed, 1, __ATOMIC_SEQ_CST)) {
        co_queue_wake_all(&g->queue);
    }
    mutex_unlock(&g->lock);
}

void coroutine_fn co_gate_close(CoGate *g)
{
    co_gate_shut(g);
    mutex_lock(&g->lock);
    if (co_gate_inside(g)) {
        assert(!g->closer);
        g->closer = coroutine_self();
        g->closer_loop = loop_current();
        mutex_unlock(&g->lock);
        coroutine_yield();
        return;
    }
    mutex_unlock(&g->lock);
}
