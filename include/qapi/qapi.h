/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Schema types as constant tables, and the functions that walk them: QObject
 * to C, C to QObject and to JSON, free, clone, compare. The generated
 * qapi-types-MODULE.h declare one "const QapiType qapi_type_NAME" per type.
 *
 * A "slot" is the address of a C variable of the type:
 *
 *   bool, intN, uintN, size, number, enum   bool *, int64_t *, double *, int *
 *   str                                     char **     (NULL: absent)
 *   any, null                               QObject **
 *   struct, union, alternate                Foo **
 *   list                                    FooList **  (NULL: empty)
 *
 * No function here keeps state; any thread may call them on its own data.
 */
#ifndef QAPI_QAPI_H
#define QAPI_QAPI_H

#include "qobject/json.h"
#include "qobject/qobject.h"

typedef enum QapiKind {
    QAPI_BOOL,
    QAPI_INT,    /* signed, @size bytes */
    QAPI_UINT,   /* unsigned, @size bytes */
    QAPI_SIZE,   /* uint64_t; text may carry a suffix */
    QAPI_NUMBER, /* double */
    QAPI_STR,
    QAPI_ANY,
    QAPI_NULL,
    QAPI_ENUM, /* int */
    QAPI_STRUCT,
    QAPI_UNION,
    QAPI_ALTERNATE,
    QAPI_LIST,
} QapiKind;

enum {
    QAPI_OPTIONAL = 1,   /* absent is allowed */
    QAPI_HAS = 2,        /* has_offset names a bool that says present */
    QAPI_DEPRECATED = 4, /* the features of these names */
    QAPI_UNSTABLE = 8,
};

typedef struct QapiMember {
    const char *name; /* on the wire */
    const QapiType *type;
    uint32_t offset; /* of the slot in the C struct */
    uint32_t has_offset;
    uint32_t flags;
} QapiMember;

struct QapiType {
    const char *name;  /* in the schema */
    uint8_t kind;      /* QapiKind */
    uint8_t tag;       /* union: number of the member that selects */
    uint16_t n;        /* enum: values; struct, union: members, base included */
    uint32_t size;     /* of the C struct; scalars: of the slot */
    uint32_t u_offset; /* union, alternate: of the branches */
    const char *const *names;  /* enum: n names and a NULL */
    const QapiMember *members; /* struct, union */
    /*
     * union: per tag value the branch's struct or NULL for none;
     * alternate: per QType the branch's type or NULL;
     * list: branch[0] is the element type.
     */
    const QapiType *const *branch;
};

extern const QapiType qapi_type_bool, qapi_type_int, qapi_type_int8,
    qapi_type_int16, qapi_type_int32, qapi_type_int64, qapi_type_uint8,
    qapi_type_uint16, qapi_type_uint32, qapi_type_uint64, qapi_type_size,
    qapi_type_number, qapi_type_str, qapi_type_any, qapi_type_null,
    qapi_type_QType;

typedef enum QapiMode {
    QAPI_STRICT, /* types as in JSON */
    /*
     * Scalars are strings, as keyval_parse() makes them ("on", "0x10", "4G");
     * real JSON scalars pass too. A list of integers may be one string of
     * numbers and ranges "0-3".
     */
    QAPI_KEYVAL,
    /* The same, from keyval_parse_flat(): of the values of a repeated key all
     * go to a list, the last to anything else. */
    QAPI_OPTS,
} QapiMode;

/* Bytes of a slot of this type. */
size_t qapi_slot_size(const QapiType *type);

/*
 * Fill *slot from @obj. False leaves *slot zeroed (scalars: as it was). A
 * member the type does not know is an error that names it and the nearest
 * one it has. The text calls the value "Parameter 'NAME'".
 */
bool qapi_read_named(const QapiType *type, const char *name, const QObject *obj,
                     void *slot, QapiMode mode, Error **errp);
bool qapi_read(const QapiType *type, const QObject *obj, void *slot,
               QapiMode mode, Error **errp);
/* Struct, union, alternate, list: a new object, or NULL on error. Mind that
 * an empty list is NULL too. */
void *qapi_from_qobject(const QapiType *type, const QObject *obj, QapiMode mode,
                        Error **errp);
/* The value in *slot; one reference for the caller. */
QObject *qapi_to_qobject(const QapiType *type, const void *slot);
void qapi_write_json(const QapiType *type, const void *slot, JsonWriter *w);

/* Free what *slot owns and zero it. */
void qapi_clear(const QapiType *type, void *slot);
/* Struct, union, alternate, list given by pointer, NULL allowed. */
void qapi_free(const QapiType *type, void *obj);
void *qapi_clone(const QapiType *type, const void *obj);
/* Deep copy of *src to *dest, which is overwritten. */
void qapi_copy(const QapiType *type, void *dest, const void *src);
bool qapi_equal(const QapiType *type, const void *slot_a, const void *slot_b);

/* Struct or union in place (arguments on the stack, embedded structs). */
bool qapi_read_members(const QapiType *type, const QDict *dict, void *obj,
                       QapiMode mode, Error **errp);
void qapi_write_members(const QapiType *type, const void *obj, JsonWriter *w);
void qapi_clear_members(const QapiType *type, void *obj);

/* Enums. NULL when @value is none of @type's. */
const char *qapi_enum_name(const QapiType *type, int value);
/* The value, or @def when there is none of that name. */
int qapi_enum_find(const QapiType *type, const char *name, int def);
/* The value, or -1 with an error that hints at the nearest. */
int qapi_enum_parse(const QapiType *type, const char *name, Error **errp);

/* The member of that name in a struct or union (no branches), or NULL. */
const QapiMember *qapi_find_member(const QapiType *type, const char *name);

/*
 * An option argument, "k=v,..." or a JSON object, as @type (struct or union).
 * @implied_key as in keyval_parse(). "help" items are an error here; callers
 * that offer help look first.
 */
void *qapi_parse_option(const QapiType *type, const char *text,
                        const char *implied_key, Error **errp);
/*
 * The same, to a dict, without a type. *@mode says how to read it. *@help
 * becomes true when "help" or "?" stands alone, else false.
 */
QDict *qapi_parse_option_dict(const char *text, const char *implied_key,
                              bool *help, QapiMode *mode, Error **errp);
/*
 * The same for the options that QEMU reads in its older way: keyval_parse_flat()
 * with a warning about "flag" and "noflag", or JSON. These are all but -audiodev,
 * -blockdev, -compat, -display, and -machine.
 */
QDict *qapi_parse_opts_dict(const char *text, const char *implied_key,
                            bool *help, QapiMode *mode, Error **errp);
/* For options that know no lists: of each repeated key the last value stays. */
void qapi_opts_keep_last(QDict *dict);
void *qapi_parse_opts(const QapiType *type, const char *text,
                      const char *implied_key, Error **errp);

/* Lists: typedef struct FooList { FooList *next; T value; } FooList; */
#define QAPI_LIST_PREPEND(list, v)                               \
    do {                                                         \
        __typeof__(list) node_ = g_new0(__typeof__(*(list)), 1); \
        node_->value = (v);                                      \
        node_->next = (list);                                    \
        (list) = node_;                                          \
    } while (0)

/*
 * Append through a tail pointer:
 *     FooList *list = NULL, **tail = &list;
 *     QAPI_LIST_APPEND(tail, foo);
 */
#define QAPI_LIST_APPEND(tail, v)                  \
    do {                                           \
        *(tail) = g_new0(__typeof__(**(tail)), 1); \
        (*(tail))->value = (v);                    \
        (tail) = &(*(tail))->next;                 \
    } while (0)

/* QAPI_LIST_FOREACH(list, node) { use node->value } */
#define QAPI_LIST_FOREACH(list, node) \
    for (__typeof__(list) node = (list); node; node = node->next)

#define QAPI_CLONE(Type, p) ((Type *)qapi_clone(&qapi_type_##Type, (p)))

#endif
