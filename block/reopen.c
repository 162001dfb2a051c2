/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reopening: new options for open nodes, several at once, all or nothing.
 * First everything is checked and the drivers prepare; then the graph and the
 * flags change, with all that is needed to take them back; the permissions
 * that follow decide; then the drivers commit or abort.
 * Spec: blockdev-reopen in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/drivers.h"
#include "block/graph-tx.h"
#include "block/job.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

/* A child that becomes another one, comes or goes. */
typedef struct EdgeChange {
    BlockEdge *edge;      /* NULL after the commit */
    BlockNode *old, *new; /* NULL: none; a reference to new */
} EdgeChange;

typedef struct Item {
    BlockReopen r;
    BlockdevOptions *opts;
    QDict *dict; /* opts, as JSON */
    bool explicit;
    bool prepared;
    GArray *edges; /* EdgeChange */
    BlockOpenFlags old_flags;
    bool old_read_only;
} Item;

typedef struct Reopen {
    BlockGraph *g;
    GPtrArray *items; /* Item *, parents before what is defined in them */
} Reopen;

static void item_free(gpointer p)
{
    Item *it = p;

    for (guint i = 0; i < it->edges->len; i++) {
        EdgeChange *c = &g_array_index(it->edges, EdgeChange, i);

        if (c->edge && !c->old) {
            edge_free(c->edge);
        }
        node_unref(c->new);
    }
    g_array_free(it->edges, TRUE);
    qapi_free_BlockdevOptions(it->opts);
    qobject_unref(it->dict);
    g_free(it);
}

static Item *find_item(Reopen *re, const BlockNode *n)
{
    for (guint i = 0; i < re->items->len; i++) {
        Item *it = re->items->pdata[i];

        if (it->r.n == n) {
            return it;
        }
    }
    return NULL;
}

/* Options
 * ------------------------------------------------------------------------ */

static const char *const generic_options[] = {
    "read-only",      "auto-read-only", "cache.direct",
    "cache.no-flush", "discard",        "detect-zeroes",
    NULL,
};

static bool in_list(const char *const *list, const char *name)
{
    for (; list && *list; list++) {
        if (!strcmp(*list, name)) {
            return true;
        }
    }
    return false;
}

/* "file", "backing", and what is inside them. */
static bool is_child_option(const BlockNode *n, const char *key)
{
    size_t len = strcspn(key, ".");

    for (const BlockEdge *e = n->children; e; e = e->next) {
        if (strlen(e->name) == len && !strncmp(e->name, key, len)) {
            return true;
        }
    }
    return len == 7 && !strncmp(key, "backing", len);
}

static bool may_change(const BlockNode *n, const char *key)
{
    return in_list(generic_options, key) || is_child_option(n, key) ||
           (n->drv->reopen && in_list(n->drv->reopen->options, key));
}

static QDict *options_dict(const BlockdevOptions *opts)
{
    const void *slot = opts;

    return qobject_to_dict(
        qapi_to_qobject(&qapi_type_BlockdevOptions, &slot));
}

static bool check_options(const Item *it, Error **errp)
{
    const BlockNode *n = it->r.n;
    g_autoptr(QDict) new = qdict_shallow_copy(it->dict);
    g_autoptr(QDict) old = options_dict(n->opts);

    qdict_flatten(new);
    qdict_flatten(old);
    QDICT_FOREACH(old, e) {
        if (!may_change(n, e->key) && !qdict_has(new, e->key) &&
            strcmp(e->key, "node-name") != 0) {
            return error_set(errp,
                             "Option '%s' cannot be reset to its default "
                             "value",
                             e->key);
        }
    }
    QDICT_FOREACH(new, e) {
        bool same = !strcmp(e->key, "node-name")
                        ? !strcmp(qobject_get_str(e->value), n->name)
                        : qobject_equal(e->value, qdict_get(old, e->key));

        if (!may_change(n, e->key) && !same) {
            return error_set(errp, "Cannot change the option '%s'", e->key);
        }
    }
    return true;
}

/* Collecting
 * --------------------------------------------------------------------- */

static bool add_item(Reopen *re, BlockNode *n, BlockdevOptions *opts,
                     const BlockOpenFlags *inherit, bool explicit,
                     Error **errp);

/* What is defined inside @it's node gets new flags with it. */
static bool add_child(Reopen *re, Item *it, BlockEdge *e, Error **errp)
{
    QObject *spec = qdict_get(it->dict, e->name);
    BlockNode *child = e->node;
    BlockdevOptions *opts;
    BlockOpenFlags flags;

    if (spec && qobject_type(spec) == QTYPE_QDICT) {
        if (child->inherits != it->r.n) {
            return error_set(errp, "Cannot change the option '%s.driver'",
                             e->name);
        }
        opts = qapi_from_qobject(&qapi_type_BlockdevOptions, spec, QAPI_STRICT,
                                 errp);
    } else if (child->inherits != it->r.n ||
               (spec && (qobject_type(spec) != QTYPE_QSTRING ||
                         strcmp(qobject_get_str(spec), child->name)))) {
        return true; /* somebody else's, or about to go */
    } else {
        opts = qapi_clone(&qapi_type_BlockdevOptions, child->opts);
    }
    if (!opts) {
        return false;
    }
    flags = block_flags_for_child(&it->r.flags, e->role);
    return add_item(re, child, opts, &flags, false, errp);
}

static bool new_child_from_nothing(const Item *it, const char *name,
                                   Error **errp)
{
    QObject *spec = qdict_get(it->dict, name);

    return !spec || it->r.n->backing || qobject_type(spec) != QTYPE_QDICT ||
           error_set(errp, "Cannot change the option '%s.driver'", name);
}

/* Takes @opts over. */
static bool add_item(Reopen *re, BlockNode *n, BlockdevOptions *opts,
                     const BlockOpenFlags *inherit, bool explicit, Error **errp)
{
    Item *it = find_item(re, n);

    if (it && it->explicit) {
        qapi_free_BlockdevOptions(opts);
        return true;
    }
    if (it) {
        g_ptr_array_remove(re->items, it);
    }
    it = g_new0(Item, 1);
    it->r.n = n;
    it->r.opts = it->opts = opts;
    it->dict = options_dict(opts);
    it->explicit = explicit;
    it->edges = g_array_new(FALSE, FALSE, sizeof(EdgeChange));
    g_ptr_array_add(re->items, it);
    if (!check_options(it, errp) ||
        !block_flags_from_options(opts, inherit, &it->r.flags, errp) ||
        !new_child_from_nothing(it, "backing", errp)) {
        return false;
    }
    for (BlockEdge *e = n->children; e; e = e->next) {
        if (!add_child(re, it, e, errp)) {
            return false;
        }
    }
    return true;
}

/* Children
 * ----------------------------------------------------------------------- */

static bool plan_edge(Item *it, BlockEdge *e, const char *name, Error **errp)
{
    BlockNode *n = it->r.n;
    QObject *spec = qdict_get(it->dict, name);
    EdgeChange c = { .edge = e, .old = e ? e->node : NULL };

    if (!spec && e && !strcmp(name, "data-file")) {
        return true; /* the image names it: stays */
    }
    if (!spec && e) {
        return error_set(errp, "%s is missing for '%s'", name, n->name);
    }
    if (!spec || qobject_type(spec) == QTYPE_QDICT) {
        return true;
    }
    if (qobject_type(spec) == QTYPE_QSTRING) {
        c.new = node_lookup(n->graph, NULL, qobject_get_str(spec), errp);
        if (!c.new) {
            return false;
        }
    }
    if (c.new == skip_implicit(c.old)) {
        return true;
    }
    if (c.old && c.old->implicit) {
        return error_set(errp, "Cannot replace implicit %s child of %s", name,
                         n->name);
    }
    if (c.old && job_claiming(n) && job_claiming(n) == job_claiming(c.old)) {
        return error_set(errp,
                         "Cannot change frozen '%s' link from '%s' to '%s'",
                         name, n->name, c.old->name);
    }
    if (c.new) {
        node_ref(c.new);
        if (!e) {
            c.edge = edge_new(c.new, n, name, BLOCK_ROLE_COW);
        }
    }
    g_array_append_val(it->edges, c);
    return true;
}

static bool plan_children(Item *it, Error **errp)
{
    BlockNode *n = it->r.n;

    for (BlockEdge *e = n->children; e; e = e->next) {
        if (!plan_edge(it, e, e->name, errp)) {
            return false;
        }
    }
    if (!n->backing && !plan_edge(it, NULL, "backing", errp)) {
        return false;
    }
    it->r.file = n->file ? n->file->node : NULL;
    for (guint i = 0; i < it->edges->len; i++) {
        EdgeChange *c = &g_array_index(it->edges, EdgeChange, i);

        if (!strcmp(c->edge->name, "file")) {
            it->r.file = c->new;
        }
    }
    return true;
}

static void move_edge(BlockEdge *e, BlockNode *to)
{
    edge_unlink(e);
    e->node = to;
    edge_link(e);
}

static void apply_edge(EdgeChange *c)
{
    if (!c->new) {
        edge_unlink(c->edge);
    } else if (!c->old) {
        edge_link(c->edge);
    } else {
        move_edge(c->edge, c->new);
    }
}

static void undo_edge(EdgeChange *c)
{
    if (!c->new) {
        edge_link(c->edge);
    } else if (!c->old) {
        edge_unlink(c->edge);
    } else {
        move_edge(c->edge, c->old);
    }
}

/* After the commit: references to what is not used any more. */
static void finish_edge(EdgeChange *c)
{
    if (!c->new) {
        edge_free(c->edge);
    } else if (c->old) {
        if (c->old->inherits == c->edge->parent) {
            c->old->inherits = NULL;
        }
        node_unref(c->old);
        c->new = NULL; /* the edge's now */
    }
    c->edge = NULL;
}

static bool apply_edges(Item *it, Error **errp)
{
    for (guint i = 0; i < it->edges->len; i++) {
        EdgeChange *c = &g_array_index(it->edges, EdgeChange, i);
        const char *name = c->edge->name;

        if (c->new && node_reaches(c->new, it->r.n)) {
            error_set(errp,
                      "Making '%s' a %s child of '%s' would create a cycle",
                      c->new->name, name, it->r.n->name);
        } else if (c->new && c->new->depth >= BLOCK_MAX_DEPTH) {
            error_set(errp, "The chain of images below '%s' is too long",
                      c->new->name);
        } else {
            apply_edge(c);
            continue;
        }
        /* Take back those before; drop this and those after. */
        while (i-- > 0) {
            undo_edge(&g_array_index(it->edges, EdgeChange, i));
        }
        return false;
    }
    return true;
}

static void undo_edges(Item *it)
{
    for (guint i = it->edges->len; i-- > 0;) {
        undo_edge(&g_array_index(it->edges, EdgeChange, i));
    }
}

/* Drivers
 * ------------------------------------------------------------------------ */

typedef struct DriverCall {
    Item *it;
    bool ok;
    Error **errp;
} DriverCall;

static void coroutine_fn prepare_entry(void *opaque)
{
    DriverCall *call = opaque;
    BlockNode *n = call->it->r.n;
    int ret = node_flush(n);

    if (ret < 0) {
        call->ok = error_errno(call->errp, -ret, "Error flushing drive");
        return;
    }
    call->ok = !n->drv->reopen || !n->drv->reopen->prepare ||
               n->drv->reopen->prepare(&call->it->r, call->errp);
}

static void coroutine_fn commit_entry(void *opaque)
{
    Item *it = opaque;

    it->r.n->drv->reopen->commit(&it->r);
}

static void coroutine_fn abort_entry(void *opaque)
{
    Item *it = opaque;

    it->r.n->drv->reopen->abort(&it->r);
}

static bool prepare_driver(Item *it, Error **errp)
{
    DriverCall call = { it, false, errp };

    block_run(prepare_entry, &call);
    it->prepared = call.ok;
    return call.ok;
}

/* The whole
 * ---------------------------------------------------------------------- */

static bool will_be_writable(Reopen *re, const BlockNode *n)
{
    Item *it = find_item(re, n);

    return it ? !it->r.read_only ||
                    (it->r.flags.auto_read_only && !it->r.flags.read_only)
              : block_can_write(n);
}

static void decide_read_only(Reopen *re, Item *it)
{
    BlockReopen *r = &it->r;
    bool auto_ro = r->flags.auto_read_only && !r->flags.read_only;

    r->read_only = r->flags.read_only;
    if (auto_ro && r->n->drv->protocol) {
        r->read_only = r->n->read_only; /* until its users are known */
    } else if (auto_ro && r->file) {
        r->read_only = !will_be_writable(re, r->file);
    }
}

static bool change_graph(Reopen *re, Error **errp)
{
    for (guint i = 0; i < re->items->len; i++) {
        Item *it = re->items->pdata[i];
        BlockNode *n = it->r.n;

        if (!apply_edges(it, errp)) {
            while (i-- > 0) {
                undo_edges(re->items->pdata[i]);
            }
            return false;
        }
        it->old_flags = n->flags;
        it->old_read_only = n->read_only;
    }
    for (guint i = re->items->len; i-- > 0;) {
        Item *it = re->items->pdata[i];

        it->r.n->flags = it->r.flags;
        it->r.n->read_only = it->r.read_only;
    }
    return true;
}

static void restore_graph(Reopen *re)
{
    for (guint i = re->items->len; i-- > 0;) {
        Item *it = re->items->pdata[i];

        it->r.n->flags = it->old_flags;
        it->r.n->read_only = it->old_read_only;
        undo_edges(it);
    }
}

/* Does a device, job or tool write to what is read-only from now on? */
static bool check_writers(const Item *it, Error **errp)
{
    const BlockNode *n = it->r.n;

    for (guint i = 0; n->read_only && i < n->parents->len; i++) {
        const BlockEdge *e = n->parents->pdata[i];

        if (e->blk && (e->perm & BLK_PERM_WRITE)) {
            return error_set(errp,
                             "Read-only block node '%s' cannot support "
                             "read-write users",
                             n->name);
        }
    }
    return true;
}

static bool change_permissions(Reopen *re, Error **errp)
{
    g_autoptr(GPtrArray) nodes = g_ptr_array_new();

    for (guint i = 0; i < re->items->len; i++) {
        Item *it = re->items->pdata[i];

        if (!it->old_read_only && !check_writers(it, errp)) {
            return false;
        }
        g_ptr_array_add(nodes, it->r.n);
        for (guint j = 0; j < it->edges->len; j++) {
            EdgeChange *c = &g_array_index(it->edges, EdgeChange, j);

            if (c->old) {
                g_ptr_array_add(nodes, c->old);
            }
        }
    }
    return nodes_refresh_perms(nodes, errp);
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

static void commit(Reopen *re)
{
    for (guint i = 0; i < re->items->len; i++) {
        Item *it = re->items->pdata[i];
        BlockNode *n = it->r.n;

        if (n->drv->reopen && n->drv->reopen->commit) {
            block_run(commit_entry, it);
        }
        n->detect_zeroes =
            it->opts->has_detect_zeroes ? (int)it->opts->detect_zeroes : 0;
        qapi_free_BlockdevOptions(n->opts);
        n->opts = g_steal_pointer(&it->opts);
    }
    /* Last, as this may close nodes. */
    for (guint i = 0; i < re->items->len; i++) {
        Item *it = re->items->pdata[i];

        for (guint j = 0; j < it->edges->len; j++) {
            finish_edge(&g_array_index(it->edges, EdgeChange, j));
        }
    }
    refresh_limits(re->g);
}

static void abort_drivers(Reopen *re)
{
    for (guint i = 0; i < re->items->len; i++) {
        Item *it = re->items->pdata[i];

        if (it->prepared && it->r.n->drv->reopen &&
            it->r.n->drv->reopen->abort) {
            block_run(abort_entry, it);
        }
    }
}

static bool collect(Reopen *re, const BlockdevOptionsList *list, Error **errp)
{
    QAPI_LIST_FOREACH(list, o) {
        const BlockdevOptions *opts = o->value;
        BlockNode *n;

        if (!opts->node_name) {
            return error_set(errp, "node-name not specified");
        }
        n = node_find(re->g, opts->node_name);
        if (!n) {
            return error_set(errp, "Failed to find node with node-name='%s'",
                             opts->node_name);
        }
        if (!n->opts) {
            return error_set(errp, "Node '%s' belongs to a job", n->name);
        }
        if (!add_item(re, n, qapi_clone(&qapi_type_BlockdevOptions, opts), NULL,
                      true, errp)) {
            return false;
        }
    }
    return true;
}

static bool prepare(Reopen *re, Error **errp)
{
    for (guint i = 0; i < re->items->len; i++) {
        if (!plan_children(re->items->pdata[i], errp)) {
            return false;
        }
    }
    for (guint i = re->items->len; i-- > 0;) {
        decide_read_only(re, re->items->pdata[i]);
    }
    for (guint i = 0; i < re->items->len; i++) {
        if (!prepare_driver(re->items->pdata[i], errp)) {
            return false;
        }
    }
    return true;
}

/* @collected: the items are complete. */
static bool run(Reopen *re, bool collected, Error **errp)
{
    bool ok = collected && prepare(re, errp) && change_graph(re, errp);

    if (ok && !change_permissions(re, errp)) {
        restore_graph(re);
        ok = false;
    }
    if (ok) {
        commit(re);
    } else {
        abort_drivers(re);
    }
    g_ptr_array_free(re->items, TRUE);
    return ok;
}

bool block_reopen(BlockGraph *g, const BlockdevOptionsList *list, Error **errp)
{
    Reopen re = { g, g_ptr_array_new_with_free_func(item_free) };
    GPtrArray *users = graph_drain(g);
    bool ok = run(&re, collect(&re, list, errp), errp);

    node_undrain(users);
    return ok;
}

/* Read-only or not
 * -------------------------------------------------------------- */

/* @n's options as they were given, with the children it has now. */
static QDict *current_dict(const BlockNode *n)
{
    QDict *d = options_dict(n->opts);

    for (const BlockEdge *e = n->children; e; e = e->next) {
        QObject *spec = qdict_get(d, e->name);

        if (!spec || qobject_type(spec) != QTYPE_QDICT ||
            e->node->inherits != n) {
            qdict_put_str(d, e->name, e->node->name);
        }
    }
    if (!n->backing) {
        qdict_del(d, "backing");
    }
    qdict_put_str(d, "node-name", n->name);
    return d;
}

static BlockdevOptions *current_options(const BlockNode *n, bool read_only)
{
    g_autoptr(QDict) d = current_dict(n);
    autoerr Error *err = NULL;

    qdict_put_bool(d, "read-only", read_only);
    if (read_only) {
        qdict_del(d, "auto-read-only");
    }
    return qapi_from_qobject(&qapi_type_BlockdevOptions, QOBJECT(d),
                             QAPI_STRICT, &err);
}

/* @opts, which are taken over, for @n. */
static bool reopen_one(BlockNode *n, BlockdevOptions *opts,
                       const BlockOpenFlags *inherit, Error **errp)
{
    Reopen re = { n->graph, g_ptr_array_new_with_free_func(item_free) };
    GPtrArray *users = graph_drain(n->graph);
    bool ok = run(&re, add_item(&re, n, opts, inherit, true, errp), errp);

    node_undrain(users);
    return ok;
}

bool block_reopen_read_only(BlockNode *n, bool read_only, Error **errp)
{
    BlockOpenFlags inherit = n->flags;
    BlockdevOptions *opts = n->opts ? current_options(n, read_only) : NULL;

    if (!opts) {
        return error_set(errp, "Node '%s' cannot be reopened", n->name);
    }
    inherit.auto_read_only = inherit.auto_read_only && !read_only;
    return reopen_one(n, opts, &inherit, errp);
}

/* Some options
 * ------------------------------------------------------------------ */

static bool same_text(const QObject *now, const QObject *new)
{
    const char *text = qobject_get_str(new);

    return now && text && qobject_type(now) == QTYPE_QSTRING &&
           !strcmp(qobject_get_str(now), text);
}

static QDict *changed_dict(const BlockNode *n, const QDict *changes,
                           Error **errp);

static BlockEdge *find_child(const BlockNode *n, const char *name)
{
    BlockEdge *e = n->children;

    while (e && strcmp(e->name, name)) {
        e = e->next;
    }
    return e;
}

/* Options of a child, or another child. */
static bool change_child(const BlockNode *n, const BlockEdge *e, QDict *d,
                         const QObject *v, Error **errp)
{
    QDict *sub;

    if (qobject_type(v) != QTYPE_QDICT) {
        qdict_put(d, e->name, qobject_ref((QObject *)v));
        return true;
    }
    if (e->node->inherits != n) {
        return error_set(errp, "Cannot change the option '%s.driver'", e->name);
    }
    sub = changed_dict(e->node, qobject_to_dict(v), errp);
    if (!sub) {
        return false;
    }
    qdict_put(d, e->name, sub);
    return true;
}

/* "cache.direct" and the like. */
static bool change_group(const BlockNode *n, QDict *d, const char *name,
                         const QDict *changes, Error **errp)
{
    QDict *group = qdict_get_dict(d, name);

    if (!group) {
        group = qdict_new();
        qdict_put(d, name, group);
    }
    QDICT_FOREACH(changes, e) {
        g_autofree char *key = g_strdup_printf("%s.%s", name, e->key);

        if (!may_change(n, key)) {
            return error_set(errp, "Cannot change the option '%s'", key);
        }
        qdict_put(group, e->key, qobject_ref(e->value));
    }
    return true;
}

/* @n's options with @changes; NULL on error. */
static QDict *changed_dict(const BlockNode *n, const QDict *changes,
                           Error **errp)
{
    g_autoptr(QDict) d = current_dict(n);

    QDICT_FOREACH(changes, e) {
        BlockEdge *child = find_child(n, e->key);
        QDict *group = qobject_to_dict(e->value);
        bool ok = true;

        if (child) {
            ok = change_child(n, child, d, e->value, errp);
        } else if (group) {
            ok = change_group(n, d, e->key, group, errp);
        } else if (may_change(n, e->key)) {
            qdict_put(d, e->key, qobject_ref(e->value));
        } else if (!same_text(qdict_get(d, e->key), e->value)) {
            ok = error_set(errp, "Cannot change the option '%s'", e->key);
        }
        if (!ok) {
            return NULL;
        }
    }
    return g_steal_pointer(&d);
}

bool block_reopen_change(BlockNode *n, const QDict *changes, Error **errp)
{
    g_autoptr(QDict) d = NULL;
    BlockdevOptions *opts;

    if (!n->opts) {
        return error_set(errp, "Node '%s' cannot be reopened", n->name);
    }
    d = changed_dict(n, changes, errp);
    if (!d) {
        return false;
    }
    block_convert_sizes(d);
    opts = qapi_from_qobject(&qapi_type_BlockdevOptions, QOBJECT(d),
                             QAPI_KEYVAL, errp);
    return opts && reopen_one(n, opts, &n->flags, errp);
}

typedef struct Grow {
    BlockNode *n;
    int64_t length;
    bool ok;
    Error **errp;
} Grow;

static void coroutine_fn grow_entry(void *opaque)
{
    Grow *grow = opaque;

    grow->ok = node_truncate(grow->n, grow->length, false, grow->errp);
}

/* A user of our own, for the permission. */
static bool grow(BlockNode *n, int64_t length, Error **errp)
{
    Grow job = { .n = n, .length = length, .errp = errp };
    BlockBackend *blk = blk_new(n->graph, BLK_PERM_RESIZE, BLK_PERM_ALL);

    if (blk_insert_node(blk, n, errp)) {
        block_run(grow_entry, &job);
    }
    blk_unref(blk);
    return job.ok;
}

bool block_make_writable(BlockNode *n, int64_t length, Error **errp)
{
    bool was = n->read_only;

    if (was && !block_reopen_read_only(n, false, errp)) {
        return false;
    }
    if (node_length(n) >= length || grow(n, length, errp)) {
        return true;
    }
    if (was) {
        autoerr Error *err = NULL;

        block_reopen_read_only(n, true, &err);
    }
    return false;
}
