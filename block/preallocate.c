/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * preallocate: a filter between a format and its file that makes the file grow
 * in large steps. Users see the length that they made; the rest is cut off
 * when nobody may write any more.
 * Spec: the driver preallocate in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/drivers.h"
#include "block/filter.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

typedef struct PreallocateOptions {
    int64_t align, size;
} PreallocateOptions;

typedef struct PreallocateState {
    PreallocateOptions opts; /* change while drained */
    bool active;             /* changes while drained: users may grow it */
    CoMutex lock;            /* held while the file grows */
    int64_t zero_start;      /* atomic; from here on nothing was written */
} PreallocateState;

static bool take_options(const BlockNode *n, const BlockdevOptions *opts,
                         PreallocateOptions *p, Error **errp)
{
    const BlockdevOptionsPreallocate *o = &opts->u.preallocate;

    p->align = o->has_prealloc_align ? o->prealloc_align : 1 * MiB;
    p->size = o->has_prealloc_size ? o->prealloc_size : 128 * MiB;
    if (p->align <= 0 || p->align % 512 || p->align > BLK_REQ_MAX) {
        return error_set(errp, "prealloc-align parameter of preallocate "
                               "filter is not aligned to 512");
    }
    if (p->align % n->file->node->limits.request_alignment) {
        return error_set(errp,
                         "prealloc-align parameter of preallocate "
                         "filter is not aligned to underlying node "
                         "request alignment (%u)",
                         n->file->node->limits.request_alignment);
    }
    if (p->size < 0) {
        return error_set(errp, "prealloc-size parameter of preallocate "
                               "filter cannot be negative");
    }
    return true;
}

static bool coroutine_fn preallocate_open(BlockNode *n,
                                          const BlockdevOptions *opts,
                                          Error **errp)
{
    PreallocateState *s = n->state;

    if (!filter_open(n, opts->u.preallocate.file, errp) ||
        !take_options(n, opts, &s->opts, errp)) {
        return false;
    }
    s->zero_start = n->length;
    co_mutex_init(&s->lock);
    return true;
}

/* Cutting off
 * ------------------------------------------------------------------- */

static int coroutine_fn cut(BlockNode *n, Error **errp)
{
    BlockNode *file = n->file->node;

    if (file->read_only || node_length(file) <= node_length(n)) {
        return true;
    }
    return node_truncate(file, node_length(n), true, errp);
}

static void coroutine_fn preallocate_close(BlockNode *n)
{
    PreallocateState *s = n->state;
    autoerr Error *err = NULL;

    if (s->active && !cut(n, &err)) {
        error_prefix(&err, "node '%s': cannot cut off what was preallocated",
                     n->name);
        warn_report_err(g_steal_pointer(&err));
    }
    co_mutex_destroy(&s->lock);
}

typedef struct CutJob {
    BlockNode *n;
    Error **errp;
    bool ok;
} CutJob;

static void coroutine_fn cut_entry(void *opaque)
{
    CutJob *job = opaque;

    job->ok = cut(job->n, job->errp);
}

/* Permissions
 * ------------------------------------------------------------------- */

static bool preallocate_prepare(BlockNode *n, uint64_t perm, uint64_t shared,
                                Error **errp)
{
    const uint64_t grow = BLK_PERM_WRITE | BLK_PERM_RESIZE;
    PreallocateState *s = n->state;
    CutJob job = { .n = n, .errp = errp, .ok = true };

    if (s->active && (perm & grow) != grow) {
        block_run(cut_entry, &job);
    }
    s->active = (perm & grow) == grow;
    return job.ok;
}

/* Requests
 * ---------------------------------------------------------------------- */

static void note_written(PreallocateState *s, int64_t end)
{
    int64_t old = __atomic_load_n(&s->zero_start, __ATOMIC_RELAXED);

    while (old < end &&
           !__atomic_compare_exchange_n(&s->zero_start, &old, end, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        /* another writer was faster: look again */
    }
}

/* Something will be written up to @end. When the file cannot be made larger
 * in advance, the write itself does it. */
static void coroutine_fn make_room(BlockNode *n, int64_t end)
{
    PreallocateState *s = n->state;
    BlockNode *file = n->file->node;
    int64_t have;

    if (!s->active || end <= node_length(file)) {
        return;
    }
    co_mutex_lock(&s->lock);
    have = node_length(file);
    if (end > have && s->opts.size <= BLK_MAX_LENGTH - s->opts.align - end) {
        int64_t want = ALIGN_UP(end + s->opts.size, s->opts.align);

        node_pwrite_zeroes(file, have, want - have, BLK_REQ_NO_FALLBACK);
    }
    co_mutex_unlock(&s->lock);
}

static int coroutine_fn preallocate_pwritev(BlockNode *n, int64_t offset,
                                            int64_t bytes, const IoVec *iov,
                                            size_t iov_offset, unsigned flags)
{
    make_room(n, offset + bytes);
    note_written(n->state, offset + bytes);
    return filter_pwritev(n, offset, bytes, iov, iov_offset, flags);
}

static int coroutine_fn preallocate_pwrite_zeroes(BlockNode *n, int64_t offset,
                                                  int64_t bytes, unsigned flags)
{
    PreallocateState *s = n->state;
    int64_t end = offset + bytes;

    make_room(n, end);
    if (s->active && !(flags & BLK_REQ_FUA) &&
        end <= node_length(n->file->node) &&
        offset >= __atomic_load_n(&s->zero_start, __ATOMIC_RELAXED)) {
        return 0; /* zeroes are there */
    }
    note_written(s, end);
    return filter_pwrite_zeroes(n, offset, bytes, flags);
}

static int64_t coroutine_fn preallocate_getlength(BlockNode *n)
{
    PreallocateState *s = n->state;

    return s->active ? node_length(n) : node_length(n->file->node);
}

static bool coroutine_fn preallocate_truncate(BlockNode *n, int64_t size,
                                              bool exact, Error **errp)
{
    PreallocateState *s = n->state;
    BlockNode *file = n->file->node;

    /* Growing into what is there needs nothing from the file. */
    if (!s->active || size < node_length(n) || size > node_length(file)) {
        if (!node_truncate(file, size, exact, errp)) {
            return false;
        }
    }
    if (size < s->zero_start) {
        s->zero_start = size;
    }
    node_set_length(n, size);
    return true;
}

/* Reopening
 * --------------------------------------------------------------------- */

static bool coroutine_fn preallocate_reopen(BlockReopen *r, Error **errp)
{
    PreallocateOptions *p = g_new0(PreallocateOptions, 1);

    if (!take_options(r->n, r->opts, p, errp)) {
        g_free(p);
        return false;
    }
    r->state = p;
    return true;
}

static void coroutine_fn preallocate_reopen_abort(BlockReopen *r)
{
    g_free(r->state);
}

static void coroutine_fn preallocate_reopen_commit(BlockReopen *r)
{
    PreallocateState *s = r->n->state;

    s->opts = *(PreallocateOptions *)r->state;
    g_free(r->state);
}

static const BlockIoOps preallocate_io_ops = {
    .preadv = filter_preadv,
    .pwritev = preallocate_pwritev,
    .pwrite_zeroes = preallocate_pwrite_zeroes,
    .pdiscard = filter_pdiscard,
    .block_status = filter_block_status,
};

static const BlockSizeOps preallocate_size_ops = {
    .getlength = preallocate_getlength,
    .truncate = preallocate_truncate,
};

static const BlockPermOps preallocate_perm_ops = {
    .prepare = preallocate_prepare,
};

static const char *const preallocate_reopen_options[] = { "prealloc-align",
                                                          "prealloc-size",
                                                          NULL };

static const BlockReopenOps preallocate_reopen_ops = {
    .options = preallocate_reopen_options,
    .prepare = preallocate_reopen,
    .commit = preallocate_reopen_commit,
    .abort = preallocate_reopen_abort,
};

const BlockDriver block_driver_preallocate = {
    .name = "preallocate",
    .driver = BLOCKDEV_DRIVER_PREALLOCATE,
    .state_size = sizeof(PreallocateState),
    .filter = true,
    .open = preallocate_open,
    .close = preallocate_close,
    .refresh_limits = filter_refresh_limits,
    .io = &preallocate_io_ops,
    .size = &preallocate_size_ops,
    .perm = &preallocate_perm_ops,
    .reopen = &preallocate_reopen_ops,
};
