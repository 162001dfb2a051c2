/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Channels that speak TLS over another channel. */
#ifndef IO_CHANNEL_TLS_H
#define IO_CHANNEL_TLS_H

#include "crypto/tls.h"
#include "io/channel.h"

/*
 * TLS over @inner, a socket that does not block; of it one reference more. The
 * side is that of the credentials. @hostname (clients; may be NULL) is what a
 * server's certificate must be for. Before the handshake is done there is
 * nothing to read or write. Watch the descriptor as that of any channel, but
 * read until -EAGAIN: the session may hold bytes that the socket gave already.
 */
IoChannel *io_channel_tls(IoChannel *inner, TlsCreds *creds,
                          const char *hostname, Error **errp);
/* One step of the handshake; see tls_handshake(). */
TlsStep io_tls_handshake(IoChannel *ch, Error **errp);
/* See tls_peer_name(). */
char *io_tls_peer_name(IoChannel *ch);

#endif
