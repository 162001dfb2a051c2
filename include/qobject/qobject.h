/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reference-counted values with the shape of JSON: null, bool, number (int64,
 * uint64 or double), string, list, dict.
 *
 * Ownership: a function named *_new returns one reference to the caller;
 * "put", "append" and "set" take over the reference of the value they are
 * given; "get" lends, valid while its container holds the value; "take" hands
 * the container's reference to the caller.
 *
 * Threads: a value and everything below it belongs to one thread at a time.
 * null, true and false are shared by all and never freed.
 */
#ifndef QOBJECT_QOBJECT_H
#define QOBJECT_QOBJECT_H

/* The kinds a QAPI alternate can tell apart. */
typedef enum QType {
    QTYPE_NONE,
    QTYPE_QNULL,
    QTYPE_QNUM,
    QTYPE_QSTRING,
    QTYPE_QDICT,
    QTYPE_QLIST,
    QTYPE_QBOOL,
    QTYPE__MAX,
} QType;

typedef enum QNumKind { QNUM_I64, QNUM_U64, QNUM_DOUBLE } QNumKind;

struct QObject {
    uint32_t refs; /* 0: static, never freed */
    uint8_t type;  /* QType */
    uint8_t num;   /* QNumKind of a QTYPE_QNUM */
    bool boolean;
};

typedef struct QDictEntry {
    char *key; /* NULL: deleted */
    QObject *value;
    uint32_t hash;
} QDictEntry;

/* Insertion-ordered. Fields are private to qobject/ and the macros here. */
struct QDict {
    QObject base;
    uint32_t live;  /* entries with a key */
    uint32_t used;  /* entries in the array, deleted ones too */
    uint32_t cap;
    uint32_t index_mask; /* slots of index - 1 */
    uint32_t *index;     /* entry number + 1; NULL while the dict is small */
    QDictEntry *entries;
};

struct QList {
    QObject base;
    size_t n, cap;
    QObject **items;
};

/* A pointer to the QObject in any of the three types. */
#define QOBJECT(o)                                                             \
    _Generic((o),                                                              \
        QObject *: (QObject *)(o), const QObject *: (QObject *)(o),            \
        QDict *: (QObject *)(o), const QDict *: (QObject *)(o),                \
        QList *: (QObject *)(o), const QList *: (QObject *)(o))

void qobject_free_(QObject *obj);

static inline void qobject_unref_(QObject *obj)
{
    if (obj && obj->refs && !--obj->refs) {
        qobject_free_(obj);
    }
}

static inline QObject *qobject_ref_(QObject *obj)
{
    if (obj && obj->refs) {
        obj->refs++;
    }
    return obj;
}

/* Both accept NULL and any of QObject *, QDict *, QList *. */
#define qobject_ref(o)   ((__typeof__(o))qobject_ref_(QOBJECT(o)))
#define qobject_unref(o) qobject_unref_(QOBJECT(o))

static inline void qdict_unref_(QDict *d)
{
    qobject_unref(d);
}
static inline void qlist_unref_(QList *l)
{
    qobject_unref(l);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QObject, qobject_unref_)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QDict, qdict_unref_)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QList, qlist_unref_)

/* QTYPE_NONE for NULL. */
static inline QType qobject_type(const QObject *obj)
{
    return obj ? (QType)obj->type : QTYPE_NONE;
}
/* "object", "array", "string", "number", "boolean", "null". */
const char *qtype_name(QType type);

/* Scalars */
QObject *qnull(void);
QObject *qbool_new(bool v);
QObject *qint_new(int64_t v);
QObject *quint_new(uint64_t v);
QObject *qdouble_new(double v);
QObject *qstr_new(const char *s);
QObject *qstr_newn(const char *s, size_t len); /* copies; adds a NUL */
QObject *qstr_newf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/*
 * Read a scalar: false (and *v untouched) when @obj is NULL, of another type,
 * or a number that the result type cannot hold. A double is never taken for
 * an integer; an integer is taken for a double.
 */
bool qobject_get_bool(const QObject *obj, bool *v);
bool qobject_get_int(const QObject *obj, int64_t *v);
bool qobject_get_uint(const QObject *obj, uint64_t *v);
bool qobject_get_double(const QObject *obj, double *v);
/* NULL when @obj is NULL or of another type. */
const char *qobject_get_str(const QObject *obj);
size_t qobject_str_len(const QObject *obj); /* of a string */
QDict *qobject_to_dict(const QObject *obj);
QList *qobject_to_list(const QObject *obj);

/* Same type and content; numbers compare by value; dict order is ignored. */
bool qobject_equal(const QObject *a, const QObject *b);
/* Deep copy. */
QObject *qobject_clone(const QObject *obj);

/* Dicts */
QDict *qdict_new(void);
static inline size_t qdict_size(const QDict *d)
{
    return d->live;
}
bool qdict_has(const QDict *d, const char *key);
/* Lent, or NULL. */
QObject *qdict_get(const QDict *d, const char *key);
/* NULL or @def when absent or of another type. */
const char *qdict_get_str(const QDict *d, const char *key);
QDict *qdict_get_dict(const QDict *d, const char *key);
QList *qdict_get_list(const QDict *d, const char *key);
bool qdict_get_bool(const QDict *d, const char *key, bool def);
int64_t qdict_get_int(const QDict *d, const char *key, int64_t def);
uint64_t qdict_get_uint(const QDict *d, const char *key, uint64_t def);

/* Insert or replace; takes over @value. Replacing keeps the position. */
void qdict_put_(QDict *d, const char *key, QObject *value);
#define qdict_put(d, key, value) qdict_put_(d, key, QOBJECT(value))
/* As qdict_put() when @key is absent; else drops @value and returns false. */
bool qdict_put_new(QDict *d, const char *key, size_t key_len, QObject *value);
void qdict_put_str(QDict *d, const char *key, const char *v);
void qdict_put_int(QDict *d, const char *key, int64_t v);
void qdict_put_uint(QDict *d, const char *key, uint64_t v);
void qdict_put_bool(QDict *d, const char *key, bool v);
void qdict_put_null(QDict *d, const char *key);
/* False when there was none. */
bool qdict_del(QDict *d, const char *key);
/* Remove and hand over, or NULL. */
QObject *qdict_take(QDict *d, const char *key);
/* A new dict with the same values (each referenced once more). */
QDict *qdict_shallow_copy(const QDict *d);

/*
 * Move the entries of @src to @dest. A key that @dest has is replaced when
 * @overwrite, else it stays in @src.
 */
void qdict_join(QDict *dest, QDict *src, bool overwrite);
/*
 * Nested dicts and lists to dotted keys, in place: {"a": {"b": [1]}} becomes
 * {"a.b.0": 1}. An empty dict or list stays as a value.
 */
void qdict_flatten(QDict *d);
/*
 * The inverse: dotted keys to nested dicts and lists (a dict whose keys are
 * 0..n-1 becomes a list); ".." in a key is a literal dot. @d is not changed.
 * NULL on a clash ("a" and "a.b", list and dict mixed) or when a value of @d
 * is itself a non-empty dict or list.
 */
QObject *qdict_crumple(const QDict *d, Error **errp);
/* Move the entries whose key starts with @prefix to a new dict, without it. */
QDict *qdict_extract_prefix(QDict *d, const char *prefix);

/*
 * QDICT_FOREACH(d, e) { use e->key, e->value }
 * The loop body may delete the current entry and no other, and not insert.
 */
static inline QDictEntry *qdict_next_(const QDict *d, uint32_t i)
{
    while (i < d->used && !d->entries[i].key) {
        i++;
    }
    return i < d->used ? &d->entries[i] : NULL;
}
#define QDICT_FOREACH(d, e)                                                    \
    for (QDictEntry *e = qdict_next_(d, 0); e;                                 \
         e = qdict_next_(d, (uint32_t)(e - (d)->entries) + 1))

/* Lists */
QList *qlist_new(void);
static inline size_t qlist_size(const QList *l)
{
    return l->n;
}
/* Lent; NULL past the end. */
static inline QObject *qlist_get(const QList *l, size_t i)
{
    return i < l->n ? l->items[i] : NULL;
}
void qlist_append_(QList *l, QObject *value);
#define qlist_append(l, value) qlist_append_(l, QOBJECT(value))
void qlist_append_str(QList *l, const char *v);
void qlist_append_int(QList *l, int64_t v);
/* Take the last element out, or NULL. */
QObject *qlist_pop(QList *l);

/* QLIST_FOREACH(l, item): @item is a lent QObject *. */
#define QLIST_FOREACH(l, item)                                                 \
    for (size_t item##_i_ = 0, item##_once_ = 0; item##_i_ < (l)->n;           \
         item##_i_++, item##_once_ = 0)                                        \
        for (QObject *item = (l)->items[item##_i_]; !item##_once_;             \
             item##_once_ = 1)

#endif
