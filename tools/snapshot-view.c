/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The snapshot inside an image that an option names. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "qapi/qapi-types-block-core.h"
#include "qobject/keyval.h"
#include "tools/snapshot-view.h"
#include "util/error.h"

const char *snapshot_find_id(const SnapshotInfoList *list, const char *name,
                             bool ids)
{
    QAPI_LIST_FOREACH(list, e) {
        if (ids && !strcmp(e->value->id, name)) {
            return e->value->id;
        }
    }
    QAPI_LIST_FOREACH(list, e) {
        if (!strcmp(e->value->name, name)) {
            return e->value->id;
        }
    }
    return NULL;
}

bool snapshot_param_parse(const char *text, char **id, char **name)
{
    static const char *const keys[] = { "snapshot.id", "snapshot.name", NULL };
    g_autoptr(QDict) d = NULL;
    Error *err = NULL;

    if (!g_str_has_prefix(text, "snapshot.")) {
        return true;
    }
    d = keyval_parse_flat(text, NULL, false, NULL, &err);
    d = d ? d : qdict_new();
    QDICT_FOREACH(d, e) {
        if (!err && !g_strv_contains(keys, e->key)) {
            error_set(&err, "Invalid parameter '%s'", e->key);
        }
    }
    if (err) {
        error_report_err(err);
        error_report("Failed in parsing snapshot param '%s'", text);
        return false;
    }
    if (id) {
        *id = g_strdup(qdict_get_str(d, keys[0]));
        *name = g_strdup(qdict_get_str(d, keys[1]));
    }
    return true;
}

typedef struct View {
    BlockNode *n;
    const char *id;
    Error **errp;
    bool ok;
} View;

static void coroutine_fn view_entry(void *opaque)
{
    View *v = opaque;

    v->ok = v->n->drv->snapshot->view(v->n, v->id, v->errp);
}

static const char *match(const SnapshotInfoList *list, const char *id,
                         const char *name)
{
    QAPI_LIST_FOREACH(list, e) {
        if ((!id || !strcmp(e->value->id, id)) &&
            (!name || !strcmp(e->value->name, name))) {
            return e->value->id;
        }
    }
    return NULL;
}

bool snapshot_view(BlockNode *n, const char *param, Error **errp)
{
    g_autofree char *id = NULL, *name = NULL;
    ImageInfo *info;
    View v = { .n = n, .errp = errp };

    if (!n->drv->snapshot || !n->drv->snapshot->view) {
        return error_set(errp,
                         "Block format '%s' used by device '' does not support "
                         "temporarily loading internal snapshots",
                         n->drv->name);
    }
    snapshot_param_parse(param, &id, &name);
    info = block_image_info(n, false);
    v.id = id || name ? match(info->snapshots, id, name)
                      : snapshot_find_id(info->snapshots, param, true);
    if (!v.id) {
        error_set(errp, "Can't find snapshot");
    } else {
        block_run(view_entry, &v);
    }
    qapi_free_ImageInfo(info);
    return v.ok;
}
