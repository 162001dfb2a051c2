/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device that stops guests' kvmclock with the VM. Machine lock. */
#ifndef HW_I386_KVMCLOCK_H
#define HW_I386_KVMCLOCK_H

#include "hw/core/device.h"

/* Where KVM runs the guest; else nothing happens. */
bool kvmclock_create(Vm *vm, Error **errp);

#endif
