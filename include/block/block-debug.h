/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints of requests, for tests: the first request that comes to a step
 * (an event of blkdebug) waits there until it is resumed. They are set in the
 * nearest node at or below the given one whose driver knows of them. Control
 * code. 0 or -errno: -ENOTSUP when no node does, -ENOENT when there is no such
 * step or tag.
 */
#ifndef BLOCK_BLOCK_DEBUG_H
#define BLOCK_BLOCK_DEBUG_H

#include "block/block-common.h"

int block_debug_break(BlockNode *n, const char *event, const char *tag);
/* The breakpoints of that tag, none of which may be left: -ENOENT. Requests
 * that wait go on in any case. */
int block_debug_remove(BlockNode *n, const char *tag);
/* One request of that tag. */
int block_debug_resume(BlockNode *n, const char *tag);
/* Does a request of that tag wait? */
bool block_debug_suspended(BlockNode *n, const char *tag);

#endif
