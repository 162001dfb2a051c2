/* SPDX-License-Identifier: GPL-2.0-or-later */
/* blockdev-snapshot and blockdev-snapshot-sync, as actions. */
#include "util/osdep.h"

#include "block/block-create.h"
#include "block/job.h"
#include "block/transaction.h"
#include "util/error.h"

static bool check_overlay(BlockNode *n, BlockNode *overlay, Error **errp)
{
    if (overlay->drv->filter || !overlay->drv->change_backing) {
        return error_set(errp, "The overlay does not support backing images");
    }
    if (overlay->backing) {
        return error_set(errp, "The overlay already has a backing image");
    }
    /* A job that only writes to it does not mind what is below. */
    for (guint i = 0; i < overlay->parents->len; i++) {
        const BlockEdge *e = overlay->parents->pdata[i];

        if (e->perm & BLK_PERM_READ) {
            return error_set(errp, "The overlay is already in use");
        }
    }
    if (node_reaches(overlay, n) || node_reaches(n, overlay)) {
        return error_set(errp, "The overlay and the node share images");
    }
    return true;
}

static bool check_node(BlockNode *n, Error **errp)
{
    for (guint i = 0; i < n->parents->len; i++) {
        BlockEdge *e = n->parents->pdata[i];

        if (e->parent && (e->role & BLOCK_ROLE_COW)) {
            return error_set(errp,
                             "Node '%s' is busy: node is used as backing hd "
                             "of '%s'",
                             n->name, e->parent->name);
        }
    }
    return true;
}

/* The node below the filters that -drive makes. */
static BlockNode *find_node(BlockGraph *g, const char *device,
                            const char *node_name, Error **errp)
{
    BlockNode *n = node_lookup(g, device, node_name, errp);

    n = skip_implicit(n);
    return n && check_node(n, errp) && job_allows(n, errp) ? n : NULL;
}

static bool put_above(BlkAction *a, Error **errp)
{
    if (!check_overlay(a->n, a->overlay, errp)) {
        return false;
    }
    a->tx = graph_tx_new(a->g);
    graph_tx_replace(a->tx, a->n, a->overlay, NULL);
    graph_tx_link(a->tx, a->overlay, a->n, "backing", BLOCK_ROLE_COW);
    return graph_tx_check(a->tx, errp);
}

static bool snapshot_prepare(BlkAction *a, Error **errp)
{
    const BlockdevSnapshot *arg = a->arg->u.blockdev_snapshot.data;

    a->overlay = node_lookup(a->g, arg->overlay, arg->overlay, errp);
    a->n = a->overlay ? find_node(a->g, arg->node, arg->node, errp) : NULL;
    if (!a->n || !put_above(a, errp)) {
        return false;
    }
    node_ref(a->overlay);
    return true;
}

static void snapshot_commit(BlkAction *a)
{
    graph_tx_end(a->tx, true);
}

static void snapshot_abort(BlkAction *a)
{
    graph_tx_end(a->tx, false);
    node_unref(a->overlay);
}

/* Nothing writes to the lower node any more. */
static void snapshot_after(BlkAction *a)
{
    autoerr Error *err = NULL;

    if (!a->n->read_only && !job_uses_node(a->n)) {
        block_reopen_read_only(a->n, true, &err);
    }
    node_unref(a->overlay);
}

const BlkActionOps snapshot_ops = {
    .prepare = snapshot_prepare,
    .commit = snapshot_commit,
    .abort = snapshot_abort,
    .after = snapshot_after,
};

/* With a new image
 * -------------------------------------------------------------- */

static bool make_image(BlkAction *a, const BlockdevSnapshotSync *arg,
                       const char *format, Error **errp)
{
    g_autoptr(QDict) opts = qdict_new();
    g_autofree char *size = g_strdup_printf("%" PRId64, node_length(a->n));

    if (arg->has_mode && arg->mode == NEW_IMAGE_MODE_EXISTING) {
        return true;
    }
    qdict_put_str(opts, "size", size);
    qdict_put_str(opts, "backing_file", a->n->filename);
    qdict_put_str(opts, "backing_fmt", a->n->drv->name);
    return block_create(a->g, format, arg->snapshot_file, opts, errp);
}

static bool snapshot_sync_prepare(BlkAction *a, Error **errp)
{
    const BlockdevSnapshotSync *arg = a->arg->u.blockdev_snapshot_sync.data;
    const char *format = arg->format ? arg->format : "qcow2";
    g_autoptr(QDict) opts = qdict_new();
    BlockOpenFlags flags;

    a->n = find_node(a->g, arg->device, arg->node_name, errp);
    if (!a->n) {
        return false;
    }
    if (arg->node_name && !arg->snapshot_node_name) {
        return error_set(errp, "New overlay node-name missing");
    }
    if (arg->snapshot_node_name && node_find(a->g, arg->snapshot_node_name)) {
        return error_set(errp, "New overlay node-name already in use");
    }
    if (!make_image(a, arg, format, errp)) {
        return false;
    }
    if (arg->snapshot_node_name) {
        qdict_put_str(opts, "node-name", arg->snapshot_node_name);
    }
    qdict_put_null(opts, "backing");
    flags = a->n->flags;
    a->overlay = block_open_filename(a->g, arg->snapshot_file, format, opts,
                                     &flags, errp);
    if (!a->overlay) {
        return false;
    }
    if (!put_above(a, errp)) {
        node_unref(a->overlay);
        return false;
    }
    return true;
}

const BlkActionOps snapshot_sync_ops = {
    .prepare = snapshot_sync_prepare,
    .commit = snapshot_commit,
    .abort = snapshot_abort,
    .after = snapshot_after,
};
