/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ciphers, hashes and secrets against published vectors. */
#include "util/osdep.h"

#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "qom/user-object.h"

static GByteArray *hex(const char *text)
{
    GByteArray *a = g_byte_array_new();

    for (; *text; text += 2) {
        uint8_t b =
            g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);

        g_byte_array_append(a, &b, 1);
    }
    return a;
}

static void check_hex(const uint8_t *data, size_t len, const char *want)
{
    g_autoptr(GByteArray) w = hex(want);

    g_assert_cmpmem(data, len, w->data, w->len);
}

/* Ciphers
 * ------------------------------------------------------------------------ */

typedef struct Vector {
    QCryptoCipherAlgorithm alg;
    QCryptoCipherMode mode;
    const char *key, *iv, *plain, *cipher;
} Vector;

#define A(x) QCRYPTO_CIPHER_ALGORITHM_##x
#define M(x) QCRYPTO_CIPHER_MODE_##x

static const Vector vectors[] = {
    /* FIPS 197, appendix C */
    { A(AES_128), M(ECB), "000102030405060708090a0b0c0d0e0f", "",
      "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a" },
    { A(AES_192), M(ECB), "000102030405060708090a0b0c0d0e0f1011121314151617",
      "", "00112233445566778899aabbccddeeff",
      "dda97ca4864cdfe06eaf70a0ec0d7191" },
    { A(AES_256), M(ECB),
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "",
      "00112233445566778899aabbccddeeff", "8ea2b7ca516745bfeafc49904b496089" },
    /* RFC 2144, B.1 */
    { A(CAST5_128), M(ECB), "0123456712345678234567893456789a", "",
      "0123456789abcdef", "238b4fe5847e44b2" },
    /* NIST SP 800-38A, F.2.1, F.2.5, F.5.1 */
    { A(AES_128), M(CBC), "2b7e151628aed2a6abf7158809cf4f3c",
      "000102030405060708090a0b0c0d0e0f",
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
      "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2" },
    { A(AES_256), M(CBC),
      "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
      "000102030405060708090a0b0c0d0e0f",
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
      "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d" },
    { A(AES_128), M(CTR), "2b7e151628aed2a6abf7158809cf4f3c",
      "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
      "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff" },
    /* IEEE 1619-2007, annex B, vectors 1 and 2 */
    { A(AES_128), M(XTS),
      "0000000000000000000000000000000000000000000000000000000000000000",
      "00000000000000000000000000000000",
      "0000000000000000000000000000000000000000000000000000000000000000",
      "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e" },
    { A(AES_128), M(XTS),
      "1111111111111111111111111111111122222222222222222222222222222222",
      "33333333330000000000000000000000",
      "4444444444444444444444444444444444444444444444444444444444444444",
      "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0" },
    /* ecb_tbl.txt and ecb_vk.txt of the Twofish and Serpent submissions */
    { A(TWOFISH_128), M(ECB), "00000000000000000000000000000000", "",
      "00000000000000000000000000000000", "9f589f5cf6122c32b6bfec2f2ae8c35a" },
    { A(SERPENT_128), M(ECB), "80000000000000000000000000000000", "",
      "00000000000000000000000000000000", "264e5481eff42a4606abda06c0bfda3d" },
};

static void test_vectors(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        const Vector *v = &vectors[i];
        g_autoptr(GByteArray) key = hex(v->key);
        g_autoptr(GByteArray) iv = hex(v->iv);
        g_autoptr(GByteArray) text = hex(v->plain);
        CryptoCipher *c = crypto_cipher_new(v->alg, v->mode, key->data,
                                            key->len, error_abort);

        crypto_cipher_encrypt(c, iv->data, text->data, text->data, text->len);
        check_hex(text->data, text->len, v->cipher);
        crypto_cipher_decrypt(c, iv->data, text->data, text->data, text->len);
        check_hex(text->data, text->len, v->plain);
        crypto_cipher_free(c);
    }
}

/* A sector of 4 KiB is more than one run of every mode. */
static void test_all_modes_go_back(void)
{
    for (int alg = 0; alg < QCRYPTO_CIPHER_ALGORITHM__MAX; alg++) {
        for (int mode = 0; mode < QCRYPTO_CIPHER_MODE__MAX; mode++) {
            uint8_t key[CRYPTO_MAX_KEY], iv[CRYPTO_MAX_IV], a[4096], b[4096];
            autoerr Error *err = NULL;
            CryptoCipher *c;

            crypto_random(key, sizeof(key), error_abort);
            crypto_random(iv, sizeof(iv), error_abort);
            crypto_random(a, sizeof(a), error_abort);
            c = crypto_cipher_new(alg, mode, key,
                                  crypto_cipher_key_len(alg, mode), &err);
            if (err) {
                g_assert_true(alg == A(DES) || alg == A(3DES) ||
                              (alg == A(CAST5_128) && mode == M(XTS)));
                continue;
            }
            crypto_cipher_encrypt(c, iv, b, a, sizeof(a));
            g_assert_cmpint(memcmp(a, b, sizeof(a)), !=, 0);
            crypto_cipher_decrypt(c, iv, b, b, sizeof(b));
            g_assert_cmpmem(a, sizeof(a), b, sizeof(b));
            crypto_cipher_free(c);
        }
    }
}

static void test_wrong_key_length(void)
{
    uint8_t key[CRYPTO_MAX_KEY] = { 0 };
    autoerr Error *err = NULL;

    g_assert_null(crypto_cipher_new(A(AES_256), M(XTS), key, 32, &err));
    g_assert_nonnull(err);
}

static void test_essiv_needs_a_fitting_hash(void)
{
    static const struct {
        QCryptoCipherAlgorithm alg;
        QCryptoHashAlgorithm hash;
        const char *error;
    } cases[] = {
        { A(AES_256), QCRYPTO_HASH_ALGORITHM_SHA256, NULL },
        { A(TWOFISH_128), QCRYPTO_HASH_ALGORITHM_MD5, NULL },
        { A(AES_256), QCRYPTO_HASH_ALGORITHM_SHA1,
          "No AES cipher with key size 20 available" },
        { A(SERPENT_256), QCRYPTO_HASH_ALGORITHM_SHA512,
          "No Serpent cipher with key size 64 available" },
        { A(CAST5_128), QCRYPTO_HASH_ALGORITHM_SHA256,
          "Cipher cast5-128 not supported with essiv" },
    };
    uint8_t key[CRYPTO_MAX_KEY] = { 0 };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t len = crypto_cipher_key_len(cases[i].alg, M(CBC));
        autoerr Error *err = NULL;
        CryptoSectors *s = crypto_sectors_new(cases[i].alg, M(CBC),
                                              QCRYPTO_IVGEN_ALGORITHM_ESSIV,
                                              cases[i].hash, key, len, &err);

        g_assert_cmpstr(err ? error_text(err) : NULL, ==, cases[i].error);
        crypto_sectors_free(s);
    }
}

/* plain keeps 32 bits of the sector's number, plain64 all. */
static void test_sector_numbers(void)
{
    static const QCryptoIVGenAlgorithm gens[] = {
        QCRYPTO_IVGEN_ALGORITHM_PLAIN, QCRYPTO_IVGEN_ALGORITHM_PLAIN64
    };
    uint8_t key[CRYPTO_MAX_KEY] = { 1 };

    for (size_t i = 0; i < ARRAY_SIZE(gens); i++) {
        uint8_t low[CRYPTO_SECTOR] = { 0 }, high[2 * CRYPTO_SECTOR] = { 0 };
        CryptoSectors *s = crypto_sectors_new(A(AES_128), M(XTS), gens[i], 0,
                                              key, 32, error_abort);

        crypto_sectors_encrypt(s, 1, low, sizeof(low));
        crypto_sectors_encrypt(s, UINT64_C(1) << 32, high, sizeof(high));
        g_assert_cmpint(!memcmp(low, high + CRYPTO_SECTOR, CRYPTO_SECTOR), ==,
                        gens[i] == QCRYPTO_IVGEN_ALGORITHM_PLAIN);
        crypto_sectors_free(s);
    }
}

/* Hashes
 * --------------------------------------------------------------------------
 */

static void test_hashes(void)
{
    /* RFC 1321, FIPS 180-4 examples and the RIPEMD-160 paper: "abc" */
    static const char *const want[QCRYPTO_HASH_ALGORITHM__MAX] = {
        [QCRYPTO_HASH_ALGORITHM_MD5] = "900150983cd24fb0d6963f7d28e17f72",
        [QCRYPTO_HASH_ALGORITHM_SHA1] =
            "a9993e364706816aba3e25717850c26c9cd0d89d",
        [QCRYPTO_HASH_ALGORITHM_SHA224] =
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        [QCRYPTO_HASH_ALGORITHM_SHA256] =
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        [QCRYPTO_HASH_ALGORITHM_SHA384] =
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7",
        [QCRYPTO_HASH_ALGORITHM_SHA512] =
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        [QCRYPTO_HASH_ALGORITHM_RIPEMD160] =
            "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc",
    };

    for (int alg = 0; alg < QCRYPTO_HASH_ALGORITHM__MAX; alg++) {
        uint8_t digest[CRYPTO_MAX_DIGEST];

        crypto_hash(alg, "abc", 3, digest, error_abort);
        check_hex(digest, crypto_hash_len(alg), want[alg]);
    }
}

static void test_pbkdf2(void)
{
    uint8_t out[25];

    /* RFC 6070 */
    crypto_pbkdf2(QCRYPTO_HASH_ALGORITHM_SHA1, "password", 8,
                  (const uint8_t *)"salt", 4, 4096, out, 20, error_abort);
    check_hex(out, 20, "4b007901b765489abead49d926f721d065a429c1");
    crypto_pbkdf2(QCRYPTO_HASH_ALGORITHM_SHA1, "passwordPASSWORDpassword", 24,
                  (const uint8_t *)"saltSALTsaltSALTsaltSALTsaltSALTsalt", 36,
                  4096, out, 25, error_abort);
    check_hex(out, 25, "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038");
    /* RFC 7914, section 11 */
    crypto_pbkdf2(QCRYPTO_HASH_ALGORITHM_SHA256, "passwd", 6,
                  (const uint8_t *)"salt", 4, 1, out, 25, error_abort);
    check_hex(out, 25, "55ac046e56e3089fec1691c22544b605f94185216dde0465e6");
}

static void test_pbkdf2_time(void)
{
    uint64_t one, ten;

    g_assert_true(crypto_pbkdf2_iterations(QCRYPTO_HASH_ALGORITHM_SHA256, 32,
                                           1000, &one, error_abort));
    g_assert_true(crypto_pbkdf2_iterations(QCRYPTO_HASH_ALGORITHM_SHA256, 320,
                                           1000, &ten, error_abort));
    g_assert_cmpuint(one, >, 0);
    g_assert_cmpuint(ten, >, 0);
}

static void test_splitter(void)
{
    enum { LEN = 40, STRIPES = 20 };
    uint8_t key[LEN], split[LEN * STRIPES], merged[LEN];

    for (int alg = 0; alg < QCRYPTO_HASH_ALGORITHM__MAX; alg++) {
        crypto_random(key, LEN, error_abort);
        crypto_af_split(alg, key, LEN, STRIPES, split, error_abort);
        crypto_af_merge(alg, split, LEN, STRIPES, merged, error_abort);
        g_assert_cmpmem(key, LEN, merged, LEN);
        split[7] ^= 1;
        crypto_af_merge(alg, split, LEN, STRIPES, merged, error_abort);
        g_assert_cmpint(memcmp(key, merged, LEN), !=, 0);
    }
}

/* Secrets
 * ------------------------------------------------------------------------- */

#define KEY0   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define IV0    "AAAAAAAAAAAAAAAAAAAAAA=="
#define MASTER "secret,id=m,format=base64,data=" KEY0
/* "hello", by openssl enc -aes-256-cbc with a key and an IV of zeroes */
#define HELLO "wjXeJNI54DzI43fGBPymew=="

static const char *add(Object *root, const char *text, Error **err)
{
    error_free(*err);
    *err = NULL;
    object_user_add_option(root, NULL, text, err);
    return *err ? error_text(*err) : NULL;
}

static void test_secrets(void)
{
    g_autoptr(Object) root = object_root_new();
    autoerr Error *err = NULL;
    char *text;

    g_assert_cmpstr(add(root, MASTER, &err), ==, NULL);
    g_assert_cmpstr(add(root,
                        "secret,id=a,keyid=m,format=base64,iv=" IV0
                        ",data=" HELLO,
                        &err),
                    ==, NULL);
    text = secret_find_text(root, "a", error_abort);
    g_assert_cmpstr(text, ==, "hello");
    g_free(text);
    g_assert_cmpstr(add(root, "secret,id=b,format=base64,data=aGk=", &err), ==,
                    NULL);
    text = secret_find_text(root, "b", error_abort);
    g_assert_cmpstr(text, ==, "hi");
    g_free(text);
}

static void test_bad_secrets(void)
{
    static const char *const cases[][2] = {
        { "keyid=m,data=" HELLO ",iv=" IV0,
          "Length 24 must be a multiple of block size 16" },
        { "keyid=m,format=base64,data=" HELLO,
          "IV is required to decrypt secret" },
        { "keyid=m,format=base64,iv=AAAA,data=" HELLO,
          "IV should be 16 bytes in length not 3" },
        { "keyid=m,format=base64,iv=A!,data=" HELLO,
          "Base64 data contains invalid characters" },
        { "keyid=x,format=base64,iv=" IV0 ",data=" HELLO,
          "No secret with id 'x'" },
        { "keyid=m,format=base64,iv=" IV0 ",data=AAAA",
          "Length 3 must be a multiple of block size 16" },
        { "keyid=short,format=base64,iv=" IV0 ",data=" HELLO,
          "Key should be 32 bytes in length" },
        { "format=base64,data=a*", "Base64 data contains invalid characters" },
        { "data=a,file=b", "'file' and 'data' are mutually exclusive" },
        { "format=raw", "Either 'file' or 'data' must be provided" },
    };
    g_autoptr(Object) root = object_root_new();
    autoerr Error *err = NULL;

    g_assert_cmpstr(add(root, MASTER, &err), ==, NULL);
    g_assert_cmpstr(add(root, "secret,id=short,data=abc", &err), ==, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *option =
            g_strdup_printf("secret,id=s,%s", cases[i][0]);

        g_assert_cmpstr(add(root, option, &err), ==, cases[i][1]);
        g_assert_null(object_user_find(root, "s"));
    }
    g_assert_cmpstr(add(root, "secret_keyring,id=s", &err), ==,
                    "Parameter 'serial' is missing");
    g_assert_true(
        g_str_has_prefix(add(root, "secret_keyring,id=s,serial=1", &err),
                         "Unable to read serial key 00000001"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/crypto/vectors", test_vectors);
    g_test_add_func("/crypto/modes", test_all_modes_go_back);
    g_test_add_func("/crypto/key-length", test_wrong_key_length);
    g_test_add_func("/crypto/essiv", test_essiv_needs_a_fitting_hash);
    g_test_add_func("/crypto/sectors", test_sector_numbers);
    g_test_add_func("/crypto/hashes", test_hashes);
    g_test_add_func("/crypto/pbkdf2", test_pbkdf2);
    g_test_add_func("/crypto/pbkdf2-time", test_pbkdf2_time);
    g_test_add_func("/crypto/splitter", test_splitter);
    g_test_add_func("/crypto/secrets", test_secrets);
    g_test_add_func("/crypto/bad-secrets", test_bad_secrets);
    return g_test_run();
}
