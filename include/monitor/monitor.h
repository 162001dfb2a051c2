/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Monitors: QMP and HMP sessions on chardevs. Machine lock for all functions.
 *
 * A QMP monitor lives on the main loop; once its client asked for the "oob"
 * capability it reads on a thread of its own, which runs out-of-band commands,
 * while all others still run one at a time on the main loop under the machine
 * lock.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "chardev/char.h"

/* Put a monitor on @chr, until the end of the program. The first QMP monitor
 * becomes where the VM's events go (vm->events). */
bool monitor_add_qmp(Vm *vm, Chardev *chr, bool pretty, Error **errp);
bool monitor_add_hmp(Vm *vm, Chardev *chr, Error **errp);

/* Last replies out, sessions closed, threads ended. vm_shutdown() does it. */
void monitors_cleanup(Vm *vm);

/* The machine is built: run the commands that wait behind x-exit-preconfig. */
void monitors_go_on(Vm *vm);

#endif
