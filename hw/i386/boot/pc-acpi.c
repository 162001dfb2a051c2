/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ACPI tables of a PC machine as it is now. */
#include "util/osdep.h"

#include "hw/core/numa.h"
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

/* NUMA -----------------------------------------------------------------------
 */

/* Where the guest sees RAM: two parts, the first with a hole for old PCs. */
typedef struct RamPart {
    uint64_t at, len; /* guest address */
} RamPart;

/* The next @size bytes of RAM, from part *@i on, belong to @node. */
static void add_node_ranges(RamPart *parts, unsigned n_parts, unsigned *i,
                            uint64_t size, uint32_t node, AcpiX86Info *info,
                            AcpiNumaRange *out)
{
    while (size && *i < n_parts) {
        RamPart *p = &parts[*i];
        uint64_t len = MIN(size, p->len);

        if (len) {
            out[info->n_ranges++] = (AcpiNumaRange){ p->at, len, node, false };
        }
        p->at += len;
        p->len -= len;
        size -= len;
        *i += !p->len;
    }
}

enum { N_RAM_PARTS = 3 };

static void describe_numa(PcBoot *b, AcpiX86Info *info, AcpiNumaRange *out,
                          uint8_t *distances)
{
    const Machine *m = b->c.machine;
    const NumaState *s = m->numa;
    RamPart parts[N_RAM_PARTS] = {
        { 0, MIN(640 * KiB, b->c.low_ram) },
        { MiB, b->c.low_ram > MiB ? b->c.low_ram - MiB : 0 },
        { 4 * GiB, b->c.high_ram },
    };
    uint64_t hole = MIN(b->c.low_ram, MiB) - parts[0].len;
    unsigned part = 0;

    info->n_nodes = s->n_nodes;
    info->ranges = out;
    for (unsigned i = 0; i < s->n_nodes; i++) {
        uint64_t size = s->nodes[i].size;

        /* The first node's RAM below 1 MiB is there but not seen. */
        if (hole) {
            uint64_t lost = MIN(hole, size);

            size -= lost;
            hole -= lost;
        }
        add_node_ranges(parts, N_RAM_PARTS, &part, size, i, info, out);
    }
    for (unsigned i = 0; s->has_distances && i < s->n_nodes; i++) {
        memcpy(distances + i * s->n_nodes, s->distance[i], s->n_nodes);
    }
    info->distances = s->has_distances ? distances : NULL;
}

AcpiTables *pc_boot_build_acpi(PcBoot *b)
{
    const Machine *m = b->c.machine;
    g_autofree AcpiCpu *cpus = g_new0(AcpiCpu, MAX(m->n_cpu_slots, 1));
    AcpiPciWindow windows[MAX_WINDOWS];
    AcpiX86Info info = b->c.acpi;
    unsigned nodes = m->numa ? m->numa->n_nodes : 0;
    g_autofree AcpiNumaRange *ranges =
        g_new0(AcpiNumaRange, nodes + N_RAM_PARTS);
    g_autofree uint8_t *distances = g_malloc0(nodes * nodes + 1);
    AcpiTables *t;

    for (unsigned i = 0; i < m->n_cpu_slots; i++) {
        cpus[i].apic_id = m->cpu_slots[i].arch_id;
        cpus[i].present = m->cpu_slots[i].cpu;
        cpus[i].node = m->cpu_slots[i].props.node_id;
    }
    info.cpus = cpus;
    info.n_cpus = m->n_cpu_slots;
    info.windows = windows;
    info.n_windows = b->c.windows(b->c.opaque, windows, MAX_WINDOWS);
    if (nodes) {
        describe_numa(b, &info, ranges, distances);
    }
    if (b->direct && b->c.setup) {
        info.last_bus = b->last_bus;
    }
    info.fw_cfg_port = m->fw_cfg ? 0x510 : 0;
    info.isa_devices = b->c.isa ? add_isa_devices : NULL;
    info.pci_devices = b->c.pci ? add_pci_devices : NULL;
    info.opaque = b;
    t = acpi_x86_build(&info);
    acpi_tables_finish(t, 0);
    return t;
}
