/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The debug log. Its state is the process's, set by the command line and the
 * human monitor. */
#include "util/osdep.h"

#include "util/error.h"
#include "util/log.h"
#include "util/thread.h"
#include "util/trace.h"

unsigned log_mask;

static Mutex log_lock = MUTEX_INIT;
static int log_fd = STDERR_FILENO; /* guarded by log_lock */

static const struct {
    const char *name;
    unsigned item;
    const char *help;
} log_items[] = {
    { "guest_errors", LOG_GUEST_ERROR,
      "log when the guest OS does something invalid" },
    { "unimp", LOG_UNIMP, "log unimplemented functionality" },
};

void log_vprintf(const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    ssize_t ret;

    mutex_lock(&log_lock);
    ret = write(log_fd, text, strlen(text));
    mutex_unlock(&log_lock);
    (void)ret; /* nowhere to complain */
}

void log_printf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_vprintf(fmt, ap);
    va_end(ap);
}

bool log_set_file(const char *name, Error **errp)
{
    g_autofree char *pid = g_strdup_printf("%d", getpid());
    g_autoptr(GString) path = g_string_new(name);
    int fd = STDERR_FILENO, old;

    if (name) {
        g_string_replace(path, "%d", pid, 1);
        if (strchr(path->str, '%')) {
            return error_set(errp, "Bad logfile template: %s", name);
        }
        fd = open(path->str, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND,
                  0666);
        if (fd < 0) {
            return error_errno(errp, errno, "cannot open log file '%s'",
                               path->str);
        }
    }
    mutex_lock(&log_lock);
    old = log_fd;
    log_fd = fd;
    mutex_unlock(&log_lock);
    if (old != STDERR_FILENO) {
        close(old);
    }
    return true;
}

static bool log_item_find(const char *name, unsigned *item, Error **errp)
{
    const char *names[ARRAY_SIZE(log_items) + 1] = { NULL };

    for (size_t i = 0; i < ARRAY_SIZE(log_items); i++) {
        names[i] = log_items[i].name;
        if (!strcmp(name, log_items[i].name)) {
            *item = log_items[i].item;
            return true;
        }
    }
    error_set(errp, "unknown log item '%s'", name);
    error_hint_nearest(errp, name, names);
    return false;
}

bool log_set_items(const char *items, Error **errp)
{
    g_auto(GStrv) list = g_strsplit(items, ",", -1);
    unsigned mask = 0;

    for (size_t i = 0; list[i]; i++) {
        unsigned item = 0;

        if (g_str_has_prefix(list[i], "trace:")) {
            if (!trace_enable(list[i] + strlen("trace:"), errp)) {
                return false;
            }
        } else if (!strcmp(list[i], "all")) {
            mask |= LOG_GUEST_ERROR | LOG_UNIMP;
        } else if (strcmp(list[i], "none")) {
            if (!log_item_find(list[i], &item, errp)) {
                return false;
            }
            mask |= item;
        }
    }
    __atomic_store_n(&log_mask, mask, __ATOMIC_RELAXED);
    return true;
}

char *log_help(void)
{
    GString *s = g_string_new("Log items (comma separated):\n");

    for (size_t i = 0; i < ARRAY_SIZE(log_items); i++) {
        g_string_append_printf(s, "%-15s %s\n", log_items[i].name,
                               log_items[i].help);
    }
    g_string_append(s, "trace:PATTERN   enable trace events\n");
    return g_string_free(s, FALSE);
}
