/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects that users make; see include/qom/user-object.h. */
#include "util/osdep.h"

#include "qapi/qapi.h"
#include "qom/object.h"
#include "qom/user-object.h"
#include "qobject/qobject.h"
#include "util/error.h"

static const UserCreatable *user_creatable(const ObjectType *t)
{
    while (t && !t->user_creatable) {
        t = t->parent;
    }
    return t ? t->user_creatable : NULL;
}

static bool is_user_type(const ObjectType *t)
{
    return t && !t->abstract && user_creatable(t);
}

static GPtrArray *user_type_names(void)
{
    g_autofree const char **names = type_names(&object_type);
    GPtrArray *list = g_ptr_array_new();

    for (const char **n = names; *n; n++) {
        if (is_user_type(type_find(*n))) {
            g_ptr_array_add(list, (char *)*n);
        }
    }
    g_ptr_array_add(list, NULL);
    return list;
}

const ObjectType *object_user_type(const char *name, Error **errp)
{
    const ObjectType *t = type_find(name);
    g_autoptr(GPtrArray) names = NULL;

    if (is_user_type(t)) {
        return t;
    }
    error_set(errp, "invalid object type: %s", name);
    names = user_type_names();
    error_hint_nearest(errp, name, (const char *const *)names->pdata);
    return NULL;
}

Object *object_user_find(Object *root, const char *id)
{
    return object_child(object_container(root, "objects"), id);
}

static bool check_id(Object *root, const char *id, Error **errp)
{
    bool ok = id && g_ascii_isalpha(*id);

    if (!id) {
        return error_set(errp, "Parameter 'id' is missing");
    }
    for (const char *c = id; ok && *c; c++) {
        ok = g_ascii_isalnum(*c) || strchr("-._", *c);
    }
    if (!ok) {
        error_set(errp, "Parameter 'id' expects an identifier");
        error_hint(errp, "Identifiers consist of letters, digits, '-', '.', "
                         "'_', starting with a letter.\n");
        return false;
    }
    if (object_user_find(root, id)) {
        return error_set(errp, "Duplicate ID '%s' for object", id);
    }
    return true;
}

/* Of values given more than once the last counts. */
static const char *last_str(const QDict *opts, const char *key)
{
    QObject *v = qdict_get(opts, key);
    QList *list = qobject_to_list(v);

    return qobject_get_str(list ? qlist_get(list, qlist_size(list) - 1) : v);
}

bool object_user_add(Object *root, Vm *vm, const QDict *opts, QapiMode mode,
                     Error **errp)
{
    static const char *const skip[] = { "qom-type", "id", NULL };
    const char *type_name = last_str(opts, "qom-type");
    const char *id = last_str(opts, "id");
    const UserCreatable *uc;
    const ObjectType *type;
    g_autoptr(Object) obj = NULL;

    if (!type_name) {
        return error_set(errp, "Parameter 'qom-type' is missing");
    }
    type = object_user_type(type_name, errp);
    if (!type || !check_id(root, id, errp)) {
        return false;
    }
    uc = user_creatable(type);
    obj = object_new(type);
    object_set_root(obj, root);
    if (!object_props_set_dict(obj, opts, skip, mode, errp)) {
        return false;
    }
    object_add_child(object_container(root, "objects"), id, obj, error_abort);
    if (uc->complete && !uc->complete(obj, vm, errp)) {
        object_unparent(obj);
        return false;
    }
    obj->fixed = true;
    return true;
}

bool object_user_del(Object *root, const char *id, Error **errp)
{
    Object *obj = object_user_find(root, id);
    const UserCreatable *uc = obj ? user_creatable(obj->type) : NULL;

    if (!uc) {
        return error_set(errp, "object '%s' not found", id);
    }
    if (uc->can_delete && !uc->can_delete(obj, errp)) {
        return false;
    }
    /* A reference besides the tree's: something uses it. */
    if (obj->refs > 1) {
        return error_set(errp, "object '%s' is in use, can not be deleted", id);
    }
    object_unparent(obj);
    return true;
}

static bool prop_line(const Prop *prop, const ObjectType *owner, void *opaque)
{
    g_autofree char *name = NULL;

    if (prop->read_only || (prop->kind == &prop_kind_fn && !prop->set_fn)) {
        return true;
    }
    name = g_strdup_printf("%s=<%s>", prop->name, prop_type_name(prop));
    if (prop->help) {
        g_string_append_printf(opaque, "  %-22s - %s\n", name, prop->help);
    } else {
        g_string_append_printf(opaque, "  %s\n", name);
    }
    return true;
}

bool object_user_help(const char *type_name, GString *out, Error **errp)
{
    g_autoptr(GPtrArray) names = NULL;
    const ObjectType *t;

    if (type_name) {
        t = object_user_type(type_name, errp);
        if (!t) {
            return false;
        }
        g_string_append_printf(out, "%s options:\n", type_name);
        type_props_foreach(t, prop_line, out);
        return true;
    }
    names = user_type_names();
    g_string_append(out, "List of user creatable objects:\n");
    for (guint i = 0; i + 1 < names->len; i++) {
        g_string_append_printf(out, "  %s\n", (char *)names->pdata[i]);
    }
    return true;
}

bool object_user_add_option(Object *root, Vm *vm, const char *text,
                            Error **errp)
{
    QapiMode mode;
    bool is_help;
    g_autoptr(QDict) d =
        qapi_parse_option_dict(text, "qom-type", &is_help, &mode, errp);

    return d && object_user_add(root, vm, d, mode, errp);
}

void object_user_option_help(const char *text)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *type = NULL;
    Error *err = NULL;
    bool ok;

    if (strcmp(text, "help") && !g_str_has_suffix(text, ",help")) {
        return;
    }
    if (strcmp(text, "help")) {
        type = g_strndup(text, strcspn(text, ","));
    }
    ok = object_user_help(type, out, &err);
    fputs(out->str, stdout);
    if (!ok) {
        error_report_err(err);
    }
    fflush(stdout);
    _exit(!ok);
}
