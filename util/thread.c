/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads, mutexes and condition variables over POSIX threads (pthreads(7)). */
#include "util/osdep.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "util/error.h"
#include "util/rcu.h"
#include "util/thread.h"

static bool naming;

/* A failing pthread lock call is a bug of ours: a bad or foreign mutex. */
static void must(int err, const char *what)
{
    if (unlikely(err)) {
        fprintf(stderr, "%s: %s\n", what, g_strerror(err));
        abort();
    }
}

void mutex_init(Mutex *m)
{
    must(pthread_mutex_init(&m->m, NULL), __func__);
}

void mutex_destroy(Mutex *m)
{
    must(pthread_mutex_destroy(&m->m), __func__);
}

NO_THREAD_SAFETY void mutex_lock(Mutex *m)
{
    must(pthread_mutex_lock(&m->m), __func__);
}

NO_THREAD_SAFETY void mutex_unlock(Mutex *m)
{
    must(pthread_mutex_unlock(&m->m), __func__);
}

NO_THREAD_SAFETY bool mutex_trylock(Mutex *m)
{
    int err = pthread_mutex_trylock(&m->m);

    if (err == EBUSY) {
        return false;
    }
    must(err, __func__);
    return true;
}

void cond_init(Cond *c)
{
    pthread_condattr_t attr;

    must(pthread_condattr_init(&attr), __func__);
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), __func__);
    must(pthread_cond_init(&c->c, &attr), __func__);
    pthread_condattr_destroy(&attr);
}

void cond_destroy(Cond *c)
{
    must(pthread_cond_destroy(&c->c), __func__);
}

void cond_signal(Cond *c)
{
    must(pthread_cond_signal(&c->c), __func__);
}

void cond_broadcast(Cond *c)
{
    must(pthread_cond_broadcast(&c->c), __func__);
}

NO_THREAD_SAFETY void cond_wait(Cond *c, Mutex *m)
{
    must(pthread_cond_wait(&c->c, &m->m), __func__);
}

NO_THREAD_SAFETY bool cond_timedwait(Cond *c, Mutex *m, int64_t timeout_ns)
{
    struct timespec ts;
    int err;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    timeout_ns = MAX(timeout_ns, 0);
    ts.tv_sec += timeout_ns / 1000000000;
    ts.tv_nsec += timeout_ns % 1000000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }
    err = pthread_cond_timedwait(&c->c, &m->m, &ts);
    if (err == ETIMEDOUT) {
        return false;
    }
    must(err, __func__);
    return true;
}

typedef struct ThreadStart {
    void *(*fn)(void *);
    void *opaque;
    char name[16];
} ThreadStart;

/* The main thread is a batch thread; const once there are others. */
static bool sharing;

/*
 * With one CPU for all threads, each kick of the guest and each completion
 * would take the CPU from the vCPU at once, which costs more than the request.
 * As a batch thread (sched(7)) the main loop gets its turn when the vCPU waits
 * or has had its share, and then finds several requests. Whoever chose a policy
 * or a priority for us keeps it.
 */
void thread_share_cpu(void)
{
    const struct sched_param none = { 0 };
    cpu_set_t cpus;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0 ||
        CPU_COUNT(&cpus) != 1 || sched_getscheduler(0) != SCHED_OTHER ||
        getpriority(PRIO_PROCESS, 0) < 0) {
        return;
    }
    sharing = !sched_setscheduler(0, SCHED_BATCH, &none);
}

/* Threads inherit the policy, which is meant for the main thread only. */
static void stop_sharing(void)
{
    const struct sched_param none = { 0 };

    if (sharing) {
        sched_setscheduler(0, SCHED_OTHER, &none);
    }
}

static void *thread_main(void *opaque)
{
    ThreadStart start = *(ThreadStart *)opaque;
    void *ret;

    g_free(opaque);
    if (naming) {
        pthread_setname_np(pthread_self(), start.name);
    }
    stop_sharing();
    rcu_register_thread();
    ret = start.fn(start.opaque);
    rcu_unregister_thread();
    return ret;
}

void thread_begin_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

bool thread_create(Thread *thread, const char *name, void *(*fn)(void *),
                   void *opaque, Error **errp)
{
    ThreadStart *start = g_new0(ThreadStart, 1);
    sigset_t all, old;
    int err;

    start->fn = fn;
    start->opaque = opaque;
    g_strlcpy(start->name, name, sizeof(start->name));
    /* The new thread inherits the mask: signals go to the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&thread->t, NULL, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err) {
        g_free(start);
        return error_errno(errp, err, "cannot create thread '%s'", name);
    }
    return true;
}

void *thread_join(Thread *thread)
{
    void *ret;

    must(pthread_join(thread->t, &ret), __func__);
    return ret;
}

void thread_set_naming(bool on)
{
    naming = on;
}

int thread_id(void)
{
    return gettid();
}
