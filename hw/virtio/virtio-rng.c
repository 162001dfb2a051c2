/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-rng: virtio 1.2, 5.4 "Entropy Device". */
#include "util/osdep.h"

#include "backends/rng.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"
#include "util/trace.h"

TRACE_POINT(virtio_rng_pushed);
TRACE_POINT(virtio_rng_popped);

QOM_DECLARE(VirtioRng, virtio_rng)
struct VirtioRng {
    VirtioDevice parent;
    /* properties */
    RngBackend *rng;
    uint64_t max_bytes; /* in each period */
    uint32_t period_ms;
    /* machine lock */
    RngBackend *own; /* made by us for want of another */
    VqChain *chain;  /* waits for the backend */
    uint64_t quota;  /* bytes left in this period */
    VmTimer timer;   /* the period's end */
};

static void rng_serve(VirtioRng *s, VirtQueue *vq);

static RngBackend *rng_source(VirtioRng *s)
{
    return s->rng ? s->rng : s->own;
}

static void rng_filled(void *opaque, const uint8_t *buf, size_t len)
{
    VirtioRng *s = opaque;
    VirtQueue *vq = s->parent.queues[0];
    VqChain *c = s->chain;

    s->chain = NULL;
    if (!vq_ready(vq)) {
        vq_unpop(vq, c); /* the VM stopped: do not touch its memory */
        return;
    }
    len = vq_write(c, 0, buf, len);
    trace(virtio_rng_pushed, "rng %p pushed %zu bytes", s, len);
    s->quota -= MIN(len, s->quota);
    vq_push(vq, c, len);
    vq_notify(vq);
    virtio_queue_kick(vq); /* for those that wait behind it */
}

static void rng_serve(VirtioRng *s, VirtQueue *vq)
{
    VqChain *c;

    while (!s->chain && s->quota && (c = vq_pop(vq))) {
        trace(virtio_rng_popped, "rng %p elem popped", s);
        if (c->in_len == 0) {
            vq_push(vq, c, 0);
            vq_notify(vq);
            continue;
        }
        s->chain = c;
        if (s->max_bytes < INT64_MAX && !vm_timer_pending(&s->timer)) {
            vm_timer_set(&s->timer,
                         vm_clock_ns(s->parent.parent.vm, VM_CLOCK_VIRTUAL) +
                             s->period_ms * INT64_C(1000000));
        }
        rng_request(rng_source(s),
                    MIN(MIN(c->in_len, s->quota), RNG_REQUEST_MAX), rng_filled,
                    s);
    }
}

static void rng_kick(VirtQueue *vq)
{
    rng_serve(virtio_rng(vq->vdev), vq);
}

static void rng_period_over(void *opaque)
{
    VirtioRng *s = opaque;

    s->quota = s->max_bytes;
    virtio_queue_kick(s->parent.queues[0]);
}

static void rng_forget(VirtioRng *s)
{
    rng_cancel(rng_source(s), s);
    if (s->chain) {
        vq_drop(s->parent.queues[0], s->chain);
        s->chain = NULL;
    }
}

static void rng_reset(VirtioDevice *vdev)
{
    rng_forget(virtio_rng(vdev));
}

static void rng_queue_reset(VirtQueue *vq)
{
    rng_forget(virtio_rng(vq->vdev));
}

static void rng_status_set(VirtioDevice *vdev, uint8_t status)
{
    if (!(status & VIRTIO_STATUS_DRIVER_OK)) {
        rng_forget(virtio_rng(vdev));
    }
}

static bool rng_realize(Device *dev, Error **errp)
{
    VirtioRng *s = virtio_rng(dev);

    if (s->period_ms == 0) {
        return error_set(errp, "property 'period': must be greater than 0");
    }
    if (s->max_bytes > INT64_MAX) {
        return error_set(errp, "property 'max-bytes': must be at most %" PRId64,
                         INT64_MAX);
    }
    if (!s->rng) {
        s->own = rng_backend(object_new(&rng_builtin_type));
        object_add_child(&dev->obj, "default-backend", s->own, error_abort);
        object_unref(s->own);
        if (!rng_open(s->own, dev->vm, errp)) {
            object_unparent(s->own);
            s->own = NULL;
            return false;
        }
    }
    s->quota = s->max_bytes;
    vm_timer_init(&s->timer, dev->vm, VM_CLOCK_VIRTUAL, rng_period_over, s);
    return true;
}

static void rng_unrealize(Device *dev)
{
    VirtioRng *s = virtio_rng(dev);

    virtio_unplug(&s->parent);
    vm_timer_cancel(&s->timer);
    if (s->own) {
        object_unparent(s->own);
        s->own = NULL;
    }
}

static const Prop rng_props[] = {
    PROP(VirtioRng, max_bytes, "max-bytes", INT64_MAX),
    PROP(VirtioRng, period_ms, "period", 65536),
    PROP_LINK(VirtioRng, rng, "rng", &rng_backend_type),
    {},
};

static const VirtioClass rng_class = {
    .device = {
        .desc = "Random number generator",
        .props = rng_props,
        .bus_type = &virtio_bus_type,
        .vmstate = VIRTIO_VMSTATE("virtio-rng", 1),
        .internal = true,
        .category = DEVICE_CATEGORY_MISC,
        .realize = rng_realize,
        .unrealize = rng_unrealize,
    },
    .name = "virtio-rng",
    .id = VIRTIO_ID_RNG,
    .queues = (const VirtQueueDef[]){ { 8, rng_kick }, {} },
    .vmstate_version = 1,
    .status_set = rng_status_set,
    .reset = rng_reset,
    .queue_reset = rng_queue_reset,
};
VIRTIO_DEFINE(VirtioRng, virtio_rng, "virtio-rng", &rng_class);

#define RNG_PCI(...) \
    VIRTIO_PCI_CLASS(0x1005, PCI_CLASS_OTHERS, MISC, __VA_ARGS__)
VIRTIO_PCI_DEFINE(virtio_rng, "virtio-rng", RNG_PCI, NULL);
