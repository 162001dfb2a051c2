/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request to several nodes at the same time. */
#ifndef BLOCK_PAIR_RUN_H
#define BLOCK_PAIR_RUN_H

#include "block/block-node.h"

typedef enum NodeReqKind {
    NODE_REQ_READ,
    NODE_REQ_WRITE,
    NODE_REQ_ZEROES,
    NODE_REQ_FLUSH,
} NodeReqKind;

typedef struct NodeReq {
    BlockNode *n;
    NodeReqKind kind;
    int64_t offset, bytes;
    const IoVec *iov;
    size_t iov_offset;
    unsigned flags;
    int ret;
    struct NodeReqs *all; /* private */
} NodeReq;

/* Run all @count requests at once; returns when the last is done. */
void coroutine_fn node_reqs_run(NodeReq *reqs, unsigned count);

/* Where @bytes of @iov from @iov_offset on first differ from @buf; -1:
 * nowhere. */
int64_t iov_first_difference(const IoVec *iov, size_t iov_offset,
                             const char *buf, int64_t bytes);

#endif
