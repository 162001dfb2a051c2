/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to reset, shut down, stop or leave, which come from any thread and
 * are served on the main loop as the actions say; and the main loop itself.
 */
#include "util/osdep.h"

#include "qapi/qapi-events-run-state.h"
#include "softmmu/core/vm-internal.h"
#include "softmmu/cpu.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/trace.h"

TRACE_POINT(qemu_system_reset);
TRACE_POINT(qemu_system_shutdown_request);
TRACE_POINT(qemu_system_powerdown_request);

VmActions *vm_actions(Vm *vm)
{
    return &vm->core->actions;
}

static bool cause_is_guest(ShutdownCause cause)
{
    return cause == SHUTDOWN_CAUSE_GUEST_SHUTDOWN ||
           cause == SHUTDOWN_CAUSE_GUEST_RESET ||
           cause == SHUTDOWN_CAUSE_GUEST_PANIC ||
           cause == SHUTDOWN_CAUSE_SUBSYSTEM_RESET;
}

void vm_reset_register(Vm *vm, LoopFn *fn, void *opaque)
{
    ResetHandler h = { fn, opaque };

    g_array_append_val(vm->core->reset_handlers, h);
}

void vm_reset_unregister(Vm *vm, LoopFn *fn, void *opaque)
{
    GArray *all = vm->core->reset_handlers;

    for (guint i = 0; i < all->len; i++) {
        ResetHandler *h = &g_array_index(all, ResetHandler, i);

        if (h->fn == fn && h->opaque == opaque) {
            g_array_remove_index(all, i);
            return;
        }
    }
}

void vm_system_reset(Vm *vm, ShutdownCause cause)
{
    GArray *all = vm->core->reset_handlers;

    trace(qemu_system_reset, "reason %s",
          qapi_enum_name(&qapi_type_ShutdownCause, cause));
    vm->reset_cause = cause;
    for (guint i = 0; i < all->len; i++) {
        ResetHandler *h = &g_array_index(all, ResetHandler, i);

        h->fn(h->opaque);
    }
    if (cause != SHUTDOWN_CAUSE_NONE &&
        cause != SHUTDOWN_CAUSE_SUBSYSTEM_RESET) {
        qapi_event_send_reset(vm->events, cause_is_guest(cause), cause);
    }
}

void vm_powerdown_listener_add(Vm *vm, VmPowerdownListener *l)
{
    l->next = vm->core->powerdown_listeners;
    vm->core->powerdown_listeners = l;
}

void vm_powerdown_listener_del(Vm *vm, VmPowerdownListener *l)
{
    for (VmPowerdownListener **at = &vm->core->powerdown_listeners; *at;
         at = &(*at)->next) {
        if (*at == l) {
            *at = l->next;
            return;
        }
    }
}

/* Serving ----------------------------------------------------------------------- */

static void vm_end(Vm *vm, int status)
{
    vm->core->ended = true;
    vm->core->exit_status = status;
    loop_stop(vm->loop);
}

static void serve_shutdown(Vm *vm, ShutdownCause cause)
{
    VmActions *actions = vm_actions(vm);
    bool by_host = cause == SHUTDOWN_CAUSE_HOST_SIGNAL ||
                   cause == SHUTDOWN_CAUSE_HOST_QMP_QUIT;

    qapi_event_send_shutdown(vm->events, cause_is_guest(cause), cause);
    if (actions->shutdown == SHUTDOWN_ACTION_PAUSE && !by_host) {
        vm_stop(vm, RUN_STATE_SHUTDOWN);
        return;
    }
    if (vm_is_running(vm)) {
        vm_stop_tell(vm, RUN_STATE_SHUTDOWN, false);
    }
    vm_end(vm, cause == SHUTDOWN_CAUSE_GUEST_PANIC &&
                       actions->panic == PANIC_ACTION_EXIT_FAILURE
                   ? 1 : 0);
}

static void serve_reset(Vm *vm, ShutdownCause cause)
{
    bool running = vm_is_running(vm);

    if (cause != SHUTDOWN_CAUSE_SUBSYSTEM_RESET &&
        vm_actions(vm)->reboot == REBOOT_ACTION_SHUTDOWN) {
        serve_shutdown(vm, cause);
        return;
    }
    if (running) {
        cpus_pause(vm);
    }
    vm_system_reset(vm, cause);
    if (running) {
        cpus_resume(vm);
    } else if (vm->core->state != RUN_STATE_INMIGRATE &&
               vm->core->state != RUN_STATE_FINISH_MIGRATE) {
        vm_set_run_state(vm, RUN_STATE_PRELAUNCH);
    }
}

static void serve_panic(Vm *vm, GuestPanicInformation *info)
{
    PanicAction action = vm_actions(vm)->panic;

    switch (action) {
    case PANIC_ACTION_NONE:
        qapi_event_send_guest_panicked(vm->events, GUEST_PANIC_ACTION_RUN,
                                       info);
        break;
    case PANIC_ACTION_PAUSE:
        qapi_event_send_guest_panicked(vm->events, GUEST_PANIC_ACTION_PAUSE,
                                       info);
        vm_stop(vm, RUN_STATE_GUEST_PANICKED);
        break;
    default:
        qapi_event_send_guest_panicked(vm->events,
                                       GUEST_PANIC_ACTION_POWEROFF, info);
        vm_stop(vm, RUN_STATE_GUEST_PANICKED);
        serve_shutdown(vm, SHUTDOWN_CAUSE_GUEST_PANIC);
        break;
    }
    qapi_free_GuestPanicInformation(info);
}

static void serve_powerdown(Vm *vm)
{
    qapi_event_send_powerdown(vm->events);
    for (VmPowerdownListener *l = vm->core->powerdown_listeners; l;
         l = l->next) {
        l->fn(l->opaque);
    }
}

static bool take_flag(struct VmCore *core, bool *flag)
{
    bool was;

    mutex_lock(&core->request_lock);
    was = *flag;
    *flag = false;
    mutex_unlock(&core->request_lock);
    return was;
}

static void serve_requests(void *opaque)
{
    Vm *vm = opaque;
    struct VmCore *core = vm->core;

    if (take_flag(core, &core->exit_requested)) {
        vm_stop_tell(vm, RUN_STATE_SHUTDOWN, false);
        vm_end(vm, core->exit_status);
        return;
    }
    if (take_flag(core, &core->panic_requested)) {
        serve_panic(vm, g_steal_pointer(&core->panic_info));
    }
    if (take_flag(core, &core->shutdown_requested)) {
        serve_shutdown(vm, core->shutdown_cause);
    }
    if (take_flag(core, &core->reset_requested) && !core->ended) {
        serve_reset(vm, core->reset_cause);
    }
    if (take_flag(core, &core->powerdown_requested)) {
        serve_powerdown(vm);
    }
    if (take_flag(core, &core->stop_requested)) {
        vm_stop(vm, core->stop_state);
    }
}

/* Asking ------------------------------------------------------------------------- */

void vm_reset_request(Vm *vm, ShutdownCause cause)
{
    struct VmCore *core = vm->core;

    mutex_lock(&core->request_lock);
    core->reset_requested = true;
    core->reset_cause = cause;
    mutex_unlock(&core->request_lock);
    loop_task_post(&core->request_task);
}

void vm_shutdown_request(Vm *vm, ShutdownCause cause)
{
    struct VmCore *core = vm->core;

    trace(qemu_system_shutdown_request, "reason %s",
          qapi_enum_name(&qapi_type_ShutdownCause, cause));
    mutex_lock(&core->request_lock);
    core->shutdown_requested = true;
    core->shutdown_cause = cause;
    mutex_unlock(&core->request_lock);
    loop_task_post(&core->request_task);
}

void vm_powerdown_request(Vm *vm)
{
    struct VmCore *core = vm->core;

    trace(qemu_system_powerdown_request, "vm %p", vm);
    mutex_lock(&core->request_lock);
    core->powerdown_requested = true;
    mutex_unlock(&core->request_lock);
    loop_task_post(&core->request_task);
}

void vm_stop_request(Vm *vm, RunState state)
{
    struct VmCore *core = vm->core;

    mutex_lock(&core->request_lock);
    core->stop_requested = true;
    core->stop_state = state;
    mutex_unlock(&core->request_lock);
    loop_task_post(&core->request_task);
}

void vm_panic_request(Vm *vm, GuestPanicInformation *info_or_null)
{
    struct VmCore *core = vm->core;

    mutex_lock(&core->request_lock);
    core->panic_requested = true;
    qapi_free_GuestPanicInformation(core->panic_info);
    core->panic_info = QAPI_CLONE(GuestPanicInformation, info_or_null);
    mutex_unlock(&core->request_lock);
    loop_task_post(&core->request_task);
}

void vm_exit_request(Vm *vm, int status)
{
    struct VmCore *core = vm->core;

    mutex_lock(&core->request_lock);
    core->exit_requested = true;
    core->exit_status = status;
    mutex_unlock(&core->request_lock);
    loop_task_post(&core->request_task);
}

void vm_requests_init(Vm *vm)
{
    mutex_init(&vm->core->request_lock);
    loop_task_init(&vm->core->request_task, vm->loop, serve_requests, vm);
}

void vm_requests_cleanup(Vm *vm)
{
    loop_task_cancel(&vm->core->request_task);
    qapi_free_GuestPanicInformation(vm->core->panic_info);
    mutex_destroy(&vm->core->request_lock);
}

void vm_exit_listener_add(Vm *vm, VmExitListener *l)
{
    l->next = vm->core->exit_listeners;
    vm->core->exit_listeners = l;
}

void vm_shutdown(Vm *vm)
{
    if (vm_is_running(vm)) {
        vm_stop_tell(vm, RUN_STATE_SHUTDOWN, false);
    }
    for (VmExitListener *l = vm->core->exit_listeners; l; l = l->next) {
        l->fn(l->opaque);
    }
}

bool vm_run_preconfig(Vm *vm)
{
    vm->preconfig = true;
    while (vm->preconfig && !vm->core->ended) {
        loop_run_once(vm->loop, true);
    }
    vm->preconfig = false;
    return !vm->core->ended;
}

int vm_run(Vm *vm)
{
    while (!vm->core->ended) {
        loop_run(vm->loop);
    }
    return vm->core->exit_status;
}

/* Watchdogs are devices: the machine lock is held. */
void vm_watchdog_request(Vm *vm)
{
    WatchdogAction action = vm_actions(vm)->watchdog;

    qapi_event_send_watchdog(vm->events, action);
    switch (action) {
    case WATCHDOG_ACTION_RESET:
        vm_reset_request(vm, SHUTDOWN_CAUSE_GUEST_RESET);
        break;
    case WATCHDOG_ACTION_SHUTDOWN:
        vm_powerdown_request(vm);
        break;
    case WATCHDOG_ACTION_POWEROFF:
        vm_shutdown_request(vm, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        break;
    case WATCHDOG_ACTION_PAUSE:
        vm_stop_request(vm, RUN_STATE_WATCHDOG);
        break;
    case WATCHDOG_ACTION_DEBUG:
        info_report("watchdog expired");
        break;
    default:
        break;
    }
}
