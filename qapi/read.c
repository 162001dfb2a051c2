/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QObjects to C values, checked against the schema. */
#include "util/osdep.h"

#include "qapi/internal.h"
#include "qobject/keyval.h"
#include "util/error.h"

/* More elements than this from one range such as "0-3" are refused. */
#define MAX_RANGE 65536

/* Where in the input we are, for messages only. */
typedef struct Path {
    const struct Path *up;
    const char *name; /* NULL: element @index of a list */
    size_t index;
} Path;

typedef struct Reader {
    QapiMode mode;
    Error **errp;
} Reader;

static void path_append(GString *s, const Path *path)
{
    if (path->up) {
        path_append(s, path->up);
    }
    if (!path->name) {
        g_string_append_printf(s, "[%zu]", path->index);
    } else if (*path->name) {
        g_string_append_printf(s, "%s%s", s->len ? "." : "", path->name);
    }
}

static char *path_text(const Path *path)
{
    GString *s = g_string_new(NULL);

    path_append(s, path);
    if (!s->len) {
        g_string_append(s, "value");
    }
    return g_string_free(s, FALSE);
}

static bool wrong_type(Reader *r, const Path *path, const char *expected)
{
    g_autofree char *name = path_text(path);

    return error_set(r->errp, "Invalid parameter type for '%s', expected: %s",
                     name, expected);
}

static bool bad_value(Reader *r, const Path *path, const char *expected)
{
    g_autofree char *name = path_text(path);

    return error_set(r->errp, "Parameter '%s' expects %s", name, expected);
}

/* The number does not fit the type, "uint16" or so. */
static bool out_of_range(Reader *r, const Path *path, const QapiType *type)
{
    g_autofree char *name = g_strdup_printf("%s_t", type->name);

    return bad_value(r, path, name);
}

/* The text of a scalar that keyval_parse() left as a string, or NULL. */
static const char *keyval_text(const Reader *r, const QObject *obj)
{
    return r->mode != QAPI_STRICT ? qobject_get_str(obj) : NULL;
}

static bool read_bool(Reader *r, const QObject *obj, bool *slot,
                      const Path *path)
{
    const char *text = keyval_text(r, obj);

    if (text) {
        return parse_bool(text, slot) || bad_value(r, path, "'on' or 'off'");
    }
    return qobject_get_bool(obj, slot) || wrong_type(r, path, "boolean");
}

static bool store_int(const QapiType *type, void *slot, int64_t v)
{
    switch (type->size) {
    case 1:
        *(int8_t *)slot = (int8_t)v;
        return v >= INT8_MIN && v <= INT8_MAX;
    case 2:
        *(int16_t *)slot = (int16_t)v;
        return v >= INT16_MIN && v <= INT16_MAX;
    case 4:
        *(int32_t *)slot = (int32_t)v;
        return v >= INT32_MIN && v <= INT32_MAX;
    default:
        *(int64_t *)slot = v;
        return true;
    }
}

static bool store_uint(const QapiType *type, void *slot, uint64_t v)
{
    switch (type->size) {
    case 1:
        *(uint8_t *)slot = (uint8_t)v;
        return v <= UINT8_MAX;
    case 2:
        *(uint16_t *)slot = (uint16_t)v;
        return v <= UINT16_MAX;
    case 4:
        *(uint32_t *)slot = (uint32_t)v;
        return v <= UINT32_MAX;
    default:
        *(uint64_t *)slot = v;
        return true;
    }
}

static bool int_in_range(const QapiType *type, int64_t v)
{
    int64_t scratch;

    return store_int(type, &scratch, v);
}

static bool uint_in_range(const QapiType *type, uint64_t v)
{
    uint64_t scratch;

    return store_uint(type, &scratch, v);
}

static bool read_int(Reader *r, const QapiType *type, const QObject *obj,
                     void *slot, const Path *path)
{
    const char *text = keyval_text(r, obj);
    int64_t v;

    if (text) {
        if (!parse_int64(text, &v)) {
            return bad_value(r, path, "an integer");
        }
    } else if (!qobject_get_int(obj, &v)) {
        return wrong_type(r, path, "integer");
    }
    if (!int_in_range(type, v)) {
        return out_of_range(r, path, type);
    }
    return store_int(type, slot, v);
}

/* JSON also allows the negative number with the same 64 bits, as QEMU does. */
static bool get_wrapping_uint(const QObject *obj, uint64_t *v)
{
    int64_t i;

    if (qobject_get_uint(obj, v)) {
        return true;
    }
    if (qobject_get_int(obj, &i)) {
        *v = (uint64_t)i;
        return true;
    }
    return false;
}

static bool read_uint(Reader *r, const QapiType *type, const QObject *obj,
                      void *slot, const Path *path)
{
    const char *text = keyval_text(r, obj);
    uint64_t v;

    if (text) {
        bool ok = type->kind == QAPI_SIZE ? parse_size(text, 'B', &v)
                                          : parse_uint64(text, &v);

        if (!ok) {
            return bad_value(r, path,
                             type->kind == QAPI_SIZE
                                 ? "a size, with an optional suffix K, M, G, T"
                                 : "an unsigned integer");
        }
    } else if (!get_wrapping_uint(obj, &v)) {
        return bad_value(r, path, "uint64");
    }
    if (!uint_in_range(type, v)) {
        return out_of_range(r, path, type);
    }
    return store_uint(type, slot, v);
}

static bool read_number(Reader *r, const QObject *obj, double *slot,
                        const Path *path)
{
    const char *text = keyval_text(r, obj);

    if (text) {
        char *end;
        double v = g_ascii_strtod(text, &end);

        if (end == text || *end) {
            return bad_value(r, path, "a number");
        }
        *slot = v;
        return true;
    }
    return qobject_get_double(obj, slot) || wrong_type(r, path, "number");
}

static bool read_str(Reader *r, const QObject *obj, void *slot,
                     const Path *path)
{
    const char *text = qobject_get_str(obj);

    if (!text) {
        return wrong_type(r, path, "string");
    }
    store_ptr(slot, g_strdup(text));
    return true;
}

static bool read_null(Reader *r, const QObject *obj, void *slot,
                      const Path *path)
{
    if (qobject_type(obj) != QTYPE_QNULL) {
        return wrong_type(r, path, "null");
    }
    store_ptr(slot, qnull());
    return true;
}

static bool read_enum(Reader *r, const QapiType *type, const QObject *obj,
                      int *slot, const Path *path)
{
    const char *text = qobject_get_str(obj);
    int v;

    if (!text) {
        return wrong_type(r, path, "string");
    }
    v = qapi_enum_find(type, text, -1);
    if (v < 0) {
        g_autofree char *name = path_text(path);

        error_set(r->errp, "Parameter '%s' does not accept value '%s'", name,
                  text);
        error_hint_nearest(r->errp, text, type->names);
        return false;
    }
    *slot = v;
    return true;
}

static bool read_value(Reader *r, const QapiType *type, const QObject *obj,
                       void *slot, const Path *path);
static bool read_object(Reader *r, const QapiType *type, const QDict *dict,
                        void *obj, const Path *path);

/* Append to a list; returns the slot of the new element. */
static void *list_append(void ***tail)
{
    void *node = g_malloc0(NODE_VALUE + sizeof(uint64_t));

    **tail = node;
    *tail = node;
    return at(node, NODE_VALUE);
}

/* "3" or "0-3" to elements of an integer list. */
static bool read_range(Reader *r, const QapiType *elem, const char *text,
                       void ***tail, const Path *path)
{
    g_autofree char *first = NULL;
    const char *dash = *text ? strchr(text + 1, '-') : NULL;
    int64_t lo, hi;

    first = dash ? g_strndup(text, (size_t)(dash - text)) : g_strdup(text);
    if (!parse_int64(first, &lo) || (dash && !parse_int64(dash + 1, &hi))) {
        return bad_value(r, path, "integers or ranges of them");
    }
    hi = dash ? hi : lo;
    if (hi < lo || (uint64_t)hi - (uint64_t)lo >= MAX_RANGE ||
        (elem->kind == QAPI_INT
             ? !int_in_range(elem, lo) || !int_in_range(elem, hi)
             : lo < 0 || !uint_in_range(elem, (uint64_t)hi))) {
        return bad_value(r, path, "integers within its type's range");
    }
    for (uint64_t i = 0; i <= (uint64_t)hi - (uint64_t)lo; i++) {
        void *slot = list_append(tail);

        if (elem->kind == QAPI_INT) {
            store_int(elem, slot, lo + (int64_t)i);
        } else {
            store_uint(elem, slot, (uint64_t)lo + i);
        }
    }
    return true;
}

static bool is_integer(const QapiType *type)
{
    return type->kind == QAPI_INT || type->kind == QAPI_UINT;
}

static bool read_element(Reader *r, const QapiType *elem, const QObject *obj,
                         void ***tail, const Path *path)
{
    const char *text = is_integer(elem) ? keyval_text(r, obj) : NULL;

    if (text) {
        return read_range(r, elem, text, tail, path);
    }
    return read_value(r, elem, obj, list_append(tail), path);
}

static bool read_list(Reader *r, const QapiType *type, const QObject *obj,
                      void *slot, const Path *path)
{
    const QapiType *elem = type->branch[0];
    QList *list = qobject_to_list(obj);
    void *head = NULL, **tail = &head;
    Path item = { .up = path };
    bool ok = true;

    if (list) {
        for (; ok && item.index < qlist_size(list); item.index++) {
            ok = read_element(r, elem, qlist_get(list, item.index), &tail,
                              &item);
        }
    } else if (keyval_text(r, obj) && !is_reference(elem)) {
        ok = read_element(r, elem, obj, &tail, path);
    } else {
        return wrong_type(r, path, "array");
    }
    if (!ok) {
        qapi_clear(type, &head);
    }
    store_ptr(slot, head);
    return ok;
}

static bool read_reference(Reader *r, const QapiType *type, const QObject *obj,
                           void *slot, const Path *path)
{
    QDict *dict = qobject_to_dict(obj);
    void *p;

    if (!dict) {
        return wrong_type(r, path, "object");
    }
    p = g_malloc0(type->size);
    if (!read_object(r, type, dict, p, path)) {
        g_free(p);
        p = NULL;
    }
    store_ptr(slot, p);
    return p;
}

/* Which branch takes @obj; QTYPE_NONE for none. */
static QType choose_branch(const Reader *r, const QapiType *type,
                           const QObject *obj)
{
    QType qtype = qobject_type(obj);

    if (type->branch[qtype]) {
        return qtype;
    }
    if (keyval_text(r, obj)) {
        bool b;

        if (type->branch[QTYPE_QBOOL] && parse_bool(qobject_get_str(obj), &b)) {
            return QTYPE_QBOOL;
        }
        if (type->branch[QTYPE_QNUM]) {
            return QTYPE_QNUM;
        }
    }
    return QTYPE_NONE;
}

static bool read_alternate(Reader *r, const QapiType *type, const QObject *obj,
                           void *slot, const Path *path)
{
    QType qtype = choose_branch(r, type, obj);
    const QapiType *branch = type->branch[qtype];
    void *p, *u;
    bool ok;

    if (qtype == QTYPE_NONE) {
        return wrong_type(r, path, type->name);
    }
    p = g_malloc0(type->size);
    *(QType *)p = qtype;
    u = at(p, type->u_offset);
    ok = is_object(branch)
             ? read_object(r, branch, qobject_to_dict(obj), u, path)
             : read_value(r, branch, obj, u, path);
    if (!ok) {
        g_free(p);
        p = NULL;
    }
    store_ptr(slot, p);
    return ok;
}

/* Of a repeated key, what counts for a type that is no list. */
static const QObject *last_value(const QObject *obj)
{
    QList *list = qobject_to_list(obj);

    return list && qlist_size(list) ? qlist_get(list, qlist_size(list) - 1)
                                    : obj;
}

static bool read_value(Reader *r, const QapiType *type, const QObject *obj,
                       void *slot, const Path *path)
{
    if (r->mode == QAPI_OPTS && type->kind != QAPI_LIST) {
        obj = last_value(obj);
    }
    switch ((QapiKind)type->kind) {
    case QAPI_BOOL:
        return read_bool(r, obj, slot, path);
    case QAPI_INT:
        return read_int(r, type, obj, slot, path);
    case QAPI_UINT:
    case QAPI_SIZE:
        return read_uint(r, type, obj, slot, path);
    case QAPI_NUMBER:
        return read_number(r, obj, slot, path);
    case QAPI_STR:
        return read_str(r, obj, slot, path);
    case QAPI_ANY:
        store_ptr(slot, qobject_ref((QObject *)obj));
        return true;
    case QAPI_NULL:
        return read_null(r, obj, slot, path);
    case QAPI_ENUM:
        return read_enum(r, type, obj, slot, path);
    case QAPI_STRUCT:
    case QAPI_UNION:
        return read_reference(r, type, obj, slot, path);
    case QAPI_ALTERNATE:
        return read_alternate(r, type, obj, slot, path);
    case QAPI_LIST:
        return read_list(r, type, obj, slot, path);
    }
    g_assert_not_reached();
}

/*
 * The members that @dict has of @type and its branches, counted in @seen.
 * Stops at the first error and leaves what was read in @obj.
 */
static bool read_members(Reader *r, const QapiType *type, const QDict *dict,
                         void *obj, const Path *up, size_t *seen)
{
    const QapiType *branch;

    for (int i = 0; i < type->n; i++) {
        const QapiMember *m = &type->members[i];
        const QObject *value = qdict_get(dict, m->name);
        Path path = { up, m->name, 0 };

        if (!value) {
            if (!(m->flags & QAPI_OPTIONAL)) {
                g_autofree char *name = path_text(&path);

                return error_set(r->errp, "Parameter '%s' is missing", name);
            }
            continue;
        }
        if (!read_value(r, m->type, value, at(obj, m->offset), &path)) {
            return false;
        }
        if (m->flags & QAPI_HAS) {
            *(bool *)at(obj, m->has_offset) = true;
        }
        ++*seen;
    }
    branch = union_branch(type, obj);
    return !branch ||
           read_members(r, branch, dict, at(obj, type->u_offset), up, seen);
}

/* Collect the names of members of @type and of the branch @obj selects. */
static void known_names(const QapiType *type, const void *obj, GPtrArray *names)
{
    const QapiType *branch = union_branch(type, obj);

    for (int i = 0; i < type->n; i++) {
        g_ptr_array_add(names, (char *)type->members[i].name);
    }
    if (branch) {
        known_names(branch, at(obj, type->u_offset), names);
    }
}

static bool unexpected_member(Reader *r, const QapiType *type,
                              const QDict *dict, const void *obj,
                              const Path *up)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    known_names(type, obj, names);
    QDICT_FOREACH(dict, e) {
        if (!g_ptr_array_find_with_equal_func(names, e->key, g_str_equal,
                                              NULL)) {
            Path path = { up, e->key, 0 };
            g_autofree char *name = path_text(&path);

            g_ptr_array_add(names, NULL);
            error_set(r->errp, "Parameter '%s' is unexpected", name);
            error_hint_nearest(r->errp, e->key,
                               (const char *const *)names->pdata);
            break;
        }
    }
    return false;
}

static bool read_object(Reader *r, const QapiType *type, const QDict *dict,
                        void *obj, const Path *path)
{
    size_t seen = 0;
    bool ok = read_members(r, type, dict, obj, path, &seen);

    if (ok && seen != qdict_size(dict)) {
        ok = unexpected_member(r, type, dict, obj, path);
    }
    if (!ok) {
        qapi_clear_members(type, obj);
    }
    return ok;
}

bool qapi_read_named(const QapiType *type, const char *name, const QObject *obj,
                     void *slot, QapiMode mode, Error **errp)
{
    Reader r = { mode, errp };
    Path path = { NULL, name ? name : "", 0 };

    if (is_reference(type)) {
        store_ptr(slot, NULL);
    }
    return read_value(&r, type, obj, slot, &path);
}

bool qapi_read(const QapiType *type, const QObject *obj, void *slot,
               QapiMode mode, Error **errp)
{
    return qapi_read_named(type, NULL, obj, slot, mode, errp);
}

void *qapi_from_qobject(const QapiType *type, const QObject *obj, QapiMode mode,
                        Error **errp)
{
    void *p = NULL;

    assert(is_reference(type));
    qapi_read(type, obj, &p, mode, errp);
    return p;
}

bool qapi_read_members(const QapiType *type, const QDict *dict, void *obj,
                       QapiMode mode, Error **errp)
{
    Reader r = { mode, errp };
    Path path = { NULL, "", 0 };

    memset(obj, 0, type->size);
    return read_object(&r, type, dict, obj, &path);
}
