/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Are certificates what a peer will take? Found out before the first one asks.
 * Spec: RFC 5280, sections 4.2.1.3, 4.2.1.9, 4.2.1.12.
 */
#include "util/osdep.h"

#include <gnutls/x509.h>

#include "tls-module.h"

/* Certificates in one file. */
#define CERTS_MAX 16

typedef struct Certs {
    gnutls_x509_crt_t crt[CERTS_MAX];
    unsigned n;
} Certs;

static void certs_free(Certs *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        gnutls_x509_crt_deinit(c->crt[i]);
    }
    c->n = 0;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Certs, certs_free)

static bool certs_load(Certs *c, const char *path, char **err)
{
    g_autofree char *text = NULL;
    unsigned n = CERTS_MAX;
    gsize len;
    gnutls_datum_t data;
    int ret;

    if (!g_file_get_contents(path, &text, &len, NULL)) {
        *err = g_strdup_printf("Cannot read certificate %s", path);
        return false;
    }
    data = (gnutls_datum_t){ (unsigned char *)text, len };
    ret =
        gnutls_x509_crt_list_import(c->crt, &n, &data, GNUTLS_X509_FMT_PEM, 0);
    if (ret < 0) {
        *err = g_strdup_printf("Unable to import certificate %s: %s", path,
                               gnutls_strerror(ret));
        return false;
    }
    c->n = ret;
    return true;
}

static bool check_times(gnutls_x509_crt_t crt, const char *path, char **err)
{
    time_t now = time(NULL);
    time_t from = gnutls_x509_crt_get_activation_time(crt);
    time_t until = gnutls_x509_crt_get_expiration_time(crt);

    if (from == (time_t)-1 || until == (time_t)-1 || until < now) {
        *err = g_strdup_printf("The certificate %s has expired", path);
        return false;
    }
    if (from > now) {
        *err = g_strdup_printf("The certificate %s is not yet active", path);
        return false;
    }
    return true;
}

/* Basic constraints: a CA is one, others are not. */
static bool check_ca(gnutls_x509_crt_t crt, const char *path, bool ca,
                     char **err)
{
    int ret = gnutls_x509_crt_get_basic_constraints(crt, NULL, NULL, NULL);

    if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
        ret = 0;
        if (ca) {
            *err = g_strdup_printf("The certificate %s is missing basic "
                                   "constraints for a CA",
                                   path);
            return false;
        }
    }
    if (ret < 0) {
        *err = g_strdup_printf("Unable to query the basic constraints of %s",
                               path);
        return false;
    }
    if (!ret != !ca) {
        *err = g_strdup_printf(
            ca ? "The certificate %s basic constraints do not show a CA"
               : "The certificate %s basic constraints show a CA, but we need "
                 "one for an endpoint",
            path);
        return false;
    }
    return true;
}

/* Key usage, where the certificate says one that binds. */
static bool check_usage(gnutls_x509_crt_t crt, const char *path, bool ca,
                        char **err)
{
    unsigned usage, critical;
    unsigned need =
        ca ? GNUTLS_KEY_KEY_CERT_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE;
    int ret = gnutls_x509_crt_get_key_usage(crt, &usage, &critical);

    if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ||
        (ret >= 0 && ((usage & need) || !critical))) {
        return true;
    }
    *err = g_strdup_printf("Certificate %s usage does not permit %s", path,
                           ca ? "certificate signing" : "digital signature");
    return false;
}

/* Extended key usage: for this endpoint, or any, or not said. */
static bool check_purpose(gnutls_x509_crt_t crt, const char *path, bool server,
                          char **err)
{
    const char *want =
        server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
    unsigned binds = 0;

    for (unsigned i = 0;; i++) {
        char oid[128] = "";
        size_t size = sizeof(oid);
        unsigned critical = 0;
        int ret =
            gnutls_x509_crt_get_key_purpose_oid(crt, i, oid, &size, &critical);

        if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            break;
        }
        if (ret < 0) {
            *err = g_strdup_printf("Unable to query the purposes of %s", path);
            return false;
        }
        if (!strcmp(oid, want) || !strcmp(oid, GNUTLS_KP_ANY)) {
            return true;
        }
        binds |= critical;
    }
    if (!binds) {
        return true;
    }
    *err = g_strdup_printf("Certificate %s purpose does not allow use with a "
                           "TLS %s",
                           path, server ? "server" : "client");
    return false;
}

static bool check_signed(Certs *cert, Certs *ca, const char *cert_path,
                         const char *ca_path, char **err)
{
    unsigned status = 0;
    int ret = gnutls_x509_crt_list_verify(cert->crt, cert->n, ca->crt, ca->n,
                                          NULL, 0, 0, &status);

    if (ret >= 0 && !status) {
        return true;
    }
    *err = g_strdup_printf("Our own certificate %s failed validation against "
                           "%s: %s",
                           cert_path, ca_path,
                           status & GNUTLS_CERT_REVOKED ? "it has been revoked"
                           : status & GNUTLS_CERT_SIGNER_NOT_FOUND
                               ? "it has no known issuer"
                           : status & GNUTLS_CERT_SIGNER_NOT_CA
                               ? "its issuer is not a CA"
                           : status & GNUTLS_CERT_INSECURE_ALGORITHM
                               ? "it uses an insecure algorithm"
                               : "it is invalid");
    return false;
}

static bool check_one(gnutls_x509_crt_t crt, const char *path, bool ca,
                      bool server, char **err)
{
    return check_times(crt, path, err) && check_ca(crt, path, ca, err) &&
           check_usage(crt, path, ca, err) &&
           (ca || check_purpose(crt, path, server, err));
}

bool tls_check_certificates(const char *ca, const char *cert, bool server,
                            char **err)
{
    g_auto(Certs) cas = { 0 }, certs = { 0 };

    if (!certs_load(&cas, ca, err) ||
        (cert && !certs_load(&certs, cert, err))) {
        return false;
    }
    for (unsigned i = 0; i < cas.n; i++) {
        if (!check_one(cas.crt[i], ca, true, server, err)) {
            return false;
        }
    }
    return !cert || (check_one(certs.crt[0], cert, false, server, err) &&
                     check_signed(&certs, &cas, cert, ca, err));
}
