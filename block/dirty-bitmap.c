/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dirty bitmaps: a bit per granule, behind a lock, as writes end on any loop.
 * The list of a node's bitmaps changes only while nothing is under way.
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "util/error.h"

struct DirtyBitmap {
    Mutex lock;
    unsigned shift; /* log2 of the granularity */
    int64_t size;   /* bytes */
    uint64_t bits;
    uint64_t *words; /* guarded by lock, as the rest */
    uint64_t count;
};

DirtyBitmap *dirty_bitmap_new(BlockNode *n, uint32_t granularity, Error **errp)
{
    unsigned shift = __builtin_ctz(granularity);
    int64_t size = node_length(n);
    uint64_t bits = ((uint64_t)size + granularity - 1) >> shift;
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
    if (!n->bitmaps) {
        n->bitmaps = g_ptr_array_new();
    }
    g_ptr_array_add(n->bitmaps, b);
    return b;
}

static void destroy(DirtyBitmap *b)
{
    mutex_destroy(&b->lock);
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
    to = MIN(to, b->bits);
    if (from >= to) {
        return;
    }
    mutex_lock(&b->lock);
    for (uint64_t i = from / 64; i <= (to - 1) / 64; i++) {
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
    int64_t end = offset + bytes;

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

    mutex_lock(&b->lock);
    from = find_bit(b, *offset >> b->shift, b->bits, true);
    to = find_bit(b, from,
                  MIN(b->bits, from + MAX(max >> b->shift, INT64_C(1))),
                  false);
    mutex_unlock(&b->lock);
    if (from >= b->bits) {
        return false;
    }
    *offset = from << b->shift;
    *bytes = MIN((int64_t)(to << b->shift), b->size) - *offset;
    return true;
}

void dirty_bitmaps_written(BlockNode *n, int64_t offset, int64_t bytes)
{
    for (guint i = 0; i < n->bitmaps->len; i++) {
        dirty_bitmap_set(n->bitmaps->pdata[i], offset, bytes);
    }
}
