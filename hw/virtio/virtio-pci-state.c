/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PCI transport's part of the migration stream; see virtio-state.c. */
#include "util/osdep.h"

#include "util/error.h"
#include "virtio-pci-parts.h"

void virtio_pci_save(void *opaque, VmWriter *w)
{
    VirtioPci *s = opaque;

    s->vdev->saved_disabled = !pci_is_bus_master(&s->pci);
    vmstate_save(w, &pci_device_vmstate, &s->pci);
    msix_save(&s->pci, w);
    if (msix_present(&s->pci)) {
        vm_put_be16(w, s->vdev->config_vector);
    }
}

static bool load_vector(VirtioPci *s, VirtQueue *vq, VmReader *r, Error **errp)
{
    uint16_t vector;

    if (!msix_present(&s->pci)) {
        return true;
    }
    if (!vm_get_be16(r, &vector, errp)) {
        return false;
    }
    if (virtio_pci_set_vector(s, vq, vector) != vector) {
        return error_set(errp, "vector %u of %u", vector,
                         msix_vectors(&s->pci));
    }
    return true;
}

bool virtio_pci_load(void *opaque, VmReader *r, Error **errp)
{
    VirtioPci *s = opaque;

    return vmstate_load(r, &pci_device_vmstate, &s->pci, 2, errp) &&
           msix_load(&s->pci, r, errp) && load_vector(s, NULL, r, errp);
}

void virtio_pci_save_queue(void *opaque, const VirtQueue *vq, VmWriter *w)
{
    VirtioPci *s = opaque;

    if (msix_present(&s->pci)) {
        vm_put_be16(w, vq->vector);
    }
}

bool virtio_pci_load_queue(void *opaque, VirtQueue *vq, VmReader *r,
                           Error **errp)
{
    return load_vector(opaque, vq, r, errp);
}

uint16_t *virtio_pci_queue_sel(void *opaque)
{
    return &((VirtioPci *)opaque)->queue_sel;
}

/* What a modern driver wrote, per queue: size, enabled, three addresses, low
 * halves first. */
static void save_vqs(VmWriter *w, const void *elem, const VmField *f)
{
    const VirtioPci *s = elem;
    static const VirtQueue none;

    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        const VirtQueue *vq =
            i < s->vdev->n_queues && s->vdev->queues[i]->enabled
                ? s->vdev->queues[i]
                : &none;
        const uint64_t addrs[] = { vq->desc, vq->avail, vq->used };

        vm_put_be16(w, vq->num);
        vm_put_u8(w, 0);
        vm_put_u8(w, vq->enabled);
        for (int j = 0; j < 3; j++) {
            vm_put_be32(w, addrs[j]);
            vm_put_be32(w, addrs[j] >> 32);
        }
    }
}

static bool load_addr(VmReader *r, hwaddr *addr, Error **errp)
{
    uint32_t low, high;

    if (!vm_get_be32(r, &low, errp) || !vm_get_be32(r, &high, errp)) {
        return false;
    }
    *addr = (hwaddr)high << 32 | low;
    return true;
}

static bool load_vqs(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    VirtioPci *s = elem;

    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        VirtQueue scratch = {};
        VirtQueue *vq = i < s->vdev->n_queues ? s->vdev->queues[i] : &scratch;
        hwaddr desc, avail, used;
        uint16_t num;
        uint8_t unused, enabled;

        if (!vm_get_be16(r, &num, errp) || !vm_get_u8(r, &unused, errp) ||
            !vm_get_u8(r, &enabled, errp) || !load_addr(r, &desc, errp) ||
            !load_addr(r, &avail, errp) || !load_addr(r, &used, errp)) {
            return false;
        }
        /* Addresses in use came with the queues; these are set up only. */
        if (!enabled && vq != &scratch && !vq->enabled) {
            vq->desc = desc;
            vq->avail = avail;
            vq->used = used;
        }
        if (enabled && vq == &scratch) {
            return error_set(errp, "queue %u does not exist here", i);
        }
    }
    return true;
}

static const VmFieldKind vqs_kind = { "struct", 0, save_vqs, load_vqs };

static const VmState modern_vmstate = {
    .name = "virtio_pci/modern_state",
    .version = 1,
    .fields =
        (const VmField[]){
            VMS(VirtioPci, dfselect),
            VMS(VirtioPci, gfselect),
            VMS_ARRAY(VirtioPci, guest_features, "guest_features"),
            { .name = "vqs",
              .kind = &vqs_kind,
              .size = sizeof(VirtioPci),
              .num = 1 },
            {},
        },
};

const VmState virtio_pci_vmstate = {
    .name = "virtio_pci",
    .version = 1,
    .fields = (const VmField[]){ {} },
    .subsections =
        (const VmState *const[]){
            &modern_vmstate,
            NULL,
        },
};
