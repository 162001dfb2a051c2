/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics that a backend keeps only when asked to: histograms of latencies,
 * and statistics of intervals. */
#ifndef BLOCK_BLK_STATS_H
#define BLOCK_BLK_STATS_H

#include "block/block-backend.h"
#include "qapi/qapi-types-block-core.h"

/* What the times of requests are measured by: where there are such statistics,
 * the graph's clock. Any loop. */
int64_t blk_stats_now(const BlockBackend *blk);
/* A request of backend->stats is over. Any loop. */
void blk_stats_account(BlockBackend *blk, BlkAcctType type, int64_t latency_ns,
                       int64_t now_ns);

/* Control code. */
/* @boundaries ascend from 1 on; false if they do not. */
bool blk_stats_set_histogram(BlockBackend *blk, BlkAcctType type,
                             const uint64List *boundaries);
void blk_stats_drop_histograms(BlockBackend *blk);
bool blk_stats_add_interval(BlockBackend *blk, int64_t seconds, Error **errp);
void blk_stats_free(BlockBackend *blk);

BlockLatencyHistogramInfo *blk_stats_histogram(const BlockBackend *blk,
                                               BlkAcctType type); /* or NULL */
BlockDeviceTimedStatsList *blk_stats_intervals(const BlockBackend *blk);

#endif
