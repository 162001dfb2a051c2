/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: the commands that start jobs. */
#include "util/osdep.h"

#include "block/block-options.h"
#include "block/mirror.h"
#include "qapi/qapi-commands-block-jobs.h"
#include "softmmu/vm.h"
#include "util/error.h"

bool qmp_blockdev_mirror(Vm *vm, BlockdevMirror *arg, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    MirrorOptions o = {
        MIRROR_OPTIONS(g, arg),
        .filter = arg->filter_node_name,
    };

    if (!mirror_check_sync(arg->sync, errp)) {
        return false;
    }
    o.source = job_root_node(g, arg->device, errp);
    o.target = o.source ? node_lookup(g, arg->target, arg->target, errp) : NULL;
    if (!o.target) {
        return false;
    }
    if (arg->replaces) {
        o.replaces = node_lookup(g, NULL, arg->replaces, errp);
        if (!o.replaces || !mirror_check_replaces(&o, errp)) {
            return false;
        }
    }
    return mirror_start(g, &o, errp);
}

/* Commit
 * ------------------------------------------------------------------------ */

static BlockNode *lowest(BlockNode *n)
{
    while (chain_next(n)) {
        n = skip_filters(chain_next(n));
    }
    return skip_filters(n);
}

/* Of the chain below @top: the node, or what has that file name, or @def.
 * NULL on error. */
static BlockNode *chain_node(BlockGraph *g, BlockNode *top, const char *name,
                             const char *file, BlockNode *def, Error **errp)
{
    BlockNode *n = def;

    if (name) {
        n = node_lookup(g, NULL, name, errp);
        if (n && !chain_contains(top, n)) {
            error_set(errp, "'%s' is not in this backing file chain", n->name);
            return NULL;
        }
    } else if (file) {
        n = chain_find_file(top, file);
        if (!n) {
            error_set(errp, "Can't find '%s' in the backing chain", file);
        }
    }
    return n;
}

/* Options that are two names of one thing. */
static bool not_both(const char *a, const char *b, const char *names,
                     Error **errp)
{
    return !a || !b ||
           error_set(errp, "%s cannot be specified at the same time", names);
}

static bool commit_active(BlockGraph *g, const CommitOptions *o, Error **errp)
{
    bool was_read_only = o->base->read_only;
    MirrorOptions m = {
        .job = o->job,
        .source = o->top,
        .target = o->base,
        .filter = o->filter,
        .sync = MIRROR_SYNC_MODE_TOP,
        .commit = true,
        .base_was_read_only = was_read_only,
        .on_source = o->on_error,
        .on_target = o->on_error,
    };
    bool ok;

    if (o->backing_file) {
        return error_set(errp, "'backing-file' specified, but 'top' is the "
                               "active layer");
    }
    if (!block_make_writable(o->base, node_length(o->top), errp)) {
        return false;
    }
    ok = mirror_start(g, &m, errp);
    if (!ok && was_read_only) {
        autoerr Error *err = NULL;

        block_reopen_read_only(o->base, true, &err);
    }
    return ok;
}

bool qmp_block_commit(Vm *vm, BlockCommit *arg, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    CommitOptions o = {
        .job = JOB_OPTIONS(g, arg),
        .backing_file = arg->backing_file,
        .filter = arg->filter_node_name,
        .on_error =
            arg->has_on_error ? arg->on_error : BLOCKDEV_ON_ERROR_REPORT,
    };
    BlockBackend *blk;

    blk = blk_find(g, arg->device);
    if (blk && !blk_node(blk)) {
        return error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                               "Device '%s' not found", arg->device);
    }
    if (!blk && !node_find(g, arg->device)) {
        return error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                               "Cannot find device='%s' nor node-name='%s'",
                               arg->device, arg->device);
    }
    o.active = job_root_node(g, arg->device, errp);
    if (!o.active) {
        return false;
    }
    if (!not_both(arg->top, arg->top_node, "'top-node' and 'top'", errp) ||
        !not_both(arg->base, arg->base_node, "'base-node' and 'base'", errp)) {
        return false;
    }
    o.top = chain_node(g, o.active, arg->top_node, arg->top, o.active, errp);
    o.base = o.top ? chain_node(g, o.top, arg->base_node, arg->base,
                                lowest(o.top), errp)
                   : NULL;
    if (!o.base) {
        return false;
    }
    if (o.top == o.base) {
        return error_set(errp, "cannot commit an image into itself");
    }
    return o.top == o.active ? commit_active(g, &o, errp)
                             : commit_start(g, &o, errp);
}

/* Stream
 * ------------------------------------------------------------------------ */

/* The node of the chain above @base; NULL: it is not in the chain. */
static BlockNode *node_above(BlockNode *top, const BlockNode *base)
{
    for (BlockNode *n = top; n; n = skip_filters(chain_next(n))) {
        BlockNode *below = chain_next(n);

        for (; below; below = below->drv->filter && below->file
                                  ? below->file->node
                                  : NULL) {
            if (below == base) {
                return n;
            }
        }
    }
    return NULL;
}

static BlockNode *stream_bottom(BlockGraph *g, BlockNode *n,
                                const BlockStream *arg, Error **errp)
{
    BlockNode *found;

    if (arg->bottom) {
        found = node_lookup(g, NULL, arg->bottom, errp);
        if (found && found->drv->filter) {
            error_set(errp,
                      "Node '%s' is a filter, use a non-filter node "
                      "as 'bottom'",
                      arg->bottom);
            return NULL;
        }
        if (found && !chain_contains(n, found)) {
            error_set(errp, "Node '%s' is not in a chain starting from '%s'",
                      arg->bottom, arg->device);
            return NULL;
        }
        return found;
    }
    if (arg->base) {
        found = chain_find_file(n, arg->base);
        if (!found || found == n) {
            error_set(errp, "Can't find '%s' in the backing chain", arg->base);
            return NULL;
        }
        return node_above(n, found);
    }
    if (arg->base_node) {
        found = node_lookup(g, NULL, arg->base_node, errp);
        if (!found) {
            return NULL;
        }
        found = found == n ? NULL : node_above(n, found);
        if (!found) {
            error_set(errp, "Node '%s' is not a backing image of '%s'",
                      arg->base_node, arg->device);
        }
        return found;
    }
    if (arg->backing_file) {
        error_set(errp, "backing file specified, but streaming the entire "
                        "chain");
        return NULL;
    }
    return lowest(n);
}

bool qmp_block_stream(Vm *vm, BlockStream *arg, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    StreamOptions o = {
        .job = JOB_OPTIONS(g, arg),
        .backing_file = arg->backing_file,
        .filter = arg->filter_node_name,
        .on_error =
            arg->has_on_error ? arg->on_error : BLOCKDEV_ON_ERROR_REPORT,
    };

    if (!not_both(arg->base, arg->base_node, "'base' and 'base-node'", errp) ||
        !not_both(arg->base, arg->bottom, "'base' and 'bottom'", errp) ||
        !not_both(arg->bottom, arg->base_node, "'bottom' and 'base-node'",
                  errp)) {
        return false;
    }
    o.node = node_lookup(g, arg->device, arg->device, errp);
    o.node = skip_filters(o.node);
    o.bottom = o.node ? stream_bottom(g, o.node, arg, errp) : NULL;
    return o.bottom && stream_start(g, &o, errp);
}
