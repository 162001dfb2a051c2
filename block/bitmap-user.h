/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty bitmaps that users name. Control code; everything is drained. */
#ifndef BLOCK_BITMAP_USER_H
#define BLOCK_BITMAP_USER_H

#include "block/dirty-bitmap.h"

typedef struct BitmapUserNew {
    const char *name;
    bool has_granularity, persistent, disabled;
    uint32_t granularity; /* else one that suits the image */
} BitmapUserNew;

/* A node or what a device has, by name. */
BlockNode *bitmap_user_node(BlockGraph *g, const char *name, Error **errp);
/* By name, if none of @bad (DIRTY_BITMAP_*) is the case. */
DirtyBitmap *bitmap_user_find(BlockNode *n, const char *name, unsigned bad,
                              Error **errp);
DirtyBitmap *bitmap_user_add(BlockNode *n, const BitmapUserNew *o,
                             Error **errp);
/* Can @n's image keep bitmaps? */
bool bitmap_user_supported(BlockNode *n);
/* Take @b out of the image, if it is there. */
bool bitmap_user_remove_stored(BlockNode *n, DirtyBitmap *b, Error **errp);
/* Add to @n's @b what @from's bitmap @name says. */
bool bitmap_user_merge(BlockNode *n, DirtyBitmap *b, BlockNode *from,
                       const char *name, Error **errp);

#endif
