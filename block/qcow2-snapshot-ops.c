/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making, applying and removing internal snapshots of a qcow2 image: a snapshot
 * is a copy of the L1 table; what it refers to gets one reference more, and the
 * active tables lose their "copied" flags for it.
 *
 * Order on disk, so that a crash leaks clusters but never shares them unknown:
 * increased counts and cleared flags, then the table that makes a snapshot
 * visible; a removed snapshot leaves the table before counts decrease. Flags
 * and counts cannot change at once: meanwhile the image is called dirty, so
 * that whoever opens it after a crash makes them agree. Version 2 has no such
 * bit, there a check may have to. Spec: the qcow2 specification, section
 * Snapshots.
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "qobject/keyval.h"
#include "util/error.h"

static int coroutine_fn write_out_tables(QcowState *s)
{
    int ret = qc_cache_flush(s->l2c);

    return ret < 0 ? ret : qc_cache_flush(s->rbc);
}

static int coroutine_fn flush_tables(QcowState *s)
{
    int ret = write_out_tables(s);

    return ret < 0 ? ret : node_flush(s->n->file->node);
}

/* Something failed half way: make the counts fit what is there. */
static void coroutine_fn recount(QcowState *s)
{
    autoerr Error *err = NULL;
    BlockCheck result = { 0 };

    if (!s->corrupt &&
        !qc_check(s, BLOCK_FIX_LEAKS | BLOCK_FIX_ERRORS, &result, &err)) {
        error_report("clusters may have leaked: %s", error_text(err));
    }
}

/* The image is dirty from now on, unless it is already: *marked false. */
static int coroutine_fn begin_change(QcowState *s, bool *marked)
{
    *marked = s->h.version >= 3 && !(s->h.incompat & QC_INCOMPAT_DIRTY);
    return *marked ? qc_set_incompat(s, QC_INCOMPAT_DIRTY, true) : 0;
}

static int coroutine_fn end_change(QcowState *s, bool marked, int ret)
{
    int done;

    if (ret < 0) {
        recount(s);
    }
    done = flush_tables(s);
    if (done >= 0 && marked) {
        done = qc_set_incompat(s, QC_INCOMPAT_DIRTY, false);
    }
    return MIN(ret, done);
}

/* L1 tables on disk
 * ------------------------------------------------------------- */

static bool good_table(const QcowState *s, const QcSnapshot *sn)
{
    return (uint64_t)sn->l1_size * 8 <= QC_MAX_L1_BYTES &&
           !(sn->l1_offset & (s->cluster_size - 1));
}

/* Entries of an L1 table for @sn; 0: there is none so long. */
static uint64_t table_entries(const QcowState *s, const QcSnapshot *sn)
{
    uint64_t need =
        DIV_ROUND_UP(sn->disk_size, BIT(s->l2_bits + s->cluster_bits));

    need = MAX(MAX(need, sn->l1_size), 1);
    return sn->disk_size > (uint64_t)BLK_MAX_LENGTH ||
                   need > QC_MAX_L1_BYTES / 8
               ? 0
               : need;
}

/* Let s->l1, which has room, be the table of @n entries at @offset. */
static int coroutine_fn load_l1(QcowState *s, uint64_t offset, uint32_t n)
{
    int ret;

    for (uint32_t i = 0; i < s->h.l1_size; i++) {
        if (s->l1[i]) { /* else memory may not have been used yet */
            s->l1[i] = 0;
        }
    }
    ret = qc_table_read(s, offset, n, s->l1);
    /* No request is under way: not two of them at once. */
    qc_filter_free(s->l2_filter);
    s->l2_filter = NULL;
    qc_filter_make(s, &s->l2_filter, s->l1, MAX(n, s->h.l1_size));
    return ret;
}

/* The same; when it fails, the active table is there again. */
static int coroutine_fn try_load_l1(QcowState *s, uint64_t offset, uint32_t n)
{
    int ret = load_l1(s, offset, n);

    if (ret < 0 && load_l1(s, s->h.l1_offset, s->h.l1_size) < 0) {
        error_report("The L1 table cannot be read: the image is not written "
                     "any more");
        __atomic_store_n(&s->corrupt, true, __ATOMIC_RELAXED);
    }
    return ret;
}

/* Create
 * ------------------------------------------------------------------------- */

static char *new_id(const GPtrArray *list)
{
    uint64_t max = 0, v;

    for (guint i = 0; i < list->len; i++) {
        if (parse_uint64(((QcSnapshot *)list->pdata[i])->id, &v)) {
            max = MAX(max, v);
        }
    }
    return g_strdup_printf("%" PRIu64, max + 1);
}

static QcSnapshot *describe(const QcowState *s, const SnapshotInfo *info)
{
    QcSnapshot *sn = g_new0(QcSnapshot, 1);

    sn->id = g_strdup(info->id);
    sn->name = g_strdup(info->name);
    sn->date_sec = info->date_sec;
    sn->date_nsec = info->date_nsec;
    sn->vm_clock_nsec =
        (uint64_t)info->vm_clock_sec * 1000000000 + info->vm_clock_nsec;
    sn->vm_state_size = info->vm_state_size;
    sn->disk_size = s->h.size;
    sn->icount = info->has_icount ? (uint64_t)info->icount : UINT64_MAX;
    sn->extra_size = QC_SNAPSHOT_EXTRA_MIN;
    sn->l1_size = s->h.l1_size;
    return sn;
}

static int coroutine_fn create_locked(QcowState *s, SnapshotInfo *info)
{
    int64_t bytes = ALIGN_UP((int64_t)s->h.l1_size * 8, s->cluster_size);
    int64_t got, offset;
    autoerr Error *err = NULL;
    g_autoptr(GPtrArray) list = qc_snapshots_read(s, &err);
    QcSnapshot *sn;
    bool marked;
    int ret;

    if (!list) {
        return -EINVAL;
    }
    if (list->len >= QC_MAX_SNAPSHOTS) {
        return -EFBIG;
    }
    g_free(info->id);
    info->id = new_id(list);
    sn = describe(s, info);
    g_ptr_array_add(list, sn);
    offset = bytes ? qc_alloc(s, bytes, true, &got) : 0;
    if (offset < 0) {
        return offset;
    }
    sn->l1_offset = offset;
    ret = begin_change(s, &marked);
    if (ret >= 0) {
        ret = write_out_tables(s);
    }
    if (ret >= 0) {
        ret = qc_tree_active(s, 1);
    }
    if (ret >= 0) {
        ret = qc_table_write(s, offset, s->h.l1_size, s->l1);
    }
    if (ret >= 0) {
        ret = write_out_tables(s);
    }
    if (ret >= 0) {
        /* Flushes all that before it writes where its table is. */
        ret = qc_snapshots_write(s, list);
    }
    if (ret < 0) {
        qc_free(s, offset, bytes, false);
    }
    return end_change(s, marked, ret);
}

static int coroutine_fn snapshot_create(BlockNode *n, SnapshotInfo *info)
{
    QcowState *s = n->state;
    int ret = -EIO;

    if (strlen(info->name) > UINT16_MAX) {
        return -EINVAL;
    }
    if (s->external) {
        return -ENOTSUP; /* there is one place only for each cluster's data */
    }
    co_mutex_lock(&s->lock);
    if (!s->corrupt) {
        ret = create_locked(s, info);
    }
    co_mutex_unlock(&s->lock);
    return ret;
}

/* Apply
 * -------------------------------------------------------------------------- */

static QcSnapshot *find(const GPtrArray *list, const char *id, guint *index)
{
    for (guint i = 0; list && i < list->len; i++) {
        QcSnapshot *sn = list->pdata[i];

        if (!strcmp(sn->id, id)) {
            *index = i;
            return sn;
        }
    }
    return NULL;
}

/* A copy of the table of @sn, with @n entries, at @to. */
static int coroutine_fn copy_l1(QcowState *s, const QcSnapshot *sn, uint64_t n,
                                uint64_t to)
{
    g_autofree uint64_t *l1 = g_new(uint64_t, QC_TABLE_PIECE);
    int ret = 0;

    for (uint64_t at = 0; at < n && ret >= 0; at += QC_TABLE_PIECE) {
        uint64_t len = MIN(n - at, (uint64_t)QC_TABLE_PIECE);

        memset(l1, 0, len * sizeof(*l1));
        if (at < sn->l1_size) {
            ret = qc_table_read(s, sn->l1_offset + at * 8,
                                MIN(len, sn->l1_size - at), l1);
        }
        for (uint64_t i = 0; i < len; i++) {
            l1[i] &= ~QC_COPIED;
        }
        if (ret >= 0) {
            ret = qc_table_write(s, to + at * 8, len, l1);
        }
    }
    return ret;
}

/* One write makes the table at @offset the active one, which s->l1 is already,
 * and the disk as large as it was then. */
static int coroutine_fn activate(QcowState *s, const QcSnapshot *sn,
                                 uint64_t offset, uint32_t n)
{
    struct __attribute__((packed)) {
        uint64_t size;
        uint32_t crypt_method, l1_size;
        uint64_t l1_offset;
    } field = { htobe64(sn->disk_size), htobe32(s->h.crypt_method), htobe32(n),
                htobe64(offset) };
    int ret = node_pwrite(s->n->file->node, 24, sizeof(field), &field, 0);

    return ret < 0 ? ret : node_flush(s->n->file->node);
}

/* Let the active table be the copy at @offset, whose references are counted
 * already; nothing refers to the old one. */
static int coroutine_fn switch_l1(QcowState *s, const QcSnapshot *sn,
                                  uint64_t offset, uint32_t n)
{
    uint64_t old_offset = s->h.l1_offset;
    uint32_t old_n = s->h.l1_size;
    int ret = flush_tables(s);

    if (ret >= 0) {
        ret = qc_l1_reserve(s, n);
    }
    if (ret >= 0) {
        ret = try_load_l1(s, offset, n);
    }
    if (ret < 0) {
        return ret;
    }
    ret = activate(s, sn, offset, n);
    if (ret < 0) {
        try_load_l1(s, old_offset, old_n);
        return ret;
    }
    s->h.l1_offset = offset;
    s->h.l1_size = n;
    s->h.size = sn->disk_size;
    ret = qc_tree_change(s, old_offset, old_n, -1);
    if (ret >= 0) {
        qc_free(s, old_offset, old_n * UINT64_C(8), false);
        ret = qc_tree_active(s, 0);
    }
    return ret < 0 ? ret : flush_tables(s);
}

static int coroutine_fn apply_locked(QcowState *s, const QcSnapshot *sn)
{
    uint64_t n = table_entries(s, sn);
    int64_t offset, got, bytes;
    int ret = good_table(s, sn) ? 0 : -EIO;

    if (ret < 0 || !n) {
        return ret < 0 ? ret : -EFBIG;
    }
    n = MAX(n, s->h.l1_size);
    bytes = ALIGN_UP((int64_t)n * 8, s->cluster_size);
    offset = qc_alloc(s, bytes, true, &got);
    if (offset < 0) {
        return offset;
    }
    ret = flush_tables(s);
    if (ret >= 0) {
        ret = qc_tree_change(s, sn->l1_offset, sn->l1_size, 1);
    }
    if (ret >= 0) {
        ret = copy_l1(s, sn, n, offset);
    }
    if (ret >= 0) {
        ret = switch_l1(s, sn, offset, n);
    }
    if (ret < 0) {
        if (s->h.l1_offset != (uint64_t)offset) {
            qc_free(s, offset, bytes, false);
        }
        recount(s);
    }
    return ret;
}

static bool coroutine_fn snapshot_apply(BlockNode *n, const char *id,
                                        Error **errp)
{
    QcowState *s = n->state;
    g_autoptr(GPtrArray) list = qc_snapshots_read(s, errp);
    QcSnapshot *sn;
    guint index;
    int ret = -EIO;

    if (!list) {
        return false;
    }
    if (n->bitmaps) {
        /* They do not know what changes. */
        return error_set(errp, "Device has active dirty bitmaps");
    }
    if (s->external) {
        return error_errno(errp, ENOTSUP, "Failed to load snapshot");
    }
    sn = find(list, id, &index);
    if (!sn) {
        return error_errno(errp, ENOENT, "Failed to load snapshot");
    }
    co_mutex_lock(&s->lock);
    if (!s->corrupt) {
        ret = apply_locked(s, sn);
    }
    co_mutex_unlock(&s->lock);
    node_set_length(n, s->h.size);
    return ret >= 0 || error_errno(errp, -ret, "Failed to load snapshot");
}

/* Remove
 * ------------------------------------------------------------------------- */

static int coroutine_fn remove_locked(QcowState *s, GPtrArray *list,
                                      guint index)
{
    QcSnapshot *sn = list->pdata[index];
    bool marked;
    int ret = good_table(s, sn) ? begin_change(s, &marked) : -EIO;

    if (ret < 0) {
        return ret;
    }
    g_ptr_array_steal_index(list, index);
    ret = write_out_tables(s);
    if (ret >= 0) {
        ret = qc_snapshots_write(s, list);
    }
    if (ret >= 0) {
        ret = qc_tree_change(s, sn->l1_offset, sn->l1_size, -1);
        qc_free(s, sn->l1_offset, (uint64_t)sn->l1_size * 8,
                s->discard_snapshot);
    }
    if (ret >= 0) {
        ret = qc_tree_active(s, 0);
    }
    qc_snapshot_free(sn);
    return end_change(s, marked, ret);
}

static bool coroutine_fn snapshot_remove(BlockNode *n, const char *id,
                                         Error **errp)
{
    QcowState *s = n->state;
    g_autoptr(GPtrArray) list = qc_snapshots_read(s, errp);
    guint index;
    int ret = -EIO;

    if (!list) {
        return false;
    }
    if (s->external) {
        return error_errno(errp, ENOTSUP, "Failed to delete snapshot");
    }
    if (!find(list, id, &index)) {
        return error_set(errp, "snapshot not found");
    }
    co_mutex_lock(&s->lock);
    if (!s->corrupt) {
        ret = remove_locked(s, list, index);
    }
    co_mutex_unlock(&s->lock);
    return ret >= 0 || error_errno(errp, -ret, "Failed to delete snapshot");
}

/* View
 * ---------------------------------------------------------------------------
 */

static bool coroutine_fn snapshot_view(BlockNode *n, const char *id,
                                       Error **errp)
{
    QcowState *s = n->state;
    g_autoptr(GPtrArray) list = qc_snapshots_read(s, errp);
    const QcSnapshot *sn;
    uint64_t entries;
    guint index;
    int ret;

    if (!list) {
        return false;
    }
    sn = find(list, id, &index);
    if (!sn) {
        return error_set(errp, "Can't find snapshot");
    }
    if (!n->read_only) {
        return error_set(errp, "the image is open for writing");
    }
    entries = table_entries(s, sn);
    if (!entries) {
        return error_set(errp, "The snapshot is too big");
    }
    co_mutex_lock(&s->lock);
    ret = good_table(s, sn) ? qc_l1_reserve(s, entries) : -EIO;
    if (ret >= 0) {
        ret = try_load_l1(s, sn->l1_offset, sn->l1_size);
    }
    if (ret >= 0) {
        s->h.l1_size = MAX(entries, s->h.l1_size);
        s->h.size = sn->disk_size;
    }
    co_mutex_unlock(&s->lock);
    node_set_length(n, s->h.size);
    return ret >= 0 ||
           error_errno(errp, -ret, "Failed to read the snapshot's table");
}

const BlockSnapshotOps qc_snapshot_ops = {
    .create = snapshot_create,
    .apply = snapshot_apply,
    .remove = snapshot_remove,
    .view = snapshot_view,
};
