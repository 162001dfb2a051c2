/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkverify: does everything on two nodes, and ends the program when they do
 * not read the same. A tool to test image formats with.
 * Spec: QEMU's docs/devel/blkverify; messages by experiment.
 */
#include "util/osdep.h"

#include "block/drivers.h"
#include "block/pair-run.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

typedef struct VerifyState {
    BlockEdge *test, *raw;
} VerifyState;

static bool coroutine_fn verify_open(BlockNode *n, const BlockdevOptions *opts,
                                     Error **errp)
{
    const BlockdevOptionsBlkverify *o = &opts->u.blkverify;
    VerifyState *s = n->state;

    s->raw = node_open_child(n, "raw", o->raw,
                             BLOCK_ROLE_DATA | BLOCK_ROLE_PRIMARY, errp);
    if (!s->raw) {
        return false;
    }
    s->test = node_open_child(n, "test", o->test, BLOCK_ROLE_DATA, errp);
    if (!s->test) {
        return false;
    }
    n->length = node_length(s->test->node);
    g_free(n->filename);
    n->filename = g_strdup_printf("blkverify:%s:%s", s->raw->node->filename,
                                  s->test->node->filename);
    return true;
}

/* Requests
 * ---------------------------------------------------------------------- */

static void G_GNUC_NORETURN give_up(const char *verb, int64_t offset,
                                    int64_t bytes, const char *what)
{
    fprintf(stderr, "blkverify: %s offset=%" PRId64 " bytes=%" PRId64 " %s\n",
            verb, offset, bytes, what);
    /* Other threads may be in the middle of requests: no destructors. */
    fflush(NULL);
    _exit(1);
}

/* The result of both, which must be the same. */
static int coroutine_fn do_both(BlockNode *n, const NodeReq *proto,
                                const IoVec *raw_iov, const char *verb)
{
    VerifyState *s = n->state;
    NodeReq reqs[2] = { *proto, *proto };

    reqs[0].n = s->test->node;
    reqs[1].n = s->raw->node;
    if (raw_iov) {
        reqs[1].iov = raw_iov;
        reqs[1].iov_offset = 0;
    }
    node_reqs_run(reqs, 2);
    if (reqs[0].ret != reqs[1].ret) {
        g_autofree char *what =
            g_strdup_printf("return value mismatch %d != %d", reqs[0].ret,
                            reqs[1].ret);

        give_up(verb, proto->offset, proto->bytes, what);
    }
    return reqs[0].ret;
}

static int coroutine_fn verify_preadv(BlockNode *n, int64_t offset,
                                      int64_t bytes, const IoVec *iov,
                                      size_t iov_offset, unsigned flags)
{
    NodeReq req = { .kind = NODE_REQ_READ,
                    .offset = offset,
                    .bytes = bytes,
                    .iov = iov,
                    .iov_offset = iov_offset };
    char *buf = node_alloc(n, bytes);
    IoVec raw = IOVEC_BUF(buf, bytes);
    int64_t at;
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    ret = do_both(n, &req, &raw, "read");
    at = ret >= 0 ? iov_first_difference(iov, iov_offset, buf, bytes) : -1;
    free(buf);
    if (at >= 0) {
        g_autofree char *what =
            g_strdup_printf("contents mismatch at offset %" PRId64,
                            offset + at);

        give_up("read", offset, bytes, what);
    }
    return ret;
}

static int coroutine_fn verify_pwritev(BlockNode *n, int64_t offset,
                                       int64_t bytes, const IoVec *iov,
                                       size_t iov_offset, unsigned flags)
{
    NodeReq req = { .kind = NODE_REQ_WRITE,
                    .offset = offset,
                    .bytes = bytes,
                    .iov = iov,
                    .iov_offset = iov_offset,
                    .flags = flags };

    return do_both(n, &req, NULL, "write");
}

static int64_t coroutine_fn verify_getlength(BlockNode *n)
{
    VerifyState *s = n->state;

    return node_length(s->test->node);
}

static const BlockIoOps verify_io_ops = {
    .preadv = verify_preadv,
    .pwritev = verify_pwritev,
};

static const BlockSizeOps verify_size_ops = {
    .getlength = verify_getlength,
};

const BlockDriver block_driver_blkverify = {
    .name = "blkverify",
    .driver = BLOCKDEV_DRIVER_BLKVERIFY,
    .state_size = sizeof(VerifyState),
    .open = verify_open,
    .io = &verify_io_ops,
    .size = &verify_size_ops,
};
