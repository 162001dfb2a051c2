/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worker threads for calls that block. One pool per loop, so that completions
 * need no search for their loop and loops do not share a queue's lock.
 */
#include "util/osdep.h"

#include "util/coroutine.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/thread-pool.h"
#include "util/thread.h"
#include "util/trace.h"

TRACE_POINT(thread_pool_complete);
TRACE_POINT(thread_pool_submit);

#define POOL_DEFAULT_MAX 64
#define POOL_IDLE_NS     (10 * INT64_C(1000000000))

typedef struct PoolItem PoolItem;
struct PoolItem {
    ThreadPoolFn *fn;
    void *opaque;
    ThreadPoolDone *done;
    void *done_opaque;
    PoolItem *next;
    /* Of those that take turns: whose turn it is (queued, or it runs) and what
     * waits behind it. */
    const void *turn; /* NULL: none */
    PoolItem *next_turn;
    PoolItem *followers, **followers_tail;
    int ret;
    bool allocated;
};

typedef struct PoolWorker {
    struct ThreadPool *pool;
    struct PoolWorker *next; /* of those that ended */
    Thread thread;
} PoolWorker;

typedef struct ThreadPool {
    LoopTask completion;
    Mutex lock;
    Cond work;
    /* Guarded by lock */
    PoolItem *queue, **queue_tail;
    PoolItem *finished, **finished_tail;
    PoolItem *turns;   /* one item per turn that is taken */
    PoolWorker *ended; /* to be joined */
    unsigned threads, idle, queued;
    unsigned min, max;
    bool stopping;
} ThreadPool;

static PoolItem *pool_next_item(ThreadPool *pool) REQUIRES(pool->lock)
{
    PoolItem *item = pool->queue;

    pool->queue = item->next;
    if (!pool->queue) {
        pool->queue_tail = &pool->queue;
    }
    pool->queued--;
    item->next = NULL;
    return item;
}

/* Taking turns: items that would only wait for one another in the kernel keep
 * one worker busy, not all of them.
 * ------------------------------------------------------------------- */

/* Put @item behind the one whose turn it is; false if there is none. */
static bool turn_join(ThreadPool *pool, PoolItem *item) REQUIRES(pool->lock)
{
    for (PoolItem *i = pool->turns; i; i = i->next_turn) {
        if (i->turn == item->turn) {
            *i->followers_tail = item;
            i->followers_tail = &item->next;
            return true;
        }
    }
    return false;
}

static void turn_take(ThreadPool *pool, PoolItem *item) REQUIRES(pool->lock)
{
    item->followers_tail = &item->followers;
    item->next_turn = pool->turns;
    pool->turns = item;
}

/* @item has run: the next one of its turn, or NULL. */
static PoolItem *turn_pass(ThreadPool *pool, PoolItem *item)
    REQUIRES(pool->lock)
{
    PoolItem *next = item->followers, **p = &pool->turns;

    if (!item->turn) {
        return NULL;
    }
    while (*p != item) {
        p = &(*p)->next_turn;
    }
    *p = item->next_turn;
    if (next) {
        turn_take(pool, next);
        if (next->next) {
            next->followers = next->next;
            next->followers_tail = item->followers_tail;
            next->next = NULL;
        }
    }
    return next;
}

/* Wait for work; false when this worker should end. */
static bool pool_wait(ThreadPool *pool) REQUIRES(pool->lock)
{
    while (!pool->queue) {
        bool signalled;

        if (pool->stopping || pool->threads > pool->max) {
            return false;
        }
        pool->idle++;
        signalled = cond_timedwait(&pool->work, &pool->lock, POOL_IDLE_NS);
        pool->idle--;
        if (!signalled && !pool->queue && pool->threads > pool->min) {
            return false;
        }
    }
    return true;
}

static void *pool_worker(void *opaque)
{
    PoolWorker *w = opaque;
    ThreadPool *pool = w->pool;

    mutex_lock(&pool->lock);
    while (pool_wait(pool)) {
        PoolItem *item = pool_next_item(pool);

        while (item) {
            PoolItem *next;

            mutex_unlock(&pool->lock);
            item->ret = item->fn(item->opaque);
            mutex_lock(&pool->lock);
            next = turn_pass(pool, item);
            *pool->finished_tail = item;
            pool->finished_tail = &item->next;
            loop_task_post(&pool->completion);
            item = next;
        }
    }
    pool->threads--;
    w->next = pool->ended;
    __atomic_store_n(&pool->ended, w, __ATOMIC_RELAXED);
    mutex_unlock(&pool->lock);
    return NULL;
}

/* False when the host gives no thread. */
static bool pool_spawn(ThreadPool *pool) REQUIRES(pool->lock)
{
    PoolWorker *w = g_new0(PoolWorker, 1);
    autoerr Error *err = NULL;

    w->pool = pool;
    if (!thread_create(&w->thread, "worker", pool_worker, w, &err)) {
        g_free(w);
        return false;
    }
    pool->threads++;
    return true;
}

static void pool_join_ended(ThreadPool *pool)
{
    PoolWorker *list;

    mutex_lock(&pool->lock);
    list = pool->ended;
    __atomic_store_n(&pool->ended, NULL, __ATOMIC_RELAXED);
    mutex_unlock(&pool->lock);
    while (list) {
        PoolWorker *next = list->next;

        thread_join(&list->thread);
        g_free(list);
        list = next;
    }
}

static void pool_complete(void *opaque)
{
    ThreadPool *pool = opaque;
    PoolItem *list;

    mutex_lock(&pool->lock);
    list = pool->finished;
    pool->finished = NULL;
    pool->finished_tail = &pool->finished;
    mutex_unlock(&pool->lock);
    while (list) {
        PoolItem item = *list;

        trace(thread_pool_complete, "pool %p req %p ret %d", pool, list,
              item.ret);
        if (item.allocated) {
            g_free(list);
        }
        item.done(item.done_opaque, item.ret);
        list = item.next;
    }
}

static void *pool_create(Loop *loop)
{
    ThreadPool *pool = g_new0(ThreadPool, 1);

    loop_task_init(&pool->completion, loop, pool_complete, pool);
    loop_task_set_io(&pool->completion);
    mutex_init(&pool->lock);
    cond_init(&pool->work);
    pool->queue_tail = &pool->queue;
    pool->finished_tail = &pool->finished;
    pool->max = POOL_DEFAULT_MAX;
    return pool;
}

static void pool_destroy(void *opaque)
{
    ThreadPool *pool = opaque;

    mutex_lock(&pool->lock);
    assert(!pool->queue);
    pool->stopping = true;
    cond_broadcast(&pool->work);
    while (pool->threads) {
        mutex_unlock(&pool->lock);
        pool_join_ended(pool);
        g_usleep(50);
        mutex_lock(&pool->lock);
    }
    mutex_unlock(&pool->lock);
    pool_join_ended(pool);
    loop_task_cancel(&pool->completion);
    cond_destroy(&pool->work);
    mutex_destroy(&pool->lock);
    g_free(pool);
}

static const LoopLocal pool_local = { pool_create, pool_destroy };

static ThreadPool *pool_of(Loop *loop)
{
    return loop_local(loop, &pool_local);
}

static void pool_submit(ThreadPool *pool, PoolItem *item)
{
    bool have_worker = true;

    trace(thread_pool_submit, "pool %p req %p", pool, item);
    if (unlikely(__atomic_load_n(&pool->ended, __ATOMIC_RELAXED))) {
        pool_join_ended(pool);
    }
    mutex_lock(&pool->lock);
    if (item->turn && turn_join(pool, item)) {
        mutex_unlock(&pool->lock);
        return;
    }
    if (pool->idle <= pool->queued && pool->threads < pool->max) {
        have_worker = pool_spawn(pool) || pool->threads;
    }
    if (have_worker) {
        if (item->turn) {
            turn_take(pool, item);
        }
        *pool->queue_tail = item;
        pool->queue_tail = &item->next;
        pool->queued++;
        cond_signal(&pool->work);
        mutex_unlock(&pool->lock);
        return;
    }
    mutex_unlock(&pool->lock);
    /* No thread to be had: better late than never. */
    item->ret = item->fn(item->opaque);
    mutex_lock(&pool->lock);
    *pool->finished_tail = item;
    pool->finished_tail = &item->next;
    mutex_unlock(&pool->lock);
    loop_task_post(&pool->completion);
}

void thread_pool_submit(ThreadPoolFn *fn, void *opaque, ThreadPoolDone *done,
                        void *done_opaque)
{
    PoolItem *item = g_new0(PoolItem, 1);

    *item = (PoolItem){ .fn = fn,
                        .opaque = opaque,
                        .done = done,
                        .done_opaque = done_opaque,
                        .allocated = true };
    pool_submit(pool_of(loop_current()), item);
}

static void pool_wake_co(void *opaque, int ret)
{
    coroutine_enter(opaque);
}

int coroutine_fn thread_pool_run_turn_co(const void *turn, ThreadPoolFn *fn,
                                         void *opaque)
{
    /* On this stack: the item lives as long as we wait. The result is read
     * from it after pool_complete() copied the item out. */
    PoolItem item = { .fn = fn,
                      .opaque = opaque,
                      .done = pool_wake_co,
                      .done_opaque = coroutine_self(),
                      .turn = turn };

    pool_submit(pool_of(loop_current()), &item);
    coroutine_yield();
    return item.ret;
}

int coroutine_fn thread_pool_run_co(ThreadPoolFn *fn, void *opaque)
{
    return thread_pool_run_turn_co(NULL, fn, opaque);
}

void thread_pool_set_limits(Loop *loop, int64_t min, int64_t max)
{
    ThreadPool *pool = pool_of(loop);

    mutex_lock(&pool->lock);
    pool->min = min;
    pool->max = MAX(max, 1);
    while (pool->threads < pool->min && pool_spawn(pool)) {
        /* next */
    }
    cond_broadcast(&pool->work); /* those above the maximum end */
    mutex_unlock(&pool->lock);
}
