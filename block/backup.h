/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job "backup". Control code. */
#ifndef BLOCK_BACKUP_H
#define BLOCK_BACKUP_H

#include "block/dirty-bitmap.h"
#include "block/job.h"
#include "qapi/qapi-types-transaction.h"

typedef struct BackupOptions {
    JobOptions job;
    BlockNode *source, *target;
    const char *filter; /* node-name, or NULL */
    MirrorSyncMode sync;
    DirtyBitmap *bitmap; /* of the source: only what it says; or NULL */
    BitmapSyncMode bitmap_mode;
    BlockdevOnError on_source, on_target;
    bool compress;
    bool copy_range;      /* try to have the host copy */
    unsigned max_workers; /* 0: default */
    int64_t max_chunk;    /* bytes; 0: default */
} BackupOptions;

/* The point in time is now; job_start() or job_give_up() follows. */
Job *backup_new(BlockGraph *g, const BackupOptions *o, Error **errp);

#endif
