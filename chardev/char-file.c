/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and named pipes. */
#include "util/osdep.h"

#include <sys/stat.h>

#include "chardev/char-internal.h"
#include "util/error.h"
#include "util/fdset.h"

/* Both kinds: descriptors to read and to write. */
QOM_DECLARE(CharFd, char_fd)
struct CharFd {
    Chardev parent;
    CharIo io;
    IoChannel *in, *out; /* may be the same; in may be NULL */
};

static void fd_gone(Chardev *chr)
{
    CharFd *s = char_fd(chr);

    char_io_stop(&s->io);
    char_event(chr, CHAR_EVENT_CLOSED);
}

static void fd_attach(Chardev *chr)
{
    CharFd *s = char_fd(chr);

    char_io_start(&s->io, s->in, s->out);
}

static void fd_detach(Chardev *chr)
{
    char_io_stop(&char_fd(chr)->io);
}

static void fd_start(Chardev *chr, int in, int out)
{
    CharFd *s = char_fd(chr);

    if (in >= 0) {
        s->in = io_channel_file(in);
    }
    s->out = in == out ? io_channel_ref(s->in) : io_channel_file(out);
    s->io.chr = chr;
    s->io.gone = fd_gone;
    fd_attach(chr);
}

static void fd_close(Chardev *chr)
{
    CharFd *s = char_fd(chr);

    char_io_stop(&s->io);
    mutex_lock(&chr->lock);
    g_clear_pointer(&s->in, io_channel_unref);
    g_clear_pointer(&s->out, io_channel_unref);
    mutex_unlock(&chr->lock);
}

static ssize_t fd_write(Chardev *chr, const void *buf, size_t len)
{
    CharFd *s = char_fd(chr);

    return s->out ? char_io_write(s->out, buf, len) : -EBADF;
}

static int fd_out_fd(Chardev *chr)
{
    CharFd *s = char_fd(chr);

    return s->out ? s->out->fd : -1;
}

static void fd_update(Chardev *chr)
{
    CharFd *s = char_fd(chr);

    if (s->io.chr) {
        char_io_update(&s->io);
    }
}

#define FD_CLASS                                                               \
    .close = fd_close, .write = fd_write, .out_fd = fd_out_fd,                 \
    .update_input = fd_update, .attach = fd_attach, .detach = fd_detach

/* file --------------------------------------------------------------------------- */

static bool file_parse(QDict *opts, ChardevBackend *backend, Error **errp)
{
    ChardevFile *f = g_new0(ChardevFile, 1);

    backend->u.file.data = f;
    return char_opt_path(opts, "file", "path", &f->out, errp) &&
           char_opt_bool(opts, "append", &f->has_append, &f->append, errp) &&
           char_parse_common(opts, qapi_ChardevFile_base(f), errp);
}

static bool file_open(Chardev *chr, const ChardevBackend *backend, Error **errp)
{
    const ChardevFile *f = backend->u.file.data;
    bool append = f->has_append && f->append;
    int in = -1, out;

    out = fdsets_open(chr->vm->fdsets, f->out,
                      O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0666);
    if (out < 0) {
        return error_errno(errp, -out, "Could not open '%s'", f->out);
    }
    if (f->in) {
        in = fdsets_open(chr->vm->fdsets, f->in, O_RDONLY, 0);
        if (in < 0) {
            close(out);
            return error_errno(errp, -in, "Could not open '%s'", f->in);
        }
    }
    fd_start(chr, in, out);
    return true;
}

/* Regular files always take everything. */
static const ChardevClass file_class = {
    .name = "file",
    .kind = CHARDEV_BACKEND_KIND_FILE,
    .parse = file_parse,
    .open = file_open,
    FD_CLASS,
};
QOM_DEFINE(CharFd, char_file, .name = "chardev-file", .parent = &char_fd_type,
           .class = &file_class);

/* pipe --------------------------------------------------------------------------- */

static bool pipe_parse(QDict *opts, ChardevBackend *backend, Error **errp)
{
    ChardevHostdev *h = g_new0(ChardevHostdev, 1);

    backend->u.pipe.data = h;
    return char_opt_path(opts, "pipe", "path", &h->device, errp) &&
           char_parse_common(opts, qapi_ChardevHostdev_base(h), errp);
}

/* PATH.in is read and PATH.out written, or PATH is both. */
static bool pipe_open(Chardev *chr, const ChardevBackend *backend, Error **errp)
{
    const char *path = backend->u.pipe.data->device;
    g_autofree char *name_in = g_strdup_printf("%s.in", path);
    g_autofree char *name_out = g_strdup_printf("%s.out", path);
    int in = open(name_in, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int out = open(name_out, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (in < 0 || out < 0) {
        if (in >= 0) {
            close(in);
        }
        if (out >= 0) {
            close(out);
        }
        in = out = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (in < 0) {
            return error_errno(errp, errno, "Could not open '%s'", path);
        }
    }
    fd_start(chr, in, out);
    return true;
}

static void pipe_watch_out(Chardev *chr)
{
    fd_update(chr);
}

static const ChardevClass pipe_class = {
    .name = "pipe",
    .kind = CHARDEV_BACKEND_KIND_PIPE,
    .parse = pipe_parse,
    .open = pipe_open,
    .watch_out = pipe_watch_out,
    FD_CLASS,
};
QOM_DEFINE(CharFd, char_pipe, .name = "chardev-pipe", .parent = &char_fd_type,
           .class = &pipe_class);

QOM_DEFINE(CharFd, char_fd, .name = "chardev-fd", .parent = &chardev_type,
           .class = &pipe_class, .abstract = true);
