/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module crypto-tls: sessions of gnutls. Spec: the GnuTLS manual; file
 * names of credentials are those of QEMU's manual, "TLS setup for network
 * services".
 */
#include "util/osdep.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "crypto/tls.h"
#include "tls-module.h"

static void fail(char **err, const char *what, int code)
{
    *err = g_strdup_printf("%s: %s", what, gnutls_strerror(code));
}

/* Credentials ----------------------------------------------------------------
 */

/* DIR/NAME if it exists, or must; else NULL. */
static char *creds_file(const TlsParams *p, const char *name, bool must,
                        bool *missing, char **err)
{
    g_autofree char *path = g_build_filename(p->dir ? p->dir : "", name, NULL);

    *missing = false;
    if (access(path, R_OK) == 0) {
        return g_steal_pointer(&path);
    }
    if (must) {
        *missing = true;
        *err = g_strdup_printf("Unable to access credentials %s: %s", path,
                               g_strerror(errno));
    }
    return NULL;
}

/* Groups from dh-params.pem, or the library's. */
static bool load_dh(Creds *c, const TlsParams *p, char **err)
{
    bool missing;
    g_autofree char *path =
        creds_file(p, "dh-params.pem", false, &missing, err);
    g_autofree char *text = NULL;
    gnutls_datum_t data;
    gsize len;
    int ret;

    if (!path) {
        return true;
    }
    if (!g_file_get_contents(path, &text, &len, NULL)) {
        *err = g_strdup_printf("Cannot read %s", path);
        return false;
    }
    data = (gnutls_datum_t){ (unsigned char *)text, len };
    ret = gnutls_dh_params_init(&c->dh);
    if (ret >= 0) {
        ret = gnutls_dh_params_import_pkcs3(c->dh, &data, GNUTLS_X509_FMT_PEM);
    }
    if (ret < 0) {
        fail(err, "Unable to load DH parameters", ret);
    }
    return ret >= 0;
}

static bool load_anon(Creds *c, const TlsParams *p, char **err)
{
    int ret;

    if (!p->server) {
        ret = gnutls_anon_allocate_client_credentials(&c->anon_client);
    } else {
        ret = gnutls_anon_allocate_server_credentials(&c->anon_server);
        if (ret >= 0 && c->dh) {
            gnutls_anon_set_server_dh_params(c->anon_server, c->dh);
        } else if (ret >= 0) {
            ret =
                gnutls_anon_set_server_known_dh_params(c->anon_server,
                                                       GNUTLS_SEC_PARAM_MEDIUM);
        }
    }
    if (ret < 0) {
        fail(err, "Cannot allocate credentials", ret);
    }
    return ret >= 0;
}

/* The key of a user in a file of "USER:HEXKEY" lines; free. */
static char *psk_key(const char *path, const char *user, char **err)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    size_t len = strlen(user);

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        *err = g_strdup_printf("Cannot read PSK file %s", path);
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++) {
        if (!strncmp(*l, user, len) && (*l)[len] == ':') {
            return g_strdup(g_strchomp(*l + len + 1));
        }
    }
    *err = g_strdup_printf("Username %s not found in PSK file %s", user, path);
    return NULL;
}

static bool load_psk(Creds *c, const TlsParams *p, char **err)
{
    const char *user = p->username ? p->username : "qemu";
    bool missing;
    g_autofree char *path = NULL, *key = NULL;
    int ret;

    path = creds_file(p, "keys.psk", true, &missing, err);
    if (!path) {
        return false;
    }
    if (p->server) {
        ret = gnutls_psk_allocate_server_credentials(&c->psk_server);
        if (ret >= 0) {
            ret = gnutls_psk_set_server_credentials_file(c->psk_server, path);
        }
        if (ret >= 0 && c->dh) {
            gnutls_psk_set_server_dh_params(c->psk_server, c->dh);
        } else if (ret >= 0) {
            ret =
                gnutls_psk_set_server_known_dh_params(c->psk_server,
                                                      GNUTLS_SEC_PARAM_MEDIUM);
        }
    } else {
        gnutls_datum_t data;

        key = psk_key(path, user, err);
        if (!key) {
            return false;
        }
        data = (gnutls_datum_t){ (unsigned char *)key, strlen(key) };
        ret = gnutls_psk_allocate_client_credentials(&c->psk_client);
        if (ret >= 0) {
            ret = gnutls_psk_set_client_credentials(c->psk_client, user, &data,
                                                    GNUTLS_PSK_KEY_HEX);
        }
        explicit_bzero(key, strlen(key));
    }
    if (ret < 0) {
        fail(err, "Cannot load the keys of PSK", ret);
    }
    return ret >= 0;
}

static bool load_x509_files(Creds *c, const TlsParams *p, const char *ca,
                            const char *crl, const char *cert, const char *key,
                            char **err)
{
    int ret = gnutls_certificate_allocate_credentials(&c->x509);

    if (ret < 0) {
        fail(err, "Cannot allocate credentials", ret);
        return false;
    }
    ret = gnutls_certificate_set_x509_trust_file(c->x509, ca,
                                                 GNUTLS_X509_FMT_PEM);
    if (ret < 0) {
        fail(err, "Cannot load CA certificate", ret);
        return false;
    }
    if (cert && key) {
        ret = gnutls_certificate_set_x509_key_file2(c->x509, cert, key,
                                                    GNUTLS_X509_FMT_PEM,
                                                    p->password, 0);
        if (ret < 0) {
            fail(err, "Cannot load certificate and key", ret);
            return false;
        }
    }
    ret = crl ? gnutls_certificate_set_x509_crl_file(c->x509, crl,
                                                     GNUTLS_X509_FMT_PEM)
              : 0;
    if (ret < 0) {
        fail(err, "Cannot load CRL", ret);
        return false;
    }
    if (p->server && c->dh) {
        gnutls_certificate_set_dh_params(c->x509, c->dh);
    } else if (p->server) {
        gnutls_certificate_set_known_dh_params(c->x509,
                                               GNUTLS_SEC_PARAM_MEDIUM);
    }
    return true;
}

static bool load_x509(Creds *c, const TlsParams *p, char **err)
{
    const char *cert_name = p->server ? "server-cert.pem" : "client-cert.pem";
    const char *key_name = p->server ? "server-key.pem" : "client-key.pem";
    g_autofree char *ca = NULL, *crl = NULL, *cert = NULL, *key = NULL;
    bool missing;

    ca = creds_file(p, "ca-cert.pem", true, &missing, err);
    if (!missing) {
        crl = creds_file(p, "ca-crl.pem", false, &missing, err);
        cert = creds_file(p, cert_name, p->server, &missing, err);
    }
    if (!missing) {
        /* A client may have no certificate; then it has no key either. */
        key = creds_file(p, key_name, p->server || cert, &missing, err);
    }
    if (missing) {
        return false;
    }
    return (!p->sanity_check ||
            tls_check_certificates(ca, cert, p->server, err)) &&
           load_x509_files(c, p, ca, crl, cert, key, err);
}

static void creds_free(void *opaque)
{
    Creds *c = opaque;

    if (c->x509) {
        gnutls_certificate_free_credentials(c->x509);
    }
    if (c->psk_client) {
        gnutls_psk_free_client_credentials(c->psk_client);
    }
    if (c->psk_server) {
        gnutls_psk_free_server_credentials(c->psk_server);
    }
    if (c->anon_client) {
        gnutls_anon_free_client_credentials(c->anon_client);
    }
    if (c->anon_server) {
        gnutls_anon_free_server_credentials(c->anon_server);
    }
    if (c->dh) {
        gnutls_dh_params_deinit(c->dh);
    }
    g_free(c);
}

static void *creds_new(const TlsParams *p, char **err)
{
    Creds *c = g_new0(Creds, 1);
    bool ok = !p->server || load_dh(c, p, err);

    if (ok) {
        ok = p->kind == TLS_KIND_ANON  ? load_anon(c, p, err)
             : p->kind == TLS_KIND_PSK ? load_psk(c, p, err)
                                       : load_x509(c, p, err);
    }
    if (!ok) {
        creds_free(c);
        return NULL;
    }
    return c;
}

/* Sessions -------------------------------------------------------------------
 */

typedef struct Session {
    gnutls_session_t tls;
    TlsSendFn *send;
    TlsRecvFn *recv;
    void *opaque;
    bool server, verify, x509;
    size_t unsent; /* of a record that the transport did not take */
} Session;

static ssize_t moved(Session *s, ssize_t ret)
{
    if (ret < 0) {
        gnutls_transport_set_errno(s->tls, -ret);
        return -1;
    }
    return ret;
}

static ssize_t push(gnutls_transport_ptr_t opaque, const void *buf, size_t len)
{
    Session *s = opaque;

    return moved(s, s->send(s->opaque, buf, len));
}

static ssize_t pull(gnutls_transport_ptr_t opaque, void *buf, size_t len)
{
    Session *s = opaque;

    return moved(s, s->recv(s->opaque, buf, len));
}

static int set_credentials(Session *s, const Creds *c, TlsKind kind)
{
    switch (kind) {
    case TLS_KIND_ANON:
        return gnutls_credentials_set(s->tls, GNUTLS_CRD_ANON,
                                      s->server ? (void *)c->anon_server
                                                : (void *)c->anon_client);
    case TLS_KIND_PSK:
        return gnutls_credentials_set(s->tls, GNUTLS_CRD_PSK,
                                      s->server ? (void *)c->psk_server
                                                : (void *)c->psk_client);
    default:
        return gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, c->x509);
    }
}

static int set_priority(Session *s, const TlsParams *p, char **err)
{
    static const char *const more[] = {
        [TLS_KIND_ANON] = ":+ANON-ECDH:+ANON-DH",
        [TLS_KIND_PSK] = ":+ECDHE-PSK:+DHE-PSK:+PSK",
        [TLS_KIND_X509] = "",
    };
    g_autofree char *text =
        g_strconcat(p->priority ? p->priority : "NORMAL", more[p->kind], NULL);
    int ret = gnutls_priority_set_direct(s->tls, text, NULL);

    if (ret < 0) {
        *err = g_strdup_printf("Unable to set TLS session priority %s: %s",
                               text, gnutls_strerror(ret));
    }
    return ret;
}

static bool is_address(const char *host)
{
    unsigned char buf[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, buf) == 1 ||
           inet_pton(AF_INET6, host, buf) == 1;
}

static void session_free(void *opaque)
{
    Session *s = opaque;

    gnutls_deinit(s->tls);
    g_free(s);
}

static void *session_new(void *creds, const TlsParams *p, const char *hostname,
                         TlsSendFn *send, TlsRecvFn *recv, void *opaque,
                         char **err)
{
    Session *s = g_new0(Session, 1);
    int ret = gnutls_init(&s->tls, (p->server ? GNUTLS_SERVER : GNUTLS_CLIENT) |
                                       GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);

    if (ret < 0) {
        fail(err, "Cannot make a TLS session", ret);
        g_free(s);
        return NULL;
    }
    s->send = send;
    s->recv = recv;
    s->opaque = opaque;
    s->server = p->server;
    s->verify = p->verify_peer;
    s->x509 = p->kind == TLS_KIND_X509;
    if (set_priority(s, p, err) < 0) {
        session_free(s);
        return NULL;
    }
    ret = set_credentials(s, creds, p->kind);
    if (ret >= 0 && hostname && !is_address(hostname)) {
        ret = gnutls_server_name_set(s->tls, GNUTLS_NAME_DNS, hostname,
                                     strlen(hostname));
    }
    if (ret < 0) {
        fail(err, "Cannot set up the TLS session", ret);
        session_free(s);
        return NULL;
    }
    if (s->server && s->x509) {
        gnutls_certificate_server_set_request(s->tls,
                                              s->verify ? GNUTLS_CERT_REQUIRE
                                                        : GNUTLS_CERT_REQUEST);
    }
    gnutls_transport_set_ptr(s->tls, s);
    gnutls_transport_set_push_function(s->tls, push);
    gnutls_transport_set_pull_function(s->tls, pull);
    return s;
}

/* Is the peer who it should be? */
static bool verify_peer(Session *s, const char *hostname, char **err)
{
    gnutls_datum_t text = { 0 };
    unsigned status = 0;
    int ret;

    if (!s->x509 || !s->verify) {
        return true;
    }
    ret = gnutls_certificate_verify_peers3(s->tls, s->server ? NULL : hostname,
                                           &status);
    if (ret < 0) {
        fail(err, "Verify failed", ret);
        return false;
    }
    if (!status) {
        return true;
    }
    ret = gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509,
                                                       &text, 0);
    *err = g_strchomp(g_strdup(
        ret >= 0 ? (char *)text.data : "The peer's certificate is not valid"));
    gnutls_free(text.data);
    return false;
}

static TlsStep handshake(void *opaque, const char *hostname, char **err)
{
    Session *s = opaque;
    int ret = gnutls_handshake(s->tls);

    if (ret == GNUTLS_E_SUCCESS) {
        return verify_peer(s, hostname, err) ? TLS_DONE : TLS_FAILED;
    }
    if (!gnutls_error_is_fatal(ret)) {
        return gnutls_record_get_direction(s->tls) ? TLS_WANT_WRITE
                                                   : TLS_WANT_READ;
    }
    fail(err, "TLS handshake failed", ret);
    return TLS_FAILED;
}

static char *peer_name(void *opaque)
{
    Session *s = opaque;
    gnutls_x509_crt_t cert;
    gnutls_datum_t text = { 0 };
    const gnutls_datum_t *list;
    unsigned n = 0;
    char *name = NULL;

    list = s->x509 ? gnutls_certificate_get_peers(s->tls, &n) : NULL;
    if (!list || !n || gnutls_x509_crt_init(&cert) < 0) {
        return NULL;
    }
    if (gnutls_x509_crt_import(cert, &list[0], GNUTLS_X509_FMT_DER) >= 0 &&
        gnutls_x509_crt_get_dn3(cert, &text, 0) >= 0) {
        name = g_strndup((char *)text.data, text.size);
        gnutls_free(text.data);
    }
    gnutls_x509_crt_deinit(cert);
    return name;
}

static ssize_t as_errno(ssize_t ret)
{
    switch (ret) {
    case GNUTLS_E_AGAIN:
    case GNUTLS_E_INTERRUPTED:
        return -EAGAIN;
    case GNUTLS_E_PREMATURE_TERMINATION:
        return -ECONNABORTED;
    default:
        return ret < 0 ? -EIO : ret;
    }
}

static ssize_t session_send(void *opaque, const void *buf, size_t len)
{
    Session *s = opaque;
    /* What is left of a record goes first; its text is known already. */
    size_t unsent = s->unsent;
    ssize_t ret =
        gnutls_record_send(s->tls, unsent ? NULL : buf, unsent ? 0 : len);

    if (ret == GNUTLS_E_AGAIN || ret == GNUTLS_E_INTERRUPTED) {
        if (!unsent) {
            s->unsent = MIN(len, gnutls_record_get_max_size(s->tls));
        }
        return -EAGAIN;
    }
    s->unsent = 0;
    return ret < 0 ? as_errno(ret) : unsent ? (ssize_t)unsent : ret;
}

static ssize_t session_recv(void *opaque, void *buf, size_t len)
{
    Session *s = opaque;
    ssize_t ret;

    do {
        ret = gnutls_record_recv(s->tls, buf, len);
        /* No second handshake: it would need another state machine. */
    } while (ret == GNUTLS_E_INTERRUPTED);
    return as_errno(ret);
}

static void bye(void *opaque)
{
    Session *s = opaque;

    gnutls_bye(s->tls, GNUTLS_SHUT_WR);
}

__attribute__((visibility("default"))) const TlsOps nemu_tls_ops = {
    .creds_new = creds_new,
    .creds_free = creds_free,
    .session_new = session_new,
    .session_free = session_free,
    .handshake = handshake,
    .peer_name = peer_name,
    .send = session_send,
    .recv = session_recv,
    .bye = bye,
};
