/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP sessions. Spec: QEMU's "QEMU Machine Protocol Specification".
 *
 * Input is parsed where the chardev is served. Requests then wait in a queue
 * for their turn on the main loop; out-of-band ones run at once. Usually both
 * places are the main loop, the queue is empty, and a request is answered
 * inside the call that read it.
 */
#include "util/osdep.h"

#include "monitor/monitor-internal.h"
#include "qapi/qapi-types-control.h"
#include "monitor/qmp-commands.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/trace.h"

TRACE_POINT(monitor_qmp_cmd_in_band);
TRACE_POINT(monitor_qmp_cmd_out_of_band);
TRACE_POINT(monitor_qmp_respond);

/*
 * A client that sends the next command as soon as it has the reply is waited
 * for awake: falling asleep and being woken takes longer than most commands.
 * Only one that did so this many times, and no longer than this.
 */
#define LINGER_AFTER 4
#define LINGER_NS    200000

typedef struct QmpItem {
    struct QmpItem *next;
    QObject *value; /* or */
    Error *err;     /* the input was no JSON */
    unsigned session;
} QmpItem;

typedef struct QmpMonitor {
    Monitor mon;
    bool pretty;
    /* Chardev's loop */
    JsonParser *parser;
    LoopTask move; /* main loop: go to the thread for out-of-band commands */
    /* Guarded by mon.lock */
    QmpItem *head, **tail;
    unsigned queued;
    bool paused;      /* can_read() said no */
    unsigned session; /* counts clients */
    QmpState state;
    bool oob;
    bool open;
    /* Main loop: the command that runs */
    JsonWriter reply;
    QmpRequest req;
    unsigned req_session;
    int64_t replied_ns;
    unsigned quick; /* commands in a row that came within LINGER_NS */
} QmpMonitor;

static const MonitorOps qmp_ops;

bool qmp_monitor_is(const Monitor *mon)
{
    return mon->ops == &qmp_ops;
}

static QmpMonitor *qmp_monitor(Monitor *mon)
{
    return container_of(mon, QmpMonitor, mon);
}

static QmpDispatch qmp_dispatch_of(QmpMonitor *s)
{
    QmpDispatch d = { .vm = s->mon.all->vm };

    mutex_lock(&s->mon.lock);
    d.state = s->state;
    d.oob_enabled = s->oob;
    mutex_unlock(&s->mon.lock);
    d.preconfig = d.vm->preconfig;
    return d;
}

/* Replies ------------------------------------------------------------------------- */

/* Send what is in @w unless the client that asked has gone. */
static void qmp_send(QmpMonitor *s, JsonWriter *w, unsigned session)
{
    trace(monitor_qmp_respond, "mon %p %s", s, w->buf);
    json_append(w, "\r\n", 2);
    mutex_lock(&s->mon.lock);
    if (s->open && s->session == session) {
        monitor_write_locked(&s->mon, w->buf, w->len);
    }
    mutex_unlock(&s->mon.lock);
}

bool qmp_monitor_is_pretty(const Monitor *mon)
{
    return container_of(mon, const QmpMonitor, mon)->pretty;
}

void qmp_monitor_event(Monitor *mon, const char *text, size_t len)
{
    QmpMonitor *s = qmp_monitor(mon);

    mutex_lock(&mon->lock);
    if (s->open && s->state == QMP_READY) {
        monitor_write_locked(mon, text, len);
    }
    mutex_unlock(&mon->lock);
}

static void qmp_greet(QmpMonitor *s)
{
    g_auto(JsonWriter) w = { .pretty = s->pretty };
    const QmpCommand *version = qmp_command_find("query-version");
    g_autoptr(QDict) no_args = qdict_new();
    unsigned session;

    json_open(&w, '{');
    json_key(&w, "QMP");
    json_open(&w, '{');
    if (version) {
        json_key(&w, "version");
        version->marshal(s->mon.all->vm, no_args, &w, error_abort);
    }
    json_key(&w, "capabilities");
    json_open(&w, '[');
    if (char_fe_can_move(&s->mon.fe)) {
        json_str(&w, qapi_enum_name(&qapi_type_QMPCapability,
                                    QMP_CAPABILITY_OOB));
    }
    json_close(&w, ']');
    json_close(&w, '}');
    json_close(&w, '}');
    mutex_lock(&s->mon.lock);
    session = s->session;
    mutex_unlock(&s->mon.lock);
    qmp_send(s, &w, session);
}

/* Commands, on the main loop ---------------------------------------------------------- */

static QmpItem *qmp_pop(QmpMonitor *s)
{
    QmpItem *item;

    mutex_lock(&s->mon.lock);
    item = s->head;
    if (item) {
        s->head = item->next;
        if (!s->head) {
            s->tail = &s->head;
        }
        s->queued--;
    }
    mutex_unlock(&s->mon.lock);
    return item;
}

static void qmp_note_pace(QmpMonitor *s)
{
    bool quick = loop_now_ns() - s->replied_ns < LINGER_NS;

    s->quick = quick ? s->quick + 1 : 0;
}

static void qmp_linger(QmpMonitor *s)
{
    s->replied_ns = loop_now_ns();
    if (s->quick >= LINGER_AFTER) {
        loop_linger(s->mon.all->vm->loop, LINGER_NS);
    }
}

static void qmp_finish(QmpMonitor *s, bool have_reply)
{
    if (have_reply) {
        qmp_send(s, &s->reply, s->req_session);
    }
    qmp_linger(s);
    qmp_request_clear(&s->req);
    monitors_command_done(s->mon.all);
}

static void qmp_run_now(QmpMonitor *s)
{
    QmpDispatch d = qmp_dispatch_of(s);

    qmp_finish(s, qmp_request_run(&s->req, &d, &s->reply));
}

static void coroutine_fn qmp_run_in_coroutine(void *opaque)
{
    QmpMonitor *s = opaque;

    qmp_run_now(s);
    /* Not from here: what comes next may want to be in no coroutine. */
    loop_task_post(&s->mon.all->pump);
}

static bool qmp_run_one(Monitor *mon)
{
    QmpMonitor *s = qmp_monitor(mon);
    QmpItem *item = qmp_pop(s);
    QmpDispatch d = qmp_dispatch_of(s);
    Error *err;

    if (!item) {
        return false;
    }
    qmp_note_pace(s);
    json_writer_rewind(&s->reply);
    s->req_session = item->session;
    err = item->err;
    if (err || !qmp_request_parse(&s->req, &d, item->value, &err)) {
        qmp_write_error(&s->reply, err, err == item->err ? NULL : s->req.id);
        qmp_finish(s, true);
        g_free(item);
        return true;
    }
    trace(monitor_qmp_cmd_in_band, "mon %p %s", s, s->req.cmd->name);
    g_free(item);
    if (s->req.cmd->flags & QMP_COROUTINE) {
        coroutine_enter(coroutine_new(qmp_run_in_coroutine, s));
    } else {
        qmp_run_now(s);
    }
    return true;
}

/* Input, on the chardev's loop ---------------------------------------------------------- */

static void qmp_run_oob(QmpMonitor *s, QObject *value)
{
    QmpDispatch d = qmp_dispatch_of(s);
    g_auto(QmpRequest) req = { 0 };
    g_auto(JsonWriter) w = { .pretty = s->pretty };
    Error *err = NULL;
    bool have = true;

    if (!qmp_request_parse(&req, &d, value, &err)) {
        qmp_write_error(&w, err, req.id);
    } else {
        trace(monitor_qmp_cmd_out_of_band, "mon %p %s", s, req.cmd->name);
        have = qmp_request_run(&req, &d, &w);
    }
    if (have) {
        qmp_send(s, &w, s->session);
    }
}

static void qmp_emit(void *opaque, QObject *value, Error *err)
{
    QmpMonitor *s = opaque;
    QDict *dict = qobject_to_dict(value);
    QmpItem *item;

    /* Only this thread changes the session, and only it sets oob to false. */
    if (dict && qdict_has(dict, "exec-oob") && qmp_dispatch_of(s).oob_enabled) {
        qmp_run_oob(s, value);
        return;
    }
    item = g_new0(QmpItem, 1);
    item->value = value;
    item->err = err;
    mutex_lock(&s->mon.lock);
    item->session = s->session;
    *s->tail = item;
    s->tail = &item->next;
    s->queued++;
    mutex_unlock(&s->mon.lock);
    monitors_kick(s->mon.all);
}

static size_t qmp_can_read(void *opaque)
{
    QmpMonitor *s = opaque;
    bool full;

    mutex_lock(&s->mon.lock);
    full = s->queued >= QMP_QUEUE_MAX || s->mon.out->len;
    s->paused = full;
    mutex_unlock(&s->mon.lock);
    return full ? 0 : SIZE_MAX;
}

static void qmp_read(void *opaque, const uint8_t *buf, size_t len)
{
    QmpMonitor *s = opaque;
    bool idle;

    mutex_lock(&s->mon.lock);
    idle = !s->queued;
    mutex_unlock(&s->mon.lock);
    monitor_keep_fds(&s->mon, idle);
    json_parser_feed(s->parser, (const char *)buf, len);
}

static void qmp_drop_queue_locked(QmpMonitor *s)
{
    while (s->head) {
        QmpItem *item = s->head;

        s->head = item->next;
        qobject_unref(item->value);
        error_free(item->err);
        g_free(item);
    }
    s->tail = &s->head;
    s->queued = 0;
}

/* Every client starts anew. */
static void qmp_reset(QmpMonitor *s, bool open)
{
    json_parser_reset(s->parser);
    mutex_lock(&s->mon.lock);
    s->session++;
    s->state = QMP_NEGOTIATING;
    s->oob = false;
    s->open = open;
    qmp_drop_queue_locked(s);
    if (open) {
        /* Who says no more ("-qmp stdio" in a pipe) may still read. */
        monitor_reset_locked(&s->mon);
    }
    mutex_unlock(&s->mon.lock);
}

static void qmp_event(void *opaque, CharEvent event)
{
    QmpMonitor *s = opaque;

    if (event == CHAR_EVENT_OPENED) {
        qmp_reset(s, true);
        qmp_greet(s);
    } else if (event == CHAR_EVENT_CLOSED) {
        qmp_reset(s, false);
        loop_task_post(&s->mon.all->left);
    }
}

static const CharHandlers qmp_handlers = {
    .can_read = qmp_can_read,
    .read = qmp_read,
    .event = qmp_event,
};

/* The queue has room again. */
static void qmp_idle(Monitor *mon)
{
    QmpMonitor *s = qmp_monitor(mon);
    bool paused;

    mutex_lock(&mon->lock);
    paused = s->paused;
    mutex_unlock(&mon->lock);
    if (paused) {
        char_fe_accept_input(&mon->fe);
    }
}

/* Capabilities ------------------------------------------------------------------------------ */

static void *oob_thread(void *opaque)
{
    loop_run(opaque);
    return NULL;
}

/* Out-of-band commands need a thread that the main loop cannot hold up. */
static bool oob_ensure_thread(struct Monitors *all, Error **errp)
{
    Loop *loop;

    if (all->oob_loop) {
        return true;
    }
    loop = loop_new("mon_iothread", errp);
    if (!loop) {
        return false;
    }
    if (!thread_create(&all->oob_thread, "IO mon_iothread", oob_thread, loop,
                       errp)) {
        loop_free(loop);
        return false;
    }
    all->oob_loop = loop;
    return true;
}

static void qmp_move(void *opaque)
{
    QmpMonitor *s = opaque;

    if (chardev_loop(s->mon.fe.chr) == s->mon.all->vm->loop) {
        monitor_set_loop(&s->mon, s->mon.all->oob_loop);
    }
}

bool qmp_negotiate(Monitor *mon, bool oob, Error **errp)
{
    QmpMonitor *s;

    if (!mon || !qmp_monitor_is(mon)) {
        return error_set(errp, "no QMP session to negotiate for");
    }
    s = qmp_monitor(mon);
    if (oob && !char_fe_can_move(&mon->fe)) {
        return error_set(errp, "Capability 'oob' is not available");
    }
    if (oob && !oob_ensure_thread(mon->all, errp)) {
        return false;
    }
    mutex_lock(&mon->lock);
    if (s->session == s->req_session) {
        s->state = QMP_READY;
        s->oob = oob;
    }
    mutex_unlock(&mon->lock);
    if (oob) {
        loop_task_post(&s->move);
    }
    return true;
}

/* Life -------------------------------------------------------------------------------------- */

static void qmp_free(Monitor *mon)
{
    QmpMonitor *s = qmp_monitor(mon);

    qmp_events_del(mon->all->events, mon);
    loop_task_cancel(&s->move);
    qmp_drop_queue_locked(s);
    json_parser_free(s->parser);
    json_writer_clear(&s->reply);
}

static const MonitorOps qmp_ops = {
    .run_one = qmp_run_one,
    .idle = qmp_idle,
    .free = qmp_free,
};

bool monitor_add_qmp(Vm *vm, Chardev *chr, bool pretty, Error **errp)
{
    QmpMonitor *s = g_new0(QmpMonitor, 1);
    struct Monitors *all = monitors_get(vm);

    s->pretty = pretty;
    s->reply.pretty = pretty;
    s->tail = &s->head;
    if (!monitor_init(&s->mon, &qmp_ops, vm, chr, errp)) {
        g_free(s);
        return false;
    }
    s->parser = json_parser_new(qmp_emit, s);
    loop_task_init(&s->move, vm->loop, qmp_move, s);
    if (!all->events) {
        all->events = qmp_events_new(all);
        vm->events = qmp_events_sink(all->events);
    }
    qmp_events_add(all->events, &s->mon);
    char_fe_set_handlers(&s->mon.fe, &qmp_handlers, s);
    return true;
}
