/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What x-query-virtio and its relatives tell of devices and rings. An IOThread
 * may go on serving a ring meanwhile: its numbers are a glimpse.
 */
#include "util/osdep.h"

#include <endian.h>

#include "qapi/qapi-commands-virtio.h"
#include "util/error.h"
#include "virtio-internal.h"
#include "vring.h"

#define LEGACY_ALIGN 4096

/* Finding them ----------------------------------------------------------- */

static bool add_device(Object *obj, void *opaque)
{
    VirtioInfoList **list = opaque;

    if (object_dynamic_cast(obj, &virtio_device_type)) {
        VirtioDevice *vdev = virtio_device(obj);

        if (vdev->transport) {
            VirtioInfo *info = g_new0(VirtioInfo, 1);

            info->path = object_path(obj);
            info->name = g_strdup(virtio_class(vdev)->name);
            QAPI_LIST_PREPEND(*list, info);
        }
    }
    return true;
}

VirtioInfoList *qmp_x_query_virtio(Vm *vm, Error **errp)
{
    VirtioInfoList *list = NULL;

    object_tree_foreach(vm->root, add_device, &list);
    return list;
}

static VirtioDevice *find_device(Vm *vm, const char *path, Error **errp)
{
    Object *obj = object_resolve(vm->root, path, NULL);

    obj = obj ? object_dynamic_cast(obj, &virtio_device_type) : NULL;
    if (!obj || !virtio_device(obj)->transport) {
        error_set(errp, "Path %s is not a VirtIODevice", path);
        return NULL;
    }
    return virtio_device(obj);
}

static VirtQueue *find_queue(Vm *vm, const char *path, uint16_t n, Error **errp)
{
    VirtioDevice *vdev = find_device(vm, path, errp);

    if (!vdev) {
        return NULL;
    }
    if (n >= vdev->n_queues || !vdev->queues[n]->num) {
        error_set(errp, "Invalid virtqueue number %u", n);
        return NULL;
    }
    return vdev->queues[n];
}

/* Devices ---------------------------------------------------------------- */

/* The names of @bits; what has none stays in *bits. */
static strList *names_of(const VirtioBitName *table, uint64_t *bits)
{
    strList *list = NULL, **tail = &list;

    for (; table->text; table++) {
        if (*bits >> table->bit & 1) {
            QAPI_LIST_APPEND(tail, g_strdup(table->text));
            *bits &= ~BIT(table->bit);
        }
    }
    return list;
}

static VirtioDeviceFeatures *features_of(const VirtioDevice *vdev,
                                         uint64_t bits)
{
    VirtioDeviceFeatures *f = g_new0(VirtioDeviceFeatures, 1);

    f->transports = names_of(virtio_transport_names, &bits);
    f->dev_features =
        names_of(virtio_device_names(virtio_class(vdev)->id), &bits);
    f->has_dev_features = true;
    f->unknown_dev_features = bits;
    f->has_unknown_dev_features = bits;
    return f;
}

static VirtioDeviceStatus *status_of(uint8_t status)
{
    VirtioDeviceStatus *s = g_new0(VirtioDeviceStatus, 1);
    uint64_t bits = status;

    s->statuses = names_of(virtio_status_names, &bits);
    s->unknown_statuses = bits;
    s->has_unknown_statuses = bits;
    return s;
}

static char *bus_name(const VirtioDevice *vdev)
{
    const GPtrArray *buses = vdev->parent.buses;
    const Bus *bus = buses && buses->len ? g_ptr_array_index(buses, 0) : NULL;

    return g_strdup(bus ? bus->name : "");
}

VirtioStatus *qmp_x_query_virtio_status(Vm *vm, const char *path, Error **errp)
{
    VirtioDevice *vdev = find_device(vm, path, errp);
    VirtioStatus *s;

    if (!vdev) {
        return NULL;
    }
    s = g_new0(VirtioStatus, 1);
    s->name = g_strdup(virtio_class(vdev)->name);
    s->device_id = virtio_class(vdev)->id;
    s->device_endian = g_strdup("little");
    s->guest_features = features_of(vdev, vdev->features);
    s->host_features = features_of(vdev, vdev->host_features);
    s->backend_features = features_of(vdev, 0);
    s->num_vqs = vdev->n_queues;
    s->status = status_of(vdev->status);
    s->isr = __atomic_load_n(&vdev->isr, __ATOMIC_RELAXED);
    s->queue_sel = vdev->transport->queue_sel
                       ? *vdev->transport->queue_sel(vdev->transport_opaque)
                       : 0;
    s->vm_running = vm_is_running(vm);
    s->broken = vdev->broken;
    s->disabled = vdev->use_disabled_flag && vdev->saved_disabled;
    s->use_started = vdev->use_started;
    s->started = vdev->started;
    s->disable_legacy_check = vdev->disable_legacy_check;
    s->bus_name = bus_name(vdev);
    s->use_guest_notifier_mask = true;
    return s;
}

/* Queues ----------------------------------------------------------------- */

VirtQueueStatus *qmp_x_query_virtio_queue_status(Vm *vm, const char *path,
                                                 uint16_t queue, Error **errp)
{
    VirtQueue *vq = find_queue(vm, path, queue, errp);
    VirtQueueStatus *s;

    if (!vq) {
        return NULL;
    }
    s = g_new0(VirtQueueStatus, 1);
    s->name = g_strdup(virtio_class(vq->vdev)->name);
    s->queue_index = vq->index;
    s->inuse = vq->inuse;
    s->vring_num = vq->num;
    s->vring_num_default = vq->num_max;
    s->vring_align = LEGACY_ALIGN;
    s->vring_desc = vq->desc;
    s->vring_avail = vq->avail;
    s->vring_used = vq->used;
    s->has_last_avail_idx = s->has_shadow_avail_idx = true;
    s->last_avail_idx = vq->last_avail;
    s->shadow_avail_idx = vq->packed ? vq->last_avail : vq->shadow_avail;
    s->used_idx = vq->used_idx;
    s->signalled_used = vq->signalled_used;
    s->signalled_used_valid = vq->signalled_valid;
    return s;
}

/* Ring walks of our own, by copies: nothing of the device's state moves. */
typedef struct SplitDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} SplitDesc;

enum { DESC_F_NEXT = 1, DESC_F_WRITE = 2, DESC_F_INDIRECT = 4 };

static bool read16(VirtQueue *vq, hwaddr at, uint16_t *v, Error **errp)
{
    if (!gmem_read(vq->vdev->mem, at, v, sizeof(*v))) {
        return error_set(errp, "the ring is not in the guest's memory");
    }
    *v = le16toh(*v);
    return true;
}

static VirtioRingDesc *make_desc(const SplitDesc *d)
{
    static const char *const names[] = { "next", "write", "indirect" };
    VirtioRingDesc *desc = g_new0(VirtioRingDesc, 1);
    strList **tail = &desc->flags;

    desc->addr = le64toh(d->addr);
    desc->len = le32toh(d->len);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (le16toh(d->flags) >> i & 1) {
            QAPI_LIST_APPEND(tail, g_strdup(names[i]));
        }
    }
    return desc;
}

/* The chain at @head; an indirect table's entries take its place. */
static bool read_chain(VirtQueue *vq, unsigned head, VirtioRingDescList **list,
                       Error **errp)
{
    VirtioRingDescList **tail = list;
    hwaddr table = vq->desc;
    unsigned n = vq->num, i = head;
    SplitDesc d;

    for (unsigned steps = 0; steps < VIRTQUEUE_MAX_SIZE && i < n; steps++) {
        uint16_t flags;

        if (!gmem_read(vq->vdev->mem, table + i * sizeof(d), &d, sizeof(d))) {
            return error_set(errp, "descriptor %u is not in the guest's memory",
                             i);
        }
        flags = le16toh(d.flags);
        if (flags & DESC_F_INDIRECT && table == vq->desc) {
            table = le64toh(d.addr);
            n = MIN(le32toh(d.len) / sizeof(d), VIRTQUEUE_MAX_SIZE);
            i = 0;
            continue;
        }
        QAPI_LIST_APPEND(tail, make_desc(&d));
        if (!(flags & DESC_F_NEXT)) {
            return true;
        }
        i = le16toh(d.next);
    }
    return error_set(errp, "the chain has no end");
}

static bool fill_element(VirtQueue *vq, VirtioQueueElement *e, Error **errp)
{
    e->avail = g_new0(VirtioRingAvail, 1);
    e->used = g_new0(VirtioRingUsed, 1);
    return read16(vq, vq->avail, &e->avail->flags, errp) &&
           read16(vq, vq->avail + 2, &e->avail->idx, errp) &&
           read16(vq, vq->avail + 4 + 2 * e->index, &e->avail->ring, errp) &&
           read16(vq, vq->used, &e->used->flags, errp) &&
           read16(vq, vq->used + 2, &e->used->idx, errp) &&
           read_chain(vq, e->avail->ring, &e->descs, errp);
}

VirtioQueueElement *
qmp_x_query_virtio_queue_element(Vm *vm, const char *path, uint16_t queue,
                                 bool has_index, uint16_t index, Error **errp)
{
    VirtQueue *vq = find_queue(vm, path, queue, errp);
    VirtioQueueElement *e;

    if (!vq) {
        return NULL;
    }
    if (virtio_has(vq->vdev, VIRTIO_F_RING_PACKED)) {
        error_set(errp, "Packed ring not supported");
        return NULL;
    }
    if (!vq->mapped) {
        error_set(errp, "the driver has not set the ring up");
        return NULL;
    }
    e = g_new0(VirtioQueueElement, 1);
    e->name = g_strdup(virtio_class(vq->vdev)->name);
    e->index = (has_index ? index : vq->last_avail) % vq->num;
    if (!fill_element(vq, e, errp)) {
        qapi_free_VirtioQueueElement(e);
        return NULL;
    }
    return e;
}
