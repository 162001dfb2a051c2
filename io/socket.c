/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making sockets from addresses: socket(7), unix(7), ip(7), vsock(7). */
#include "util/osdep.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "io/socket.h"
#include "util/error.h"

/* Any kind of address, to hand to bind() and connect(). */
typedef struct Target {
    union {
        struct sockaddr sa;
        struct sockaddr_storage storage;
        struct sockaddr_un un;
        struct sockaddr_vm vm;
    };
    socklen_t len;
} Target;

void socket_set_nodelay(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* unix ----------------------------------------------------------------------- */

static bool unix_target(const UnixSocketAddress *addr, Target *t, Error **errp)
{
    size_t len = strlen(addr->path), max = sizeof(t->un.sun_path);
    bool abstract = addr->has_abstract && addr->abstract;

    memset(t, 0, sizeof(*t));
    t->un.sun_family = AF_UNIX;
    if (len + abstract > max) {
        error_set(errp, "UNIX socket path '%s' is too long", addr->path);
        error_hint(errp, "Path must be less than %zu bytes\n", max);
        return false;
    }
    memcpy(t->un.sun_path + abstract, addr->path, len);
    t->len = sizeof(t->un);
    if (abstract && (!addr->has_tight || addr->tight)) {
        t->len = offsetof(struct sockaddr_un, sun_path) + 1 + len;
    }
    return true;
}

static int unix_listen(const UnixSocketAddress *addr, Error **errp)
{
    autofd int fd = -1;
    Target t;

    if (!unix_target(addr, &t, errp)) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_errno(errp, errno, "Failed to create Unix socket");
        return -1;
    }
    if (t.un.sun_path[0] && unlink(addr->path) < 0 && errno != ENOENT) {
        error_errno(errp, errno, "Failed to unlink socket %s", addr->path);
        return -1;
    }
    if (bind(fd, &t.sa, t.len) < 0) {
        error_errno(errp, errno, "Failed to bind socket to %s", addr->path);
        return -1;
    }
    return steal_fd(&fd);
}

static int unix_connect(const UnixSocketAddress *addr, Error **errp)
{
    autofd int fd = -1;
    Target t;

    if (!unix_target(addr, &t, errp)) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_errno(errp, errno, "Failed to create Unix socket");
        return -1;
    }
    if (RETRY_ON_EINTR(connect(fd, &t.sa, t.len)) < 0) {
        error_errno(errp, errno, "Failed to connect to '%s'", addr->path);
        return -1;
    }
    return steal_fd(&fd);
}

char *socket_bound_path(const SocketAddress *addr)
{
    if (addr->type != SOCKET_ADDRESS_TYPE_UNIX ||
        (addr->u.q_unix.has_abstract && addr->u.q_unix.abstract)) {
        return NULL;
    }
    return g_canonicalize_filename(addr->u.q_unix.path, NULL);
}

/* inet ----------------------------------------------------------------------- */

static struct addrinfo *inet_lookup(const InetSocketAddress *addr,
                                    bool passive, Error **errp)
{
    bool v4 = addr->has_ipv4 ? addr->ipv4 : !(addr->has_ipv6 && addr->ipv6);
    bool v6 = addr->has_ipv6 ? addr->ipv6 : !(addr->has_ipv4 && addr->ipv4);
    bool numeric = addr->has_numeric && addr->numeric;
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_family = v4 == v6 ? AF_UNSPEC : v4 ? AF_INET : AF_INET6,
        .ai_flags = (passive ? AI_PASSIVE : AI_ADDRCONFIG) |
                    (numeric ? AI_NUMERICHOST | AI_NUMERICSERV : 0),
    };
    struct addrinfo *res = NULL;
    int err;

    if (!v4 && !v6) {
        error_set(errp, "Cannot disable IPv4 and IPv6 at same time");
        return NULL;
    }
    err = getaddrinfo(*addr->host ? addr->host : NULL, addr->port, &hints,
                      &res);
    if (err) {
        error_set(errp, "address resolution failed for %s:%s: %s", addr->host,
                  addr->port, gai_strerror(err));
        return NULL;
    }
    return res;
}

static int inet_open(const struct addrinfo *ai, const InetSocketAddress *addr)
{
    bool mptcp = addr->has_mptcp && addr->mptcp;

    return socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC,
                  mptcp ? IPPROTO_MPTCP : ai->ai_protocol);
}

static int inet_connect(const InetSocketAddress *addr, Error **errp)
{
    struct addrinfo *res = inet_lookup(addr, false, errp);
    int fd = -1, err = 0;

    if (!res) {
        return -1;
    }
    for (struct addrinfo *ai = res; ai && fd < 0; ai = ai->ai_next) {
        fd = inet_open(ai, addr);
        if (fd >= 0 &&
            RETRY_ON_EINTR(connect(fd, ai->ai_addr, ai->ai_addrlen)) == 0) {
            break;
        }
        err = errno;
        if (fd >= 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(res);
    if (fd < 0) {
        error_errno(errp, err, "Failed to connect to '%s:%s'", addr->host,
                    addr->port);
    } else if (addr->has_keep_alive && addr->keep_alive) {
        int on = 1;

        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    return fd;
}

static void set_port(struct sockaddr *sa, unsigned port)
{
    if (sa->sa_family == AF_INET) {
        ((struct sockaddr_in *)sa)->sin_port = htons(port);
    } else if (sa->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
    }
}

static unsigned get_port(const struct sockaddr *sa)
{
    return ntohs(sa->sa_family == AF_INET
                     ? ((struct sockaddr_in *)sa)->sin_port
                     : ((struct sockaddr_in6 *)sa)->sin6_port);
}

/* A socket bound to the port or the first free one up to addr->to, or -1 and
 * *err. */
static int inet_bind(const struct addrinfo *ai, const InetSocketAddress *addr,
                     int *err)
{
    unsigned first = get_port(ai->ai_addr);
    unsigned last = addr->has_to ? MAX(addr->to, first) : first;
    int on = 1, v6only = addr->has_ipv4 && !addr->ipv4;

    for (unsigned port = first; port <= last; port++) {
        int fd = inet_open(ai, addr);

        if (fd < 0) {
            *err = errno;
            return -1;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (ai->ai_family == AF_INET6) {
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
                       sizeof(v6only));
        }
        set_port(ai->ai_addr, port);
        /* Somebody may have the port though bind() let us: see listen(). */
        if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, 1) == 0) {
            return fd;
        }
        *err = errno;
        close(fd);
        if (*err != EADDRINUSE) {
            break;
        }
    }
    return -1;
}

static int inet_listen(const InetSocketAddress *addr, Error **errp)
{
    struct addrinfo *res = inet_lookup(addr, true, errp);
    int fd = -1, err = 0;

    if (!res) {
        return -1;
    }
    for (struct addrinfo *ai = res; ai && fd < 0; ai = ai->ai_next) {
        fd = inet_bind(ai, addr, &err);
    }
    freeaddrinfo(res);
    if (fd < 0) {
        error_errno(errp, err, "Failed to find an available port");
    }
    return fd;
}

/* vsock and fd --------------------------------------------------------------- */

static bool vsock_number(const char *text, const char *what, uint32_t *v,
                         Error **errp)
{
    char *end;
    uint64_t n;

    errno = 0;
    n = g_ascii_strtoull(text, &end, 10);
    if (!g_ascii_isdigit(*text) || *end || errno || n > UINT32_MAX) {
        return error_set(errp, "Failed to parse %s '%s'", what, text);
    }
    *v = n;
    return true;
}

static int vsock_open(const VsockSocketAddress *addr, bool server, Error **errp)
{
    Target t = { .vm = { .svm_family = AF_VSOCK }, .len = sizeof(t.vm) };
    autofd int fd = -1;
    int ret;

    if (!vsock_number(addr->cid, "cid", &t.vm.svm_cid, errp) ||
        !vsock_number(addr->port, "port", &t.vm.svm_port, errp)) {
        return -1;
    }
    fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_errno(errp, errno, "Failed to create vsock socket");
        return -1;
    }
    ret = server ? bind(fd, &t.sa, t.len)
                 : RETRY_ON_EINTR(connect(fd, &t.sa, t.len));
    if (ret < 0) {
        error_errno(errp, errno, "Failed to %s vsock '%s:%s'",
                    server ? "bind" : "connect to", addr->cid, addr->port);
        return -1;
    }
    return steal_fd(&fd);
}

static int fd_take(const char *text, bool server, FdSets *fds, Error **errp)
{
    autofd int fd = fdsets_param(fds, text, errp);
    int listening = 0;
    socklen_t len = sizeof(listening);

    if (fd < 0) {
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0) {
        error_set(errp, "File descriptor '%s' is not a socket", text);
        return -1;
    }
    if (!!listening != server) {
        error_set(errp, "Socket of file descriptor '%s' is %slistening", text,
                  server ? "not " : "");
        return -1;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return steal_fd(&fd);
}

/* All kinds -------------------------------------------------------------------- */

int socket_connect(const SocketAddress *addr, FdSets *fds, Error **errp)
{
    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        return inet_connect(&addr->u.inet, errp);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return unix_connect(&addr->u.q_unix, errp);
    case SOCKET_ADDRESS_TYPE_VSOCK:
        return vsock_open(&addr->u.vsock, false, errp);
    case SOCKET_ADDRESS_TYPE_FD:
        return fd_take(addr->u.fd.str, false, fds, errp);
    default:
        abort();
    }
}

int socket_listen(const SocketAddress *addr, int backlog, FdSets *fds,
                  Error **errp)
{
    autofd int fd = -1;

    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        fd = inet_listen(&addr->u.inet, errp);
        break;
    case SOCKET_ADDRESS_TYPE_UNIX:
        fd = unix_listen(&addr->u.q_unix, errp);
        break;
    case SOCKET_ADDRESS_TYPE_VSOCK:
        fd = vsock_open(&addr->u.vsock, true, errp);
        break;
    case SOCKET_ADDRESS_TYPE_FD:
        return fd_take(addr->u.fd.str, true, fds, errp);
    default:
        abort();
    }
    if (fd >= 0 && listen(fd, backlog) < 0) {
        error_errno(errp, errno, "Failed to listen on socket");
        return -1;
    }
    return steal_fd(&fd);
}

int socket_accept(int listener)
{
    int fd = RETRY_ON_EINTR(
        accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));

    return fd < 0 ? -errno : fd;
}
