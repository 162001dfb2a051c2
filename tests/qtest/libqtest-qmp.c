/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The QMP half of libqtest. */
#include "util/osdep.h"

#include "tests/qtest/libqtest-internal.h"
#include "util/error.h"

static void got_value(void *opaque, QObject *value, Error *err)
{
    QTest *q = opaque;
    QDict *d;

    if (err) {
        g_error("QMP: %s", error_text(err));
    }
    d = qobject_to_dict(value);
    g_assert_nonnull(d);
    g_queue_push_tail(qdict_has(d, "event") ? &q->events : &q->replies, d);
}

/* One read; false at the end of the connection. */
static bool receive(QTest *q)
{
    char buf[4096];
    ssize_t n = RETRY_ON_EINTR(read(q->qmp_fd, buf, sizeof(buf)));

    if (n > 0) {
        json_parser_feed(q->parser, buf, n);
    }
    return n > 0;
}

static QDict *next_reply(QTest *q)
{
    while (g_queue_is_empty(&q->replies)) {
        if (!receive(q)) {
            g_error("the emulator closed its QMP connection");
        }
    }
    return g_queue_pop_head(&q->replies);
}

static QDict *commandv(QTest *q, const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    size_t len = strlen(text), done = 0;

    while (done < len) {
        ssize_t n = RETRY_ON_EINTR(write(q->qmp_fd, text + done, len - done));

        g_assert_cmpint(n, >, 0);
        done += n;
    }
    return next_reply(q);
}

void qtest_qmp_open(QTest *q)
{
    g_queue_init(&q->replies);
    g_queue_init(&q->events);
    q->parser = json_parser_new(got_value, q);
    qobject_unref(next_reply(q)); /* the greeting */
    qtest_qmp_ok(q, "{'execute': 'qmp_capabilities'}");
}

static void free_dict(void *d)
{
    qobject_unref((QDict *)d);
}

void qtest_qmp_close(QTest *q)
{
    g_queue_clear_full(&q->replies, free_dict);
    g_queue_clear_full(&q->events, free_dict);
    json_parser_free(q->parser);
    close(q->qmp_fd);
}

QDict *qtest_qmp(QTest *q, const char *fmt, ...)
{
    va_list ap;
    QDict *reply;

    va_start(ap, fmt);
    reply = commandv(q, fmt, ap);
    va_end(ap);
    return reply;
}

static QObject *take_return(QDict *reply)
{
    QObject *value = qdict_take(reply, "return");

    if (!value) {
        g_autofree char *text = qobject_to_json(QOBJECT(reply));

        g_error("QMP: %s", text);
    }
    qobject_unref(reply);
    return value;
}

QObject *qtest_qmp_return(QTest *q, const char *fmt, ...)
{
    va_list ap;
    QDict *reply;

    va_start(ap, fmt);
    reply = commandv(q, fmt, ap);
    va_end(ap);
    return take_return(reply);
}

void qtest_qmp_ok(QTest *q, const char *fmt, ...)
{
    va_list ap;
    QDict *reply;

    va_start(ap, fmt);
    reply = commandv(q, fmt, ap);
    va_end(ap);
    qobject_unref(take_return(reply));
}

char *qtest_qmp_error(QTest *q, const char *cls, const char *fmt, ...)
{
    g_autoptr(QDict) reply = NULL;
    va_list ap;
    QDict *error;

    va_start(ap, fmt);
    reply = commandv(q, fmt, ap);
    va_end(ap);
    error = qdict_get_dict(reply, "error");
    g_assert_nonnull(error);
    g_assert_cmpstr(qdict_get_str(error, "class"), ==, cls);
    return g_strdup(qdict_get_str(error, "desc"));
}

static GList *find_event(QTest *q, const char *name)
{
    for (GList *l = q->events.head; l; l = l->next) {
        if (!strcmp(qdict_get_str(l->data, "event"), name)) {
            return l;
        }
    }
    return NULL;
}

bool qtest_has_event(QTest *q, const char *name)
{
    return find_event(q, name) != NULL;
}

QDict *qtest_wait_event(QTest *q, const char *name)
{
    GList *l;
    QDict *event;

    while (!(l = find_event(q, name))) {
        if (!receive(q)) {
            g_error("the emulator went before a %s event", name);
        }
    }
    event = l->data;
    g_queue_delete_link(&q->events, l);
    return event;
}

char *qtest_hmp(QTest *q, const char *fmt, ...)
{
    g_autoptr(QDict) args = qdict_new();
    g_autoptr(QObject) text = NULL;
    g_autofree char *line = NULL, *json = NULL;
    va_list ap;

    va_start(ap, fmt);
    line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qdict_put_str(args, "command-line", line);
    json = qobject_to_json(QOBJECT(args));
    text = qtest_qmp_return(q, "{'execute': 'human-monitor-command', "
                            "'arguments': %s}", json);
    return g_strdup(qobject_get_str(text));
}
