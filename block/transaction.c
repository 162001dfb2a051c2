/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transactions: actions that are prepared in order with everything drained,
 * then all committed, or all taken back in reverse.
 * Spec: "transaction" in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-options.h"
#include "block/transaction.h"
#include "qapi/qapi-commands-transaction.h"
#include "softmmu/vm.h"
#include "util/error.h"

static bool abort_prepare(BlkAction *a, Error **errp)
{
    return error_set(errp, "Transaction aborted using Abort action");
}

static const BlkActionOps abort_ops = {
    .prepare = abort_prepare,
    .groups = true,
};

static const BlkActionOps *const ops_of[] = {
    [TRANSACTION_ACTION_KIND_ABORT] = &abort_ops,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ADD] = &bitmap_add_ops,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_REMOVE] = &bitmap_remove_ops,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_CLEAR] = &bitmap_clear_ops,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ENABLE] = &bitmap_enable_ops,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_DISABLE] = &bitmap_disable_ops,
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_MERGE] = &bitmap_merge_ops,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_BACKUP] = &backup_ops,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT] = &snapshot_ops,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_INTERNAL_SYNC] =
        &internal_snapshot_ops,
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_SYNC] = &snapshot_sync_ops,
    [TRANSACTION_ACTION_KIND_DRIVE_BACKUP] = &drive_backup_ops,
};

static bool prepare_one(BlkAction *a, Error **errp)
{
    if (a->group && !a->ops->groups) {
        return error_set(errp,
                         "Action '%s' does not support Transaction property "
                         "completion-mode = grouped",
                         qapi_enum_name(&qapi_type_TransactionActionKind,
                                        a->arg->type));
    }
    return a->ops->prepare(a, errp);
}

/* Commit the first @done actions, or take them back. */
static void settle(GPtrArray *list, guint done, bool ok)
{
    for (guint i = 0; i < done && ok; i++) {
        BlkAction *a = list->pdata[i];

        if (a->ops->commit) {
            a->ops->commit(a);
        }
    }
    for (guint i = done; !ok && i-- > 0;) {
        BlkAction *a = list->pdata[i];

        if (a->ops->abort) {
            a->ops->abort(a);
        }
    }
}

bool qmp_transaction(Vm *vm, TransactionActionList *actions,
                     TransactionProperties *properties, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    GPtrArray *users = graph_drain(g);
    JobGroup *group =
        properties && properties->has_completion_mode &&
                properties->completion_mode == ACTION_COMPLETION_MODE_GROUPED
            ? job_group_new()
            : NULL;
    guint done = 0;
    bool ok = true;

    for (TransactionActionList *l = actions; l && ok; l = l->next) {
        BlkAction *a = g_new0(BlkAction, 1);

        a->vm = vm;
        a->g = g;
        a->group = group;
        a->arg = l->value;
        a->ops = ops_of[l->value->type];
        g_ptr_array_add(list, a);
        ok = prepare_one(a, errp);
        done += ok;
    }
    settle(list, done, ok);
    node_undrain(users);
    for (guint i = 0; i < done && ok; i++) {
        BlkAction *a = list->pdata[i];

        if (a->ops->after) {
            a->ops->after(a);
        }
    }
    job_group_unref(group);
    return ok;
}

/* The commands: transactions of one action
 * ------------------------------------------------- */

static bool run_one(Vm *vm, TransactionAction *a, Error **errp)
{
    TransactionActionList list = { .value = a };

    return qmp_transaction(vm, &list, NULL, errp);
}

bool qmp_blockdev_backup(Vm *vm, BlockdevBackup *arg, Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_BLOCKDEV_BACKUP,
        .u.blockdev_backup.data = arg,
    };

    return run_one(vm, &a, errp);
}

bool qmp_drive_backup(Vm *vm, DriveBackup *arg, Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_DRIVE_BACKUP,
        .u.drive_backup.data = arg,
    };

    return run_one(vm, &a, errp);
}

bool qmp_blockdev_snapshot_internal_sync(Vm *vm, BlockdevSnapshotInternal *arg,
                                         Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_INTERNAL_SYNC,
        .u.blockdev_snapshot_internal_sync.data = arg,
    };

    return run_one(vm, &a, errp);
}

bool qmp_blockdev_snapshot(Vm *vm, BlockdevSnapshot *arg, Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT,
        .u.blockdev_snapshot.data = arg,
    };

    return run_one(vm, &a, errp);
}

bool qmp_blockdev_snapshot_sync(Vm *vm, BlockdevSnapshotSync *arg, Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_SYNC,
        .u.blockdev_snapshot_sync.data = arg,
    };

    return run_one(vm, &a, errp);
}

bool qmp_block_dirty_bitmap_add(Vm *vm, BlockDirtyBitmapAdd *arg, Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ADD,
        .u.block_dirty_bitmap_add.data = arg,
    };

    return run_one(vm, &a, errp);
}

bool qmp_block_dirty_bitmap_remove(Vm *vm, BlockDirtyBitmap *arg, Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_REMOVE,
        .u.block_dirty_bitmap_remove.data = arg,
    };

    return run_one(vm, &a, errp);
}

bool qmp_block_dirty_bitmap_clear(Vm *vm, BlockDirtyBitmap *arg, Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_CLEAR,
        .u.block_dirty_bitmap_clear.data = arg,
    };

    return run_one(vm, &a, errp);
}

bool qmp_block_dirty_bitmap_enable(Vm *vm, BlockDirtyBitmap *arg, Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ENABLE,
        .u.block_dirty_bitmap_enable.data = arg,
    };

    return run_one(vm, &a, errp);
}

bool qmp_block_dirty_bitmap_disable(Vm *vm, BlockDirtyBitmap *arg, Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_DISABLE,
        .u.block_dirty_bitmap_disable.data = arg,
    };

    return run_one(vm, &a, errp);
}

bool qmp_block_dirty_bitmap_merge(Vm *vm, BlockDirtyBitmapMerge *arg,
                                  Error **errp)
{
    TransactionAction a = {
        .type = TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_MERGE,
        .u.block_dirty_bitmap_merge.data = arg,
    };

    return run_one(vm, &a, errp);
}
