/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modes of block ciphers over what the module does block by block: ECB, CBC
 * and CTR (NIST SP 800-38A), XTS (IEEE 1619). Blocks go to the cipher in runs,
 * for those of them that work in parallel.
 */
#include "util/osdep.h"

#include <endian.h>

#include "crypto/cipher.h"
#include "crypto/ops.h"

/* Bytes that are worked on at once. */
#define RUN ((size_t)512)

struct CryptoCipher {
    const CryptoCipherOps *ops;
    QCryptoCipherMode mode;
    size_t size;             /* of all of this */
    void *enc, *dec, *tweak; /* contexts; tweak: XTS's second key */
    uint64_t contexts[];
};

static const struct {
    uint8_t key_len, block_len;
} shapes[QCRYPTO_CIPHER_ALGORITHM__MAX] = {
    [QCRYPTO_CIPHER_ALGORITHM_AES_128] = { 16, 16 },
    [QCRYPTO_CIPHER_ALGORITHM_AES_192] = { 24, 16 },
    [QCRYPTO_CIPHER_ALGORITHM_AES_256] = { 32, 16 },
    [QCRYPTO_CIPHER_ALGORITHM_DES] = { 8, 8 },
    [QCRYPTO_CIPHER_ALGORITHM_3DES] = { 24, 8 },
    [QCRYPTO_CIPHER_ALGORITHM_CAST5_128] = { 16, 8 },
    [QCRYPTO_CIPHER_ALGORITHM_SERPENT_128] = { 16, 16 },
    [QCRYPTO_CIPHER_ALGORITHM_SERPENT_192] = { 24, 16 },
    [QCRYPTO_CIPHER_ALGORITHM_SERPENT_256] = { 32, 16 },
    [QCRYPTO_CIPHER_ALGORITHM_TWOFISH_128] = { 16, 16 },
    [QCRYPTO_CIPHER_ALGORITHM_TWOFISH_192] = { 24, 16 },
    [QCRYPTO_CIPHER_ALGORITHM_TWOFISH_256] = { 32, 16 },
};

size_t crypto_cipher_key_len(QCryptoCipherAlgorithm alg, QCryptoCipherMode m)
{
    return shapes[alg].key_len << (m == QCRYPTO_CIPHER_MODE_XTS);
}

size_t crypto_cipher_block_len(QCryptoCipherAlgorithm alg)
{
    return shapes[alg].block_len;
}

void crypto_wipe_free(void *p, size_t len)
{
    if (p) {
        explicit_bzero(p, len);
    }
    g_free(p);
}

/* Contexts
 * ------------------------------------------------------------------------ */

static const CryptoCipherOps *find_ops(QCryptoCipherAlgorithm alg, Error **errp)
{
    const char *name = qapi_enum_name(&qapi_type_QCryptoCipherAlgorithm, alg);
    const CryptoOps *ops = crypto_ops(errp);

    for (size_t i = 0; ops && ops->ciphers[i].name; i++) {
        if (!strcmp(ops->ciphers[i].name, name)) {
            return &ops->ciphers[i];
        }
    }
    if (ops) {
        error_set(errp, "Algorithm '%s' not supported", name);
    }
    return NULL;
}

CryptoCipher *crypto_cipher_new(QCryptoCipherAlgorithm alg, QCryptoCipherMode m,
                                const uint8_t *key, size_t key_len,
                                Error **errp)
{
    const CryptoCipherOps *ops = find_ops(alg, errp);
    bool xts = m == QCRYPTO_CIPHER_MODE_XTS;
    size_t each, size;
    CryptoCipher *c;

    if (!ops) {
        return NULL;
    }
    if (xts && ops->block_len != 16) {
        return error_set(errp, "Unsupported cipher mode %s",
                         qapi_enum_name(&qapi_type_QCryptoCipherMode, m)),
               NULL;
    }
    if (key_len != crypto_cipher_key_len(alg, m)) {
        return error_set(errp, "Cipher key length %zu should be %zu", key_len,
                         crypto_cipher_key_len(alg, m)),
               NULL;
    }
    each = ALIGN_UP(ops->context_size, sizeof(uint64_t));
    size = sizeof(*c) + 3 * each;
    c = g_malloc0(size);
    *c = (CryptoCipher){ .ops = ops, .mode = m, .size = size };
    c->enc = c->contexts;
    c->dec = (char *)c->contexts + each;
    c->tweak = (char *)c->contexts + 2 * each;
    ops->set_encrypt_key(c->enc, key);
    ops->set_decrypt_key(c->dec, key);
    if (xts) {
        ops->set_encrypt_key(c->tweak, key + ops->key_len);
    }
    return c;
}

void crypto_cipher_free(CryptoCipher *c)
{
    crypto_wipe_free(c, c ? c->size : 0);
}

/* Modes
 * ---------------------------------------------------------------------------
 */

/* @len is a multiple of 8. */
static void xor_into(uint8_t *out, const uint8_t *a, const uint8_t *b,
                     size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t x, y;

        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        x ^= y;
        memcpy(out + i, &x, 8);
    }
}

/* Multiply by x in GF(2^128), modulo x^128 + x^7 + x^2 + x + 1. */
static inline void xts_double(uint64_t t[2])
{
    uint64_t carry = t[1] >> 63;

    t[1] = t[1] << 1 | t[0] >> 63;
    t[0] = t[0] << 1 ^ (carry ? 0x87 : 0);
}

static void xts(const CryptoCipher *c, bool encrypt, const uint8_t *iv,
                uint8_t *out, const uint8_t *in, size_t len)
{
    uint64_t t[2], mask[RUN / 8];

    c->ops->encrypt(c->tweak, sizeof(t), (uint8_t *)t, iv);
    t[0] = le64toh(t[0]);
    t[1] = le64toh(t[1]);
    while (len) {
        size_t n = MIN(len, RUN);

        for (size_t i = 0; i < n / 8; i += 2) {
            mask[i] = htole64(t[0]);
            mask[i + 1] = htole64(t[1]);
            xts_double(t);
        }
        xor_into(out, in, (uint8_t *)mask, n);
        if (encrypt) {
            c->ops->encrypt(c->enc, n, out, out);
        } else {
            c->ops->decrypt(c->dec, n, out, out);
        }
        xor_into(out, out, (uint8_t *)mask, n);
        out += n;
        in += n;
        len -= n;
    }
}

static void cbc_encrypt(const CryptoCipher *c, const uint8_t *iv, uint8_t *out,
                        const uint8_t *in, size_t len)
{
    size_t block = c->ops->block_len;

    for (size_t i = 0; i < len; i += block) {
        xor_into(out + i, in + i, iv, block);
        c->ops->encrypt(c->enc, block, out + i, out + i);
        iv = out + i;
    }
}

static void cbc_decrypt(const CryptoCipher *c, const uint8_t *iv, uint8_t *out,
                        const uint8_t *in, size_t len)
{
    size_t block = c->ops->block_len;
    uint8_t chain[CRYPTO_MAX_IV + RUN]; /* the block before, and those now */

    memcpy(chain, iv, block);
    while (len) {
        size_t n = MIN(len, RUN);

        memcpy(chain + block, in, n);
        c->ops->decrypt(c->dec, n, out, in);
        xor_into(out, out, chain, n);
        memcpy(chain, chain + n, block);
        out += n;
        in += n;
        len -= n;
    }
}

static void count_up(uint8_t *counter, size_t block)
{
    while (block-- && !++counter[block]) {
    }
}

static void ctr(const CryptoCipher *c, const uint8_t *iv, uint8_t *out,
                const uint8_t *in, size_t len)
{
    size_t block = c->ops->block_len;
    uint8_t counter[CRYPTO_MAX_IV], mask[RUN];

    memcpy(counter, iv, block);
    while (len) {
        size_t n = MIN(len, RUN);

        for (size_t i = 0; i < n; i += block) {
            memcpy(mask + i, counter, block);
            count_up(counter, block);
        }
        c->ops->encrypt(c->enc, n, mask, mask);
        xor_into(out, in, mask, n);
        out += n;
        in += n;
        len -= n;
    }
}

void crypto_cipher_encrypt(const CryptoCipher *c, const uint8_t *iv,
                           uint8_t *out, const uint8_t *in, size_t len)
{
    switch (c->mode) {
    case QCRYPTO_CIPHER_MODE_XTS:
        xts(c, true, iv, out, in, len);
        break;
    case QCRYPTO_CIPHER_MODE_CBC:
        cbc_encrypt(c, iv, out, in, len);
        break;
    case QCRYPTO_CIPHER_MODE_CTR:
        ctr(c, iv, out, in, len);
        break;
    default:
        c->ops->encrypt(c->enc, len, out, in);
    }
}

void crypto_cipher_decrypt(const CryptoCipher *c, const uint8_t *iv,
                           uint8_t *out, const uint8_t *in, size_t len)
{
    switch (c->mode) {
    case QCRYPTO_CIPHER_MODE_XTS:
        xts(c, false, iv, out, in, len);
        break;
    case QCRYPTO_CIPHER_MODE_CBC:
        cbc_decrypt(c, iv, out, in, len);
        break;
    case QCRYPTO_CIPHER_MODE_CTR:
        ctr(c, iv, out, in, len);
        break;
    default:
        c->ops->decrypt(c->dec, len, out, in);
    }
}
