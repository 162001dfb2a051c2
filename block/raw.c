/* SPDX-License-Identifier: GPL-2.0-or-later */
/* raw: the bytes of a node below, or a window (offset, size) of them. */
#include "util/osdep.h"

#include "block/block-create.h"
#include "block/block-graph.h"
#include "block/drivers.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

typedef struct RawState {
    int64_t offset;
    int64_t size; /* of the window; -1: up to the end */
} RawState;

static int64_t coroutine_fn raw_getlength(BlockNode *n)
{
    RawState *s = n->state;
    int64_t below = node_length(n->file->node);

    return s->size >= 0 ? s->size : MAX(below - s->offset, 0);
}

/* The window that @o asks for in @file. */
static bool raw_window(const BlockdevOptionsRaw *o, const BlockNode *file,
                       RawState *s, Error **errp)
{
    int64_t below = node_length(file);

    if ((o->has_offset && o->offset < 0) || (o->has_size && o->size < 0)) {
        return error_set(errp, "offset and size must not be negative");
    }
    s->offset = o->has_offset ? o->offset : 0;
    s->size = o->has_size ? o->size : -1;
    if (s->offset > below) {
        return error_set(errp,
                         "Offset (%" PRId64 ") cannot be greater than "
                         "size of the containing file (%" PRId64 ")",
                         s->offset, below);
    }
    if (s->size > below - s->offset) {
        return error_set(errp,
                         "The sum of offset (%" PRId64 ") and size "
                         "(%" PRId64 ") has to be smaller or equal to the "
                         "actual size of the containing file (%" PRId64 ")",
                         s->offset, s->size, below);
    }
    if (s->size >= 0 && s->size % 512) {
        return error_set(errp, "Specified size is not multiple of 512");
    }
    return true;
}

static bool coroutine_fn raw_open(BlockNode *n, const BlockdevOptions *opts,
                                  Error **errp)
{
    const BlockdevOptionsRaw *o = &opts->u.raw;
    RawState *s = n->state;
    bool window = o->has_offset || o->has_size;

    n->file =
        node_open_child(n, "file", o->file,
                        BLOCK_ROLE_PRIMARY |
                            (window ? BLOCK_ROLE_DATA : BLOCK_ROLE_FILTERED),
                        errp);
    if (!n->file || !raw_window(o, n->file->node, s, errp)) {
        return false;
    }
    if (n->probed && !n->read_only) {
        fprintf(stderr,
                "WARNING: Image format was not specified for '%s' and probing "
                "guessed raw.\n"
                "         Automatically detecting the format is dangerous for "
                "raw images, write operations on block 0 will be restricted.\n"
                "         Specify the 'raw' format explicitly to remove the "
                "restrictions.\n",
                n->file->node->filename);
    }
    n->length = raw_getlength(n);
    n->zero_flags = n->file->node->zero_flags;
    block_name_node(n, n->opts, NULL, !window);
    return true;
}

static void raw_refresh_limits(BlockNode *n)
{
    RawState *s = n->state;
    uint32_t align = n->file->node->limits.request_alignment;

    if (s->offset & (align - 1)) {
        return; /* the child pads: ours are not its blocks */
    }
    n->limits.discard_alignment = n->file->node->limits.discard_alignment;
    n->limits.write_zeroes_alignment =
        n->file->node->limits.write_zeroes_alignment;
}

/* A window keeps requests inside itself. */
static int raw_check(BlockNode *n, int64_t offset, int64_t bytes)
{
    RawState *s = n->state;

    return s->size >= 0 && bytes > s->size - offset ? -ENOSPC : 0;
}

/*
 * The guest of an image whose format was guessed must not make it look like
 * another format for the next time.
 */
static bool coroutine_fn raw_write_is_safe(BlockNode *n, int64_t offset,
                                           int64_t bytes, const IoVec *iov,
                                           size_t iov_offset)
{
    uint8_t buf[BLOCK_PROBE_SIZE];
    size_t len = MIN(bytes, (int64_t)sizeof(buf) - offset);

    if (node_pread(n, 0, sizeof(buf), buf) < 0) {
        return false;
    }
    iov_to_buf(iov, iov_offset, buf + offset, len);
    return block_probe_buffer(buf, sizeof(buf)) == &block_driver_raw;
}

static int coroutine_fn raw_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                                   const IoVec *iov, size_t iov_offset,
                                   unsigned flags)
{
    RawState *s = n->state;

    node_event(n->file->node, BLKDEBUG_EVENT_READ_AIO);
    return node_preadv(n->file->node, offset + s->offset, bytes, iov,
                       iov_offset, flags);
}

static int coroutine_fn raw_pwritev(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset,
                                    unsigned flags)
{
    RawState *s = n->state;
    int ret = raw_check(n, offset, bytes);

    if (ret < 0) {
        return ret;
    }
    if (unlikely(n->probed) && offset < BLOCK_PROBE_SIZE &&
        !raw_write_is_safe(n, offset, bytes, iov, iov_offset)) {
        return -EPERM;
    }
    node_event(n->file->node, BLKDEBUG_EVENT_WRITE_AIO);
    return node_pwritev(n->file->node, offset + s->offset, bytes, iov,
                        iov_offset, flags);
}

static int coroutine_fn raw_pwrite_zeroes(BlockNode *n, int64_t offset,
                                          int64_t bytes, unsigned flags)
{
    RawState *s = n->state;
    int ret = raw_check(n, offset, bytes);

    return ret < 0 ? ret
                   : node_pwrite_zeroes(n->file->node, offset + s->offset,
                                        bytes, flags);
}

static int coroutine_fn raw_copy_range(BlockNode *src, int64_t src_offset,
                                       BlockNode *n, int64_t offset,
                                       int64_t bytes)
{
    RawState *s = n->state;
    int ret = n->probed ? -ENOTSUP : raw_check(n, offset, bytes);

    return ret < 0 ? ret
                   : node_copy_range(src, src_offset, n->file->node,
                                     offset + s->offset, bytes);
}

static int coroutine_fn raw_pdiscard(BlockNode *n, int64_t offset,
                                     int64_t bytes)
{
    RawState *s = n->state;
    int ret = raw_check(n, offset, bytes);

    return ret < 0 ? ret
                   : node_pdiscard(n->file->node, offset + s->offset, bytes);
}

static int coroutine_fn raw_block_status(BlockNode *n, bool want_zero,
                                         int64_t offset, int64_t bytes,
                                         int64_t *pnum, int64_t *map,
                                         BlockNode **file)
{
    RawState *s = n->state;

    *pnum = bytes;
    *map = offset + s->offset;
    *file = n->file->node;
    return BLK_STATUS_ALLOCATED | BLK_STATUS_OFFSET | BLK_STATUS_RECURSE;
}

static bool coroutine_fn raw_truncate(BlockNode *n, int64_t size, bool exact,
                                      Error **errp)
{
    RawState *s = n->state;

    if (s->size >= 0) {
        return error_set(errp, "Cannot resize fixed-size raw disks");
    }
    if (size > BLK_MAX_LENGTH - s->offset) {
        return error_set(errp, "Disk size too large for the chosen offset");
    }
    return node_truncate(n->file->node, size + s->offset, exact, errp);
}

/* Reopen ----------------------------------------------------------------------
 */

static bool coroutine_fn raw_reopen_prepare(BlockReopen *r, Error **errp)
{
    g_autofree RawState *s = g_new0(RawState, 1);

    if (!raw_window(&r->opts->u.raw, r->file, s, errp)) {
        return false;
    }
    r->state = g_steal_pointer(&s);
    return true;
}

static void coroutine_fn raw_reopen_commit(BlockReopen *r)
{
    BlockNode *n = r->n;
    bool window = r->opts->u.raw.has_offset || r->opts->u.raw.has_size;

    *(RawState *)n->state = *(RawState *)r->state;
    g_free(r->state);
    n->file->role =
        BLOCK_ROLE_PRIMARY | (window ? BLOCK_ROLE_DATA : BLOCK_ROLE_FILTERED);
    n->zero_flags = n->file->node->zero_flags;
    node_set_length(n, raw_getlength(n));
    block_name_node(n, r->opts, NULL, !window);
}

static void coroutine_fn raw_reopen_abort(BlockReopen *r)
{
    g_free(r->state);
}

static const BlockReopenOps raw_reopen_ops = {
    .options = (const char *const[]){ "offset", "size", NULL },
    .prepare = raw_reopen_prepare,
    .commit = raw_reopen_commit,
    .abort = raw_reopen_abort,
};

static const BlockIoOps raw_io_ops = {
    .preadv = raw_preadv,
    .pwritev = raw_pwritev,
    .pwrite_zeroes = raw_pwrite_zeroes,
    .pdiscard = raw_pdiscard,
    .copy_range = raw_copy_range,
    .block_status = raw_block_status,
};

static int coroutine_fn raw_preallocate(BlockNode *n, int64_t from, int64_t to,
                                        int mode)
{
    RawState *s = n->state;

    return mode == BLOCK_PREALLOC_METADATA
               ? -ENOTSUP
               : node_preallocate(n->file->node, from + s->offset,
                                  to + s->offset, mode);
}

static const BlockSizeOps raw_size_ops = {
    .preallocate = raw_preallocate,
    .getlength = raw_getlength,
    .truncate = raw_truncate,
};

/* Anything can be raw; other formats know better. */
static int raw_probe(const uint8_t *buf, size_t len)
{
    return 1;
}

/* How a disk allocates its space shows through. */
static void raw_image_info(BlockNode *n, ImageInfo *info)
{
    BlockNode *file = n->file->node;
    ImageInfo *below;

    if (file->drv->protocol && file->drv->info && file->drv->info->image) {
        below = g_new0(ImageInfo, 1);
        file->drv->info->image(file, below);
        info->has_cluster_size = below->has_cluster_size;
        info->cluster_size = below->cluster_size;
        qapi_free_ImageInfo(below);
    }
}

static const BlockInfoOps raw_info_ops = {
    .image = raw_image_info,
};

const BlockDriver block_driver_raw = {
    .name = "raw",
    .driver = BLOCKDEV_DRIVER_RAW,
    .state_size = sizeof(RawState),
    .filter = true,
    .probe = raw_probe,
    .open = raw_open,
    .refresh_limits = raw_refresh_limits,
    .io = &raw_io_ops,
    .size = &raw_size_ops,
    .reopen = &raw_reopen_ops,
    .info = &raw_info_ops,
    .create = &raw_create_ops,
};
