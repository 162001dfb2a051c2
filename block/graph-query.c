/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP: the graph with its permissions.
 * Spec: x-debug-query-block-graph in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/block-options.h"
#include "block/job.h"
#include "qapi/qapi-commands-block-core.h"
#include "softmmu/vm.h"

typedef struct GraphQuery {
    XDbgBlockGraph *graph;
    XDbgBlockGraphNodeList **nodes;
    XDbgBlockGraphEdgeList **edges;
    GHashTable *ids; /* BlockBackend * or BlockNode * to its number */
} GraphQuery;

static uint64_t id_of(GraphQuery *q, const void *object)
{
    return GPOINTER_TO_SIZE(g_hash_table_lookup(q->ids, object));
}

static void add_node(GraphQuery *q, const void *object,
                     XDbgBlockGraphNodeType type, const char *name)
{
    XDbgBlockGraphNode *n = g_new0(XDbgBlockGraphNode, 1);

    n->id = g_hash_table_size(q->ids) + 1;
    n->type = type;
    n->name = g_strdup(name);
    g_hash_table_insert(q->ids, (void *)object, GSIZE_TO_POINTER(n->id));
    QAPI_LIST_APPEND(q->nodes, n);
}

static BlockPermissionList *perm_list(uint64_t perm)
{
    BlockPermissionList *list = NULL, **tail = &list;

    for (int i = 0; i < BLOCK_PERMISSION__MAX; i++) {
        if (perm & BIT(i)) {
            QAPI_LIST_APPEND(tail, i);
        }
    }
    return list;
}

static void add_edge(GraphQuery *q, const BlockEdge *e)
{
    XDbgBlockGraphEdge *edge = g_new0(XDbgBlockGraphEdge, 1);

    edge->parent = id_of(q, e->parent ? (void *)e->parent : (void *)e->blk);
    edge->child = id_of(q, e->node);
    edge->name = g_strdup(e->name);
    edge->perm = perm_list(e->perm);
    edge->shared_perm = perm_list(e->shared);
    QAPI_LIST_APPEND(q->edges, edge);
}

static const Job *job_of(const BlockGraph *g, const BlockBackend *blk)
{
    for (guint i = 0; g->jobs && i < g->jobs->len; i++) {
        const Job *j = g->jobs->pdata[i];

        if (j->blk == blk) {
            return j;
        }
    }
    return NULL;
}

/* The users that are no nodes: backends, and jobs by those they have. */
static void add_users(GraphQuery *q, const BlockGraph *g, bool jobs)
{
    for (guint i = 0; i < g->blks->len; i++) {
        const BlockBackend *blk = g->blks->pdata[i];
        const Job *j = job_of(g, blk);
        g_autofree char *path = blk->dev ? object_path(blk->dev) : NULL;

        if (j && jobs && j->drv->for_blocks) {
            add_node(q, blk, X_DBG_BLOCK_GRAPH_NODE_TYPE_BLOCK_JOB, j->id);
        } else if (!j && !jobs) {
            add_node(q, blk, X_DBG_BLOCK_GRAPH_NODE_TYPE_BLOCK_BACKEND,
                     *blk->name || !path ? blk->name : path);
        }
    }
}

XDbgBlockGraph *qmp_x_debug_query_block_graph(Vm *vm, Error **errp)
{
    const BlockGraph *g = block_vm_graph(vm);
    g_autoptr(GHashTable) ids = g_hash_table_new(NULL, NULL);
    XDbgBlockGraph *graph = g_new0(XDbgBlockGraph, 1);
    GraphQuery q = { graph, &graph->nodes, &graph->edges, ids };

    add_users(&q, g, false);
    add_users(&q, g, true);
    for (guint i = 0; i < g->nodes->len; i++) {
        const BlockNode *n = g->nodes->pdata[i];

        add_node(&q, n, X_DBG_BLOCK_GRAPH_NODE_TYPE_BLOCK_DRIVER, n->name);
    }
    for (guint i = 0; i < g->nodes->len; i++) {
        const BlockNode *n = g->nodes->pdata[i];

        for (guint k = 0; k < n->parents->len; k++) {
            add_edge(&q, n->parents->pdata[k]);
        }
    }
    return graph;
}
