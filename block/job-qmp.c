/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: job-*, block-job-*, query-jobs, query-block-jobs. */
#include "util/osdep.h"

#include "block/block-options.h"
#include "block/job.h"
#include "qapi/qapi-commands-block-jobs.h"
#include "qapi/qapi-commands-job.h"
#include "softmmu/vm.h"
#include "util/error.h"

static Job *find(Vm *vm, const char *id, Error **errp)
{
    Job *j = job_find(block_vm_graph(vm), id);

    if (!j) {
        error_set(errp, "Job not found");
    }
    return j;
}

static Job *find_block(Vm *vm, const char *id, Error **errp)
{
    Job *j = job_find(block_vm_graph(vm), id);

    if (!j || !j->drv->for_blocks) {
        j = NULL;
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE,
                        "Block job '%s' not found", id);
    }
    return j;
}

bool qmp_job_pause(Vm *vm, const char *id, Error **errp)
{
    Job *j = find(vm, id, errp);

    return j && job_user_pause(j, errp);
}

bool qmp_job_resume(Vm *vm, const char *id, Error **errp)
{
    Job *j = find(vm, id, errp);

    return j && job_user_resume(j, errp);
}

bool qmp_job_cancel(Vm *vm, const char *id, Error **errp)
{
    Job *j = find(vm, id, errp);

    return j && job_user_cancel(j, true, errp);
}

bool qmp_job_complete(Vm *vm, const char *id, Error **errp)
{
    Job *j = find(vm, id, errp);

    return j && job_user_complete(j, errp);
}

bool qmp_job_finalize(Vm *vm, const char *id, Error **errp)
{
    Job *j = find(vm, id, errp);

    return j && job_user_finalize(j, errp);
}

bool qmp_job_dismiss(Vm *vm, const char *id, Error **errp)
{
    Job *j = find(vm, id, errp);

    return j && job_user_dismiss(j, errp);
}

bool qmp_block_job_pause(Vm *vm, const char *device, Error **errp)
{
    Job *j = find_block(vm, device, errp);

    return j && job_user_pause(j, errp);
}

bool qmp_block_job_resume(Vm *vm, const char *device, Error **errp)
{
    Job *j = find_block(vm, device, errp);

    return j && job_user_resume(j, errp);
}

bool qmp_block_job_cancel(Vm *vm, const char *device, bool has_force,
                          bool force, Error **errp)
{
    Job *j = find_block(vm, device, errp);

    force = has_force && force;
    if (j && j->user_paused && !force) {
        return error_set(errp,
                         "The block job for device '%s' is currently paused",
                         device);
    }
    return j && job_user_cancel(j, force, errp);
}

bool qmp_block_job_complete(Vm *vm, const char *device, Error **errp)
{
    Job *j = find_block(vm, device, errp);

    return j && job_user_complete(j, errp);
}

bool qmp_block_job_finalize(Vm *vm, const char *id, Error **errp)
{
    Job *j = find_block(vm, id, errp);

    return j && job_user_finalize(j, errp);
}

bool qmp_block_job_dismiss(Vm *vm, const char *id, Error **errp)
{
    Job *j = find_block(vm, id, errp);

    return j && job_user_dismiss(j, errp);
}

bool qmp_block_job_set_speed(Vm *vm, const char *device, int64_t speed,
                             Error **errp)
{
    Job *j = find_block(vm, device, errp);

    return j && job_set_speed(j, speed, errp);
}

/* Queries
 * ----------------------------------------------------------------------- */

JobInfoList *qmp_query_jobs(Vm *vm, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    JobInfoList *list = NULL, **tail = &list;

    for (guint i = 0; g->jobs && i < g->jobs->len; i++) {
        const Job *j = g->jobs->pdata[i];
        JobInfo *info = g_new0(JobInfo, 1);

        info->id = g_strdup(j->id);
        info->type = j->drv->type;
        info->status = j->status;
        info->current_progress = j->offset;
        info->total_progress = j->len;
        info->error = j->err ? g_strdup(error_text(j->err)) : NULL;
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

BlockJobInfoList *qmp_query_block_jobs(Vm *vm, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    BlockJobInfoList *list = NULL, **tail = &list;

    for (guint i = 0; g->jobs && i < g->jobs->len; i++) {
        const Job *j = g->jobs->pdata[i];
        BlockJobInfo *info;

        if (!j->drv->for_blocks) {
            continue;
        }
        info = g_new0(BlockJobInfo, 1);
        info->type = g_strdup(qapi_enum_name(&qapi_type_JobType, j->drv->type));
        info->device = g_strdup(j->id);
        info->len = j->len;
        info->offset = j->offset;
        info->busy = !j->waiting && !j->finished;
        info->paused = j->pauses;
        info->speed = j->speed;
        info->io_status = !j->iostatus ? BLOCK_DEVICE_IO_STATUS_OK
                          : j->iostatus == ENOSPC
                              ? BLOCK_DEVICE_IO_STATUS_NOSPACE
                              : BLOCK_DEVICE_IO_STATUS_FAILED;
        info->ready =
            j->status == JOB_STATUS_READY || j->status == JOB_STATUS_STANDBY;
        info->status = j->status;
        info->auto_finalize = j->auto_finalize;
        info->auto_dismiss = j->auto_dismiss;
        info->error = j->err ? g_strdup(error_text(j->err)) : NULL;
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}
