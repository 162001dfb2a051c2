/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encrypting data with block ciphers. Any thread; a cipher may be used from
 * several at once. Keys are wiped from memory when they are not needed any
 * more.
 */
#ifndef CRYPTO_CIPHER_H
#define CRYPTO_CIPHER_H

#include "qapi/qapi-types-crypto.h"
#include "util/error.h"

/* What any cipher needs at most. */
#define CRYPTO_MAX_KEY 64
#define CRYPTO_MAX_IV  16

typedef struct CryptoCipher CryptoCipher;

/* Bytes of a key; of XTS twice the cipher's own. */
size_t crypto_cipher_key_len(QCryptoCipherAlgorithm alg, QCryptoCipherMode m);
size_t crypto_cipher_block_len(QCryptoCipherAlgorithm alg);
/* NULL with an error: no such cipher, wrong length of the key. May load a
 * module. */
CryptoCipher *crypto_cipher_new(QCryptoCipherAlgorithm alg, QCryptoCipherMode m,
                                const uint8_t *key, size_t key_len,
                                Error **errp);
void crypto_cipher_free(CryptoCipher *c); /* NULL is fine */
/*
 * @len bytes, a multiple of the block length, from the initialization vector
 * @iv on (a block; not looked at in ECB mode). @out may be @in.
 */
void crypto_cipher_encrypt(const CryptoCipher *c, const uint8_t *iv,
                           uint8_t *out, const uint8_t *in, size_t len);
void crypto_cipher_decrypt(const CryptoCipher *c, const uint8_t *iv,
                           uint8_t *out, const uint8_t *in, size_t len);

/* Sectors: a disk's data, where the place gives the initialization vector. */
#define CRYPTO_SECTOR 512

typedef struct CryptoSectors CryptoSectors;

/* @ivgen_hash is for ESSIV. */
CryptoSectors *
crypto_sectors_new(QCryptoCipherAlgorithm alg, QCryptoCipherMode mode,
                   QCryptoIVGenAlgorithm ivgen, QCryptoHashAlgorithm ivgen_hash,
                   const uint8_t *key, size_t key_len, Error **errp);
void crypto_sectors_free(CryptoSectors *s); /* NULL is fine */
/* Whole sectors in place, the first of which is number @sector. */
void crypto_sectors_encrypt(const CryptoSectors *s, uint64_t sector,
                            uint8_t *buf, size_t len);
void crypto_sectors_decrypt(const CryptoSectors *s, uint64_t sector,
                            uint8_t *buf, size_t len);

/* Load what ciphers and hashes need now: before chroot(). */
bool crypto_load(Error **errp);

/* Free what held a key or a password; NULL is fine. */
void crypto_wipe_free(void *p, size_t len);

#endif
