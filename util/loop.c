/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop: tasks, watches, adaptive polling and the order in which they
 * are served. What waits in the kernel is in loop-uring.c and loop-epoll.c,
 * timers are in loop-timer.c.
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/loop-int.h"
#include "util/loop-timer.h"
#include "util/trace.h"

TRACE_POINT(loop_fd_add);
TRACE_POINT(loop_fd_del);
TRACE_POINT(loop_wake);
TRACE_POINT(poll_adapt);

/* Where adaptive polling starts, in ns. */
#define POLL_START_NS 4000

enum { TASK_PENDING = 1, TASK_AUTOFREE = 2 };

static __thread Loop *current;

/* Life --------------------------------------------------------------------- */

/* NEMU_LOOP=epoll|io_uring in the environment forces a back end. */
static bool loop_pick_backend(Loop *loop, Error **errp)
{
    static const LoopBackend *const backends[] = {
#ifdef CONFIG_LINUX_IO_URING
        &loop_backend_uring,
#endif
        &loop_backend_epoll,
    };
    const char *want = getenv("NEMU_LOOP");
    int ret = -ENOSYS;

    for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
        if (want && strcmp(want, backends[i]->name)) {
            continue;
        }
        loop->backend = backends[i];
        ret = backends[i]->init(loop);
        if (!ret) {
            return true;
        }
    }
    return error_errno(errp, -ret, "cannot create event loop '%s'",
                       loop->name);
}

/* A loop that has not waited for anything yet needs nothing of the kernel. */
static void later_nothing(Loop *loop)
{
}

static void later_fd(LoopFd *w)
{
}

static bool later_fd_del(LoopFd *w)
{
    return true;
}

static void loop_settle(Loop *loop);

static void later_start(Loop *loop)
{
    loop_settle(loop);
    if (loop->backend->start) {
        loop->backend->start(loop);
    }
}

static const LoopBackend loop_backend_later = {
    .name = "none",
    .cleanup = later_nothing,
    .start = later_start,
    .fd_add = later_fd,
    .fd_update = later_fd,
    .fd_del = later_fd_del,
};

static void loop_settle(Loop *loop)
{
    Error *err = NULL;

    if (likely(loop->backend != &loop_backend_later)) {
        return;
    }
    if (!loop_pick_backend(loop, &err)) {
        error_report_err(err);
        exit(1);
    }
    for (LoopFd *w = loop->fds; w; w = w->next) {
        loop->backend->fd_add(w);
    }
}

static void loop_woken(void *opaque, unsigned events)
{
    Loop *loop = opaque;

    event_notifier_test_and_clear(&loop->wake);
}

static Loop *loop_make(const char *name, bool later, Error **errp)
{
    Loop *loop = g_new0(Loop, 1);

    loop->name = g_strdup(name);
    loop->run_tail = &loop->run_head;
    loop->ready_tail = &loop->ready_head;
    if (!event_notifier_init(&loop->wake, errp)) {
        goto fail;
    }
    if (later) {
        loop->backend = &loop_backend_later;
    } else if (!loop_pick_backend(loop, errp)) {
        event_notifier_cleanup(&loop->wake);
        goto fail;
    }
    loop->wake_watch = loop_fd_add(loop, loop->wake.fd, LOOP_IN, loop_woken,
                                   loop);
    loop_fd_set_io(loop->wake_watch);
    return loop;
fail:
    g_free(loop->name);
    g_free(loop);
    return NULL;
}

Loop *loop_new(const char *name, Error **errp)
{
    return loop_make(name, false, errp);
}

Loop *loop_new_later(const char *name, Error **errp)
{
    return loop_make(name, true, errp);
}

static void loop_collect_tasks(Loop *loop);

void loop_free(Loop *loop)
{
    if (!loop) {
        return;
    }
    while (loop->n_locals) {
        loop->n_locals--;
        loop->locals[loop->n_locals].key->destroy(
            loop->locals[loop->n_locals].data);
    }
    loop_fd_del(loop->wake_watch);
    loop_collect_tasks(loop);
    assert(!loop->fds && !loop->n_timers && !loop->run_head);
    loop->backend->cleanup(loop);
    event_notifier_cleanup(&loop->wake);
    if (current == loop) {
        current = NULL;
    }
    g_free(loop->timers);
    g_free(loop->name);
    g_free(loop);
}

const char *loop_name(const Loop *loop)
{
    return loop->name;
}

const char *loop_backend(const Loop *loop)
{
    return loop->backend->name;
}

Loop *loop_current(void)
{
    return current;
}

void loop_set_current(Loop *loop)
{
    current = loop;
}

bool loop_is_current(const Loop *loop)
{
    return current == loop;
}

void loop_set_wait_hooks(Loop *loop, LoopFn *before, LoopFn *after,
                         void *opaque)
{
    loop->wait_before = before;
    loop->wait_after = after;
    loop->wait_opaque = opaque;
}

void loop_wake(Loop *loop)
{
    /* Pairs with the store in loop_wait(): either the loop sees what was
     * posted before this, or we see that it waits. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&loop->waiting, __ATOMIC_RELAXED) &&
        __atomic_exchange_n(&loop->waiting, 0, __ATOMIC_SEQ_CST)) {
        event_notifier_set(&loop->wake);
    }
}

void loop_stop(Loop *loop)
{
    __atomic_store_n(&loop->stop, 1, __ATOMIC_SEQ_CST);
    loop_wake(loop);
}

/* Tasks -------------------------------------------------------------------- */

void loop_task_init(LoopTask *task, Loop *loop, LoopFn *fn, void *opaque)
{
    *task = (LoopTask){ .fn = fn, .opaque = opaque, .loop = loop };
}

static void loop_push(LoopTask *task)
{
    Loop *loop = task->loop;
    LoopTask *head = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);

    do {
        task->next = head;
    } while (!__atomic_compare_exchange_n(&loop->posted, &head, task, true,
                                          __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    loop_wake(loop);
}

void loop_task_post(LoopTask *task)
{
    if (!(__atomic_fetch_or(&task->pending, TASK_PENDING, __ATOMIC_SEQ_CST) &
          TASK_PENDING)) {
        loop_push(task);
    }
}

void loop_post(Loop *loop, LoopFn *fn, void *opaque)
{
    LoopTask *task = g_new(LoopTask, 1);

    loop_task_init(task, loop, fn, opaque);
    task->pending = TASK_PENDING | TASK_AUTOFREE;
    loop_push(task);
}

/* Move what was posted to the run list, oldest first. */
static void loop_collect_tasks(Loop *loop)
{
    LoopTask *stack, *fifo = NULL;

    if (!__atomic_load_n(&loop->posted, __ATOMIC_RELAXED)) {
        return;
    }
    stack = __atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQUIRE);
    while (stack) {
        LoopTask *next = stack->next;

        stack->next = fifo;
        fifo = stack;
        stack = next;
    }
    *loop->run_tail = fifo;
    while (*loop->run_tail) {
        loop->run_tail = &(*loop->run_tail)->next;
    }
}

static bool loop_run_tasks(Loop *loop)
{
    unsigned n = 0;

    loop_collect_tasks(loop);
    for (LoopTask *task = loop->run_head; task; task = task->next) {
        n++;
    }
    /* Tasks posted meanwhile wait for the next round. */
    for (unsigned i = 0; i < n && loop->run_head; i++) {
        LoopTask *task = loop->run_head;
        LoopFn *fn = task->fn;
        void *opaque = task->opaque;

        loop->run_head = task->next;
        if (!loop->run_head) {
            loop->run_tail = &loop->run_head;
        }
        if (__atomic_load_n(&task->pending, __ATOMIC_RELAXED) &
            TASK_AUTOFREE) {
            g_free(task);
        } else {
            __atomic_store_n(&task->pending, 0, __ATOMIC_SEQ_CST);
        }
        fn(opaque);
    }
    return n;
}

void loop_task_set_io(LoopTask *task)
{
    task->io = true;
}

static LoopTask *loop_take_io_task(Loop *loop)
{
    for (LoopTask **p = &loop->run_head; *p; p = &(*p)->next) {
        LoopTask *task = *p;

        if (task->io) {
            *p = task->next;
            if (!*p) {
                loop->run_tail = p;
            }
            return task;
        }
    }
    return NULL;
}

static bool loop_run_io_tasks(Loop *loop)
{
    unsigned n = 0;

    loop_collect_tasks(loop);
    for (LoopTask *task = loop->run_head; task; task = task->next) {
        n += task->io;
    }
    for (unsigned i = 0; i < n; i++) {
        LoopTask *task = loop_take_io_task(loop);

        if (!task) {
            break; /* a nested run took it */
        }
        __atomic_store_n(&task->pending, 0, __ATOMIC_SEQ_CST);
        task->fn(task->opaque);
    }
    return n;
}

void loop_task_cancel(LoopTask *task)
{
    Loop *loop = task->loop;

    if (!__atomic_load_n(&task->pending, __ATOMIC_RELAXED)) {
        return;
    }
    loop_collect_tasks(loop);
    for (LoopTask **p = &loop->run_head; *p; p = &(*p)->next) {
        if (*p == task) {
            *p = task->next;
            if (!*p) {
                loop->run_tail = p;
            }
            __atomic_store_n(&task->pending, 0, __ATOMIC_SEQ_CST);
            return;
        }
    }
}

/* Watches ------------------------------------------------------------------ */

LoopFd *loop_fd_add(Loop *loop, int fd, unsigned events, LoopFdFn *fn,
                    void *opaque)
{
    LoopFd *w = g_new0(LoopFd, 1);

    trace(loop_fd_add, "loop %s fd %d events 0x%x", loop->name, fd, events);
    w->loop = loop;
    w->fd = fd;
    w->events = events;
    w->fn = fn;
    w->opaque = opaque;
    w->next = loop->fds;
    w->prev = &loop->fds;
    if (w->next) {
        w->next->prev = &w->next;
    }
    loop->fds = w;
    loop->backend->fd_add(w);
    return w;
}

void loop_fd_set_edge(LoopFd *w)
{
    w->edge = true;
    w->loop->backend->fd_update(w);
}

void loop_fd_set_events(LoopFd *w, unsigned events)
{
    assert(!w->edge); /* what comes while it rests would be lost */
    if (w->events != events) {
        w->events = events;
        w->loop->backend->fd_update(w);
    }
}

static void loop_fd_unlink_poll(LoopFd *w)
{
    for (LoopFd **p = &w->loop->poll_fds; *p; p = &(*p)->next_poll) {
        if (*p == w) {
            *p = w->next_poll;
            return;
        }
    }
}

void loop_fd_set_poll(LoopFd *w, LoopPollFn *poll)
{
    if (w->poll) {
        loop_fd_unlink_poll(w);
    }
    w->poll = poll;
    if (poll) {
        w->next_poll = w->loop->poll_fds;
        w->loop->poll_fds = w;
    }
}

void loop_fd_set_io(LoopFd *w)
{
    w->io = true;
}

void loop_fd_release(LoopFd *w)
{
    Loop *loop = w->loop;

    if (loop->depth) {
        w->next_queue = loop->graveyard;
        loop->graveyard = w;
    } else {
        g_free(w);
    }
}

void loop_fd_del(LoopFd *w)
{
    if (!w) {
        return;
    }
    trace(loop_fd_del, "loop %s fd %d", w->loop->name, w->fd);
    loop_fd_set_poll(w, NULL);
    *w->prev = w->next;
    if (w->next) {
        w->next->prev = w->prev;
    }
    w->deleted = true;
    w->events = 0;
    if (w->loop->backend->fd_del(w)) {
        loop_fd_release(w);
    }
}

void loop_fd_ready(LoopFd *w, unsigned events)
{
    Loop *loop = w->loop;

    if (!w->ready) {
        w->next_ready = NULL;
        *loop->ready_tail = w;
        loop->ready_tail = &w->next_ready;
    }
    w->ready |= events;
}

bool loop_fd_rests(LoopFd *w)
{
    bool rests = w->ready && w->loop->io_depth && !w->io;

    w->loop->resting |= rests;
    return rests;
}

static bool loop_dispatch_fds(Loop *loop)
{
    bool ran = false;

    while (loop->ready_head) {
        LoopFd *w = loop->ready_head;
        unsigned events = w->ready & (w->events | LOOP_HUP | LOOP_ERR);

        loop->ready_head = w->next_ready;
        if (!loop->ready_head) {
            loop->ready_tail = &loop->ready_head;
        }
        w->ready = 0;
        /* An earlier callback may have deleted or paused it. */
        if (w->events && events) {
            w->fn(w->opaque, events);
            ran = true;
        }
    }
    return ran;
}

static LoopFd *loop_take_ready_io(Loop *loop)
{
    for (LoopFd **p = &loop->ready_head; *p; p = &(*p)->next_ready) {
        LoopFd *w = *p;

        if (w->io) {
            *p = w->next_ready;
            if (!*p) {
                loop->ready_tail = p;
            }
            return w;
        }
    }
    return NULL;
}

static bool loop_dispatch_io_fds(Loop *loop)
{
    bool ran = false;
    LoopFd *w;

    while ((w = loop_take_ready_io(loop))) {
        unsigned events = w->ready & (w->events | LOOP_HUP | LOOP_ERR);

        w->ready = 0;
        if (w->events && events) {
            w->fn(w->opaque, events);
            ran = true;
        }
    }
    return ran;
}

static void loop_bury(Loop *loop)
{
    while (loop->graveyard) {
        LoopFd *w = loop->graveyard;

        loop->graveyard = w->next_queue;
        g_free(w);
    }
}

/* Adaptive polling ---------------------------------------------------------- */

void loop_set_poll(Loop *loop, int64_t max_ns, int64_t grow, int64_t shrink)
{
    loop->poll_max = max_ns;
    loop->poll_grow = grow;
    loop->poll_shrink = shrink;
    loop->poll_ns = 0;
}

void loop_linger(Loop *loop, int64_t ns)
{
    if (loop->backend->peek) {
        loop->linger_ns = ns;
    }
}

static bool loop_poll_fds(Loop *loop)
{
    bool found = false;

    for (LoopFd *w = loop->poll_fds; w; w = w->next_poll) {
        if ((w->events & LOOP_IN) && w->poll(w->opaque)) {
            loop_fd_ready(w, LOOP_IN);
            found = true;
        }
    }
    return found;
}

/* Busy-wait for at most @ns; true when there is something to do. */
static bool loop_busy_wait(Loop *loop, int64_t start, int64_t ns)
{
    do {
        if (loop_poll_fds(loop) ||
            __atomic_load_n(&loop->posted, __ATOMIC_RELAXED) ||
            (loop->backend->peek && loop->backend->peek(loop))) {
            return true;
        }
    } while (loop_now_ns() - start < ns);
    return false;
}

/*
 * As the kernel's halt polling does: an event that came after a sleep no
 * longer than the limit would have been caught by polling longer, so poll
 * longer; a sleep past the limit says that polling is wasted.
 * Spec: Linux Documentation/virt/kvm/halt-polling.rst
 */
static void loop_adapt_poll(Loop *loop, int64_t slept)
{
    if (slept <= loop->poll_ns) {
        return;
    }
    if (slept > loop->poll_max) {
        loop->poll_ns = loop->poll_shrink ? loop->poll_ns / loop->poll_shrink
                                          : 0;
    } else if (loop->poll_ns < loop->poll_max) {
        int64_t grow = loop->poll_grow ? loop->poll_grow : 2;

        loop->poll_ns = loop->poll_ns ? loop->poll_ns * MIN(grow, 1 << 20)
                                      : POLL_START_NS;
        loop->poll_ns = MIN(loop->poll_ns, loop->poll_max);
    }
    trace(poll_adapt, "loop %s poll_ns %" PRId64 " slept %" PRId64, loop->name,
          loop->poll_ns, slept);
}

/* Waiting ------------------------------------------------------------------- */

static void loop_sleep(Loop *loop, int64_t timeout)
{
    bool polls = loop->poll_max && loop->poll_fds;
    int64_t busy = MAX(polls ? loop->poll_ns : 0, loop->linger_ns);
    int64_t start = polls || busy ? loop_now_ns() : 0;

    loop->linger_ns = 0;

    if (busy && timeout) {
        int64_t ns = timeout < 0 ? busy : MIN(busy, timeout);

        /* Arm what rests: the kernel tells of nothing else. */
        loop->backend->wait(loop, 0);
        if (loop_busy_wait(loop, start, ns)) {
            timeout = 0;
        }
    }
    /* Pairs with loop_wake(): say that we wait, then look once more. */
    __atomic_store_n(&loop->waiting, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&loop->posted, __ATOMIC_SEQ_CST) ||
        __atomic_load_n(&loop->stop, __ATOMIC_SEQ_CST)) {
        timeout = 0;
    }
    loop->backend->wait(loop, timeout);
    trace(loop_wake, "loop %s timeout %" PRId64, loop->name, timeout);
    __atomic_store_n(&loop->waiting, 0, __ATOMIC_RELAXED);
    if (polls && timeout) {
        loop_adapt_poll(loop, loop_now_ns() - start);
    }
}

/* Find out which watches are ready, waiting at most @timeout. */
static void loop_wait(Loop *loop, int64_t timeout)
{
    if (!timeout) {
        loop_poll_fds(loop);
        loop->backend->wait(loop, 0);
        return;
    }
    if (loop->wait_before) {
        loop->wait_before(loop->wait_opaque);
    }
    loop_sleep(loop, timeout);
    if (loop->wait_after) {
        loop->wait_after(loop->wait_opaque);
    }
}

static void loop_start(Loop *loop)
{
    if (unlikely(!loop->started)) {
        loop->started = true;
        if (loop->backend->start) {
            loop->backend->start(loop);
        }
    }
}

bool loop_run_io(Loop *loop, bool block)
{
    bool ran;

    loop_start(loop);
    loop->depth++;
    loop->io_depth++;
    ran = loop_run_io_tasks(loop);
    if (block && !ran) {
        loop_sleep(loop, loop_io_timers_timeout(loop));
    } else {
        loop->backend->wait(loop, 0);
    }
    ran |= loop->backend->collect(loop);
    ran |= loop_dispatch_io_fds(loop);
    ran |= loop_io_timers_run(loop);
    loop->io_depth--;
    if (!--loop->depth) {
        loop_bury(loop);
    }
    return ran;
}

/* What loop_run_io() put to rest is watched again. */
static void loop_unrest(Loop *loop)
{
    if (likely(!loop->resting)) {
        return;
    }
    loop->resting = false;
    for (LoopFd *w = loop->fds; w; w = w->next) {
        loop->backend->fd_update(w);
    }
}

bool loop_run_once(Loop *loop, bool block)
{
    bool ran;

    loop_start(loop);
    loop->depth++;
    loop_unrest(loop);
    ran = loop_run_tasks(loop);
    /* What loop_run_io() left for us must not wait for another event. */
    block = block && !ran && !loop->ready_head;
    loop_wait(loop, block ? loop_timers_timeout(loop) : 0);
    ran |= loop->backend->collect(loop);
    ran |= loop_dispatch_fds(loop);
    ran |= loop_timers_run(loop);
    if (!--loop->depth) {
        loop_bury(loop);
    }
    return ran;
}

void loop_run(Loop *loop)
{
    Loop *outer = current;

    current = loop;
    while (!__atomic_load_n(&loop->stop, __ATOMIC_SEQ_CST)) {
        loop_run_once(loop, true);
    }
    __atomic_store_n(&loop->stop, 0, __ATOMIC_SEQ_CST);
    current = outer;
}

/* Loop-local data ------------------------------------------------------------ */

void *loop_local(Loop *loop, const LoopLocal *key)
{
    unsigned i = 0;

    while (i < loop->n_locals && loop->locals[i].key != key) {
        i++;
    }
    if (i == loop->n_locals) {
        assert(i < ARRAY_SIZE(loop->locals));
        loop->locals[i].data = key->create(loop);
        loop->locals[i].key = key;
        loop->n_locals = i + 1;
    }
    return loop->locals[i].data;
}

/* io_uring ------------------------------------------------------------------- */

bool loop_has_uring(Loop *loop)
{
    loop_settle(loop);
    return loop->backend->sqe;
}

struct io_uring_sqe *loop_uring_sqe(Loop *loop, LoopUring *req)
{
    return loop->backend->sqe(loop, req);
}

void loop_uring_submit(Loop *loop)
{
    loop->backend->submit(loop);
}

unsigned loop_uring_inflight(const Loop *loop)
{
    return loop->backend->inflight ? loop->backend->inflight(loop) : 0;
}
