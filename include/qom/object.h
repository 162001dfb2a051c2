/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The object model: types, instances, properties and the composition tree.
 *
 * A type is a constant ObjectType that QOM_DEFINE puts in the linker section
 * "qom_types": no registration code, no work at start. Its instance struct
 * begins with the instance struct of its parent type (struct Object at the
 * root), its class struct with the class struct of its parent.
 *
 * Class data is constant. A type whose .class is NULL inherits that of its
 * nearest ancestor as a whole; hooks that every level may have (realize,
 * unrealize, reset, props) are collected over the chain by the core, which
 * walks the distinct class pointers; nobody calls a parent hook.
 *
 * Objects are reference counted. All of this runs under the machine lock, or
 * on the only thread there is.
 */
#ifndef QOM_OBJECT_H
#define QOM_OBJECT_H

#include "qapi/qapi.h"

/* Fields that every class struct begins with. */
#define OBJECT_CLASS_FIELDS                                                    \
    const Prop *props; /* ends with {} */

typedef struct ObjectClass {
    OBJECT_CLASS_FIELDS
} ObjectClass;

/*
 * An object that -object and object-add make. complete() runs when all
 * properties are set; it may take host resources. can_delete() says why not
 * in *errp. Both may be NULL.
 */
typedef struct UserCreatable {
    bool (*complete)(Object *obj, Vm *vm, Error **errp);
    bool (*can_delete)(Object *obj, Error **errp);
    /* Created before the machine (memory backends) or after it. */
    bool early;
} UserCreatable;

struct ObjectType {
    const char *name;
    const ObjectType *parent; /* NULL only for "object" */
    size_t size;              /* of the instance; QOM_DEFINE sets it */
    const void *class;        /* NULL: the parent's */
    bool abstract;
    const UserCreatable *user_creatable; /* inherited */
    const char *const *interfaces; /* names, NULL-terminated; may be NULL */
    /* Set up fields that need more than zero; runs parent first. */
    void (*init)(Object *obj);
    /* Undo init; runs child first. */
    void (*finalize)(Object *obj);
    const char *alias; /* a second name that -device and -object accept */
    /*
     * Properties of another object, shown as this one's own: those of the type
     * @forward, belonging to the object that the pointer at @forward_at of the
     * instance holds (set by init). Lists, finds, sets and gets include them;
     * own names win. Inherited. virtio-X-pci shows virtio-X-device's.
     */
    const ObjectType *forward;
    size_t forward_at;
};

typedef struct ObjectProp ObjectProp; /* child, link or instance property */

struct Object {
    const ObjectType *type;
    unsigned refs;
    Object *parent;    /* in the composition tree, or NULL */
    const char *name;  /* of the child property in parent, or NULL */
    Object *root; /* where paths are resolved before it is in the tree */
    ObjectProp *dynamic; /* in order of creation; private */
    bool fixed; /* realized, complete: only "live" properties may be set */
};

extern const ObjectType object_type;

Object *object_ref(void *obj);
void object_unref(void *obj); /* NULL is fine */
void *object_cast(void *obj, const ObjectType *type);

/*
 * typedef, "extern const ObjectType fn_type", and "T *fn(void *obj)", a cast
 * that aborts when obj is not a T (an invariant of ours, not guest input).
 */
#define QOM_DECLARE(T, fn)                                                     \
    typedef struct T T;                                                        \
    QOM_DECLARE_TYPE(T, fn)
/* The same where the typedef exists already. */
#define QOM_DECLARE_TYPE(T, fn) QOM_DECLARE_CAST(T, fn##_type, fn)
/* The same with a cast of another name, for types that variables are named
 * after: "Bus *bus = bus_cast(obj)". */
#define QOM_DECLARE_CAST(T, typ, fn)             \
    extern const ObjectType typ;                 \
    static inline G_GNUC_UNUSED T *fn(void *obj) \
    {                                            \
        return object_cast(obj, &typ);           \
    }                                            \
    G_DEFINE_AUTOPTR_CLEANUP_FUNC(T, object_unref)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Object, object_unref)

#define QOM_DEFINE(T, fn, ...)                                                 \
    const ObjectType fn##_type = { .size = sizeof(T), __VA_ARGS__ };           \
    static const ObjectType *const fn##_type_entry                             \
        __attribute__((section("qom_types"), used)) = &fn##_type

/* Types -------------------------------------------------------------------- */

const ObjectType *type_find(const char *name); /* also by alias; or NULL */
bool type_is_a(const ObjectType *type, const ObjectType *ancestor);
/* Also true for an interface's name. */
bool type_is_a_name(const ObjectType *type, const char *ancestor);
/* The class struct of @type: its own or the nearest ancestor's. */
const void *type_class(const ObjectType *type);
/*
 * Every type, in no fixed order: for (i = 0; (t = type_at(i)); i++).
 */
const ObjectType *type_at(size_t i);
/* NULL-terminated names of all concrete types below @ancestor, sorted, for
 * help and hints. Free with g_free(). */
const char **type_names(const ObjectType *ancestor);

/* Instances ----------------------------------------------------------------- */

/* A new object of a concrete type with default property values, one
 * reference. */
Object *object_new(const ObjectType *type);
/* Say where link properties find their targets; done by object_add_child(). */
static inline void object_set_root(Object *obj, Object *root)
{
    obj->root = root;
}
/* As object_cast() but NULL when obj is something else (or NULL). */
void *object_dynamic_cast(void *obj, const ObjectType *type);
static inline const void *object_class(const void *obj)
{
    return type_class(((const Object *)obj)->type);
}

/* Property tables ----------------------------------------------------------- */

typedef struct PropKind PropKind;
struct PropKind {
    const char *type; /* as device-list-properties shows it: "uint32" */
    /* NULL get: write-only. Both may be NULL only in PROP_FN kinds. */
    QObject *(*get)(Object *obj, const Prop *prop, Error **errp);
    bool (*set)(Object *obj, const Prop *prop, const QObject *value,
                QapiMode mode, Error **errp);
    /* Store prop->def; NULL: no default. */
    void (*set_default)(Object *obj, const Prop *prop);
    /* Free what the field owns; NULL: nothing. */
    void (*release)(Object *obj, const Prop *prop);
};

typedef union PropDefault {
    uint64_t u;
    int64_t i;
    const char *s;
} PropDefault;

struct Prop {
    const char *name; /* NULL ends the table */
    const PropKind *kind;
    size_t offset;   /* of the field in the instance struct */
    const void *arg; /* for the kind: enum's QapiType, link's ObjectType */
    PropDefault def;
    uint8_t bit;
    bool has_def;
    bool read_only;
    bool live;        /* may be set when the object is fixed */
    const char *type; /* overrides kind->type; NULL: kind's (or arg's) name */
    const char *help; /* one line; may be NULL */
    QObject *(*get_fn)(Object *obj, const Prop *prop, Error **errp);
    bool (*set_fn)(Object *obj, const Prop *prop, const QObject *value,
                   QapiMode mode, Error **errp);
};

extern const PropKind prop_kind_bool, prop_kind_uint8, prop_kind_uint16,
    prop_kind_uint32, prop_kind_uint64, prop_kind_int32, prop_kind_int64,
    prop_kind_str, prop_kind_size, prop_kind_size32, prop_kind_enum,
    prop_kind_bit, prop_kind_bit64, prop_kind_link, prop_kind_fn;

#define PROP_KIND_OF_(T, f)                                                    \
    _Generic(((T *)0)->f,                                                      \
        bool: &prop_kind_bool,                                                 \
        uint8_t: &prop_kind_uint8,                                             \
        uint16_t: &prop_kind_uint16,                                           \
        uint32_t: &prop_kind_uint32,                                           \
        uint64_t: &prop_kind_uint64,                                           \
        int32_t: &prop_kind_int32,                                             \
        int64_t: &prop_kind_int64)

/*
 * A scalar with its default; the kind follows from the field's type. All of
 * these take further designated members at the end:
 *     PROP(Foo, bar, "bar", 1, .help = "Number of bars", .live = true)
 */
#define PROP(T, f, nam, dflt, ...)                                             \
    { .name = nam, .kind = PROP_KIND_OF_(T, f), .offset = offsetof(T, f),      \
      .def.u = (uint64_t)(dflt), .has_def = true, __VA_ARGS__ }
#define PROP_STR(T, f, nam, ...)                                               \
    { .name = nam, .kind = &prop_kind_str,                                     \
      .offset = PROP_OFFSET_(T, f, char *), __VA_ARGS__ }
#define PROP_STR_DEF(T, f, nam, dflt, ...)                                     \
    { .name = nam, .kind = &prop_kind_str,                                     \
      .offset = PROP_OFFSET_(T, f, char *), .def.s = dflt, .has_def = true,    \
      __VA_ARGS__ }
/* A byte count that takes suffixes; uint64_t or uint32_t. */
#define PROP_SIZE(T, f, nam, dflt, ...)                                        \
    { .name = nam, .kind = &prop_kind_size,                                    \
      .offset = PROP_OFFSET_(T, f, uint64_t), .def.u = dflt, .has_def = true,  \
      __VA_ARGS__ }
#define PROP_SIZE32(T, f, nam, dflt, ...)                                      \
    { .name = nam, .kind = &prop_kind_size32,                                  \
      .offset = PROP_OFFSET_(T, f, uint32_t), .def.u = dflt, .has_def = true,  \
      __VA_ARGS__ }
/* An enum of the schema, held in an int-sized field. */
#define PROP_ENUM(T, f, nam, qapi_type, dflt, ...)                             \
    { .name = nam, .kind = &prop_kind_enum,                                    \
      .offset = PROP_OFFSET_SIZED_(T, f, sizeof(int)), .arg = qapi_type,       \
      .def.i = dflt, .has_def = true, __VA_ARGS__ }
/* One bit of a uint32_t or uint64_t, shown as "bool" ("on"/"off"). */
#define PROP_BIT(T, f, nam, bitnr, dflt, ...)                                  \
    { .name = nam, .kind = &prop_kind_bit,                                     \
      .offset = PROP_OFFSET_(T, f, uint32_t), .bit = bitnr, .def.u = dflt,     \
      .has_def = true, __VA_ARGS__ }
#define PROP_BIT64(T, f, nam, bitnr, dflt, ...)                                \
    { .name = nam, .kind = &prop_kind_bit64,                                   \
      .offset = PROP_OFFSET_(T, f, uint64_t), .bit = bitnr, .def.u = dflt,     \
      .has_def = true, __VA_ARGS__ }
/* A strong reference to an object, given by path or id; NULL when empty. */
#define PROP_LINK(T, f, nam, objtype, ...)                                     \
    { .name = nam, .kind = &prop_kind_link,                                    \
      .offset = PROP_OFFSET_SIZED_(T, f, sizeof(void *)), .arg = objtype,      \
      __VA_ARGS__ }
/* Computed: getter and setter (either may be NULL) and the type's name. */
#define PROP_FN(nam, typ, get, set, ...)                                       \
    { .name = nam, .kind = &prop_kind_fn, .type = typ, .get_fn = get,          \
      .set_fn = set, __VA_ARGS__ }
/* offsetof() that fails to compile where the field has another type. */
#define PROP_OFFSET_(T, f, want)                                               \
    (offsetof(T, f) +                                                          \
     0 * sizeof(char[_Generic(((T *)0)->f, want: 1, default: -1)]))
#define PROP_OFFSET_SIZED_(T, f, want)                                         \
    (offsetof(T, f) + 0 * sizeof(char[sizeof(((T *)0)->f) == (want) ? 1 : -1]))

/* Where a table property lives in @obj. */
static inline void *prop_slot(Object *obj, const Prop *prop)
{
    return (char *)obj + prop->offset;
}

/* Properties ----------------------------------------------------------------- */

/*
 * Visit the table properties of @type, leaf's tables last, each name once;
 * stops when @fn returns false.
 */
typedef bool PropVisitFn(const Prop *prop, const ObjectType *owner, void *opaque);
void type_props_foreach(const ObjectType *type, PropVisitFn *fn, void *opaque);
const Prop *type_prop_find(const ObjectType *type, const char *name);

/* By name, from any source; QAPI_KEYVAL parses strings. Unknown name: error
 * with the nearest valid one. */
bool object_prop_set(Object *obj, const char *name, const QObject *value,
                     QapiMode mode, Error **errp);
QObject *object_prop_get(Object *obj, const char *name, Error **errp);
bool object_prop_set_str(Object *obj, const char *name, const char *value,
                         Error **errp); /* parses as the command line does */
bool object_prop_set_bool(Object *obj, const char *name, bool v, Error **errp);
bool object_prop_set_uint(Object *obj, const char *name, uint64_t v,
                          Error **errp);
bool object_prop_set_link(Object *obj, const char *name, Object *target,
                          Error **errp);
/* Every member of @props except those in @skip (NULL-terminated or NULL). */
bool object_props_set_dict(Object *obj, const QDict *props,
                           const char *const *skip, QapiMode mode,
                           Error **errp);

/* Properties of one instance, made at run time. @kind is a string such as
 * "uint32"; get/set as in PROP_FN, with @opaque from the ObjectProp. */
typedef QObject *ObjectPropGet(Object *obj, const char *name, void *opaque,
                               Error **errp);
typedef bool ObjectPropSet(Object *obj, const char *name, const QObject *value,
                           QapiMode mode, void *opaque, Error **errp);
void object_prop_add(Object *obj, const char *name, const char *type,
                     ObjectPropGet *get, ObjectPropSet *set, void *opaque);
/* A link<type> property that points to *@slot (not owned). */
void object_prop_add_link(Object *obj, const char *name,
                          const ObjectType *type, Object **slot);
void object_prop_del(Object *obj, const char *name);

/* What qom-list shows: table properties, then dynamic ones. */
typedef struct ObjectPropInfo {
    const char *name;
    const char *type; /* valid until the next call of the iterator's fn */
    const char *help; /* or NULL */
    const Prop *table; /* or NULL when dynamic */
} ObjectPropInfo;
typedef bool ObjectPropFn(const ObjectPropInfo *info, void *opaque);
void object_props_foreach(Object *obj, ObjectPropFn *fn, void *opaque);

/* The user-visible type name of a table property ("OnOffAuto", "link<bus>");
 * the string lives until the thread's next call. */
const char *prop_type_name(const Prop *prop);

/* Composition tree ------------------------------------------------------------ */

/* Make @child a child property of @parent, which takes a reference. "name[*]"
 * picks the first free number. Names are unique in a parent. */
bool object_add_child(Object *parent, const char *name, void *child,
                      Error **errp);
/* Take @obj out of its parent; drops the parent's reference. */
void object_unparent(void *obj);
Object *object_child(Object *parent, const char *name); /* not owned */
/* First @name found below @parent, made as a "container" where missing. */
Object *object_container(Object *parent, const char *path);
/* A tree of its own: the root, one reference. */
Object *object_root_new(void);
typedef bool ObjectFn(Object *child, void *opaque);
/* Children in order; stops and returns false when @fn does. Children may
 * vanish while @fn runs, their siblings may not. */
bool object_children_foreach(Object *parent, ObjectFn *fn, void *opaque);
bool object_tree_foreach(Object *root, ObjectFn *fn, void *opaque);
/* "/machine/peripheral/net0", or NULL when not in the tree. */
char *object_path(Object *obj);
/* The last component of the path, or NULL. */
const char *object_name(Object *obj);
/*
 * Absolute path from @root, or a partial path ("net0/virtio-backend"), which
 * must fit one object only; *ambiguous (may be NULL) tells when it fits more.
 */
Object *object_resolve(Object *root, const char *path, bool *ambiguous);
/* The same for objects of @type only. */
Object *object_resolve_type(Object *root, const char *path,
                            const ObjectType *type, bool *ambiguous);
/* The root above @obj. */
Object *object_root(Object *obj);

#endif
