/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: help, info, and commands about the monitor itself. */
#include "util/osdep.h"

#include "monitor/hmp.h"
#include "monitor/hmp-session.h"
#include "util/error.h"
#include "util/log.h"
#include "util/trace.h"

/* "[-f] device [speed]" */
static char *params_of(const HmpCommand *cmd)
{
    GString *s = g_string_new(NULL);

    if (cmd->params) {
        return g_string_free(g_string_append(s, cmd->params), FALSE);
    }
    for (const HmpArg *arg = cmd->args; arg && arg->kind; arg++) {
        bool bracket = arg->optional || arg->kind == HMP_FLAG ||
                       arg->kind == HMP_FMT;

        g_string_append_printf(s, "%s%s%s%s%s", s->len ? " " : "",
                               bracket ? "[" : "",
                               arg->kind == HMP_FLAG  ? "-"
                               : arg->kind == HMP_FMT ? "/"
                                                      : "",
                               arg->name, bracket ? "]" : "");
    }
    return g_string_free(s, FALSE);
}

static int compare_commands(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const HmpCommand *const *)a)->name,
                  (*(const HmpCommand *const *)b)->name);
}

static void print_one(Hmp *hmp, const HmpCommand *cmd)
{
    g_autofree char *params = params_of(cmd);

    hmp_printf(hmp, "%s%s%s -- %s\n", cmd->name, *params ? " " : "", params,
               cmd->help);
}

bool hmp_print_help(Hmp *hmp, const char *only, bool info, Error **errp)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new();
    const HmpCommand *cmd;

    if (only) {
        cmd = hmp_command_find(only, strlen(only), info);
        if (!cmd) {
            return error_set(errp, "unknown command: '%s'", only);
        }
        print_one(hmp, cmd);
        return true;
    }
    for (cmd = NULL; (cmd = hmp_command_next(cmd));) {
        if (g_str_has_prefix(cmd->name, "info ") == info) {
            g_ptr_array_add(list, (void *)cmd);
        }
    }
    g_ptr_array_sort(list, compare_commands);
    for (guint i = 0; i < list->len; i++) {
        print_one(hmp, list->pdata[i]);
    }
    return true;
}

static bool run_help(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *name = qdict_get_str(args, "cmd");
    const char *item = qdict_get_str(args, "item");
    bool info = name && !strcmp(name, "info");

    if (info) {
        return hmp_print_help(hmp, item, true, errp);
    }
    if (name && !strcmp(name, "log")) {
        g_autofree char *items = log_help();

        hmp_printf(hmp, "%s", items);
        return true;
    }
    return hmp_print_help(hmp, name, false, errp);
}

static bool run_info(Hmp *hmp, const QDict *args, Error **errp)
{
    return hmp_print_help(hmp, NULL, true, errp);
}

static bool run_info_history(Hmp *hmp, const QDict *args, Error **errp)
{
    const GPtrArray *lines = hmp_history(hmp);

    for (guint i = 0; lines && i < lines->len; i++) {
        hmp_printf(hmp, "%d: '%s'\n", i, (char *)lines->pdata[i]);
    }
    return true;
}

static bool run_log(Hmp *hmp, const QDict *args, Error **errp)
{
    return log_set_items(qdict_get_str(args, "items"), errp);
}

static bool run_logfile(Hmp *hmp, const QDict *args, Error **errp)
{
    return log_set_file(qdict_get_str(args, "filename"), errp);
}

static bool run_trace_event(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autofree char *pattern =
        g_strdup_printf("%s%s", qdict_get_bool(args, "option", true) ? "" : "-",
                        qdict_get_str(args, "name"));

    return trace_enable(pattern, errp);
}

static bool run_info_trace(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *pattern = qdict_get_str(args, "name") ?: "*";
    TracePoint *tp;

    for (size_t i = 0; (tp = trace_at(i)); i++) {
        if (trace_match(tp, pattern)) {
            hmp_printf(hmp, "%s : state %d\n", tp->name, tp->on);
        }
    }
    return true;
}

static void complete_trace(Hmp *hmp, const char *prefix, GPtrArray *list)
{
    TracePoint *tp;

    for (size_t i = 0; (tp = trace_at(i)); i++) {
        if (g_str_has_prefix(tp->name, prefix)) {
            g_ptr_array_add(list, g_strdup(tp->name));
        }
    }
}

static void complete_name(Hmp *hmp, const char *prefix, GPtrArray *list)
{
    size_t typed;
    g_autoptr(GPtrArray) all = hmp_complete(hmp, prefix, &typed);

    for (guint i = 0; i < all->len; i++) {
        g_ptr_array_add(list, g_strdup(all->pdata[i]));
    }
}

/* print ------------------------------------------------------------------------------- */

static bool run_print(Hmp *hmp, const QDict *args, Error **errp)
{
    int64_t v = qdict_get_int(args, "val", 0);
    const char *format = qdict_get_str(args, "format") ?: "d";

    switch (*format) {
    case 'o':
        hmp_printf(hmp, "%#" PRIo64 "\n", (uint64_t)v);
        return true;
    case 'x':
        hmp_printf(hmp, "%#" PRIx64 "\n", (uint64_t)v);
        return true;
    case 'u':
        hmp_printf(hmp, "%" PRIu64 "\n", (uint64_t)v);
        return true;
    case 'c':
        hmp_printf(hmp, g_ascii_isprint(v) ? "'%c'\n" : "'\\x%02x'\n",
                   (int)(v & 0xff));
        return true;
    case 'd':
        hmp_printf(hmp, "%" PRId64 "\n", v);
        return true;
    default:
        return error_set(errp, "print has no format '%s'", format);
    }
}

static const HmpArg help_args[] = {
    { "cmd", HMP_WORD, .optional = true, .complete = complete_name },
    { "item", HMP_WORD, .optional = true },
    {},
};
static const HmpArg log_args[] = { { "items", HMP_WORD }, {} };
static const HmpArg logfile_args[] = { { "filename", HMP_WORD }, {} };
static const HmpArg trace_args[] = {
    { "name", HMP_WORD, .complete = complete_trace },
    { "option", HMP_BOOL },
    {},
};
static const HmpArg info_trace_args[] = {
    { "name", HMP_WORD, .optional = true, .complete = complete_trace },
    {},
};
static const HmpArg print_args[] = {
    { "fmt", HMP_FMT },
    { "val", HMP_INT },
    {},
};

static const HmpCommand own_commands[] = {
    { .name = "help|?", .args = help_args, .params = "[cmd]",
      .help = "show the help", .run = run_help },
    { .name = "info", .params = "[subcommand]",
      .help = "show various information about the system state",
      .run = run_info },
    { .name = "info history", .help = "show the command line history",
      .run = run_info_history },
    { .name = "info trace-events", .args = info_trace_args,
      .help = "show available trace-events & their state",
      .run = run_info_trace },
    { .name = "log", .args = log_args, .params = "item1[,...]",
      .help = "activate logging of the specified items", .run = run_log },
    { .name = "logfile", .args = logfile_args,
      .help = "output logs to 'filename'", .run = run_logfile },
    { .name = "print|p", .args = print_args, .params = "/fmt expr",
      .help = "print expression value", .run = run_print },
    { .name = "trace-event", .args = trace_args, .params = "name on|off",
      .help = "changes status of a specific trace event",
      .run = run_trace_event },
};
HMP_COMMANDS(own_commands);
