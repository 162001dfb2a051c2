/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What objects of type "secret" keep. Machine lock, or the only thread. */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include "qom/object.h"
#include "util/error.h"

/* The bytes of the secret /objects/ID; valid as long as that object. NULL with
 * an error. */
const uint8_t *secret_find(Object *root, const char *id, size_t *len,
                           Error **errp);
/* The same as text: free, better after explicit_bzero(). */
char *secret_find_text(Object *root, const char *id, Error **errp);

#endif
