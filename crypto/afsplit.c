/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The anti-forensic splitter.
 * Spec: LUKS1 On-Disk Format Specification 1.2, "AF splitter".
 */
#include "util/osdep.h"

#include <endian.h>

#include "crypto/cipher.h"
#include "crypto/hash.h"

/* H1: each piece of digest length becomes the hash of its number and itself. */
static bool diffuse(QCryptoHashAlgorithm alg, uint8_t *block, size_t len,
                    Error **errp)
{
    size_t each = crypto_hash_len(alg);
    uint8_t piece[4 + CRYPTO_MAX_DIGEST], digest[CRYPTO_MAX_DIGEST];
    bool ok = true;

    for (size_t at = 0; ok && at < len; at += each) {
        uint32_t number = htobe32(at / each);
        size_t n = MIN(each, len - at);

        memcpy(piece, &number, 4);
        memcpy(piece + 4, block + at, n);
        ok = crypto_hash(alg, piece, 4 + n, digest, errp);
        memcpy(block + at, digest, n);
    }
    explicit_bzero(piece, sizeof(piece));
    explicit_bzero(digest, sizeof(digest));
    return ok;
}

/* All stripes but the last, folded to @block. */
static bool fold(QCryptoHashAlgorithm alg, const uint8_t *stripes, size_t len,
                 uint32_t n, uint8_t *block, Error **errp)
{
    memset(block, 0, len);
    for (uint32_t i = 0; i + 1 < n; i++) {
        for (size_t j = 0; j < len; j++) {
            block[j] ^= stripes[i * len + j];
        }
        if (!diffuse(alg, block, len, errp)) {
            return false;
        }
    }
    return true;
}

static void add_stripe(uint8_t *out, const uint8_t *a, const uint8_t *b,
                       size_t len)
{
    for (size_t j = 0; j < len; j++) {
        out[j] = a[j] ^ b[j];
    }
}

bool crypto_af_split(QCryptoHashAlgorithm alg, const uint8_t *key, size_t len,
                     uint32_t stripes, uint8_t *out, Error **errp)
{
    size_t last = (stripes - 1) * len;
    uint8_t *block = g_malloc0(len);
    bool ok = crypto_random(out, last, errp) &&
              fold(alg, out, len, stripes, block, errp);

    if (ok) {
        add_stripe(out + last, block, key, len);
    }
    crypto_wipe_free(block, len);
    return ok;
}

bool crypto_af_merge(QCryptoHashAlgorithm alg, const uint8_t *in, size_t len,
                     uint32_t stripes, uint8_t *key, Error **errp)
{
    uint8_t *block = g_malloc0(len);
    bool ok = fold(alg, in, len, stripes, block, errp);

    if (ok) {
        add_stripe(key, block, in + (stripes - 1) * len, len);
    }
    crypto_wipe_free(block, len);
    return ok;
}
