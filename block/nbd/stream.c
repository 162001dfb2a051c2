/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Byte streams of NBD connections; see the header. */
#include "util/osdep.h"

#include "block/nbd/stream.h"

/* Elements of one system call. */
#define STREAM_IOV 16

static void stream_update(NbdStream *s)
{
    unsigned events =
        (s->reader ? LOOP_IN : 0) | (s->writer || s->out_ready ? LOOP_OUT : 0);

    if (s->events != events) {
        s->events = events;
        loop_fd_set_events(s->watch, events);
    }
}

static void stream_ready(void *opaque, unsigned events)
{
    NbdStream *s = opaque;
    Coroutine *reader = events & LOOP_IN ? s->reader : NULL;
    Coroutine *writer = events & LOOP_OUT ? s->writer : NULL;
    LoopFn *fn = events & LOOP_OUT ? s->out_ready : NULL;
    void *fn_opaque = s->out_opaque;

    if (reader) {
        s->reader = NULL;
    }
    if (writer) {
        s->writer = NULL;
    }
    if (fn) {
        s->out_ready = NULL;
    }
    /* Whoever runs first may wait again, or wait no more and let the stream
     * go: the rest is entered from the loop. */
    if (fn || writer) {
        stream_update(s);
    }
    if (writer) {
        if (reader) {
            coroutine_wake_on(reader, s->loop);
        }
        coroutine_enter(writer);
    } else if (fn) {
        if (reader) {
            coroutine_wake_on(reader, s->loop);
        }
        fn(fn_opaque);
    } else if (reader) {
        /* It most often waits again at once: the watch is left as it is, and
         * stream_wait_in() or the next event sees to it. */
        coroutine_enter(reader);
    } else {
        stream_update(s);
    }
}

void nbd_stream_attach(NbdStream *s, Loop *loop)
{
    s->loop = loop;
    s->events = 0;
    s->watch = loop_fd_add(loop, s->ch->fd, 0, stream_ready, s);
    if (s->io) {
        loop_fd_set_io(s->watch);
    }
}

void nbd_stream_detach(NbdStream *s)
{
    assert(!s->reader && !s->writer && !s->out_ready);
    loop_fd_del(s->watch);
    s->watch = NULL;
}

void nbd_stream_init(NbdStream *s, IoChannel *ch, Loop *loop, bool io)
{
    *s = (NbdStream){ .ch = ch, .io = io };
    s->buf = g_malloc(NBD_STREAM_BUF);
    nbd_stream_attach(s, loop);
}

void nbd_stream_destroy(NbdStream *s)
{
    if (!s->ch) {
        return;
    }
    loop_fd_del(s->watch);
    io_channel_unref(s->ch);
    g_free(s->buf);
    *s = (NbdStream){ 0 };
}

/* Reading --------------------------------------------------------------------
 */

static void coroutine_fn stream_wait_in(NbdStream *s)
{
    s->reader = coroutine_self();
    stream_update(s);
    coroutine_yield();
}

void coroutine_fn nbd_stream_wait(NbdStream *s, unsigned events)
{
    if (events & LOOP_IN) {
        stream_wait_in(s);
    } else {
        s->writer = coroutine_self();
        stream_update(s);
        coroutine_yield();
    }
}

/* What is there now, at least one byte; 0 at the end. */
static ssize_t coroutine_fn stream_recv(NbdStream *s, struct iovec *iov,
                                        size_t n)
{
    for (;;) {
        ssize_t ret = io_readv_fds(s->ch, iov, n, NULL);

        if (ret != -EAGAIN) {
            return ret;
        }
        stream_wait_in(s);
    }
}

static size_t take_buffered(NbdStream *s, const IoVec *iov, size_t offset,
                            size_t len)
{
    size_t n = MIN(len, s->tail - s->head);

    iov_from_buf(iov, offset, s->buf + s->head, n);
    s->head += n;
    return n;
}

int coroutine_fn nbd_readv(NbdStream *s, const IoVec *iov, size_t offset,
                           size_t len)
{
    size_t done = take_buffered(s, iov, offset, len);

    while (done < len) {
        struct iovec part[STREAM_IOV + 1];
        IoVec v = { .iov = part };
        size_t want = len - done;
        ssize_t ret;

        while (!iov_slice(iov, offset + done, want, part, STREAM_IOV, &v)) {
            want = DIV_ROUND_UP(want, 2);
        }
        /* What comes behind goes to the buffer in the same call. */
        if (want == len - done) {
            part[v.niov] = (struct iovec){ s->buf, NBD_STREAM_BUF };
            v.niov++;
        }
        ret = stream_recv(s, part, v.niov);
        if (ret <= 0) {
            return ret < 0 ? ret : done ? -ECONNRESET : -EPIPE;
        }
        if (ret > want) {
            s->head = 0;
            s->tail = ret - want;
            ret = want;
        }
        done += ret;
    }
    return 0;
}

int coroutine_fn nbd_read(NbdStream *s, void *buf, size_t len)
{
    IoVec v = IOVEC_BUF(buf, len);

    if (s->tail - s->head >= len) {
        memcpy(buf, s->buf + s->head, len);
        s->head += len;
        return 0;
    }
    return nbd_readv(s, &v, 0, len);
}

int coroutine_fn nbd_skip(NbdStream *s, size_t len)
{
    uint8_t buf[4096];

    while (len) {
        size_t n = MIN(len, sizeof(buf));
        int ret = nbd_read(s, buf, n);

        if (ret < 0) {
            return ret == -EPIPE ? -ECONNRESET : ret;
        }
        len -= n;
    }
    return 0;
}

/* Writing --------------------------------------------------------------------
 */

size_t nbd_iov_advance(struct iovec **iov, size_t n, size_t len)
{
    while (n && len >= (*iov)->iov_len) {
        len -= (*iov)->iov_len;
        ++*iov;
        n--;
    }
    if (n) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + len;
        (*iov)->iov_len -= len;
    }
    return n;
}

int coroutine_fn nbd_writev(NbdStream *s, struct iovec *iov, size_t n)
{
    while (n) {
        ssize_t ret = io_writev_fds(s->ch, iov, MIN(n, IOVEC_MAX), NULL);

        if (ret == -EAGAIN) {
            nbd_stream_wait(s, LOOP_OUT);
        } else if (ret < 0) {
            return ret;
        } else {
            n = nbd_iov_advance(&iov, n, ret);
        }
    }
    return 0;
}

int coroutine_fn nbd_write(NbdStream *s, const void *buf, size_t len)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

    return nbd_writev(s, &iov, 1);
}

void nbd_stream_wait_out(NbdStream *s, LoopFn *fn, void *opaque)
{
    s->out_ready = fn;
    s->out_opaque = opaque;
    stream_update(s);
}
