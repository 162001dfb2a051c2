/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an NBD server has to offer (proto.md, NBD_OPT_LIST, NBD_OPT_INFO,
 * NBD_OPT_LIST_META_CONTEXT). The answers have bounds. */
#include "util/osdep.h"

#include "block/nbd/client.h"

#define EXPORTS_MAX  65536
#define CONTEXTS_MAX 4096

static void listed_free(void *opaque)
{
    NbdListed *e = opaque;

    g_free(e->name);
    g_free(e->description);
    g_ptr_array_free(e->contexts, TRUE);
    g_free(e);
}

static bool add_export(GPtrArray *list, const NbdReply *r, Error **errp)
{
    uint32_t len = r->len >= 4 ? be32_get(r->data) : 0;
    NbdListed *e;

    if (r->type != NBD_REP_SERVER || r->len < 4 || len > r->len - 4) {
        return error_set(errp, "Unexpected reply to the list of exports");
    }
    e = g_new0(NbdListed, 1);
    e->name = g_strndup((const char *)r->data + 4, len);
    if (r->len > 4 + len) {
        e->description =
            g_strndup((const char *)r->data + 4 + len, r->len - 4 - len);
    }
    e->contexts = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(list, e);
    return true;
}

static bool coroutine_fn list_names(NbdStream *s, GPtrArray *list, Error **errp)
{
    g_autofree NbdReply *r = g_malloc(sizeof(*r));

    if (!nbd_send_option(s, NBD_OPT_LIST, NULL, 0, errp)) {
        return false;
    }
    while (list->len < EXPORTS_MAX) {
        if (!nbd_read_reply(s, NBD_OPT_LIST, r, errp)) {
            return false;
        }
        if (r->type == NBD_REP_ACK) {
            return true;
        }
        if (r->type >> 31) {
            return error_set(errp, "Server refuses to list its exports");
        }
        if (!add_export(list, r, errp)) {
            return false;
        }
    }
    return error_set(errp, "Server lists too many exports");
}

static bool coroutine_fn list_contexts(NbdStream *s, NbdListed *e, Error **errp)
{
    size_t name = strlen(e->name);
    g_autofree uint8_t *data = g_malloc0(4 + name + 4);
    g_autofree NbdReply *r = g_malloc(sizeof(*r));

    be32_put(data, name);
    memcpy(data + 4, e->name, name);
    if (!nbd_send_option(s, NBD_OPT_LIST_META_CONTEXT, data, 4 + name + 4,
                         errp)) {
        return false;
    }
    while (e->contexts->len < CONTEXTS_MAX) {
        if (!nbd_read_reply(s, NBD_OPT_LIST_META_CONTEXT, r, errp)) {
            return false;
        }
        if (r->type == NBD_REP_ACK || r->type >> 31) {
            return true;
        }
        if (r->type != NBD_REP_META_CONTEXT || r->len < 4) {
            break;
        }
        g_ptr_array_add(e->contexts, g_strdup((const char *)r->data + 4));
    }
    return error_set(errp, "Unexpected reply about metadata contexts");
}

GPtrArray *coroutine_fn nbd_list(NbdStream *s, const NbdClientTls *tls,
                                 Error **errp)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(listed_free);
    bool structured = false, old = false;
    autoerr Error *bye = NULL;

    if (!nbd_hello(s, tls, errp) || !nbd_ask_structured(s, &structured, errp) ||
        !list_names(s, list, errp)) {
        return NULL;
    }
    for (guint i = 0; i < list->len && !old; i++) {
        NbdListed *e = list->pdata[i];

        if (!nbd_ask_info(s, NBD_OPT_INFO, e->name, &e->info, &old, errp)) {
            return NULL;
        }
        e->have_info = !old;
        if (structured && !old && !list_contexts(s, e, errp)) {
            return NULL;
        }
    }
    nbd_send_option(s, NBD_OPT_ABORT, NULL, 0, &bye);
    return g_steal_pointer(&list);
}
