/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system emulator's main(). */
#include "util/osdep.h"

#include "softmmu/launch.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/rcu.h"
#include "util/thread.h"

int main(int argc, char **argv)
{
    Launch launch = { .prog = argv[0], .target = TARGET_NAME, .ready_fd = -1 };
    autoerr Error *err = NULL;
    int status = 1;
    Vm *vm;

    report_set_program(argv[0]);
    thread_begin_signals();
    rcu_register_thread();
    if (!options_parse(&launch.options, argc, argv, &err)) {
        error_report_err(g_steal_pointer(&err));
        return 1;
    }
    if (launch_vm(&launch, &vm, &status)) {
        status = vm_run(vm);
        vm_shutdown(vm);
    }
    process_cleanup(&launch);
    fflush(stdout);
    /* Threads may still wait in the kernel: no destructors run under them. */
    _exit(status);
}
