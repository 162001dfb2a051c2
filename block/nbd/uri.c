/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NBD addresses in file names: URIs (the NBD project's doc/uri.md) and the
 * older "nbd:HOST:PORT[:exportname=NAME]", "nbd:unix:PATH[:exportname=NAME]".
 */
#include "util/osdep.h"

#include "block/nbd/client.h"

static QDict *server_unix(const char *path)
{
    QDict *d = qdict_new();

    qdict_put_str(d, "type", "unix");
    qdict_put_str(d, "path", path);
    return d;
}

static QDict *server_inet(const char *host, const char *port)
{
    QDict *d = qdict_new();

    qdict_put_str(d, "type", "inet");
    qdict_put_str(d, "host", host);
    qdict_put_str(d, "port", port);
    return d;
}

static QDict *node_options(QDict *server, const char *export)
{
    QDict *d = qdict_new();

    qdict_put_str(d, "driver", "nbd");
    qdict_put(d, "server", server);
    if (export && *export) {
        qdict_put_str(d, "export", export);
    }
    return d;
}

/* "host:port", "[v6]:port"; *host and *port are to be freed. */
static bool split_host(const char *text, char **host, char **port)
{
    const char *end = *text == '[' ? strchr(text, ']') : NULL;
    const char *colon = strchr(end ? end : text, ':');

    if (*text == '[' && (!end || (end[1] && end[1] != ':'))) {
        return false;
    }
    if (end) {
        *host = g_strndup(text + 1, end - text - 1);
    } else {
        *host = colon ? g_strndup(text, colon - text) : g_strdup(text);
    }
    *port = g_strdup(colon ? colon + 1 : NBD_DEFAULT_PORT);
    return **port;
}

/* "nbd:..." */
static QDict *legacy_options(const char *text, Error **errp)
{
    static const char key[] = ":exportname=";
    const char *name = strstr(text, key);
    g_autofree char *where =
        name ? g_strndup(text, name - text) : g_strdup(text);
    g_autofree char *host = NULL, *port = NULL;

    name = name ? name + strlen(key) : NULL;
    if (g_str_has_prefix(where, "unix:")) {
        return node_options(server_unix(where + strlen("unix:")), name);
    }
    if (!strchr(where, ':') || !split_host(where, &host, &port)) {
        error_set(errp, "error parsing address '%s'", where);
        return NULL;
    }
    return node_options(server_inet(host, port), name);
}

/* The value of the only parameter there is, "socket"; to be freed. False: the
 * query has others. */
static bool query_socket(const char *query, char **path)
{
    *path = NULL;
    if (!query || !*query) {
        return true;
    }
    if (!g_str_has_prefix(query, "socket=") || strpbrk(query, "&;")) {
        return false;
    }
    *path = g_uri_unescape_string(query + strlen("socket="), NULL);
    return *path && **path;
}

/* "nbd[+tcp|+unix]://[user@][host[:port]][/export][?socket=path]" */
static QDict *uri_options(const char *uri, Error **errp)
{
    const char *rest = strstr(uri, "://") + 3;
    size_t authority = strcspn(rest, "/?"), path_len;
    g_autofree char *where = g_strndup(rest, authority);
    const char *path = rest + authority, *query, *at = strrchr(where, '@');
    g_autofree char *raw = NULL, *export = NULL, *socket = NULL;
    g_autofree char *host = NULL, *port = NULL;
    bool is_unix = g_str_has_prefix(uri, "nbd+unix:");

    path += *path == '/';
    path_len = strcspn(path, "?");
    query = path[path_len] ? path + path_len + 1 : NULL;
    raw = g_strndup(path, path_len);
    export = g_uri_unescape_string(raw, NULL);
    if (export && query_socket(query, &socket)) {
        if (is_unix && socket && !*where) {
            return node_options(server_unix(socket), export);
        }
        if (!is_unix && !socket && *where &&
            split_host(at ? at + 1 : where, &host, &port) && *host) {
            return node_options(server_inet(host, port), export);
        }
    }
    error_set(errp, "No valid URL specified");
    return NULL;
}

QDict *nbd_uri_options(const char *filename, Error **errp)
{
    static const char *const schemes[] = { "nbd://", "nbd+tcp://",
                                           "nbd+unix://" };

    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        if (g_str_has_prefix(filename, schemes[i])) {
            return uri_options(filename, errp);
        }
    }
    if (g_str_has_prefix(filename, "nbd:")) {
        return legacy_options(filename + strlen("nbd:"), errp);
    }
    error_set(errp, "Unknown protocol '%.*s'", (int)strcspn(filename, ":"),
              filename);
    return NULL;
}

char *nbd_uri(const SocketAddress *addr, const char *export)
{
    if (addr->type == SOCKET_ADDRESS_TYPE_UNIX) {
        return g_strdup_printf("nbd+unix://%s%s?socket=%s", *export ? "/" : "",
                               export, addr->u.q_unix.path);
    }
    if (addr->type == SOCKET_ADDRESS_TYPE_INET) {
        const InetSocketAddress *in = &addr->u.inet;
        bool v6 = strchr(in->host, ':');

        return g_strdup_printf("nbd://%s%s%s:%s%s%s", v6 ? "[" : "", in->host,
                               v6 ? "]" : "", in->port, *export ? "/" : "",
                               export);
    }
    return g_strdup("nbd://");
}
