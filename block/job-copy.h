/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The copy engine of the jobs: pieces that are copied side by side, and what
 * becomes of those that fail. Main loop, but for the locks of ranges.
 */
#ifndef BLOCK_JOB_COPY_H
#define BLOCK_JOB_COPY_H

#include "block/job.h"

#define COPY_CHUNK      ((int64_t)(1 * MiB))
#define COPY_MAX_PIECES 16
#define COPY_MAX_BYTES  ((int64_t)(16 * MiB))

/* Copy, zeroes as zeroes; sets *is_read when reading failed. */
int coroutine_fn copy_data(Job *j, BlockNode *from, BlockNode *to,
                           int64_t offset, int64_t bytes, bool zero,
                           unsigned flags, bool *is_read);

/* Ranges of which no two that meet are locked at the same time. Any thread. */
typedef struct CopyRange {
    int64_t offset, bytes;
    struct CopyRange *next;
} CopyRange;

typedef struct CopyLock {
    Mutex lock;
    CoQueue queue;
    CopyRange *ranges; /* guarded by lock */
} CopyLock;

void copy_lock_init(CopyLock *l);
void copy_lock_destroy(CopyLock *l);
/* @r belongs to the lock until it is unlocked. */
void coroutine_fn copy_lock(CopyLock *l, CopyRange *r);
void copy_unlock(CopyLock *l, CopyRange *r);

/* The pieces of a job that are under way. */
typedef struct CopyPool {
    Job *job;
    /* Copy a piece, in a coroutine of its own. 0 or -errno; *is_read: reading
     * is what failed. */
    int coroutine_fn (*copy)(Job *j, int64_t offset, int64_t bytes, bool zero,
                             bool *is_read);
    /* A piece has ended; its policy said what becomes of a failure. */
    void (*done)(Job *j, int64_t offset, int64_t bytes, bool zero, int ret,
                 BlkErrorAction action);
    BlockdevOnError on_read, on_write;
    unsigned max_pieces;
    int64_t max_bytes;

    unsigned pieces;
    int64_t copying; /* bytes of those that are not zeroes */
    int64_t bytes;   /* of all */
    int error;       /* -errno of one that failed for good */
    bool failed;     /* one failed: do not try again at once */
} CopyPool;

bool copy_pool_full(const CopyPool *p);
/* From the job's coroutine, or others of its thread. */
void copy_pool_start(CopyPool *p, int64_t offset, int64_t bytes, bool zero);
/* After a start: let others have their turn, and wait before what has failed
 * is tried again. */
void coroutine_fn copy_pool_breathe(CopyPool *p);
/* Wait until nothing is under way. */
void coroutine_fn copy_pool_settle(CopyPool *p);
/* Pauses, cancelling and failures, before a next piece. 0: go on; 1: look
 * again; -errno: the job ends, nothing is under way. */
int coroutine_fn copy_pool_check(CopyPool *p);

/*
 * Copy from 0 to @length in order: @status says what is at an offset, as
 * chain_status() does; what is not allocated is left out. Failures of a policy
 * that does not end the job are tried again, or left out with @skip_errors,
 * which the result tells.
 */
typedef int coroutine_fn CopyStatus(Job *j, int64_t offset, int64_t bytes,
                                    int64_t *num);
typedef struct CopyLine {
    CopyPool pool; /* job, copy, policies; the rest is set here */
    CopyStatus *status;
    bool skip_errors;

    GArray *again; /* of pieces */
    int skipped;   /* -errno of the first that was left out */
} CopyLine;
int coroutine_fn copy_line(CopyLine *c, int64_t length);

#endif
