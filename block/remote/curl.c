/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drivers "http", "https", "ftp" and "ftps": images on such servers, read. */
#include "util/osdep.h"

#include "block/drivers.h"
#include "block/remote/remote.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

#define READAHEAD_DEFAULT (256 * KiB)
#define READAHEAD_MAX     (64 * MiB)
#define TIMEOUT_DEFAULT   5
#define TIMEOUT_MAX       10000

typedef struct CurlDisk {
    RemoteDisk remote;
    CurlParams params;
    char *text[6]; /* what params points to */
} CurlDisk;

/* The members that all of these drivers have, and those that some have. */
typedef struct CurlOptions {
    const BlockdevOptionsCurlBase *base;
    const char *cookie, *cookie_secret;
    bool sslverify;
} CurlOptions;

static CurlOptions curl_options(const BlockdevOptions *o)
{
    CurlOptions c = { .sslverify = true };

    switch (o->driver) {
    case BLOCKDEV_DRIVER_HTTP:
        c.base = qapi_BlockdevOptionsCurlHttp_base(&o->u.http);
        c.cookie = o->u.http.cookie;
        c.cookie_secret = o->u.http.cookie_secret;
        break;
    case BLOCKDEV_DRIVER_HTTPS:
        c.base = qapi_BlockdevOptionsCurlHttps_base(&o->u.https);
        c.cookie = o->u.https.cookie;
        c.cookie_secret = o->u.https.cookie_secret;
        c.sslverify = !o->u.https.has_sslverify || o->u.https.sslverify;
        break;
    case BLOCKDEV_DRIVER_FTP:
        c.base = qapi_BlockdevOptionsCurlFtp_base(&o->u.ftp);
        break;
    default:
        c.base = qapi_BlockdevOptionsCurlFtps_base(&o->u.ftps);
        c.sslverify = !o->u.ftps.has_sslverify || o->u.ftps.sslverify;
        break;
    }
    return c;
}

static void curl_free(CurlDisk *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(s->text); i++) {
        remote_free_secret(s->text[i]);
    }
}

/* A secret's text where @id names one; false: there is none. */
static bool take_secret(BlockNode *n, const char *id, char **text, Error **errp)
{
    return !id || remote_secret(n->graph, id, text, errp);
}

static bool take_texts(BlockNode *n, const CurlOptions *o, CurlDisk *s,
                       Error **errp)
{
    s->text[0] = g_strdup(o->base->url);
    s->text[1] = g_strdup(o->cookie);
    s->text[2] = g_strdup(o->base->username);
    s->text[4] = g_strdup(o->base->proxy_username);
    if (o->cookie && o->cookie_secret) {
        return error_set(errp, "curl driver cannot handle both cookie and "
                               "cookie secret");
    }
    if (!take_secret(n, o->cookie_secret, &s->text[1], errp) ||
        !take_secret(n, o->base->password_secret, &s->text[3], errp) ||
        !take_secret(n, o->base->proxy_password_secret, &s->text[5], errp)) {
        return false;
    }
    s->params.url = s->text[0];
    s->params.cookie = s->text[1];
    s->params.username = s->text[2];
    s->params.password = s->text[3];
    s->params.proxy_username = s->text[4];
    s->params.proxy_password = s->text[5];
    return true;
}

static bool check_options(BlockNode *n, const CurlOptions *o, Error **errp)
{
    const BlockdevOptionsCurlBase *b = o->base;
    g_autofree char *start = g_strconcat(n->drv->name, "://", NULL);
    bool huge = b->has_readahead && b->readahead > READAHEAD_MAX;

    if (b->has_readahead && (b->readahead % 512 || huge)) {
        return error_set(errp,
                         huge ? "readahead %" PRId64 " is larger than 64 MiB"
                              : "HTTP_READAHEAD_SIZE %" PRId64
                                " is not a multiple of 512",
                         b->readahead);
    }
    if (b->has_timeout && (b->timeout < 0 || b->timeout > TIMEOUT_MAX)) {
        return error_set(errp, "timeout parameter is too large or negative");
    }
    if (!g_str_has_prefix(b->url, start)) {
        return error_set(errp,
                         "%s curl driver cannot handle the URL '%s' (does not "
                         "start with '%s')",
                         n->drv->name, b->url, start);
    }
    return true;
}

static bool coroutine_fn curl_open(BlockNode *n, const BlockdevOptions *opts,
                                   Error **errp)
{
    CurlOptions o = curl_options(opts);
    CurlDisk *s = n->state;

    if (!check_options(n, &o, errp)) {
        return false;
    }
    s->params.readahead =
        o.base->has_readahead ? MAX(o.base->readahead, 0) : READAHEAD_DEFAULT;
    s->params.timeout = o.base->has_timeout ? o.base->timeout : TIMEOUT_DEFAULT;
    s->params.sslverify = o.sslverify;
    if (!take_texts(n, &o, s, errp) ||
        !remote_open(n, "block-curl", "nemu_curl_ops", &s->params, errp)) {
        curl_free(s);
        return false;
    }
    g_free(n->filename);
    n->filename = g_strdup(o.base->url);
    return true;
}

static void coroutine_fn curl_close(BlockNode *n)
{
    remote_close(n);
    curl_free(n->state);
}

QDict *curl_url_options(const BlockGraph *g, const char *url, Error **errp)
{
    QDict *d = qdict_new();
    g_autofree char *driver = g_strndup(url, strcspn(url, ":"));

    qdict_put_str(d, "driver", driver);
    qdict_put_str(d, "url", url);
    return d;
}

#define CURL_DRIVER(scheme, SCHEME)              \
    const BlockDriver block_driver_##scheme = {  \
        .name = #scheme,                         \
        .driver = BLOCKDEV_DRIVER_##SCHEME,      \
        .state_size = sizeof(CurlDisk),          \
        .protocol = true,                        \
        .open = curl_open,                       \
        .close = curl_close,                     \
        .refresh_limits = remote_refresh_limits, \
        .io = &remote_io_ops,                    \
        .size = &remote_size_ops,                \
    }

CURL_DRIVER(http, HTTP);
CURL_DRIVER(https, HTTPS);
CURL_DRIVER(ftp, FTP);
CURL_DRIVER(ftps, FTPS);
