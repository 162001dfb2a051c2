/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of chardevs: "-chardev" and the short forms of -serial, -monitor and
 * their kin, as QEMU's invocation manual describes them.
 */
#include "util/osdep.h"

#include "chardev/char-internal.h"
#include "qapi/qapi-commands-char.h"
#include "qobject/keyval.h"
#include "util/error.h"

/* Single options ------------------------------------------------------------------ */

char *char_opt_str(QDict *opts, const char *name)
{
    QObject *v = qdict_take(opts, name);
    QList *list = qobject_to_list(v);
    char *s;

    /* Of repeated ones the last counts. */
    s = g_strdup(qobject_get_str(list ? qlist_get(list, qlist_size(list) - 1)
                                      : v));
    qobject_unref(v);
    return s;
}

bool char_opt_bool(QDict *opts, const char *name, bool *has, bool *v,
                   Error **errp)
{
    g_autofree char *text = char_opt_str(opts, name);

    if (!text) {
        return true;
    }
    if (!parse_bool(text, v)) {
        return error_set(errp, "Parameter '%s' expects 'on' or 'off'", name);
    }
    *has = true;
    return true;
}

bool char_opt_path(QDict *opts, const char *type, const char *name, char **path,
                   Error **errp)
{
    *path = char_opt_str(opts, name);
    return *path || error_set(errp, "chardev: %s: no %s given", type,
                              strcmp(name, "path") ? name : "filename");
}

bool char_parse_common(QDict *opts, ChardevCommon *common, Error **errp)
{
    common->logfile = char_opt_str(opts, "logfile");
    return char_opt_bool(opts, "logappend", &common->has_logappend,
                         &common->logappend, errp);
}

bool char_parse_plain(QDict *opts, ChardevBackend *backend, Error **errp)
{
    backend->u.null.data = g_new0(ChardevCommon, 1);
    return char_parse_common(opts, backend->u.null.data, errp);
}

/* -chardev --------------------------------------------------------------------------- */

static bool all_taken(const QDict *opts, const char *type, Error **errp)
{
    QDICT_FOREACH(opts, e) {
        return error_set(errp, "chardev '%s' has no option '%s'", type, e->key);
    }
    return true;
}

static const ObjectType *type_of_opts(QDict *opts, Error **errp)
{
    g_autofree char *name = char_opt_str(opts, "backend");
    const ObjectType *type;

    if (!name) {
        error_set(errp, "chardev: no backend specified");
        return NULL;
    }
    type = char_type_by_name(name);
    if (!type) {
        error_set(errp, "chardev: backend \"%s\" not found", name);
        error_hint_nearest(errp, name, qapi_type_ChardevBackendKind.names);
    }
    return type;
}

/* Put a mux called @id above @base. */
static Chardev *add_mux(Vm *vm, const char *id, Chardev *base, Error **errp)
{
    ChardevMux mux = { .chardev = base->id };
    ChardevBackend backend = {
        .type = CHARDEV_BACKEND_KIND_MUX,
        .u.mux.data = &mux,
    };

    return chardev_add(vm, id, &backend, errp);
}

/* @opts is used up. */
static Chardev *add_dict(Vm *vm, const char *id, QDict *opts, Error **errp)
{
    g_autoptr(ChardevBackend) backend = NULL;
    g_autofree char *base_id = NULL;
    const ObjectType *type = type_of_opts(opts, errp);
    const ChardevClass *cc;
    bool mux = false, has;
    Chardev *chr;

    if (!type) {
        return NULL;
    }
    cc = type_class(type);
    backend = g_new0(ChardevBackend, 1);
    backend->type = cc->kind;
    if (!char_opt_bool(opts, "mux", &has, &mux, errp) ||
        !cc->parse(opts, backend, errp) || !all_taken(opts, cc->name, errp)) {
        return NULL;
    }
    if (!mux) {
        return chardev_add(vm, id, backend, errp);
    }
    base_id = g_strdup_printf("%s-base", id);
    chr = chardev_add(vm, base_id, backend, errp);
    return chr ? add_mux(vm, id, chr, errp) : NULL;
}

bool chardev_change_opts(Vm *vm, const char *id, const char *text,
                         Error **errp)
{
    g_autoptr(ChardevBackend) backend = NULL;
    g_autoptr(QDict) opts =
        keyval_parse_flat(text, "backend", true, NULL, errp);
    const ObjectType *type = opts ? type_of_opts(opts, errp) : NULL;
    const ChardevClass *cc;
    ChardevReturn *ret;

    if (!type) {
        return false;
    }
    cc = type_class(type);
    backend = g_new0(ChardevBackend, 1);
    backend->type = cc->kind;
    if (!cc->parse(opts, backend, errp) || !all_taken(opts, cc->name, errp)) {
        return false;
    }
    ret = qmp_chardev_change(vm, id, backend, errp);
    qapi_free_ChardevReturn(ret);
    return ret;
}

/* {"id": ..., "backend": {...}} */
static Chardev *add_json(Vm *vm, const char *text, Error **errp)
{
    g_autoptr(QObject) obj = json_parse(text, errp);
    QDict *args = qobject_to_dict(obj);
    g_autoptr(ChardevBackend) backend = NULL;
    const char *id;

    if (!obj) {
        return NULL;
    }
    id = args ? qdict_get_str(args, "id") : NULL;
    if (!id || qdict_size(args) != 2 || !qdict_has(args, "backend")) {
        error_set(errp, "-chardev expects the members 'id' and 'backend'");
        return NULL;
    }
    backend = qapi_from_qobject(&qapi_type_ChardevBackend,
                                qdict_get(args, "backend"), QAPI_STRICT, errp);
    return backend ? chardev_add(vm, id, backend, errp) : NULL;
}

Chardev *chardev_add_opts(Vm *vm, const char *text, Error **errp)
{
    g_autoptr(QDict) opts = NULL;
    g_autofree char *id = NULL;

    if (*text == '{') {
        return add_json(vm, text, errp);
    }
    opts = keyval_parse_flat(text, "backend", true, NULL, errp);
    if (!opts) {
        return NULL;
    }
    id = char_opt_str(opts, "id");
    if (!id) {
        error_set(errp, "chardev: no id specified");
        return NULL;
    }
    return add_dict(vm, id, opts, errp);
}

/* Short forms -------------------------------------------------------------------------- */

static QDict *opts_new(const char *backend)
{
    QDict *d = qdict_new();

    qdict_put_str(d, "backend", backend);
    return d;
}

/* "[HOST]:PORT[,options]" */
static QDict *opts_inet(const char *text, bool telnet, Error **errp)
{
    size_t end = strcspn(text, ",");
    g_autofree char *addr = g_strndup(text, end);
    char *colon = strrchr(addr, ':'), *host = addr;
    QDict *d;

    if (!colon || !colon[1]) {
        error_set(errp, "chardev: address '%s' is not of the form host:port",
                  addr);
        return NULL;
    }
    d = keyval_parse_flat(text[end] ? text + end + 1 : "", NULL, true, NULL,
                          errp);
    if (!d) {
        return NULL;
    }
    *colon = '\0';
    if (*host == '[' && colon > host && colon[-1] == ']') {
        colon[-1] = '\0';
        host++;
    }
    qdict_put_str(d, "backend", "socket");
    qdict_put_str(d, "host", host);
    qdict_put_str(d, "port", colon + 1);
    if (telnet) {
        qdict_put_str(d, "telnet", "on");
    }
    return d;
}

static QDict *opts_unix(const char *text, Error **errp)
{
    QDict *d = keyval_parse_flat(text, "path", true, NULL, errp);

    if (d) {
        qdict_put_str(d, "backend", "socket");
    }
    return d;
}

/* The options that the short form @text stands for. */
static QDict *opts_legacy(const char *text, Error **errp)
{
    static const char *const plain[] = { "null", "pty", "stdio", "ringbuf" };
    static const struct {
        const char *prefix, *backend;
    } paths[] = { { "file:", "file" }, { "pipe:", "pipe" } };

    if (g_str_has_prefix(text, "/dev/")) {
        QDict *d = opts_new("serial");

        qdict_put_str(d, "path", text);
        return d;
    }

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        if (!strcmp(text, plain[i])) {
            return opts_new(plain[i]);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (g_str_has_prefix(text, paths[i].prefix)) {
            QDict *d = opts_new(paths[i].backend);

            qdict_put_str(d, "path", text + strlen(paths[i].prefix));
            return d;
        }
    }
    if (g_str_has_prefix(text, "unix:")) {
        return opts_unix(text + strlen("unix:"), errp);
    }
    if (g_str_has_prefix(text, "tcp:")) {
        return opts_inet(text + strlen("tcp:"), false, errp);
    }
    if (g_str_has_prefix(text, "telnet:")) {
        return opts_inet(text + strlen("telnet:"), true, errp);
    }
    error_set(errp, "'%s' is not a valid char driver", text);
    return NULL;
}

bool chardev_add_legacy(Vm *vm, const char *id, const char *text,
                        Chardev **chr, bool *monitor, Error **errp)
{
    g_autoptr(QDict) opts = NULL;
    bool mux = g_str_has_prefix(text, "mon:");

    *chr = NULL;
    if (!strcmp(text, "none")) {
        return true;
    }
    if (g_str_has_prefix(text, "chardev:")) {
        *chr = chardev_find(vm, text + strlen("chardev:"));
        return *chr || error_set(errp, "Chardev '%s' not found",
                                 text + strlen("chardev:"));
    }
    if (mux && !monitor) {
        return error_set(errp, "'%s': a monitor cannot be added here", text);
    }
    opts = opts_legacy(mux ? text + strlen("mon:") : text, errp);
    if (!opts) {
        return false;
    }
    if (mux) {
        qdict_put_str(opts, "mux", "on");
        if (!strcmp(text, "mon:stdio")) {
            qdict_put_str(opts, "signal", "off");
        }
        *monitor = true;
    }
    *chr = add_dict(vm, id, opts, errp);
    return *chr;
}
