/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy-on-read: a filter that keeps what is read from a backing file in the
 * image above it. The write that keeps it is marked as changing nothing, so
 * that the format drops what another write has overtaken.
 * Spec: the driver copy-on-read in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/drivers.h"
#include "block/filter.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

/* At most this much is copied at once. */
#define COPY_MAX ((int64_t)(1 * MiB))

typedef struct CorState {
    char *bottom; /* node-name; NULL: data of the whole chain is kept */
} CorState;

static bool check_bottom(BlockNode *n, const char *name, Error **errp)
{
    BlockNode *bottom = node_find(n->graph, name);

    if (!bottom) {
        return error_set(errp, "Bottom node '%s' not found", name);
    }
    return !bottom->drv->filter ||
           error_set(errp, "Bottom node '%s' is a filter", name);
}

static bool coroutine_fn cor_open(BlockNode *n, const BlockdevOptions *opts,
                                  Error **errp)
{
    const BlockdevOptionsCor *o = &opts->u.copy_on_read;
    CorState *s = n->state;

    if (!filter_open(n, o->file, errp) ||
        (o->bottom && !check_bottom(n, o->bottom, errp))) {
        return false;
    }
    s->bottom = g_strdup(o->bottom);
    return true;
}

static void coroutine_fn cor_close(BlockNode *n)
{
    CorState *s = n->state;

    g_free(s->bottom);
}

static void cor_child_perm(BlockNode *n, const BlockEdge *e, uint64_t perm,
                           uint64_t shared, uint64_t *child_perm,
                           uint64_t *child_shared)
{
    *child_perm = perm;
    *child_shared = shared;
    if ((perm & BLK_PERM_READ) && !n->read_only) {
        *child_perm |= BLK_PERM_WRITE_UNCHANGED;
    }
}

/* Copying
 * ------------------------------------------------------------------------ */

/* The whole blocks around [offset, offset + bytes). */
static void whole_blocks(const BlockNode *file, int64_t *offset, int64_t *bytes)
{
    int64_t align = MAX(file->limits.write_zeroes_alignment,
                        file->limits.request_alignment);
    int64_t start = ALIGN_DOWN(*offset, align);
    int64_t end = MIN(ALIGN_UP(*offset + *bytes, align), node_length(file));

    *offset = start;
    *bytes = end - start;
}

/* Read what the image does not hold itself, and let it keep that. */
static int coroutine_fn read_and_keep(BlockNode *file, int64_t offset,
                                      int64_t bytes, const IoVec *iov,
                                      size_t iov_offset)
{
    int64_t start = offset, len = bytes;
    IoVec v;
    char *buf;
    int ret;

    whole_blocks(file, &start, &len);
    buf = node_alloc(file, len);
    if (!buf) {
        return -ENOMEM;
    }
    v = IOVEC_BUF(buf, len);
    ret = node_preadv(file, start, len, &v, 0, 0);
    if (ret >= 0) {
        iov_from_buf(iov, iov_offset, buf + (offset - start), bytes);
        node_event(file, BLKDEBUG_EVENT_COR_WRITE);
        /* What cannot be kept is read from below again the next time. */
        if (!iov_is_zero(&v, 0, len) ||
            node_pwrite_zeroes(file, start, len, BLK_REQ_UNCHANGED) < 0) {
            node_pwritev(file, start, len, &v, 0, BLK_REQ_UNCHANGED);
        }
    }
    free(buf);
    return ret;
}

/* Below the filters at @n. */
static BlockNode *skip_filters(BlockNode *n)
{
    while (n && n->drv->filter && n->file) {
        n = n->file->node;
    }
    return n;
}

/*
 * Is what @file does not have itself at @offset in one of the images down to
 * @bottom? 1: yes, 0: no, or -errno; *num bytes alike.
 */
static int coroutine_fn is_above_bottom(BlockNode *file, const char *bottom,
                                        int64_t offset, int64_t bytes,
                                        int64_t *num)
{
    BlockNode *at = skip_filters(file), *where;
    bool last = !strcmp(at->name, bottom);
    int64_t map;

    *num = bytes;
    while (!last && at->backing) {
        int64_t part;
        int ret;

        at = skip_filters(at->backing->node);
        last = !strcmp(at->name, bottom);
        ret = node_block_status(at, false, offset, *num, &part, &map, &where);
        if (ret < 0) {
            return ret;
        }
        if (!part) {
            continue; /* shorter than the image above it */
        }
        *num = part;
        if (ret & BLK_STATUS_ALLOCATED) {
            return 1;
        }
    }
    return 0;
}

/* Is a part that @file does not have to be kept? As is_above_bottom(). */
static int coroutine_fn shall_keep(BlockNode *n, BlockNode *file,
                                   int64_t offset, int64_t bytes, int64_t *num)
{
    const CorState *s = n->state;

    *num = bytes;
    return s->bottom ? is_above_bottom(file, s->bottom, offset, bytes, num) : 1;
}

static int coroutine_fn cor_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                                   const IoVec *iov, size_t iov_offset,
                                   unsigned flags)
{
    BlockNode *file = n->file->node, *where;
    int ret = 0;

    if (file->read_only || n->read_only) {
        return node_preadv(file, offset, bytes, iov, iov_offset, flags);
    }
    while (bytes && ret >= 0) {
        int64_t num, map;

        ret = node_block_status(file, false, offset, MIN(bytes, COPY_MAX), &num,
                                &map, &where);
        if (ret < 0) {
            break;
        }
        if ((ret & BLK_STATUS_ALLOCATED) || !file->backing || !num) {
            num = num ? num : bytes;
            ret = 0;
        } else {
            ret = shall_keep(n, file, offset, num, &num);
        }
        if (ret == 0) {
            ret = node_preadv(file, offset, num, iov, iov_offset, flags);
        } else if (ret > 0) {
            ret = read_and_keep(file, offset, num, iov, iov_offset);
        }
        offset += num;
        iov_offset += num;
        bytes -= num;
    }
    return ret;
}

static const BlockIoOps cor_io_ops = {
    .preadv = cor_preadv,
    .pwritev = filter_pwritev,
    .pwrite_zeroes = filter_pwrite_zeroes,
    .pdiscard = filter_pdiscard,
    .block_status = filter_block_status,
};

static const BlockPermOps cor_perm_ops = {
    .child = cor_child_perm,
};

const BlockDriver block_driver_copy_on_read = {
    .name = "copy-on-read",
    .driver = BLOCKDEV_DRIVER_COPY_ON_READ,
    .state_size = sizeof(CorState),
    .filter = true,
    .open = cor_open,
    .close = cor_close,
    .refresh_limits = filter_refresh_limits,
    .io = &cor_io_ops,
    .size = &filter_size_ops,
    .perm = &cor_perm_ops,
};
