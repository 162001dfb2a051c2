/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other sizes of images, with space for what is new. */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "resize.h"
#include "util/error.h"

typedef struct Space {
    BlockNode *n;
    int64_t from, to;
    BlockPrealloc mode;
    int ret;
} Space;

static void coroutine_fn preallocate_entry(void *opaque)
{
    Space *s = opaque;

    s->ret = node_preallocate(s->n, s->from, s->to, s->mode);
}

/* Have all that it goes down to room to give? */
static bool can_preallocate(const BlockNode *n, BlockPrealloc mode)
{
    while (n->drv->size->preallocate) {
        bool alone = n->drv->protocol ||
                     (mode == BLOCK_PREALLOC_METADATA && !n->drv->filter);

        if (alone || !n->file) {
            return true;
        }
        n = n->file->node;
    }
    return false;
}

static bool check_mode(const BlockNode *n, int64_t size, BlockPrealloc mode,
                       Error **errp)
{
    static const char *const modes[] = { "off", "metadata", "falloc", "full" };
    bool raw = strcmp(n->drv->name, "qcow2") != 0;

    if (mode != BLOCK_PREALLOC_OFF && size < node_length(n)) {
        return error_set(errp, raw ? "Cannot use preallocation for shrinking "
                                     "files"
                                   : "Preallocation can't be used for "
                                     "shrinking an image");
    }
    if (mode == BLOCK_PREALLOC_METADATA && raw) {
        return error_set(errp, "Unsupported preallocation mode: metadata");
    }
    if (mode != BLOCK_PREALLOC_OFF && !can_preallocate(n, mode)) {
        return error_set(errp, "Unsupported preallocation mode '%s'",
                         modes[mode]);
    }
    return true;
}

bool tool_resize(BlockBackend *blk, int64_t size, bool exact,
                 BlockPrealloc mode, Error **errp)
{
    Space s = { blk_node(blk), blk_getlength(blk), 0, mode, 0 };

    if (s.from < 0) {
        return error_set(errp, "No medium inserted");
    }
    if (!check_mode(s.n, size, mode, errp) ||
        !blk_truncate(blk, size, exact, errp)) {
        return false;
    }
    s.to = blk_getlength(blk);
    if (mode != BLOCK_PREALLOC_OFF && s.to > s.from) {
        block_run(preallocate_entry, &s);
    }
    return s.ret >= 0 || error_errno(errp, -s.ret, "Could not preallocate");
}
