/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See virtio-disk.h. Virtio 1.2, 5.2.6. */
#include "util/osdep.h"

#include "tests/qtest/virtio-disk.h"

char *disk_image(void)
{
    char *path = NULL;
    int fd = g_file_open_tmp("nemu-blk-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, DISK_SIZE), ==, 0);
    close(fd);
    return path;
}

void disk_attach(Disk *d, bool legacy, unsigned queue)
{
    disk_attach_at(d, 4, legacy, queue);
}

void disk_attach_at(Disk *d, unsigned slot, bool legacy, unsigned queue)
{
    d->v = vdev_open(d->q, slot, legacy);
    vdev_negotiate(d->v, 0xffff); /* the device's own */
    d->r = vring_new(d->v, queue);
    vdev_driver_ok(d->v);
    d->hdr = vdev_alloc(d->v, 16);
    d->data = vdev_alloc(d->v, 64 * KiB);
    d->status = vdev_alloc(d->v, 1);
}

void disk_open(Disk *d, const char *args, const char *opts, bool legacy,
               unsigned queue)
{
    d->path = disk_image();
    d->q = qtest_startf("-machine q35 -smp 2 %s -blockdev "
                        "driver=file,node-name=f0,filename=%s,discard=unmap "
                        "-blockdev driver=raw,node-name=n0,file=f0,"
                        "discard=unmap "
                        "-device virtio-blk-pci,id=d0,drive=n0,addr=4%s",
                        args, d->path, opts);
    disk_attach(d, legacy, queue);
}

void disk_close(Disk *d)
{
    g_free(d->r);
    vdev_close(d->v);
    qtest_quit(d->q);
    unlink(d->path);
    g_free(d->path);
}

unsigned disk_add(Disk *d, uint32_t type, uint64_t sector, uint32_t len)
{
    bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
    VSeg segs[3] = { { d->hdr, 16, false },
                     { d->data, len, in },
                     { d->status, 1, true } };

    qtest_writel(d->q, d->hdr, type);
    qtest_writel(d->q, d->hdr + 4, 0);
    qtest_writeq(d->q, d->hdr + 8, sector);
    qtest_writeb(d->q, d->status, 0xff);
    if (len == 0) {
        segs[1] = segs[2];
    }
    return vring_add(d->r, segs, len ? 3 : 2);
}

uint8_t disk_request(Disk *d, uint32_t type, uint64_t sector, uint32_t len)
{
    unsigned head = disk_add(d, type, sector, len);

    vring_kick(d->r);
    g_assert_cmpuint(vring_wait(d->r, NULL), ==, head);
    return qtest_readb(d->q, d->status);
}

unsigned disk_open_port(QTest *q)
{
    unsigned cap = pci_read8(q, 5, 0x34);

    pci_write(q, 5, 0x18, 0x00010100);
    pci_write(q, 5, 0x20, 0xeff0e000);
    pci_write(q, 5, 0x04, 0x6);
    while (pci_read8(q, 5, cap) != 0x10) {
        cap = pci_read8(q, 5, cap + 1);
    }
    return cap;
}

void disk_leave_port(Disk *d, unsigned cap)
{
    pci_write(d->q, 5, cap + 0x18, 0x0100);
    pci_write(d->q, 5, cap + 0x18, 0x0700);
    qobject_unref(qtest_wait_event(d->q, "DEVICE_DELETED"));
    g_free(d->r);
    vdev_close(d->v);
}
