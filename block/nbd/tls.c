/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NBD_OPT_STARTTLS: a connection's stream changes to TLS (proto.md). */
#include "util/osdep.h"

#include "block/nbd/stream.h"
#include "io/channel-tls.h"

bool coroutine_fn nbd_stream_start_tls(NbdStream *s, TlsCreds *creds,
                                       const char *hostname, char **peer,
                                       Error **errp)
{
    g_autoptr(IoChannel) ch = NULL;

    /* What was sent in clear must not count as if it had been protected. */
    if (nbd_stream_has_input(s)) {
        return error_set(errp, "Peer sent data before the TLS handshake");
    }
    ch = io_channel_tls(s->ch, creds, hostname, errp);
    if (!ch) {
        return false;
    }
    for (;;) {
        TlsStep step = io_tls_handshake(ch, errp);

        if (step == TLS_FAILED) {
            return false;
        }
        if (step == TLS_DONE) {
            break;
        }
        nbd_stream_wait(s, step == TLS_WANT_READ ? LOOP_IN : LOOP_OUT);
    }
    if (peer) {
        *peer = io_tls_peer_name(ch);
    }
    io_channel_unref(s->ch); /* the new one holds it */
    s->ch = g_steal_pointer(&ch);
    return true;
}
