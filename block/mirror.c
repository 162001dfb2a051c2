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
#include "block/job-copy.h"
#include "block/job-filter.h"
#include "block/mirror.h"
#include "util/error.h"

#define IDLE_NS    (100 * INT64_C(1000000))
#define LOOK_AHEAD ((int64_t)(64 * MiB))

typedef struct Mirror {
    Job job;
    BlockNode *source, *target, *filter, *replaces; /* a reference each */
    MirrorSyncMode sync;
    bool commit, base_was_read_only;
    DirtyBitmap *dirty; /* of source */
    int64_t granularity, chunk; /* chunk: of data, whole bits */

    bool new_target;
    bool marked; /* atomic: what there is to copy at the start is in dirty */
    bool should_complete, keep; /* keep: end without switching */
    unsigned zero_flags;        /* of writes of zeroes */
    CopyPool pool;
    CopyLock lock;
} Mirror;

/* Copying
 * ----------------------------------------------------------------------- */

/* Make the target equal in a locked range, which is dirty if that fails. */
static int coroutine_fn copy_range(Mirror *m, int64_t offset, int64_t bytes,
                                   bool *is_read)
{
    int ret = 0;

    while (bytes && ret >= 0) {
        int64_t num;

        *is_read = true;
        ret = chain_status(m->source, NULL, offset, bytes, &num);
        if (ret >= 0) {
            ret = copy_data(&m->job, m->source, m->target, offset, num,
                            ret & CHAIN_ZERO, m->zero_flags, is_read);
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

static int coroutine_fn copy_locked(Mirror *m, int64_t offset, int64_t bytes,
                                    bool *is_read)
{
    dirty_bitmap_clear(m->dirty, offset, bytes);
    return copy_range(m, offset, bytes, is_read);
}

static int coroutine_fn mirror_copy(Job *j, int64_t offset, int64_t bytes,
                                    bool zero, bool *is_read)
{
    Mirror *m = (Mirror *)j;
    CopyRange r = { .offset = offset, .bytes = bytes };
    int ret;

    copy_lock(&m->lock, &r);
    ret = copy_locked(m, offset, bytes, is_read);
    copy_unlock(&m->lock, &r);
    return ret;
}

/* What was not copied is dirty again. */
static void mirror_done(Job *j, int64_t offset, int64_t bytes, bool zero,
                        int ret, BlkErrorAction action)
{
    j->offset += ret >= 0 ? bytes : 0;
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
        if (!m->new_target) {
            dirty_bitmap_set(m->dirty, 0, length);
            return 0;
        }
        base = NULL;
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
        if ((ret & CHAIN_ALLOCATED) && (base || !(ret & CHAIN_ZERO))) {
            dirty_bitmap_set(m->dirty, offset, num);
        }
        offset += num;
        coroutine_reschedule();
    }
    return 0;
}

static int coroutine_fn flush_target(Mirror *m)
{
    int ret;

    job_begin(&m->job);
    ret = node_flush(m->target);
    job_end(&m->job);
    return ret;
}

/* A piece at @offset: as long as all of it is zeroes, or a chunk of data. */
static void coroutine_fn start_piece(Mirror *m, int64_t offset, int64_t bytes,
                                     int64_t *end)
{
    int64_t num = 0;
    int ret = 0;

    if (bytes > m->chunk) {
        job_begin(&m->job);
        ret = chain_status(m->source, NULL, offset, bytes, &num);
        job_end(&m->job);
    }
    if (ret > 0 && (ret & CHAIN_ZERO) && num > m->chunk) {
        num = ALIGN_DOWN(num, m->granularity);
        copy_pool_start(&m->pool, offset, num, true);
    } else {
        num = MIN(bytes, m->chunk);
        copy_pool_start(&m->pool, offset, num, false);
    }
    *end = offset + num;
}

/* One step of the loop below; false: nothing is to be done just now. */
static bool coroutine_fn copy_some(Mirror *m, int64_t *cursor)
{
    Job *j = &m->job;
    int64_t bytes;

    if (copy_pool_full(&m->pool)) {
        job_wait(j, 0);
        return true;
    }
    if (!dirty_bitmap_next(m->dirty, cursor, LOOK_AHEAD, &bytes)) {
        *cursor = 0;
        if (!dirty_bitmap_next(m->dirty, cursor, LOOK_AHEAD, &bytes)) {
            return false;
        }
        /* Round again: what is dirty may be what is being copied. */
        copy_pool_settle(&m->pool);
        return true;
    }
    job_throttle(j);
    if (j->pauses || j->cancelled) {
        return true;
    }
    start_piece(m, *cursor, bytes, cursor);
    /* Copies may never wait; others must get their turn. */
    copy_pool_breathe(&m->pool);
    return true;
}

static int coroutine_fn mirror_run(Job *j, Error **errp)
{
    Mirror *m = (Mirror *)j;
    int64_t cursor = 0;
    int ret = mark_initial(m);

    __atomic_store_n(&m->marked, true, __ATOMIC_SEQ_CST);
    while (ret >= 0) {
        j->len = j->offset + m->pool.bytes + dirty_bitmap_count(m->dirty);
        ret = copy_pool_check(&m->pool);
        if (ret) {
            continue;
        }
        if (copy_some(m, &cursor)) {
            continue;
        }
        if (m->pool.pieces) {
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
    copy_pool_settle(&m->pool);
    return ret;
}

/* Writes through the filter
 * ----------------------------------------------------- */

typedef struct Write {
    CopyRange lock;   /* whole granules */
    int64_t from, to; /* what is clean once the write was copied */
} Write;

/* Of a granule, locked. */
static bool is_clean(Mirror *m, int64_t offset)
{
    int64_t bytes, at = offset;

    return __atomic_load_n(&m->marked, __ATOMIC_SEQ_CST) &&
           !(dirty_bitmap_next(m->dirty, &at, m->granularity, &bytes) &&
             at < offset + m->granularity);
}

/* A granule that is written in part becomes dirty, but not for us: if it was
 * clean before, it is clean again. */
static int coroutine_fn write_before(void *opaque, int64_t offset,
                                     int64_t bytes, void **cookie)
{
    Mirror *m = opaque;
    int64_t first = ALIGN_DOWN(offset, m->granularity);
    int64_t end = ALIGN_UP(offset + bytes, m->granularity);
    Write *w = g_new(Write, 1);

    *w = (Write){
        .lock = { .offset = first, .bytes = end - first },
        .from = offset,
        .to = offset + bytes,
    };
    copy_lock(&m->lock, &w->lock);
    if (bytes && is_clean(m, first)) {
        w->from = first;
    }
    if (bytes && is_clean(m, end - m->granularity)) {
        w->to = MIN(end, node_length(m->source));
    }
    *cookie = w;
    return 0;
}

/* The copy is made from what the source has now. If that fails the range
 * stays dirty, and the job finds out. */
static int coroutine_fn write_after(void *opaque, int64_t offset, int64_t bytes,
                                    void *cookie, int ret)
{
    Mirror *m = opaque;
    Write *w = cookie;
    bool is_read;

    if (ret >= 0) {
        dirty_bitmap_clear(m->dirty, w->from, w->to - w->from);
        if (m->sync == MIRROR_SYNC_MODE_FULL) {
            copy_range(m, offset, bytes, &is_read);
        } else {
            /* The target may get its backing file at the end only: what is
             * around the data cannot be left to it. */
            copy_range(m, w->from, w->to - w->from, &is_read);
        }
    }
    copy_unlock(&m->lock, &w->lock);
    g_free(w);
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
           dirty_bitmap_next(m->dirty, &offset, LOOK_AHEAD, &bytes)) {
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
    copy_lock_destroy(&m->lock);
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
    .for_blocks = true,
    .run = mirror_run,
    .prepare = mirror_prepare,
    .clean = mirror_clean,
    .complete = mirror_complete,
    .soft_cancel = mirror_soft_cancel,
};

static const JobDriver active_commit_driver = {
    .type = JOB_TYPE_COMMIT,
    .size = sizeof(Mirror),
    .for_blocks = true,
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
    uint64_t all = BLK_PERM_ALL & ~BLK_PERM_RESIZE;

    m->granularity = choose_granularity(o);
    m->chunk = ALIGN_DOWN(MIN(COPY_CHUNK, m->pool.max_bytes), m->granularity);
    m->chunk = MAX(m->chunk, m->granularity);
    m->dirty = dirty_bitmap_new(o->source, m->granularity, errp);
    if (!m->dirty) {
        return false;
    }
    m->filter =
        job_filter_insert(o->source, &block_driver_mirror_top, o->filter,
                          o->commit           ? JOB_FILTER_COMMIT
                          : o->write_blocking ? JOB_FILTER_GUARD
                                              : JOB_FILTER_PASS,
                          o->write_blocking ? &write_blocking_ops : NULL, m,
                          errp);
    if (m->filter &&
        (o->commit ? job_claim_chain(&m->job, o->source, o->target, errp)
                   : job_claim(&m->job, o->source, errp) &&
                         job_claim(&m->job, o->target, errp)) &&
        job_add_node(&m->job, o->target, "target", BLK_PERM_WRITE,
                     o->commit ? all : BLK_PERM_WRITE_UNCHANGED, errp) &&
        job_add_node(&m->job, o->source, "main node",
                     o->commit ? 0 : BLK_PERM_READ, all, errp) &&
        (!o->commit ||
         job_add_chain(&m->job, chain_next(o->source), o->target,
                       BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED, errp))) {
        return true;
    }
    if (m->filter) {
        job_drop_nodes(&m->job);
        job_filter_remove(m->filter);
    }
    dirty_bitmap_free(o->source, m->dirty);
    return false;
}

bool mirror_check_sync(MirrorSyncMode sync, Error **errp)
{
    return (sync != MIRROR_SYNC_MODE_INCREMENTAL &&
            sync != MIRROR_SYNC_MODE_BITMAP) ||
           error_set(errp, "Sync mode '%s' not supported",
                     qapi_enum_name(&qapi_type_MirrorSyncMode, sync));
}

bool mirror_check_replaces(const MirrorOptions *o, Error **errp)
{
    return node_reaches(o->source, o->replaces) ||
           error_set(errp, "Node '%s' is not below '%s'", o->replaces->name,
                     o->source->name);
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
    m->new_target = o->new_target;
    m->zero_flags = o->no_unmap ? 0 : BLK_REQ_MAY_UNMAP;
    m->pool = (CopyPool){
        .job = &m->job,
        .copy = mirror_copy,
        .done = mirror_done,
        .on_read = o->on_source,
        .on_write = o->on_target,
        .max_pieces = COPY_MAX_PIECES,
        .max_bytes = o->buf_size ? o->buf_size : COPY_MAX_BYTES,
    };
    copy_lock_init(&m->lock);
    m->source = node_ref(o->source);
    m->target = node_ref(o->target);
    users = graph_drain(g);
    ok = set_up(m, o, errp);
    node_undrain(users);
    if (!ok) {
        node_unref(m->source);
        node_unref(m->target);
        copy_lock_destroy(&m->lock);
        job_drop(&m->job);
        return false;
    }
    m->replaces = o->replaces ? node_ref(o->replaces) : NULL;
    job_start(&m->job);
    return true;
}
