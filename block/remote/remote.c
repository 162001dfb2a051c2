/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to remote disks: each takes one of the node's connections, and a
 * worker thread makes the blocking call. Connections are opened as requests
 * come side by side.
 */
#include "util/osdep.h"

#include "block/remote/remote.h"
#include "util/error.h"
#include "util/module.h"
#include "util/thread-pool.h"

typedef enum RemoteKind {
    REMOTE_READ,
    REMOTE_WRITE,
    REMOTE_FLUSH,
    REMOTE_ZERO,
    REMOTE_DISCARD,
    REMOTE_TRUNCATE,
} RemoteKind;

/* One call, made by a worker. */
typedef struct RemoteCall {
    RemoteDisk *d;
    RemoteKind kind;
    void *handle;
    void *buf;
    uint64_t offset, len;
    bool unmap;
    int result;
    char *error;
} RemoteCall;

static RemoteDisk *disk(const BlockNode *n)
{
    return n->state;
}

/* Connections ----------------------------------------------------------------
 */

static int open_work(void *opaque)
{
    RemoteCall *c = opaque;
    RemoteInfo *info = &c->d->info, more;

    c->handle = c->d->ops->open(c->d->params, c->d->writable,
                                c->d->n_open > 1 ? &more : info, &c->error);
    return c->handle ? 0 : -EIO;
}

static int close_work(void *opaque)
{
    RemoteCall *c = opaque;

    c->d->ops->close(c->handle);
    return 0;
}

/* A connection to have alone; NULL: it was the first, and failed. */
static void *coroutine_fn take_handle(RemoteDisk *d, char **error)
{
    RemoteCall c = { .d = d };

    mutex_lock(&d->lock);
    while (!d->n_idle && d->n_open >= d->max_open) {
        co_queue_wait(&d->waiting, &d->lock);
    }
    if (d->n_idle) {
        c.handle = d->idle[--d->n_idle];
    } else {
        d->n_open++;
    }
    mutex_unlock(&d->lock);
    if (c.handle || thread_pool_run_co(open_work, &c) == 0) {
        return c.handle;
    }
    /* The server wants no more of them. */
    mutex_lock(&d->lock);
    d->max_open = --d->n_open;
    mutex_unlock(&d->lock);
    if (d->max_open) {
        g_free(c.error);
        return take_handle(d, error);
    }
    *error = c.error;
    return NULL;
}

static void put_handle(RemoteDisk *d, void *handle)
{
    mutex_lock(&d->lock);
    d->idle[d->n_idle++] = handle;
    co_queue_wake_one(&d->waiting);
    mutex_unlock(&d->lock);
}

/* Calls ----------------------------------------------------------------------
 */

static int call_work(void *opaque)
{
    RemoteCall *c = opaque;
    const RemoteOps *ops = c->d->ops;

    switch (c->kind) {
    case REMOTE_READ:
        c->result = ops->read(c->handle, c->buf, c->len, c->offset);
        break;
    case REMOTE_WRITE:
        c->result = ops->write(c->handle, c->buf, c->len, c->offset);
        break;
    case REMOTE_FLUSH:
        c->result = ops->flush(c->handle);
        break;
    case REMOTE_ZERO:
        c->result = ops->zero(c->handle, c->offset, c->len, c->unmap);
        break;
    case REMOTE_DISCARD:
        c->result = ops->discard(c->handle, c->offset, c->len);
        break;
    case REMOTE_TRUNCATE:
        c->result = ops->truncate(c->handle, c->len);
        break;
    }
    return 0;
}

static int coroutine_fn remote_call(BlockNode *n, RemoteCall *c)
{
    c->d = disk(n);
    c->handle = take_handle(c->d, &c->error);
    thread_pool_run_co(call_work, c);
    put_handle(c->d, c->handle);
    return c->result;
}

/* The bytes of a request as one piece: in place where they are one. */
static void *one_piece(const IoVec *iov, size_t offset, size_t bytes)
{
    for (int i = 0; i < iov->niov; i++) {
        if (offset < iov->iov[i].iov_len) {
            return iov->iov[i].iov_len - offset >= bytes
                       ? (uint8_t *)iov->iov[i].iov_base + offset
                       : NULL;
        }
        offset -= iov->iov[i].iov_len;
    }
    return NULL;
}

static int coroutine_fn remote_preadv(BlockNode *n, int64_t offset,
                                      int64_t bytes, const IoVec *iov,
                                      size_t iov_offset, unsigned flags)
{
    g_autofree void *bounce = NULL;
    RemoteCall c = { .kind = REMOTE_READ, .offset = offset, .len = bytes };
    int ret;

    c.buf = one_piece(iov, iov_offset, bytes);
    if (!c.buf && !(c.buf = bounce = g_try_malloc(bytes))) {
        return -ENOMEM;
    }
    ret = remote_call(n, &c);
    if (bounce && ret >= 0) {
        iov_from_buf(iov, iov_offset, bounce, bytes);
    }
    return ret;
}

static int coroutine_fn remote_flush(BlockNode *n)
{
    RemoteCall c = { .kind = REMOTE_FLUSH };

    return disk(n)->writable && !n->flags.no_flush ? remote_call(n, &c) : 0;
}

static int coroutine_fn remote_pwritev(BlockNode *n, int64_t offset,
                                       int64_t bytes, const IoVec *iov,
                                       size_t iov_offset, unsigned flags)
{
    g_autofree void *bounce = NULL;
    RemoteCall c = { .kind = REMOTE_WRITE, .offset = offset, .len = bytes };

    c.buf = one_piece(iov, iov_offset, bytes);
    if (!c.buf) {
        c.buf = bounce = g_try_malloc(bytes);
        if (!bounce) {
            return -ENOMEM;
        }
        iov_to_buf(iov, iov_offset, bounce, bytes);
    }
    return remote_call(n, &c);
}

static int coroutine_fn remote_pwrite_zeroes(BlockNode *n, int64_t offset,
                                             int64_t bytes, unsigned flags)
{
    RemoteCall c = { .kind = REMOTE_ZERO,
                     .offset = offset,
                     .len = bytes,
                     .unmap = flags & BLK_REQ_MAY_UNMAP };

    return disk(n)->ops->zero ? remote_call(n, &c) : -ENOTSUP;
}

static int coroutine_fn remote_pdiscard(BlockNode *n, int64_t offset,
                                        int64_t bytes)
{
    RemoteCall c = { .kind = REMOTE_DISCARD, .offset = offset, .len = bytes };

    return disk(n)->ops->discard ? remote_call(n, &c) : -ENOTSUP;
}

/* Length ---------------------------------------------------------------------
 */

static int64_t coroutine_fn remote_getlength(BlockNode *n)
{
    return node_length(n);
}

static bool coroutine_fn remote_truncate(BlockNode *n, int64_t size, bool exact,
                                         Error **errp)
{
    RemoteCall c = { .kind = REMOTE_TRUNCATE, .len = size };
    int ret;

    if (!disk(n)->ops->truncate) {
        if (size > n->length || (exact && size != n->length)) {
            return error_set(errp, "Cannot resize %s images", n->drv->name);
        }
        return true;
    }
    ret = remote_call(n, &c);
    if (ret < 0) {
        return error_errno(errp, -ret, "Failed to resize the file");
    }
    node_set_length(n, size);
    return true;
}

/* Opening --------------------------------------------------------------------
 */

bool coroutine_fn remote_open(BlockNode *n, const char *module,
                              const char *table, const void *params,
                              Error **errp)
{
    RemoteDisk *d = disk(n);
    g_autofree char *error = NULL;
    void *handle;

    d->ops = module_table(module, table, errp);
    if (!d->ops) {
        return false;
    }
    d->params = params;
    d->max_open = REMOTE_HANDLES;
    d->writable = !n->flags.read_only && d->ops->write;
    mutex_init(&d->lock);
    co_queue_init(&d->waiting);
    handle = take_handle(d, &error);
    if (!handle) {
        mutex_destroy(&d->lock);
        return error_set(errp, "%s", error);
    }
    put_handle(d, handle);
    if (d->info.size > BLK_MAX_LENGTH) {
        remote_close(n);
        return error_set(errp, "the disk is too large");
    }
    if (!d->ops->write || d->info.read_only) {
        if (!n->flags.read_only && !n->flags.auto_read_only) {
            remote_close(n);
            return error_set(errp,
                             d->ops->write
                                 ? "%s: the server allows no writes"
                                 : "%s driver does not support writes",
                             n->drv->name);
        }
        d->writable = false;
    }
    n->read_only = !d->writable;
    n->length = d->info.size;
    if (d->ops->zero) {
        n->zero_flags = BLK_REQ_MAY_UNMAP;
    }
    return true;
}

void coroutine_fn remote_close(BlockNode *n)
{
    RemoteDisk *d = disk(n);

    while (d->n_idle) {
        RemoteCall c = { .d = d, .handle = d->idle[--d->n_idle] };

        thread_pool_run_co(close_work, &c);
    }
    mutex_destroy(&d->lock);
}

void remote_refresh_limits(BlockNode *n)
{
    n->limits.request_alignment = disk(n)->info.block;
    n->limits.max_transfer = disk(n)->info.max_transfer;
}

const BlockIoOps remote_io_ops = {
    .preadv = remote_preadv,
    .pwritev = remote_pwritev,
    .pwrite_zeroes = remote_pwrite_zeroes,
    .pdiscard = remote_pdiscard,
    .flush = remote_flush,
};

const BlockSizeOps remote_size_ops = {
    .getlength = remote_getlength,
    .truncate = remote_truncate,
};
