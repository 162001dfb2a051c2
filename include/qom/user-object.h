/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects that users make (-object, object-add, --object of the tools), below
 * a root: that of the VM, or a tool's own. Machine lock, or the only thread.
 */
#ifndef QOM_USER_OBJECT_H
#define QOM_USER_OBJECT_H

#include "qom/object.h"

/* From a dict with "qom-type", "id" and properties. The new object sits at
 * /objects/ID. @vm goes to its complete(); NULL in a tool. */
bool object_user_add(Object *root, Vm *vm, const QDict *opts, QapiMode mode,
                     Error **errp);
/* The same from the text of an option. */
bool object_user_add_option(Object *root, Vm *vm, const char *text,
                            Error **errp);
bool object_user_del(Object *root, const char *id, Error **errp);
/* The type of a user-creatable object or NULL with a hint. */
const ObjectType *object_user_type(const char *name, Error **errp);
/* "-object help" and "-object TYPE,help" (@type NULL: the list). */
bool object_user_help(const char *type, GString *out, Error **errp);
/* If the option's @text asks for help: print it and end the program. */
void object_user_option_help(const char *text);
/* The object at /objects/ID, or NULL. */
Object *object_user_find(Object *root, const char *id);

#endif
