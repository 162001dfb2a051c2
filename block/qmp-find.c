/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking up what commands name. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/block-options.h"
#include "block/qmp-find.h"
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
