/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page tables: Intel SDM volume 3, 4.3 to 4.5 (AMD APM volume 2, 5). */
#include "util/osdep.h"

#include "target/i386/mmu.h"

#define CR0_PG   BIT(31)
#define CR4_PSE  BIT(4)
#define CR4_PAE  BIT(5)
#define CR4_LA57 BIT(12)
#define EFER_LMA BIT(10)

#define PTE_P  1
#define PTE_PS BIT(7)
/* Bits 12 to 51; the rest is flags, keys and what software keeps there. */
#define PTE_ADDR UINT64_C(0x000ffffffffff000)

typedef struct Walk {
    unsigned levels; /* tables above the page */
    unsigned bits;   /* of an index in one */
    unsigned size;   /* of an entry, bytes */
    uint64_t root;
} Walk;

static Walk walk_kind(const X86Mmu *m)
{
    if (m->efer & EFER_LMA) {
        return (Walk){ m->cr4 & CR4_LA57 ? 5 : 4, 9, 8, m->cr3 & PTE_ADDR };
    }
    if (m->cr4 & CR4_PAE) {
        return (Walk){ 3, 9, 8, m->cr3 & 0xffffffe0 };
    }
    return (Walk){ 2, 10, 4, m->cr3 & 0xfffff000 };
}

/* Is an entry @level tables above the page the last one? */
static bool is_leaf(const X86Mmu *m, const Walk *w, unsigned level,
                    uint64_t entry)
{
    if (level == 0) {
        return true;
    }
    if (!(entry & PTE_PS)) {
        return false;
    }
    if (w->size == 4) {
        return m->cr4 & CR4_PSE;
    }
    /* The four entries at the top of PAE have no such bit. */
    return level == 1 || (level == 2 && w->levels > 3);
}

bool x86_mmu_translate(const X86Mmu *m, uint64_t va, uint64_t *pa)
{
    Walk w = walk_kind(m);
    uint64_t table = w.root;

    if (!(m->efer & EFER_LMA)) {
        va = (uint32_t)va;
    }
    if (!(m->cr0 & CR0_PG)) {
        *pa = va;
        return true;
    }
    for (unsigned level = w.levels; level-- > 0;) {
        unsigned shift = 12 + level * w.bits;
        uint64_t index = va >> shift & (BIT(w.bits) - 1);
        uint64_t entry, offset = va & ((UINT64_C(1) << shift) - 1);

        if (!m->load(m->opaque, table + index * w.size, w.size, &entry) ||
            !(entry & PTE_P)) {
            return false;
        }
        table = entry & PTE_ADDR;
        if (!is_leaf(m, &w, level, entry)) {
            continue;
        }
        if (w.size == 4 && level == 1) {
            /* PSE-36: bits 13 to 20 are 32 to 39 of the address. */
            table = (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
        }
        *pa = (table & ~((UINT64_C(1) << shift) - 1)) | offset;
        return true;
    }
    return false;
}
