/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-io: opening images, and other options for the open one. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/drive-int.h"
#include "qemu-io.h"
#include "qobject/keyval.h"
#include "util/error.h"

BlockNode *io_node(const IoTool *t)
{
    BlockNode *n = blk_node(t->blk);

    return n->implicit ? n->file->node : n;
}

/* Options
 * ------------------------------------------------------------------------ */

static bool add_cache_options(QDict *d, const char *mode, bool *writeback,
                              Error **errp)
{
    QDict *cache = qdict_get_dict(d, "cache");
    bool direct, no_flush;

    if (!drive_cache_mode(mode, writeback, &direct, &no_flush)) {
        return error_set(errp, "Invalid cache option: %s", mode);
    }
    if (!cache) {
        cache = qdict_new();
        qdict_put(d, "cache", cache);
    }
    qdict_put_bool(cache, "direct", direct);
    qdict_put_bool(cache, "no-flush", no_flush);
    return true;
}

static bool aio_ok(const char *mode)
{
    if (strcmp(mode, "threads") && strcmp(mode, "native") &&
        strcmp(mode, "io_uring")) {
        error_report("Invalid aio option: %s", mode);
        return false;
    }
    return true;
}

bool io_open_option(OpenArgs *a, int c)
{
    switch (c) {
    case 's':
        a->snapshot = true;
        break;
    case 'n':
        a->cache = "none";
        break;
    case 'C':
        a->copy_on_read = true;
        break;
    case 'r':
        a->read_only = true;
        break;
    case 'k':
        a->aio = "native";
        break;
    case 'i':
        if (!aio_ok(optarg)) {
            return false;
        }
        a->aio = optarg;
        break;
    case 't':
        a->cache = optarg;
        break;
    case 'd':
        a->discard = optarg;
        break;
    case 'U':
        a->force_share = true;
        break;
    default:
        return false;
    }
    return true;
}

static bool is_host_file(const char *driver)
{
    return driver &&
           (!strcmp(driver, "file") || !strcmp(driver, "host_device"));
}

/* aio=, for the host's file at the bottom. */
static void add_aio(QDict *d, const char *mode)
{
    QDict *file = qdict_get_dict(d, "file");

    if (is_host_file(qdict_get_str(d, "driver"))) {
        qdict_put_str(d, "aio", mode);
        return;
    }
    if (!file && !qdict_has(d, "file")) {
        file = qdict_new();
        qdict_put(d, "file", file);
    }
    if (file && (!qdict_has(file, "driver") ||
                 is_host_file(qdict_get_str(file, "driver")))) {
        qdict_put_str(file, "aio", mode);
    }
}

static bool add_discard(QDict *d, const char *mode, Error **errp)
{
    bool on = !strcmp(mode, "on") || !strcmp(mode, "unmap");

    if (!on && strcmp(mode, "off") && strcmp(mode, "ignore")) {
        return error_set(errp, "Invalid discard option: %s", mode);
    }
    qdict_put_str(d, "discard", on ? "unmap" : "ignore");
    return true;
}

/* key=value,... with dots that nest; a word alone is a switch. */
static QDict *parse_options(const char *text, Error **errp)
{
    g_autoptr(QDict) flat =
        text ? keyval_parse_flat(text, NULL, false, NULL, errp) : qdict_new();
    g_autoptr(QObject) nested = NULL;

    if (!flat) {
        return NULL;
    }
    /* The last value of a key counts. */
    QDICT_FOREACH(flat, e) {
        QList *list = qobject_to_list(e->value);
        QObject *last = list ? qlist_get(list, qlist_size(list) - 1) : NULL;

        if (last) {
            qdict_put(flat, e->key, qobject_ref(last));
        }
    }
    nested = qdict_crumple(flat, errp);
    return nested ? qobject_to_dict(g_steal_pointer(&nested)) : NULL;
}

static QDict *open_options(const OpenArgs *a, bool *writeback, Error **errp)
{
    const char *text = a->image_opts ? a->file : a->options;
    g_autoptr(QDict) d = parse_options(text, errp);

    *writeback = false; /* unless a mode says otherwise */
    if (!d || (a->cache && !add_cache_options(d, a->cache, writeback, errp)) ||
        (a->discard && !add_discard(d, a->discard, errp))) {
        return NULL;
    }
    if (!qdict_has(d, "discard")) {
        qdict_put_str(d, "discard", "unmap"); /* of this tool */
    }
    if (a->aio) {
        add_aio(d, a->aio);
    }
    if (!qdict_has(d, "read-only")) {
        qdict_put_str(d, "read-only", a->read_only ? "on" : "off");
    }
    if (a->force_share) {
        qdict_put_str(d, "force-share", "on");
    }
    return g_steal_pointer(&d);
}

/* Opening
 * ------------------------------------------------------------------------ */

static BlockNode *open_node(IoTool *t, const OpenArgs *a, QDict *opts,
                            Error **errp)
{
    DriveLayers layers = { .snapshot = a->snapshot,
                           .copy_on_read = a->copy_on_read };
    const char *file = a->image_opts ? NULL : a->file;
    const char *driver = qdict_get_str(opts, "driver");
    BlockNode *n;

    if (!file && !qdict_has(opts, "driver") && !qdict_has(opts, "file")) {
        error_set(errp, "Must specify either driver or file");
        return NULL;
    }
    if (driver && !block_driver_find(driver)) {
        error_set(errp, "Unknown driver '%s'", driver);
        return NULL;
    }
    drive_prepare_layers(opts, &layers);
    n = block_open_filename(t->graph, file, a->format, opts, NULL, errp);
    if (n && layers.copy_on_read && layers.read_only) {
        error_set(errp, "Can't use copy-on-read on read-only device");
        node_unref(n);
        return NULL;
    }
    return n ? drive_add_layers(t->graph, n, &layers, errp) : NULL;
}

static bool insert(IoTool *t, const OpenArgs *a, BlockNode *n, Error **errp)
{
    uint64_t perm = BLK_PERM_READ | (a->read_only ? 0 : BLK_PERM_WRITE);

    t->blk = blk_new(t->graph, perm, BLK_PERM_ALL);
    return blk_insert_node(t->blk, n, errp);
}

bool io_open(IoTool *t, const OpenArgs *a, Error **errp)
{
    g_autoptr(QDict) opts = NULL;
    bool writeback;
    BlockNode *n;

    opts = open_options(a, &writeback, errp);
    if (!opts) {
        return false;
    }
    if (t->blk) {
        return error_set(errp, "file open already, try 'help close'");
    }
    n = open_node(t, a, opts, errp);
    if (n && !insert(t, a, n, errp)) {
        io_close(t);
        node_unref(n);
        n = NULL;
    }
    if (!n) {
        return a->file && !a->image_opts
                   ? error_prefix(errp, "can't open device %s", a->file)
                   : error_prefix(errp, "can't open");
    }
    node_unref(n);
    blk_set_write_cache(t->blk, writeback);
    return true;
}

void io_close(IoTool *t)
{
    blk_unref(t->blk);
    t->blk = NULL;
}

/* Reopening
 * ---------------------------------------------------------------------- */

static bool has_any(const QDict *d, const char *group, const char *const *names)
{
    const QDict *sub = qdict_get_dict(d, group);

    for (; sub && *names; names++) {
        if (qdict_has(sub, *names)) {
            return true;
        }
    }
    return false;
}

static QDict *reopen_options(const IoTool *t, const IoReopen *r,
                             bool *writeback, Error **errp)
{
    static const char *const cache_names[] = { "direct", "no-flush", NULL };
    g_autoptr(QDict) d = parse_options(r->options, errp);

    if (!d) {
        return NULL;
    }
    if (r->writable >= 0) {
        if (qdict_has(d, "read-only")) {
            error_set(errp, "Cannot set both -r/-w and 'read-only'");
            return NULL;
        }
        qdict_put_str(d, "read-only", r->writable ? "off" : "on");
    }
    if (!r->cache) {
        return g_steal_pointer(&d);
    }
    if (has_any(d, "cache", cache_names)) {
        error_set(errp, "Cannot set both -c and the cache options");
        return NULL;
    }
    if (!add_cache_options(d, r->cache, writeback, errp)) {
        return NULL;
    }
    return g_steal_pointer(&d);
}

bool io_reopen(IoTool *t, const IoReopen *r, Error **errp)
{
    g_autoptr(QDict) d = NULL;
    bool writeback = blk_write_cache(t->blk);
    uint64_t perm = BLK_PERM_READ | BLK_PERM_WRITE;

    d = reopen_options(t, r, &writeback, errp);
    if (!d) {
        return false;
    }
    /* Nobody writes to what is about to be read-only. */
    if (!r->writable &&
        !blk_set_perm(t->blk, BLK_PERM_READ, t->blk->shared, errp)) {
        return false;
    }
    if (!block_reopen_change(io_node(t), d, errp)) {
        return false;
    }
    if (r->writable > 0 && !blk_set_perm(t->blk, perm, t->blk->shared, errp)) {
        return false;
    }
    blk_set_write_cache(t->blk, writeback);
    return true;
}
