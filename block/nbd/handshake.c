/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's side of the NBD handshake (proto.md, "Fixed newstyle
 * negotiation", "Option types", "Metadata querying").
 */
#include "util/osdep.h"

#include "block/nbd/server.h"
#include "crypto/authz.h"
#include "util/error.h"

/* Longest data of an option that is looked at. */
#define OPTION_MAX 65536

/* One option: its data and how much of it was taken. */
typedef struct Option {
    NbdConn *conn;
    uint32_t id;
    const uint8_t *data;
    size_t len, pos;
} Option;

/* Replies --------------------------------------------------------------------
 */

static int coroutine_fn reply(const Option *o, uint32_t type, const void *data,
                              uint32_t len)
{
    uint8_t head[NBD_REPLY_SIZE];
    struct iovec iov[] = { { head, sizeof(head) }, { (void *)data, len } };

    be64_put(head, NBD_REP_MAGIC);
    be32_put(head + 8, o->id);
    be32_put(head + 12, type);
    be32_put(head + 16, len);
    return nbd_writev(&o->conn->st, iov, len ? 2 : 1);
}

static int coroutine_fn reply_error(const Option *o, uint32_t type,
                                    const char *text)
{
    return reply(o, type, text, strlen(text));
}

/* Taking data apart ----------------------------------------------------------
 */

static bool take(Option *o, void *v, size_t len)
{
    if (o->len - o->pos < len) {
        return false;
    }
    memcpy(v, o->data + o->pos, len);
    o->pos += len;
    return true;
}

static bool take_u16(Option *o, uint16_t *v)
{
    uint8_t b[2];
    bool ok = take(o, b, sizeof(b));

    *v = ok ? be16_get(b) : 0;
    return ok;
}

static bool take_u32(Option *o, uint32_t *v)
{
    uint8_t b[4];
    bool ok = take(o, b, sizeof(b));

    *v = ok ? be32_get(b) : 0;
    return ok;
}

/* A string with its length before it; to be freed. NULL: it is not there, is
 * too long, or has a zero inside. */
static char *take_string(Option *o)
{
    uint32_t len;
    char *s;

    if (!take_u32(o, &len) || len > NBD_MAX_STRING || len > o->len - o->pos ||
        memchr(o->data + o->pos, 0, len)) {
        return NULL;
    }
    s = g_strndup((const char *)o->data + o->pos, len);
    o->pos += len;
    return s;
}

/* Exports --------------------------------------------------------------------
 */

static BlockExport *find_export(const Option *o, const char *name)
{
    return nbd_export_find(o->conn->server->all, name);
}

static uint16_t conn_flags(const NbdConn *conn, const BlockExport *exp)
{
    return exp->flags | (conn->structured ? NBD_FLAG_SEND_DF : 0);
}

/* The contexts count only for the export that they were asked for. */
static void conn_use(NbdConn *conn, BlockExport *exp)
{
    if (!conn->context_name || strcmp(conn->context_name, exp->name)) {
        conn->contexts = 0;
    }
    conn->exp = exp;
    nbd_export_get(exp);
}

static int coroutine_fn do_export_name(Option *o)
{
    g_autofree char *name = g_strndup((const char *)o->data, o->len);
    uint8_t buf[8 + 2 + 124] = { 0 };
    BlockExport *exp = find_export(o, name);

    if (!exp || o->len > NBD_MAX_STRING) {
        return -ENOENT; /* there is no way to say it */
    }
    be64_put(buf, exp->size);
    be16_put(buf + 8, conn_flags(o->conn, exp));
    conn_use(o->conn, exp);
    return nbd_write(&o->conn->st, buf, o->conn->no_zeroes ? 10 : sizeof(buf));
}

static int coroutine_fn reply_server(const Option *o, const char *name,
                                     const char *text)
{
    size_t len = strlen(name), more = text ? strlen(text) : 0;
    g_autofree uint8_t *buf = g_malloc(4 + len + more);

    be32_put(buf, len);
    memcpy(buf + 4, name, len);
    if (more) {
        memcpy(buf + 4 + len, text, more);
    }
    return reply(o, NBD_REP_SERVER, buf, 4 + len + more);
}

static int coroutine_fn do_list(Option *o)
{
    BlockExports *all = o->conn->server->all;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    int ret = 0;

    if (o->len) {
        return reply_error(o, NBD_REP_ERR_INVALID, "unexpected data");
    }
    /* Exports may come and go while a reply waits. */
    for (guint i = 0; i < all->list->len; i++) {
        BlockExport *exp = all->list->pdata[i];

        if (!exp->shutting_down) {
            g_ptr_array_add(names, g_strdup(exp->name));
            g_ptr_array_add(names, g_strdup(exp->description));
        }
    }
    for (guint i = 0; i < names->len && !ret; i += 2) {
        ret = reply_server(o, names->pdata[i], names->pdata[i + 1]);
    }
    return ret ? ret : reply(o, NBD_REP_ACK, NULL, 0);
}

/* INFO and GO ----------------------------------------------------------------
 */

static int coroutine_fn info_text(const Option *o, uint16_t type,
                                  const char *text)
{
    size_t len = strlen(text);
    g_autofree uint8_t *buf = g_malloc(2 + len);

    be16_put(buf, type);
    memcpy(buf + 2, text, len);
    return reply(o, NBD_REP_INFO, buf, 2 + len);
}

/* The replies that describe @exp, but the last. */
static int coroutine_fn send_info(const Option *o, const BlockExport *exp,
                                  unsigned wanted)
{
    g_autofree char *text = g_strdup(exp->description);
    g_autofree char *name = g_strdup(exp->name);
    uint8_t size[14], main[12];
    int ret = 0;

    be16_put(size, NBD_INFO_BLOCK_SIZE);
    be32_put(size + 2, wanted & BIT(NBD_INFO_BLOCK_SIZE) ? exp->min_block : 1);
    be32_put(size + 6, exp->pref_block);
    be32_put(size + 10, NBD_MAX_PAYLOAD);
    be16_put(main, NBD_INFO_EXPORT);
    be64_put(main + 2, exp->size);
    be16_put(main + 10, conn_flags(o->conn, exp));

    if (wanted & BIT(NBD_INFO_NAME)) {
        ret = info_text(o, NBD_INFO_NAME, name);
    }
    if (!ret && text) {
        ret = info_text(o, NBD_INFO_DESCRIPTION, text);
    }
    if (!ret) {
        ret = reply(o, NBD_REP_INFO, size, sizeof(size));
    }
    return ret ? ret : reply(o, NBD_REP_INFO, main, sizeof(main));
}

static int coroutine_fn do_info(Option *o)
{
    g_autofree char *name = take_string(o);
    unsigned wanted = 0;
    BlockExport *exp;
    uint16_t n, type;
    int ret;

    if (!name || !take_u16(o, &n) || o->len - o->pos != n * 2u) {
        return reply_error(o, NBD_REP_ERR_INVALID, "malformed request");
    }
    while (take_u16(o, &type)) {
        wanted |= type < 32 ? BIT(type) : 0;
    }
    exp = find_export(o, name);
    if (!exp) {
        g_autofree char *text =
            g_strdup_printf("export '%.100s' not present", name);

        return reply_error(o, NBD_REP_ERR_UNKNOWN, text);
    }
    nbd_export_get(exp); /* may be asked to go meanwhile */
    ret = send_info(o, exp, wanted);
    if (!ret && exp->shutting_down) {
        ret = reply_error(o, NBD_REP_ERR_SHUTDOWN, "export is going");
    } else if (!ret && o->id == NBD_OPT_GO) {
        conn_use(o->conn, exp);
        ret = reply(o, NBD_REP_ACK, NULL, 0);
    } else if (!ret) {
        ret = reply(o, NBD_REP_ACK, NULL, 0);
    }
    nbd_export_put(exp);
    return ret;
}

/* Metadata contexts ----------------------------------------------------------
 */

/* NULL: @exp has none of that number. */
static const char *context_name(const BlockExport *exp, unsigned i)
{
    if (i == NBD_CONTEXT_ALLOCATION) {
        return "base:allocation";
    }
    if (i == NBD_CONTEXT_DEPTH) {
        return exp->allocation_depth ? "qemu:allocation-depth" : NULL;
    }
    i -= NBD_CONTEXT_BITMAPS;
    return i < exp->bitmaps->len
               ? ((const NbdBitmap *)exp->bitmaps->pdata[i])->context
               : NULL;
}

/* Bits of what @query means. A namespace alone ("base:") lists what is in it,
 * and selects nothing; no query at all lists everything. */
static uint64_t match_query(const BlockExport *exp, const char *query,
                            bool list)
{
    uint64_t bits = 0;
    size_t len = query ? strlen(query) : 0;
    bool space = list && len && query[len - 1] == ':';

    for (unsigned i = 0; i < NBD_CONTEXT__MAX; i++) {
        const char *name = context_name(exp, i);

        if (name && (!query  ? list
                     : space ? g_str_has_prefix(name, query)
                             : !strcmp(name, query))) {
            bits |= BIT(i);
        }
    }
    return bits;
}

static int coroutine_fn reply_contexts(const Option *o, BlockExport *exp,
                                       uint64_t bits)
{
    int ret = 0;

    nbd_export_get(exp); /* may be asked to go meanwhile */
    for (unsigned i = 0; i < NBD_CONTEXT__MAX && !ret; i++) {
        const char *name = bits & BIT(i) ? context_name(exp, i) : NULL;
        size_t len = name ? strlen(name) : 0;
        g_autofree uint8_t *buf = g_malloc(4 + len);

        if (name) {
            /* A list is no promise to answer for them by number. */
            be32_put(buf, o->id == NBD_OPT_LIST_META_CONTEXT ? 0 : i);
            memcpy(buf + 4, name, len);
            ret = reply(o, NBD_REP_META_CONTEXT, buf, 4 + len);
        }
    }
    nbd_export_put(exp);
    return ret ? ret : reply(o, NBD_REP_ACK, NULL, 0);
}

static int coroutine_fn do_meta_context(Option *o)
{
    bool list = o->id == NBD_OPT_LIST_META_CONTEXT;
    NbdConn *conn = o->conn;
    g_autofree char *name = NULL;
    BlockExport *exp;
    uint32_t n;
    uint64_t bits = 0;

    if (!list) {
        conn->contexts = 0;
    }
    if (!conn->structured) {
        return reply_error(o, NBD_REP_ERR_INVALID,
                           "structured replies are not negotiated");
    }
    name = take_string(o);
    if (!name || !take_u32(o, &n)) {
        return reply_error(o, NBD_REP_ERR_INVALID, "malformed request");
    }
    exp = find_export(o, name);
    if (exp && !n) {
        bits = match_query(exp, NULL, list);
    }
    while (n--) {
        g_autofree char *query = take_string(o);

        if (!query) {
            return reply_error(o, NBD_REP_ERR_INVALID, "malformed query");
        }
        bits |= exp ? match_query(exp, query, list) : 0;
    }
    if (o->pos != o->len) {
        return reply_error(o, NBD_REP_ERR_INVALID, "trailing data");
    }
    if (!exp) {
        return reply_error(o, NBD_REP_ERR_UNKNOWN, "export not present");
    }
    if (!list) {
        g_free(conn->context_name);
        conn->context_name = g_steal_pointer(&name);
        conn->contexts = bits;
    }
    return reply_contexts(o, exp, bits);
}

/* The conversation -----------------------------------------------------------
 */

static int coroutine_fn do_structured(Option *o)
{
    if (o->len) {
        return reply_error(o, NBD_REP_ERR_INVALID, "unexpected data");
    }
    if (o->conn->structured) {
        return reply_error(o, NBD_REP_ERR_INVALID, "already negotiated");
    }
    o->conn->structured = true;
    return reply(o, NBD_REP_ACK, NULL, 0);
}

/* The client goes over to TLS, and must be one that may come in. */
static int coroutine_fn start_tls(Option *o)
{
    NbdConn *conn = o->conn;
    BlockGraph *g = conn->server->all->graph;
    g_autofree char *authz = g_strdup(conn->server->tls_authz);
    TlsCreds *creds = tls_creds_ref(conn->server->tls);
    g_autofree char *peer = NULL;
    autoerr Error *err = NULL;
    int ret = reply(o, NBD_REP_ACK, NULL, 0);
    bool ok = !ret && nbd_stream_start_tls(&conn->st, creds, NULL, &peer, &err);

    tls_creds_unref(creds);
    if (!ok || (authz && !authz_check(g->root, authz, peer, &err))) {
        return ret ? ret : -EPERM;
    }
    /* What was agreed on in clear is forgotten. */
    conn->tls = true;
    conn->structured = false;
    conn->contexts = 0;
    g_clear_pointer(&conn->context_name, g_free);
    return 0;
}

static int coroutine_fn do_starttls(Option *o)
{
    if (o->len) {
        return reply_error(o, NBD_REP_ERR_INVALID, "unexpected data");
    }
    if (o->conn->tls) {
        return reply_error(o, NBD_REP_ERR_INVALID, "TLS already enabled");
    }
    if (!o->conn->server->tls) {
        return reply_error(o, NBD_REP_ERR_POLICY, "TLS not configured");
    }
    return start_tls(o);
}

/* Before TLS there is little to say to a server that wants it. */
static int coroutine_fn do_option_in_clear(Option *o)
{
    switch (o->id) {
    case NBD_OPT_EXPORT_NAME:
        return -EPERM; /* there is no way to say it */
    case NBD_OPT_ABORT:
        reply(o, NBD_REP_ACK, NULL, 0);
        return -ECANCELED;
    case NBD_OPT_STARTTLS:
        return do_starttls(o);
    default:
        return reply_error(o, NBD_REP_ERR_TLS_REQD, "TLS is required");
    }
}

/* 0: go on, or on to the transmission when conn->exp is set. */
static int coroutine_fn do_option(Option *o)
{
    if (!o->conn->fixed && o->id != NBD_OPT_EXPORT_NAME) {
        return -EINVAL;
    }
    if (o->conn->server->tls && !o->conn->tls) {
        return do_option_in_clear(o);
    }
    switch (o->id) {
    case NBD_OPT_EXPORT_NAME:
        return do_export_name(o);
    case NBD_OPT_ABORT:
        reply(o, NBD_REP_ACK, NULL, 0);
        return -ECANCELED;
    case NBD_OPT_LIST:
        return do_list(o);
    case NBD_OPT_STARTTLS:
        return do_starttls(o);
    case NBD_OPT_INFO:
    case NBD_OPT_GO:
        return do_info(o);
    case NBD_OPT_STRUCTURED_REPLY:
        return do_structured(o);
    case NBD_OPT_LIST_META_CONTEXT:
    case NBD_OPT_SET_META_CONTEXT:
        return do_meta_context(o);
    default:
        return reply_error(o, NBD_REP_ERR_UNSUP, "unsupported option");
    }
}

static int coroutine_fn next_option(NbdConn *conn)
{
    uint8_t head[NBD_OPTION_SIZE];
    g_autofree uint8_t *data = NULL;
    Option o = { .conn = conn };
    uint32_t len;
    int ret = nbd_read(&conn->st, head, sizeof(head));

    if (ret < 0) {
        return ret;
    }
    len = be32_get(head + 12);
    o.id = be32_get(head + 8);
    if (be64_get(head) != NBD_OPT_MAGIC || len > NBD_MAX_PAYLOAD) {
        return -EINVAL;
    }
    if (len > OPTION_MAX) {
        ret = nbd_skip(&conn->st, len);
        if (ret < 0 || o.id == NBD_OPT_EXPORT_NAME) {
            return ret < 0 ? ret : -EINVAL;
        }
        return reply_error(&o, NBD_REP_ERR_TOO_BIG, "option is too long");
    }
    data = g_malloc(len + 1);
    ret = nbd_read(&conn->st, data, len);
    if (ret < 0) {
        return ret;
    }
    o.data = data;
    o.len = len;
    return do_option(&o);
}

int coroutine_fn nbd_handshake(NbdConn *conn)
{
    uint8_t hello[18], flags[4];
    uint32_t client;
    int ret;

    be64_put(hello, NBD_INIT_MAGIC);
    be64_put(hello + 8, NBD_OPT_MAGIC);
    be16_put(hello + 16, NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES);
    ret = nbd_write(&conn->st, hello, sizeof(hello));
    if (!ret) {
        ret = nbd_read(&conn->st, flags, sizeof(flags));
    }
    if (ret < 0) {
        return ret;
    }
    client = be32_get(flags);
    if (client & ~(uint32_t)(NBD_FIXED_NEWSTYLE | NBD_NO_ZEROES)) {
        return -EINVAL;
    }
    conn->fixed = client & NBD_FIXED_NEWSTYLE;
    conn->no_zeroes = client & NBD_NO_ZEROES;
    while (!ret && !conn->exp) {
        ret = next_option(conn);
    }
    return ret;
}
