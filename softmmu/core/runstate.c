/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Run states: which may follow which, and starting and stopping the guest. */
#include "util/osdep.h"

#include "qapi/qapi-events-run-state.h"
#include "softmmu/core/vm-internal.h"
#include "softmmu/cpu.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/trace.h"

TRACE_POINT(runstate_set);
TRACE_POINT(vm_state_notify);

#define TO(state) BIT(RUN_STATE_##state)

/* Any stopped state may follow another by "stop", error or migration. */
#define STOPPED_STATES                                                         \
    (TO(DEBUG) | TO(INTERNAL_ERROR) | TO(IO_ERROR) | TO(PAUSED) |              \
     TO(POSTMIGRATE) | TO(PRELAUNCH) | TO(FINISH_MIGRATE) | TO(RESTORE_VM) |   \
     TO(SAVE_VM) | TO(SHUTDOWN) | TO(WATCHDOG) | TO(GUEST_PANICKED))

static const uint64_t transitions[RUN_STATE__MAX] = {
    [RUN_STATE_PRELAUNCH] = TO(RUNNING) | TO(INMIGRATE) | TO(FINISH_MIGRATE) |
                            TO(SUSPENDED) | TO(RESTORE_VM) | TO(PAUSED) |
                            TO(SHUTDOWN),
    [RUN_STATE_INMIGRATE] = STOPPED_STATES | TO(RUNNING) | TO(SUSPENDED),
    [RUN_STATE_RUNNING] = STOPPED_STATES | TO(SUSPENDED),
    [RUN_STATE_SUSPENDED] = STOPPED_STATES | TO(RUNNING),
    [RUN_STATE_PAUSED] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(POSTMIGRATE) |
                         TO(PRELAUNCH) | TO(RESTORE_VM) | TO(SAVE_VM) |
                         TO(SHUTDOWN) | TO(SUSPENDED),
    [RUN_STATE_POSTMIGRATE] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_FINISH_MIGRATE] = STOPPED_STATES | TO(RUNNING) | TO(SUSPENDED),
    [RUN_STATE_RESTORE_VM] = TO(RUNNING) | TO(PRELAUNCH) | TO(PAUSED) |
                             TO(SUSPENDED),
    [RUN_STATE_SAVE_VM] = STOPPED_STATES | TO(RUNNING) | TO(SUSPENDED),
    [RUN_STATE_DEBUG] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH) |
                        TO(SUSPENDED),
    [RUN_STATE_INTERNAL_ERROR] = TO(PAUSED) | TO(FINISH_MIGRATE) |
                                 TO(PRELAUNCH),
    [RUN_STATE_IO_ERROR] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_SHUTDOWN] = TO(PAUSED) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_WATCHDOG] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH),
    [RUN_STATE_GUEST_PANICKED] = TO(RUNNING) | TO(FINISH_MIGRATE) |
                                 TO(PRELAUNCH),
};

RunState vm_run_state(const Vm *vm)
{
    return __atomic_load_n(&vm->core->state, __ATOMIC_ACQUIRE);
}

bool vm_is_running(const Vm *vm)
{
    return vm_run_state(vm) == RUN_STATE_RUNNING;
}

void vm_set_run_state(Vm *vm, RunState state)
{
    RunState old = vm->core->state;

    if (old == state) {
        return;
    }
    if (!(transitions[old] & BIT(state))) {
        fprintf(stderr, "invalid run state change '%s' -> '%s'\n",
                qapi_enum_name(&qapi_type_RunState, old),
                qapi_enum_name(&qapi_type_RunState, state));
        abort();
    }
    __atomic_store_n(&vm->core->state, state, __ATOMIC_RELEASE);
    trace(runstate_set, "current_run_state %s new_state %s",
          qapi_enum_name(&qapi_type_RunState, old),
          qapi_enum_name(&qapi_type_RunState, state));
}

static void notify(Vm *vm, bool running, RunState state)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    trace(vm_state_notify, "running %d reason %s", running,
          qapi_enum_name(&qapi_type_RunState, state));
    for (VmStateListener *l = vm->core->state_listeners; l; l = l->next) {
        g_ptr_array_add(all, l);
    }
    for (guint i = 0; i < all->len; i++) {
        VmStateListener *l = all->pdata[running ? i : all->len - 1 - i];

        l->fn(l->opaque, running, state);
    }
}

void vm_state_listener_add(Vm *vm, VmStateListener *l)
{
    VmStateListener **at = &vm->core->state_listeners;

    while (*at && (*at)->priority <= l->priority) {
        at = &(*at)->next;
    }
    l->next = *at;
    *at = l;
}

void vm_state_listener_del(Vm *vm, VmStateListener *l)
{
    for (VmStateListener **at = &vm->core->state_listeners; *at;
         at = &(*at)->next) {
        if (*at == l) {
            *at = l->next;
            return;
        }
    }
}

bool vm_start(Vm *vm, Error **errp)
{
    switch (vm->core->state) {
    case RUN_STATE_RUNNING:
        return true;
    case RUN_STATE_INTERNAL_ERROR:
    case RUN_STATE_SHUTDOWN:
        return error_set(errp, "Resetting the Virtual Machine is required");
    case RUN_STATE_SUSPENDED:
        return true;
    case RUN_STATE_FINISH_MIGRATE:
        return error_set(errp, "Migration is not finalized yet");
    default:
        break;
    }
    vm_set_run_state(vm, RUN_STATE_RUNNING);
    vm_clocks_run(vm->core->clocks, true);
    notify(vm, true, RUN_STATE_RUNNING);
    cpus_resume(vm);
    qapi_event_send_resume(vm->events);
    return true;
}

/* At the end of the program clients hear SHUTDOWN, not STOP. */
void vm_stop_tell(Vm *vm, RunState state, bool tell)
{
    if (!vm_is_running(vm)) {
        /* From one stopped state to another, where that is allowed. */
        if (transitions[vm->core->state] & BIT(state) &&
            vm->core->state != RUN_STATE_PRELAUNCH) {
            vm_set_run_state(vm, state);
        }
        return;
    }
    cpus_pause(vm);
    vm_clocks_run(vm->core->clocks, false);
    vm_set_run_state(vm, state);
    notify(vm, false, state);
    if (tell) {
        qapi_event_send_stop(vm->events);
    }
}

void vm_stop(Vm *vm, RunState state)
{
    vm_stop_tell(vm, state, true);
}
