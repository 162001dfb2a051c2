/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens when a device's request fails, and request statistics. */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/blk-stats.h"
#include "block/block-graph.h"
#include "block/block-int.h"
#include "qapi/qapi-events-block-core.h"
#include "util/error.h"

void blk_set_on_error(BlockBackend *blk, BlkErrorPolicy rerror,
                      BlkErrorPolicy werror)
{
    if (rerror != BLK_ON_ERROR_AUTO) {
        blk->rerror = rerror;
    }
    if (werror != BLK_ON_ERROR_AUTO) {
        blk->werror = werror;
    }
}

BlkErrorPolicy blk_on_error(const BlockBackend *blk, bool is_read)
{
    return is_read ? blk->rerror : blk->werror;
}

static BlkErrorAction blk_error_action(BlkErrorPolicy policy, int error)
{
    switch (policy) {
    case BLK_ON_ERROR_IGNORE:
        return BLK_ACTION_IGNORE;
    case BLK_ON_ERROR_STOP:
        return BLK_ACTION_STOP;
    case BLK_ON_ERROR_ENOSPC:
        return error == ENOSPC ? BLK_ACTION_STOP : BLK_ACTION_REPORT;
    default:
        return BLK_ACTION_REPORT;
    }
}

static void blk_send_error_event(BlockBackend *blk, bool is_read, int error,
                                 BlkErrorAction action)
{
    static const BlockErrorAction qapi_action[] = {
        [BLK_ACTION_REPORT] = BLOCK_ERROR_ACTION_REPORT,
        [BLK_ACTION_IGNORE] = BLOCK_ERROR_ACTION_IGNORE,
        [BLK_ACTION_STOP] = BLOCK_ERROR_ACTION_STOP,
    };
    BlockNode *n = blk_node(blk);

    qapi_event_send_block_io_error(block_events(blk->graph), blk->name,
                                   n ? n->name : NULL,
                                   is_read ? IO_OPERATION_TYPE_READ
                                           : IO_OPERATION_TYPE_WRITE,
                                   qapi_action[action],
                                   blk_iostatus_is_enabled(blk),
                                   error == ENOSPC, g_strerror(error));
}

/* As the guest sees it. What it will be asked for again does not count yet. */
static void count_failure(BlockBackend *blk, BlkAcctType type, int64_t bytes,
                          BlkErrorAction action)
{
    BlkAcctSlot *s = &blk->acct[thread_slot() % CO_GATE_SLOTS];

    if (action == BLK_ACTION_REPORT) {
        __atomic_fetch_add(&s->failed[type], 1, __ATOMIC_RELAXED);
    } else if (action == BLK_ACTION_IGNORE) {
        __atomic_fetch_add(&s->ops[type], 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&s->bytes[type], bytes, __ATOMIC_RELAXED);
    }
}

BlkErrorAction blk_error(BlockBackend *blk, BlkAcctType type, int64_t bytes,
                         int error)
{
    bool is_read = type == BLK_ACCT_READ;
    BlkErrorAction action = blk_error_action(blk_on_error(blk, is_read), error);
    int none = 0;

    count_failure(blk, type, bytes, action);
    if (action == BLK_ACTION_STOP) {
        /* The first failure is what query-block tells. */
        __atomic_compare_exchange_n(&blk->iostatus, &none, error, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        /* Told before the event: who reads that finds the VM stopping. */
        if (blk->graph->hooks.stop_vm) {
            blk->graph->hooks.stop_vm(blk->graph->hooks.opaque);
        }
    }
    blk_send_error_event(blk, is_read, error, action);
    return action;
}

bool blk_iostatus_is_enabled(const BlockBackend *blk)
{
    return blk->iostatus_enabled && (blk->werror == BLK_ON_ERROR_ENOSPC ||
                                     blk->werror == BLK_ON_ERROR_STOP ||
                                     blk->rerror == BLK_ON_ERROR_STOP);
}

void blk_iostatus_enable(BlockBackend *blk)
{
    blk->iostatus_enabled = true;
    blk_iostatus_reset(blk);
}

void blk_iostatus_reset(BlockBackend *blk)
{
    __atomic_store_n(&blk->iostatus, 0, __ATOMIC_RELAXED);
}

/* Statistics
 * -------------------------------------------------------------------- */

void blk_acct_invalid(BlockBackend *blk, BlkAcctType type)
{
    BlkAcctSlot *s = &blk->acct[thread_slot() % CO_GATE_SLOTS];

    __atomic_fetch_add(&s->invalid[type], 1, __ATOMIC_RELAXED);
    if (!blk->ignore_invalid) {
        __atomic_store_n(&s->last_ns, blk_stats_now(blk), __ATOMIC_RELAXED);
    }
}

void blk_acct_ignore(BlockBackend *blk, bool failed, bool invalid)
{
    blk_drained_begin(blk);
    blk->ignore_failed = failed;
    blk->ignore_invalid = invalid;
    blk_drained_end(blk);
}

void blk_acct_ignored(const BlockBackend *blk, bool *failed, bool *invalid)
{
    *failed = blk->ignore_failed;
    *invalid = blk->ignore_invalid;
}

void blk_acct_merged(BlockBackend *blk, BlkAcctType type, unsigned n)
{
    BlkAcctSlot *s = &blk->acct[thread_slot() % CO_GATE_SLOTS];

    __atomic_fetch_add(&s->merged[type], n, __ATOMIC_RELAXED);
}

void blk_acct_merged_done(BlockBackend *blk, BlkAcctType type, unsigned n)
{
    BlkAcctSlot *s = &blk->acct[thread_slot() % CO_GATE_SLOTS];

    __atomic_fetch_add(&s->ops[type], n, __ATOMIC_RELAXED);
}

void blk_acct_sum(const BlockBackend *blk, BlkAcctSlot *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (size_t i = 0; i < CO_GATE_SLOTS; i++) {
        const BlkAcctSlot *s = &blk->acct[i];

        for (size_t t = 0; t < BLK_ACCT__MAX; t++) {
            sum->bytes[t] += __atomic_load_n(&s->bytes[t], __ATOMIC_RELAXED);
            sum->ops[t] += __atomic_load_n(&s->ops[t], __ATOMIC_RELAXED);
            sum->ns[t] += __atomic_load_n(&s->ns[t], __ATOMIC_RELAXED);
            sum->failed[t] += __atomic_load_n(&s->failed[t], __ATOMIC_RELAXED);
            sum->invalid[t] +=
                __atomic_load_n(&s->invalid[t], __ATOMIC_RELAXED);
            sum->merged[t] += __atomic_load_n(&s->merged[t], __ATOMIC_RELAXED);
        }
        sum->last_ns =
            MAX(sum->last_ns, __atomic_load_n(&s->last_ns, __ATOMIC_RELAXED));
    }
}
