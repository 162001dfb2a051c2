/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The jobs mirror, commit and stream. Control code. */
#ifndef BLOCK_MIRROR_H
#define BLOCK_MIRROR_H

#include "block/job.h"

typedef struct MirrorOptions {
    JobOptions job;
    BlockNode *source, *target;
    BlockNode *replaces; /* NULL: the source */
    const char *filter;  /* node-name, or NULL */
    MirrorSyncMode sync;
    bool write_blocking;
    bool commit;   /* the target is below the source */
    bool no_unmap; /* write zeroes as data */
    bool new_target; /* it reads as zeroes */
    bool base_was_read_only;
    uint32_t granularity; /* 0: default */
    int64_t buf_size;     /* 0: default */
    BlockdevOnError on_source, on_target;
} MirrorOptions;

/* Initializers: what drive-mirror and blockdev-mirror both take. */
#define MIRROR_OPTIONS(g, arg)                                             \
    .job = JOB_OPTIONS(g, arg), .sync = (arg)->sync,                       \
    .write_blocking = (arg)->has_copy_mode &&                              \
                      (arg)->copy_mode == MIRROR_COPY_MODE_WRITE_BLOCKING, \
    .granularity = (arg)->has_granularity ? (arg)->granularity : 0,        \
    .buf_size = (arg)->has_buf_size ? (arg)->buf_size : 0,                 \
    .on_source = (arg)->has_on_source_error ? (arg)->on_source_error       \
                                            : BLOCKDEV_ON_ERROR_REPORT,    \
    .on_target = (arg)->has_on_target_error ? (arg)->on_target_error       \
                                            : BLOCKDEV_ON_ERROR_REPORT

/* Is @sync one that a mirror knows? May it replace that node? */
bool mirror_check_sync(MirrorSyncMode sync, Error **errp);
bool mirror_check_replaces(const MirrorOptions *o, Error **errp);
bool mirror_start(BlockGraph *g, const MirrorOptions *o, Error **errp);

typedef struct CommitOptions {
    JobOptions job;
    BlockNode *active, *top, *base;
    const char *backing_file; /* NULL: the base's file name */
    const char *filter;
    BlockdevOnError on_error;
} CommitOptions;

/* Of an inactive @top. */
bool commit_start(BlockGraph *g, const CommitOptions *o, Error **errp);

typedef struct StreamOptions {
    JobOptions job;
    BlockNode *node;
    BlockNode *bottom;  /* the lowest whose data is copied; or @node: none */
    const char *filter; /* node-name, or NULL */
    const char *backing_file;
    BlockdevOnError on_error;
} StreamOptions;

bool stream_start(BlockGraph *g, const StreamOptions *o, Error **errp);

#endif
