/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "authz-simple", "authz-list", "authz-listfile". Spec: QEMU's manual,
 * "Client authorization".
 */
#include "util/osdep.h"

#include <fnmatch.h>
#include <sys/stat.h>

#include "crypto/authz.h"
#include "qapi/qapi-types-qom.h"
#include "qapi/qapi.h"
#include "qobject/json.h"
#include "qobject/qobject.h"
#include "qom/user-object.h"

#define LIST_FILE_MAX (1 * MiB)

typedef struct AuthZClass {
    OBJECT_CLASS_FIELDS
    bool (*allows)(Object *obj, const char *identity);
} AuthZClass;

static const ObjectType authz_type = {
    .name = "authz",
    .parent = &object_type,
    .size = sizeof(Object),
    .abstract = true,
};

bool authz_check(Object *root, const char *id, const char *identity,
                 Error **errp)
{
    Object *obj = root ? object_user_find(root, id) : NULL;
    const AuthZClass *class;

    if (!obj || !type_is_a(obj->type, &authz_type)) {
        return error_set(errp, "Cannot find authorization object with ID %s",
                         id);
    }
    class = object_class(obj);
    return (identity && class->allows(obj, identity)) ||
           error_set(errp, "'%s' is not authorized",
                     identity ? identity : "anonymous");
}

/* One name -------------------------------------------------------------------
 */

QOM_DECLARE(AuthZSimple, authz_simple)
struct AuthZSimple {
    Object parent;
    char *identity; /* property */
};

static bool simple_complete(Object *obj, Vm *vm, Error **errp)
{
    return authz_simple(obj)->identity ||
           error_set(errp, "Parameter 'identity' is missing");
}

static bool simple_allows(Object *obj, const char *identity)
{
    return !strcmp(authz_simple(obj)->identity, identity);
}

static const Prop simple_props[] = {
    PROP_STR(AuthZSimple, identity, "identity", .type = "string"),
    {},
};
static const AuthZClass simple_class = {
    .props = simple_props,
    .allows = simple_allows,
};
static const UserCreatable simple_user = { .complete = simple_complete,
                                           .early = true };
QOM_DEFINE(AuthZSimple, authz_simple, .name = "authz-simple",
           .parent = &authz_type, .class = &simple_class,
           .user_creatable = &simple_user);

/* Rules: the first that fits counts
 * -----------------------------------------------
 */

static bool rules_allow(const QAuthZListRuleList *rules,
                        QAuthZListPolicy policy, const char *identity)
{
    QAPI_LIST_FOREACH(rules, r) {
        const QAuthZListRule *rule = r->value;
        bool glob = rule->has_format && rule->format == QAUTHZ_LIST_FORMAT_GLOB;

        if (glob ? !fnmatch(rule->match, identity, 0)
                 : !strcmp(rule->match, identity)) {
            return rule->policy == QAUTHZ_LIST_POLICY_ALLOW;
        }
    }
    return policy == QAUTHZ_LIST_POLICY_ALLOW;
}

QOM_DECLARE(AuthZList, authz_list)
struct AuthZList {
    Object parent;
    int policy; /* QAuthZListPolicy */
    QAuthZListRuleList *rules;
};

static bool list_allows(Object *obj, const char *identity)
{
    AuthZList *l = authz_list(obj);

    return rules_allow(l->rules, l->policy, identity);
}

static QObject *get_rules(Object *obj, const Prop *prop, Error **errp)
{
    return qapi_to_qobject(&qapi_type_QAuthZListRuleList,
                           &authz_list(obj)->rules);
}

static bool set_rules(Object *obj, const Prop *prop, const QObject *value,
                      QapiMode mode, Error **errp)
{
    QAuthZListRuleList *rules = NULL;

    if (!qapi_read_named(&qapi_type_QAuthZListRuleList, prop->name, value,
                         &rules, mode, errp)) {
        return false;
    }
    qapi_free_QAuthZListRuleList(authz_list(obj)->rules);
    authz_list(obj)->rules = rules;
    return true;
}

static void list_finalize(Object *obj)
{
    qapi_free_QAuthZListRuleList(((AuthZList *)obj)->rules);
}

static const Prop list_props[] = {
    PROP_ENUM(AuthZList, policy, "policy", &qapi_type_QAuthZListPolicy,
              QAUTHZ_LIST_POLICY_DENY),
    PROP_FN("rules", "QAuthZListRule", get_rules, set_rules),
    {},
};
static const AuthZClass list_class = {
    .props = list_props,
    .allows = list_allows,
};
static const UserCreatable list_user = { .early = true };
QOM_DEFINE(AuthZList, authz_list, .name = "authz-list", .parent = &authz_type,
           .class = &list_class, .user_creatable = &list_user,
           .finalize = list_finalize);

/* Rules in a file
 * -----------------------------------------------------------------
 */

QOM_DECLARE(AuthZListFile, authz_listfile)
struct AuthZListFile {
    Object parent;
    char *filename; /* property */
    bool refresh;   /* property: read it again when it has changed */
    AuthZListProperties *list;
    struct stat st; /* of the file that was read */
};

static bool file_load(AuthZListFile *f, Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(QObject) obj = NULL;
    AuthZListProperties *list = NULL;
    gsize len;

    if (stat(f->filename, &f->st) < 0) {
        return error_errno(errp, errno,
                           "Unable to open authorization file "
                           "'%s'",
                           f->filename);
    }
    if (f->st.st_size > LIST_FILE_MAX ||
        !g_file_get_contents(f->filename, &text, &len, NULL)) {
        return error_set(errp, "Cannot read authorization file '%s'",
                         f->filename);
    }
    obj = json_parse(text, errp);
    if (!obj || !qapi_read_named(&qapi_type_AuthZListProperties, "", obj, &list,
                                 QAPI_STRICT, errp)) {
        return error_prefix(errp, "%s", f->filename);
    }
    qapi_free_AuthZListProperties(f->list);
    f->list = list;
    return true;
}

static bool file_complete(Object *obj, Vm *vm, Error **errp)
{
    AuthZListFile *f = authz_listfile(obj);

    return f->filename ? file_load(f, errp)
                       : error_set(errp, "Parameter 'filename' is missing");
}

static bool file_allows(Object *obj, const char *identity)
{
    AuthZListFile *f = authz_listfile(obj);
    autoerr Error *err = NULL;
    struct stat st;

    if (f->refresh &&
        (stat(f->filename, &st) < 0 || st.st_ino != f->st.st_ino ||
         st.st_size != f->st.st_size ||
         st.st_mtim.tv_sec != f->st.st_mtim.tv_sec ||
         st.st_mtim.tv_nsec != f->st.st_mtim.tv_nsec) &&
        !file_load(f, &err)) {
        return false; /* nobody, until the file is right again */
    }
    return rules_allow(f->list->rules,
                       f->list->has_policy ? f->list->policy
                                           : QAUTHZ_LIST_POLICY_DENY,
                       identity);
}

static void file_finalize(Object *obj)
{
    qapi_free_AuthZListProperties(((AuthZListFile *)obj)->list);
}

static const Prop file_props[] = {
    PROP_STR(AuthZListFile, filename, "filename", .type = "string"),
    PROP(AuthZListFile, refresh, "refresh", true),
    {},
};
static const AuthZClass file_class = {
    .props = file_props,
    .allows = file_allows,
};
static const UserCreatable file_user = { .complete = file_complete,
                                         .early = true };
QOM_DEFINE(AuthZListFile, authz_listfile, .name = "authz-listfile",
           .parent = &authz_type, .class = &file_class,
           .user_creatable = &file_user, .finalize = file_finalize);
