/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A buffered byte stream for coroutines: one reads, one writes, both on the
 * stream's loop.
 */
#ifndef BLOCK_NBD_STREAM_H
#define BLOCK_NBD_STREAM_H

#include "crypto/tls.h"
#include "io/channel.h"
#include "util/coroutine.h"
#include "util/iov.h"
#include "util/loop.h"

#define NBD_STREAM_BUF 65536

typedef struct NbdStream {
    IoChannel *ch; /* owned */
    Loop *loop;
    LoopFd *watch;
    unsigned events;
    bool io;                    /* serve it in loop_run_io() */
    Coroutine *reader, *writer; /* those that wait */
    LoopFn *out_ready;          /* or this waits for room */
    void *out_opaque;
    size_t head, tail; /* of what is in buf */
    uint8_t *buf;
} NbdStream;

/* Takes @ch over. @io: also served while control code waits for requests. */
void nbd_stream_init(NbdStream *s, IoChannel *ch, Loop *loop, bool io);
void nbd_stream_destroy(NbdStream *s);
/* On the old loop's thread, nobody waiting: rest until nbd_stream_attach(). */
void nbd_stream_detach(NbdStream *s);
void nbd_stream_attach(NbdStream *s, Loop *loop);

/* All @len bytes: 0, or -errno; -ECONNRESET when the stream ends inside,
 * -EPIPE when it ends before the first byte. */
int coroutine_fn nbd_read(NbdStream *s, void *buf, size_t len);
int coroutine_fn nbd_readv(NbdStream *s, const IoVec *iov, size_t offset,
                           size_t len);
/* Read @len bytes and forget them. */
int coroutine_fn nbd_skip(NbdStream *s, size_t len);
/* At least one byte is in the buffer. */
static inline bool nbd_stream_has_input(const NbdStream *s)
{
    return s->head < s->tail;
}

int coroutine_fn nbd_write(NbdStream *s, const void *buf, size_t len);
/* Changes @iov's elements. */
int coroutine_fn nbd_writev(NbdStream *s, struct iovec *iov, size_t n);
/* Call @fn once when the stream takes output; no coroutine may be writing. */
void nbd_stream_wait_out(NbdStream *s, LoopFn *fn, void *opaque);

/* The only coroutine that uses the stream waits for LOOP_IN or LOOP_OUT. */
void coroutine_fn nbd_stream_wait(NbdStream *s, unsigned events);
/*
 * tls.c: the rest of the conversation is encrypted. See io_channel_tls(). @peer
 * (may be NULL) gets the name of the peer's certificate, or NULL; free.
 */
bool coroutine_fn nbd_stream_start_tls(NbdStream *s, TlsCreds *creds,
                                       const char *hostname, char **peer,
                                       Error **errp);

/* Drop @len bytes from the front of the vector; returns elements left. */
size_t nbd_iov_advance(struct iovec **iov, size_t n, size_t len);

#endif
