/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's block devices over NBD.
 * Spec: <linux/nbd.h>; Documentation/admin-guide/blockdev/nbd.rst.
 */
#include "util/osdep.h"

#include <linux/fs.h>
#include <linux/nbd.h>
#include <sys/ioctl.h>

#include "qemu-nbd.h"
#include "util/error.h"

#define MIN_BLOCK 512

bool nbd_kernel_set_up(int dev, int sock, uint64_t size, uint32_t block,
                       uint16_t flags, Error **errp)
{
    int read_only = flags & NBD_FLAG_READ_ONLY;

    block = MAX(block, MIN_BLOCK);
    if (size / block > ULONG_MAX) {
        return error_set(errp,
                         "Export size %" PRIu64 " too large for the "
                         "kernel",
                         size);
    }
    /* What a client that died has left. */
    ioctl(dev, NBD_CLEAR_SOCK);
    if (ioctl(dev, NBD_SET_SOCK, (unsigned long)sock) < 0) {
        return error_set(errp, "Failed to set NBD socket");
    }
    if (ioctl(dev, NBD_SET_BLKSIZE, (unsigned long)block) < 0) {
        return error_set(errp, "Failed setting NBD block size");
    }
    if (ioctl(dev, NBD_SET_SIZE_BLOCKS, (unsigned long)(size / block)) < 0) {
        return error_set(errp, "Failed setting size (in blocks)");
    }
    if (ioctl(dev, NBD_SET_FLAGS, (unsigned long)flags) < 0 &&
        (errno != ENOTTY ||
         (read_only && ioctl(dev, BLKROSET, &read_only) < 0))) {
        return error_set(errp, "Failed setting flags");
    }
    return true;
}

bool nbd_kernel_serve(int dev)
{
    bool ok = ioctl(dev, NBD_DO_IT) >= 0 || errno == EPIPE;

    ioctl(dev, NBD_CLEAR_QUE);
    ioctl(dev, NBD_CLEAR_SOCK);
    return ok;
}

void nbd_kernel_stop(int dev)
{
    ioctl(dev, NBD_DISCONNECT);
}

int nbd_disconnect(const char *device)
{
    autofd int fd = open(device, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        error_report("Cannot open %s: %s", device, g_strerror(errno));
        return 1;
    }
    ioctl(fd, NBD_CLEAR_QUE);
    ioctl(fd, NBD_DISCONNECT);
    ioctl(fd, NBD_CLEAR_SOCK);
    printf("%s disconnected\n", device);
    return 0;
}
