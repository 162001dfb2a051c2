/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace points: named places whose values -trace, -d trace: and the monitor
 * switch on at run time; the log receives them. Off costs one test of a byte.
 *
 *     TRACE_POINT(virtio_kick);               // at file scope
 *     trace(virtio_kick, "dev %p queue %u", dev, n);
 *
 * A name belongs to one file of the program.
 */
#ifndef UTIL_TRACE_H
#define UTIL_TRACE_H

typedef struct TracePoint {
    const char *name;
    bool on; /* atomic, relaxed */
} TracePoint;

#define TRACE_POINT(nam)                                                       \
    static TracePoint trace_point_##nam = { .name = #nam };                    \
    static TracePoint *const trace_point_##nam##_entry                         \
        __attribute__((section("trace_points"), used)) = &trace_point_##nam

#define trace_is_on(nam)                                                       \
    unlikely(__atomic_load_n(&trace_point_##nam.on, __ATOMIC_RELAXED))

#define trace(nam, ...)                                                        \
    do {                                                                       \
        if (trace_is_on(nam)) {                                                \
            trace_emit(&trace_point_##nam, __VA_ARGS__);                       \
        }                                                                      \
    } while (0)

void trace_emit(const TracePoint *tp, const char *fmt, ...) PRINTF_LIKE(2, 3)
    __attribute__((cold));

/* Every point of the program: for (i = 0; (tp = trace_at(i)); i++). */
TracePoint *trace_at(size_t i);
bool trace_match(const TracePoint *tp, const char *pattern);
void trace_set(TracePoint *tp, bool on);
/*
 * Switch the points that match @pattern ("*" and "?" as in shells; a leading
 * "-" means off). False when a name without wildcards is unknown.
 */
bool trace_enable(const char *pattern, Error **errp);
/* "-trace": PATTERN or [enable=]PATTERN,events=FILE,file=LOG. */
bool trace_parse(const char *text, Error **errp);
/* "-trace help": names, one a line; free. */
char *trace_help(void);
/* A tool's "-T": "help" prints the names and ends the program. False after a
 * message. */
bool trace_option(const char *text);

#endif
