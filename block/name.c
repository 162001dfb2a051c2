/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of nodes that no path or URL describes: "json:{...}" with the options
 * that decide what is read there. Headers of images name their backing files
 * so, and whoever opens those must find the same data.
 */
#include "util/osdep.h"

#include "block/block-node.h"
#include "block/drivers.h"
#include "qapi/qapi-types-block-core.h"
#include "qobject/json.h"
#include "util/error.h"

/* These change how, and not what. */
static const char *const weak_options[] = {
    "aio",
    "auto-read-only",
    "cache",
    "cache-clean-interval",
    "cache-size",
    "detect-zeroes",
    "discard",
    "discard-no-unref",
    "drop-cache",
    "force-share",
    "l2-cache-entry-size",
    "l2-cache-size",
    "latency-ns",
    "lazy-refcounts",
    "locking",
    "node-name",
    "open-timeout",
    "overlap-check",
    "pass-discard-other",
    "pass-discard-request",
    "pass-discard-snapshot",
    "read-only",
    "reconnect-delay",
    "refcount-cache-size",
    "x-check-cache-dropped",
    "x-password", /* of an URL; nobody else is to see it */
};

static QDict *strong_options(const BlockNode *n, const BlockdevOptions *opts)
{
    g_autoptr(QObject) all = qapi_to_qobject(&qapi_type_BlockdevOptions, &opts);
    QDict *d = qobject_to_dict(all);

    for (size_t i = 0; i < ARRAY_SIZE(weak_options); i++) {
        qdict_del(d, weak_options[i]);
    }
    qdict_del(d, "backing");
    qdict_del(d, "children");
    for (const BlockEdge *e = n->children; e; e = e->next) {
        const BlockNode *child = e->node;
        bool given =
            qdict_has(d, e->name) || g_str_has_prefix(e->name, "children.");

        while (!child->opts && child->file) {
            child = child->file->node; /* a job's filter */
        }
        qdict_del(d, e->name); /* children come last */
        if (given && child->opts) {
            qdict_put(d, e->name, strong_options(child, child->opts));
        }
    }
    return qobject_to_dict(qobject_ref(all));
}

static char *json_name(const BlockNode *n, const BlockdevOptions *opts)
{
    g_autoptr(QDict) d = strong_options(n, opts);
    g_autoptr(QObject) tree = NULL;
    g_autofree char *text = NULL;
    Error *err = NULL;

    /* "children.0" is of a list. */
    qdict_flatten(d);
    tree = qdict_crumple(d, &err);
    if (!tree) {
        error_free(err);
        return g_strdup("");
    }
    text = qobject_to_json(tree);
    return g_strconcat("json:", text, NULL);
}

static bool is_json(const BlockNode *n)
{
    return g_str_has_prefix(n->filename, "json:");
}

void block_name_node(BlockNode *n, const BlockdevOptions *opts,
                     const char *name, bool complete)
{
    const BlockNode *below = n->file ? n->file->node : NULL;
    bool format = below && n->drv != &block_driver_raw;
    char *new;

    if (complete && below) {
        /* Raw is not what is found below another format. */
        complete =
            !is_json(below) && !(format && below->drv == &block_driver_raw);
        name = below->filename;
    }
    new = complete ? g_strdup(name) : json_name(n, opts);
    g_free(n->filename);
    n->filename = new;
}

const char *block_node_path(const BlockNode *n)
{
    while (is_json(n) && n->file) {
        n = n->file->node;
    }
    return n->filename;
}
