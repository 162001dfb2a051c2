/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which optional features of migration the client switched on. */
#include "util/osdep.h"

#include "qapi/qapi-commands-migration.h"
#include "softmmu/vm.h"

MigrationCapabilityStatusList *qmp_query_migrate_capabilities(Vm *vm,
                                                              Error **errp)
{
    MigrationCapabilityStatusList *list = NULL, **tail = &list;

    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        MigrationCapabilityStatus *s = g_new0(MigrationCapabilityStatus, 1);

        s->capability = i;
        s->state = vm->migrate_caps & BIT(i);
        QAPI_LIST_APPEND(tail, s);
    }
    return list;
}

bool qmp_migrate_set_capabilities(Vm *vm,
                                  MigrationCapabilityStatusList *capabilities,
                                  Error **errp)
{
    QAPI_LIST_FOREACH(capabilities, c) {
        if (c->value->state) {
            vm->migrate_caps |= BIT(c->value->capability);
        } else {
            vm->migrate_caps &= ~BIT(c->value->capability);
        }
    }
    return true;
}
