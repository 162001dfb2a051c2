/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dirty bitmaps: a bit per granule, behind a lock, as writes end on any loop.
 * The list of a node's bitmaps changes only while nothing is under way.
 */
#include "util/osdep.h"

#include <endian.h>

#include "block/dirty-bitmap.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

struct DirtyBitmap {
    char *name; /* NULL: a job's */
    bool busy, persistent, readonly, inconsistent;
    bool enabled; /* atomic */
    Mutex lock;
    unsigned shift; /* log2 of the granularity */
    int64_t size;   /* bytes */
    uint64_t bits;
    uint64_t *words; /* guarded by lock, as the rest */
    uint64_t count;
};

static uint64_t bits_of(int64_t size, unsigned shift)
{
    return ((uint64_t)size + BIT(shift) - 1) >> shift;
}

static DirtyBitmap *create(int64_t size, unsigned shift, Error **errp)
{
    uint64_t bits = bits_of(size, shift);
    uint64_t *words = g_try_malloc0_n(bits / 64 + 1, sizeof(uint64_t));
    DirtyBitmap *b;

    if (!words) {
        error_set(errp, "No memory for a dirty bitmap of %" PRIu64 " bits",
                  bits);
        return NULL;
    }
    b = g_new0(DirtyBitmap, 1);
    mutex_init(&b->lock);
    b->shift = shift;
    b->size = size;
    b->bits = bits;
    b->words = words;
    b->enabled = true;
    return b;
}

DirtyBitmap *dirty_bitmap_new(BlockNode *n, uint32_t granularity, Error **errp)
{
    DirtyBitmap *b = create(node_length(n), __builtin_ctz(granularity), errp);

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
    g_free(b->words);
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

/* The bits [from, to) of the word @i. */
static uint64_t word_mask(uint64_t i, uint64_t from, uint64_t to)
{
    uint64_t mask = UINT64_MAX;

    if (from > i * 64) {
        mask <<= from - i * 64;
    }
    if (to < (i + 1) * 64) {
        mask &= UINT64_MAX >> ((i + 1) * 64 - to);
    }
    return mask;
}

static void change(DirtyBitmap *b, uint64_t from, uint64_t to, bool set)
{
    mutex_lock(&b->lock);
    to = MIN(to, b->bits);
    for (uint64_t i = from / 64; from < to && i <= (to - 1) / 64; i++) {
        uint64_t mask = word_mask(i, from, to);

        if (set) {
            b->count += __builtin_popcountll(mask & ~b->words[i]);
            b->words[i] |= mask;
        } else {
            b->count -= __builtin_popcountll(mask & b->words[i]);
            b->words[i] &= ~mask;
        }
    }
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
           end >= b->size ? b->bits : (uint64_t)(end >> b->shift), false);
}

int64_t dirty_bitmap_count(DirtyBitmap *b)
{
    int64_t bytes;

    mutex_lock(&b->lock);
    bytes = b->count << b->shift;
    if (b->bits && (b->words[(b->bits - 1) / 64] >> (b->bits - 1) % 64 & 1)) {
        bytes -= (int64_t)(b->bits << b->shift) - b->size;
    }
    mutex_unlock(&b->lock);
    return bytes;
}

/* The first bit from @from on that is @set. */
static uint64_t find_bit(const DirtyBitmap *b, uint64_t from, uint64_t end,
                         bool set)
{
    for (uint64_t i = from / 64; i * 64 < end; i++) {
        uint64_t w = set ? b->words[i] : ~b->words[i];

        w &= word_mask(i, from, UINT64_MAX);
        if (w) {
            return MIN(i * 64 + __builtin_ctzll(w), end);
        }
    }
    return end;
}

bool dirty_bitmap_next(DirtyBitmap *b, int64_t *offset, int64_t max,
                       int64_t *bytes)
{
    uint64_t from, to;

    if (*offset >= b->size) {
        return false; /* the last bit may stand for more than there is */
    }
    mutex_lock(&b->lock);
    from = find_bit(b, *offset >> b->shift, b->bits, true);
    to = find_bit(b, from,
                  MIN(b->bits, from + MAX(max >> b->shift, INT64_C(1))), false);
    mutex_unlock(&b->lock);
    if (from >= b->bits) {
        return false;
    }
    *offset = from << b->shift;
    *bytes = MIN((int64_t)(to << b->shift), b->size) - *offset;
    return true;
}

static void resize(DirtyBitmap *b, int64_t size)
{
    uint64_t bits = bits_of(size, b->shift), words = bits / 64 + 1;
    uint64_t have;

    if (bits < b->bits) {
        change(b, bits, b->bits, false);
    }
    mutex_lock(&b->lock);
    have = b->bits / 64 + 1;
    b->words = g_renew(uint64_t, b->words, words);
    if (words > have) {
        memset(b->words + have, 0, (words - have) * sizeof(uint64_t));
    }
    b->bits = bits;
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
    return create(size, __builtin_ctz(granularity), errp);
}

DirtyBitmap *dirty_bitmap_copy(DirtyBitmap *b, Error **errp)
{
    DirtyBitmap *copy = create(b->size, b->shift, errp);

    if (copy) {
        dirty_bitmap_merge(copy, b);
    }
    return copy;
}

void dirty_bitmap_drop_copy(DirtyBitmap *b)
{
    destroy(b);
}

char *dirty_bitmap_sha256(DirtyBitmap *b)
{
    char *text;

    mutex_lock(&b->lock);
    text =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)b->words,
                                    MAX(DIV_ROUND_UP(b->bits, 64), 1) *
                                        sizeof(uint64_t));
    mutex_unlock(&b->lock);
    return text;
}

/* In images
 * --------------------------------------------------------------------- */

uint64_t dirty_bitmap_image_bytes(int64_t size, uint32_t granularity)
{
    return DIV_ROUND_UP(bits_of(size, __builtin_ctz(granularity)), 8);
}

bool dirty_bitmap_export(DirtyBitmap *b, uint64_t at, size_t len, void *buf)
{
    uint64_t any = 0;

    memset(buf, 0, len);
    mutex_lock(&b->lock);
    for (uint64_t i = at / 8, n = 0; i * 64 < b->bits && n < len; i++, n += 8) {
        uint64_t raw = htole64(b->words[i]);

        any |= raw;
        memcpy((char *)buf + n, &raw, MIN(len - n, 8));
    }
    mutex_unlock(&b->lock);
    return any;
}

void dirty_bitmap_import(DirtyBitmap *b, uint64_t at, size_t len,
                         const void *buf)
{
    mutex_lock(&b->lock);
    for (uint64_t i = at / 8, n = 0; i * 64 < b->bits && n < len; i++, n += 8) {
        uint64_t raw = 0;

        memcpy(&raw, (const char *)buf + n, MIN(len - n, 8));
        raw = le64toh(raw) & word_mask(i, 0, b->bits);
        b->count += __builtin_popcountll(raw);
        b->count -= __builtin_popcountll(b->words[i]);
        b->words[i] = raw;
    }
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
