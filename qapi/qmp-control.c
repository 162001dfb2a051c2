/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about QMP itself; for programs, which have a schema. */
#include "util/osdep.h"

#include "qapi/dispatch.h"
#include "qapi/qapi-commands-control.h"

CommandInfoList *qmp_query_commands(Vm *vm, Error **errp)
{
    CommandInfoList *list = NULL, **tail = &list;

    for (const QmpCommand *cmd = qmp_command_next(NULL); cmd;
         cmd = qmp_command_next(cmd)) {
        CommandInfo *info = g_new0(CommandInfo, 1);

        info->name = g_strdup(cmd->name);
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

bool qmp_query_qmp_schema(Vm *vm, QDict *args, JsonWriter *ret, Error **errp)
{
    static const QapiType no_args = {
        .name = "arguments",
        .kind = QAPI_STRUCT,
        .size = 1,
    };
    char none;

    if (!qapi_read_members(&no_args, args, &none, QAPI_STRICT, errp)) {
        return false;
    }
    json_raw(ret, qmp_schema_json, qmp_schema_json_len);
    return true;
}

VersionInfo *qmp_query_version(Vm *vm, Error **errp)
{
    VersionInfo *info = g_new0(VersionInfo, 1);

    info->qemu = g_new0(VersionTriple, 1);
    sscanf(CONFIG_VERSION, "%" SCNd64 ".%" SCNd64 ".%" SCNd64,
           &info->qemu->major, &info->qemu->minor, &info->qemu->micro);
    info->package = g_strdup("NEMU");
    return info;
}
