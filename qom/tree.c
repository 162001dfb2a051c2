/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The composition tree: child properties, paths and lookups. */
#include "util/osdep.h"

#include "qom/object-internal.h"
#include "qom/object.h"
#include "util/error.h"

/* A node that only groups others: "/objects", "/machine/unattached". */
static const ObjectType container_type = {
    .name = "container",
    .parent = &object_type,
    .size = sizeof(Object),
};
static const ObjectType *const container_type_entry
    __attribute__((section("qom_types"), used)) = &container_type;

ObjectProp *object_dynamic_prop(Object *obj, const char *name)
{
    for (ObjectProp *p = obj->dynamic; p; p = p->next) {
        if (g_str_equal(p->name, name)) {
            return p;
        }
    }
    return NULL;
}

ObjectProp *object_dynamic_prop_new(Object *obj, const char *name,
                                    ObjectPropKind kind)
{
    ObjectProp *p = g_new0(ObjectProp, 1);
    ObjectProp **tail = &obj->dynamic;

    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = p;
    p->name = g_strdup(name);
    p->kind = kind;
    return p;
}

static void object_prop_free(ObjectProp *p)
{
    if (p->kind == OBJECT_PROP_CHILD) {
        p->child->parent = NULL;
        p->child->name = NULL;
        object_unref(p->child);
    }
    g_free(p->name);
    g_free(p->type);
    g_free(p);
}

void object_dynamic_props_free(Object *obj)
{
    while (obj->dynamic) {
        ObjectProp *p = obj->dynamic;

        obj->dynamic = p->next;
        object_prop_free(p);
    }
}

void object_prop_del(Object *obj, const char *name)
{
    for (ObjectProp **p = &obj->dynamic; *p; p = &(*p)->next) {
        if (g_str_equal((*p)->name, name)) {
            ObjectProp *gone = *p;

            *p = gone->next;
            object_prop_free(gone);
            return;
        }
    }
}

/* "device[*]" becomes the first "device[N]" that is free. */
static char *child_name(Object *parent, const char *name)
{
    size_t stem = strlen(name) - strlen("[*]");

    if (!g_str_has_suffix(name, "[*]")) {
        return g_strdup(name);
    }
    for (unsigned i = 0;; i++) {
        g_autofree char *try = g_strdup_printf("%.*s[%u]", (int)stem, name, i);

        if (!object_dynamic_prop(parent, try)) {
            return g_steal_pointer(&try);
        }
    }
}

bool object_add_child(Object *parent, const char *name, void *child,
                      Error **errp)
{
    g_autofree char *full = child_name(parent, name);
    Object *obj = child;
    ObjectProp *p;

    assert(!obj->parent);
    if (object_dynamic_prop(parent, full) ||
        type_prop_find(parent->type, full)) {
        return error_set(errp, "attempt to add duplicate property '%s' to "
                         "object (type '%s')", full, parent->type->name);
    }
    p = object_dynamic_prop_new(parent, full, OBJECT_PROP_CHILD);
    p->type = g_strdup_printf("child<%s>", obj->type->name);
    p->child = object_ref(obj);
    obj->parent = parent;
    obj->name = p->name;
    if (!obj->root) {
        obj->root = object_root(parent);
    }
    return true;
}

void object_unparent(void *obj)
{
    Object *o = obj;

    if (o->parent) {
        object_prop_del(o->parent, o->name);
    }
}

Object *object_child(Object *parent, const char *name)
{
    ObjectProp *p = object_dynamic_prop(parent, name);

    return p && p->kind == OBJECT_PROP_CHILD ? p->child : NULL;
}

Object *object_container(Object *parent, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);

    for (char **part = parts; *part; part++) {
        Object *child;

        if (!**part) {
            continue;
        }
        child = object_child(parent, *part);
        if (!child) {
            child = object_new(&container_type);
            object_add_child(parent, *part, child, error_abort);
            object_unref(child); /* the tree holds it */
        }
        parent = child;
    }
    return parent;
}

Object *object_root_new(void)
{
    Object *root = object_new(&container_type);

    object_set_root(root, root);
    return root;
}

bool object_children_foreach(Object *parent, ObjectFn *fn, void *opaque)
{
    ObjectProp *next;

    for (ObjectProp *p = parent->dynamic; p; p = next) {
        next = p->next;
        if (p->kind == OBJECT_PROP_CHILD && !fn(p->child, opaque)) {
            return false;
        }
    }
    return true;
}

typedef struct TreeWalk {
    ObjectFn *fn;
    void *opaque;
} TreeWalk;

static bool tree_walk(Object *obj, void *opaque)
{
    TreeWalk *w = opaque;

    return w->fn(obj, w->opaque) && object_children_foreach(obj, tree_walk, w);
}

bool object_tree_foreach(Object *root, ObjectFn *fn, void *opaque)
{
    TreeWalk w = { fn, opaque };

    return object_children_foreach(root, tree_walk, &w);
}

Object *object_root(Object *obj)
{
    if (!obj->parent && obj->root) {
        return obj->root;
    }
    while (obj->parent) {
        obj = obj->parent;
    }
    return obj;
}

const char *object_name(Object *obj)
{
    return obj->name;
}

char *object_path(Object *obj)
{
    GString *path;

    if (!obj->parent) {
        return obj->root && obj->root != obj ? NULL : g_strdup("/");
    }
    path = g_string_new(NULL);
    for (; obj->parent; obj = obj->parent) {
        g_string_prepend(path, obj->name);
        g_string_prepend_c(path, '/');
    }
    return g_string_free(path, FALSE);
}

/* One step of a path: a child, or what a link points to. */
static Object *object_step(Object *obj, const char *name)
{
    ObjectProp *p = object_dynamic_prop(obj, name);
    const Prop *prop;

    if (p) {
        return p->kind == OBJECT_PROP_CHILD  ? p->child
               : p->kind == OBJECT_PROP_LINK ? *p->slot
                                             : NULL;
    }
    prop = type_prop_find(obj->type, name);
    if (prop && prop->kind == &prop_kind_link) {
        return *(Object **)prop_slot(obj, prop);
    }
    return NULL;
}

static Object *object_walk(Object *obj, char **parts)
{
    for (; obj && *parts; parts++) {
        if (**parts) {
            obj = object_step(obj, *parts);
        }
    }
    return obj;
}

typedef struct PartialSearch {
    char **parts;
    const ObjectType *type;
    Object *found;
    bool ambiguous;
} PartialSearch;

static bool partial_match(Object *obj, void *opaque)
{
    PartialSearch *s = opaque;
    Object *hit = object_walk(obj, s->parts);

    if (hit && type_is_a(hit->type, s->type)) {
        if (s->found && s->found != hit) {
            s->ambiguous = true;
            return false;
        }
        s->found = hit;
    }
    return true;
}

Object *object_resolve_type(Object *root, const char *path,
                            const ObjectType *type, bool *ambiguous)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    PartialSearch s = { .parts = parts, .type = type };

    if (ambiguous) {
        *ambiguous = false;
    }
    if (!*path) {
        return NULL;
    }
    if (*path == '/') {
        Object *obj = object_walk(root, parts);

        return obj && type_is_a(obj->type, type) ? obj : NULL;
    }
    if (partial_match(root, &s)) {
        object_tree_foreach(root, partial_match, &s);
    }
    if (ambiguous) {
        *ambiguous = s.ambiguous;
    }
    return s.ambiguous ? NULL : s.found;
}

Object *object_resolve(Object *root, const char *path, bool *ambiguous)
{
    return object_resolve_type(root, path, &object_type, ambiguous);
}
