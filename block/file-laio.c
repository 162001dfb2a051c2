/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aio=native: Linux AIO (io_submit(2)). Each loop has one context with an
 * eventfd. Requests queue up and go out in batches: at the end of a plugged
 * section, when enough have come, or when the loop next looks for work.
 *
 * The five system calls are made directly: a library for them would be one
 * more that every program loads when it starts.
 */
#include "util/osdep.h"

#include <linux/aio_abi.h>
#include <sys/syscall.h>

#include "block/file.h"
#include "util/event-notifier.h"
#include "util/error.h"
#include "util/loop.h"

#define LAIO_EVENTS    1024
#define LAIO_MAX_BATCH 32

typedef struct LaioReq LaioReq;
struct LaioReq {
    struct iocb iocb;
    Coroutine *co;
    LaioReq *next;
    int res;
};

typedef struct Laio {
    aio_context_t ctx;
    EventNotifier event;
    LoopFd *watch;
    LoopTask submit;
    LaioReq *head, **tail;
    unsigned queued, inflight;
    int error; /* of setting it up */
} Laio;

/* System calls: -errno on failure
 * ---------------------------------------------------------- */

static int sys_setup(unsigned events, aio_context_t *ctx)
{
    return syscall(SYS_io_setup, events, ctx) < 0 ? -errno : 0;
}

static void sys_destroy(aio_context_t ctx)
{
    syscall(SYS_io_destroy, ctx);
}

static long sys_submit(aio_context_t ctx, long n, struct iocb **list)
{
    long done = syscall(SYS_io_submit, ctx, n, list);

    return done < 0 ? -errno : done;
}

/* Those that have completed; never waits. */
static long sys_getevents(aio_context_t ctx, long max, struct io_event *ev)
{
    struct timespec now = { 0 };
    long n = syscall(SYS_io_getevents, ctx, 0L, max, ev, &now);

    return n < 0 ? -errno : n;
}

/* Requests
 * -------------------------------------------------------------------------- */

static __thread unsigned plugged;
/* This thread's context, when it has one. */
static __thread Laio *mine;

static void laio_submit(void *opaque)
{
    Laio *l = opaque;
    struct iocb *batch[LAIO_MAX_BATCH];

    while (l->head && l->inflight < LAIO_EVENTS) {
        LaioReq *r = l->head;
        long n = 0, done;

        for (; r && n < LAIO_MAX_BATCH; r = r->next) {
            batch[n++] = &r->iocb;
        }
        done = sys_submit(l->ctx, n, batch);
        if (done == -EAGAIN && l->inflight) {
            return; /* again when some have completed */
        }
        /* An error is the first request's; 0 would be no progress. */
        for (long i = 0; i < MAX(done, 1); i++) {
            r = l->head;
            l->head = r->next;
            l->queued--;
            if (done > 0) {
                l->inflight++;
            }
        }
        if (!l->head) {
            l->tail = &l->head;
        }
        if (done <= 0) {
            r->res = done ? done : -EIO;
            coroutine_wake_on(r->co, loop_current());
        }
    }
}

static void laio_event(void *opaque, unsigned events)
{
    Laio *l = opaque;
    struct io_event ev[64];
    long n;

    event_notifier_test_and_clear(&l->event);
    do {
        n = sys_getevents(l->ctx, ARRAY_SIZE(ev), ev);
        for (long i = 0; i < n; i++) {
            LaioReq *r = (LaioReq *)(uintptr_t)ev[i].data;

            l->inflight--;
            r->res = ev[i].res;
            coroutine_enter(r->co);
        }
    } while (n == ARRAY_SIZE(ev));
    laio_submit(l);
}

static void *laio_create(Loop *loop)
{
    Laio *l = g_new0(Laio, 1);
    autoerr Error *err = NULL;

    l->tail = &l->head;
    l->event.fd = -1;
    l->error = sys_setup(LAIO_EVENTS, &l->ctx);
    if (!l->error && !event_notifier_init(&l->event, &err)) {
        sys_destroy(l->ctx);
        l->error = -EMFILE;
    }
    if (!l->error) {
        l->watch = loop_fd_add(loop, l->event.fd, LOOP_IN, laio_event, l);
        loop_fd_set_io(l->watch);
        loop_task_init(&l->submit, loop, laio_submit, l);
        loop_task_set_io(&l->submit);
    }
    mine = l;
    return l;
}

static void laio_destroy(void *opaque)
{
    Laio *l = opaque;

    if (mine == l) {
        mine = NULL;
    }
    if (!l->error) {
        loop_task_cancel(&l->submit);
        loop_fd_del(l->watch);
        event_notifier_cleanup(&l->event);
        sys_destroy(l->ctx);
    }
    g_free(l);
}

static const LoopLocal laio_local = { laio_create, laio_destroy };

bool laio_available(void)
{
    aio_context_t ctx = 0;

    if (sys_setup(1, &ctx) < 0) {
        return false;
    }
    sys_destroy(ctx);
    return true;
}

int coroutine_fn laio_rw(int fd, bool write, int64_t offset, const IoVec *iov,
                         bool dsync, unsigned max_batch)
{
    Laio *l = loop_local(loop_current(), &laio_local);
    LaioReq r = { .co = coroutine_self() };

    if (l->error) {
        return l->error == -EAGAIN ? -ENOMEM : l->error;
    }
    r.iocb = (struct iocb){
        .aio_data = (uintptr_t)&r,
        .aio_lio_opcode = write ? IOCB_CMD_PWRITEV : IOCB_CMD_PREADV,
        .aio_rw_flags = write && dsync ? RWF_DSYNC : 0,
        .aio_fildes = fd,
        .aio_buf = (uintptr_t)iov->iov,
        .aio_nbytes = iov->niov,
        .aio_offset = offset,
        .aio_flags = IOCB_FLAG_RESFD,
        .aio_resfd = l->event.fd,
    };
    *l->tail = &r;
    l->tail = &r.next;
    max_batch = max_batch ? MIN(max_batch, LAIO_MAX_BATCH) : LAIO_MAX_BATCH;
    if (++l->queued >= max_batch) {
        laio_submit(l);
    } else {
        /* unplugging may be faster */
        loop_task_post(&l->submit);
    }
    coroutine_yield();
    return r.res;
}

void laio_plug(void)
{
    plugged++;
}

void laio_unplug(void)
{
    assert(plugged);
    if (!--plugged && mine && mine->head) {
        laio_submit(mine);
    }
}
