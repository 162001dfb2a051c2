/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img snapshot: list, make, apply and remove snapshots inside of images.
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "img.h"
#include "qapi/qapi-types-block-core.h"
#include "tools/snapshot-view.h"
#include "util/error.h"

void img_print_snapshots(const SnapshotInfoList *list)
{
    printf("%-10s%-16s%9s%20s%13s%11s\n", "ID", "TAG", "VM SIZE", "DATE",
           "VM CLOCK", "ICOUNT");
    QAPI_LIST_FOREACH(list, e) {
        const SnapshotInfo *s = e->value;
        g_autofree char *size = img_size_text(s->vm_state_size);
        time_t when = s->date_sec;
        char date[32] = "", clock[48];
        struct tm tm;

        if (localtime_r(&when, &tm)) {
            strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
        }
        snprintf(clock, sizeof(clock), "%02" PRId64 ":%02d:%02d.%03d",
                 s->vm_clock_sec / 3600, (int)(s->vm_clock_sec / 60 % 60),
                 (int)(s->vm_clock_sec % 60),
                 (int)(s->vm_clock_nsec / 1000000));
        printf("%-9s %-16s %8s%20s%13s", s->id, s->name, size, date, clock);
        if (s->has_icount) {
            printf("%11" PRId64, s->icount);
        }
        printf("\n");
    }
}

typedef struct Job {
    BlockNode *n;
    char action;
    const char *id;
    SnapshotInfo *info;
    bool ok;
    Error **errp;
} Job;

static void coroutine_fn job_entry(void *opaque)
{
    Job *j = opaque;
    const BlockSnapshotOps *ops = j->n->drv->snapshot;
    int ret;

    if (j->action == 'c') {
        ret = ops->create(j->n, j->info);
        j->ok =
            ret >= 0 || error_set(j->errp, "%d (%s)", ret, g_strerror(-ret));
    } else {
        j->ok =
            (j->action == 'a' ? ops->apply : ops->remove)(j->n, j->id, j->errp);
    }
}

static bool prepare(Job *j, const SnapshotInfoList *list, const char *name,
                    Error **errp)
{
    struct timespec now;

    if (j->action != 'c') {
        j->id = snapshot_find_id(list, name, j->action == 'a');
        if (!j->id && j->action == 'a') {
            j->id = name; /* there may be more that is wrong */
        }
        return j->id || error_set(errp, "snapshot not found");
    }
    clock_gettime(CLOCK_REALTIME, &now);
    j->info = g_new0(SnapshotInfo, 1);
    j->info->id = g_strdup("");
    j->info->name = g_strdup(name);
    j->info->date_sec = now.tv_sec;
    j->info->date_nsec = now.tv_nsec;
    j->info->has_icount = true;
    return true;
}

static bool unsupported(char action, Error **errp)
{
    return action == 'c'
               ? error_set(errp, "%d (%s)", -ENOTSUP, g_strerror(ENOTSUP))
           : action == 'a'
               ? error_set(errp, "Block driver does not support snapshots")
               : error_set(errp, "snapshot not found");
}

static int change(BlockNode *n, char action, const char *name)
{
    static const char *const verb[] = {
        ['a'] = "apply", ['c'] = "create", ['d'] = "delete"
    };
    ImageInfo *info = block_image_info(n, false);
    Error *err = NULL;
    Job j = { .n = n, .action = action, .errp = &err };

    if (!n->drv->snapshot) {
        unsupported(action, &err);
    } else if (prepare(&j, info->snapshots, name, &err)) {
        block_run(job_entry, &j);
    }
    qapi_free_ImageInfo(info);
    qapi_free_SnapshotInfo(j.info);
    if (!j.ok) {
        error_prefix(&err, "Could not %s snapshot '%s'", verb[(int)action],
                     name);
        error_report_err(err);
    }
    return !j.ok;
}

static int run(ImgTool *t, const char *filename, const ImgOpen *open,
               char action, const char *name)
{
    BlockBackend *blk = img_open(t, filename, open);
    int status = 0;

    if (!blk) {
        return 1;
    }
    if (action == 'l') {
        ImageInfo *info = block_image_info(blk_node(blk), false);

        if (info->snapshots) {
            printf("Snapshot list:\n");
            img_print_snapshots(info->snapshots);
        }
        qapi_free_ImageInfo(info);
    } else if (action) {
        status = change(blk_node(blk), action, name);
    }
    blk_unref(blk);
    return status;
}

int img_snapshot(ImgTool *t, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", no_argument, NULL, 'U' },
        { 0 },
    };
    ImgOpen open = { .unmap = true };
    const char *name = NULL;
    char action = 0;
    int c;

    while ((c = img_getopt(t, argc, argv, ":la:c:d:hqU", options)) != -1) {
        switch (c) {
        case 'l':
        case 'a':
        case 'c':
        case 'd':
            if (action) {
                return img_usage_error("Cannot mix '-l', '-a', '-c', '-d'");
            }
            action = c;
            name = optarg;
            break;
        case 'q':
            break; /* there is nothing to be quiet about */
        case 'U':
            open.force_share = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            open.image_opts = true;
            break;
        default:
            return 1;
        }
    }
    if (optind != argc - 1) {
        return img_usage_error("Expecting one image file name");
    }
    open.writable = action && action != 'l';
    return run(t, argv[optind], &open, action, name);
}
