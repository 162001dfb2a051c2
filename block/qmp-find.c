/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking up what commands name; block-latency-histogram-set. */
#include "util/osdep.h"

#include "block/blk-stats.h"
#include "block/block-int.h"
#include "block/block-options.h"
#include "block/qmp-find.h"
#include "qapi/qapi-commands-block.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* A device, or one made of several of which one has the backend. */
static BlockBackend *find_by_object(Vm *vm, const char *id)
{
    g_autofree char *path = *id == '/'
                                ? g_strdup(id)
                                : g_strdup_printf("/machine/peripheral/%s", id);
    Object *obj = object_resolve(vm->root, path, NULL);
    BlockGraph *g = block_vm_graph(vm);

    for (guint i = 0; obj && i < g->blks->len; i++) {
        BlockBackend *blk = g->blks->pdata[i];

        if (blk->dev && (blk->dev == obj || blk->dev->parent == obj)) {
            return blk;
        }
    }
    return NULL;
}

BlockBackend *blk_find_device(Vm *vm, const char *device, const char *id,
                              Error **errp)
{
    BlockBackend *blk;

    if (!device == !id) {
        error_set(errp, "Need exactly one of 'device' and 'id'");
        return NULL;
    }
    blk =
        device ? blk_find(block_vm_graph(vm), device) : find_by_object(vm, id);
    if (!blk) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", device ? device : id);
    }
    return blk;
}

static bool set_histogram(BlockBackend *blk, const char *id, BlkAcctType type,
                          const char *what, bool has, const uint64List *own,
                          bool has_all, const uint64List *all, Error **errp)
{
    if (!has && !has_all) {
        return true;
    }
    return blk_stats_set_histogram(blk, type, has ? own : all) ||
           error_set(errp, "Device '%s' set %s boundaries fail", id, what);
}

bool qmp_block_latency_histogram_set(
    Vm *vm, const char *id, bool has_boundaries, uint64List *boundaries,
    bool has_boundaries_read, uint64List *boundaries_read,
    bool has_boundaries_write, uint64List *boundaries_write,
    bool has_boundaries_flush, uint64List *boundaries_flush, Error **errp)
{
    BlockBackend *blk = blk_find_device(vm, NULL, id, errp);

    if (!blk) {
        return false;
    }
    if (!has_boundaries && !has_boundaries_read && !has_boundaries_write &&
        !has_boundaries_flush) {
        blk_stats_drop_histograms(blk);
        return true;
    }
    return set_histogram(blk, id, BLK_ACCT_READ, "read", has_boundaries_read,
                         boundaries_read, has_boundaries, boundaries, errp) &&
           set_histogram(blk, id, BLK_ACCT_WRITE, "write", has_boundaries_write,
                         boundaries_write, has_boundaries, boundaries, errp) &&
           set_histogram(blk, id, BLK_ACCT_FLUSH, "flush", has_boundaries_flush,
                         boundaries_flush, has_boundaries, boundaries, errp);
}
