/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device in the migration stream, as QEMU 7.2 lays it out: the
 * transport's part, the device's registers, its queues, what the kind of
 * device adds, then subsections for all that virtio 1 brought. Arrays per
 * queue have VIRTIO_QUEUE_MAX elements, zero for queues that do not exist.
 */
#include "util/osdep.h"

#include <endian.h>

#include "util/error.h"
#include "virtio-internal.h"
#include "vring.h"

/* Elements of the arrays per queue --------------------------------------- */

typedef void QueueSave(VmWriter *w, const VirtQueue *vq);
typedef bool QueueLoad(VmReader *r, VirtQueue *vq, Error **errp);

static void save_queues(VmWriter *w, const VirtioDevice *vdev, QueueSave *save)
{
    static const VirtQueue none = { .avail_wrap = true, .used_wrap = true };

    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        save(w, i < vdev->n_queues ? vdev->queues[i] : &none);
    }
}

static bool load_queues(VmReader *r, VirtioDevice *vdev, QueueLoad *load,
                        Error **errp)
{
    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        VirtQueue scratch = {};

        if (!load(r, i < vdev->n_queues ? vdev->queues[i] : &scratch, errp)) {
            return false;
        }
    }
    return true;
}

static void save_rings(VmWriter *w, const VirtQueue *vq)
{
    vm_put_be64(w, vq->avail);
    vm_put_be64(w, vq->used);
}

static bool load_rings(VmReader *r, VirtQueue *vq, Error **errp)
{
    return vm_get_be64(r, &vq->avail, errp) && vm_get_be64(r, &vq->used, errp);
}

static void save_default_size(VmWriter *w, const VirtQueue *vq)
{
    vm_put_be32(w, vq->num_max);
}

static bool load_default_size(VmReader *r, VirtQueue *vq, Error **errp)
{
    uint32_t num;

    return vm_get_be32(r, &num, errp); /* ours is what we were made with */
}

static void save_packed(VmWriter *w, const VirtQueue *vq)
{
    vm_put_be16(w, vring_saved_avail(vq));
    vm_put_u8(w, vring_saved_avail_wrap(vq));
    vm_put_be16(w, vq->used_idx);
    vm_put_u8(w, vq->used_wrap);
    vm_put_be32(w, 0); /* in flight: the device takes them again */
}

static bool load_packed(VmReader *r, VirtQueue *vq, Error **errp)
{
    uint8_t avail_wrap, used_wrap;
    uint32_t inuse;

    if (!vm_get_be16(r, &vq->last_avail, errp) ||
        !vm_get_u8(r, &avail_wrap, errp) ||
        !vm_get_be16(r, &vq->used_idx, errp) ||
        !vm_get_u8(r, &used_wrap, errp) || !vm_get_be32(r, &inuse, errp)) {
        return false;
    }
    vq->avail_wrap = avail_wrap;
    vq->used_wrap = used_wrap;
    vq->inuse = inuse;
    return true;
}

/* Subsections ------------------------------------------------------------ */

#define QUEUE_ARRAY(nam, fn)                                                \
    static void nam##_save(VmWriter *w, const void *elem, const VmField *f) \
    {                                                                       \
        save_queues(w, elem, save_##fn);                                    \
    }                                                                       \
    static bool nam##_load(VmReader *r, void *elem, const VmField *f,       \
                           Error **errp)                                    \
    {                                                                       \
        return load_queues(r, elem, load_##fn, errp);                       \
    }                                                                       \
    static const VmFieldKind nam##_kind = { "struct", 0, nam##_save,        \
                                            nam##_load }
QUEUE_ARRAY(rings, rings);
QUEUE_ARRAY(ringsize, default_size);
QUEUE_ARRAY(packed, packed);

/* A field that is all of the device. */
#define WHOLE(nam, knd)                                                  \
    {                                                                    \
        .name = nam, .kind = knd, .size = sizeof(VirtioDevice), .num = 1 \
    }

static bool needs_modern(const void *state)
{
    const VirtioDevice *vdev = state;

    return vdev->host_features >> 32;
}

static const VmState features_vmstate = {
    .name = "virtio/64bit_features",
    .version = 1,
    .needed = needs_modern,
    .fields =
        (const VmField[]){
            VMS_N(VirtioDevice, features, "guest_features"),
            {},
        },
};

static bool needs_rings(const void *state)
{
    const VirtioDevice *vdev = state;

    return vdev->host_features & BIT(VIRTIO_F_VERSION_1);
}

static const VmState rings_vmstate = {
    .name = "virtio/virtqueues",
    .version = 1,
    .needed = needs_rings,
    .fields =
        (const VmField[]){
            WHOLE("vq", &rings_kind),
            {},
        },
};

static bool needs_ringsize(const void *state)
{
    const VirtioDevice *vdev = state;

    for (unsigned i = 0; i < vdev->n_queues; i++) {
        if (vdev->queues[i]->num != vdev->queues[i]->num_max) {
            return true;
        }
    }
    return false;
}

static const VmState ringsize_vmstate = {
    .name = "virtio/ringsize",
    .version = 1,
    .needed = needs_ringsize,
    .fields =
        (const VmField[]){
            WHOLE("vq", &ringsize_kind),
            {},
        },
};

static bool is_broken(const void *state)
{
    return ((const VirtioDevice *)state)->broken;
}

static void save_broken(VmWriter *w, const void *elem, const VmField *f)
{
    vm_put_u8(w, !!*(const int *)elem);
}

static bool load_broken(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    uint8_t v;

    if (!vm_get_u8(r, &v, errp)) {
        return false;
    }
    *(int *)elem = !!v;
    return true;
}

static const VmFieldKind broken_kind = { "bool", 0, save_broken, load_broken };

static const VmState broken_vmstate = {
    .name = "virtio/broken",
    .version = 1,
    .needed = is_broken,
    .fields =
        (const VmField[]){
            VMS_AS(VirtioDevice, broken, "broken", &broken_kind),
            {},
        },
};

static bool has_extra(const void *state)
{
    const VirtioDevice *vdev = state;

    return vdev->transport->extra_state && needs_rings(vdev);
}

static void save_extra(VmWriter *w, const void *elem, const VmField *f)
{
    const VirtioDevice *vdev = elem;

    vmstate_save(w, vdev->transport->extra_state, vdev->transport_opaque);
}

static bool load_extra(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    VirtioDevice *vdev = elem;

    return vmstate_load(r, vdev->transport->extra_state, vdev->transport_opaque,
                        1, errp);
}

static const VmFieldKind extra_kind = { "virtio_extra_state", 0, save_extra,
                                        load_extra };

static const VmState extra_vmstate = {
    .name = "virtio/extra_state",
    .version = 1,
    .needed = has_extra,
    .fields =
        (const VmField[]){
            WHOLE("extra_state", &extra_kind),
            {},
        },
};

static bool needs_started(const void *state)
{
    const VirtioDevice *vdev = state;

    return vdev->use_started && vdev->started;
}

static const VmState started_vmstate = {
    .name = "virtio/started",
    .version = 1,
    .needed = needs_started,
    .fields =
        (const VmField[]){
            VMS(VirtioDevice, saved_started),
            {},
        },
};

static bool needs_packed(const void *state)
{
    const VirtioDevice *vdev = state;

    return vdev->host_features & BIT(VIRTIO_F_RING_PACKED);
}

static const VmState packed_vmstate = {
    .name = "virtio/packed_virtqueues",
    .version = 1,
    .needed = needs_packed,
    .fields =
        (const VmField[]){
            WHOLE("vq", &packed_kind),
            {},
        },
};

static bool needs_disabled(const void *state)
{
    const VirtioDevice *vdev = state;

    return vdev->use_disabled_flag && vdev->saved_disabled;
}

static const VmState disabled_vmstate = {
    .name = "virtio/disabled",
    .version = 1,
    .needed = needs_disabled,
    .fields =
        (const VmField[]){
            VMS(VirtioDevice, saved_disabled),
            {},
        },
};

static const VmState virtio_vmstate = {
    .name = "virtio",
    .version = 1,
    .fields = (const VmField[]){ {} },
    .subsections =
        (const VmState *const[]){
            &features_vmstate,
            &rings_vmstate,
            &ringsize_vmstate,
            &broken_vmstate,
            &extra_vmstate,
            &started_vmstate,
            &packed_vmstate,
            &disabled_vmstate,
            NULL,
        },
};

/* The whole -------------------------------------------------------------- */

static void save_registers(VmWriter *w, VirtioDevice *vdev)
{
    const VirtioClass *cls = virtio_class(vdev);

    if (cls->get_config) {
        cls->get_config(vdev);
    }
    vm_put_u8(w, vdev->status);
    vm_put_u8(w, vdev->isr);
    vm_put_be16(w, vdev->transport->queue_sel
                       ? *vdev->transport->queue_sel(vdev->transport_opaque)
                       : 0);
    vm_put_be32(w, vdev->features);
    vm_put_be32(w, vdev->config_size);
    vm_put_bytes(w, vdev->config, vdev->config_size);
}

static void virtio_save(VmWriter *w, const void *elem, const VmField *f)
{
    VirtioDevice *vdev = (VirtioDevice *)elem;
    const VirtioTransport *t = vdev->transport;
    const VirtioClass *cls = virtio_class(vdev);

    vdev->saved_started = vdev->started;
    t->save(vdev->transport_opaque, w);
    save_registers(w, vdev);
    vm_put_be32(w, vdev->n_queues);
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        const VirtQueue *vq = vdev->queues[i];

        vm_put_be32(w, vq->num);
        vm_put_be64(w, vq->desc);
        vm_put_be16(w, vring_saved_avail(vq));
        t->save_queue(vdev->transport_opaque, vq, w);
    }
    if (cls->state) {
        vmstate_save(w, cls->state, vdev);
    }
    vmstate_save(w, &virtio_vmstate, vdev);
}

static bool load_registers(VmReader *r, VirtioDevice *vdev, Error **errp)
{
    uint8_t isr, byte;
    uint16_t queue_sel;
    uint32_t features, config_len;

    if (!vm_get_u8(r, &vdev->status, errp) || !vm_get_u8(r, &isr, errp) ||
        !vm_get_be16(r, &queue_sel, errp) || !vm_get_be32(r, &features, errp) ||
        !vm_get_be32(r, &config_len, errp)) {
        return false;
    }
    if (queue_sel >= VIRTIO_QUEUE_MAX) {
        return error_set(errp, "selected queue %u is out of range", queue_sel);
    }
    vdev->isr = isr;
    vdev->features = features;
    if (vdev->transport->queue_sel) {
        *vdev->transport->queue_sel(vdev->transport_opaque) = queue_sel;
    }
    /* The device knows its configuration; lengths may differ. */
    if (config_len > 4096) {
        return error_set(errp, "configuration of %u bytes", config_len);
    }
    for (uint32_t i = 0; i < config_len; i++) {
        if (!vm_get_u8(r, &byte, errp)) {
            return false;
        }
    }
    return true;
}

static bool load_queue(VmReader *r, VirtQueue *vq, Error **errp)
{
    const VirtioTransport *t = vq->vdev->transport;
    uint32_t num;

    if (!vm_get_be32(r, &num, errp) || !vm_get_be64(r, &vq->desc, errp) ||
        !vm_get_be16(r, &vq->last_avail, errp)) {
        return false;
    }
    if (num > VIRTQUEUE_MAX_SIZE) {
        return error_set(errp, "queue %u has %u entries", vq->index, num);
    }
    vq->num = num;
    vq->enabled = vq->desc != 0;
    vq->restored = true;
    return t->load_queue(vq->vdev->transport_opaque, vq, r, errp);
}

static bool load_done(VirtioDevice *vdev, Error **errp)
{
    const VirtioClass *cls = virtio_class(vdev);
    uint64_t bad = vdev->features & ~vdev->host_features;

    if (bad) {
        return error_set(errp,
                         "features 0x%" PRIx64 " are not offered here "
                         "(0x%" PRIx64 " are)",
                         bad, vdev->host_features);
    }
    for (unsigned i = 0; i < vdev->n_queues; i++) {
        VirtQueue *vq = vdev->queues[i];

        if (!virtio_has(vdev, VIRTIO_F_VERSION_1) && vq->enabled) {
            virtio_queue_set_legacy_addr(vq, vq->desc);
        }
    }
    if (cls->features_set) {
        vdev->loading = true;
        cls->features_set(vdev);
        vdev->loading = false;
    }
    return true;
}

static bool virtio_load(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    VirtioDevice *vdev = elem;
    const VirtioTransport *t = vdev->transport;
    const VirtioClass *cls = virtio_class(vdev);
    uint32_t n;

    virtio_reset(vdev);
    if (!t->load(vdev->transport_opaque, r, errp) ||
        !load_registers(r, vdev, errp) || !vm_get_be32(r, &n, errp)) {
        return false;
    }
    if (n > vdev->n_queues) {
        return error_set(errp, "%u queues, this device has %u", n,
                         vdev->n_queues);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!load_queue(r, vdev->queues[i], errp)) {
            return false;
        }
    }
    return (!cls->state ||
            vmstate_load(r, cls->state, vdev, cls->vmstate_version, errp)) &&
           vmstate_load(r, &virtio_vmstate, vdev, 1, errp) &&
           load_done(vdev, errp);
}

const VmFieldKind virtio_vmstate_kind = { "virtio", 0, virtio_save,
                                          virtio_load };
