/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots inside of images: an action, and a command to remove them.
 * Spec: blockdev-snapshot-internal-sync and blockdev-snapshot-delete-
 * internal-sync in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-options.h"
#include "block/transaction.h"
#include "qapi/qapi-commands-transaction.h"
#include "softmmu/vm.h"
#include "util/error.h"

typedef struct Change {
    BlockNode *n;
    SnapshotInfo *make; /* or NULL: remove */
    const char *id;
    bool ok;
    Error **errp;
} Change;

static void coroutine_fn change_entry(void *opaque)
{
    Change *c = opaque;
    const BlockSnapshotOps *ops = c->n->drv->snapshot;
    int ret = node_flush(c->n);

    if (ret >= 0 && !c->make) {
        c->ok = ops->remove(c->n, c->id, c->errp);
        return;
    }
    if (ret >= 0) {
        ret = ops->create(c->n, c->make);
    }
    c->ok =
        ret >= 0 || error_errno(c->errp, -ret, "Failed to create snapshot '%s'",
                                c->make ? c->make->name : c->id);
}

/* The snapshot of that id and name, what is given of them; NULL: none. To be
 * freed. */
static SnapshotInfo *find_snapshot(BlockNode *n, const char *id,
                                   const char *name)
{
    ImageInfo *info = block_image_info(n, false);
    SnapshotInfo *found = NULL;

    QAPI_LIST_FOREACH(info->snapshots, e) {
        if (!found && (!id || !strcmp(id, e->value->id)) &&
            (!name || !strcmp(name, e->value->name))) {
            found = e->value;
            e->value = g_new0(SnapshotInfo, 1);
        }
    }
    qapi_free_ImageInfo(info);
    return found;
}

/* The node of @device, which can have snapshots and be written. */
static BlockNode *find_node(BlockGraph *g, const char *device, Error **errp)
{
    BlockNode *n = job_root_node(g, device, errp);

    if (!n || !job_allows(n, errp)) {
        return NULL;
    }
    if (n->read_only) {
        error_set(errp, "Device '%s' is read only", device);
        return NULL;
    }
    if (!n->drv->snapshot) {
        error_set(errp,
                  "Block format '%s' used by device '%s' does not support "
                  "internal snapshots",
                  n->drv->name, device);
        return NULL;
    }
    return n;
}

/* The action
 * ------------------------------------------------------------------------ */

static bool internal_prepare(BlkAction *a, Error **errp)
{
    const BlockdevSnapshotInternal *arg =
        a->arg->u.blockdev_snapshot_internal_sync.data;
    Change c = { .errp = errp };
    SnapshotInfo *same, make = { .name = arg->name };
    int64_t clock = vm_clock_ns(a->vm, VM_CLOCK_VIRTUAL);
    struct timespec now;

    c.n = find_node(a->g, arg->device, errp);
    if (!c.n) {
        return false;
    }
    if (!*arg->name) {
        return error_set(errp, "Name is empty");
    }
    same = find_snapshot(c.n, NULL, arg->name);
    if (same) {
        qapi_free_SnapshotInfo(same);
        return error_set(errp,
                         "Snapshot with name '%s' already exists on device "
                         "'%s'",
                         arg->name, arg->device);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    make.date_sec = now.tv_sec;
    make.date_nsec = now.tv_nsec;
    make.vm_clock_sec = clock / 1000000000;
    make.vm_clock_nsec = clock % 1000000000;
    make.id = g_strdup(""); /* another is chosen */
    c.make = &make;
    block_run(change_entry, &c);
    g_free(make.id);
    a->n = c.n;
    return c.ok;
}

static void internal_abort(BlkAction *a)
{
    const char *name = a->arg->u.blockdev_snapshot_internal_sync.data->name;
    SnapshotInfo *made = find_snapshot(a->n, NULL, name);
    autoerr Error *err = NULL;
    Change c = { .n = a->n, .id = made ? made->id : NULL, .errp = &err };

    if (made) {
        block_run(change_entry, &c);
        if (!c.ok) {
            error_prefix(&err, "Failed to delete snapshot '%s' of '%s'", name,
                         a->n->name);
            error_report_err(g_steal_pointer(&err));
        }
    }
    qapi_free_SnapshotInfo(made);
}

const BlkActionOps internal_snapshot_ops = {
    .prepare = internal_prepare,
    .abort = internal_abort,
};

/* Removing
 * ---------------------------------------------------------------------- */

SnapshotInfo *qmp_blockdev_snapshot_delete_internal_sync(
    Vm *vm, const char *device, const char *id, const char *name, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    Change c = { .errp = errp };
    SnapshotInfo *info;
    GPtrArray *users;

    c.n = job_root_node(g, device, errp);
    if (!c.n) {
        return NULL;
    }
    if (!id && !name) {
        error_set(errp, "Name or id must be provided");
        return NULL;
    }
    c.n = find_node(g, device, errp);
    if (!c.n) {
        return NULL;
    }
    info = find_snapshot(c.n, id, name);
    if (!info) {
        error_set(errp,
                  "Snapshot with id '%s' and name '%s' does not exist on "
                  "device '%s'",
                  id ? id : "null", name ? name : "null", device);
        return NULL;
    }
    c.id = info->id;
    users = graph_drain(g);
    block_run(change_entry, &c);
    node_undrain(users);
    if (!c.ok) {
        qapi_free_SnapshotInfo(info);
        return NULL;
    }
    return info;
}
