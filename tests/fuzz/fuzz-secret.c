/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data of secret objects: plain, base64, encrypted with another secret. The
 * input is a byte of flags, the initialization vector up to a zero, the data.
 */
#include "util/osdep.h"

#include "crypto/secret.h"
#include "fuzz-limits.h"
#include "qobject/qobject.h"
#include "qom/user-object.h"
#include "util/error.h"

enum { BASE64 = 1, ENCRYPTED = 2, NO_IV = 4, INPUT_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(Object *root, uint8_t flags, const char *iv, const char *text)
{
    g_autoptr(QDict) d = qdict_new();
    autoerr Error *err = NULL;

    qdict_put_str(d, "qom-type", "secret");
    qdict_put_str(d, "id", "s");
    qdict_put_str(d, "data", text);
    qdict_put_str(d, "format", flags & BASE64 ? "base64" : "raw");
    if (flags & ENCRYPTED) {
        qdict_put_str(d, "keyid", "k");
    }
    if (!(flags & NO_IV)) {
        qdict_put_str(d, "iv", iv);
    }
    if (object_user_add(root, NULL, d, QAPI_KEYVAL, &err)) {
        size_t len;
        secret_find(root, "s", &len, error_abort);

        if (len > strlen(text)) {
            abort();
        }
        object_user_del(root, "s", error_abort);
    } else if (!err) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Object *root;
    g_autofree char *input = NULL;
    size_t iv;

    if (!root) {
        root = object_root_new();
        object_user_add_option(root, NULL,
                               "secret,id=k,data="
                               "0123456789abcdef0123456789abcdef",
                               error_abort);
    }
    if (!size || size > INPUT_MAX) {
        return 0;
    }
    limits_start();
    input = g_malloc0(size + 2);
    memcpy(input, data, size);
    iv = strlen(input + 1);
    add(root, data[0], input + 1, iv + 2 <= size ? input + iv + 2 : "");
    return 0;
}
