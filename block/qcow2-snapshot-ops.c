/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making, applying and removing internal snapshots of a qcow2 image: a snapshot
 * is a copy of the L1 table; what it refers to gets one reference more, and the
 * active tables lose their "copied" flags for it.
 *
 * Order on disk, so that a crash leaks clusters but never shares them unknown:
 * increased counts and cleared flags, then the table that makes a snapshot
 * visible; a removed snapshot leaves the table before counts decrease.
 * Spec: the qcow2 specification, section Snapshots.
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "qobject/keyval.h"
#include "util/error.h"

/* Reference trees
 * --------------------------------------------------------------- */

typedef struct Tree {
    QcowState *s;
    uint64_t *l1; /* host byte order */
    uint32_t l1_size;
    int delta;   /* of all counts: -1, 0, 1 */
    bool active; /* set the "copied" flags of the tables as counts say */
    uint64_t *l2;
    /* A run of clusters whose counts are still to be changed. */
    uint64_t run, run_bytes;
} Tree;

static int coroutine_fn end_run(Tree *t)
{
    int ret = 0;

    if (t->run_bytes) {
        ret = qc_refcount_change(t->s, t->run, t->run_bytes, t->delta > 0,
                                 t->s->discard_snapshot);
    }
    t->run_bytes = 0;
    return ret;
}

static int coroutine_fn change_range(Tree *t, uint64_t offset, uint64_t bytes,
                                     bool joins)
{
    int ret = 0;

    if (!t->delta) {
        return 0;
    }
    if (!joins || offset != t->run + t->run_bytes || !t->run_bytes) {
        ret = end_run(t);
        t->run = offset;
    }
    t->run_bytes += bytes;
    return ret < 0 || joins ? ret : end_run(t);
}

static int coroutine_fn change_entry(Tree *t, uint64_t entry)
{
    QcowState *s = t->s;
    uint64_t offset, bytes;

    if (entry & QC_COMPRESSED) {
        /* Shares its clusters with others: each on its own. */
        bytes = qc_compressed_extent(s, entry, &offset);
        return change_range(t, offset, bytes, false);
    }
    if (!qc_has_host(s, entry)) {
        return 0;
    }
    offset = entry & QC_OFFSET_MASK;
    if (offset & (s->cluster_size - 1)) {
        return qc_corrupt(s, true, offset,
                          "Cluster allocation offset %#" PRIx64 " unaligned",
                          offset);
    }
    return change_range(t, offset, s->cluster_size, true);
}

/* @entry with the flag that its cluster's count asks for. */
static int coroutine_fn flag_entry(Tree *t, uint64_t *entry, bool *changed)
{
    uint64_t count, old = *entry;
    int ret =
        qc_refcount_get(t->s, (old & QC_OFFSET_MASK) >> t->s->cluster_bits,
                        &count);

    if (ret >= 0) {
        *entry = count == 1 ? old | QC_COPIED : old & ~QC_COPIED;
        *changed = *changed || *entry != old;
    }
    return ret;
}

static int coroutine_fn flag_l2(Tree *t, bool *changed)
{
    QcowState *s = t->s;
    int ret = 0;

    for (unsigned i = 0; i < BIT(s->l2_bits) && ret >= 0; i++) {
        uint64_t entry = qc_entry_get(s, t->l2, i).desc;

        if (qc_has_host(s, entry)) {
            ret = flag_entry(t, &entry, changed);
            t->l2[(uint64_t)i << (s->entry_bits - 3)] = htobe64(entry);
        }
    }
    return ret;
}

static int coroutine_fn write_l2(Tree *t, uint64_t offset)
{
    QcowState *s = t->s;
    int ret = qc_check_overlap(s, QC_OVERLAP_ACTIVE_L2 | QC_OVERLAP_INACTIVE_L2,
                               offset, s->cluster_size);

    if (ret >= 0) {
        ret = node_pwrite(s->n->file->node, offset, s->cluster_size, t->l2, 0);
    }
    qc_cache_forget(s->l2c, offset, s->cluster_size);
    return ret;
}

static int coroutine_fn walk_l2(Tree *t, uint32_t i)
{
    QcowState *s = t->s;
    uint64_t offset = t->l1[i] & QC_OFFSET_MASK;
    bool changed = false, l1_changed = false;
    int ret;

    if (offset & (s->cluster_size - 1)) {
        return qc_corrupt(s, true, offset,
                          "L2 table offset %#" PRIx64
                          " unaligned (L1 index: %#" PRIx32 ")",
                          offset, i);
    }
    ret = node_pread(s->n->file->node, offset, s->cluster_size, t->l2);
    for (unsigned e = 0; e < BIT(s->l2_bits) && ret >= 0 && t->delta; e++) {
        uint64_t entry = qc_entry_get(s, t->l2, e).desc;

        ret = entry ? change_entry(t, entry) : 0;
    }
    if (ret >= 0) {
        ret = change_range(t, offset, s->cluster_size, false);
    }
    if (ret < 0 || !t->active) {
        return ret;
    }
    ret = flag_l2(t, &changed);
    if (ret >= 0 && changed) {
        ret = write_l2(t, offset);
    }
    if (ret >= 0) {
        ret = flag_entry(t, &t->l1[i], &l1_changed);
    }
    return ret >= 0 && l1_changed ? qc_l1_write_entry(s, i, t->l1[i]) : ret;
}

/* s->lock held, caches flushed. */
static int coroutine_fn walk(Tree *t)
{
    int ret = 0;

    t->l2 = g_try_malloc(t->s->cluster_size);
    if (!t->l2) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < t->l1_size && ret >= 0; i++) {
        if (t->l1[i] & QC_OFFSET_MASK) {
            ret = walk_l2(t, i);
        }
    }
    if (ret >= 0) {
        ret = end_run(t);
    }
    g_free(t->l2);
    return ret;
}

static int coroutine_fn walk_active(QcowState *s, int delta)
{
    Tree t = { .s = s,
               .l1 = s->l1,
               .l1_size = s->h.l1_size,
               .delta = delta,
               .active = true };

    return walk(&t);
}

static int coroutine_fn flush_tables(QcowState *s)
{
    int ret = qc_cache_flush(s->l2c);

    if (ret >= 0) {
        ret = qc_cache_flush(s->rbc);
    }
    return ret < 0 ? ret : node_flush(s->n->file->node);
}

/* Something failed half way: make the counts fit what is there. */
static void coroutine_fn recount(QcowState *s)
{
    autoerr Error *err = NULL;
    BlockCheck result = { 0 };

    if (!qc_check(s, BLOCK_FIX_LEAKS | BLOCK_FIX_ERRORS, &result, &err)) {
        error_report("clusters may have leaked: %s", error_text(err));
    }
}

/* L1 tables on disk
 * ------------------------------------------------------------- */

/* The table of @sn, with room for @size entries; NULL with *ret set. */
static uint64_t *coroutine_fn read_l1(QcowState *s, const QcSnapshot *sn,
                                      uint32_t size, int *ret)
{
    g_autofree uint64_t *l1 = NULL;

    *ret = -EIO;
    if ((uint64_t)sn->l1_size * 8 > QC_MAX_L1_BYTES ||
        (sn->l1_offset & (s->cluster_size - 1))) {
        return NULL;
    }
    *ret = -ENOMEM;
    l1 = g_try_new0(uint64_t, MAX(MAX(size, sn->l1_size), 1));
    if (l1) {
        *ret = qc_table_read(s, sn->l1_offset, sn->l1_size, l1);
    }
    if (*ret < 0) {
        return NULL;
    }
    for (uint32_t i = 0; i < sn->l1_size; i++) {
        if (l1[i]) {
            l1[i] &= ~QC_COPIED;
        }
    }
    return g_steal_pointer(&l1);
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
    ret = flush_tables(s);
    if (ret >= 0) {
        ret = walk_active(s, 1);
    }
    if (ret >= 0) {
        ret = qc_table_write(s, offset, s->h.l1_size, s->l1);
    }
    if (ret >= 0) {
        ret = flush_tables(s);
    }
    if (ret >= 0) {
        ret = qc_snapshots_write(s, list);
    }
    if (ret < 0) {
        qc_free(s, offset, bytes, false);
        recount(s);
    }
    return ret;
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

/* Let the active table be @l1, whose references are counted already. */
static int coroutine_fn switch_l1(QcowState *s, uint64_t *l1)
{
    Tree old = { .s = s, .l1_size = s->h.l1_size, .delta = -1 };
    int ret = flush_tables(s);

    if (ret >= 0) {
        ret = qc_table_write(s, s->h.l1_offset, s->h.l1_size, l1);
    }
    if (ret >= 0) {
        ret = node_flush(s->n->file->node);
    }
    if (ret < 0) {
        return ret;
    }
    old.l1 = s->l1;
    s->l1 = l1;
    qc_filter_make(s, &s->l2_filter, s->l1, s->h.l1_size);
    ret = walk(&old);
    g_free(old.l1);
    if (ret >= 0) {
        ret = walk_active(s, 0);
    }
    return ret < 0 ? ret : flush_tables(s);
}

static int coroutine_fn apply_locked(QcowState *s, const QcSnapshot *sn)
{
    Tree t = { .s = s, .delta = 1 };
    int ret = flush_tables(s);
    uint64_t *l1;

    if (ret >= 0 && sn->l1_size > s->h.l1_size) {
        ret = qc_l1_grow(s, sn->l1_size);
    }
    if (ret < 0) {
        return ret;
    }
    l1 = read_l1(s, sn, s->h.l1_size, &ret);
    if (!l1) {
        return ret;
    }
    t.l1 = l1;
    t.l1_size = sn->l1_size;
    ret = walk(&t);
    if (ret >= 0) {
        ret = switch_l1(s, l1);
    }
    if (s->l1 != l1) {
        g_free(l1);
    }
    if (ret < 0) {
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
    if (ret >= 0 && sn->disk_size != s->h.size) {
        ret = qc_size_write(s, sn->disk_size);
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
    QcSnapshot *sn = g_ptr_array_steal_index(list, index);
    Tree t = { .s = s, .l1_size = sn->l1_size, .delta = -1 };
    int ret;

    t.l1 = read_l1(s, sn, 0, &ret);
    if (t.l1) {
        ret = flush_tables(s);
    }
    if (ret >= 0) {
        ret = qc_snapshots_write(s, list);
    }
    if (ret >= 0) {
        ret = walk(&t);
        qc_free(s, sn->l1_offset, (uint64_t)sn->l1_size * 8,
                s->discard_snapshot);
        if (ret >= 0) {
            ret = walk_active(s, 0);
        }
        if (ret >= 0) {
            ret = flush_tables(s);
        }
        if (ret < 0) {
            recount(s);
        }
    }
    g_free(t.l1);
    qc_snapshot_free(sn);
    return ret;
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
    uint64_t size, need;
    uint64_t *l1;
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
    size = sn->disk_size;
    need = DIV_ROUND_UP(size, BIT(s->l2_bits + s->cluster_bits));
    if (size > (uint64_t)BLK_MAX_LENGTH || need > QC_MAX_L1_BYTES / 8) {
        return error_set(errp, "The snapshot is too big");
    }
    l1 = read_l1(s, sn, need, &ret);
    if (!l1) {
        return error_errno(errp, -ret, "Failed to read the snapshot's table");
    }
    co_mutex_lock(&s->lock);
    g_free(s->l1);
    s->l1 = l1;
    s->h.l1_size = MAX(need, sn->l1_size);
    qc_filter_make(s, &s->l2_filter, s->l1, s->h.l1_size);
    s->h.size = size;
    co_mutex_unlock(&s->lock);
    node_set_length(n, size);
    return true;
}

const BlockSnapshotOps qc_snapshot_ops = {
    .create = snapshot_create,
    .apply = snapshot_apply,
    .remove = snapshot_remove,
    .view = snapshot_view,
};
