/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kinds of secrets have in common. */
#ifndef CRYPTO_SECRET_COMMON_H
#define CRYPTO_SECRET_COMMON_H

#include "qom/object.h"
#include "util/error.h"

QOM_DECLARE(SecretCommon, secret_common)
struct SecretCommon {
    Object parent;
    char *keyid, *iv; /* properties: const after complete */
    int format;       /* QCryptoSecretFormat */
    uint8_t *bytes;   /* what is kept secret, and a 0 */
    size_t len;
    size_t size; /* of what was loaded, to be wiped */
};

typedef struct SecretClass {
    OBJECT_CLASS_FIELDS
    /* Fill bytes (with a 0 behind them) and len as the user gave them. */
    bool (*load)(SecretCommon *s, Error **errp);
} SecretClass;

#endif
