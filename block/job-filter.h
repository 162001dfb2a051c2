/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes that jobs put above those they work on. Control code. */
#ifndef BLOCK_JOB_FILTER_H
#define BLOCK_JOB_FILTER_H

#include "block/block-int.h"

typedef struct JobFilterOps {
    /* Around each write, zeroing and discard through the filter: before may
     * wait, or fail with -errno, which ends it; after gets its result and
     * returns what the user gets. */
    int coroutine_fn (*before)(void *opaque, int64_t offset, int64_t bytes,
                               void **cookie);
    int coroutine_fn (*after)(void *opaque, int64_t offset, int64_t bytes,
                              void *cookie, int ret);
} JobFilterOps;

extern const BlockDriver block_driver_mirror_top, block_driver_commit_top,
    block_driver_stream_top, block_driver_copy_before_write;

/* What the filter asks for below, and lets others do there. */
typedef enum JobFilterShare {
    JOB_FILTER_PASS,   /* what its users do */
    JOB_FILTER_COMMIT, /* all: the images below change under it */
    JOB_FILTER_GUARD,  /* no writes that go around it */
} JobFilterShare;

/*
 * Put a filter above @n, whose users use it from then on; one reference for
 * the caller. @ops NULL: it passes everything on. All is drained.
 */
BlockNode *job_filter_insert(BlockNode *n, const BlockDriver *drv,
                             const char *name, JobFilterShare share,
                             const JobFilterOps *ops, void *opaque,
                             Error **errp);
/* Take it out again; its reference goes. All is drained. */
void job_filter_remove(BlockNode *filter);

#endif
