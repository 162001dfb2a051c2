/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the quorum driver share. */
#ifndef BLOCK_QUORUM_H
#define BLOCK_QUORUM_H

#include "block/pair-run.h"
#include "qapi/qapi-types-block-core.h"

typedef struct QuorumState {
    GPtrArray *children; /* BlockEdge *; changes while drained */
    unsigned next_index; /* of the next child's name */
    unsigned threshold;
    bool is_blkverify, rewrite;
    QuorumReadPattern pattern;
} QuorumState;

/* Events: too few children agree or are well; one is bad. Any loop. */
void quorum_report_failure(BlockNode *n, int64_t offset, int64_t bytes);
void quorum_report_bad(BlockNode *n, const BlockNode *child, QuorumOpType type,
                       int64_t offset, int64_t bytes, int ret);
/* Of those that failed, what most say; < 0. */
int quorum_common_error(const NodeReq *reqs, unsigned count);
int coroutine_fn quorum_read_voting(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset);

/* x-blockdev-change; control code. */
bool quorum_add_child(BlockNode *n, BlockNode *child, Error **errp);
bool quorum_del_child(BlockNode *n, const char *name, Error **errp);

#endif
