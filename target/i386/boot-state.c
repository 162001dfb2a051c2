/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The usual entry states of the Linux boot protocol and PVH: flat segments,
 * and for the 64-bit entry long mode with paging on.
 */
#include "util/osdep.h"

#include "target/i386/boot-state.h"

#define CR0_PE  0x1
#define CR0_ET  0x10
#define CR0_PG  0x80000000
#define CR4_PAE 0x20
#define EFER_LME 0x100
#define EFER_LMA 0x400

enum { CODE = 0xb, DATA = 3, TSS_BUSY = 0xb };

static void flat_segments(X86BootState *s, bool long_mode)
{
    s->cs = (X86BootSegment){ .selector = 0x10, .limit = UINT32_MAX,
                              .type = CODE, .g = true, .l = long_mode,
                              .db = !long_mode };
    s->ds = (X86BootSegment){ .selector = 0x18, .limit = UINT32_MAX,
                              .type = DATA, .g = true, .db = true };
    s->tr = (X86BootSegment){ .selector = 0x20, .limit = 0x67,
                              .type = TSS_BUSY, .system = true };
}

void x86_boot_state_long(X86BootState *s, uint64_t rip, uint64_t cr3,
                         uint64_t gdt_base)
{
    *s = (X86BootState){
        .rip = rip,
        .cr0 = CR0_PE | CR0_ET | CR0_PG,
        .cr3 = cr3,
        .cr4 = CR4_PAE,
        .efer = EFER_LME | EFER_LMA,
        .gdt_base = gdt_base,
        .gdt_limit = X86_BOOT_GDT_ENTRIES * 8 - 1,
    };
    flat_segments(s, true);
}

void x86_boot_state_protected(X86BootState *s, uint64_t rip, uint64_t gdt_base)
{
    *s = (X86BootState){
        .rip = rip,
        .cr0 = CR0_PE | CR0_ET,
        .gdt_base = gdt_base,
        .gdt_limit = X86_BOOT_GDT_ENTRIES * 8 - 1,
    };
    flat_segments(s, false);
}

void x86_boot_gdt(uint64_t gdt[X86_BOOT_GDT_ENTRIES])
{
    memset(gdt, 0, X86_BOOT_GDT_ENTRIES * 8);
    gdt[2] = UINT64_C(0x00af9b000000ffff); /* 64-bit code */
    gdt[3] = UINT64_C(0x00cf93000000ffff); /* data */
    gdt[4] = UINT64_C(0x00008b0000000067); /* busy TSS */
}
