/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver's side of virtio over PCI for qtests: finds a function on bus 0
 * of a PC machine, maps its BARs, sets up split rings in guest memory from
 * 1  * 1 MiB upwards. With "packed" a test runs on packed rings.
 */
#ifndef TESTS_QTEST_VIRTIO_DRIVER_H
#define TESTS_QTEST_VIRTIO_DRIVER_H

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "tests/qtest/libqtest.h"

typedef struct VDev {
    QTest *q;
    unsigned slot;
    bool legacy;
    uint16_t io;   /* BAR 0 */
    uint64_t mmio; /* BAR 4 */
    uint64_t msix; /* BAR 1 */
    /* modern: offsets in BAR 4 */
    uint32_t common, isr, device, notify, notify_mult;
    uint64_t features; /* negotiated */
    uint64_t next;     /* free guest memory */
} VDev;

typedef struct VRing {
    VDev *v;
    unsigned index, num;
    uint64_t desc, avail, used; /* packed: avail, used are event areas */
    uint16_t free, avail_idx, used_idx;
    /* packed: free and used_idx are positions */
    bool packed, free_wrap, used_wrap;
    uint16_t slots[1024]; /* of the chain with this id */
} VRing;

typedef struct VSeg {
    uint64_t addr;
    uint32_t len;
    bool write; /* by the device */
} VSeg;

/* What to add to a slot for each bus: VDEV_BUS + 3 is slot 3 of bus 1. */
#define VDEV_BUS 32

/* Configuration space of slot.0 on bus 0 (or another). */
uint32_t pci_read(QTest *q, unsigned slot, unsigned off);
void pci_write(QTest *q, unsigned slot, unsigned off, uint32_t v);
uint8_t pci_read8(QTest *q, unsigned slot, unsigned off);

/* BARs placed and enabled, capabilities read, device reset. */
VDev *vdev_open(QTest *q, unsigned slot, bool legacy);
void vdev_close(VDev *v);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VDev, vdev_close)

uint64_t vdev_offered(VDev *v);
/* Reset, then up to FEATURES_OK with what of @wanted is offered. */
void vdev_negotiate(VDev *v, uint64_t wanted);
void vdev_driver_ok(VDev *v);
uint8_t vdev_status(VDev *v);
void vdev_set_status(VDev *v, uint8_t status);
/* Reads and clears. */
uint8_t vdev_isr(VDev *v);
/* Waits for bits of the interrupt status. */
void vdev_wait_isr(VDev *v, uint8_t bits);
void vdev_config(VDev *v, unsigned off, void *buf, size_t len);
void vdev_config_write8(VDev *v, unsigned off, uint8_t value);
uint8_t vdev_generation(VDev *v);
uint64_t vdev_alloc(VDev *v, size_t size);

/* Add the test to run with split rings, and as PATH/packed with packed ones. */
typedef void VDevTest(void);
void vdev_add_test(const char *path, VDevTest *test);

/* A ring of the largest size the device has; between negotiate and ok (or
 * after a queue reset). */
VRing *vring_new(VDev *v, unsigned index);
/* Make a chain available, do not kick; its head. */
unsigned vring_add(VRing *r, const VSeg *segs, unsigned n);
void vring_kick(VRing *r);
/* Wait for the next used element. */
unsigned vring_wait(VRing *r, uint32_t *len);
bool vring_has_used(VRing *r);
/* Add, kick, wait: the length. */
uint32_t vring_do(VRing *r, const VSeg *segs, unsigned n);

/* Access to modern common configuration, for tests of it. */
uint32_t vdev_common_read(VDev *v, unsigned off, unsigned size);
void vdev_common_write(VDev *v, unsigned off, uint32_t value, unsigned size);

#endif
