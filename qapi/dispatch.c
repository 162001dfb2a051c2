/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a request object to a reply: QEMU's "QEMU Machine Protocol
 * Specification", sections 2.3 (commands), 2.4 (responses), 3.1 (oob).
 */
#include "util/osdep.h"

#include "qapi/dispatch.h"
#include "util/error.h"

static const char negotiate[] = "qmp_capabilities";

void qmp_request_clear(QmpRequest *req)
{
    qobject_unref(req->root);
    qobject_unref(req->args);
    *req = (QmpRequest){ 0 };
}

static bool check_members(QmpRequest *req, const QmpDispatch *d,
                          const char **name, Error **errp)
{
    const QObject *command = NULL;

    QDICT_FOREACH(req->root, e) {
        bool oob = !strcmp(e->key, "exec-oob") && d->oob_enabled;

        if (oob || !strcmp(e->key, "execute")) {
            if (command) {
                return error_set(errp, "QMP input has both 'execute' and "
                                       "'exec-oob'");
            }
            command = e->value;
            req->oob = oob;
            if (!qobject_get_str(command)) {
                return error_set(errp, "QMP input member '%s' must be a string",
                                 e->key);
            }
        } else if (!strcmp(e->key, "arguments")) {
            if (!qobject_to_dict(e->value)) {
                return error_set(
                    errp, "QMP input member 'arguments' must be an object");
            }
        } else if (strcmp(e->key, "id")) {
            return error_set(errp, "QMP input member '%.100s' is unexpected",
                             e->key);
        }
    }
    if (!command) {
        return error_set(errp, "QMP input lacks member 'execute'");
    }
    *name = qobject_get_str(command);
    return true;
}

static bool find_command(QmpRequest *req, const QmpDispatch *d,
                         const char *name, Error **errp)
{
    bool capabilities = !strcmp(name, negotiate);

    if (d->state == QMP_NEGOTIATING && !capabilities) {
        return error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                               "Expecting capabilities negotiation with '%s'",
                               negotiate);
    }
    if (d->state == QMP_READY && capabilities) {
        return error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                               "Capabilities negotiation is already complete, "
                               "command ignored");
    }
    req->cmd = qmp_command_find(name);
    if (!req->cmd) {
        return error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                               "The command %.100s has not been found", name);
    }
    if (req->oob && !(req->cmd->flags & QMP_OOB)) {
        return error_set(errp, "The command %s does not support OOB", name);
    }
    if (d->preconfig && !(req->cmd->flags & QMP_ALLOW_PRECONFIG)) {
        return error_set(errp,
                         "The command '%s' isn't permitted in 'preconfig' "
                         "state",
                         name);
    }
    return true;
}

bool qmp_request_parse(QmpRequest *req, const QmpDispatch *d, QObject *value,
                       Error **errp)
{
    const char *name;
    QDict *args;

    *req = (QmpRequest){ .root = qobject_to_dict(value) };
    if (!req->root) {
        qobject_unref(value);
        return error_set(errp, "QMP input must be a JSON object");
    }
    req->id = qdict_get(req->root, "id");
    if (!check_members(req, d, &name, errp) ||
        !find_command(req, d, name, errp)) {
        return false;
    }
    args = qdict_get_dict(req->root, "arguments");
    req->args = args ? qobject_ref(args) : qdict_new();
    return true;
}

static void write_id(JsonWriter *w, const QObject *id)
{
    if (id) {
        json_key(w, "id");
        json_value(w, id);
    }
    json_close(w, '}');
}

void qmp_write_error(JsonWriter *w, Error *err, const QObject *id)
{
    json_open(w, '{');
    json_key(w, "error");
    json_open(w, '{');
    json_key(w, "class");
    json_str(w, error_class_name(error_class(err)));
    json_key(w, "desc");
    json_str(w, error_text(err));
    json_close(w, '}');
    write_id(w, id);
    error_free(err);
}

bool qmp_request_run(QmpRequest *req, const QmpDispatch *d, JsonWriter *w)
{
    JsonMark start = json_mark(w);
    Error *err = NULL;
    size_t before;

    json_open(w, '{');
    json_key(w, "return");
    before = w->len;
    if (!req->cmd->marshal(d->vm, req->args, w, &err)) {
        json_rollback(w, start);
        qmp_write_error(w, err, req->id);
        return true;
    }
    if (req->cmd->flags & QMP_NO_SUCCESS) {
        json_rollback(w, start);
        return false;
    }
    if (w->len == before) {
        json_open(w, '{');
        json_close(w, '}');
    }
    write_id(w, req->id);
    return true;
}

bool qmp_dispatch(const QmpDispatch *d, QObject *value, JsonWriter *w)
{
    g_auto(QmpRequest) req = { 0 };
    Error *err = NULL;

    if (!qmp_request_parse(&req, d, value, &err)) {
        qmp_write_error(w, err, req.id);
        return true;
    }
    return qmp_request_run(&req, d, w);
}
