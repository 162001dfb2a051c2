/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The built-in types, enums, and access to scalars. */
#include "util/osdep.h"

#include "qapi/internal.h"
#include "util/error.h"

#define SCALAR(type_name, type_kind, ctype)  \
    const QapiType qapi_type_##type_name = { \
        .name = #type_name,                  \
        .kind = type_kind,                   \
        .size = sizeof(ctype),               \
    }

SCALAR(bool, QAPI_BOOL, bool);
SCALAR(int, QAPI_INT, int64_t);
SCALAR(int8, QAPI_INT, int8_t);
SCALAR(int16, QAPI_INT, int16_t);
SCALAR(int32, QAPI_INT, int32_t);
SCALAR(int64, QAPI_INT, int64_t);
SCALAR(uint8, QAPI_UINT, uint8_t);
SCALAR(uint16, QAPI_UINT, uint16_t);
SCALAR(uint32, QAPI_UINT, uint32_t);
SCALAR(uint64, QAPI_UINT, uint64_t);
SCALAR(size, QAPI_SIZE, uint64_t);
SCALAR(number, QAPI_NUMBER, double);
SCALAR(str, QAPI_STR, char *);
SCALAR(any, QAPI_ANY, QObject *);
SCALAR(null, QAPI_NULL, QObject *);

const QapiType qapi_type_QType = {
    .name = "QType",
    .kind = QAPI_ENUM,
    .n = QTYPE__MAX,
    .size = sizeof(QType),
    .names = (const char *const[]){ "none", "qnull", "qnum", "qstring", "qdict",
                                    "qlist", "qbool", NULL },
};

size_t qapi_slot_size(const QapiType *type)
{
    return is_reference(type) ? sizeof(void *) : type->size;
}

int64_t load_int(const QapiType *type, const void *slot)
{
    switch (type->size) {
    case 1:
        return *(const int8_t *)slot;
    case 2:
        return *(const int16_t *)slot;
    case 4:
        return *(const int32_t *)slot;
    default:
        return *(const int64_t *)slot;
    }
}

uint64_t load_uint(const QapiType *type, const void *slot)
{
    switch (type->size) {
    case 1:
        return *(const uint8_t *)slot;
    case 2:
        return *(const uint16_t *)slot;
    case 4:
        return *(const uint32_t *)slot;
    default:
        return *(const uint64_t *)slot;
    }
}

const char *qapi_enum_name(const QapiType *type, int value)
{
    return value >= 0 && value < type->n ? type->names[value] : NULL;
}

int qapi_enum_find(const QapiType *type, const char *name, int def)
{
    for (int i = 0; i < type->n; i++) {
        if (!strcmp(type->names[i], name)) {
            return i;
        }
    }
    return def;
}

int qapi_enum_parse(const QapiType *type, const char *name, Error **errp)
{
    int value = qapi_enum_find(type, name, -1);

    if (value < 0) {
        error_set(errp, "'%s' is none of the values of %s", name, type->name);
        error_hint_nearest(errp, name, type->names);
    }
    return value;
}

const QapiMember *qapi_find_member(const QapiType *type, const char *name)
{
    if (is_object(type)) {
        for (int i = 0; i < type->n; i++) {
            if (!strcmp(type->members[i].name, name)) {
                return &type->members[i];
            }
        }
    }
    return NULL;
}

const QapiType *union_branch(const QapiType *type, const void *obj)
{
    const QapiMember *tag;
    int value;

    if (type->kind != QAPI_UNION) {
        return NULL;
    }
    tag = &type->members[type->tag];
    value = *(const int *)at(obj, tag->offset);
    if (value < 0 || value >= tag->type->n) {
        return NULL;
    }
    return type->branch[value];
}
