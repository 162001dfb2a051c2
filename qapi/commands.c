/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QMP commands of the program, from the tables linked into it. */
#include "util/osdep.h"

#include "qapi/dispatch.h"

/* Bounds of the section; absent in a program without commands. */
extern const QmpModule *const __start_qmp_modules[] __attribute__((weak));
extern const QmpModule *const __stop_qmp_modules[] __attribute__((weak));

static int compare_name(const void *key, const void *elem)
{
    return strcmp(key, ((const QmpCommand *)elem)->name);
}

const QmpCommand *qmp_command_find(const char *name)
{
    for (const QmpModule *const *m = __start_qmp_modules;
         m != __stop_qmp_modules; m++) {
        const QmpCommand *cmd =
            bsearch(name, (*m)->commands, (*m)->n, sizeof(*cmd), compare_name);

        if (cmd) {
            return cmd;
        }
    }
    return NULL;
}

const QmpCommand *qmp_command_next(const QmpCommand *prev)
{
    for (const QmpModule *const *m = __start_qmp_modules;
         m != __stop_qmp_modules; m++) {
        const QmpCommand *first = (*m)->commands, *end = first + (*m)->n;

        if (!prev) {
            return first;
        }
        if (prev >= first && prev < end) {
            if (prev + 1 < end) {
                return prev + 1;
            }
            prev = NULL; /* the next module's first */
        }
    }
    return NULL;
}
