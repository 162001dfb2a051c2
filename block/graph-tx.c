/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of several edges of the block graph at once. */
#include "util/osdep.h"

#include "block/graph-tx.h"
#include "util/error.h"

typedef enum OpKind {
    OP_LINK,
    OP_UNLINK,
    OP_MOVE,
} OpKind;

typedef struct Op {
    OpKind kind;
    BlockEdge *edge;
    BlockNode *old, *new; /* of a move; a reference to each */
} Op;

struct GraphTx {
    BlockGraph *g;
    GArray *ops;
    GPtrArray *touched; /* nodes, with a reference each */
};

GPtrArray *graph_drain(BlockGraph *g)
{
    GPtrArray *users = g_ptr_array_new();

    for (guint i = 0; i < g->blks->len; i++) {
        g_ptr_array_add(users, blk_ref(g->blks->pdata[i]));
    }
    for (guint i = 0; i < users->len; i++) {
        blk_drained_begin(users->pdata[i]);
    }
    return users;
}

GraphTx *graph_tx_new(BlockGraph *g)
{
    GraphTx *tx = g_new0(GraphTx, 1);

    tx->g = g;
    tx->ops = g_array_new(FALSE, FALSE, sizeof(Op));
    tx->touched = g_ptr_array_new();
    return tx;
}

static void touch(GraphTx *tx, BlockNode *n)
{
    g_ptr_array_add(tx->touched, node_ref(n));
}

void graph_tx_link(GraphTx *tx, BlockNode *parent, BlockNode *node,
                   const char *name, unsigned role)
{
    Op op = { .kind = OP_LINK, .edge = edge_new(node, parent, name, role) };

    edge_link(op.edge);
    g_array_append_val(tx->ops, op);
    touch(tx, parent);
}

void graph_tx_unlink(GraphTx *tx, BlockEdge *e)
{
    Op op = { .kind = OP_UNLINK, .edge = e };

    touch(tx, e->node);
    if (e->parent) {
        touch(tx, e->parent);
    }
    edge_unlink(e);
    g_array_append_val(tx->ops, op);
}

static void move_edge(BlockEdge *e, BlockNode *to)
{
    edge_unlink(e);
    e->node = to;
    edge_link(e);
}

void graph_tx_move(GraphTx *tx, BlockEdge *e, BlockNode *node)
{
    Op op = { .kind = OP_MOVE, .edge = e, .old = e->node, .new = node };

    touch(tx, e->node);
    touch(tx, node);
    node_ref(node);
    move_edge(e, node);
    g_array_append_val(tx->ops, op);
}

void graph_tx_replace(GraphTx *tx, BlockNode *from, BlockNode *to,
                      const BlockNode *skip)
{
    g_autoptr(GPtrArray) edges = g_ptr_array_new();

    for (guint i = 0; i < from->parents->len; i++) {
        BlockEdge *e = from->parents->pdata[i];
        bool job = e->blk && e != e->blk->root;

        if (!job && e->parent != to && (!skip || e->parent != skip)) {
            g_ptr_array_add(edges, e);
        }
    }
    for (guint i = 0; i < edges->len; i++) {
        graph_tx_move(tx, edges->pdata[i], to);
    }
}

static void undo(GraphTx *tx)
{
    for (guint i = tx->ops->len; i-- > 0;) {
        Op *op = &g_array_index(tx->ops, Op, i);

        switch (op->kind) {
        case OP_LINK:
            edge_unlink(op->edge);
            break;
        case OP_UNLINK:
            edge_link(op->edge);
            break;
        case OP_MOVE:
            move_edge(op->edge, op->old);
            break;
        }
    }
}

/* What a node demands depends on the nodes below: those first. */
static void refresh_limits(BlockGraph *g)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) order = g_ptr_array_new();

    for (guint i = 0; i < g->nodes->len; i++) {
        node_collect_below(g->nodes->pdata[i], seen, order);
    }
    for (guint i = 0; i < order->len; i++) {
        node_refresh_limits(order->pdata[i]);
        node_prepare_rmw(order->pdata[i]);
    }
}

/* References to what is not used any more; nodes may close. */
static void release(GraphTx *tx, bool ok)
{
    for (guint i = 0; i < tx->ops->len; i++) {
        Op *op = &g_array_index(tx->ops, Op, i);

        if (op->kind == OP_MOVE) {
            BlockNode *gone = ok ? op->old : op->new;

            if (ok && op->edge->parent && gone->inherits == op->edge->parent) {
                gone->inherits = NULL;
            }
            node_unref(gone);
        } else if (ok == (op->kind == OP_UNLINK)) {
            edge_free(op->edge);
        }
    }
    refresh_limits(tx->g);
    for (guint i = 0; i < tx->touched->len; i++) {
        BlockNode *n = tx->touched->pdata[i];
        BlockEdge *e = n->parents->len ? n->parents->pdata[0] : NULL;

        /* The users of a node may see another size. */
        if (e && e->blk) {
            loop_task_post(&e->blk->resized);
        }
        node_unref(n);
    }
    g_array_free(tx->ops, TRUE);
    g_ptr_array_free(tx->touched, TRUE);
    g_free(tx);
}

bool graph_tx_check(GraphTx *tx, Error **errp)
{
    for (guint i = 0; i < tx->touched->len; i++) {
        BlockNode *n = tx->touched->pdata[i];

        if (n->depth >= BLOCK_MAX_DEPTH) {
            error_set(errp, "The chain of images below '%s' is too long",
                      n->name);
            undo(tx);
            release(tx, false);
            return false;
        }
    }
    if (!nodes_refresh_perms(tx->touched, errp)) {
        undo(tx);
        release(tx, false);
        return false;
    }
    return true;
}

void graph_tx_end(GraphTx *tx, bool ok)
{
    if (!ok) {
        autoerr Error *err = NULL;

        undo(tx);
        /* What was allowed before is allowed again. */
        nodes_refresh_perms(tx->touched, &err);
    }
    release(tx, ok);
}

bool graph_tx_commit(GraphTx *tx, Error **errp)
{
    if (!graph_tx_check(tx, errp)) {
        return false;
    }
    graph_tx_end(tx, true);
    return true;
}
