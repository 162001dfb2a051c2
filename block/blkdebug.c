/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkdebug: a filter that makes requests fail by rules, and demands limits.
 * Spec: docs/devel/blkdebug.txt and the QMP reference of QEMU 7.2.
 */
#include "util/osdep.h"

#include "block/blkdebug.h"
#include "block/drivers.h"
#include "util/error.h"

typedef struct DebugState {
    DebugRules rules;
    BlockLimits limits; /* 0: the child's */
    uint64_t take, unshare; /* BLK_PERM_* on the child, besides the usual */
} DebugState;

/* Opening
 * ---------------------------------------------------------------------- */

static bool take_limit(bool has, int64_t value, uint32_t *limit,
                       const char *name, Error **errp)
{
    if (has && value &&
        (value < 0 || value > BLK_REQ_MAX || !is_power_of_2(value))) {
        return error_set(errp, "Cannot meet constraints with %s %" PRId64, name,
                         value);
    }
    *limit = has ? value : 0;
    return true;
}

static bool take_max(bool has, int64_t value, int64_t align, int64_t *limit,
                     const char *name, Error **errp)
{
    if (has && (value < 0 || value % MAX(align, 1))) {
        return error_set(errp, "Cannot meet constraints with %s %" PRId64, name,
                         value);
    }
    *limit = has ? value : 0;
    return true;
}

static bool take_limits(DebugState *s, const BlockdevOptionsBlkdebug *o,
                        Error **errp)
{
    BlockLimits *l = &s->limits;
    int64_t max = 0;

    if (!take_limit(o->has_align, o->align, &l->request_alignment, "align",
                    errp) ||
        !take_limit(o->has_opt_write_zero, o->opt_write_zero,
                    &l->write_zeroes_alignment, "opt-write-zero", errp) ||
        !take_limit(o->has_opt_discard, o->opt_discard, &l->discard_alignment,
                    "opt-discard", errp) ||
        !take_max(o->has_max_transfer, o->max_transfer, l->request_alignment,
                  &max, "max-transfer", errp) ||
        !take_max(o->has_max_write_zero, o->max_write_zero,
                  MAX(l->request_alignment, l->write_zeroes_alignment),
                  &l->max_write_zeroes, "max-write-zero", errp) ||
        !take_max(o->has_max_discard, o->max_discard,
                  MAX(l->request_alignment, l->discard_alignment),
                  &l->max_discard, "max-discard", errp)) {
        return false;
    }
    l->max_transfer = max;
    return true;
}

/* BLK_PERM_* of a list. */
static uint64_t perms(const BlockPermissionList *list)
{
    static const uint64_t bits[] = {
        [BLOCK_PERMISSION_CONSISTENT_READ] = BLK_PERM_READ,
        [BLOCK_PERMISSION_WRITE] = BLK_PERM_WRITE,
        [BLOCK_PERMISSION_WRITE_UNCHANGED] = BLK_PERM_WRITE_UNCHANGED,
        [BLOCK_PERMISSION_RESIZE] = BLK_PERM_RESIZE,
    };
    uint64_t all = 0;

    QAPI_LIST_FOREACH(list, e) {
        all |= bits[e->value];
    }
    return all;
}

static void blkdebug_child_perm(BlockNode *n, const BlockEdge *e, uint64_t perm,
                                uint64_t shared, uint64_t *child_perm,
                                uint64_t *child_shared)
{
    const DebugState *s = n->state;

    node_default_perm(n, e, perm, shared, child_perm, child_shared);
    *child_perm |= s->take;
    *child_shared &= ~s->unshare;
}

static bool coroutine_fn blkdebug_open(BlockNode *n,
                                       const BlockdevOptions *opts,
                                       Error **errp)
{
    const BlockdevOptionsBlkdebug *o = &opts->u.blkdebug;
    DebugState *s = n->state;

    s->take = perms(o->take_child_perms);
    s->unshare = perms(o->unshare_child_perms);
    n->file =
        node_open_child(n, "image", o->image,
                        BLOCK_ROLE_FILTERED | BLOCK_ROLE_PRIMARY, errp);
    if (!n->file) {
        return false;
    }
    debug_rules_init(&s->rules);
    if (!take_limits(s, o, errp) || !debug_rules_add(&s->rules, o, errp)) {
        debug_rules_destroy(&s->rules);
        return false;
    }
    debug_rules_event(&s->rules, BLKDEBUG_EVENT_NONE);
    n->length = node_length(n->file->node);
    n->zero_flags = n->file->node->zero_flags;
    g_free(n->filename);
    n->filename = g_strdup_printf("blkdebug:%s:%s", o->config ? o->config : "",
                                  n->file->node->filename);
    return true;
}

static void coroutine_fn blkdebug_close(BlockNode *n)
{
    DebugState *s = n->state;

    debug_rules_destroy(&s->rules);
}

static void blkdebug_event(BlockNode *n, int event)
{
    DebugState *s = n->state;

    debug_rules_event(&s->rules, event);
}

static int blkdebug_set_break(BlockNode *n, const char *event, const char *tag)
{
    DebugState *s = n->state;

    return debug_rules_break(&s->rules, event, tag);
}

static int blkdebug_remove_break(BlockNode *n, const char *tag)
{
    DebugState *s = n->state;

    return debug_rules_remove(&s->rules, tag);
}

static int blkdebug_resume(BlockNode *n, const char *tag)
{
    DebugState *s = n->state;

    return debug_rules_resume(&s->rules, tag);
}

static bool blkdebug_suspended(BlockNode *n, const char *tag)
{
    DebugState *s = n->state;

    return debug_rules_suspended(&s->rules, tag);
}

static const BlockDebugOps blkdebug_debug_ops = {
    .set_break = blkdebug_set_break,
    .remove_break = blkdebug_remove_break,
    .resume = blkdebug_resume,
    .suspended = blkdebug_suspended,
};

static void blkdebug_refresh_limits(BlockNode *n)
{
    const DebugState *s = n->state;
    const BlockLimits *c = &n->file->node->limits;
    BlockLimits *l = &n->limits;

    l->request_alignment = MAX(s->limits.request_alignment, 1);
    l->max_transfer = s->limits.max_transfer;
    l->max_write_zeroes = s->limits.max_write_zeroes;
    l->max_discard = s->limits.max_discard;
    l->write_zeroes_alignment = s->limits.write_zeroes_alignment
                                    ? s->limits.write_zeroes_alignment
                                    : c->write_zeroes_alignment;
    l->discard_alignment = s->limits.discard_alignment
                               ? s->limits.discard_alignment
                               : c->discard_alignment;
}

/* Requests
 * ----------------------------------------------------------------------- */

static int coroutine_fn check(BlockNode *n, BlkdebugIOType type, int64_t offset,
                              int64_t bytes)
{
    DebugState *s = n->state;
    bool immediately = true;
    int error =
        debug_rules_error(&s->rules, type, offset, bytes, &immediately);

    if (error && !immediately) {
        coroutine_sleep_ns(1);
    }
    return -error;
}

static int coroutine_fn blkdebug_preadv(BlockNode *n, int64_t offset,
                                        int64_t bytes, const IoVec *iov,
                                        size_t iov_offset, unsigned flags)
{
    int ret = check(n, BLKDEBUG_IO_TYPE_READ, offset, bytes);

    return ret ? ret
               : node_preadv(n->file->node, offset, bytes, iov, iov_offset,
                             flags);
}

/* A durable write is a write and a flush: rules see both. */
static int coroutine_fn flush_through(BlockNode *n)
{
    int ret = check(n, BLKDEBUG_IO_TYPE_FLUSH, 0, 0);

    return ret ? ret : node_flush(n->file->node);
}

static int coroutine_fn blkdebug_pwritev(BlockNode *n, int64_t offset,
                                         int64_t bytes, const IoVec *iov,
                                         size_t iov_offset, unsigned flags)
{
    int ret = check(n, BLKDEBUG_IO_TYPE_WRITE, offset, bytes);

    if (!ret) {
        ret = node_pwritev(n->file->node, offset, bytes, iov, iov_offset,
                           flags & ~BLK_REQ_FUA);
    }
    return ret >= 0 && (flags & BLK_REQ_FUA) ? flush_through(n) : ret;
}

static int coroutine_fn blkdebug_pwrite_zeroes(BlockNode *n, int64_t offset,
                                               int64_t bytes, unsigned flags)
{
    int ret = check(n, BLKDEBUG_IO_TYPE_WRITE_ZEROES, offset, bytes);

    if (!ret) {
        ret = node_pwrite_zeroes(n->file->node, offset, bytes,
                                 flags & ~BLK_REQ_FUA);
    }
    return ret >= 0 && (flags & BLK_REQ_FUA) ? flush_through(n) : ret;
}

static int coroutine_fn blkdebug_pdiscard(BlockNode *n, int64_t offset,
                                          int64_t bytes)
{
    int ret = check(n, BLKDEBUG_IO_TYPE_DISCARD, offset, bytes);

    return ret ? ret : node_pdiscard(n->file->node, offset, bytes);
}

static int coroutine_fn blkdebug_flush(BlockNode *n)
{
    return check(n, BLKDEBUG_IO_TYPE_FLUSH, 0, 0);
}

static int coroutine_fn blkdebug_block_status(BlockNode *n, bool want_zero,
                                              int64_t offset, int64_t bytes,
                                              int64_t *pnum, int64_t *map,
                                              BlockNode **file)
{
    int ret = check(n, BLKDEBUG_IO_TYPE_BLOCK_STATUS, offset, bytes);

    *pnum = bytes;
    *map = offset;
    *file = n->file->node;
    return ret ? ret : BLK_STATUS_OFFSET | BLK_STATUS_RECURSE;
}

static int64_t coroutine_fn blkdebug_getlength(BlockNode *n)
{
    return node_length(n->file->node);
}

static bool coroutine_fn blkdebug_truncate(BlockNode *n, int64_t size,
                                           bool exact, Error **errp)
{
    return node_truncate(n->file->node, size, exact, errp);
}

static const BlockIoOps blkdebug_io_ops = {
    .preadv = blkdebug_preadv,
    .pwritev = blkdebug_pwritev,
    .pwrite_zeroes = blkdebug_pwrite_zeroes,
    .pdiscard = blkdebug_pdiscard,
    .flush = blkdebug_flush,
    .block_status = blkdebug_block_status,
};

static const BlockSizeOps blkdebug_size_ops = {
    .getlength = blkdebug_getlength,
    .truncate = blkdebug_truncate,
};

static const BlockPermOps blkdebug_perm_ops = {
    .child = blkdebug_child_perm,
};

const BlockDriver block_driver_blkdebug = {
    .name = "blkdebug",
    .driver = BLOCKDEV_DRIVER_BLKDEBUG,
    .state_size = sizeof(DebugState),
    .filter = true,
    .open = blkdebug_open,
    .close = blkdebug_close,
    .event = blkdebug_event,
    .refresh_limits = blkdebug_refresh_limits,
    .io = &blkdebug_io_ops,
    .size = &blkdebug_size_ops,
    .perm = &blkdebug_perm_ops,
    .debug = &blkdebug_debug_ops,
};
