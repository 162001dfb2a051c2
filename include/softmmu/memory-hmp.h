/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dump that "x" and "xp" of the human monitor print. */
#ifndef SOFTMMU_MEMORY_HMP_H
#define SOFTMMU_MEMORY_HMP_H

#include "qapi/hmp.h"

/* @args: "addr" and those of HMP_FMT. @translate makes each address physical,
 * false where nothing is; NULL: it is. Machine lock. */
bool hmp_dump_memory(Hmp *hmp, const QDict *args,
                     bool (*translate)(Hmp *hmp, uint64_t va, hwaddr *pa),
                     Error **errp);

#endif
