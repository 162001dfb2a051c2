/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events to QMP clients. Some may come in floods: of those at most one a second
 * goes out per kind (and per device), the latest of each second.
 */
#include "util/osdep.h"

#include "monitor/monitor-internal.h"
#include "util/trace.h"

TRACE_POINT(monitor_protocol_event_emit);

#define LIMIT_NS INT64_C(1000000000)

/* Limited events, and the member of their data that tells devices apart. */
static const struct {
    const char *name, *key;
} limits[] = {
    { "RTC_CHANGE", NULL },
    { "WATCHDOG", NULL },
    { "BALLOON_CHANGE", NULL },
    { "QUORUM_REPORT_BAD", "node-name" },
    { "QUORUM_FAILURE", "reference" },
    { "VSERPORT_CHANGE", "id" },
    { "MEMORY_DEVICE_SIZE_CHANGE", "qom-path" },
};

/* An event that went out less than a second ago. */
typedef struct Held {
    struct Held *next;
    const QapiEventInfo *info;
    char *key;
    int64_t until;
    bool again;  /* one more came meanwhile: */
    QDict *data; /* its data, or NULL */
} Held;

struct QmpEvents {
    QapiEventSink sink;
    struct Monitors *all;
    Mutex lock;
    /* Guarded by lock */
    GPtrArray *to; /* Monitor * */
    Held *held;
    /* Main loop */
    LoopTimer timer;
    LoopTask arm;
};

static void write_event(JsonWriter *w, const QapiEventInfo *info, QDict *data,
                        int64_t us)
{
    json_open(w, '{');
    json_key(w, "timestamp");
    json_open(w, '{');
    json_key(w, "seconds");
    json_int(w, us / G_USEC_PER_SEC);
    json_key(w, "microseconds");
    json_int(w, us % G_USEC_PER_SEC);
    json_close(w, '}');
    json_key(w, "event");
    json_str(w, info->name);
    if (data) {
        json_key(w, "data");
        json_value(w, QOBJECT(data));
    }
    json_close(w, '}');
    json_append(w, "\r\n", 2);
}

static void send_locked(struct QmpEvents *e, const QapiEventInfo *info,
                        QDict *data)
{
    g_auto(JsonWriter) w = JSON_WRITER_INIT;
    g_auto(JsonWriter) pretty = JSON_WRITER_INIT_PRETTY;

    int64_t us = g_get_real_time();

    for (guint i = 0; i < e->to->len; i++) {
        Monitor *mon = e->to->pdata[i];
        JsonWriter *form = qmp_monitor_is_pretty(mon) ? &pretty : &w;

        if (!form->len) {
            write_event(form, info, data, us);
        }
        qmp_monitor_event(mon, form->buf, form->len);
    }
}

static bool limit_of(const char *name, const QDict *data, const char **key)
{
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        if (!strcmp(limits[i].name, name)) {
            *key = limits[i].key && data ? qdict_get_str(data, limits[i].key)
                                         : NULL;
            return true;
        }
    }
    return false;
}

/* Send the event now, or hold it back until its second is over. */
static void emit_limited_locked(struct QmpEvents *e, const QapiEventInfo *info,
                                const char *key, QDict *data)
{
    Held *h = e->held;

    while (h && (h->info != info || g_strcmp0(h->key, key))) {
        h = h->next;
    }
    if (h) {
        h->again = true;
        qobject_unref(h->data);
        h->data = data ? qobject_to_dict(qobject_clone(QOBJECT(data))) : NULL;
        return;
    }
    h = g_new0(Held, 1);
    h->info = info;
    h->key = g_strdup(key);
    h->until = loop_now_ns() + LIMIT_NS;
    h->next = e->held;
    e->held = h;
    send_locked(e, info, data);
    loop_task_post(&e->arm);
}

static void emit(QapiEventSink *sink, const QapiEventInfo *info, QDict *data)
{
    struct QmpEvents *e = container_of(sink, struct QmpEvents, sink);
    const char *key = NULL;

    trace(monitor_protocol_event_emit, "event %s", info->name);
    mutex_lock(&e->lock);
    if (limit_of(info->name, data, &key)) {
        emit_limited_locked(e, info, key, data);
    } else {
        send_locked(e, info, data);
    }
    mutex_unlock(&e->lock);
}

static void held_free(Held *h)
{
    qobject_unref(h->data);
    g_free(h->key);
    g_free(h);
}

/* Seconds that are over: send what was held back, or forget the event. */
static int64_t release_locked(struct QmpEvents *e)
{
    int64_t now = loop_now_ns(), next = -1;

    for (Held **p = &e->held; *p;) {
        Held *h = *p;

        if (h->until <= now && !h->again) {
            *p = h->next;
            held_free(h);
            continue;
        }
        if (h->until <= now) {
            send_locked(e, h->info, h->data);
            h->again = false;
            h->until = now + LIMIT_NS;
        }
        next = next < 0 ? h->until : MIN(next, h->until);
        p = &h->next;
    }
    return next;
}

static void rearm(void *opaque)
{
    struct QmpEvents *e = opaque;
    int64_t next;

    mutex_lock(&e->lock);
    next = release_locked(e);
    mutex_unlock(&e->lock);
    if (next >= 0) {
        loop_timer_set(&e->timer, next);
    }
}

struct QmpEvents *qmp_events_new(struct Monitors *all)
{
    struct QmpEvents *e = g_new0(struct QmpEvents, 1);

    e->sink.emit = emit;
    e->all = all;
    mutex_init(&e->lock);
    e->to = g_ptr_array_new();
    loop_timer_init(&e->timer, all->vm->loop, rearm, e);
    loop_task_init(&e->arm, all->vm->loop, rearm, e);
    return e;
}

void qmp_events_free(struct QmpEvents *e)
{
    loop_timer_cancel(&e->timer);
    loop_task_cancel(&e->arm);
    while (e->held) {
        Held *h = e->held;

        e->held = h->next;
        held_free(h);
    }
    g_ptr_array_free(e->to, TRUE);
    mutex_destroy(&e->lock);
    g_free(e);
}

QapiEventSink *qmp_events_sink(struct QmpEvents *e)
{
    return &e->sink;
}

void qmp_events_add(struct QmpEvents *e, Monitor *mon)
{
    mutex_lock(&e->lock);
    g_ptr_array_add(e->to, mon);
    mutex_unlock(&e->lock);
}

void qmp_events_del(struct QmpEvents *e, Monitor *mon)
{
    mutex_lock(&e->lock);
    g_ptr_array_remove(e->to, mon);
    mutex_unlock(&e->lock);
}
