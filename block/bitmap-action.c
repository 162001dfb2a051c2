/* SPDX-License-Identifier: GPL-2.0-or-later */
/* block-dirty-bitmap-*, as actions of transactions, and what is told of
 * bitmaps. */
#include "util/osdep.h"

#include "block/bitmap-user.h"
#include "block/block-int.h"
#include "block/block-options.h"
#include "block/transaction.h"
#include "qapi/qapi-commands-transaction.h"
#include "softmmu/vm.h"
#include "util/error.h"

static DirtyBitmap *find_bitmap(BlockGraph *g, const char *node,
                                const char *name, unsigned bad, BlockNode **n,
                                Error **errp)
{
    *n = bitmap_user_node(g, node, errp);
    if (!*n) {
        return NULL;
    }
    return bitmap_user_find(*n, name, bad, errp);
}

/* The bitmap that an action of the plain form names. */
static bool take_bitmap(BlkAction *a, unsigned bad, Error **errp)
{
    /* All actions of this form have the same type of data. */
    const BlockDirtyBitmap *arg = a->arg->u.block_dirty_bitmap_clear.data;

    a->bitmap = find_bitmap(a->g, arg->node, arg->name, bad, &a->n, errp);
    return a->bitmap;
}

/* Add and remove
 * ---------------------------------------------------------------- */

static bool add_prepare(BlkAction *a, Error **errp)
{
    const BlockDirtyBitmapAdd *arg = a->arg->u.block_dirty_bitmap_add.data;
    BitmapUserNew o = {
        .name = arg->name,
        .has_granularity = arg->has_granularity,
        .granularity = arg->granularity,
        .persistent = arg->has_persistent && arg->persistent,
        .disabled = arg->has_disabled && arg->disabled,
    };

    a->n = node_lookup(a->g, arg->node, arg->node, errp);
    a->bitmap = a->n ? bitmap_user_add(a->n, &o, errp) : NULL;
    return a->bitmap;
}

static void add_abort(BlkAction *a)
{
    dirty_bitmap_free(a->n, a->bitmap);
}

const BlkActionOps bitmap_add_ops = {
    .prepare = add_prepare,
    .abort = add_abort,
};

/* Those that follow cannot use it any more, unless all is taken back: then the
 * image gets it again with the others. */
static bool remove_prepare(BlkAction *a, Error **errp)
{
    if (!take_bitmap(a, DIRTY_BITMAP_BUSY | DIRTY_BITMAP_READONLY, errp) ||
        !bitmap_user_remove_stored(a->n, a->bitmap, errp)) {
        return false;
    }
    dirty_bitmap_set_busy(a->bitmap, true);
    return true;
}

static void remove_commit(BlkAction *a)
{
    dirty_bitmap_free(a->n, a->bitmap);
}

static void remove_abort(BlkAction *a)
{
    dirty_bitmap_set_busy(a->bitmap, false);
}

const BlkActionOps bitmap_remove_ops = {
    .prepare = remove_prepare,
    .commit = remove_commit,
    .abort = remove_abort,
};

/* Enable and disable
 * ------------------------------------------------------------ */

static bool set_enabled(BlkAction *a, bool on, Error **errp)
{
    /* Also of an image that cannot be written. */
    if (!take_bitmap(a, DIRTY_BITMAP_BUSY | DIRTY_BITMAP_INCONSISTENT, errp)) {
        return false;
    }
    a->was_enabled = dirty_bitmap_enable(a->bitmap, on);
    return true;
}

static bool enable_prepare(BlkAction *a, Error **errp)
{
    return set_enabled(a, true, errp);
}

static bool disable_prepare(BlkAction *a, Error **errp)
{
    return set_enabled(a, false, errp);
}

static void enable_abort(BlkAction *a)
{
    dirty_bitmap_enable(a->bitmap, a->was_enabled);
}

const BlkActionOps bitmap_enable_ops = {
    .prepare = enable_prepare,
    .abort = enable_abort,
};

const BlkActionOps bitmap_disable_ops = {
    .prepare = disable_prepare,
    .abort = enable_abort,
};

/* Clear and merge
 * --------------------------------------------------------------- */

static bool clear_prepare(BlkAction *a, Error **errp)
{
    if (!take_bitmap(a, DIRTY_BITMAP_ANY, errp)) {
        return false;
    }
    a->saved = dirty_bitmap_copy(a->bitmap, errp);
    if (a->saved) {
        dirty_bitmap_clear(a->bitmap, 0, INT64_MAX);
    }
    return a->saved;
}

static void saved_commit(BlkAction *a)
{
    dirty_bitmap_drop_copy(a->saved);
}

static void saved_abort(BlkAction *a)
{
    dirty_bitmap_clear(a->bitmap, 0, INT64_MAX);
    dirty_bitmap_merge(a->bitmap, a->saved);
    dirty_bitmap_drop_copy(a->saved);
}

const BlkActionOps bitmap_clear_ops = {
    .prepare = clear_prepare,
    .commit = saved_commit,
    .abort = saved_abort,
};

static bool merge_one(BlkAction *a, const BlockDirtyBitmapMerge *arg,
                      const BlockDirtyBitmapOrStr *from, Error **errp)
{
    bool local = from->type == QTYPE_QSTRING;
    const char *node = local ? arg->node : from->u.external.node;
    const char *name = local ? from->u.local : from->u.external.name;
    BlockNode *n = bitmap_user_node(a->g, node, errp);

    return n && bitmap_user_merge(a->n, a->bitmap, n, name, errp);
}

static bool merge_prepare(BlkAction *a, Error **errp)
{
    const BlockDirtyBitmapMerge *arg = a->arg->u.block_dirty_bitmap_merge.data;
    const BlockDirtyBitmapOrStrList *sources = arg->bitmaps;

    a->bitmap = find_bitmap(a->g, arg->node, arg->target, DIRTY_BITMAP_ANY,
                            &a->n, errp);
    a->saved = a->bitmap ? dirty_bitmap_copy(a->bitmap, errp) : NULL;
    if (!a->saved) {
        return false;
    }
    QAPI_LIST_FOREACH(sources, l) {
        if (!merge_one(a, arg, l->value, errp)) {
            saved_abort(a);
            return false;
        }
    }
    return true;
}

const BlkActionOps bitmap_merge_ops = {
    .prepare = merge_prepare,
    .commit = saved_commit,
    .abort = saved_abort,
};

BlockDirtyBitmapSha256 *
qmp_x_debug_block_dirty_bitmap_sha256(Vm *vm, BlockDirtyBitmap *arg,
                                      Error **errp)
{
    BlockDirtyBitmapSha256 *ret;
    BlockNode *n;
    DirtyBitmap *b =
        find_bitmap(block_vm_graph(vm), arg->node, arg->name, 0, &n, errp);

    if (!b) {
        return NULL;
    }
    ret = g_new0(BlockDirtyBitmapSha256, 1);
    ret->sha256 = dirty_bitmap_sha256(b);
    return ret;
}
