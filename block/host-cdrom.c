/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The protocol driver "host_cdrom": a CD or DVD drive of the host. It is a
 * host_device whose medium may be missing, and whose tray can be moved and
 * locked.
 * Spec: <linux/cdrom.h>; Documentation/userspace-api/ioctl/cdrom.rst of Linux.
 */
#include "util/osdep.h"

#include <linux/cdrom.h>
#include <sys/ioctl.h>

#include "block/drivers.h"
#include "block/file.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

static bool cdrom_is_inserted(BlockNode *n)
{
    const FileState *s = n->state;

    return ioctl(s->fd, CDROM_DRIVE_STATUS, CDSL_CURRENT) == CDS_DISC_OK;
}

static void move_tray(const FileState *s, unsigned long request,
                      unsigned long arg, const char *what)
{
    if (ioctl(s->fd, request, arg) < 0) {
        warn_report("Could not %s the tray of '%s': %s", what, s->path,
                    strerror(errno));
    }
}

/* Drives that have no motor refuse; then the user's hand does it. */
static void cdrom_eject(BlockNode *n, bool open)
{
    move_tray(n->state, open ? CDROMEJECT : CDROMCLOSETRAY, 0,
              open ? "open" : "close");
}

/* The kernel unlocks it when the last user goes. */
static void cdrom_lock_medium(BlockNode *n, bool locked)
{
    move_tray(n->state, CDROM_LOCKDOOR, locked, locked ? "lock" : "unlock");
}

bool host_cdrom_probe(const char *path)
{
    autofd int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    return fd >= 0 && ioctl(fd, CDROM_DRIVE_STATUS, CDSL_CURRENT) >= 0;
}

static int coroutine_fn cdrom_preadv(BlockNode *n, int64_t offset,
                                     int64_t bytes, const IoVec *iov,
                                     size_t iov_offset, unsigned flags)
{
    return cdrom_is_inserted(n)
               ? file_io_ops.preadv(n, offset, bytes, iov, iov_offset, flags)
               : -ENOMEDIUM;
}

static int coroutine_fn cdrom_pwritev(BlockNode *n, int64_t offset,
                                      int64_t bytes, const IoVec *iov,
                                      size_t iov_offset, unsigned flags)
{
    return cdrom_is_inserted(n)
               ? file_io_ops.pwritev(n, offset, bytes, iov, iov_offset, flags)
               : -ENOMEDIUM;
}

static int coroutine_fn cdrom_flush(BlockNode *n)
{
    /* What was in the drive is gone, written or not. */
    return cdrom_is_inserted(n) ? file_io_ops.flush(n) : 0;
}

/* Neither zeroes nor discards: no such drive knows them. */
static const BlockIoOps cdrom_io_ops = {
    .preadv = cdrom_preadv,
    .pwritev = cdrom_pwritev,
    .flush = cdrom_flush,
};

static bool coroutine_fn cdrom_truncate(BlockNode *n, int64_t size, bool exact,
                                        Error **errp)
{
    return cdrom_is_inserted(n) ? file_truncate(n, size, exact, errp)
                                : error_set(errp, "No medium inserted");
}

static const BlockSizeOps cdrom_size_ops = {
    .getlength = file_getlength,
    .truncate = cdrom_truncate,
    .allocated = file_allocated,
    .blocksizes = file_blocksizes,
};

static const BlockMediumOps cdrom_medium_ops = {
    .is_inserted = cdrom_is_inserted,
    .eject = cdrom_eject,
    .lock = cdrom_lock_medium,
};

const BlockDriver block_driver_host_cdrom = {
    .name = "host_cdrom",
    .driver = BLOCKDEV_DRIVER_HOST_CDROM,
    .state_size = sizeof(FileState),
    .protocol = true,
    .open = file_open,
    .close = file_close,
    .refresh_limits = file_refresh_limits,
    .io = &cdrom_io_ops,
    .size = &cdrom_size_ops,
    .perm = &file_perm_ops,
    .reopen = &file_reopen_ops,
    .medium = &cdrom_medium_ops,
    .create = &host_cdrom_create_ops,
};
