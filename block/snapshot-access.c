/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot-access: shows what a copy-before-write filter keeps; for reading.
 * Spec: the driver snapshot-access in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/cbw.h"
#include "block/drivers.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

static bool coroutine_fn access_open(BlockNode *n, const BlockdevOptions *opts,
                                     Error **errp)
{
    n->file = node_open_child(n, "file", opts->u.snapshot_access.file,
                              BLOCK_ROLE_DATA | BLOCK_ROLE_PRIMARY, errp);
    if (!n->file) {
        return false;
    }
    n->length = node_length(n->file->node);
    g_free(n->filename);
    n->filename = g_strdup(n->file->node->filename);
    return true;
}

/* What others do to the filter is what the snapshot is there for. */
static void access_child_perm(BlockNode *n, const BlockEdge *e, uint64_t perm,
                              uint64_t shared, uint64_t *child_perm,
                              uint64_t *child_shared)
{
    *child_perm = perm & BLK_PERM_READ;
    *child_shared = BLK_PERM_ALL & ~(uint64_t)BLK_PERM_RESIZE;
}

static BlockNode *cbw_below(const BlockNode *n)
{
    return n->file->node->drv == &block_driver_cbw ? n->file->node : NULL;
}

static int coroutine_fn access_preadv(BlockNode *n, int64_t offset,
                                      int64_t bytes, const IoVec *iov,
                                      size_t iov_offset, unsigned flags)
{
    BlockNode *cbw = cbw_below(n);

    return cbw ? cbw_snapshot_preadv(cbw, offset, bytes, iov, iov_offset)
               : -ENOTSUP;
}

static int coroutine_fn access_block_status(BlockNode *n, bool want_zero,
                                            int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map,
                                            BlockNode **file)
{
    BlockNode *cbw = cbw_below(n);

    return cbw ? cbw_snapshot_status(cbw, want_zero, offset, bytes, pnum, map,
                                     file)
               : -ENOTSUP;
}

static int coroutine_fn access_pdiscard(BlockNode *n, int64_t offset,
                                        int64_t bytes)
{
    BlockNode *cbw = cbw_below(n);

    return cbw ? cbw_snapshot_discard(cbw, offset, bytes) : -ENOTSUP;
}

static int coroutine_fn access_pwritev(BlockNode *n, int64_t offset,
                                       int64_t bytes, const IoVec *iov,
                                       size_t iov_offset, unsigned flags)
{
    return -ENOTSUP;
}

static int64_t coroutine_fn access_getlength(BlockNode *n)
{
    return node_length(n->file->node);
}

static const BlockIoOps access_io_ops = {
    .preadv = access_preadv,
    .pwritev = access_pwritev,
    .pdiscard = access_pdiscard,
    .block_status = access_block_status,
};

static const BlockSizeOps access_size_ops = {
    .getlength = access_getlength,
};

static const BlockPermOps access_perm_ops = {
    .child = access_child_perm,
};

const BlockDriver block_driver_snapshot_access = {
    .name = "snapshot-access",
    .driver = BLOCKDEV_DRIVER_SNAPSHOT_ACCESS,
    .open = access_open,
    .io = &access_io_ops,
    .size = &access_size_ops,
    .perm = &access_perm_ops,
};
