/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle: a filter whose requests keep the limits of a throttle group.
 * Spec: QEMU's docs/throttle.txt, "The 'throttle' block filter".
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/drivers.h"
#include "block/filter.h"
#include "block/throttle.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

typedef struct ThrottleNode {
    ThrottleMember *member;
} ThrottleNode;

static ThrottleGroup *find_group(BlockNode *n, const char *name, Error **errp)
{
    ThrottleGroup *tg = throttle_group_find(n->graph, name);

    if (!tg) {
        error_set(errp, "Throttle group '%s' does not exist", name);
    }
    return tg;
}

static bool coroutine_fn throttle_open(BlockNode *n,
                                       const BlockdevOptions *opts,
                                       Error **errp)
{
    const BlockdevOptionsThrottle *o = &opts->u.throttle;
    ThrottleNode *s = n->state;
    ThrottleGroup *tg;

    if (!filter_open(n, o->file, errp)) {
        return false;
    }
    tg = find_group(n, o->throttle_group, errp);
    if (!tg) {
        return false;
    }
    s->member = throttle_member_new(tg, n, NULL);
    return true;
}

static void coroutine_fn throttle_close(BlockNode *n)
{
    ThrottleNode *s = n->state;

    throttle_member_free(s->member);
}

/* Requests
 * ---------------------------------------------------------------------- */

static void coroutine_fn wait_turn(BlockNode *n, bool is_write, int64_t bytes)
{
    ThrottleNode *s = n->state;

    throttle_wait(s->member, is_write, bytes);
}

static int coroutine_fn throttle_preadv(BlockNode *n, int64_t offset,
                                        int64_t bytes, const IoVec *iov,
                                        size_t iov_offset, unsigned flags)
{
    wait_turn(n, false, bytes);
    return filter_preadv(n, offset, bytes, iov, iov_offset, flags);
}

static int coroutine_fn throttle_pwritev(BlockNode *n, int64_t offset,
                                         int64_t bytes, const IoVec *iov,
                                         size_t iov_offset, unsigned flags)
{
    wait_turn(n, true, bytes);
    return filter_pwritev(n, offset, bytes, iov, iov_offset, flags);
}

static int coroutine_fn throttle_pwrite_zeroes(BlockNode *n, int64_t offset,
                                               int64_t bytes, unsigned flags)
{
    wait_turn(n, true, bytes);
    return filter_pwrite_zeroes(n, offset, bytes, flags);
}

static int coroutine_fn throttle_pdiscard(BlockNode *n, int64_t offset,
                                          int64_t bytes)
{
    wait_turn(n, true, bytes);
    return filter_pdiscard(n, offset, bytes);
}

/* Reopening: another group
 * ------------------------------------------------------ */

static bool coroutine_fn throttle_reopen(BlockReopen *r, Error **errp)
{
    r->state = find_group(r->n, r->opts->u.throttle.throttle_group, errp);
    if (!r->state) {
        return false;
    }
    throttle_group_ref(r->state);
    return true;
}

static void coroutine_fn throttle_reopen_abort(BlockReopen *r)
{
    throttle_group_unref(r->state);
}

static void coroutine_fn throttle_reopen_commit(BlockReopen *r)
{
    ThrottleNode *s = r->n->state;

    throttle_member_move(s->member, r->state);
    throttle_group_unref(r->state);
}

static const BlockIoOps throttle_io_ops = {
    .preadv = throttle_preadv,
    .pwritev = throttle_pwritev,
    .pwrite_zeroes = throttle_pwrite_zeroes,
    .pdiscard = throttle_pdiscard,
    .block_status = filter_block_status,
};

static const char *const throttle_reopen_options[] = { "throttle-group", NULL };

static const BlockReopenOps throttle_reopen_ops = {
    .options = throttle_reopen_options,
    .prepare = throttle_reopen,
    .commit = throttle_reopen_commit,
    .abort = throttle_reopen_abort,
};

const BlockDriver block_driver_throttle = {
    .name = "throttle",
    .driver = BLOCKDEV_DRIVER_THROTTLE,
    .state_size = sizeof(ThrottleNode),
    .filter = true,
    .open = throttle_open,
    .close = throttle_close,
    .refresh_limits = filter_refresh_limits,
    .io = &throttle_io_ops,
    .size = &filter_size_ops,
    .reopen = &throttle_reopen_ops,
};
