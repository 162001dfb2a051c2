/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: what block devices and nodes there are, and their counters. */
#include "util/osdep.h"

#include "block/blk-stats.h"
#include "block/block-int.h"
#include "block/block-options.h"
#include "block/dirty-bitmap.h"
#include "block/drivers.h"
#include "block/throttle.h"
#include "qapi/qapi-commands-block-core.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* Images
 * -------------------------------------------------------------------------- */

/* What is below @n and shows through it, or NULL. Raw images count as a format
 * here. */
static const BlockNode *node_below(const BlockNode *n)
{
    bool filter = n->drv->filter && n->drv != &block_driver_raw;

    return n->backing          ? n->backing->node
           : filter && n->file ? n->file->node
                               : NULL;
}

static int64_t backing_depth(const BlockNode *n, bool implicit)
{
    int64_t depth = 0;

    while ((n = node_below(n))) {
        depth += implicit || !n->implicit;
    }
    return depth;
}

static void burst_info(const ThrottleLimit *l, bool *has_max, int64_t *max,
                       bool *has_length, int64_t *length)
{
    *has_max = *has_length = l->max;
    *max = l->max;
    *length = l->length;
}

static void throttle_info(BlockDeviceInfo *i, const BlockBackend *blk)
{
    ThrottleConfig cfg;
    const ThrottleLimit *l = cfg.limit;
    const char *group;

    if (!blk_throttle_info(blk, &cfg, &group)) {
        return;
    }
    i->group = g_strdup(group);
    i->bps = l[THROTTLE_BPS_TOTAL].avg;
    i->bps_rd = l[THROTTLE_BPS_READ].avg;
    i->bps_wr = l[THROTTLE_BPS_WRITE].avg;
    i->iops = l[THROTTLE_IOPS_TOTAL].avg;
    i->iops_rd = l[THROTTLE_IOPS_READ].avg;
    i->iops_wr = l[THROTTLE_IOPS_WRITE].avg;
    burst_info(&l[THROTTLE_BPS_TOTAL], &i->has_bps_max, &i->bps_max,
               &i->has_bps_max_length, &i->bps_max_length);
    burst_info(&l[THROTTLE_BPS_READ], &i->has_bps_rd_max, &i->bps_rd_max,
               &i->has_bps_rd_max_length, &i->bps_rd_max_length);
    burst_info(&l[THROTTLE_BPS_WRITE], &i->has_bps_wr_max, &i->bps_wr_max,
               &i->has_bps_wr_max_length, &i->bps_wr_max_length);
    burst_info(&l[THROTTLE_IOPS_TOTAL], &i->has_iops_max, &i->iops_max,
               &i->has_iops_max_length, &i->iops_max_length);
    burst_info(&l[THROTTLE_IOPS_READ], &i->has_iops_rd_max, &i->iops_rd_max,
               &i->has_iops_rd_max_length, &i->iops_rd_max_length);
    burst_info(&l[THROTTLE_IOPS_WRITE], &i->has_iops_wr_max, &i->iops_wr_max,
               &i->has_iops_wr_max_length, &i->iops_wr_max_length);
    i->has_iops_size = cfg.iops_size;
    i->iops_size = cfg.iops_size;
}

static BlockDeviceInfo *device_info(BlockNode *n, const BlockBackend *blk,
                                    bool flat)
{
    BlockDeviceInfo *info = g_new0(BlockDeviceInfo, 1);

    info->file = g_strdup(n->filename);
    info->node_name = g_strdup(n->name);
    /* What writes may still turn it into is what counts. */
    info->ro = n->read_only && !(n->drv->protocol && block_can_write(n));
    info->drv = g_strdup(n->drv->name);
    info->detect_zeroes = (BlockdevDetectZeroesOptions)n->detect_zeroes;
    if (n->backing) {
        info->backing_file = g_strdup(n->backing->node->filename);
    }
    info->backing_file_depth = flat ? 0 : backing_depth(n, !blk);
    info->image = block_image_info(n, !flat);
    info->encrypted = info->image->encrypted;
    info->cache = g_new0(BlockdevCacheInfo, 1);
    info->cache->writeback = !blk || blk_write_cache(blk);
    info->cache->direct = n->flags.direct;
    info->cache->no_flush = n->flags.no_flush;
    info->write_threshold =
        __atomic_load_n(&n->write_threshold, __ATOMIC_RELAXED);
    if (blk) {
        throttle_info(info, blk);
    }
    info->has_dirty_bitmaps = n->bitmaps;
    info->dirty_bitmaps = dirty_bitmaps_info(n);
    return info;
}

BlockDeviceInfoList *qmp_query_named_block_nodes(Vm *vm, bool has_flat,
                                                 bool flat, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    BlockDeviceInfoList *list = NULL, **tail = &list;

    /* The newest first. */
    for (guint i = g->nodes->len; i-- > 0;) {
        QAPI_LIST_APPEND(tail, device_info(g->nodes->pdata[i], NULL,
                                           has_flat && flat));
    }
    return list;
}

/* Devices
 * -------------------------------------------------------------------------- */

static bool is_shown(const BlockBackend *blk)
{
    return *blk->name || blk->dev;
}

static char *blk_qdev(const BlockBackend *blk)
{
    return blk->dev ? object_path(blk->dev) : NULL;
}

static BlockInfo *blk_info(BlockBackend *blk)
{
    BlockInfo *info = g_new0(BlockInfo, 1);
    int status = __atomic_load_n(&blk->iostatus, __ATOMIC_RELAXED);

    info->device = g_strdup(blk->name);
    info->qdev = blk_qdev(blk);
    info->type = g_strdup("unknown");
    info->removable = blk_is_removable(blk);
    if (blk_iostatus_is_enabled(blk)) {
        info->has_io_status = true;
        info->io_status = !status            ? BLOCK_DEVICE_IO_STATUS_OK
                          : status == ENOSPC ? BLOCK_DEVICE_IO_STATUS_NOSPACE
                                             : BLOCK_DEVICE_IO_STATUS_FAILED;
    }
    if (blk->root) {
        info->inserted =
            device_info(skip_implicit(blk->root->node), blk, false);
    }
    return info;
}

BlockInfoList *qmp_query_block(Vm *vm, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    BlockInfoList *list = NULL, **tail = &list;

    for (guint i = 0; i < g->blks->len; i++) {
        if (is_shown(g->blks->pdata[i])) {
            QAPI_LIST_APPEND(tail, blk_info(g->blks->pdata[i]));
        }
    }
    return list;
}

/* Counters
 * ------------------------------------------------------------------------- */

static BlockDeviceStats *blk_stats(const BlockBackend *blk)
{
    BlockDeviceStats *s = g_new0(BlockDeviceStats, 1);
    BlkAcctSlot a;

    blk_acct_sum(blk, &a);
    s->rd_bytes = a.bytes[BLK_ACCT_READ];
    s->wr_bytes = a.bytes[BLK_ACCT_WRITE];
    s->unmap_bytes = a.bytes[BLK_ACCT_UNMAP];
    s->rd_operations = a.ops[BLK_ACCT_READ];
    s->wr_operations = a.ops[BLK_ACCT_WRITE];
    s->flush_operations = a.ops[BLK_ACCT_FLUSH];
    s->unmap_operations = a.ops[BLK_ACCT_UNMAP];
    s->rd_total_time_ns = a.ns[BLK_ACCT_READ];
    s->wr_total_time_ns = a.ns[BLK_ACCT_WRITE];
    s->flush_total_time_ns = a.ns[BLK_ACCT_FLUSH];
    s->unmap_total_time_ns = a.ns[BLK_ACCT_UNMAP];
    s->rd_merged = a.merged[BLK_ACCT_READ];
    s->wr_merged = a.merged[BLK_ACCT_WRITE];
    s->unmap_merged = a.merged[BLK_ACCT_UNMAP];
    s->failed_rd_operations = a.failed[BLK_ACCT_READ];
    s->failed_wr_operations = a.failed[BLK_ACCT_WRITE];
    s->failed_flush_operations = a.failed[BLK_ACCT_FLUSH];
    s->failed_unmap_operations = a.failed[BLK_ACCT_UNMAP];
    s->invalid_rd_operations = a.invalid[BLK_ACCT_READ];
    s->invalid_wr_operations = a.invalid[BLK_ACCT_WRITE];
    s->invalid_flush_operations = a.invalid[BLK_ACCT_FLUSH];
    s->invalid_unmap_operations = a.invalid[BLK_ACCT_UNMAP];
    s->has_idle_time_ns = a.last_ns != 0;
    s->idle_time_ns = a.last_ns ? blk_stats_now(blk) - a.last_ns : 0;
    s->account_invalid = !blk->ignore_invalid;
    s->account_failed = !blk->ignore_failed;
    s->timed_stats = blk_stats_intervals(blk);
    s->rd_latency_histogram = blk_stats_histogram(blk, BLK_ACCT_READ);
    s->wr_latency_histogram = blk_stats_histogram(blk, BLK_ACCT_WRITE);
    s->flush_latency_histogram = blk_stats_histogram(blk, BLK_ACCT_FLUSH);
    return s;
}

static BlockStats *node_stats(const BlockNode *n, bool only_node)
{
    BlockStats *s = g_new0(BlockStats, 1);

    s->node_name = g_strdup(n->name);
    s->stats = g_new0(BlockDeviceStats, 1);
    s->stats->wr_highest_offset =
        __atomic_load_n(&n->highest_write, __ATOMIC_RELAXED);
    if (n->drv->info && n->drv->info->stats) {
        s->driver_specific = n->drv->info->stats(n);
    }
    if (n->file) {
        s->parent = node_stats(skip_implicit(n->file->node), only_node);
    }
    if (!only_node && n->backing) {
        s->backing = node_stats(skip_implicit(n->backing->node), false);
    }
    return s;
}

static BlockStats *blk_all_stats(const BlockBackend *blk)
{
    BlockNode *n = skip_implicit(blk_node(blk));
    BlockStats *s = n ? node_stats(n, false) : g_new0(BlockStats, 1);
    int64_t highest = n ? s->stats->wr_highest_offset : 0;

    s->device = g_strdup(blk->name);
    s->qdev = blk_qdev(blk);
    qapi_free_BlockDeviceStats(s->stats);
    s->stats = blk_stats(blk);
    s->stats->wr_highest_offset = highest;
    return s;
}

BlockStatsList *qmp_query_blockstats(Vm *vm, bool has_query_nodes,
                                     bool query_nodes, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    BlockStatsList *list = NULL, **tail = &list;

    if (has_query_nodes && query_nodes) {
        for (guint i = 0; i < g->nodes->len; i++) {
            QAPI_LIST_APPEND(tail, node_stats(g->nodes->pdata[i], true));
        }
        return list;
    }
    for (guint i = 0; i < g->blks->len; i++) {
        if (is_shown(g->blks->pdata[i])) {
            QAPI_LIST_APPEND(tail, blk_all_stats(g->blks->pdata[i]));
        }
    }
    return list;
}
