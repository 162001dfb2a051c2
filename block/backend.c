/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BlockBackend: life, attachment, properties and draining. The requests are
 * in backend-io.c, error policy and statistics in backend-error.c. */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/block-graph.h"
#include "block/blk-stats.h"
#include "block/block-int.h"
#include "block/drive.h"
#include "block/throttle.h"
#include "util/error.h"

/* Life ------------------------------------------------------------------------
 */

static void blk_resized_task(void *opaque)
{
    blk_notify_resized(opaque);
}

BlockBackend *blk_new(BlockGraph *graph, uint64_t perm, uint64_t shared)
{
    BlockBackend *blk = g_aligned_alloc0(1, sizeof(*blk), 64);

    blk->graph = graph;
    blk->refs = 1;
    blk->name = g_strdup("");
    blk->perm = perm;
    blk->shared = shared;
    blk->write_cache = true;
    blk->rerror = BLK_ON_ERROR_REPORT;
    blk->werror = BLK_ON_ERROR_ENOSPC;
    co_gate_init(&blk->gate, graph->loop);
    loop_task_init(&blk->resized, graph->loop, blk_resized_task, blk);
    g_ptr_array_add(graph->blks, blk);
    return blk;
}

BlockBackend *blk_ref(BlockBackend *blk)
{
    blk->refs++;
    return blk;
}

void blk_unref(BlockBackend *blk)
{
    if (!blk || --blk->refs) {
        return;
    }
    blk->refs = 1; /* draining may take and drop references */
    blk_remove_node(blk);
    assert(!blk->dev && !blk->drains);
    throttle_member_free(blk->throttle);
    blk_stats_free(blk);
    g_ptr_array_remove(blk->graph->blks, blk);
    loop_task_cancel(&blk->resized);
    co_gate_destroy(&blk->gate);
    drive_info_free(blk->drive);
    g_free(blk->name);
    g_aligned_free(blk);
}

bool blk_insert_node(BlockBackend *blk, BlockNode *node, Error **errp)
{
    assert(!blk->root);
    blk->root = edge_attach(node, NULL, blk, "root",
                            BLOCK_ROLE_FILTERED | BLOCK_ROLE_PRIMARY, blk->perm,
                            blk->shared, errp);
    return blk->root;
}

void blk_remove_node(BlockBackend *blk)
{
    BlockEdge *e = blk->root;

    if (!e) {
        return;
    }
    blk_drained_begin(blk);
    blk->root = NULL;
    edge_detach(e);
    blk_drained_end(blk);
}

BlockNode *blk_node(const BlockBackend *blk)
{
    return blk->root ? blk->root->node : NULL;
}

bool blk_set_perm(BlockBackend *blk, uint64_t perm, uint64_t shared,
                  Error **errp)
{
    if (blk->root && !edge_set_perm(blk->root, perm, shared, errp)) {
        return false;
    }
    blk->perm = perm;
    blk->shared = shared;
    return true;
}

const char *blk_name(const BlockBackend *blk)
{
    return blk->name;
}

BlockBackend *blk_find(BlockGraph *graph, const char *name)
{
    for (guint i = 0; i < graph->blks->len; i++) {
        BlockBackend *blk = graph->blks->pdata[i];

        if (*blk->name && !strcmp(blk->name, name)) {
            return blk;
        }
    }
    return NULL;
}

/* Devices ---------------------------------------------------------------------
 */

static bool blk_is_free(BlockBackend *blk, const char *name, Error **errp)
{
    if (blk->dev) {
        return error_set(errp,
                         "Drive '%s' is already in use by another block "
                         "device",
                         name);
    }
    return true;
}

BlockBackend *blk_for_device(BlockGraph *graph, const char *drive, Error **errp)
{
    BlockBackend *blk = blk_find(graph, drive);
    BlockNode *n;

    if (blk) {
        return blk_is_free(blk, drive, errp) ? blk_ref(blk) : NULL;
    }
    n = node_find(graph, drive);
    if (!n) {
        error_set(errp, "Property 'drive' can't find value '%s'", drive);
        return NULL;
    }
    /* Permissions come with blk_apply_disk_perm(). */
    blk = blk_new(graph, 0, BLK_PERM_ALL);
    if (!blk_insert_node(blk, n, errp)) {
        blk_unref(blk);
        return NULL;
    }
    return blk;
}

bool blk_attach_dev(BlockBackend *blk, Object *dev, const BlkDevOps *ops,
                    void *opaque, Error **errp)
{
    if (!blk_is_free(blk, blk->name, errp)) {
        return false;
    }
    blk_ref(blk);
    blk->dev = dev;
    blk->ops = ops;
    blk->ops_opaque = opaque;
    return true;
}

void blk_set_ops(BlockBackend *blk, const BlkDevOps *ops, void *opaque)
{
    assert(!blk->dev);
    blk->ops = ops;
    blk->ops_opaque = opaque;
}

void blk_detach_dev(BlockBackend *blk)
{
    assert(blk->dev);
    blk_drain(blk);
    blk->dev = NULL;
    blk->ops = NULL;
    blk->iostatus_enabled = false;
    blk_set_perm(blk, 0, BLK_PERM_ALL, error_abort);
    blk_unref(blk);
}

Object *blk_dev(const BlockBackend *blk)
{
    return blk->dev;
}

char *blk_describe(const BlockBackend *blk)
{
    g_autofree char *path = blk->dev ? object_path(blk->dev) : NULL;

    if (*blk->name) {
        return g_strdup_printf("device '%s'", blk->name);
    }
    return path ? g_strdup_printf("device '%s'", path)
                : g_strdup("a block device");
}

bool blk_apply_disk_perm(BlockBackend *blk, bool read_only, bool share_rw,
                         Error **errp)
{
    uint64_t perm = BLK_PERM_READ;
    uint64_t shared =
        BLK_PERM_READ | BLK_PERM_WRITE_UNCHANGED | BLK_PERM_RESIZE;

    if (!read_only) {
        if (!blk_supports_write_perm(blk)) {
            return error_set(errp, "Block node is read-only");
        }
        perm |= BLK_PERM_WRITE;
    }
    if (share_rw) {
        shared |= BLK_PERM_WRITE;
    }
    return blk_set_perm(blk, perm, shared, errp);
}

void blk_notify_resized(BlockBackend *blk)
{
    if (blk->ops && blk->ops->resized) {
        blk->ops->resized(blk->ops_opaque);
    }
}

/* Properties
 * ------------------------------------------------------------------- */

/* The node whose medium it is: under the format and filters. */
static BlockNode *medium_node(const BlockBackend *blk)
{
    BlockNode *n = blk->root ? blk->root->node : NULL;

    while (n && !n->drv->medium) {
        n = n->file ? n->file->node : NULL;
    }
    return n;
}

bool blk_is_available(const BlockBackend *blk)
{
    BlockNode *n = medium_node(blk);

    return blk->root && (!n || n->drv->medium->is_inserted(n));
}

int64_t blk_getlength(BlockBackend *blk)
{
    return blk_is_available(blk) ? node_length(blk->root->node) : -ENOMEDIUM;
}

int64_t blk_getlength_sectors(BlockBackend *blk)
{
    int64_t length = blk_getlength(blk);

    return length < 0 ? length : ALIGN_UP(length, 512);
}

void blk_eject(BlockBackend *blk, bool open)
{
    BlockNode *n = medium_node(blk);

    if (n) {
        n->drv->medium->eject(n, open);
    }
}

void blk_lock_medium(BlockBackend *blk, bool locked)
{
    BlockNode *n = medium_node(blk);

    if (n) {
        n->drv->medium->lock(n, locked);
    }
}

bool blk_is_read_only(const BlockBackend *blk)
{
    return !blk_supports_write_perm(blk);
}

bool blk_supports_write_perm(const BlockBackend *blk)
{
    const BlockNode *n = blk_node(blk);

    if (!n) {
        return !blk->want_read_only;
    }
    return !n->read_only || n->flags.auto_read_only;
}

const BlockLimits *blk_limits(const BlockBackend *blk)
{
    static const BlockLimits none = { .request_alignment = 1,
                                      .mem_alignment = 1 };

    return blk->root ? &blk->root->node->limits : &none;
}

bool blk_write_cache(const BlockBackend *blk)
{
    return __atomic_load_n(&blk->write_cache, __ATOMIC_RELAXED);
}

void blk_set_write_cache(BlockBackend *blk, bool on)
{
    __atomic_store_n(&blk->write_cache, on, __ATOMIC_RELAXED);
}

bool blk_probe_blocksizes(BlockBackend *blk, uint32_t *logical,
                          uint32_t *physical)
{
    BlockNode *n = blk_node(blk);

    /* Formats have no block size of their own; filters show their child's. */
    while (n && !n->drv->size->blocksizes) {
        n = n->drv->filter && n->file ? n->file->node : NULL;
    }
    return n && n->drv->size->blocksizes(n, logical, physical);
}

/* Draining
 * --------------------------------------------------------------------- */

unsigned blk_in_flight(const BlockBackend *blk)
{
    return co_gate_inside(&blk->gate);
}

void blk_drained_begin(BlockBackend *blk)
{
    assert(loop_is_current(blk->graph->loop));
    co_gate_shut(&blk->gate);
    if (!blk->drains++) {
        blk->undrain = throttle_drain(blk);
        if (blk->ops && blk->ops->drained_begin) {
            blk->ops->drained_begin(blk->ops_opaque);
        }
    }
    while (co_gate_inside(&blk->gate)) {
        loop_run_io(blk->graph->loop, true);
    }
}

void blk_drained_end(BlockBackend *blk)
{
    assert(blk->drains);
    if (!--blk->drains) {
        throttle_undrain(g_steal_pointer(&blk->undrain));
        if (blk->ops && blk->ops->drained_end) {
            blk->ops->drained_end(blk->ops_opaque);
        }
    }
    co_gate_open(&blk->gate);
}

void blk_drain(BlockBackend *blk)
{
    blk_drained_begin(blk);
    blk_drained_end(blk);
}

void blk_drain_all(BlockGraph *graph)
{
    for (guint i = 0; i < graph->blks->len; i++) {
        blk_drain(graph->blks->pdata[i]);
    }
}
