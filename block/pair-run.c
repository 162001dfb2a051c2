/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request to several nodes at the same time: each on a coroutine. */
#include "util/osdep.h"

#include "block/pair-run.h"

typedef struct NodeReqs {
    Coroutine *waiter;
    Loop *loop;
    unsigned left; /* guarded by lock */
    bool waiting;  /* the same */
    Mutex lock;
} NodeReqs;

static int coroutine_fn run_one(const NodeReq *r)
{
    switch (r->kind) {
    case NODE_REQ_READ:
        return node_preadv(r->n, r->offset, r->bytes, r->iov, r->iov_offset,
                           r->flags);
    case NODE_REQ_WRITE:
        return node_pwritev(r->n, r->offset, r->bytes, r->iov, r->iov_offset,
                            r->flags);
    case NODE_REQ_ZEROES:
        return node_pwrite_zeroes(r->n, r->offset, r->bytes, r->flags);
    default:
        return node_flush(r->n);
    }
}

static void coroutine_fn req_entry(void *opaque)
{
    NodeReq *r = opaque;
    NodeReqs *all = r->all;
    bool last;

    r->ret = run_one(r);
    mutex_lock(&all->lock);
    last = !--all->left && all->waiting;
    if (last) {
        coroutine_wake_on(all->waiter, all->loop);
    }
    mutex_unlock(&all->lock);
}

void coroutine_fn node_reqs_run(NodeReq *reqs, unsigned count)
{
    NodeReqs all = { .waiter = coroutine_self(),
                     .loop = loop_current(),
                     .left = count };

    mutex_init(&all.lock);
    for (unsigned i = 0; i < count; i++) {
        reqs[i].all = &all;
        coroutine_enter(coroutine_new(req_entry, &reqs[i]));
    }
    mutex_lock(&all.lock);
    all.waiting = all.left;
    mutex_unlock(&all.lock);
    if (all.waiting) {
        coroutine_yield();
    }
    /* The last one may still hold it. */
    mutex_lock(&all.lock);
    mutex_unlock(&all.lock);
    mutex_destroy(&all.lock);
}

int64_t iov_first_difference(const IoVec *iov, size_t iov_offset,
                             const char *buf, int64_t bytes)
{
    char piece[4096];

    for (int64_t at = 0; at < bytes; at += sizeof(piece)) {
        int64_t n = MIN(bytes - at, (int64_t)sizeof(piece));

        iov_to_buf(iov, iov_offset + at, piece, n);
        for (int64_t i = 0; memcmp(piece, buf + at, n) && i < n; i++) {
            if (piece[i] != buf[at + i]) {
                return at + i;
            }
        }
    }
    return -1;
}
