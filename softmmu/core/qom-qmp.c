/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: looking at types and at the composition tree. */
#include "util/osdep.h"

#include "qapi/qapi-commands-qom.h"
#include "qom/object.h"
#include "softmmu/user-object.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* @ambiguous_class: of the error when @path fits more than one object. */
static Object *resolve(Vm *vm, const char *path, ErrorClass ambiguous_class,
                       Error **errp)
{
    bool ambiguous;
    Object *obj = object_resolve(vm->root, path, &ambiguous);

    if (ambiguous) {
        error_set_class(errp, ambiguous_class, "Path '%s' is ambiguous", path);
    } else if (!obj) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", path);
    }
    return obj;
}

static ObjectPropertyInfo *prop_info(const char *name, const char *type,
                                     const char *help)
{
    ObjectPropertyInfo *info = g_new0(ObjectPropertyInfo, 1);

    info->name = g_strdup(name);
    info->type = g_strdup(type);
    info->description = g_strdup(help);
    return info;
}

static bool list_object_prop(const ObjectPropInfo *p, void *opaque)
{
    ObjectPropertyInfoList ***tail = opaque;

    /* As QEMU: descriptions only where types are listed. */
    QAPI_LIST_APPEND(*tail, prop_info(p->name, p->type, NULL));
    return true;
}

ObjectPropertyInfoList *qmp_qom_list(Vm *vm, const char *path, Error **errp)
{
    Object *obj = resolve(vm, path, ERROR_CLASS_GENERIC_ERROR, errp);
    ObjectPropertyInfoList *list = NULL, **tail = &list;

    if (obj) {
        QAPI_LIST_APPEND(tail, prop_info("type", "string", NULL));
        object_props_foreach(obj, list_object_prop, &tail);
    }
    return list;
}

QObject *qmp_qom_get(Vm *vm, const char *path, const char *property,
                     Error **errp)
{
    Object *obj = resolve(vm, path, ERROR_CLASS_DEVICE_NOT_FOUND, errp);

    if (!obj) {
        return NULL;
    }
    return g_str_equal(property, "type") ? qstr_new(obj->type->name)
                                         : object_prop_get(obj, property, errp);
}

bool qmp_qom_set(Vm *vm, const char *path, const char *property,
                 QObject *value, Error **errp)
{
    Object *obj = resolve(vm, path, ERROR_CLASS_DEVICE_NOT_FOUND, errp);

    return obj && object_prop_set(obj, property, value, QAPI_STRICT, errp);
}

static ObjectTypeInfo *type_info(const ObjectType *t)
{
    ObjectTypeInfo *info = g_new0(ObjectTypeInfo, 1);

    info->name = g_strdup(t->name);
    if (t->abstract) {
        info->has_abstract = info->abstract = true;
    }
    info->parent = t->parent ? g_strdup(t->parent->name) : NULL;
    return info;
}

ObjectTypeInfoList *qmp_qom_list_types(Vm *vm, const char *implements,
                                       bool has_abstract, bool abstract,
                                       Error **errp)
{
    ObjectTypeInfoList *list = NULL, **tail = &list;
    const ObjectType *t;

    for (size_t i = 0; (t = type_at(i)); i++) {
        if ((!t->abstract || (has_abstract && abstract)) &&
            (!implements || type_is_a_name(t, implements))) {
            QAPI_LIST_APPEND(tail, type_info(t));
        }
    }
    return list;
}

static bool list_type_prop(const Prop *p, const ObjectType *owner, void *opaque)
{
    ObjectPropertyInfoList ***tail = opaque;

    QAPI_LIST_APPEND(*tail, prop_info(p->name, prop_type_name(p), p->help));
    return true;
}

ObjectPropertyInfoList *qmp_qom_list_properties(Vm *vm, const char *type_name,
                                                Error **errp)
{
    const ObjectType *t = type_find(type_name);
    ObjectPropertyInfoList *list = NULL, **tail = &list;

    if (!t || !g_str_equal(t->name, type_name)) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Class '%s' not found", type_name);
        return NULL;
    }
    QAPI_LIST_APPEND(tail, prop_info("type", "string", NULL));
    type_props_foreach(t, list_type_prop, &tail);
    return list;
}

/* User objects --------------------------------------------------------------
 */

bool qmp_object_add(Vm *vm, ObjectOptions *options, Error **errp)
{
    g_autoptr(QObject) opts =
        qapi_to_qobject(&qapi_type_ObjectOptions, &options);

    return user_object_add(vm, qobject_to_dict(opts), QAPI_STRICT, errp);
}

bool qmp_object_del(Vm *vm, const char *id, Error **errp)
{
    return user_object_del(vm, id, errp);
}
