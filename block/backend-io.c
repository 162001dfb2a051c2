/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests through a BlockBackend. Each runs as a coroutine on the submitting
 * loop, whose stack holds all that the request needs: the path to the driver
 * takes no lock and allocates nothing.
 */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/block-graph.h"
#include "block/blk-stats.h"
#include "block/block-int.h"
#include "block/throttle.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/trace.h"

TRACE_POINT(blk_co_done);

typedef enum ReqKind {
    REQ_READ,
    REQ_WRITE,
    REQ_ZEROES,
    REQ_DISCARD,
    REQ_FLUSH,
} ReqKind;

typedef struct Req {
    BlockBackend *blk;
    ReqKind kind;
    unsigned flags;
    int64_t offset, bytes;
    IoVec iov;
    BlkDone *done;
    void *opaque;
    bool uncounted;
} Req;

static const BlkAcctType acct_type[] = {
    [REQ_READ] = BLK_ACCT_READ,    [REQ_WRITE] = BLK_ACCT_WRITE,
    [REQ_ZEROES] = BLK_ACCT_WRITE, [REQ_DISCARD] = BLK_ACCT_UNMAP,
    [REQ_FLUSH] = BLK_ACCT_FLUSH,
};

static void req_account(const Req *r, int64_t start, int ret)
{
    BlkAcctSlot *s = &r->blk->acct[thread_slot() % CO_GATE_SLOTS];
    BlkAcctType t = acct_type[r->kind];
    int64_t now = blk_stats_now(r->blk);

    if (ret < 0) {
        if (!r->blk->iostatus_enabled) {
            __atomic_fetch_add(&s->failed[t], 1, __ATOMIC_RELAXED);
        }
        if (r->blk->ignore_failed) {
            return;
        }
    } else {
        __atomic_fetch_add(&s->ops[t], 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&s->bytes[t], r->bytes, __ATOMIC_RELAXED);
    }
    __atomic_fetch_add(&s->ns[t], now - start, __ATOMIC_RELAXED);
    __atomic_store_n(&s->last_ns, now, __ATOMIC_RELAXED);
    if (unlikely(r->blk->stats)) {
        blk_stats_account(r->blk, t, now - start, now);
    }
}

static int coroutine_fn req_run(const Req *r)
{
    BlockBackend *blk = r->blk;
    unsigned flags = r->flags;
    int64_t end;
    BlockNode *n;

    if (!blk->root) {
        return -ENOMEDIUM;
    }
    n = blk->root->node;
    if (r->kind == REQ_FLUSH) {
        return node_flush(n);
    }
    end = ALIGN_UP(node_length(n), 512);
    if (r->offset < 0 || r->bytes < 0 || r->offset > end ||
        r->bytes > end - r->offset) {
        return blk_is_available(blk) ? -EIO : -ENOMEDIUM;
    }
    if (!blk_write_cache(blk)) {
        flags |= BLK_REQ_FUA;
    }
    if (unlikely(blk->throttle)) {
        throttle_wait(blk->throttle, r->kind != REQ_READ, r->bytes);
    }
    switch (r->kind) {
    case REQ_READ:
        return node_preadv(n, r->offset, r->bytes, &r->iov, 0, 0);
    case REQ_WRITE:
        return node_pwritev(n, r->offset, r->bytes, &r->iov, 0, flags);
    case REQ_ZEROES:
        return node_pwrite_zeroes(n, r->offset, r->bytes, flags);
    default:
        return node_pdiscard(n, r->offset, r->bytes);
    }
}

static int coroutine_fn req_perform(const Req *r)
{
    int64_t start = blk_stats_now(r->blk);
    int ret = req_run(r);

    trace(blk_co_done,
          "blk %p kind %d offset %" PRId64 " bytes %" PRId64 " ret %d", r->blk,
          r->kind, r->offset, r->bytes, ret);
    if (!r->uncounted) {
        req_account(r, start, ret);
    }
    return ret;
}

static int coroutine_fn req_co(const Req *r)
{
    int ret;

    co_gate_enter(&r->blk->gate);
    ret = req_perform(r);
    co_gate_leave(&r->blk->gate);
    return ret;
}

static void coroutine_fn req_entry(void *opaque)
{
    Req r = *(Req *)opaque; /* the submitter's copy is gone after a yield */
    int ret;

    co_gate_enter(&r.blk->gate);
    ret = req_perform(&r);
    r.done(r.opaque, ret);
    co_gate_leave(&r.blk->gate);
}

static void req_submit(Req *r)
{
    coroutine_enter(coroutine_new(req_entry, r));
}

/* Asynchronous ----------------------------------------------------------------
 */

void blk_aio_preadv(BlockBackend *blk, int64_t offset, const IoVec *iov,
                    unsigned flags, BlkDone *done, void *opaque)
{
    Req r = { blk, REQ_READ, flags, offset, iov->size, *iov, done, opaque };

    req_submit(&r);
}

void blk_aio_pwritev(BlockBackend *blk, int64_t offset, const IoVec *iov,
                     unsigned flags, BlkDone *done, void *opaque)
{
    Req r = { blk, REQ_WRITE, flags, offset, iov->size, *iov, done, opaque };

    req_submit(&r);
}

void blk_aio_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes,
                           unsigned flags, BlkDone *done, void *opaque)
{
    Req r = { blk, REQ_ZEROES, flags, offset, bytes, {}, done, opaque };

    req_submit(&r);
}

void blk_aio_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes,
                      BlkDone *done, void *opaque)
{
    Req r = { blk, REQ_DISCARD, 0, offset, bytes, {}, done, opaque };

    req_submit(&r);
}

void blk_aio_flush(BlockBackend *blk, BlkDone *done, void *opaque)
{
    Req r = { blk, REQ_FLUSH, 0, 0, 0, {}, done, opaque };

    req_submit(&r);
}

/* From coroutines
 * --------------------------------------------------------------- */

int coroutine_fn blk_co_preadv(BlockBackend *blk, int64_t offset,
                               const IoVec *iov, unsigned flags)
{
    Req r = { blk, REQ_READ, flags, offset, iov->size, *iov, NULL, NULL };

    return req_co(&r);
}

int coroutine_fn blk_co_pwritev(BlockBackend *blk, int64_t offset,
                                const IoVec *iov, unsigned flags)
{
    Req r = { blk, REQ_WRITE, flags, offset, iov->size, *iov, NULL, NULL };

    return req_co(&r);
}

int coroutine_fn blk_co_pread(BlockBackend *blk, int64_t offset, int64_t bytes,
                              void *buf, unsigned flags)
{
    IoVec v = IOVEC_BUF(buf, bytes);

    return blk_co_preadv(blk, offset, &v, flags);
}

int coroutine_fn blk_co_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes,
                               const void *buf, unsigned flags)
{
    IoVec v = IOVEC_BUF(buf, bytes);

    return blk_co_pwritev(blk, offset, &v, flags);
}

int coroutine_fn blk_co_pwrite_zeroes(BlockBackend *blk, int64_t offset,
                                      int64_t bytes, unsigned flags)
{
    Req r = { blk, REQ_ZEROES, flags, offset, bytes, {}, NULL, NULL };

    return req_co(&r);
}

int coroutine_fn blk_co_pdiscard(BlockBackend *blk, int64_t offset,
                                 int64_t bytes)
{
    Req r = { blk, REQ_DISCARD, 0, offset, bytes, {}, NULL, NULL };

    return req_co(&r);
}

int coroutine_fn blk_co_flush(BlockBackend *blk)
{
    Req r = { blk, REQ_FLUSH, 0, 0, 0, {}, NULL, NULL };

    return req_co(&r);
}

BlockNode *coroutine_fn blk_co_enter(BlockBackend *blk)
{
    co_gate_enter(&blk->gate);
    if (!blk->root) {
        co_gate_leave(&blk->gate);
        return NULL;
    }
    return blk->root->node;
}

void blk_co_leave(BlockBackend *blk)
{
    co_gate_leave(&blk->gate);
}

bool coroutine_fn blk_co_truncate(BlockBackend *blk, int64_t size, bool exact,
                                  Error **errp)
{
    bool ok;

    if (!blk->root) {
        return error_set(errp, "Device has no medium");
    }
    co_gate_enter(&blk->gate);
    ok = node_truncate(blk->root->node, size, exact, errp);
    co_gate_leave(&blk->gate);
    return ok;
}

/* Blocking
 * ---------------------------------------------------------------------- */

typedef struct SyncReq {
    const Req *r;
    int ret;
} SyncReq;

static void coroutine_fn sync_entry(void *opaque)
{
    SyncReq *s = opaque;

    s->ret = req_co(s->r);
}

static int req_sync(const Req *r)
{
    SyncReq s = { r, 0 };

    block_run(sync_entry, &s);
    return s.ret;
}

int blk_pread(BlockBackend *blk, int64_t offset, int64_t bytes, void *buf)
{
    Req r = {
        blk, REQ_READ, 0, offset, bytes, IOVEC_BUF(buf, bytes), NULL, NULL
    };

    return req_sync(&r);
}

int blk_pwrite(BlockBackend *blk, int64_t offset, int64_t bytes,
               const void *buf, unsigned flags)
{
    Req r = { blk,  REQ_WRITE, flags, offset, bytes, IOVEC_BUF(buf, bytes),
              NULL, NULL };

    return req_sync(&r);
}

int blk_pwrite_zeroes(BlockBackend *blk, int64_t offset, int64_t bytes,
                      unsigned flags)
{
    Req r = { blk, REQ_ZEROES, flags, offset, bytes, {}, NULL, NULL };

    return req_sync(&r);
}

int blk_pdiscard(BlockBackend *blk, int64_t offset, int64_t bytes)
{
    Req r = { blk, REQ_DISCARD, 0, offset, bytes, {}, NULL, NULL };

    return req_sync(&r);
}

int blk_flush(BlockBackend *blk)
{
    Req r = { blk, REQ_FLUSH, 0, 0, 0, {}, NULL, NULL };

    return req_sync(&r);
}

/* These flushes are no device's: none is counted. */
void blk_flush_all(BlockGraph *graph)
{
    for (guint i = 0; i < graph->blks->len; i++) {
        BlockBackend *blk = graph->blks->pdata[i];

        if (blk->root && !blk->root->node->read_only) {
            Req r = { .blk = blk, .kind = REQ_FLUSH, .uncounted = true };

            req_sync(&r);
        }
    }
}

typedef struct SyncTruncate {
    BlockBackend *blk;
    int64_t size;
    bool exact, ok;
    Error **errp;
} SyncTruncate;

static void coroutine_fn sync_truncate_entry(void *opaque)
{
    SyncTruncate *s = opaque;

    s->ok = blk_co_truncate(s->blk, s->size, s->exact, s->errp);
}

bool blk_truncate(BlockBackend *blk, int64_t size, bool exact, Error **errp)
{
    SyncTruncate s = { blk, size, exact, false, errp };

    block_run(sync_truncate_entry, &s);
    return s.ok;
}
