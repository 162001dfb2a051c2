/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compress: a filter whose writes become compressed clusters of the image
 * below. What has data there already is written as it is, as formats compress
 * only where there is none.
 * Spec: the driver compress in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/block-int.h"
#include "block/drivers.h"
#include "block/filter.h"
#include "block/job-copy.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

typedef struct CompressFilter {
    int64_t cluster; /* changes while drained */
    CopyLock lock;   /* of the clusters that are being written */
} CompressFilter;

/* The clusters that @file compresses; 0: it does not. */
static int64_t compressed_unit(BlockNode *file, Error **errp)
{
    ImageInfo *info = block_image_info(file, false);
    int64_t cluster = info->has_cluster_size ? info->cluster_size : 0;

    qapi_free_ImageInfo(info);
    if (!file->drv->io->pwrite_compressed || !cluster) {
        error_set(errp,
                  "Compression is not supported for underlying format: %s",
                  file->drv->name);
        return 0;
    }
    return cluster;
}

static bool coroutine_fn compress_open(BlockNode *n,
                                       const BlockdevOptions *opts,
                                       Error **errp)
{
    CompressFilter *s = n->state;

    copy_lock_init(&s->lock);
    if (!filter_open(n, opts->u.compress.file, errp)) {
        return false;
    }
    s->cluster = compressed_unit(n->file->node, errp);
    return s->cluster;
}

static void coroutine_fn compress_close(BlockNode *n)
{
    CompressFilter *s = n->state;

    copy_lock_destroy(&s->lock);
}

/* A partial write needs the rest of its cluster. */
static void compress_child_perm(BlockNode *n, const BlockEdge *e, uint64_t perm,
                                uint64_t shared, uint64_t *child_perm,
                                uint64_t *child_shared)
{
    *child_perm = perm;
    *child_shared = shared;
    if (perm & BLK_PERM_WRITE) {
        *child_perm |= BLK_PERM_READ;
    }
}

/* Has the image itself nothing at @offset that a stream would replace? */
static int coroutine_fn is_unused(BlockNode *file, int64_t offset,
                                  int64_t bytes)
{
    int64_t num, map;
    BlockNode *where;
    int ret = node_block_status(file, false, offset, bytes, &num, &map, &where);

    return ret < 0
               ? ret
               : num == bytes && !(ret & (BLK_STATUS_DATA | BLK_STATUS_OFFSET));
}

/* [offset, offset + bytes) is in the cluster @r, which is locked. */
static int coroutine_fn write_cluster(BlockNode *file, const CopyRange *r,
                                      int64_t offset, int64_t bytes,
                                      const IoVec *iov, size_t iov_offset)
{
    int ret = is_unused(file, r->offset, r->bytes);
    char *buf;

    if (ret < 0) {
        return ret;
    }
    if (!ret) {
        return node_pwritev(file, offset, bytes, iov, iov_offset, 0);
    }
    buf = node_alloc(file, r->bytes);
    if (!buf) {
        return -ENOMEM;
    }
    ret = bytes < r->bytes ? node_pread(file, r->offset, r->bytes, buf) : 0;
    if (ret >= 0) {
        iov_to_buf(iov, iov_offset, buf + (offset - r->offset), bytes);
        ret = node_pwrite_compressed(file, r->offset, r->bytes, buf);
    }
    free(buf);
    return ret;
}

static int coroutine_fn compress_pwritev(BlockNode *n, int64_t offset,
                                         int64_t bytes, const IoVec *iov,
                                         size_t iov_offset, unsigned flags)
{
    CompressFilter *s = n->state;
    BlockNode *file = n->file->node;
    int ret = 0;

    while (bytes && ret >= 0) {
        int64_t start = ALIGN_DOWN(offset, s->cluster);
        int64_t step = MIN(bytes, start + s->cluster - offset);
        CopyRange r = { .offset = start,
                        .bytes = MIN(s->cluster, node_length(file) - start) };

        if (offset + step > start + r.bytes) {
            return -EIO; /* the image shrank meanwhile */
        }
        copy_lock(&s->lock, &r);
        ret = write_cluster(file, &r, offset, step, iov, iov_offset);
        copy_unlock(&s->lock, &r);
        offset += step;
        iov_offset += step;
        bytes -= step;
    }
    /* Compressed writes know no such flag. */
    return ret >= 0 && (flags & BLK_REQ_FUA) ? node_flush(file) : ret;
}

static const BlockIoOps compress_io_ops = {
    .preadv = filter_preadv,
    .pwritev = compress_pwritev,
    .pwrite_zeroes = filter_pwrite_zeroes,
    .pdiscard = filter_pdiscard,
    .block_status = filter_block_status,
};

static void compress_image_info(BlockNode *n, ImageInfo *info)
{
    const CompressFilter *s = n->state;

    info->has_cluster_size = true;
    info->cluster_size = s->cluster;
}

static bool coroutine_fn compress_reopen_prepare(BlockReopen *r, Error **errp)
{
    int64_t cluster = compressed_unit(r->file, errp);

    if (!cluster) {
        return false;
    }
    r->state = g_memdup2(&cluster, sizeof(cluster));
    return true;
}

static void coroutine_fn compress_reopen_commit(BlockReopen *r)
{
    CompressFilter *s = r->n->state;

    s->cluster = *(int64_t *)r->state;
    g_free(r->state);
}

static void coroutine_fn compress_reopen_abort(BlockReopen *r)
{
    g_free(r->state);
}

static const BlockReopenOps compress_reopen_ops = {
    .options = (const char *const[]){ NULL },
    .prepare = compress_reopen_prepare,
    .commit = compress_reopen_commit,
    .abort = compress_reopen_abort,
};

static const BlockInfoOps compress_info_ops = {
    .image = compress_image_info,
};

static const BlockPermOps compress_perm_ops = {
    .child = compress_child_perm,
};

const BlockDriver block_driver_compress = {
    .name = "compress",
    .driver = BLOCKDEV_DRIVER_COMPRESS,
    .state_size = sizeof(CompressFilter),
    .filter = true,
    .open = compress_open,
    .close = compress_close,
    .refresh_limits = filter_refresh_limits,
    .io = &compress_io_ops,
    .size = &filter_size_ops,
    .info = &compress_info_ops,
    .perm = &compress_perm_ops,
    .reopen = &compress_reopen_ops,
};
