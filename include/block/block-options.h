/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block layer of a VM, and its command line options. Machine lock. */
#ifndef BLOCK_BLOCK_OPTIONS_H
#define BLOCK_BLOCK_OPTIONS_H

#include "block/drive.h"

/* vm->block, made when first asked for: told of stops, closed at exit. */
BlockGraph *block_vm_graph(Vm *vm);

/* "-blockdev": key=value or JSON. */
bool block_add_blockdev_option(Vm *vm, const char *text, Error **errp);
/* "-drive". Drives for a device of their own are left to the caller: see
 * drive_next(). @snapshot: the default of snapshot=. */
bool block_add_drive_option(Vm *vm, const char *text, bool snapshot,
                            Error **errp);

/* "-iscsi": for the iSCSI targets that later options name by URLs. */
bool block_add_iscsi_option(BlockGraph *g, const char *text, Error **errp);

#endif
