/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dirty bitmaps: a bit per granule, behind a lock, as writes end on any loop.
 * The list of a node's bitmaps changes only while nothing is under way.
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "block/sparse-bits.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

struct DirtyBitmap {
    char *name; /* NULL: a job's */
    bool busy, persistent, readonly, inconsistent;
    bool enabled; /* atomic */
    Mutex lock;
    unsigned shift; /* log2 of the granularity */
    int64_t size;   /* bytes */
    SparseBits bits; /* guarded by lock; none when it is inconsistent */
};

static uint64_t bits_of(int64_t size, unsigned shift)
{
    return ((uint64_t)size + BIT(shift) - 1) >> shift;
}

/* @like: with its bits; or NULL. */
static DirtyBitmap *create(int64_t size, unsigned shift, const SparseBits *like,
                           Error **errp)
{
    uint64_t n = bits_of(size, shift);
    DirtyBitmap *b;
    SparseBits bits;

    if (!(like ? sparse_bits_copy(&bits, like) : sparse_bits_init(&bits, n))) {
        error_set(errp, "No memory for a dirty bitmap of %" PRIu64 " bits", n);
        return NULL;
    }
    b = g_new0(DirtyBitmap, 1);
    mutex_init(&b->lock);
    b->shift = shift;
    b->size = size;
    b->bits = bits;
    b->enabled = true;
    return b;
}

DirtyBitmap *dirty_bitmap_new(BlockNode *n, uint32_t granularity, Error **errp)
{
    DirtyBitmap *b =
        create(node_length(n), __builtin_ctz(granularity), NULL, errp);

    if (!b) {
        return NULL;
    }
    if (!n->bitmaps) {
        n->bitmaps = g_ptr_array_new();
    }
    g_ptr_array_add(n->bitmaps, b);
    return b;
}

static void destroy(DirtyBitmap *b)
{
    mutex_destroy(&b->lock);
    g_free(b->name);
    sparse_bits_destroy(&b->bits);
    g_free(b);
}

void dirty_bitmap_free(BlockNode *n, DirtyBitmap *b)
{
    g_ptr_array_remove(n->bitmaps, b);
    destroy(b);
    if (!n->bitmaps->len) {
        g_ptr_array_free(n->bitmaps, TRUE);
        n->bitmaps = NULL;
    }
}

void dirty_bitmaps_free(BlockNode *n)
{
    while (n->bitmaps) {
        dirty_bitmap_free(n, n->bitmaps->pdata[0]);
    }
}

/* Bits
 * -------------------------------------------------------------------------- */

static void change(DirtyBitmap *b, uint64_t from, uint64_t to, bool set)
{
    mutex_lock(&b->lock);
    sparse_bits_change(&b->bits, from, to, set);
    mutex_unlock(&b->lock);
}

void dirty_bitmap_set(DirtyBitmap *b, int64_t offset, int64_t bytes)
{
    if (bytes > 0) {
        change(b, offset >> b->shift, ((offset + bytes - 1) >> b->shift) + 1,
               true);
    }
}

void dirty_bitmap_clear(DirtyBitmap *b, int64_t offset, int64_t bytes)
{
    int64_t round = (INT64_C(1) << b->shift) - 1;
    int64_t end = bytes < b->size - offset ? offset + bytes : b->size;

    change(b, (offset + round) >> b->shift,
           end >= b->size ? b->bits.n : (uint64_t)(end >> b->shift), false);
}

int64_t dirty_bitmap_count(DirtyBitmap *b)
{
    int64_t bytes;

    mutex_lock(&b->lock);
    bytes = b->bits.count << b->shift;
    if (b->bits.n && sparse_bits_get(&b->bits, b->bits.n - 1)) {
        bytes -= (int64_t)(b->bits.n << b->shift) - b->size;
    }
    mutex_unlock(&b->lock);
    return bytes;
}

bool dirty_bitmap_next(DirtyBitmap *b, int64_t *offset, int64_t max,
                       int64_t *bytes)
{
    uint64_t from, to, n;

    if (*offset >= b->size) {
        return false; /* the last bit may stand for more than there is */
    }
    mutex_lock(&b->lock);
    n = b->bits.n;
    from = sparse_bits_find(&b->bits, *offset >> b->shift, n, true);
    to = sparse_bits_find(&b->bits, from,
                          MIN(n, from + MAX(max >> b->shift, INT64_C(1))),
                          false);
    mutex_unlock(&b->lock);
    if (from >= n) {
        return false;
    }
    *offset = from << b->shift;
    *bytes = MIN((int64_t)(to << b->shift), b->size) - *offset;
    return true;
}

static void resize(DirtyBitmap *b, int64_t size)
{
    mutex_lock(&b->lock);
    if (!b->inconsistent) {
        sparse_bits_resize(&b->bits, bits_of(size, b->shift));
    }
    b->size = size;
    mutex_unlock(&b->lock);
}

void dirty_bitmaps_resize(BlockNode *n, int64_t length)
{
    for (guint i = 0; n->bitmaps && i < n->bitmaps->len; i++) {
        resize(n->bitmaps->pdata[i], length);
    }
}

static bool holds(DirtyBitmap *b, int64_t end)
{
    bool ok;

    mutex_lock(&b->lock);
    ok = end <= b->size;
    mutex_unlock(&b->lock);
    return ok;
}

void dirty_bitmaps_written(BlockNode *n, int64_t offset, int64_t bytes)
{
    for (guint i = 0; i < n->bitmaps->len; i++) {
        DirtyBitmap *b = n->bitmaps->pdata[i];

        if (!__atomic_load_n(&b->enabled, __ATOMIC_RELAXED)) {
            continue;
        }
        /* A write that makes a file longer. */
        if (unlikely(!holds(b, offset + bytes))) {
            resize(b, MAX(node_length(n), offset + bytes));
        }
        dirty_bitmap_set(b, offset, bytes);
    }
}

/* Those of users
 * ---------------------------------------------------------------- */

void dirty_bitmap_set_name(DirtyBitmap *b, const char *name)
{
    g_free(b->name);
    b->name = g_strdup(name);
}

DirtyBitmap *dirty_bitmap_find(const BlockNode *n, const char *name)
{
    for (guint i = 0; n->bitmaps && i < n->bitmaps->len; i++) {
        DirtyBitmap *b = n->bitmaps->pdata[i];

        if (b->name && !strcmp(b->name, name)) {
            return b;
        }
    }
    return NULL;
}

void dirty_bitmap_set_busy(DirtyBitmap *b, bool busy)
{
    b->busy = busy;
}

const char *dirty_bitmap_name(const DirtyBitmap *b)
{
    return b->name;
}

uint32_t dirty_bitmap_granularity(const DirtyBitmap *b)
{
    return UINT32_C(1) << b->shift;
}

void dirty_bitmap_set_persistent(DirtyBitmap *b, bool persistent)
{
    b->persistent = persistent;
}

bool dirty_bitmap_persistent(const DirtyBitmap *b)
{
    return b->persistent;
}

void dirty_bitmap_set_readonly(DirtyBitmap *b, bool readonly)
{
    b->readonly = readonly;
}

void dirty_bitmap_set_inconsistent(DirtyBitmap *b)
{
    b->inconsistent = true;
    dirty_bitmap_enable(b, false);
    mutex_lock(&b->lock);
    sparse_bits_resize(&b->bits, 0);
    mutex_unlock(&b->lock);
}

bool dirty_bitmap_inconsistent(const DirtyBitmap *b)
{
    return b->inconsistent;
}

bool dirty_bitmap_check(const DirtyBitmap *b, unsigned bad, Error **errp)
{
    if ((bad & DIRTY_BITMAP_BUSY) && b->busy) {
        return error_set(errp,
                         "Bitmap '%s' is currently in use by another operation "
                         "and cannot be used",
                         b->name);
    }
    if ((bad & DIRTY_BITMAP_READONLY) && b->readonly) {
        return error_set(errp, "Bitmap '%s' is readonly and cannot be modified",
                         b->name);
    }
    if ((bad & DIRTY_BITMAP_INCONSISTENT) && b->inconsistent) {
        error_set(errp, "Bitmap '%s' is inconsistent and cannot be used",
                  b->name);
        error_hint(errp, "Try block-dirty-bitmap-remove to delete this bitmap "
                         "from disk\n");
        return false;
    }
    return true;
}

bool dirty_bitmap_enable(DirtyBitmap *b, bool on)
{
    return __atomic_exchange_n(&b->enabled, on, __ATOMIC_RELAXED);
}

bool dirty_bitmap_enabled(const DirtyBitmap *b)
{
    return __atomic_load_n(&b->enabled, __ATOMIC_RELAXED);
}

void dirty_bitmap_merge(DirtyBitmap *b, DirtyBitmap *from)
{
    int64_t offset = 0, bytes;

    while (dirty_bitmap_next(from, &offset, BLK_MAX_LENGTH, &bytes)) {
        dirty_bitmap_set(b, offset, bytes);
        offset += bytes;
    }
}

DirtyBitmap *dirty_bitmap_alone(int64_t size, uint32_t granularity,
                                Error **errp)
{
    return create(size, __builtin_ctz(granularity), NULL, errp);
}

DirtyBitmap *dirty_bitmap_copy(DirtyBitmap *b, Error **errp)
{
    DirtyBitmap *copy;

    mutex_lock(&b->lock);
    copy = create(b->size, b->shift, &b->bits, errp);
    mutex_unlock(&b->lock);
    return copy;
}

void dirty_bitmap_drop_copy(DirtyBitmap *b)
{
    destroy(b);
}

char *dirty_bitmap_sha256(DirtyBitmap *b)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

    mutex_lock(&b->lock);
    sparse_bits_checksum(&b->bits, sum);
    mutex_unlock(&b->lock);
    return g_strdup(g_checksum_get_string(sum));
}

/* In images
 * --------------------------------------------------------------------- */

uint64_t dirty_bitmap_image_bytes(int64_t size, uint32_t granularity)
{
    return DIV_ROUND_UP(bits_of(size, __builtin_ctz(granularity)), 8);
}

bool dirty_bitmap_export(DirtyBitmap *b, uint64_t at, size_t len, void *buf)
{
    bool any;

    mutex_lock(&b->lock);
    any = sparse_bits_export(&b->bits, at, len, buf);
    mutex_unlock(&b->lock);
    return any;
}

void dirty_bitmap_import(DirtyBitmap *b, uint64_t at, size_t len,
                         const void *buf, GHashTable *alike)
{
    mutex_lock(&b->lock);
    sparse_bits_import(&b->bits, at, len, buf, alike);
    mutex_unlock(&b->lock);
}

BlockDirtyInfoList *dirty_bitmaps_info(const BlockNode *n)
{
    BlockDirtyInfoList *list = NULL, **tail = &list;

    for (guint i = n->bitmaps ? n->bitmaps->len : 0; i-- > 0;) {
        DirtyBitmap *b = n->bitmaps->pdata[i];
        BlockDirtyInfo *info = g_new0(BlockDirtyInfo, 1);

        info->name = g_strdup(b->name);
        info->count = dirty_bitmap_count(b);
        info->granularity = INT64_C(1) << b->shift;
        info->busy = b->busy;
        info->recording = dirty_bitmap_enabled(b);
        info->persistent = b->persistent;
        info->has_inconsistent = info->inconsistent = b->inconsistent;
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}
