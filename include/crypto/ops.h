/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ciphers and hashes. They live in the module crypto-nettle, so that a program
 * that meets no encryption loads no library for it. Only crypto/ uses this;
 * see cipher.h and hash.h.
 */
#ifndef CRYPTO_OPS_H
#define CRYPTO_OPS_H

#include "util/error.h"

/* A block cipher with one key length. Functions may run in any thread; those
 * that take a constant context, in several at once with the same one. */
typedef struct CryptoCipherOps {
    const char *name; /* as QCryptoCipherAlgorithm spells it */
    size_t key_len, block_len;
    size_t context_size;
    void (*set_encrypt_key)(void *ctx, const uint8_t *key);
    void (*set_decrypt_key)(void *ctx, const uint8_t *key);
    /* Whole blocks, each for itself; @dst may be @src. */
    void (*encrypt)(const void *ctx, size_t len, uint8_t *dst,
                    const uint8_t *src);
    void (*decrypt)(const void *ctx, size_t len, uint8_t *dst,
                    const uint8_t *src);
} CryptoCipherOps;

typedef struct CryptoHashOps {
    const char *name; /* as QCryptoHashAlgorithm spells it */
    size_t digest_len, block_len;
    size_t context_size;
    void (*init)(void *ctx);
    void (*update)(void *ctx, size_t len, const uint8_t *data);
    /* Also starts anew. */
    void (*digest)(void *ctx, size_t len, uint8_t *out);
} CryptoHashOps;

typedef struct CryptoOps {
    const CryptoCipherOps *ciphers; /* end with a NULL name */
    const CryptoHashOps *hashes;
    /* PBKDF2 with HMAC (RFC 8018). */
    void (*pbkdf2)(const CryptoHashOps *hash, size_t key_len,
                   const uint8_t *key, unsigned iterations, size_t salt_len,
                   const uint8_t *salt, size_t out_len, uint8_t *out);
} CryptoOps;

/* The tables; loads the module at the first call that succeeds. NULL with an
 * error if it cannot be loaded. Any thread, before chroot(). */
const CryptoOps *crypto_ops(Error **errp);

/* The module's table; a program that links it itself (a fuzz target) has it
 * without loading anything. */
extern const CryptoOps nemu_crypto_ops __attribute__((weak));

#endif
