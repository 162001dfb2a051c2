/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects that say who may come in: authz-simple, authz-list, authz-listfile.
 * Machine lock, or the only thread. */
#ifndef CRYPTO_AUTHZ_H
#define CRYPTO_AUTHZ_H

#include "qom/object.h"
#include "util/error.h"

/* May @identity (NULL: unknown) come in by the object /objects/ID? False with
 * an error when not, or when there is no such object. */
bool authz_check(Object *root, const char *id, const char *identity,
                 Error **errp);

#endif
