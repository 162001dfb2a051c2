/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of softmmu/core share of a VM. */
#ifndef SOFTMMU_CORE_VM_INTERNAL_H
#define SOFTMMU_CORE_VM_INTERNAL_H

#include "softmmu/vm.h"

typedef struct VmClocks VmClocks;

typedef struct ResetHandler {
    LoopFn *fn;
    void *opaque;
} ResetHandler;

struct VmCore {
    VmClocks *clocks;

    /* Machine lock. */
    RunState state;
    VmStateListener *state_listeners; /* by rising priority */
    VmPowerdownListener *powerdown_listeners;
    VmExitListener *exit_listeners;
    GArray *reset_handlers; /* ResetHandler */
    VmActions actions;

    /* Requests from any thread, served on the main loop. */
    Mutex request_lock;
    LoopTask request_task;
    bool reset_requested, shutdown_requested, powerdown_requested;
    bool stop_requested, panic_requested, exit_requested;
    ShutdownCause reset_cause, shutdown_cause;
    RunState stop_state;
    GuestPanicInformation *panic_info;
    int exit_status;
    bool ended; /* vm_run() returns */
};

VmClocks *vm_clocks_new(Vm *vm);
void vm_clocks_free(VmClocks *c);
/* The virtual clock runs while the VM does. */
void vm_clocks_run(VmClocks *c, bool run);

/* vm_stop() with or without the STOP event. */
void vm_stop_tell(Vm *vm, RunState state, bool tell);

void vm_requests_init(Vm *vm);
void vm_requests_cleanup(Vm *vm);

#endif
