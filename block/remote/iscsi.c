/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver "iscsi": logical units of iSCSI targets. */
#include "util/osdep.h"

#include "block/drivers.h"
#include "block/remote/remote.h"
#include "qapi/qapi-types-block-core.h"
#include "qobject/keyval.h"
#include "util/error.h"

#define INITIATOR "iqn.2008-11.org.linux-kvm"

typedef struct IscsiDisk {
    RemoteDisk remote;
    IscsiParams params;
    BlockdevOptions *opts; /* what params points into */
    char *password, *initiator;
} IscsiDisk;

/* Options --------------------------------------------------------------------
 */

static bool take_password(BlockNode *n, const BlockdevOptionsIscsi *o,
                          IscsiDisk *s, Error **errp)
{
    if (!o->user) {
        return true;
    }
    if (!o->password_secret && !o->x_password) {
        return error_set(errp, "CHAP username specified but no password was "
                               "given");
    }
    if (o->password_secret && o->x_password) {
        return error_set(errp, "'password' and 'password-secret' properties "
                               "are mutually exclusive");
    }
    s->password = g_strdup(o->x_password);
    return !o->password_secret ||
           remote_secret(n->graph, o->password_secret, &s->password, errp);
}

static bool take_params(BlockNode *n, IscsiDisk *s, Error **errp)
{
    const BlockdevOptionsIscsi *o = &s->opts->u.iscsi;
    const char *own = n->graph->initiator;

    if (o->has_lun && (o->lun < 0 || o->lun > UINT16_MAX)) {
        return error_set(errp, "Parameter 'lun' is out of range");
    }
    if (o->has_timeout && (o->timeout < 0 || o->timeout > INT_MAX)) {
        return error_set(errp, "Parameter 'timeout' is out of range");
    }
    s->initiator = o->initiator_name
                       ? g_strdup(o->initiator_name)
                       : g_strconcat(INITIATOR, own ? ":" : NULL, own, NULL);
    s->params = (IscsiParams){
        .portal = o->portal,
        .target = o->target,
        .lun = o->has_lun ? o->lun : 0,
        .user = o->user,
        .initiator = s->initiator,
        .digest = o->has_header_digest ? o->header_digest
                                       : QAPI_ISCSI_HEADER_DIGEST_NONE_CRC32C,
        .timeout = o->has_timeout ? o->timeout : 0,
        .iser = o->transport == ISCSI_TRANSPORT_ISER,
    };
    if (!take_password(n, o, s, errp)) {
        return false;
    }
    s->params.password = s->password;
    return true;
}

static void iscsi_free(IscsiDisk *s)
{
    remote_free_secret(s->password);
    g_free(s->initiator);
    qapi_free_BlockdevOptions(s->opts);
}

static bool coroutine_fn iscsi_open(BlockNode *n, const BlockdevOptions *opts,
                                    Error **errp)
{
    IscsiDisk *s = n->state;
    const BlockdevOptionsIscsi *o;

    s->opts = QAPI_CLONE(BlockdevOptions, opts);
    o = &s->opts->u.iscsi;
    if (!take_params(n, s, errp) ||
        !remote_open(n, "block-iscsi", "nemu_iscsi_ops", &s->params, errp)) {
        iscsi_free(s);
        return false;
    }
    g_free(n->filename);
    n->filename =
        g_strdup_printf("%s://%s/%s/%d", s->params.iser ? "iser" : "iscsi",
                        o->portal, o->target, s->params.lun);
    return true;
}

static void coroutine_fn iscsi_close(BlockNode *n)
{
    remote_close(n);
    iscsi_free(n->state);
}

/* A unit has the size that its target gives it; see how large it is now. */
static bool coroutine_fn iscsi_truncate(BlockNode *n, int64_t size, bool exact,
                                        Error **errp)
{
    int64_t have = remote_size(n);

    if (have < 0) {
        return error_errno(errp, -have, "Failed to ask for the size");
    }
    if (have != node_length(n)) {
        node_set_length(n, have);
    }
    return size == have || (size < have && !exact) ||
           error_set(errp, exact ? "Cannot resize iSCSI devices"
                                 : "Cannot grow iSCSI devices");
}

/* URLs -----------------------------------------------------------------------
 */

/* What -iscsi says of @target, or of all. */
static void add_session_options(const BlockGraph *g, QDict *d,
                                const char *target)
{
    QDict *o = g->iscsi ? qdict_get_dict(g->iscsi, target) : NULL;

    if (g->iscsi && !o) {
        o = qdict_get_dict(g->iscsi, "");
    }
    if (o) {
        qdict_join(d, o, true);
    }
}

/* "USER%PASSWORD@" before the portal; NULLs where there is none. */
static const char *split_user(const char *authority, char **user,
                              char **password)
{
    const char *at = strrchr(authority, '@');
    const char *percent = at ? strchr(authority, '%') : NULL;

    *user = g_strdup(g_getenv("LIBISCSI_CHAP_USERNAME"));
    *password = g_strdup(g_getenv("LIBISCSI_CHAP_PASSWORD"));
    if (!at) {
        return authority;
    }
    percent = percent && percent < at ? percent : at;
    g_free(*user);
    *user = g_strndup(authority, percent - authority);
    if (percent < at) {
        g_free(*password);
        *password = g_strndup(percent + 1, at - percent - 1);
    }
    return at + 1;
}

static bool parse_lun(const char *text, uint64_t *lun)
{
    return *text && strlen(text) <= 5 &&
           strspn(text, "0123456789") == strlen(text) &&
           parse_uint64(text, lun);
}

/* "[USER[%PASSWORD]@]HOST[:PORT]/TARGET/LUN" into @d. */
static bool split_url(const BlockGraph *g, const char *rest, QDict *d)
{
    g_auto(GStrv) parts = g_strsplit(rest, "/", -1);
    g_autofree char *target = NULL, *user = NULL, *password = NULL;
    const char *portal;
    uint64_t lun;

    if (g_strv_length(parts) != 3 || !parse_lun(parts[2], &lun)) {
        return false;
    }
    target = g_uri_unescape_string(parts[1], NULL);
    portal = split_user(parts[0], &user, &password);
    if (!target || !*target || !*portal) {
        return false;
    }
    qdict_put_str(d, "portal", portal);
    qdict_put_str(d, "target", target);
    qdict_put_int(d, "lun", lun);
    add_session_options(g, d, target);
    if (user && password) { /* one alone is not taken */
        qdict_put_str(d, "user", user);
        qdict_put_str(d, "x-password", password);
        qdict_del(d, "password-secret");
    }
    return true;
}

QDict *iscsi_url_options(const BlockGraph *g, const char *url, Error **errp)
{
    g_autoptr(QDict) d = qdict_new();
    const char *rest = strstr(url, "://");

    qdict_put_str(d, "driver", "iscsi");
    qdict_put_str(d, "transport",
                  g_str_has_prefix(url, "iser") ? "iser" : "tcp");
    if (!rest || rest != strchr(url, ':') || !split_url(g, rest + 3, d)) {
        error_set(errp, "Failed to parse URL : %s", url);
        return NULL;
    }
    return g_steal_pointer(&d);
}

static const BlockSizeOps iscsi_size_ops = {
    .getlength = remote_getlength,
    .truncate = iscsi_truncate,
};

const BlockDriver block_driver_iscsi = {
    .name = "iscsi",
    .driver = BLOCKDEV_DRIVER_ISCSI,
    .state_size = sizeof(IscsiDisk),
    .protocol = true,
    .open = iscsi_open,
    .close = iscsi_close,
    .refresh_limits = remote_refresh_limits,
    .io = &remote_io_ops,
    .size = &iscsi_size_ops,
    .create = &existing_create_ops,
};
