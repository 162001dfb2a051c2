/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: the CPU models of AArch64. There are none yet: only machine "none". */
#include "util/osdep.h"

#include "qapi/qapi-commands-machine-target.h"
#include "util/error.h"

CpuDefinitionInfoList *qmp_query_cpu_definitions(Vm *vm, Error **errp)
{
    return NULL;
}

CpuModelExpansionInfo *
qmp_query_cpu_model_expansion(Vm *vm, CpuModelExpansionType type,
                              CpuModelInfo *model, Error **errp)
{
    error_set(errp, "CPU model '%s' not found", model->name);
    return NULL;
}
