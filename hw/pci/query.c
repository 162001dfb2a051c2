/* SPDX-License-Identifier: GPL-2.0-or-later */
/* query-pci and "info pci". */
#include "util/osdep.h"

#include "hw/pci/bridge.h"
#include "hw/pci/pci-internal.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-pci.h"

static PciDeviceInfoList *query_bus(PciBus *bus);

static PciMemoryRegionList *query_regions(const PciDevice *d)
{
    PciMemoryRegionList *list = NULL;

    for (int bar = PCI_NUM_BARS - 1; bar >= 0; bar--) {
        const PciBar *b = &d->bars[bar];
        PciMemoryRegion *r;

        if (!b->mr) {
            continue;
        }
        r = g_new0(PciMemoryRegion, 1);
        r->bar = bar;
        r->address = b->addr;
        r->size = b->size;
        if (b->type & PCI_BASE_ADDRESS_SPACE_IO) {
            r->type = g_strdup("io");
        } else {
            r->type = g_strdup("memory");
            r->has_prefetch = r->has_mem_type_64 = true;
            r->prefetch = b->type & PCI_BASE_ADDRESS_MEM_PREFETCH;
            r->mem_type_64 = b->type & PCI_BASE_ADDRESS_MEM_TYPE_64;
        }
        QAPI_LIST_PREPEND(list, r);
    }
    return list;
}

static PciMemoryRange *query_window(const PciBridge *br, int window)
{
    PciMemoryRange *r = g_new0(PciMemoryRange, 1);
    uint64_t base, limit;

    pci_bridge_window(br, window, &base, &limit);
    r->base = base;
    r->limit = limit;
    return r;
}

static PciBridgeInfo *query_bridge(PciBridge *br)
{
    const uint8_t *config = br->pci.config;
    PciBridgeInfo *info = g_new0(PciBridgeInfo, 1);
    PciBusInfo *bus = g_new0(PciBusInfo, 1);

    bus->number = config[PCI_PRIMARY_BUS];
    bus->secondary = config[PCI_SECONDARY_BUS];
    bus->subordinate = config[PCI_SUBORDINATE_BUS];
    bus->io_range = query_window(br, PCI_WINDOW_IO);
    bus->memory_range = query_window(br, PCI_WINDOW_MEM);
    bus->prefetchable_range = query_window(br, PCI_WINDOW_PREF);
    info->bus = bus;
    /* Before it has a number, nothing behind can be reached. */
    if (bus->secondary) {
        info->has_devices = true;
        info->devices = query_bus(br->bus);
    }
    return info;
}

static PciDeviceId *query_id(const PciDevice *d)
{
    PciDeviceId *id = g_new0(PciDeviceId, 1);

    id->vendor = pci_get_word(d->config + PCI_VENDOR_ID);
    id->device = pci_get_word(d->config + PCI_DEVICE_ID);
    if ((d->config[PCI_HEADER_TYPE] & 0x7f) == PCI_HEADER_TYPE_NORMAL) {
        id->has_subsystem = id->has_subsystem_vendor = true;
        id->subsystem = pci_get_word(d->config + PCI_SUBSYSTEM_ID);
        id->subsystem_vendor = pci_get_word(d->config +
                                            PCI_SUBSYSTEM_VENDOR_ID);
    }
    return id;
}

static PciDeviceInfo *query_device(PciDevice *d)
{
    PciBridge *br = object_dynamic_cast(d, &pci_bridge_type);
    PciDeviceInfo *info = g_new0(PciDeviceInfo, 1);

    info->bus = pci_bus_num(pci_get_bus(d));
    info->slot = PCI_DEVFN_SLOT(d->devfn);
    info->function = PCI_DEVFN_FUNC(d->devfn);
    info->class_info = g_new0(PciDeviceClass, 1);
    info->class_info->q_class = pci_get_word(d->config + PCI_CLASS_DEVICE);
    info->class_info->desc = g_strdup(pci_class_desc(d));
    info->id = query_id(d);
    info->irq_pin = d->config[PCI_INTERRUPT_PIN];
    if (info->irq_pin) {
        info->has_irq = true;
        info->irq = d->config[PCI_INTERRUPT_LINE];
    }
    info->qdev_id = g_strdup(d->dev.id ? d->dev.id : "");
    info->regions = query_regions(d);
    info->pci_bridge = br ? query_bridge(br) : NULL;
    return info;
}

static PciDeviceInfoList *query_bus(PciBus *bus)
{
    PciDeviceInfoList *list = NULL;

    for (int devfn = 255; devfn >= 0; devfn--) {
        if (bus->devices[devfn]) {
            QAPI_LIST_PREPEND(list, query_device(bus->devices[devfn]));
        }
    }
    return list;
}

PciInfoList *qmp_query_pci(Vm *vm, Error **errp)
{
    PciBus *root = pci_find_root_bus(vm);
    PciInfoList *list = NULL;
    PciInfo *info;

    if (root) {
        info = g_new0(PciInfo, 1);
        info->bus = pci_bus_num(root);
        info->devices = query_bus(root);
        QAPI_LIST_PREPEND(list, info);
    }
    return list;
}

/* HMP --------------------------------------------------------------------------- */

static void print_range(Hmp *hmp, const char *name, const PciMemoryRange *r,
                        int digits)
{
    hmp_printf(hmp, "      %s range [0x%0*" PRIx64 ", 0x%0*" PRIx64 "]\n", name,
               digits, (uint64_t)r->base, digits, (uint64_t)r->limit);
}

static void print_region(Hmp *hmp, const PciMemoryRegion *r)
{
    uint64_t addr = r->address, last = addr + r->size - 1;

    if (g_str_equal(r->type, "io")) {
        hmp_printf(hmp, "      BAR%" PRId64 ": I/O at 0x%04" PRIx64
                   " [0x%04" PRIx64 "].\n", r->bar, addr, last);
        return;
    }
    hmp_printf(hmp, "      BAR%" PRId64 ": %d bit%s memory at 0x%08" PRIx64
               " [0x%08" PRIx64 "].\n", r->bar, r->mem_type_64 ? 64 : 32,
               r->prefetch ? " prefetchable" : "", addr, last);
}

static void print_devices(Hmp *hmp, const PciDeviceInfoList *list);

static void print_bridge(Hmp *hmp, const PciBridgeInfo *info)
{
    const PciBusInfo *bus = info->bus;

    hmp_printf(hmp, "      BUS %" PRId64 ".\n", bus->number);
    hmp_printf(hmp, "      secondary bus %" PRId64 ".\n", bus->secondary);
    hmp_printf(hmp, "      subordinate bus %" PRId64 ".\n", bus->subordinate);
    print_range(hmp, "IO", bus->io_range, 4);
    print_range(hmp, "memory", bus->memory_range, 8);
    print_range(hmp, "prefetchable memory", bus->prefetchable_range, 8);
}

static void print_device(Hmp *hmp, const PciDeviceInfo *d)
{
    hmp_printf(hmp, "  Bus %2" PRId64 ", device %3" PRId64 ", function %" PRId64
               ":\n", d->bus, d->slot, d->function);
    if (d->class_info->desc) {
        hmp_printf(hmp, "    %s", d->class_info->desc);
    } else {
        hmp_printf(hmp, "    Class %04" PRId64, d->class_info->q_class);
    }
    hmp_printf(hmp, ": PCI device %04" PRIx64 ":%04" PRIx64 "\n",
               (uint64_t)d->id->vendor, (uint64_t)d->id->device);
    if (d->id->has_subsystem && d->id->has_subsystem_vendor) {
        hmp_printf(hmp, "      PCI subsystem %04" PRIx64 ":%04" PRIx64 "\n",
                   (uint64_t)d->id->subsystem_vendor,
                   (uint64_t)d->id->subsystem);
    }
    if (d->has_irq) {
        hmp_printf(hmp, "      IRQ %" PRId64 ", pin %c\n", d->irq,
                   (char)('A' + d->irq_pin - 1));
    }
    if (d->pci_bridge) {
        print_bridge(hmp, d->pci_bridge);
    }
    for (const PciMemoryRegionList *r = d->regions; r; r = r->next) {
        print_region(hmp, r->value);
    }
    hmp_printf(hmp, "      id \"%s\"\n", d->qdev_id);
    if (d->pci_bridge) {
        print_devices(hmp, d->pci_bridge->devices);
    }
}

static void print_devices(Hmp *hmp, const PciDeviceInfoList *list)
{
    for (; list; list = list->next) {
        print_device(hmp, list->value);
    }
}

static bool info_pci(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(PciInfoList) list = qmp_query_pci(hmp->vm, errp);

    if (!list) {
        hmp_printf(hmp, "No PCI buses\n");
        return true;
    }
    for (const PciInfoList *bus = list; bus; bus = bus->next) {
        print_devices(hmp, bus->value->devices);
    }
    return true;
}

static const HmpCommand pci_commands[] = {
    { .name = "info pci", .help = "show PCI info", .needs = "query-pci",
      .run = info_pci },
};
HMP_COMMANDS(pci_commands);
