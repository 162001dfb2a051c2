/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hashes and PBKDF2 (RFC 8018) by the module; random bytes from the kernel. */
#include "util/osdep.h"

#include <sys/random.h>
#include <time.h>

#include "crypto/hash.h"
#include "crypto/ops.h"

static const CryptoHashOps *find_ops(const CryptoOps *ops,
                                     QCryptoHashAlgorithm alg, Error **errp)
{
    const char *name = qapi_enum_name(&qapi_type_QCryptoHashAlgorithm, alg);

    for (size_t i = 0; ops && ops->hashes[i].name; i++) {
        if (!strcmp(ops->hashes[i].name, name)) {
            return &ops->hashes[i];
        }
    }
    if (ops) {
        error_set(errp, "Unknown hash algorithm %s", name);
    }
    return NULL;
}

size_t crypto_hash_len(QCryptoHashAlgorithm alg)
{
    static const uint8_t lens[QCRYPTO_HASH_ALGORITHM__MAX] = {
        [QCRYPTO_HASH_ALGORITHM_MD5] = 16,
        [QCRYPTO_HASH_ALGORITHM_SHA1] = 20,
        [QCRYPTO_HASH_ALGORITHM_SHA224] = 28,
        [QCRYPTO_HASH_ALGORITHM_SHA256] = 32,
        [QCRYPTO_HASH_ALGORITHM_SHA384] = 48,
        [QCRYPTO_HASH_ALGORITHM_SHA512] = 64,
        [QCRYPTO_HASH_ALGORITHM_RIPEMD160] = 20,
    };

    return lens[alg];
}

bool crypto_hash(QCryptoHashAlgorithm alg, const void *data, size_t len,
                 uint8_t *out, Error **errp)
{
    const CryptoHashOps *ops = find_ops(crypto_ops(errp), alg, errp);
    void *ctx;

    if (!ops) {
        return false;
    }
    ctx = g_malloc0(ops->context_size);
    ops->init(ctx);
    ops->update(ctx, len, data);
    ops->digest(ctx, ops->digest_len, out);
    explicit_bzero(ctx, ops->context_size);
    g_free(ctx);
    return true;
}

bool crypto_pbkdf2(QCryptoHashAlgorithm alg, const void *password,
                   size_t password_len, const uint8_t *salt, size_t salt_len,
                   uint32_t iterations, uint8_t *out, size_t out_len,
                   Error **errp)
{
    const CryptoOps *ops = crypto_ops(errp);
    const CryptoHashOps *hash = find_ops(ops, alg, errp);

    if (!hash) {
        return false;
    }
    ops->pbkdf2(hash, password_len, password, iterations, salt_len, salt,
                out_len, out);
    return true;
}

static int64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

bool crypto_pbkdf2_iterations(QCryptoHashAlgorithm alg, size_t out_len,
                              uint64_t ms, uint64_t *iterations, Error **errp)
{
    enum { ENOUGH_NS = 20 * 1000 * 1000 };
    g_autofree uint8_t *out = g_malloc(MAX(out_len, 1));
    uint32_t n = 1 << 10;
    int64_t took = 0;

    for (; took < ENOUGH_NS && n < 1u << 30; n *= 2) {
        int64_t start = thread_ns();

        if (!crypto_pbkdf2(alg, "password", 8, (const uint8_t *)"saltsalt", 8,
                           n, out, out_len, errp)) {
            return false;
        }
        took = thread_ns() - start;
        *iterations = (double)n / MAX(took, 1) * 1e6 * ms;
    }
    return true;
}

bool crypto_random(void *buf, size_t len, Error **errp)
{
    while (len) {
        ssize_t n = RETRY_ON_EINTR(getrandom(buf, len, 0));

        if (n < 0) {
            return error_errno(errp, errno, "Unable to get random bytes");
        }
        buf = (char *)buf + n;
        len -= n;
    }
    return true;
}
