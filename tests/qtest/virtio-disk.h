/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio-blk function at 00:04.0 with one ring, for qtests. */
#ifndef TESTS_QTEST_VIRTIO_DISK_H
#define TESTS_QTEST_VIRTIO_DISK_H

#include <linux/virtio_blk.h>

#include "tests/qtest/virtio-driver.h"

#define DISK_SIZE (4 * MiB)

typedef struct Disk {
    QTest *q;
    VDev *v;
    VRing *r;
    char *path;                 /* removed by disk_close() */
    uint64_t hdr, data, status; /* of disk_add()'s requests */
} Disk;

/* A file of DISK_SIZE zeroes. */
char *disk_image(void);
/* Node "n0" (raw) on "f0" (the file), device "d0"; then disk_attach(). */
void disk_open(Disk *d, const char *args, const char *opts, bool legacy,
               unsigned queue);
/* A driver for the device of d->q. */
void disk_attach(Disk *d, bool legacy, unsigned queue);
void disk_attach_at(Disk *d, unsigned slot, bool legacy, unsigned queue);
void disk_close(Disk *d);
/* Give the port at 00:05.0 bus 1 and memory for what is behind it; where its
 * PCI Express capability is. */
unsigned disk_open_port(QTest *q);
/* The guest switches that port's slot off, as device_del has asked it to: the
 * device goes. Frees the driver. */
void disk_leave_port(Disk *d, unsigned cap);
/* Make a request available, which uses d->hdr, d->data and d->status; its
 * head. */
unsigned disk_add(Disk *d, uint32_t type, uint64_t sector, uint32_t len);
/* And kick, and wait: the status. */
uint8_t disk_request(Disk *d, uint32_t type, uint64_t sector, uint32_t len);

#endif
