/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: what machines there are, and what this one is. */
#include "util/osdep.h"

#include "hw/core/machine.h"
#include "qapi/qapi-commands-machine.h"
#include "softmmu/vm.h"

static MachineInfo *machine_info(const MachineClass *mc)
{
    MachineInfo *info = g_new0(MachineInfo, 1);

    info->name = g_strdup(mc->name);
    info->alias = g_strdup(mc->alias);
    info->has_is_default = info->is_default = mc->is_default;
    info->cpu_max = mc->max_cpus;
    info->hotpluggable_cpus = mc->hotpluggable_cpus;
    info->default_cpu_type = g_strdup(mc->default_cpu_type);
    info->default_ram_id = g_strdup(mc->default_ram_id);
    return info;
}

MachineInfoList *qmp_query_machines(Vm *vm, Error **errp)
{
    g_autofree const char **names = type_names(&machine_type);
    MachineInfoList *list = NULL, **tail = &list;

    for (const char **n = names; *n; n++) {
        const MachineClass *mc = type_class(type_find(*n));

        if (!mc->target || g_str_equal(mc->target, vm->target)) {
            QAPI_LIST_APPEND(tail, machine_info(mc));
        }
    }
    return list;
}

CurrentMachineParams *qmp_query_current_machine(Vm *vm, Error **errp)
{
    CurrentMachineParams *params = g_new0(CurrentMachineParams, 1);

    /* ACPI S3 is not offered, so nothing could be woken up. */
    params->wakeup_suspend_support = false;
    return params;
}

TargetInfo *qmp_query_target(Vm *vm, Error **errp)
{
    TargetInfo *info = g_new0(TargetInfo, 1);

    info->arch = qapi_enum_parse(&qapi_type_SysEmuTarget, vm->target, errp);
    return info;
}

MemoryInfo *qmp_query_memory_size_summary(Vm *vm, Error **errp)
{
    MemoryInfo *info = g_new0(MemoryInfo, 1);

    /* No device adds memory yet, so what is there was there at start. */
    info->base_memory = vm->machine ? vm->machine->ram_size : 0;
    info->has_plugged_memory = true;
    return info;
}
