/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "secret": a password or key, given in place or in a file. QEMU's manual,
 * "Providing secret data". Encrypted secrets (keyid, iv) are refused.
 */
#include "util/osdep.h"

#include "crypto/secret.h"
#include "qapi/qapi-types-qom.h"
#include "qom/user-object.h"
#include "util/error.h"

#define MAX_SECRET_FILE (1 * MiB)

QOM_DECLARE(Secret, secret)
struct Secret {
    Object parent;
    char *data, *file, *keyid, *iv; /* properties: const after complete */
    int format;                     /* QCryptoSecretFormat */
    uint8_t *bytes;                 /* what is kept secret */
    size_t len;
};

static bool secret_load(Secret *s, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    gsize len;
    char *text;

    if (!s->file) {
        s->len = strlen(s->data);
        s->bytes = (uint8_t *)g_strdup(s->data);
        return true;
    }
    if (!g_file_get_contents(s->file, &text, &len, &gerr)) {
        return error_set(errp, "Unable to read %s: %s", s->file, gerr->message);
    }
    s->bytes = (uint8_t *)text;
    s->len = len;
    return len <= MAX_SECRET_FILE ||
           error_set(errp, "secret file %s is too large", s->file);
}

static bool secret_decode(Secret *s, Error **errp)
{
    gsize len;

    if (s->format != QCRYPTO_SECRET_FORMAT_BASE64) {
        return true;
    }
    for (size_t i = 0; i < s->len; i++) {
        if (!g_ascii_isalnum(s->bytes[i]) &&
            !memchr("+/=\r\n", s->bytes[i], 5)) {
            return error_set(errp, "Base64 data is not valid");
        }
    }
    if (s->len < 2) {
        return error_set(errp, "Base64 data is not valid");
    }
    g_base64_decode_inplace((char *)s->bytes, &len);
    s->len = len;
    return true;
}

static bool secret_complete(Object *obj, Vm *vm, Error **errp)
{
    Secret *s = secret(obj);

    if (s->keyid || s->iv) {
        return error_set(errp,
                         "'%s' is not supported: secrets cannot be "
                         "encrypted here",
                         s->keyid ? "keyid" : "iv");
    }
    if (s->data && s->file) {
        return error_set(errp, "'file' and 'data' are mutually exclusive");
    }
    if (!s->data && !s->file) {
        return error_set(errp, "Must provide 'file' or 'data'");
    }
    return secret_load(s, errp) && secret_decode(s, errp);
}

static void secret_finalize(Object *obj)
{
    Secret *s = secret(obj);

    if (s->bytes) {
        explicit_bzero(s->bytes, s->len);
    }
    g_free(s->bytes);
}

static const Prop secret_props[] = {
    PROP_STR(Secret, data, "data", .type = "string"),
    PROP_STR(Secret, file, "file", .type = "string"),
    PROP_ENUM(Secret, format, "format", &qapi_type_QCryptoSecretFormat,
              QCRYPTO_SECRET_FORMAT_RAW),
    PROP_STR(Secret, keyid, "keyid", .type = "string"),
    PROP_STR(Secret, iv, "iv", .type = "string"),
    {},
};

static const ObjectClass secret_class = { .props = secret_props };

static const UserCreatable secret_user = {
    .complete = secret_complete,
    .early = true,
};

QOM_DEFINE(Secret, secret, .name = "secret", .parent = &object_type,
           .class = &secret_class, .user_creatable = &secret_user,
           .finalize = secret_finalize);

const uint8_t *secret_find(Object *root, const char *id, size_t *len,
                           Error **errp)
{
    Object *obj = root ? object_user_find(root, id) : NULL;
    Secret *s = obj ? object_dynamic_cast(obj, &secret_type) : NULL;

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
