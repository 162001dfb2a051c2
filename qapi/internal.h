/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the QAPI runtime share. */
#ifndef QAPI_INTERNAL_H
#define QAPI_INTERNAL_H

#include "qapi/qapi.h"

/* A list node is { next; value; }. */
#define NODE_VALUE sizeof(void *)

static inline bool is_object(const QapiType *type)
{
    return type->kind == QAPI_STRUCT || type->kind == QAPI_UNION;
}

/* The C value is a pointer to a generated struct or list node. */
static inline bool is_reference(const QapiType *type)
{
    return type->kind >= QAPI_STRUCT;
}

static inline void *at(const void *base, size_t offset)
{
    return (char *)base + offset;
}

static inline void *load_ptr(const void *slot)
{
    void *p;

    memcpy(&p, slot, sizeof(p));
    return p;
}

static inline void store_ptr(void *slot, const void *p)
{
    memcpy(slot, &p, sizeof(p));
}

/* Is the optional member @m of @obj there? Others always are. */
static inline bool member_present(const QapiMember *m, const void *obj)
{
    if (m->flags & QAPI_HAS) {
        return *(const bool *)at(obj, m->has_offset);
    }
    if (m->flags & QAPI_OPTIONAL) {
        return load_ptr(at(obj, m->offset));
    }
    return true;
}

/* The struct of the branch that the union's tag selects, or NULL. */
const QapiType *union_branch(const QapiType *type, const void *obj);

int64_t load_int(const QapiType *type, const void *slot);
uint64_t load_uint(const QapiType *type, const void *slot);

#endif
