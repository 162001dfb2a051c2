/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HMP: what starts, shows and steers block jobs and takes snapshots. Each line
 * becomes one QMP command; it is there when the QMP command is.
 */
#include "util/osdep.h"

#include "qapi/hmp.h"
#include "util/error.h"

/* What a flag stands for in QMP: a member with one of two values. */
typedef struct FlagValues {
    const char *flag, *member, *off, *on;
} FlagValues;

static const FlagValues reuse = { "n", "mode", "absolute-paths", "existing" };
static const FlagValues whole = { "f", "sync", "top", "full" };

static void put_flag(QDict *qmp, const FlagValues *v, const QDict *args)
{
    bool on = qdict_get_bool(args, v->flag, false);

    qdict_put_str(qmp, v->member, on ? v->on : v->off);
}

/* The argument @from, where given, as the member @to. */
static void put_arg(QDict *qmp, const char *to, const QDict *args,
                    const char *from)
{
    const QObject *value = qdict_get(args, from);

    if (value) {
        qdict_put(qmp, to, qobject_ref((QObject *)value));
    }
}

static bool block_job_cancel(Hmp *hmp, const QDict *args, Error **errp)
{
    QDict *qmp = qdict_new();

    put_arg(qmp, "device", args, "device");
    put_arg(qmp, "force", args, "f");
    return hmp_qmp_void(hmp, hmp->command->needs, qmp, errp);
}

static bool snapshot_blkdev(Hmp *hmp, const QDict *args, Error **errp)
{
    QDict *qmp = qdict_new();

    put_arg(qmp, "device", args, "device");
    put_arg(qmp, "snapshot-file", args, "new-image-file");
    put_arg(qmp, "format", args, "format");
    put_flag(qmp, &reuse, args);
    return hmp_qmp_void(hmp, hmp->command->needs, qmp, errp);
}

/* drive_mirror and drive_backup */
static bool copy_drive(Hmp *hmp, const QDict *args, Error **errp)
{
    QDict *qmp = qdict_new();

    put_arg(qmp, "device", args, "device");
    put_arg(qmp, "target", args, "target");
    put_arg(qmp, "format", args, "format");
    put_arg(qmp, "compress", args, "c");
    put_flag(qmp, &reuse, args);
    put_flag(qmp, &whole, args);
    return hmp_qmp_void(hmp, hmp->command->needs, qmp, errp);
}

static bool info_block_jobs(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QObject) jobs = hmp_qmp(hmp, hmp->command->needs, NULL, errp);
    QList *list = qobject_to_list(jobs);

    if (!jobs) {
        return false;
    }
    if (!qlist_size(list)) {
        hmp_printf(hmp, "No active jobs\n");
    }
    for (size_t i = 0; i < qlist_size(list); i++) {
        const QDict *job = qobject_to_dict(qlist_get(list, i));
        const char *type = qdict_get_str(job, "type");

        if (!strcmp(type, "stream")) {
            hmp_printf(hmp, "Streaming device %s",
                       qdict_get_str(job, "device"));
        } else {
            hmp_printf(hmp, "Type %s, device %s", type,
                       qdict_get_str(job, "device"));
        }
        hmp_printf(hmp,
                   ": Completed %" PRId64 " of %" PRId64
                   " bytes, speed limit %" PRId64 " bytes/s\n",
                   qdict_get_int(job, "offset", 0),
                   qdict_get_int(job, "len", 0),
                   qdict_get_int(job, "speed", 0));
    }
    return true;
}

static const HmpArg device[] = { { "device", HMP_WORD, false }, {} };

static const HmpCommand job_commands[] = {
    { .name = "info block-jobs",
      .help = "show progress of ongoing block device operations",
      .needs = "query-block-jobs",
      .run = info_block_jobs },
    { .name = "block_job_set_speed",
      .args = (const HmpArg[]){ { "device", HMP_WORD, false },
                                { "speed", HMP_SIZE, false },
                                {} },
      .help = "set maximum speed for a background block operation",
      .needs = "block-job-set-speed",
      .run = hmp_run_same },
    { .name = "block_job_cancel",
      .args = (const HmpArg[]){ { "f", HMP_FLAG, true },
                                { "device", HMP_WORD, false },
                                {} },
      .help = "stop an active background block operation (-f: at once, "
              "without waiting until data is in sync)",
      .needs = "block-job-cancel",
      .run = block_job_cancel },
    { .name = "block_job_pause",
      .args = device,
      .help = "pause an active background block operation",
      .needs = "block-job-pause",
      .run = hmp_run_same },
    { .name = "block_job_resume",
      .args = device,
      .help = "resume a paused background block operation",
      .needs = "block-job-resume",
      .run = hmp_run_same },
    { .name = "block_job_complete",
      .args = device,
      .help = "finish an active background block operation",
      .needs = "block-job-complete",
      .run = hmp_run_same },
    { .name = "block_stream",
      .args = (const HmpArg[]){ { "device", HMP_WORD, false },
                                { "speed", HMP_SIZE, true },
                                { "base", HMP_WORD, true },
                                {} },
      .params = "device [speed [base]]",
      .help = "copy data from a backing file into a block device",
      .needs = "block-stream",
      .run = hmp_run_same },
    { .name = "snapshot_blkdev",
      .args = (const HmpArg[]){ { "n", HMP_FLAG, true },
                                { "device", HMP_WORD, false },
                                { "new-image-file", HMP_WORD, true },
                                { "format", HMP_WORD, true },
                                {} },
      .help = "take a live snapshot of a device: what is written from now on "
              "goes to the new image (-n: one that is there already; format: "
              "qcow2 by default)",
      .needs = "blockdev-snapshot-sync",
      .run = snapshot_blkdev },
    { .name = "snapshot_blkdev_internal",
      .args = (const HmpArg[]){ { "device", HMP_WORD, false },
                                { "name", HMP_WORD, false },
                                {} },
      .help = "take an internal snapshot of a device whose image format has "
              "them",
      .needs = "blockdev-snapshot-internal-sync",
      .run = hmp_run_same },
    { .name = "snapshot_delete_blkdev_internal",
      .args = (const HmpArg[]){ { "device", HMP_WORD, false },
                                { "name", HMP_WORD, false },
                                { "id", HMP_WORD, true },
                                {} },
      .help = "delete an internal snapshot of a device (id: the one that has "
              "both)",
      .needs = "blockdev-snapshot-delete-internal-sync",
      .run = hmp_run_same },
    { .name = "drive_mirror",
      .args = (const HmpArg[]){ { "n", HMP_FLAG, true },
                                { "f", HMP_FLAG, true },
                                { "device", HMP_WORD, false },
                                { "target", HMP_WORD, false },
                                { "format", HMP_WORD, true },
                                {} },
      .help = "copy a device to a new image, with what is written meanwhile "
              "(-n: to an image that is there already; -f: the whole disk, so "
              "that the copy needs no backing file)",
      .needs = "drive-mirror",
      .run = copy_drive },
    { .name = "drive_backup",
      .args = (const HmpArg[]){ { "n", HMP_FLAG, true },
                                { "f", HMP_FLAG, true },
                                { "c", HMP_FLAG, true },
                                { "device", HMP_WORD, false },
                                { "target", HMP_WORD, false },
                                { "format", HMP_WORD, true },
                                {} },
      .help = "copy a device as it is now to a new image (-n: to an image that "
              "is there already; -f: the whole disk; -c: compressed)",
      .needs = "drive-backup",
      .run = copy_drive },
};
HMP_COMMANDS(job_commands);
