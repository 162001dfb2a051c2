/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct boot of x86 kernels without firmware: a bzImage by the Linux boot
 * protocol, or an ELF file with a PVH entry. The files are opened and checked
 * when the machine is made; guest memory is filled at every reset.
 */
#ifndef HW_I386_BOOT_H
#define HW_I386_BOOT_H

#include "hw/acpi/tables.h"
#include "softmmu/memory.h"

/* types of the BIOS memory map */
enum {
    E820_RAM = 1,
    E820_RESERVED = 2,
    E820_ACPI = 3,
};

typedef struct E820Range {
    uint64_t base, len;
    uint32_t type;
} E820Range;

/* What the machine is like; const while the X86Boot exists. */
typedef struct X86BootMachine {
    AddressSpace *memory;
    uint64_t low_ram; /* RAM from 0 up to here, below 4 GiB; a page multiple */
    /* The map above low_ram: high RAM, ECAM ... */
    const E820Range *ranges;
    unsigned n_ranges;
    /* A new, finished set of tables, of the devices as they are now; NULL:
     * none. Called at every load. */
    AcpiTables *(*acpi)(void *opaque);
    /* Descriptor table that the boot processor starts with; 10h is flat code of
     * the entry's mode, 18h flat data. At most 8 entries. */
    const uint64_t *gdt;
    unsigned gdt_entries;
    /* SMBIOS entry point and structures; either NULL: none. The entry point is
     * given its final address and checksum here. */
    const GByteArray *smbios_anchor, *smbios_tables;
    void *opaque;
} X86BootMachine;

/* Registers of the boot processor; the rest as after INIT. Flat segments: code
 * selector 10h, data 18h, from the GDT. */
typedef struct X86BootEntry {
    bool long_mode; /* else 32-bit protected mode without paging */
    uint64_t pc, rsi, rbx;
    uint64_t cr3; /* long mode only: identity map of the first 4 GiB */
    uint64_t gdt_base;
} X86BootEntry;

typedef struct X86Boot X86Boot;

/*
 * Open and check the files; @initrd and @cmdline may be NULL. The kernel's
 * kind is found by its contents.
 */
X86Boot *x86_boot_open(const char *kernel, const char *initrd,
                       const char *cmdline, Error **errp);
void x86_boot_free(X86Boot *b);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X86Boot, x86_boot_free)

/* How the kernel wants to be entered; the same at every load. */
void x86_boot_entry(const X86Boot *b, X86BootEntry *entry);

/* Does everything fit into the machine's memory? Before the VM runs. */
bool x86_boot_check(X86Boot *b, const X86BootMachine *m, Error **errp);

/*
 * Fill guest memory: kernel, initrd, parameters, tables. At every reset, after
 * devices were reset; f0000h..fffffh must be mapped as RAM or ROM by then.
 */
bool x86_boot_load(X86Boot *b, const X86BootMachine *m, Error **errp);

#endif
