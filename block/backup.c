/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The job "backup": a copy of a node as it was when the job started. A filter
 * above the node copies what a write is about to change; the job copies the
 * rest. Both lock the range they copy, and look at what is to be done under
 * the lock.
 * Spec: QEMU 7.2 manual, "Live Block Device Operations" and "Dirty Bitmaps
 * and Incremental Backup".
 */
#include "util/osdep.h"

#include "block/backup.h"
#include "block/drivers.h"
#include "block/graph-tx.h"
#include "block/job-copy.h"
#include "block/job-filter.h"
#include "util/error.h"

/* In bytes. */
typedef struct Plan {
    int64_t unit;    /* that is copied as a whole */
    int64_t cluster; /* of the target, or 0 */
    int64_t chunk;   /* a piece at most */
} Plan;

typedef struct Backup {
    Job job;
    BlockNode *source, *target, *filter; /* a reference each */
    MirrorSyncMode sync;
    Plan plan;
    DirtyBitmap *todo;          /* its own */
    DirtyBitmap *bitmap, *then; /* the user's, and what it said at the start */
    BitmapSyncMode bitmap_mode;

    bool compress;
    bool copy_range; /* atomic: the host may copy, as far as is known */
    CopyPool pool;
    CopyLock lock;
} Backup;

/* Copying
 * ----------------------------------------------------------------------- */

/* A cluster at a time, compressed where there is no data yet. */
static int coroutine_fn compress_piece(Backup *b, int64_t offset, int64_t bytes,
                                       bool *is_read)
{
    int64_t step = b->plan.cluster, num, map;
    g_autofree char *buf = g_try_malloc(step);
    BlockNode *file;
    int ret = buf ? 0 : -ENOMEM;

    while (bytes && ret >= 0) {
        int64_t n = MIN(step, bytes);

        *is_read = true;
        ret = node_pread(b->source, offset, n, buf);
        if (ret < 0) {
            break;
        }
        *is_read = false;
        ret = node_block_status(b->target, false, offset, n, &num, &map, &file);
        if (ret >= 0) {
            ret = ret & BLK_STATUS_DATA
                      ? node_pwrite(b->target, offset, n, buf, 0)
                      : node_pwrite_compressed(b->target, offset, n, buf);
        }
        offset += n;
        bytes -= n;
    }
    return ret;
}

/* By the host, where the data is in a file as it is: the bytes it took over, or
 * 0. */
static int64_t coroutine_fn copy_by_host(Backup *b, int64_t offset,
                                         int64_t bytes)
{
    const int ok = BLK_STATUS_DATA | BLK_STATUS_OFFSET;
    int64_t num, map;
    BlockNode *file;
    int ret;

    if (!__atomic_load_n(&b->copy_range, __ATOMIC_RELAXED)) {
        return 0;
    }
    ret = node_block_status(b->source, false, offset, bytes, &num, &map, &file);
    if (ret < 0 || (ret & ok) != ok) {
        return 0;
    }
    num = MIN(num, bytes);
    ret = node_copy_range(file, map, b->target, offset, num);
    if (ret < 0) {
        __atomic_store_n(&b->copy_range, false, __ATOMIC_RELAXED);
    }
    return ret < 0 ? 0 : num;
}

static int coroutine_fn copy_piece(Backup *b, int64_t offset, int64_t bytes,
                                   bool *is_read)
{
    int ret = 0;

    while (bytes && ret >= 0) {
        bool zero;
        int64_t num, done;

        *is_read = true;
        ret = chain_status(b->source, NULL, offset, bytes, &num);
        if (ret < 0) {
            break;
        }
        zero = ret & CHAIN_ZERO;
        if (b->compress && num < bytes) {
            /* Whole clusters. */
            num = MAX(ALIGN_DOWN(num, b->plan.unit), MIN(bytes, b->plan.unit));
            zero = zero && num > b->plan.unit;
        }
        done = zero || b->compress ? 0 : copy_by_host(b, offset, num);
        if (done) {
            offset += done;
            bytes -= done;
            continue;
        }
        ret = b->compress && !zero
                  ? compress_piece(b, offset, num, is_read)
                  : copy_data(&b->job, b->source, b->target, offset, num, zero,
                              BLK_REQ_MAY_UNMAP, is_read);
        offset += num;
        bytes -= num;
    }
    return ret;
}

/* What is still to be done in the range; *done counts the bytes. */
static int coroutine_fn copy_todo(Backup *b, int64_t offset, int64_t bytes,
                                  int64_t *done, bool *is_read)
{
    CopyRange r = { .offset = ALIGN_DOWN(offset, b->plan.unit) };
    int64_t end = ALIGN_UP(offset + bytes, b->plan.unit), at, num;
    int ret = 0;

    r.bytes = end - r.offset;
    at = r.offset;
    copy_lock(&b->lock, &r);
    while (ret >= 0 && at < end &&
           dirty_bitmap_next(b->todo, &at, COPY_CHUNK, &num) && at < end) {
        num = MIN(num, end - at);
        ret = copy_piece(b, at, num, is_read);
        if (ret >= 0) {
            dirty_bitmap_clear(b->todo, at, num);
            *done += num;
        }
        at += num;
    }
    copy_unlock(&b->lock, &r);
    return ret;
}

static int coroutine_fn before_write(void *opaque, int64_t offset,
                                     int64_t bytes, void **cookie)
{
    Backup *b = opaque;
    int64_t done = 0;
    bool is_read;
    int ret = copy_todo(b, offset, bytes, &done, &is_read);

    __atomic_fetch_add(&b->job.offset, done, __ATOMIC_RELAXED);
    return ret;
}

static int coroutine_fn after_write(void *opaque, int64_t offset, int64_t bytes,
                                    void *cookie, int ret)
{
    return ret;
}

static const JobFilterOps copy_before_write_ops = {
    .before = before_write,
    .after = after_write,
};

/* The job
 * ----------------------------------------------------------------------- */

/* Of "top": what the layers below have is not copied. */
static int coroutine_fn skip_below(Backup *b)
{
    int64_t length = node_length(b->source), offset = 0;

    while (offset < length && !b->job.cancelled) {
        int64_t num;
        int ret;

        job_begin(&b->job);
        ret = chain_status(b->source, chain_next(b->source), offset,
                           MIN(length - offset, (int64_t)(1 * GiB)), &num);
        job_end(&b->job);
        if (ret < 0) {
            return ret;
        }
        if (!(ret & CHAIN_ALLOCATED)) {
            dirty_bitmap_clear(b->todo, offset, num);
        }
        offset += num;
        coroutine_reschedule();
    }
    return 0;
}

static int coroutine_fn backup_copy(Job *j, int64_t offset, int64_t bytes,
                                    bool zero, bool *is_read)
{
    int64_t done = 0;
    int ret = copy_todo((Backup *)j, offset, bytes, &done, is_read);

    __atomic_fetch_add(&j->offset, done, __ATOMIC_RELAXED);
    return ret;
}

/* What was not copied is still in the bitmap. */
static void backup_done(Job *j, int64_t offset, int64_t bytes, bool zero,
                        int ret, BlkErrorAction action)
{
}

/* Start with the next piece, or wait; 1: nothing is left. */
static int coroutine_fn backup_step(Backup *b, int64_t *cursor)
{
    CopyPool *p = &b->pool;
    int64_t bytes;

    if (copy_pool_full(p)) {
        job_wait(&b->job, 0);
        return 0;
    }
    if (!dirty_bitmap_next(b->todo, cursor, b->plan.chunk, &bytes)) {
        /* Round again, for what has failed. */
        *cursor = 0;
        if (!p->pieces) {
            return !dirty_bitmap_next(b->todo, cursor, b->plan.chunk, &bytes);
        }
        copy_pool_settle(p);
        return 0;
    }
    job_throttle(&b->job);
    if (!b->job.pauses && !b->job.cancelled) {
        copy_pool_start(p, *cursor, bytes, false);
        *cursor += bytes;
        copy_pool_breathe(p);
    }
    return 0;
}

static int coroutine_fn copy_all(Backup *b)
{
    int64_t cursor = 0;
    int ret;

    do {
        ret = copy_pool_check(&b->pool);
        if (ret < 0) {
            return ret;
        }
    } while (ret || !backup_step(b, &cursor));
    return 0;
}

static int coroutine_fn backup_run(Job *j, Error **errp)
{
    Backup *b = (Backup *)j;
    int ret = 0;

    j->len = dirty_bitmap_count(b->todo);
    if (b->sync == MIRROR_SYNC_MODE_NONE) {
        /* The filter does it all, until somebody ends this. */
        while (!job_pause_point(j)) {
            job_wait(j, 0);
        }
        return -ECANCELED;
    }
    if (b->sync == MIRROR_SYNC_MODE_TOP && chain_next(b->source)) {
        ret = skip_below(b);
        j->len = dirty_bitmap_count(b->todo) + j->offset;
    }
    if (ret >= 0) {
        ret = copy_all(b);
    }
    if (ret >= 0) {
        job_begin(j);
        ret = node_flush(b->target);
        job_end(j);
    }
    return ret;
}

/* What is left of a bitmap whose blocks were, or were not, copied. */
static void settle_bitmap(Backup *b, bool ok)
{
    if (!b->bitmap) {
        return;
    }
    if (b->bitmap_mode == BITMAP_SYNC_MODE_NEVER ||
        (b->bitmap_mode == BITMAP_SYNC_MODE_ON_SUCCESS && !ok)) {
        dirty_bitmap_merge(b->bitmap, b->then);
    } else if (!ok) {
        dirty_bitmap_merge(b->bitmap, b->todo);
    }
    dirty_bitmap_set_busy(b->bitmap, false);
}

static void backup_commit(Job *j)
{
    settle_bitmap((Backup *)j, true);
}

static void backup_abort(Job *j)
{
    settle_bitmap((Backup *)j, false);
}

static void backup_clean(Job *j)
{
    Backup *b = (Backup *)j;
    GPtrArray *users = graph_drain(j->graph);

    job_drop_nodes(j);
    job_filter_remove(b->filter);
    node_undrain(users);
    dirty_bitmap_drop_copy(b->todo);
    if (b->then) {
        dirty_bitmap_drop_copy(b->then);
    }
    node_unref(b->source);
    node_unref(b->target);
    copy_lock_destroy(&b->lock);
}

static const JobDriver backup_driver = {
    .type = JOB_TYPE_BACKUP,
    .size = sizeof(Backup),
    .for_blocks = true,
    .run = backup_run,
    .commit = backup_commit,
    .abort = backup_abort,
    .clean = backup_clean,
};

/* The start
 * --------------------------------------------------------------------- */

/* "compress" does so itself, and only that. */
static bool can_compress(BlockNode *target)
{
    return target->drv != &block_driver_compress &&
           skip_filters(target)->drv->io->pwrite_compressed;
}

/* Whole clusters of the target, so that it need not read. */
static bool choose_unit(Plan *p, const BackupOptions *o, Error **errp)
{
    ImageInfo *info = block_image_info(o->target, false);

    p->cluster = info->has_cluster_size ? info->cluster_size : 0;
    qapi_free_ImageInfo(info);
    p->unit = MAX(64 * KiB, p->cluster);
    if (o->max_chunk && o->max_chunk < p->unit) {
        return error_set(errp,
                         "Required max-chunk (%" PRId64 ") is less than backup "
                         "cluster size (%" PRId64 ")",
                         o->max_chunk, p->unit);
    }
    p->chunk = MIN(o->max_chunk ? o->max_chunk : COPY_CHUNK, COPY_MAX_BYTES);
    p->chunk = MAX(ALIGN_DOWN(p->chunk, p->unit), p->unit);
    return !o->compress || can_compress(o->target) ||
           error_set(errp,
                     "Compression is not supported for this drive format");
}

/* With everything drained. */
static bool set_up(Backup *b, const BackupOptions *o, Error **errp)
{
    const uint64_t share = BLK_PERM_ALL & ~(uint64_t)BLK_PERM_RESIZE;

    b->todo = dirty_bitmap_alone(node_length(o->source), b->plan.unit, errp);
    if (!b->todo) {
        return false;
    }
    b->filter =
        job_filter_insert(o->source, &block_driver_copy_before_write, o->filter,
                          JOB_FILTER_GUARD, &copy_before_write_ops, b, errp);
    if (b->filter && job_claim(&b->job, o->source, errp) &&
        job_claim(&b->job, o->target, errp) &&
        job_add_node(&b->job, b->filter, "main node", 0, BLK_PERM_ALL, errp) &&
        job_add_node(&b->job, o->target, "target", BLK_PERM_WRITE, share,
                     errp) &&
        job_add_node(&b->job, o->source, "source", BLK_PERM_READ, share,
                     errp)) {
        return true;
    }
    if (b->filter) {
        job_drop_nodes(&b->job);
        job_filter_remove(b->filter);
    }
    dirty_bitmap_drop_copy(b->todo);
    return false;
}

/* The user's bitmap says what to copy, and records anew. */
static bool set_up_bitmap(Backup *b, const BackupOptions *o, Error **errp)
{
    if (!o->bitmap) {
        dirty_bitmap_set(b->todo, 0, node_length(o->source));
        return true;
    }
    b->then = dirty_bitmap_copy(o->bitmap, errp);
    if (!b->then) {
        return false;
    }
    b->bitmap = o->bitmap;
    b->bitmap_mode = o->bitmap_mode;
    dirty_bitmap_set_busy(b->bitmap, true);
    dirty_bitmap_merge(b->todo, b->then);
    dirty_bitmap_clear(b->bitmap, 0, INT64_MAX);
    return true;
}

static bool check_options(const BackupOptions *o, Error **errp)
{
    if (o->source == o->target) {
        return error_set(errp, "Source and target cannot be the same");
    }
    if (node_length(o->source) != node_length(o->target)) {
        return error_set(errp, "Source and target image have different sizes");
    }
    if (node_reaches(o->source, o->target)) {
        return error_set(errp, "Node '%s' is used by '%s'", o->target->name,
                         o->source->name);
    }
    return true;
}

Job *backup_new(BlockGraph *g, const BackupOptions *o, Error **errp)
{
    GPtrArray *users;
    Plan plan;
    Backup *b;
    bool ok;

    if (!check_options(o, errp) || !choose_unit(&plan, o, errp)) {
        return NULL;
    }
    b = (Backup *)job_new(g, &backup_driver, &o->job, errp);
    if (!b) {
        return NULL;
    }
    b->plan = plan;
    b->compress = o->compress;
    b->copy_range = o->copy_range;
    b->sync = o->sync;
    b->pool = (CopyPool){
        .job = &b->job,
        .copy = backup_copy,
        .done = backup_done,
        .on_read = o->on_source,
        .on_write = o->on_target,
        .max_pieces = o->max_workers ? o->max_workers : COPY_MAX_PIECES,
        .max_bytes = COPY_MAX_BYTES,
    };
    b->source = node_ref(o->source);
    b->target = node_ref(o->target);
    copy_lock_init(&b->lock);
    users = graph_drain(g);
    ok = set_up(b, o, errp);
    if (ok && !set_up_bitmap(b, o, errp)) {
        backup_clean(&b->job);
        node_undrain(users);
        job_drop(&b->job);
        return NULL;
    }
    node_undrain(users);
    if (!ok) {
        node_unref(b->source);
        node_unref(b->target);
        copy_lock_destroy(&b->lock);
        job_drop(&b->job);
        return NULL;
    }
    return &b->job;
}
