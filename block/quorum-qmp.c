/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x-blockdev-change: children that come and go; block-set-write-threshold. */
#include "util/osdep.h"

#include "block/block-options.h"
#include "block/drivers.h"
#include "block/graph-tx.h"
#include "block/quorum.h"
#include "qapi/qapi-commands-block-core.h"
#include "softmmu/vm.h"
#include "util/error.h"

static bool check_child(BlockGraph *g, const BlockNode *parent,
                        const char *name, BlockNode **child, Error **errp)
{
    *child = node_find(g, name);
    if (!*child) {
        return error_set(errp, "Node '%s' not found", name);
    }
    if (parent->drv != &block_driver_quorum) {
        return error_set(errp, "The node %s does not support adding a child",
                         parent->name);
    }
    if ((*child)->parents->len) {
        return error_set(errp, "The node %s already has a parent", name);
    }
    return true;
}

static bool change(BlockNode *parent, const char *child, BlockNode *node,
                   Error **errp)
{
    if (node) {
        return quorum_add_child(parent, node, errp);
    }
    if (parent->drv != &block_driver_quorum) {
        return error_set(errp, "The node %s does not support removing a child",
                         parent->name);
    }
    return quorum_del_child(parent, child, errp);
}

bool qmp_x_blockdev_change(Vm *vm, const char *parent, const char *child,
                           const char *node, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    BlockNode *p = node_lookup(g, parent, parent, errp), *n = NULL;
    GPtrArray *users;
    bool ok;

    if (!p) {
        return false;
    }
    if (!child == !node) {
        return error_set(errp, child ? "The parameters child and node are in "
                                       "conflict"
                                     : "Either child or node must be "
                                       "specified");
    }
    if (node && !check_child(g, p, node, &n, errp)) {
        return false;
    }
    users = graph_drain(g);
    ok = change(p, child, n, errp);
    node_undrain(users);
    return ok;
}

bool qmp_block_set_write_threshold(Vm *vm, const char *node_name,
                                   uint64_t write_threshold, Error **errp)
{
    BlockNode *n = node_find(block_vm_graph(vm), node_name);

    if (!n) {
        return error_set(errp, "Device '%s' not found", node_name);
    }
    __atomic_store_n(&n->write_threshold, write_threshold, __ATOMIC_RELAXED);
    return true;
}
