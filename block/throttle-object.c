/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "-object throttle-group": makes a group under its name and sets its limits.
 * Spec: QEMU's docs/throttle.txt; types and errors by experiment.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/throttle.h"
#include "qapi/qapi-types-block-core.h"
#include "qom/object.h"
#include "qom/user-object.h"
#include "softmmu/vm.h"
#include "util/error.h"

QOM_DECLARE(ThrottleObject, throttle_object)
struct ThrottleObject {
    Object parent;
    ThrottleConfig cfg;   /* until complete */
    ThrottleGroup *group; /* then, when there is a graph */
    bool complete;
};

static void make_group(ThrottleObject *t, BlockGraph *g, const char *name)
{
    t->group = throttle_group_new(g, name);
    throttle_group_set_config(t->group, &t->cfg);
}

/* Before there are any disks the group waits until somebody asks for it. */
static bool throttle_object_complete(Object *obj, Vm *vm, Error **errp)
{
    ThrottleObject *t = throttle_object(obj);
    BlockGraph *g = vm ? vm->block : NULL;
    const char *name = object_name(obj);

    if (g && throttle_group_known(g, name)) {
        return error_set(errp, "A group with this name already exists");
    }
    if (!throttle_config_check(&t->cfg, errp)) {
        return false;
    }
    if (g) {
        make_group(t, g, name);
    }
    t->complete = true;
    return true;
}

ThrottleGroup *throttle_object_group(BlockGraph *g, const char *name)
{
    Object *obj = g->root ? object_user_find(g->root, name) : NULL;
    ThrottleObject *t = object_dynamic_cast(obj, &throttle_object_type);

    if (t && !t->group) {
        make_group(t, g, name);
    }
    return t ? t->group : NULL;
}

static bool throttle_object_can_delete(Object *obj, Error **errp)
{
    ThrottleGroup *tg = throttle_object(obj)->group;

    return !tg || !throttle_group_in_use(tg) ||
           error_set(errp, "object '%s' is in use, can not be deleted",
                     object_name(obj));
}

static void throttle_object_init(Object *obj)
{
    throttle_config_init(&throttle_object(obj)->cfg);
}

static void throttle_object_finalize(Object *obj)
{
    throttle_group_unref(throttle_object(obj)->group);
}

static void current_config(ThrottleObject *t, ThrottleConfig *cfg)
{
    *cfg = t->cfg;
    if (t->group) {
        throttle_group_config(t->group, cfg);
    }
}

/* "limits"
 * ------------------------------------------------------------------ */

static QObject *get_limits(Object *obj, const Prop *prop, Error **errp)
{
    QDict *d = qdict_new();
    ThrottleConfig cfg;

    current_config(throttle_object(obj), &cfg);
    for (size_t i = 0; throttle_option_name(i); i++) {
        const char *name = throttle_option_name(i);

        qdict_put_int(d, name, *throttle_option(&cfg, name));
    }
    return QOBJECT(d);
}

static bool take_limit(ThrottleConfig *cfg, const char *name, int64_t v,
                       Error **errp)
{
    if (g_str_has_suffix(name, "-length") && (v < 0 || v > UINT32_MAX)) {
        return error_set(errp, "%s value must be in the range [0, %u]", name,
                         UINT32_MAX);
    }
    *throttle_option(cfg, name) = v;
    return true;
}

/* What is absent stays as it is. */
static bool set_limits(Object *obj, const Prop *prop, const QObject *value,
                       QapiMode mode, Error **errp)
{
    ThrottleObject *t = throttle_object(obj);
    g_autoptr(ThrottleLimits) limits = NULL;
    g_autoptr(QObject) strict = NULL;
    ThrottleConfig cfg;

    if (!qapi_read_named(&qapi_type_ThrottleLimits, prop->name, value, &limits,
                         mode, errp)) {
        return false;
    }
    strict = qapi_to_qobject(&qapi_type_ThrottleLimits, &limits);
    current_config(t, &cfg);
    QDICT_FOREACH(qobject_to_dict(strict), e) {
        if (!take_limit(&cfg, e->key,
                        qdict_get_int(qobject_to_dict(strict), e->key, 0),
                        errp)) {
            return false;
        }
    }
    if (!throttle_config_check(&cfg, errp)) {
        return false;
    }
    t->cfg = cfg;
    if (t->group) {
        throttle_group_set_config(t->group, &cfg);
    }
    return true;
}

/* One limit each
 * ------------------------------------------------------------ */

static QObject *get_limit(Object *obj, const Prop *prop, Error **errp)
{
    ThrottleConfig cfg;

    current_config(throttle_object(obj), &cfg);
    return qint_new(*throttle_option(&cfg, prop->name + strlen("x-")));
}

static bool set_limit(Object *obj, const Prop *prop, const QObject *value,
                      QapiMode mode, Error **errp)
{
    ThrottleObject *t = throttle_object(obj);
    int64_t v = 0;

    if (t->complete) {
        return error_set(errp, "Property cannot be set after initialization");
    }
    if (!qapi_read_named(&qapi_type_int, prop->name, value, &v, mode, errp)) {
        return false;
    }
    if (v < 0) {
        return error_set(errp, "Property values cannot be negative");
    }
    return take_limit(&t->cfg, prop->name + strlen("x-"), v, errp);
}

#define LIMIT(nam)  PROP_FN(nam, "int", get_limit, set_limit, .live = true)
#define LIMITS(nam) LIMIT(nam), LIMIT(nam "-max"), LIMIT(nam "-max-length")

static const Prop throttle_object_props[] = {
    PROP_FN("limits", "ThrottleLimits", get_limits, set_limits, .live = true),
    LIMITS("x-bps-read"),
    LIMITS("x-bps-total"),
    LIMITS("x-bps-write"),
    LIMITS("x-iops-read"),
    LIMITS("x-iops-total"),
    LIMITS("x-iops-write"),
    LIMIT("x-iops-size"),
    {},
};

static const ObjectClass throttle_object_class = {
    .props = throttle_object_props,
};

static const UserCreatable throttle_object_creatable = {
    .complete = throttle_object_complete,
    .can_delete = throttle_object_can_delete,
    .early = true,
};

QOM_DEFINE(ThrottleObject, throttle_object, .name = "throttle-group",
           .parent = &object_type, .class = &throttle_object_class,
           .user_creatable = &throttle_object_creatable,
           .init = throttle_object_init, .finalize = throttle_object_finalize);
