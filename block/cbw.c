/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copy-before-write: a filter that keeps the data of its child as it was when
 * the filter was made. What a write is about to change is copied to the target
 * first. snapshot-access reads what was kept.
 * Spec: the drivers copy-before-write and snapshot-access in QEMU 7.2's QMP
 * reference.
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/cbw.h"
#include "block/dirty-bitmap.h"
#include "block/drivers.h"
#include "block/filter.h"
#include "block/job-copy.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"
#include "util/loop.h"

#define UNIT_MIN  (64 * KiB)
#define SECOND_NS INT64_C(1000000000)

typedef struct CbwState {
    BlockEdge *target;
    int64_t unit; /* what is copied at once */
    bool break_snapshot;
    int64_t timeout; /* ns; 0: none */
    CopyLock lock;
    DirtyBitmap *todo;   /* not copied yet, changed under the lock of a range */
    DirtyBitmap *access; /* what snapshot-access may read */
    int broken;          /* atomic: -errno of a copy that failed */
} CbwState;

/* Opening
 * ---------------------------------------------------------------------- */

/* Whole clusters of the target, so that it need not read. */
static int64_t choose_unit(BlockNode *target)
{
    ImageInfo *info = block_image_info(target, false);
    int64_t unit = UNIT_MIN;

    if (info->has_cluster_size) {
        unit = MAX(unit, info->cluster_size);
    }
    qapi_free_ImageInfo(info);
    return unit;
}

static bool take_bitmap(BlockNode *n, const BlockDirtyBitmap *o, Error **errp)
{
    CbwState *s = n->state;
    BlockNode *owner;
    DirtyBitmap *b;

    if (!o) {
        dirty_bitmap_set(s->todo, 0, n->length);
        dirty_bitmap_set(s->access, 0, n->length);
        return true;
    }
    owner = node_lookup(n->graph, o->node, o->node, errp);
    b = owner ? dirty_bitmap_find(owner, o->name) : NULL;
    if (owner && !b) {
        error_set(errp, "Dirty bitmap '%s' not found", o->name);
    }
    if (!b || !dirty_bitmap_check(b, DIRTY_BITMAP_ANY, errp)) {
        return false;
    }
    dirty_bitmap_merge(s->todo, b);
    dirty_bitmap_merge(s->access, b);
    return true;
}

static void drop_bitmaps(CbwState *s)
{
    if (s->todo) {
        dirty_bitmap_drop_copy(s->todo);
    }
    if (s->access) {
        dirty_bitmap_drop_copy(s->access);
    }
}

static bool coroutine_fn cbw_open(BlockNode *n, const BlockdevOptions *opts,
                                  Error **errp)
{
    const BlockdevOptionsCbw *o = &opts->u.copy_before_write;
    CbwState *s = n->state;

    if (!filter_open(n, o->file, errp)) {
        return false;
    }
    s->target = node_open_child(n, "target", o->target, BLOCK_ROLE_DATA, errp);
    if (!s->target) {
        return false;
    }
    s->timeout = o->has_cbw_timeout ? o->cbw_timeout * SECOND_NS : 0;
    s->break_snapshot =
        o->has_on_cbw_error && o->on_cbw_error == ON_CBW_ERROR_BREAK_SNAPSHOT;
    s->unit = choose_unit(s->target->node);
    s->todo = dirty_bitmap_alone(n->length, s->unit, errp);
    s->access = s->todo ? dirty_bitmap_alone(n->length, s->unit, errp) : NULL;
    if (!s->access || !take_bitmap(n, o->bitmap, errp)) {
        drop_bitmaps(s);
        return false;
    }
    copy_lock_init(&s->lock);
    return true;
}

static void coroutine_fn cbw_close(BlockNode *n)
{
    CbwState *s = n->state;

    copy_lock_destroy(&s->lock);
    drop_bitmaps(s);
}

static void cbw_child_perm(BlockNode *n, const BlockEdge *e, uint64_t perm,
                           uint64_t shared, uint64_t *child_perm,
                           uint64_t *child_shared)
{
    if (!(e->role & BLOCK_ROLE_FILTERED)) {
        *child_perm = BLK_PERM_READ | BLK_PERM_WRITE;
        *child_shared = BLK_PERM_ALL & ~(uint64_t)BLK_PERM_RESIZE;
        return;
    }
    *child_perm = perm;
    *child_shared = shared;
    if (perm & BLK_PERM_WRITE) {
        *child_perm |= BLK_PERM_READ;
    }
    if (n->parents->len) {
        /* Writes that go around the filter would not be seen. */
        *child_shared &= ~(uint64_t)(BLK_PERM_WRITE | BLK_PERM_RESIZE);
    }
}

/* Writes
 * ----------------------------------------------------------------------- */

static bool snapshot_broken(CbwState *s)
{
    return __atomic_load_n(&s->broken, __ATOMIC_RELAXED);
}

static int coroutine_fn copy_piece(BlockNode *n, int64_t offset, int64_t bytes,
                                   char *buf)
{
    CbwState *s = n->state;
    IoVec v = IOVEC_BUF(buf, bytes);
    int ret = node_preadv(n->file->node, offset, bytes, &v, 0, 0);

    return ret < 0 ? ret
                   : node_pwritev(s->target->node, offset, bytes, &v, 0, 0);
}

/* With the range locked. */
static int coroutine_fn copy_todo(BlockNode *n, const CopyRange *r)
{
    CbwState *s = n->state;
    int64_t at = r->offset, num, end = r->offset + r->bytes;
    char *buf = NULL;
    int ret = 0;

    while (ret >= 0 && at < end &&
           dirty_bitmap_next(s->todo, &at, COPY_CHUNK, &num) && at < end) {
        num = MIN(MIN(num, end - at), node_length(n->file->node) - at);
        buf = buf ? buf : node_alloc(s->target->node, COPY_CHUNK);
        if (!buf) {
            return -ENOMEM;
        }
        ret = copy_piece(n, at, num, buf);
        if (ret >= 0) {
            dirty_bitmap_clear(s->todo, at, num);
        }
        at += num;
    }
    free(buf);
    return ret;
}

static void whole_units(const BlockNode *n, CopyRange *r, int64_t offset,
                        int64_t bytes)
{
    const CbwState *s = n->state;

    r->offset = ALIGN_DOWN(offset, s->unit);
    r->bytes = ALIGN_UP(offset + bytes, s->unit) - r->offset;
}

static int coroutine_fn copy_range(BlockNode *n, CopyRange *r)
{
    CbwState *s = n->state;
    int ret;

    copy_lock(&s->lock, r);
    ret = copy_todo(n, r);
    copy_unlock(&s->lock, r);
    return ret;
}

/* A copy whose write does not wait for it longer than so: then it goes on by
 * itself. */
typedef struct TimedCopy {
    BlockNode *n;
    CopyRange r;
    GPtrArray *users; /* BlockBackend *, above the node; drains wait for us */
    Coroutine *waiter;
    Loop *loop; /* of the waiter */
    Mutex lock;
    unsigned refs; /* guarded by lock: the waiter, the copy */
    bool woken;    /* guarded by lock: the waiter is, or will be */
    bool done;     /* guarded by lock */
    int ret;       /* guarded by lock */
} TimedCopy;

static void timed_copy_unref(TimedCopy *t)
{
    bool last;

    mutex_lock(&t->lock);
    last = !--t->refs;
    mutex_unlock(&t->lock);
    if (last) {
        mutex_destroy(&t->lock);
        g_ptr_array_free(t->users, TRUE);
        g_free(t);
    }
}

/* Once, by the copy or the timer. */
static void timed_copy_wake(TimedCopy *t)
{
    bool first;

    mutex_lock(&t->lock);
    first = !t->woken;
    t->woken = true;
    mutex_unlock(&t->lock);
    if (first) {
        coroutine_wake_on(t->waiter, t->loop);
    }
}

static void timed_copy_late(void *opaque)
{
    timed_copy_wake(opaque);
}

static void coroutine_fn timed_copy_entry(void *opaque)
{
    TimedCopy *t = opaque;
    int ret = copy_range(t->n, &t->r);

    mutex_lock(&t->lock);
    t->done = true;
    t->ret = ret;
    mutex_unlock(&t->lock);
    timed_copy_wake(t);
    for (guint i = 0; i < t->users->len; i++) {
        co_gate_leave(&((BlockBackend *)t->users->pdata[i])->gate);
    }
    timed_copy_unref(t);
}

/* The parents stay as they are as long as the write is under way. */
static void enter_users(const BlockNode *n, GPtrArray *users)
{
    for (guint i = 0; i < n->parents->len; i++) {
        const BlockEdge *e = n->parents->pdata[i];

        if (e->parent) {
            enter_users(e->parent, users);
        } else {
            co_gate_enter_again(&e->blk->gate);
            g_ptr_array_add(users, e->blk);
        }
    }
}

static int coroutine_fn copy_range_timed(BlockNode *n, const CopyRange *r)
{
    CbwState *s = n->state;
    TimedCopy *t = g_new0(TimedCopy, 1);
    LoopTimer timer;
    int ret;

    t->n = n;
    t->r = *r;
    t->users = g_ptr_array_new();
    t->waiter = coroutine_self();
    t->loop = loop_current();
    t->refs = 2;
    mutex_init(&t->lock);
    enter_users(n, t->users);
    loop_timer_init(&timer, t->loop, timed_copy_late, t);
    loop_timer_set_io(&timer);
    loop_timer_set(&timer, loop_now_ns() + s->timeout);
    coroutine_enter(coroutine_new(timed_copy_entry, t));
    coroutine_yield();
    loop_timer_cancel(&timer);
    mutex_lock(&t->lock);
    ret = t->done ? t->ret : -ETIMEDOUT;
    mutex_unlock(&t->lock);
    timed_copy_unref(t);
    return ret;
}

/* A write is about to come: 0, or -errno to fail it. */
static int coroutine_fn before_write(BlockNode *n, int64_t offset,
                                     int64_t bytes)
{
    CbwState *s = n->state;
    CopyRange r = { 0 };
    int ret;

    if (s->break_snapshot && snapshot_broken(s)) {
        return 0;
    }
    whole_units(n, &r, offset, bytes);
    ret = s->timeout ? copy_range_timed(n, &r) : copy_range(n, &r);
    if (ret < 0 && s->break_snapshot) {
        __atomic_store_n(&s->broken, ret, __ATOMIC_RELAXED);
        return 0;
    }
    return ret;
}

static int coroutine_fn cbw_pwritev(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset,
                                    unsigned flags)
{
    int ret = before_write(n, offset, bytes);

    return ret < 0 ? ret
                   : filter_pwritev(n, offset, bytes, iov, iov_offset, flags);
}

static int coroutine_fn cbw_pwrite_zeroes(BlockNode *n, int64_t offset,
                                          int64_t bytes, unsigned flags)
{
    int ret = before_write(n, offset, bytes);

    return ret < 0 ? ret : filter_pwrite_zeroes(n, offset, bytes, flags);
}

static int coroutine_fn cbw_pdiscard(BlockNode *n, int64_t offset,
                                     int64_t bytes)
{
    int ret = before_write(n, offset, bytes);

    return ret < 0 ? ret : filter_pdiscard(n, offset, bytes);
}

/* The snapshot
 * ----------------------------------------------------------------- */

/* Where [offset, offset + *bytes) is kept, shortened to where that is the
 * same for all of it. NULL: nowhere. With the range locked. */
static BlockNode *where_kept(BlockNode *n, int64_t offset, int64_t *bytes)
{
    CbwState *s = n->state;
    int64_t at = offset, num;

    /* Ranges begin with a whole unit. */
    if (!dirty_bitmap_next(s->access, &at, INT64_MAX, &num) || at > offset) {
        return NULL;
    }
    *bytes = MIN(*bytes, at + num - offset);
    at = offset;
    if (!dirty_bitmap_next(s->todo, &at, INT64_MAX, &num)) {
        return s->target->node;
    }
    if (at > offset) {
        *bytes = MIN(*bytes, at - offset);
        return s->target->node;
    }
    *bytes = MIN(*bytes, at + num - offset);
    return n->file->node;
}

int coroutine_fn cbw_snapshot_preadv(BlockNode *n, int64_t offset,
                                     int64_t bytes, const IoVec *iov,
                                     size_t iov_offset)
{
    CbwState *s = n->state;
    CopyRange r = { 0 };
    int ret = 0;

    if (snapshot_broken(s)) {
        return -EACCES;
    }
    whole_units(n, &r, offset, bytes);
    copy_lock(&s->lock, &r);
    while (bytes && ret >= 0) {
        int64_t num = bytes;
        BlockNode *from = where_kept(n, offset, &num);

        ret =
            from ? node_preadv(from, offset, num, iov, iov_offset, 0) : -EACCES;
        offset += num;
        iov_offset += num;
        bytes -= num;
    }
    copy_unlock(&s->lock, &r);
    /* A copy that failed meanwhile let its write go on. */
    return ret >= 0 && snapshot_broken(s) ? -EACCES : ret;
}

int coroutine_fn cbw_snapshot_status(BlockNode *n, bool want_zero,
                                     int64_t offset, int64_t bytes,
                                     int64_t *pnum, int64_t *map,
                                     BlockNode **file)
{
    CbwState *s = n->state;
    CopyRange r = { 0 };
    BlockNode *from;
    int ret = -EACCES;

    if (snapshot_broken(s)) {
        return -EACCES;
    }
    whole_units(n, &r, offset, bytes);
    copy_lock(&s->lock, &r);
    from = where_kept(n, offset, &bytes);
    if (from) {
        ret =
            node_block_status(from, want_zero, offset, bytes, pnum, map, file);
    }
    copy_unlock(&s->lock, &r);
    return ret < 0 ? ret : ret & ~(BLK_STATUS_EOF | BLK_STATUS_OFFSET);
}

int coroutine_fn cbw_snapshot_discard(BlockNode *n, int64_t offset,
                                      int64_t bytes)
{
    CbwState *s = n->state;
    CopyRange r = { .offset = ALIGN_UP(offset, s->unit) };
    int64_t end = offset + bytes;
    int ret;

    if (end < node_length(n)) {
        end = ALIGN_DOWN(end, s->unit);
    }
    if (end <= r.offset) {
        return 0;
    }
    r.bytes = end - r.offset;
    copy_lock(&s->lock, &r);
    dirty_bitmap_clear(s->access, r.offset, r.bytes);
    dirty_bitmap_clear(s->todo, r.offset, r.bytes);
    ret = node_pdiscard(s->target->node, r.offset, r.bytes);
    copy_unlock(&s->lock, &r);
    return ret;
}

static const BlockIoOps cbw_io_ops = {
    .preadv = filter_preadv,
    .pwritev = cbw_pwritev,
    .pwrite_zeroes = cbw_pwrite_zeroes,
    .pdiscard = cbw_pdiscard,
    .block_status = filter_block_status,
};

static const BlockSizeOps cbw_size_ops = {
    .getlength = filter_getlength,
};

static const BlockPermOps cbw_perm_ops = {
    .child = cbw_child_perm,
};

const BlockDriver block_driver_cbw = {
    .name = "copy-before-write",
    .driver = BLOCKDEV_DRIVER_COPY_BEFORE_WRITE,
    .state_size = sizeof(CbwState),
    .filter = true,
    .open = cbw_open,
    .close = cbw_close,
    .refresh_limits = filter_refresh_limits,
    .io = &cbw_io_ops,
    .size = &cbw_size_ops,
    .perm = &cbw_perm_ops,
};
