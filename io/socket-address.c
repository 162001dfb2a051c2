/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Socket addresses as text, and those of open sockets. */
#include "util/osdep.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>

#include "io/socket.h"
#include "util/error.h"

char *socket_address_text(const SocketAddress *addr)
{
    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        return g_strdup_printf(strchr(addr->u.inet.host, ':') ? "[%s]:%s"
                                                              : "%s:%s",
                               addr->u.inet.host, addr->u.inet.port);
    case SOCKET_ADDRESS_TYPE_UNIX:
        return g_strdup_printf("unix:%s", addr->u.q_unix.path);
    case SOCKET_ADDRESS_TYPE_VSOCK:
        return g_strdup_printf("vsock:%s:%s", addr->u.vsock.cid,
                               addr->u.vsock.port);
    case SOCKET_ADDRESS_TYPE_FD:
        return g_strdup_printf("fd:%s", addr->u.fd.str);
    default:
        abort();
    }
}

/* Text to address ---------------------------------------------------------------- */

static bool inet_flag(const char *item, const char *name, bool *has, bool *v,
                      bool *matched)
{
    size_t len = strlen(name);

    *matched = g_str_has_prefix(item, name) &&
               (item[len] == '\0' || item[len] == '=');
    if (!*matched) {
        return true;
    }
    *has = true;
    *v = item[len] == '\0' || !strcmp(item + len, "=on");
    return *v || !strcmp(item + len, "=off");
}

static bool inet_parse_option(InetSocketAddress *addr, const char *item,
                              Error **errp)
{
    bool matched = false, ok;

    if (g_str_has_prefix(item, "to=")) {
        guint64 to;

        if (!g_ascii_string_to_unsigned(item + 3, 10, 0, 65535, &to, NULL)) {
            return error_set(errp, "error parsing to= argument '%s'", item + 3);
        }
        addr->has_to = true;
        addr->to = to;
        return true;
    }
    ok = inet_flag(item, "ipv4", &addr->has_ipv4, &addr->ipv4, &matched);
    if (!matched) {
        ok = inet_flag(item, "ipv6", &addr->has_ipv6, &addr->ipv6, &matched);
    }
    if (!matched) {
        ok = inet_flag(item, "keep-alive", &addr->has_keep_alive,
                       &addr->keep_alive, &matched);
    }
    if (!matched) {
        ok = inet_flag(item, "mptcp", &addr->has_mptcp, &addr->mptcp,
                       &matched);
    }
    if (!matched || !ok) {
        return error_set(errp, "invalid option '%s' in socket address", item);
    }
    return true;
}

bool inet_parse(InetSocketAddress *addr, const char *text, Error **errp)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    const char *host = items[0], *colon, *end;

    memset(addr, 0, sizeof(*addr));
    if (host && *host == '[') {
        end = strchr(++host, ']');
        colon = end && end[1] == ':' ? end + 1 : NULL;
    } else {
        colon = end = host ? strrchr(host, ':') : NULL;
    }
    if (!colon || !colon[1]) {
        return error_set(errp, "error parsing address '%s'", text);
    }
    for (size_t i = 1; items[i]; i++) {
        if (!inet_parse_option(addr, items[i], errp)) {
            return false;
        }
    }
    addr->host = g_strndup(host, end - host);
    addr->port = g_strdup(colon + 1);
    return true;
}

static bool vsock_parse(VsockSocketAddress *addr, const char *text,
                        Error **errp)
{
    const char *colon = strchr(text, ':');

    if (!colon || colon == text || !colon[1]) {
        return error_set(errp, "error parsing vsock address '%s'", text);
    }
    addr->cid = g_strndup(text, colon - text);
    addr->port = g_strdup(colon + 1);
    return true;
}

SocketAddress *socket_address_parse(const char *text, Error **errp)
{
    g_autoptr(SocketAddress) addr = g_new0(SocketAddress, 1);

    if (g_str_has_prefix(text, "unix:")) {
        addr->type = SOCKET_ADDRESS_TYPE_UNIX;
        addr->u.q_unix.path = g_strdup(text + 5);
        if (!text[5]) {
            error_set(errp, "invalid Unix socket address");
            return NULL;
        }
    } else if (g_str_has_prefix(text, "fd:")) {
        addr->type = SOCKET_ADDRESS_TYPE_FD;
        addr->u.fd.str = g_strdup(text + 3);
        if (!text[3]) {
            error_set(errp, "invalid file descriptor address");
            return NULL;
        }
    } else if (g_str_has_prefix(text, "vsock:")) {
        addr->type = SOCKET_ADDRESS_TYPE_VSOCK;
        if (!vsock_parse(&addr->u.vsock, text + 6, errp)) {
            return NULL;
        }
    } else {
        addr->type = SOCKET_ADDRESS_TYPE_INET;
        if (!inet_parse(&addr->u.inet,
                        g_str_has_prefix(text, "tcp:") ? text + 4 : text,
                        errp)) {
            addr->u.inet = (InetSocketAddress){ .host = NULL };
            return NULL;
        }
    }
    return g_steal_pointer(&addr);
}

/* Copy a struct of the schema into one that is embedded. */
static void copy_into(const QapiType *type, void *dest, const void *src)
{
    g_autofree void *copy = qapi_clone(type, src);

    memcpy(dest, copy, type->size);
}

SocketAddress *socket_address_flatten(const SocketAddressLegacy *legacy)
{
    SocketAddress *addr = g_new0(SocketAddress, 1);

    addr->type = legacy->type;
    switch (legacy->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        copy_into(&qapi_type_InetSocketAddress, &addr->u.inet,
                  legacy->u.inet.data);
        break;
    case SOCKET_ADDRESS_TYPE_UNIX:
        copy_into(&qapi_type_UnixSocketAddress, &addr->u.q_unix,
                  legacy->u.q_unix.data);
        break;
    case SOCKET_ADDRESS_TYPE_VSOCK:
        copy_into(&qapi_type_VsockSocketAddress, &addr->u.vsock,
                  legacy->u.vsock.data);
        break;
    case SOCKET_ADDRESS_TYPE_FD:
        copy_into(&qapi_type_String, &addr->u.fd, legacy->u.fd.data);
        break;
    default:
        abort();
    }
    return addr;
}

/* Open sockets --------------------------------------------------------------------- */

static SocketAddress *address_of_inet(const struct sockaddr_storage *ss,
                                      socklen_t len)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    SocketAddress *addr;

    if (getnameinfo((const struct sockaddr *)ss, len, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV)) {
        return NULL;
    }
    addr = g_new0(SocketAddress, 1);
    addr->type = SOCKET_ADDRESS_TYPE_INET;
    addr->u.inet.host = g_strdup(host);
    addr->u.inet.port = g_strdup(port);
    return addr;
}

static SocketAddress *address_of_unix(const struct sockaddr_un *un,
                                      socklen_t len)
{
    SocketAddress *addr = g_new0(SocketAddress, 1);
    size_t offset = offsetof(struct sockaddr_un, sun_path);
    size_t n = len > offset ? len - offset : 0;

    addr->type = SOCKET_ADDRESS_TYPE_UNIX;
    if (n && !un->sun_path[0]) {
        addr->u.q_unix.path = g_strndup(un->sun_path + 1, n - 1);
        addr->u.q_unix.has_abstract = true;
        addr->u.q_unix.abstract = true;
        addr->u.q_unix.has_tight = true;
        addr->u.q_unix.tight = len < sizeof(*un);
    } else {
        addr->u.q_unix.path = g_strndup(un->sun_path, n);
    }
    return addr;
}

static SocketAddress *address_of(const struct sockaddr_storage *ss,
                                 socklen_t len)
{
    switch (ss->ss_family) {
    case AF_INET:
    case AF_INET6:
        return address_of_inet(ss, len);
    case AF_UNIX:
        return address_of_unix((const struct sockaddr_un *)ss, len);
    case AF_VSOCK: {
        const struct sockaddr_vm *vm = (const struct sockaddr_vm *)ss;
        SocketAddress *addr = g_new0(SocketAddress, 1);

        addr->type = SOCKET_ADDRESS_TYPE_VSOCK;
        addr->u.vsock.cid = g_strdup_printf("%u", vm->svm_cid);
        addr->u.vsock.port = g_strdup_printf("%u", vm->svm_port);
        return addr;
    }
    default:
        return NULL;
    }
}

SocketAddress *socket_local(int fd)
{
    struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(ss);

    return getsockname(fd, (struct sockaddr *)&ss, &len) < 0
               ? NULL
               : address_of(&ss, len);
}

SocketAddress *socket_peer(int fd)
{
    struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(ss);

    return getpeername(fd, (struct sockaddr *)&ss, &len) < 0
               ? NULL
               : address_of(&ss, len);
}
