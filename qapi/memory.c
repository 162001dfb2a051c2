/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Life of C values: clear, free, copy, compare. */
#include "util/osdep.h"

#include "qapi/internal.h"

void qapi_clear_members(const QapiType *type, void *obj)
{
    const QapiType *branch = union_branch(type, obj);

    if (branch) {
        qapi_clear_members(branch, at(obj, type->u_offset));
    }
    for (int i = 0; i < type->n; i++) {
        const QapiMember *m = &type->members[i];

        qapi_clear(m->type, at(obj, m->offset));
        if (m->flags & QAPI_HAS) {
            *(bool *)at(obj, m->has_offset) = false;
        }
    }
}

static void clear_alternate(const QapiType *type, void *obj)
{
    const QapiType *branch = type->branch[*(QType *)obj];
    void *u = at(obj, type->u_offset);

    if (branch && is_object(branch)) {
        qapi_clear_members(branch, u);
    } else if (branch) {
        qapi_clear(branch, u);
    }
}

void qapi_free(const QapiType *type, void *obj)
{
    if (!obj) {
        return;
    }
    switch ((QapiKind)type->kind) {
    case QAPI_STRUCT:
    case QAPI_UNION:
        qapi_clear_members(type, obj);
        break;
    case QAPI_ALTERNATE:
        clear_alternate(type, obj);
        break;
    case QAPI_LIST:
        while (obj) {
            void *next = load_ptr(obj);

            qapi_clear(type->branch[0], at(obj, NODE_VALUE));
            g_free(obj);
            obj = next;
        }
        return;
    default:
        g_assert_not_reached();
    }
    g_free(obj);
}

void qapi_clear(const QapiType *type, void *slot)
{
    if (type->kind == QAPI_STR) {
        g_free(load_ptr(slot));
    } else if (type->kind == QAPI_ANY || type->kind == QAPI_NULL) {
        qobject_unref((QObject *)load_ptr(slot));
    } else if (is_reference(type)) {
        qapi_free(type, load_ptr(slot));
    }
    memset(slot, 0, qapi_slot_size(type));
}

static void copy_members(const QapiType *type, void *dest, const void *src)
{
    const QapiType *branch = union_branch(type, src);

    for (int i = 0; i < type->n; i++) {
        const QapiMember *m = &type->members[i];

        if (m->flags & QAPI_HAS) {
            *(bool *)at(dest, m->has_offset) =
                *(const bool *)at(src, m->has_offset);
        }
        qapi_copy(m->type, at(dest, m->offset), at(src, m->offset));
    }
    if (branch) {
        copy_members(branch, at(dest, type->u_offset), at(src, type->u_offset));
    }
}

static void *clone_alternate(const QapiType *type, const void *src)
{
    const QapiType *branch = type->branch[*(const QType *)src];
    void *dest = g_malloc0(type->size);
    void *to = at(dest, type->u_offset), *from = at(src, type->u_offset);

    *(QType *)dest = *(const QType *)src;
    if (branch && is_object(branch)) {
        copy_members(branch, to, from);
    } else if (branch) {
        qapi_copy(branch, to, from);
    }
    return dest;
}

static void *clone_list(const QapiType *type, const void *src)
{
    void *head = NULL, **tail = &head;

    for (; src; src = load_ptr(src)) {
        void *node = g_malloc0(NODE_VALUE + sizeof(uint64_t));

        qapi_copy(type->branch[0], at(node, NODE_VALUE), at(src, NODE_VALUE));
        *tail = node;
        tail = node;
    }
    return head;
}

void *qapi_clone(const QapiType *type, const void *obj)
{
    void *copy;

    if (!obj) {
        return NULL;
    }
    if (type->kind == QAPI_LIST) {
        return clone_list(type, obj);
    }
    if (type->kind == QAPI_ALTERNATE) {
        return clone_alternate(type, obj);
    }
    assert(is_object(type));
    copy = g_malloc0(type->size);
    copy_members(type, copy, obj);
    return copy;
}

void qapi_copy(const QapiType *type, void *dest, const void *src)
{
    if (type->kind == QAPI_STR) {
        store_ptr(dest, g_strdup(load_ptr(src)));
    } else if (type->kind == QAPI_ANY || type->kind == QAPI_NULL) {
        store_ptr(dest, qobject_clone(load_ptr(src)));
    } else if (is_reference(type)) {
        store_ptr(dest, qapi_clone(type, load_ptr(src)));
    } else {
        memcpy(dest, src, type->size);
    }
}

static bool members_equal(const QapiType *type, const void *a, const void *b)
{
    const QapiType *branch = union_branch(type, a);

    for (int i = 0; i < type->n; i++) {
        const QapiMember *m = &type->members[i];
        bool there = member_present(m, a);

        if (there != member_present(m, b) ||
            (there &&
             !qapi_equal(m->type, at(a, m->offset), at(b, m->offset)))) {
            return false;
        }
    }
    return !branch ||
           members_equal(branch, at(a, type->u_offset), at(b, type->u_offset));
}

static bool alternates_equal(const QapiType *type, const void *a, const void *b)
{
    const QapiType *branch = type->branch[*(const QType *)a];
    const void *ua = at(a, type->u_offset), *ub = at(b, type->u_offset);

    if (*(const QType *)a != *(const QType *)b) {
        return false;
    }
    if (!branch) {
        return true;
    }
    return is_object(branch) ? members_equal(branch, ua, ub)
                             : qapi_equal(branch, ua, ub);
}

static bool lists_equal(const QapiType *type, const void *a, const void *b)
{
    while (a && b) {
        if (!qapi_equal(type->branch[0], at(a, NODE_VALUE),
                        at(b, NODE_VALUE))) {
            return false;
        }
        a = load_ptr(a);
        b = load_ptr(b);
    }
    return a == b;
}

bool qapi_equal(const QapiType *type, const void *slot_a, const void *slot_b)
{
    const void *a, *b;

    if (type->kind == QAPI_STR) {
        return !g_strcmp0(load_ptr(slot_a), load_ptr(slot_b));
    }
    if (type->kind == QAPI_NUMBER) {
        return *(const double *)slot_a == *(const double *)slot_b;
    }
    if (type->kind == QAPI_ANY || type->kind == QAPI_NULL) {
        return qobject_equal(load_ptr(slot_a), load_ptr(slot_b));
    }
    if (!is_reference(type)) {
        return !memcmp(slot_a, slot_b, type->size);
    }
    a = load_ptr(slot_a);
    b = load_ptr(slot_b);
    if (!a || !b) {
        return a == b;
    }
    return type->kind == QAPI_LIST        ? lists_equal(type, a, b)
           : type->kind == QAPI_ALTERNATE ? alternates_equal(type, a, b)
                                          : members_equal(type, a, b);
}
