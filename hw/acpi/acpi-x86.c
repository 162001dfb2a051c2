/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fixed tables of the PC machines. ACPI 6.4, section 5.2; HPET specification
 * 1.0a section 3.2.4; PCI Firmware Specification 3.2 section 4.1.2 (MCFG);
 * Microsoft's "Windows ACPI Emulated Devices Table".
 */
#include "util/osdep.h"

#include "hw/acpi/x86.h"

enum {
    GAS_MEMORY = 0,
    GAS_IO = 1,
};

/* FADT flags, section 5.2.9 */
enum {
    FADT_WBINVD = 1 << 0,
    FADT_PROC_C1 = 1 << 2,
    FADT_NO_FIXED_SLEEP_BUTTON = 1 << 5,
    FADT_RTC_S4 = 1 << 7,
    FADT_RESET_REG = 1 << 10,
    FADT_PLATFORM_CLOCK = 1 << 15,
    BOOT_ARCH_8042 = 1 << 1,
    NO_C2_C3 = 0xfff,
};

static void put_zeros(AcpiTables *t, unsigned n)
{
    while (n--) {
        acpi_put(t, 0, 1);
    }
}

/* The I/O blocks as the first part of the FADT has them. */
static void fadt_blocks(AcpiTables *t, const AcpiX86Info *info)
{
    acpi_put(t, info->pm_base, 4);
    acpi_put(t, 0, 4);                    /* PM1b event */
    acpi_put(t, info->pm_base + 4, 4);    /* PM1a control */
    acpi_put(t, 0, 4);                    /* PM1b control */
    acpi_put(t, 0, 4);                    /* PM2 control */
    acpi_put(t, info->pm_base + 8, 4);    /* PM timer */
    acpi_put(t, info->pm_base + 0x20, 4); /* GPE0 */
    acpi_put(t, 0, 4);                    /* GPE1 */
    acpi_put(t, 4, 1);                    /* lengths of the above */
    acpi_put(t, 2, 1);
    acpi_put(t, 0, 1);
    acpi_put(t, 4, 1);
    acpi_put(t, info->gpe0_len, 1);
    acpi_put(t, 0, 1);
    acpi_put(t, 0, 1); /* GPE1 base */
    acpi_put(t, 0, 1); /* no _CST notification */
}

/* The same as generic addresses. */
static void fadt_gas_blocks(AcpiTables *t, const AcpiX86Info *info)
{
    acpi_put_gas(t, GAS_IO, 32, 0, info->pm_base);
    acpi_put_gas(t, 0, 0, 0, 0);
    acpi_put_gas(t, GAS_IO, 16, 0, info->pm_base + 4);
    acpi_put_gas(t, 0, 0, 0, 0);
    acpi_put_gas(t, 0, 0, 0, 0);
    acpi_put_gas(t, GAS_IO, 32, 0, info->pm_base + 8);
    acpi_put_gas(t, GAS_IO, info->gpe0_len * 8, 0, info->pm_base + 0x20);
    acpi_put_gas(t, 0, 0, 0, 0);
}

static void build_fadt(AcpiTables *t, const AcpiX86Info *info, size_t facs,
                       size_t dsdt)
{
    uint32_t flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_FIXED_SLEEP_BUTTON |
                     FADT_RTC_S4 | FADT_PLATFORM_CLOCK |
                     (info->reset_port ? FADT_RESET_REG : 0);

    acpi_table_begin(t, "FACP", 3, true);
    acpi_put_pointer(t, facs, 4);
    acpi_put_pointer(t, dsdt, 4);
    acpi_put(t, 1, 1); /* reserved; 1 for ACPI 1.0 readers: APIC model */
    acpi_put(t, 0, 1); /* unspecified profile */
    acpi_put(t, info->sci_irq, 2);
    acpi_put(t, info->smi_port, 4);
    acpi_put(t, info->smi_port ? info->acpi_enable_cmd : 0, 1);
    acpi_put(t, info->smi_port ? info->acpi_disable_cmd : 0, 1);
    put_zeros(t, 2); /* no S4BIOS, no P-state control */
    fadt_blocks(t, info);
    acpi_put(t, NO_C2_C3, 2);
    acpi_put(t, NO_C2_C3, 2);
    put_zeros(t, 4 + 2 + 2); /* flush size, duty cycle, alarm indices */
    acpi_put(t, info->rtc_century, 1);
    acpi_put(t, info->has_8042 ? BOOT_ARCH_8042 : 0, 2);
    acpi_put(t, 0, 1);
    acpi_put(t, flags, 4);
    if (info->reset_port) {
        acpi_put_gas(t, GAS_IO, 8, 0, info->reset_port);
    } else {
        acpi_put_gas(t, 0, 0, 0, 0);
    }
    acpi_put(t, info->reset_value, 1);
    put_zeros(t, 3);
    acpi_put(t, 0, 8); /* FACS: by the 32-bit pointer */
    acpi_put_pointer(t, dsdt, 8);
    fadt_gas_blocks(t, info);
    acpi_table_end(t);
}

/* MADT structures, section 5.2.12 */
enum {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_NMI = 4,
    MADT_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
    MADT_PCAT_COMPAT = 1,
    MPS_LEVEL_HIGH = 0xd,
};

/* An id too big for the 8-bit structure needs the other one. */
static bool needs_x2apic(const AcpiCpu *cpu, unsigned uid)
{
    return cpu->apic_id >= 255 || uid >= 255;
}

static void madt_cpu(AcpiTables *t, const AcpiCpu *cpu, unsigned uid)
{
    if (needs_x2apic(cpu, uid)) {
        acpi_put(t, MADT_X2APIC, 1);
        acpi_put(t, 16, 1);
        acpi_put(t, 0, 2);
        acpi_put(t, cpu->apic_id, 4);
        acpi_put(t, cpu->present, 4);
        acpi_put(t, uid, 4);
    } else {
        acpi_put(t, MADT_LAPIC, 1);
        acpi_put(t, 8, 1);
        acpi_put(t, uid, 1);
        acpi_put(t, cpu->apic_id, 1);
        acpi_put(t, cpu->present, 4);
    }
}

static void madt_override(AcpiTables *t, uint8_t irq, uint32_t gsi,
                          uint16_t flags)
{
    acpi_put(t, MADT_OVERRIDE, 1);
    acpi_put(t, 10, 1);
    acpi_put(t, 0, 1); /* ISA */
    acpi_put(t, irq, 1);
    acpi_put(t, gsi, 4);
    acpi_put(t, flags, 2);
}

static void build_madt(AcpiTables *t, const AcpiX86Info *info)
{
    bool x2apic = false;

    acpi_table_begin(t, "APIC", 1, true);
    acpi_put(t, 0xfee00000, 4);
    acpi_put(t, MADT_PCAT_COMPAT, 4);
    for (unsigned i = 0; i < info->n_cpus; i++) {
        madt_cpu(t, &info->cpus[i], i);
        x2apic |= needs_x2apic(&info->cpus[i], i);
    }
    acpi_put(t, MADT_IOAPIC, 1);
    acpi_put(t, 12, 1);
    acpi_put(t, info->ioapic_id, 1);
    acpi_put(t, 0, 1);
    acpi_put(t, info->ioapic_addr, 4);
    acpi_put(t, 0, 4);
    if (info->irq0_override) {
        madt_override(t, 0, 2, 0);
    }
    for (unsigned irq = 1; irq < 16; irq++) {
        if (info->level_irqs & BIT(irq)) {
            madt_override(t, irq, irq, MPS_LEVEL_HIGH);
        }
    }
    if (x2apic) {
        acpi_put(t, MADT_X2APIC_NMI, 1);
        acpi_put(t, 12, 1);
        acpi_put(t, 0, 2);
        acpi_put(t, UINT32_MAX, 4); /* every processor */
        acpi_put(t, 1, 1);          /* LINT1 */
        put_zeros(t, 3);
    } else {
        acpi_put(t, MADT_LAPIC_NMI, 1);
        acpi_put(t, 6, 1);
        acpi_put(t, 0xff, 1);
        acpi_put(t, 0, 2);
        acpi_put(t, 1, 1);
    }
    acpi_table_end(t);
}

static void build_mcfg(AcpiTables *t, const AcpiX86Info *info)
{
    acpi_table_begin(t, "MCFG", 1, true);
    acpi_put(t, 0, 8);
    acpi_put(t, info->ecam_base, 8);
    acpi_put(t, 0, 2); /* segment */
    acpi_put(t, 0, 1); /* first bus */
    acpi_put(t, info->last_bus, 1);
    acpi_put(t, 0, 4);
    acpi_table_end(t);
}

static void build_hpet(AcpiTables *t, const AcpiX86Info *info)
{
    acpi_table_begin(t, "HPET", 1, true);
    acpi_put(t, info->hpet_id, 4);
    acpi_put_gas(t, GAS_MEMORY, 0, 0, info->hpet_base);
    put_zeros(t, 1 + 2 + 1); /* number, minimum tick, protection */
    acpi_table_end(t);
}

static void srat_cpu(AcpiTables *t, const AcpiCpu *cpu, unsigned uid)
{
    if (needs_x2apic(cpu, uid)) {
        acpi_put(t, 2, 1);
        acpi_put(t, 24, 1);
        acpi_put(t, 0, 2);
        acpi_put(t, cpu->node, 4);
        acpi_put(t, cpu->apic_id, 4);
        acpi_put(t, 1, 4); /* enabled */
        acpi_put(t, 0, 4);
        acpi_put(t, 0, 4);
    } else {
        acpi_put(t, 0, 1);
        acpi_put(t, 16, 1);
        acpi_put(t, cpu->node, 1);
        acpi_put(t, cpu->apic_id, 1);
        acpi_put(t, 1, 4);
        acpi_put(t, 0, 1);
        acpi_put(t, cpu->node >> 8, 3);
        acpi_put(t, 0, 4);
    }
}

/* Section 5.2.16 */
static void build_srat(AcpiTables *t, const AcpiX86Info *info)
{
    acpi_table_begin(t, "SRAT", 1, true);
    acpi_put(t, 1, 4);
    acpi_put(t, 0, 8);
    for (unsigned i = 0; i < info->n_cpus; i++) {
        srat_cpu(t, &info->cpus[i], i);
    }
    for (unsigned i = 0; i < info->n_ranges; i++) {
        const AcpiNumaRange *r = &info->ranges[i];

        acpi_put(t, 1, 1);
        acpi_put(t, 40, 1);
        acpi_put(t, r->node, 4);
        acpi_put(t, 0, 2);
        acpi_put(t, r->base, 8);
        acpi_put(t, r->len, 8);
        acpi_put(t, 0, 4);
        acpi_put(t, 1 | (r->hotpluggable ? 2 : 0), 4);
        acpi_put(t, 0, 8);
    }
    acpi_table_end(t);
}

/* Section 5.2.17 */
static void build_slit(AcpiTables *t, const AcpiX86Info *info)
{
    acpi_table_begin(t, "SLIT", 1, true);
    acpi_put(t, info->n_nodes, 8);
    acpi_put_bytes(t, info->distances, (size_t)info->n_nodes * info->n_nodes);
    acpi_table_end(t);
}

static void build_waet(AcpiTables *t)
{
    acpi_table_begin(t, "WAET", 1, true);
    acpi_put(t, 2, 4); /* one read of the PM timer is enough */
    acpi_table_end(t);
}

AcpiTables *acpi_x86_build(const AcpiX86Info *info)
{
    AcpiTables *t = acpi_tables_new(info->oem_id, info->oem_table_id);
    g_autoptr(Aml) dsdt = aml_new();
    size_t facs, dsdt_at, len;
    const uint8_t *body;

    facs = acpi_put_facs(t);
    acpi_x86_dsdt(dsdt, info);
    body = aml_data(dsdt, &len);
    /* Revision 1 means 32-bit integers in AML; nothing here needs more. */
    dsdt_at = acpi_table_begin(t, "DSDT", 1, false);
    acpi_put_bytes(t, body, len);
    acpi_table_end(t);

    build_fadt(t, info, facs, dsdt_at);
    build_madt(t, info);
    if (info->hpet_base) {
        build_hpet(t, info);
    }
    if (info->n_nodes) {
        build_srat(t, info);
        if (info->distances) {
            build_slit(t, info);
        }
    }
    if (info->ecam_base) {
        build_mcfg(t, info);
    }
    build_waet(t);
    return t;
}
