/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option text, "key=value,...": see qobject/keyval.h for the grammar. */
#include "util/osdep.h"

#include "qobject/keyval.h"
#include "util/error.h"

#define MAX_KEY_LEN 1024

/* The value at *text up to a single comma; *text moves past that. */
static char *take_value(const char **text)
{
    GString *value = g_string_new(NULL);
    const char *p = *text;

    for (; *p; p++) {
        if (*p == ',') {
            if (p[1] != ',') {
                break;
            }
            p++;
        }
        g_string_append_c(value, *p);
    }
    *text = *p ? p + 1 : p;
    return g_string_free(value, FALSE);
}

/* Length of the key at @p: what is before '=', when that is before ','. */
static size_t key_len(const char *p)
{
    size_t len = strcspn(p, "=,");

    return p[len] == '=' ? len : 0;
}

static bool key_name_ok(const char *key)
{
    bool start = true;

    for (const char *p = key; *p; p++) {
        if (*p == '.') {
            if (start) {
                return false;
            }
            start = true;
        } else if (g_ascii_isalnum(*p) || (!start && strchr("-_", *p)) ||
                   (start && *p == '_')) {
            start = false;
        } else {
            return false;
        }
    }
    return !start;
}

/* One item of the option, taken apart. @key NULL: a bare word. */
typedef struct Item {
    char *key, *value;
} Item;

static void item_clear(Item *item)
{
    g_free(item->key);
    g_free(item->value);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Item, item_clear)

static bool next_item(const char **text, Item *item, Error **errp)
{
    size_t len = key_len(*text);

    if (**text == '=') {
        return error_set(errp, "expected a key before '%.20s'", *text);
    }
    if (len > MAX_KEY_LEN) {
        return error_set(errp, "key '%.40s...' is too long", *text);
    }
    if (len) {
        item->key = g_strndup(*text, len);
        *text += len + 1;
    }
    item->value = take_value(text);
    return true;
}

static bool is_help(const Item *item)
{
    return !item->key &&
           (!strcmp(item->value, "help") || !strcmp(item->value, "?"));
}

QDict *keyval_parse(const char *text, const char *implied_key, bool *help,
                    Error **errp)
{
    g_autoptr(QDict) flat = qdict_new();
    QObject *tree;

    for (bool first = true; *text; first = false) {
        g_auto(Item) item = { 0 };

        if (!next_item(&text, &item, errp)) {
            return NULL;
        }
        if (help && is_help(&item)) {
            *help = true;
            continue;
        }
        if (!item.key) {
            if (!first || !implied_key || !*item.value) {
                error_set(errp, "expected '=' after parameter '%s'",
                          item.value);
                return NULL;
            }
            item.key = g_strdup(implied_key);
        } else if (!key_name_ok(item.key)) {
            error_set(errp, "invalid parameter '%s'", item.key);
            return NULL;
        }
        qdict_put(flat, item.key, qstr_new(item.value));
    }
    tree = qdict_crumple(flat, errp);
    if (tree && !qobject_to_dict(tree)) {
        qobject_unref(tree);
        error_set(errp, "top-level parameters must be named");
        return NULL;
    }
    return qobject_to_dict(tree);
}

/* Keep every value of a repeated key. */
static void put_repeated(QDict *d, const char *key, const char *value)
{
    QObject *old = qdict_get(d, key);
    QList *list = qobject_to_list(old);

    if (!old) {
        qdict_put_str(d, key, value);
        return;
    }
    if (!list) {
        list = qlist_new();
        qlist_append(list, qobject_ref(old));
        qdict_put(d, key, list);
    }
    qlist_append_str(list, value);
}

/* "flag" or "noflag" without a value. */
static void put_flag(QDict *d, const char *word, bool allow_no)
{
    bool off = allow_no && g_str_has_prefix(word, "no") && word[2];
    const char *key = off ? word + 2 : word;

    warn_report("short-form boolean option '%s' deprecated", word);
    fprintf(stderr, "Please use %s=%s instead\n", key, off ? "off" : "on");
    put_repeated(d, key, off ? "off" : "on");
}

QDict *keyval_parse_flat(const char *text, const char *implied_key,
                         bool allow_no, bool *help, Error **errp)
{
    g_autoptr(QDict) d = qdict_new();

    for (bool first = true; *text; first = false) {
        g_auto(Item) item = { 0 };

        if (!next_item(&text, &item, errp)) {
            return NULL;
        }
        if (help && is_help(&item)) {
            *help = true;
        } else if (item.key) {
            put_repeated(d, item.key, item.value);
        } else if (first && implied_key) {
            qdict_put_str(d, implied_key, item.value);
        } else if (!*item.value) {
            error_set(errp, "empty parameter before ','");
            return NULL;
        } else {
            put_flag(d, item.value, allow_no);
        }
    }
    return g_steal_pointer(&d);
}
