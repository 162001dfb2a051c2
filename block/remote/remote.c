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
    REMOTE_STATUS,
    REMOTE_SIZE,
    REMOTE_ALLOCATED,
} RemoteKind;

/* One call, made by a worker. */
typedef struct RemoteCall {
    RemoteDisk *d;
    RemoteKind kind;
    void *handle;
    void *buf;
    uint64_t offset, len;
    bool unmap;
    int64_t result;
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
    case REMOTE_STATUS:
        c->result = ops->status(c->handle, c->offset, c->len, &c->len);
        break;
    case REMOTE_SIZE:
        c->result = ops->size(c->handle);
        break;
    case REMOTE_ALLOCATED:
        c->result = ops->allocated(c->handle);
        break;
    }
    return 0;
}

static int64_t coroutine_fn remote_call(BlockNode *n, RemoteCall *c)
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
    if (!c.buf && !(c.buf = bounce = g_try_malloc0(bytes))) {
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

/* Would a write end where the disk cannot grow to? */
static bool remote_is_past(BlockNode *n, int64_t offset, int64_t bytes)
{
    return disk(n)->info.fixed && offset + bytes > node_length(n);
}

/* A change, on stable storage when that is asked for. */
static int coroutine_fn remote_change(BlockNode *n, RemoteCall *c,
                                      unsigned flags)
{
    int ret = remote_call(n, c);

    return ret >= 0 && (flags & BLK_REQ_FUA) ? remote_flush(n) : ret;
}

static int coroutine_fn remote_pwritev(BlockNode *n, int64_t offset,
                                       int64_t bytes, const IoVec *iov,
                                       size_t iov_offset, unsigned flags)
{
    g_autofree void *bounce = NULL;
    RemoteCall c = { .kind = REMOTE_WRITE, .offset = offset, .len = bytes };

    if (remote_is_past(n, offset, bytes)) {
        return -ENOSPC;
    }
    c.buf = one_piece(iov, iov_offset, bytes);
    if (!c.buf) {
        c.buf = bounce = g_try_malloc(bytes);
        if (!bounce) {
            return -ENOMEM;
        }
        iov_to_buf(iov, iov_offset, bounce, bytes);
    }
    return remote_change(n, &c, flags);
}

static int coroutine_fn remote_pwrite_zeroes(BlockNode *n, int64_t offset,
                                             int64_t bytes, unsigned flags)
{
    RemoteCall c = { .kind = REMOTE_ZERO,
                     .offset = offset,
                     .len = bytes,
                     .unmap = flags & BLK_REQ_MAY_UNMAP };

    return !disk(n)->ops->zero                ? -ENOTSUP
           : remote_is_past(n, offset, bytes) ? -ENOSPC
                                              : remote_change(n, &c, flags);
}

static int coroutine_fn remote_pdiscard(BlockNode *n, int64_t offset,
                                        int64_t bytes)
{
    RemoteCall c = { .kind = REMOTE_DISCARD, .offset = offset, .len = bytes };

    return disk(n)->ops->discard ? remote_call(n, &c) : -ENOTSUP;
}

static int coroutine_fn remote_block_status(BlockNode *n, bool want_zero,
                                            int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map,
                                            BlockNode **file)
{
    RemoteCall c = { .kind = REMOTE_STATUS, .offset = offset, .len = bytes };
    int ret = disk(n)->ops->status ? remote_call(n, &c) : REMOTE_IS_DATA;

    *map = offset;
    *file = n;
    if (ret < 0) {
        return ret;
    }
    if (!c.len || c.len > (uint64_t)bytes) {
        return -EIO;
    }
    *pnum = c.len;
    return BLK_STATUS_OFFSET | BLK_STATUS_ALLOCATED |
           (ret == REMOTE_IS_DATA   ? BLK_STATUS_DATA
            : ret == REMOTE_IS_ZERO ? BLK_STATUS_ZERO
                                    : 0);
}

/* Length ---------------------------------------------------------------------
 */

int64_t coroutine_fn remote_size(BlockNode *n)
{
    RemoteCall c = { .kind = REMOTE_SIZE };
    int64_t size = remote_call(n, &c);

    return size > BLK_MAX_LENGTH ? -EFBIG : size;
}

typedef struct Allocated {
    BlockNode *n;
    int64_t result;
} Allocated;

static void coroutine_fn allocated_entry(void *opaque)
{
    Allocated *a = opaque;
    RemoteCall c = { .kind = REMOTE_ALLOCATED };

    a->result = remote_call(a->n, &c);
}

static int64_t remote_allocated(BlockNode *n)
{
    Allocated a = { .n = n, .result = -ENOTSUP };

    if (disk(n)->ops->allocated) {
        block_run(allocated_entry, &a);
    }
    return a.result;
}

int64_t coroutine_fn remote_getlength(BlockNode *n)
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
        return error_errno(errp, -ret, "%s",
                           disk(n)->ops->truncate_error
                               ? disk(n)->ops->truncate_error
                               : "Failed to resize file");
    }
    node_set_length(n, size);
    return true;
}

/* Opening --------------------------------------------------------------------
 */

const RemoteOps *remote_ops(const char *module, const char *table, Error **errp)
{
    return module_table(module, table, errp);
}

/* The first handle is there: what it can do, and how many there may be. */
static void first_handle(RemoteDisk *d, void *handle)
{
    if (d->info.handles) {
        d->max_open = MIN(d->max_open, d->info.handles);
    }
    if (d->info.shared) {
        d->max_open = d->n_open = REMOTE_CALLS;
        for (int i = 1; i < REMOTE_CALLS; i++) {
            put_handle(d, handle);
        }
    }
    put_handle(d, handle);
}

static bool check_read_only(BlockNode *n, Error **errp)
{
    RemoteDisk *d = disk(n);

    if (d->ops->write && !d->info.read_only) {
        return true;
    }
    d->writable = false;
    return n->flags.read_only || n->flags.auto_read_only ||
           (d->ops->write ? error_set(errp, "%s", d->info.read_only)
                          : error_set(errp, "%s driver does not support writes",
                                      n->drv->name));
}

bool coroutine_fn remote_open(BlockNode *n, const char *module,
                              const char *table, const void *params,
                              Error **errp)
{
    RemoteDisk *d = disk(n);
    g_autofree char *error = NULL;
    void *handle;

    d->ops = remote_ops(module, table, errp);
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
    first_handle(d, handle);
    if (d->info.size > BLK_MAX_LENGTH) {
        remote_close(n);
        return error_set(errp, "the disk is too large");
    }
    if (!check_read_only(n, errp)) {
        remote_close(n);
        return false;
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
        d->n_idle = d->info.shared ? 0 : d->n_idle;
    }
    mutex_destroy(&d->lock);
}

void remote_refresh_limits(BlockNode *n)
{
    const RemoteInfo *info = &disk(n)->info;

    n->limits.request_alignment = info->block;
    n->limits.max_transfer = info->max_transfer;
    n->limits.max_write_zeroes = info->max_zero;
    n->limits.max_discard = info->max_discard;
    n->limits.write_zeroes_alignment = info->zero_align;
    n->limits.discard_alignment = info->discard_align;
}

const BlockIoOps remote_io_ops = {
    .preadv = remote_preadv,
    .pwritev = remote_pwritev,
    .pwrite_zeroes = remote_pwrite_zeroes,
    .pdiscard = remote_pdiscard,
    .flush = remote_flush,
    .block_status = remote_block_status,
};

const BlockSizeOps remote_size_ops = {
    .getlength = remote_getlength,
    .truncate = remote_truncate,
    .allocated = remote_allocated,
};
