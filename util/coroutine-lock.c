/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks for coroutines. A plain mutex guards each lock's state for a few
 * instructions; who must wait queues up and yields. Ownership is handed to the
 * first waiter, which keeps the locks fair and wakes no one in vain.
 *
 * A waiter is woken on the loop it waits on: that loop's thread cannot enter
 * it before it has yielded, for until then it runs it.
 */
#include "util/osdep.h"

#include "util/coroutine.h"
#include "util/loop.h"

struct CoWaiter {
    Coroutine *co;
    Loop *loop;
    CoWaiter *next;
    bool writer;
};

static void waiter_init(CoWaiter *w, bool writer)
{
    *w = (CoWaiter){ .co = coroutine_self(),
                     .loop = loop_current(),
                     .writer = writer };
    assert(w->co && w->loop);
}

static void waiter_push(CoWaiter **head, CoWaiter **tail, CoWaiter *w)
{
    if (*head) {
        (*tail)->next = w;
    } else {
        *head = w;
    }
    *tail = w;
}

static CoWaiter *waiter_pop(CoWaiter **head, CoWaiter **tail)
{
    CoWaiter *w = *head;

    *head = w->next;
    if (!*head) {
        *tail = NULL;
    }
    return w;
}

/* @w is gone when this returns: it lived on the waiter's stack. */
static void waiter_wake(CoWaiter *w)
{
    coroutine_wake_on(w->co, w->loop);
}

/* CoMutex ------------------------------------------------------------------ */

void co_mutex_init(CoMutex *m)
{
    *m = (CoMutex){ 0 };
    mutex_init(&m->lock);
}

void co_mutex_destroy(CoMutex *m)
{
    assert(!m->held && !m->head);
    mutex_destroy(&m->lock);
}

void coroutine_fn co_mutex_lock(CoMutex *m)
{
    CoWaiter w;

    mutex_lock(&m->lock);
    if (!m->held) {
        m->held = true;
        mutex_unlock(&m->lock);
        return;
    }
    waiter_init(&w, false);
    waiter_push(&m->head, &m->tail, &w);
    mutex_unlock(&m->lock);
    coroutine_yield();
}

void coroutine_fn co_mutex_unlock(CoMutex *m)
{
    CoWaiter *w = NULL;

    mutex_lock(&m->lock);
    assert(m->held);
    if (m->head) {
        w = waiter_pop(&m->head, &m->tail);
    } else {
        m->held = false;
    }
    mutex_unlock(&m->lock);
    if (w) {
        waiter_wake(w);
    }
}

/* CoQueue ------------------------------------------------------------------ */

void co_queue_init(CoQueue *q)
{
    *q = (CoQueue){ 0 };
}

void coroutine_fn co_queue_wait(CoQueue *q, Mutex *m)
{
    CoWaiter w;

    waiter_init(&w, false);
    waiter_push(&q->head, &q->tail, &w);
    mutex_unlock(m);
    coroutine_yield();
    mutex_lock(m);
}

bool co_queue_wake_one(CoQueue *q)
{
    if (!q->head) {
        return false;
    }
    waiter_wake(waiter_pop(&q->head, &q->tail));
    return true;
}

void co_queue_wake_all(CoQueue *q)
{
    while (co_queue_wake_one(q)) {
        /* next */
    }
}

bool co_queue_empty(const CoQueue *q)
{
    return !q->head;
}

/* CoRwlock ----------------------------------------------------------------- */

void co_rwlock_init(CoRwlock *l)
{
    *l = (CoRwlock){ 0 };
    mutex_init(&l->lock);
}

void co_rwlock_destroy(CoRwlock *l)
{
    assert(!l->holders && !l->head);
    mutex_destroy(&l->lock);
}

void coroutine_fn co_rwlock_rdlock(CoRwlock *l)
{
    CoWaiter w;

    mutex_lock(&l->lock);
    if (l->holders >= 0 && !l->head) {
        l->holders++;
        mutex_unlock(&l->lock);
        return;
    }
    waiter_init(&w, false);
    waiter_push(&l->head, &l->tail, &w);
    mutex_unlock(&l->lock);
    coroutine_yield();
}

void coroutine_fn co_rwlock_wrlock(CoRwlock *l)
{
    CoWaiter w;

    mutex_lock(&l->lock);
    if (!l->holders) {
        l->holders = -1;
        mutex_unlock(&l->lock);
        return;
    }
    waiter_init(&w, true);
    waiter_push(&l->head, &l->tail, &w);
    mutex_unlock(&l->lock);
    coroutine_yield();
}

/* Hand the free or shared lock to those who wait first. */
static void rwlock_grant(CoRwlock *l)
{
    while (l->head) {
        CoWaiter *w = l->head;

        if (w->writer ? l->holders != 0 : l->holders < 0) {
            return;
        }
        l->holders = w->writer ? -1 : l->holders + 1;
        waiter_wake(waiter_pop(&l->head, &l->tail));
    }
}

void coroutine_fn co_rwlock_unlock(CoRwlock *l)
{
    mutex_lock(&l->lock);
    assert(l->holders);
    l->holders = l->holders < 0 ? 0 : l->holders - 1;
    rwlock_grant(l);
    mutex_unlock(&l->lock);
}
