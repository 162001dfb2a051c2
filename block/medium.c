/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Media that come and go, for QMP and HMP. Drives that no device uses have no
 * tray: opening and closing it does nothing.
 * Spec: blockdev-change-medium and its relatives in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/block-options.h"
#include "block/job.h"
#include "block/qmp-find.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-block.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* One whose media come and go. */
static BlockBackend *find_removable(Vm *vm, const char *device, const char *id,
                                    Error **errp)
{
    BlockBackend *blk = blk_find_device(vm, device, id, errp);

    if (blk && !blk_is_removable(blk)) {
        error_set(errp, "Device '%s' is not removable", device ? device : id);
        return NULL;
    }
    return blk;
}

/* The drive is empty afterwards. */
static bool take_out(BlockBackend *blk, Error **errp)
{
    BlockNode *n = blk_node(blk);

    if (!n) {
        return true;
    }
    if (!job_allows(n, errp)) {
        return false;
    }
    blk->want_read_only = blk_is_read_only(blk);
    blk_remove_node(blk);
    return true;
}

static bool put_in(BlockBackend *blk, BlockNode *n, const char *name,
                   Error **errp)
{
    if (blk_node(blk)) {
        return error_set(errp, "There already is a medium in device '%s'",
                         name);
    }
    return blk_insert_node(blk, n, errp);
}

/* Trays
 * ---------------------------------------------------------------------------
 */

bool qmp_blockdev_open_tray(Vm *vm, const char *device, const char *id,
                            bool has_force, bool force, Error **errp)
{
    return find_removable(vm, device, id, errp);
}

bool qmp_blockdev_close_tray(Vm *vm, const char *device, const char *id,
                             Error **errp)
{
    return find_removable(vm, device, id, errp);
}

/* Media
 * ---------------------------------------------------------------------------
 */

bool qmp_blockdev_remove_medium(Vm *vm, const char *id, Error **errp)
{
    BlockBackend *blk = find_removable(vm, NULL, id, errp);

    return blk && take_out(blk, errp);
}

bool qmp_eject(Vm *vm, const char *device, const char *id, bool has_force,
               bool force, Error **errp)
{
    BlockBackend *blk = find_removable(vm, device, id, errp);

    return blk && take_out(blk, errp);
}

bool qmp_blockdev_insert_medium(Vm *vm, const char *id, const char *node_name,
                                Error **errp)
{
    BlockBackend *blk = find_removable(vm, NULL, id, errp);
    BlockNode *n;

    if (!blk) {
        return false;
    }
    n = node_find(vm->block, node_name);
    if (!n) {
        return error_set(errp, "Node '%s' not found", node_name);
    }
    if (n->parents->len) {
        return error_set(errp, "Node '%s' is already in use", node_name);
    }
    return put_in(blk, n, id, errp);
}

/* An image like the one before, but for whether it may be written. */
static BlockNode *open_medium(BlockBackend *blk, const char *filename,
                              const char *format,
                              BlockdevChangeReadOnlyMode mode, Error **errp)
{
    const BlockNode *before = blk_node(blk);
    BlockOpenFlags flags = before ? before->flags : (BlockOpenFlags){ 0 };
    g_autoptr(QDict) opts = qdict_new();

    if (format && !block_driver_find(format)) {
        error_set(errp, "Unknown driver '%s'", format);
        return NULL;
    }
    flags.read_only = mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_ONLY ||
                      (mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN &&
                       blk_is_read_only(blk));
    flags.auto_read_only = flags.force_share = false;
    return block_open_filename(blk->graph, filename, format, opts, &flags,
                               errp);
}

bool qmp_blockdev_change_medium(Vm *vm, const char *device, const char *id,
                                const char *filename, const char *format,
                                bool has_force, bool force,
                                bool has_read_only_mode,
                                BlockdevChangeReadOnlyMode read_only_mode,
                                Error **errp)
{
    BlockBackend *blk = blk_find_device(vm, device, id, errp);
    BlockNode *n;
    bool ok;

    if (!blk) {
        return false;
    }
    n = open_medium(blk, filename, format,
                    has_read_only_mode ? read_only_mode
                                       : BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN,
                    errp);
    if (!n) {
        return false;
    }
    ok = find_removable(vm, device, id, errp) && take_out(blk, errp) &&
         put_in(blk, n, device ? device : id, errp);
    node_unref(n);
    return ok;
}

/* HMP
 * -----------------------------------------------------------------------------
 */

static bool hmp_eject(Hmp *hmp, const QDict *args, Error **errp)
{
    bool force = qdict_get_bool(args, "f", false);

    return qmp_eject(hmp->vm, qdict_get_str(args, "device"), NULL, true, force,
                     errp);
}

static bool hmp_change(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *mode_name = qdict_get_str(args, "read-only-mode");
    int mode = mode_name ? qapi_enum_find(&qapi_type_BlockdevChangeReadOnlyMode,
                                          mode_name, -1)
                         : BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN;

    if (mode < 0) {
        return error_set(errp, "invalid parameter value: %s", mode_name);
    }
    return qmp_blockdev_change_medium(hmp->vm, qdict_get_str(args, "device"),
                                      NULL, qdict_get_str(args, "target"),
                                      qdict_get_str(args, "format"), true,
                                      qdict_get_bool(args, "f", false), true,
                                      mode, errp);
}

static const HmpCommand medium_commands[] = {
    { .name = "eject",
      .args = (const HmpArg[]){ { "f", HMP_FLAG, true },
                                { "device", HMP_WORD, false },
                                {} },
      .params = "[-f] device",
      .help = "eject a removable medium (use -f to force it)",
      .needs = "eject",
      .run = hmp_eject },
    { .name = "change",
      .args = (const HmpArg[]){ { "device", HMP_WORD, false },
                                { "f", HMP_FLAG, true },
                                { "target", HMP_WORD, false },
                                { "format", HMP_WORD, true },
                                { "read-only-mode", HMP_WORD, true },
                                {} },
      .params = "device [-f] filename [format [read-only-mode]]",
      .help = "change a removable medium, optional format",
      .needs = "blockdev-change-medium",
      .run = hmp_change },
};
HMP_COMMANDS(medium_commands);
