/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the module crypto-tls share. */
#ifndef CRYPTO_TLS_MODULE_H
#define CRYPTO_TLS_MODULE_H

#include <gnutls/gnutls.h>

/* What the kind and the endpoint need; the rest is NULL. */
typedef struct Creds {
    gnutls_certificate_credentials_t x509;
    gnutls_psk_client_credentials_t psk_client;
    gnutls_psk_server_credentials_t psk_server;
    gnutls_anon_client_credentials_t anon_client;
    gnutls_anon_server_credentials_t anon_server;
    gnutls_dh_params_t dh;
} Creds;

/* sanity-check: would peers accept these files? @cert may be NULL. A text in
 * *err when not, to be freed. */
bool tls_check_certificates(const char *ca, const char *cert, bool server,
                            char **err);

#endif
