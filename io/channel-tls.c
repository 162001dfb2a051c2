/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Channels that speak TLS over another channel; see the header. */
#include "util/osdep.h"

#include "io/channel-tls.h"
#include "util/iov.h"

/* Bytes of one record (RFC 8446, 5.1). */
#define RECORD_MAX 16384

typedef struct TlsChannel {
    IoChannel ch;
    IoChannel *inner;
    TlsSession *session;
    uint8_t record[RECORD_MAX]; /* small pieces are put together here */
} TlsChannel;

static ssize_t send_inner(void *opaque, const void *buf, size_t len)
{
    TlsChannel *t = opaque;

    return io_write(t->inner, buf, len);
}

static ssize_t recv_inner(void *opaque, void *buf, size_t len)
{
    TlsChannel *t = opaque;

    return io_read(t->inner, buf, len);
}

/* TLS carries no descriptors. */
static ssize_t tls_readv(IoChannel *ch, const struct iovec *iov, size_t n,
                         IoFds *fds)
{
    TlsChannel *t = (TlsChannel *)ch;
    ssize_t total = 0;

    for (size_t i = 0; i < n; i++) {
        size_t done = 0;

        while (done < iov[i].iov_len) {
            ssize_t ret = tls_recv(t->session, (char *)iov[i].iov_base + done,
                                   iov[i].iov_len - done);

            if (ret <= 0) {
                return total ? total : ret;
            }
            done += ret;
            total += ret;
        }
    }
    return total;
}

/* The next record's bytes from @offset of the vector on: *len of them. */
static const void *next_record(TlsChannel *t, const struct iovec *iov, size_t n,
                               size_t offset, size_t *len)
{
    size_t have = 0;

    while (n && offset >= iov->iov_len) {
        offset -= iov->iov_len;
        iov++;
        n--;
    }
    if (n && (n == 1 || iov->iov_len - offset >= RECORD_MAX)) {
        *len = MIN(iov->iov_len - offset, RECORD_MAX);
        return (char *)iov->iov_base + offset;
    }
    for (; n && have < RECORD_MAX; iov++, n--) {
        size_t part = MIN(iov->iov_len - offset, RECORD_MAX - have);

        memcpy(t->record + have, (char *)iov->iov_base + offset, part);
        have += part;
        offset = 0;
    }
    *len = have;
    return t->record;
}

static ssize_t tls_writev(IoChannel *ch, const struct iovec *iov, size_t n,
                          const IoFds *fds)
{
    TlsChannel *t = (TlsChannel *)ch;
    size_t total = 0;

    if (fds && fds->n) {
        return -ENOTSUP;
    }
    for (;;) {
        size_t len;
        const void *p = next_record(t, iov, n, total, &len);
        ssize_t ret = len ? tls_send(t->session, p, len) : 0;

        if (ret <= 0) {
            return total ? (ssize_t)total : ret;
        }
        total += ret;
    }
}

static int tls_shutdown(IoChannel *ch, int how)
{
    return io_channel_shutdown(((TlsChannel *)ch)->inner, how);
}

static void tls_close(IoChannel *ch)
{
    TlsChannel *t = (TlsChannel *)ch;

    tls_bye(t->session);
    tls_session_free(t->session);
    io_channel_unref(t->inner);
}

static const IoChannelOps tls_channel_ops = {
    .readv = tls_readv,
    .writev = tls_writev,
    .shutdown = tls_shutdown,
    .close = tls_close,
};

IoChannel *io_channel_tls(IoChannel *inner, TlsCreds *creds,
                          const char *hostname, Error **errp)
{
    TlsChannel *t = g_new0(TlsChannel, 1);

    t->session =
        tls_session_new(creds, hostname, send_inner, recv_inner, t, errp);
    if (!t->session) {
        g_free(t);
        return NULL;
    }
    t->inner = io_channel_ref(inner);
    t->ch.ops = &tls_channel_ops;
    t->ch.fd = inner->fd;
    t->ch.refs = 1;
    return &t->ch;
}

TlsStep io_tls_handshake(IoChannel *ch, Error **errp)
{
    return tls_handshake(((TlsChannel *)ch)->session, errp);
}

char *io_tls_peer_name(IoChannel *ch)
{
    return tls_peer_name(((TlsChannel *)ch)->session);
}
