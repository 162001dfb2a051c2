/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks in memory: a protocol driver that waits for nothing. */
#include "util/osdep.h"

#include <sys/mman.h>

#include "block/block-graph.h"
#include "block/block-int.h"
#include "memdisk.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

/* Less than that is cleared faster than given back and faulted in again. */
#define CLEAR_MAX ((int64_t)MiB)

static MemDisk *disk_of(BlockNode *n)
{
    return *(MemDisk **)n->state;
}

static int coroutine_fn disk_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset,
                                    unsigned flags)
{
    MemDisk *d = disk_of(n);
    /* A write that found the disk full may have raised the length. */
    int64_t there = CLAMP(d->room - offset, 0, bytes);

    if (there) {
        iov_from_buf(iov, iov_offset, d->mem + offset, there);
    }
    iov_memset(iov, iov_offset + there, 0, bytes - there);
    return 0;
}

static int coroutine_fn disk_pwritev(BlockNode *n, int64_t offset,
                                     int64_t bytes, const IoVec *iov,
                                     size_t iov_offset, unsigned flags)
{
    MemDisk *d = disk_of(n);

    if (offset > d->room - bytes) {
        return -ENOSPC;
    }
    iov_to_buf(iov, iov_offset, d->mem + offset, bytes);
    if (d->written) {
        d->written(d, offset);
    }
    return 0;
}

static int64_t coroutine_fn disk_getlength(BlockNode *n)
{
    return node_length(n);
}

static void clear(MemDisk *d, int64_t from, int64_t to)
{
    to = MIN(to, d->room);
    if (to - from > CLEAR_MAX) {
        madvise(d->mem + ALIGN_UP(from, 4096), to - ALIGN_UP(from, 4096),
                MADV_DONTNEED);
        to = MIN(to, ALIGN_UP(from, 4096));
    }
    if (from < to) {
        memset(d->mem + from, 0, to - from);
    }
}

static bool coroutine_fn disk_truncate(BlockNode *n, int64_t size, bool exact,
                                       Error **errp)
{
    if (size > disk_of(n)->room) {
        return error_set(errp, "the disk is full");
    }
    clear(disk_of(n), size, node_length(n));
    node_set_length(n, size);
    return true;
}

static void coroutine_fn disk_close(BlockNode *n)
{
    clear(disk_of(n), 0, MAX(n->highest_write, node_length(n)));
}

static const BlockIoOps disk_io = {
    .preadv = disk_preadv,
    .pwritev = disk_pwritev,
};
static const BlockSizeOps disk_size = {
    .getlength = disk_getlength,
    .truncate = disk_truncate,
};
static const BlockDriver disk_driver = {
    .name = "memory-disk",
    .state_size = sizeof(MemDisk *),
    .driver = BLOCKDEV_DRIVER_FILE,
    .protocol = true,
    .close = disk_close,
    .io = &disk_io,
    .size = &disk_size,
};

void memdisk_init(MemDisk *d, int64_t room)
{
    *d = (MemDisk){ .room = room };
    d->mem = mmap(NULL, room, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert_true(d->mem != MAP_FAILED);
}

void memdisk_destroy(MemDisk *d)
{
    munmap(d->mem, d->room);
}

BlockNode *memdisk_open(BlockGraph *g, const char *name, MemDisk *d,
                        const void *data, size_t size, int64_t length)
{
    BlockNode *n = node_new(g, &disk_driver, name, error_abort);

    *(MemDisk **)n->state = d;
    memcpy(d->mem, data, size);
    n->length = MAX((int64_t)size, length);
    n->flags.unmap = true;
    node_refresh_limits(n);
    node_publish(n);
    return n;
}
