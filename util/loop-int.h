/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What loop.c and its two back ends share. */
#ifndef UTIL_LOOP_INT_H
#define UTIL_LOOP_INT_H

#include "util/event-notifier.h"
#include "util/loop.h"

struct LoopFd {
    Loop *loop;
    LoopFdFn *fn;
    void *opaque;
    LoopPollFn *poll;
    LoopFd *next, **prev; /* all watches of the loop */
    LoopFd *next_poll;    /* watches with a poll function */
    LoopFd *next_ready;   /* to be dispatched */
    LoopFd *next_queue;   /* back end's list; once deleted, the graveyard */
    int fd;
    unsigned events;  /* LOOP_*; 0: paused, not even errors are told */
    unsigned ready;   /* LOOP_* to dispatch */
    bool deleted;
    bool io; /* served by loop_run_io() too */
    bool edge; /* edge-triggered */
    /* Back end state */
    uint8_t state;
    bool queued;      /* on the back end's list */
    unsigned armed;   /* events the kernel knows of */
};

typedef struct LoopBackend {
    const char *name;
    /* -errno when the kernel has no such thing. */
    int (*init)(Loop *loop);
    void (*cleanup)(Loop *loop);
    /* The loop's thread is known from here on. May be NULL. */
    void (*start)(Loop *loop);
    void (*fd_add)(LoopFd *w);
    void (*fd_update)(LoopFd *w);
    /* True when @w may be freed now; else the back end calls
     * loop_fd_release() later. */
    bool (*fd_del)(LoopFd *w);
    /* Wait until an event or @timeout_ns (-1: for ever). Runs between the
     * wait hooks: calls nothing. */
    void (*wait)(Loop *loop, int64_t timeout_ns);
    /* Hand what came to loop_fd_ready() and the requests' done(); true when
     * any done() ran. */
    bool (*collect)(Loop *loop);
    /* An event waits in user memory: polling can end. May be NULL. */
    bool (*peek)(Loop *loop);
    /* Requests; NULL where there is no ring. */
    struct io_uring_sqe *(*sqe)(Loop *loop, LoopUring *req);
    void (*submit)(Loop *loop);
    unsigned (*inflight)(const Loop *loop);
} LoopBackend;

extern const LoopBackend loop_backend_epoll, loop_backend_uring;

struct Loop {
    char *name;
    const LoopBackend *backend;
    void *be; /* the back end's state */
    bool started;
    int stop; /* atomic */

    /* Tasks: @posted is a lock-free stack that any thread pushes to. */
    LoopTask *posted; /* atomic */
    LoopTask *run_head, **run_tail;
    int waiting; /* atomic: the thread sleeps or is about to */
    EventNotifier wake;
    LoopFd *wake_watch;

    LoopFd *fds, *poll_fds;
    LoopFd *ready_head, **ready_tail;
    LoopFd *graveyard;
    unsigned depth; /* of loop_run_once(); watches are freed at 0 */
    unsigned io_depth; /* of loop_run_io() */
    bool resting;      /* a watch: see loop_fd_rests() */

    LoopTimer **timers; /* binary heap by deadline */
    unsigned n_timers, cap_timers;

    LoopFn *wait_before, *wait_after;
    void *wait_opaque;

    int64_t poll_max, poll_grow, poll_shrink, poll_ns;
    int64_t linger_ns; /* of the next wait */

    struct {
        const LoopLocal *key;
        void *data;
    } locals[4];
    unsigned n_locals;
};

/* Queue @w for dispatch with @events (LOOP_*). */
void loop_fd_ready(LoopFd *w, unsigned events);
/* After that: the loop will not serve it for some time, since only what I/O
 * needs runs. It must not end one wait after the other until then: what is
 * level-triggered is not to be watched until fd_update() is called. */
bool loop_fd_rests(LoopFd *w);
/* Free a deleted watch that the back end no longer needs. */
void loop_fd_release(LoopFd *w);

/* The values of LOOP_* are those of poll(2) and epoll(7). */
static inline unsigned loop_events_from_kernel(const LoopFd *w, unsigned re)
{
    unsigned ev = re & (w->events | LOOP_HUP | LOOP_ERR);

    /* Who reads or writes finds out about the end by doing so. */
    if (ev & (LOOP_HUP | LOOP_ERR)) {
        ev |= w->events & (LOOP_IN | LOOP_OUT);
    }
    return ev;
}

#endif
