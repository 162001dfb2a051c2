/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "secret": a password or key, given in place or in a file, maybe encrypted
 * with another. QEMU's manual, "Providing secret data".
 */
#include "util/osdep.h"

#include "crypto/cipher.h"
#include "crypto/secret-common.h"
#include "crypto/secret.h"
#include "qapi/qapi-types-qom.h"
#include "qom/user-object.h"
#include "util/error.h"

#define MAX_SECRET_FILE (1 * MiB)

/* All secrets
 * ------------------------------------------------------------------------- */

/* What @text says in base64, in its place. */
static bool decode(uint8_t *text, size_t *len, Error **errp)
{
    gsize decoded = *len;

    for (size_t i = 0; i < *len; i++) {
        if (!g_ascii_isalnum(text[i]) && !memchr("+/=\r\n", text[i], 5)) {
            return error_set(errp, "Base64 data contains invalid characters");
        }
    }
    if (*len > 1) {
        g_base64_decode_inplace((char *)text, &decoded);
    } else {
        decoded = 0;
    }
    *len = decoded;
    return true;
}

static bool decode_iv(const char *text, uint8_t iv[CRYPTO_MAX_IV], Error **errp)
{
    g_autofree uint8_t *raw = (uint8_t *)g_strdup(text);
    size_t len = text ? strlen(text) : 0;

    if (!text) {
        return error_set(errp, "IV is required to decrypt secret");
    }
    if (!decode(raw, &len, errp)) {
        return false;
    }
    if (len != CRYPTO_MAX_IV) {
        return error_set(errp, "IV should be %d bytes in length not %zu",
                         CRYPTO_MAX_IV, len);
    }
    memcpy(iv, raw, len);
    return true;
}

/* AES-256-CBC with the padding of PKCS #7. */
static bool decrypt(SecretCommon *s, const uint8_t *key, size_t key_len,
                    Error **errp)
{
    QCryptoCipherAlgorithm alg = QCRYPTO_CIPHER_ALGORITHM_AES_256;
    uint8_t iv[CRYPTO_MAX_IV];
    CryptoCipher *c;
    size_t pad;

    if (key_len != crypto_cipher_key_len(alg, QCRYPTO_CIPHER_MODE_CBC)) {
        return error_set(errp, "Key should be %zu bytes in length",
                         crypto_cipher_key_len(alg, QCRYPTO_CIPHER_MODE_CBC));
    }
    if (!decode_iv(s->iv, iv, errp)) {
        return false;
    }
    if (s->len % CRYPTO_MAX_IV) {
        return error_set(errp, "Length %zu must be a multiple of block size %d",
                         s->len, CRYPTO_MAX_IV);
    }
    if (!s->len) {
        return true;
    }
    c = crypto_cipher_new(alg, QCRYPTO_CIPHER_MODE_CBC, key, key_len, errp);
    if (!c) {
        return false;
    }
    crypto_cipher_decrypt(c, iv, s->bytes, s->bytes, s->len);
    crypto_cipher_free(c);
    pad = s->bytes[s->len - 1];
    if (!pad || pad > CRYPTO_MAX_IV || pad > s->len) {
        return error_set(errp,
                         "Incorrect number of padding bytes (%zu) found on "
                         "decrypted data",
                         pad);
    }
    s->len -= pad;
    s->bytes[s->len] = '\0';
    return true;
}

static bool secret_complete(Object *obj, Vm *vm, Error **errp)
{
    SecretCommon *s = secret_common(obj);
    const SecretClass *cls = object_class(obj);
    const uint8_t *key;
    size_t key_len;

    if (!cls->load(s, errp)) {
        return false;
    }
    s->size = s->len;
    if (s->format == QCRYPTO_SECRET_FORMAT_BASE64 &&
        !decode(s->bytes, &s->len, errp)) {
        return false;
    }
    if (!s->keyid) {
        return true;
    }
    key = secret_find(obj->root, s->keyid, &key_len, errp);
    return key && decrypt(s, key, key_len, errp);
}

static void secret_finalize(Object *obj)
{
    SecretCommon *s = secret_common(obj);

    crypto_wipe_free(s->bytes, s->size);
}

static const Prop common_props[] = {
    PROP_ENUM(SecretCommon, format, "format", &qapi_type_QCryptoSecretFormat,
              QCRYPTO_SECRET_FORMAT_RAW),
    PROP_STR(SecretCommon, keyid, "keyid", .type = "string"),
    PROP_STR(SecretCommon, iv, "iv", .type = "string"),
    {},
};
static const SecretClass common_class = { .props = common_props };
static const UserCreatable secret_user = {
    .complete = secret_complete,
    .early = true,
};

QOM_DEFINE(SecretCommon, secret_common, .name = "secret_common",
           .parent = &object_type, .class = &common_class, .abstract = true,
           .user_creatable = &secret_user, .finalize = secret_finalize);

/* The one with the data
 * --------------------------------------------------------------- */

QOM_DECLARE(Secret, secret)
struct Secret {
    SecretCommon parent;
    char *data, *file; /* properties: const after complete */
};

static bool secret_load(SecretCommon *c, Error **errp)
{
    Secret *s = secret(c);
    g_autoptr(GError) gerr = NULL;
    gsize len;
    char *text;

    if (s->data && s->file) {
        return error_set(errp, "'file' and 'data' are mutually exclusive");
    }
    if (!s->data && !s->file) {
        return error_set(errp, "Either 'file' or 'data' must be provided");
    }
    if (s->data) {
        c->len = strlen(s->data);
        c->bytes = (uint8_t *)g_strdup(s->data);
        return true;
    }
    if (!g_file_get_contents(s->file, &text, &len, &gerr)) {
        return error_set(errp, "Unable to read %s: %s", s->file, gerr->message);
    }
    c->bytes = (uint8_t *)text;
    c->size = c->len = len;
    return len <= MAX_SECRET_FILE ||
           error_set(errp, "secret file %s is too large", s->file);
}

static const Prop secret_props[] = {
    PROP_STR(Secret, data, "data", .type = "string"),
    PROP_STR(Secret, file, "file", .type = "string"),
    {},
};
static const SecretClass secret_class = { .props = secret_props,
                                          .load = secret_load };
QOM_DEFINE(Secret, secret, .name = "secret", .parent = &secret_common_type,
           .class = &secret_class);

/* Users
 * ------------------------------------------------------------------------------
 */

const uint8_t *secret_find(Object *root, const char *id, size_t *len,
                           Error **errp)
{
    Object *obj = root ? object_user_find(root, id) : NULL;
    SecretCommon *s =
        obj ? object_dynamic_cast(obj, &secret_common_type) : NULL;

    if (!obj) {
        return error_set(errp, "No secret with id '%s'", id), NULL;
    }
    if (!s) {
        return error_set(errp, "Object with id '%s' is not a secret", id), NULL;
    }
    *len = s->len;
    return s->bytes;
}

char *secret_find_text(Object *root, const char *id, Error **errp)
{
    size_t len;
    const uint8_t *bytes = secret_find(root, id, &len, errp);

    if (!bytes) {
        return NULL;
    }
    if (memchr(bytes, 0, len) ||
        !g_utf8_validate((const char *)bytes, len, NULL)) {
        return error_set(errp, "Data from secret %s is not valid UTF-8", id),
               NULL;
    }
    return g_strndup((const char *)bytes, len);
}
