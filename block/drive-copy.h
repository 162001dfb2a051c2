/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The images that drive-mirror and drive-backup make. Control code. */
#ifndef BLOCK_DRIVE_COPY_H
#define BLOCK_DRIVE_COPY_H

#include "block/block-int.h"
#include "qapi/qapi-types-block-jobs.h"

typedef struct DriveCopy {
    const char *file;
    const char *format; /* NULL: the source's, or probed when it exists */
    NewImageMode mode;
    MirrorSyncMode sync;
    const char *node_name; /* or NULL */
    bool unmap;
} DriveCopy;

/* Make the image unless it exists, and open it without its backing file. One
 * reference; NULL on error. */
BlockNode *drive_copy_open(BlockNode *source, const DriveCopy *c, Error **errp);

#endif
