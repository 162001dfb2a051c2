/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: adding, changing and removing nodes. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/block-options.h"
#include "block/drivers.h"
#include "qapi/qapi-commands-block-core.h"
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

/* Reopen
 * ------------------------------------------------------------------------ */

typedef struct Reopen {
    BlockNode *n;
    BlockOpenFlags flags;
    BlockDetectZeroes detect_zeroes;
    bool ok;
    Error **errp;
} Reopen;

static void coroutine_fn reopen_entry(void *opaque)
{
    Reopen *r = opaque;
    int ret = node_flush(r->n);

    if (ret < 0) {
        r->ok = error_errno(r->errp, -ret, "Error flushing drive");
        return;
    }
    r->ok = !r->n->drv->reopen || r->n->drv->reopen(r->n, &r->flags, r->errp);
}

/* The file of a format node stays the node it is. */
static bool reopen_check(const BlockNode *n, const BlockdevOptions *o,
                         Error **errp)
{
    if (o->driver != (BlockdevDriver)n->drv->driver) {
        return error_set(errp, "Cannot change the option 'driver'");
    }
    if (n->drv->driver == BLOCKDEV_DRIVER_FILE ||
        n->drv->driver == BLOCKDEV_DRIVER_HOST_DEVICE) {
        const char *name = n->drv->driver == BLOCKDEV_DRIVER_FILE
                               ? o->u.file.filename
                               : o->u.host_device.filename;

        return !strcmp(name, n->filename) ||
               error_set(errp, "Cannot change the option 'filename'");
    }
    return true;
}

static bool reopen_child_same(const BlockNode *n, const BlockdevRef *ref,
                              Error **errp)
{
    if (ref->type != QTYPE_QSTRING ||
        strcmp(ref->u.reference, n->file->node->name)) {
        return error_set(errp, "Cannot change the option 'file' of node '%s'",
                         n->name);
    }
    return true;
}

static bool reopen_children(const BlockNode *n, const BlockdevOptions *o,
                            Error **errp)
{
    const BlockdevRefOrNull *b;

    if (n->drv->driver == BLOCKDEV_DRIVER_RAW) {
        return reopen_child_same(n, o->u.raw.file, errp);
    }
    if (n->drv->driver != BLOCKDEV_DRIVER_QCOW2) {
        return true;
    }
    b = o->u.qcow2.backing;
    if (b && (b->type == QTYPE_QNULL
                  ? n->backing != NULL
                  : b->type != QTYPE_QSTRING || !n->backing ||
                        strcmp(b->u.reference, n->backing->node->name))) {
        return error_set(errp,
                         "Cannot change the option 'backing' of node "
                         "'%s'",
                         n->name);
    }
    return reopen_child_same(n, o->u.qcow2.file, errp);
}

static bool reopen_one(BlockGraph *g, const BlockdevOptions *o, Error **errp)
{
    Reopen r = { .errp = errp };
    BlockOpenFlags old;
    bool was_read_only;

    if (!o->node_name) {
        return error_set(errp, "node-name not specified");
    }
    r.n = node_find(g, o->node_name);
    if (!r.n) {
        return error_set(errp, "Failed to find node with node-name='%s'",
                         o->node_name);
    }
    if (!reopen_check(r.n, o, errp) || !reopen_children(r.n, o, errp) ||
        !block_flags_from_options(o, NULL, &r.flags, errp)) {
        return false;
    }
    if (r.flags.direct != r.n->flags.direct && r.n->rmw) {
        return error_set(errp,
                         "Cannot change the option 'cache.direct' of "
                         "node '%s'",
                         r.n->name);
    }
    block_run(reopen_entry, &r);
    if (!r.ok) {
        return false;
    }
    old = r.n->flags;
    was_read_only = r.n->read_only;
    r.n->flags = r.flags;
    if (!r.n->drv->reopen) {
        r.n->read_only = r.flags.read_only;
    }
    if (!node_refresh_perms(r.n, errp)) {
        r.n->flags = old;
        r.n->read_only = was_read_only;
        return false;
    }
    r.n->detect_zeroes = o->has_detect_zeroes ? (int)o->detect_zeroes : 0;
    return true;
}

bool qmp_blockdev_reopen(Vm *vm, BlockdevOptionsList *options, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    bool ok = true;

    for (guint i = 0; i < g->blks->len; i++) {
        blk_drained_begin(g->blks->pdata[i]);
    }
    QAPI_LIST_FOREACH(options, o) {
        ok = ok && reopen_one(g, o->value, errp);
    }
    for (guint i = 0; i < g->blks->len; i++) {
        blk_drained_end(g->blks->pdata[i]);
    }
    return ok;
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
