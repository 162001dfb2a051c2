/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module crypto-nettle: ciphers and hashes of the nettle library. */
#include "util/osdep.h"

#include <nettle/aes.h>
#include <nettle/cast128.h>
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/pbkdf2.h>
#include <nettle/ripemd160.h>
#include <nettle/serpent.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <nettle/twofish.h>

#include "crypto/ops.h"

/* The library's functions take their own context's type. */
#define KEY_FN(f) ((void (*)(void *, const uint8_t *))(void (*)(void))(f))
#define CRYPT_FN(f)                                                \
    ((void (*)(const void *, size_t, uint8_t *, const uint8_t *))( \
        void (*)(void))(f))

#define AES(bits)                                                        \
    {                                                                    \
        "aes-" #bits, bits / 8, AES_BLOCK_SIZE,                          \
            sizeof(struct aes##bits##_ctx),                              \
            KEY_FN(aes##bits##_set_encrypt_key),                         \
            KEY_FN(aes##bits##_set_decrypt_key),                         \
            CRYPT_FN(aes##bits##_encrypt), CRYPT_FN(aes##bits##_decrypt) \
    }
/* One key schedule serves both ways. */
#define OTHER(nam, bits, lib, key, block)                                 \
    {                                                                     \
        nam, bits / 8, block, sizeof(struct lib##_ctx), KEY_FN(key),      \
            KEY_FN(key), CRYPT_FN(lib##_encrypt), CRYPT_FN(lib##_decrypt) \
    }

static const CryptoCipherOps ciphers[] = {
    AES(128),
    AES(192),
    AES(256),
    OTHER("cast5-128", 128, cast128, cast128_set_key, CAST128_BLOCK_SIZE),
    OTHER("serpent-128", 128, serpent, serpent128_set_key, SERPENT_BLOCK_SIZE),
    OTHER("serpent-192", 192, serpent, serpent192_set_key, SERPENT_BLOCK_SIZE),
    OTHER("serpent-256", 256, serpent, serpent256_set_key, SERPENT_BLOCK_SIZE),
    OTHER("twofish-128", 128, twofish, twofish128_set_key, TWOFISH_BLOCK_SIZE),
    OTHER("twofish-192", 192, twofish, twofish192_set_key, TWOFISH_BLOCK_SIZE),
    OTHER("twofish-256", 256, twofish, twofish256_set_key, TWOFISH_BLOCK_SIZE),
    {},
};

#define HASH(nam, lib, LIB)                                                   \
    {                                                                         \
        nam, LIB##_DIGEST_SIZE, LIB##_BLOCK_SIZE, sizeof(struct lib##_ctx),   \
            (void (*)(void *))(void (*)(void))lib##_init,                     \
            (void (*)(void *, size_t, const uint8_t *))(                      \
                void (*)(void))lib##_update,                                  \
            (void (*)(void *, size_t, uint8_t *))(void (*)(void))lib##_digest \
    }
#define sha224_ctx sha256_ctx
#define sha384_ctx sha512_ctx

static const CryptoHashOps hashes[] = {
    HASH("md5", md5, MD5),
    HASH("sha1", sha1, SHA1),
    HASH("sha224", sha224, SHA224),
    HASH("sha256", sha256, SHA256),
    HASH("sha384", sha384, SHA384),
    HASH("sha512", sha512, SHA512),
    HASH("ripemd160", ripemd160, RIPEMD160),
    {},
};

/* HMAC (RFC 2104): two states that have taken in the padded key, copied for
 * each message. */
#define MAX_BLOCK  128
#define MAX_DIGEST 64
typedef union HashState {
    struct md5_ctx md5;
    struct sha1_ctx sha1;
    struct sha256_ctx sha256;
    struct sha512_ctx sha512;
    struct ripemd160_ctx ripemd160;
} HashState;
typedef struct Hmac {
    const CryptoHashOps *hash;
    HashState inner, outer, state;
} Hmac;

static void hmac_init(Hmac *h, const CryptoHashOps *hash, size_t key_len,
                      const uint8_t *key)
{
    uint8_t pad[MAX_BLOCK] = { 0 };

    h->hash = hash;
    hash->init(&h->inner);
    hash->init(&h->outer);
    if (key_len > hash->block_len) {
        hash->update(&h->inner, key_len, key);
        hash->digest(&h->inner, hash->digest_len, pad);
    } else if (key_len) {
        memcpy(pad, key, key_len);
    }
    for (size_t i = 0; i < hash->block_len; i++) {
        pad[i] ^= 0x36;
    }
    hash->update(&h->inner, hash->block_len, pad);
    for (size_t i = 0; i < hash->block_len; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    hash->update(&h->outer, hash->block_len, pad);
    h->state = h->inner;
    explicit_bzero(pad, sizeof(pad));
}

static void hmac_update_any(void *ctx, size_t len, const uint8_t *data)
{
    Hmac *h = ctx;

    h->hash->update(&h->state, len, data);
}

static void hmac_digest_any(void *ctx, size_t len, uint8_t *out)
{
    Hmac *h = ctx;
    uint8_t digest[MAX_DIGEST];

    h->hash->digest(&h->state, h->hash->digest_len, digest);
    h->state = h->outer;
    h->hash->update(&h->state, h->hash->digest_len, digest);
    h->hash->digest(&h->state, len, out);
    h->state = h->inner;
}

static void pbkdf2_any(const CryptoHashOps *hash, size_t key_len,
                       const uint8_t *key, unsigned iterations, size_t salt_len,
                       const uint8_t *salt, size_t out_len, uint8_t *out)
{
    Hmac h;

    hmac_init(&h, hash, key_len, key);
    pbkdf2(&h, hmac_update_any, hmac_digest_any, hash->digest_len, iterations,
           salt_len, salt, out_len, out);
    explicit_bzero(&h, sizeof(h));
}

__attribute__((visibility("default"))) const CryptoOps nemu_crypto_ops = {
    .ciphers = ciphers,
    .hashes = hashes,
    .pbkdf2 = pbkdf2_any,
};
