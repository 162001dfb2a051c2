/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -readconfig and -set. A configuration file has sections
 *
 *     [group "id"]
 *       key = "value"
 *
 * each of which is one option: "-group id=id,key=value,...". QEMU's manual,
 * "-readconfig".
 */
#include "util/osdep.h"

#include "softmmu/options.h"
#include "util/error.h"

#define MAX_CONFIG_SIZE (1 * MiB)

/* Groups whose option has another name. */
static const OptionDef *group_option(const char *group)
{
    if (g_str_equal(group, "memory")) {
        return option_by_name("m");
    }
    if (g_str_equal(group, "boot-opts")) {
        return option_by_name("boot");
    }
    if (g_str_equal(group, "smp-opts")) {
        return option_by_name("smp");
    }
    return option_by_name(group);
}

static void append_pair(GString *s, const char *key, const char *value)
{
    g_string_append_printf(s, "%s%s=", s->len ? "," : "", key);
    for (; *value; value++) {
        g_string_append_c(s, *value);
        if (*value == ',') {
            g_string_append_c(s, ',');
        }
    }
}

typedef struct ConfigParser {
    Options *options;
    const char *path;
    unsigned line;
    const OptionDef *def; /* of the open section, or NULL */
    GString *text;
} ConfigParser;

static void end_section(ConfigParser *p)
{
    if (p->def) {
        options_add(p->options, p->def->id, p->text->str);
    }
    p->def = NULL;
    g_string_truncate(p->text, 0);
}

static bool parse_section(ConfigParser *p, const char *line, Error **errp)
{
    char group[64], id[64];
    int n, end = 0;

    end_section(p);
    n = sscanf(line, "[%63s \"%63[^\"]\"]%n", group, id, &end);
    if (n != 2 || !end) {
        end = 0;
        id[0] = '\0';
        n = sscanf(line, "[%63[^]]]%n", group, &end);
        if (n != 1 || !end) {
            return error_set(errp, "%s:%u: bad section '%s'", p->path, p->line,
                             line);
        }
    }
    p->def = group_option(group);
    if (!p->def || !p->def->arg) {
        p->def = NULL;
        return error_set(errp, "%s:%u: there is no group '%s'", p->path,
                         p->line, group);
    }
    if (*id) {
        append_pair(p->text, "id", id);
    }
    return true;
}

static bool parse_pair(ConfigParser *p, const char *line, Error **errp)
{
    g_auto(GStrv) kv = g_strsplit(line, "=", 2);
    size_t len;
    char *value;

    if (!kv[0] || !kv[1]) {
        return error_set(errp, "%s:%u: expected 'key = \"value\"'", p->path,
                         p->line);
    }
    value = g_strstrip(kv[1]);
    len = strlen(value);
    if (len < 2 || value[0] != '"' || value[len - 1] != '"') {
        return error_set(errp, "%s:%u: the value must stand in quotes",
                         p->path, p->line);
    }
    if (!p->def) {
        return error_set(errp, "%s:%u: no section before this line", p->path,
                         p->line);
    }
    value[len - 1] = '\0';
    append_pair(p->text, g_strstrip(kv[0]), value + 1);
    return true;
}

bool options_read_config(Options *o, const char *path, Error **errp)
{
    g_autofree char *data = NULL;
    g_autoptr(GError) gerr = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) lines = NULL;
    ConfigParser p = { .options = o, .path = path, .text = text };
    gsize len;

    if (!g_file_get_contents(path, &data, &len, &gerr)) {
        return error_set(errp, "%s", gerr->message);
    }
    if (len > MAX_CONFIG_SIZE) {
        return error_set(errp, "too large");
    }
    lines = g_strsplit(data, "\n", -1);
    for (char **l = lines; *l; l++) {
        char *line = g_strstrip(*l);
        bool ok = true;

        p.line++;
        if (*line == '[') {
            ok = parse_section(&p, line, errp);
        } else if (*line && *line != '#') {
            ok = parse_pair(&p, line, errp);
        }
        if (!ok) {
            return false;
        }
    }
    end_section(&p);
    return true;
}

/* Has option text @text "id=@id" among its parameters? */
static bool has_id(const char *text, const char *id)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);

    for (char **p = parts; *p; p++) {
        if (g_str_has_prefix(*p, "id=") && g_str_equal(*p + 3, id)) {
            return true;
        }
    }
    return false;
}

bool options_set(Options *o, const char *text, Error **errp)
{
    char group[64], id[64], arg[64];
    const OptionDef *def;
    int end = 0;

    if (sscanf(text, "%63[^.].%63[^.].%63[^=]%n", group, id, arg, &end) != 3 ||
        text[end] != '=') {
        return error_set(errp, "expected 'group.id.arg=value'");
    }
    def = group_option(group);
    if (!def || !def->arg) {
        return error_set(errp, "There is no option group '%s'", group);
    }
    for (guint i = 0; o->list && i < o->list->len; i++) {
        Option *opt = &g_array_index(o->list, Option, i);
        g_autoptr(GString) s = NULL;

        if (opt->id != def->id || !opt->text || !has_id(opt->text, id)) {
            continue;
        }
        s = g_string_new(opt->text);
        append_pair(s, arg, text + end + 1);
        g_free(opt->text);
        opt->text = g_string_free(g_steal_pointer(&s), FALSE);
        return true;
    }
    return error_set(errp, "there is no %s \"%s\" defined", group,
                     id);
}
