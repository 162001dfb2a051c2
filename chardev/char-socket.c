/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets: a server that takes one client at a time, or a client that may
 * connect again when the connection breaks.
 */
#include "util/osdep.h"

#include <poll.h>
#include <sys/socket.h>

#include "chardev/char-internal.h"
#include "chardev/char-telnet.h"
#include "io/socket.h"
#include "util/error.h"
#include "util/thread-pool.h"
#include "util/trace.h"

TRACE_POINT(chr_socket_connected);
TRACE_POINT(chr_socket_closed);

QOM_DECLARE(CharSocket, char_socket)
struct CharSocket {
    Chardev parent;
    SocketAddress *addr;  /* as given; port 0 is replaced by the real one */
    bool server, nodelay, telnet;
    int64_t reconnect_ns; /* 0: never */
    int listener;         /* -1: none */
    char *unlink_path;    /* of the listener, absolute; NULL: leave it */
    LoopFd *listen_watch;
    LoopTimer timer;   /* until the next attempt */
    bool connecting;   /* a worker thread is at it */
    bool closed;
    bool warned;       /* about this series of failures */
    IoChannel *conn;   /* NULL: nobody; changed under parent.lock */
    CharIo io;
    IoFds fds;         /* received last */
    IoFds out_fds;     /* go with the next write; guarded by parent.lock */
    Telnet telnet_in;
};

static void socket_listen_start(CharSocket *s);
static void socket_connect_later(CharSocket *s);

/* Connections --------------------------------------------------------------------- */

static void socket_gone(Chardev *chr)
{
    CharSocket *s = char_socket(chr);
    IoChannel *conn = s->conn;

    if (!conn) {
        return;
    }
    trace(chr_socket_closed, "chardev %s", chr->id);
    char_io_stop(&s->io);
    mutex_lock(&chr->lock);
    s->conn = NULL;
    io_fds_close(&s->out_fds);
    mutex_unlock(&chr->lock);
    io_channel_unref(conn);
    if (s->closed) {
        return;
    }
    if (s->server) {
        socket_listen_start(s);
    } else if (s->reconnect_ns) {
        socket_connect_later(s);
    }
    char_event(chr, CHAR_EVENT_CLOSED);
}

static void socket_input(Chardev *chr, uint8_t *buf, size_t len)
{
    CharSocket *s = char_socket(chr);
    bool brk = false;

    len = telnet_filter(&s->telnet_in, buf, len, &brk);
    if (brk) {
        char_event(chr, CHAR_EVENT_BREAK);
    }
    char_input(chr, buf, len);
}

/* @fd is a connected socket, taken over. */
static void socket_established(CharSocket *s, int fd)
{
    Chardev *chr = &s->parent;
    IoChannel *conn = io_channel_socket(fd);

    if (s->nodelay) {
        socket_set_nodelay(fd);
    }
    if (s->telnet) {
        s->telnet_in = (Telnet){ 0 };
        /* A new socket has room for these few bytes. */
        if (io_write(conn, telnet_hello, sizeof(telnet_hello)) < 0) {
            io_channel_unref(conn);
            return;
        }
    }
    trace(chr_socket_connected, "chardev %s fd %d", chr->id, fd);
    loop_fd_del(s->listen_watch);
    s->listen_watch = NULL;
    s->warned = false;
    mutex_lock(&chr->lock);
    s->conn = conn;
    mutex_unlock(&chr->lock);
    char_io_start(&s->io, conn, conn);
    char_event(chr, CHAR_EVENT_OPENED);
}

/* Server ------------------------------------------------------------------------------ */

static void socket_accept_ready(void *opaque, unsigned events)
{
    CharSocket *s = opaque;
    int fd = socket_accept(s->listener);

    if (fd >= 0) {
        socket_established(s, fd);
    }
}

static void socket_listen_start(CharSocket *s)
{
    if (s->listener >= 0 && !s->listen_watch && !s->conn) {
        s->listen_watch = loop_fd_add(s->parent.loop, s->listener, LOOP_IN,
                                      socket_accept_ready, s);
    }
}

/* Wait here for a client. */
static bool socket_accept_now(CharSocket *s, Error **errp)
{
    g_autofree char *name = chardev_filename(&s->parent);

    info_report("QEMU waiting for connection on: %s", name);
    while (!s->conn) {
        struct pollfd pfd = { .fd = s->listener, .events = POLLIN };
        int fd;

        poll(&pfd, 1, -1);
        fd = socket_accept(s->listener);
        if (fd >= 0) {
            socket_established(s, fd);
        } else if (fd != -EAGAIN && fd != -ECONNABORTED) {
            return error_errno(errp, -fd, "cannot accept a connection");
        }
    }
    return true;
}

static bool socket_open_server(CharSocket *s, bool wait, Error **errp)
{
    s->listener = socket_listen(s->addr, 1, s->parent.vm->fdsets, errp);
    if (s->listener < 0) {
        return false;
    }
    s->unlink_path = socket_bound_path(s->addr);
    fcntl(s->listener, F_SETFL, fcntl(s->listener, F_GETFL) | O_NONBLOCK);
    if (s->addr->type == SOCKET_ADDRESS_TYPE_INET) {
        SocketAddress *real = socket_local(s->listener);

        if (real) {
            g_free(s->addr->u.inet.port);
            s->addr->u.inet.port = g_steal_pointer(&real->u.inet.port);
            qapi_free_SocketAddress(real);
        }
    }
    if (wait) {
        return socket_accept_now(s, errp);
    }
    socket_listen_start(s);
    return true;
}

/* Client --------------------------------------------------------------------------------- */

/* An attempt on a worker thread. */
typedef struct Attempt {
    CharSocket *s; /* a reference */
    SocketAddress *addr;
    Error *err;
} Attempt;

static int attempt_run(void *opaque)
{
    Attempt *a = opaque;

    return socket_connect(a->addr, NULL, &a->err);
}

static void attempt_done(void *opaque, int fd)
{
    Attempt *a = opaque;
    CharSocket *s = a->s;

    s->connecting = false;
    if (fd >= 0 && (s->closed || s->conn)) {
        close(fd);
    } else if (fd >= 0) {
        socket_established(s, fd);
    } else if (!s->closed) {
        if (!s->warned) {
            s->warned = true;
            warn_report("Unable to connect character device %s: %s",
                        s->parent.id, error_text(a->err));
        }
        socket_connect_later(s);
    }
    error_free(a->err);
    qapi_free_SocketAddress(a->addr);
    object_unref(s);
    g_free(a);
}

static void socket_connect_start(void *opaque)
{
    CharSocket *s = opaque;
    Attempt *a;

    if (s->connecting || s->conn) {
        return;
    }
    s->connecting = true;
    a = g_new0(Attempt, 1);
    object_ref(s);
    a->s = s;
    a->addr = QAPI_CLONE(SocketAddress, s->addr);
    thread_pool_submit(attempt_run, a, attempt_done, a);
}

static void socket_connect_later(CharSocket *s)
{
    loop_timer_set(&s->timer, loop_now_ns() + s->reconnect_ns);
}

static bool socket_connect_now(CharSocket *s, Error **errp)
{
    int fd = socket_connect(s->addr, s->parent.vm->fdsets, errp);

    if (fd < 0) {
        return false;
    }
    socket_established(s, fd);
    return true;
}

/* Opening and closing ------------------------------------------------------------------- */

static bool socket_check(const ChardevSocket *o, Error **errp)
{
    bool server = !o->has_server || o->server;

    if (server && o->has_reconnect && o->reconnect > 0) {
        return error_set(errp, "'reconnect' option is incompatible with socket "
                               "in server listen mode");
    }
    if (o->has_reconnect && (o->reconnect < 0 || o->reconnect > INT32_MAX)) {
        return error_set(errp, "Parameter 'reconnect' expects seconds");
    }
    if (o->has_reconnect && o->reconnect &&
        o->addr->type == SOCKET_ADDRESS_TYPE_FD) {
        return error_set(errp, "'reconnect' option is incompatible with "
                               "'fd' address type");
    }
    if (!server && o->has_wait && o->wait) {
        return error_set(errp, "'wait' option is incompatible with socket in "
                               "client connect mode");
    }
    return true;
}

static bool socket_open(Chardev *chr, const ChardevBackend *backend,
                        Error **errp)
{
    const ChardevSocket *o = backend->u.socket.data;
    CharSocket *s = char_socket(chr);

    if (!socket_check(o, errp)) {
        return false;
    }
    s->addr = socket_address_flatten(o->addr);
    s->server = !o->has_server || o->server;
    s->nodelay = o->has_nodelay && o->nodelay;
    s->telnet = o->has_telnet && o->telnet;
    s->reconnect_ns = o->has_reconnect ? o->reconnect * 1000000000 : 0;
    s->io.chr = chr;
    s->io.gone = socket_gone;
    s->io.fds = &s->fds;
    s->io.input = s->telnet ? socket_input : NULL;
    loop_timer_init(&s->timer, chr->loop, socket_connect_start, s);
    if (s->server) {
        return socket_open_server(s, o->has_wait && o->wait, errp);
    }
    if (s->reconnect_ns) {
        socket_connect_start(s);
        return true;
    }
    return socket_connect_now(s, errp);
}

static void socket_close(Chardev *chr)
{
    CharSocket *s = char_socket(chr);

    if (s->closed || !s->addr) {
        return;
    }
    s->closed = true;
    loop_timer_cancel(&s->timer);
    loop_fd_del(s->listen_watch);
    s->listen_watch = NULL;
    socket_gone(chr);
    if (s->listener >= 0) {
        close(s->listener);
        s->listener = -1;
        if (s->unlink_path) {
            unlink(s->unlink_path);
        }
        g_clear_pointer(&s->unlink_path, g_free);
    }
}

static void socket_init(Object *obj)
{
    char_socket(obj)->listener = -1;
}

static void socket_finalize(Object *obj)
{
    CharSocket *s = char_socket(obj);

    socket_close(&s->parent);
    qapi_free_SocketAddress(s->addr);
    s->addr = NULL;
}

static void socket_detach(Chardev *chr)
{
    CharSocket *s = char_socket(chr);

    loop_timer_cancel(&s->timer);
    loop_fd_del(s->listen_watch);
    s->listen_watch = NULL;
    char_io_stop(&s->io);
}

static void socket_attach(Chardev *chr)
{
    CharSocket *s = char_socket(chr);

    loop_timer_init(&s->timer, chr->loop, socket_connect_start, s);
    if (s->conn) {
        char_io_start(&s->io, s->conn, s->conn);
    } else if (s->server) {
        socket_listen_start(s);
    } else if (s->reconnect_ns) {
        socket_connect_later(s);
    }
}

/* Data ------------------------------------------------------------------------------------- */

static ssize_t socket_write(Chardev *chr, const void *buf, size_t len)
{
    CharSocket *s = char_socket(chr);
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
    ssize_t n;

    if (!s->conn) {
        return len;
    }
    if (!s->out_fds.n) {
        return char_io_write(s->conn, buf, len);
    }
    n = io_writev_fds(s->conn, &iov, 1, &s->out_fds);
    if (n != -EAGAIN) {
        io_fds_close(&s->out_fds);
    }
    return n;
}

static int socket_out_fd(Chardev *chr)
{
    CharSocket *s = char_socket(chr);

    return s->conn ? s->conn->fd : -1;
}

static void socket_update(Chardev *chr)
{
    char_io_update(&char_socket(chr)->io);
}

static void socket_update_input(Chardev *chr)
{
    if (char_socket(chr)->io.chr) {
        socket_update(chr);
    }
}

static ssize_t socket_read_all(Chardev *chr, void *buf, size_t len)
{
    CharSocket *s = char_socket(chr);
    size_t done = 0;

    while (done < len) {
        struct iovec iov = { .iov_base = (char *)buf + done,
                             .iov_len = len - done };
        struct pollfd pfd = { .fd = socket_out_fd(chr), .events = POLLIN };
        IoFds fds;
        ssize_t n;

        if (!s->conn) {
            return done;
        }
        n = io_readv_fds(s->conn, &iov, 1, &fds);
        if (n > 0) {
            if (fds.n) {
                io_fds_close(&s->fds);
                s->fds = fds;
            }
            done += n;
        } else if (n == -EAGAIN) {
            poll(&pfd, 1, -1);
        } else {
            socket_gone(chr);
            return n < 0 ? n : (ssize_t)done;
        }
    }
    return done;
}

static size_t socket_take_fds(Chardev *chr, int *fds, size_t max)
{
    CharSocket *s = char_socket(chr);
    size_t n = MIN(max, s->fds.n);

    memcpy(fds, s->fds.fd, n * sizeof(int));
    memmove(s->fds.fd, s->fds.fd + n, (s->fds.n - n) * sizeof(int));
    s->fds.n -= n;
    io_fds_close(&s->fds);
    return n;
}

static bool socket_send_fds(Chardev *chr, const int *fds, size_t n,
                            Error **errp)
{
    CharSocket *s = char_socket(chr);

    if (n > IO_MAX_FDS) {
        return error_set(errp, "more than %d file descriptors", IO_MAX_FDS);
    }
    mutex_lock(&chr->lock);
    io_fds_close(&s->out_fds);
    if (s->conn && s->conn->pass_fds) {
        for (size_t i = 0; i < n; i++) {
            int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

            if (fd >= 0) {
                s->out_fds.fd[s->out_fds.n++] = fd;
            }
        }
    }
    if (s->out_fds.n != n) {
        io_fds_close(&s->out_fds);
        mutex_unlock(&chr->lock);
        return error_set(errp, "cannot pass file descriptors over '%s'",
                         chr->id);
    }
    mutex_unlock(&chr->lock);
    return true;
}

static bool socket_wait_connected(Chardev *chr, Error **errp)
{
    CharSocket *s = char_socket(chr);

    if (s->conn) {
        return true;
    }
    if (s->server) {
        return socket_accept_now(s, errp);
    }
    while (s->connecting) {
        loop_run_once(chr->loop, true);
    }
    loop_timer_cancel(&s->timer);
    return s->conn || socket_connect_now(s, errp);
}

static char *socket_text(const SocketAddress *a, const char *scheme)
{
    switch (a->type) {
    case SOCKET_ADDRESS_TYPE_UNIX:
        return a->u.q_unix.has_abstract && a->u.q_unix.abstract
                   ? g_strdup_printf("unix:%s,abstract=on,tight=%s",
                                     a->u.q_unix.path,
                                     !a->u.q_unix.has_tight ||
                                             a->u.q_unix.tight
                                         ? "on"
                                         : "off")
                   : g_strdup_printf("unix:%s", a->u.q_unix.path);
    case SOCKET_ADDRESS_TYPE_INET: {
        g_autofree char *text = socket_address_text(a);

        return g_strdup_printf("%s:%s", scheme, text);
    }
    default:
        return socket_address_text(a);
    }
}

static char *socket_filename(Chardev *chr)
{
    CharSocket *s = char_socket(chr);
    const char *scheme = s->telnet ? "telnet" : "tcp";
    /* What was passed in is known by its own name. */
    bool passed = s->addr->type == SOCKET_ADDRESS_TYPE_FD;
    g_autoptr(SocketAddress) own =
        passed ? socket_local(s->server ? s->listener : socket_out_fd(chr))
               : NULL;
    g_autofree char *name = socket_text(own ?: s->addr, scheme);
    g_autoptr(GString) text = g_string_new(s->conn ? "" : "disconnected:");

    g_string_append_printf(text, "%s%s", name, s->server ? ",server=on" : "");
    if (s->conn && g_str_has_prefix(name, scheme)) {
        g_autoptr(SocketAddress) peer = socket_peer(s->conn->fd);
        g_autofree char *far = peer ? socket_address_text(peer) : NULL;

        g_string_append_printf(text, " <-> %s", far ?: "");
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static QObject *get_connected(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(char_socket(obj)->conn);
}

static QObject *get_addr(Object *obj, const Prop *prop, Error **errp)
{
    return qapi_to_qobject(&qapi_type_SocketAddress, &char_socket(obj)->addr);
}

static const Prop socket_props[] = {
    PROP_FN("connected", "bool", get_connected, NULL),
    PROP_FN("addr", "SocketAddress", get_addr, NULL),
    {},
};

static const ChardevClass socket_class = {
    .props = socket_props,
    .name = "socket",
    .kind = CHARDEV_BACKEND_KIND_SOCKET,
    .connects = true,
    .parse = char_parse_socket,
    .open = socket_open,
    .close = socket_close,
    .write = socket_write,
    .out_fd = socket_out_fd,
    .update_input = socket_update_input,
    .watch_out = socket_update,
    .attach = socket_attach,
    .detach = socket_detach,
    .filename = socket_filename,
    .read_all = socket_read_all,
    .take_fds = socket_take_fds,
    .send_fds = socket_send_fds,
    .wait_connected = socket_wait_connected,
    .disconnect = socket_gone,
};
QOM_DEFINE(CharSocket, char_socket, .name = "chardev-socket",
           .parent = &chardev_type, .class = &socket_class,
           .init = socket_init, .finalize = socket_finalize);
