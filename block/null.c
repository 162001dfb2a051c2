/* SPDX-License-Identifier: GPL-2.0-or-later */
/* null-co: a disk that forgets; for tests and measurements. */
#include "util/osdep.h"

#include "block/block-node.h"
#include "block/drivers.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

#define NULL_DEFAULT_SIZE ((int64_t)(1 * GiB))

typedef struct NullState {
    int64_t latency_ns;
    bool read_zeroes;
} NullState;

static bool coroutine_fn null_open(BlockNode *n, const BlockdevOptions *opts,
                                   Error **errp)
{
    const BlockdevOptionsNull *o = &opts->u.null_co;
    NullState *s = n->state;
    g_autofree char *name = NULL;

    n->read_only = n->flags.read_only;
    n->length = o->has_size ? o->size : NULL_DEFAULT_SIZE;
    if (n->length < 0 || n->length > BLK_MAX_LENGTH) {
        return error_set(errp, "size is out of range");
    }
    if (o->has_latency_ns && o->latency_ns > INT64_MAX) {
        return error_set(errp, "latency-ns is out of range");
    }
    s->latency_ns = o->has_latency_ns ? o->latency_ns : 0;
    s->read_zeroes = o->has_read_zeroes && o->read_zeroes;
    name = g_strconcat(n->drv->name, "://", NULL);
    block_name_node(n, n->opts, name, !o->has_size && !o->has_read_zeroes);
    return true;
}

static int coroutine_fn null_wait(BlockNode *n)
{
    NullState *s = n->state;

    if (s->latency_ns) {
        coroutine_sleep_ns(s->latency_ns);
    }
    return 0;
}

static int coroutine_fn null_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset,
                                    unsigned flags)
{
    NullState *s = n->state;

    if (s->read_zeroes) {
        iov_memset(iov, iov_offset, 0, bytes);
    }
    return null_wait(n);
}

static int coroutine_fn null_pwritev(BlockNode *n, int64_t offset,
                                     int64_t bytes, const IoVec *iov,
                                     size_t iov_offset, unsigned flags)
{
    return null_wait(n);
}

static int coroutine_fn null_pwrite_zeroes(BlockNode *n, int64_t offset,
                                           int64_t bytes, unsigned flags)
{
    return null_wait(n);
}

static int coroutine_fn null_status(BlockNode *n, bool want_zero,
                                    int64_t offset, int64_t bytes,
                                    int64_t *pnum, int64_t *map,
                                    BlockNode **file)
{
    NullState *s = n->state;

    *pnum = bytes;
    *map = offset;
    *file = n;
    return BLK_STATUS_OFFSET | (s->read_zeroes ? BLK_STATUS_ZERO : 0);
}

static int64_t coroutine_fn null_getlength(BlockNode *n)
{
    return node_length(n);
}

static int64_t null_allocated(BlockNode *n)
{
    return 0;
}

static const BlockIoOps null_io_ops = {
    .preadv = null_preadv,
    .pwritev = null_pwritev,
    .pwrite_zeroes = null_pwrite_zeroes,
    .flush = null_wait,
    .block_status = null_status,
};

static const BlockSizeOps null_size_ops = {
    .getlength = null_getlength,
    .allocated = null_allocated,
};

const BlockDriver block_driver_null_co = {
    .name = "null-co",
    .driver = BLOCKDEV_DRIVER_NULL_CO,
    .state_size = sizeof(NullState),
    .protocol = true,
    .open = null_open,
    .io = &null_io_ops,
    .size = &null_size_ops,
};

const BlockDriver block_driver_null_aio = {
    .name = "null-aio",
    .driver = BLOCKDEV_DRIVER_NULL_AIO,
    .state_size = sizeof(NullState),
    .protocol = true,
    .open = null_open,
    .io = &null_io_ops,
    .size = &null_size_ops,
};
