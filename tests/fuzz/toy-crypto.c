/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ciphers and hashes that are toys, so that the work of a target is in our own
 * code: the splitter's thousands of hashes and the iterations that a header
 * asks for would be all that it does. They run at once, not on threads: that
 * takes less time, and the same input does the same again.
 */
#include "util/osdep.h"

#include "crypto/hash.h"
#include "crypto/ops.h"
#include "util/coroutine.h"
#include "util/thread-pool.h"

static void set_key(void *ctx, const uint8_t *key)
{
    *(uint8_t *)ctx = key[0];
}

static void toy_crypt(const void *ctx, size_t len, uint8_t *dst,
                      const uint8_t *src)
{
    memmove(dst, src, len);
    dst[0] ^= *(const uint8_t *)ctx;
}

static void hash_init(void *ctx)
{
    memset(ctx, 0, 64);
}

static void hash_update(void *ctx, size_t len, const uint8_t *data)
{
    *(uint8_t *)ctx ^= len ? data[0] ^ data[len - 1] : 0;
}

static void hash_digest(void *ctx, size_t len, uint8_t *out)
{
    memcpy(out, ctx, len);
}

static void toy_pbkdf2(const CryptoHashOps *hash, size_t key_len,
                       const uint8_t *key, unsigned iterations, size_t salt_len,
                       const uint8_t *salt, size_t out_len, uint8_t *out)
{
    memset(out, key_len ? key[0] ^ salt[0] : 0, out_len);
}

#define CIPHER(nam, key, block)                                    \
    {                                                              \
        nam, key, block, 8, set_key, set_key, toy_crypt, toy_crypt \
    }
#define HASH(nam, len)                                        \
    {                                                         \
        nam, len, 64, 64, hash_init, hash_update, hash_digest \
    }

static const CryptoCipherOps ciphers[] = {
    CIPHER("aes-128", 16, 16),
    CIPHER("aes-192", 24, 16),
    CIPHER("aes-256", 32, 16),
    CIPHER("cast5-128", 16, 8),
    CIPHER("serpent-128", 16, 16),
    CIPHER("twofish-256", 32, 16),
    {},
};
static const CryptoHashOps hashes[] = {
    HASH("md5", 16),
    HASH("sha1", 20),
    HASH("sha256", 32),
    HASH("sha512", 64),
    {},
};
const CryptoOps nemu_crypto_ops = { ciphers, hashes, toy_pbkdf2 };

/* In place of those without "__wrap_" (ld --wrap).
 * ------------------------------------------ */

bool __wrap_crypto_af_merge(QCryptoHashAlgorithm alg, const uint8_t *in,
                            size_t len, uint32_t stripes, uint8_t *key,
                            Error **errp);
int coroutine_fn __wrap_thread_pool_run_co(ThreadPoolFn *fn, void *opaque);

/* Without the diffusion between the stripes. */
bool __wrap_crypto_af_merge(QCryptoHashAlgorithm alg, const uint8_t *in,
                            size_t len, uint32_t stripes, uint8_t *key,
                            Error **errp)
{
    memcpy(key, in, len);
    for (size_t i = 0; i < len; i++) {
        key[i] ^= in[(stripes - 1) * len + i];
    }
    return true;
}

int coroutine_fn __wrap_thread_pool_run_co(ThreadPoolFn *fn, void *opaque)
{
    return fn(opaque);
}
