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

/* The command @name is the action of that name. */
#define COMMAND(name, KIND, Arg)                    \
    bool qmp_##name(Vm *vm, Arg *arg, Error **errp) \
    {                                               \
        TransactionAction a = {                     \
            .type = TRANSACTION_ACTION_KIND_##KIND, \
            .u.name.data = arg,                     \
        };                                          \
                                                    \
        return run_one(vm, &a, errp);               \
    }

COMMAND(blockdev_backup, BLOCKDEV_BACKUP, BlockdevBackup)
COMMAND(drive_backup, DRIVE_BACKUP, DriveBackup)
COMMAND(blockdev_snapshot_internal_sync, BLOCKDEV_SNAPSHOT_INTERNAL_SYNC,
        BlockdevSnapshotInternal)
COMMAND(blockdev_snapshot, BLOCKDEV_SNAPSHOT, BlockdevSnapshot)
COMMAND(blockdev_snapshot_sync, BLOCKDEV_SNAPSHOT_SYNC, BlockdevSnapshotSync)
COMMAND(block_dirty_bitmap_add, BLOCK_DIRTY_BITMAP_ADD, BlockDirtyBitmapAdd)
COMMAND(block_dirty_bitmap_remove, BLOCK_DIRTY_BITMAP_REMOVE, BlockDirtyBitmap)
COMMAND(block_dirty_bitmap_clear, BLOCK_DIRTY_BITMAP_CLEAR, BlockDirtyBitmap)
COMMAND(block_dirty_bitmap_enable, BLOCK_DIRTY_BITMAP_ENABLE, BlockDirtyBitmap)
COMMAND(block_dirty_bitmap_disable, BLOCK_DIRTY_BITMAP_DISABLE,
        BlockDirtyBitmap)
COMMAND(block_dirty_bitmap_merge, BLOCK_DIRTY_BITMAP_MERGE,
        BlockDirtyBitmapMerge)
