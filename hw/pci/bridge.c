/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI-to-PCI bridges: the bus behind, its windows, bus reset. PCI-to-PCI Bridge
 * Architecture 1.2, chapter 3.
 */
#include "util/osdep.h"

#include "hw/pci/bridge.h"
#include "hw/pci/pci-internal.h"
#include "softmmu/vm.h"
#include "util/error.h"

static bool io_window(const uint8_t *c, uint64_t *base, uint64_t *limit)
{
    *base = (c[PCI_IO_BASE] & (unsigned)PCI_IO_RANGE_MASK & 0xff) << 8;
    *limit = (c[PCI_IO_LIMIT] & (unsigned)PCI_IO_RANGE_MASK & 0xff) << 8;
    if ((c[PCI_IO_BASE] & PCI_IO_RANGE_TYPE_MASK) == PCI_IO_RANGE_TYPE_32) {
        *base |= (uint64_t)pci_get_word(c + PCI_IO_BASE_UPPER16) << 16;
        *limit |= (uint64_t)pci_get_word(c + PCI_IO_LIMIT_UPPER16) << 16;
    }
    *limit |= 0xfff;
    return pci_get_word(c + PCI_COMMAND) & PCI_COMMAND_IO;
}

static bool mem_window(const uint8_t *c, uint64_t *base, uint64_t *limit)
{
    *base = (uint64_t)(pci_get_word(c + PCI_MEMORY_BASE) & 0xfff0) << 16;
    *limit = (uint64_t)(pci_get_word(c + PCI_MEMORY_LIMIT) & 0xfff0) << 16 |
             0xfffff;
    return pci_get_word(c + PCI_COMMAND) & PCI_COMMAND_MEMORY;
}

static bool pref_window(const uint8_t *c, uint64_t *base, uint64_t *limit)
{
    uint16_t type = pci_get_word(c + PCI_PREF_MEMORY_BASE) &
                    PCI_PREF_RANGE_TYPE_MASK;

    *base = (uint64_t)(pci_get_word(c + PCI_PREF_MEMORY_BASE) & 0xfff0) << 16;
    *limit = (uint64_t)(pci_get_word(c + PCI_PREF_MEMORY_LIMIT) & 0xfff0)
                 << 16 | 0xfffff;
    if (type == PCI_PREF_RANGE_TYPE_64) {
        *base |= (uint64_t)pci_get_long(c + PCI_PREF_BASE_UPPER32) << 32;
        *limit |= (uint64_t)pci_get_long(c + PCI_PREF_LIMIT_UPPER32) << 32;
    }
    return pci_get_word(c + PCI_COMMAND) & PCI_COMMAND_MEMORY;
}

bool pci_bridge_window(const PciBridge *br, int window, uint64_t *base,
                       uint64_t *limit)
{
    const uint8_t *c = br->pci.config;
    bool enabled = window == PCI_WINDOW_IO    ? io_window(c, base, limit)
                   : window == PCI_WINDOW_MEM ? mem_window(c, base, limit)
                                              : pref_window(c, base, limit);

    return enabled && *base <= *limit;
}

static MemRegion *window_parent(const PciBridge *br, int window)
{
    PciBus *bus = pci_get_bus(&br->pci);

    return window == PCI_WINDOW_IO ? bus->io : bus->mem;
}

static void close_window(PciBridge *br, int window)
{
    PciBridgeWindow *w = &br->windows[window];

    if (w->mapped) {
        mem_region_cleanup(&w->alias);
        w->mapped = false;
    }
}

static void open_window(PciBridge *br, int window, uint64_t base,
                        uint64_t limit)
{
    static const char *const names[] = {
        "pci_bridge_io", "pci_bridge_mem", "pci_bridge_pref_mem",
    };
    PciBridgeWindow *w = &br->windows[window];
    MemRegion *behind = window == PCI_WINDOW_IO ? &br->io : &br->mem;
    uint64_t size = limit - base;

    size += size < UINT64_MAX;
    mem_region_init_alias(&w->alias, &br->pci.dev.obj, names[window], behind,
                          base, size);
    mem_region_add_overlap(window_parent(br, window), base, &w->alias, 1);
    w->mapped = true;
}

static void update_windows(PciBridge *br)
{
    mem_txn_begin(br->pci.dev.vm);
    for (int i = 0; i < 3; i++) {
        uint64_t base, limit;

        close_window(br, i);
        if (pci_bridge_window(br, i, &base, &limit)) {
            open_window(br, i, base, limit);
        }
    }
    mem_txn_commit(br->pci.dev.vm);
}

static void reset_secondary(PciBridge *br)
{
    for (unsigned devfn = 0; devfn < ARRAY_SIZE(br->bus->devices); devfn++) {
        if (br->bus->devices[devfn]) {
            device_reset_tree(&br->bus->devices[devfn]->dev);
        }
    }
}

void pci_bridge_config_write(PciDevice *d, uint32_t addr, uint32_t value,
                             unsigned len)
{
    PciBridge *br = pci_bridge(d);
    uint16_t old = pci_get_word(d->config + PCI_BRIDGE_CONTROL), changed;

    pci_config_write_default(d, addr, value, len);
    if (pci_touches(addr, len, PCI_COMMAND, 2) ||
        pci_touches(addr, len, PCI_IO_BASE, 2) ||
        pci_touches(addr, len, PCI_MEMORY_BASE, 20)) {
        update_windows(br);
    }
    changed = ~old & pci_get_word(d->config + PCI_BRIDGE_CONTROL);
    if (changed & PCI_BRIDGE_CTL_BUS_RESET) {
        reset_secondary(br);
    }
}

void pci_bridge_close_windows(PciBridge *br)
{
    uint8_t *c = br->pci.config;

    c[PCI_IO_BASE] |= 0xf0;
    c[PCI_IO_LIMIT] &= 0x0f;
    pci_set_word(c + PCI_MEMORY_BASE,
                 pci_get_word(c + PCI_MEMORY_BASE) | 0xfff0);
    pci_set_word(c + PCI_MEMORY_LIMIT,
                 pci_get_word(c + PCI_MEMORY_LIMIT) & 0x000f);
    pci_set_word(c + PCI_PREF_MEMORY_BASE,
                 pci_get_word(c + PCI_PREF_MEMORY_BASE) | 0xfff0);
    pci_set_word(c + PCI_PREF_MEMORY_LIMIT,
                 pci_get_word(c + PCI_PREF_MEMORY_LIMIT) & 0x000f);
    pci_set_long(c + PCI_PREF_BASE_UPPER32, 0);
    pci_set_long(c + PCI_PREF_LIMIT_UPPER32, 0);
    update_windows(br);
}

static void pci_bridge_reset(Device *dev)
{
    PciBridge *br = pci_bridge(dev);
    uint8_t *c = br->pci.config;

    memset(c + PCI_PRIMARY_BUS, 0, 4);
    c[PCI_IO_BASE] &= PCI_IO_RANGE_TYPE_MASK;
    c[PCI_IO_LIMIT] &= PCI_IO_RANGE_TYPE_MASK;
    pci_set_long(c + PCI_MEMORY_BASE, 0);
    c[PCI_PREF_MEMORY_BASE] &= PCI_PREF_RANGE_TYPE_MASK;
    c[PCI_PREF_MEMORY_BASE + 1] = 0;
    c[PCI_PREF_MEMORY_LIMIT] &= PCI_PREF_RANGE_TYPE_MASK;
    c[PCI_PREF_MEMORY_LIMIT + 1] = 0;
    memset(c + PCI_PREF_BASE_UPPER32, 0, 8);
    pci_set_word(c + PCI_BRIDGE_CONTROL, 0);
    update_windows(br);
}

static bool pci_bridge_realize(Device *dev, Error **errp)
{
    PciBridge *br = pci_bridge(dev);
    const PciBridgeClass *k = object_class(dev);
    PciBus *parent = pci_get_bus(&br->pci);

    /* The bus is a child of the bridge under the bridge's own id. */
    if (dev->id && type_prop_find(dev->obj.type, dev->id)) {
        return error_set(errp,
                         "id '%s' cannot name the bus of a '%s', which "
                         "has a property of that name",
                         dev->id, dev->obj.type->name);
    }
    mem_region_init(&br->mem, &dev->obj, "pci_bridge_pci", 0);
    mem_region_init(&br->io, &dev->obj, "pci_bridge_io", 4 * GiB);
    br->bus = pci_bus(bus_new(k->child_bus ? k->child_bus : &pci_bus_type,
                              dev->vm, dev, dev->id));
    br->bus->mem = &br->mem;
    br->bus->io = &br->io;
    g_ptr_array_add(parent->child_buses, br->bus);
    return true;
}

static void pci_bridge_unrealize(Device *dev)
{
    PciBridge *br = pci_bridge(dev);

    for (int i = 0; i < 3; i++) {
        close_window(br, i);
    }
    g_ptr_array_remove(pci_get_bus(&br->pci)->child_buses, br->bus);
    bus_unparent(&br->bus->bus);
    br->bus = NULL;
    mem_region_cleanup(&br->mem);
    mem_region_cleanup(&br->io);
}

static const PciBridgeClass pci_bridge_class = {
    .pci = {
        .device = {
            .realize = pci_bridge_realize,
            .unrealize = pci_bridge_unrealize,
            .reset = pci_bridge_reset,
        },
        .bridge = true,
    },
};
QOM_DEFINE(PciBridge, pci_bridge, .name = "base-pci-bridge",
           .parent = &pci_device_type, .class = &pci_bridge_class,
           .abstract = true);

void pci_bridge_loaded(PciBridge *br)
{
    update_windows(br);
}

/* Capabilities ------------------------------------------------------------------ */

void pci_bridge_ssvid_init(PciDevice *d, uint8_t offset, uint16_t vendor,
                           uint16_t id)
{
    uint8_t at = pci_cap_add(d, PCI_CAP_ID_SSVID, offset, 8);

    pci_set_word(d->config + at + PCI_SSVID_VENDOR_ID, vendor);
    pci_set_word(d->config + at + PCI_SSVID_DEVICE_ID, id);
}

bool pci_bridge_reserve_init(PciDevice *d, const PciBridgeReserve *r,
                             Error **errp)
{
    enum { CAP_LEN = 32, RESERVE_TYPE = 1 };
    uint8_t at;

    if (r->bus == UINT32_MAX && r->io == UINT64_MAX && r->mem == UINT64_MAX &&
        r->pref32 == UINT64_MAX && r->pref64 == UINT64_MAX) {
        return true;
    }
    if (r->pref32 != UINT64_MAX && r->pref64 != UINT64_MAX) {
        return error_set(errp, "pref32-reserve and pref64-reserve exclude "
                               "each other");
    }
    if (r->mem != UINT64_MAX && r->mem >= UINT32_MAX) {
        return error_set(errp, "mem-reserve must be less than 4G");
    }
    if (r->pref32 != UINT64_MAX && r->pref32 >= UINT32_MAX) {
        return error_set(errp, "pref32-reserve must be less than 4G");
    }
    at = pci_cap_add_checked(d, PCI_CAP_ID_VNDR, 0, CAP_LEN, errp);
    if (!at) {
        return false;
    }
    d->config[at + 2] = CAP_LEN;
    d->config[at + 3] = RESERVE_TYPE;
    pci_set_long(d->config + at + 4, r->bus);
    pci_set_quad(d->config + at + 8, r->io);
    pci_set_long(d->config + at + 16, r->mem);
    pci_set_long(d->config + at + 20, r->pref32);
    pci_set_quad(d->config + at + 24, r->pref64);
    return true;
}
