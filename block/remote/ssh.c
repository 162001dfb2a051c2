/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver "ssh": files that an SFTP server has. */
#include "util/osdep.h"

#include "block/block-create.h"
#include "block/drivers.h"
#include "block/remote/remote.h"
#include "io/socket.h"
#include "qapi/qapi-types-block-jobs.h"
#include "util/error.h"

typedef struct SshDisk {
    RemoteDisk remote;
    SshParams params;
    BlockdevOptions *opts; /* what params points into */
} SshDisk;

static void set_host_key_check(SshParams *p, const SshHostKeyCheck *check)
{
    p->check = SSH_CHECK_KNOWN_HOSTS;
    if (check && check->mode == SSH_HOST_KEY_CHECK_MODE_NONE) {
        p->check = SSH_CHECK_NONE;
    } else if (check && check->mode == SSH_HOST_KEY_CHECK_MODE_HASH) {
        p->check = SSH_CHECK_HASH;
        p->hash_type = check->u.hash.type;
        p->fingerprint = check->u.hash.hash;
    }
}

/* From a worker: as the options of the address say. */
static int connect_server(const void *server, char **error)
{
    SocketAddress a = { .type = SOCKET_ADDRESS_TYPE_INET,
                        .u.inet = *(const InetSocketAddress *)server };
    Error *err = NULL;
    int fd = socket_connect(&a, NULL, &err);

    if (fd < 0) {
        *error = g_strdup(error_text(err));
        error_free(err);
        return -1;
    }
    socket_set_nodelay(fd);
    return fd;
}

/* What points into @o, which is to outlive it. */
static void ssh_params(const BlockdevOptionsSsh *o, SshParams *p)
{
    *p = (SshParams){ .connect = connect_server,
                      .server = o->server,
                      .host = o->server->host,
                      .port = o->server->port,
                      .user = o->user,
                      .path = o->path };
    set_host_key_check(p, o->host_key_check);
}

static bool coroutine_fn ssh_open(BlockNode *n, const BlockdevOptions *opts,
                                  Error **errp)
{
    SshDisk *s = n->state;
    const BlockdevOptionsSsh *o;

    s->opts = QAPI_CLONE(BlockdevOptions, opts);
    o = &s->opts->u.ssh;
    ssh_params(o, &s->params);
    if (!remote_open(n, "block-ssh", "nemu_ssh_ops", &s->params, errp)) {
        qapi_free_BlockdevOptions(s->opts);
        return false;
    }
    g_free(n->filename);
    n->filename = g_strdup_printf("ssh://%s%s%s:%s%s", o->user ? o->user : "",
                                  o->user ? "@" : "", o->server->host,
                                  o->server->port, o->path);
    return true;
}

static void coroutine_fn ssh_close(BlockNode *n)
{
    SshDisk *s = n->state;

    remote_close(n);
    qapi_free_BlockdevOptions(s->opts);
}

/* "no", "yes", or "md5:", "sha1:", "sha256:" and hexadecimal digits. */
static bool url_host_key_check(QDict *d, const char *value, Error **errp)
{
    QDict *check = qdict_new();
    const char *colon = strchr(value, ':');
    g_autofree char *type = NULL;

    qdict_put(d, "host-key-check", check);
    if (!strcmp(value, "no") || !strcmp(value, "yes")) {
        qdict_put_str(check, "mode", *value == 'n' ? "none" : "known_hosts");
        return true;
    }
    if (!colon) {
        return error_set(errp, "unknown host_key_check setting (%s)", value);
    }
    qdict_put_str(check, "mode", "hash");
    qdict_put_str(check, "hash", colon + 1);
    type = g_strndup(value, colon - value);
    qdict_put_str(check, "type", type);
    return true;
}

static bool url_query(QDict *d, GUri *uri, Error **errp)
{
    const char *query = g_uri_get_query(uri);
    GUriParamsIter it;
    char *name, *value;
    bool ok = true;

    g_uri_params_iter_init(&it, query ? query : "", -1, "&", G_URI_PARAMS_NONE);
    while (ok && g_uri_params_iter_next(&it, &name, &value, NULL)) {
        ok =
            strcmp(name, "host_key_check")
                ? error_set(errp, "unknown parameter '%s' in the ssh URI", name)
                : url_host_key_check(d, value, errp);
        g_free(name);
        g_free(value);
    }
    return ok;
}

QDict *ssh_url_options(const BlockGraph *g, const char *url, Error **errp)
{
    g_autoptr(QDict) d = qdict_new();
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_HAS_PASSWORD, NULL);
    const char *path = uri ? g_uri_get_path(uri) : NULL;
    QDict *server = qdict_new();
    g_autofree char *port = NULL;

    qdict_put(d, "server", server);
    if (!uri || !g_uri_get_host(uri) || !*g_uri_get_host(uri)) {
        error_set(errp, "missing hostname in URI");
        return NULL;
    }
    if (!*path) {
        error_set(errp, "missing remote path in URI");
        return NULL;
    }
    port = g_strdup_printf("%d",
                           g_uri_get_port(uri) > 0 ? g_uri_get_port(uri) : 22);
    qdict_put_str(d, "driver", "ssh");
    qdict_put_str(server, "host", g_uri_get_host(uri));
    qdict_put_str(server, "port", port);
    qdict_put_str(d, "path", path);
    if (g_uri_get_user(uri)) {
        qdict_put_str(d, "user", g_uri_get_user(uri));
    }
    return url_query(d, uri, errp) ? g_steal_pointer(&d) : NULL;
}

/* Making files ---------------------------------------------------------------
 */

static bool ssh_create_at(const BlockdevOptionsSsh *o, uint64_t size,
                          Error **errp)
{
    SshParams p;

    ssh_params(o, &p);
    return remote_create("block-ssh", "nemu_ssh_ops", &p, size, NULL, errp);
}

static bool ssh_create(BlockGraph *g, const char *filename, const QDict *opts,
                       Error **errp)
{
    g_autoptr(BlockdevOptions) o = remote_name_parse(g, filename, errp);

    return o && ssh_create_at(&o->u.ssh,
                              ALIGN_UP(block_option_size(opts, "size", 0), 512),
                              errp);
}

static bool ssh_create_qmp(BlockGraph *g, const BlockdevCreateOptions *o,
                           Error **errp)
{
    return ssh_create_at(o->u.ssh.location, o->u.ssh.size, errp);
}

static const BlockCreateOption ssh_create_options[] = {
    { "size", BLOCK_OPTION_SIZE, "Virtual disk size", NULL },
    {},
};

static const BlockCreateOps ssh_create_ops = {
    .options = ssh_create_options,
    .create = ssh_create,
    .create_qmp = ssh_create_qmp,
};

const BlockDriver block_driver_ssh = {
    .name = "ssh",
    .driver = BLOCKDEV_DRIVER_SSH,
    .state_size = sizeof(SshDisk),
    .protocol = true,
    .open = ssh_open,
    .close = ssh_close,
    .refresh_limits = remote_refresh_limits,
    .io = &remote_io_ops,
    .size = &remote_size_ops,
    .create = &ssh_create_ops,
};
