/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP and HMP: the vCPUs and the places for more. */
#include "util/osdep.h"

#include "accel/accel.h"
#include "hw/core/cpu-device.h"
#include "hw/core/machine.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-machine.h"
#include "softmmu/vm.h"
#include "util/error.h"

static CpuSlot *slot_of(Machine *m, const Cpu *cpu)
{
    for (unsigned i = 0; i < m->n_cpu_slots; i++) {
        if (m->cpu_slots[i].cpu == cpu) {
            return &m->cpu_slots[i];
        }
    }
    return NULL;
}

CpuInfoFastList *qmp_query_cpus_fast(Vm *vm, Error **errp)
{
    CpuInfoFastList *list = NULL, **tail = &list;

    for (unsigned i = 0; i < vm->cpus->len; i++) {
        const Cpu *cpu = g_ptr_array_index(vm->cpus, i);
        const CpuSlot *slot = cpu ? slot_of(vm->machine, cpu) : NULL;
        CpuInfoFast *info;

        if (!cpu) {
            continue;
        }
        info = g_new0(CpuInfoFast, 1);
        info->cpu_index = cpu->index;
        info->qom_path = object_path(&cpu->dev->obj);
        /* Without an accelerator that runs it, nobody but us. */
        info->thread_id = cpu->thread_id ? cpu->thread_id : getpid();
        info->target = qapi_enum_find(&qapi_type_SysEmuTarget, vm->target, 0);
        if (slot) {
            info->props = QAPI_CLONE(CpuInstanceProperties, &slot->props);
        }
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

HotpluggableCPUList *qmp_query_hotpluggable_cpus(Vm *vm, Error **errp)
{
    Machine *m = vm->machine;
    HotpluggableCPUList *list = NULL;

    if (!m || !machine_class(m)->hotpluggable_cpus) {
        error_set(errp, "The feature 'query-hotpluggable-cpus' is not enabled");
        return NULL;
    }
    for (unsigned i = 0; i < m->n_cpu_slots; i++) {
        const CpuSlot *slot = &m->cpu_slots[i];
        HotpluggableCPU *cpu = g_new0(HotpluggableCPU, 1);

        cpu->type = g_strdup(m->cpu_type);
        cpu->vcpus_count = slot->vcpus_count;
        cpu->props = QAPI_CLONE(CpuInstanceProperties, &slot->props);
        if (slot->cpu) {
            cpu->qom_path = object_path(&slot->cpu->dev->obj);
        }
        QAPI_LIST_PREPEND(list, cpu);
    }
    return list;
}

static bool info_cpus(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(CpuInfoFastList) list = qmp_query_cpus_fast(hmp->vm, errp);

    QAPI_LIST_FOREACH(list, n) {
        hmp_printf(hmp, "%c CPU #%" PRId64 ": thread_id=%" PRId64 "\n",
                   n->value->cpu_index == hmp->cpu ? '*' : ' ',
                   n->value->cpu_index, n->value->thread_id);
    }
    return true;
}

static bool nmi(Hmp *hmp, const QDict *args, Error **errp)
{
    return hmp_qmp_void(hmp, "inject-nmi", NULL, errp);
}

static const HmpCommand cpu_commands[] = {
    { .name = "info cpus", .help = "show infos for each CPU",
      .run = info_cpus },
    { .name = "nmi", .help = "inject an NMI", .run = nmi },
};
HMP_COMMANDS(cpu_commands);
