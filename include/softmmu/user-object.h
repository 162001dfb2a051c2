/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects that users make: -object, object-add, object-del. Machine lock. */
#ifndef SOFTMMU_USER_OBJECT_H
#define SOFTMMU_USER_OBJECT_H

#include "qom/object.h"

/* From a dict with "qom-type", "id" and properties. The new object sits at
 * /objects/ID. */
bool user_object_add(Vm *vm, const QDict *opts, QapiMode mode, Error **errp);
bool user_object_del(Vm *vm, const char *id, Error **errp);
/* The type of a user-creatable object or NULL with a hint. */
const ObjectType *user_object_type(const char *name, Error **errp);
/* "-object help" and "-object TYPE,help" (@type NULL: the list). */
bool user_object_help(const char *type, GString *out, Error **errp);
/* Any thread-less caller: the object at /objects/ID, or NULL. */
Object *user_object_find(Vm *vm, const char *id);

#endif
