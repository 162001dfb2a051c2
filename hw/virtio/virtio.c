/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a virtio device: features, status, configuration space, reset,
 * and how its queues are served. Virtio 1.2, 2 "Basic Facilities" and 3
 * "General Initialization And Device Operation".
 *
 * A queue is served by one loop. Queues of the main loop are guarded by the
 * machine lock; an IOThread's queue is stopped by a call to that thread.
 */
#include "util/osdep.h"

#include <endian.h>

#include "accel/accel.h"
#include "softmmu/iothread.h"
#include "util/error.h"
#include "util/trace.h"
#include "virtio-internal.h"
#include "vring.h"

TRACE_POINT(virtio_notify);
TRACE_POINT(virtio_notify_irqfd);
TRACE_POINT(virtio_set_status);
TRACE_POINT(virtio_queue_notify);

static bool on_main_loop(const VirtQueue *vq)
{
    return vq->loop == vq->vdev->parent.vm->loop;
}

/* Serving queues --------------------------------------------------------- */

/* One round of a queue's handler. Owner loop. */
static void queue_round(VirtQueue *vq)
{
    uint16_t before = vq->last_avail;
    bool empty;

    if (!vq_ready(vq)) {
        return;
    }
    vq->budget = vq->num;
    if (!vq->kicks_muted) {
        vring_want_kicks(vq, false);
    }
    vq->kick(vq);
    vq->budget = INT_MAX;
    if (!vq_ready(vq)) {
        return;
    }
    if (!vq->kicks_muted) {
        vring_want_kicks(vq, true);
    }
    empty = vq_empty(vq);
    vq->stalled = empty ? VIRTIO_NO_VECTOR : vq->last_avail;
    /* Chains that came after the last look: another round, behind the loop's
     * other work. What the handler chose to leave is its own affair. */
    if (vq->last_avail != before && !vq->kicks_muted && !empty) {
        loop_task_post(&vq->again_task);
    }
}

static void queue_again(void *opaque)
{
    queue_round(opaque);
}

void virtio_queue_run(VirtQueue *vq)
{
    queue_round(vq);
}

static void queue_event(void *opaque, unsigned events)
{
    VirtQueue *vq = opaque;

    queue_round(vq); /* the counter is never read: see loop_fd_set_edge() */
}

static bool queue_poll(void *opaque)
{
    VirtQueue *vq = opaque;

    return vq_ready(vq) && !vq->kicks_muted && vring_has_news(vq);
}

static void queue_attach(void *opaque)
{
    VirtQueue *vq = opaque;

    if (!vq->watch) {
        vq->watch = loop_fd_add(vq->loop, vq->host_notifier.fd, LOOP_IN,
                                queue_event, vq);
        loop_fd_set_edge(vq->watch);
        loop_fd_set_poll(vq->watch, queue_poll);
    }
}

static void queue_detach(void *opaque)
{
    VirtQueue *vq = opaque;

    loop_task_cancel(&vq->attach_task);
    loop_task_cancel(&vq->again_task);
    loop_fd_del(vq->watch);
    vq->watch = NULL;
}

static void queue_irq(void *opaque)
{
    VirtQueue *vq = opaque;
    VirtioDevice *vdev = vq->vdev;

    trace(virtio_notify, "vdev %p vq %u", vdev, vq->index);
    if (vdev->transport && vdev->status) {
        vdev->transport->notify(vdev->transport_opaque, vq);
    }
}

/* The notifiers and the watch exist from the first start to unrealize. */
static bool queue_attach_start(VirtQueue *vq)
{
    autoerr Error *err = NULL;

    if (vq->attached) {
        return true;
    }
    if (!event_notifier_init(&vq->host_notifier, &err) ||
        !event_notifier_init(&vq->guest_notifier, &err)) {
        event_notifier_cleanup(&vq->host_notifier);
        return virtio_broken(vq->vdev, "queue %u: %s", vq->index,
                             error_text(err));
    }
    vq->attached = true;
    loop_task_init(&vq->attach_task, vq->loop, queue_attach, vq);
    loop_task_init(&vq->again_task, vq->loop, queue_again, vq);
    loop_task_post(&vq->attach_task);
    return true;
}

static void queue_attach_stop(VirtQueue *vq)
{
    if (!vq->attached) {
        return;
    }
    loop_run_on(vq->loop, queue_detach, vq);
    loop_task_cancel(&vq->irq_task);
    event_notifier_cleanup(&vq->host_notifier);
    event_notifier_cleanup(&vq->guest_notifier);
    vq->attached = false;
}

static void queue_set_quiet(void *opaque)
{
    VirtQueue *vq = opaque;

    __atomic_store_n(&vq->running, 0, __ATOMIC_RELAXED);
}

/* No handler runs when this returns. */
static void queue_halt(VirtQueue *vq)
{
    if (!vq->running) {
        return;
    }
    if (on_main_loop(vq)) {
        queue_set_quiet(vq);
    } else {
        loop_run_on(vq->loop, queue_set_quiet, vq);
    }
}

/* Let the handler run if everything says so. */
static void queue_resume(VirtQueue *vq)
{
    VirtioDevice *vdev = vq->vdev;

    if (vq->running || vq->quiet || !vdev->started || !vq->enabled ||
        !vq->mapped || !vm_is_running(vdev->parent.vm)) {
        return;
    }
    /* The kick that follows orders this before the handler. */
    __atomic_store_n(&vq->running, 1, __ATOMIC_RELEASE);
    virtio_queue_kick(vq);
}

/* All but running it. */
static void queue_prepare(VirtQueue *vq)
{
    const VirtioTransport *t = vq->vdev->transport;
    void *opaque = vq->vdev->transport_opaque;

    if (vq->mapped || !vq->enabled || !vring_start(vq)) {
        return;
    }
    if (!queue_attach_start(vq)) {
        vring_stop(vq);
        return;
    }
    vq->mapped = true;
    t->ioeventfd(opaque, vq, true);
    if (!on_main_loop(vq)) {
        t->irqfd(opaque, vq, true);
    }
}

static void queue_start(VirtQueue *vq)
{
    queue_prepare(vq);
    queue_resume(vq);
}

static void queue_stop(VirtQueue *vq)
{
    const VirtioTransport *t = vq->vdev->transport;
    void *opaque = vq->vdev->transport_opaque;

    queue_halt(vq);
    if (vq->mapped) {
        t->irqfd(opaque, vq, false);
        t->ioeventfd(opaque, vq, false);
        vring_stop(vq);
        vq->mapped = false;
    }
}

void virtio_queue_quiet(VirtQueue *vq)
{
    queue_halt(vq);
    vq->quiet++;
}

void virtio_queue_unquiet(VirtQueue *vq)
{
    assert(vq->quiet > 0);
    vq->quiet--;
    queue_resume(vq);
}

void virtio_queue_kick(VirtQueue *vq)
{
    if (vq->attached) {
        event_notifier_set(&vq->host_notifier);
    }
}

void vq_notify(VirtQueue *vq)
{
    VirtioDevice *vdev = vq->vdev;

    if (!vq->mapped || __atomic_load_n(&vdev->broken, __ATOMIC_RELAXED) ||
        !vring_wants_interrupt(vq)) {
        return;
    }
    if (on_main_loop(vq)) {
        queue_irq(vq);
        return;
    }
    if (__atomic_load_n(&vq->irqfd_on, __ATOMIC_ACQUIRE)) {
        trace(virtio_notify_irqfd, "vdev %p vq %u", vdev, vq->index);
        event_notifier_set(&vq->guest_notifier);
        /* Pairs with the fence in virtio_irqfd_off(): either that finds our
         * event, or we find that nobody listens any more. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (__atomic_load_n(&vq->irqfd_on, __ATOMIC_RELAXED)) {
            return;
        }
    }
    loop_task_post(&vq->irq_task);
}

bool virtio_irqfd_off(VirtQueue *vq)
{
    __atomic_store_n(&vq->irqfd_on, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with vq_notify()'s */
    return event_notifier_test_and_clear(&vq->guest_notifier);
}

/* Start, stop, reset ----------------------------------------------------- */

static void device_start(VirtioDevice *vdev)
{
    vdev->started = true;
    mem_txn_begin(vdev->parent.vm);
    irq_routes_begin(vdev->parent.vm);
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        queue_prepare(vdev->queues[i]);
    }
    irq_routes_end(vdev->parent.vm);
    mem_txn_commit(vdev->parent.vm);
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        queue_resume(vdev->queues[i]);
    }
}

static void device_halt(VirtioDevice *vdev)
{
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        queue_halt(vdev->queues[i]);
    }
}

static void device_stop(VirtioDevice *vdev)
{
    mem_txn_begin(vdev->parent.vm);
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        queue_stop(vdev->queues[i]);
    }
    mem_txn_commit(vdev->parent.vm);
    vdev->started = false;
}

static void vm_state_changed(void *opaque, bool running, RunState state)
{
    VirtioDevice *vdev = opaque;

    if (!running) {
        device_halt(vdev);
        return;
    }
    if (!vdev->started && vdev->status & VIRTIO_STATUS_DRIVER_OK) {
        device_start(vdev); /* a migrated device */
    }
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        queue_resume(vdev->queues[i]);
    }
}

static void queue_forget(VirtQueue *vq)
{
    vring_reset(vq);
    vq->num = vq->num_max;
    vq->desc = vq->avail = vq->used = 0;
    vq->enabled = false;
}

void virtio_reset(VirtioDevice *vdev)
{
    const VirtioClass *cls = virtio_class(vdev);

    device_halt(vdev);
    if (cls->reset) {
        cls->reset(vdev); /* its last requests may still use the rings */
    }
    device_stop(vdev);
    if (vdev->transport && vdev->transport->reset) {
        vdev->transport->reset(vdev->transport_opaque);
    }
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        queue_forget(vdev->queues[i]);
        vdev->queues[i]->vector = VIRTIO_NO_VECTOR;
    }
    vdev->features = vdev->asked = 0;
    vdev->status = 0;
    vdev->config_vector = VIRTIO_NO_VECTOR;
    __atomic_store_n(&vdev->isr, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&vdev->broken, 0, __ATOMIC_RELAXED);
    if (cls->features_set) {
        cls->features_set(vdev);
    }
}

static bool features_acceptable(VirtioDevice *vdev)
{
    bool modern = vdev->asked & BIT(VIRTIO_F_VERSION_1);

    if (vdev->asked & ~virtio_offered(vdev, !modern)) {
        return false;
    }
    if (modern) {
        /* A device behind an IOMMU cannot serve a driver that ignores it. */
        return !(vdev->host_features & BIT(VIRTIO_F_IOMMU_PLATFORM)) ||
               virtio_has(vdev, VIRTIO_F_IOMMU_PLATFORM);
    }
    return !(vdev->features & BIT(VIRTIO_F_RING_PACKED));
}

void virtio_set_status(VirtioDevice *vdev, uint8_t status)
{
    const VirtioClass *cls = virtio_class(vdev);
    uint8_t fresh = status & ~vdev->status;

    trace(virtio_set_status, "vdev %p %s val %u", vdev, cls->name, status);
    if (status == 0) {
        virtio_reset(vdev);
        return;
    }
    if (fresh & VIRTIO_STATUS_FEATURES_OK && !features_acceptable(vdev)) {
        status &= ~VIRTIO_STATUS_FEATURES_OK;
    }
    /* Ours to set, the driver clears it by a reset. */
    status |= vdev->status & VIRTIO_STATUS_NEEDS_RESET;
    if (cls->status_set) {
        device_halt(vdev);
        cls->status_set(vdev, status);
    }
    if (vdev->started && !(status & VIRTIO_STATUS_DRIVER_OK) &&
        vdev->status & VIRTIO_STATUS_DRIVER_OK) {
        device_stop(vdev);
    }
    vdev->status = status;
    if (status & VIRTIO_STATUS_DRIVER_OK) {
        if (!vdev->started) {
            device_start(vdev);
        }
        for (unsigned i = 0; i < vdev->n_queues; i++) {
            queue_resume(vdev->queues[i]);
        }
    }
}

void virtio_driver_kick(VirtioDevice *vdev, unsigned queue)
{
    VirtQueue *vq;

    if (queue >= vdev->n_queues) {
        return;
    }
    vq = vdev->queues[queue];
    trace(virtio_queue_notify, "vdev %p n %u vq %p", vdev, queue, vq);
    /* Old drivers use a queue before they set DRIVER_OK (3.1.2). */
    if (!vdev->started && vq->enabled && vdev->use_started &&
        !virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        device_start(vdev);
    }
    virtio_queue_kick(vq);
}

static void broken_report(void *opaque)
{
    VirtioDevice *vdev = opaque;

    if (vdev->broken && virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        vdev->status |= VIRTIO_STATUS_NEEDS_RESET;
        virtio_notify_config(vdev);
    }
}

bool virtio_broken(VirtioDevice *vdev, const char *fmt, ...)
{
    static int64_t last_report;

    __atomic_store_n(&vdev->broken, 1, __ATOMIC_RELAXED);
    loop_task_post(&vdev->broken_task);
    if (report_rate_ok(&last_report)) {
        g_autofree char *text = NULL;
        va_list ap;

        va_start(ap, fmt);
        text = g_strdup_vprintf(fmt, ap);
        va_end(ap);
        warn_report("%s: %s", virtio_class(vdev)->name, text);
    }
    return false;
}

/* Queues ----------------------------------------------------------------- */

VirtQueue *virtio_add_queue(VirtioDevice *vdev, uint16_t size,
                            VirtQueueFn *kick)
{
    VirtQueue *vq = g_new0(VirtQueue, 1);

    assert(vdev->n_queues < VIRTIO_QUEUE_MAX && size <= VIRTQUEUE_MAX_SIZE);
    vq->vdev = vdev;
    vq->index = vdev->n_queues;
    vq->kick = kick;
    vq->loop = vdev->parent.vm->loop;
    vq->num = vq->num_max = size;
    vq->vector = VIRTIO_NO_VECTOR;
    vq->host_notifier.fd = vq->guest_notifier.fd = -1;
    vring_reset(vq);
    loop_task_init(&vq->irq_task, vdev->parent.vm->loop, queue_irq, vq);
    vdev->queues = g_renew(VirtQueue *, vdev->queues, vdev->n_queues + 1);
    vdev->queues[vdev->n_queues++] = vq;
    return vq;
}

void vq_set_priv(VirtQueue *vq, size_t size)
{
    vq->priv_size = size;
}

void virtio_queue_set_loop(VirtQueue *vq, Loop *loop)
{
    if (vq->loop == loop) {
        return;
    }
    assert(!vq->mapped);
    queue_attach_stop(vq);
    vq->loop = loop;
}

void virtio_queue_enable(VirtQueue *vq)
{
    VirtioDevice *vdev = vq->vdev;

    vq->enabled = true;
    vq->in_reset = false;
    if (vdev->started) {
        queue_start(vq);
    }
}

void virtio_queue_reset(VirtQueue *vq)
{
    const VirtioClass *cls = virtio_class(vq->vdev);

    queue_halt(vq);
    if (cls->queue_reset) {
        cls->queue_reset(vq);
    }
    queue_stop(vq);
    queue_forget(vq);
}

void virtio_queue_set_legacy_addr(VirtQueue *vq, hwaddr base)
{
    size_t desc = 16 * (size_t)vq->num;
    size_t avail = 2 * (3 + (size_t)vq->num); /* with used_event */

    vq->desc = base;
    vq->avail = base + desc;
    vq->used = ALIGN_UP(vq->avail + avail, (hwaddr)4096);
    vq->enabled = true;
    if (vq->vdev->started) {
        queue_start(vq);
    }
}

/* Features and configuration --------------------------------------------- */

#define LEGACY_FEATURES                                         \
    (BIT(VIRTIO_F_NOTIFY_ON_EMPTY) | BIT(VIRTIO_F_ANY_LAYOUT) | \
     BIT(VIRTIO_F_BAD_FEATURE))

uint64_t virtio_offered(const VirtioDevice *vdev, bool legacy)
{
    if (legacy) {
        return vdev->host_features & UINT32_MAX & ~BIT(VIRTIO_F_IOMMU_PLATFORM);
    }
    return vdev->host_features &
           ~(LEGACY_FEATURES | virtio_class(vdev)->legacy_features);
}

void virtio_set_features(VirtioDevice *vdev, uint64_t features)
{
    const VirtioClass *cls = virtio_class(vdev);
    if (vdev->status & VIRTIO_STATUS_FEATURES_OK) {
        return;
    }
    vdev->asked = features;
    vdev->features = features & vdev->host_features;
    if (vdev->features & BIT(VIRTIO_F_BAD_FEATURE)) {
        vdev->features = 0; /* a driver that acks whatever it sees */
    }
    if (cls->features_set) {
        cls->features_set(vdev);
    }
}

void virtio_set_config_size(VirtioDevice *vdev, size_t size)
{
    vdev->config = g_realloc(vdev->config, size);
    memset(vdev->config, 0, size);
    vdev->config_size = size;
}

uint32_t virtio_config_read(VirtioDevice *vdev, size_t off, unsigned size)
{
    const VirtioClass *cls = virtio_class(vdev);
    uint32_t v = 0;

    if (off > vdev->config_size || size > vdev->config_size - off) {
        return UINT32_MAX >> (32 - 8 * size);
    }
    if (cls->get_config) {
        cls->get_config(vdev);
    }
    memcpy(&v, vdev->config + off, size);
    return le32toh(v);
}

void virtio_config_write(VirtioDevice *vdev, size_t off, uint32_t value,
                         unsigned size)
{
    const VirtioClass *cls = virtio_class(vdev);
    g_autofree uint8_t *copy = NULL;

    if (off > vdev->config_size || size > vdev->config_size - off ||
        !cls->set_config) {
        return;
    }
    if (cls->get_config) {
        cls->get_config(vdev);
    }
    copy = g_memdup2(vdev->config, vdev->config_size);
    value = htole32(value);
    memcpy(copy + off, &value, size);
    cls->set_config(vdev, copy);
}

void virtio_notify_config(VirtioDevice *vdev)
{
    if (vdev->status & VIRTIO_STATUS_DRIVER_OK && vdev->transport) {
        vdev->generation++;
        vdev->transport->notify_config(vdev->transport_opaque);
    }
}

/* The type --------------------------------------------------------------- */

bool virtio_plug(VirtioDevice *vdev, const VirtioTransport *t, void *opaque,
                 AddressSpace *mem, uint64_t transport_features, Error **errp)
{
    const VirtioClass *cls = virtio_class(vdev);

    vdev->host_features |= transport_features | BIT(VIRTIO_F_BAD_FEATURE);
    if (cls->features) {
        Error *err = NULL;
        uint64_t f = cls->features(vdev, vdev->host_features, &err);

        if (err) {
            return error_move(errp, err);
        }
        vdev->host_features = f;
    }
    vdev->transport = t;
    vdev->transport_opaque = opaque;
    vdev->mem = mem;
    vdev->vm_listener = (VmStateListener){ vm_state_changed, vdev };
    vm_state_listener_add(vdev->parent.vm, &vdev->vm_listener);
    vdev->listening = true;
    return true;
}

void virtio_unplug(VirtioDevice *vdev)
{
    if (vdev->transport) {
        virtio_reset(vdev);
        vdev->transport = NULL;
    }
    if (vdev->listening) {
        vm_state_listener_del(vdev->parent.vm, &vdev->vm_listener);
        vdev->listening = false;
    }
}

static bool virtio_device_realize(Device *dev, Error **errp)
{
    VirtioDevice *vdev = virtio_device(dev);
    const VirtQueueDef *def = virtio_class(vdev)->queues;

    loop_task_init(&vdev->broken_task, dev->vm->loop, broken_report, vdev);
    vdev->config_vector = VIRTIO_NO_VECTOR;
    for (; def && def->kick; def++) {
        virtio_add_queue(vdev, def->size, def->kick);
    }
    return true;
}

static void virtio_device_unrealize(Device *dev)
{
    VirtioDevice *vdev = virtio_device(dev);

    for (unsigned i = 0; i < vdev->n_queues; i++) {
        VirtQueue *vq = vdev->queues[i];

        queue_attach_stop(vq);
        vring_stop(vq);
        loop_task_cancel(&vq->irq_task);
        g_free(vq);
    }
    g_clear_pointer(&vdev->queues, g_free);
    vdev->n_queues = 0;
    loop_task_cancel(&vdev->broken_task);
    g_clear_pointer(&vdev->config, g_free);
    vdev->config_size = 0;
}

static const Prop virtio_device_props[] = {
    PROP_BIT64(VirtioDevice, host_features, "indirect_desc",
               VIRTIO_F_INDIRECT_DESC, true),
    PROP_BIT64(VirtioDevice, host_features, "event_idx", VIRTIO_F_EVENT_IDX,
               true),
    PROP_BIT64(VirtioDevice, host_features, "notify_on_empty",
               VIRTIO_F_NOTIFY_ON_EMPTY, true),
    PROP_BIT64(VirtioDevice, host_features, "any_layout", VIRTIO_F_ANY_LAYOUT,
               true),
    PROP_BIT64(VirtioDevice, host_features, "iommu_platform",
               VIRTIO_F_IOMMU_PLATFORM, false),
    PROP_BIT64(VirtioDevice, host_features, "packed", VIRTIO_F_RING_PACKED,
               false),
    PROP_BIT64(VirtioDevice, host_features, "queue_reset", VIRTIO_F_RING_RESET,
               true),
    PROP(VirtioDevice, use_started, "use-started", true),
    PROP(VirtioDevice, use_disabled_flag, "use-disabled-flag", true),
    PROP(VirtioDevice, disable_legacy_check, "x-disable-legacy-check", false),
    {},
};

static const DeviceClass virtio_device_class = {
    .props = virtio_device_props,
    .bus_type = &virtio_bus_type,
    .internal = true,
    .realize = virtio_device_realize,
    .unrealize = virtio_device_unrealize,
};
QOM_DEFINE(VirtioDevice, virtio_device, .name = "virtio-device",
           .parent = &device_type, .class = &virtio_device_class,
           .abstract = true);

static const BusClass virtio_bus_class = {};
QOM_DEFINE(Bus, virtio_bus, .name = "virtio-bus", .parent = &bus_type,
           .class = &virtio_bus_class, .abstract = true);
