/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queues of a vhost-user device: kicks in, requests out, calls back. */
#include "util/osdep.h"

#include "block/vhost-user/vhost-user.h"

static void put_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static void signal_fd(int fd)
{
    uint64_t one = 1;

    /* A full counter says what there is to say; nobody else can be told. */
    if (fd >= 0 && write(fd, &one, sizeof(one)) < 0) {
        return;
    }
}

/* Requests -------------------------------------------------------------------
 */

/* From so many completions on, the driver may begin with them while we serve
 * what is left. */
#define CALL_EARLY 8

static void queue_tell(VuQueue *q)
{
    q->untold = 0;
    if (vu_ring_wants_call(&q->ring)) {
        signal_fd(q->call_fd);
    }
}

static VuRequest *request_get(VuQueue *q)
{
    VuRequest *r = q->pool;

    if (r) {
        q->pool = r->next;
    } else {
        r = g_new(VuRequest, 1);
        r->q = q;
        r->mem = NULL;
    }
    return r;
}

static void request_put(VuQueue *q, VuRequest *r)
{
    vu_mem_unref(r->mem);
    r->mem = NULL;
    r->next = q->pool;
    q->pool = r;
}

void vu_request_done(VuRequest *r, uint8_t status)
{
    VuQueue *q = r->q;

    *r->status = status;
    vu_ring_push(&q->ring, &r->chain, r->written + 1);
    request_put(q, r);
    q->in_flight--;
    /* Completions of one turn of the loop are told together, of many the first
     * half earlier. */
    if (++q->untold >= MAX(CALL_EARLY, q->in_flight)) {
        queue_tell(q);
    }
    loop_task_post(&q->call);
}

static void ring_broken(VuQueue *q)
{
    q->ring.broken = true;
    signal_fd(q->err_fd);
}

static void queue_take(VuQueue *q, VuRequest *r)
{
    r->mem = vu_mem_ref(q->ring.mem);
    q->in_flight++;
    if (!vu_blk_start(r)) {
        q->in_flight--;
        request_put(q, r);
        q->ring.broken = true;
    }
}

/* Take what waits, but no more than the ring has room for: a driver that is as
 * quick as we are must not keep the loop from its other work. */
static void queue_round(VuQueue *q)
{
    VuRing *ring = &q->ring;
    unsigned left = ring->num;

    if (q->in_round || !q->watch) {
        return;
    }
    q->in_round = true;
    blk_plug();
    do {
        vu_ring_want_kicks(ring, false);
        while (left && !vu_ring_empty(ring)) {
            VuRequest *r = request_get(q);

            /* More than the ring holds: one of them is used twice. */
            ring->broken |= q->in_flight >= ring->num;
            if (!vu_ring_pop(ring, &r->chain)) {
                request_put(q, r);
                break;
            }
            queue_take(q, r);
            left--;
        }
        vu_ring_want_kicks(ring, true);
    } while (left && !vu_ring_empty(ring));
    if (!left) {
        loop_task_post(&q->call); /* goes on */
    }
    blk_unplug();
    q->in_round = false;
    if (ring->broken) {
        ring_broken(q);
    }
}

static void queue_call(void *opaque)
{
    VuQueue *q = opaque;

    if (q->watch && q->enabled && !vu_ring_empty(&q->ring)) {
        queue_round(q);
    }
    queue_tell(q);
    vu_device_idle(q->dev, q);
}

static void queue_kicked(void *opaque, unsigned events)
{
    queue_round(opaque);
}

static bool queue_poll(void *opaque)
{
    VuQueue *q = opaque;

    return !vu_ring_empty(&q->ring);
}

/* State ----------------------------------------------------------------------
 */

void vu_queue_init(VuQueue *q, VuDevice *dev, unsigned index)
{
    *q = (VuQueue){
        .dev = dev,
        .index = index,
        .kick_fd = -1,
        .call_fd = -1,
        .err_fd = -1,
        .ring.log = &dev->log,
    };
    loop_task_init(&q->call, dev->loop, queue_call, q);
    /* Drains wait for completions. */
    loop_task_set_io(&q->call);
}

void vu_queue_stop(VuQueue *q)
{
    loop_fd_del(q->watch);
    q->watch = NULL;
    q->ring.started = false;
}

void vu_queue_destroy(VuQueue *q)
{
    assert(!q->in_flight);
    vu_queue_stop(q);
    loop_task_cancel(&q->call);
    vu_ring_unmap(&q->ring);
    put_fd(&q->kick_fd);
    put_fd(&q->call_fd);
    put_fd(&q->err_fd);
    while (q->pool) {
        VuRequest *r = q->pool;

        q->pool = r->next;
        g_free(r);
    }
}

void vu_queue_update(VuQueue *q)
{
    bool run = q->ring.started && q->enabled && q->kick_fd >= 0 && q->ring.mem;

    loop_fd_del(q->watch);
    q->watch = NULL;
    if (run) {
        q->watch =
            loop_fd_add(q->dev->loop, q->kick_fd, LOOP_IN, queue_kicked, q);
        loop_fd_set_edge(q->watch);
        loop_fd_set_poll(q->watch, queue_poll);
        queue_round(q); /* what was put there before */
    }
}
