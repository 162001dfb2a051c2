/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NBD server: listening, and the life of its clients. */
#include "util/osdep.h"

#include <sys/socket.h>

#include "block/nbd/server.h"
#include "crypto/tls.h"
#include "io/socket.h"
#include "util/error.h"

/* Clients --------------------------------------------------------------------
 */

static void server_update(NbdServer *s)
{
    bool room = !s->max_conns || s->conns->len < s->max_conns;

    if (s->watch) {
        loop_fd_set_events(s->watch, room ? LOOP_IN : 0);
    }
}

/* On the server's loop: nothing of the client is under way any more. */
static void conn_gone(void *opaque)
{
    NbdConn *conn = opaque;
    NbdServer *s = conn->server;
    bool used = conn->exp;

    g_ptr_array_remove(s->conns, conn);
    if (used) {
        nbd_export_put(conn->exp);
    }
    nbd_stream_destroy(&conn->st);
    g_free(conn->context_name);
    g_free(conn);
    server_update(s);
    if (used && s->left) {
        s->left(s->left_opaque, s->conns->len);
    }
}

static void coroutine_fn conn_entry(void *opaque)
{
    NbdConn *conn = opaque;
    Loop *home = conn->server->all->graph->loop;
    int ret = nbd_handshake(conn);

    loop_timer_cancel(&conn->patience);
    nbd_stream_detach(&conn->st);
    if (!ret) {
        coroutine_move_to(conn->exp->thread.loop);
        nbd_stream_attach(&conn->st, conn->exp->thread.loop);
        nbd_transmit(conn);
        nbd_stream_detach(&conn->st);
    }
    loop_post(home, conn_gone, conn);
}

static void conn_too_slow(void *opaque)
{
    NbdConn *conn = opaque;

    io_channel_shutdown(conn->st.ch, SHUT_RDWR);
}

void nbd_server_adopt(NbdServer *s, int fd)
{
    Loop *loop = s->all->graph->loop;
    NbdConn *conn = g_new0(NbdConn, 1);

    conn->server = s;
    nbd_stream_init(&conn->st, io_channel_socket(fd), loop, false);
    loop_timer_init(&conn->patience, loop, conn_too_slow, conn);
    loop_timer_set(&conn->patience, loop_now_ns() + NBD_HANDSHAKE_NS);
    g_ptr_array_add(s->conns, conn);
    server_update(s);
    coroutine_enter(coroutine_new(conn_entry, conn));
}

static void server_accept(void *opaque, unsigned events)
{
    NbdServer *s = opaque;
    int fd = socket_accept(s->fd);

    if (fd >= 0) {
        socket_set_nodelay(fd);
        nbd_server_adopt(s, fd);
    }
}

void nbd_server_kick(NbdServer *s, const BlockExport *exp)
{
    for (guint i = 0; i < s->conns->len; i++) {
        NbdConn *conn = s->conns->pdata[i];

        if (!exp || conn->exp == exp) {
            io_channel_shutdown(conn->st.ch, SHUT_RDWR);
        }
    }
}

/* Server ---------------------------------------------------------------------
 */

bool nbd_server_running(const BlockGraph *g)
{
    return g->exports && g->exports->nbd.fd >= 0;
}

static bool server_set_tls(NbdServer *s, const NbdServerConfig *config,
                           Error **errp)
{
    if (!config->tls_creds) {
        return !config->tls_authz ||
               error_set(errp, "tls-authz is not permitted without tls-creds");
    }
    s->tls = tls_creds_find(s->all->graph->root, config->tls_creds, true, errp);
    if (s->tls) {
        s->tls_authz = g_strdup(config->tls_authz);
    }
    return s->tls;
}

bool nbd_server_start_fd(BlockGraph *g, int fd, const NbdServerConfig *config,
                         Error **errp)
{
    NbdServer *s = &block_exports_get(g)->nbd;

    if (s->fd >= 0) {
        close(fd);
        return error_set(errp, "NBD server already running");
    }
    if (!server_set_tls(s, config, errp)) {
        close(fd);
        return false;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    s->fd = fd;
    s->max_conns = config->max_connections;
    s->watch = loop_fd_add(g->loop, fd, LOOP_IN, server_accept, s);
    return true;
}

bool nbd_server_start(BlockGraph *g, const SocketAddress *addr, FdSets *fds,
                      const NbdServerConfig *config, Error **errp)
{
    uint32_t max = config->max_connections;
    g_autofree char *path = NULL;
    int fd;

    if (nbd_server_running(g)) {
        return error_set(errp, "NBD server already running");
    }
    fd = socket_listen(addr, max ? MIN(max, 128) : 128, fds, errp);
    if (fd < 0) {
        return false;
    }
    path = socket_bound_path(addr);
    if (!nbd_server_start_fd(g, fd, config, errp)) {
        if (path) {
            unlink(path);
        }
        return false;
    }
    g->exports->nbd.path = g_steal_pointer(&path);
    return true;
}

bool nbd_server_stop(BlockGraph *g, Error **errp)
{
    g_autoptr(GPtrArray) all = NULL;
    NbdServer *s;

    if (!nbd_server_running(g)) {
        return error_set(errp, "NBD server not running");
    }
    s = &g->exports->nbd;
    loop_fd_del(s->watch);
    s->watch = NULL;
    close(s->fd);
    s->fd = -1;
    if (s->path) {
        unlink(s->path);
        g_clear_pointer(&s->path, g_free);
    }
    tls_creds_unref(s->tls);
    s->tls = NULL;
    g_clear_pointer(&s->tls_authz, g_free);
    nbd_server_kick(s, NULL);
    /* The oldest first; each leaves the list as it goes. */
    all = g_ptr_array_copy(g->exports->list, NULL, NULL);
    for (guint i = 0; i < all->len; i++) {
        BlockExport *exp = all->pdata[i];

        if (exp->type == BLOCK_EXPORT_TYPE_NBD) {
            nbd_export_shutdown(exp);
        }
    }
    return true;
}

void nbd_server_on_disconnect(BlockGraph *g,
                              void (*fn)(void *opaque, unsigned clients),
                              void *opaque)
{
    NbdServer *s = &block_exports_get(g)->nbd;

    s->left = fn;
    s->left_opaque = opaque;
}
