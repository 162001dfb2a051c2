/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setting, reading and listing properties, from tables and dynamic ones. */
#include "util/osdep.h"

#include "qom/object-internal.h"
#include "qom/object.h"
#include "util/error.h"

/* Table properties ----------------------------------------------------------- */

static const Prop *own_props(const ObjectType *type)
{
    const ObjectClass *cls = type->class;

    return cls ? cls->props : NULL;
}

static const Prop *own_prop_find(const ObjectType *type, const char *name)
{
    for (; type; type = type->parent) {
        for (const Prop *p = own_props(type); p && p->name; p++) {
            if (g_str_equal(p->name, name)) {
                return p;
            }
        }
    }
    return NULL;
}

/* The nearest level of @type that shows another object's properties. */
static const ObjectType *forwarding_type(const ObjectType *type)
{
    while (type && !type->forward) {
        type = type->parent;
    }
    return type;
}

const Prop *type_prop_find(const ObjectType *type, const char *name)
{
    const Prop *p = own_prop_find(type, name);
    const ObjectType *fwd = forwarding_type(type);

    return p || !fwd ? p : type_prop_find(fwd->forward, name);
}

/* The table property and, in *@obj, the object it belongs to. */
static const Prop *find_prop(Object **obj, const char *name)
{
    const Prop *p = own_prop_find((*obj)->type, name);
    const ObjectType *fwd = forwarding_type((*obj)->type);

    if (p || !fwd) {
        return p;
    }
    *obj = *(Object **)((char *)*obj + fwd->forward_at);
    return find_prop(obj, name);
}

static bool props_foreach(const ObjectType *type, const ObjectType *leaf,
                          PropVisitFn *fn, void *opaque)
{
    const Prop *own = own_props(type);

    if (type->parent && !props_foreach(type->parent, leaf, fn, opaque)) {
        return false;
    }
    for (const Prop *p = own; p && p->name; p++) {
        /* Skip what a derived type defines anew. */
        if ((type == leaf || own_prop_find(leaf, p->name) == p) &&
            !fn(p, type, opaque)) {
            return false;
        }
    }
    return true;
}

void type_own_props_foreach(const ObjectType *type, PropVisitFn *fn,
                            void *opaque)
{
    props_foreach(type, type, fn, opaque);
}

typedef struct ForwardVisit {
    const ObjectType *outer;
    PropVisitFn *fn;
    void *opaque;
} ForwardVisit;

static bool visit_forwarded(const Prop *prop, const ObjectType *owner,
                            void *opaque)
{
    ForwardVisit *v = opaque;

    return own_prop_find(v->outer, prop->name) ||
           v->fn(prop, owner, v->opaque);
}

void type_props_foreach(const ObjectType *type, PropVisitFn *fn, void *opaque)
{
    const ObjectType *fwd = forwarding_type(type);
    ForwardVisit v = { type, fn, opaque };

    if (props_foreach(type, type, fn, opaque) && fwd) {
        type_props_foreach(fwd->forward, visit_forwarded, &v);
    }
}

const char *prop_type_name(const Prop *prop)
{
    static __thread char name[128];

    if (prop->type) {
        return prop->type;
    }
    if (prop->kind == &prop_kind_link) {
        snprintf(name, sizeof(name), "link<%s>",
                 ((const ObjectType *)prop->arg)->name);
        return name;
    }
    if (prop->kind == &prop_kind_enum) {
        return ((const QapiType *)prop->arg)->name;
    }
    return prop->kind->type;
}

/* By name ---------------------------------------------------------------------- */

static bool collect_name(const Prop *prop, const ObjectType *owner,
                         void *opaque)
{
    g_ptr_array_add(opaque, (char *)prop->name);
    return true;
}

static bool no_such_prop(Object *obj, const char *name, Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    error_set(errp, "Property '%s.%s' not found", obj->type->name, name);
    type_props_foreach(obj->type, collect_name, names);
    for (ObjectProp *p = obj->dynamic; p; p = p->next) {
        g_ptr_array_add(names, p->name);
    }
    g_ptr_array_add(names, NULL);
    error_hint_nearest(errp, name, (const char *const *)names->pdata);
    return false;
}

static bool dynamic_set(Object *obj, ObjectProp *p, const QObject *value,
                        QapiMode mode, Error **errp)
{
    if (p->kind == OBJECT_PROP_FN && p->set) {
        return p->set(obj, p->name, value, mode, p->opaque, errp);
    }
    return error_set(errp, "Property '%s.%s' is not writable",
                     obj->type->name, p->name);
}

bool object_prop_set(Object *obj, const char *name, const QObject *value,
                     QapiMode mode, Error **errp)
{
    ObjectProp *dyn = object_dynamic_prop(obj, name);
    Object *outer = obj;
    const Prop *prop;

    if (dyn) {
        return dynamic_set(obj, dyn, value, mode, errp);
    }
    prop = find_prop(&obj, name);
    if (!prop) {
        return no_such_prop(outer, name, errp);
    }
    if (prop->read_only || !prop->kind->set) {
        return error_set(errp, "Property '%s.%s' is not writable",
                         obj->type->name, name);
    }
    if (obj->fixed && !prop->live) {
        return error_set(errp,
                         "Attempt to set property '%s' on '%s' (type "
                         "'%s') after it was realized",
                         name, obj->name ?: "(unnamed)", obj->type->name);
    }
    return prop->kind->set(obj, prop, value, mode, errp);
}

static QObject *dynamic_get(Object *obj, ObjectProp *p, Error **errp)
{
    g_autofree char *path = NULL;
    Object *target;

    if (p->kind == OBJECT_PROP_FN) {
        if (!p->get) {
            error_set(errp, "Property '%s.%s' is not readable",
                      obj->type->name, p->name);
            return NULL;
        }
        return p->get(obj, p->name, p->opaque, errp);
    }
    target = p->kind == OBJECT_PROP_CHILD ? p->child : *p->slot;
    path = target ? object_path(target) : NULL;
    return qstr_new(path ?: "");
}

QObject *object_prop_get(Object *obj, const char *name, Error **errp)
{
    ObjectProp *dyn = object_dynamic_prop(obj, name);
    Object *outer = obj;
    const Prop *prop;

    if (dyn) {
        return dynamic_get(obj, dyn, errp);
    }
    prop = find_prop(&obj, name);
    if (!prop) {
        no_such_prop(outer, name, errp);
        return NULL;
    }
    if (!prop->kind->get) {
        error_set(errp, "Property '%s.%s' is not readable", obj->type->name,
                  name);
        return NULL;
    }
    return prop->kind->get(obj, prop, errp);
}

bool object_prop_set_str(Object *obj, const char *name, const char *value,
                         Error **errp)
{
    g_autoptr(QObject) v = qstr_new(value);

    return object_prop_set(obj, name, v, QAPI_KEYVAL, errp);
}

bool object_prop_set_bool(Object *obj, const char *name, bool v, Error **errp)
{
    g_autoptr(QObject) q = qbool_new(v);

    return object_prop_set(obj, name, q, QAPI_STRICT, errp);
}

bool object_prop_set_uint(Object *obj, const char *name, uint64_t v,
                          Error **errp)
{
    g_autoptr(QObject) q = quint_new(v);

    return object_prop_set(obj, name, q, QAPI_STRICT, errp);
}

bool object_prop_set_link(Object *obj, const char *name, Object *target,
                          Error **errp)
{
    const Prop *prop = find_prop(&obj, name);
    Object **slot;

    if (!prop || prop->kind != &prop_kind_link) {
        return no_such_prop(obj, name, errp);
    }
    object_cast(target, prop->arg);
    slot = prop_slot(obj, prop);
    object_ref(target);
    object_unref(*slot);
    *slot = target;
    return true;
}

bool object_props_set_dict(Object *obj, const QDict *props,
                           const char *const *skip, QapiMode mode, Error **errp)
{
    QDICT_FOREACH(props, e) {
        if (skip && g_strv_contains(skip, e->key)) {
            continue;
        }
        if (!object_prop_set(obj, e->key, e->value, mode, errp)) {
            return false;
        }
    }
    return true;
}

/* Dynamic properties ------------------------------------------------------------ */

void object_prop_add(Object *obj, const char *name, const char *type,
                     ObjectPropGet *get, ObjectPropSet *set, void *opaque)
{
    ObjectProp *p = object_dynamic_prop_new(obj, name, OBJECT_PROP_FN);

    p->type = g_strdup(type);
    p->get = get;
    p->set = set;
    p->opaque = opaque;
}

void object_prop_add_link(Object *obj, const char *name, const ObjectType *type,
                          Object **slot)
{
    ObjectProp *p = object_dynamic_prop_new(obj, name, OBJECT_PROP_LINK);

    p->type = g_strdup_printf("link<%s>", type->name);
    p->link_type = type;
    p->slot = slot;
}

typedef struct InfoVisit {
    ObjectPropFn *fn;
    void *opaque;
    bool stopped;
} InfoVisit;

static bool visit_table_prop(const Prop *prop, const ObjectType *owner,
                             void *opaque)
{
    InfoVisit *v = opaque;
    ObjectPropInfo info = { prop->name, prop_type_name(prop), prop->help,
                            prop };

    v->stopped = !v->fn(&info, v->opaque);
    return !v->stopped;
}

void object_props_foreach(Object *obj, ObjectPropFn *fn, void *opaque)
{
    InfoVisit v = { fn, opaque, false };

    type_props_foreach(obj->type, visit_table_prop, &v);
    for (ObjectProp *p = obj->dynamic; p && !v.stopped; p = p->next) {
        ObjectPropInfo info = { p->name, p->type, NULL, NULL };

        v.stopped = !fn(&info, opaque);
    }
}
