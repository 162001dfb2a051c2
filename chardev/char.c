/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frontends and what every backend does for them; see chardev/char.h. */
#include "util/osdep.h"

#include <poll.h>

#include "chardev/char-internal.h"
#include "util/error.h"
#include "util/trace.h"

TRACE_POINT(chr_event);
TRACE_POINT(chr_input);

/* How long a write that waits sleeps before it looks at the backend anew. */
#define WRITE_POLL_MS 100

/* The base type --------------------------------------------------------------- */

static void accept_input(void *opaque)
{
    Chardev *chr = opaque;

    if (chardev_class(chr)->update_input) {
        chardev_class(chr)->update_input(chr);
    }
}

static void out_ready(void *opaque)
{
    char_out_ready(opaque);
}

static void watch_out(void *opaque)
{
    Chardev *chr = opaque;

    chardev_class(chr)->watch_out(chr);
}

/* The new loop takes over the descriptors. */
static void arrive(void *opaque)
{
    Chardev *chr = opaque;

    chardev_class(chr)->attach(chr);
}

static void cancel_tasks(Chardev *chr)
{
    loop_task_cancel(&chr->accept_task);
    loop_task_cancel(&chr->out_task);
    loop_task_cancel(&chr->watch_task);
    loop_task_cancel(&chr->arrive_task);
}

static void chardev_init(Object *obj)
{
    Chardev *chr = chardev(obj);

    mutex_init(&chr->lock);
    chr->log_fd = -1;
}

static void chardev_finalize(Object *obj)
{
    Chardev *chr = chardev(obj);

    if (chardev_class(chr)->close) {
        chardev_class(chr)->close(chr);
    }
    if (chr->loop) {
        cancel_tasks(chr);
    }
    if (chr->log_fd >= 0) {
        close(chr->log_fd);
    }
    mutex_destroy(&chr->lock);
    g_free(chr->id);
}

QOM_DEFINE(Chardev, chardev, .name = "chardev", .parent = &object_type,
           .abstract = true, .init = chardev_init,
           .finalize = chardev_finalize);

void chardev_set_loop(Chardev *chr, Loop *loop)
{
    chr->loop = loop;
    loop_task_init(&chr->accept_task, loop, accept_input, chr);
    loop_task_init(&chr->out_task, loop, out_ready, chr);
    loop_task_init(&chr->watch_task, loop, watch_out, chr);
    loop_task_init(&chr->arrive_task, loop, arrive, chr);
}

const char *chardev_id(const Chardev *chr)
{
    return chr->id;
}

char *chardev_filename(Chardev *chr)
{
    const ChardevClass *cc = chardev_class(chr);

    return cc->filename ? cc->filename(chr) : g_strdup(cc->name);
}

Loop *chardev_loop(const Chardev *chr)
{
    return chr->loop;
}

/* For backends ------------------------------------------------------------------ */

size_t char_can_read(Chardev *chr)
{
    CharFrontend *fe = chr->fe;

    return fe && fe->handlers && fe->handlers->can_read
               ? fe->handlers->can_read(fe->opaque)
               : 0;
}

void char_input(Chardev *chr, const uint8_t *buf, size_t len)
{
    CharFrontend *fe = chr->fe;

    trace(chr_input, "chardev %s bytes %zu", chr->id, len);
    if (len && fe && fe->handlers && fe->handlers->read) {
        fe->handlers->read(fe->opaque, buf, len);
    }
}

void char_event(Chardev *chr, CharEvent event)
{
    CharFrontend *fe = chr->fe;

    trace(chr_event, "chardev %s event %d", chr->id, event);
    if (event == CHAR_EVENT_OPENED || event == CHAR_EVENT_CLOSED) {
        __atomic_store_n(&chr->open, event == CHAR_EVENT_OPENED,
                         __ATOMIC_RELEASE);
    }
    if (fe && fe->handlers && fe->handlers->event) {
        fe->handlers->event(fe->opaque, event);
    }
    if (event == CHAR_EVENT_CLOSED) {
        char_out_ready(chr);
    }
}

bool char_wants_out(Chardev *chr)
{
    return chr->fe && chr->fe->out_fn;
}

void char_out_ready(Chardev *chr)
{
    CharFrontend *fe = chr->fe;
    LoopFn *fn = fe ? fe->out_fn : NULL;

    if (fn) {
        fe->out_fn = NULL;
        fn(fe->out_opaque);
    }
}

/* Attaching ---------------------------------------------------------------------- */

bool char_fe_init(CharFrontend *fe, Chardev *chr, Error **errp)
{
    assert(!fe->chr);
    if (!chr) {
        return true;
    }
    if (chardev_class(chr)->add_frontend) {
        if (!chardev_class(chr)->add_frontend(chr, fe, errp)) {
            return false;
        }
    } else if (chr->fe) {
        return error_set(errp, "Device '%s' is in use", chr->id);
    } else {
        chr->fe = fe;
    }
    fe->chr = chr;
    object_ref(chr);
    return true;
}

bool char_fe_connect(CharFrontend *fe, Vm *vm, Error **errp)
{
    Chardev *chr;

    if (fe->chr || !fe->id || !*fe->id) {
        return true;
    }
    chr = chardev_find(vm, fe->id);
    if (!chr) {
        return error_set(errp, "chardev '%s' not found", fe->id);
    }
    return char_fe_init(fe, chr, errp);
}

void char_fe_deinit(CharFrontend *fe)
{
    Chardev *chr = fe->chr;
    const ChardevClass *cc;

    if (!chr) {
        return;
    }
    cc = chardev_class(chr);
    char_fe_set_handlers(fe, NULL, NULL);
    fe->out_fn = NULL;
    if (cc->del_frontend) {
        cc->del_frontend(chr, fe);
    } else {
        chr->fe = NULL;
    }
    fe->chr = NULL;
    if (chr->loop != chr->vm->loop) {
        cc->detach(chr);
        cancel_tasks(chr);
        chardev_set_loop(chr, chr->vm->loop);
        cc->attach(chr);
    }
    object_unref(chr);
}

void chardev_move_frontend(Chardev *old, Chardev *chr)
{
    CharFrontend *fe = old->fe;

    old->fe = NULL;
    chr->fe = fe;
    fe->chr = chr;
    object_ref(chr);
    accept_input(old);
    accept_input(chr);
    object_unref(old);
}

void char_fe_set_handlers(CharFrontend *fe, const CharHandlers *handlers,
                          void *opaque)
{
    Chardev *chr = fe->chr;

    if (!chr) {
        return;
    }
    fe->handlers = handlers;
    fe->opaque = opaque;
    fe->open = handlers;
    if (handlers) {
        char_fe_take_focus(fe);
        if (handlers->event && char_fe_is_open(fe)) {
            handlers->event(opaque, CHAR_EVENT_OPENED);
        }
    }
    accept_input(chr);
}

bool char_fe_can_move(const CharFrontend *fe)
{
    return fe->chr && chardev_class(fe->chr)->attach;
}

bool char_fe_set_loop(CharFrontend *fe, Loop *loop)
{
    Chardev *chr = fe->chr;

    if (!chr || chr->loop == loop) {
        return true;
    }
    if (!chardev_class(chr)->attach) {
        return false;
    }
    chardev_class(chr)->detach(chr);
    cancel_tasks(chr);
    chardev_set_loop(chr, loop);
    loop_task_post(&chr->arrive_task);
    return true;
}

/* Data ------------------------------------------------------------------------------ */

static void chardev_log(Chardev *chr, const void *buf, size_t len)
{
    while (len) {
        ssize_t n = RETRY_ON_EINTR(write(chr->log_fd, buf, len));

        if (n <= 0) {
            return; /* a full disk does not stop the guest */
        }
        buf = (const char *)buf + n;
        len -= n;
    }
}

/* One write with the lock held. */
static size_t write_locked(Chardev *chr, const void *buf, size_t len)
{
    const ChardevClass *cc = chardev_class(chr);
    ssize_t n = cc->write ? cc->write(chr, buf, len) : (ssize_t)len;

    if (n == -EAGAIN) {
        return 0;
    }
    /* Other errors: the input side finds out and closes. */
    n = n < 0 ? len : n;
    if (chr->log_fd >= 0) {
        chardev_log(chr, buf, n);
    }
    return n;
}

size_t char_write(Chardev *chr, const void *buf, size_t len)
{
    size_t n;

    mutex_lock(&chr->lock);
    n = write_locked(chr, buf, len);
    mutex_unlock(&chr->lock);
    return n;
}

size_t char_fe_write(CharFrontend *fe, const void *buf, size_t len)
{
    return fe->chr ? char_write(fe->chr, buf, len) : len;
}

/* Wait, without the lock, until the backend may take more. */
static void wait_for_room(Chardev *chr, int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLOUT };

    poll(&pfd, fd >= 0, WRITE_POLL_MS);
}

bool char_fe_write_all(CharFrontend *fe, const void *buf, size_t len)
{
    Chardev *chr = fe->chr;

    while (chr && len) {
        int fd = -1;
        size_t n;

        mutex_lock(&chr->lock);
        n = write_locked(chr, buf, len);
        if (n < len && chardev_class(chr)->out_fd) {
            fd = chardev_class(chr)->out_fd(chr);
        }
        mutex_unlock(&chr->lock);
        buf = (const char *)buf + n;
        len -= n;
        if (len) {
            wait_for_room(chr, fd);
        }
    }
    return true;
}

void char_fe_watch_out(CharFrontend *fe, LoopFn *fn, void *opaque)
{
    Chardev *chr = fe->chr;

    if (!chr) {
        return;
    }
    fe->out_fn = fn;
    fe->out_opaque = opaque;
    if (chardev_class(chr)->watch_out) {
        if (loop_is_current(chr->loop)) {
            watch_out(chr);
        } else {
            loop_task_post(&chr->watch_task);
        }
    } else if (fn) {
        loop_task_post(&chr->out_task);
    }
}

void char_fe_accept_input(CharFrontend *fe)
{
    Chardev *chr = fe->chr;

    if (!chr) {
        return;
    }
    if (loop_is_current(chr->loop)) {
        accept_input(chr);
    } else {
        loop_task_post(&chr->accept_task);
    }
}

bool char_fe_is_open(const CharFrontend *fe)
{
    return fe->chr && __atomic_load_n(&fe->chr->open, __ATOMIC_ACQUIRE);
}

void char_fe_set_open(CharFrontend *fe, bool open)
{
    fe->open = open;
}

void char_fe_take_focus(CharFrontend *fe)
{
    if (fe->chr && chardev_class(fe->chr)->take_focus) {
        chardev_class(fe->chr)->take_focus(fe->chr, fe);
    }
}

void char_fe_printf(CharFrontend *fe, const char *fmt, ...)
{
    g_autoptr(GString) s = g_string_new(NULL);
    va_list ap;

    va_start(ap, fmt);
    g_string_vprintf(s, fmt, ap);
    va_end(ap);
    g_string_replace(s, "\n", "\r\n", 0);
    char_fe_write_all(fe, s->str, s->len);
}

/* Sockets ----------------------------------------------------------------------------- */

ssize_t char_fe_read_all(CharFrontend *fe, void *buf, size_t len)
{
    if (!fe->chr || !chardev_class(fe->chr)->read_all) {
        return -ENOTSUP;
    }
    return chardev_class(fe->chr)->read_all(fe->chr, buf, len);
}

size_t char_fe_take_fds(CharFrontend *fe, int *fds, size_t max)
{
    if (!fe->chr || !chardev_class(fe->chr)->take_fds) {
        return 0;
    }
    return chardev_class(fe->chr)->take_fds(fe->chr, fds, max);
}

bool char_fe_send_fds(CharFrontend *fe, const int *fds, size_t n, Error **errp)
{
    if (!fe->chr || !chardev_class(fe->chr)->send_fds) {
        return error_set(errp, "chardev cannot pass file descriptors");
    }
    return chardev_class(fe->chr)->send_fds(fe->chr, fds, n, errp);
}

bool char_fe_wait_connected(CharFrontend *fe, Error **errp)
{
    if (!fe->chr || !chardev_class(fe->chr)->wait_connected) {
        return true;
    }
    return chardev_class(fe->chr)->wait_connected(fe->chr, errp);
}

void char_fe_disconnect(CharFrontend *fe)
{
    if (fe->chr && chardev_class(fe->chr)->disconnect) {
        chardev_class(fe->chr)->disconnect(fe->chr);
    }
}

/* The property -------------------------------------------------------------------------- */

static QObject *prop_get(Object *obj, const Prop *prop, Error **errp)
{
    CharFrontend *fe = prop_slot(obj, prop);

    return qstr_new(fe->chr ? fe->chr->id : fe->id ?: "");
}

static bool prop_set(Object *obj, const Prop *prop, const QObject *value,
                     QapiMode mode, Error **errp)
{
    CharFrontend *fe = prop_slot(obj, prop);
    char *id = NULL;

    if (!qapi_read_named(&qapi_type_str, prop->name, value, &id, mode, errp)) {
        return false;
    }
    g_free(fe->id);
    fe->id = id;
    return true;
}

static void prop_release(Object *obj, const Prop *prop)
{
    CharFrontend *fe = prop_slot(obj, prop);

    char_fe_deinit(fe);
    g_free(fe->id);
}

const PropKind prop_kind_chardev = {
    .type = "str",
    .get = prop_get,
    .set = prop_set,
    .release = prop_release,
};
