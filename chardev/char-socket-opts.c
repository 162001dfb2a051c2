/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "-chardev socket,..." to its schema type. */
#include "util/osdep.h"

#include "chardev/char-internal.h"
#include "qobject/keyval.h"
#include "util/error.h"

static bool parse_unix(QDict *opts, SocketAddressLegacy *addr, char *path,
                       Error **errp)
{
    UnixSocketAddress *u = g_new0(UnixSocketAddress, 1);

    addr->type = SOCKET_ADDRESS_TYPE_UNIX;
    addr->u.q_unix.data = u;
    u->path = path;
    return char_opt_bool(opts, "abstract", &u->has_abstract, &u->abstract,
                         errp) &&
           char_opt_bool(opts, "tight", &u->has_tight, &u->tight, errp);
}

static bool parse_inet(QDict *opts, SocketAddressLegacy *addr, char *host,
                       Error **errp)
{
    InetSocketAddress *i = g_new0(InetSocketAddress, 1);
    g_autofree char *to = char_opt_str(opts, "to");
    uint64_t v;

    addr->type = SOCKET_ADDRESS_TYPE_INET;
    addr->u.inet.data = i;
    i->host = host ?: g_strdup("");
    i->port = char_opt_str(opts, "port");
    if (!i->port) {
        return error_set(errp, "chardev: socket: no port given");
    }
    if (to) {
        if (!parse_uint64(to, &v) || v > 65535) {
            return error_set(errp, "Parameter 'to' expects a port number");
        }
        i->has_to = true;
        i->to = v;
    }
    return char_opt_bool(opts, "ipv4", &i->has_ipv4, &i->ipv4, errp) &&
           char_opt_bool(opts, "ipv6", &i->has_ipv6, &i->ipv6, errp);
}

static bool parse_address(QDict *opts, SocketAddressLegacy *addr, Error **errp)
{
    char *path = char_opt_str(opts, "path");
    char *fd = char_opt_str(opts, "fd");
    char *host = char_opt_str(opts, "host");

    if (!!path + !!fd + !!host > 1) {
        g_free(path);
        g_free(fd);
        g_free(host);
        return error_set(errp, "None or one of 'path', 'fd' or 'host' option "
                               "required.");
    }
    if (path) {
        return parse_unix(opts, addr, path, errp);
    }
    if (fd) {
        addr->type = SOCKET_ADDRESS_TYPE_FD;
        addr->u.fd.data = g_new0(String, 1);
        addr->u.fd.data->str = fd;
        return true;
    }
    return parse_inet(opts, addr, host, errp);
}

/* "delay=off" is an older way to say "nodelay=on". */
static bool parse_nodelay(QDict *opts, ChardevSocket *o, Error **errp)
{
    bool has_delay = false, delay = false;

    if (!char_opt_bool(opts, "delay", &has_delay, &delay, errp) ||
        !char_opt_bool(opts, "nodelay", &o->has_nodelay, &o->nodelay, errp)) {
        return false;
    }
    if (has_delay && o->has_nodelay) {
        return error_set(errp, "'delay' and 'nodelay' are mutually exclusive");
    }
    if (has_delay) {
        o->has_nodelay = true;
        o->nodelay = !delay;
    }
    return true;
}

bool char_parse_socket(QDict *opts, ChardevBackend *backend, Error **errp)
{
    ChardevSocket *o = g_new0(ChardevSocket, 1);
    g_autofree char *reconnect = char_opt_str(opts, "reconnect");

    backend->u.socket.data = o;
    o->addr = g_new0(SocketAddressLegacy, 1);
    if (!parse_address(opts, o->addr, errp) ||
        !char_opt_bool(opts, "server", &o->has_server, &o->server, errp) ||
        !char_opt_bool(opts, "wait", &o->has_wait, &o->wait, errp) ||
        !char_opt_bool(opts, "telnet", &o->has_telnet, &o->telnet, errp) ||
        !parse_nodelay(opts, o, errp)) {
        return false;
    }
    if (reconnect) {
        if (!parse_int64(reconnect, &o->reconnect)) {
            return error_set(errp, "Parameter 'reconnect' expects a number");
        }
        o->has_reconnect = true;
    }
    /* On the command line a socket is a client unless told to be a server, and
     * a server waits unless told not to. */
    if (o->has_wait && !(o->has_server && o->server)) {
        return error_set(errp, "'wait' option is incompatible with socket in "
                               "client connect mode");
    }
    o->server = o->has_server && o->server;
    o->has_server = true;
    if (o->server && !o->has_wait) {
        o->has_wait = o->wait = true;
    }
    return char_parse_common(opts, qapi_ChardevSocket_base(o), errp);
}
