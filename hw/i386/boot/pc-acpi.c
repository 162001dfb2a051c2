/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACPI tables of a PC machine as it is now. */
#include "util/osdep.h"

#include "hw/i386/boot/pc-boot-private.h"

#define MAX_WINDOWS 16

/* The hook of the nearest type that has one. */
static void (*find_build_aml(const ObjectType *type))(Device *, Aml *)
{
    for (; type && type_is_a(type, &device_type); type = type->parent) {
        const DeviceClass *dc = type_class(type);

        if (dc->build_aml) {
            return dc->build_aml;
        }
    }
    return NULL;
}

/* A device that describes itself also sees to what is below it. */
void aml_add_bus(Aml *a, Bus *bus)
{
    for (guint i = 0; i < bus->children->len; i++) {
        Device *dev = bus->children->pdata[i];
        void (*build)(Device *, Aml *) = find_build_aml(dev->obj.type);

        if (build && dev->realized) {
            build(dev, a);
        }
    }
}

static void add_isa_devices(void *opaque, Aml *a)
{
    aml_add_bus(a, &((PcBoot *)opaque)->c.isa->bus);
}

static void add_pci_devices(void *opaque, Aml *a)
{
    aml_add_bus(a, ((PcBoot *)opaque)->c.pci);
}

AcpiTables *pc_boot_build_acpi(PcBoot *b)
{
    const Machine *m = b->c.machine;
    g_autofree AcpiCpu *cpus = g_new0(AcpiCpu, MAX(m->n_cpu_slots, 1));
    AcpiPciWindow windows[MAX_WINDOWS];
    AcpiX86Info info = b->c.acpi;
    AcpiTables *t;

    for (unsigned i = 0; i < m->n_cpu_slots; i++) {
        cpus[i].apic_id = m->cpu_slots[i].arch_id;
        cpus[i].present = m->cpu_slots[i].cpu;
    }
    info.cpus = cpus;
    info.n_cpus = m->n_cpu_slots;
    info.windows = windows;
    info.n_windows = b->c.windows(b->c.opaque, windows, MAX_WINDOWS);
    info.fw_cfg_port = m->fw_cfg ? 0x510 : 0;
    info.isa_devices = b->c.isa ? add_isa_devices : NULL;
    info.pci_devices = b->c.pci ? add_pci_devices : NULL;
    info.opaque = b;
    t = acpi_x86_build(&info);
    acpi_tables_finish(t, 0);
    return t;
}
