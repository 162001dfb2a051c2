/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -iscsi: how to log in to the targets that URLs name. */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/block-options.h"
#include "qobject/keyval.h"
#include "util/error.h"

/* The option of a node that stands for @name, or NULL. */
static const char *node_option(const char *name)
{
    static const char *const same[] = { "user",          "password-secret",
                                        "header-digest", "initiator-name",
                                        "timeout",       "id" };

    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        if (!strcmp(name, same[i])) {
            return same[i];
        }
    }
    return strcmp(name, "password") ? NULL : "x-password";
}

static bool take_option(QDict *o, const char *name, const char *value,
                        Error **errp)
{
    static const char *const digests[][2] = {
        { "CRC32C", "crc32c" },
        { "NONE", "none" },
        { "CRC32C-NONE", "crc32c-none" },
        { "NONE-CRC32C", "none-crc32c" },
    };
    const char *option = node_option(name);
    uint64_t v;

    if (!option) {
        return error_set(errp, "Invalid parameter '%s'", name);
    }
    if (!strcmp(name, "timeout") && !parse_uint64(value, &v)) {
        return error_set(errp, "Parameter 'timeout' expects a number");
    }
    if (!strcmp(name, "header-digest")) {
        const char *digest = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(digests); i++) {
            digest = strcmp(value, digests[i][0]) ? digest : digests[i][1];
        }
        if (!digest) {
            return error_set(errp, "Invalid header-digest setting : %s", value);
        }
        value = digest;
    }
    qdict_put_str(o, option, value);
    return true;
}

bool block_add_iscsi_option(BlockGraph *g, const char *text, Error **errp)
{
    g_autoptr(QDict) given = keyval_parse(text, NULL, NULL, errp);
    g_autoptr(QDict) o = qdict_new();
    const char *id;

    if (!given) {
        return false;
    }
    QDICT_FOREACH(given, e) {
        const char *value = qobject_get_str(e->value);

        if (!take_option(o, e->key, value ? value : "", errp)) {
            return false;
        }
    }
    g->iscsi = g->iscsi ? g->iscsi : qdict_new();
    if (!qdict_has(g->iscsi, "")) {
        /* The first is also for those that no other names. */
        g_autoptr(QDict) first = qobject_to_dict(qobject_clone(QOBJECT(o)));

        qdict_del(first, "id");
        qdict_put(g->iscsi, "", qobject_ref(first));
    }
    id = qdict_get_str(o, "id");
    if (id) {
        g_autofree char *target = g_strdup(id);

        qdict_del(o, "id");
        qdict_put(g->iscsi, target, qobject_ref(o));
    }
    return true;
}
