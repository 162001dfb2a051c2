/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The port that guests of VMware ask about their virtual hardware. */
#ifndef HW_MISC_VMPORT_H
#define HW_MISC_VMPORT_H

#include "hw/isa/isa.h"

extern const ObjectType vmport_type;

#endif
