/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state in which the boot processor starts when the VMM loads the kernel
 * itself: the 64-bit and 32-bit entries of the Linux boot protocol
 * (Documentation/arch/x86/boot.rst) and PVH. The tables that the registers
 * point to (page tables, GDT) are the loader's to write into guest memory.
 */
#ifndef TARGET_I386_BOOT_STATE_H
#define TARGET_I386_BOOT_STATE_H

typedef struct X86BootSegment {
    uint16_t selector;
    uint32_t base, limit; /* limit in bytes, as the hidden part holds it */
    uint8_t type;         /* descriptor type, with S=1 for code and data */
    bool dpl3, db, l, g, system;
} X86BootSegment;

typedef struct X86BootState {
    uint64_t rip, rsp, rbx, rsi; /* others are 0; rflags is 2 */
    uint64_t cr0, cr3, cr4, efer;
    uint64_t gdt_base;
    uint16_t gdt_limit;
    /* MMIO from here to 4 GiB, for the MTRRs that firmware would set; 0:
     * none. Better a round number. */
    uint64_t mmio_base;
    /* The IDT is empty: any exception before the kernel's own is fatal. */
    X86BootSegment cs, ds /* also es, ss, fs, gs */, tr;
} X86BootState;

/* Flat descriptors for selectors 0x10 (code) and 0x18 (data) and a busy TSS at
 * 0x20, as the boot protocol wants them. Long mode: identity page tables at
 * @cr3. The GDT that x86_boot_gdt() writes goes to @gdt_base. */
void x86_boot_state_long(X86BootState *s, uint64_t rip, uint64_t cr3,
                         uint64_t gdt_base);
void x86_boot_state_protected(X86BootState *s, uint64_t rip, uint64_t gdt_base);
#define X86_BOOT_GDT_ENTRIES 6
void x86_boot_gdt(uint64_t gdt[X86_BOOT_GDT_ENTRIES]);

/*
 * At every reset from now on the boot processor (cpu-index 0) enters @s
 * instead of the reset vector, with LINT0 as ExtINT, LINT1 as NMI and MTRRs
 * on, as firmware leaves them; NULL goes back to the reset vector. The state
 * is copied. Takes effect at once when called from a reset handler that runs
 * after the CPUs' (machine_on_done() or later registered ones do). What @s
 * points to must be rewritten by the caller's reset handler.
 */
void x86_set_boot_state(Vm *vm, const X86BootState *s);

#endif
