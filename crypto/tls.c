/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects tls-creds-anon, tls-creds-psk and tls-creds-x509, and sessions made
 * from them. Spec: QEMU's manual, "TLS setup for network services".
 */
#include "util/osdep.h"

#include "crypto/secret.h"
#include "crypto/tls.h"
#include "qapi/qapi-types-qom.h"
#include "qom/user-object.h"
#include "util/module.h"

struct TlsCreds {
    Object parent;
    /* properties: const after complete */
    char *dir, *priority;
    int endpoint; /* QCryptoTLSCredsEndpoint */
    bool verify_peer;
    char *username;    /* psk */
    char *passwordid;  /* x509 */
    bool sanity_check; /* x509 */
    /* made by complete() */
    TlsParams params;
    const TlsOps *ops;
    void *creds;
};

QOM_DECLARE_CAST(TlsCreds, tls_creds_type, tls_creds_cast)
extern const ObjectType tls_creds_anon_type, tls_creds_psk_type,
    tls_creds_x509_type;

static const TlsOps *tls_ops(Error **errp)
{
    if (&nemu_tls_ops) {
        return &nemu_tls_ops;
    }
    return module_table("crypto-tls", "nemu_tls_ops", errp);
}

/* The module's text as an error; false. */
static bool take_error(char *text, Error **errp)
{
    error_set(errp, "%s", text ? text : "TLS failed");
    g_free(text);
    return false;
}

/* Credentials ----------------------------------------------------------------
 */

static bool creds_complete(Object *obj, Vm *vm, Error **errp)
{
    TlsCreds *c = tls_creds_cast(obj);
    char *text = NULL, *password = NULL;
    TlsKind kind = obj->type == &tls_creds_anon_type  ? TLS_KIND_ANON
                   : obj->type == &tls_creds_psk_type ? TLS_KIND_PSK
                                                      : TLS_KIND_X509;

    if (kind != TLS_KIND_ANON && !c->dir) {
        return error_set(errp, "Missing 'dir' property value");
    }
    c->params = (TlsParams){
        .kind = kind,
        .server = c->endpoint == QCRYPTO_TLS_CREDS_ENDPOINT_SERVER,
        .verify_peer = c->verify_peer,
        .sanity_check = c->sanity_check,
        .dir = c->dir,
        .priority = c->priority,
        .username = c->username,
    };
    if (c->passwordid) {
        password = secret_find_text(obj->root, c->passwordid, errp);
        if (!password) {
            return false;
        }
    }
    c->ops = tls_ops(errp);
    if (c->ops) {
        c->params.password = password;
        c->creds = c->ops->creds_new(&c->params, &text);
        c->params.password = NULL;
        if (!c->creds) {
            take_error(text, errp);
        }
    }
    if (password) {
        explicit_bzero(password, strlen(password));
        g_free(password);
    }
    return c->creds;
}

static void creds_finalize(Object *obj)
{
    TlsCreds *c = (TlsCreds *)obj;

    if (c->creds) {
        c->ops->creds_free(c->creds);
    }
}

TlsCreds *tls_creds_ref(TlsCreds *c)
{
    object_ref(c);
    return c;
}

void tls_creds_unref(TlsCreds *c)
{
    object_unref(c);
}

bool tls_creds_is_x509(const TlsCreds *c)
{
    return c->params.kind == TLS_KIND_X509;
}

TlsCreds *tls_creds_find(Object *root, const char *id, bool server,
                         Error **errp)
{
    Object *obj = root ? object_user_find(root, id) : NULL;
    TlsCreds *c = obj ? object_dynamic_cast(obj, &tls_creds_type) : NULL;

    if (!obj) {
        error_set(errp, "No TLS credentials with id '%s'", id);
        return NULL;
    }
    if (!c) {
        error_set(errp, "Object with id '%s' is not TLS credentials", id);
        return NULL;
    }
    if (c->params.server != server) {
        error_set(errp, "Expected TLS credentials for a %s endpoint",
                  server ? "server" : "client");
        return NULL;
    }
    return tls_creds_ref(c);
}

static const Prop creds_props[] = {
    PROP(TlsCreds, verify_peer, "verify-peer", true),
    PROP_STR(TlsCreds, dir, "dir", .type = "string"),
    PROP_ENUM(TlsCreds, endpoint, "endpoint",
              &qapi_type_QCryptoTLSCredsEndpoint,
              QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT),
    PROP_STR(TlsCreds, priority, "priority", .type = "string"),
    {},
};
static const ObjectClass creds_class = { .props = creds_props };
static const UserCreatable creds_user = {
    .complete = creds_complete,
    .early = true,
};
QOM_DEFINE(TlsCreds, tls_creds, .name = "tls-creds", .parent = &object_type,
           .class = &creds_class, .abstract = true,
           .user_creatable = &creds_user, .finalize = creds_finalize);

QOM_DEFINE(TlsCreds, tls_creds_anon, .name = "tls-creds-anon",
           .parent = &tls_creds_type);

static const Prop psk_props[] = {
    PROP_STR(TlsCreds, username, "username", .type = "string"),
    {},
};
static const ObjectClass psk_class = { .props = psk_props };
QOM_DEFINE(TlsCreds, tls_creds_psk, .name = "tls-creds-psk",
           .parent = &tls_creds_type, .class = &psk_class);

static const Prop x509_props[] = {
    PROP(TlsCreds, sanity_check, "sanity-check", true),
    PROP_STR(TlsCreds, passwordid, "passwordid", .type = "string"),
    {},
};
static const ObjectClass x509_class = { .props = x509_props };
QOM_DEFINE(TlsCreds, tls_creds_x509, .name = "tls-creds-x509",
           .parent = &tls_creds_type, .class = &x509_class);

/* Sessions -------------------------------------------------------------------
 */

struct TlsSession {
    TlsCreds *creds;
    const TlsOps *ops;
    void *session;
    char *hostname;
};

TlsSession *tls_session_new(TlsCreds *c, const char *hostname, TlsSendFn *send,
                            TlsRecvFn *recv, void *opaque, Error **errp)
{
    TlsSession *s;
    char *text = NULL;
    void *session = c->ops->session_new(c->creds, &c->params, hostname, send,
                                        recv, opaque, &text);

    if (!session) {
        take_error(text, errp);
        return NULL;
    }
    s = g_new0(TlsSession, 1);
    s->creds = tls_creds_ref(c);
    s->ops = c->ops;
    s->session = session;
    s->hostname = g_strdup(hostname);
    return s;
}

void tls_session_free(TlsSession *s)
{
    s->ops->session_free(s->session);
    tls_creds_unref(s->creds);
    g_free(s->hostname);
    g_free(s);
}

TlsStep tls_handshake(TlsSession *s, Error **errp)
{
    char *text = NULL;
    TlsStep step = s->ops->handshake(s->session, s->hostname, &text);

    if (step == TLS_FAILED) {
        take_error(text, errp);
    }
    return step;
}

char *tls_peer_name(TlsSession *s)
{
    return s->ops->peer_name(s->session);
}

ssize_t tls_send(TlsSession *s, const void *buf, size_t len)
{
    return s->ops->send(s->session, buf, len);
}

ssize_t tls_recv(TlsSession *s, void *buf, size_t len)
{
    return s->ops->recv(s->session, buf, len);
}

void tls_bye(TlsSession *s)
{
    s->ops->bye(s->session);
}
