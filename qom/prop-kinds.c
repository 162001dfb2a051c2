/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of table properties that need no more than QAPI's scalars. */
#include "util/osdep.h"

#include "qom/object.h"
#include "util/error.h"

/* Scalars: the field is a slot of the QAPI type. ------------------------------ */

#define SCALAR_KIND(kind, ctype, qapi, shown, member)                          \
    static QObject *kind##_get(Object *obj, const Prop *prop, Error **errp)    \
    {                                                                          \
        return qapi_to_qobject(&qapi, prop_slot(obj, prop));                   \
    }                                                                          \
    static bool kind##_set(Object *obj, const Prop *prop,                      \
                           const QObject *value, QapiMode mode, Error **errp)  \
    {                                                                          \
        return qapi_read_named(&qapi, prop->name, value, prop_slot(obj, prop), \
                               mode, errp);                                    \
    }                                                                          \
    static void kind##_set_default(Object *obj, const Prop *prop)              \
    {                                                                          \
        *(ctype *)prop_slot(obj, prop) = (ctype)prop->def.member;              \
    }                                                                          \
    const PropKind prop_kind_##kind = {                                        \
        .type = shown,                                                         \
        .get = kind##_get,                                                     \
        .set = kind##_set,                                                     \
        .set_default = kind##_set_default,                                     \
    }

SCALAR_KIND(bool, bool, qapi_type_bool, "bool", u);
SCALAR_KIND(uint8, uint8_t, qapi_type_uint8, "uint8", u);
SCALAR_KIND(uint16, uint16_t, qapi_type_uint16, "uint16", u);
SCALAR_KIND(uint32, uint32_t, qapi_type_uint32, "uint32", u);
SCALAR_KIND(uint64, uint64_t, qapi_type_uint64, "uint64", u);
SCALAR_KIND(int32, int32_t, qapi_type_int32, "int32", i);
SCALAR_KIND(int64, int64_t, qapi_type_int64, "int64", i);
SCALAR_KIND(size, uint64_t, qapi_type_size, "size", u);

static QObject *size32_get(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(*(uint32_t *)prop_slot(obj, prop));
}

static bool size32_set(Object *obj, const Prop *prop, const QObject *value,
                       QapiMode mode, Error **errp)
{
    uint64_t v;

    if (!qapi_read_named(&qapi_type_size, prop->name, value, &v, mode, errp)) {
        return false;
    }
    if (v > UINT32_MAX) {
        return error_set(errp, "Property '%s.%s' doesn't take value %" PRIu64
                         " (maximum: %" PRIu32 ")", obj->type->name, prop->name,
                         v, UINT32_MAX);
    }
    *(uint32_t *)prop_slot(obj, prop) = v;
    return true;
}

static void size32_set_default(Object *obj, const Prop *prop)
{
    *(uint32_t *)prop_slot(obj, prop) = prop->def.u;
}

const PropKind prop_kind_size32 = {
    .type = "size",
    .get = size32_get,
    .set = size32_set,
    .set_default = size32_set_default,
};

/* Strings ------------------------------------------------------------------------ */

static QObject *str_get(Object *obj, const Prop *prop, Error **errp)
{
    const char *s = *(char **)prop_slot(obj, prop);

    return qstr_new(s ?: "");
}

static bool str_set(Object *obj, const Prop *prop, const QObject *value,
                    QapiMode mode, Error **errp)
{
    char **slot = prop_slot(obj, prop);
    char *s = NULL;

    if (!qapi_read_named(&qapi_type_str, prop->name, value, &s, mode, errp)) {
        return false;
    }
    g_free(*slot);
    *slot = s;
    return true;
}

static void str_set_default(Object *obj, const Prop *prop)
{
    *(char **)prop_slot(obj, prop) = g_strdup(prop->def.s);
}

static void str_release(Object *obj, const Prop *prop)
{
    g_free(*(char **)prop_slot(obj, prop));
}

const PropKind prop_kind_str = {
    .type = "str",
    .get = str_get,
    .set = str_set,
    .set_default = str_set_default,
    .release = str_release,
};

/* Enums --------------------------------------------------------------------------- */

static QObject *enum_get(Object *obj, const Prop *prop, Error **errp)
{
    return qstr_new(qapi_enum_name(prop->arg, *(int *)prop_slot(obj, prop)));
}

static bool enum_set(Object *obj, const Prop *prop, const QObject *value,
                     QapiMode mode, Error **errp)
{
    return qapi_read_named(prop->arg, prop->name, value, prop_slot(obj, prop),
                           mode, errp);
}

static void enum_set_default(Object *obj, const Prop *prop)
{
    *(int *)prop_slot(obj, prop) = prop->def.i;
}

const PropKind prop_kind_enum = {
    .type = "enum",
    .get = enum_get,
    .set = enum_set,
    .set_default = enum_set_default,
};

/* Bits ------------------------------------------------------------------------------ */

#define BIT_KIND(kind, ctype)                                                  \
    static void kind##_store(Object *obj, const Prop *prop, bool v)            \
    {                                                                          \
        ctype *word = prop_slot(obj, prop);                                    \
        ctype mask = (ctype)1 << prop->bit;                                    \
                                                                               \
        *word = v ? *word | mask : *word & ~mask;                              \
    }                                                                          \
    static QObject *kind##_get(Object *obj, const Prop *prop, Error **errp)    \
    {                                                                          \
        return qbool_new(*(ctype *)prop_slot(obj, prop) >> prop->bit & 1);     \
    }                                                                          \
    static bool kind##_set(Object *obj, const Prop *prop,                      \
                           const QObject *value, QapiMode mode, Error **errp)  \
    {                                                                          \
        bool v = false;                                                        \
                                                                               \
        if (!qapi_read_named(&qapi_type_bool, prop->name, value, &v, mode,     \
                             errp)) {                                          \
            return false;                                                      \
        }                                                                      \
        kind##_store(obj, prop, v);                                            \
        return true;                                                           \
    }                                                                          \
    static void kind##_set_default(Object *obj, const Prop *prop)              \
    {                                                                          \
        kind##_store(obj, prop, prop->def.u);                                  \
    }                                                                          \
    const PropKind prop_kind_##kind = {                                        \
        .type = "bool",                                                        \
        .get = kind##_get,                                                     \
        .set = kind##_set,                                                     \
        .set_default = kind##_set_default,                                     \
    }

BIT_KIND(bit, uint32_t);
BIT_KIND(bit64, uint64_t);

/* Links ------------------------------------------------------------------------------- */

static QObject *link_get(Object *obj, const Prop *prop, Error **errp)
{
    Object *target = *(Object **)prop_slot(obj, prop);
    g_autofree char *path = target ? object_path(target) : NULL;

    return qstr_new(path ?: "");
}

static bool link_set(Object *obj, const Prop *prop, const QObject *value,
                     QapiMode mode, Error **errp)
{
    const ObjectType *type = prop->arg;
    Object **slot = prop_slot(obj, prop);
    g_autofree char *path = NULL;
    Object *target = NULL;
    bool ambiguous;

    if (!qapi_read_named(&qapi_type_str, prop->name, value, &path, mode,
                         errp)) {
        return false;
    }
    if (*path) {
        Object *root = object_root(obj);

        target = object_resolve_type(root, path, type, &ambiguous);
        if (ambiguous) {
            return error_set(errp, "Path '%s' does not uniquely identify an "
                             "object", path);
        }
        if (!target && object_resolve(root, path, NULL)) {
            return error_set(errp, "Invalid parameter type for '%s', expected:"
                             " %s", prop->name, type->name);
        }
        if (!target) {
            return error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                                   "Device '%s' not found", path);
        }
    }
    object_ref(target);
    object_unref(*slot);
    *slot = target;
    return true;
}

static void link_release(Object *obj, const Prop *prop)
{
    object_unref(*(Object **)prop_slot(obj, prop));
}

const PropKind prop_kind_link = {
    .type = "link",
    .get = link_get,
    .set = link_set,
    .release = link_release,
};

/* Functions ------------------------------------------------------------------------------ */

static QObject *fn_get(Object *obj, const Prop *prop, Error **errp)
{
    if (!prop->get_fn) {
        error_set(errp, "Property '%s.%s' is not readable", obj->type->name,
                  prop->name);
        return NULL;
    }
    return prop->get_fn(obj, prop, errp);
}

static bool fn_set(Object *obj, const Prop *prop, const QObject *value,
                   QapiMode mode, Error **errp)
{
    if (!prop->set_fn) {
        return error_set(errp, "Property '%s.%s' is not writable",
                         obj->type->name, prop->name);
    }
    return prop->set_fn(obj, prop, value, mode, errp);
}

const PropKind prop_kind_fn = {
    .type = "fn",
    .get = fn_get,
    .set = fn_set,
};
