/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block graph: nodes, their names, edges and references. */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/block-int.h"
#include "block/export.h"
#include "block/dirty-bitmap.h"
#include "block/job.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

BlockGraph *block_graph_new(Loop *loop)
{
    BlockGraph *g = g_new0(BlockGraph, 1);

    g->loop = loop;
    g->names = g_hash_table_new(g_str_hash, g_str_equal);
    g->nodes = g_ptr_array_new();
    g->blks = g_ptr_array_new();
    return g;
}

/* Drop what the monitor owns, users before what they use. */
static bool graph_drop_one(BlockGraph *g)
{
    for (guint i = g->nodes->len; i-- > 0;) {
        BlockNode *n = g->nodes->pdata[i];

        if (n->monitor_owned) {
            n->monitor_owned = false;
            node_unref(n);
            return true;
        }
    }
    return false;
}

void blk_graph_close(BlockGraph *g)
{
    job_cancel_all(g);
    for (guint i = g->blks->len; i-- > 0;) {
        blk_remove_node(g->blks->pdata[i]);
    }
    while (graph_drop_one(g)) {
        /* next */
    }
}

void block_graph_free(BlockGraph *g)
{
    if (!g) {
        return;
    }
    block_exports_close(g);
    blk_graph_close(g);
    for (guint i = g->blks->len; i-- > 0;) {
        BlockBackend *blk = g->blks->pdata[i];

        if (blk->monitor_owned) {
            blk->monitor_owned = false;
            blk_unref(blk);
        }
    }
    g_hash_table_destroy(g->names);
    g_ptr_array_free(g->nodes, TRUE);
    g_ptr_array_free(g->blks, TRUE);
    qobject_unref(g->iscsi);
    g_free(g->initiator);
    if (g->throttle_groups) {
        g_ptr_array_free(g->throttle_groups, TRUE);
    }
    g_free(g);
}

/* Coroutines from control code ----------------------------------------------
 */

typedef struct RunState {
    CoroutineFn *fn;
    void *opaque;
    bool done;
} RunState;

static void coroutine_fn block_run_entry(void *opaque)
{
    RunState *r = opaque;

    r->fn(r->opaque);
    r->done = true;
}

void block_run(CoroutineFn *fn, void *opaque)
{
    RunState r = { fn, opaque, false };
    Loop *loop = loop_current();

    if (in_coroutine()) {
        fn(opaque);
        return;
    }
    coroutine_enter(coroutine_new(block_run_entry, &r));
    while (!r.done) {
        loop_run_io(loop, true);
    }
}

/* Names ---------------------------------------------------------------------
 */

bool block_name_ok(const char *name)
{
    if (!g_ascii_isalpha(*name)) {
        return false;
    }
    for (; *name; name++) {
        if (!g_ascii_isalnum(*name) && !strchr("-._", *name)) {
            return false;
        }
    }
    return true;
}

BlockNode *node_find(BlockGraph *g, const char *name)
{
    return g_hash_table_lookup(g->names, name);
}

BlockNode *node_lookup(BlockGraph *g, const char *device, const char *node_name,
                       Error **errp)
{
    BlockBackend *blk = device ? blk_find(g, device) : NULL;
    BlockNode *n = NULL;

    if (blk) {
        n = blk_node(blk);
        if (!n) {
            error_set(errp, "Device '%s' has no medium", device);
        }
        return n;
    }
    if (node_name) {
        n = node_find(g, node_name);
    }
    if (!n) {
        error_set(errp, "Cannot find device='%s' nor node-name='%s'",
                  device ? device : "", node_name ? node_name : "");
    }
    return n;
}

static bool node_choose_name(BlockNode *n, const char *name, Error **errp)
{
    BlockGraph *g = n->graph;

    if (!name) {
        do {
            g_free(n->name);
            n->name = g_strdup_printf("#block%03u", g->next_name++);
        } while (node_find(g, n->name));
        return true;
    }
    if (!block_name_ok(name)) {
        return error_set(errp, "Invalid node-name: '%s'", name);
    }
    if (strlen(name) > 31) {
        return error_set(errp, "Node name too long");
    }
    if (blk_find(g, name)) {
        return error_set(errp, "node-name=%s is conflicting with a device id",
                         name);
    }
    if (node_find(g, name)) {
        return error_set(errp, "Duplicate nodes with node-name='%s'", name);
    }
    n->name = g_strdup(name);
    n->named = true;
    return true;
}

/* Life ------------------------------------------------------------------------
 */

BlockNode *node_new(BlockGraph *g, const BlockDriver *drv, const char *name,
                    Error **errp)
{
    BlockNode *n = g_new0(BlockNode, 1);

    n->graph = g;
    if (!node_choose_name(n, name, errp)) {
        g_free(n);
        return NULL;
    }
    n->drv = drv;
    n->state = g_malloc0(MAX(drv->state_size, 1));
    n->filename = g_strdup("");
    n->refs = 1;
    n->parents = g_ptr_array_new();
    n->limits.request_alignment = 1;
    n->limits.mem_alignment = 1;
    co_mutex_init(&n->rmw_lock);
    /* Reserved from here on: children opened meanwhile cannot take it. */
    g_hash_table_insert(g->names, n->name, n);
    return n;
}

void node_prepare_rmw(BlockNode *n)
{
    if (n->limits.request_alignment > 1 && !n->rmw) {
        n->rmw = g_aligned_alloc0(1, sizeof(CoGate), 64);
        co_gate_init(n->rmw, n->graph->loop);
    }
}

void node_publish(BlockNode *n)
{
    node_prepare_rmw(n);
    g_ptr_array_add(n->graph->nodes, n);
}

static void coroutine_fn node_close_entry(void *opaque)
{
    BlockNode *n = opaque;

    node_flush(n);
    n->drv->close(n);
}

void node_close(BlockNode *n)
{
    bool open = g_ptr_array_remove(n->graph->nodes, n);

    assert(!n->parents->len);
    if (open && n->drv->close) {
        block_run(node_close_entry, n);
    }
    while (n->children) {
        edge_detach(n->children);
    }
    g_hash_table_remove(n->graph->names, n->name);
    if (n->rmw) {
        co_gate_destroy(n->rmw);
        g_aligned_free(n->rmw);
    }
    co_mutex_destroy(&n->rmw_lock);
    dirty_bitmaps_free(n);
    g_ptr_array_free(n->parents, TRUE);
    qapi_free_BlockdevOptions(n->opts);
    g_free(n->state);
    g_free(n->filename);
    g_free(n->name);
    g_free(n);
}

BlockNode *node_ref(BlockNode *n)
{
    n->refs++;
    return n;
}

void node_unref(BlockNode *n)
{
    if (n && !--n->refs) {
        node_close(n);
    }
}

bool node_in_use(const BlockNode *n)
{
    return n->parents->len || n->refs > (n->monitor_owned ? 1 : 0);
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return MAX(a, b);
}

/* The smaller of two limits, where 0 is none. */
static uint32_t min_limit(uint32_t a, uint32_t b)
{
    return !a ? b : !b ? a : MIN(a, b);
}

void node_refresh_limits(BlockNode *n)
{
    BlockLimits *l = &n->limits;

    *l = (BlockLimits){ .request_alignment = 1, .mem_alignment = 1 };
    for (BlockEdge *e = n->children; e; e = e->next) {
        const BlockLimits *c = &e->node->limits;

        if (e->role &
            (BLOCK_ROLE_DATA | BLOCK_ROLE_FILTERED | BLOCK_ROLE_COW)) {
            l->mem_alignment = max_u32(l->mem_alignment, c->mem_alignment);
            l->opt_transfer = max_u32(l->opt_transfer, c->opt_transfer);
            l->max_iov = min_limit(l->max_iov, c->max_iov);
            l->max_hw_transfer =
                min_limit(l->max_hw_transfer, c->max_hw_transfer);
        }
    }
    if (n->drv->refresh_limits) {
        n->drv->refresh_limits(n);
    }
    assert(is_power_of_2(l->request_alignment));
}

void node_set_length(BlockNode *n, int64_t length)
{
    __atomic_store_n(&n->length, length, __ATOMIC_RELAXED);
    for (guint i = 0; i < n->parents->len; i++) {
        BlockEdge *e = n->parents->pdata[i];

        if (e->blk) {
            loop_task_post(&e->blk->resized);
        }
    }
}

/* Draining
 * ---------------------------------------------------------------------- */

static void collect_users(BlockNode *n, GPtrArray *users)
{
    for (guint i = 0; i < n->parents->len; i++) {
        BlockEdge *e = n->parents->pdata[i];

        if (e->parent) {
            collect_users(e->parent, users);
        } else if (!g_ptr_array_find(users, e->blk, NULL)) {
            g_ptr_array_add(users, blk_ref(e->blk));
        }
    }
}

GPtrArray *node_drain_users(BlockNode *n)
{
    GPtrArray *users = g_ptr_array_new();

    collect_users(n, users);
    for (guint i = 0; i < users->len; i++) {
        blk_drained_begin(users->pdata[i]);
    }
    return users;
}

void node_undrain(GPtrArray *users)
{
    for (guint i = 0; i < users->len; i++) {
        blk_drained_end(users->pdata[i]);
        blk_unref(users->pdata[i]);
    }
    g_ptr_array_free(users, TRUE);
}

/* Taking over from another host
 * ------------------------------------------------------------------ */

typedef struct Invalidate {
    BlockNode *n;
    int ret;
} Invalidate;

static void coroutine_fn invalidate_entry(void *opaque)
{
    Invalidate *i = opaque;

    i->ret = i->n->drv->invalidate(i->n);
}

bool block_invalidate_all(BlockGraph *g, Error **errp)
{
    for (guint i = 0; i < g->nodes->len; i++) {
        Invalidate job = { .n = g->nodes->pdata[i] };

        if (!job.n->drv->invalidate) {
            continue;
        }
        block_run(invalidate_entry, &job);
        if (job.ret < 0) {
            return error_errno(errp, -job.ret,
                               "Could not drop the cache of node '%s'",
                               job.n->name);
        }
    }
    return true;
}
