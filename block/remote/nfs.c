/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver "nfs": files that an NFS server has. */
#include "util/osdep.h"

#include "block/block-create.h"
#include "block/drivers.h"
#include "block/remote/remote.h"
#include "qapi/qapi-types-block-jobs.h"
#include "qobject/keyval.h"
#include "util/error.h"

#define READAHEAD_MAX  (1 * MiB)
#define PAGE_CACHE_MAX 2048
#define DEBUG_MAX      2

typedef struct NfsDisk {
    RemoteDisk remote;
    NfsParams params;
    BlockdevOptions *opts; /* what params points into */
} NfsDisk;

/* Options --------------------------------------------------------------------
 */

static bool check_number(const char *name, bool has, int64_t v, uint32_t *set,
                         Error **errp)
{
    if (has && (v < 0 || v > UINT32_MAX)) {
        return error_set(errp, "Parameter '%s' is out of range", name);
    }
    if (has) {
        *set = v;
    }
    return true;
}

static bool nfs_params(const BlockdevOptionsNfs *o, bool direct, NfsParams *p,
                       Error **errp)
{
    uint32_t user = 0, group = 0;

    *p = (NfsParams){ .host = o->server->host, .path = o->path };
    if (!strchr(o->path, '/')) {
        return error_set(errp, "Invalid URL specified");
    }
    if (!check_number("user", o->has_user, o->user, &user, errp) ||
        !check_number("group", o->has_group, o->group, &group, errp) ||
        !check_number("tcp-syn-count", o->has_tcp_syn_count, o->tcp_syn_count,
                      &p->syn_count, errp) ||
        !check_number("readahead-size", o->has_readahead_size,
                      o->readahead_size, &p->readahead, errp) ||
        !check_number("page-cache-size", o->has_page_cache_size,
                      o->page_cache_size, &p->page_cache, errp) ||
        !check_number("debug", o->has_debug, o->debug, &p->debug, errp)) {
        return false;
    }
    p->user = o->has_user ? (int64_t)user : -1;
    p->group = o->has_group ? (int64_t)group : -1;
    if (direct && o->has_readahead_size) {
        return error_set(errp, "Cannot enable NFS readahead if cache.direct = "
                               "on");
    }
    if (direct && o->has_page_cache_size) {
        return error_set(errp, "Cannot enable NFS pagecache if cache.direct = "
                               "on");
    }
    if (p->readahead > READAHEAD_MAX) {
        p->readahead = READAHEAD_MAX;
        warn_report("Truncating NFS readahead size to %d", (int)READAHEAD_MAX);
    }
    if (p->page_cache > PAGE_CACHE_MAX) {
        p->page_cache = PAGE_CACHE_MAX;
        warn_report("Truncating NFS pagecache size to %d pages",
                    PAGE_CACHE_MAX);
    }
    if (p->debug > DEBUG_MAX) {
        p->debug = DEBUG_MAX;
        warn_report("Limiting NFS debug level to %d", DEBUG_MAX);
    }
    return true;
}

static char *nfs_name(const BlockdevOptionsNfs *o)
{
    GString *s = g_string_new(NULL);

    g_string_printf(s, "nfs://%s%s", o->server->host, o->path);
    if (o->has_user) {
        g_string_append_printf(s, "?uid=%" PRId64, o->user);
    }
    if (o->has_group) {
        g_string_append_printf(s, "%cgid=%" PRId64, o->has_user ? '&' : '?',
                               o->group);
    }
    return g_string_free(s, FALSE);
}

static bool coroutine_fn nfs_open(BlockNode *n, const BlockdevOptions *opts,
                                  Error **errp)
{
    NfsDisk *s = n->state;
    const BlockdevOptionsNfs *o;

    s->opts = QAPI_CLONE(BlockdevOptions, opts);
    o = &s->opts->u.nfs;
    if (!nfs_params(o, n->flags.direct, &s->params, errp) ||
        !remote_open(n, "block-nfs", "nemu_nfs_ops", &s->params, errp)) {
        qapi_free_BlockdevOptions(s->opts);
        return false;
    }
    g_free(n->filename);
    n->filename = nfs_name(o);
    return true;
}

static void coroutine_fn nfs_close(BlockNode *n)
{
    NfsDisk *s = n->state;

    remote_close(n);
    qapi_free_BlockdevOptions(s->opts);
}

/* URLs -----------------------------------------------------------------------
 */

/* "uid=1" */
static bool url_parameter(QDict *d, const char *text, Error **errp)
{
    static const struct {
        const char *name, *option;
    } known[] = {
        { "uid", "user" },
        { "gid", "group" },
        { "tcp-syncnt", "tcp-syn-count" },
        { "readahead", "readahead-size" },
        { "pagecache", "page-cache-size" },
        { "debug", "debug" },
    };
    const char *equals = strchr(text, '=');
    g_autofree char *name =
        equals ? g_strndup(text, equals - text) : g_strdup(text);
    uint64_t v;

    if (!equals) {
        return error_set(errp, "Value for NFS parameter expected: %s", name);
    }
    if (!parse_uint64(equals + 1, &v) || v > INT64_MAX) {
        return error_set(errp, "Illegal value for NFS parameter: %s", name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (!strcmp(name, known[i].name)) {
            qdict_put_int(d, known[i].option, v);
            return true;
        }
    }
    return error_set(errp, "Unknown NFS parameter name: %s", name);
}

static bool url_query(QDict *d, const char *query, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(query ? query : "", "&", -1);

    for (char **p = parts; *p; p++) {
        if (**p && !url_parameter(d, *p, errp)) {
            return false;
        }
    }
    return true;
}

QDict *nfs_url_options(const BlockGraph *g, const char *url, Error **errp)
{
    g_autoptr(QDict) d = qdict_new();
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
    const char *host = uri ? g_uri_get_host(uri) : NULL;
    QDict *server = qdict_new();

    qdict_put(d, "server", server);
    if (!uri) {
        error_set(errp, "Invalid URI specified");
        return NULL;
    }
    if (!host || !*host) {
        error_set(errp, "missing hostname in URI");
        return NULL;
    }
    if (!*g_uri_get_path(uri)) {
        error_set(errp, "missing file path in URI");
        return NULL;
    }
    qdict_put_str(d, "driver", "nfs");
    qdict_put_str(server, "type", "inet");
    qdict_put_str(server, "host", host);
    qdict_put_str(d, "path", g_uri_get_path(uri));
    return url_query(d, g_uri_get_query(uri), errp) ? g_steal_pointer(&d)
                                                    : NULL;
}

/* Making files ---------------------------------------------------------------
 */

static bool nfs_create_at(const BlockdevOptionsNfs *o, uint64_t size,
                          Error **errp)
{
    NfsParams p;

    return nfs_params(o, false, &p, errp) &&
           remote_create("block-nfs", "nemu_nfs_ops", &p, size, NULL, errp);
}

static bool nfs_create(BlockGraph *g, const char *filename, const QDict *opts,
                       Error **errp)
{
    g_autoptr(BlockdevOptions) o = remote_name_parse(g, filename, errp);

    return o && nfs_create_at(&o->u.nfs,
                              ALIGN_UP(block_option_size(opts, "size", 0), 512),
                              errp);
}

static bool nfs_create_qmp(BlockGraph *g, const BlockdevCreateOptions *o,
                           Error **errp)
{
    return nfs_create_at(o->u.nfs.location, o->u.nfs.size, errp);
}

static const BlockCreateOption nfs_create_options[] = {
    { "size", BLOCK_OPTION_SIZE, "Virtual disk size", NULL },
    {},
};

static const BlockCreateOps nfs_create_ops = {
    .options = nfs_create_options,
    .create = nfs_create,
    .create_qmp = nfs_create_qmp,
};

const BlockDriver block_driver_nfs = {
    .name = "nfs",
    .driver = BLOCKDEV_DRIVER_NFS,
    .state_size = sizeof(NfsDisk),
    .protocol = true,
    .open = nfs_open,
    .close = nfs_close,
    .refresh_limits = remote_refresh_limits,
    .io = &remote_io_ops,
    .size = &remote_size_ops,
    .create = &nfs_create_ops,
};
