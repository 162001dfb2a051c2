/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the targets of the block layer open their nodes. */
#ifndef TESTS_FUZZ_FUZZ_GRAPH_H
#define TESTS_FUZZ_FUZZ_GRAPH_H

#include "block/block-graph.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/rcu.h"

/* Once, for the life of the target: the calling thread gets a loop, too. */
static inline BlockGraph *fuzz_graph_new(void)
{
    Loop *loop = loop_new("fuzz", error_abort);

    rcu_register_thread();
    loop_set_current(loop);
    return block_graph_new(loop);
}

#endif
