/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking up what commands name. Control code. */
#ifndef BLOCK_QMP_FIND_H
#define BLOCK_QMP_FIND_H

#include "block/block-backend.h"

/* Exactly one of them: the backend @device, or that of the device whose ID or
 * path in the object tree is @id. */
BlockBackend *blk_find_device(Vm *vm, const char *device, const char *id,
                              Error **errp);

#endif
