/* SPDX-License-Identifier: GPL-2.0-or-later */
/* C values to JSON text and to QObjects. */
#include "util/osdep.h"

#include "qapi/internal.h"

static void write_members(const QapiType *type, const void *obj, JsonWriter *w)
{
    const QapiType *branch = union_branch(type, obj);

    for (int i = 0; i < type->n; i++) {
        const QapiMember *m = &type->members[i];

        if (member_present(m, obj)) {
            json_key(w, m->name);
            qapi_write_json(m->type, at(obj, m->offset), w);
        }
    }
    if (branch) {
        write_members(branch, at(obj, type->u_offset), w);
    }
}

void qapi_write_members(const QapiType *type, const void *obj, JsonWriter *w)
{
    json_open(w, '{');
    write_members(type, obj, w);
    json_close(w, '}');
}

static void write_alternate(const QapiType *type, const void *obj,
                            JsonWriter *w)
{
    const QapiType *branch = type->branch[*(const QType *)obj];
    const void *u = at(obj, type->u_offset);

    if (is_object(branch)) {
        qapi_write_members(branch, u, w);
    } else {
        qapi_write_json(branch, u, w);
    }
}

static void write_list(const QapiType *type, const void *node, JsonWriter *w)
{
    json_open(w, '[');
    for (; node; node = load_ptr(node)) {
        qapi_write_json(type->branch[0], at(node, NODE_VALUE), w);
    }
    json_close(w, ']');
}

/* A string that a handler left NULL reads as "". */
static void write_str(const char *s, JsonWriter *w)
{
    json_str(w, s ? s : "");
}

void qapi_write_json(const QapiType *type, const void *slot, JsonWriter *w)
{
    switch ((QapiKind)type->kind) {
    case QAPI_BOOL:
        json_bool(w, *(const bool *)slot);
        break;
    case QAPI_INT:
        json_int(w, load_int(type, slot));
        break;
    case QAPI_UINT:
    case QAPI_SIZE:
        json_uint(w, load_uint(type, slot));
        break;
    case QAPI_NUMBER:
        json_double(w, *(const double *)slot);
        break;
    case QAPI_STR:
        write_str(load_ptr(slot), w);
        break;
    case QAPI_ANY:
    case QAPI_NULL:
        json_value(w, load_ptr(slot));
        break;
    case QAPI_ENUM:
        json_str(w, qapi_enum_name(type, *(const int *)slot));
        break;
    case QAPI_STRUCT:
    case QAPI_UNION:
        qapi_write_members(type, load_ptr(slot), w);
        break;
    case QAPI_ALTERNATE:
        write_alternate(type, load_ptr(slot), w);
        break;
    case QAPI_LIST:
        write_list(type, load_ptr(slot), w);
        break;
    }
}

static void members_to_dict(const QapiType *type, const void *obj, QDict *dict)
{
    const QapiType *branch = union_branch(type, obj);

    for (int i = 0; i < type->n; i++) {
        const QapiMember *m = &type->members[i];

        if (member_present(m, obj)) {
            qdict_put(dict, m->name,
                      qapi_to_qobject(m->type, at(obj, m->offset)));
        }
    }
    if (branch) {
        members_to_dict(branch, at(obj, type->u_offset), dict);
    }
}

static QObject *object_to_qobject(const QapiType *type, const void *obj)
{
    QDict *dict = qdict_new();

    members_to_dict(type, obj, dict);
    return QOBJECT(dict);
}

static QObject *alternate_to_qobject(const QapiType *type, const void *obj)
{
    const QapiType *branch = type->branch[*(const QType *)obj];
    const void *u = at(obj, type->u_offset);

    return is_object(branch) ? object_to_qobject(branch, u)
                             : qapi_to_qobject(branch, u);
}

static QObject *list_to_qobject(const QapiType *type, const void *node)
{
    QList *list = qlist_new();

    for (; node; node = load_ptr(node)) {
        qlist_append(list,
                     qapi_to_qobject(type->branch[0], at(node, NODE_VALUE)));
    }
    return QOBJECT(list);
}

static QObject *any_to_qobject(QObject *obj)
{
    return obj ? qobject_ref(obj) : qnull();
}

static QObject *str_to_qobject(const char *s)
{
    return qstr_new(s ? s : "");
}

QObject *qapi_to_qobject(const QapiType *type, const void *slot)
{
    switch ((QapiKind)type->kind) {
    case QAPI_BOOL:
        return qbool_new(*(const bool *)slot);
    case QAPI_INT:
        return qint_new(load_int(type, slot));
    case QAPI_UINT:
    case QAPI_SIZE:
        return quint_new(load_uint(type, slot));
    case QAPI_NUMBER:
        return qdouble_new(*(const double *)slot);
    case QAPI_STR:
        return str_to_qobject(load_ptr(slot));
    case QAPI_ANY:
    case QAPI_NULL:
        return any_to_qobject(load_ptr(slot));
    case QAPI_ENUM:
        return qstr_new(qapi_enum_name(type, *(const int *)slot));
    case QAPI_STRUCT:
    case QAPI_UNION:
        return object_to_qobject(type, load_ptr(slot));
    case QAPI_ALTERNATE:
        return alternate_to_qobject(type, load_ptr(slot));
    case QAPI_LIST:
        return list_to_qobject(type, load_ptr(slot));
    }
    g_assert_not_reached();
}
