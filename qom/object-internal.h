/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dynamic properties: what tree.c, prop.c and object.c share. */
#ifndef QOM_OBJECT_INTERNAL_H
#define QOM_OBJECT_INTERNAL_H

#include "qom/object.h"

typedef enum ObjectPropKind {
    OBJECT_PROP_CHILD,
    OBJECT_PROP_LINK,
    OBJECT_PROP_FN,
} ObjectPropKind;

struct ObjectProp {
    ObjectProp *next;
    ObjectPropKind kind;
    char *name;
    char *type;    /* "child<pc-dimm>", "link<bus>", "uint32" */
    Object *child; /* CHILD: owned */
    Object **slot; /* LINK */
    const ObjectType *link_type;
    ObjectPropGet *get; /* FN */
    ObjectPropSet *set;
    void *opaque;
};

ObjectProp *object_dynamic_prop(Object *obj, const char *name);
/* A new one at the end of the list; the caller fills it in. */
ObjectProp *object_dynamic_prop_new(Object *obj, const char *name,
                                    ObjectPropKind kind);
void object_dynamic_props_free(Object *obj);
/* type_props_foreach() without what the type forwards. */
void type_own_props_foreach(const ObjectType *type, PropVisitFn *fn,
                            void *opaque);

#endif
