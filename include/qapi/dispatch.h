/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP commands: the table of those linked into the program, and the step from
 * one request object to one reply text.
 */
#ifndef QAPI_DISPATCH_H
#define QAPI_DISPATCH_H

#include "qapi/qapi.h"

enum {
    QMP_OOB = 1 << 0,             /* may run out of band */
    QMP_COROUTINE = 1 << 1,       /* wants to run in a coroutine */
    QMP_ALLOW_PRECONFIG = 1 << 2, /* before the machine is built */
    QMP_NO_SUCCESS = 1 << 3,      /* no reply when it succeeds */
    QMP_DEPRECATED = 1 << 4,
    QMP_UNSTABLE = 1 << 5,
};

typedef struct QmpCommand {
    const char *name;
    /*
     * Unpack @args (never NULL; may be changed), run the handler, write the
     * result. On success exactly one value was written, or none for {}.
     */
    bool (*marshal)(Vm *vm, QDict *args, JsonWriter *ret, Error **errp);
    uint32_t flags;
} QmpCommand;

/* One schema module's commands, sorted by name; generated. */
typedef struct QmpModule {
    const char *name;
    const QmpCommand *commands;
    size_t n;
} QmpModule;

/* Link a module's table into the program. */
#define QMP_MODULE(var)                       \
    static const QmpModule *const var##_link_ \
        __attribute__((section("qmp_modules"), used)) = &(var)

/* NULL when the program has none of that name. */
const QmpCommand *qmp_command_find(const char *name);
/* All commands of the program; NULL starts, NULL ends. */
const QmpCommand *qmp_command_next(const QmpCommand *prev);

typedef enum QmpState {
    QMP_NEGOTIATING, /* only qmp_capabilities */
    QMP_READY,
} QmpState;

/* A request taken apart. Fields point into @root. */
typedef struct QmpRequest {
    QDict *root; /* owned */
    const QmpCommand *cmd;
    QDict *args; /* owned */
    QObject *id; /* lent by root; NULL for none */
    bool oob;    /* came as "exec-oob" */
} QmpRequest;

typedef struct QmpDispatch {
    Vm *vm;
    QmpState state;
    bool oob_enabled; /* the client asked for the capability */
    bool preconfig;   /* only commands that allow it may run */
} QmpDispatch;

/*
 * Check the form of @value (taken over): an object with "execute" or
 * "exec-oob", optionally "arguments" and "id", nothing else; a command that
 * the program has and that may run now. On failure req->id is still set when
 * there was one, so that the error reply carries it, and the caller clears
 * @req in either case.
 */
bool qmp_request_parse(QmpRequest *req, const QmpDispatch *d, QObject *value,
                       Error **errp);
void qmp_request_clear(QmpRequest *req);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(QmpRequest, qmp_request_clear)

/*
 * Run a parsed request on this thread and append the reply object, without a
 * line end, to @w. False when there is nothing to send.
 */
bool qmp_request_run(QmpRequest *req, const QmpDispatch *d, JsonWriter *w);
/* Append the error reply. @err is taken over; @id may be NULL. */
void qmp_write_error(JsonWriter *w, Error *err, const QObject *id);

/* Parse and run in one go, for commands that need no queue. */
bool qmp_dispatch(const QmpDispatch *d, QObject *value, JsonWriter *w);

/*
 * The program's introspection data: the JSON array that query-qmp-schema
 * returns. Defined by the generated qapi-introspect of each program.
 */
extern const char qmp_schema_json[];
extern const size_t qmp_schema_json_len;

#endif
