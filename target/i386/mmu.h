/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walking a guest's page tables, to look at what it sees. */
#ifndef TARGET_I386_MMU_H
#define TARGET_I386_MMU_H

#include "util/typedefs.h"

typedef struct X86Mmu {
    uint64_t cr0, cr3, cr4, efer;
    /* Read a little-endian entry of 4 or 8 bytes; false where nothing is. */
    bool (*load)(void *opaque, uint64_t pa, unsigned size, uint64_t *entry);
    void *opaque;
} X86Mmu;

/* The guest-physical address of @va, whatever the access; false: not mapped.
 * Sets no accessed or dirty bits. */
bool x86_mmu_translate(const X86Mmu *m, uint64_t va, uint64_t *pa);

#endif
