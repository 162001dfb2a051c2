/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block driver "nbd": a disk that an NBD server has. */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/drivers.h"
#include "block/nbd/client.h"
#include "io/socket.h"
#include "qapi/qapi-types-block-core.h"

#define NS_PER_S INT64_C(1000000000)

typedef struct NbdState {
    NbdClient c;
} NbdState;

static NbdClient *client(const BlockNode *n)
{
    return &((NbdState *)n->state)->c;
}

static void client_free(NbdClient *c)
{
    qapi_free_SocketAddress(c->addr);
    g_free(c->export);
    g_free(c->context);
    tls_creds_unref(c->tls.creds);
    g_free(c->tls.hostname);
    g_ptr_array_free(c->waiting, TRUE);
    co_mutex_destroy(&c->send);
}

/* What the server allows is what the node may. */
static bool check_access(BlockNode *n, Error **errp)
{
    if (!(client(n)->info.flags & NBD_FLAG_READ_ONLY)) {
        return true;
    }
    if (!n->flags.read_only && !n->flags.auto_read_only) {
        return error_set(errp, "request on write denied without write "
                               "permission");
    }
    n->read_only = true;
    return true;
}

/* What to check a server's certificate for: what the user says, or the host
 * that was asked for. */
static bool open_tls(BlockNode *n, const BlockdevOptionsNbd *o, Error **errp)
{
    NbdClient *c = client(n);
    const char *host = o->tls_hostname;

    if (!host && o->server->type == SOCKET_ADDRESS_TYPE_INET) {
        host = o->server->u.inet.host;
    }
    if (o->tls_creds) {
        c->tls.creds =
            tls_creds_find(n->graph->root, o->tls_creds, false, errp);
        c->tls.hostname = g_strdup(host);
    }
    return !o->tls_creds || c->tls.creds;
}

/* A descriptor is there once: there is no second attempt. */
static bool coroutine_fn open_fd(BlockNode *n, const BlockdevOptionsNbd *o,
                                 Error **errp)
{
    const BlockHooks *h = &n->graph->hooks;
    int fd = socket_connect(o->server, h->fdsets ? h->fdsets(h->opaque) : NULL,
                            errp);

    return fd >= 0 && nbd_client_adopt(client(n), fd, true, errp);
}

static bool coroutine_fn connect_first(BlockNode *n,
                                       const BlockdevOptionsNbd *o,
                                       Error **errp)
{
    int64_t timeout = o->has_open_timeout ? o->open_timeout : 0;

    return o->server->type == SOCKET_ADDRESS_TYPE_FD
               ? open_fd(n, o, errp)
               : nbd_client_open(client(n), timeout * NS_PER_S, errp);
}

static bool coroutine_fn nbd_open(BlockNode *n, const BlockdevOptions *opts,
                                  Error **errp)
{
    const BlockdevOptionsNbd *o = &opts->u.nbd;
    NbdClient *c = client(n);

    if (o->x_dirty_bitmap && strlen(o->x_dirty_bitmap) > NBD_MAX_STRING) {
        return error_set(errp, "x-dirty-bitmap query too long to send to "
                               "server");
    }
    if (o->export && strlen(o->export) > NBD_MAX_STRING) {
        return error_set(errp, "export name too long to send to server");
    }
    c->loop = n->graph->loop;
    c->addr = QAPI_CLONE(SocketAddress, o->server);
    c->export = g_strdup(o->export ? o->export : "");
    c->context = g_strdup(o->x_dirty_bitmap);
    c->reconnect_ns =
        o->has_reconnect_delay ? o->reconnect_delay * NS_PER_S : 0;
    c->waiting = g_ptr_array_new();
    co_mutex_init(&c->send);
    if (!open_tls(n, o, errp) || !connect_first(n, o, errp)) {
        client_free(c);
        return false;
    }
    if (!check_access(n, errp)) {
        nbd_client_close(c);
        client_free(c);
        return false;
    }
    n->length = c->info.size;
    n->zero_flags = BLK_REQ_MAY_UNMAP |
                    (c->info.flags & NBD_FLAG_SEND_FUA ? BLK_REQ_FUA : 0);
    g_free(n->filename);
    n->filename = nbd_uri(c->addr, c->export);
    return true;
}

static void coroutine_fn nbd_close(BlockNode *n)
{
    NbdClient *c = client(n);

    nbd_client_close(c);
    client_free(c);
}

static void nbd_refresh_limits(BlockNode *n)
{
    const NbdInfo *info = &client(n)->info;
    uint32_t min = info->min_block;
    uint32_t max = MIN(info->max_block ? info->max_block : NBD_MAX_PAYLOAD,
                       NBD_MAX_PAYLOAD);

    if (!min) {
        min = info->size % 512 || n->read_only ? 1 : 512;
    }
    n->limits.request_alignment = min;
    n->limits.max_transfer = max;
    n->limits.opt_transfer = info->pref_block > min ? info->pref_block : 0;
    n->limits.max_iov = IOVEC_MAX - 1;
    n->limits.max_discard = ALIGN_DOWN(INT32_MAX, min);
    n->limits.max_write_zeroes = ALIGN_DOWN(INT32_MAX, min);
}

/* Requests -------------------------------------------------------------------
 */

static int coroutine_fn nbd_flush(BlockNode *n)
{
    NbdClientRequest r = { .type = NBD_CMD_FLUSH };

    if (!(client(n)->info.flags & NBD_FLAG_SEND_FLUSH)) {
        return 0;
    }
    return n->flags.no_flush ? 0 : nbd_client_request(client(n), &r);
}

static int coroutine_fn nbd_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                                   const IoVec *iov, size_t iov_offset,
                                   unsigned flags)
{
    NbdClientRequest r = {
        .type = NBD_CMD_READ,
        .offset = offset,
        .length = bytes,
        .iov = iov,
        .iov_offset = iov_offset,
    };
    int64_t size = client(n)->info.size;

    /* The server's size may not be a multiple of the alignment. */
    if (offset + bytes > size) {
        int64_t inside = offset < size ? size - offset : 0;

        iov_memset(iov, iov_offset + inside, 0, bytes - inside);
        r.length = inside;
    }
    return r.length ? nbd_client_request(client(n), &r) : 0;
}

/* @r with what BLK_REQ_FUA means. */
static int coroutine_fn write_request(BlockNode *n, NbdClientRequest *r,
                                      unsigned flags)
{
    bool fua = flags & BLK_REQ_FUA;
    int ret;

    if (client(n)->info.flags & NBD_FLAG_READ_ONLY) {
        return -EPERM;
    }
    if (fua && (client(n)->info.flags & NBD_FLAG_SEND_FUA)) {
        r->flags |= NBD_CMD_FLAG_FUA;
        fua = false;
    }
    ret = nbd_client_request(client(n), r);
    return ret >= 0 && fua ? nbd_flush(n) : ret;
}

static int coroutine_fn nbd_pwritev(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset,
                                    unsigned flags)
{
    NbdClientRequest r = {
        .type = NBD_CMD_WRITE,
        .offset = offset,
        .length = bytes,
        .iov = iov,
        .iov_offset = iov_offset,
    };

    return write_request(n, &r, flags);
}

static int coroutine_fn nbd_pwrite_zeroes(BlockNode *n, int64_t offset,
                                          int64_t bytes, unsigned flags)
{
    uint16_t can = client(n)->info.flags;
    NbdClientRequest r = {
        .type = NBD_CMD_WRITE_ZEROES,
        .offset = offset,
        .length = bytes,
    };

    if (!(can & NBD_FLAG_SEND_WRITE_ZEROES)) {
        return -ENOTSUP;
    }
    if (!(flags & BLK_REQ_MAY_UNMAP)) {
        r.flags |= NBD_CMD_FLAG_NO_HOLE;
    }
    if (flags & BLK_REQ_NO_FALLBACK) {
        if (!(can & NBD_FLAG_SEND_FAST_ZERO)) {
            return -ENOTSUP;
        }
        r.flags |= NBD_CMD_FLAG_FAST_ZERO;
    }
    return write_request(n, &r, flags);
}

static int coroutine_fn nbd_pdiscard(BlockNode *n, int64_t offset,
                                     int64_t bytes)
{
    NbdClientRequest r = {
        .type = NBD_CMD_TRIM,
        .offset = offset,
        .length = bytes,
    };

    if (!(client(n)->info.flags & NBD_FLAG_SEND_TRIM)) {
        return -ENOTSUP;
    }
    return write_request(n, &r, 0);
}

static int coroutine_fn nbd_block_status(BlockNode *n, bool want_zero,
                                         int64_t offset, int64_t bytes,
                                         int64_t *pnum, int64_t *map,
                                         BlockNode **file)
{
    int64_t size = client(n)->info.size;
    NbdClientRequest r = {
        .type = NBD_CMD_BLOCK_STATUS,
        .flags = NBD_CMD_FLAG_REQ_ONE,
        .offset = offset,
    };
    int ret;

    *pnum = bytes;
    *map = offset;
    *file = n;
    if (offset >= size) {
        return BLK_STATUS_ZERO | BLK_STATUS_OFFSET;
    }
    if (!client(n)->info.allocation) {
        return BLK_STATUS_DATA | BLK_STATUS_OFFSET | BLK_STATUS_ALLOCATED;
    }
    bytes = MIN(bytes, size - offset);
    r.length =
        MIN(bytes, ALIGN_DOWN((int64_t)INT32_MAX, n->limits.request_alignment));
    ret = nbd_client_request(client(n), &r);
    if (ret < 0) {
        return ret;
    }
    *pnum = MIN(r.status_length, r.length);
    if (client(n)->context && (r.status & 3) == NBD_STATE_HOLE) {
        return 0; /* dirty: shown as what is not there */
    }
    return (r.status & NBD_STATE_HOLE ? 0 : BLK_STATUS_DATA) |
           (r.status & NBD_STATE_ZERO ? BLK_STATUS_ZERO : 0) |
           BLK_STATUS_OFFSET | BLK_STATUS_ALLOCATED;
}

static int64_t coroutine_fn nbd_getlength(BlockNode *n)
{
    return client(n)->info.size;
}

/* An export has the size that its server gives it. */
static bool coroutine_fn nbd_truncate(BlockNode *n, int64_t size, bool exact,
                                      Error **errp)
{
    int64_t have = nbd_getlength(n);

    return size == have || (size < have && !exact) ||
           error_set(errp, exact ? "Cannot resize NBD nodes"
                                 : "Cannot grow NBD nodes");
}

static const BlockIoOps nbd_io_ops = {
    .preadv = nbd_preadv,
    .pwritev = nbd_pwritev,
    .pwrite_zeroes = nbd_pwrite_zeroes,
    .pdiscard = nbd_pdiscard,
    .flush = nbd_flush,
    .block_status = nbd_block_status,
};

static const BlockSizeOps nbd_size_ops = {
    .getlength = nbd_getlength,
    .truncate = nbd_truncate,
};

const BlockDriver block_driver_nbd = {
    .name = "nbd",
    .driver = BLOCKDEV_DRIVER_NBD,
    .state_size = sizeof(NbdState),
    .protocol = true,
    .open = nbd_open,
    .close = nbd_close,
    .refresh_limits = nbd_refresh_limits,
    .io = &nbd_io_ops,
    .size = &nbd_size_ops,
    .create = &existing_create_ops,
};
