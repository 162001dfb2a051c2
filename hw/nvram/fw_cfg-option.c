/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -fw_cfg [name=]NAME,file=PATH and -fw_cfg [name=]NAME,string=TEXT */
#include "util/osdep.h"

#include "hw/nvram/fw_cfg.h"
#include "util/error.h"

#define MAX_FILE (64 * MiB)

typedef struct Words {
    char *name, *file, *string;
} Words;

static void words_clear(Words *w)
{
    g_free(w->name);
    g_free(w->file);
    g_free(w->string);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, words_clear)

/* Up to the next single comma; ",," is a comma. */
static char *next_word(const char **p)
{
    GString *s = g_string_new(NULL);

    for (; **p; ++*p) {
        if (**p == ',') {
            ++*p;
            if (**p != ',') {
                break;
            }
        }
        g_string_append_c(s, **p);
    }
    return g_string_free(s, false);
}

static bool set_word(Words *w, const char *key, const char *value, Error **errp)
{
    static const char *const known[] = { "name", "file", "string", NULL };
    char **slot = !strcmp(key, "name")     ? &w->name
                  : !strcmp(key, "file")   ? &w->file
                  : !strcmp(key, "string") ? &w->string
                                           : NULL;

    if (!slot) {
        error_set(errp, "Invalid parameter '%s'", key);
        error_hint_nearest(errp, key, known);
        return false;
    }
    g_free(*slot);
    *slot = g_strdup(value);
    return true;
}

static bool parse(const char *options, Words *w, Error **errp)
{
    const char *p = options;

    for (bool first = true; *p; first = false) {
        g_autofree char *word = next_word(&p);
        char *eq = strchr(word, '=');

        if (!eq && !first) {
            return error_set(errp, "Expected '=' after parameter '%s'", word);
        }
        if (eq) {
            *eq = '\0';
        }
        if (!set_word(w, eq ? word : "name", eq ? eq + 1 : word, errp)) {
            return false;
        }
    }
    return true;
}

static bool add_from_file(FwCfg *f, const char *name, const char *path,
                          Error **errp)
{
    g_autofree char *data = NULL;
    g_autoptr(GError) gerr = NULL;
    size_t len;

    if (!g_file_get_contents(path, &data, &len, &gerr)) {
        return error_set(errp, "can't load %s: %s", path, gerr->message);
    }
    if (len > MAX_FILE) {
        return error_set(errp, "can't load %s: more than %" PRIu64 " bytes",
                         path, MAX_FILE);
    }
    return fw_cfg_add_file(f, name, data, len, errp);
}

bool fw_cfg_add_option(FwCfg *f, const char *options, Error **errp)
{
    g_auto(Words) w = { 0 };

    if (!parse(options, &w, errp)) {
        return false;
    }
    if (!w.name || !w.name[0]) {
        return error_set(errp, "Parameter 'name' is missing");
    }
    if (!w.file == !w.string) {
        return error_set(errp, "fw_cfg '%s' needs one of 'file' and 'string'",
                         w.name);
    }
    if (strncmp(w.name, "opt/", 4)) {
        warn_report("externally provided fw_cfg item names should be "
                    "prefixed with \"opt/\"");
    }
    return w.file
               ? add_from_file(f, w.name, w.file, errp)
               : fw_cfg_add_file(f, w.name, w.string, strlen(w.string), errp);
}
