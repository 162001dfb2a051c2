/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop; every test runs on each back end. */
#include "util/osdep.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifdef CONFIG_LINUX_IO_URING
#include <liburing.h>
#endif

#include "util/error.h"
#include "util/event-notifier.h"
#include "util/loop.h"
#include "util/thread.h"

static Loop *make_loop(const void *backend)
{
    autoerr Error *err = NULL;
    Loop *loop;

    g_setenv("NEMU_LOOP", backend, true);
    loop = loop_new("test", &err);
    g_assert_nonnull(loop);
    g_assert_cmpstr(loop_backend(loop), ==, backend);
    return loop;
}

static GString *trace;

static void note(void *opaque)
{
    g_string_append(trace, opaque);
}

static void note_in(void *opaque, unsigned events)
{
    g_string_append_printf(trace, "%s%u", (char *)opaque, events);
}

static void expect(const char *text)
{
    g_assert_cmpstr(trace->str, ==, text);
    g_string_truncate(trace, 0);
}

static void test_posts_run_in_order(const void *backend)
{
    Loop *loop = make_loop(backend);

    loop_post(loop, note, "a");
    loop_post(loop, note, "b");
    loop_post(loop, note, "c");
    g_assert_true(loop_run_once(loop, false));
    expect("abc");
    g_assert_false(loop_run_once(loop, false));
    loop_free(loop);
}

static void test_task_runs_once_per_post(const void *backend)
{
    Loop *loop = make_loop(backend);
    LoopTask t, u;

    loop_task_init(&t, loop, note, "t");
    loop_task_init(&u, loop, note, "u");
    loop_task_post(&t);
    loop_task_post(&t);
    loop_task_post(&u);
    loop_run_once(loop, false);
    expect("tu");
    loop_task_post(&t);
    loop_task_post(&u);
    loop_task_cancel(&t);
    loop_run_once(loop, false);
    expect("u");
    loop_free(loop);
}

typedef struct Again {
    LoopTask task;
    int runs;
} Again;

static void run_again(void *opaque)
{
    Again *a = opaque;

    a->runs++;
    loop_task_post(&a->task);
}

static void test_task_that_posts_itself_lets_others_run(const void *backend)
{
    Loop *loop = make_loop(backend);
    Again a = { .runs = 0 };

    loop_task_init(&a.task, loop, run_again, &a);
    loop_task_post(&a.task);
    loop_run_once(loop, true);
    loop_run_once(loop, true);
    g_assert_cmpint(a.runs, ==, 2);
    loop_task_cancel(&a.task);
    loop_free(loop);
}

static void test_timers_run_by_deadline(const void *backend)
{
    Loop *loop = make_loop(backend);
    int64_t now = loop_now_ns();
    LoopTimer t[4];

    loop_timer_init(&t[0], loop, note, "0");
    loop_timer_init(&t[1], loop, note, "1");
    loop_timer_init(&t[2], loop, note, "2");
    loop_timer_init(&t[3], loop, note, "3");
    loop_timer_set(&t[0], now + 3000000);
    loop_timer_set(&t[1], now + 1000000);
    loop_timer_set(&t[2], now + 2000000);
    loop_timer_set(&t[3], now + 1500000);
    loop_timer_cancel(&t[3]);
    g_assert_false(loop_timer_pending(&t[3]));
    while (loop_timer_pending(&t[0])) {
        loop_run_once(loop, true);
    }
    g_assert_cmpint(loop_now_ns() - now, >=, 3000000);
    expect("120");
    loop_free(loop);
}

/* A deadline that passes while the loop works out how long to wait. */
static void test_deadline_is_not_slept_past(const void *backend)
{
    Loop *loop = make_loop(backend);
    LoopTimer t;

    loop_timer_init(&t, loop, note, "t");
    for (int i = 0; i < 12000; i++) {
        loop_timer_set(&t, loop_now_ns() + i % 4000);
        while (loop_timer_pending(&t)) {
            loop_run_once(loop, true);
        }
        g_string_truncate(trace, 0);
    }
    loop_free(loop);
}

static void test_timer_heap_sorts_many(const void *backend)
{
    enum { N = 200 };
    Loop *loop = make_loop(backend);
    LoopTimer t[N];
    int64_t now = loop_now_ns();
    g_autofree char *want = NULL;

    for (int i = 0; i < N; i++) {
        loop_timer_init(&t[i], loop, note, i % 3 ? "k" : "c");
        loop_timer_set(&t[i], now + (i * 7919) % N);
    }
    for (int i = 0; i < N; i += 3) {
        loop_timer_cancel(&t[i]);
    }
    while (loop_run_once(loop, false)) {
    }
    want = g_strnfill(N - (N + 2) / 3, 'k');
    expect(want);
    loop_free(loop);
}

static void test_watch_is_level_triggered(const void *backend)
{
    Loop *loop = make_loop(backend);
    int sv[2];
    LoopFd *w;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    w = loop_fd_add(loop, sv[0], LOOP_IN, note_in, "r");
    g_assert_false(loop_run_once(loop, false));
    g_assert_cmpint(write(sv[1], "x", 1), ==, 1);
    loop_run_once(loop, true);
    loop_run_once(loop, true);
    expect("r1r1");
    loop_fd_set_events(w, 0);
    g_assert_false(loop_run_once(loop, false));
    g_assert_false(loop_run_once(loop, false));
    loop_fd_set_events(w, LOOP_OUT);
    loop_run_once(loop, true);
    expect("r4");
    loop_fd_set_events(w, LOOP_IN | LOOP_OUT);
    while (trace->len < 2 || trace->str[trace->len - 1] != '5') {
        loop_run_once(loop, true);
    }
    g_string_truncate(trace, 0);
    loop_fd_del(w);
    g_assert_false(loop_run_once(loop, false));
    close(sv[0]);
    close(sv[1]);
    loop_free(loop);
}

static void test_hangup_is_told_to_readers_and_waiters(const void *backend)
{
    Loop *loop = make_loop(backend);
    int sv[2];
    LoopFd *w;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    w = loop_fd_add(loop, sv[0], LOOP_HUP, note_in, "h");
    g_assert_false(loop_run_once(loop, false));
    close(sv[1]);
    loop_run_once(loop, true);
    expect("h16");
    loop_fd_set_events(w, LOOP_IN);
    while (!trace->len) {
        loop_run_once(loop, true);
    }
    expect("h17");
    loop_fd_del(w);
    close(sv[0]);
    loop_free(loop);
}

static LoopFd *victim;

static void delete_victim(void *opaque, unsigned events)
{
    loop_fd_del(victim);
    victim = NULL;
}

static void test_callback_may_delete_watches(const void *backend)
{
    Loop *loop = make_loop(backend);
    EventNotifier a, b;
    LoopFd *w;

    event_notifier_init(&a, error_abort);
    event_notifier_init(&b, error_abort);
    w = loop_fd_add(loop, a.fd, LOOP_IN, delete_victim, NULL);
    victim = loop_fd_add(loop, b.fd, LOOP_IN, delete_victim, NULL);
    event_notifier_set(&a);
    event_notifier_set(&b);
    while (victim) {
        loop_run_once(loop, true);
    }
    g_assert_true(event_notifier_test_and_clear(&a));
    loop_run_once(loop, false);
    loop_fd_del(w);
    event_notifier_cleanup(&a);
    event_notifier_cleanup(&b);
    loop_free(loop);
}

static void test_deleting_lets_go_of_the_file(const void *backend)
{
    Loop *loop = make_loop(backend);
    int sv[2];
    LoopFd *w;
    char c;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    w = loop_fd_add(loop, sv[0], LOOP_IN, note_in, "r");
    loop_run_once(loop, false);
    loop_fd_del(w);
    close(sv[0]);
    g_assert_cmpint(recv(sv[1], &c, 1, MSG_DONTWAIT), ==, 0);
    close(sv[1]);
    loop_free(loop);
}

static void test_regular_file_is_always_ready(const void *backend)
{
    Loop *loop = make_loop(backend);
    autofd int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    LoopFd *w = loop_fd_add(loop, fd, LOOP_IN, note_in, "f");

    loop_run_once(loop, true);
    loop_run_once(loop, true);
    expect("f1f1");
    loop_fd_del(w);
    loop_free(loop);
}

typedef struct Poster {
    Loop *loop;
    int count;
} Poster;

static void count_up(void *opaque)
{
    Poster *p = opaque;

    if (++p->count == 20000) {
        loop_stop(p->loop);
    }
}

static void *post_many(void *opaque)
{
    Poster *p = opaque;

    for (int i = 0; i < 10000; i++) {
        loop_post(p->loop, count_up, p);
    }
    return NULL;
}

static void test_other_threads_post(const void *backend)
{
    Poster p = { .loop = make_loop(backend) };
    Thread a, b;

    g_assert_true(thread_create(&a, "a", post_many, &p, error_abort));
    g_assert_true(thread_create(&b, "b", post_many, &p, error_abort));
    loop_run(p.loop);
    g_assert_cmpint(p.count, ==, 20000);
    thread_join(&a);
    thread_join(&b);
    loop_free(p.loop);
}

static void *run_loop(void *opaque)
{
    loop_run(opaque);
    return NULL;
}

static void note_and_stop(void *opaque, unsigned events)
{
    g_string_append_c(trace, 'n');
    loop_stop(opaque);
}

static void test_loop_moves_to_its_thread(const void *backend)
{
    Loop *loop = make_loop(backend);
    EventNotifier e;
    LoopFd *w;
    Thread t;

    event_notifier_init(&e, error_abort);
    event_notifier_set(&e);
    w = loop_fd_add(loop, e.fd, LOOP_IN, note_and_stop, loop);
    g_assert_true(thread_create(&t, "loop", run_loop, loop, error_abort));
    thread_join(&t);
    g_assert_cmpint(trace->str[0], ==, 'n');
    g_string_truncate(trace, 0);
    loop_fd_del(w);
    event_notifier_cleanup(&e);
    loop_free(loop);
}

static void test_hooks_surround_waits_that_block(const void *backend)
{
    Loop *loop = make_loop(backend);
    LoopTimer t;

    loop_set_wait_hooks(loop, note, note, "|");
    loop_run_once(loop, false);
    expect("");
    loop_timer_init(&t, loop, note, "t");
    loop_timer_set(&t, loop_now_ns() + 1000000);
    while (loop_timer_pending(&t)) {
        loop_run_once(loop, true);
    }
    expect("||t");
    loop_free(loop);
}

static bool poll_true(void *opaque)
{
    return true;
}

static void test_edge_watch_tells_each_event_once(const void *backend)
{
    Loop *loop = make_loop(backend);
    EventNotifier e;
    autoerr Error *err = NULL;
    LoopFd *w;

    g_assert_true(event_notifier_init(&e, &err));
    w = loop_fd_add(loop, e.fd, LOOP_IN, note_in, "e");
    loop_fd_set_edge(w);
    for (int i = 0; i < 3; i++) {
        event_notifier_set(&e);
        g_assert_true(loop_run_once(loop, true));
        expect("e1");
        loop_run_once(loop, false);
        loop_run_once(loop, false);
        expect("");
    }
    event_notifier_set(&e);
    loop_fd_del(w);
    loop_run_once(loop, false);
    expect("");
    event_notifier_cleanup(&e);
    loop_free(loop);
}

/* A driver and a device: the driver makes work, then kicks, and goes on when
 * the device has seen it. A lost kick leaves both waiting. */
typedef struct KickGame {
    EventNotifier e;
    unsigned made, seen; /* atomic */
} KickGame;

#define KICKS 20000
#define KICK_PATIENCE_NS (10 * 1000000000LL)

static void *kick_driver(void *opaque)
{
    KickGame *g = opaque;

    for (unsigned i = 1; i <= KICKS; i++) {
        __atomic_store_n(&g->made, i, __ATOMIC_SEQ_CST);
        event_notifier_set(&g->e);
        /* Now and then several in a row. */
        while (i % 4 && __atomic_load_n(&g->seen, __ATOMIC_SEQ_CST) < i) {
            g_thread_yield();
        }
    }
    return NULL;
}

static void kick_seen(void *opaque, unsigned events)
{
    KickGame *g = opaque;

    __atomic_store_n(&g->seen, __atomic_load_n(&g->made, __ATOMIC_SEQ_CST),
                     __ATOMIC_SEQ_CST);
}

static void play_kicks(Loop *loop, KickGame *g)
{
    GThread *driver = g_thread_new("driver", kick_driver, g);
    LoopTimer limit;

    loop_timer_init(&limit, loop, note, "kick lost");
    loop_timer_set(&limit, loop_now_ns() + KICK_PATIENCE_NS);
    while (__atomic_load_n(&g->seen, __ATOMIC_SEQ_CST) < KICKS) {
        loop_run_once(loop, true);
        expect("");
    }
    loop_timer_cancel(&limit);
    g_thread_join(driver);
}

static void test_no_kick_is_lost(const void *backend)
{
    Loop *loop = make_loop(backend);
    KickGame g = { .made = 0 };
    LoopFd *w;

    event_notifier_init(&g.e, error_abort);
    w = loop_fd_add(loop, g.e.fd, LOOP_IN, kick_seen, &g);
    loop_fd_set_edge(w);
    play_kicks(loop, &g);
    loop_fd_del(w);
    event_notifier_cleanup(&g.e);
    loop_free(loop);
}

/* What came while only block I/O was served, or before there was a watch. */
static void test_kick_waits_for_its_turn(const void *backend)
{
    Loop *loop = make_loop(backend);
    EventNotifier e;
    LoopFd *w;

    event_notifier_init(&e, error_abort);
    event_notifier_set(&e);
    w = loop_fd_add(loop, e.fd, LOOP_IN, note_in, "e");
    loop_fd_set_edge(w);
    g_assert_true(loop_run_once(loop, true));
    expect("e1");
    event_notifier_set(&e);
    loop_run_io(loop, false);
    loop_run_io(loop, false);
    expect("");
    g_assert_true(loop_run_once(loop, true));
    expect("e1");
    loop_fd_del(w);
    event_notifier_cleanup(&e);
    loop_free(loop);
}

static void test_poll_function_finds_work(const void *backend)
{
    Loop *loop = make_loop(backend);
    EventNotifier e;
    LoopFd *w;

    event_notifier_init(&e, error_abort);
    w = loop_fd_add(loop, e.fd, LOOP_IN, note_in, "p");
    loop_fd_set_poll(w, poll_true);
    loop_set_poll(loop, 32768, 0, 0);
    loop_run_once(loop, false);
    expect("p1");
    loop_fd_set_poll(w, NULL);
    g_assert_false(loop_run_once(loop, false));
    loop_fd_del(w);
    event_notifier_cleanup(&e);
    loop_free(loop);
}

#define SLOW_KICKS 20

static int kicks_taken;

static void *kick_slowly(void *opaque)
{
    for (int i = 0; i < SLOW_KICKS; i++) {
        while (__atomic_load_n(&kicks_taken, __ATOMIC_SEQ_CST) < i) {
            g_usleep(100);
        }
        g_usleep(2000);
        event_notifier_set(opaque);
    }
    return NULL;
}

/* Who lingers is awake when the event comes, and gets it. */
static void test_linger_catches_events(const void *backend)
{
    Loop *loop = make_loop(backend);
    bool polls = !strcmp(backend, "io_uring");
    struct rusage before, after;
    EventNotifier e;
    Thread t;
    LoopFd *w;

    kicks_taken = 0;
    event_notifier_init(&e, error_abort);
    w = loop_fd_add(loop, e.fd, LOOP_IN, note_in, "k");
    g_assert_true(thread_create(&t, "kick", kick_slowly, &e, error_abort));
    getrusage(RUSAGE_THREAD, &before);
    for (int i = 0; i < SLOW_KICKS; i++) {
        loop_linger(loop, 60 * INT64_C(1000000000));
        loop_run_once(loop, true);
        g_assert_cmpstr(trace->str, ==, "k1");
        g_string_truncate(trace, 0);
        event_notifier_test_and_clear(&e);
        __atomic_store_n(&kicks_taken, i + 1, __ATOMIC_SEQ_CST);
    }
    getrusage(RUSAGE_THREAD, &after);
    if (polls) {
        g_assert_cmpint(after.ru_nvcsw - before.ru_nvcsw, <, SLOW_KICKS / 2);
    }
    thread_join(&t);
    loop_fd_del(w);
    event_notifier_cleanup(&e);
    loop_free(loop);
}

static void nested(void *opaque)
{
    Loop *loop = opaque;

    loop_post(loop, note, "inner ");
    loop_run_once(loop, true);
    g_string_append(trace, "outer");
}

static void test_callback_may_run_the_loop(const void *backend)
{
    Loop *loop = make_loop(backend);

    loop_post(loop, nested, loop);
    loop_run_once(loop, true);
    expect("inner outer");
    loop_free(loop);
}

#ifdef CONFIG_LINUX_IO_URING
typedef struct Nop {
    LoopUring req;
    int res;
} Nop;

static void nop_done(LoopUring *req, int res)
{
    container_of(req, Nop, req)->res = res;
}

static void test_ring_carries_requests(void)
{
    enum { N = 300 };
    Loop *loop = make_loop("io_uring");
    Nop nops[N];

    loop_run_once(loop, false);
    for (int i = 0; i < N; i++) {
        struct io_uring_sqe *sqe;

        nops[i] = (Nop){ .req.done = nop_done, .res = -1 };
        sqe = loop_uring_sqe(loop, &nops[i].req);
        g_assert_nonnull(sqe);
        io_uring_prep_nop(sqe);
    }
    g_assert_cmpint(loop_uring_inflight(loop), ==, N);
    while (loop_uring_inflight(loop)) {
        loop_run_once(loop, true);
    }
    for (int i = 0; i < N; i++) {
        g_assert_cmpint(nops[i].res, ==, 0);
    }
    loop_free(loop);
}
#endif

static void set_true(void *opaque)
{
    *(bool *)opaque = true;
}

/* What only loop_run_once() serves must not keep loop_run_io() awake. */
static void test_io_waits_past_what_it_does_not_serve(const void *backend)
{
    Loop *loop = make_loop(backend);
    bool over = false;
    LoopTimer timer;
    int sv[2], rounds = 0;
    LoopFd *w;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    w = loop_fd_add(loop, sv[0], LOOP_IN, note_in, "h");
    close(sv[1]);
    loop_timer_init(&timer, loop, set_true, &over);
    loop_timer_set_io(&timer);
    loop_timer_set(&timer, loop_now_ns() + 20000000);
    while (!over) {
        loop_run_io(loop, true);
        rounds++;
    }
    g_assert_cmpint(rounds, <=, 4);
    expect("");
    loop_run_once(loop, true);
    expect("h17");
    loop_run_once(loop, true);
    expect("h17");
    loop_fd_del(w);
    close(sv[0]);
    loop_free(loop);
}

static const struct {
    const char *name;
    GTestDataFunc fn;
} cases[] = {
    { "post", test_posts_run_in_order },
    { "task", test_task_runs_once_per_post },
    { "task-again", test_task_that_posts_itself_lets_others_run },
    { "timers", test_timers_run_by_deadline },
    { "timer-heap", test_timer_heap_sorts_many },
    { "deadline", test_deadline_is_not_slept_past },
    { "level", test_watch_is_level_triggered },
    { "hup", test_hangup_is_told_to_readers_and_waiters },
    { "delete", test_callback_may_delete_watches },
    { "delete-closes", test_deleting_lets_go_of_the_file },
    { "regular-file", test_regular_file_is_always_ready },
    { "threads", test_other_threads_post },
    { "own-thread", test_loop_moves_to_its_thread },
    { "hooks", test_hooks_surround_waits_that_block },
    { "edge", test_edge_watch_tells_each_event_once },
    { "kicks", test_no_kick_is_lost },
    { "kick-later", test_kick_waits_for_its_turn },
    { "poll", test_poll_function_finds_work },
    { "linger", test_linger_catches_events },
    { "io-rests", test_io_waits_past_what_it_does_not_serve },
    { "nested", test_callback_may_run_the_loop },
};

int main(int argc, char **argv)
{
    static const char *const backends[] = {
        "epoll",
#ifdef CONFIG_LINUX_IO_URING
        "io_uring",
#endif
    };

    g_test_init(&argc, &argv, NULL);
    trace = g_string_new(NULL);
    for (size_t b = 0; b < ARRAY_SIZE(backends); b++) {
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            g_autofree char *path =
                g_strdup_printf("/loop/%s/%s", backends[b], cases[i].name);

            g_test_add_data_func(path, backends[b], cases[i].fn);
        }
    }
#ifdef CONFIG_LINUX_IO_URING
    g_test_add_func("/loop/io_uring/requests", test_ring_carries_requests);
#endif
    return g_test_run();
}
