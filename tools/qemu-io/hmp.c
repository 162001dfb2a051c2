/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command "qemu-io" of the human monitor: a command of the program of that
 * name, for a drive, a device or a node. As in 7.2, what it prints goes to
 * standard output, not to the monitor.
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/qmp-find.h"
#include "block/block-options.h"
#include "qapi/hmp.h"
#include "qemu-io.h"
#include "util/error.h"

/* Asynchronous requests outlive their command. */
static IoTool tool = { .in_monitor = true };

static BlockBackend *backend_of_node(BlockGraph *g, const char *name,
                                     Error **errp)
{
    BlockNode *n = node_find(g, name);
    BlockBackend *blk;

    if (!n) {
        error_set(errp, "Cannot find device='' nor node-name='%s'", name);
        return NULL;
    }
    blk = blk_new(g, 0, BLK_PERM_ALL);
    if (!blk_insert_node(blk, n, errp)) {
        blk_unref(blk);
        return NULL;
    }
    return blk;
}

/* A reference; NULL: *errp. @own: nobody else has one. */
static BlockBackend *find_backend(Vm *vm, const char *name, bool is_device,
                                  bool *own, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    BlockBackend *blk;

    blk = is_device ? blk_find_device(vm, NULL, name, errp) : blk_find(g, name);
    *own = !blk && !is_device;
    if (*own) {
        return backend_of_node(g, name, errp);
    }
    if (blk && !blk->root) {
        error_set(errp, "Device '%s' has no medium", name);
        return NULL;
    }
    return blk ? blk_ref(blk) : NULL;
}

static bool run_qemu_io(Hmp *hmp, const QDict *args, Error **errp)
{
    uint64_t perm, shared;
    bool own;

    tool.blk = find_backend(hmp->vm, qdict_get_str(args, "device"),
                            qdict_get_bool(args, "d", false), &own, errp);
    if (!tool.blk) {
        return false;
    }
    tool.graph = block_vm_graph(hmp->vm);
    tool.loop = tool.graph->loop;
    perm = tool.blk->perm;
    shared = tool.blk->shared;
    io_command(&tool, qdict_get_str(args, "command"));
    if (own) {
        blk_drain(tool.blk);
    } else if (!tool.aio_pending) {
        blk_set_perm(tool.blk, perm, shared, NULL);
    }
    blk_unref(tool.blk);
    tool.blk = NULL;
    return true;
}

static const HmpCommand qemu_io_command = {
    .name = "qemu-io",
    .args = (const HmpArg[]){ { "d", HMP_FLAG, true },
                              { "device", HMP_WORD, false },
                              { "command", HMP_WORD, false },
                              {} },
    .params = "[-d] [device] \"[command]\"",
    .help = "run a qemu-io command on a block device (-d: device is the ID of "
            "a device, not of a drive or node)",
    .run = run_qemu_io,
};
HMP_COMMANDS(qemu_io_command);
