/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI tables of the PC machines: FADT, MADT, MCFG, HPET, SRAT, SLIT, WAET and
 * the DSDT. Pure functions of what the machine tells.
 */
#ifndef HW_ACPI_X86_H
#define HW_ACPI_X86_H

#include "hw/acpi/aml.h"
#include "hw/acpi/tables.h"

typedef struct AcpiCpu {
    uint32_t apic_id;
    bool present;  /* or a slot that could be filled */
    uint32_t node; /* proximity domain, when n_nodes > 0 */
} AcpiCpu;

/* A window of the PCI host bridge, [min, max]. */
typedef struct AcpiPciWindow {
    enum { ACPI_WINDOW_IO, ACPI_WINDOW_MEM } kind;
    bool cacheable;
    uint64_t min, max;
} AcpiPciWindow;

/* RAM of a NUMA node. */
typedef struct AcpiNumaRange {
    uint64_t base, len;
    uint32_t node;
    bool hotpluggable;
} AcpiNumaRange;

typedef struct AcpiX86Info {
    const char *oem_id, *oem_table_id; /* "BOCHS ", "BXPC    " */

    const AcpiCpu *cpus;
    unsigned n_cpus;

    uint16_t sci_irq;
    uint16_t pm_base; /* PM1a event, control at +4, timer at +8, GPE0 +0x20 */
    uint8_t gpe0_len;
    uint8_t s4_type;   /* SLP_TYP to suspend to disk; 0: there is no S4 */
    uint16_t smi_port; /* 0: no SMI; ACPI mode is always on */
    uint8_t acpi_enable_cmd, acpi_disable_cmd;
    uint16_t reset_port; /* 0: no reset register */
    uint8_t reset_value;
    bool has_8042;
    uint8_t rtc_century; /* CMOS index */

    uint32_t ioapic_addr;
    uint8_t ioapic_id;
    /* ISA interrupts 5, 9, 10 and 11 may be PCI's: level, active high. */
    uint16_t level_irqs; /* bit per ISA interrupt */
    bool irq0_override;  /* PIT at IOAPIC pin 2 */

    uint64_t ecam_base; /* 0: none */
    uint8_t ecam_last_bus; /* what its size allows */
    /* The last bus that there can be. An OS looks for devices on all of them:
     * 16000 exits where this is 255. */
    uint8_t last_bus;
    uint32_t hpet_base; /* 0: none */
    uint32_t hpet_id;   /* event timer block id */

    const AcpiPciWindow *windows;
    unsigned n_windows;
    bool pcie;            /* PNP0A08, _OSC */
    bool q35_lpc;         /* LPC bridge at 1f.0 with its interrupt links */
    uint16_t fw_cfg_port; /* 0: none */

    unsigned n_nodes; /* NUMA; 0: no SRAT */
    const AcpiNumaRange *ranges;
    unsigned n_ranges;
    const uint8_t *distances; /* n_nodes * n_nodes, or NULL: no SLIT */

    /* Devices that describe themselves: inside the LPC bridge (or PCI0
     * without q35_lpc), and inside PCI0. May be NULL. */
    void (*isa_devices)(void *opaque, Aml *scope);
    void (*pci_devices)(void *opaque, Aml *scope);
    void *opaque;
} AcpiX86Info;

/* All tables but the root ones: add more, then acpi_tables_finish(). */
AcpiTables *acpi_x86_build(const AcpiX86Info *info);

/* The body of the DSDT. */
void acpi_x86_dsdt(Aml *a, const AcpiX86Info *info);

#endif
