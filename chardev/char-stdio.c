/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Standard input and output; a terminal is put in raw mode, see termios(3). */
#include "util/osdep.h"

#include <signal.h>
#include <termios.h>

#include "chardev/char-internal.h"
#include "util/error.h"

QOM_DECLARE(CharStdio, char_stdio)
struct CharStdio {
    Chardev parent;
    CharIo io;
    IoChannel *in, *out; /* copies of descriptors 0 and 1 */
    bool owner;          /* has stdio_used */
    bool signal;         /* Ctrl-C and the like raise signals */
    bool is_tty;
    struct termios old_tty;
    int old_flags[2];
};

/* The process has one standard input. */
static bool stdio_used;

static bool stdio_parse(QDict *opts, ChardevBackend *backend, Error **errp)
{
    ChardevStdio *o = g_new0(ChardevStdio, 1);

    backend->u.stdio.data = o;
    return char_opt_bool(opts, "signal", &o->has_signal, &o->signal, errp) &&
           char_parse_common(opts, qapi_ChardevStdio_base(o), errp);
}

static void stdio_raw(CharStdio *s)
{
    struct termios tty = s->old_tty;

    tty.c_iflag &=
        ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    tty.c_oflag |= OPOST;
    tty.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    tty.c_cflag &= ~(CSIZE | PARENB);
    tty.c_cflag |= CS8;
    tty.c_cc[VMIN] = 1;
    tty.c_cc[VTIME] = 0;
    if (!s->signal) {
        tty.c_lflag &= ~ISIG;
    }
    tcsetattr(STDIN_FILENO, TCSANOW, &tty);
}

static void stdio_gone(Chardev *chr)
{
    char_io_stop(&char_stdio(chr)->io);
    char_event(chr, CHAR_EVENT_CLOSED);
}

static void stdio_attach(Chardev *chr)
{
    CharStdio *s = char_stdio(chr);

    char_io_start(&s->io, s->in, s->out);
}

static void stdio_detach(Chardev *chr)
{
    char_io_stop(&char_stdio(chr)->io);
}

static bool stdio_open(Chardev *chr, const ChardevBackend *backend,
                       Error **errp)
{
    const ChardevStdio *o = backend->u.stdio.data;
    CharStdio *s = char_stdio(chr);

    if (chr->vm->daemonized) {
        return error_set(errp, "cannot use stdio with -daemonize");
    }
    if (stdio_used) {
        return error_set(errp,
                         "cannot use stdio by multiple character devices");
    }
    stdio_used = s->owner = true;
    s->signal = !o->has_signal || o->signal;
    s->is_tty = tcgetattr(STDIN_FILENO, &s->old_tty) == 0;
    if (s->is_tty) {
        stdio_raw(s);
    }
    s->in = io_channel_file(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    s->out = io_channel_file(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    for (int i = 0; i < 2; i++) {
        s->old_flags[i] = fcntl(i, F_GETFL);
        fcntl(i, F_SETFL, s->old_flags[i] | O_NONBLOCK);
    }
    s->io.chr = chr;
    s->io.gone = stdio_gone;
    stdio_attach(chr);
    return true;
}

static void stdio_close(Chardev *chr)
{
    CharStdio *s = char_stdio(chr);

    if (!s->owner) {
        return;
    }
    char_io_stop(&s->io);
    mutex_lock(&chr->lock);
    g_clear_pointer(&s->in, io_channel_unref);
    g_clear_pointer(&s->out, io_channel_unref);
    mutex_unlock(&chr->lock);
    for (int i = 0; i < 2; i++) {
        fcntl(i, F_SETFL, s->old_flags[i]);
    }
    if (s->is_tty) {
        tcsetattr(STDIN_FILENO, TCSANOW, &s->old_tty);
    }
    stdio_used = s->owner = false;
}

static ssize_t stdio_write(Chardev *chr, const void *buf, size_t len)
{
    CharStdio *s = char_stdio(chr);

    return s->out ? char_io_write(s->out, buf, len) : -EBADF;
}

static int stdio_out_fd(Chardev *chr)
{
    CharStdio *s = char_stdio(chr);

    return s->out ? s->out->fd : -1;
}

static void stdio_update(Chardev *chr)
{
    CharStdio *s = char_stdio(chr);

    if (s->io.chr) {
        char_io_update(&s->io);
    }
}

static const ChardevClass stdio_class = {
    .name = "stdio",
    .kind = CHARDEV_BACKEND_KIND_STDIO,
    .parse = stdio_parse,
    .open = stdio_open,
    .close = stdio_close,
    .write = stdio_write,
    .out_fd = stdio_out_fd,
    .update_input = stdio_update,
    .watch_out = stdio_update,
    .attach = stdio_attach,
    .detach = stdio_detach,
};
QOM_DEFINE(CharStdio, char_stdio, .name = "chardev-stdio",
           .parent = &chardev_type, .class = &stdio_class);
