/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a line of the human monitor to a command and its arguments. */
#include "util/osdep.h"

#include "monitor/hmp.h"
#include "qobject/keyval.h"
#include "softmmu/vm.h"
#include "util/error.h"

static const char *skip_space(const char *p)
{
    while (g_ascii_isspace(*p)) {
        p++;
    }
    return p;
}

/* Words ---------------------------------------------------------------------------- */

static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    default:
        return c;
    }
}

/* A word at *@p, which moves behind it; free. */
static char *take_word(const char **p, Error **errp)
{
    g_autoptr(GString) word = g_string_new(NULL);
    const char *s = skip_space(*p);
    bool quoted = *s == '"';

    s += quoted;
    while (*s && (quoted ? *s != '"' : !g_ascii_isspace(*s))) {
        if (quoted && *s == '\\' && s[1]) {
            g_string_append_c(word, unescape(*++s));
            s++;
        } else {
            g_string_append_c(word, *s++);
        }
    }
    if (quoted && *s != '"') {
        error_set(errp, "unterminated string");
        return NULL;
    }
    *p = s + quoted;
    return g_string_free(g_steal_pointer(&word), FALSE);
}

/* Arguments --------------------------------------------------------------------------- */

/* "/8xg": count, format, size. */
static bool take_fmt(const char **p, QDict *args, Error **errp)
{
    const char *s = *p + 1;
    int64_t count = 1;
    char fmt[2] = "", size[2] = "";

    if (g_ascii_isdigit(*s)) {
        count = g_ascii_strtoll(s, (char **)&s, 10);
    }
    for (; *s && !g_ascii_isspace(*s); s++) {
        if (strchr("xduocis", *s)) {
            fmt[0] = *s;
        } else if (strchr("bhwgl", *s)) {
            size[0] = *s;
        } else {
            return error_set(errp, "invalid char in format: '%c'", *s);
        }
    }
    *p = s;
    qdict_put_int(args, "count", count);
    if (*fmt) {
        qdict_put_str(args, "format", fmt);
    }
    if (*size) {
        qdict_put_str(args, "size", size);
    }
    return true;
}

static bool take_size(const char **p, int64_t *v, Error **errp)
{
    g_autofree char *word = take_word(p, errp);
    uint64_t size;

    if (!word) {
        return false;
    }
    if (!parse_size(word, 'M', &size) || size > INT64_MAX) {
        return error_set(errp, "invalid size '%s'", word);
    }
    *v = size;
    return true;
}

static bool take_bool(const char **p, bool *v, Error **errp)
{
    g_autofree char *word = take_word(p, errp);

    return word && (parse_bool(word, v) ||
                    error_set(errp, "Expected 'on' or 'off'"));
}

/* Is the argument there? Flags and formats show themselves. */
static bool arg_is_next(const HmpArg *arg, const char *p)
{
    switch (arg->kind) {
    case HMP_FLAG:
        return p[0] == '-' && p[1] == arg->name[0] &&
               (!p[2] || g_ascii_isspace(p[2]));
    case HMP_FMT:
        return *p == '/';
    default:
        return *p;
    }
}

static bool take_arg(Hmp *hmp, const HmpArg *arg, const char **p, QDict *args,
                     Error **errp)
{
    g_autofree char *word = NULL;
    int64_t v;
    bool b;

    switch (arg->kind) {
    case HMP_WORD:
        word = take_word(p, errp);
        if (!word) {
            return false;
        }
        qdict_put_str(args, arg->name, word);
        return true;
    case HMP_REST:
        qdict_put_str(args, arg->name, *p);
        *p += strlen(*p);
        return true;
    case HMP_INT:
        if (!hmp_expr(hmp, p, &v, errp)) {
            return false;
        }
        qdict_put_int(args, arg->name, v);
        return true;
    case HMP_SIZE:
        if (!take_size(p, &v, errp)) {
            return false;
        }
        qdict_put_int(args, arg->name, v);
        return true;
    case HMP_BOOL:
        if (!take_bool(p, &b, errp)) {
            return false;
        }
        qdict_put_bool(args, arg->name, b);
        return true;
    case HMP_FLAG:
        *p += 2;
        qdict_put_bool(args, arg->name, true);
        return true;
    case HMP_FMT:
        return take_fmt(p, args, errp);
    default:
        abort();
    }
}

static QDict *take_args(Hmp *hmp, const HmpCommand *cmd, const char *p,
                        Error **errp)
{
    g_autoptr(QDict) args = qdict_new();
    size_t len = strlen(p);
    g_autofree char *trimmed = NULL;

    while (len && g_ascii_isspace(p[len - 1])) {
        len--;
    }
    p = trimmed = g_strndup(p, len);
    for (const HmpArg *arg = cmd->args; arg && arg->kind; arg++) {
        p = skip_space(p);
        if (arg_is_next(arg, p)) {
            if (!take_arg(hmp, arg, &p, args, errp)) {
                return NULL;
            }
        } else if (!arg->optional && arg->kind != HMP_FLAG &&
                   arg->kind != HMP_FMT) {
            error_set(errp, "parameter '%s' is missing", arg->name);
            return NULL;
        }
    }
    if (*skip_space(p)) {
        error_set(errp, "extraneous characters at the end of line");
        return NULL;
    }
    return g_steal_pointer(&args);
}

/* Commands -------------------------------------------------------------------------------- */

/* The command at *@p, which moves behind its name; NULL when none is. */
static const HmpCommand *take_command(const char **p, Error **errp)
{
    const char *word = skip_space(*p), *sub;
    size_t len = 0, sub_len;
    const HmpCommand *cmd;

    /* "p/x 5" is "p /x 5" */
    while (word[len] && !g_ascii_isspace(word[len]) && word[len] != '/') {
        len++;
    }
    *p = word + len;
    if (len == 4 && !memcmp(word, "info", 4)) {
        sub = skip_space(*p);
        sub_len = strcspn(sub, " \t");
        cmd = hmp_command_find(sub, sub_len, true);
        if (cmd) {
            *p = sub + sub_len;
            return cmd;
        }
        if (sub_len) {
            error_set(errp, "unknown command: 'info %.*s'",
                      (int)MIN(sub_len, 100), sub);
            return NULL;
        }
    }
    cmd = hmp_command_find(word, len, false);
    if (!cmd) {
        error_set(errp, "unknown command: '%.*s'", (int)MIN(len, 100), word);
    }
    return cmd;
}

/* Before the machine is built, only what looks and what goes on. */
static bool check_preconfig(const Hmp *hmp, const HmpCommand *cmd, Error **errp)
{
    static const char *const allowed[] = { "help|?",
                                           "quit|q",
                                           "exit_preconfig",
                                           "print|p",
                                           "log",
                                           "logfile",
                                           "trace-event",
                                           "qom-list",
                                           "qom-get",
                                           "info version",
                                           "info status",
                                           "info name",
                                           "info uuid",
                                           "info chardev",
                                           "info qom-tree",
                                           "info history",
                                           "info trace-events",
                                           "info hotpluggable-cpus",
                                           "info",
                                           NULL };

    return !hmp->vm->preconfig || g_strv_contains(allowed, cmd->name) ||
           error_set(errp,
                     "Command '%s' not available until machine "
                     "initialization has completed.",
                     cmd->name);
}

/* *@understood: the line made sense, whatever came of it. */
static bool run_line(Hmp *hmp, const char *line, bool *understood, Error **errp)
{
    const char *p = line;
    const HmpCommand *cmd = take_command(&p, errp);
    g_autoptr(QDict) args = NULL;

    if (!cmd || !check_preconfig(hmp, cmd, errp)) {
        return false;
    }
    args = take_args(hmp, cmd, p, errp);
    if (!args) {
        error_prefix(errp, "%s", cmd->name);
        error_hint(errp, "Try \"help %.*s\" for more information\n",
                   (int)strcspn(cmd->name, "|"), cmd->name);
        return false;
    }
    *understood = true;
    hmp->command = cmd;
    return cmd->run(hmp, args, errp);
}

/* Warnings of what a command calls belong to its output. */
static void take_report(void *opaque, const char *text)
{
    g_string_append(((Hmp *)opaque)->out, text);
}

void hmp_run_line(Hmp *hmp, const char *line)
{
    autoerr Error *err = NULL;
    bool understood = false;

    line = skip_space(line);
    if (!*line || *line == '#') {
        return;
    }
    report_set_thread_sink(take_report, hmp);
    if (!run_line(hmp, line, &understood, &err)) {
        hmp_printf(hmp, "%s%s", understood ? "Error: " : "", error_text(err));
        if (error_nearest(err)) {
            hmp_printf(hmp, ", did you mean '%s'?", error_nearest(err));
        }
        hmp_printf(hmp, "\n%s", error_hint_text(err) ?: "");
    }
    report_set_thread_sink(NULL, NULL);
}

/* Completion --------------------------------------------------------------------------------- */

static int compare_words(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void complete_command(const char *prefix, bool info, GPtrArray *list)
{
    for (const HmpCommand *cmd = NULL; (cmd = hmp_command_next(cmd));) {
        bool is_info = g_str_has_prefix(cmd->name, "info ");
        g_auto(GStrv) names =
            g_strsplit(cmd->name + (is_info ? strlen("info ") : 0), "|", -1);

        for (size_t i = 0; names[i] && is_info == info; i++) {
            if (g_str_has_prefix(names[i], prefix)) {
                g_ptr_array_add(list, g_strdup(names[i]));
            }
        }
    }
}

/* The argument that the @n'th word (from 0) is, flags and formats left out. */
static const HmpArg *nth_arg(const HmpCommand *cmd, unsigned n)
{
    for (const HmpArg *arg = cmd->args; arg && arg->kind; arg++) {
        if (arg->kind == HMP_FLAG || arg->kind == HMP_FMT) {
            continue;
        }
        if (!n-- || arg->kind == HMP_REST) {
            return arg;
        }
    }
    return NULL;
}

static void complete_arg(Hmp *hmp, char **words, unsigned n, GPtrArray *list)
{
    bool info = n > 1 && !strcmp(words[0], "info");
    const HmpCommand *cmd = hmp_command_find(words[info], strlen(words[info]),
                                             info);
    const HmpArg *arg;
    unsigned nth = 0;

    for (unsigned i = info + 1; i < n; i++) {
        nth += words[i][0] != '-' && words[i][0] != '/';
    }
    arg = cmd ? nth_arg(cmd, nth) : NULL;
    if (arg && arg->complete) {
        arg->complete(hmp, words[n], list);
    }
}

GPtrArray *hmp_complete(Hmp *hmp, const char *line, size_t *typed)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    char **w;
    unsigned n;

    for (const char *p = skip_space(line); *p; p = skip_space(p)) {
        size_t len = strcspn(p, " \t");

        g_ptr_array_add(words, g_strndup(p, len));
        p += len;
    }
    if (!*line || g_ascii_isspace(line[strlen(line) - 1])) {
        g_ptr_array_add(words, g_strdup(""));
    }
    w = (char **)words->pdata;
    n = words->len - 1; /* complete words before the last */
    *typed = strlen(w[n]);
    if (n == 0) {
        complete_command(w[0], false, list);
    } else if (n == 1 && !strcmp(w[0], "info")) {
        complete_command(w[1], true, list);
    } else {
        complete_arg(hmp, w, n, list);
    }
    g_ptr_array_sort(list, compare_words);
    return list;
}
