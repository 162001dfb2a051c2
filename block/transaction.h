/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The actions of transactions. Control code; everything is drained. */
#ifndef BLOCK_TRANSACTION_H
#define BLOCK_TRANSACTION_H

#include "block/dirty-bitmap.h"
#include "block/graph-tx.h"
#include "block/job.h"
#include "qapi/qapi-types-transaction.h"

typedef struct BlkAction BlkAction;

/* After a successful prepare exactly one of commit and abort; after a commit,
 * when nothing is drained any more, after. Optional but for prepare. */
typedef struct BlkActionOps {
    bool (*prepare)(BlkAction *a, Error **errp);
    void (*commit)(BlkAction *a);
    void (*abort)(BlkAction *a);
    void (*after)(BlkAction *a);
    bool groups; /* knows about groups of jobs */
} BlkActionOps;

struct BlkAction {
    Vm *vm;
    BlockGraph *g;
    JobGroup *group; /* for the job that it starts, or NULL */
    TransactionAction *arg;
    const BlkActionOps *ops;
    /* What the kinds of actions keep. */
    BlockNode *n, *overlay;
    GraphTx *tx;
    DirtyBitmap *bitmap, *saved;
    bool was_enabled;
    Job *job;
};

extern const BlkActionOps backup_ops, bitmap_add_ops, bitmap_remove_ops,
    bitmap_clear_ops, bitmap_enable_ops, bitmap_disable_ops, bitmap_merge_ops,
    drive_backup_ops, internal_snapshot_ops, snapshot_ops, snapshot_sync_ops;

#endif
