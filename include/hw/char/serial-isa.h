/* SPDX-License-Identifier: GPL-2.0-or-later */
/* COM1 to COM4. */
#ifndef HW_CHAR_SERIAL_ISA_H
#define HW_CHAR_SERIAL_ISA_H

#include "hw/isa/isa.h"

/* A port for each -serial of the machine (machine->serials). */
bool isa_serials_create(Machine *machine, IsaBus *bus, Error **errp);

#endif
