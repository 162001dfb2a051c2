/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What devices do with their queues: taking chains and giving them back,
 * whichever kind of ring it is. What is in guest memory is vring.c's business.
 */
#include "util/osdep.h"

#include "util/error.h"
#include "util/iov.h"
#include "util/trace.h"
#include "vring.h"

TRACE_POINT(virtqueue_pop);
TRACE_POINT(virtqueue_fill);
TRACE_POINT(virtqueue_flush);

bool vq_ready(const VirtQueue *vq)
{
    return __atomic_load_n(&vq->running, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&vq->vdev->broken, __ATOMIC_RELAXED);
}

bool vq_empty(VirtQueue *vq)
{
    if (!vq_ready(vq)) {
        return true;
    }
    return vring_waiting(vq) <= 0;
}

VqChain *vq_pop(VirtQueue *vq)
{
    VqChain *c;

    if (!vq_ready(vq) || vq->budget <= 0) {
        return NULL;
    }
    /* The driver has no more entries than that, unless it uses one twice. */
    if (vq->inuse >= vq->num) {
        if (!vq_empty(vq)) {
            virtio_broken(vq->vdev, "queue %u: over %u chains in flight",
                          vq->index, vq->num);
        }
        return NULL;
    }
    c = vring_pop(vq);
    if (!c) {
        return NULL;
    }
    if (vq->inuse + c->slots > vq->num) {
        virtio_broken(vq->vdev, "queue %u: entries in flight used again",
                      vq->index);
        vring_chain_free(vq, c, 0);
        return NULL;
    }
    vq->inuse += c->slots;
    vq->budget--;
    trace(virtqueue_pop, "vq %u elem %u in_len %zu out_len %zu", vq->index,
          c->id, c->in_len, c->out_len);
    return c;
}

static uint16_t packed_back(const VirtQueue *vq, unsigned slots, bool *wrap)
{
    *wrap = vq->avail_wrap;
    if (vq->last_avail >= slots) {
        return vq->last_avail - slots;
    }
    *wrap = !*wrap;
    return vq->last_avail + vq->num - slots;
}

uint16_t vring_saved_avail(const VirtQueue *vq)
{
    bool wrap;

    return vq->packed ? packed_back(vq, vq->inuse, &wrap)
                      : vq->last_avail - vq->inuse;
}

bool vring_saved_avail_wrap(const VirtQueue *vq)
{
    bool wrap;

    packed_back(vq, vq->inuse, &wrap);
    return wrap;
}

void vq_unpop(VirtQueue *vq, VqChain *c)
{
    if (c->epoch == vq->epoch) {
        vq->inuse -= c->slots;
        if (!vq->packed) {
            vq->last_avail--;
        } else {
            vq->last_avail = packed_back(vq, c->slots, &vq->avail_wrap);
        }
    }
    vring_chain_free(vq, c, 0);
}

void vq_drop(VirtQueue *vq, VqChain *c)
{
    if (c->epoch == vq->epoch) {
        vq->inuse -= c->slots;
    }
    vring_chain_free(vq, c, c->in_len);
}

/*
 * Packed rings write a used element where the chain began, so a batch must
 * know how many slots the chains before it took: fill_slots counts them. The
 * first element of a batch is written last, which makes all of it appear.
 */
void vq_fill(VirtQueue *vq, VqChain *c, size_t len, unsigned n)
{
    VqUsed e;
    bool stale = c->epoch != vq->epoch ||
                 __atomic_load_n(&vq->vdev->broken, __ATOMIC_RELAXED);

    e = (VqUsed){ c->id, MIN(len, c->in_len) };
    trace(virtqueue_fill, "vq %u elem %u len %zu idx %u", vq->index, c->id, len,
          n);
    if (n == 0) {
        vq->fill_slots = 0;
    }
    if (c->epoch == vq->epoch) {
        vq->inuse -= c->slots;
    }
    if (!stale && n == 0 && vq->packed) {
        vq->fill_first = e;
    } else if (!stale) {
        vring_put_used(vq, e, n, vq->fill_slots);
    }
    vq->fill_stale = stale;
    vq->fill_slots += c->slots;
    vring_chain_free(vq, c, e.len);
}

void vq_flush(VirtQueue *vq, unsigned count)
{
    trace(virtqueue_flush, "vq %u count %u", vq->index, count);
    if (!count || vq->fill_stale) {
        return;
    }
    if (vq->packed) {
        vring_put_used(vq, vq->fill_first, 0, 0);
    }
    vring_publish(vq, count, vq->fill_slots);
}

void vq_push(VirtQueue *vq, VqChain *c, size_t len)
{
    vq_fill(vq, c, len, 0);
    vq_flush(vq, 1);
}

void vq_mute(VirtQueue *vq, bool mute)
{
    if (vq->kicks_muted != mute) {
        vq->kicks_muted = mute;
        vring_want_kicks(vq, !mute);
    }
}

/* Copies ----------------------------------------------------------------- */

size_t vq_read(const VqChain *c, size_t off, void *buf, size_t len)
{
    IoVec v = { c->out, c->n_out, c->out_len };

    return off < v.size ? iov_to_buf(&v, off, buf, len) : 0;
}

size_t vq_write(const VqChain *c, size_t off, const void *buf, size_t len)
{
    IoVec v = { c->in, c->n_in, c->in_len };

    return off < v.size ? iov_from_buf(&v, off, buf, len) : 0;
}
