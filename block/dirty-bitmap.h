/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty bitmaps: which parts of a node were written. */
#ifndef BLOCK_DIRTY_BITMAP_H
#define BLOCK_DIRTY_BITMAP_H

#include "block/block-node.h"
#include "util/thread.h"

typedef struct DirtyBitmap DirtyBitmap;

/* Control code, with the node's users drained: writes are recorded from now
 * on. @granularity: a power of two. NULL when there is no memory. */
DirtyBitmap *dirty_bitmap_new(BlockNode *n, uint32_t granularity,
                              Error **errp);
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

/* A write or discard on @n is over. */
void dirty_bitmaps_written(BlockNode *n, int64_t offset, int64_t bytes);

#endif
