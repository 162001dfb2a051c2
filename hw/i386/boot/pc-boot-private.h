/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of pc-boot share. */
#ifndef HW_I386_PC_BOOT_PRIVATE_H
#define HW_I386_PC_BOOT_PRIVATE_H

#include "hw/i386/boot.h"
#include "hw/i386/pc-boot.h"
#include "target/i386/boot-state.h"

struct PcBoot {
    PcBootConfig c;
    Vm *vm;
    MemRegion rom, isa_rom; /* the latter: the end of the ROM below 1 MiB */
    bool has_rom;

    X86Boot *direct; /* NULL: firmware */
    uint8_t last_bus; /* direct boot: of the PCI buses */
    X86BootMachine map;
    E820Range *ranges;
    uint64_t gdt[X86_BOOT_GDT_ENTRIES];

    /* Tables that firmware has been given since the reset; NULL: none yet. */
    AcpiTables *tables;
    GByteArray *smbios_anchor, *smbios_tables;
};

/* firmware.c */
bool pc_boot_add_rom(PcBoot *b, Error **errp);
/* pc-acpi.c: a finished set. */
AcpiTables *pc_boot_build_acpi(PcBoot *b);
/* pc-fw-cfg.c */
bool pc_boot_fill_fw_cfg(PcBoot *b, Error **errp);
/* The file "bootorder", for the devices as they are now. */
bool pc_boot_set_order(PcBoot *b, Error **errp);
/* fw-kernel.c: -kernel for firmware. */
bool pc_boot_give_kernel(PcBoot *b, Error **errp);

#endif
