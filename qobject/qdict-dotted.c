/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dicts with dotted keys, as the command line spells nested options. */
#include "util/osdep.h"

#include "qobject/qobject.h"
#include "util/error.h"

#define MAX_CRUMPLE_DEPTH 128

static void flatten_value(QDict *out, const char *key, QObject *value);

static void flatten_children(QDict *out, const char *prefix, QObject *value)
{
    QDict *dict = qobject_to_dict(value);
    size_t i = 0;

    if (dict) {
        QDICT_FOREACH(dict, e) {
            g_autofree char *key = g_strdup_printf("%s.%s", prefix, e->key);

            flatten_value(out, key, e->value);
        }
        return;
    }
    QLIST_FOREACH(qobject_to_list(value), item) {
        g_autofree char *key = g_strdup_printf("%s.%zu", prefix, i++);

        flatten_value(out, key, item);
    }
}

static void flatten_value(QDict *out, const char *key, QObject *value)
{
    QDict *dict = qobject_to_dict(value);
    QList *list = qobject_to_list(value);

    if ((dict && qdict_size(dict)) || (list && qlist_size(list))) {
        flatten_children(out, key, value);
    } else {
        qdict_put_(out, key, qobject_ref(value));
    }
}

void qdict_flatten(QDict *d)
{
    g_autoptr(QDict) out = qdict_new();

    QDICT_FOREACH(d, e) {
        flatten_value(out, e->key, e->value);
        qdict_del(d, e->key);
    }
    qdict_join(d, out, true);
}

/*
 * Cut the first component off @key, ".." being a literal dot. Returns the
 * rest after the separating dot, or NULL when there is none.
 */
static const char *split_key(const char *key, GString *head)
{
    g_string_truncate(head, 0);
    while (*key) {
        if (*key == '.') {
            if (key[1] != '.') {
                return key + 1;
            }
            key++;
        }
        g_string_append_c(head, *key++);
    }
    return NULL;
}

/* The dict for @head in @into, made when missing; NULL with an error. */
static QDict *child_dict(QDict *into, const char *head, const char *full,
                         Error **errp)
{
    QObject *child = qdict_get(into, head);

    if (!child) {
        QDict *dict = qdict_new();

        qdict_put(into, head, dict);
        return dict;
    }
    if (!qobject_to_dict(child)) {
        error_set(errp, "key '%s' clashes with its prefix", full);
        return NULL;
    }
    return qobject_to_dict(child);
}

static bool put_dotted(QDict *root, const char *key, QObject *value,
                       Error **errp)
{
    g_autoptr(GString) head = g_string_new(NULL);
    const char *rest = split_key(key, head);

    for (unsigned depth = 0; rest; depth++) {
        if (depth == MAX_CRUMPLE_DEPTH) {
            return error_set(errp, "key '%.40s...' nests too deep", key);
        }
        root = child_dict(root, head->str, key, errp);
        if (!root) {
            return false;
        }
        rest = split_key(rest, head);
    }
    if (!qdict_put_new(root, head->str, head->len, qobject_ref(value))) {
        return error_set(errp, "key '%s' clashes with another", key);
    }
    return true;
}

static bool is_index(const char *key)
{
    size_t len = strspn(key, "0123456789");

    return len && !key[len] && (key[0] != '0' || len == 1);
}

/* Turn dicts keyed 0..n-1 below @obj into lists; takes over @obj. */
static QObject *dicts_to_lists(QObject *obj, Error **errp)
{
    QDict *dict = qobject_to_dict(obj);
    size_t indices = 0;

    if (!dict || !qdict_size(dict)) {
        return obj;
    }
    QDICT_FOREACH(dict, e) {
        QObject *child = dicts_to_lists(e->value, errp);

        e->value = child;
        if (!child) {
            e->value = qnull();
            qobject_unref(dict);
            return NULL;
        }
        indices += is_index(e->key);
    }
    if (!indices) {
        return obj;
    }

    g_autoptr(QDict) owned G_GNUC_UNUSED = dict;
    g_autoptr(QList) list = qlist_new();

    if (indices != qdict_size(dict)) {
        error_set(errp, "keys of a list and of a dict are mixed");
        return NULL;
    }
    for (size_t i = 0; i < indices; i++) {
        char key[24];
        QObject *item;

        snprintf(key, sizeof(key), "%zu", i);
        item = qdict_take(dict, key);
        if (!item) {
            error_set(errp, "list lacks element %zu", i);
            return NULL;
        }
        qlist_append(list, item);
    }
    return QOBJECT(g_steal_pointer(&list));
}

QObject *qdict_crumple(const QDict *d, Error **errp)
{
    g_autoptr(QDict) root = qdict_new();

    QDICT_FOREACH(d, e) {
        QDict *dict = qobject_to_dict(e->value);
        QList *list = qobject_to_list(e->value);

        if ((dict && qdict_size(dict)) || (list && qlist_size(list))) {
            error_set(errp, "value of '%s' is not a scalar", e->key);
            return NULL;
        }
        if (!put_dotted(root, e->key, e->value, errp)) {
            return NULL;
        }
    }
    return dicts_to_lists(QOBJECT(g_steal_pointer(&root)), errp);
}
