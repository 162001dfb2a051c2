/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the kinds of 8259A. */
#ifndef HW_INTC_I8259_INTERNAL_H
#define HW_INTC_I8259_INTERNAL_H

#include "hw/intc/i8259.h"

extern const ObjectType isa_pic_type;
/* As after power-on; masks nothing. */
void pic_reset_regs(Pic *s);
/* Cascade @slave into @master, @master into the boot processor. */
void pic_connect(Pic *master, Pic *slave);

#endif
