/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dirty bitmaps in qcow2 images: into memory when the image is opened, back
 * when it is closed or not written any more. In between the directory calls
 * them "in use": whoever finds them like that knows that they are stale.
 * New content goes to new clusters, and the header decides which is valid.
 * Spec: the qcow2 specification, section Bitmaps.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/dirty-bitmap.h"
#include "block/qcow2-bitmap.h"
#include "block/sparse-bits.h"
#include "util/error.h"

#define ALL_ONES       UINT64_C(1)
#define TABLE_RESERVED UINT64_C(0xff000000000001fe)

/* Load
 * ---------------------------------------------------------------------------
 */

int coroutine_fn qc_bitmap_read_table(QcowState *s, const QcBitmap *b,
                                      uint64_t **table)
{
    g_autofree uint64_t *t = g_try_new0(uint64_t, b->table_entries);
    int ret =
        t ? qc_table_read(s, b->table_offset, b->table_entries, t) : -ENOMEM;

    for (uint32_t i = 0; i < b->table_entries && ret >= 0; i++) {
        uint64_t offset = t[i] & QC_OFFSET_MASK;

        if ((t[i] & TABLE_RESERVED) || (offset && (t[i] & ALL_ONES)) ||
            !IS_ALIGNED(offset, s->cluster_size)) {
            ret = -EINVAL;
        }
    }
    *table = ret < 0 ? NULL : g_steal_pointer(&t);
    return ret;
}

/* The same bits over and over, in one bitmap or several, take the memory once
 * (@alike): no more than what the image file holds. */
static int coroutine_fn load_data(QcowState *s, DirtyBitmap *d, uint64_t bytes,
                                  const uint64_t *table, GHashTable *alike)
{
    g_autofree char *buf = g_try_malloc(s->cluster_size);
    int ret = buf ? 0 : -ENOMEM;

    for (uint64_t at = 0, i = 0; at < bytes && ret >= 0; i++) {
        uint64_t len = MIN((uint64_t)s->cluster_size, bytes - at);

        if (table[i] == ALL_ONES) {
            memset(buf, 0xff, len);
        } else if (table[i]) {
            ret = node_pread(s->n->file->node, table[i], len, buf);
        }
        if (table[i] && ret >= 0) {
            dirty_bitmap_import(d, at, len, buf, alike);
        }
        at += len;
    }
    return ret;
}

static bool coroutine_fn load_one(QcowState *s, const QcBitmap *b,
                                  GHashTable *alike, uint64_t *total,
                                  Error **errp)
{
    uint32_t granularity = BIT(b->granularity_bits);
    uint64_t bytes = dirty_bitmap_image_bytes(s->h.size, granularity);
    bool stale = b->flags & QC_BITMAP_IN_USE;
    g_autofree uint64_t *table = NULL;
    DirtyBitmap *d;
    int ret = 0;

    *total += stale ? 0 : bytes;
    if (*total > QC_BITMAPS_MAX_BYTES) {
        return error_set(errp, "The bitmaps of the image are too large "
                               "together");
    }
    if (!stale) {
        ret = qc_bitmap_read_table(s, b, &table);
    }
    if (ret < 0) {
        return error_errno(errp, -ret,
                           "Could not read bitmap_table table from image for "
                           "bitmap '%s'",
                           b->name);
    }
    d = dirty_bitmap_new(s->n, granularity, errp);
    if (!d) {
        return false;
    }
    dirty_bitmap_set_name(d, b->name);
    dirty_bitmap_set_persistent(d, true);
    dirty_bitmap_enable(d, b->flags & QC_BITMAP_AUTO);
    dirty_bitmap_set_readonly(d, s->n->read_only);
    if (stale) {
        dirty_bitmap_set_inconsistent(d);
        return true;
    }
    ret = load_data(s, d, bytes, table, alike);
    return ret >= 0 ||
           error_errno(errp, -ret, "Could not read bitmap '%s' from image",
                       b->name);
}

/* DirtyBitmap * by name, as long as none is added, renamed or removed. There
 * may be thousands. */
static GHashTable *bitmaps_by_name(const QcowState *s)
{
    GHashTable *h = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; s->n->bitmaps && i < s->n->bitmaps->len; i++) {
        DirtyBitmap *d = s->n->bitmaps->pdata[i];

        if (dirty_bitmap_name(d)) {
            g_hash_table_insert(h, (char *)dirty_bitmap_name(d), d);
        }
    }
    return h;
}

/* Of all that the directory has. */
static void set_readonly(QcowState *s, bool readonly)
{
    g_autoptr(GHashTable) bitmaps = bitmaps_by_name(s);

    for (guint i = 0; i < s->bitmaps.list->len; i++) {
        const QcBitmap *b = s->bitmaps.list->pdata[i];
        DirtyBitmap *d = g_hash_table_lookup(bitmaps, b->name);

        if (d) {
            dirty_bitmap_set_readonly(d, readonly);
        }
    }
}

/* From now on what the image has is stale, unless we store it again. */
static int coroutine_fn mark_in_use(QcowState *s)
{
    GPtrArray *list = s->bitmaps.list;
    bool changed = false;
    int ret = 0;

    for (guint i = 0; i < list->len; i++) {
        QcBitmap *b = list->pdata[i];

        changed = changed || !(b->flags & QC_BITMAP_IN_USE);
        b->flags |= QC_BITMAP_IN_USE;
    }
    if (changed) {
        ret = qc_bitmaps_write_flags(s, list);
    }
    if (ret >= 0) {
        set_readonly(s, false);
    }
    s->bitmaps.keep = ret >= 0;
    return ret;
}

bool coroutine_fn qc_bitmaps_open(QcowState *s, Error **errp)
{
    g_autoptr(GHashTable) alike = sparse_bits_alike_new();
    uint64_t total = 0;
    int ret;

    s->bitmaps.list = qc_bitmaps_read(s, errp);
    if (!s->bitmaps.list) {
        return false;
    }
    /* The length in the node is the image's already: bitmaps cover that. */
    for (guint i = 0; i < s->bitmaps.list->len; i++) {
        if (!load_one(s, s->bitmaps.list->pdata[i], alike, &total, errp)) {
            return false;
        }
    }
    /* Checking writes no data. */
    if (s->n->read_only || s->n->graph->checking) {
        return true;
    }
    ret = mark_in_use(s);
    return ret >= 0 ||
           error_errno(errp, -ret, "Could not mark bitmaps as used");
}

bool coroutine_fn qc_bitmaps_write_again(QcowState *s, Error **errp)
{
    int ret = s->bitmaps.list ? mark_in_use(s) : 0;

    return ret >= 0 ||
           error_errno(errp, -ret, "Could not mark bitmaps as used");
}

/* Store
 * -------------------------------------------------------------------------- */

/* The clusters of a table and what it refers to; a broken one leaks. */
static void coroutine_fn free_clusters(QcowState *s, const QcBitmap *b)
{
    g_autofree uint64_t *table = NULL;

    if (qc_bitmap_read_table(s, b, &table) < 0) {
        return;
    }
    for (uint32_t i = 0; i < b->table_entries; i++) {
        if (table[i] & QC_OFFSET_MASK) {
            qc_free(s, table[i], s->cluster_size, s->discard_other);
        }
    }
    qc_free(s, b->table_offset, b->table_entries * UINT64_C(8),
            s->discard_other);
}

static int64_t coroutine_fn write_cluster(QcowState *s, const void *buf)
{
    int64_t got, offset = qc_alloc(s, s->cluster_size, true, &got);
    int ret = 0;

    if (offset >= 0) {
        ret = node_pwrite(s->n->file->node, offset, s->cluster_size, buf, 0);
    }
    if (ret < 0) {
        qc_free(s, offset, s->cluster_size, false);
    }
    return ret < 0 ? ret : offset;
}

static bool all_ones(const char *buf, size_t len)
{
    return buf[0] == '\xff' && !memcmp(buf, buf + 1, len - 1);
}

/* The content of @d to clusters of its own; @table in disk byte order. */
static int coroutine_fn write_data(QcowState *s, DirtyBitmap *d, uint64_t bytes,
                                   uint64_t *table)
{
    g_autofree char *buf = g_try_malloc(s->cluster_size);
    int ret = buf ? 0 : -ENOMEM;

    for (uint64_t at = 0, i = 0; at < bytes && ret >= 0; i++) {
        int64_t offset = 0;

        if (dirty_bitmap_export(d, at, s->cluster_size, buf)) {
            offset = all_ones(buf, s->cluster_size) ? (int64_t)ALL_ONES
                                                    : write_cluster(s, buf);
        }
        ret = MIN(offset, 0);
        table[i] = htobe64(MAX(offset, 0));
        at += s->cluster_size;
    }
    return ret;
}

static void coroutine_fn drop_data(QcowState *s, const uint64_t *table,
                                   uint64_t entries)
{
    for (uint64_t i = 0; i < entries; i++) {
        uint64_t offset = be64toh(table[i]) & QC_OFFSET_MASK;

        if (offset) {
            qc_free(s, offset, s->cluster_size, false);
        }
    }
}

/* An entry for @d with its content on disk. */
static int coroutine_fn store_one(QcowState *s, DirtyBitmap *d, QcBitmap *b)
{
    uint64_t bytes =
        dirty_bitmap_image_bytes(s->h.size, dirty_bitmap_granularity(d));
    uint64_t entries = MAX(qc_bitmap_table_entries(s, bytes), 1);
    uint64_t table_bytes = ALIGN_UP(entries * 8, (uint64_t)s->cluster_size);
    g_autofree uint64_t *table = NULL;
    int64_t offset = 0, got;
    int ret;

    if (bytes > QC_BITMAP_MAX_BYTES || table_bytes > QC_BITMAP_MAX_TABLE) {
        return -EFBIG; /* the image has grown since */
    }
    table = g_try_malloc0(table_bytes);
    ret = table ? write_data(s, d, bytes, table) : -ENOMEM;
    if (ret >= 0) {
        offset = qc_alloc(s, table_bytes, true, &got);
        ret = MIN(offset, 0);
    }
    if (ret >= 0) {
        ret = node_pwrite(s->n->file->node, offset, entries * 8, table, 0);
        if (ret < 0) {
            qc_free(s, offset, table_bytes, false);
        }
    }
    if (ret < 0) {
        if (table) {
            drop_data(s, table, entries);
        }
        return ret;
    }
    b->table_offset = offset;
    b->table_entries = entries;
    b->granularity_bits = __builtin_ctz(dirty_bitmap_granularity(d));
    b->flags = (b->flags & QC_BITMAP_EXTRA) |
               (dirty_bitmap_enabled(d) ? QC_BITMAP_AUTO : 0);
    return 0;
}

static QcBitmap *entry_copy(const QcBitmap *from)
{
    QcBitmap *b = g_memdup2(from, sizeof(*from));

    b->name = g_strdup(from->name);
    b->extra = g_memdup2(from->extra, from->extra_size);
    return b;
}

/* The directory to be: the entries it has now, then the new ones, the newest
 * first. @old: those whose clusters will not be needed. */
static GPtrArray *plan(QcowState *s, GHashTable *bitmaps, GPtrArray *old)
{
    GPtrArray *list = qc_bitmap_list_new();
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < s->bitmaps.list->len; i++) {
        QcBitmap *b = s->bitmaps.list->pdata[i];
        DirtyBitmap *d = g_hash_table_lookup(bitmaps, b->name);

        g_hash_table_add(known, b->name);
        g_ptr_array_add(list, entry_copy(b));
        if (d && !dirty_bitmap_inconsistent(d)) {
            g_ptr_array_add(old, b);
        }
    }
    for (guint i = s->n->bitmaps ? s->n->bitmaps->len : 0; i-- > 0;) {
        DirtyBitmap *d = s->n->bitmaps->pdata[i];

        if (dirty_bitmap_persistent(d) &&
            !g_hash_table_contains(known, dirty_bitmap_name(d))) {
            QcBitmap *b = g_new0(QcBitmap, 1);

            b->name = g_strdup(dirty_bitmap_name(d));
            g_ptr_array_add(list, b);
        }
    }
    return list;
}

/* Clusters of the first @n entries that hold new content. */
static void coroutine_fn drop_new(QcowState *s, GHashTable *bitmaps,
                                  GPtrArray *list, guint n)
{
    for (guint i = 0; i < n; i++) {
        QcBitmap *b = list->pdata[i];
        DirtyBitmap *d = g_hash_table_lookup(bitmaps, b->name);

        if (d && !dirty_bitmap_inconsistent(d)) {
            free_clusters(s, b);
        }
    }
}

static int coroutine_fn store(QcowState *s, Error **errp)
{
    g_autoptr(GPtrArray) old = g_ptr_array_new();
    g_autoptr(GHashTable) bitmaps = bitmaps_by_name(s);
    g_autoptr(GPtrArray) list = plan(s, bitmaps, old);
    int ret = 0;

    if (!old->len && list->len == s->bitmaps.list->len) {
        return 0; /* stale ones stay as they are */
    }
    for (guint i = 0; i < list->len; i++) {
        QcBitmap *b = list->pdata[i];
        DirtyBitmap *d = g_hash_table_lookup(bitmaps, b->name);

        if (!d || dirty_bitmap_inconsistent(d)) {
            continue;
        }
        ret = store_one(s, d, b);
        if (ret < 0) {
            error_errno(errp, -ret, "Failed to store bitmap '%s'", b->name);
            drop_new(s, bitmaps, list, i);
            return ret;
        }
    }
    ret = qc_bitmaps_write(s, list);
    if (ret < 0) {
        error_errno(errp, -ret, "Failed to update the bitmap directory");
        return ret;
    }
    for (guint i = 0; i < old->len; i++) {
        free_clusters(s, old->pdata[i]);
    }
    g_ptr_array_unref(s->bitmaps.list);
    s->bitmaps.list = g_steal_pointer(&list);
    return 0;
}

bool coroutine_fn qc_bitmaps_store(QcowState *s, Error **errp)
{
    int ret;

    if (!s->bitmaps.keep) {
        return true;
    }
    ret = store(s, errp);
    if (ret >= 0) {
        set_readonly(s, true);
    }
    s->bitmaps.keep = ret < 0;
    return ret >= 0;
}

/* Remove
 * ------------------------------------------------------------------------- */

bool coroutine_fn qc_bitmap_remove(BlockNode *n, const char *name, Error **errp)
{
    QcowState *s = n->state;
    GPtrArray *list = s->bitmaps.list;
    QcBitmap *b = NULL;
    guint at;
    int ret = 0;

    co_mutex_lock(&s->lock);
    for (at = 0; at < list->len && !b; at++) {
        QcBitmap *have = list->pdata[at];

        b = strcmp(have->name, name) ? NULL : have;
    }
    if (b && s->corrupt) {
        ret = -EIO;
    } else if (b) {
        /* Those in use stay so. */
        g_ptr_array_steal_index(list, --at);
        ret = qc_bitmaps_write(s, list);
        if (ret >= 0) {
            free_clusters(s, b);
            qc_bitmap_free(b);
            ret = qc_cache_flush(s->rbc);
        } else {
            g_ptr_array_insert(list, at, b);
        }
    }
    co_mutex_unlock(&s->lock);
    return ret >= 0 ||
           error_errno(errp, -ret, "Failed to remove bitmap '%s'", name);
}

static bool supported(BlockNode *n)
{
    QcowState *s = n->state;

    return s->h.version >= 3;
}

const BlockBitmapOps qc_bitmap_ops = {
    .supported = supported,
    .can_store = qc_bitmap_can_store,
    .remove = qc_bitmap_remove,
};
