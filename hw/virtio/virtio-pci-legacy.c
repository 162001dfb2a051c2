/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The I/O port registers of transitional devices: virtio 1.2, 4.1.4.10 "Legacy
 * Interfaces: A Note on PCI Device Layout".
 */
#include "util/osdep.h"

#include <linux/virtio_pci.h>

#include "util/error.h"
#include "virtio-pci-parts.h"

enum { LEGACY_PAGE_SHIFT = 12 };

unsigned virtio_pci_legacy_config_off(const VirtioPci *s)
{
    return VIRTIO_PCI_CONFIG_OFF(msix_enabled(&s->pci));
}

static uint32_t legacy_read_reg(VirtioPci *s, hwaddr addr)
{
    VirtioDevice *vdev = s->vdev;
    VirtQueue *vq = virtio_pci_queue(s);

    switch (addr) {
    case VIRTIO_PCI_HOST_FEATURES:
        return virtio_offered(vdev, true);
    case VIRTIO_PCI_GUEST_FEATURES:
        return vdev->features;
    case VIRTIO_PCI_QUEUE_PFN:
        return vq && vq->enabled ? vq->desc >> LEGACY_PAGE_SHIFT : 0;
    case VIRTIO_PCI_QUEUE_NUM:
        return vq ? vq->num_max : 0;
    case VIRTIO_PCI_QUEUE_SEL:
        return s->queue_sel;
    case VIRTIO_PCI_STATUS:
        return vdev->status;
    case VIRTIO_PCI_ISR:
        return virtio_pci_read_isr(s);
    case VIRTIO_MSI_CONFIG_VECTOR:
        return vdev->config_vector;
    case VIRTIO_MSI_QUEUE_VECTOR:
        return vq ? vq->vector : VIRTIO_NO_VECTOR;
    default:
        return UINT32_MAX;
    }
}

static uint64_t legacy_read(void *opaque, hwaddr addr, unsigned size)
{
    VirtioPci *s = opaque;
    unsigned config = virtio_pci_legacy_config_off(s);

    if (addr >= config) {
        return virtio_config_read(s->vdev, addr - config, size);
    }
    return legacy_read_reg(s, addr);
}

/* A page number starts a queue, 0 resets the device (4.1.5.1.3). */
static void legacy_write_pfn(VirtioPci *s, uint32_t pfn)
{
    VirtQueue *vq = virtio_pci_queue(s);

    if (pfn == 0) {
        virtio_pci_write_status(s, 0);
    } else if (vq && vq->num_max && !vq->enabled) {
        virtio_queue_set_legacy_addr(vq, (hwaddr)pfn << LEGACY_PAGE_SHIFT);
    }
}

static void legacy_write_reg(VirtioPci *s, hwaddr addr, uint32_t value)
{
    VirtQueue *vq = virtio_pci_queue(s);

    switch (addr) {
    case VIRTIO_PCI_GUEST_FEATURES:
        virtio_set_features(s->vdev, value);
        break;
    case VIRTIO_PCI_QUEUE_PFN:
        legacy_write_pfn(s, value);
        break;
    case VIRTIO_PCI_QUEUE_SEL:
        s->queue_sel = value;
        break;
    case VIRTIO_PCI_QUEUE_NOTIFY:
        virtio_driver_kick(s->vdev, value);
        break;
    case VIRTIO_PCI_STATUS:
        virtio_pci_write_status(s, value);
        break;
    case VIRTIO_MSI_CONFIG_VECTOR:
        virtio_pci_set_vector(s, NULL, value);
        break;
    case VIRTIO_MSI_QUEUE_VECTOR:
        if (vq) {
            virtio_pci_set_vector(s, vq, value);
        }
        break;
    default:
        break; /* read-only */
    }
}

static void legacy_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    VirtioPci *s = opaque;
    unsigned config = virtio_pci_legacy_config_off(s);

    if (addr >= config) {
        virtio_config_write(s->vdev, addr - config, value, size);
    } else {
        legacy_write_reg(s, addr, value);
    }
}

static const MemOps legacy_ops = {
    .read = legacy_read,
    .write = legacy_write,
    .impl = { .min = 1, .max = 4, .unaligned = true },
};

void virtio_pci_legacy_init(VirtioPci *s)
{
    uint64_t size = VIRTIO_PCI_CONFIG_OFF(1) + s->vdev->config_size;

    size = UINT64_C(1) << (64 - __builtin_clzll(size - 1));
    mem_region_init_io(&s->legacy_bar, &s->pci.dev.obj, &legacy_ops, s,
                       "virtio-pci", size);
    pci_bar_add(&s->pci, VIRTIO_PCI_BAR_LEGACY, PCI_BASE_ADDRESS_SPACE_IO,
                &s->legacy_bar);
}

void virtio_pci_legacy_cleanup(VirtioPci *s)
{
    mem_region_cleanup(&s->legacy_bar);
}
