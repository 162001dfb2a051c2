/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the NBD client share. */
#ifndef BLOCK_NBD_CLIENT_H
#define BLOCK_NBD_CLIENT_H

#include "block/block-node.h"
#include "block/nbd/proto.h"
#include "block/nbd/stream.h"
#include "qapi/qapi-types-sockets.h"
#include "qobject/qobject.h"
#include "util/error.h"

/* What a server says of an export. */
typedef struct NbdInfo {
    uint64_t size;
    uint16_t flags;
    uint32_t min_block, pref_block, max_block; /* 0: it does not say */
    bool structured;
    const char *context; /* asked for; NULL: base:allocation */
    bool allocation;     /* answers for it, by this number: */
    uint32_t allocation_id;
} NbdInfo;

/* How to encrypt: not at all if @creds is NULL. */
typedef struct NbdClientTls {
    TlsCreds *creds;
    char *hostname; /* of the server's certificate; NULL: any */
} NbdClientTls;

/* The client's side of the handshake, up to the transmission. @s is in an
 * unknown state after a failure. What info->context says counts. */
bool coroutine_fn nbd_negotiate(NbdStream *s, const NbdClientTls *tls,
                                const char *export, NbdInfo *info,
                                Error **errp);

/* Longest data of a reply to an option that makes sense: two strings. */
#define NBD_REPLY_MAX (2 * NBD_MAX_STRING + 16)
typedef struct NbdReply {
    uint32_t type, len;
    uint8_t data[NBD_REPLY_MAX + 1]; /* a zero follows */
} NbdReply;

/* Its steps, for nbd_list(). */
bool coroutine_fn nbd_hello(NbdStream *s, const NbdClientTls *tls,
                            Error **errp);
bool coroutine_fn nbd_send_option(NbdStream *s, uint32_t opt, const void *data,
                                  uint32_t len, Error **errp);
bool coroutine_fn nbd_read_reply(NbdStream *s, uint32_t opt, NbdReply *r,
                                 Error **errp);
bool coroutine_fn nbd_ask_structured(NbdStream *s, bool *yes, Error **errp);
/* INFO or GO. *old: the server does not know the option. */
bool coroutine_fn nbd_ask_info(NbdStream *s, uint32_t opt, const char *export,
                               NbdInfo *info, bool *old, Error **errp);

/* list.c: what a server has to offer. */
typedef struct NbdListed {
    char *name, *description; /* NULL: none */
    bool have_info;
    NbdInfo info;
    GPtrArray *contexts; /* char *, names of metadata contexts */
} NbdListed;
/* NbdListed *; frees them. NULL: failed. */
GPtrArray *coroutine_fn nbd_list(NbdStream *s, const NbdClientTls *tls,
                                 Error **errp);

/* Requests in flight on one connection. */
#define NBD_CLIENT_REQUESTS 64

typedef struct NbdClientRequest {
    uint16_t type, flags;
    uint64_t offset;
    uint32_t length;
    const IoVec *iov; /* of reads and writes, from iov_offset on */
    size_t iov_offset;
    uint32_t status, status_length; /* of BLOCK_STATUS: the first extent */
    /* private */
    Coroutine *co; /* waits for the reply */
    uint64_t received;
    int ret;
    bool done, lost;
} NbdClientRequest;

/* All on @loop, where requests from other loops go for their time. */
typedef struct NbdClient {
    Loop *loop;
    SocketAddress *addr;
    char *export;
    char *context; /* instead of base:allocation; or NULL */
    NbdClientTls tls;
    int64_t reconnect_ns; /* how long requests wait for the server */
    NbdInfo info;         /* const after the first connection */
    bool connected, connecting, closing;
    int64_t lost_at; /* since then */
    NbdStream st;
    CoMutex send;
    Coroutine *closer;  /* waits for the receiver's end */
    GPtrArray *waiting; /* Coroutine *: for a slot or the connection */
    NbdClientRequest *slot[NBD_CLIENT_REQUESTS];
    uint32_t slot_use[NBD_CLIENT_REQUESTS]; /* half of the handle */
    unsigned used;
    bool receiving;
} NbdClient;

/* Connect for the first time; tries again until @timeout_ns has passed. */
bool coroutine_fn nbd_client_open(NbdClient *c, int64_t timeout_ns,
                                  Error **errp);
/* Use the connected socket @fd (taken over). @first: the server may say what it
 * likes of the export; else what it said before. */
bool coroutine_fn nbd_client_adopt(NbdClient *c, int fd, bool first,
                                   Error **errp);
/* No request is under way. */
void coroutine_fn nbd_client_close(NbdClient *c);
/* Any loop: 0 or -errno. */
int coroutine_fn nbd_client_request(NbdClient *c, NbdClientRequest *r);

/* receive.c: read replies until the connection fails. */
void coroutine_fn nbd_client_receive(NbdClient *c);

/* uri.c: options of a node for "nbd://", "nbd+unix://", "nbd:". */
QDict *nbd_uri_options(const char *filename, Error **errp);
/* The other way round; free. */
char *nbd_uri(const SocketAddress *addr, const char *export);

#endif
