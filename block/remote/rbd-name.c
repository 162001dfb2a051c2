/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "rbd:POOL/[NAMESPACE/]IMAGE[@SNAPSHOT][:NAME=VALUE...]"; '\' before a
 * character takes its meaning away. */
#include "util/osdep.h"

#include "block/remote/remote.h"
#include "util/error.h"

/* What is before the first of @ends, and after it; *@at: which it was. */
static char *next_part(const char **text, const char *ends, char *at)
{
    const char *p = *text;
    GString *part = g_string_new(NULL);

    while (*p && !strchr(ends, *p)) {
        p += p[0] == '\\' && p[1];
        g_string_append_c(part, *p++);
    }
    *at = *p;
    *text = *p ? p + 1 : p;
    return g_string_free(part, FALSE);
}

/* "IMAGE" or "NAMESPACE/IMAGE", and up to the settings. */
static void image_options(QDict *d, const char **rest, char *at)
{
    g_autofree char *first = next_part(rest, "/@:", at);
    g_autofree char *image = NULL, *snapshot = NULL;

    if (*at == '/') {
        qdict_put_str(d, "namespace", first);
        image = next_part(rest, "@:", at);
    }
    qdict_put_str(d, "image", image ? image : first);
    if (*at == '@') {
        snapshot = next_part(rest, ":", at);
        if (*snapshot) {
            qdict_put_str(d, "snapshot", snapshot);
        }
    }
}

static bool setting(QDict *d, QList *others, const char **rest, Error **errp)
{
    g_autofree char *name = NULL, *value = NULL, *both = NULL;
    char at;

    name = next_part(rest, "=:", &at);
    if (at != '=') {
        return error_set(errp, "conf option %s has no value", name);
    }
    value = next_part(rest, ":", &at);
    if (!strcmp(name, "id")) {
        qdict_put_str(d, "user", value);
    } else if (!strcmp(name, "conf")) {
        qdict_put_str(d, "conf", value);
    } else {
        both = g_strconcat(name, "=", value, NULL);
        qlist_append_str(others, both);
    }
    return true;
}

QDict *rbd_name_options(const BlockGraph *g, const char *name, Error **errp)
{
    g_autoptr(QDict) d = qdict_new();
    const char *rest = name + strlen("rbd:");
    g_autofree char *pool = NULL;
    QList *others;
    char at;

    qdict_put_str(d, "driver", "rbd");
    pool = next_part(&rest, "/", &at);
    if (at != '/') {
        error_set(errp, "Pool name is required");
        return NULL;
    }
    qdict_put_str(d, "pool", pool);
    image_options(d, &rest, &at);
    if (at != ':') {
        return g_steal_pointer(&d);
    }
    others = qlist_new();
    qdict_put(d, "x-settings", others);
    while (*rest) {
        if (!setting(d, others, &rest, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&d);
}
