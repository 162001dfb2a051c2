/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -drive: a mix of options for the image, its host file, the backend and the
 * device, all in one key=value text.
 * Spec: QEMU 7.2 manual, "Block device options".
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/blk-stats.h"
#include "block/block-int.h"
#include "block/drive-int.h"
#include "qapi/qapi-types-block-core.h"
#include "qobject/keyval.h"
#include "util/error.h"

bool drive_cache_mode(const char *mode, bool *writeback, bool *direct,
                      bool *no_flush)
{
    static const struct {
        const char *name;
        bool writeback, direct, no_flush;
    } modes[] = {
        { "writeback", true, false, false },
        { "none", true, true, false },
        { "off", true, true, false },
        { "writethrough", false, false, false },
        { "directsync", false, true, false },
        { "unsafe", true, false, true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        if (!strcmp(mode, modes[i].name)) {
            *writeback = modes[i].writeback;
            *direct = modes[i].direct;
            *no_flush = modes[i].no_flush;
            return true;
        }
    }
    return false;
}

/* Taking options out of the dict
 * ---------------------------------------------------- */

/* The last value of @key, taken out; to be freed. NULL: absent. */
char *drive_take(QDict *d, const char *key)
{
    g_autoptr(QObject) v = qdict_take(d, key);
    QList *l = v ? qobject_to_list(v) : NULL;

    if (l && qlist_size(l)) {
        return g_strdup(qobject_get_str(qlist_get(l, qlist_size(l) - 1)));
    }
    return v ? g_strdup(qobject_get_str(v)) : NULL;
}

static bool take_bool(QDict *d, const char *key, bool *v, Error **errp)
{
    g_autofree char *text = drive_take(d, key);

    if (text && !parse_bool(text, v)) {
        return error_set(errp, "Parameter '%s' expects 'on' or 'off'", key);
    }
    return true;
}

static bool take_on_error(QDict *d, const char *key, BlkErrorPolicy *policy,
                          bool is_read, Error **errp)
{
    g_autofree char *text = drive_take(d, key);

    if (!text) {
        return true;
    }
    if (!strcmp(text, "ignore")) {
        *policy = BLK_ON_ERROR_IGNORE;
    } else if (!strcmp(text, "report")) {
        *policy = BLK_ON_ERROR_REPORT;
    } else if (!strcmp(text, "stop")) {
        *policy = BLK_ON_ERROR_STOP;
    } else if (!strcmp(text, "enospc") && !is_read) {
        *policy = BLK_ON_ERROR_ENOSPC;
    } else {
        return error_set(errp, "'%s' invalid %s error action", text,
                         is_read ? "read" : "write");
    }
    return true;
}

static bool take_interval(QDict *d, BlockBackend *blk, unsigned i, bool *last,
                          Error **errp)
{
    g_autofree char *key = g_strdup_printf("stats-intervals.%u", i);
    g_autofree char *text = drive_take(d, key);
    int64_t seconds;

    *last = !text;
    return *last ||
           (parse_int64(text, &seconds)
                ? blk_stats_add_interval(blk, seconds, errp)
                : error_set(errp, "Invalid interval length: '%s'", text));
}

/* What is counted, and how. */
static bool take_stats(QDict *d, BlockBackend *blk, Error **errp)
{
    bool failed = true, invalid = true, last = false;

    if (!take_bool(d, "stats-account-failed", &failed, errp) ||
        !take_bool(d, "stats-account-invalid", &invalid, errp)) {
        return false;
    }
    blk_acct_ignore(blk, !failed, !invalid);
    for (unsigned i = 0; !last; i++) {
        if (!take_interval(d, blk, i, &last, errp)) {
            return false;
        }
    }
    return true;
}

/* Image options: rename what -drive calls otherwise than the schema
 * ---------------- */

static void put_bool(QDict *d, const char *key, bool v)
{
    qdict_put_str(d, key, v ? "on" : "off");
}

static bool translate_cache(QDict *d, bool *writeback, Error **errp)
{
    g_autofree char *mode = drive_take(d, "cache");
    bool direct, no_flush;

    *writeback = true;
    if (mode) {
        if (!drive_cache_mode(mode, writeback, &direct, &no_flush)) {
            return error_set(errp, "invalid cache option");
        }
        if (!qdict_has(d, "cache.direct")) {
            put_bool(d, "cache.direct", direct);
        }
        if (!qdict_has(d, "cache.no-flush")) {
            put_bool(d, "cache.no-flush", no_flush);
        }
    }
    return take_bool(d, "cache.writeback", writeback, errp);
}

static bool translate_discard(QDict *d, Error **errp)
{
    g_autofree char *mode = drive_take(d, "discard");

    if (!mode) {
        return true;
    }
    if (!strcmp(mode, "on") || !strcmp(mode, "unmap")) {
        qdict_put_str(d, "discard", "unmap");
    } else if (!strcmp(mode, "off") || !strcmp(mode, "ignore")) {
        qdict_put_str(d, "discard", "ignore");
    } else {
        return error_set(errp, "Invalid discard option");
    }
    return true;
}

/* Options of the host file that -drive takes without "file.". */
static void translate_file_options(QDict *d)
{
    static const char *const names[] = { "aio", "locking", "filename" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        g_autofree char *v = drive_take(d, names[i]);
        g_autofree char *key = g_strdup_printf("file.%s", names[i]);

        if (v && !qdict_has(d, key)) {
            qdict_put_str(d, key, v);
        }
    }
}

/* A protocol driver right below the backend has no "file.". */
static void fold_file_options(QDict *d)
{
    const char *driver = qdict_get_str(d, "driver");
    const BlockDriver *drv = driver ? block_driver_find(driver) : NULL;

    if (drv && drv->protocol) {
        g_autoptr(QDict) sub = qdict_extract_prefix(d, "file.");

        qdict_join(d, sub, false);
    }
}

static bool translate_image(QDict *d, DriveInfo *info, bool snapshot,
                            bool *writeback, DriveLayers *layers, Error **errp)
{
    g_autofree char *format = drive_take(d, "format");
    g_autofree char *read_only = drive_take(d, "readonly");
    bool ro = info->cdrom;

    *layers = (DriveLayers){ .snapshot = snapshot };
    if (!take_bool(d, "snapshot", &layers->snapshot, errp) ||
        !take_bool(d, "copy-on-read", &layers->copy_on_read, errp)) {
        return false;
    }
    if (format) {
        qdict_put_str(d, "driver", format);
    }
    if (read_only && !qdict_has(d, "read-only")) {
        qdict_put_str(d, "read-only", read_only);
    }
    if (!translate_cache(d, writeback, errp) || !translate_discard(d, errp) ||
        !take_bool(d, "read-only", &ro, errp)) {
        return false;
    }
    info->read_only = ro;
    put_bool(d, "read-only", ro);
    /* Without a word on it, files that cannot be written open read-only. */
    if (!qdict_has(d, "auto-read-only")) {
        put_bool(d, "auto-read-only", !ro);
    }
    translate_file_options(d);
    fold_file_options(d);
    return true;
}

/* Adding
 * -------------------------------------------------------------------------------
 */

static bool open_image(BlockGraph *g, DriveInfo *info, QDict *flat,
                       const char *file, DriveLayers *layers, Error **errp)
{
    g_autoptr(QObject) nested = NULL;
    BlockNode *n;
    bool ok;

    drive_prepare_layers(flat, layers);
    nested = qdict_crumple(flat, errp);
    if (!nested) {
        return false;
    }
    n = block_open_filename(g, file, NULL, qobject_to_dict(nested), NULL, errp);
    if (!n) {
        return error_prefix(errp, "%s", file ? file : "drive");
    }
    n = drive_add_layers(g, n, layers, errp);
    if (!n) {
        return false;
    }
    if (n->read_only) {
        info->read_only = true;
    }
    ok = blk_insert_node(info->blk, n, errp);
    node_unref(n);
    return ok;
}

static bool drive_configure(BlockGraph *g, DriveInfo *info, QDict *d,
                            Error **errp)
{
    g_autofree char *file = drive_take(d, "file");
    g_autofree char *group = NULL;
    ThrottleConfig limits;
    DriveLayers layers;
    BlkErrorPolicy rerror = BLK_ON_ERROR_REPORT, werror = BLK_ON_ERROR_ENOSPC;
    bool writeback;

    if (file && !*file) {
        g_clear_pointer(&file, g_free);
    }
    if (!drive_choose_place(g, d, info, errp) ||
        !drive_choose_id(g, d, info, errp) ||
        !take_on_error(d, "rerror", &rerror, true, errp) ||
        !take_on_error(d, "werror", &werror, false, errp) ||
        !take_stats(d, info->blk, errp) ||
        !drive_take_throttling(d, &limits, &group, errp) ||
        !translate_image(d, info, g->snapshot, &writeback, &layers, errp)) {
        return false;
    }
    blk_set_on_error(info->blk, rerror, werror);
    blk_set_write_cache(info->blk, writeback);
    info->blk->want_read_only = info->read_only;
    if (!blk_set_throttle(info->blk, &limits, group, errp)) {
        return false;
    }
    if (file || qdict_has(d, "driver") || qdict_has(d, "file.driver") ||
        qdict_has(d, "file.filename")) {
        return open_image(g, info, d, file, &layers, errp);
    }
    /* An empty drive. */
    info->blk->removable = true;
    return true;
}

static DriveInfo *drive_add_dict(BlockGraph *g, QDict *d, Error **errp)
{
    DriveInfo *info = g_new0(DriveInfo, 1);
    BlockBackend *blk = blk_new(g, BLK_PERM_READ, BLK_PERM_ALL);

    info->blk = blk;
    info->bus = info->unit = info->index = -1;
    blk->drive = info;
    blk->monitor_owned = true;
    if (!drive_configure(g, info, d, errp)) {
        blk_unref(blk);
        return NULL;
    }
    return info;
}

DriveInfo *drive_add(BlockGraph *g, const char *optarg, Error **errp)
{
    g_autoptr(QDict) d = keyval_parse_flat(optarg, NULL, true, NULL, errp);

    return d ? drive_add_dict(g, d, errp) : NULL;
}

DriveInfo *drive_add_file(BlockGraph *g, const char *filename, const char *more,
                          Error **errp)
{
    g_autoptr(QDict) d = keyval_parse_flat(more, NULL, true, NULL, errp);

    if (!d) {
        return NULL;
    }
    qdict_put_str(d, "file", filename);
    return drive_add_dict(g, d, errp);
}

void drive_info_free(DriveInfo *d)
{
    g_free(d);
}

DriveInfo *drive_info(BlockBackend *blk)
{
    return blk->drive;
}

DriveInfo *drive_next(BlockGraph *g, DriveIf type, DriveInfo *prev)
{
    bool seen = !prev;

    for (guint i = 0; i < g->blks->len; i++) {
        BlockBackend *blk = g->blks->pdata[i];

        if (seen && blk->drive && blk->drive->type == type) {
            return blk->drive;
        }
        seen = seen || (blk->drive && blk->drive == prev);
    }
    return NULL;
}

/* -blockdev
 * ------------------------------------------------------------------------------
 */

bool blockdev_add(BlockGraph *g, const BlockdevOptions *opts, Error **errp)
{
    BlockNode *n;

    if (!opts->node_name) {
        return error_set(errp, "'node-name' must be specified for the root "
                               "node");
    }
    n = block_open(g, opts, NULL, errp);
    if (!n) {
        return false;
    }
    n->monitor_owned = true;
    return true;
}

bool blockdev_add_option(BlockGraph *g, const char *optarg, Error **errp)
{
    g_autoptr(BlockdevOptions) opts =
        qapi_parse_option(&qapi_type_BlockdevOptions, optarg, "driver", errp);

    return opts && blockdev_add(g, opts, errp);
}
