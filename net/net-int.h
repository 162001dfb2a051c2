/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between net.c and its parts. */
#ifndef NET_INT_H
#define NET_INT_H

#include "net/net.h"

typedef struct NetAnnouncer NetAnnouncer;

/* The list of those under way. */
NetAnnouncer **net_announcers(Vm *vm);
void net_announcers_free(Vm *vm);

#endif
