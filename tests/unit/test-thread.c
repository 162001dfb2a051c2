/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads, locks and event notifiers. */
#include "util/osdep.h"

#include <signal.h>

#include "util/error.h"
#include "util/event-notifier.h"
#include "util/loop.h"
#include "util/thread.h"

static void *thread_facts(void *opaque)
{
    sigset_t set;
    char name[16];

    pthread_sigmask(SIG_SETMASK, NULL, &set);
    g_assert_true(sigismember(&set, SIGTERM));
    pthread_getname_np(pthread_self(), name, sizeof(name));
    g_strlcpy(opaque, name, sizeof(name));
    return (void *)(intptr_t)thread_id();
}

static void test_thread_has_name_and_blocked_signals(void)
{
    Thread t;
    char name[16];
    int tid;

    thread_set_naming(true);
    g_assert_true(thread_create(&t, "CPU 0/KVM and more", thread_facts, name,
                                error_abort));
    tid = (intptr_t)thread_join(&t);
    thread_set_naming(false);
    g_assert_cmpstr(name, ==, "CPU 0/KVM and m");
    g_assert_cmpint(tid, !=, thread_id());
}

typedef struct Shared {
    Mutex lock;
    Cond cond;
    int count;
} Shared;

static void *add_many(void *opaque)
{
    Shared *s = opaque;

    for (int i = 0; i < 10000; i++) {
        mutex_lock(&s->lock);
        s->count++;
        mutex_unlock(&s->lock);
    }
    mutex_lock(&s->lock);
    cond_signal(&s->cond);
    mutex_unlock(&s->lock);
    return NULL;
}

static void test_mutex_and_cond(void)
{
    Shared s = { .count = 0 };
    Thread t;

    mutex_init(&s.lock);
    cond_init(&s.cond);
    g_assert_true(thread_create(&t, "adder", add_many, &s, error_abort));
    mutex_lock(&s.lock);
    while (s.count < 10000) {
        cond_wait(&s.cond, &s.lock);
    }
    mutex_unlock(&s.lock);
    thread_join(&t);
    mutex_destroy(&s.lock);
    cond_destroy(&s.cond);
}

static void test_timedwait_times_out(void)
{
    Shared s = { .count = 0 };
    int64_t start = loop_now_ns();

    mutex_init(&s.lock);
    cond_init(&s.cond);
    mutex_lock(&s.lock);
    g_assert_false(cond_timedwait(&s.cond, &s.lock, 2000000));
    mutex_unlock(&s.lock);
    g_assert_cmpint(loop_now_ns() - start, >=, 2000000);
    mutex_destroy(&s.lock);
    cond_destroy(&s.cond);
}

static void NO_THREAD_SAFETY test_trylock_of_a_held_mutex_fails(void)
{
    Mutex m = MUTEX_INIT;

    g_assert_true(mutex_trylock(&m));
    g_assert_false(mutex_trylock(&m));
    mutex_unlock(&m);
}

static void test_notifier_remembers_until_cleared(void)
{
    EventNotifier e = EVENT_NOTIFIER_INIT;

    g_assert_true(event_notifier_init(&e, error_abort));
    g_assert_false(event_notifier_test_and_clear(&e));
    event_notifier_set(&e);
    event_notifier_set(&e);
    g_assert_true(event_notifier_test_and_clear(&e));
    g_assert_false(event_notifier_test_and_clear(&e));
    event_notifier_cleanup(&e);
    g_assert_cmpint(e.fd, ==, -1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/thread/facts", test_thread_has_name_and_blocked_signals);
    g_test_add_func("/thread/mutex", test_mutex_and_cond);
    g_test_add_func("/thread/timedwait", test_timedwait_times_out);
    g_test_add_func("/thread/trylock", test_trylock_of_a_held_mutex_fails);
    g_test_add_func("/notifier", test_notifier_remembers_until_cleared);
    return g_test_run();
}
