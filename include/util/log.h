/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The debug log: -D FILE and -d ITEM,... Off costs one test of a variable.
 * Any thread may log; each call is one write.
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

enum {
    LOG_GUEST_ERROR = 1, /* guest_errors: what drivers must not do */
    LOG_UNIMP = 2,       /* unimp: guest uses what we lack */
};

extern unsigned log_mask; /* atomic, relaxed */

static inline bool log_on(unsigned item)
{
    return unlikely(__atomic_load_n(&log_mask, __ATOMIC_RELAXED) & item);
}

/* log_at(LOG_UNIMP, "virtio: feature %d\n", bit); text ends with a newline. */
#define log_at(item, ...)                                                      \
    do {                                                                       \
        if (log_on(item)) {                                                    \
            log_printf(__VA_ARGS__);                                           \
        }                                                                      \
    } while (0)

void log_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_vprintf(const char *fmt, va_list ap) PRINTF_LIKE(1, 0);

/* "-d": comma-separated items, "trace:PATTERN" among them; "none" clears.
 * Main thread. */
bool log_set_items(const char *items, Error **errp);
/* "-D": where to; NULL is stderr. "%d" in the name is the process id. */
bool log_set_file(const char *name, Error **errp);
/* "-d help": one item a line; free. */
char *log_help(void);

#endif
