/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Edges and permissions. Each edge says what its parent may do to the node and
 * what it lets the node's other parents do. A change is tried on the whole
 * subgraph below it first, with the old values remembered, then committed or
 * taken back.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/block-int.h"
#include "util/error.h"

typedef struct PermUndo {
    BlockEdge *edge;
    uint64_t perm, shared;
} PermUndo;

typedef struct PermChange {
    GArray *undo;        /* PermUndo, oldest first */
    GPtrArray *prepared; /* BlockNode * */
} PermChange;

char *block_perm_names(uint64_t perm)
{
    static const char *const names[] = { "consistent read", "write",
                                         "write unchanged", "resize" };
    GString *s = g_string_new(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (perm & BIT(i)) {
            g_string_append_printf(s, "%s%s", s->len ? ", " : "", names[i]);
        }
    }
    return g_string_free(s, FALSE);
}

static char *edge_user(const BlockEdge *e)
{
    if (e->parent) {
        return g_strdup_printf("node '%s'", e->parent->name);
    }
    return blk_describe(e->blk);
}

void node_cumulative_perm(const BlockNode *n, uint64_t *perm, uint64_t *shared)
{
    *perm = 0;
    *shared = BLK_PERM_ALL;
    for (guint i = 0; i < n->parents->len; i++) {
        const BlockEdge *e = n->parents->pdata[i];

        *perm |= e->perm;
        *shared &= e->shared;
    }
}

void node_default_perm(BlockNode *n, const BlockEdge *e, uint64_t perm,
                       uint64_t shared, uint64_t *child_perm,
                       uint64_t *child_shared)
{
    const uint64_t change = BLK_PERM_WRITE | BLK_PERM_RESIZE;

    if (e->role & BLOCK_ROLE_FILTERED) {
        *child_perm = perm;
        *child_shared = shared;
        return;
    }
    if (e->role & BLOCK_ROLE_COW) {
        *child_perm = perm & BLK_PERM_READ;
        *child_shared = BLK_PERM_READ | BLK_PERM_WRITE_UNCHANGED;
        if (shared & BLK_PERM_WRITE) {
            *child_shared |= change;
        }
        return;
    }
    /* Storage: what a format does to it is not what its users do. */
    *child_perm = perm;
    *child_shared = shared;
    if (e->role & BLOCK_ROLE_METADATA) {
        *child_perm |= BLK_PERM_READ;
        *child_shared &= ~change;
        if (!n->read_only) {
            *child_perm |= change;
        }
    }
    if ((e->role & BLOCK_ROLE_DATA) && (perm & BLK_PERM_WRITE_UNCHANGED)) {
        *child_perm |= BLK_PERM_WRITE;
    }
    *child_shared |= BLK_PERM_READ | BLK_PERM_WRITE_UNCHANGED;
    if (n->flags.force_share) {
        *child_shared = BLK_PERM_ALL;
    }
}

/* Check
 * ------------------------------------------------------------------------ */

static bool check_pair(const BlockEdge *a, const BlockEdge *b, Error **errp)
{
    g_autofree char *perms = NULL;
    g_autofree char *user = NULL;

    if (!(a->perm & ~b->shared)) {
        return true;
    }
    perms = block_perm_names(a->perm & ~b->shared);
    user = edge_user(b);
    return error_set(errp,
                     "Conflicts with use by %s as '%s', which does not allow "
                     "'%s' on node '%s'",
                     user, b->name, perms, a->node->name);
}

static bool check_users(const BlockNode *n, Error **errp)
{
    for (guint i = 0; i < n->parents->len; i++) {
        for (guint j = 0; j < n->parents->len; j++) {
            if (i != j &&
                !check_pair(n->parents->pdata[i], n->parents->pdata[j], errp)) {
                return false;
            }
        }
    }
    return true;
}

static bool check_node(PermChange *c, BlockNode *n, Error **errp)
{
    const uint64_t write =
        BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED | BLK_PERM_RESIZE;
    uint64_t perm, shared;

    if (!check_users(n, errp)) {
        return false;
    }
    node_cumulative_perm(n, &perm, &shared);
    if ((perm & write) && n->read_only &&
        (n->flags.read_only || !n->flags.auto_read_only || !n->drv->protocol)) {
        return error_set(errp, "Block node is read-only");
    }
    if (!n->drv->perm || !n->drv->perm->prepare) {
        return true;
    }
    if (!n->drv->perm->prepare(n, perm, shared, errp)) {
        return false;
    }
    g_ptr_array_add(c->prepared, n);
    return true;
}

/* What @n asks of its children follows from what is asked of it. */
static void change_children(PermChange *c, BlockNode *n)
{
    uint64_t perm, shared;

    node_cumulative_perm(n, &perm, &shared);
    for (BlockEdge *e = n->children; e; e = e->next) {
        PermUndo undo = { e, e->perm, e->shared };

        if (n->drv->perm && n->drv->perm->child) {
            n->drv->perm->child(n, e, perm, shared, &e->perm, &e->shared);
        } else {
            node_default_perm(n, e, perm, shared, &e->perm, &e->shared);
        }
        if (e->perm != undo.perm || e->shared != undo.shared) {
            g_array_append_val(c->undo, undo);
        }
    }
}

static void change_finish(PermChange *c, bool ok)
{
    for (guint i = c->undo->len; !ok && i-- > 0;) {
        PermUndo *u = &g_array_index(c->undo, PermUndo, i);

        u->edge->perm = u->perm;
        u->edge->shared = u->shared;
    }
    for (guint i = 0; i < c->prepared->len; i++) {
        BlockNode *n = c->prepared->pdata[i];
        void (*fn)(BlockNode *) =
            ok ? n->drv->perm->commit : n->drv->perm->abort;

        if (fn) {
            fn(n);
        }
    }
    g_array_free(c->undo, TRUE);
    g_ptr_array_free(c->prepared, TRUE);
}

void node_collect_below(BlockNode *n, GHashTable *seen, GPtrArray *reversed)
{
    if (!g_hash_table_add(seen, n)) {
        return;
    }
    for (BlockEdge *e = n->children; e; e = e->next) {
        node_collect_below(e->node, seen, reversed);
    }
    g_ptr_array_add(reversed, n);
}

bool nodes_refresh_perms(GPtrArray *nodes, Error **errp)
{
    PermChange c = { g_array_new(FALSE, FALSE, sizeof(PermUndo)),
                     g_ptr_array_new() };
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) order = g_ptr_array_new();
    bool ok = true;

    for (guint i = 0; i < nodes->len; i++) {
        node_collect_below(nodes->pdata[i], seen, order);
    }
    for (guint i = order->len; i-- > 0;) {
        change_children(&c, order->pdata[i]);
    }
    for (guint i = order->len; i-- > 0 && ok;) {
        ok = check_node(&c, order->pdata[i], errp);
    }
    change_finish(&c, ok);
    return ok;
}

bool node_refresh_perms(BlockNode *n, Error **errp)
{
    g_autoptr(GPtrArray) nodes = g_ptr_array_new();

    g_ptr_array_add(nodes, n);
    return nodes_refresh_perms(nodes, errp);
}

bool edge_set_perm(BlockEdge *e, uint64_t perm, uint64_t shared, Error **errp)
{
    PermUndo undo = { e, e->perm, e->shared };

    e->perm = perm;
    e->shared = shared;
    if (!node_refresh_perms(e->node, errp)) {
        e->perm = undo.perm;
        e->shared = undo.shared;
        return false;
    }
    return true;
}

/* Edges
 * ------------------------------------------------------------------------ */

/* The depths of @n and of what uses it. */
static void node_update_depth(BlockNode *n)
{
    unsigned depth = 0;

    for (BlockEdge *e = n->children; e; e = e->next) {
        depth = MAX(depth, e->node->depth + 1);
    }
    if (depth == n->depth) {
        return;
    }
    n->depth = depth;
    for (guint i = 0; i < n->parents->len; i++) {
        BlockEdge *e = n->parents->pdata[i];

        if (e->parent) {
            node_update_depth(e->parent);
        }
    }
}

static BlockEdge **edge_place(BlockEdge *e)
{
    return !strcmp(e->name, "file")      ? &e->parent->file
           : !strcmp(e->name, "backing") ? &e->parent->backing
                                         : NULL;
}

void edge_link(BlockEdge *e)
{
    g_ptr_array_add(e->node->parents, e);
    if (e->parent) {
        BlockEdge **p = &e->parent->children;

        while (*p) {
            p = &(*p)->next;
        }
        e->next = NULL;
        *p = e;
        if (edge_place(e)) {
            *edge_place(e) = e;
        }
        node_update_depth(e->parent);
    }
}

void edge_unlink(BlockEdge *e)
{
    g_ptr_array_remove(e->node->parents, e);
    if (e->parent) {
        BlockEdge **p = &e->parent->children;

        while (*p != e) {
            p = &(*p)->next;
        }
        *p = e->next;
        if (edge_place(e)) {
            *edge_place(e) = NULL;
        }
        node_update_depth(e->parent);
    }
}

void edge_free(BlockEdge *e)
{
    if (e->parent && e->node->inherits == e->parent) {
        e->node->inherits = NULL;
    }
    node_unref(e->node);
    g_free(e->name);
    g_free(e);
}

BlockEdge *edge_new(BlockNode *node, BlockNode *parent, const char *name,
                    unsigned role)
{
    BlockEdge *e = g_new0(BlockEdge, 1);

    *e = (BlockEdge){ .node = node_ref(node),
                      .parent = parent,
                      .name = g_strdup(name),
                      .role = role,
                      .shared = BLK_PERM_ALL };
    return e;
}

bool node_reaches(const BlockNode *n, const BlockNode *below)
{
    if (n == below) {
        return true;
    }
    for (BlockEdge *e = n->children; e; e = e->next) {
        if (node_reaches(e->node, below)) {
            return true;
        }
    }
    return false;
}

/* Takes its own reference to @node. */
BlockEdge *edge_attach(BlockNode *node, BlockNode *parent, BlockBackend *blk,
                       const char *name, unsigned role, uint64_t perm,
                       uint64_t shared, Error **errp)
{
    BlockEdge *e = edge_new(node, parent, name, role);

    e->blk = blk;
    e->perm = perm;
    e->shared = shared;
    edge_link(e);
    if (!node_refresh_perms(node, errp)) {
        edge_unlink(e);
        edge_free(e);
        return NULL;
    }
    return e;
}

void edge_detach(BlockEdge *e)
{
    autoerr Error *err = NULL;

    edge_unlink(e);
    /* Less is asked for now: cannot fail but for the host's whims. */
    if (e->node->refs > 1) {
        node_refresh_perms(e->node, &err);
    }
    edge_free(e);
}

BlockEdge *node_attach_child(BlockNode *n, BlockNode *node, const char *name,
                             unsigned role, Error **errp)
{
    BlockEdge *e, proto = { .parent = n, .role = role };
    uint64_t perm, shared;

    if (node->depth >= BLOCK_MAX_DEPTH) {
        error_set(errp,
                  "Node '%s' is the end of a chain of %u nodes, which "
                  "is too long",
                  node->name, node->depth);
        node_unref(node);
        return NULL;
    }
    /* As if nobody used @n yet; the first user brings the rest. */
    if (n->drv->perm && n->drv->perm->child) {
        n->drv->perm->child(n, &proto, 0, BLK_PERM_ALL, &perm, &shared);
    } else {
        node_default_perm(n, &proto, 0, BLK_PERM_ALL, &perm, &shared);
    }
    e = edge_attach(node, n, NULL, name, role, perm, shared, errp);
    node_unref(node);
    return e;
}

void node_detach_child(BlockEdge *e)
{
    edge_detach(e);
}
