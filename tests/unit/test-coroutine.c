/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Coroutines, their locks, and the thread pool under them. */
#include "util/osdep.h"

#include "util/co-gate.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/thread-pool.h"

static Loop *loop;

static void steps(void *opaque)
{
    GString *log = opaque;

    g_string_append_c(log, 'a');
    coroutine_yield();
    g_string_append_c(log, 'b');
    coroutine_yield();
    g_string_append_c(log, 'c');
}

static void test_yield_returns_to_enterer(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    Coroutine *co = coroutine_new(steps, log);

    coroutine_enter(co);
    g_string_append_c(log, '1');
    coroutine_enter(co);
    g_string_append_c(log, '2');
    coroutine_enter(co);
    g_assert_cmpstr(log->str, ==, "a1b2c");
    g_assert_false(in_coroutine());
}

static void nest(void *opaque)
{
    int *depth = opaque;

    g_assert_true(in_coroutine());
    if (++*depth < 20) {
        coroutine_enter(coroutine_new(nest, depth));
    }
    g_assert_true(in_coroutine());
}

static void test_coroutines_nest(void)
{
    int depth = 0;

    coroutine_enter(coroutine_new(nest, &depth));
    g_assert_cmpint(depth, ==, 20);
}

static void keep_floats(void *opaque)
{
    double x = *(double *)opaque;

    coroutine_yield();
    *(double *)opaque = x * 2;
}

static void test_registers_survive_a_switch(void)
{
    double v[8];
    Coroutine *co[8];

    for (int i = 0; i < 8; i++) {
        v[i] = i + 0.5;
        co[i] = coroutine_new(keep_floats, &v[i]);
        coroutine_enter(co[i]);
    }
    for (int i = 7; i >= 0; i--) {
        coroutine_enter(co[i]);
    }
    for (int i = 0; i < 8; i++) {
        g_assert_true(v[i] == 2 * i + 1.0);
    }
}

static void fill_stack(void *opaque)
{
    char big[100 * KiB];

    memset(big, 0x5a, sizeof(big));
    __asm__ volatile("" ::"r"(big) : "memory");
    coroutine_yield();
    *(int *)opaque += big[sizeof(big) - 1];
}

static void test_many_coroutines_at_once(void)
{
    enum { N = 500 };
    Coroutine *co[N];
    int sum = 0;

    for (int i = 0; i < N; i++) {
        co[i] = coroutine_new(fill_stack, &sum);
        coroutine_enter(co[i]);
    }
    for (int i = 0; i < N; i++) {
        coroutine_enter(co[i]);
    }
    g_assert_cmpint(sum, ==, N * 0x5a);
}

/* Locks on one loop ----------------------------------------------------------
 */

typedef struct Shared {
    CoMutex mutex;
    CoRwlock rw;
    Mutex plain;
    CoQueue queue;
    int inside, most, done, readers;
    int64_t count;
} Shared;

static void lock_and_work(void *opaque)
{
    Shared *s = opaque;

    for (int i = 0; i < 10; i++) {
        co_mutex_lock(&s->mutex);
        s->inside++;
        s->most = MAX(s->most, s->inside);
        coroutine_reschedule();
        s->inside--;
        co_mutex_unlock(&s->mutex);
    }
    s->done++;
}

static void test_mutex_excludes(void)
{
    Shared s = { 0 };

    co_mutex_init(&s.mutex);
    for (int i = 0; i < 5; i++) {
        coroutine_enter(coroutine_new(lock_and_work, &s));
    }
    while (s.done < 5) {
        loop_run_once(loop, true);
    }
    g_assert_cmpint(s.most, ==, 1);
    co_mutex_destroy(&s.mutex);
}

static void read_locked(void *opaque)
{
    Shared *s = opaque;

    co_rwlock_rdlock(&s->rw);
    g_assert_cmpint(s->inside, ==, 0);
    s->readers++;
    s->most = MAX(s->most, s->readers);
    coroutine_reschedule();
    s->readers--;
    co_rwlock_unlock(&s->rw);
    s->done++;
}

static void write_locked(void *opaque)
{
    Shared *s = opaque;

    co_rwlock_wrlock(&s->rw);
    g_assert_cmpint(s->readers, ==, 0);
    g_assert_cmpint(s->inside++, ==, 0);
    coroutine_reschedule();
    s->inside--;
    co_rwlock_unlock(&s->rw);
    s->done++;
}

static void test_rwlock_shares_among_readers_only(void)
{
    Shared s = { 0 };

    co_rwlock_init(&s.rw);
    for (int i = 0; i < 12; i++) {
        coroutine_enter(
            coroutine_new(i % 4 == 3 ? write_locked : read_locked, &s));
    }
    while (s.done < 12) {
        loop_run_once(loop, true);
    }
    g_assert_cmpint(s.most, ==, 3);
    co_rwlock_destroy(&s.rw);
}

static void wait_in_queue(void *opaque)
{
    Shared *s = opaque;

    mutex_lock(&s->plain);
    co_queue_wait(&s->queue, &s->plain);
    s->done++;
    mutex_unlock(&s->plain);
}

static void test_queue_wakes_in_order_and_all(void)
{
    Shared s = { 0 };

    mutex_init(&s.plain);
    co_queue_init(&s.queue);
    for (int i = 0; i < 3; i++) {
        coroutine_enter(coroutine_new(wait_in_queue, &s));
    }
    g_assert_cmpint(s.done, ==, 0);
    mutex_lock(&s.plain);
    g_assert_true(co_queue_wake_one(&s.queue));
    mutex_unlock(&s.plain);
    loop_run_once(loop, true);
    g_assert_cmpint(s.done, ==, 1);
    mutex_lock(&s.plain);
    co_queue_wake_all(&s.queue);
    g_assert_true(co_queue_empty(&s.queue));
    mutex_unlock(&s.plain);
    while (s.done < 3) {
        loop_run_once(loop, true);
    }
    mutex_destroy(&s.plain);
}

/* Several threads -------------------------------------------------------------
 */

enum { THREADS = 3, PER_THREAD = 8, ROUNDS = 300 };

typedef struct Worker {
    Shared *shared;
    Loop *loop;
    Thread thread;
    int left;
} Worker;

static void count_locked(void *opaque)
{
    Worker *w = opaque;
    Shared *s = w->shared;

    for (int i = 0; i < ROUNDS; i++) {
        int64_t seen;

        co_mutex_lock(&s->mutex);
        seen = s->count;
        if (i % 16 == 0) {
            coroutine_reschedule();
        }
        s->count = seen + 1;
        co_mutex_unlock(&s->mutex);
    }
    w->left--;
}

static void *worker_main(void *opaque)
{
    Worker *w = opaque;

    w->loop = loop_new("worker", error_abort);
    loop_set_current(w->loop);
    w->left = PER_THREAD;
    for (int i = 0; i < PER_THREAD; i++) {
        coroutine_enter(coroutine_new(count_locked, w));
    }
    while (w->left) {
        loop_run_once(w->loop, true);
    }
    return NULL;
}

static void test_mutex_excludes_between_threads(void)
{
    Worker w[THREADS] = { 0 };
    Shared s = { 0 };

    co_mutex_init(&s.mutex);
    for (int i = 0; i < THREADS; i++) {
        w[i].shared = &s;
        thread_create(&w[i].thread, "worker", worker_main, &w[i], error_abort);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(&w[i].thread);
    }
    /* Not before: who woke the last one may still be at it. */
    for (int i = 0; i < THREADS; i++) {
        loop_free(w[i].loop);
    }
    g_assert_cmpint(s.count, ==, THREADS * PER_THREAD * ROUNDS);
    co_mutex_destroy(&s.mutex);
}

typedef struct Mover {
    Loop *there;
    Thread thread;
    int id_there, id_back;
    bool done;
} Mover;

static void *mover_main(void *opaque)
{
    loop_run(opaque);
    return NULL;
}

static void move_there_and_back(void *opaque)
{
    Mover *m = opaque;
    Loop *home = loop_current();

    for (int i = 0; i < 200; i++) {
        coroutine_move_to(m->there);
        m->id_there = thread_id();
        g_assert_true(in_coroutine());
        coroutine_move_to(home);
        m->id_back = thread_id();
    }
    m->done = true;
}

static void test_coroutine_changes_threads(void)
{
    Mover m = { 0 };

    m.there = loop_new("there", error_abort);
    thread_create(&m.thread, "there", mover_main, m.there, error_abort);
    coroutine_enter(coroutine_new(move_there_and_back, &m));
    while (!m.done) {
        loop_run_once(loop, true);
    }
    g_assert_cmpint(m.id_back, ==, thread_id());
    g_assert_cmpint(m.id_there, !=, thread_id());
    loop_stop(m.there);
    thread_join(&m.thread);
    loop_free(m.there);
}

/* Gate ------------------------------------------------------------------------
 */

typedef struct GateTest {
    CoGate gate;
    int inside, passed;
    bool closed;
} GateTest;

static void pass_gate(void *opaque)
{
    GateTest *t = opaque;

    co_gate_enter(&t->gate);
    g_assert_false(t->closed);
    t->inside++;
    coroutine_reschedule();
    t->inside--;
    co_gate_leave(&t->gate);
    t->passed++;
}

static void close_gate(void *opaque)
{
    GateTest *t = opaque;

    co_gate_close(&t->gate);
    g_assert_cmpint(t->inside, ==, 0);
    t->closed = true;
    coroutine_reschedule();
    t->closed = false;
    co_gate_open(&t->gate);
}

static void test_gate_lets_the_closer_be_alone(void)
{
    GateTest t = { 0 };

    co_gate_init(&t.gate, loop);
    coroutine_enter(coroutine_new(pass_gate, &t));
    coroutine_enter(coroutine_new(pass_gate, &t));
    g_assert_cmpuint(co_gate_inside(&t.gate), ==, 2);
    coroutine_enter(coroutine_new(close_gate, &t));
    coroutine_enter(coroutine_new(pass_gate, &t));
    g_assert_cmpint(t.inside, ==, 2);
    while (t.passed < 3) {
        loop_run_once(loop, true);
    }
    co_gate_destroy(&t.gate);
}

/* loop_run_io()
 * ----------------------------------------------------------------- */

static void count_event(void *opaque, unsigned events)
{
    ++*(int *)opaque;
}

static void count_task(void *opaque)
{
    ++*(int *)opaque;
}

static void test_run_io_serves_nothing_else(void)
{
    int fds[2], events = 0, tasks = 0, io_tasks = 0;
    LoopTask io_task;
    LoopFd *w;

    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    w = loop_fd_add(loop, fds[0], LOOP_IN, count_event, &events);
    loop_post(loop, count_task, &tasks);
    loop_task_init(&io_task, loop, count_task, &io_tasks);
    loop_task_set_io(&io_task);
    for (int i = 0; i < 3; i++) {
        loop_task_post(&io_task);
        while (io_tasks <= i) {
            loop_run_io(loop, true);
        }
    }
    g_assert_cmpint(events, ==, 0);
    g_assert_cmpint(tasks, ==, 0);
    while (!events || !tasks) {
        loop_run_once(loop, true);
    }
    loop_fd_del(w);
    close(fds[0]);
    close(fds[1]);
}

/* Thread pool
 * ------------------------------------------------------------------ */

static int square(void *opaque)
{
    g_usleep(100);
    return *(int *)opaque * *(int *)opaque;
}

static void pool_user(void *opaque)
{
    int *v = opaque;

    *v = thread_pool_run_co(square, v);
}

static void test_pool_returns_results(void)
{
    int v[100], left;

    for (int i = 0; i < 100; i++) {
        v[i] = i + 2;
        coroutine_enter(coroutine_new(pool_user, &v[i]));
    }
    do {
        left = 0;
        loop_run_once(loop, true);
        for (int i = 0; i < 100; i++) {
            left += v[i] == i + 2;
        }
    } while (left);
    for (int i = 0; i < 100; i++) {
        g_assert_cmpint(v[i], ==, (i + 2) * (i + 2));
    }
}

typedef struct InTurn {
    const void *turn;
    int *running; /* of this turn, now */
    int *order, nr;
    bool done;
} InTurn;

static int run_in_turn(void *opaque)
{
    InTurn *t = opaque;

    g_assert_cmpint(__atomic_add_fetch(t->running, 1, __ATOMIC_SEQ_CST), ==, 1);
    g_usleep(50);
    g_assert_cmpint((*t->order)++, ==, t->nr);
    __atomic_sub_fetch(t->running, 1, __ATOMIC_SEQ_CST);
    return t->nr;
}

static void turn_user(void *opaque)
{
    InTurn *t = opaque;

    g_assert_cmpint(thread_pool_run_turn_co(t->turn, run_in_turn, t), ==,
                    t->nr);
    t->done = true;
}

static void test_pool_turns_are_taken_one_by_one(void)
{
    int running[3] = { 0 }, order[3] = { 0 };
    InTurn t[90];

    for (unsigned round = 0; round < 3; round++) {
        bool left;

        memset(order, 0, sizeof(order));
        for (int i = 0; i < 90; i++) {
            t[i] = (InTurn){ .turn = &running[i % 3],
                             .running = &running[i % 3],
                             .order = &order[i % 3],
                             .nr = i / 3 };
            coroutine_enter(coroutine_new(turn_user, &t[i]));
        }
        do {
            left = false;
            loop_run_once(loop, true);
            for (int i = 0; i < 90; i++) {
                left |= !t[i].done;
            }
        } while (left);
    }
}

static void pool_done(void *opaque, int ret)
{
    g_assert_true(loop_is_current(loop));
    *(int *)opaque = ret;
}

static void test_pool_calls_back_on_the_loop(void)
{
    int in = 9, out = 0;

    thread_pool_set_limits(loop, 1, 2);
    thread_pool_submit(square, &in, pool_done, &out);
    while (!out) {
        loop_run_once(loop, true);
    }
    g_assert_cmpint(out, ==, 81);
}

static void sleeper(void *opaque)
{
    int64_t start = loop_now_ns();

    coroutine_sleep_ns(2000000);
    g_assert_cmpint(loop_now_ns() - start, >=, 2000000);
    *(bool *)opaque = true;
}

static void test_sleep_takes_its_time(void)
{
    bool done = false;

    coroutine_enter(coroutine_new(sleeper, &done));
    g_assert_false(done);
    while (!done) {
        loop_run_once(loop, true);
    }
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    loop = loop_new("test", error_abort);
    loop_set_current(loop);
    g_test_add_func("/coroutine/yield", test_yield_returns_to_enterer);
    g_test_add_func("/coroutine/nest", test_coroutines_nest);
    g_test_add_func("/coroutine/registers", test_registers_survive_a_switch);
    g_test_add_func("/coroutine/many", test_many_coroutines_at_once);
    g_test_add_func("/coroutine/mutex", test_mutex_excludes);
    g_test_add_func("/coroutine/rwlock", test_rwlock_shares_among_readers_only);
    g_test_add_func("/coroutine/queue", test_queue_wakes_in_order_and_all);
    g_test_add_func("/coroutine/mutex-threads",
                    test_mutex_excludes_between_threads);
    g_test_add_func("/coroutine/move", test_coroutine_changes_threads);
    g_test_add_func("/coroutine/sleep", test_sleep_takes_its_time);
    g_test_add_func("/coroutine/gate", test_gate_lets_the_closer_be_alone);
    g_test_add_func("/coroutine/run-io", test_run_io_serves_nothing_else);
    g_test_add_func("/thread-pool/results", test_pool_returns_results);
    g_test_add_func("/thread-pool/turns", test_pool_turns_are_taken_one_by_one);
    g_test_add_func("/thread-pool/callback", test_pool_calls_back_on_the_loop);
    ret = g_test_run();
    loop_free(loop);
    return ret;
}
