/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace points; see include/util/trace.h. */
#include "util/osdep.h"

#include <fnmatch.h>
#include <time.h>

#include "util/error.h"
#include "util/log.h"
#include "util/trace.h"

/* The linker makes these; a program without trace points has neither. */
extern TracePoint *const __start_trace_points[] __attribute__((weak));
extern TracePoint *const __stop_trace_points[] __attribute__((weak));

void trace_emit(const TracePoint *tp, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    struct timespec now;
    va_list ap;

    clock_gettime(CLOCK_REALTIME, &now);
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    log_printf("%d@%" PRId64 ".%06ld:%s %s\n", getpid(), (int64_t)now.tv_sec,
               now.tv_nsec / 1000, tp->name, text);
}

TracePoint *trace_at(size_t i)
{
    TracePoint *const *first = __start_trace_points;

    return first + i < __stop_trace_points ? first[i] : NULL;
}

bool trace_match(const TracePoint *tp, const char *pattern)
{
    return fnmatch(pattern, tp->name, 0) == 0;
}

void trace_set(TracePoint *tp, bool on)
{
    __atomic_store_n(&tp->on, on, __ATOMIC_RELAXED);
}

bool trace_enable(const char *pattern, Error **errp)
{
    bool on = *pattern != '-', found = false;
    TracePoint *tp;

    pattern += !on;
    for (size_t i = 0; (tp = trace_at(i)); i++) {
        if (trace_match(tp, pattern)) {
            trace_set(tp, on);
            found = true;
        }
    }
    if (!found && !strpbrk(pattern, "*?[")) {
        return error_set(errp, "trace event '%s' does not exist",
                         pattern);
    }
    return true;
}

/* A name that is not there: another version of the program may have it. */
static void trace_enable_or_warn(const char *pattern)
{
    autoerr Error *err = NULL;

    if (!trace_enable(pattern, &err)) {
        warn_report_err(g_steal_pointer(&err));
    }
}

/* One pattern a line; empty lines and those that begin with '#' are skipped. */
static bool trace_enable_file(const char *name, Error **errp)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(name, &text, NULL, NULL)) {
        return error_set(errp, "cannot read trace events file '%s'", name);
    }
    lines = g_strsplit(text, "\n", -1);
    for (size_t i = 0; lines[i]; i++) {
        char *line = g_strstrip(lines[i]);

        if (*line && *line != '#') {
            trace_enable_or_warn(line);
        }
    }
    return true;
}

bool trace_parse(const char *text, Error **errp)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);

    for (size_t i = 0; items[i]; i++) {
        const char *eq = strchr(items[i], '=');
        bool ok = true;

        if (g_str_has_prefix(items[i], "events=")) {
            ok = trace_enable_file(eq + 1, errp);
        } else if (g_str_has_prefix(items[i], "file=")) {
            ok = log_set_file(eq + 1, errp);
        } else if (g_str_has_prefix(items[i], "enable=")) {
            trace_enable_or_warn(eq + 1);
        } else if (eq || i) {
            ok = error_set(errp, "Invalid parameter '%.*s'",
                           (int)(eq ? eq - items[i] : (long)strlen(items[i])),
                           items[i]);
        } else {
            trace_enable_or_warn(items[i]);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

char *trace_help(void)
{
    GString *s = g_string_new(NULL);
    TracePoint *tp;

    for (size_t i = 0; (tp = trace_at(i)); i++) {
        g_string_append_printf(s, "%s\n", tp->name);
    }
    return g_string_free(s, FALSE);
}

bool trace_option(const char *text)
{
    Error *err = NULL;

    if (!strcmp(text, "help")) {
        char *names = trace_help();

        fputs(names, stdout);
        g_free(names);
        exit(0);
    }
    if (!trace_parse(text, &err)) {
        error_report_err(err);
        return false;
    }
    return true;
}
