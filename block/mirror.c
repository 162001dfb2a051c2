/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The job "mirror", and "commit" of what a device writes to: copy what a dirty
 * bitmap names, from the source to the target, until nothing is left; then, on
 * request, with everything drained, copy the rest and switch to the target.
 * Copies and, in write-blocking mode, writes lock their range against each
 * other, so that the target never gets older data last.
 * Spec: QEMU 7.2 manual, "Live Block Device Operations".
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "block/graph-tx.h"
#include "block/job-filter.h"
#include "block/mirror.h"
#include "util/error.h"

#define CHUNK            ((int64_t)(1 * MiB))
#define MAX_COPIES       16
#define BUF_SIZE_DEFAULT ((int64_t)(16 * MiB))
#define IDLE_NS          (100 * INT64_C(1000000))
#define RETRY_NS         (10 * INT64_C(1000000))

typedef struct Range {
    int64_t offset, bytes;
    struct Range *next;
} Range;

typedef struct Mirror {
    Job job;
    BlockNode *source, *target, *filter, *replaces; /* a reference each */
    MirrorSyncMode sync;
    bool commit, base_was_read_only;
    BlockdevOnError on_source, on_target;
    int64_t buf_size;
    DirtyBitmap *dirty; /* of source */

    unsigned copies;            /* under way */
    int64_t copying;            /* bytes of them */
    int error;                  /* -errno of one that failed for good */
    bool failed;                /* one failed: do not try again at once */
    bool should_complete, keep; /* keep: end without switching */

    Mutex lock;
    CoQueue queue;
    Range *ranges; /* guarded by lock */
} Mirror;

/* Ranges
 * ------------------------------------------------------------------------ */

static bool range_busy(const Mirror *m, const Range *r)
{
    for (const Range *i = m->ranges; i; i = i->next) {
        if (r->offset < i->offset + i->bytes &&
            i->offset < r->offset + r->bytes) {
            return true;
        }
    }
    return false;
}

static void coroutine_fn range_lock(Mirror *m, Range *r)
{
    mutex_lock(&m->lock);
    while (range_busy(m, r)) {
        co_queue_wait(&m->queue, &m->lock);
    }
    r->next = m->ranges;
    m->ranges = r;
    mutex_unlock(&m->lock);
}

static void range_unlock(Mirror *m, Range *r)
{
    mutex_lock(&m->lock);
    for (Range **p = &m->ranges; *p; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            break;
        }
    }
    co_queue_wake_all(&m->queue);
    mutex_unlock(&m->lock);
}

/* Copying
 * ----------------------------------------------------------------------- */

/* Make the target equal in a locked range. */
static int coroutine_fn copy_locked(Mirror *m, int64_t offset, int64_t bytes,
                                    bool *is_read)
{
    int ret = 0;

    dirty_bitmap_clear(m->dirty, offset, bytes);
    while (bytes && ret >= 0) {
        int64_t num;

        *is_read = true;
        ret = chain_status(m->source, NULL, offset, bytes, &num);
        if (ret >= 0) {
            num = ret & CHAIN_ZERO ? num : MIN(num, CHUNK);
            ret = copy_range(m->source, m->target, offset, num,
                             ret & CHAIN_ZERO, 0, is_read);
        }
        if (ret < 0) {
            dirty_bitmap_set(m->dirty, offset, bytes);
            return ret;
        }
        offset += num;
        bytes -= num;
    }
    return ret;
}

typedef struct Copy {
    Mirror *m;
    Range r;
} Copy;

static void coroutine_fn copy_entry(void *opaque)
{
    Copy *c = opaque;
    Mirror *m = c->m;
    bool is_read = false;
    int ret;

    job_begin(&m->job);
    range_lock(m, &c->r);
    ret = copy_locked(m, c->r.offset, c->r.bytes, &is_read);
    range_unlock(m, &c->r);
    job_end(&m->job);

    if (ret >= 0) {
        m->job.offset += c->r.bytes;
    } else {
        m->failed = true;
        if (job_error(&m->job, is_read ? m->on_source : m->on_target, is_read,
                      -ret) == BLK_ACTION_REPORT) {
            m->error = ret;
        }
    }
    m->copies--;
    m->copying -= c->r.bytes;
    job_wake(&m->job);
    g_free(c);
}

static void start_copy(Mirror *m, int64_t offset, int64_t bytes)
{
    Copy *c = g_new0(Copy, 1);

    c->m = m;
    c->r = (Range){ .offset = offset, .bytes = bytes };
    m->copies++;
    m->copying += bytes;
    job_account(&m->job, bytes);
    coroutine_enter(coroutine_new(copy_entry, c));
}

/* What there is to copy at the start. */
static int coroutine_fn mark_initial(Mirror *m)
{
    int64_t length = node_length(m->source), offset = 0;
    BlockNode *base = m->commit ? m->target : chain_next(m->source);

    if (m->sync == MIRROR_SYNC_MODE_NONE) {
        return 0;
    }
    if (m->sync == MIRROR_SYNC_MODE_FULL || !base) {
        dirty_bitmap_set(m->dirty, 0, length);
        return 0;
    }
    while (offset < length && !m->job.cancelled) {
        int64_t num;
        int ret;

        job_begin(&m->job);
        ret = chain_status(m->source, base, offset,
                           MIN(length - offset, (int64_t)(1 * GiB)), &num);
        job_end(&m->job);
        if (ret < 0) {
            return ret;
        }
        if (ret & CHAIN_ALLOCATED) {
            dirty_bitmap_set(m->dirty, offset, num);
        }
        offset += num;
        coroutine_reschedule();
    }
    return 0;
}

/* Let what runs end. */
static void coroutine_fn settle(Mirror *m)
{
    while (m->copies) {
        job_wait(&m->job, 0);
    }
}

static int coroutine_fn flush_target(Mirror *m)
{
    int ret;

    job_begin(&m->job);
    ret = node_flush(m->target);
    job_end(&m->job);
    return ret;
}

/* One step of the loop below; false: nothing is to be done just now. */
static bool coroutine_fn copy_some(Mirror *m, int64_t *cursor)
{
    Job *j = &m->job;
    int64_t bytes;

    if (m->copies >= MAX_COPIES || (m->copies && m->copying >= m->buf_size)) {
        job_wait(j, 0);
        return true;
    }
    if (!dirty_bitmap_next(m->dirty, cursor, MIN(CHUNK, m->buf_size), &bytes)) {
        *cursor = 0;
        if (!dirty_bitmap_next(m->dirty, cursor, MIN(CHUNK, m->buf_size),
                               &bytes)) {
            return false;
        }
        /* Round again: what is dirty may be what is being copied. */
        settle(m);
        return true;
    }
    job_throttle(j);
    if (j->pauses || j->cancelled) {
        return true;
    }
    start_copy(m, *cursor, bytes);
    *cursor += bytes;
    /* Copies may never wait; others must get their turn. */
    job_wake(j);
    job_wait(j, m->failed ? loop_now_ns() + RETRY_NS : 0);
    m->failed = false;
    return true;
}

static int coroutine_fn mirror_run(Job *j, Error **errp)
{
    Mirror *m = (Mirror *)j;
    int64_t cursor = 0;
    int ret = mark_initial(m);

    while (ret >= 0) {
        j->len = j->offset + m->copying + dirty_bitmap_count(m->dirty);
        if (m->error || j->pauses || j->cancelled) {
            settle(m);
            if (m->error || job_pause_point(j)) {
                ret = m->error ? m->error : -ECANCELED;
            }
            continue;
        }
        if (copy_some(m, &cursor)) {
            continue;
        }
        if (m->copies) {
            job_wait(j, 0);
            continue;
        }
        ret = flush_target(m);
        if (ret >= 0) {
            job_set_ready(j);
            if (m->should_complete) {
                break;
            }
            job_wait(j, loop_now_ns() + IDLE_NS);
        }
    }
    settle(m);
    return ret;
}

/* Writes through the filter
 * ----------------------------------------------------- */

static int coroutine_fn write_before(void *opaque, int64_t offset,
                                     int64_t bytes, void **cookie)
{
    Range *r = g_new0(Range, 1);

    *r = (Range){ .offset = offset, .bytes = bytes };
    range_lock(opaque, r);
    *cookie = r;
    return 0;
}

/* The copy is made from what the source has now. If that fails the range
 * stays dirty, and the job finds out. */
static int coroutine_fn write_after(void *opaque, int64_t offset, int64_t bytes,
                                    void *cookie, int ret)
{
    Mirror *m = opaque;
    bool is_read;

    if (ret >= 0) {
        copy_locked(m, offset, bytes, &is_read);
    }
    range_unlock(m, cookie);
    g_free(cookie);
    return ret;
}

static const JobFilterOps write_blocking_ops = {
    .before = write_before,
    .after = write_after,
};

/* The end
 * ----------------------------------------------------------------------- */

typedef struct Rest {
    Mirror *m;
    int ret;
} Rest;

static void coroutine_fn copy_rest(void *opaque)
{
    Rest *rest = opaque;
    Mirror *m = rest->m;
    int64_t offset = 0, bytes;
    bool is_read;

    while (rest->ret >= 0 &&
           dirty_bitmap_next(m->dirty, &offset, CHUNK, &bytes)) {
        rest->ret = copy_locked(m, offset, bytes, &is_read);
        m->job.offset += bytes;
        m->job.len = MAX(m->job.len, m->job.offset);
        offset += bytes;
    }
    if (rest->ret >= 0) {
        rest->ret = node_flush(m->target);
    }
}

static bool switch_over(Mirror *m, Error **errp)
{
    GraphTx *tx = graph_tx_new(m->job.graph);
    BlockNode *below = m->sync == MIRROR_SYNC_MODE_TOP ? chain_next(m->source)
                       : m->sync == MIRROR_SYNC_MODE_NONE ? m->source
                                                          : NULL;

    if (!m->commit && below && !m->target->backing &&
        m->target->drv->change_backing) {
        graph_tx_link(tx, m->target, below, "backing", BLOCK_ROLE_COW);
    }
    if (m->replaces) {
        graph_tx_replace(tx, m->filter, m->source, NULL);
        graph_tx_replace(tx, m->replaces, m->target, m->target);
    } else {
        graph_tx_replace(tx, m->filter, m->target, m->target);
    }
    graph_tx_unlink(tx, m->filter->file);
    return graph_tx_commit(tx, errp);
}

static bool mirror_prepare(Job *j, Error **errp)
{
    Mirror *m = (Mirror *)j;
    Rest rest = { .m = m };
    GPtrArray *users = graph_drain(j->graph);
    bool ok;

    block_run(copy_rest, &rest);
    ok = rest.ret >= 0 || error_errno(errp, -rest.ret, "Could not copy");
    if (ok && !m->keep) {
        job_drop_nodes(j);
        ok = switch_over(m, errp);
    }
    node_undrain(users);
    return ok;
}

static void mirror_clean(Job *j)
{
    Mirror *m = (Mirror *)j;
    GPtrArray *users = graph_drain(j->graph);
    bool give_back = m->commit && m->base_was_read_only && m->filter->file;

    job_drop_nodes(j);
    job_filter_remove(m->filter);
    dirty_bitmap_free(m->source, m->dirty);
    node_undrain(users);
    if (give_back) {
        autoerr Error *err = NULL;

        block_reopen_read_only(m->target, true, &err);
    }
    node_unref(m->source);
    node_unref(m->target);
    node_unref(m->replaces);
    mutex_destroy(&m->lock);
}

static void mirror_complete(Job *j)
{
    ((Mirror *)j)->should_complete = true;
}

static void mirror_soft_cancel(Job *j)
{
    Mirror *m = (Mirror *)j;

    m->should_complete = m->keep = true;
}

static const JobDriver mirror_driver = {
    .type = JOB_TYPE_MIRROR,
    .size = sizeof(Mirror),
    .run = mirror_run,
    .prepare = mirror_prepare,
    .clean = mirror_clean,
    .complete = mirror_complete,
    .soft_cancel = mirror_soft_cancel,
};

static const JobDriver active_commit_driver = {
    .type = JOB_TYPE_COMMIT,
    .size = sizeof(Mirror),
    .run = mirror_run,
    .prepare = mirror_prepare,
    .clean = mirror_clean,
    .complete = mirror_complete,
    .soft_cancel = mirror_soft_cancel,
};

/* The start
 * --------------------------------------------------------------------- */

static uint32_t choose_granularity(const MirrorOptions *o)
{
    ImageInfo *info;
    uint32_t g = 64 * KiB;

    if (o->granularity) {
        return o->granularity;
    }
    info = block_image_info(o->target, false);
    if (info->has_cluster_size) {
        g = CLAMP(info->cluster_size, 4 * KiB, 64 * KiB);
    }
    qapi_free_ImageInfo(info);
    return g;
}

/* With everything drained: the bitmap, the filter, the job's own use. */
static bool set_up(Mirror *m, const MirrorOptions *o, Error **errp)
{
    const uint64_t share = BLK_PERM_READ | BLK_PERM_WRITE_UNCHANGED;
    uint64_t all = BLK_PERM_ALL & ~BLK_PERM_RESIZE;

    m->dirty = dirty_bitmap_new(o->source, choose_granularity(o), errp);
    if (!m->dirty) {
        return false;
    }
    m->filter =
        job_filter_insert(o->source, &block_driver_mirror_top, o->filter,
                          o->commit,
                          o->write_blocking ? &write_blocking_ops : NULL, m,
                          errp);
    if (m->filter &&
        job_add_node(&m->job, o->target, "target", BLK_PERM_WRITE,
                     o->commit ? all : share, errp) &&
        job_add_node(&m->job, o->source, "main node", BLK_PERM_READ, all,
                     errp)) {
        return true;
    }
    if (m->filter) {
        job_drop_nodes(&m->job);
        job_filter_remove(m->filter);
    }
    dirty_bitmap_free(o->source, m->dirty);
    return false;
}

static bool check_options(const MirrorOptions *o, Error **errp)
{
    if (o->granularity && (o->granularity < 512 || o->granularity > 64 * MiB)) {
        return error_set(errp, "Parameter 'granularity' expects a value in "
                               "range [512B, 64MB]");
    }
    if (o->granularity && !is_power_of_2(o->granularity)) {
        return error_set(errp, "Parameter 'granularity' expects a power of 2");
    }
    if (o->buf_size < 0) {
        return error_set(errp, "Invalid parameter 'buf-size'");
    }
    if (o->source == o->target) {
        return error_set(errp, "Can't mirror node into itself");
    }
    if (!o->commit && node_length(o->source) != node_length(o->target)) {
        return error_set(errp, "Source and target image have different sizes");
    }
    return true;
}

bool mirror_start(BlockGraph *g, const MirrorOptions *o, Error **errp)
{
    GPtrArray *users;
    Mirror *m;
    bool ok;

    if (!check_options(o, errp)) {
        return false;
    }
    m = (Mirror *)job_new(g, o->commit ? &active_commit_driver : &mirror_driver,
                          &o->job, errp);
    if (!m) {
        return false;
    }
    m->sync = o->sync;
    m->commit = o->commit;
    m->base_was_read_only = o->base_was_read_only;
    m->on_source = o->on_source;
    m->on_target = o->on_target;
    m->buf_size = o->buf_size ? o->buf_size : BUF_SIZE_DEFAULT;
    mutex_init(&m->lock);
    co_queue_init(&m->queue);
    m->source = node_ref(o->source);
    m->target = node_ref(o->target);
    users = graph_drain(g);
    ok = set_up(m, o, errp);
    node_undrain(users);
    if (!ok) {
        node_unref(m->source);
        node_unref(m->target);
        mutex_destroy(&m->lock);
        job_drop(&m->job);
        return false;
    }
    m->replaces = o->replaces ? node_ref(o->replaces) : NULL;
    job_start(&m->job);
    return true;
}
