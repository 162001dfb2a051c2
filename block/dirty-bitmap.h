/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty bitmaps: which parts of a node were written. */
#ifndef BLOCK_DIRTY_BITMAP_H
#define BLOCK_DIRTY_BITMAP_H

#include "block/block-node.h"
#include "util/thread.h"

typedef struct DirtyBitmap DirtyBitmap;

/* Control code, with the node's users drained: writes are recorded from now
 * on. @granularity: a power of two. NULL when there is no memory. */
DirtyBitmap *dirty_bitmap_new(BlockNode *n, uint32_t granularity, Error **errp);
void dirty_bitmap_free(BlockNode *n, DirtyBitmap *b);
void dirty_bitmaps_free(BlockNode *n);

/* Any thread. Sets are rounded outwards, clears inwards but for the end of
 * the node. */
void dirty_bitmap_set(DirtyBitmap *b, int64_t offset, int64_t bytes);
void dirty_bitmap_clear(DirtyBitmap *b, int64_t offset, int64_t bytes);
int64_t dirty_bitmap_count(DirtyBitmap *b); /* bytes */
/* The first dirty range at or after @*offset, of at most @max bytes. */
bool dirty_bitmap_next(DirtyBitmap *b, int64_t *offset, int64_t max,
                       int64_t *bytes);

/* Those of the user have a name. */
void dirty_bitmap_set_name(DirtyBitmap *b, const char *name);
DirtyBitmap *dirty_bitmap_find(const BlockNode *n, const char *name);
const char *dirty_bitmap_name(const DirtyBitmap *b);
uint32_t dirty_bitmap_granularity(const DirtyBitmap *b);
/* Something uses it, so that nobody else may. */
void dirty_bitmap_set_busy(DirtyBitmap *b, bool busy);
/* Those that the image keeps; control code, or the driver while it opens,
 * closes or is reopened. */
void dirty_bitmap_set_persistent(DirtyBitmap *b, bool persistent);
bool dirty_bitmap_persistent(const DirtyBitmap *b);
/* The image may not be written now. */
void dirty_bitmap_set_readonly(DirtyBitmap *b, bool readonly);
/* Somebody did not keep it up: it can only be removed. */
void dirty_bitmap_set_inconsistent(DirtyBitmap *b);
bool dirty_bitmap_inconsistent(const DirtyBitmap *b);
/* Why a bitmap may not be used. */
enum {
    DIRTY_BITMAP_BUSY = 1,
    DIRTY_BITMAP_READONLY = 2,
    DIRTY_BITMAP_INCONSISTENT = 4,
    DIRTY_BITMAP_ANY = 7,
};
/* Is none of @bad the case? */
bool dirty_bitmap_check(const DirtyBitmap *b, unsigned bad, Error **errp);
/* Does it record writes? The value before. */
bool dirty_bitmap_enable(DirtyBitmap *b, bool on);
bool dirty_bitmap_enabled(const DirtyBitmap *b);
/* Add what @from has recorded; the granularities may differ. */
void dirty_bitmap_merge(DirtyBitmap *b, DirtyBitmap *from);
/* Those that belong to no node; NULL when there is no memory. */
DirtyBitmap *dirty_bitmap_alone(int64_t size, uint32_t granularity,
                                Error **errp);
DirtyBitmap *dirty_bitmap_copy(DirtyBitmap *b, Error **errp);
void dirty_bitmap_drop_copy(DirtyBitmap *b);
/* Of the bits, as words of 64 bits. Free with g_free(). */
char *dirty_bitmap_sha256(DirtyBitmap *b);
/* The bits as images have them: the first is the lowest of the first byte. */
uint64_t dirty_bitmap_image_bytes(int64_t size, uint32_t granularity);
/* Part of them; @at is a multiple of 8. Behind their end there are zeroes,
 * which the import ignores. The export tells whether any bit is set. */
bool dirty_bitmap_export(DirtyBitmap *b, uint64_t at, size_t len, void *buf);
/* @alike: see sparse_bits_import(). */
void dirty_bitmap_import(DirtyBitmap *b, uint64_t at, size_t len,
                         const void *buf, GHashTable *alike);
/* For queries: those of @n, the newest first. */
struct BlockDirtyInfoList;
struct BlockDirtyInfoList *dirty_bitmaps_info(const BlockNode *n);

/* @n has grown or shrunk; its users are drained, or it is their write. */
void dirty_bitmaps_resize(BlockNode *n, int64_t length);
/* A write or discard on @n is over. */
void dirty_bitmaps_written(BlockNode *n, int64_t offset, int64_t bytes);

#endif
