/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM handle and the machine lock. */
#include "util/osdep.h"

#include "softmmu/core/vm-internal.h"
#include "softmmu/memory.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* Who holds a machine lock on this thread; one VM per process holds it. */
static __thread const Vm *locked_vm;

void vm_lock(Vm *vm) NO_THREAD_SAFETY
{
    assert(locked_vm != vm);
    mutex_lock(&vm->lock);
    locked_vm = vm;
}

void vm_unlock(Vm *vm) NO_THREAD_SAFETY
{
    assert(locked_vm == vm);
    locked_vm = NULL;
    mutex_unlock(&vm->lock);
}

bool vm_locked(const Vm *vm)
{
    return locked_vm == vm;
}

static void NO_THREAD_SAFETY vm_before_wait(void *opaque)
{
    vm_unlock(opaque);
}

static void NO_THREAD_SAFETY vm_after_wait(void *opaque)
{
    vm_lock(opaque);
}

Vm *NO_THREAD_SAFETY vm_new(const char *target, Error **errp)
{
    Vm *vm = g_new0(Vm, 1);

    vm->loop = loop_new("main", errp);
    if (!vm->loop) {
        g_free(vm);
        return NULL;
    }
    loop_set_current(vm->loop);
    loop_set_wait_hooks(vm->loop, vm_before_wait, vm_after_wait, vm);
    vm->target = target;
    vm->mux_escape = 1; /* Ctrl-A */
    mutex_init(&vm->lock);
    vm_lock(vm);
    vm->root = object_root_new();
    vm->cpus = g_ptr_array_new();
    vm->core = g_new0(struct VmCore, 1);
    vm->core->state = RUN_STATE_PRELAUNCH;
    vm->core->reset_handlers = g_array_new(false, false, sizeof(ResetHandler));
    vm->core->actions = (VmActions){
        .reboot = REBOOT_ACTION_RESET,
        .shutdown = SHUTDOWN_ACTION_POWEROFF,
        .panic = PANIC_ACTION_SHUTDOWN,
        .watchdog = WATCHDOG_ACTION_RESET,
    };
    vm->core->clocks = vm_clocks_new(vm);
    vm->rtc_clock = VM_CLOCK_HOST;
    vm->signal_fd = -1;
    vm_requests_init(vm);
    return vm;
}

void NO_THREAD_SAFETY vm_free(Vm *vm)
{
    vm_requests_cleanup(vm);
    object_unref(vm->root);
    mem_free(vm);
    vm_clocks_free(vm->core->clocks);
    g_array_free(vm->core->reset_handlers, TRUE);
    g_free(vm->core);
    g_ptr_array_free(vm->cpus, TRUE);
    loop_set_wait_hooks(vm->loop, NULL, NULL, NULL);
    loop_set_current(NULL);
    loop_free(vm->loop);
    vm_unlock(vm);
    mutex_destroy(&vm->lock);
    g_free(vm->name);
    g_free(vm);
}
