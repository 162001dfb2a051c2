/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio over PCI (virtio 1.2, 4.1): a PCI function with the virtio device as
 * its child "virtio-backend" on a bus "virtio-bus". Machine lock.
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "hw/pci/msix.h"
#include "hw/virtio/virtio.h"

enum {
    VIRTIO_PCI_BAR_LEGACY = 0,
    VIRTIO_PCI_BAR_MSIX = 1,
    VIRTIO_PCI_BAR_PIO = 2,
    VIRTIO_PCI_BAR_MODERN = 4,
    VIRTIO_PCI_VECTORS_AUTO = -1, /* one per queue, one for changes */
};

typedef struct VirtioPciVector {
    int virq; /* of the route, or -1 */
} VirtioPciVector;

typedef struct VirtioPci {
    PciDevice pci;
    VirtioDevice *vdev; /* child; owned */
    Bus *bus;

    /* properties */
    bool ioeventfd, page_per_vq, modern_pio_notify, disable_modern;
    int disable_legacy; /* OnOffAuto */
    bool disable_pcie, ats, ats_aligned, aer;
    bool deverr_init, lnkctl_init, pm_init, flr_init;
    bool migrate_extra, bus_master_bug, ignore_backend_features;
    uint32_t n_vectors, class_code;

    /* const after realize */
    bool legacy, modern;
    MemRegion legacy_bar, modern_bar, pio_bar;
    MemRegion common, isr, device, notify, notify_pio;
    uint32_t notify_mult;
    uint16_t cfg_cap; /* offset of the configuration access capability */
    AddressSpace *cfg_mem, *cfg_io; /* for that; made when used */
    VirtioPciVector *vectors;

    /* guest state */
    uint32_t dfselect, gfselect;
    uint32_t guest_features[2];
    uint16_t queue_sel;
    unsigned n_irqfds; /* queues that want one */
} VirtioPci;

typedef struct VirtioPciClass {
    PciDevClass pci; /* device_id is the transitional one */
} VirtioPciClass;

QOM_DECLARE_TYPE(VirtioPci, virtio_pci)
extern const ObjectType virtio_pci_bus_type;

/* Hooks and ids that every class of such a function begins with. */
uint32_t virtio_pci_config_read(PciDevice *d, uint32_t addr, unsigned len);
void virtio_pci_config_write(PciDevice *d, uint32_t addr, uint32_t value,
                             unsigned len);
bool virtio_pci_is_express(PciDevice *d);
#define VIRTIO_PCI_CLASS(legacy_id, cls_id, cat, ...)       \
    .pci = { .vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET,    \
             .device_id = legacy_id,                        \
             .class_id = cls_id,                            \
             .is_express = virtio_pci_is_express,           \
             .config_read = virtio_pci_config_read,         \
             .config_write = virtio_pci_config_write,       \
             .device = { .bus_type = &pci_bus_type,         \
                         .category = DEVICE_CATEGORY_##cat, \
                         __VA_ARGS__ } }

/* Properties of the variant that can be either; see virtio-pci.c. */
extern const Prop virtio_pci_generic_props[];

/* The four PCI types around fn##_type. @base is a macro that takes the members
 * to add to DeviceClass: VIRTIO_PCI_CLASS with the ids filled in. @bprops are
 * properties that only the PCI types have, or NULL. */
#define VIRTIO_PCI_DEFINE(fn, nam, base, bprops)                               \
    static const VirtioPciClass fn##_pci_base_class = { base(.props =          \
                                                                 bprops) };    \
    static const VirtioPciClass fn##_pci_class = {                             \
        base(.props = virtio_pci_generic_props)                                \
    };                                                                         \
    QOM_DEFINE(VirtioPci, fn##_pci_base, .name = nam "-pci-base",              \
               .parent = &virtio_pci_type, .class = &fn##_pci_base_class,      \
               .abstract = true, .forward = &fn##_type,                        \
               .forward_at = offsetof(VirtioPci, vdev));                       \
    QOM_DEFINE(VirtioPci, fn##_pci, .name = nam "-pci", .alias = nam,          \
               .parent = &fn##_pci_base_type, .class = &fn##_pci_class);       \
    QOM_DEFINE(VirtioPci, fn##_pci_transitional,                               \
               .name = nam "-pci-transitional", .parent = &fn##_pci_base_type, \
               .init = virtio_pci_init_transitional);                          \
    QOM_DEFINE(VirtioPci, fn##_pci_non_transitional,                           \
               .name = nam "-pci-non-transitional",                            \
               .parent = &fn##_pci_base_type,                                  \
               .init = virtio_pci_init_non_transitional)
void virtio_pci_init_transitional(Object *obj);
void virtio_pci_init_non_transitional(Object *obj);

#endif
