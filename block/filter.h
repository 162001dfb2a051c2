/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What filters with one child, "file", have in common: they pass everything
 * on to it as it is. */
#ifndef BLOCK_FILTER_H
#define BLOCK_FILTER_H

#include "block/block-node.h"

/* Open the child; the node looks like it. */
bool coroutine_fn filter_open(BlockNode *n, const BlockdevRef *file,
                              Error **errp);
/* The node looks like @below. */
void filter_look_like(BlockNode *n, const BlockNode *below);
void filter_refresh_limits(BlockNode *n);

int coroutine_fn filter_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                               const IoVec *iov, size_t iov_offset,
                               unsigned flags);
int coroutine_fn filter_pwritev(BlockNode *n, int64_t offset, int64_t bytes,
                                const IoVec *iov, size_t iov_offset,
                                unsigned flags);
int coroutine_fn filter_pwrite_zeroes(BlockNode *n, int64_t offset,
                                      int64_t bytes, unsigned flags);
int coroutine_fn filter_pdiscard(BlockNode *n, int64_t offset, int64_t bytes);
int coroutine_fn filter_block_status(BlockNode *n, bool want_zero,
                                     int64_t offset, int64_t bytes,
                                     int64_t *pnum, int64_t *map,
                                     BlockNode **file);
int64_t coroutine_fn filter_getlength(BlockNode *n);
bool coroutine_fn filter_truncate(BlockNode *n, int64_t size, bool exact,
                                  Error **errp);
extern const BlockSizeOps filter_size_ops; /* the last two */

#endif
