/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: adding, changing and removing nodes. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/block-options.h"
#include "block/drivers.h"
#include "block/graph-tx.h"
#include "block/job.h"
#include "qapi/qapi-commands-block-core.h"
#include "qapi/qapi-commands-block-jobs.h"
#include "softmmu/vm.h"
#include "util/error.h"

bool qmp_blockdev_add(Vm *vm, BlockdevOptions *arg, Error **errp)
{
    return blockdev_add(block_vm_graph(vm), arg, errp);
}

bool qmp_blockdev_del(Vm *vm, const char *node_name, Error **errp)
{
    BlockNode *n = node_find(block_vm_graph(vm), node_name);

    if (!n) {
        return error_set(errp, "Failed to find node with node-name='%s'",
                         node_name);
    }
    if (!n->monitor_owned) {
        return error_set(errp, "Node %s is not owned by the monitor",
                         node_name);
    }
    if (node_in_use(n)) {
        return error_set(errp, "Node %s is in use", node_name);
    }
    n->monitor_owned = false;
    node_unref(n);
    return true;
}

bool qmp_blockdev_reopen(Vm *vm, BlockdevOptionsList *options, Error **errp)
{
    return block_reopen(block_vm_graph(vm), options, errp);
}

/* Resize
 * ------------------------------------------------------------------------- */

typedef struct Resize {
    BlockNode *n;
    int64_t size;
    bool ok;
    Error **errp;
} Resize;

static void coroutine_fn resize_entry(void *opaque)
{
    Resize *r = opaque;

    r->ok = node_truncate(r->n, r->size, false, r->errp);
}

bool qmp_block_resize(Vm *vm, const char *device, const char *node_name,
                      int64_t size, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    Resize r = { .size = size, .errp = errp };
    BlockBackend *blk;
    GPtrArray *users;

    r.n = node_lookup(g, device, node_name, errp);
    if (!r.n) {
        return false;
    }
    if (size < 0) {
        return error_set(errp, "Parameter 'size' expects a >0 size");
    }
    if (!job_allows(r.n, errp)) {
        return false;
    }
    /* A user of our own, for the permission. */
    blk = blk_new(g, BLK_PERM_RESIZE, BLK_PERM_ALL);
    users = node_drain_users(r.n);
    if (blk_insert_node(blk, r.n, errp)) {
        block_run(resize_entry, &r);
    }
    node_undrain(users);
    blk_unref(blk);
    return r.ok;
}

/* Backing files
 * ------------------------------------------------------------------------ */

bool qmp_change_backing_file(Vm *vm, const char *device,
                             const char *image_node_name,
                             const char *backing_file, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    BlockNode *root = job_root_node(g, device, errp), *n;
    bool was_read_only, ok;
    GPtrArray *users;

    n = root ? node_lookup(g, NULL, image_node_name, errp) : NULL;
    if (!n) {
        return false;
    }
    if (!chain_next(n)) {
        return error_set(errp, "not allowing backing file change on an image "
                               "without a backing file");
    }
    if (!chain_contains(root, n)) {
        return error_set(errp,
                         "'%s' and image file are not in the same backing "
                         "chain",
                         device);
    }
    was_read_only = n->read_only;
    if (!block_make_writable(n, 0, errp)) {
        return false;
    }
    users = graph_drain(g);
    ok = node_change_backing_file(n, backing_file,
                                  skip_filters(chain_next(n))->drv->name, errp);
    node_undrain(users);
    if (was_read_only) {
        autoerr Error *err = NULL;

        ok = block_reopen_read_only(n, true, ok ? errp : &err) && ok;
    }
    return ok;
}
