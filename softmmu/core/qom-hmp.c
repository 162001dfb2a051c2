/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: the composition tree and user-made objects. */
#include "util/osdep.h"

#include "qapi/hmp.h"
#include "qom/object.h"
#include "softmmu/user-object.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* info qom-tree -------------------------------------------------------------------- */

typedef struct TreePrint {
    Hmp *hmp;
    int indent;
} TreePrint;

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(object_name(*(Object *const *)a),
                  object_name(*(Object *const *)b));
}

static bool collect(Object *obj, void *opaque)
{
    g_ptr_array_add(opaque, obj);
    return true;
}

static void print_tree(Hmp *hmp, Object *obj, int indent)
{
    g_autoptr(GPtrArray) children = g_ptr_array_new();

    hmp_printf(hmp, "%*s/%s (%s)\n", indent, "", object_name(obj) ?: "",
               obj->type->name);
    object_children_foreach(obj, collect, children);
    g_ptr_array_sort(children, compare_names);
    for (guint i = 0; i < children->len; i++) {
        print_tree(hmp, children->pdata[i], indent + 2);
    }
}

static bool info_qom_tree(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *path = qdict_get_str(args, "path") ?: "/machine";
    bool ambiguous;
    Object *obj = object_resolve(hmp->vm->root, path, &ambiguous);

    if (!obj) {
        return error_set(errp, "Path '%s' %s", path,
                         ambiguous ? "is ambiguous" : "could not be resolved");
    }
    print_tree(hmp, obj, 0);
    return true;
}

/* qom-list, qom-get, qom-set ----------------------------------------------------------- */

static QDict *pick(const QDict *args, const char *a, const char *b)
{
    QDict *d = qdict_new();

    qdict_put_str(d, a, qdict_get_str(args, a));
    if (b) {
        qdict_put_str(d, b, qdict_get_str(args, b));
    }
    return d;
}

static bool qom_list(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QObject) list = NULL;

    if (!qdict_has(args, "path")) {
        hmp_printf(hmp, "/\n");
        return true;
    }
    list = hmp_qmp(hmp, "qom-list", pick(args, "path", NULL), errp);
    if (!list) {
        return false;
    }
    QLIST_FOREACH(qobject_to_list(list), item) {
        const QDict *info = qobject_to_dict(item);

        hmp_printf(hmp, "%s (%s)\n", qdict_get_str(info, "name"),
                   qdict_get_str(info, "type"));
    }
    return true;
}

static bool qom_get(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(QObject) v =
        hmp_qmp(hmp, "qom-get", pick(args, "path", "property"), errp);
    g_autofree char *json = v ? qobject_to_json_pretty(v) : NULL;

    if (!v) {
        return false;
    }
    hmp_printf(hmp, "%s\n", json);
    return true;
}

static bool qom_set(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *path = qdict_get_str(args, "path");
    const char *value = qdict_get_str(args, "value");
    Object *obj = object_resolve(hmp->vm->root, path, NULL);
    g_autoptr(QObject) json = NULL;

    if (!obj) {
        return error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                               "Device '%s' not found", path);
    }
    if (!qdict_get_bool(args, "j", false)) {
        return object_prop_set_str(obj, qdict_get_str(args, "property"), value,
                                   errp);
    }
    json = json_parse(value, errp);
    return json && object_prop_set(obj, qdict_get_str(args, "property"), json,
                                   QAPI_STRICT, errp);
}

/* object_add, object_del ------------------------------------------------------------------ */

static bool object_add(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *text = qdict_get_str(args, "object");
    bool help = false;
    QapiMode mode;
    g_autoptr(QDict) opts =
        qapi_parse_opts_dict(text, "qom-type", &help, &mode, errp);

    if (!opts) {
        return false;
    }
    if (help) {
        const char *type = qdict_get_str(opts, "qom-type");

        return user_object_help(g_strcmp0(type, "help") ? type : NULL, hmp->out,
                                errp);
    }
    return user_object_add(hmp->vm, opts, mode, errp);
}

static bool object_del(Hmp *hmp, const QDict *args, Error **errp)
{
    return user_object_del(hmp->vm, qdict_get_str(args, "id"), errp);
}

/* Completion --------------------------------------------------------------------------------- */

typedef struct ChildSearch {
    const char *prefix, *parent;
    GPtrArray *list;
} ChildSearch;

static bool add_child(Object *obj, void *opaque)
{
    ChildSearch *s = opaque;

    if (g_str_has_prefix(object_name(obj), s->prefix)) {
        g_ptr_array_add(s->list,
                        g_strconcat(s->parent, object_name(obj), NULL));
    }
    return true;
}

static void complete_path(Hmp *hmp, const char *prefix, GPtrArray *list)
{
    const char *slash = strrchr(prefix, '/');
    g_autofree char *parent =
        slash ? g_strndup(prefix, slash + 1 - prefix) : g_strdup("/");
    Object *obj = object_resolve(hmp->vm->root, parent, NULL);
    ChildSearch s = { slash ? slash + 1 : prefix, parent, list };

    if (obj) {
        object_children_foreach(obj, add_child, &s);
    }
}

static void complete_object(Hmp *hmp, const char *prefix, GPtrArray *list)
{
    ChildSearch s = { prefix, "", list };

    object_children_foreach(object_container(hmp->vm->root, "objects"),
                            add_child, &s);
}

static const HmpArg tree_args[] = {
    { "path", HMP_WORD, .optional = true, .complete = complete_path },
    {},
};
static const HmpArg get_args[] = {
    { "path", HMP_WORD, .complete = complete_path },
    { "property", HMP_WORD },
    {},
};
static const HmpArg set_args[] = {
    { "j", HMP_FLAG, .optional = true },
    { "path", HMP_WORD, .complete = complete_path },
    { "property", HMP_WORD },
    { "value", HMP_REST },
    {},
};
static const HmpArg object_add_args[] = {
    { "object", HMP_REST },
    {},
};
static const HmpArg object_del_args[] = {
    { "id", HMP_WORD, .complete = complete_object },
    {},
};

static const HmpCommand qom_commands[] = {
    { .name = "info qom-tree", .args = tree_args, .params = "[path]",
      .help = "show QOM composition tree", .run = info_qom_tree },
    { .name = "qom-list", .args = tree_args, .params = "path",
      .help = "list QOM properties", .run = qom_list },
    { .name = "qom-get", .args = get_args, .params = "path property",
      .help = "print QOM property", .run = qom_get },
    { .name = "qom-set", .args = set_args,
      .params = "[-j] path property value",
      .help = "set QOM property; -j: value is JSON", .run = qom_set },
    { .name = "object_add", .args = object_add_args,
      .params = "[qom-type=]type,id=str[,prop=value][,...]",
      .help = "create QOM object", .run = object_add },
    { .name = "object_del", .args = object_del_args,
      .help = "destroy QOM object", .run = object_del },
};
HMP_COMMANDS(qom_commands);
