/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC's keyboard controller with a keyboard and a mouse. */
#ifndef HW_INPUT_I8042_H
#define HW_INPUT_I8042_H

#include "hw/isa/isa.h"

/* "i8042"; its output "a20" is the gate's level. */
extern const ObjectType i8042_type;
/* What firmware sets up: scan codes are translated to set 1. After reset. */
void i8042_direct_boot(Device *dev);
/* "port92": fast A20 and reset; output "a20" too. */
extern const ObjectType port92_type;

#endif
