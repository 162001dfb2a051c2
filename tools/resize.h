/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other sizes of images, with space for what is new: qemu-img and qemu-io. */
#ifndef TOOLS_RESIZE_H
#define TOOLS_RESIZE_H

#include "block/block-backend.h"
#include "block/block-create.h"

/* @exact: not more than that. */
bool tool_resize(BlockBackend *blk, int64_t size, bool exact,
                 BlockPrealloc mode, Error **errp);

#endif
