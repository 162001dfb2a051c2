/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scalars and lists; what all QObjects share. See qobject/qobject.h. */
#include "util/osdep.h"

#include <math.h>

#include "qobject/qobject.h"

typedef struct QNum {
    QObject base;
    union {
        int64_t i;
        uint64_t u;
        double d;
    } v;
} QNum;

typedef struct QString {
    QObject base;
    size_t len;
    char str[];
} QString;

static QObject null_obj = { .type = QTYPE_QNULL };
static QObject false_obj = { .type = QTYPE_QBOOL, .boolean = false };
static QObject true_obj = { .type = QTYPE_QBOOL, .boolean = true };

const char *qtype_name(QType type)
{
    static const char *const names[QTYPE__MAX] = {
        "nothing", "null", "number", "string", "object", "array", "boolean",
    };

    return names[type];
}

static void *qobject_alloc(size_t size, QType type)
{
    QObject *obj = g_malloc(size);

    memset(obj, 0, sizeof(*obj));
    obj->refs = 1;
    obj->type = type;
    return obj;
}

static void list_clear(QList *l)
{
    for (size_t i = 0; i < l->n; i++) {
        qobject_unref(l->items[i]);
    }
    g_free(l->items);
}

static void dict_clear(QDict *d)
{
    QDICT_FOREACH(d, e) {
        g_free(e->key);
        qobject_unref(e->value);
    }
    g_free(d->entries);
    g_free(d->index);
}

void qobject_free_(QObject *obj)
{
    if (obj->type == QTYPE_QLIST) {
        list_clear((QList *)obj);
    } else if (obj->type == QTYPE_QDICT) {
        dict_clear((QDict *)obj);
    }
    g_free(obj);
}

QObject *qnull(void)
{
    return &null_obj;
}

QObject *qbool_new(bool v)
{
    return v ? &true_obj : &false_obj;
}

static QNum *qnum_alloc(QNumKind kind)
{
    QNum *n = qobject_alloc(sizeof(*n), QTYPE_QNUM);

    n->base.num = kind;
    return n;
}

QObject *qint_new(int64_t v)
{
    QNum *n = qnum_alloc(QNUM_I64);

    n->v.i = v;
    return &n->base;
}

QObject *quint_new(uint64_t v)
{
    QNum *n = qnum_alloc(QNUM_U64);

    n->v.u = v;
    return &n->base;
}

QObject *qdouble_new(double v)
{
    QNum *n = qnum_alloc(QNUM_DOUBLE);

    n->v.d = v;
    return &n->base;
}

QObject *qstr_newn(const char *s, size_t len)
{
    QString *q = qobject_alloc(sizeof(*q) + len + 1, QTYPE_QSTRING);

    q->len = len;
    memcpy(q->str, s, len);
    q->str[len] = 0;
    return &q->base;
}

QObject *qstr_new(const char *s)
{
    return qstr_newn(s, strlen(s));
}

QObject *qstr_newf(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return qstr_new(text);
}

bool qobject_get_bool(const QObject *obj, bool *v)
{
    if (qobject_type(obj) != QTYPE_QBOOL) {
        return false;
    }
    *v = obj->boolean;
    return true;
}

bool qobject_get_int(const QObject *obj, int64_t *v)
{
    const QNum *n = (const QNum *)obj;

    if (qobject_type(obj) != QTYPE_QNUM) {
        return false;
    }
    switch ((QNumKind)obj->num) {
    case QNUM_I64:
        *v = n->v.i;
        return true;
    case QNUM_U64:
        if (n->v.u > INT64_MAX) {
            return false;
        }
        *v = (int64_t)n->v.u;
        return true;
    case QNUM_DOUBLE:
        return false;
    }
    return false;
}

bool qobject_get_uint(const QObject *obj, uint64_t *v)
{
    const QNum *n = (const QNum *)obj;

    if (qobject_type(obj) != QTYPE_QNUM) {
        return false;
    }
    switch ((QNumKind)obj->num) {
    case QNUM_I64:
        if (n->v.i < 0) {
            return false;
        }
        *v = (uint64_t)n->v.i;
        return true;
    case QNUM_U64:
        *v = n->v.u;
        return true;
    case QNUM_DOUBLE:
        return false;
    }
    return false;
}

bool qobject_get_double(const QObject *obj, double *v)
{
    const QNum *n = (const QNum *)obj;

    if (qobject_type(obj) != QTYPE_QNUM) {
        return false;
    }
    *v = obj->num == QNUM_I64   ? (double)n->v.i
         : obj->num == QNUM_U64 ? (double)n->v.u
                                : n->v.d;
    return true;
}

const char *qobject_get_str(const QObject *obj)
{
    return qobject_type(obj) == QTYPE_QSTRING ? ((const QString *)obj)->str
                                              : NULL;
}

size_t qobject_str_len(const QObject *obj)
{
    return ((const QString *)obj)->len;
}

QDict *qobject_to_dict(const QObject *obj)
{
    return qobject_type(obj) == QTYPE_QDICT ? (QDict *)obj : NULL;
}

QList *qobject_to_list(const QObject *obj)
{
    return qobject_type(obj) == QTYPE_QLIST ? (QList *)obj : NULL;
}

QList *qlist_new(void)
{
    QList *l = qobject_alloc(sizeof(*l), QTYPE_QLIST);

    l->n = l->cap = 0;
    l->items = NULL;
    return l;
}

void qlist_append_(QList *l, QObject *value)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 4;
        l->items = g_renew(QObject *, l->items, l->cap);
    }
    l->items[l->n++] = value;
}

void qlist_append_str(QList *l, const char *v)
{
    qlist_append_(l, qstr_new(v));
}

void qlist_append_int(QList *l, int64_t v)
{
    qlist_append_(l, qint_new(v));
}

QObject *qlist_pop(QList *l)
{
    return l->n ? l->items[--l->n] : NULL;
}

static bool num_equal(const QObject *a, const QObject *b)
{
    int64_t ia, ib;
    uint64_t ua, ub;
    double da, db;

    if (qobject_get_int(a, &ia) && qobject_get_int(b, &ib)) {
        return ia == ib;
    }
    if (qobject_get_uint(a, &ua) && qobject_get_uint(b, &ub)) {
        return ua == ub;
    }
    if ((a->num == QNUM_DOUBLE) != (b->num == QNUM_DOUBLE)) {
        return false;
    }
    return a->num == QNUM_DOUBLE && qobject_get_double(a, &da) &&
           qobject_get_double(b, &db) && da == db;
}

static bool list_equal(const QList *a, const QList *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (!qobject_equal(a->items[i], b->items[i])) {
            return false;
        }
    }
    return true;
}

static bool dict_equal(const QDict *a, const QDict *b)
{
    if (a->live != b->live) {
        return false;
    }
    QDICT_FOREACH(a, e) {
        if (!qobject_equal(e->value, qdict_get(b, e->key))) {
            return false;
        }
    }
    return true;
}

bool qobject_equal(const QObject *a, const QObject *b)
{
    if (qobject_type(a) != qobject_type(b)) {
        return false;
    }
    if (a == b) {
        return true;
    }
    switch (qobject_type(a)) {
    case QTYPE_QNUM:
        return num_equal(a, b);
    case QTYPE_QSTRING:
        return qobject_str_len(a) == qobject_str_len(b) &&
               !memcmp(qobject_get_str(a), qobject_get_str(b),
                       qobject_str_len(a));
    case QTYPE_QDICT:
        return dict_equal(qobject_to_dict(a), qobject_to_dict(b));
    case QTYPE_QLIST:
        return list_equal(qobject_to_list(a), qobject_to_list(b));
    case QTYPE_QBOOL:
        return a->boolean == b->boolean;
    default:
        return true;
    }
}

QObject *qobject_clone(const QObject *obj)
{
    switch (qobject_type(obj)) {
    case QTYPE_QDICT: {
        QDict *copy = qdict_new();

        QDICT_FOREACH((QDict *)obj, e) {
            qdict_put_(copy, e->key, qobject_clone(e->value));
        }
        return &copy->base;
    }
    case QTYPE_QLIST: {
        QList *copy = qlist_new();

        QLIST_FOREACH((QList *)obj, item) {
            qlist_append_(copy, qobject_clone(item));
        }
        return &copy->base;
    }
    case QTYPE_QSTRING:
        return qstr_newn(qobject_get_str(obj), qobject_str_len(obj));
    case QTYPE_QNUM: {
        QNum *copy = qnum_alloc(obj->num);

        copy->v = ((const QNum *)obj)->v;
        return &copy->base;
    }
    default: /* static */
        return (QObject *)obj;
    }
}
