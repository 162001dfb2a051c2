/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pseudo terminals, pty(7). Nobody tells us that someone opens the other side:
 * while it is closed the master says POLLHUP, which a timer looks at.
 */
#include "util/osdep.h"

#include <poll.h>
#include <pty.h>
#include <termios.h>

#include "chardev/char-internal.h"
#include "util/error.h"

#define PTY_POLL_NS INT64_C(1000000000)

QOM_DECLARE(CharPty, char_pty)
struct CharPty {
    Chardev parent;
    CharIo io;
    IoChannel *master; /* cleared under parent.lock */
    char *name;
    LoopTimer timer;
    LoopTask found; /* a writer saw that somebody is there */
    bool connected;
};

static bool pty_somebody_there(CharPty *s)
{
    struct pollfd pfd = { .fd = s->master->fd, .events = POLLOUT };

    return poll(&pfd, 1, 0) >= 0 && !(pfd.revents & POLLHUP);
}

static void pty_look(void *opaque)
{
    CharPty *s = opaque;

    if (s->connected || !s->master) {
        return;
    }
    if (!pty_somebody_there(s)) {
        loop_timer_set(&s->timer, loop_now_ns() + PTY_POLL_NS);
        return;
    }
    loop_timer_cancel(&s->timer);
    s->connected = true;
    char_io_start(&s->io, s->master, s->master);
    char_event(&s->parent, CHAR_EVENT_OPENED);
}

static void pty_gone(Chardev *chr)
{
    CharPty *s = char_pty(chr);

    char_io_stop(&s->io);
    s->connected = false;
    char_event(chr, CHAR_EVENT_CLOSED);
    loop_timer_set(&s->timer, loop_now_ns() + PTY_POLL_NS);
}

static void pty_attach(Chardev *chr)
{
    CharPty *s = char_pty(chr);

    loop_timer_init(&s->timer, chr->loop, pty_look, s);
    loop_task_init(&s->found, chr->loop, pty_look, s);
    if (s->connected) {
        char_io_start(&s->io, s->master, s->master);
    } else {
        pty_look(s);
    }
}

static void pty_detach(Chardev *chr)
{
    CharPty *s = char_pty(chr);

    loop_timer_cancel(&s->timer);
    loop_task_cancel(&s->found);
    char_io_stop(&s->io);
}

static bool pty_open(Chardev *chr, const ChardevBackend *backend, Error **errp)
{
    CharPty *s = char_pty(chr);
    struct termios tty;
    int master, slave;
    char name[PATH_MAX];

    if (openpty(&master, &slave, NULL, NULL, NULL) < 0) {
        return error_errno(errp, errno, "Failed to create PTY");
    }
    fcntl(master, F_SETFD, FD_CLOEXEC);
    if (tcgetattr(slave, &tty) == 0) {
        cfmakeraw(&tty);
        tcsetattr(slave, TCSAFLUSH, &tty);
    }
    if (ttyname_r(slave, name, sizeof(name)) != 0) {
        close(master);
        close(slave);
        return error_errno(errp, errno, "Failed to name PTY");
    }
    close(slave);
    fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
    s->name = g_strdup(name);
    s->master = io_channel_file(master);
    s->io.chr = chr;
    s->io.gone = pty_gone;
    pty_attach(chr);
    printf("char device redirected to %s (label %s)\n", name, chr->id);
    fflush(stdout);
    return true;
}

static void pty_close(Chardev *chr)
{
    CharPty *s = char_pty(chr);

    if (s->master) {
        pty_detach(chr);
        mutex_lock(&chr->lock);
        g_clear_pointer(&s->master, io_channel_unref);
        mutex_unlock(&chr->lock);
    }
}

static void pty_finalize(Object *obj)
{
    CharPty *s = char_pty(obj);

    pty_close(&s->parent);
    g_free(s->name);
}

static ssize_t pty_write(Chardev *chr, const void *buf, size_t len)
{
    CharPty *s = char_pty(chr);

    if (!s->master) {
        return -EBADF;
    }
    if (!__atomic_load_n(&chr->open, __ATOMIC_ACQUIRE)) {
        if (!pty_somebody_there(s)) {
            return len;
        }
        loop_task_post(&s->found);
    }
    return char_io_write(s->master, buf, len);
}

static int pty_out_fd(Chardev *chr)
{
    CharPty *s = char_pty(chr);

    return s->master ? s->master->fd : -1;
}

static void pty_update(Chardev *chr)
{
    CharPty *s = char_pty(chr);

    if (s->connected) {
        char_io_update(&s->io);
    } else if (s->master) {
        pty_look(s);
    }
}

static char *pty_filename(Chardev *chr)
{
    return g_strdup_printf("pty:%s", char_pty(chr)->name);
}

static const ChardevClass pty_class = {
    .name = "pty",
    .kind = CHARDEV_BACKEND_KIND_PTY,
    .connects = true,
    .parse = char_parse_plain,
    .open = pty_open,
    .close = pty_close,
    .write = pty_write,
    .out_fd = pty_out_fd,
    .update_input = pty_update,
    .watch_out = pty_update,
    .attach = pty_attach,
    .detach = pty_detach,
    .filename = pty_filename,
};
QOM_DEFINE(CharPty, char_pty, .name = "chardev-pty", .parent = &chardev_type,
           .class = &pty_class, .finalize = pty_finalize);
