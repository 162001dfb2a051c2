/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Socket addresses and the sockets made from them. Descriptors returned are
 * close-on-exec and the caller's; -1 means failure with *errp set.
 */
#ifndef IO_SOCKET_H
#define IO_SOCKET_H

#include "qapi/qapi-types-sockets.h"
#include "util/fdset.h"

/* A listening socket. An existing unix socket file is replaced. Kind fd: the
 * socket that was passed, which must be listening already. */
int socket_listen(const SocketAddress *addr, int backlog, FdSets *fds,
                  Error **errp);
/* A connected socket; waits for name lookup and connection, so not for the
 * main loop when the address is not local. Any thread. */
int socket_connect(const SocketAddress *addr, FdSets *fds, Error **errp);
/* A non-blocking socket of the next client, or -errno. */
int socket_accept(int listener);
/* The file that socket_listen() made, whatever directory we go to later; to
 * unlink and free. NULL: there is none. */
char *socket_bound_path(const SocketAddress *addr);
void socket_set_nodelay(int fd);

/* What a socket is bound to, or connected to. NULL for other families. */
SocketAddress *socket_local(int fd);
SocketAddress *socket_peer(int fd);
/* As users see it: "127.0.0.1:80", "unix:/tmp/x", "fd:3"; free. */
char *socket_address_text(const SocketAddress *addr);

/* "unix:PATH", "fd:NAME", "vsock:CID:PORT", "[tcp:]HOST:PORT[,options]". */
SocketAddress *socket_address_parse(const char *text, Error **errp);
/* "HOST:PORT[,to=][,ipv4][,ipv6][,keep-alive]"; HOST may be empty or "[v6]". */
bool inet_parse(InetSocketAddress *addr, const char *text, Error **errp);
/* The flat form of @legacy; free with qapi_free_SocketAddress(). */
SocketAddress *socket_address_flatten(const SocketAddressLegacy *legacy);

#endif
