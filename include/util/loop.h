/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop: one thread each for the main loop, every IOThread and the
 * migration threads. io_uring serves where the kernel has it, epoll otherwise.
 *
 * All functions belong to the loop's own thread (or to any thread before
 * loop_run() is first called), except those marked "any thread". The thread
 * that first runs the loop owns it for good; fork before that, not after.
 * Callbacks run on the loop's thread, one at a time. One that has to wait may
 * call loop_run_once(), which then serves the other callbacks inside it.
 */
#ifndef UTIL_LOOP_H
#define UTIL_LOOP_H

typedef void LoopFn(void *opaque);

Loop *loop_new(const char *name, Error **errp);
/* The same for a program that may end before it has waited for anything: what
 * the kernel has for loops is set up when first used, and if that fails then
 * the program ends with a message. */
Loop *loop_new_later(const char *name, Error **errp);
/* All watches, timers and tasks must be gone. */
void loop_free(Loop *loop);
const char *loop_name(const Loop *loop);
/* "io_uring" or "epoll"; "none" if that is not settled yet. The environment
 * variable NEMU_LOOP forces one. */
const char *loop_backend(const Loop *loop);

/* Serve events until loop_stop(). */
void loop_run(Loop *loop);
/* Serve what is ready; wait for one event when @block. True if any ran. */
bool loop_run_once(Loop *loop, bool block);
/*
 * Serve block I/O only: completions of io_uring requests, and tasks, watches
 * and timers marked so by loop_*_set_io(); everything else stays ready for
 * later. For control code that waits for requests inside a callback. Holds on
 * to the machine lock. True if any ran.
 */
bool loop_run_io(Loop *loop, bool block);
/* Any thread: make loop_run() return soon. */
void loop_stop(Loop *loop);
/* Any thread: wake the loop from its wait. */
void loop_wake(Loop *loop);
/* The loop that runs on this thread (in loop_run, or by loop_set_current). */
Loop *loop_current(void);
void loop_set_current(Loop *loop);
bool loop_is_current(const Loop *loop);

/* Called around every wait that may block: the main loop gives up the machine
 * lock there. */
void loop_set_wait_hooks(Loop *loop, LoopFn *before, LoopFn *after,
                         void *opaque);

/* Tasks -------------------------------------------------------------------- */

/* Any thread: run @fn(@opaque) once on @loop, in order of posting. */
void loop_post(Loop *loop, LoopFn *fn, void *opaque);

/* A task its owner embeds: no allocation, and posting one that waits already
 * does nothing. */
typedef struct LoopTask {
    struct LoopTask *next; /* private */
    LoopFn *fn;
    void *opaque;
    Loop *loop;
    int pending; /* private */
    bool io;
} LoopTask;

void loop_task_init(LoopTask *task, Loop *loop, LoopFn *fn, void *opaque);
/* Serve it in loop_run_io() too. */
void loop_task_set_io(LoopTask *task);
/* Any thread. */
void loop_task_post(LoopTask *task);
/* Forget a posted run. Loop thread only. */
void loop_task_cancel(LoopTask *task);

/* File descriptors --------------------------------------------------------- */

enum {
    LOOP_IN = 1,  /* readable, or the peer hung up */
    LOOP_OUT = 4, /* writable */
    LOOP_HUP = 16,
    LOOP_ERR = 8,
};
typedef struct LoopFd LoopFd;
typedef void LoopFdFn(void *opaque, unsigned events);
/* For adaptive polling: true when there is work, which the callback will do
 * (events = LOOP_IN). Must be cheap and must not block. */
typedef bool LoopPollFn(void *opaque);

/* Watch @fd (level-triggered) for @events; LOOP_HUP and LOOP_ERR come along
 * with any, and set the wanted ones of LOOP_IN and LOOP_OUT too, so that who
 * reads or writes finds out. No events: the watch rests. One watch per @fd and
 * loop. The caller keeps owning @fd and must delete the watch before closing
 * it. */
LoopFd *loop_fd_add(Loop *loop, int fd, unsigned events, LoopFdFn *fn,
                    void *opaque);
void loop_fd_set_events(LoopFd *w, unsigned events);
void loop_fd_set_poll(LoopFd *w, LoopPollFn *poll);
/* Tell each new event once, whether or not the callback consumes it: for
 * eventfds, whose counter then need never be read. Right after loop_fd_add().
 * A callback may come once too often. Such a watch cannot rest. */
void loop_fd_set_edge(LoopFd *w);
void loop_fd_set_io(LoopFd *w);
/* Also from inside callbacks, its own too. NULL is fine. */
void loop_fd_del(LoopFd *w);

/* How long to poll before blocking, in ns; 0 switches polling off. */
void loop_set_poll(Loop *loop, int64_t max_ns, int64_t grow, int64_t shrink);
/* Poll for at most @ns before the next wait blocks: the caller has a reason to
 * expect something that soon. No effect without io_uring. Loop thread only. */
void loop_linger(Loop *loop, int64_t ns);

/* Timers ------------------------------------------------------------------- */

/* A timer on CLOCK_MONOTONIC, embedded in its owner. */
typedef struct LoopTimer {
    Loop *loop;
    LoopFn *fn;
    void *opaque;
    int64_t deadline; /* ns; -1 when idle; private */
    unsigned slot;    /* private */
    bool io;
} LoopTimer;

int64_t loop_now_ns(void); /* CLOCK_MONOTONIC; any thread */
void loop_timer_init(LoopTimer *t, Loop *loop, LoopFn *fn, void *opaque);
void loop_timer_set_io(LoopTimer *t);
void loop_timer_set(LoopTimer *t, int64_t deadline_ns);
void loop_timer_cancel(LoopTimer *t);
bool loop_timer_pending(const LoopTimer *t);

/* Data of other modules, one per loop --------------------------------------- */

typedef struct LoopLocal {
    void *(*create)(Loop *loop);
    void (*destroy)(void *data); /* from loop_free() */
} LoopLocal;
/* The loop's data for @key, made when first asked for. */
void *loop_local(Loop *loop, const LoopLocal *key);

/* io_uring ------------------------------------------------------------------ */

struct io_uring_sqe;
/* A request embedded in its owner; @done gets the kernel's result. */
typedef struct LoopUring {
    void (*done)(struct LoopUring *req, int res);
} LoopUring;

/* True when loop_uring_sqe() works on this loop. */
bool loop_has_uring(Loop *loop);
/*
 * A submission entry to fill in (io_uring_prep_*), which completes by
 * req->done(). Submitted before the loop next waits, or by
 * loop_uring_submit(). NULL when the ring is full even after submitting.
 */
struct io_uring_sqe *loop_uring_sqe(Loop *loop, LoopUring *req);
void loop_uring_submit(Loop *loop);
/* Number of requests that have not completed. */
unsigned loop_uring_inflight(const Loop *loop);

#endif
