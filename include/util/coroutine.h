/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stackful coroutines for the request paths of the block layer and for QMP
 * commands marked 'coroutine'. A coroutine runs on one thread at a time;
 * between two runs it may change threads.
 *
 * Functions that may yield are marked coroutine_fn and are called only from
 * coroutines.
 */
#ifndef UTIL_COROUTINE_H
#define UTIL_COROUTINE_H

#include "util/thread.h"

#define coroutine_fn

typedef void coroutine_fn CoroutineFn(void *opaque);

/* A coroutine that will run @fn(@opaque) when first entered. Its stack comes
 * from a per-thread cache. It frees itself when @fn returns. */
Coroutine *coroutine_new(CoroutineFn *fn, void *opaque);
/* Run @co on this thread until it yields or ends. */
void coroutine_enter(Coroutine *co);
/* Leave the current coroutine; returns when somebody enters it again. */
void coroutine_fn coroutine_yield(void);
/* The running coroutine, or NULL outside of any. */
Coroutine *coroutine_self(void);
bool in_coroutine(void);
/* Any thread: enter @co from @loop. */
void coroutine_wake_on(Coroutine *co, Loop *loop);
/* The loop @co was last entered on. */
Loop *coroutine_loop(const Coroutine *co);

/* Sleep on the current loop. */
void coroutine_fn coroutine_sleep_ns(int64_t ns);
/* Let other events of the loop run. */
void coroutine_fn coroutine_reschedule(void);
/* Continue on @loop's thread. */
void coroutine_fn coroutine_move_to(Loop *loop);

/* Locks whose waiters yield. Fair, usable from several threads at once. */
typedef struct CoWaiter CoWaiter;
typedef struct CoMutex {
    Mutex lock;
    bool held;
    CoWaiter *head, *tail;
} CoMutex;

void co_mutex_init(CoMutex *m);
void co_mutex_destroy(CoMutex *m);
void coroutine_fn co_mutex_lock(CoMutex *m);
void coroutine_fn co_mutex_unlock(CoMutex *m);

/* Waiters sleep until someone wakes them; @m protects the queue. */
typedef struct CoQueue {
    CoWaiter *head, *tail;
} CoQueue;

void co_queue_init(CoQueue *q);
/* Queue up, release @m (a plain mutex), yield; returns with @m locked. */
void coroutine_fn co_queue_wait(CoQueue *q, Mutex *m) REQUIRES(*m);
/* With the mutex of the waiters held. */
bool co_queue_wake_one(CoQueue *q);
void co_queue_wake_all(CoQueue *q);
bool co_queue_empty(const CoQueue *q);

/* Readers and writers; a waiting writer keeps new readers out. */
typedef struct CoRwlock {
    Mutex lock;
    int holders; /* > 0 readers, -1 a writer */
    CoWaiter *head, *tail;
} CoRwlock;

void co_rwlock_init(CoRwlock *l);
void co_rwlock_destroy(CoRwlock *l);
void coroutine_fn co_rwlock_rdlock(CoRwlock *l);
void coroutine_fn co_rwlock_wrlock(CoRwlock *l);
void coroutine_fn co_rwlock_unlock(CoRwlock *l);

/* Run @fn on a worker thread of the pool; returns its result. */
typedef int ThreadPoolFn(void *opaque);
int coroutine_fn thread_pool_run_co(ThreadPoolFn *fn, void *opaque);
/* The same; of those that a loop gives the same @turn (not NULL) only one runs
 * at a time, in order. */
int coroutine_fn thread_pool_run_turn_co(const void *turn, ThreadPoolFn *fn,
                                         void *opaque);

#endif
