/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of the human monitor. Whoever has something to show or do adds a
 * command with HMP_COMMAND; monitor/ parses lines and runs them.
 *
 * Handlers run on the main loop under the machine lock. They print to the
 * session and report failure by *errp; most just run a QMP command.
 */
#ifndef QAPI_HMP_H
#define QAPI_HMP_H

#include "qobject/qobject.h"

typedef struct HmpCommand HmpCommand;

typedef struct Hmp {
    Vm *vm;
    GString *out; /* what the command printed; "\n" ends lines */
    int64_t cpu;  /* index of the CPU that commands about CPUs mean */
    const HmpCommand *command; /* that runs */
    bool remote; /* human-monitor-command: nobody is there to answer */
} Hmp;

typedef enum HmpArgKind {
    HMP_END,
    HMP_WORD, /* one word; quotes and backslashes as in C */
    HMP_REST, /* the rest of the line as it stands */
    HMP_INT,  /* expression: C numbers, + - * / % & | ^ ~ ( ) */
    HMP_SIZE, /* number with a suffix, MiB when there is none */
    HMP_BOOL, /* on or off */
    HMP_FLAG, /* "-x", true when present; name is the letter */
    HMP_FMT,  /* "/8xg": members "count" (int), "format" and "size" (chars) */
} HmpArgKind;

typedef struct HmpArg {
    const char *name; /* key in the handler's dict; shown in help */
    HmpArgKind kind;
    bool optional;
    /* Candidates for a word that begins with @prefix: append copies to
     * @list. May be NULL. */
    void (*complete)(Hmp *hmp, const char *prefix, GPtrArray *list);
} HmpArg;

struct HmpCommand {
    const char *name;  /* "cont|c"; a command of the info family "info X" */
    const HmpArg *args; /* ends with {}; NULL: none */
    const char *params; /* for help: "[-f] device"; NULL: made from args */
    const char *help;   /* one line */
    /* A QMP command without which this one is not there; or NULL. */
    const char *needs;
    /* @args lent: a member per given argument. */
    bool (*run)(Hmp *hmp, const QDict *args, Error **errp);
};

/* Put @var, a const HmpCommand or an array of them, in the program's table. */
#define HMP_COMMANDS(var)                                                      \
    static const HmpCommandTable var##_table = {                               \
        (const HmpCommand *)&(var), sizeof(var) / sizeof(HmpCommand)           \
    };                                                                         \
    static const HmpCommandTable *const var##_entry                            \
        __attribute__((section("hmp_commands"), used)) = &var##_table

typedef struct HmpCommandTable {
    const HmpCommand *commands;
    size_t n;
} HmpCommandTable;

/* Expressions ask these for "$NAME", @name; false: not known. */
typedef bool HmpRegisterFn(Hmp *hmp, const char *name, uint64_t *value);
#define HMP_REGISTERS(fn)                                                      \
    static HmpRegisterFn *const fn##_entry                                     \
        __attribute__((section("hmp_registers"), used)) = fn
bool hmp_register(Hmp *hmp, const char *name, uint64_t *value);

/* Every command that is there (see needs); NULL starts, NULL ends. */
const HmpCommand *hmp_command_next(const HmpCommand *prev);
/* By name or one of its aliases; NULL: none. */
const HmpCommand *hmp_command_find(const char *name, size_t len, bool info);

void hmp_printf(Hmp *hmp, const char *fmt, ...) PRINTF_LIKE(2, 3);
/*
 * Run a QMP command; @args (taken over, may be NULL). The result, or NULL and
 * *errp.
 */
QObject *hmp_qmp(Hmp *hmp, const char *command, QDict *args, Error **errp);
/* The same where nothing comes back. */
bool hmp_qmp_void(Hmp *hmp, const char *command, QDict *args, Error **errp);
/* A handler: run the QMP command that the command needs, with its arguments. */
bool hmp_run_same(Hmp *hmp, const QDict *args, Error **errp);

#endif
