/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the memory backends. */
#ifndef BACKENDS_HOSTMEM_INTERNAL_H
#define BACKENDS_HOSTMEM_INTERNAL_H

#include "backends/memory.h"

/* Have the kernel allocate all pages now. */
bool mem_backend_touch(MemBackend *b, Error **errp);
unsigned mem_backend_ram_flags(const MemBackend *b);

#endif
