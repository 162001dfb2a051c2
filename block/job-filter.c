/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filters mirror_top, commit_top and copy-before-write: they pass requests
 * on, and let a job see the writes. */
#include "util/osdep.h"

#include "block/filter.h"
#include "block/graph-tx.h"
#include "block/job-filter.h"
#include "util/error.h"

typedef struct FilterState {
    JobFilterShare share;
    const JobFilterOps *ops;
    void *opaque;
} FilterState;

static void guarded_child_perm(BlockNode *n, const BlockEdge *e, uint64_t perm,
                               uint64_t shared, uint64_t *child_perm,
                               uint64_t *child_shared)
{
    FilterState *s = n->state;

    *child_perm = perm;
    *child_shared = shared;
    if (s->share == JOB_FILTER_COMMIT) {
        *child_perm &= ~(uint64_t)BLK_PERM_READ;
        *child_shared = BLK_PERM_ALL;
    } else if (s->share == JOB_FILTER_GUARD && n->parents->len) {
        *child_shared &= ~(uint64_t)(BLK_PERM_WRITE | BLK_PERM_RESIZE);
    }
}

/* Requests
 * ---------------------------------------------------------------------- */

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

static int coroutine_fn guarded_pwritev(BlockNode *n, int64_t offset,
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

static int coroutine_fn guarded_pwrite_zeroes(BlockNode *n, int64_t offset,
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

static int coroutine_fn guarded_pdiscard(BlockNode *n, int64_t offset,
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

static const BlockIoOps guarded_io_ops = {
    .preadv = filter_preadv,
    .pwritev = guarded_pwritev,
    .pwrite_zeroes = guarded_pwrite_zeroes,
    .pdiscard = guarded_pdiscard,
    .block_status = filter_block_status,
};

static const BlockSizeOps guarded_size_ops = {
    .getlength = filter_getlength, /* fixed while the job is there */
};

static const BlockPermOps guarded_perm_ops = {
    .child = guarded_child_perm,
};

#define JOB_FILTER(text)                                               \
    {                                                                  \
        .name = text, .driver = -1, .state_size = sizeof(FilterState), \
        .filter = true, .refresh_limits = filter_refresh_limits,       \
        .io = &guarded_io_ops, .size = &guarded_size_ops,              \
        .perm = &guarded_perm_ops,                                     \
    }

const BlockDriver block_driver_mirror_top = JOB_FILTER("mirror_top");
const BlockDriver block_driver_commit_top = JOB_FILTER("commit_top");
const BlockDriver block_driver_stream_top = JOB_FILTER("copy-on-read");
const BlockDriver block_driver_copy_before_write =
    JOB_FILTER("copy-before-write");

/* Life
 * -------------------------------------------------------------------------- */

BlockNode *job_filter_insert(BlockNode *n, const BlockDriver *drv,
                             const char *name, JobFilterShare share,
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
    *s = (FilterState){ share, ops, opaque };
    f->implicit = !name && drv != &block_driver_copy_before_write;
    f->flags = n->flags;
    f->flags.unmap = true;
    f->read_only = n->read_only;
    filter_look_like(f, n);
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
