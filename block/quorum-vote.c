/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quorum: reading from all children and finding out what most of them say.
 * Spec: the driver quorum and its events in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/block-graph.h"
#include "block/quorum.h"
#include "qapi/qapi-events-block-core.h"
#include "util/error.h"

#define SECTOR 512

/* Events
 * ------------------------------------------------------------------------ */

static int64_t first_sector(int64_t offset)
{
    return offset / SECTOR;
}

static int64_t sector_count(int64_t offset, int64_t bytes)
{
    return DIV_ROUND_UP(offset + bytes, SECTOR) - first_sector(offset);
}

/* The device that the node is of, or else the node. */
static const char *reference(const BlockNode *n)
{
    for (guint i = 0; i < n->parents->len; i++) {
        const BlockEdge *e = n->parents->pdata[i];

        if (e->blk && *blk_name(e->blk)) {
            return blk_name(e->blk);
        }
    }
    return n->name;
}

void quorum_report_failure(BlockNode *n, int64_t offset, int64_t bytes)
{
    qapi_event_send_quorum_failure(block_events(n->graph), reference(n),
                                   first_sector(offset),
                                   sector_count(offset, bytes));
}

void quorum_report_bad(BlockNode *n, const BlockNode *child, QuorumOpType type,
                       int64_t offset, int64_t bytes, int ret)
{
    qapi_event_send_quorum_report_bad(block_events(n->graph), type,
                                      ret < 0 ? g_strerror(-ret) : NULL,
                                      child->name, first_sector(offset),
                                      sector_count(offset, bytes));
}

int quorum_common_error(const NodeReq *reqs, unsigned count)
{
    unsigned most = 0;
    int common = -EIO;

    for (unsigned i = 0; i < count; i++) {
        unsigned same = 0;

        for (unsigned j = 0; reqs[i].ret < 0 && j < count; j++) {
            same += reqs[j].ret == reqs[i].ret;
        }
        if (same > most) {
            most = same;
            common = reqs[i].ret;
        }
    }
    return common;
}

/* Voting
 * ------------------------------------------------------------------------ */

typedef struct Ballot {
    BlockNode *n;
    QuorumState *s;
    int64_t offset, bytes;
    unsigned count;
    NodeReq *reqs;
    IoVec *iov;
    struct iovec *piece; /* what iov consists of */
    char **buf;          /* what each child read */
    unsigned *same;      /* the first child that read the same */
} Ballot;

static void ballot_free(Ballot *b)
{
    for (unsigned i = 0; i < b->count; i++) {
        free(b->buf[i]);
    }
    g_free(b->reqs);
    g_free(b->iov);
    g_free(b->piece);
    g_free(b->buf);
    g_free(b->same);
}

static bool ballot_init(Ballot *b)
{
    b->count = b->s->children->len;
    b->reqs = g_new0(NodeReq, b->count);
    b->iov = g_new0(IoVec, b->count);
    b->piece = g_new0(struct iovec, b->count);
    b->buf = g_new0(char *, b->count);
    b->same = g_new0(unsigned, b->count);
    for (unsigned i = 0; i < b->count; i++) {
        const BlockEdge *e = b->s->children->pdata[i];

        b->buf[i] = node_alloc(b->n, b->bytes);
        if (!b->buf[i]) {
            return false;
        }
        b->piece[i] = (struct iovec){ b->buf[i], b->bytes };
        b->iov[i] = (IoVec){ .iov = &b->piece[i], .niov = 1, .size = b->bytes };
        b->reqs[i] = (NodeReq){ .n = e->node,
                                .kind = NODE_REQ_READ,
                                .offset = b->offset,
                                .bytes = b->bytes,
                                .iov = &b->iov[i] };
    }
    return true;
}

static void G_GNUC_NORETURN verify_failed(const Ballot *b)
{
    int64_t at = 0;

    while (b->buf[0][at] == b->buf[1][at]) {
        at++;
    }
    fprintf(stderr,
            "quorum: offset=%" PRId64 " bytes=%" PRId64
            " contents mismatch at offset %" PRId64 "\n",
            b->offset, b->bytes, b->offset + at);
    /* Other threads may be in the middle of requests: no destructors. */
    fflush(NULL);
    _exit(1);
}

/* Who is first among those that read the same; errors are their own. */
static unsigned find_same(const Ballot *b, unsigned i)
{
    for (unsigned j = 0; j < i; j++) {
        if (b->reqs[j].ret >= 0 && b->same[j] == j &&
            !memcmp(b->buf[i], b->buf[j], b->bytes)) {
            return j;
        }
    }
    return i;
}

/* The child that most agree with, and how many do. */
static unsigned find_winner(Ballot *b, unsigned *votes)
{
    unsigned winner = 0;

    *votes = 0;
    for (unsigned i = 0; i < b->count; i++) {
        unsigned n = 0;

        b->same[i] = b->reqs[i].ret >= 0 ? find_same(b, i) : i;
        for (unsigned j = 0; j <= i && b->reqs[i].ret >= 0; j++) {
            n += b->reqs[j].ret >= 0 && b->same[j] == b->same[i];
        }
        if (n > *votes) {
            *votes = n;
            winner = b->same[i];
        }
    }
    return winner;
}

/* The losers get what the winner has. */
static void coroutine_fn rewrite_losers(Ballot *b, unsigned winner)
{
    for (unsigned i = 0; i < b->count; i++) {
        if (b->reqs[i].ret >= 0 && b->same[i] != winner) {
            node_pwritev(b->reqs[i].n, b->offset, b->bytes, &b->iov[winner], 0,
                         0);
        }
    }
}

static int coroutine_fn count_votes(Ballot *b, const IoVec *iov,
                                    size_t iov_offset)
{
    unsigned votes, winner = find_winner(b, &votes);
    unsigned well = 0;
    bool all_same = true;

    for (unsigned i = 0; i < b->count; i++) {
        bool ok = b->reqs[i].ret >= 0;

        well += ok;
        all_same = all_same && (!ok || b->same[i] == winner);
        if (!ok) {
            quorum_report_bad(b->n, b->reqs[i].n, QUORUM_OP_TYPE_READ,
                              b->offset, b->bytes, b->reqs[i].ret);
        }
    }
    if (well < b->s->threshold) {
        quorum_report_failure(b->n, b->offset, b->bytes);
        return quorum_common_error(b->reqs, b->count);
    }
    if (!all_same && b->s->is_blkverify) {
        verify_failed(b);
    }
    if (votes < b->s->threshold) {
        quorum_report_failure(b->n, b->offset, b->bytes);
        return -EIO;
    }
    for (unsigned i = 0; i < b->count; i++) {
        if (b->reqs[i].ret >= 0 && b->same[i] != winner) {
            quorum_report_bad(b->n, b->reqs[i].n, QUORUM_OP_TYPE_READ,
                              b->offset, b->bytes, 0);
        }
    }
    if (b->s->rewrite && !b->n->read_only) {
        rewrite_losers(b, winner);
    }
    iov_from_buf(iov, iov_offset, b->buf[winner], b->bytes);
    return 0;
}

int coroutine_fn quorum_read_voting(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset)
{
    Ballot b = { .n = n, .s = n->state, .offset = offset, .bytes = bytes };
    int ret = -ENOMEM;

    if (ballot_init(&b)) {
        node_reqs_run(b.reqs, b.count);
        ret = count_votes(&b, iov, iov_offset);
    }
    ballot_free(&b);
    return ret;
}
