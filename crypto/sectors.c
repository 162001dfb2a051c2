/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sectors of a disk: a cipher and how a sector's number makes its
 * initialization vector.
 * Spec: LUKS1 On-Disk Format Specification 1.2, "cipher and mode names".
 */
#include "util/osdep.h"

#include <endian.h>

#include "crypto/cipher.h"
#include "crypto/hash.h"

struct CryptoSectors {
    CryptoCipher *cipher, *essiv; /* essiv: NULL for the plain ones */
    QCryptoIVGenAlgorithm ivgen;
    size_t essiv_block;
    bool with_iv;
};

/* ESSIV encrypts the number with the key's hash, by the same cipher at the key
 * length that the hash has. */
static bool essiv_algorithm(QCryptoCipherAlgorithm alg, size_t key_len,
                            QCryptoCipherAlgorithm *salted, Error **errp)
{
    const char *name = qapi_enum_name(&qapi_type_QCryptoCipherAlgorithm, alg);
    g_autofree char *family = g_strndup(name, strcspn(name, "-"));
    g_autofree char *want = g_strdup_printf("%s-%zu", family, key_len * 8);
    int found = qapi_enum_find(&qapi_type_QCryptoCipherAlgorithm, want, -1);

    if (crypto_cipher_block_len(alg) != CRYPTO_MAX_IV) {
        return error_set(errp, "Cipher %s not supported with essiv", name);
    }
    if (found < 0) {
        family[0] = g_ascii_toupper(family[0]);
        return error_set(errp, "No %s cipher with key size %zu available",
                         strcmp(family, "Aes") ? family : "AES", key_len);
    }
    *salted = found;
    return true;
}

static CryptoCipher *essiv_cipher(QCryptoCipherAlgorithm alg,
                                  QCryptoHashAlgorithm hash, const uint8_t *key,
                                  size_t key_len, Error **errp)
{
    size_t len = crypto_hash_len(hash);
    uint8_t salt[CRYPTO_MAX_DIGEST];
    CryptoCipher *c;

    if (!essiv_algorithm(alg, len, &alg, errp) ||
        !crypto_hash(hash, key, key_len, salt, errp)) {
        return NULL;
    }
    c = crypto_cipher_new(alg, QCRYPTO_CIPHER_MODE_ECB, salt, len, errp);
    explicit_bzero(salt, sizeof(salt));
    return c;
}

CryptoSectors *
crypto_sectors_new(QCryptoCipherAlgorithm alg, QCryptoCipherMode mode,
                   QCryptoIVGenAlgorithm ivgen, QCryptoHashAlgorithm ivgen_hash,
                   const uint8_t *key, size_t key_len, Error **errp)
{
    CryptoCipher *cipher = crypto_cipher_new(alg, mode, key, key_len, errp);
    CryptoCipher *essiv = NULL;
    CryptoSectors *s;

    if (cipher && ivgen == QCRYPTO_IVGEN_ALGORITHM_ESSIV) {
        essiv = essiv_cipher(alg, ivgen_hash, key, key_len, errp);
        if (!essiv) {
            crypto_cipher_free(cipher);
            return NULL;
        }
    }
    if (!cipher) {
        return NULL;
    }
    s = g_new0(CryptoSectors, 1);
    s->cipher = cipher;
    s->essiv = essiv;
    s->essiv_block = crypto_cipher_block_len(alg);
    s->ivgen = ivgen;
    s->with_iv = mode != QCRYPTO_CIPHER_MODE_ECB;
    return s;
}

void crypto_sectors_free(CryptoSectors *s)
{
    if (s) {
        crypto_cipher_free(s->cipher);
        crypto_cipher_free(s->essiv);
        g_free(s);
    }
}

static void make_iv(const CryptoSectors *s, uint64_t sector,
                    uint8_t iv[CRYPTO_MAX_IV])
{
    uint64_t n = htole64(
        s->ivgen == QCRYPTO_IVGEN_ALGORITHM_PLAIN ? (uint32_t)sector : sector);

    memset(iv, 0, CRYPTO_MAX_IV);
    if (!s->with_iv) {
        return;
    }
    memcpy(iv, &n, sizeof(n));
    if (s->essiv) {
        crypto_cipher_encrypt(s->essiv, NULL, iv, iv, s->essiv_block);
    }
}

void crypto_sectors_encrypt(const CryptoSectors *s, uint64_t sector,
                            uint8_t *buf, size_t len)
{
    uint8_t iv[CRYPTO_MAX_IV];

    for (size_t i = 0; i < len; i += CRYPTO_SECTOR) {
        make_iv(s, sector++, iv);
        crypto_cipher_encrypt(s->cipher, iv, buf + i, buf + i, CRYPTO_SECTOR);
    }
}

void crypto_sectors_decrypt(const CryptoSectors *s, uint64_t sector,
                            uint8_t *buf, size_t len)
{
    uint8_t iv[CRYPTO_MAX_IV];

    for (size_t i = 0; i < len; i += CRYPTO_SECTOR) {
        make_iv(s, sector++, iv);
        crypto_cipher_decrypt(s->cipher, iv, buf + i, buf + i, CRYPTO_SECTOR);
    }
}
