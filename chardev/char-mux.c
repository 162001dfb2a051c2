/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several frontends on one backend. Input goes to the one in focus; Ctrl-A, or
 * what -echr says, is the escape: Ctrl-A c moves the focus, Ctrl-A h lists the
 * others.
 */
#include "util/osdep.h"

#include "chardev/char-internal.h"
#include "util/error.h"

#define MUX_MAX    4
#define MUX_BUF    256

QOM_DECLARE(CharMux, char_mux)
struct CharMux {
    Chardev parent; /* parent.fe is the frontend in focus */
    CharFrontend base;
    CharFrontend *fe[MUX_MAX];
    unsigned n;
    bool escaped; /* the escape came */
    /* Input that the frontend in focus did not take yet. */
    uint8_t buf[MUX_BUF];
    size_t buf_len;
    /* Guarded by parent.lock: times before lines, for Ctrl-A t. */
    bool stamps, in_line;
    int64_t stamp_start;
};

/* Output --------------------------------------------------------------------------- */

static void mux_write_stamp(CharMux *s)
{
    int64_t ms = loop_now_ns() / 1000000;
    g_autofree char *text = NULL;

    if (!s->stamp_start) {
        s->stamp_start = ms;
    }
    ms -= s->stamp_start;
    text = g_strdup_printf("[%02d:%02d:%02d.%03d] ", (int)(ms / 3600000),
                           (int)(ms / 60000 % 60), (int)(ms / 1000 % 60),
                           (int)(ms % 1000));
    char_fe_write_all(&s->base, text, strlen(text));
}

static ssize_t mux_write(Chardev *chr, const void *buf, size_t len)
{
    CharMux *s = char_mux(chr);
    const char *p = buf;
    size_t n;

    if (!s->stamps) {
        n = char_fe_write(&s->base, buf, len);
        return n ? (ssize_t)n : -EAGAIN;
    }
    for (size_t done = 0; done < len; done += n) {
        const char *nl = memchr(p + done, '\n', len - done);

        n = nl ? (size_t)(nl + 1 - (p + done)) : len - done;
        if (!s->in_line) {
            mux_write_stamp(s);
        }
        s->in_line = !nl;
        char_fe_write_all(&s->base, p + done, n);
    }
    return len;
}

static int mux_out_fd(Chardev *chr)
{
    Chardev *base = char_mux(chr)->base.chr;

    return base && chardev_class(base)->out_fd
               ? chardev_class(base)->out_fd(base)
               : -1;
}

/* Input ------------------------------------------------------------------------------ */

static void mux_set_focus(CharMux *s, CharFrontend *fe)
{
    if (s->parent.fe == fe) {
        return;
    }
    char_event(&s->parent, CHAR_EVENT_MUX_OUT);
    s->parent.fe = fe;
    s->buf_len = 0;
    char_event(&s->parent, CHAR_EVENT_MUX_IN);
}

static void mux_next_focus(CharMux *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (s->fe[i] == s->parent.fe) {
            mux_set_focus(s, s->fe[(i + 1) % s->n]);
            return;
        }
    }
}

static void mux_help(CharMux *s)
{
    static const char *const help[][2] = {
        { "h", "print this help" },
        { "x", "exit emulator" },
        { "t", "toggle console timestamps" },
        { "b", "send break (magic sysrq)" },
        { "c", "switch between console and monitor" },
    };
    uint8_t c = s->parent.vm->mux_escape;
    g_autofree char *name = c >= 1 && c <= 26 ? g_strdup_printf("C-%c", c + 96)
                                              : g_strdup_printf("0x%02x", c);

    char_fe_printf(&s->base, "\n");
    for (size_t i = 0; i < ARRAY_SIZE(help); i++) {
        char_fe_printf(&s->base, "%s %-4s %s\n", name, help[i][0], help[i][1]);
    }
    char_fe_printf(&s->base, "%s %-4s sends %s\n", name, name, name);
}

/* The byte after the escape; true when it is to be passed on. */
static bool mux_command(CharMux *s, uint8_t c)
{
    switch (c) {
    case '?':
    case 'h':
        mux_help(s);
        return false;
    case 'x':
        char_fe_printf(&s->base, "QEMU: Terminated\n");
        vm_exit_request(s->parent.vm, 0);
        return false;
    case 'b':
        char_event(&s->parent, CHAR_EVENT_BREAK);
        return false;
    case 'c':
        mux_next_focus(s);
        return false;
    case 't':
        mutex_lock(&s->parent.lock);
        s->stamps = !s->stamps;
        s->stamp_start = 0;
        s->in_line = false;
        mutex_unlock(&s->parent.lock);
        return false;
    default:
        return c == s->parent.vm->mux_escape;
    }
}

/* Give the frontend in focus what waits for it. */
static void mux_flush(CharMux *s)
{
    while (s->buf_len) {
        size_t n = MIN(char_can_read(&s->parent), s->buf_len);
        uint8_t chunk[MUX_BUF];

        if (!n) {
            return;
        }
        memcpy(chunk, s->buf, n);
        s->buf_len -= n;
        memmove(s->buf, s->buf + n, s->buf_len);
        char_input(&s->parent, chunk, n);
    }
}

static size_t mux_can_read(void *opaque)
{
    CharMux *s = opaque;

    return MUX_BUF - s->buf_len;
}

static void mux_read(void *opaque, const uint8_t *buf, size_t len)
{
    CharMux *s = opaque;

    for (size_t i = 0; i < len; i++) {
        if (s->escaped) {
            s->escaped = false;
            mux_flush(s);
            if (!mux_command(s, buf[i])) {
                continue;
            }
        } else if (buf[i] == s->parent.vm->mux_escape) {
            s->escaped = true;
            continue;
        }
        if (s->buf_len < MUX_BUF) {
            s->buf[s->buf_len++] = buf[i];
        }
    }
    mux_flush(s);
}

static void mux_event(void *opaque, CharEvent event)
{
    CharMux *s = opaque;
    CharFrontend *focus = s->parent.fe;

    for (unsigned i = 0; i < s->n; i++) {
        s->parent.fe = s->fe[i];
        char_event(&s->parent, event);
    }
    s->parent.fe = focus;
    if (!s->n) {
        char_event(&s->parent, event);
    }
}

static const CharHandlers mux_handlers = {
    .can_read = mux_can_read,
    .read = mux_read,
    .event = mux_event,
};

static void mux_update(Chardev *chr)
{
    CharMux *s = char_mux(chr);

    mux_flush(s);
    char_fe_accept_input(&s->base);
}

static void mux_out_ready(void *opaque)
{
    CharMux *s = opaque;

    for (unsigned i = 0; i < s->n; i++) {
        LoopFn *fn = s->fe[i]->out_fn;

        if (fn) {
            s->fe[i]->out_fn = NULL;
            fn(s->fe[i]->out_opaque);
        }
    }
}

static void mux_watch_out(Chardev *chr)
{
    CharMux *s = char_mux(chr);

    char_fe_watch_out(&s->base, mux_out_ready, s);
}

/* Frontends ------------------------------------------------------------------------------ */

static bool mux_add(Chardev *chr, CharFrontend *fe, Error **errp)
{
    CharMux *s = char_mux(chr);

    if (s->n == MUX_MAX) {
        return error_set(errp, "mux '%s' has %d frontends already", chr->id,
                         MUX_MAX);
    }
    s->fe[s->n++] = fe;
    if (!chr->fe) {
        chr->fe = fe;
    }
    return true;
}

static void mux_del(Chardev *chr, CharFrontend *fe)
{
    CharMux *s = char_mux(chr);
    unsigned i = 0;

    while (s->fe[i] != fe) {
        i++;
    }
    s->n--;
    memmove(&s->fe[i], &s->fe[i + 1], (s->n - i) * sizeof(s->fe[0]));
    if (chr->fe == fe) {
        chr->fe = NULL;
        if (s->n) {
            mux_set_focus(s, s->fe[0]);
        }
    }
}

static void mux_take_focus(Chardev *chr, CharFrontend *fe)
{
    mux_set_focus(char_mux(chr), fe);
}

static bool mux_parse(QDict *opts, ChardevBackend *backend, Error **errp)
{
    ChardevMux *m = g_new0(ChardevMux, 1);

    backend->u.mux.data = m;
    return char_opt_path(opts, "mux", "chardev", &m->chardev, errp) &&
           char_parse_common(opts, qapi_ChardevMux_base(m), errp);
}

static bool mux_open(Chardev *chr, const ChardevBackend *backend, Error **errp)
{
    CharMux *s = char_mux(chr);
    Chardev *base = chardev_find(chr->vm, backend->u.mux.data->chardev);

    if (!base) {
        return error_set(errp, "mux: base chardev %s not found",
                         backend->u.mux.data->chardev);
    }
    if (!char_fe_init(&s->base, base, errp)) {
        return false;
    }
    char_fe_set_handlers(&s->base, &mux_handlers, s);
    return true;
}

static void mux_close(Chardev *chr)
{
    char_fe_deinit(&char_mux(chr)->base);
}

static const ChardevClass mux_class = {
    .name = "mux",
    .kind = CHARDEV_BACKEND_KIND_MUX,
    .connects = true,
    .parse = mux_parse,
    .open = mux_open,
    .close = mux_close,
    .write = mux_write,
    .out_fd = mux_out_fd,
    .update_input = mux_update,
    .watch_out = mux_watch_out,
    .add_frontend = mux_add,
    .del_frontend = mux_del,
    .take_focus = mux_take_focus,
};
QOM_DEFINE(CharMux, char_mux, .name = "chardev-mux", .parent = &chardev_type,
           .class = &mux_class);
