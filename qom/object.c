/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instances: making, casting, reference counting, destroying. */
#include "util/osdep.h"

#include "qom/object.h"
#include "qom/object-internal.h"

static void object_init_chain(Object *obj, const ObjectType *type)
{
    if (type->parent) {
        object_init_chain(obj, type->parent);
    }
    if (type->init) {
        type->init(obj);
    }
}

static bool set_default(const Prop *prop, const ObjectType *owner, void *opaque)
{
    if (prop->has_def && prop->kind->set_default) {
        prop->kind->set_default(opaque, prop);
    }
    return true;
}

Object *object_new(const ObjectType *type)
{
    Object *obj;

    assert(!type->abstract);
    obj = g_malloc0(type->size);
    obj->type = type;
    obj->refs = 1;
    type_own_props_foreach(type, set_default, obj);
    object_init_chain(obj, type);
    return obj;
}

Object *object_ref(void *obj)
{
    Object *o = obj;

    if (o) {
        __atomic_add_fetch(&o->refs, 1, __ATOMIC_RELAXED);
    }
    return o;
}

static bool release_prop(const Prop *prop, const ObjectType *owner,
                         void *opaque)
{
    if (prop->kind->release) {
        prop->kind->release(opaque, prop);
    }
    return true;
}

static void object_free(Object *obj)
{
    object_dynamic_props_free(obj);
    for (const ObjectType *t = obj->type; t; t = t->parent) {
        if (t->finalize) {
            t->finalize(obj);
        }
    }
    type_own_props_foreach(obj->type, release_prop, obj);
    g_free(obj);
}

void object_unref(void *obj)
{
    Object *o = obj;

    if (o && __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        object_free(o);
    }
}

void *object_dynamic_cast(void *obj, const ObjectType *type)
{
    return obj && type_is_a(((Object *)obj)->type, type) ? obj : NULL;
}

void *object_cast(void *obj, const ObjectType *type)
{
    if (obj && !type_is_a(((Object *)obj)->type, type)) {
        fprintf(stderr, "object of type '%s' used as '%s'\n",
                ((Object *)obj)->type->name, type->name);
        abort();
    }
    return obj;
}
