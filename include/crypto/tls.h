/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS: credentials, and sessions over any transport. The library behind it
 * (gnutls) lives in the module crypto-tls, which is loaded when the first
 * credentials are made.
 *
 * Credentials may be used by any thread; a session by one at a time. The peer
 * is hostile; what it sends has the library's bounds.
 */
#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include "qom/object.h"
#include "util/error.h"

typedef enum TlsKind {
    TLS_KIND_ANON,
    TLS_KIND_PSK,
    TLS_KIND_X509,
} TlsKind;

/* The property endpoint of credentials. */
typedef enum TlsEndpoint {
    TLS_CLIENT,
    TLS_SERVER,
} TlsEndpoint;

/* What credentials are made from; strings may be NULL. */
typedef struct TlsParams {
    TlsKind kind;
    bool server, verify_peer, sanity_check;
    const char *dir;
    const char *priority;
    const char *username; /* psk client; NULL: "qemu" */
    const char *password; /* of the key file */
} TlsParams;

/* Bytes moved or -errno; -EAGAIN: would block. */
typedef ssize_t TlsSendFn(void *opaque, const void *buf, size_t len);
typedef ssize_t TlsRecvFn(void *opaque, void *buf, size_t len);

/* What tls_handshake() waits for. */
typedef enum TlsStep {
    TLS_FAILED,
    TLS_DONE,
    TLS_WANT_READ,
    TLS_WANT_WRITE,
} TlsStep;

/*
 * The module's table. It calls nothing of the program: errors are texts that
 * go to *err, to be freed with g_free().
 */
typedef struct TlsOps {
    void *(*creds_new)(const TlsParams *params, char **err);
    void (*creds_free)(void *creds);
    /* @hostname: what a server's certificate must be for; NULL on servers. */
    void *(*session_new)(void *creds, const TlsParams *params,
                         const char *hostname, TlsSendFn *send, TlsRecvFn *recv,
                         void *opaque, char **err);
    void (*session_free)(void *session);
    TlsStep (*handshake)(void *session, const char *hostname, char **err);
    /* Of the peer's certificate; NULL: none. Free with g_free(). */
    char *(*peer_name)(void *session);
    /* Bytes, 0 at the end, or -errno. After -EAGAIN the same bytes must be
     * sent again. */
    ssize_t (*send)(void *session, const void *buf, size_t len);
    ssize_t (*recv)(void *session, void *buf, size_t len);
    void (*bye)(void *session);
} TlsOps;

/* The module's table; a program that links it has it without loading. */
extern const TlsOps nemu_tls_ops __attribute__((weak));

/* Objects tls-creds-anon, tls-creds-psk, tls-creds-x509. */
typedef struct TlsCreds TlsCreds;
TlsCreds *tls_creds_ref(TlsCreds *c);
void tls_creds_unref(TlsCreds *c); /* NULL is fine */
bool tls_creds_is_x509(const TlsCreds *c);
/* The credentials /objects/ID for an endpoint, one reference. */
TlsCreds *tls_creds_find(Object *root, const char *id, bool server,
                         Error **errp);

/* A session. @send and @recv are called inside the functions below. */
typedef struct TlsSession TlsSession;
TlsSession *tls_session_new(TlsCreds *c, const char *hostname, TlsSendFn *send,
                            TlsRecvFn *recv, void *opaque, Error **errp);
void tls_session_free(TlsSession *s);
/* One step; TLS_DONE when the peer is who it should be. */
TlsStep tls_handshake(TlsSession *s, Error **errp);
/* Then: the distinguished name of the peer's certificate, or NULL; free. */
char *tls_peer_name(TlsSession *s);
/* See TlsOps. */
ssize_t tls_send(TlsSession *s, const void *buf, size_t len);
ssize_t tls_recv(TlsSession *s, void *buf, size_t len);
void tls_bye(TlsSession *s);

#endif
