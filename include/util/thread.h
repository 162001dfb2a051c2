/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads, mutexes and condition variables: pthreads with names, and with the
 * capability annotations that clang's thread-safety analysis checks.
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <pthread.h>

typedef struct CAPABILITY("mutex") Mutex {
    pthread_mutex_t m;
} Mutex;

typedef struct Cond {
    pthread_cond_t c;
} Cond;

#define MUTEX_INIT { .m = PTHREAD_MUTEX_INITIALIZER }

void mutex_init(Mutex *m);
void mutex_destroy(Mutex *m);
void mutex_lock(Mutex *m) ACQUIRES(*m);
void mutex_unlock(Mutex *m) RELEASES(*m);
/* True when the lock was taken. */
bool mutex_trylock(Mutex *m) TSA(try_acquire_capability(true, *m));

void cond_init(Cond *c);
void cond_destroy(Cond *c);
void cond_signal(Cond *c);
void cond_broadcast(Cond *c);
void cond_wait(Cond *c, Mutex *m) REQUIRES(*m);
/* False when @timeout_ns passed without a signal. */
bool cond_timedwait(Cond *c, Mutex *m, int64_t timeout_ns) REQUIRES(*m);

typedef struct Thread {
    pthread_t t;
} Thread;

/*
 * Start a joinable thread with all signals blocked, registered with RCU. The
 * name (15 bytes count) is set where thread_set_naming(true) was called, as
 * "-name debug-threads=on" does.
 */
bool thread_create(Thread *thread, const char *name, void *(*fn)(void *),
                   void *opaque, Error **errp);
void *thread_join(Thread *thread);
/* For main(): nobody who signals us by mistake, or hangs up, ends the program.
 * SIGPIPE is ignored and SIGUSR1 blocked, as programs of QEMU have them. */
void thread_begin_signals(void);
void thread_set_naming(bool on);
/* For the main thread, before it starts others: where there is only one CPU for
 * all of them, do not take it from a vCPU for each event. Changes a scheduling
 * policy. */
void thread_share_cpu(void);
/* The kernel's id of the calling thread. */
int thread_id(void);

#endif
