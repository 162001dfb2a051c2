/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of a VM that an image keeps, found through what lies above the
 * image; and breakpoints, which are found alike.
 */
#include "util/osdep.h"

#include "block/block-debug.h"
#include "block/block-node.h"

/* The storage or the filtered child; NULL at the bottom. */
static BlockNode *below(const BlockNode *n)
{
    return n->file ? n->file->node : NULL;
}

/* VM state
 * ----------------------------------------------------------------------- */

static BlockNode *with_vmstate(const BlockNode *n)
{
    BlockNode *at = (BlockNode *)n;

    while (at && !at->drv->vmstate) {
        at = below(at);
    }
    return at;
}

int coroutine_fn node_load_vmstate(BlockNode *n, int64_t pos, const IoVec *iov)
{
    BlockNode *at = with_vmstate(n);

    return at ? at->drv->vmstate->load(at, pos, iov) : -ENOTSUP;
}

int coroutine_fn node_save_vmstate(BlockNode *n, int64_t pos, const IoVec *iov)
{
    BlockNode *at = with_vmstate(n);

    if (!at) {
        return -ENOTSUP;
    }
    return at->read_only ? -EPERM : at->drv->vmstate->save(at, pos, iov);
}

int64_t node_vmstate_offset(const BlockNode *n)
{
    const BlockNode *at = with_vmstate(n);

    return at ? at->drv->vmstate->offset(at) : 0;
}

/* Breakpoints
 * -------------------------------------------------------------------- */

static BlockNode *with_debug(BlockNode *n)
{
    while (n && !n->drv->debug) {
        n = below(n);
    }
    return n;
}

int block_debug_break(BlockNode *n, const char *event, const char *tag)
{
    n = with_debug(n);
    return n ? n->drv->debug->set_break(n, event, tag) : -ENOTSUP;
}

int block_debug_remove(BlockNode *n, const char *tag)
{
    n = with_debug(n);
    return n ? n->drv->debug->remove_break(n, tag) : -ENOTSUP;
}

int block_debug_resume(BlockNode *n, const char *tag)
{
    n = with_debug(n);
    return n ? n->drv->debug->resume(n, tag) : -ENOTSUP;
}

bool block_debug_suspended(BlockNode *n, const char *tag)
{
    n = with_debug(n);
    return n && n->drv->debug->suspended(n, tag);
}
