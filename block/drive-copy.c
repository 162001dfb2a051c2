/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drive-mirror, and the images that it and drive-backup make.
 * Spec: these commands in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-create.h"
#include "block/block-options.h"
#include "block/drive-copy.h"
#include "block/mirror.h"
#include "qapi/qapi-commands-block-jobs.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* What the new image is above; NULL: nothing. */
static BlockNode *backing_of(BlockNode *source, MirrorSyncMode sync)
{
    return sync == MIRROR_SYNC_MODE_TOP    ? skip_filters(chain_next(source))
           : sync == MIRROR_SYNC_MODE_NONE ? source
                                           : NULL;
}

static bool make_image(BlockNode *source, const DriveCopy *c,
                       const char *format, Error **errp)
{
    g_autoptr(QDict) opts = qdict_new();
    g_autofree char *size = g_strdup_printf("%" PRId64, node_length(source));
    BlockNode *backing = backing_of(source, c->sync);

    qdict_put_str(opts, "size", size);
    if (backing) {
        qdict_put_str(opts, "backing_file", backing->filename);
        qdict_put_str(opts, "backing_fmt", backing->drv->name);
    }
    return block_create(source->graph, format, c->file, opts, errp);
}

BlockNode *drive_copy_open(BlockNode *source, const DriveCopy *c, Error **errp)
{
    bool exists = c->mode == NEW_IMAGE_MODE_EXISTING;
    const char *format = c->format ? c->format
                         : exists  ? NULL
                                   : source->drv->name;
    const BlockDriver *drv = format ? block_driver_find(format) : NULL;
    g_autoptr(QDict) opts = qdict_new();
    BlockOpenFlags flags = source->flags;

    if (format && !drv) {
        error_set(errp, "Unknown file format '%s'", format);
        return NULL;
    }
    if (c->node_name && node_find(source->graph, c->node_name)) {
        error_set(errp, "Duplicate nodes with node-name='%s'", c->node_name);
        return NULL;
    }
    if (!exists && !make_image(source, c, format, errp)) {
        return NULL;
    }
    if (c->node_name) {
        qdict_put_str(opts, "node-name", c->node_name);
    }
    if (drv && drv->change_backing) {
        qdict_put_null(opts, "backing");
    }
    flags.read_only = flags.auto_read_only = flags.force_share = false;
    flags.unmap = c->unmap;
    return block_open_filename(source->graph, c->file, format, opts, &flags,
                               errp);
}

/* drive-mirror
 * ------------------------------------------------------------------ */

static bool check_replaces(BlockGraph *g, const DriveMirror *arg,
                           MirrorOptions *o, Error **errp)
{
    if (!arg->replaces) {
        return true;
    }
    if (!arg->node_name) {
        return error_set(errp, "a node-name must be provided when replacing a "
                               "named node of the graph");
    }
    o->replaces = node_lookup(g, NULL, arg->replaces, errp);
    return o->replaces && mirror_check_replaces(o, errp);
}

bool qmp_drive_mirror(Vm *vm, DriveMirror *arg, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    DriveCopy copy = {
        .file = arg->target,
        .format = arg->format,
        .mode = arg->has_mode ? arg->mode : NEW_IMAGE_MODE_ABSOLUTE_PATHS,
        .sync = arg->sync,
        .node_name = arg->node_name,
        .unmap = !arg->has_unmap || arg->unmap,
    };
    MirrorOptions o = {
        MIRROR_OPTIONS(g, arg),
        .no_unmap = !copy.unmap,
        .new_target = copy.mode != NEW_IMAGE_MODE_EXISTING,
    };
    bool ok;

    o.source = job_root_node(g, arg->device, errp);
    if (!o.source || !mirror_check_sync(arg->sync, errp)) {
        return false;
    }
    if (o.sync == MIRROR_SYNC_MODE_TOP && !chain_next(o.source)) {
        o.sync = copy.sync = MIRROR_SYNC_MODE_FULL;
    }
    if (!check_replaces(g, arg, &o, errp)) {
        return false;
    }
    o.target = drive_copy_open(o.source, &copy, errp);
    if (!o.target) {
        return false;
    }
    ok = mirror_start(g, &o, errp);
    node_unref(o.target);
    return ok;
}
