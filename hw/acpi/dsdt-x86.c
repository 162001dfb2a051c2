/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DSDT of the PC machines: host bridge, interrupt links, processors and
 * what devices add. ACPI 6.4 sections 6 (device configuration), 7.4 (_Sx), 8.4
 * (processors); PCI Firmware Specification 3.2, section 4.5 (_OSC).
 */
#include "util/osdep.h"

#include "hw/acpi/x86.h"

#define UUID_PCI_OSC "33db4d5b-1ff7-401c-9657-7441c03dd766"

enum {
    OSC_FAILURE_UUID = 1 << 2,
    OSC_FAILURE_REVISION = 1 << 3,
    OSC_MASKED = 1 << 4,
    /* What the OS may control: hot plug, SHPC, PME, AER, capabilities. */
    OSC_GRANTED = 0x1f,
    STA_PRESENT = 0xf,
    STA_HIDDEN = 0xb, /* works, but not shown to the user */
};

/* target = a op b */
static void put_operation(Aml *a, AmlOp op, const char *x, uint64_t y,
                          const char *target)
{
    aml_op(a, op);
    aml_ref(a, x);
    aml_int(a, y);
    aml_ref(a, target);
}

/* The OS offers to take over PCI Express features; say which it may. */
static void add_osc(Aml *a)
{
    aml_method(a, "_OSC", 4, true);
    aml_create_dword_field(a);
    aml_arg(a, 3);
    aml_int(a, 0);
    aml_ref(a, "CDW1");
    aml_if(a);
    aml_op(a, AML_LEQUAL);
    aml_arg(a, 0);
    aml_uuid(a, UUID_PCI_OSC);
    aml_create_dword_field(a);
    aml_arg(a, 3);
    aml_int(a, 8);
    aml_ref(a, "CDW3");

    aml_op(a, AML_AND);
    aml_ref(a, "CDW3");
    aml_int(a, OSC_GRANTED);
    aml_local(a, 0);
    aml_if(a);
    aml_op(a, AML_LNOT);
    aml_op(a, AML_LEQUAL);
    aml_arg(a, 1);
    aml_int(a, 1);
    put_operation(a, AML_OR, "CDW1", OSC_FAILURE_REVISION, "CDW1");
    aml_end(a);
    aml_if(a);
    aml_op(a, AML_LNOT);
    aml_op(a, AML_LEQUAL);
    aml_ref(a, "CDW3");
    aml_local(a, 0);
    put_operation(a, AML_OR, "CDW1", OSC_MASKED, "CDW1");
    aml_end(a);
    aml_op(a, AML_STORE);
    aml_local(a, 0);
    aml_ref(a, "CDW3");
    aml_end(a);
    aml_else(a);
    put_operation(a, AML_OR, "CDW1", OSC_FAILURE_UUID, "CDW1");
    aml_end(a);
    aml_op(a, AML_RETURN);
    aml_arg(a, 3);
    aml_end(a);
}

static void add_host_bridge_crs(Aml *a, const AcpiX86Info *info)
{
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_bus_range(a, 0, info->last_bus);
    aml_res_io(a, 0xcf8, 0xcf8, 1, 8);
    for (unsigned i = 0; i < info->n_windows; i++) {
        const AcpiPciWindow *w = &info->windows[i];

        if (w->kind == ACPI_WINDOW_IO) {
            aml_res_io_range(a, w->min, w->max);
        } else if (w->max <= UINT32_MAX) {
            aml_res_memory_range(a, w->cacheable, w->min, w->max);
        } else {
            aml_res_memory64_range(a, w->cacheable, w->min, w->max);
        }
    }
    aml_end(a);
}

/* Interrupts --------------------------------------------------------------- */

/* Slots 25 to 29 and 31 are the chipset's own: pins A-D on links A-D. The
 * others turn through links E-H. */
static unsigned q35_link(unsigned slot, unsigned pin)
{
    if ((slot >= 25 && slot <= 29) || slot == 31) {
        return pin;
    }
    return 4 + (slot == 30 ? pin : (slot + pin) % 4);
}

static void add_prt(Aml *a, const char *name, const char *link_prefix)
{
    aml_name(a, name);
    aml_package(a, 128);
    for (unsigned slot = 0; slot < 32; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            char link[5] = "";

            snprintf(link, sizeof(link), "%s%c", link_prefix,
                     'A' + q35_link(slot, pin));
            aml_package(a, 4);
            aml_int(a, slot << 16 | 0xffff);
            aml_int(a, pin);
            aml_ref(a, link);
            aml_int(a, 0);
            aml_end(a);
        }
    }
    aml_end(a);
}

/* _PIC tells which interrupt model the OS uses; _PRT answers for that. */
static void add_routing(Aml *a)
{
    add_prt(a, "PRTP", "LNK");
    add_prt(a, "PRTA", "GSI");
    aml_method(a, "_PRT", 0, false);
    aml_if(a);
    aml_ref(a, "PICF");
    aml_op(a, AML_RETURN);
    aml_ref(a, "PRTA");
    aml_end(a);
    aml_op(a, AML_RETURN);
    aml_ref(a, "PRTP");
    aml_end(a);
}

static void add_pic_method(Aml *a)
{
    aml_name_int(a, "PICF", 0);
    aml_method(a, "_PIC", 1, false);
    aml_op(a, AML_STORE);
    aml_arg(a, 0);
    aml_ref(a, "PICF");
    aml_end(a);
}

/* PIRQ register n of the LPC bridge routes link n to an 8259 input. */
static void add_pic_link(Aml *a, unsigned n)
{
    static const uint32_t choices[] = { 5, 10, 11 };
    uint32_t none = 0;
    char name[5] = "LNK?", reg[5] = "PRQ?";

    name[3] = reg[3] = 'A' + n;
    aml_device(a, name);
    aml_name_eisaid(a, "_HID", "PNP0C0F");
    aml_name_int(a, "_UID", n);
    aml_name(a, "_PRS");
    aml_resources(a);
    aml_res_interrupts(a, true, false, false, true, choices,
                       ARRAY_SIZE(choices));
    aml_end(a);

    aml_method(a, "_STA", 0, false); /* bit 7: not routed */
    aml_if(a);
    aml_op(a, AML_AND);
    aml_ref(a, reg);
    aml_int(a, 0x80);
    aml_null(a);
    aml_op(a, AML_RETURN);
    aml_int(a, 9);
    aml_end(a);
    aml_op(a, AML_RETURN);
    aml_int(a, STA_HIDDEN);
    aml_end(a);

    aml_method(a, "_DIS", 0, false);
    put_operation(a, AML_OR, reg, 0x80, reg);
    aml_end(a);

    aml_name(a, "BUF0");
    aml_resources(a);
    aml_res_interrupts(a, true, false, false, true, &none, 1);
    aml_end(a);
    aml_method(a, "_CRS", 0, true);
    aml_create_dword_field(a); /* the number follows 5 bytes of descriptor */
    aml_ref(a, "BUF0");
    aml_int(a, 5);
    aml_ref(a, "IRQN");
    aml_if(a);
    aml_op(a, AML_LLESS);
    aml_ref(a, reg);
    aml_int(a, 0x80);
    aml_op(a, AML_STORE);
    aml_ref(a, reg);
    aml_ref(a, "IRQN");
    aml_end(a);
    aml_op(a, AML_RETURN);
    aml_ref(a, "BUF0");
    aml_end(a);

    aml_method(a, "_SRS", 1, true);
    aml_create_dword_field(a);
    aml_arg(a, 0);
    aml_int(a, 5);
    aml_ref(a, "IRQN");
    aml_op(a, AML_STORE);
    aml_ref(a, "IRQN");
    aml_ref(a, reg);
    aml_end(a);
    aml_end(a);
}

/* With the IOAPIC, link n is pin 16 + n, for good: level, active high. */
static void add_apic_link(Aml *a, unsigned n)
{
    uint32_t gsi = 16 + n;
    char name[5] = "GSI?";

    name[3] = 'A' + n;
    aml_device(a, name);
    aml_name_eisaid(a, "_HID", "PNP0C0F");
    aml_name_int(a, "_UID", 16 + n);
    for (unsigned i = 0; i < 2; i++) {
        aml_name(a, i ? "_CRS" : "_PRS");
        aml_resources(a);
        aml_res_interrupts(a, true, false, false, true, &gsi, 1);
        aml_end(a);
    }
    aml_method(a, "_DIS", 0, false);
    aml_end(a);
    aml_method(a, "_SRS", 1, false);
    aml_end(a);
    aml_end(a);
}

static void add_links(Aml *a)
{
    aml_scope(a, "\\_SB");
    aml_field(a, "PCI0.SF8.PIRQ", AML_BYTE_ACC | AML_PRESERVE);
    for (unsigned n = 0; n < 8; n++) {
        char reg[5] = "PRQ?";

        reg[3] = 'A' + n;
        if (n == 4) {
            aml_field_skip(a, 32); /* 64h .. 67h */
        }
        aml_field_unit(a, reg, 8);
    }
    aml_end(a);
    for (unsigned n = 0; n < 8; n++) {
        add_pic_link(a, n);
        add_apic_link(a, n);
    }
    aml_end(a);
}

/* Devices ------------------------------------------------------------------ */

static void add_lpc(Aml *a, const AcpiX86Info *info)
{
    aml_device(a, "SF8");
    aml_name_int(a, "_ADR", 0x1f0000);
    aml_region(a, "PIRQ", AML_PCI_CONFIG, 0x60, 0xc);
    if (info->isa_devices) {
        info->isa_devices(info->opaque, a);
    }
    aml_end(a);
}

static void add_fw_cfg(Aml *a, uint16_t port)
{
    aml_device(a, "FWCF");
    aml_name_str(a, "_HID", "QEMU0002");
    aml_name_int(a, "_STA", STA_HIDDEN);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_io(a, port, port, 1, 0xc);
    aml_end(a);
    aml_end(a);
}

/* Ports that no other device's _CRS claims, so that the OS gives them away to
 * nobody. */
static void add_motherboard(Aml *a, const AcpiX86Info *info)
{
    aml_device(a, "GPE0");
    aml_name_eisaid(a, "_HID", "PNP0A06");
    aml_name_str(a, "_UID", "GPE0 resources");
    aml_name_int(a, "_STA", STA_HIDDEN);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_io(a, info->pm_base + 0x20, info->pm_base + 0x20, 1,
               info->gpe0_len);
    aml_end(a);
    aml_end(a);
}

static void add_host_bridge(Aml *a, const AcpiX86Info *info)
{
    aml_device(a, "PCI0");
    aml_name_eisaid(a, "_HID", info->pcie ? "PNP0A08" : "PNP0A03");
    if (info->pcie) {
        aml_name_eisaid(a, "_CID", "PNP0A03");
        add_osc(a);
    }
    aml_name_int(a, "_UID", 0);
    add_host_bridge_crs(a, info);
    add_motherboard(a, info);
    if (info->fw_cfg_port) {
        add_fw_cfg(a, info->fw_cfg_port);
    }
    if (info->q35_lpc) {
        add_routing(a);
        add_lpc(a, info);
    } else if (info->isa_devices) {
        info->isa_devices(info->opaque, a);
    }
    if (info->pci_devices) {
        info->pci_devices(info->opaque, a);
    }
    aml_end(a);
}

/* MCFG alone does not reserve ECAM: the OS wants a device that has it. */
static void add_ecam(Aml *a, const AcpiX86Info *info)
{
    aml_device(a, "DRAC");
    aml_name_eisaid(a, "_HID", "PNP0C01");
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_memory_range(a, false, info->ecam_base,
                         info->ecam_base +
                             ((info->ecam_last_bus + UINT64_C(1)) << 20) - 1);
    aml_end(a);
    aml_end(a);
}

static void add_hpet(Aml *a, uint32_t base)
{
    aml_device(a, "HPET");
    aml_name_eisaid(a, "_HID", "PNP0103");
    aml_name_int(a, "_UID", 0);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_memory32_fixed(a, base, 0x400, false);
    aml_end(a);
    aml_end(a);
}

/* Processor objects; _UID is the MADT's processor id. */
static void add_cpus(Aml *a, const AcpiX86Info *info)
{
    aml_device(a, "CPUS");
    aml_name_str(a, "_HID", "ACPI0010");
    aml_name_eisaid(a, "_CID", "PNP0A05");
    for (unsigned i = 0; i < info->n_cpus; i++) {
        char name[8];

        snprintf(name, sizeof(name), "C%03X", i & 0xfff);
        aml_device(a, name);
        aml_name_str(a, "_HID", "ACPI0007");
        aml_name_int(a, "_UID", i);
        if (!info->cpus[i].present) {
            aml_name_int(a, "_STA", 0);
        }
        if (info->n_nodes) {
            aml_name_int(a, "_PXM", info->cpus[i].node);
        }
        aml_end(a);
    }
    aml_end(a);
}

/* A sleep state with its SLP_TYP for PM1a and PM1b. */
static void add_sleep_state(Aml *a, const char *name, uint8_t type)
{
    aml_name(a, name);
    aml_package(a, 4);
    aml_int(a, type);
    aml_int(a, type);
    aml_int(a, 0);
    aml_int(a, 0);
    aml_end(a);
}

void acpi_x86_dsdt(Aml *a, const AcpiX86Info *info)
{
    add_pic_method(a);
    if (info->s4_type) {
        add_sleep_state(a, "_S4", info->s4_type);
    }
    add_sleep_state(a, "_S5", 0);
    aml_scope(a, "\\_SB");
    add_host_bridge(a, info);
    if (info->ecam_base) {
        add_ecam(a, info);
    }
    if (info->hpet_base) {
        add_hpet(a, info->hpet_base);
    }
    add_cpus(a, info);
    aml_end(a);
    if (info->q35_lpc) {
        add_links(a);
    }
    aml_scope(a, "\\_GPE");
    aml_name_str(a, "_HID", "ACPI0006");
    aml_end(a);
}
