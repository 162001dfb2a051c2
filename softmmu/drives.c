/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices that -drive brings with it: if=virtio means a virtio-blk-pci of
 * its own. What neither that nor the machine takes is an error.
 */
#include "util/osdep.h"

#include "block/block-options.h"
#include "hw/core/device.h"
#include "launch.h"
#include "softmmu/vm.h"
#include "util/error.h"

static bool add_virtio(Vm *vm, DriveInfo *d, Error **errp)
{
    g_autoptr(QDict) opts = qdict_new();

    qdict_put_str(opts, "driver", "virtio-blk-pci");
    qdict_put_str(opts, "drive", blk_name(d->blk));
    d->claimed = true;
    return device_add_opts(vm, opts, QAPI_KEYVAL, errp) ||
           error_prefix(errp, "-drive if=virtio");
}

/* Interfaces that only a machine can have. */
static bool check_claimed(Vm *vm, DriveIf type, const char *name, Error **errp)
{
    DriveInfo *d = NULL;

    while ((d = drive_next(vm->block, type, d))) {
        if (!d->claimed) {
            return error_set(errp,
                             "machine type does not support if=%s "
                             "(drive '%s')",
                             name, blk_name(d->blk));
        }
    }
    return true;
}

bool drives_launch(Vm *vm, Error **errp)
{
    DriveInfo *d = NULL;

    if (!vm->block) {
        return true;
    }
    while ((d = drive_next(vm->block, DRIVE_IF_VIRTIO, d))) {
        if (!d->claimed && !add_virtio(vm, d, errp)) {
            return false;
        }
    }
    return check_claimed(vm, DRIVE_IF_DEFAULT, "ide", errp) &&
           check_claimed(vm, DRIVE_IF_IDE, "ide", errp) &&
           check_claimed(vm, DRIVE_IF_SCSI, "scsi", errp) &&
           check_claimed(vm, DRIVE_IF_FLOPPY, "floppy", errp) &&
           check_claimed(vm, DRIVE_IF_SD, "sd", errp) &&
           check_claimed(vm, DRIVE_IF_MTD, "mtd", errp) &&
           check_claimed(vm, DRIVE_IF_XEN, "xen", errp) &&
           check_claimed(vm, DRIVE_IF_PFLASH, "pflash", errp);
}
