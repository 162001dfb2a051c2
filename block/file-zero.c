/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Zeroes, discard and holes of files and host devices. */
#include "util/osdep.h"

#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "block/file.h"

typedef struct FileRange {
    FileState *s;
    int64_t offset, bytes, length;
    bool unmap;
} FileRange;

static bool not_supported(int ret)
{
    return ret == -EOPNOTSUPP || ret == -ENOTTY || ret == -ENOSYS ||
           ret == -EINVAL || ret == -ENODEV || ret == -EPERM;
}

static int do_fallocate(int fd, int mode, int64_t offset, int64_t bytes)
{
    return RETRY_ON_EINTR(fallocate(fd, mode, offset, bytes)) < 0 ? -errno : 0;
}

/* Zeroes
 * ------------------------------------------------------------------------- */

static int zero_by_hole(FileRange *r)
{
    int64_t inside = MIN(r->bytes, MAX(r->length - r->offset, 0));
    int ret = 0;

    if (inside) {
        ret = do_fallocate(r->s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           r->offset, inside);
    }
    /* What lies past the end becomes a hole by growing the file. */
    if (!ret && inside < r->bytes && !r->s->device &&
        ftruncate(r->s->fd, r->offset + r->bytes) < 0) {
        ret = -errno;
    }
    return ret;
}

static int zero_worker(void *opaque)
{
    FileRange *r = opaque;
    int ret = -ENOTSUP;

    if (r->unmap && r->s->can_punch) {
        ret = zero_by_hole(r);
        if (!not_supported(ret)) {
            return ret;
        }
        r->s->can_punch = false;
    }
    if (r->s->can_zero_range) {
        ret = do_fallocate(r->s->fd, FALLOC_FL_ZERO_RANGE, r->offset, r->bytes);
        if (!not_supported(ret)) {
            return ret;
        }
        r->s->can_zero_range = false;
    }
    if (r->s->device) {
        uint64_t range[2] = { r->offset, r->bytes };

        ret = ioctl(r->s->fd, BLKZEROOUT, range) < 0 ? -errno : 0;
    }
    return not_supported(ret) ? -ENOTSUP : ret;
}

int coroutine_fn file_pwrite_zeroes(BlockNode *n, int64_t offset, int64_t bytes,
                                    unsigned flags)
{
    FileState *s = n->state;
    FileRange r = { .s = s,
                    .offset = offset,
                    .bytes = bytes,
                    .length = node_length(n),
                    .unmap = flags & BLK_REQ_MAY_UNMAP };
    int ret;

    if (!s->can_zero_range && !s->device && !(r.unmap && s->can_punch)) {
        return -ENOTSUP;
    }
    ret = file_call(s, zero_worker, &r);
    file_holes_forget(&s->holes);
    if (ret >= 0 && (flags & BLK_REQ_FUA)) {
        ret = n->drv->io->flush(n);
    }
    return ret;
}

/* Discard
 * ------------------------------------------------------------------------ */

static int discard_worker(void *opaque)
{
    FileRange *r = opaque;
    int ret;

    if (r->s->device) {
        uint64_t range[2] = { r->offset, r->bytes };

        ret = ioctl(r->s->fd, BLKDISCARD, range) < 0 ? -errno : 0;
    } else {
        ret = do_fallocate(r->s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           r->offset, r->bytes);
    }
    if (not_supported(ret)) {
        r->s->can_discard = false;
        ret = -ENOTSUP;
    }
    return ret;
}

int coroutine_fn file_pdiscard(BlockNode *n, int64_t offset, int64_t bytes)
{
    FileState *s = n->state;
    FileRange r = { .s = s, .offset = offset, .bytes = bytes };

    int ret = s->can_discard ? file_call(s, discard_worker, &r) : -ENOTSUP;

    file_holes_forget(&s->holes);
    if (ret >= 0) {
        __atomic_fetch_add(&s->discards_ok, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&s->discarded_bytes, bytes, __ATOMIC_RELAXED);
    } else {
        __atomic_fetch_add(&s->discards_failed, 1, __ATOMIC_RELAXED);
    }
    return ret;
}

/* Status
 * ------------------------------------------------------------------------ */

int coroutine_fn file_block_status(BlockNode *n, bool want_zero, int64_t offset,
                                   int64_t bytes, int64_t *pnum, int64_t *map,
                                   BlockNode **file)
{
    FileState *s = n->state;
    bool alone = s->locked_unshared & BLK_PERM_WRITE;
    int64_t end = INT64_MAX;
    int ret = BLK_STATUS_DATA;

    *map = offset;
    *file = n;
    if (want_zero) {
        ret = file_holes_status(s, alone, offset, &end);
    }
    if (ret < 0) {
        ret = BLK_STATUS_DATA;
        end = INT64_MAX;
    }
    *pnum = MIN(bytes, end - offset);
    return ret | BLK_STATUS_ALLOCATED | BLK_STATUS_OFFSET;
}
