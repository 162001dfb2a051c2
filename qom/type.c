/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The type registry: constant tables in the linker section "qom_types", and
 * an index by name that is built when first asked for.
 */
#include "util/osdep.h"

#include "qom/object.h"

extern const ObjectType *const __start_qom_types[];
extern const ObjectType *const __stop_qom_types[];

const ObjectType object_type = {
    .name = "object",
    .size = sizeof(Object),
    .abstract = true,
};
static const ObjectType *const object_type_entry
    __attribute__((section("qom_types"), used)) = &object_type;

static size_t type_count(void)
{
    return __stop_qom_types - __start_qom_types;
}

const ObjectType *type_at(size_t i)
{
    return i < type_count() ? __start_qom_types[i] : NULL;
}

static GHashTable *type_index(void)
{
    static GHashTable *index;
    const ObjectType *t;

    if (!index) {
        GHashTable *h = g_hash_table_new(g_str_hash, g_str_equal);

        for (size_t i = 0; (t = type_at(i)); i++) {
            if (!g_hash_table_insert(h, (char *)t->name, (void *)t)) {
                fprintf(stderr, "type '%s' is defined twice\n", t->name);
                abort();
            }
            if (t->alias) {
                g_hash_table_insert(h, (char *)t->alias, (void *)t);
            }
        }
        index = h;
    }
    return index;
}

const ObjectType *type_find(const char *name)
{
    return g_hash_table_lookup(type_index(), name);
}

bool type_is_a(const ObjectType *type, const ObjectType *ancestor)
{
    while (type && type != ancestor) {
        type = type->parent;
    }
    return type;
}

bool type_is_a_name(const ObjectType *type, const char *ancestor)
{
    for (; type; type = type->parent) {
        if (g_str_equal(type->name, ancestor) ||
            (type->user_creatable && g_str_equal(ancestor, "user-creatable"))) {
            return true;
        }
        for (const char *const *i = type->interfaces; i && *i; i++) {
            if (g_str_equal(*i, ancestor)) {
                return true;
            }
        }
    }
    return false;
}

const void *type_class(const ObjectType *type)
{
    while (!type->class && type->parent) {
        type = type->parent;
    }
    return type->class;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **type_names(const ObjectType *ancestor)
{
    const char **names = g_new0(const char *, type_count() + 1);
    const ObjectType *t;
    size_t n = 0;

    for (size_t i = 0; (t = type_at(i)); i++) {
        if (!t->abstract && type_is_a(t, ancestor)) {
            names[n++] = t->name;
        }
    }
    qsort(names, n, sizeof(*names), compare_names);
    return names;
}
