/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Serving the descriptors of a backend on its loop. */
#include "util/osdep.h"

#include "chardev/char-internal.h"

static void io_read_some(CharIo *io)
{
    uint8_t buf[CHAR_READ_SIZE];
    size_t room = MIN(char_can_read(io->chr), sizeof(buf));
    struct iovec iov = { .iov_base = buf, .iov_len = room };
    IoFds fds = { .n = 0 };
    ssize_t n;

    if (!room) {
        char_io_update(io);
        return;
    }
    n = io_readv_fds(io->in, &iov, 1, io->fds ? &fds : NULL);
    if (n == -EAGAIN) {
        return;
    }
    if (n <= 0) {
        io->gone(io->chr);
        return;
    }
    if (fds.n) {
        /* The newest count: whoever sent others without using them lost. */
        io_fds_close(io->fds);
        *io->fds = fds;
    }
    if (io->input) {
        io->input(io->chr, buf, n);
    } else {
        char_input(io->chr, buf, n);
    }
    char_io_update(io);
}

static void io_event(void *opaque, unsigned events)
{
    CharIo *io = opaque;
    Chardev *chr = io->chr;

    object_ref(chr); /* a handler may remove it */
    if (events & LOOP_IN) {
        io_read_some(io);
    } else if (io->in && (events & (LOOP_HUP | LOOP_ERR))) {
        io->gone(chr);
    }
    if (events & (LOOP_OUT | LOOP_ERR)) {
        char_out_ready(chr);
        char_io_update(io);
    }
    object_unref(chr);
}

static void io_out_event(void *opaque, unsigned events)
{
    CharIo *io = opaque;

    char_out_ready(io->chr);
    char_io_update(io);
}

void char_io_update(CharIo *io)
{
    unsigned in = 0, out = char_wants_out(io->chr) ? LOOP_OUT : 0;

    if (io->in) {
        in = char_can_read(io->chr) ? LOOP_IN | LOOP_HUP : LOOP_HUP;
    }
    if (io->w_in) {
        loop_fd_set_events(io->w_in, io->out == io->in ? in | out : in);
    }
    if (io->w_out) {
        loop_fd_set_events(io->w_out, out);
    }
}

void char_io_start(CharIo *io, IoChannel *in, IoChannel *out)
{
    Loop *loop = io->chr->loop;

    io->in = in;
    io->out = out;
    if (in) {
        io->w_in = loop_fd_add(loop, in->fd, 0, io_event, io);
    }
    if (out && out != in) {
        io->w_out = loop_fd_add(loop, out->fd, 0, io_out_event, io);
    }
    char_io_update(io);
}

void char_io_stop(CharIo *io)
{
    loop_fd_del(io->w_in);
    loop_fd_del(io->w_out);
    io->w_in = io->w_out = NULL;
    io->in = io->out = NULL;
    if (io->fds) {
        io_fds_close(io->fds);
    }
}

ssize_t char_io_write(IoChannel *out, const void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = io_write(out, (const char *)buf + done, len - done);

        if (n < 0) {
            return done && n == -EAGAIN ? (ssize_t)done : n;
        }
        done += n;
    }
    return done;
}
