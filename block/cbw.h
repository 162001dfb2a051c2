/* SPDX-License-Identifier: GPL-2.0-or-later */
/* copy-before-write, as snapshot-access sees it. */
#ifndef BLOCK_CBW_H
#define BLOCK_CBW_H

#include "block/block-node.h"

/* The data as it was when the filter was made. -EACCES: it is not known any
 * more, or was not to be kept. Any loop. */
int coroutine_fn cbw_snapshot_preadv(BlockNode *cbw, int64_t offset,
                                     int64_t bytes, const IoVec *iov,
                                     size_t iov_offset);
int coroutine_fn cbw_snapshot_status(BlockNode *cbw, bool want_zero,
                                     int64_t offset, int64_t bytes,
                                     int64_t *pnum, int64_t *map,
                                     BlockNode **file);
/* Nobody will read that any more. */
int coroutine_fn cbw_snapshot_discard(BlockNode *cbw, int64_t offset,
                                      int64_t bytes);

#endif
