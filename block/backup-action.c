/* SPDX-License-Identifier: GPL-2.0-or-later */
/* blockdev-backup and drive-backup, as actions of transactions. */
#include "util/osdep.h"

#include "block/backup.h"
#include "block/drive-copy.h"
#include "block/transaction.h"
#include "util/error.h"

static bool take_bitmap(const BackupCommon *arg, BackupOptions *o, Error **errp)
{
    bool incremental = arg->sync == MIRROR_SYNC_MODE_INCREMENTAL;
    bool by_bitmap = incremental || arg->sync == MIRROR_SYNC_MODE_BITMAP;
    unsigned bad;

    if (by_bitmap && !arg->bitmap) {
        return error_set(errp,
                         "must provide a valid bitmap name for '%s' sync mode",
                         qapi_enum_name(&qapi_type_MirrorSyncMode, arg->sync));
    }
    if (arg->has_bitmap_mode && !arg->bitmap) {
        return error_set(errp, "Cannot specify bitmap sync mode without a "
                               "bitmap");
    }
    if (!arg->bitmap) {
        return true;
    }
    if (!by_bitmap) {
        return error_set(errp, "A bitmap can only be used with sync modes "
                               "'incremental' and 'bitmap'");
    }
    if (incremental && arg->has_bitmap_mode &&
        arg->bitmap_mode != BITMAP_SYNC_MODE_ON_SUCCESS) {
        return error_set(errp, "Bitmap sync mode must be 'on-success' when "
                               "using sync mode 'incremental'");
    }
    if (!incremental && !arg->has_bitmap_mode) {
        return error_set(errp, "Bitmap sync mode must be given when providing "
                               "a bitmap");
    }
    o->bitmap_mode =
        arg->has_bitmap_mode ? arg->bitmap_mode : BITMAP_SYNC_MODE_ON_SUCCESS;
    o->bitmap = dirty_bitmap_find(o->source, arg->bitmap);
    if (!o->bitmap) {
        return error_set(errp, "Bitmap '%s' could not be found", arg->bitmap);
    }
    /* Of an image that cannot be written: only when it stays as it is. */
    bad = o->bitmap_mode == BITMAP_SYNC_MODE_NEVER
              ? DIRTY_BITMAP_ANY & ~DIRTY_BITMAP_READONLY
              : DIRTY_BITMAP_ANY;
    return dirty_bitmap_check(o->bitmap, bad, errp);
}

static bool take_perf(const BackupPerf *perf, BackupOptions *o, Error **errp)
{
    if (!perf) {
        return true;
    }
    if (perf->has_max_workers &&
        (perf->max_workers < 1 || perf->max_workers > INT_MAX)) {
        return error_set(errp, "max-workers must be between 1 and %d", INT_MAX);
    }
    if (perf->has_max_chunk && perf->max_chunk < 0) {
        return error_set(errp, "max-chunk must be zero (which means no limit) "
                               "or positive");
    }
    o->copy_range = perf->has_use_copy_range && perf->use_copy_range;
    o->max_workers = perf->has_max_workers ? perf->max_workers : 0;
    o->max_chunk = perf->has_max_chunk ? perf->max_chunk : 0;
    return true;
}

/* All but the target. */
static bool take_common(BlkAction *a, const BackupCommon *arg, BackupOptions *o,
                        Error **errp)
{
    *o = (BackupOptions){
        .job = JOB_OPTIONS(a->g, arg),
        .filter = arg->filter_node_name,
        .sync = arg->sync,
        .on_source = arg->has_on_source_error ? arg->on_source_error
                                              : BLOCKDEV_ON_ERROR_REPORT,
        .on_target = arg->has_on_target_error ? arg->on_target_error
                                              : BLOCKDEV_ON_ERROR_REPORT,
        .compress = arg->has_compress && arg->compress,
    };
    o->job.group = a->group;
    o->source = node_lookup(a->g, arg->device, arg->device, errp);
    o->source = skip_implicit(o->source);
    return o->source && take_perf(arg->x_perf, o, errp) &&
           take_bitmap(arg, o, errp);
}

static bool backup_prepare(BlkAction *a, Error **errp)
{
    const BlockdevBackup *arg = a->arg->u.blockdev_backup.data;
    BackupOptions o;

    if (!take_common(a, qapi_BlockdevBackup_base(arg), &o, errp)) {
        return false;
    }
    o.target = node_lookup(a->g, arg->target, arg->target, errp);
    a->job = o.target ? backup_new(a->g, &o, errp) : NULL;
    return a->job;
}

static bool drive_backup_prepare(BlkAction *a, Error **errp)
{
    const DriveBackup *arg = a->arg->u.drive_backup.data;
    DriveCopy copy = {
        .file = arg->target,
        .format = arg->format,
        .mode = arg->has_mode ? arg->mode : NEW_IMAGE_MODE_ABSOLUTE_PATHS,
        .unmap = true,
    };
    BackupOptions o;

    if (!take_common(a, qapi_DriveBackup_base(arg), &o, errp)) {
        return false;
    }
    if (o.sync == MIRROR_SYNC_MODE_TOP && !chain_next(o.source)) {
        o.sync = MIRROR_SYNC_MODE_FULL;
    }
    copy.sync = o.sync;
    o.target = drive_copy_open(o.source, &copy, errp);
    a->job = o.target ? backup_new(a->g, &o, errp) : NULL;
    node_unref(o.target);
    return a->job;
}

static void backup_commit(BlkAction *a)
{
    job_start(a->job);
}

static void backup_abort(BlkAction *a)
{
    job_give_up(a->job);
}

const BlkActionOps backup_ops = {
    .prepare = backup_prepare,
    .commit = backup_commit,
    .abort = backup_abort,
    .groups = true,
};

const BlkActionOps drive_backup_ops = {
    .prepare = drive_backup_prepare,
    .commit = backup_commit,
    .abort = backup_abort,
    .groups = true,
};
