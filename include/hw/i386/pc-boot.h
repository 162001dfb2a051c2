/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From power-on to the guest's first instruction on PC machines: firmware ROM,
 * fw_cfg, ACPI and SMBIOS tables, CMOS, direct kernel boot. The machine calls
 * pc_boot_init() in its init (before -device), pc_boot_done() when all devices
 * exist, and pc_boot_reset() at the end of its reset.
 *
 *     -kernel without -bios       direct boot, no ROM
 *     otherwise                   -bios FILE or bios-256k.bin at the top of
 *                                 4 GiB; kernels go to it by fw_cfg
 */
#ifndef HW_I386_PC_BOOT_H
#define HW_I386_PC_BOOT_H

#include "hw/acpi/x86.h"
#include "hw/core/machine.h"
#include "hw/isa/isa.h"

typedef struct PcBoot PcBoot;

typedef struct PcBootConfig {
    Machine *machine;
    uint64_t low_ram, high_ram; /* below and above 4 GiB */
    const char *product;        /* SMBIOS: "Standard PC (Q35 + ICH9, 2009)" */
    bool smbios_64;             /* smbios-entry-point-type=64 */
    bool no_acpi;               /* acpi=off: no tables */
    MemRegion *rom_memory;      /* where the ROM is mapped: PCI memory */
    IsaBus *isa;                /* its devices get AML; has the RTC */
    Bus *pci;                   /* root bus; its devices may have AML */
    /* The fixed part of the ACPI description; cpus, windows, devices and
     * opaque are filled in here. */
    AcpiX86Info acpi;
    /* The host bridge's windows now; returns how many of at most @max. */
    unsigned (*windows)(void *opaque, AcpiPciWindow *out, unsigned max);
    /* Direct boot, at every reset: what firmware does before an OS starts
     * (bus numbers, BARs, interrupt routes, ECAM, shadow RAM); returns the last
     * bus number. NULL: none. */
    unsigned (*setup)(void *opaque);
    /* CPUID leaf 1 of the boot processor, for SMBIOS. */
    uint32_t cpuid_signature, cpuid_features;
    void *opaque;
} PcBootConfig;

/* Is this VM booted without firmware? */
bool pc_boot_is_direct(const Machine *machine);

/* Copies @config. Makes fw_cfg and maps the ROM. */
PcBoot *pc_boot_init(const PcBootConfig *config, Error **errp);
bool pc_boot_done(PcBoot *b, Error **errp);
void pc_boot_reset(PcBoot *b);
void pc_boot_free(PcBoot *b);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PcBoot, pc_boot_free)

/* AML of devices on @bus and below that describe themselves. */
void aml_add_bus(Aml *a, Bus *bus);

/* Path of a firmware file: as given, or in the data directories (-L and the
 * built-in ones). NULL when there is none. */
char *firmware_find(const Vm *vm, const char *name);

#endif
