/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event loop over epoll(7), for kernels without (permitted) io_uring. */
#include "util/osdep.h"

#include <sys/epoll.h>

#include "util/loop-int.h"

#define MAX_EVENTS 64

G_STATIC_ASSERT((int)LOOP_IN == (int)EPOLLIN);
G_STATIC_ASSERT((int)LOOP_OUT == (int)EPOLLOUT);
G_STATIC_ASSERT((int)LOOP_HUP == (int)EPOLLHUP);
G_STATIC_ASSERT((int)LOOP_ERR == (int)EPOLLERR);

enum {
    FD_OUT,    /* the kernel does not know the watch */
    FD_IN,     /* epoll watches it */
    FD_ALWAYS, /* a kind of file that is always ready, such as a regular one */
};

typedef struct LoopEpoll {
    int fd;
    LoopFd *always; /* by next_queue */
    bool no_pwait2; /* kernels before 5.11 */
    int n;          /* events that wait to be collected */
    struct epoll_event ev[MAX_EVENTS];
} LoopEpoll;

static int epoll_init(Loop *loop)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    LoopEpoll *s;

    if (fd < 0) {
        return -errno;
    }
    s = g_new0(LoopEpoll, 1);
    s->fd = fd;
    loop->be = s;
    return 0;
}

static void epoll_cleanup(Loop *loop)
{
    LoopEpoll *s = loop->be;

    close(s->fd);
    g_free(s);
}

static void epoll_forget_always(LoopEpoll *s, LoopFd *w)
{
    LoopFd **p = &s->always;

    while (*p != w) {
        p = &(*p)->next_queue;
    }
    *p = w->next_queue;
}

static void epoll_remove(LoopFd *w)
{
    LoopEpoll *s = w->loop->be;

    if (w->state == FD_IN) {
        epoll_ctl(s->fd, EPOLL_CTL_DEL, w->fd, NULL);
    } else if (w->state == FD_ALWAYS) {
        epoll_forget_always(s, w);
    }
    w->state = FD_OUT;
}

static void epoll_update(LoopFd *w)
{
    LoopEpoll *s = w->loop->be;
    struct epoll_event ev = { .events = w->events, .data.ptr = w };
    int op = w->state == FD_IN ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (w->edge) {
        ev.events |= EPOLLET;
    }
    if (!w->events) {
        epoll_remove(w);
        return;
    }
    if (w->state == FD_ALWAYS) {
        return;
    }
    if (epoll_ctl(s->fd, op, w->fd, &ev) == 0) {
        w->state = FD_IN;
        return;
    }
    /* EPERM: epoll does not take this kind of file, poll(2) calls it ready. */
    if (errno != EPERM) {
        fprintf(stderr, "epoll_ctl: fd %d: %s\n", w->fd, g_strerror(errno));
        abort();
    }
    w->state = FD_ALWAYS;
    w->next_queue = s->always;
    s->always = w;
}

static bool epoll_del(LoopFd *w)
{
    epoll_remove(w);
    return true;
}

static int epoll_do_wait(LoopEpoll *s, int64_t ns)
{
    struct timespec ts = { .tv_sec = ns / 1000000000,
                           .tv_nsec = ns % 1000000000 };
    int64_t ms;

    if (ns <= 0) {
        return epoll_wait(s->fd, s->ev, MAX_EVENTS, ns < 0 ? -1 : 0);
    }
    if (!s->no_pwait2) {
        int n = epoll_pwait2(s->fd, s->ev, MAX_EVENTS, &ts, NULL);

        if (n >= 0 || errno != ENOSYS) {
            return n;
        }
        s->no_pwait2 = true;
    }
    ms = DIV_ROUND_UP(ns, 1000000);
    return epoll_wait(s->fd, s->ev, MAX_EVENTS, MIN(ms, INT_MAX));
}

static void epoll_wait_events(Loop *loop, int64_t timeout_ns)
{
    LoopEpoll *s = loop->be;

    s->n = epoll_do_wait(s, s->always ? 0 : timeout_ns);
}

static void epoll_found(LoopFd *w, unsigned events)
{
    loop_fd_ready(w, events);
    if (loop_fd_rests(w)) {
        epoll_remove(w);
    }
}

static bool epoll_collect(Loop *loop)
{
    LoopEpoll *s = loop->be;

    LoopFd *next;

    for (int i = 0; i < s->n; i++) {
        LoopFd *w = s->ev[i].data.ptr;

        epoll_found(w, loop_events_from_kernel(w, s->ev[i].events));
    }
    s->n = 0;
    for (LoopFd *w = s->always; w; w = next) {
        next = w->next_queue;
        epoll_found(w, w->events & (LOOP_IN | LOOP_OUT));
    }
    return false;
}

const LoopBackend loop_backend_epoll = {
    .name = "epoll",
    .init = epoll_init,
    .cleanup = epoll_cleanup,
    .fd_add = epoll_update,
    .fd_update = epoll_update,
    .fd_del = epoll_del,
    .wait = epoll_wait_events,
    .collect = epoll_collect,
};
