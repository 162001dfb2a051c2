/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's side of the NBD handshake (proto.md, "Handshake phase"). The
 * server is not trusted: what it says has bounds.
 */
#include "util/osdep.h"

#include "block/nbd/client.h"

/* Replies to one option. */
#define REPLIES_MAX 4096

static bool read_failed(int ret, Error **errp)
{
    if (ret == -EPIPE || ret == -ECONNRESET) {
        return error_set(errp, "Server closed the connection during the "
                               "handshake");
    }
    return error_errno(errp, -ret, "Failed to talk to the server");
}

bool coroutine_fn nbd_send_option(NbdStream *s, uint32_t opt, const void *data,
                                  uint32_t len, Error **errp)
{
    uint8_t head[NBD_OPTION_SIZE];
    struct iovec iov[] = { { head, sizeof(head) }, { (void *)data, len } };
    int ret;

    be64_put(head, NBD_OPT_MAGIC);
    be32_put(head + 8, opt);
    be32_put(head + 12, len);
    ret = nbd_writev(s, iov, len ? 2 : 1);
    return ret >= 0 || read_failed(ret, errp);
}

bool coroutine_fn nbd_read_reply(NbdStream *s, uint32_t opt, NbdReply *r,
                                 Error **errp)
{
    uint8_t head[NBD_REPLY_SIZE];
    int ret = nbd_read(s, head, sizeof(head));

    if (ret < 0) {
        return read_failed(ret, errp);
    }
    r->type = be32_get(head + 12);
    r->len = be32_get(head + 16);
    if (be64_get(head) != NBD_REP_MAGIC || be32_get(head + 8) != opt) {
        return error_set(errp, "Unexpected option reply from the server");
    }
    if (r->len > NBD_REPLY_MAX) {
        return error_set(errp, "Option reply from the server is too long");
    }
    ret = nbd_read(s, r->data, r->len);
    r->data[r->len] = '\0';
    return ret >= 0 || read_failed(ret, errp);
}

/* An error reply of the server as our error. */
static bool server_error(const NbdReply *r, const char *export, Error **errp)
{
    g_autofree char *text = g_utf8_make_valid((const char *)r->data, r->len);

    switch (r->type) {
    case NBD_REP_ERR_UNKNOWN:
        error_set(errp, "Requested export not available");
        break;
    case NBD_REP_ERR_TLS_REQD:
        error_set(errp, "Server requires TLS");
        break;
    case NBD_REP_ERR_POLICY:
        error_set(errp, "Denied by server for export '%s'", export);
        break;
    case NBD_REP_ERR_SHUTDOWN:
        error_set(errp, "Server shutting down");
        break;
    default:
        error_set(errp, "Server refused export '%s' with reply 0x%" PRIx32,
                  export, r->type);
        break;
    }
    if (r->len) {
        error_hint(errp, "server reported: %s\n", text);
    }
    return false;
}

/* One simple option: *yes when the server acknowledges it. */
bool coroutine_fn nbd_ask_structured(NbdStream *s, bool *yes, Error **errp)
{
    g_autofree NbdReply *r = g_malloc(sizeof(*r));

    if (!nbd_send_option(s, NBD_OPT_STRUCTURED_REPLY, NULL, 0, errp) ||
        !nbd_read_reply(s, NBD_OPT_STRUCTURED_REPLY, r, errp)) {
        return false;
    }
    *yes = r->type == NBD_REP_ACK;
    return *yes || r->type >> 31 ||
           error_set(errp, "Unexpected reply to structured replies");
}

static bool coroutine_fn ask_context(NbdStream *s, const char *export,
                                     NbdInfo *info, Error **errp)
{
    const char *context = info->context ? info->context : "base:allocation";
    size_t name = strlen(export), len = 4 + name + 4 + 4 + strlen(context);
    g_autofree uint8_t *data = g_malloc(len);
    g_autofree NbdReply *r = g_malloc(sizeof(*r));

    be32_put(data, name);
    memcpy(data + 4, export, name);
    be32_put(data + 4 + name, 1);
    be32_put(data + 8 + name, strlen(context));
    memcpy(data + 12 + name, context, strlen(context));
    if (!nbd_send_option(s, NBD_OPT_SET_META_CONTEXT, data, len, errp)) {
        return false;
    }
    for (int i = 0; i < REPLIES_MAX; i++) {
        if (!nbd_read_reply(s, NBD_OPT_SET_META_CONTEXT, r, errp)) {
            return false;
        }
        if (r->type == NBD_REP_ACK || r->type >> 31) {
            return true;
        }
        if (r->type != NBD_REP_META_CONTEXT || r->len < 4) {
            break;
        }
        if (!strcmp((const char *)r->data + 4, context)) {
            info->allocation = true;
            info->allocation_id = be32_get(r->data);
        }
    }
    return error_set(errp, "Unexpected reply about metadata contexts");
}

static bool take_block_sizes(const NbdReply *r, NbdInfo *info, Error **errp)
{
    if (r->len != 14) {
        return error_set(errp, "Block sizes from the server have a wrong "
                               "length");
    }
    info->min_block = be32_get(r->data + 2);
    info->pref_block = be32_get(r->data + 6);
    info->max_block = be32_get(r->data + 10);
    if (!is_power_of_2(info->min_block) || info->min_block > 65536 ||
        !is_power_of_2(info->pref_block) ||
        info->pref_block < info->min_block ||
        info->max_block < info->min_block) {
        return error_set(errp,
                         "Server sent impossible block sizes "
                         "(%" PRIu32 ", %" PRIu32 ", %" PRIu32 ")",
                         info->min_block, info->pref_block, info->max_block);
    }
    info->max_block = ALIGN_DOWN(info->max_block, info->min_block);
    return true;
}

static bool take_info(const NbdReply *r, NbdInfo *info, bool *have,
                      Error **errp)
{
    if (r->type != NBD_REP_INFO || r->len < 2) {
        return error_set(errp, "Unexpected reply to the choice of export");
    }
    switch (be16_get(r->data)) {
    case NBD_INFO_EXPORT:
        if (r->len != 12) {
            return error_set(errp, "Export data from the server has a wrong "
                                   "length");
        }
        info->size = be64_get(r->data + 2);
        info->flags = be16_get(r->data + 10);
        *have = true;
        return true;
    case NBD_INFO_BLOCK_SIZE:
        return take_block_sizes(r, info, errp);
    default:
        return true; /* text for people, or newer than us */
    }
}

/* *old: the server does not know the option. */
bool coroutine_fn nbd_ask_info(NbdStream *s, uint32_t opt, const char *export,
                               NbdInfo *info, bool *old, Error **errp)
{
    size_t name = strlen(export), len = 4 + name + 2 + 2;
    g_autofree uint8_t *data = g_malloc(len);
    g_autofree NbdReply *r = g_malloc(sizeof(*r));
    bool have = false;

    be32_put(data, name);
    memcpy(data + 4, export, name);
    be16_put(data + 4 + name, 1);
    be16_put(data + 6 + name, NBD_INFO_BLOCK_SIZE);
    *old = false;
    if (!nbd_send_option(s, opt, data, len, errp)) {
        return false;
    }
    for (int i = 0; i < REPLIES_MAX; i++) {
        if (!nbd_read_reply(s, opt, r, errp)) {
            return false;
        }
        if (r->type == NBD_REP_ERR_UNSUP) {
            *old = true;
            return true;
        }
        if (r->type >> 31) {
            return server_error(r, export, errp);
        }
        if (r->type == NBD_REP_ACK) {
            return have || error_set(errp, "Server did not say the size");
        }
        if (!take_info(r, info, &have, errp)) {
            return false;
        }
    }
    return error_set(errp, "Too many replies from the server");
}

static bool coroutine_fn ask_export_name(NbdStream *s, const char *export,
                                         bool no_zeroes, NbdInfo *info,
                                         Error **errp)
{
    uint8_t buf[10];
    int ret;

    if (!nbd_send_option(s, NBD_OPT_EXPORT_NAME, export, strlen(export),
                         errp)) {
        return false;
    }
    ret = nbd_read(s, buf, sizeof(buf));
    if (ret < 0) {
        return error_set(errp, "Requested export not available");
    }
    info->size = be64_get(buf);
    info->flags = be16_get(buf + 8);
    ret = no_zeroes ? 0 : nbd_skip(s, 124);
    return ret >= 0 || read_failed(ret, errp);
}

/* Exchange flags: *server gets those that count. */
static bool coroutine_fn exchange_flags(NbdStream *s, uint32_t *server,
                                        Error **errp)
{
    uint8_t flags[4];
    int ret = nbd_read(s, flags, 2);

    if (ret < 0) {
        return read_failed(ret, errp);
    }
    *server = be16_get(flags) & (NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
    be32_put(flags, *server);
    ret = nbd_write(s, flags, sizeof(flags));
    return ret >= 0 || read_failed(ret, errp);
}

static bool coroutine_fn ask_tls(NbdStream *s, const NbdClientTls *tls,
                                 Error **errp)
{
    g_autofree NbdReply *r = g_malloc(sizeof(*r));

    if (!nbd_send_option(s, NBD_OPT_STARTTLS, NULL, 0, errp) ||
        !nbd_read_reply(s, NBD_OPT_STARTTLS, r, errp)) {
        return false;
    }
    if (r->type != NBD_REP_ACK) {
        return error_set(errp,
                         "Server does not support TLS (reply 0x%" PRIx32
                         " to STARTTLS)",
                         r->type);
    }
    if (r->len) {
        return error_set(errp, "Start TLS response was not zero bytes");
    }
    return nbd_stream_start_tls(s, tls->creds, tls->hostname, NULL, errp);
}

/* Flags, and TLS where it is wanted. */
static bool coroutine_fn begin_new(NbdStream *s, const NbdClientTls *tls,
                                   uint32_t *server, Error **errp)
{
    if (!exchange_flags(s, server, errp)) {
        return false;
    }
    if (!tls->creds) {
        return true;
    }
    if (!(*server & NBD_FIXED_NEWSTYLE)) {
        return error_set(errp, "Server does not support STARTTLS");
    }
    return ask_tls(s, tls, errp);
}

static bool coroutine_fn negotiate_new(NbdStream *s, const NbdClientTls *tls,
                                       const char *export, NbdInfo *info,
                                       Error **errp)
{
    uint32_t server;
    bool old = true;

    if (!begin_new(s, tls, &server, errp)) {
        return false;
    }
    if (server & NBD_FIXED_NEWSTYLE) {
        if (!nbd_ask_structured(s, &info->structured, errp) ||
            (info->structured && !ask_context(s, export, info, errp)) ||
            !nbd_ask_info(s, NBD_OPT_GO, export, info, &old, errp)) {
            return false;
        }
    }
    return !old ||
           ask_export_name(s, export, server & NBD_NO_ZEROES, info, errp);
}

/* The handshake from before there were options. */
static bool coroutine_fn negotiate_old(NbdStream *s, const char *export,
                                       NbdInfo *info, Error **errp)
{
    uint8_t buf[12];
    int ret;

    if (*export) {
        return error_set(errp, "Server does not support non-empty export "
                               "names");
    }
    ret = nbd_read(s, buf, sizeof(buf));
    if (ret >= 0) {
        ret = nbd_skip(s, 124);
    }
    info->size = be64_get(buf);
    info->flags = be32_get(buf + 8);
    return ret >= 0 || read_failed(ret, errp);
}

/* *old: the server is from before there were options. */
static bool coroutine_fn read_magic(NbdStream *s, bool *old, Error **errp)
{
    uint8_t magic[16];
    int ret = nbd_read(s, magic, sizeof(magic));

    if (ret < 0) {
        return read_failed(ret, errp);
    }
    if (be64_get(magic) != NBD_INIT_MAGIC) {
        return error_set(errp, "Bad initial magic received: 0x%016" PRIx64,
                         be64_get(magic));
    }
    *old = be64_get(magic + 8) == NBD_OLD_MAGIC;
    return *old || be64_get(magic + 8) == NBD_OPT_MAGIC ||
           error_set(errp, "Bad server magic received: 0x%016" PRIx64,
                     be64_get(magic + 8));
}

bool coroutine_fn nbd_hello(NbdStream *s, const NbdClientTls *tls, Error **errp)
{
    uint32_t server;
    bool old = false;

    if (!read_magic(s, &old, errp)) {
        return false;
    }
    if (old) {
        return error_set(errp, "Server does not support export lists");
    }
    return begin_new(s, tls, &server, errp) &&
           (server & NBD_FIXED_NEWSTYLE ||
            error_set(errp, "Server does not support export lists"));
}

bool coroutine_fn nbd_negotiate(NbdStream *s, const NbdClientTls *tls,
                                const char *export, NbdInfo *info, Error **errp)
{
    bool old = false, ok;

    *info = (NbdInfo){ .context = info->context };
    if (!read_magic(s, &old, errp)) {
        return false;
    }
    if (old && tls->creds) {
        return error_set(errp, "Server does not support STARTTLS");
    }
    ok = old ? negotiate_old(s, export, info, errp)
             : negotiate_new(s, tls, export, info, errp);
    if (ok && info->size > BLK_MAX_LENGTH) {
        return error_set(errp, "Export of %" PRIu64 " bytes is too large",
                         info->size);
    }
    if (!(info->flags & NBD_FLAG_HAS_FLAGS)) {
        info->flags = 0;
    }
    return ok;
}
