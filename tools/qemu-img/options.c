/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: the options of -o. */
#include "util/osdep.h"

#include "img.h"
#include "qobject/keyval.h"
#include "util/error.h"

bool img_options_help(const char *text)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);

    for (size_t i = 0; items[i]; i++) {
        if (!strcmp(items[i], "help") || !strcmp(items[i], "?")) {
            return true;
        }
    }
    return false;
}

/* A lone comma at either end says that an option is missing. */
static bool is_list(const char *text)
{
    size_t n = strlen(text), commas = 0;

    while (commas < n && text[n - 1 - commas] == ',') {
        commas++;
    }
    return n && text[0] != ',' && commas % 2 == 0;
}

/* "flag" means flag=on; commas of values are doubled. */
static char *add_values(const char *text)
{
    GString *out = g_string_new(NULL);
    bool value = false;

    for (const char *c = text, *start = text; c == text || c[-1]; c++) {
        bool doubled = *c == ',' && c[1] == ',';

        if ((!*c || (*c == ',' && !doubled)) && !value && c > start &&
            strncmp(start, "no", 2)) {
            g_string_append(out, "=on");
        }
        if (!*c) {
            break;
        }
        value = value || *c == '=';
        g_string_append_c(out, *c);
        if (doubled) {
            g_string_append_c(out, *++c);
        } else if (*c == ',') {
            value = false;
            start = c + 1;
        }
    }
    return g_string_free(out, FALSE);
}

bool img_add_options(QDict *d, const char *text)
{
    g_autofree char *full = add_values(text);
    g_autoptr(QDict) more = NULL;
    Error *err = NULL;

    if (!is_list(text)) {
        error_report("Invalid option list: %s", text);
        return false;
    }
    more = keyval_parse_flat(full, NULL, true, NULL, &err);
    if (!more) {
        error_report_err(err);
        return false;
    }
    QDICT_FOREACH(more, e) {
        QList *l = qobject_to_list(e->value);
        QObject *v =
            l && qlist_size(l) ? qlist_get(l, qlist_size(l) - 1) : e->value;

        qdict_put(d, e->key, qobject_ref(v));
    }
    return true;
}

bool img_has_option(const BlockCreateOption *options, const char *name)
{
    for (const BlockCreateOption *o = options; o->name; o++) {
        if (!strcmp(o->name, name)) {
            return true;
        }
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const BlockCreateOption *const *)a)->name,
                  (*(const BlockCreateOption *const *)b)->name);
}

void img_print_options(const char *title, const BlockCreateOption *options)
{
    static const char *const kinds[] = { "<str>", "<bool (on/off)>", "<num>",
                                         "<size>" };
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    for (const BlockCreateOption *o = options; o->name; o++) {
        g_ptr_array_add(all, (void *)o);
    }
    g_ptr_array_sort(all, by_name);
    printf("%s\n", title);
    for (guint i = 0; i < all->len; i++) {
        const BlockCreateOption *o = all->pdata[i];
        g_autofree char *text =
            g_strdup_printf("%s=%s", o->name, kinds[o->kind]);

        printf("  %-22s - %s\n", text, o->help);
    }
}

int img_create_help(const char *format, const char *filename)
{
    Error *err = NULL;
    const BlockCreateOps *ops =
        filename ? block_create_ops_at(format, filename, &err)
                 : block_create_ops(format, &err);
    g_autofree char *title = NULL;
    g_autofree BlockCreateOption *all = NULL;

    if (!ops) {
        error_report_err(err);
        return 1;
    }
    title = g_strdup_printf("Supported %s%soptions:", filename ? "" : format,
                            filename ? "" : " ");
    all = filename ? block_create_options(ops, filename) : NULL;
    img_print_options(title, all ? all : ops->options);
    if (!filename) {
        printf("\nThe protocol level may support further options.\n"
               "Specify the target filename to include those options.\n");
    }
    return 0;
}
