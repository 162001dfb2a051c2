/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty bitmaps that an NBD export shows as metadata contexts.
 * Spec: docs/interop/nbd.txt of QEMU 7.2, "qemu" namespace. */
#include "util/osdep.h"

#include "block/bitmap-user.h"
#include "block/nbd/server.h"
#include "qapi/qapi-types-block-export.h"
#include "util/error.h"

#define PREFIX "qemu:dirty-bitmap:"

/* In what is exported, or the images below it. */
static DirtyBitmap *find_below(BlockNode *n, const char *name, BlockNode **at)
{
    while (n) {
        DirtyBitmap *b = dirty_bitmap_find(n, name);
        BlockEdge *below = n->drv->filter ? n->file : n->backing;

        if (b) {
            *at = n;
            return b;
        }
        n = below ? below->node : NULL;
    }
    return NULL;
}

static DirtyBitmap *find(BlockNode *n, const BlockDirtyBitmapOrStr *o,
                         BlockNode **at, Error **errp)
{
    DirtyBitmap *b;

    if (o->type == QTYPE_QSTRING) {
        b = find_below(n, o->u.local, at);
        if (!b) {
            error_set(errp, "Bitmap '%s' is not found", o->u.local);
        }
        return b;
    }
    *at = bitmap_user_node(n->graph, o->u.external.node, errp);
    return *at ? bitmap_user_find(*at, o->u.external.name, 0, errp) : NULL;
}

static bool take(BlockExport *exp, BlockNode *n, const BlockDirtyBitmapOrStr *o,
                 bool writable, Error **errp)
{
    BlockNode *at;
    DirtyBitmap *b = find(n, o, &at, errp);
    NbdBitmap *e;

    if (!b ||
        !dirty_bitmap_check(b, DIRTY_BITMAP_BUSY | DIRTY_BITMAP_INCONSISTENT,
                            errp)) {
        return false;
    }
    if (!writable && !at->read_only && dirty_bitmap_enabled(b)) {
        return error_set(errp,
                         "Enabled bitmap '%s' incompatible with readonly "
                         "export",
                         dirty_bitmap_name(b));
    }
    if (exp->bitmaps->len == NBD_BITMAPS_MAX) {
        return error_set(errp, "An export can have at most %d bitmaps",
                         NBD_BITMAPS_MAX);
    }
    e = g_new0(NbdBitmap, 1);
    e->n = node_ref(at);
    e->b = b;
    e->context = g_strconcat(PREFIX, dirty_bitmap_name(b), NULL);
    g_ptr_array_add(exp->bitmaps, e);
    return true;
}

bool nbd_export_take_bitmaps(BlockExport *exp, BlockNode *n,
                             const BlockDirtyBitmapOrStrList *list,
                             bool writable, Error **errp)
{
    exp->bitmaps = g_ptr_array_new();
    QAPI_LIST_FOREACH(list, l) {
        if (!take(exp, n, l->value, writable, errp)) {
            nbd_export_drop_bitmaps(exp);
            return false;
        }
    }
    /* The same one twice is fine, as long as it is here. */
    for (guint i = 0; i < exp->bitmaps->len; i++) {
        dirty_bitmap_set_busy(((NbdBitmap *)exp->bitmaps->pdata[i])->b, true);
    }
    exp->bitmaps_busy = true;
    return true;
}

void nbd_export_drop_bitmaps(BlockExport *exp)
{
    for (guint i = 0; i < exp->bitmaps->len; i++) {
        NbdBitmap *e = exp->bitmaps->pdata[i];

        if (exp->bitmaps_busy) {
            dirty_bitmap_set_busy(e->b, false);
        }
        g_free(e->context);
        node_unref(e->n);
        g_free(e);
    }
    g_ptr_array_free(exp->bitmaps, TRUE);
    exp->bitmaps = NULL;
}

bool nbd_bitmap_status(const NbdBitmap *e, int64_t offset, int64_t bytes,
                       int64_t *pnum)
{
    int64_t at = offset, num;

    if (!dirty_bitmap_next(e->b, &at, bytes, &num) || at >= offset + bytes) {
        *pnum = bytes;
        return false;
    }
    if (at > offset) {
        *pnum = at - offset;
        return false;
    }
    /* It may begin before, as bits stand for more than a byte. */
    *pnum = MIN(at + num - offset, bytes);
    return true;
}
