/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections of the NBD client: made, lost, made again, and requests on them.
 *
 * One coroutine per connection reads replies. When the connection fails, the
 * requests on it go back to where they started, and wait there as long as
 * reconnect-delay says.
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "block/nbd/client.h"
#include "io/socket.h"

/* Between two attempts. */
#define RETRY_NS INT64_C(100000000)

/* Connecting -----------------------------------------------------------------
 */

typedef struct Connect {
    const SocketAddress *addr;
    Error *err;
} Connect;

/* On a worker thread: a descriptor, or -1. */
static int connect_worker(void *opaque)
{
    Connect *job = opaque;

    return socket_connect(job->addr, NULL, &job->err);
}

static void wake_all(NbdClient *c)
{
    GPtrArray *list = c->waiting;

    c->waiting = g_ptr_array_new();
    for (guint i = 0; i < list->len; i++) {
        coroutine_wake_on(list->pdata[i], c->loop);
    }
    g_ptr_array_free(list, TRUE);
}

static void coroutine_fn wait_change(NbdClient *c)
{
    g_ptr_array_add(c->waiting, coroutine_self());
    coroutine_yield();
}

/* The connection is gone: whoever uses it looks again. */
static void coroutine_fn connection_lost(NbdClient *c)
{
    c->connected = false;
    c->lost_at = loop_now_ns();
    io_channel_shutdown(c->st.ch, SHUT_RDWR);
    /* Who is sending fails now. */
    co_mutex_lock(&c->send);
    nbd_stream_destroy(&c->st);
    co_mutex_unlock(&c->send);
    for (unsigned i = 0; i < NBD_CLIENT_REQUESTS; i++) {
        NbdClientRequest *r = c->slot[i];

        if (r && !r->done) {
            r->done = r->lost = true;
            if (r->co) {
                coroutine_wake_on(g_steal_pointer(&r->co), c->loop);
            }
        }
    }
    wake_all(c);
}

static void coroutine_fn receive_entry(void *opaque)
{
    NbdClient *c = opaque;
    Coroutine *closer;

    nbd_client_receive(c);
    connection_lost(c);
    c->receiving = false;
    closer = g_steal_pointer(&c->closer);
    if (closer) {
        coroutine_wake_on(closer, c->loop);
    }
}

static bool same_export(const NbdInfo *a, const NbdInfo *b)
{
    return a->size == b->size && a->min_block == b->min_block &&
           a->max_block == b->max_block &&
           !((a->flags ^ b->flags) & ~NBD_FLAG_ROTATIONAL) &&
           a->structured == b->structured && a->allocation == b->allocation;
}

bool coroutine_fn nbd_client_adopt(NbdClient *c, int fd, bool first,
                                   Error **errp)
{
    NbdStream st;
    NbdInfo info = { .context = c->context };
    bool ok;

    nbd_stream_init(&st, io_channel_socket(fd), c->loop, true);
    ok = nbd_negotiate(&st, &c->tls, c->export, &info, errp);
    if (ok && c->context && !info.allocation) {
        ok = error_set(errp, "requested x-dirty-bitmap %s not found",
                       c->context);
    }
    if (ok && !first && !same_export(&info, &c->info)) {
        ok = error_set(errp, "The server's export has changed");
    }
    if (!ok) {
        nbd_stream_destroy(&st);
        return false;
    }
    c->info = info;
    /* The watch knows the stream by its address. */
    nbd_stream_detach(&st);
    c->st = st;
    nbd_stream_attach(&c->st, c->loop);
    c->connected = c->receiving = true;
    coroutine_enter(coroutine_new(receive_entry, c));
    return true;
}

static bool coroutine_fn connect_once(NbdClient *c, bool first, Error **errp)
{
    Connect job = { .addr = c->addr };
    int fd;

    if (c->addr->type == SOCKET_ADDRESS_TYPE_FD) {
        /* That number may mean something else by now. */
        return error_set(errp, "A connection that was passed cannot be made "
                               "again");
    }
    fd = thread_pool_run_co(connect_worker, &job);

    if (fd < 0) {
        return error_move(errp, job.err);
    }
    socket_set_nodelay(fd);
    return nbd_client_adopt(c, fd, first, errp);
}

bool coroutine_fn nbd_client_open(NbdClient *c, int64_t timeout_ns,
                                  Error **errp)
{
    int64_t end = loop_now_ns() + timeout_ns;

    for (;;) {
        autoerr Error *err = NULL;

        if (connect_once(c, true, &err)) {
            return true;
        }
        if (loop_now_ns() + RETRY_NS > end) {
            return error_move(errp, g_steal_pointer(&err));
        }
        coroutine_sleep_ns(RETRY_NS);
    }
}

/* Be the one who makes the connection again. False: not in time. */
static bool coroutine_fn reconnect(NbdClient *c)
{
    int64_t end = c->lost_at + c->reconnect_ns;
    bool ok = false;

    c->connecting = true;
    while (!ok && !c->closing) {
        autoerr Error *err = NULL;

        ok = connect_once(c, false, &err);
        if (!ok && loop_now_ns() + RETRY_NS > end) {
            break;
        }
        if (!ok) {
            coroutine_sleep_ns(RETRY_NS);
        }
    }
    c->connecting = false;
    wake_all(c);
    return ok;
}

/* Requests -------------------------------------------------------------------
 */

/* A slot on a living connection: its number, or -errno. */
static int coroutine_fn slot_get(NbdClient *c, NbdClientRequest *r)
{
    bool waited = false;

    for (;;) {
        if (c->closing) {
            return -EIO;
        }
        if (!c->connected && c->connecting) {
            waited = true;
            wait_change(c);
        } else if (!c->connected) {
            /* Another one tried meanwhile, and gave up. */
            if (waited || !reconnect(c)) {
                return -EIO;
            }
        } else if (c->used == NBD_CLIENT_REQUESTS) {
            wait_change(c);
            waited = false;
        } else {
            break;
        }
    }
    for (unsigned i = 0;; i++) {
        if (!c->slot[i]) {
            c->slot[i] = r;
            c->slot_use[i]++;
            c->used++;
            return i;
        }
    }
}

static void slot_put(NbdClient *c, int i)
{
    c->slot[i] = NULL;
    if (c->used-- == NBD_CLIENT_REQUESTS) {
        wake_all(c);
    }
}

static void coroutine_fn send_request(NbdClient *c, NbdClientRequest *r, int i)
{
    bool data = r->type == NBD_CMD_WRITE;
    int n = data ? iov_slice_count(r->iov, r->iov_offset, r->length) : 0;
    g_autofree struct iovec *iov = g_new(struct iovec, n + 1);
    uint8_t head[NBD_REQUEST_SIZE];
    IoVec rest;
    int ret;

    be32_put(head, NBD_REQUEST_MAGIC);
    be16_put(head + 4, r->flags);
    be16_put(head + 6, r->type);
    be32_put(head + 8, c->slot_use[i]);
    be32_put(head + 12, i);
    be64_put(head + 16, r->offset);
    be32_put(head + 24, r->length);
    iov[0] = (struct iovec){ head, sizeof(head) };
    if (data) {
        iov_slice(r->iov, r->iov_offset, r->length, iov + 1, n, &rest);
    }
    co_mutex_lock(&c->send);
    if (!r->done) {
        ret = nbd_writev(&c->st, iov, n + 1);
        if (ret < 0) {
            /* The receiver sees it and tells all. */
            io_channel_shutdown(c->st.ch, SHUT_RDWR);
        }
    }
    co_mutex_unlock(&c->send);
}

static int coroutine_fn request_once(NbdClient *c, NbdClientRequest *r)
{
    int i;

    r->done = r->lost = false;
    r->received = 0;
    r->ret = 0;
    i = slot_get(c, r);
    if (i < 0) {
        return i;
    }
    send_request(c, r, i);
    if (!r->done) {
        r->co = coroutine_self();
        coroutine_yield();
    }
    slot_put(c, i);
    return r->ret;
}

int coroutine_fn nbd_client_request(NbdClient *c, NbdClientRequest *r)
{
    Loop *home = loop_current();
    int ret;

    coroutine_move_to(c->loop);
    do {
        ret = request_once(c, r);
    } while (ret >= 0 && r->lost && c->reconnect_ns && !c->closing);
    if (ret >= 0 && r->lost) {
        ret = -EIO;
    }
    coroutine_move_to(home);
    return ret;
}

void coroutine_fn nbd_client_close(NbdClient *c)
{
    uint8_t head[NBD_REQUEST_SIZE] = { 0 };

    c->closing = true;
    if (c->connected) {
        be32_put(head, NBD_REQUEST_MAGIC);
        be16_put(head + 6, NBD_CMD_DISC);
        co_mutex_lock(&c->send);
        if (c->connected) {
            io_write(c->st.ch, head, sizeof(head)); /* a courtesy */
            io_channel_shutdown(c->st.ch, SHUT_RDWR);
        }
        co_mutex_unlock(&c->send);
    }
    if (c->receiving) {
        c->closer = coroutine_self();
        coroutine_yield();
    }
}
