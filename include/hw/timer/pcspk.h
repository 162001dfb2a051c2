/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port 61h. Machine lock. */
#ifndef HW_TIMER_PCSPK_H
#define HW_TIMER_PCSPK_H

#include "hw/timer/i8254.h"

bool pcspk_create(IsaBus *bus, Pit *pit, Error **errp);

#endif
