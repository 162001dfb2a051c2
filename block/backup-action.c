/* SPDX-License-Identifier: GPL-2.0-or-later */
/* blockdev-backup, as an action of transactions. */
#include "util/osdep.h"

#include "block/backup.h"
#include "block/transaction.h"
#include "util/error.h"

static bool take_bitmap(const BlockdevBackup *arg, BackupOptions *o,
                        Error **errp)
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

static bool backup_prepare(BlkAction *a, Error **errp)
{
    const BlockdevBackup *arg = a->arg->u.blockdev_backup.data;
    BackupOptions o = {
        .job = { .id = arg->job_id                   ? arg->job_id
                       : blk_find(a->g, arg->device) ? arg->device
                                                     : NULL,
                 .speed = arg->has_speed ? arg->speed : 0,
                 .auto_finalize = !arg->has_auto_finalize || arg->auto_finalize,
                 .auto_dismiss = !arg->has_auto_dismiss || arg->auto_dismiss },
        .filter = arg->filter_node_name,
        .sync = arg->sync,
        .on_source = arg->has_on_source_error ? arg->on_source_error
                                              : BLOCKDEV_ON_ERROR_REPORT,
        .on_target = arg->has_on_target_error ? arg->on_target_error
                                              : BLOCKDEV_ON_ERROR_REPORT,
    };

    o.source = node_lookup(a->g, arg->device, arg->device, errp);
    while (o.source && o.source->implicit && o.source->file) {
        o.source = o.source->file->node;
    }
    o.target =
        o.source ? node_lookup(a->g, arg->target, arg->target, errp) : NULL;
    if (!o.target || !take_bitmap(arg, &o, errp)) {
        return false;
    }
    a->job = backup_new(a->g, &o, errp);
    return a->job;
}

static void backup_commit(BlkAction *a)
{
    job_start(a->job);
}

static void backup_abort(BlkAction *a)
{
    backup_drop(a->job);
}

const BlkActionOps backup_ops = {
    .prepare = backup_prepare,
    .commit = backup_commit,
    .abort = backup_abort,
};
