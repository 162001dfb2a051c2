/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VM's objects that users make; see qom/user-object.h. Machine lock. */
#ifndef SOFTMMU_USER_OBJECT_H
#define SOFTMMU_USER_OBJECT_H

#include "qom/user-object.h"
#include "softmmu/vm.h"

static inline bool user_object_add(Vm *vm, const QDict *opts, QapiMode mode,
                                   Error **errp)
{
    return object_user_add(vm->root, vm, opts, mode, errp);
}

static inline bool user_object_del(Vm *vm, const char *id, Error **errp)
{
    return object_user_del(vm->root, id, errp);
}

static inline const ObjectType *user_object_type(const char *name, Error **errp)
{
    return object_user_type(name, errp);
}

static inline bool user_object_help(const char *type, GString *out,
                                    Error **errp)
{
    return object_user_help(type, out, errp);
}

static inline Object *user_object_find(Vm *vm, const char *id)
{
    return object_user_find(vm->root, id);
}

#endif
