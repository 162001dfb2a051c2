/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs on block nodes. A job is a coroutine of the main loop with a backend of
 * its own, through which it uses all of its nodes: draining any of them keeps
 * it from starting requests (job_begin()). All control code, main loop.
 */
#ifndef BLOCK_JOB_H
#define BLOCK_JOB_H

#include "block/block-int.h"
#include "qapi/qapi-types-block-jobs.h"

typedef struct Job Job;
/* Jobs that end together, all well or none: made before the first of them. */
typedef struct JobGroup JobGroup;
JobGroup *job_group_new(void);
/* Of the one who made it; the jobs in it keep it. NULL is fine. */
void job_group_unref(JobGroup *group);

typedef struct JobDriver {
    JobType type;
    size_t size;     /* of the struct that begins with a Job */
    bool for_blocks; /* has BLOCK_JOB_* events, is in query-block-jobs */
    /* 0, or -errno with the error set or not. */
    int coroutine_fn (*run)(Job *j, Error **errp);
    /* After a successful run, outside of coroutines: more of the work.
     * Optional. */
    bool (*work)(Job *j, Error **errp);
    /* Then: exactly one of commit
     * and abort follows. Optional, as the others. */
    bool (*prepare)(Job *j, Error **errp);
    void (*commit)(Job *j);
    void (*abort)(Job *j);
    void (*clean)(Job *j);    /* last; the job's edges are still there */
    void (*complete)(Job *j); /* only of jobs that get ready */
    /* Cancelled without force, when ready: end well, but change nothing. */
    void (*soft_cancel)(Job *j);
} JobDriver;

struct Job {
    const JobDriver *drv;
    BlockGraph *graph;
    char *id;
    JobStatus status;
    BlockBackend *blk; /* no root; the edges' parent */
    GPtrArray *edges;  /* BlockEdge * */
    GPtrArray *claims; /* BlockNode *, a reference each: job_claim_chain() */
    bool auto_finalize, auto_dismiss;

    unsigned pauses; /* reasons to rest */
    bool user_paused, cancelled, ready, finished;
    bool waiting; /* in job_wait() */
    int iostatus; /* errno value of the failure it stopped for, or 0 */
    int ret;
    Error *err;
    JobGroup *group;     /* or NULL */
    int64_t offset, len; /* progress */

    int64_t speed; /* bytes per second; 0: no limit */
    int64_t next_ns;
    struct CopyLine *line; /* of job-copy.c, as is */
    Mutex buffers_lock;
    GPtrArray *buffers; /* COPY_CHUNK bytes each; guarded by buffers_lock, as
                         * writes of the guest copy on their own loops */

    Coroutine *co;
    LoopTask wake, exit;
    LoopTimer timer;
};

/* What all commands that start jobs take. */
typedef struct JobOptions {
    const char *id;
    int64_t speed;
    bool auto_finalize, auto_dismiss;
    JobGroup *group; /* or NULL */
} JobOptions;

/* @device's own name serves where no ID is given. */
#define JOB_OPTIONS(g, arg)                                                 \
    {                                                                       \
        .id = (arg)->job_id                  ? (arg)->job_id                \
              : blk_find((g), (arg)->device) ? (arg)->device                \
                                             : NULL,                        \
        .speed = (arg)->has_speed ? (arg)->speed : 0,                       \
        .auto_finalize = !(arg)->has_auto_finalize || (arg)->auto_finalize, \
        .auto_dismiss = !(arg)->has_auto_dismiss || (arg)->auto_dismiss     \
    }

/* Not started; NULL on error. */
Job *job_new(BlockGraph *g, const JobDriver *drv, const JobOptions *o,
             Error **errp);
/* Use @node; the job's end takes the edge away. */
bool job_add_node(Job *j, BlockNode *node, const char *name, uint64_t perm,
                  uint64_t shared, Error **errp);
/* The same for the images from @top down to above @end, which the job only
 * holds. */
bool job_add_chain(Job *j, BlockNode *top, BlockNode *end, uint64_t shared,
                   Error **errp);
void job_drop_nodes(Job *j);
/* Is @blk a job's own? */
bool job_owns_backend(const BlockBackend *blk);
/* Nobody else may start a job on @node, resize it, or change what is below it,
 * while the job is there. False: somebody does. */
bool job_claim(Job *j, BlockNode *node, Error **errp);
/* All of those from @top down to @bottom. */
bool job_claim_chain(Job *j, BlockNode *top, BlockNode *bottom, Error **errp);
/* False: a job claims @n. */
bool job_allows(const BlockNode *n, Error **errp);
/* The job that claims @n, or what is below it if it is a filter; or NULL. */
Job *job_claiming(const BlockNode *n);
void job_start(Job *j);
/* Of a job that did not start: it was not made, or shall not start. */
void job_drop(Job *j);
void job_give_up(Job *j);
Job *job_find(BlockGraph *g, const char *id);
/* Is the node used by a job? */
bool job_uses_node(const BlockNode *n);
/* Give up all jobs, and wait until they are gone. */
void job_cancel_all(BlockGraph *g);

/* Commands; @force: of a job that is ready too. */
bool job_user_pause(Job *j, Error **errp);
bool job_user_resume(Job *j, Error **errp);
bool job_user_cancel(Job *j, bool force, Error **errp);
bool job_user_complete(Job *j, Error **errp);
bool job_user_finalize(Job *j, Error **errp);
bool job_user_dismiss(Job *j, Error **errp);
bool job_set_speed(Job *j, int64_t speed, Error **errp);

/* From the coroutine ------------------------------------------------------- */

/* Rest until woken, or until @deadline_ns (0: none). May return early. */
void coroutine_fn job_wait(Job *j, int64_t deadline_ns);
/* Main loop's thread: return from job_wait(). */
void job_wake(Job *j);
/* Rest while paused. True: the job is to end now. */
bool coroutine_fn job_pause_point(Job *j);
/* Wait until the speed limit lets the next request start. */
void coroutine_fn job_throttle(Job *j);
void job_account(Job *j, int64_t bytes);
void job_set_ready(Job *j);
/* Around requests on the job's nodes. */
static inline void coroutine_fn job_begin(Job *j)
{
    co_gate_enter(&j->blk->gate);
}
static inline void coroutine_fn job_end(Job *j)
{
    co_gate_leave(&j->blk->gate);
}
/* A request failed with errno value @error. */
BlkErrorAction job_error(Job *j, BlockdevOnError policy, bool is_read,
                         int error);

/* Shared by the kinds of jobs ------------------------------------------------
 */

/* What the layers from @top down to above @base (NULL: to the end) know. */
enum {
    CHAIN_ALLOCATED = 1,
    CHAIN_ZERO = 2,
};
int coroutine_fn chain_status(BlockNode *top, BlockNode *base, int64_t offset,
                              int64_t bytes, int64_t *pnum);
/* The node below the filters that start at @n. */
BlockNode *skip_filters(BlockNode *n);
/* The backing node below @n's filters and @n; NULL: none. */
BlockNode *chain_next(BlockNode *n);
bool chain_contains(BlockNode *top, const BlockNode *n);
/* The image of the chain that has that file name, as it is or as the header of
 * the one above has it; NULL: none. */
BlockNode *chain_find_file(BlockNode *top, const char *file);
/* "device" of the commands: a root node, without the filters -drive makes. */
BlockNode *job_root_node(BlockGraph *g, const char *device, Error **errp);
/* The image @n says what its backing file is. */
bool node_change_backing_file(BlockNode *n, const char *file,
                              const char *format, Error **errp);

#endif
