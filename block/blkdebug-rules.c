/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of blkdebug: a small state machine driven by the steps of the
 * format above. An event that has rules for the present state makes those the
 * active ones; a request fails by the first active rule that fits.
 * Spec: docs/devel/blkdebug.txt and the QMP reference of QEMU 7.2.
 */
#include "util/osdep.h"

#include "block/blkdebug.h"
#include "qobject/keyval.h"
#include "util/error.h"

void debug_rules_init(DebugRules *r)
{
    mutex_init(&r->lock);
    r->state = 1;
}

static void rule_free(DebugRule *rule)
{
    g_free(rule->tag);
    g_free(rule);
}

void debug_rules_destroy(DebugRules *r)
{
    while (r->first) {
        DebugRule *rule = r->first;

        r->first = rule->next;
        rule_free(rule);
    }
    mutex_destroy(&r->lock);
}

/* Rules
 * ------------------------------------------------------------------------ */

static void append(DebugRules *r, const DebugRule *rule)
{
    DebugRule **p = &r->first;

    while (*p) {
        p = &(*p)->next;
    }
    *p = g_new(DebugRule, 1);
    **p = *rule;
}

static bool add_inject(DebugRules *r, const BlkdebugInjectErrorOptions *o,
                       Error **errp)
{
    DebugRule rule = {
        .event = o->event,
        .state = o->has_state ? o->state : 0,
        .inject = true,
        .iotypes = o->has_iotype ? BIT(o->iotype)
                                 : ~(unsigned)BIT(BLKDEBUG_IO_TYPE_BLOCK_STATUS),
        .error = o->has_errno ? o->q_errno : EIO,
        .sector = o->has_sector ? o->sector : -1,
        .once = o->has_once && o->once,
        .immediately = o->has_immediately && o->immediately,
    };

    /* 0: none, a rule without effect. */
    if (rule.error < 0 || rule.error > 4095) {
        return error_set(errp, "inject-error: errno is out of range");
    }
    append(r, &rule);
    return true;
}

static void add_set_state(DebugRules *r, const BlkdebugSetStateOptions *o)
{
    DebugRule rule = {
        .event = o->event,
        .state = o->has_state ? o->state : 0,
        .new_state = o->new_state,
    };

    append(r, &rule);
}

/* The config file
 * ---------------------------------------------------------------- */

/* One group of lines, by its name. */
static bool add_group(DebugRules *r, const char *group, QDict *d, Error **errp)
{
    if (!group) {
        return true;
    }
    if (!strcmp(group, "inject-error")) {
        g_autoptr(BlkdebugInjectErrorOptions) o = qapi_from_qobject(
            &qapi_type_BlkdebugInjectErrorOptions, QOBJECT(d), QAPI_KEYVAL,
            errp);

        return o && add_inject(r, o, errp);
    }
    if (!strcmp(group, "set-state")) {
        g_autoptr(BlkdebugSetStateOptions) o = qapi_from_qobject(
            &qapi_type_BlkdebugSetStateOptions, QOBJECT(d), QAPI_KEYVAL, errp);

        if (o) {
            add_set_state(r, o);
        }
        return o;
    }
    return error_set(errp, "There is no option group '%s'", group);
}

/* NAME = "VALUE" */
static bool config_value(QDict *d, char *line, Error **errp)
{
    char *eq = strchr(line, '='), *value;
    size_t len;

    if (!eq) {
        return error_set(errp, "'%s' is no 'name = \"value\"'", line);
    }
    *eq = 0;
    value = g_strstrip(eq + 1);
    len = strlen(value);
    if (len < 2 || value[0] != '"' || value[len - 1] != '"') {
        return error_set(errp, "the value of '%s' needs quotes", line);
    }
    value[len - 1] = 0;
    qdict_put_str(d, g_strstrip(line), value + 1);
    return true;
}

static bool config_line(DebugRules *r, char *line, char **group, QDict **d,
                        Error **errp)
{
    size_t len = strlen(line);

    if (!len || *line == '#') {
        return true;
    }
    if (*line != '[') {
        return *group ? config_value(*d, line, errp)
                      : error_set(errp, "no group defined: '%s'", line);
    }
    if (line[len - 1] != ']') {
        return error_set(errp, "'%s' is no group", line);
    }
    if (!add_group(r, *group, *d, errp)) {
        return false;
    }
    g_free(*group);
    /* [GROUP "ID"]: the id is for people. */
    *group = g_strndup(line + 1, strcspn(line + 1, " ]"));
    qobject_unref(*d);
    *d = qdict_new();
    return true;
}

static bool add_config(DebugRules *r, const char *path, Error **errp)
{
    g_autofree char *text = NULL, *group = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(QDict) d = qdict_new();

    if (access(path, R_OK) || !g_file_get_contents(path, &text, NULL, NULL)) {
        return error_errno(errp, errno, "Could not read blkdebug config file");
    }
    lines = g_strsplit(text, "\n", -1);
    for (size_t i = 0; lines[i]; i++) {
        if (!config_line(r, g_strstrip(lines[i]), &group, &d, errp)) {
            return error_prefix(errp, "%s:%zu", path, i + 1);
        }
    }
    return add_group(r, group, d, errp) || error_prefix(errp, "%s", path);
}

bool debug_rules_add(DebugRules *r, const BlockdevOptionsBlkdebug *o,
                     Error **errp)
{
    BlkdebugInjectErrorOptionsList *errors = o->inject_error;
    BlkdebugSetStateOptionsList *states = o->set_state;

    if (o->config && !add_config(r, o->config, errp)) {
        return false;
    }
    QAPI_LIST_FOREACH(errors, e) {
        if (!add_inject(r, e->value, errp)) {
            return false;
        }
    }
    QAPI_LIST_FOREACH(states, e) {
        add_set_state(r, e->value);
    }
    return true;
}

/* Running
 * ------------------------------------------------------------------------ */

static bool applies(const DebugRule *rule, BlkdebugEvent event, int64_t state)
{
    return rule->event == event && (!rule->state || rule->state == state);
}

/* The first breakpoint at @event, taken out; NULL: none. */
static DebugRule *take_break(DebugRules *r, BlkdebugEvent event)
    REQUIRES(r->lock)
{
    for (DebugRule **p = &r->first; *p; p = &(*p)->next) {
        DebugRule *rule = *p;

        if (rule->tag && rule->event == event) {
            *p = rule->next;
            return rule;
        }
    }
    return NULL;
}

static void coroutine_fn suspend(DebugRules *r, const char *tag)
    REQUIRES(r->lock)
{
    DebugStop stop = { .tag = tag }, **p = &r->stops;

    co_queue_init(&stop.queue);
    while (*p) {
        p = &(*p)->next;
    }
    *p = &stop;
    printf("blkdebug: Suspended request '%s'\n", tag);
    while (!stop.resumed) {
        co_queue_wait(&stop.queue, &r->lock);
    }
}

/* All breakpoints that are set now hold the request, one after the other. */
static void coroutine_fn suspend_at(DebugRules *r, BlkdebugEvent event)
    REQUIRES(r->lock)
{
    DebugRule *taken = NULL, **end = &taken, *rule;

    while ((rule = take_break(r, event))) {
        rule->next = NULL;
        *end = rule;
        end = &rule->next;
    }
    while (taken) {
        rule = taken;
        suspend(r, rule->tag);
        taken = rule->next;
        rule_free(rule);
    }
}

void debug_rules_event(DebugRules *r, BlkdebugEvent event)
{
    int64_t state, next;
    bool any = false;

    mutex_lock(&r->lock);
    state = next = r->state;
    for (DebugRule *rule = r->first; rule; rule = rule->next) {
        if (!rule->tag && applies(rule, event, state)) {
            any = any || (rule->inject && rule->error);
            next = rule->inject ? next : rule->new_state;
        }
    }
    for (DebugRule *rule = r->first; rule && any; rule = rule->next) {
        rule->active = rule->inject && applies(rule, event, state);
    }
    r->state = next;
    if (in_coroutine()) {
        suspend_at(r, event);
    }
    mutex_unlock(&r->lock);
}

/* Breakpoints
 * -------------------------------------------------------------------- */

int debug_rules_break(DebugRules *r, const char *event, const char *tag)
{
    DebugRule rule = { .tag = g_strdup(tag) };
    int value = qapi_enum_find(&qapi_type_BlkdebugEvent, event, -1);

    if (value < 0) {
        g_free(rule.tag);
        return -ENOENT;
    }
    rule.event = value;
    mutex_lock(&r->lock);
    append(r, &rule);
    mutex_unlock(&r->lock);
    return 0;
}

/* One request of that tag goes on; false: none waits. */
static bool resume_one(DebugRules *r, const char *tag) REQUIRES(r->lock)
{
    for (DebugStop **p = &r->stops; *p; p = &(*p)->next) {
        DebugStop *stop = *p;

        if (!strcmp(stop->tag, tag)) {
            *p = stop->next;
            stop->resumed = true;
            printf("blkdebug: Resuming request '%s'\n", tag);
            co_queue_wake_all(&stop->queue);
            return true;
        }
    }
    return false;
}

int debug_rules_remove(DebugRules *r, const char *tag)
{
    DebugRule **p = &r->first;
    int ret = -ENOENT;

    mutex_lock(&r->lock);
    while (*p) {
        DebugRule *rule = *p;

        if (rule->tag && !strcmp(rule->tag, tag)) {
            *p = rule->next;
            rule_free(rule);
            ret = 0;
        } else {
            p = &rule->next;
        }
    }
    while (resume_one(r, tag)) {
        /* Its breakpoint was gone when it was hit: not one removed now. */
    }
    mutex_unlock(&r->lock);
    return ret;
}

int debug_rules_resume(DebugRules *r, const char *tag)
{
    bool done;

    mutex_lock(&r->lock);
    done = resume_one(r, tag);
    mutex_unlock(&r->lock);
    return done ? 0 : -ENOENT;
}

bool debug_rules_suspended(DebugRules *r, const char *tag)
{
    bool found = false;

    mutex_lock(&r->lock);
    for (const DebugStop *stop = r->stops; stop; stop = stop->next) {
        found = found || !strcmp(stop->tag, tag);
    }
    mutex_unlock(&r->lock);
    return found;
}

/* Failing
 * ------------------------------------------------------------------------ */

int debug_rules_error(DebugRules *r, BlkdebugIOType type, int64_t offset,
                      int64_t bytes, bool *immediately)
{
    int error = 0;

    mutex_lock(&r->lock);
    for (DebugRule *rule = r->first; rule && !error; rule = rule->next) {
        bool hit = rule->sector < 0 ||
                   (bytes && rule->sector >= offset / 512 &&
                    rule->sector <= (offset + bytes - 1) / 512);

        if (rule->active && (rule->iotypes & BIT(type)) && hit) {
            error = rule->error;
            *immediately = rule->immediately;
            if (rule->once) {
                rule->active = false;
                rule->error = 0; /* used up */
            }
        }
    }
    mutex_unlock(&r->lock);
    return error;
}
