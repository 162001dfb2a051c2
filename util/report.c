/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages for people: to stderr, or to the HMP session whose command runs on
 * this thread. The settings are the process's, made once by the command line
 * before any thread starts.
 */
#include "util/osdep.h"

#include <time.h>

#include "util/error.h"

static const char *program = "nemu";
static bool timestamps;
static const char *guest_name;

static __thread ReportSink *thread_sink;
static __thread void *thread_opaque;

void report_set_program(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');

    program = slash ? slash + 1 : argv0;
}

void report_set_timestamps(bool on)
{
    timestamps = on;
}

void report_set_guest_name(const char *name_or_null)
{
    guest_name = name_or_null;
}

void report_set_thread_sink(ReportSink *sink, void *opaque)
{
    thread_sink = sink;
    thread_opaque = opaque;
}

static void append_timestamp(GString *s)
{
    struct timespec now;
    struct tm tm;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    g_string_append_printf(s, "%s.%06ldZ ", text, now.tv_nsec / 1000);
}

static void report(const char *kind, const char *text, const char *nearest,
                   const char *hint)
{
    g_autoptr(GString) s = g_string_new(NULL);

    if (!thread_sink) {
        if (timestamps) {
            append_timestamp(s);
        }
        if (guest_name) {
            g_string_append_printf(s, "%s ", guest_name);
        }
        g_string_append_printf(s, "%s: ", program);
    }
    g_string_append_printf(s, "%s%s", kind, text);
    if (nearest) {
        g_string_append_printf(s, ", did you mean '%s'?", nearest);
    }
    g_string_append_c(s, '\n');
    if (hint) {
        g_string_append(s, hint);
    }
    if (thread_sink) {
        thread_sink(thread_opaque, s->str);
    } else {
        fputs(s->str, stderr);
    }
}

static void reportv(const char *kind, const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap);

    report(kind, text, NULL, NULL);
}

void error_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    reportv("", fmt, ap);
    va_end(ap);
}

void warn_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    reportv("warning: ", fmt, ap);
    va_end(ap);
}

void info_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    reportv("info: ", fmt, ap);
    va_end(ap);
}

void error_report_err(Error *err)
{
    report("", error_text(err), error_nearest(err), error_hint_text(err));
    error_free(err);
}

void warn_report_err(Error *err)
{
    report("warning: ", error_text(err), error_nearest(err),
           error_hint_text(err));
    error_free(err);
}

bool report_rate_ok(int64_t *last)
{
    int64_t now = g_get_monotonic_time();
    int64_t prev = __atomic_load_n(last, __ATOMIC_RELAXED);

    if (prev && now - prev < G_USEC_PER_SEC) {
        return false;
    }
    return __atomic_compare_exchange_n(last, &prev, now, false,
                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}
