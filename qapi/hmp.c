/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of human monitor commands, and what handlers call. */
#include "util/osdep.h"

#include "qapi/dispatch.h"
#include "qapi/hmp.h"
#include "util/error.h"

/* The linker makes these; a program without commands has neither. */
extern HmpRegisterFn *const __start_hmp_registers[] __attribute__((weak));
extern HmpRegisterFn *const __stop_hmp_registers[] __attribute__((weak));
extern const HmpCommandTable *const __start_hmp_commands[]
    __attribute__((weak));
extern const HmpCommandTable *const __stop_hmp_commands[]
    __attribute__((weak));

static bool usable(const HmpCommand *cmd)
{
    return !cmd->needs || qmp_command_find(cmd->needs);
}

const HmpCommand *hmp_command_next(const HmpCommand *prev)
{
    bool found = !prev;

    for (const HmpCommandTable *const *t = __start_hmp_commands;
         t < __stop_hmp_commands; t++) {
        for (size_t i = 0; i < (*t)->n; i++) {
            const HmpCommand *cmd = &(*t)->commands[i];

            if (found && usable(cmd)) {
                return cmd;
            }
            found |= cmd == prev;
        }
    }
    return NULL;
}

/* Is @word one of the names in @names, "cont|c"? */
static bool has_name(const char *names, const char *word, size_t len)
{
    while (names) {
        size_t n = strcspn(names, "|");

        if (n == len && !memcmp(names, word, len)) {
            return true;
        }
        names = names[n] ? names + n + 1 : NULL;
    }
    return false;
}

const HmpCommand *hmp_command_find(const char *name, size_t len, bool info)
{
    const HmpCommand *cmd = NULL;

    while ((cmd = hmp_command_next(cmd))) {
        bool is_info = g_str_has_prefix(cmd->name, "info ");

        if (is_info == info &&
            has_name(cmd->name + (info ? strlen("info ") : 0), name, len)) {
            return cmd;
        }
    }
    return NULL;
}

void hmp_printf(Hmp *hmp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_string_append_vprintf(hmp->out, fmt, ap);
    va_end(ap);
}

QObject *hmp_qmp(Hmp *hmp, const char *command, QDict *args, Error **errp)
{
    g_autoptr(QDict) own = args ?: qdict_new();
    const QmpCommand *cmd = qmp_command_find(command);
    g_auto(JsonWriter) w = JSON_WRITER_INIT;

    if (!cmd) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        "The command %s has not been found", command);
        return NULL;
    }
    if (!cmd->marshal(hmp->vm, own, &w, errp)) {
        return NULL;
    }
    return w.len ? json_parsen(w.buf, w.len, errp) : QOBJECT(qdict_new());
}

bool hmp_qmp_void(Hmp *hmp, const char *command, QDict *args, Error **errp)
{
    QObject *ret = hmp_qmp(hmp, command, args, errp);

    qobject_unref(ret);
    return ret;
}

bool hmp_run_same(Hmp *hmp, const QDict *args, Error **errp)
{
    return hmp_qmp_void(hmp, hmp->command->needs, qdict_shallow_copy(args),
                        errp);
}

bool hmp_register(Hmp *hmp, const char *name, uint64_t *value)
{
    HmpRegisterFn *const *end = __stop_hmp_registers;

    for (HmpRegisterFn *const *f = __start_hmp_registers; f < end; f++) {
        if ((*f)(hmp, name, value)) {
            return true;
        }
    }
    return false;
}
