/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of one kick that read, or write, neighbouring sectors go to the
 * disk as one (property "request-merging"). Requests in flight have no order
 * among them (virtio 1.2, 5.2.6.2), so they may wait for each other until the
 * driver's batch ends.
 */
#include "util/osdep.h"

#include "virtio-blk.h"

static int64_t end_of(const BlkReq *r)
{
    return r->offset + r->data.size;
}

static BlkAcctType acct_type(const BlkReq *r)
{
    return r->type == VIRTIO_BLK_T_IN ? BLK_ACCT_READ : BLK_ACCT_WRITE;
}

static void merged_done(void *opaque, int ret)
{
    BlkReq *r = opaque;
    BlockBackend *blk = r->q->s->blk;
    BlkAcctType type = acct_type(r);

    g_clear_pointer(&r->merged_iov, g_free);
    while (r) {
        BlkReq *next = r->next;

        if (next && ret >= 0) {
            blk_acct_merged_done(blk, type, 1);
        }
        r->next = NULL;
        virtio_blk_done(r, ret);
        r = next;
    }
}

/* The head carries the others and one list of all their pieces. */
static void submit_merged(BlkReq **req, unsigned n, int n_iov)
{
    BlkReq *head = req[0];
    IoVec all = { g_new(struct iovec, n_iov), 0, 0 };

    for (unsigned i = 0; i < n; i++) {
        BlkReq *r = req[i];

        memcpy(all.iov + all.niov, r->data.iov,
               r->data.niov * sizeof(*r->data.iov));
        all.niov += r->data.niov;
        all.size += r->data.size;
        r->next = i + 1 < n ? req[i + 1] : NULL;
    }
    head->merged_iov = all.iov;
    blk_acct_merged(head->q->s->blk, acct_type(head), n - 1);
    virtio_blk_submit_as(head, &all, merged_done);
}

/* How many from req[0] on make one transfer; @n_iov: of so many pieces. */
static unsigned run_length(const VirtioBlk *s, BlkReq *const *req, unsigned n,
                           int *n_iov)
{
    const BlockLimits *limits = blk_limits(s->blk);
    int max_iov = limits->max_iov ? MIN(limits->max_iov, IOVEC_MAX) : IOVEC_MAX;
    size_t max = limits->max_transfer ? limits->max_transfer : BLK_REQ_MAX;
    size_t size = req[0]->data.size;
    unsigned i = 1;

    *n_iov = req[0]->data.niov;
    for (; i < n; i++) {
        const IoVec *data = &req[i]->data;

        if (req[i]->offset != end_of(req[i - 1]) ||
            *n_iov + data->niov > max_iov || size + data->size > max) {
            break;
        }
        *n_iov += data->niov;
        size += data->size;
    }
    return i;
}

void virtio_blk_batch_submit(VirtioBlk *s, BlkBatch *b)
{
    unsigned n = b->n, run;

    b->n = 0;
    for (unsigned i = 0; i < n; i += run) {
        int n_iov;

        run = run_length(s, b->req + i, n - i, &n_iov);
        if (run > 1) {
            submit_merged(b->req + i, run, n_iov);
        } else {
            virtio_blk_submit(b->req[i]);
        }
    }
}

void virtio_blk_batch_add(VirtioBlk *s, BlkBatch *b, BlkReq *r)
{
    unsigned i;

    if (b->n == BLK_BATCH_MAX || (b->n && b->req[0]->type != r->type)) {
        virtio_blk_batch_submit(s, b);
    }
    /* By offset. Drivers send neighbours in order: look from the end. */
    for (i = b->n++; i && b->req[i - 1]->offset > r->offset; i--) {
        b->req[i] = b->req[i - 1];
    }
    b->req[i] = r;
}
