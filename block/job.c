/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a job: its states, its coroutine, and how it ends.
 * Spec: QEMU 7.2's QMP reference, JobStatus and the events of jobs.
 */
#include "util/osdep.h"

#include "block/job.h"
#include "qapi/qapi-events-block-jobs.h"
#include "qapi/qapi-events-job.h"
#include "util/error.h"

static void job_set_status(Job *j, JobStatus status)
{
    if (j->status != status) {
        j->status = status;
        qapi_event_send_job_status_change(block_events(j->graph), j->id,
                                          status);
    }
}

Job *job_find(BlockGraph *g, const char *id)
{
    for (guint i = 0; g->jobs && i < g->jobs->len; i++) {
        Job *j = g->jobs->pdata[i];

        if (!strcmp(j->id, id)) {
            return j;
        }
    }
    return NULL;
}

bool job_uses_node(const BlockNode *n)
{
    BlockGraph *g = n->graph;

    for (guint i = 0; g->jobs && i < g->jobs->len; i++) {
        Job *j = g->jobs->pdata[i];

        for (guint k = 0; k < j->edges->len; k++) {
            BlockEdge *e = j->edges->pdata[k];

            if (e->node == n) {
                return true;
            }
        }
    }
    return false;
}

/* Beginning
 * -------------------------------------------------------------------- */

static void job_wake_task(void *opaque)
{
    Job *j = opaque;

    if (j->waiting) {
        j->waiting = false;
        coroutine_enter(j->co);
    }
}

static void job_timer(void *opaque)
{
    job_wake(opaque);
}

static void job_exit(void *opaque);
static void group_add(JobGroup *group, Job *j);
static void group_remove(Job *j);

Job *job_new(BlockGraph *g, const JobDriver *drv, const JobOptions *o,
             Error **errp)
{
    Job *j;

    if (!o->id) {
        error_set(errp, "An explicit job ID is required");
        return NULL;
    }
    if (!block_name_ok(o->id)) {
        error_set(errp, "Invalid job ID '%s'", o->id);
        return NULL;
    }
    if (job_find(g, o->id)) {
        error_set(errp, "Job ID '%s' already in use", o->id);
        return NULL;
    }
    if (o->speed < 0) {
        error_set(errp, "Parameter 'speed' expects a non-negative value");
        return NULL;
    }
    if (!g->jobs) {
        g->jobs = g_ptr_array_new();
    }
    j = g_malloc0(drv->size);
    j->drv = drv;
    j->graph = g;
    j->id = g_strdup(o->id);
    j->speed = o->speed;
    j->auto_finalize = o->auto_finalize;
    j->auto_dismiss = o->auto_dismiss;
    j->blk = blk_new(g, 0, BLK_PERM_ALL);
    j->edges = g_ptr_array_new();
    j->claims = g_ptr_array_new();
    mutex_init(&j->buffers_lock);
    j->buffers = g_ptr_array_new_with_free_func(free);
    loop_task_init(&j->wake, g->loop, job_wake_task, j);
    loop_task_set_io(&j->wake);
    loop_task_init(&j->exit, g->loop, job_exit, j);
    loop_timer_init(&j->timer, g->loop, job_timer, j);
    g_ptr_array_add(g->jobs, j);
    group_add(o->group, j);
    job_set_status(j, JOB_STATUS_CREATED);
    return j;
}

bool job_add_node(Job *j, BlockNode *node, const char *name, uint64_t perm,
                  uint64_t shared, Error **errp)
{
    BlockEdge *e = edge_attach(node, NULL, j->blk, name,
                               BLOCK_ROLE_FILTERED | BLOCK_ROLE_PRIMARY, perm,
                               shared, errp);

    if (e) {
        g_ptr_array_add(j->edges, e);
    }
    return e;
}

bool job_add_chain(Job *j, BlockNode *top, BlockNode *end, uint64_t shared,
                   Error **errp)
{
    end = skip_filters(end);
    for (BlockNode *n = skip_filters(top); n && n != end;
         n = skip_filters(chain_next(n))) {
        if (!job_add_node(j, n, "intermediate node", 0, shared, errp)) {
            return false;
        }
    }
    return true;
}

bool job_owns_backend(const BlockBackend *blk)
{
    BlockGraph *g = blk->graph;

    for (guint i = 0; g->jobs && i < g->jobs->len; i++) {
        const Job *j = g->jobs->pdata[i];

        if (j->blk == blk) {
            return true;
        }
    }
    return false;
}

Job *job_claiming(const BlockNode *n)
{
    BlockGraph *g = n->graph;
    const BlockNode *image = skip_filters((BlockNode *)n);

    for (guint i = 0; g->jobs && i < g->jobs->len; i++) {
        Job *j = g->jobs->pdata[i];

        if (g_ptr_array_find(j->claims, image, NULL)) {
            return j;
        }
    }
    return NULL;
}

bool job_allows(const BlockNode *n, Error **errp)
{
    Job *j = job_claiming(n);

    return !j ||
           error_set(errp,
                     "Node '%s' is busy: block device is in use by block job: "
                     "%s",
                     n->name, qapi_enum_name(&qapi_type_JobType, j->drv->type));
}

bool job_claim(Job *j, BlockNode *node, Error **errp)
{
    if (job_claiming(node) != j && !job_allows(node, errp)) {
        return false;
    }
    g_ptr_array_add(j->claims, node_ref(skip_filters(node)));
    return true;
}

bool job_claim_chain(Job *j, BlockNode *top, BlockNode *bottom, Error **errp)
{
    for (BlockNode *n = skip_filters(top); n; n = skip_filters(chain_next(n))) {
        if (!job_claim(j, n, errp)) {
            return false;
        }
        if (n == bottom) {
            break;
        }
    }
    return true;
}

void job_drop_nodes(Job *j)
{
    while (j->claims->len) {
        node_unref(g_ptr_array_steal_index(j->claims, j->claims->len - 1));
    }
    while (j->edges->len) {
        BlockEdge *e = j->edges->pdata[j->edges->len - 1];

        g_ptr_array_remove_index(j->edges, j->edges->len - 1);
        edge_detach(e);
    }
}

void job_give_up(Job *j)
{
    if (j->drv->abort) {
        j->drv->abort(j);
    }
    job_set_status(j, JOB_STATUS_ABORTING);
    if (j->drv->clean) {
        j->drv->clean(j);
    }
    job_set_status(j, JOB_STATUS_CONCLUDED);
    job_drop(j);
}

void job_drop(Job *j)
{
    job_set_status(j, JOB_STATUS_NULL);
    job_drop_nodes(j);
    loop_task_cancel(&j->wake);
    loop_task_cancel(&j->exit);
    loop_timer_cancel(&j->timer);
    g_ptr_array_remove(j->graph->jobs, j);
    group_remove(j);
    blk_unref(j->blk);
    g_ptr_array_free(j->edges, TRUE);
    g_ptr_array_free(j->claims, TRUE);
    g_ptr_array_free(j->buffers, TRUE);
    mutex_destroy(&j->buffers_lock);
    error_free(j->err);
    g_free(j->id);
    g_free(j);
}

/* The coroutine
 * ----------------------------------------------------------------- */

static void coroutine_fn job_entry(void *opaque)
{
    Job *j = opaque;

    /* The command that started the job is answered first. */
    job_wake(j);
    job_wait(j, 0);
    if (!job_pause_point(j)) {
        j->ret = j->drv->run(j, &j->err);
    }
    if (j->cancelled) {
        j->ret = -ECANCELED;
    }
    j->finished = true;
    loop_task_post(&j->exit);
}

void job_start(Job *j)
{
    job_set_status(j, JOB_STATUS_RUNNING);
    j->co = coroutine_new(job_entry, j);
    coroutine_enter(j->co);
}

void coroutine_fn job_wait(Job *j, int64_t deadline_ns)
{
    if (deadline_ns) {
        loop_timer_set(&j->timer, deadline_ns);
    }
    j->waiting = true;
    coroutine_yield();
    loop_timer_cancel(&j->timer);
}

void job_wake(Job *j)
{
    loop_task_post(&j->wake);
}

bool coroutine_fn job_pause_point(Job *j)
{
    if (j->pauses && !j->cancelled) {
        JobStatus before = j->status;

        job_set_status(j, before == JOB_STATUS_READY ? JOB_STATUS_STANDBY
                                                     : JOB_STATUS_PAUSED);
        while (j->pauses && !j->cancelled) {
            job_wait(j, 0);
        }
        job_set_status(j, before);
    }
    return j->cancelled;
}

void coroutine_fn job_throttle(Job *j)
{
    while (!j->cancelled && !j->pauses && j->speed &&
           j->next_ns > loop_now_ns()) {
        job_wait(j, j->next_ns);
    }
}

void job_account(Job *j, int64_t bytes)
{
    int64_t now = loop_now_ns();

    j->next_ns = MAX(j->next_ns, now);
    if (j->speed) {
        j->next_ns += (double)bytes * 1e9 / j->speed;
    }
}

void job_set_ready(Job *j)
{
    if (j->ready) {
        return;
    }
    j->ready = true;
    job_set_status(j, JOB_STATUS_READY);
    qapi_event_send_block_job_ready(block_events(j->graph), j->drv->type, j->id,
                                    j->len, j->offset, j->speed);
}

BlkErrorAction job_error(Job *j, BlockdevOnError policy, bool is_read,
                         int error)
{
    BlockErrorAction action = BLOCK_ERROR_ACTION_REPORT;
    BlkErrorAction ret = BLK_ACTION_REPORT;

    if (policy == BLOCKDEV_ON_ERROR_IGNORE) {
        action = BLOCK_ERROR_ACTION_IGNORE;
        ret = BLK_ACTION_IGNORE;
    } else if (policy == BLOCKDEV_ON_ERROR_STOP ||
               (error == ENOSPC && (policy == BLOCKDEV_ON_ERROR_ENOSPC ||
                                    policy == BLOCKDEV_ON_ERROR_AUTO))) {
        action = BLOCK_ERROR_ACTION_STOP;
        ret = BLK_ACTION_STOP;
    }
    qapi_event_send_block_job_error(block_events(j->graph), j->id,
                                    is_read ? IO_OPERATION_TYPE_READ
                                            : IO_OPERATION_TYPE_WRITE,
                                    action);
    if (ret == BLK_ACTION_STOP) {
        if (!j->user_paused) {
            j->user_paused = true;
            j->pauses++;
        }
        j->iostatus = error;
    }
    return ret;
}

/* Groups
 * ------------------------------------------------------------------------ */

struct JobGroup {
    unsigned refs;
    bool ending;
    GPtrArray *jobs; /* Job *, the latest first */
};

JobGroup *job_group_new(void)
{
    JobGroup *group = g_new0(JobGroup, 1);

    group->refs = 1;
    group->jobs = g_ptr_array_new();
    return group;
}

void job_group_unref(JobGroup *group)
{
    if (group && !--group->refs) {
        g_ptr_array_free(group->jobs, TRUE);
        g_free(group);
    }
}

static void group_add(JobGroup *group, Job *j)
{
    if (group) {
        j->group = group;
        group->refs++;
        g_ptr_array_insert(group->jobs, 0, j);
    }
}

static void group_remove(Job *j)
{
    if (j->group) {
        g_ptr_array_remove(j->group->jobs, j);
        job_group_unref(j->group);
        j->group = NULL;
    }
}

/* Those that end with @j: its group, or it alone. */
static GPtrArray *group_jobs(Job *j)
{
    GPtrArray *jobs = g_ptr_array_new();

    if (j->group) {
        for (guint i = 0; i < j->group->jobs->len; i++) {
            g_ptr_array_add(jobs, j->group->jobs->pdata[i]);
        }
    } else {
        g_ptr_array_add(jobs, j);
    }
    return jobs;
}

/* The end
 * ----------------------------------------------------------------------- */

static void send_end(Job *j)
{
    QapiEventSink *sink = block_events(j->graph);

    if (!j->drv->for_blocks) {
        return;
    }
    if (j->cancelled) {
        qapi_event_send_block_job_cancelled(sink, j->drv->type, j->id, j->len,
                                            j->offset, j->speed);
    } else {
        qapi_event_send_block_job_completed(sink, j->drv->type, j->id, j->len,
                                            j->offset, j->speed,
                                            j->err ? error_text(j->err) : NULL);
    }
}

static void job_conclude(Job *j)
{
    if (j->drv->clean) {
        j->drv->clean(j);
    }
    job_drop_nodes(j);
    send_end(j);
    group_remove(j);
    job_set_status(j, JOB_STATUS_CONCLUDED);
    if (j->auto_dismiss) {
        job_drop(j);
    }
}

static void job_set_aborting(Job *j)
{
    if (j->cancelled) {
        j->ret = -ECANCELED;
    }
    if (!j->err) {
        error_set(&j->err, "%s", g_strerror(-j->ret));
    }
    job_set_status(j, JOB_STATUS_ABORTING);
}

/* The others of the group are cancelled; all go when the last is finished. */
static void job_abort(Job *j)
{
    g_autoptr(GPtrArray) jobs = group_jobs(j);
    bool running = false;

    job_set_aborting(j);
    for (guint i = 0; i < jobs->len; i++) {
        Job *other = jobs->pdata[i];

        if (other != j && other->status != JOB_STATUS_ABORTING) {
            other->cancelled = true;
            if (other->finished) {
                loop_task_cancel(&other->exit);
                other->ret = -ECANCELED;
                job_set_aborting(other);
            } else {
                job_wake(other);
                running = true;
            }
        }
    }
    for (guint i = 0; i < jobs->len && !running; i++) {
        Job *each = jobs->pdata[i];

        if (each->drv->abort) {
            each->drv->abort(each);
        }
        job_conclude(each);
    }
}

static void job_finalize(Job *j)
{
    g_autoptr(GPtrArray) jobs = group_jobs(j);

    for (guint i = 0; i < jobs->len; i++) {
        Job *each = jobs->pdata[i];

        if (each->drv->prepare && !each->drv->prepare(each, &each->err)) {
            each->ret = -EIO;
            job_abort(each);
            return;
        }
    }
    for (guint i = 0; i < jobs->len; i++) {
        Job *each = jobs->pdata[i];

        if (each->drv->commit) {
            each->drv->commit(each);
        }
    }
    for (guint i = 0; i < jobs->len; i++) {
        job_conclude(jobs->pdata[i]);
    }
}

static void job_set_pending(Job *j)
{
    job_set_status(j, JOB_STATUS_PENDING);
    if (!j->auto_finalize && j->drv->for_blocks) {
        qapi_event_send_block_job_pending(block_events(j->graph), j->drv->type,
                                          j->id);
    }
}

static void job_exit(void *opaque)
{
    Job *j = opaque;
    g_autoptr(GPtrArray) jobs = NULL;
    bool finalize = true;

    if (j->drv->work && !j->cancelled && j->ret >= 0 &&
        !j->drv->work(j, &j->err)) {
        j->ret = -EIO;
    }
    if (j->cancelled || j->ret < 0) {
        job_abort(j);
        return;
    }
    job_set_status(j, JOB_STATUS_WAITING);
    jobs = group_jobs(j);
    for (guint i = 0; i < jobs->len; i++) {
        const Job *other = jobs->pdata[i];

        if (other->status != JOB_STATUS_WAITING) {
            return;
        }
    }
    for (guint i = 0; i < jobs->len; i++) {
        Job *each = jobs->pdata[i];

        job_set_pending(each);
        finalize = finalize && each->auto_finalize;
    }
    if (finalize) {
        job_finalize(j);
    }
}

void job_cancel_all(BlockGraph *g)
{
    while (g->jobs && g->jobs->len) {
        Job *j = g->jobs->pdata[0];

        j->auto_dismiss = true;
        group_remove(j);
        if (j->status == JOB_STATUS_CONCLUDED) {
            job_drop(j);
            continue;
        }
        j->cancelled = true;
        while (!j->finished) {
            job_wake(j);
            loop_run_io(g->loop, true);
        }
        loop_task_cancel(&j->exit);
        job_abort(j);
    }
    if (g->jobs) {
        g_ptr_array_free(g->jobs, TRUE);
        g->jobs = NULL;
    }
}

/* Commands
 * ---------------------------------------------------------------------- */

static bool check_verb(const Job *j, const char *verb, unsigned states,
                       Error **errp)
{
    return (states & BIT(j->status)) ||
           error_set(errp,
                     "Job '%s' in state '%s' cannot accept command verb '%s'",
                     j->id, qapi_enum_name(&qapi_type_JobStatus, j->status),
                     verb);
}

#define ACTIVE                                           \
    (BIT(JOB_STATUS_CREATED) | BIT(JOB_STATUS_RUNNING) | \
     BIT(JOB_STATUS_PAUSED) | BIT(JOB_STATUS_READY) | BIT(JOB_STATUS_STANDBY))

bool job_user_pause(Job *j, Error **errp)
{
    if (!check_verb(j, "pause", ACTIVE, errp)) {
        return false;
    }
    if (j->user_paused) {
        return error_set(errp, "Job is already paused");
    }
    j->user_paused = true;
    j->pauses++;
    job_wake(j);
    return true;
}

bool job_user_resume(Job *j, Error **errp)
{
    if (!j->user_paused) {
        return error_set(errp, "Can't resume a job that was not paused");
    }
    if (!check_verb(j, "resume", ACTIVE, errp)) {
        return false;
    }
    j->user_paused = false;
    j->iostatus = 0;
    j->pauses--;
    job_wake(j);
    return true;
}

bool job_user_cancel(Job *j, bool force, Error **errp)
{
    if (!check_verb(j, "cancel",
                    ACTIVE | BIT(JOB_STATUS_WAITING) | BIT(JOB_STATUS_PENDING),
                    errp)) {
        return false;
    }
    if (!force && j->ready && !j->finished && j->drv->soft_cancel) {
        j->drv->soft_cancel(j);
    } else {
        j->cancelled = true;
    }
    if (j->finished) {
        loop_task_cancel(&j->exit);
        job_abort(j);
    } else {
        job_wake(j);
    }
    return true;
}

bool job_user_complete(Job *j, Error **errp)
{
    if (!check_verb(j, "complete",
                    BIT(JOB_STATUS_READY) | BIT(JOB_STATUS_STANDBY), errp)) {
        return false;
    }
    if (j->cancelled || !j->drv->complete) {
        return error_set(errp, "The active block job '%s' cannot be completed",
                         j->id);
    }
    j->drv->complete(j);
    job_wake(j);
    return true;
}

bool job_user_finalize(Job *j, Error **errp)
{
    if (!check_verb(j, "finalize", BIT(JOB_STATUS_PENDING), errp)) {
        return false;
    }
    job_finalize(j);
    return true;
}

bool job_user_dismiss(Job *j, Error **errp)
{
    if (!check_verb(j, "dismiss", BIT(JOB_STATUS_CONCLUDED), errp)) {
        return false;
    }
    job_drop(j);
    return true;
}

bool job_set_speed(Job *j, int64_t speed, Error **errp)
{
    if (!check_verb(j, "set-speed", ACTIVE, errp)) {
        return false;
    }
    if (speed < 0) {
        return error_set(errp,
                         "Parameter 'speed' expects a non-negative value");
    }
    j->speed = speed;
    j->next_ns = 0;
    job_wake(j);
    return true;
}
