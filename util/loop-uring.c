/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event loop over io_uring(7): one ring carries the polls of the watches,
 * the wait with its timeout, and the requests of the block layer.
 *
 * Watches use one-shot polls, armed again after each dispatch: that is
 * level-triggered, and costs no extra system call because the new polls go
 * out with the next wait. Edge-triggered watches have one poll that goes on
 * telling. user_data is the address of the LoopUring or the
 * LoopFd, the latter with bit 0 set, or TAG_IGNORE.
 */
#include "util/osdep.h"

#include <liburing.h>
#include <sys/syscall.h>

#include "util/loop-int.h"

#define RING_ENTRIES 128

enum { TAG_FD = 1, TAG_IGNORE = 2 };

enum {
    FD_IDLE,     /* no poll in the kernel */
    FD_ARMED,    /* w->armed is being polled */
    FD_REMOVING, /* the poll's cancellation is under way */
};

typedef struct LoopUringRing {
    struct io_uring ring;
    LoopFd *rearm; /* watches whose poll must change, by next_queue */
    LoopFd *dying; /* deleted ones that the kernel polls, by next */
    unsigned inflight;
    bool disabled; /* until the thread that owns it is known */
} LoopUringRing;

static int uring_init(Loop *loop)
{
    /* The first set needs Linux 6.1; the ring then belongs to the thread that
     * enables it. */
    static const unsigned flag_sets[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
            IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED,
        0,
    };
    LoopUringRing *s = g_new0(LoopUringRing, 1);
    int ret = -ENOSYS;

    for (size_t i = 0; i < ARRAY_SIZE(flag_sets) && ret; i++) {
        struct io_uring_params p = { .flags = flag_sets[i] };

        ret = io_uring_queue_init_params(RING_ENTRIES, &s->ring, &p);
        s->disabled = p.flags & IORING_SETUP_R_DISABLED;
    }
    /* Linux 5.11: a timeout in the wait call itself. Linux 5.13, known by this
     * feature: polls that tell more than once. */
    if (!ret && (~s->ring.features &
                 (IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS))) {
        io_uring_queue_exit(&s->ring);
        ret = -ENOSYS;
    }
    if (ret) {
        g_free(s);
        return ret;
    }
    loop->be = s;
    return 0;
}

static void uring_start(Loop *loop)
{
    LoopUringRing *s = loop->be;

    if (s->disabled) {
        /* liburing 2.3 declares io_uring_enable_rings() without having it. */
        if (syscall(SYS_io_uring_register, s->ring.ring_fd,
                    IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0) {
            fprintf(stderr, "io_uring: cannot enable a ring: %s\n",
                    g_strerror(errno));
            abort();
        }
        s->disabled = false;
    }
}

static struct io_uring_sqe *uring_sqe(LoopUringRing *s)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

    if (!sqe && !s->disabled) {
        io_uring_submit(&s->ring);
        sqe = io_uring_get_sqe(&s->ring);
    }
    return sqe;
}

/* Watches ------------------------------------------------------------------- */

static void uring_queue(LoopFd *w)
{
    LoopUringRing *s = w->loop->be;

    if (!w->queued) {
        w->queued = true;
        w->next_queue = s->rearm;
        s->rearm = w;
    }
}

static void uring_unqueue(LoopFd *w)
{
    LoopUringRing *s = w->loop->be;
    LoopFd **p = &s->rearm;

    if (w->queued) {
        while (*p != w) {
            p = &(*p)->next_queue;
        }
        *p = w->next_queue;
        w->queued = false;
    }
}

static bool uring_remove_poll(LoopFd *w)
{
    struct io_uring_sqe *sqe = uring_sqe(w->loop->be);

    if (!sqe) {
        return false;
    }
    io_uring_prep_poll_remove(sqe, (uintptr_t)w | TAG_FD);
    sqe->user_data = TAG_IGNORE;
    w->state = FD_REMOVING;
    return true;
}

static bool uring_add_poll(LoopFd *w)
{
    struct io_uring_sqe *sqe = uring_sqe(w->loop->be);

    if (!sqe) {
        return false;
    }
    if (w->edge) {
        io_uring_prep_poll_multishot(sqe, w->fd, w->events);
    } else {
        io_uring_prep_poll_add(sqe, w->fd, w->events);
    }
    sqe->user_data = (uintptr_t)w | TAG_FD;
    w->armed = w->events;
    w->state = FD_ARMED;
    return true;
}

/* Does the kernel poll for less than the watch wants? Too much is no harm: it
 * is masked out. */
static bool uring_wants_more(const LoopFd *w)
{
    return w->state == FD_IDLE ? w->events
                               : w->state == FD_ARMED && (w->events & ~w->armed);
}

static void uring_fd_update(LoopFd *w)
{
    if (uring_wants_more(w)) {
        uring_queue(w);
    }
}

/* Bring the kernel's polls up to date; false when the ring is full. */
static bool uring_arm(LoopUringRing *s)
{
    while (s->rearm) {
        LoopFd *w = s->rearm;

        if (uring_wants_more(w) && !(w->state == FD_IDLE
                                         ? uring_add_poll(w)
                                         : uring_remove_poll(w))) {
            return false;
        }
        s->rearm = w->next_queue;
        w->queued = false;
    }
    return true;
}

static bool uring_fd_del(LoopFd *w)
{
    LoopUringRing *s = w->loop->be;

    uring_unqueue(w);
    if (w->state == FD_IDLE) {
        return true;
    }
    w->next = s->dying;
    w->prev = &s->dying;
    if (w->next) {
        w->next->prev = &w->next;
    }
    s->dying = w;
    if (w->state == FD_ARMED) {
        uring_remove_poll(w);
    }
    /* Now, because the poll holds a reference to the file that the caller
     * closes next: the peer must see that, a lock or name must become free. */
    io_uring_submit_and_get_events(&s->ring);
    return false;
}

static void uring_fd_done(LoopFd *w, int res, unsigned flags)
{
    if (!(flags & IORING_CQE_F_MORE)) {
        w->state = FD_IDLE;
    }
    if (w->deleted) {
        if (w->state != FD_IDLE) {
            return; /* the last one is still to come */
        }
        *w->prev = w->next;
        if (w->next) {
            w->next->prev = w->prev;
        }
        loop_fd_release(w);
        return;
    }
    if (w->events && res > 0) {
        unsigned events = loop_events_from_kernel(w, res);

        if (events) {
            loop_fd_ready(w, events);
        }
    } else if (w->events && res < 0 && res != -ECANCELED) {
        loop_fd_ready(w, w->events | LOOP_ERR);
    }
    if (!loop_fd_rests(w)) {
        uring_fd_update(w);
    }
}

static void uring_cleanup(Loop *loop)
{
    LoopUringRing *s = loop->be;

    io_uring_queue_exit(&s->ring);
    while (s->dying) {
        LoopFd *w = s->dying;

        s->dying = w->next;
        g_free(w);
    }
    g_free(s);
}

/* Waiting ------------------------------------------------------------------- */

/* True when a request's callback ran. */
static bool uring_complete(LoopUringRing *s, uint64_t data, int res,
                           unsigned flags)
{
    LoopUring *req;

    if (data & TAG_IGNORE) {
        return false;
    }
    if (data & TAG_FD) {
        uring_fd_done((LoopFd *)(uintptr_t)(data & ~(uint64_t)TAG_FD), res,
                      flags);
        return false;
    }
    req = (LoopUring *)(uintptr_t)data;
    s->inflight--;
    req->done(req, res);
    return true;
}

/* Completions that are in the ring, or that one system call puts there. */
static bool uring_peek(Loop *loop)
{
    LoopUringRing *s = loop->be;

    return io_uring_cq_ready(&s->ring) ||
           (__atomic_load_n(s->ring.sq.kflags, __ATOMIC_RELAXED) &
            (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
}

static void uring_wait(Loop *loop, int64_t ns)
{
    LoopUringRing *s = loop->be;
    struct __kernel_timespec ts = { .tv_sec = ns / 1000000000,
                                    .tv_nsec = ns % 1000000000 };
    struct io_uring_cqe *cqe;

    if (!uring_arm(s) || uring_peek(loop)) {
        ns = 0;
    }
    if (ns > 0) {
        io_uring_submit_and_wait_timeout(&s->ring, &cqe, 1, &ts, NULL);
    } else if (ns < 0) {
        io_uring_submit_and_wait(&s->ring, 1);
    } else if (io_uring_sq_ready(&s->ring) || uring_peek(loop)) {
        io_uring_submit_and_get_events(&s->ring);
    }
}

static bool uring_collect(Loop *loop)
{
    LoopUringRing *s = loop->be;
    unsigned n = io_uring_cq_ready(&s->ring);
    bool ran = false;

    /* A callback may run the loop and so take what we counted. */
    while (n-- && io_uring_cq_ready(&s->ring)) {
        struct io_uring_cq *cq = &s->ring.cq;
        struct io_uring_cqe *cqe = &cq->cqes[*cq->khead & *cq->kring_mask];
        uint64_t data = cqe->user_data;
        int res = cqe->res;
        unsigned flags = cqe->flags;

        io_uring_cq_advance(&s->ring, 1);
        ran |= uring_complete(s, data, res, flags);
    }
    return ran;
}

/* Requests ------------------------------------------------------------------ */

static struct io_uring_sqe *uring_request(Loop *loop, LoopUring *req)
{
    LoopUringRing *s = loop->be;
    struct io_uring_sqe *sqe = uring_sqe(s);

    if (sqe) {
        sqe->user_data = (uintptr_t)req;
        s->inflight++;
    }
    return sqe;
}

static void uring_flush(Loop *loop)
{
    LoopUringRing *s = loop->be;

    if (!s->disabled) {
        io_uring_submit(&s->ring);
    }
}

static unsigned uring_inflight(const Loop *loop)
{
    const LoopUringRing *s = loop->be;

    return s->inflight;
}

const LoopBackend loop_backend_uring = {
    .name = "io_uring",
    .init = uring_init,
    .cleanup = uring_cleanup,
    .start = uring_start,
    .fd_add = uring_fd_update,
    .fd_update = uring_fd_update,
    .fd_del = uring_fd_del,
    .wait = uring_wait,
    .collect = uring_collect,
    .peek = uring_peek,
    .sqe = uring_request,
    .submit = uring_flush,
    .inflight = uring_inflight,
};
