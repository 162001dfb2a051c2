/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filters mirror_top, commit_top and copy-before-write: they pass requests
 * on, and let a job see the writes. */
#include "util/osdep.h"

#include "block/graph-tx.h"
#include "block/job-filter.h"
#include "util/error.h"

typedef struct FilterState {
    bool share_all;
    const JobFilterOps *ops;
    void *opaque;
} FilterState;

static void filter_child_perm(BlockNode *n, const BlockEdge *e, uint64_t perm,
                              uint64_t shared, uint64_t *child_perm,
                              uint64_t *child_shared)
{
    FilterState *s = n->state;

    *child_perm = perm;
    *child_shared = s->share_all ? BLK_PERM_ALL : shared;
}

/* Requests
 * ---------------------------------------------------------------------- */

static int coroutine_fn filter_preadv(BlockNode *n, int64_t offset,
                                      int64_t bytes, const IoVec *iov,
                                      size_t iov_offset, unsigned flags)
{
    return node_preadv(n->file->node, offset, bytes, iov, iov_offset, flags);
}

static int coroutine_fn before(BlockNode *n, int64_t offset, int64_t bytes,
                               void **cookie)
{
    FilterState *s = n->state;

    return s->ops ? s->ops->before(s->opaque, offset, bytes, cookie) : 0;
}

static int coroutine_fn after(BlockNode *n, int64_t offset, int64_t bytes,
                              void *cookie, int ret)
{
    FilterState *s = n->state;

    return s->ops ? s->ops->after(s->opaque, offset, bytes, cookie, ret) : ret;
}

static int coroutine_fn filter_pwritev(BlockNode *n, int64_t offset,
                                       int64_t bytes, const IoVec *iov,
                                       size_t iov_offset, unsigned flags)
{
    void *cookie;
    int ret = before(n, offset, bytes, &cookie);

    if (ret < 0) {
        return ret;
    }
    ret = node_pwritev(n->file->node, offset, bytes, iov, iov_offset, flags);
    return after(n, offset, bytes, cookie, ret);
}

static int coroutine_fn filter_pwrite_zeroes(BlockNode *n, int64_t offset,
                                             int64_t bytes, unsigned flags)
{
    void *cookie;
    int ret = before(n, offset, bytes, &cookie);

    if (ret < 0) {
        return ret;
    }
    ret = node_pwrite_zeroes(n->file->node, offset, bytes, flags);
    return after(n, offset, bytes, cookie, ret);
}

static int coroutine_fn filter_pdiscard(BlockNode *n, int64_t offset,
                                        int64_t bytes)
{
    void *cookie;
    int ret = before(n, offset, bytes, &cookie);

    if (ret < 0) {
        return ret;
    }
    ret = node_pdiscard(n->file->node, offset, bytes);
    return after(n, offset, bytes, cookie, ret);
}

static int coroutine_fn filter_block_status(BlockNode *n, bool want_zero,
                                            int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map,
                                            BlockNode **file)
{
    *pnum = bytes;
    *map = offset;
    *file = n->file->node;
    return BLK_STATUS_OFFSET | BLK_STATUS_RECURSE;
}

static int64_t coroutine_fn filter_getlength(BlockNode *n)
{
    return node_length(n->file->node);
}

static void filter_refresh_limits(BlockNode *n)
{
    const BlockLimits *l = n->file ? &n->file->node->limits : NULL;

    if (l) {
        n->limits.discard_alignment = l->discard_alignment;
        n->limits.write_zeroes_alignment = l->write_zeroes_alignment;
    }
}

static const BlockIoOps filter_io_ops = {
    .preadv = filter_preadv,
    .pwritev = filter_pwritev,
    .pwrite_zeroes = filter_pwrite_zeroes,
    .pdiscard = filter_pdiscard,
    .block_status = filter_block_status,
};

static const BlockSizeOps filter_size_ops = {
    .getlength = filter_getlength,
};

static const BlockPermOps filter_perm_ops = {
    .child = filter_child_perm,
};

const BlockDriver block_driver_mirror_top = {
    .name = "mirror_top",
    .driver = -1,
    .state_size = sizeof(FilterState),
    .filter = true,
    .refresh_limits = filter_refresh_limits,
    .io = &filter_io_ops,
    .size = &filter_size_ops,
    .perm = &filter_perm_ops,
};

const BlockDriver block_driver_commit_top = {
    .name = "commit_top",
    .driver = -1,
    .state_size = sizeof(FilterState),
    .filter = true,
    .refresh_limits = filter_refresh_limits,
    .io = &filter_io_ops,
    .size = &filter_size_ops,
    .perm = &filter_perm_ops,
};

const BlockDriver block_driver_stream_top = {
    .name = "copy-on-read",
    .driver = -1,
    .state_size = sizeof(FilterState),
    .filter = true,
    .refresh_limits = filter_refresh_limits,
    .io = &filter_io_ops,
    .size = &filter_size_ops,
    .perm = &filter_perm_ops,
};

const BlockDriver block_driver_copy_before_write = {
    .name = "copy-before-write",
    .driver = -1,
    .state_size = sizeof(FilterState),
    .filter = true,
    .refresh_limits = filter_refresh_limits,
    .io = &filter_io_ops,
    .size = &filter_size_ops,
    .perm = &filter_perm_ops,
};

/* Life
 * -------------------------------------------------------------------------- */

BlockNode *job_filter_insert(BlockNode *n, const BlockDriver *drv,
                             const char *name, bool share_all,
                             const JobFilterOps *ops, void *opaque,
                             Error **errp)
{
    BlockNode *f = node_new(n->graph, drv, name, errp);
    FilterState *s;
    GraphTx *tx;

    if (!f) {
        return NULL;
    }
    s = f->state;
    *s = (FilterState){ share_all, ops, opaque };
    f->implicit = !name;
    f->flags = n->flags;
    f->flags.unmap = true;
    f->read_only = n->read_only;
    f->length = node_length(n);
    f->zero_flags = n->zero_flags;
    g_free(f->filename);
    f->filename = g_strdup(n->filename);
    node_publish(f);
    tx = graph_tx_new(n->graph);
    graph_tx_link(tx, f, n, "file", BLOCK_ROLE_FILTERED | BLOCK_ROLE_PRIMARY);
    graph_tx_replace(tx, n, f, f);
    if (!graph_tx_commit(tx, errp)) {
        node_unref(f);
        return NULL;
    }
    return f;
}

void job_filter_remove(BlockNode *f)
{
    autoerr Error *err = NULL;

    if (f->file) {
        GraphTx *tx = graph_tx_new(f->graph);

        graph_tx_replace(tx, f, f->file->node, NULL);
        graph_tx_unlink(tx, f->file);
        /* As it was before the job. */
        graph_tx_commit(tx, &err);
    }
    node_unref(f);
}
