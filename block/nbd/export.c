/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block exports: making them, and how they go. */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/nbd/server.h"
#include "qapi/qapi-events-block-export.h"
#include "util/error.h"

BlockExports *block_exports_get(BlockGraph *g)
{
    BlockExports *all = g->exports;

    if (!all) {
        all = g_new0(BlockExports, 1);
        all->graph = g;
        all->list = g_ptr_array_new();
        all->nbd.all = all;
        all->nbd.fd = -1;
        all->nbd.conns = g_ptr_array_new();
        g->exports = all;
    }
    return all;
}

static BlockExport *export_by_id(const BlockGraph *g, const char *id)
{
    for (guint i = 0; g->exports && i < g->exports->list->len; i++) {
        BlockExport *exp = g->exports->list->pdata[i];

        if (!strcmp(exp->id, id)) {
            return exp;
        }
    }
    return NULL;
}

BlockExport *nbd_export_find(BlockExports *all, const char *name)
{
    for (guint i = 0; i < all->list->len; i++) {
        BlockExport *exp = all->list->pdata[i];

        if (exp->type == BLOCK_EXPORT_TYPE_NBD && !exp->shutting_down &&
            !strcmp(exp->name, name)) {
            return exp;
        }
    }
    return NULL;
}

/* Life -----------------------------------------------------------------------
 */

static void export_free(BlockExport *exp)
{
    if (exp->ops->free) {
        exp->ops->free(exp);
    }
    blk_unref(exp->blk);
    if (exp->thread.release) {
        exp->thread.release(exp->thread.opaque);
    }
    g_free(exp->id);
    g_free(exp->name);
    g_free(exp->description);
    g_free(exp);
}

/* The last client has left an export that was asked to go. */
static void export_gone(BlockExport *exp)
{
    BlockGraph *g = exp->all->graph;
    g_autofree char *id = g_strdup(exp->id);

    g_ptr_array_remove(exp->all->list, exp);
    export_free(exp);
    qapi_event_send_block_export_deleted(block_events(g), id);
}

void nbd_export_get(BlockExport *exp)
{
    exp->conns++;
}

void nbd_export_put(BlockExport *exp)
{
    exp->conns--;
    if (!exp->conns && exp->shutting_down) {
        export_gone(exp);
    }
}

void nbd_export_shutdown(BlockExport *exp)
{
    if (exp->shutting_down) {
        return;
    }
    exp->shutting_down = true;
    nbd_export_get(exp);
    exp->ops->shutdown(exp);
    nbd_export_put(exp);
}

/* NBD ------------------------------------------------------------------------
 */

static bool nbd_check(BlockExport *exp, const char *name, const char *text,
                      Error **errp)
{
    if (!nbd_server_running(exp->all->graph)) {
        return error_set(errp, "NBD server not running");
    }
    if (strlen(name) > NBD_MAX_STRING) {
        return error_set(errp, "export name '%s' too long", name);
    }
    if (text && strlen(text) > NBD_MAX_STRING) {
        return error_set(errp, "description '%s' too long", text);
    }
    if (nbd_export_find(exp->all, name)) {
        return error_set(errp, "NBD server already has export named '%s'",
                         name);
    }
    return true;
}

static void nbd_describe(BlockExport *exp)
{
    const BlockLimits *l = blk_limits(exp->blk);

    exp->size = blk_getlength_sectors(exp->blk);
    exp->min_block = MIN(l->request_alignment, 65536);
    exp->pref_block = MAX(4096, exp->min_block);
    if (l->opt_transfer > exp->pref_block && is_power_of_2(l->opt_transfer)) {
        exp->pref_block = MIN(l->opt_transfer, NBD_MAX_PAYLOAD);
    }
    exp->flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
                 NBD_FLAG_SEND_CACHE;
    /* Clients share one backend, so that a flush by any is one for all; but
     * only one that lets more in has use for it. */
    if (exp->all->nbd.max_conns != 1) {
        exp->flags |= NBD_FLAG_CAN_MULTI_CONN;
    }
    if (exp->writable) {
        exp->flags |= NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES |
                      NBD_FLAG_SEND_FAST_ZERO;
    } else {
        exp->flags |= NBD_FLAG_READ_ONLY;
    }
}

static bool nbd_start(BlockExport *exp, const BlockExportOptions *opts,
                      Error **errp)
{
    const BlockExportOptionsNbd *o = &opts->u.nbd;
    const char *name = o->name ? o->name : opts->node_name;

    if (!nbd_check(exp, name, o->description, errp)) {
        return false;
    }
    if (!nbd_export_take_bitmaps(exp, blk_node(exp->blk), o->bitmaps,
                                 exp->writable, errp)) {
        return false;
    }
    exp->name = g_strdup(name);
    exp->description = g_strdup(o->description);
    exp->allocation_depth = o->has_allocation_depth && o->allocation_depth;
    nbd_describe(exp);
    return true;
}

static void nbd_shutdown(BlockExport *exp)
{
    nbd_server_kick(&exp->all->nbd, exp);
}

static void nbd_free(BlockExport *exp)
{
    if (exp->bitmaps) {
        nbd_export_drop_bitmaps(exp);
    }
}

const BlockExportOps export_ops_nbd = {
    .start = nbd_start,
    .shutdown = nbd_shutdown,
    .free = nbd_free,
    .clients_keep = true,
};

/* Making ---------------------------------------------------------------------
 */

static const BlockExportOps *const export_ops[] = {
    [BLOCK_EXPORT_TYPE_NBD] = &export_ops_nbd,
    [BLOCK_EXPORT_TYPE_VHOST_USER_BLK] = &export_ops_vhost_user_blk,
#ifdef CONFIG_FUSE
    [BLOCK_EXPORT_TYPE_FUSE] = &export_ops_fuse,
#endif
};

/* A backend for the export; NULL with an error. */
static BlockBackend *export_backend(BlockGraph *g, const BlockExportOptions *o,
                                    Error **errp)
{
    bool writable = o->has_writable && o->writable;
    uint64_t perm = BLK_PERM_READ | (writable ? BLK_PERM_WRITE : 0);
    uint64_t shared = BLK_PERM_ALL;
    BlockNode *n = node_lookup(g, NULL, o->node_name, errp);
    BlockBackend *blk;

    if (!n) {
        return NULL;
    }
    if (writable && n->read_only && !n->flags.auto_read_only) {
        error_set(errp, "Cannot export read-only node as writable");
        return NULL;
    }
    /* Clients of NBD do not learn of another size. */
    if (o->type == BLOCK_EXPORT_TYPE_NBD) {
        shared &= ~(uint64_t)BLK_PERM_RESIZE;
    }
    blk = blk_new(g, perm, shared);
    if (!blk_insert_node(blk, n, errp)) {
        blk_unref(blk);
        return NULL;
    }
    blk_set_write_cache(blk, !(o->has_writethrough && o->writethrough));
    return blk;
}

bool block_export_add(BlockGraph *g, const BlockExportOptions *o,
                      const BlockExportThread *thread, Error **errp)
{
    BlockExports *all = block_exports_get(g);
    BlockBackend *blk;
    BlockExport *exp;

    if (!block_name_ok(o->id)) {
        return error_set(errp, "Invalid block export id");
    }
    if (export_by_id(g, o->id)) {
        return error_set(errp, "Block export id '%s' is already in use", o->id);
    }
    blk = export_backend(g, o, errp);
    if (!blk) {
        return false;
    }
    exp = g_new0(BlockExport, 1);
    exp->all = all;
    exp->type = o->type;
    exp->ops = export_ops[o->type];
    exp->id = g_strdup(o->id);
    exp->blk = blk;
    exp->writable = o->has_writable && o->writable;
    exp->thread = thread ? *thread : (BlockExportThread){ 0 };
    if (!exp->thread.loop) {
        exp->thread.loop = g->loop;
    }
    if (!exp->ops->start(exp, o, errp)) {
        exp->thread.release = NULL; /* it stays the caller's */
        export_free(exp);
        return false;
    }
    g_ptr_array_add(all->list, exp);
    return true;
}

/* Management -----------------------------------------------------------------
 */

bool block_export_del(BlockGraph *g, const char *id, bool hard, Error **errp)
{
    BlockExport *exp = export_by_id(g, id);

    if (!exp) {
        return error_set(errp, "Export '%s' is not found", id);
    }
    if (exp->shutting_down) {
        return error_set(errp, "Export '%s' is already shutting down", id);
    }
    if (!hard && exp->conns && exp->ops->clients_keep) {
        error_set(errp, "export '%s' still in use", id);
        error_hint(errp, "Use mode='hard' to force client disconnect\n");
        return false;
    }
    nbd_export_shutdown(exp);
    return true;
}

BlockExportInfoList *block_export_infos(BlockGraph *g)
{
    BlockExportInfoList *list = NULL; /* the newest first */

    for (guint i = 0; g->exports && i < g->exports->list->len; i++) {
        BlockExport *exp = g->exports->list->pdata[i];
        BlockNode *n = blk_node(exp->blk);
        BlockExportInfo *info = g_new0(BlockExportInfo, 1);

        info->id = g_strdup(exp->id);
        info->type = exp->type;
        info->node_name = g_strdup(n ? n->name : "");
        info->shutting_down = exp->shutting_down;
        QAPI_LIST_PREPEND(list, info);
    }
    return list;
}

void block_exports_close(BlockGraph *g)
{
    BlockExports *all = g->exports;
    autoerr Error *err = NULL;

    if (!all) {
        return;
    }
    if (nbd_server_running(g)) {
        nbd_server_stop(g, &err);
    }
    for (guint i = all->list->len; i-- > 0;) {
        nbd_export_shutdown(all->list->pdata[i]);
    }
    while (all->list->len || all->nbd.conns->len) {
        loop_run_once(g->loop, true);
    }
    g->exports = NULL;
    g_ptr_array_free(all->list, TRUE);
    g_ptr_array_free(all->nbd.conns, TRUE);
    g_free(all);
}
