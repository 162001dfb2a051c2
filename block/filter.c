/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What filters with one child have in common. */
#include "util/osdep.h"

#include "block/filter.h"
#include "util/error.h"

void filter_look_like(BlockNode *n, const BlockNode *below)
{
    n->length = node_length(below);
    n->zero_flags = below->zero_flags;
    g_free(n->filename);
    n->filename = g_strdup(below->filename);
}

bool coroutine_fn filter_open(BlockNode *n, const BlockdevRef *file,
                              Error **errp)
{
    n->file = node_open_child(n, "file", file,
                              BLOCK_ROLE_FILTERED | BLOCK_ROLE_PRIMARY, errp);
    if (!n->file) {
        return false;
    }
    filter_look_like(n, n->file->node);
    return true;
}

void filter_refresh_limits(BlockNode *n)
{
    const BlockLimits *l = n->file ? &n->file->node->limits : NULL;

    if (l) {
        n->limits.discard_alignment = l->discard_alignment;
        n->limits.write_zeroes_alignment = l->write_zeroes_alignment;
    }
}

int coroutine_fn filter_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                               const IoVec *iov, size_t iov_offset,
                               unsigned flags)
{
    return node_preadv(n->file->node, offset, bytes, iov, iov_offset, flags);
}

int coroutine_fn filter_pwritev(BlockNode *n, int64_t offset, int64_t bytes,
                                const IoVec *iov, size_t iov_offset,
                                unsigned flags)
{
    return node_pwritev(n->file->node, offset, bytes, iov, iov_offset, flags);
}

int coroutine_fn filter_pwrite_zeroes(BlockNode *n, int64_t offset,
                                      int64_t bytes, unsigned flags)
{
    return node_pwrite_zeroes(n->file->node, offset, bytes, flags);
}

int coroutine_fn filter_pdiscard(BlockNode *n, int64_t offset, int64_t bytes)
{
    return node_pdiscard(n->file->node, offset, bytes);
}

int coroutine_fn filter_block_status(BlockNode *n, bool want_zero,
                                     int64_t offset, int64_t bytes,
                                     int64_t *pnum, int64_t *map,
                                     BlockNode **file)
{
    *pnum = bytes;
    *map = offset;
    *file = n->file->node;
    return BLK_STATUS_OFFSET | BLK_STATUS_RECURSE;
}

int64_t coroutine_fn filter_getlength(BlockNode *n)
{
    return node_length(n->file->node);
}

bool coroutine_fn filter_truncate(BlockNode *n, int64_t size, bool exact,
                                  Error **errp)
{
    return node_truncate(n->file->node, size, exact, errp);
}

const BlockSizeOps filter_size_ops = {
    .getlength = filter_getlength,
    .truncate = filter_truncate,
};
