/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: run state, life cycle, name and UUID. */
#include "util/osdep.h"

#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-commands-machine.h"
#include "qapi/qapi-commands-misc.h"
#include "qapi/qapi-commands-run-state.h"
#include "softmmu/cpu.h"
#include "softmmu/vm.h"
#include "util/error.h"

StatusInfo *qmp_query_status(Vm *vm, Error **errp)
{
    StatusInfo *info = g_new0(StatusInfo, 1);

    info->status = vm_run_state(vm);
    info->running = info->status == RUN_STATE_RUNNING;
    return info;
}

bool qmp_stop(Vm *vm, Error **errp)
{
    vm_stop(vm, RUN_STATE_PAUSED);
    return true;
}

bool qmp_cont(Vm *vm, Error **errp)
{
    return vm_start(vm, errp);
}

bool qmp_system_reset(Vm *vm, Error **errp)
{
    vm_reset_request(vm, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    return true;
}

bool qmp_x_exit_preconfig(Vm *vm, Error **errp)
{
    if (!vm->preconfig) {
        return error_set(errp, "The command is permitted only before machine "
                               "initialization");
    }
    vm->preconfig = false;
    vm->building = true; /* what comes behind this finds the machine built */
    return true;
}

bool qmp_system_powerdown(Vm *vm, Error **errp)
{
    vm_powerdown_request(vm);
    return true;
}

bool qmp_quit(Vm *vm, Error **errp)
{
    vm_shutdown_request(vm, SHUTDOWN_CAUSE_HOST_QMP_QUIT);
    return true;
}

static bool watchdog_action_ok(WatchdogAction action, Error **errp)
{
    return action != WATCHDOG_ACTION_INJECT_NMI ||
           error_set(errp, "watchdog action 'inject-nmi' is not supported");
}

bool qmp_watchdog_set_action(Vm *vm, WatchdogAction action, Error **errp)
{
    if (!watchdog_action_ok(action, errp)) {
        return false;
    }
    vm_actions(vm)->watchdog = action;
    return true;
}

bool qmp_set_action(Vm *vm, bool has_reboot, RebootAction reboot,
                    bool has_shutdown, ShutdownAction shutdown, bool has_panic,
                    PanicAction panic, bool has_watchdog,
                    WatchdogAction watchdog, Error **errp)
{
    VmActions *a = vm_actions(vm);

    if (has_watchdog && !watchdog_action_ok(watchdog, errp)) {
        return false;
    }
    a->reboot = has_reboot ? reboot : a->reboot;
    a->shutdown = has_shutdown ? shutdown : a->shutdown;
    a->panic = has_panic ? panic : a->panic;
    a->watchdog = has_watchdog ? watchdog : a->watchdog;
    return true;
}

NameInfo *qmp_query_name(Vm *vm, Error **errp)
{
    NameInfo *info = g_new0(NameInfo, 1);

    info->name = g_strdup(vm->name);
    return info;
}

UuidInfo *qmp_query_uuid(Vm *vm, Error **errp)
{
    UuidInfo *info = g_new0(UuidInfo, 1);
    const uint8_t *u = vm->uuid;

    info->UUID = g_strdup_printf(
        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
        u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10],
        u[11], u[12], u[13], u[14], u[15]);
    return info;
}
