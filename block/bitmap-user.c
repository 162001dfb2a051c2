/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty bitmaps that users name: finding, making, removing and joining them,
 * for QMP and the tools. */
#include "util/osdep.h"

#include "block/bitmap-user.h"
#include "block/block-int.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

DirtyBitmap *bitmap_user_find(BlockNode *n, const char *name, unsigned bad,
                              Error **errp)
{
    DirtyBitmap *b = dirty_bitmap_find(n, name);

    if (!b) {
        error_set(errp, "Dirty bitmap '%s' not found", name);
    }
    return b && dirty_bitmap_check(b, bad, errp) ? b : NULL;
}

BlockNode *bitmap_user_node(BlockGraph *g, const char *name, Error **errp)
{
    autoerr Error *err = NULL;
    BlockNode *n = node_lookup(g, name, name, &err);

    if (!n) {
        error_set(errp, "Node '%s' not found", name);
    }
    return n;
}

/* Add
 * ----------------------------------------------------------------------------
 */

static uint32_t default_granularity(BlockNode *n)
{
    ImageInfo *info = block_image_info(n, false);
    uint32_t g = info->has_cluster_size
                     ? CLAMP(info->cluster_size, 4 * KiB, 64 * KiB)
                     : 64 * KiB;

    qapi_free_ImageInfo(info);
    return g;
}

static bool check_name(const char *name, Error **errp)
{
    if (!*name) {
        return error_set(errp, "Bitmap name cannot be empty");
    }
    if (strlen(name) > 1023) {
        return error_set(errp, "Bitmap name too long: %s", name);
    }
    return true;
}

static bool can_store(BlockNode *n, const char *name, uint32_t granularity,
                      Error **errp)
{
    if (!n->drv->bitmap) {
        return error_set(errp,
                         "Can't store persistent bitmaps to %s: Operation not "
                         "supported",
                         n->name);
    }
    return n->drv->bitmap->can_store(n, name, granularity, errp) ||
           error_prefix(errp, "Can't make bitmap '%s' persistent in '%s'", name,
                        n->name);
}

DirtyBitmap *bitmap_user_add(BlockNode *n, const BitmapUserNew *o, Error **errp)
{
    uint32_t granularity;
    DirtyBitmap *b;

    if (!check_name(o->name, errp)) {
        return NULL;
    }
    granularity = o->has_granularity ? o->granularity : default_granularity(n);
    if (granularity < 512 || !is_power_of_2(granularity)) {
        error_set(errp, "Granularity must be power of 2 and at least 512");
        return NULL;
    }
    if (dirty_bitmap_find(n, o->name)) {
        error_set(errp, "Bitmap already exists: %s", o->name);
        return NULL;
    }
    if (o->persistent && !can_store(n, o->name, granularity, errp)) {
        return NULL;
    }
    b = dirty_bitmap_new(n, granularity, errp);
    if (b) {
        dirty_bitmap_set_name(b, o->name);
        dirty_bitmap_enable(b, !o->disabled);
        dirty_bitmap_set_persistent(b, o->persistent);
    }
    return b;
}

bool bitmap_user_supported(BlockNode *n)
{
    return n->drv->bitmap && n->drv->bitmap->supported(n);
}

/* Remove and merge
 * -------------------------------------------------------------- */

typedef struct Remove {
    BlockNode *n;
    const char *name;
    bool ok;
    Error **errp;
} Remove;

static void coroutine_fn remove_entry(void *opaque)
{
    Remove *r = opaque;

    r->ok = r->n->drv->bitmap->remove(r->n, r->name, r->errp);
}

bool bitmap_user_remove_stored(BlockNode *n, DirtyBitmap *b, Error **errp)
{
    Remove r = { n, dirty_bitmap_name(b), true, errp };

    if (dirty_bitmap_persistent(b)) {
        block_run(remove_entry, &r);
    }
    return r.ok;
}

bool bitmap_user_merge(BlockNode *n, DirtyBitmap *b, BlockNode *from,
                       const char *name, Error **errp)
{
    DirtyBitmap *source =
        bitmap_user_find(from, name,
                         DIRTY_BITMAP_BUSY | DIRTY_BITMAP_INCONSISTENT, errp);

    if (!source) {
        return false;
    }
    if (node_length(from) != node_length(n)) {
        return error_set(errp,
                         "Bitmaps are of different sizes (destination size is "
                         "%" PRId64 ", source size is %" PRId64 ") and can't "
                         "be merged",
                         node_length(n), node_length(from));
    }
    if (source != b) {
        dirty_bitmap_merge(b, source);
    }
    return true;
}
