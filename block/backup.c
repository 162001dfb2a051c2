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
#include "block/graph-tx.h"
#include "block/job-filter.h"
#include "util/error.h"

#define CHUNK ((int64_t)(1 * MiB))

typedef struct Range {
    int64_t offset, bytes;
    struct Range *next;
} Range;

typedef struct Backup {
    Job job;
    BlockNode *source, *target, *filter; /* a reference each */
    MirrorSyncMode sync;
    BlockdevOnError on_source, on_target;
    int64_t unit;
    DirtyBitmap *todo;          /* its own */
    DirtyBitmap *bitmap, *then; /* the user's, and what it said at the start */
    BitmapSyncMode bitmap_mode;

    Mutex lock;
    CoQueue queue;
    Range *ranges; /* guarded by lock */
} Backup;

/* Copying
 * ----------------------------------------------------------------------- */

static bool range_busy(const Backup *b, const Range *r)
{
    for (const Range *i = b->ranges; i; i = i->next) {
        if (r->offset < i->offset + i->bytes &&
            i->offset < r->offset + r->bytes) {
            return true;
        }
    }
    return false;
}

static void coroutine_fn range_lock(Backup *b, Range *r)
{
    mutex_lock(&b->lock);
    while (range_busy(b, r)) {
        co_queue_wait(&b->queue, &b->lock);
    }
    r->next = b->ranges;
    b->ranges = r;
    mutex_unlock(&b->lock);
}

static void range_unlock(Backup *b, Range *r)
{
    mutex_lock(&b->lock);
    for (Range **p = &b->ranges; *p; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            break;
        }
    }
    co_queue_wake_all(&b->queue);
    mutex_unlock(&b->lock);
}

static int coroutine_fn copy_piece(Backup *b, int64_t offset, int64_t bytes,
                                   bool *is_read)
{
    int ret = 0;

    while (bytes && ret >= 0) {
        int64_t num;

        *is_read = true;
        ret = chain_status(b->source, NULL, offset, bytes, &num);
        if (ret >= 0) {
            ret = copy_range(b->source, b->target, offset, num,
                             ret & CHAIN_ZERO, 0, is_read);
        }
        offset += num;
        bytes -= num;
    }
    return ret;
}

/* What is still to be done in the range; *done counts the bytes. */
static int coroutine_fn copy_todo(Backup *b, int64_t offset, int64_t bytes,
                                  int64_t *done, bool *is_read)
{
    Range r = { .offset = ALIGN_DOWN(offset, b->unit) };
    int64_t end = ALIGN_UP(offset + bytes, b->unit), at, num;
    int ret = 0;

    r.bytes = end - r.offset;
    at = r.offset;
    range_lock(b, &r);
    while (ret >= 0 && at < end &&
           dirty_bitmap_next(b->todo, &at, CHUNK, &num) && at < end) {
        num = MIN(num, end - at);
        ret = copy_piece(b, at, num, is_read);
        if (ret >= 0) {
            dirty_bitmap_clear(b->todo, at, num);
            *done += num;
        }
        at += num;
    }
    range_unlock(b, &r);
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

static int coroutine_fn copy_chunk(Backup *b, int64_t offset, int64_t bytes)
{
    int64_t done = 0;
    bool is_read = false;
    int ret;

    job_begin(&b->job);
    ret = copy_todo(b, offset, bytes, &done, &is_read);
    job_end(&b->job);
    __atomic_fetch_add(&b->job.offset, done, __ATOMIC_RELAXED);
    job_account(&b->job, done);
    if (ret < 0 && job_error(&b->job, is_read ? b->on_source : b->on_target,
                             is_read, -ret) == BLK_ACTION_REPORT) {
        return ret;
    }
    return 0;
}

static int coroutine_fn backup_run(Job *j, Error **errp)
{
    Backup *b = (Backup *)j;
    int64_t offset = 0, bytes;
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
    while (ret >= 0) {
        job_throttle(j);
        if (job_pause_point(j)) {
            return -ECANCELED;
        }
        if (!dirty_bitmap_next(b->todo, &offset, CHUNK, &bytes)) {
            offset = 0;
            if (!dirty_bitmap_next(b->todo, &offset, CHUNK, &bytes)) {
                break;
            }
        }
        ret = copy_chunk(b, offset, MIN(bytes, CHUNK));
        offset += MIN(bytes, CHUNK);
        coroutine_reschedule();
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
    mutex_destroy(&b->lock);
}

static const JobDriver backup_driver = {
    .type = JOB_TYPE_BACKUP,
    .size = sizeof(Backup),
    .run = backup_run,
    .commit = backup_commit,
    .abort = backup_abort,
    .clean = backup_clean,
};

/* The start
 * --------------------------------------------------------------------- */

static int64_t choose_unit(const BackupOptions *o)
{
    ImageInfo *info = block_image_info(o->target, false);
    int64_t unit = 64 * KiB;

    /* Whole clusters of the target, so that it need not read. */
    if (info->has_cluster_size) {
        unit = MAX(unit, info->cluster_size);
    }
    qapi_free_ImageInfo(info);
    return unit;
}

/* With everything drained. */
static bool set_up(Backup *b, const BackupOptions *o, Error **errp)
{
    const uint64_t share = BLK_PERM_READ | BLK_PERM_WRITE_UNCHANGED;

    b->unit = choose_unit(o);
    b->todo = dirty_bitmap_alone(node_length(o->source), b->unit, errp);
    if (!b->todo) {
        return false;
    }
    b->filter =
        job_filter_insert(o->source, &block_driver_copy_before_write, o->filter,
                          false, &copy_before_write_ops, b, errp);
    if (b->filter &&
        job_add_node(&b->job, o->target, "target",
                     BLK_PERM_WRITE | BLK_PERM_READ, share, errp) &&
        job_add_node(&b->job, o->source, "main node", BLK_PERM_READ,
                     BLK_PERM_ALL & ~(uint64_t)BLK_PERM_RESIZE, errp)) {
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
    Backup *b;
    bool ok;

    if (!check_options(o, errp)) {
        return NULL;
    }
    b = (Backup *)job_new(g, &backup_driver, &o->job, errp);
    if (!b) {
        return NULL;
    }
    b->sync = o->sync;
    b->on_source = o->on_source;
    b->on_target = o->on_target;
    b->source = node_ref(o->source);
    b->target = node_ref(o->target);
    mutex_init(&b->lock);
    co_queue_init(&b->queue);
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
        mutex_destroy(&b->lock);
        job_drop(&b->job);
        return NULL;
    }
    return &b->job;
}

void backup_drop(Job *j)
{
    backup_abort(j);
    backup_clean(j);
    job_drop(j);
}
