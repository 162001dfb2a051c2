/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qcow2 format driver: opening, closing, flushing, information. The parts
 * are described in qcow2.h.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/drivers.h"
#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

/* Open
 * ------------------------------------------------------------------------------
 */

static bool coroutine_fn read_l1(QcowState *s, Error **errp)
{
    uint64_t bytes = (uint64_t)s->h.l1_size * 8, used;
    int ret;

    s->l1 = g_try_malloc0(MAX(bytes, 8));
    if (!s->l1) {
        return error_set(errp, "Could not allocate L1 table");
    }
    ret = qc_table_read_used(s, s->h.l1_offset, s->h.l1_size, s->l1, &used);
    qc_filter_make(s, &s->l2_filter, s->l1, used);
    return ret >= 0 || error_errno(errp, -ret, "Could not read L1 table");
}

static bool check_state(const QcowState *s, bool read_only, Error **errp)
{
    if ((s->h.incompat & QC_INCOMPAT_CORRUPT) && !read_only &&
        !s->n->graph->checking) {
        return error_set(errp, "qcow2: Image is corrupt; cannot be opened "
                               "read/write");
    }
    return true;
}

static bool coroutine_fn open_backing(BlockNode *n,
                                      const BlockdevOptionsQcow2 *o,
                                      Error **errp)
{
    QcowState *s = n->state;
    g_autofree char *path = NULL;

    if (o->backing && o->backing->type == QTYPE_QNULL) {
        return true;
    }
    if (o->backing) {
        BlockdevRef ref = { .type = o->backing->type };

        if (ref.type == QTYPE_QSTRING) {
            ref.u.reference = o->backing->u.reference;
        } else {
            ref.u.definition = o->backing->u.definition;
        }
        n->backing = node_open_child(n, "backing", &ref, BLOCK_ROLE_COW, errp);
        return n->backing;
    }
    if (!s->backing_name || n->graph->no_backing) {
        return true;
    }
    path = block_path_combine(block_node_path(n->file->node), s->backing_name);
    n->backing = node_open_backing(n, path, s->backing_format, errp);
    return n->backing || error_prefix(errp, "Could not open backing file");
}

/* What the image names as its data file is the path of a file or device,
 * whatever it looks like. */
static BlockEdge *coroutine_fn open_named_data_file(BlockNode *n, Error **errp)
{
    QcowState *s = n->state;
    const char *base = block_node_path(n->file->node);
    const char *slash = strrchr(base, '/');
    bool relative = slash && s->data_name[0] != '/';
    g_autofree char *path =
        g_strdup_printf("%.*s%s", relative ? (int)(slash + 1 - base) : 0, base,
                        s->data_name);
    BlockdevRef ref = {
        .type = QTYPE_QDICT,
        .u.definition.driver = block_path_driver(path)->driver,
        .u.definition.u.file.filename = path, /* devices have the same */
    };

    if (!s->data_name[0]) {
        error_set(errp, "The 'file' block driver requires a file name");
        return NULL;
    }
    return node_open_child(n, "data-file", &ref, BLOCK_ROLE_DATA, errp);
}

static bool coroutine_fn open_data_file(BlockNode *n,
                                        const BlockdevOptionsQcow2 *o,
                                        Error **errp)
{
    QcowState *s = n->state;

    if (n->graph->describing) {
        return true;
    }
    if (!s->external) {
        return !o->data_file ||
               error_set(errp, "'data-file' can only be set for images with "
                               "an external data file");
    }
    if (o->data_file) {
        s->data_file = node_open_child(n, "data-file", o->data_file,
                                       BLOCK_ROLE_DATA, errp);
    } else if (s->data_name) {
        s->data_file = open_named_data_file(n, errp);
    } else {
        error_set(errp, "'data-file' is required for this image");
    }
    return s->data_file;
}

static void say_repair(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

/* What a writer must do first: repair, and clear what it does not keep up. */
static bool coroutine_fn prepare_for_writing(QcowState *s, Error **errp)
{
    uint64_t kept =
        QC_AUTOCLEAR_BITMAPS | (s->external ? QC_AUTOCLEAR_RAW_DATA : 0);
    int ret = 0;

    if (s->n->read_only) {
        return true;
    }
    if (s->h.nb_snapshots) {
        autoerr Error *err = NULL;
        g_autoptr(GPtrArray) list = qc_snapshots_read(s, &err);

        if (list) {
            qc_overlap_set_snapshots(s, list);
        }
    }
    if (s->h.autoclear & ~kept) {
        s->h.autoclear &= kept;
        ret = qc_header_write(s);
        if (ret < 0) {
            return error_errno(errp, -ret, "Could not update qcow2 header");
        }
    }
    if ((s->h.incompat & QC_INCOMPAT_DIRTY) && !s->n->graph->checking) {
        BlockCheck result = { .say = say_repair };

        if (!qc_check(s, BLOCK_FIX_LEAKS | BLOCK_FIX_ERRORS, &result, errp)) {
            return error_prefix(errp, "Could not repair dirty image");
        }
        ret = qc_set_incompat(s, QC_INCOMPAT_DIRTY, false);
    }
    return ret >= 0 || error_errno(errp, -ret, "Could not repair dirty image");
}

static void free_state(QcowState *s)
{
    if (s->n->graph && s->clean_timer.loop) {
        loop_timer_cancel(&s->clean_timer);
    }
    qc_cache_free(s->l2c);
    qc_cache_free(s->rbc);
    co_mutex_destroy(&s->lock);
    mutex_destroy(&s->alloc_lock);
    co_epoch_destroy(&s->epoch);
    g_byte_array_free(s->extensions, TRUE);
    if (s->bitmaps.list) {
        g_ptr_array_unref(s->bitmaps.list);
    }
    qc_crypt_close(s);
    g_free(s->backing_name);
    g_free(s->backing_format);
    g_free(s->data_name);
    if (s->inactive) {
        g_array_unref(s->inactive);
    }
    qc_filter_free(s->l2_filter);
    qc_filter_free(s->refblock_filter);
    g_free(s->l1);
    g_free(s->reftable);
}

static bool coroutine_fn open_image(BlockNode *n, const BlockdevOptionsQcow2 *o,
                                    Error **errp)
{
    QcowState *s = n->state;
    QcOptions options;
    bool ok;

    if (!qc_header_read(s, errp) || !check_state(s, n->read_only, errp) ||
        !qc_options_prepare(s, o, &n->flags, &options, errp)) {
        return false;
    }
    qc_options_apply(s, &options);
    if (!read_l1(s, errp) || !qc_reftable_read(s, errp)) {
        return false;
    }
    n->length = s->h.size;
    n->zero_flags = s->h.version >= 3 ? BLK_REQ_FUA | BLK_REQ_MAY_UNMAP : 0;
    if (!qc_crypt_open(s, o->encrypt, errp) || !open_data_file(n, o, errp) ||
        !open_backing(n, o, errp)) {
        return false;
    }
    co_mutex_lock(&s->lock);
    ok = prepare_for_writing(s, errp) && qc_bitmaps_open(s, errp);
    co_mutex_unlock(&s->lock);
    return ok;
}

static bool coroutine_fn qcow2_open(BlockNode *n, const BlockdevOptions *opts,
                                    Error **errp)
{
    const BlockdevOptionsQcow2 *o = &opts->u.qcow2;
    QcowState *s = n->state;

    s->n = n;
    s->extensions = g_byte_array_new();
    co_mutex_init(&s->lock);
    mutex_init(&s->alloc_lock);
    co_epoch_init(&s->epoch);
    n->file = node_open_child(n, "file", o->file,
                              BLOCK_ROLE_DATA | BLOCK_ROLE_METADATA |
                                  BLOCK_ROLE_PRIMARY,
                              errp);
    if (!n->file || !open_image(n, o, errp)) {
        free_state(s);
        return false;
    }
    block_name_node(n, n->opts, NULL, true);
    return true;
}

/* Flush and close
 * ---------------------------------------------------------------------- */

static int coroutine_fn flush_locked(QcowState *s, bool all)
{
    int ret = qc_cache_flush(s->l2c);

    /* Lazy refcounts need not be right on disk while the dirty bit is set. */
    if (ret >= 0 && (all || !s->lazy)) {
        ret = qc_cache_flush(s->rbc);
    }
    return ret;
}

static int coroutine_fn qcow2_flush(BlockNode *n)
{
    QcowState *s = n->state;
    int ret;

    co_mutex_lock(&s->lock);
    ret = flush_locked(s, false);
    co_mutex_unlock(&s->lock);
    return ret;
}

static int coroutine_fn mark_clean(QcowState *s)
{
    int ret = flush_locked(s, true);

    if (ret >= 0) {
        ret = node_flush(s->n->file->node);
    }
    return ret < 0 ? ret : qc_set_incompat(s, QC_INCOMPAT_DIRTY, false);
}

static void coroutine_fn qcow2_close(BlockNode *n)
{
    QcowState *s = n->state;
    Error *err = NULL;
    int ret = 0;

    co_mutex_lock(&s->lock);
    if (!n->read_only && !s->corrupt) {
        if (!qc_bitmaps_store(s, &err)) {
            error_prefix(&err,
                         "Lost persistent bitmaps of node '%s' while "
                         "closing it",
                         n->name);
            error_report_err(err);
        }
        ret = mark_clean(s);
    }
    co_mutex_unlock(&s->lock);
    if (ret < 0) {
        error_report("Lost persistent metadata of node '%s' while closing it: "
                     "%s",
                     n->name, g_strerror(-ret));
    }
    free_state(s);
}

static void qcow2_refresh_limits(BlockNode *n)
{
    QcowState *s = n->state;

    n->limits.write_zeroes_alignment = s->sub_size;
    n->limits.discard_alignment = s->cluster_size;
    n->limits.max_iov = 0;
    if (s->h.crypt_method) {
        n->limits.request_alignment = MAX(n->limits.request_alignment, 512);
    }
}

static int64_t coroutine_fn qcow2_getlength(BlockNode *n)
{
    QcowState *s = n->state;

    return s->h.size;
}

/* Reopen ----------------------------------------------------------------------
 */

/* Not read-only after all. */
static void coroutine_fn write_again(BlockNode *n)
{
    QcowState *s = n->state;
    Error *err = NULL;

    co_mutex_lock(&s->lock);
    if (!n->read_only && !qc_bitmaps_write_again(s, &err)) {
        error_prefix(&err, "node '%s' stays unwritable", n->name);
        error_report_err(err);
        __atomic_store_n(&s->corrupt, true, __ATOMIC_RELAXED);
    }
    co_mutex_unlock(&s->lock);
}

static bool coroutine_fn qcow2_reopen_prepare(BlockReopen *r, Error **errp)
{
    QcowState *s = r->n->state;
    g_autofree QcOptions *options = g_new0(QcOptions, 1);
    bool ok = true;
    int ret = 0;

    if (!check_state(s, r->read_only, errp) ||
        !qc_options_prepare(s, &r->opts->u.qcow2, &r->flags, options, errp)) {
        return false;
    }
    co_mutex_lock(&s->lock);
    if (!r->n->read_only && !s->corrupt) {
        /* All that the caches hold, as they may be replaced; and nobody may
         * be left to clear the dirty bit. */
        ok = !r->read_only || qc_bitmaps_store(s, errp);
        ret = ok ? mark_clean(s) : 0;
    }
    co_mutex_unlock(&s->lock);
    if (ret < 0) {
        ok = error_errno(errp, -ret, "Could not write out metadata");
    }
    if (!ok) {
        write_again(r->n);
        qc_options_drop(options);
        return false;
    }
    r->state = g_steal_pointer(&options);
    return true;
}

static void coroutine_fn qcow2_reopen_commit(BlockReopen *r)
{
    QcowState *s = r->n->state;
    Error *err = NULL;

    co_mutex_lock(&s->lock);
    qc_options_apply(s, r->state);
    if (!prepare_for_writing(s, &err)) {
        /* Too late for the command to fail: at least nothing is damaged. */
        error_prefix(&err, "node '%s' stays unwritable", r->n->name);
        error_report_err(err);
        __atomic_store_n(&s->corrupt, true, __ATOMIC_RELAXED);
    }
    co_mutex_unlock(&s->lock);
    write_again(r->n);
    g_free(r->state);
    block_name_node(r->n, r->opts, NULL, true);
}

static void coroutine_fn qcow2_reopen_abort(BlockReopen *r)
{
    write_again(r->n);
    qc_options_drop(r->state);
    g_free(r->state);
}

static const BlockReopenOps qcow2_reopen_ops = {
    .options =
        (const char *const[]){
            "lazy-refcounts", "pass-discard-request", "pass-discard-other",
            "discard-no-unref", "pass-discard-snapshot", "overlap-check",
            "cache-size", "l2-cache-size", "l2-cache-entry-size",
            "refcount-cache-size", "cache-clean-interval", NULL },
    .prepare = qcow2_reopen_prepare,
    .commit = qcow2_reopen_commit,
    .abort = qcow2_reopen_abort,
};

/* Information
 * -------------------------------------------------------------------------- */

static ImageInfoSpecific *specific_info(QcowState *s)
{
    ImageInfoSpecific *info = g_new0(ImageInfoSpecific, 1);
    ImageInfoSpecificQCow2 *q = g_new0(ImageInfoSpecificQCow2, 1);

    info->type = IMAGE_INFO_SPECIFIC_KIND_QCOW2;
    info->u.qcow2.data = q;
    q->compat = g_strdup(s->h.version < 3 ? "0.10" : "1.1");
    q->refcount_bits = 1 << s->h.refcount_order;
    q->compression_type = s->h.compression;
    q->encrypt = qc_crypt_info(s);
    q->bitmaps = qc_bitmaps_info(s);
    q->has_bitmaps = q->bitmaps;
    if (s->h.version >= 3) {
        q->has_extended_l2 = q->has_lazy_refcounts = q->has_corrupt = true;
        q->lazy_refcounts = s->h.compat & QC_COMPAT_LAZY;
        q->corrupt = s->h.incompat & QC_INCOMPAT_CORRUPT;
        q->extended_l2 = s->extended;
        q->data_file = s->external ? g_strdup(s->data_name) : NULL;
        q->has_data_file_raw = s->external;
        q->data_file_raw = s->raw_data;
    }
    return info;
}

static void qcow2_image_info(BlockNode *n, ImageInfo *info)
{
    QcowState *s = n->state;

    info->has_encrypted = info->encrypted = s->h.crypt_method;
    info->has_cluster_size = true;
    info->cluster_size = s->cluster_size;
    info->has_dirty_flag = true;
    info->dirty_flag = s->h.incompat & QC_INCOMPAT_DIRTY;
    info->format_specific = specific_info(s);
    info->snapshots = qc_snapshot_list(s);
    info->has_snapshots = info->snapshots;
    if (s->backing_name) {
        info->backing_filename = g_strdup(s->backing_name);
        info->full_backing_filename =
            block_path_combine(block_node_path(n), s->backing_name);
        info->backing_filename_format = g_strdup(s->backing_format);
    }
}

/* Maintenance
 * ----------------------------------------------------------------------
 */

static bool coroutine_fn qcow2_check(BlockNode *n, unsigned fix,
                                     BlockCheck *result, Error **errp)
{
    QcowState *s = n->state;
    bool ok;
    int ret = 0;

    co_mutex_lock(&s->lock);
    ok = qc_check(s, fix, result, errp);
    if (ok && fix && !result->check_errors && !result->corruptions) {
        /* As good as new. */
        ret = mark_clean(s);
        if (ret >= 0) {
            ret = qc_set_incompat(s, QC_INCOMPAT_CORRUPT, false);
        }
    }
    co_mutex_unlock(&s->lock);
    return ret >= 0 ? ok : error_errno(errp, -ret, "Check failed");
}

static int coroutine_fn qcow2_change_backing(BlockNode *n, const char *filename,
                                             const char *format)
{
    QcowState *s = n->state;
    g_autofree char *old_name = s->backing_name;
    g_autofree char *old_format = s->backing_format;
    int ret;

    if (filename && (strlen(filename) > 1023 || s->raw_data)) {
        return -EINVAL;
    }
    s->backing_name = g_strdup(filename);
    s->backing_format = filename ? g_strdup(format) : NULL;
    co_mutex_lock(&s->lock);
    ret = qc_header_write(s);
    co_mutex_unlock(&s->lock);
    if (ret < 0) {
        g_free(s->backing_name);
        g_free(s->backing_format);
        s->backing_name = g_steal_pointer(&old_name);
        s->backing_format = g_steal_pointer(&old_format);
    }
    return ret;
}

static const BlockImageOps qcow2_image_ops = {
    .check = qcow2_check,
    .change_backing = qcow2_change_backing,
    .make_empty = qc_make_empty,
    .amend = qc_amend,
    .amend_options = qc_amend_options,
};

static const BlockIoOps qcow2_io_ops = {
    .preadv = qc_preadv,
    .pwritev = qc_pwritev,
    .pwrite_compressed = qc_pwrite_compressed,
    .pwrite_zeroes = qc_pwrite_zeroes,
    .pdiscard = qc_pdiscard,
    .flush = qcow2_flush,
    .block_status = qc_block_status,
};

static const BlockSizeOps qcow2_size_ops = {
    .preallocate = qc_preallocate_space,
    .getlength = qcow2_getlength,
    .truncate = qc_truncate,
};

static const BlockInfoOps qcow2_info_ops = {
    .image = qcow2_image_info,
};

const BlockDriver block_driver_qcow2 = {
    .name = "qcow2",
    .driver = BLOCKDEV_DRIVER_QCOW2,
    .state_size = sizeof(QcowState),
    .probe = qc_probe,
    .open = qcow2_open,
    .close = qcow2_close,
    .refresh_limits = qcow2_refresh_limits,
    .change_backing = qc_change_backing,
    .io = &qcow2_io_ops,
    .size = &qcow2_size_ops,
    .info = &qcow2_info_ops,
    .reopen = &qcow2_reopen_ops,
    .image = &qcow2_image_ops,
    .snapshot = &qc_snapshot_ops,
    .bitmap = &qc_bitmap_ops,
    .vmstate = &qc_vmstate_ops,
    .create = &qcow2_create_ops,
};
