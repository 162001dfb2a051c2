/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chardevs of a VM: making, finding, replacing and removing them. */
#include "util/osdep.h"

#include "chardev/char-internal.h"
#include "qapi/qapi-commands-char.h"
#include "util/error.h"
#include "util/fdset.h"

/* One per VM, from the first chardev on. */
struct Chardevs {
    VmExitListener exit;
};

static void at_exit(void *opaque)
{
    chardevs_cleanup(opaque);
}

static void chardevs_ensure(Vm *vm)
{
    if (!vm->chardevs) {
        vm->chardevs = g_new0(struct Chardevs, 1);
        vm->chardevs->exit =
            (VmExitListener){ .fn = at_exit, .opaque = vm };
        vm_exit_listener_add(vm, &vm->chardevs->exit);
    }
}

static Object *container(Vm *vm)
{
    return object_container(vm->root, "chardevs");
}

Chardev *chardev_find(Vm *vm, const char *id)
{
    return object_dynamic_cast(object_child(container(vm), id), &chardev_type);
}

/* Types ------------------------------------------------------------------------ */

const ObjectType *char_type_by_kind(ChardevBackendKind kind)
{
    const ObjectType *t;

    if (kind == CHARDEV_BACKEND_KIND_MEMORY) {
        kind = CHARDEV_BACKEND_KIND_RINGBUF;
    }
    for (size_t i = 0; (t = type_at(i)); i++) {
        if (!t->abstract && type_is_a(t, &chardev_type) &&
            ((const ChardevClass *)type_class(t))->kind == kind) {
            return t;
        }
    }
    return NULL;
}

const ObjectType *char_type_by_name(const char *name)
{
    int kind = qapi_enum_find(&qapi_type_ChardevBackendKind, name, -1);

    return kind < 0 ? NULL : char_type_by_kind(kind);
}

char *chardev_help(void)
{
    GString *s = g_string_new(NULL);

    for (int i = 0; i < CHARDEV_BACKEND_KIND__MAX; i++) {
        g_string_append_printf(
            s, "  %s\n", qapi_enum_name(&qapi_type_ChardevBackendKind, i));
    }
    return g_string_free(s, FALSE);
}

ChardevCommon *char_backend_common(const ChardevBackend *backend)
{
    /* Each wrapper is a pointer to a struct that begins with the common
     * members. */
    return backend->u.null.data;
}

/* Making ------------------------------------------------------------------------- */

static bool open_log(Chardev *chr, const ChardevCommon *common, Error **errp)
{
    bool append = common->has_logappend && common->logappend;
    int fd;

    if (!common->logfile) {
        return true;
    }
    fd = fdsets_open(chr->vm->fdsets, common->logfile,
                     O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0666);
    if (fd < 0) {
        return error_errno(errp, -fd, "Unable to open logfile %s",
                           common->logfile);
    }
    chr->log_fd = fd;
    return true;
}

Chardev *chardev_new(Vm *vm, const char *id, const ChardevBackend *backend,
                     Error **errp)
{
    const ObjectType *type = char_type_by_kind(backend->type);
    const ChardevClass *cc = type_class(type);
    Chardev *chr = chardev(object_new(type));

    chardevs_ensure(vm);
    chr->vm = vm;
    chr->id = g_strdup(id);
    chardev_set_loop(chr, vm->loop);
    if (!open_log(chr, char_backend_common(backend), errp) ||
        !cc->open(chr, backend, errp)) {
        object_unref(chr);
        return NULL;
    }
    if (!cc->connects) {
        char_event(chr, CHAR_EVENT_OPENED);
    }
    return chr;
}

Chardev *chardev_add(Vm *vm, const char *id, const ChardevBackend *backend,
                     Error **errp)
{
    Chardev *chr;
    bool ok;

    if (!*id) {
        error_set(errp, "chardev: no id specified");
        return NULL;
    }
    if (strchr(id, '/')) {
        error_set(errp, "chardev id '%s' has a '/'", id);
        return NULL;
    }
    if (chardev_find(vm, id)) {
        error_set(errp, "Chardev with id '%s' already exists", id);
        return NULL;
    }
    chr = chardev_new(vm, id, backend, errp);
    if (!chr) {
        return NULL;
    }
    ok = object_add_child(container(vm), id, chr, errp);
    object_unref(chr);
    return ok ? chr : NULL;
}

bool chardev_remove(Vm *vm, const char *id, Error **errp)
{
    Chardev *chr = chardev_find(vm, id);

    if (!chr) {
        return error_set(errp, "Chardev '%s' not found", id);
    }
    if (chr->fe || (chardev_class(chr)->add_frontend && chr->obj.refs > 1)) {
        return error_set(errp, "Chardev '%s' is busy", id);
    }
    object_unparent(chr);
    return true;
}

/* A mux lets go of the chardev below it, so it goes first. */
static bool cleanup_one(Object *child, void *opaque)
{
    Chardev *chr = object_dynamic_cast(child, &chardev_type);

    if (chr && chardev_class(chr)->close) {
        chardev_class(chr)->close(chr);
    }
    return true;
}

void chardevs_cleanup(Vm *vm)
{
    object_children_foreach(container(vm), cleanup_one, NULL);
}

/* QMP -------------------------------------------------------------------------------- */

static bool add_info(Object *child, void *opaque)
{
    Chardev *chr = object_dynamic_cast(child, &chardev_type);
    ChardevInfoList ***tail = opaque;
    ChardevInfo *info;

    if (chr) {
        info = g_new0(ChardevInfo, 1);
        info->label = g_strdup(chr->id);
        info->filename = chardev_filename(chr);
        info->frontend_open = chr->fe && chr->fe->open;
        QAPI_LIST_APPEND(*tail, info);
    }
    return true;
}

ChardevInfoList *qmp_query_chardev(Vm *vm, Error **errp)
{
    ChardevInfoList *list = NULL, **tail = &list;

    object_children_foreach(container(vm), add_info, &tail);
    return list;
}

ChardevBackendInfoList *qmp_query_chardev_backends(Vm *vm, Error **errp)
{
    ChardevBackendInfoList *list = NULL, **tail = &list;

    for (int i = 0; i < CHARDEV_BACKEND_KIND__MAX; i++) {
        ChardevBackendInfo *info = g_new0(ChardevBackendInfo, 1);

        info->name =
            g_strdup(qapi_enum_name(&qapi_type_ChardevBackendKind, i));
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

/* What chardev-add says: the name of a new pty. */
static ChardevReturn *chardev_return(Chardev *chr)
{
    ChardevReturn *ret = g_new0(ChardevReturn, 1);
    g_autofree char *name = chardev_filename(chr);

    if (g_str_has_prefix(name, "pty:")) {
        ret->pty = g_strdup(name + strlen("pty:"));
    }
    return ret;
}

ChardevReturn *qmp_chardev_add(Vm *vm, const char *id, ChardevBackend *backend,
                               Error **errp)
{
    Chardev *chr = chardev_add(vm, id, backend, errp);

    if (!chr) {
        error_prefix(errp, "Failed to add chardev '%s'", id);
        return NULL;
    }
    return chardev_return(chr);
}

bool qmp_chardev_remove(Vm *vm, const char *id, Error **errp)
{
    return chardev_remove(vm, id, errp);
}

bool qmp_chardev_send_break(Vm *vm, const char *id, Error **errp)
{
    Chardev *chr = chardev_find(vm, id);

    if (!chr) {
        return error_set(errp, "Chardev '%s' not found", id);
    }
    char_event(chr, CHAR_EVENT_BREAK);
    return true;
}

/* Swap the backend below a frontend that can; undone when it then refuses. */
static bool swap_backend(Chardev *old, Chardev *chr, Error **errp)
{
    CharFrontend *fe = old->fe;
    bool was_open = old->open;

    if (!fe->handlers || !fe->handlers->change) {
        return error_set(errp, "Chardev user does not support chardev hotswap");
    }
    chardev_move_frontend(old, chr);
    if (was_open != chr->open && fe->handlers->event) {
        fe->handlers->event(fe->opaque, chr->open ? CHAR_EVENT_OPENED
                                                  : CHAR_EVENT_CLOSED);
    }
    if (!fe->handlers->change(fe->opaque, errp)) {
        chardev_move_frontend(chr, old);
        return false;
    }
    return true;
}

ChardevReturn *qmp_chardev_change(Vm *vm, const char *id,
                                  ChardevBackend *backend, Error **errp)
{
    Chardev *old = chardev_find(vm, id);
    g_autoptr(Chardev) chr = NULL;

    if (!old) {
        error_set(errp, "Chardev '%s' does not exist", id);
        return NULL;
    }
    if (chardev_class(old)->add_frontend ||
        backend->type == CHARDEV_BACKEND_KIND_MUX) {
        error_set(errp, "Mux device hotswap not supported yet");
        return NULL;
    }
    if (old->fe && (!old->fe->handlers || !old->fe->handlers->change)) {
        error_set(errp, "Chardev user does not support chardev hotswap");
        return NULL;
    }
    chr = chardev_new(vm, id, backend, errp);
    if (!chr || (old->fe && !swap_backend(old, chr, errp))) {
        return NULL;
    }
    object_unparent(old);
    if (!object_add_child(container(vm), id, chr, errp)) {
        return NULL;
    }
    return chardev_return(chr);
}
