/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resource assignment in two passes over the bus tree: from the leaves up, how
 * much each bus needs; from the root down, where everything goes. PCI Firmware
 * Specification 3.2 says what an OS expects; PCI-to-PCI Bridge Architecture
 * 1.2, chapter 3, what windows can hold.
 */
#include "util/osdep.h"

#include "hw/pci/assign.h"
#include "hw/pci/bridge.h"
#include "hw/pci/pci-internal.h"
#include "util/error.h"

enum { RES_IO, RES_MEM, RES_PREF, RES_KINDS };

/* One BAR, or one window of a bridge. */
typedef struct Item {
    PciDevice *d;
    int bar; /* or -1: the window of this kind */
    uint64_t size, align;
    struct BusPlan *behind;
} Item;

typedef struct BusPlan {
    PciBus *bus;
    GArray *items[RES_KINDS]; /* Item, biggest alignment first once summed */
    uint64_t size[RES_KINDS], align[RES_KINDS];
    GPtrArray *children;      /* BusPlan * */
} BusPlan;

/* Bus numbers ---------------------------------------------------------------------- */

static const PciBridgeReserve no_reserve = {
    UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
};

/* The vendor capability of pci_bridge_reserve_init(), read back. */
static PciBridgeReserve get_reserve(const PciDevice *d)
{
    uint8_t at = pci_cap_find(d, PCI_CAP_ID_VNDR);
    const uint8_t *c = d->config + at;
    PciBridgeReserve r = no_reserve;

    if (!at || c[2] < 32 || c[3] != 1) {
        return r;
    }
    r.bus = pci_get_long(c + 4);
    if (pci_get_long(c + 8) != UINT32_MAX) {
        r.io = pci_get_long(c + 8);
    }
    if (pci_get_long(c + 16) != UINT32_MAX) {
        r.mem = pci_get_long(c + 16);
    }
    if (pci_get_long(c + 20) != UINT32_MAX) {
        r.pref32 = pci_get_long(c + 20);
    }
    if (pci_get_long(c + 24) != UINT32_MAX ||
        pci_get_long(c + 28) != UINT32_MAX) {
        r.pref64 = pci_get_long(c + 24) |
                   (uint64_t)pci_get_long(c + 28) << 32;
    }
    return r;
}

/* In order of devfn, depth first, as an OS would count. */
static void number_buses(PciBus *bus, unsigned *last)
{
    for (unsigned devfn = 0; devfn < ARRAY_SIZE(bus->devices); devfn++) {
        PciDevice *d = bus->devices[devfn];
        PciBridge *br = d ? object_dynamic_cast(d, &pci_bridge_type) : NULL;
        PciBridgeReserve r;

        if (!br || *last >= 255) {
            continue;
        }
        r = get_reserve(d);
        ++*last;
        pci_config_write(d, PCI_PRIMARY_BUS, pci_bus_num(bus), 1);
        pci_config_write(d, PCI_SECONDARY_BUS, *last, 1);
        pci_config_write(d, PCI_SUBORDINATE_BUS, 255, 1);
        number_buses(br->bus, last);
        if (r.bus != UINT32_MAX) {
            unsigned want = d->config[PCI_SECONDARY_BUS] + MIN(r.bus, 255);

            *last = MAX(*last, MIN(want, 255));
        }
        pci_config_write(d, PCI_SUBORDINATE_BUS, *last, 1);
    }
}

/* Needs ------------------------------------------------------------------------------ */

static BusPlan *plan_new(PciBus *bus)
{
    BusPlan *p = g_new0(BusPlan, 1);

    p->bus = bus;
    for (int k = 0; k < RES_KINDS; k++) {
        p->items[k] = g_array_new(FALSE, FALSE, sizeof(Item));
    }
    p->children = g_ptr_array_new();
    return p;
}

static void plan_free(BusPlan *p)
{
    for (guint i = 0; i < p->children->len; i++) {
        plan_free(p->children->pdata[i]);
    }
    g_ptr_array_unref(p->children);
    for (int k = 0; k < RES_KINDS; k++) {
        g_array_unref(p->items[k]);
    }
    g_free(p);
}

static void plan_bars(BusPlan *p, PciDevice *d)
{
    for (int bar = 0; bar < PCI_NUM_BARS; bar++) {
        const PciBar *b = &d->bars[bar];
        int kind = RES_MEM;
        Item item = { .d = d, .bar = bar };

        if (!b->mr) {
            continue;
        }
        if (b->type & PCI_BASE_ADDRESS_SPACE_IO) {
            kind = RES_IO;
        } else if ((b->type & PCI_BASE_ADDRESS_MEM_PREFETCH) &&
                   (b->type & PCI_BASE_ADDRESS_MEM_TYPE_64)) {
            kind = RES_PREF;
        }
        item.size = item.align =
            MAX(b->size, kind == RES_IO ? 4 : 4 * KiB);
        g_array_append_val(p->items[kind], item);
    }
}

/* Room for what is plugged later: what the user asked for, else 2 MiB each of
 * memory where the slot can take something. */
static uint64_t wanted(const PciBridge *br, int kind)
{
    PciBridgeReserve r = get_reserve(&br->pci);
    bool slot = br->bus->hotplug_enabled;

    switch (kind) {
    case RES_IO:
        return r.io != UINT64_MAX ? r.io : 0;
    case RES_MEM:
        return r.mem != UINT64_MAX ? r.mem : slot ? 2 * MiB : 0;
    default:
        if (r.pref64 != UINT64_MAX) {
            return r.pref64;
        }
        return r.pref32 != UINT64_MAX ? r.pref32 : slot ? 2 * MiB : 0;
    }
}

static gint by_align(gconstpointer a, gconstpointer b)
{
    const Item *x = a, *y = b;

    return x->align > y->align ? -1 : x->align < y->align;
}

static BusPlan *plan_bus(PciBus *bus);

static void plan_bridge(BusPlan *p, PciBridge *br)
{
    BusPlan *child = plan_bus(br->bus);

    g_ptr_array_add(p->children, child);
    for (int k = 0; k < RES_KINDS; k++) {
        uint64_t unit = k == RES_IO ? 4 * KiB : MiB;
        uint64_t size = MAX(child->size[k], wanted(br, k));
        Item item = { .d = &br->pci, .bar = -1, .behind = child };

        child->size[k] = ALIGN_UP(size, unit);
        child->align[k] = MAX(child->align[k], unit);
        if (child->size[k]) {
            item.size = child->size[k];
            item.align = child->align[k];
            g_array_append_val(p->items[k], item);
        }
    }
}

static BusPlan *plan_bus(PciBus *bus)
{
    BusPlan *p = plan_new(bus);

    for (unsigned devfn = 0; devfn < ARRAY_SIZE(bus->devices); devfn++) {
        PciDevice *d = bus->devices[devfn];
        PciBridge *br = d ? object_dynamic_cast(d, &pci_bridge_type) : NULL;

        if (d) {
            plan_bars(p, d);
        }
        if (br) {
            plan_bridge(p, br);
        }
    }
    for (int k = 0; k < RES_KINDS; k++) {
        g_array_sort(p->items[k], by_align);
        for (guint i = 0; i < p->items[k]->len; i++) {
            const Item *item = &g_array_index(p->items[k], Item, i);

            p->size[k] = ALIGN_UP(p->size[k], item->align) + item->size;
            p->align[k] = MAX(p->align[k], item->align);
        }
    }
    return p;
}

/* Placing ------------------------------------------------------------------------------ */

static void write_bar(const Item *item, uint64_t addr)
{
    PciDevice *d = item->d;
    unsigned reg = PCI_BASE_ADDRESS_0 + 4 * item->bar;

    if (item->bar == PCI_ROM_BAR) {
        reg = pci_device_class(d)->bridge ? PCI_ROM_ADDRESS1 : PCI_ROM_ADDRESS;
    }
    pci_config_write(d, reg, addr, 4);
    if (d->bars[item->bar].type & PCI_BASE_ADDRESS_MEM_TYPE_64) {
        pci_config_write(d, reg + 4, addr >> 32, 4);
    }
}

static void write_window(PciDevice *d, int kind, uint64_t base, uint64_t limit)
{
    switch (kind) {
    case RES_IO:
        pci_config_write(d, PCI_IO_BASE, (base >> 8) & 0xf0, 1);
        pci_config_write(d, PCI_IO_LIMIT, (limit >> 8) & 0xf0, 1);
        break;
    case RES_MEM:
        pci_config_write(d, PCI_MEMORY_BASE, base >> 16, 2);
        pci_config_write(d, PCI_MEMORY_LIMIT, limit >> 16, 2);
        break;
    default:
        pci_config_write(d, PCI_PREF_MEMORY_BASE, base >> 16, 2);
        pci_config_write(d, PCI_PREF_MEMORY_LIMIT, limit >> 16, 2);
        pci_config_write(d, PCI_PREF_BASE_UPPER32, base >> 32, 4);
        pci_config_write(d, PCI_PREF_LIMIT_UPPER32, limit >> 32, 4);
        break;
    }
}

/* Base above limit: closed. */
static void close_windows(PciDevice *d)
{
    write_window(d, RES_IO, 0xf000, 0);
    write_window(d, RES_MEM, 0xfff00000, 0);
    write_window(d, RES_PREF, 0xfff00000, 0);
}

/* Put the items of @kind one after the other from @at; what would pass @limit
 * stays where it is. */
static void place(BusPlan *p, int kind, uint64_t *at, uint64_t limit)
{
    for (guint i = 0; i < p->items[kind]->len; i++) {
        const Item *item = &g_array_index(p->items[kind], Item, i);
        uint64_t base = ALIGN_UP(*at, item->align);

        if (base < *at || base > limit || item->size - 1 > limit - base) {
            warn_report("no room for a PCI resource of %" PRIu64
                        " bytes of '%s'", item->size, item->d->name);
            continue;
        }
        *at = base + item->size;
        if (item->behind) {
            uint64_t inner = base;

            write_window(item->d, kind, base, base + item->size - 1);
            place(item->behind, kind, &inner, base + item->size - 1);
        } else {
            write_bar(item, base);
        }
    }
}

static void close_all(BusPlan *p)
{
    for (guint i = 0; i < p->children->len; i++) {
        BusPlan *child = p->children->pdata[i];

        close_windows(pci_bus_bridge(child->bus));
        close_all(child);
    }
}

/* Switch decoding on, and say which interrupt the pin raises. */
static void enable(PciBus *bus, const PciAssign *a)
{
    for (unsigned devfn = 0; devfn < ARRAY_SIZE(bus->devices); devfn++) {
        PciDevice *d = bus->devices[devfn];
        PciBridge *br = d ? object_dynamic_cast(d, &pci_bridge_type) : NULL;
        uint16_t command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
        int pin = d ? d->config[PCI_INTERRUPT_PIN] : 0;

        if (!d) {
            continue;
        }
        if (br) {
            command |= PCI_COMMAND_MASTER | PCI_COMMAND_SERR;
            enable(br->bus, a);
        }
        if (pin >= 1 && pin <= PCI_NUM_PINS && a->irq_line) {
            pci_config_write(d, PCI_INTERRUPT_LINE,
                             a->irq_line(a->opaque, d, pin - 1), 1);
        }
        pci_config_write(d, PCI_COMMAND, command, 2);
    }
}

unsigned pci_assign_all(PciBus *root, const PciAssign *a)
{
    unsigned last = pci_bus_num(root);
    uint64_t at = a->io.base;
    BusPlan *p;

    mem_txn_begin(root->bus.vm);
    number_buses(root, &last);
    p = plan_bus(root);
    close_all(p);
    place(p, RES_IO, &at, a->io.limit);
    at = a->mem32.base;
    place(p, RES_MEM, &at, a->mem32.limit);
    /* Prefetchable memory is 64 bits wide all the way: above only when it
     * does not fit below. */
    if (ALIGN_UP(at, MAX(p->align[RES_PREF], 1)) + p->size[RES_PREF] <=
        a->mem32.limit) {
        place(p, RES_PREF, &at, a->mem32.limit);
    } else {
        at = a->mem64.base;
        place(p, RES_PREF, &at, a->mem64.limit);
    }
    enable(root, a);
    plan_free(p);
    mem_txn_commit(root->bus.vm);
    return last;
}
