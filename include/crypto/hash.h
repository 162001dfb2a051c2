/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hashes, keys from passwords, and what LUKS builds of them. Any thread. */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "qapi/qapi-types-crypto.h"
#include "util/error.h"

#define CRYPTO_MAX_DIGEST 64

size_t crypto_hash_len(QCryptoHashAlgorithm alg);
/* The digest of @data to @out (crypto_hash_len() bytes). */
bool crypto_hash(QCryptoHashAlgorithm alg, const void *data, size_t len,
                 uint8_t *out, Error **errp);
/* PBKDF2 with HMAC (RFC 8018). @iterations is not 0. */
bool crypto_pbkdf2(QCryptoHashAlgorithm alg, const void *password,
                   size_t password_len, const uint8_t *salt, size_t salt_len,
                   uint32_t iterations, uint8_t *out, size_t out_len,
                   Error **errp);
/* Iterations that take about @ms of CPU time here for @out_len bytes. */
bool crypto_pbkdf2_iterations(QCryptoHashAlgorithm alg, size_t out_len,
                              uint64_t ms, uint64_t *iterations, Error **errp);

/*
 * The anti-forensic splitter of LUKS: @len bytes of @key spread over @stripes
 * times as many, all of which are needed to merge them again.
 */
bool crypto_af_split(QCryptoHashAlgorithm alg, const uint8_t *key, size_t len,
                     uint32_t stripes, uint8_t *out, Error **errp);
bool crypto_af_merge(QCryptoHashAlgorithm alg, const uint8_t *in, size_t len,
                     uint32_t stripes, uint8_t *key, Error **errp);

/* Unpredictable bytes. */
bool crypto_random(void *buf, size_t len, Error **errp);

#endif
