/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration space: masks, the default access, base address registers.
 * PCI Local Bus 3.0, chapter 6; PCI-to-PCI Bridge Architecture 1.2, 3.2.
 */
#include "util/osdep.h"

#include "hw/pci/bridge.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-internal.h"
#include "softmmu/vm.h"
#include "util/trace.h"

TRACE_POINT(pci_cfg_read);
TRACE_POINT(pci_cfg_write);

enum {
    COMMAND_WRITABLE = PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
                       PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
                       PCI_COMMAND_INTX_DISABLE,
    STATUS_CLEARABLE = PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
                       PCI_STATUS_REC_TARGET_ABORT |
                       PCI_STATUS_REC_MASTER_ABORT |
                       PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY,
};

static void init_bridge_masks(PciDevice *d)
{
    uint8_t *w = d->wmask;

    d->config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
    d->config[PCI_PREF_MEMORY_BASE] = PCI_PREF_RANGE_TYPE_64;
    d->config[PCI_PREF_MEMORY_LIMIT] = PCI_PREF_RANGE_TYPE_64;
    memset(w + PCI_PRIMARY_BUS, 0xff, 4); /* and the latency timer */
    w[PCI_IO_BASE] = w[PCI_IO_LIMIT] = PCI_IO_RANGE_MASK & 0xff;
    pci_set_word(w + PCI_MEMORY_BASE, 0xfff0);
    pci_set_word(w + PCI_MEMORY_LIMIT, 0xfff0);
    pci_set_word(w + PCI_PREF_MEMORY_BASE, 0xfff0);
    pci_set_word(w + PCI_PREF_MEMORY_LIMIT, 0xfff0);
    memset(w + PCI_PREF_BASE_UPPER32, 0xff, 8);
    pci_set_word(w + PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_WRITABLE);
    pci_set_word(d->w1cmask + PCI_BRIDGE_CONTROL,
                 PCI_BRIDGE_CTL_DISCARD_STATUS);
    pci_set_word(d->w1cmask + PCI_SEC_STATUS, STATUS_CLEARABLE);
    /* What loading compares: the kind of windows. */
    d->cmask[PCI_IO_BASE] = d->cmask[PCI_IO_LIMIT] = PCI_IO_RANGE_TYPE_MASK;
    pci_set_word(d->cmask + PCI_PREF_MEMORY_BASE, PCI_PREF_RANGE_TYPE_MASK);
    pci_set_word(d->cmask + PCI_PREF_MEMORY_LIMIT, PCI_PREF_RANGE_TYPE_MASK);
}

static void init_masks(PciDevice *d)
{
    pci_set_long(d->cmask + PCI_VENDOR_ID, 0xffffffff);
    d->cmask[PCI_STATUS] = PCI_STATUS_CAP_LIST;
    d->cmask[PCI_REVISION_ID] = 0xff;
    d->cmask[PCI_CLASS_PROG] = 0xff;
    pci_set_word(d->cmask + PCI_CLASS_DEVICE, 0xffff);
    d->cmask[PCI_HEADER_TYPE] = 0xff;
    d->cmask[PCI_CAPABILITY_LIST] = 0xff;

    d->wmask[PCI_CACHE_LINE_SIZE] = 0xff;
    d->wmask[PCI_INTERRUPT_LINE] = 0xff;
    pci_set_word(d->wmask + PCI_COMMAND, COMMAND_WRITABLE);
    memset(d->wmask + PCI_STD_HEADER_SIZEOF, 0xff,
           d->config_size - PCI_STD_HEADER_SIZEOF);
    pci_set_word(d->w1cmask + PCI_STATUS, STATUS_CLEARABLE);
}

static void init_ids(PciDevice *d)
{
    const PciDevClass *k = pci_device_class(d);

    pci_set_word(d->config + PCI_VENDOR_ID, k->vendor_id);
    pci_set_word(d->config + PCI_DEVICE_ID, k->device_id);
    d->config[PCI_REVISION_ID] = k->revision;
    pci_set_word(d->config + PCI_CLASS_DEVICE, k->class_id);
    if (k->bridge) {
        return;
    }
    if (k->subsystem_vendor_id || k->subsystem_id) {
        pci_set_word(d->config + PCI_SUBSYSTEM_VENDOR_ID,
                     k->subsystem_vendor_id);
        pci_set_word(d->config + PCI_SUBSYSTEM_ID, k->subsystem_id);
    } else {
        pci_set_word(d->config + PCI_SUBSYSTEM_VENDOR_ID,
                     PCI_SUBVENDOR_ID_DEFAULT);
        pci_set_word(d->config + PCI_SUBSYSTEM_ID, PCI_SUBDEVICE_ID_DEFAULT);
    }
}

void pci_config_init(PciDevice *d)
{
    size_t n = d->config_size;

    /* One block for the five arrays. */
    d->config = g_malloc0(5 * n);
    d->cmask = d->config + n;
    d->wmask = d->cmask + n;
    d->w1cmask = d->wmask + n;
    d->used = d->w1cmask + n;
    init_masks(d);
    init_ids(d);
    if (pci_device_class(d)->bridge) {
        init_bridge_masks(d);
    }
    if (d->flags & BIT(PCI_FLAG_MULTIFUNCTION)) {
        d->config[PCI_HEADER_TYPE] |= 0x80;
    }
}

void pci_config_free(PciDevice *d)
{
    g_free(d->config);
    d->config = d->cmask = d->wmask = d->w1cmask = d->used = NULL;
}

/* Accesses -------------------------------------------------------------------- */

uint32_t pci_config_read_default(PciDevice *d, uint32_t addr, unsigned len)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < len; i++) {
        v |= (uint32_t)d->config[addr + i] << (8 * i);
    }
    return v;
}

static bool bars_affected(const PciDevice *d, uint32_t addr, unsigned len)
{
    bool bridge = pci_device_class(d)->bridge;

    return pci_touches(addr, len, PCI_COMMAND, 2) ||
           pci_touches(addr, len, PCI_BASE_ADDRESS_0, bridge ? 8 : 24) ||
           pci_touches(addr, len, bridge ? PCI_ROM_ADDRESS1 : PCI_ROM_ADDRESS,
                       4);
}

static void command_written(PciDevice *d, uint16_t old)
{
    uint16_t changed = old ^ pci_get_word(d->config + PCI_COMMAND);
    const PciDevClass *k = pci_device_class(d);

    pci_intx_disable_changed(d, old & PCI_COMMAND_INTX_DISABLE);
    if ((changed & PCI_COMMAND_MASTER) && k->dma_changed) {
        k->dma_changed(d);
    }
}

void pci_config_write_default(PciDevice *d, uint32_t addr, uint32_t value,
                              unsigned len)
{
    uint16_t command = pci_get_word(d->config + PCI_COMMAND);
    bool was_masked = msix_function_masked(d);

    for (unsigned i = 0; i < len; i++) {
        uint8_t *byte = &d->config[addr + i], v = value >> (8 * i);
        uint8_t w = d->wmask[addr + i], w1c = d->w1cmask[addr + i];

        *byte = (*byte & ~w) | (v & w);
        *byte &= ~(v & w1c);
    }
    if (bars_affected(d, addr, len)) {
        pci_bars_update(d);
    }
    if (pci_touches(addr, len, PCI_COMMAND, 2)) {
        command_written(d, command);
    }
    msi_config_written(d, addr, len);
    msix_config_written(d, addr, len, was_masked);
    pcie_config_written(d, addr, len);
}

static bool access_fits(const PciDevice *d, uint32_t addr, unsigned len)
{
    return d->has_power && addr < d->config_size &&
           len <= d->config_size - addr;
}

uint32_t pci_config_read(PciDevice *d, uint32_t addr, unsigned len)
{
    const PciDevClass *k = pci_device_class(d);
    uint32_t value;

    if (!access_fits(d, addr, len)) {
        return UINT32_MAX >> (32 - 8 * len);
    }
    value = k->config_read ? k->config_read(d, addr, len)
                           : pci_config_read_default(d, addr, len);
    trace(pci_cfg_read, "%s %02u:%u @0x%x -> 0x%x", d->name, d->devfn >> 3,
          d->devfn & 7, addr, value);
    return value;
}

void pci_config_write(PciDevice *d, uint32_t addr, uint32_t value,
                      unsigned len)
{
    const PciDevClass *k = pci_device_class(d);

    if (!access_fits(d, addr, len)) {
        return;
    }
    trace(pci_cfg_write, "%s %02u:%u @0x%x <- 0x%x", d->name, d->devfn >> 3,
          d->devfn & 7, addr, value);
    if (k->config_write) {
        k->config_write(d, addr, value, len);
    } else {
        pci_config_write_default(d, addr, value, len);
    }
}

/* Base address registers ---------------------------------------------------------- */

static unsigned bar_offset(const PciDevice *d, int bar)
{
    if (bar != PCI_ROM_BAR) {
        return PCI_BASE_ADDRESS_0 + 4 * bar;
    }
    return pci_device_class(d)->bridge ? PCI_ROM_ADDRESS1 : PCI_ROM_ADDRESS;
}

void pci_bar_add(PciDevice *d, int bar, uint8_t type, MemRegion *mr)
{
    unsigned offset = bar_offset(d, bar);
    uint64_t size = mem_region_size(mr);
    uint64_t mask = ~(size - 1);
    bool wide = type & PCI_BASE_ADDRESS_MEM_TYPE_64;

    assert(bar >= 0 && bar < PCI_NUM_BARS && !d->bars[bar].mr);
    assert(is_power_of_2(size));
    if (bar == PCI_ROM_BAR) {
        mask |= PCI_ROM_ADDRESS_ENABLE;
    } else {
        d->config[offset] = type;
        d->cmask[offset] = 0x0f;
    }
    d->bars[bar] = (PciBar){
        .mr = mr, .size = size, .addr = PCI_BAR_UNMAPPED, .type = type,
    };
    if (wide) {
        pci_set_quad(d->wmask + offset, mask);
    } else {
        pci_set_long(d->wmask + offset, mask);
    }
}

hwaddr pci_bar_addr(const PciDevice *d, int bar)
{
    return d->bars[bar].mr ? d->bars[bar].addr : PCI_BAR_UNMAPPED;
}

/* Where the registers say that the BAR is, or PCI_BAR_UNMAPPED. */
static hwaddr bar_decode(const PciDevice *d, int bar)
{
    const PciBar *b = &d->bars[bar];
    const uint8_t *reg = d->config + bar_offset(d, bar);
    uint16_t command = pci_get_word(d->config + PCI_COMMAND);
    uint64_t addr = pci_get_long(reg), max = UINT32_MAX, last;

    if (!d->has_power) {
        return PCI_BAR_UNMAPPED;
    }
    if (b->type & PCI_BASE_ADDRESS_SPACE_IO) {
        if (!(command & PCI_COMMAND_IO)) {
            return PCI_BAR_UNMAPPED;
        }
        max = UINT16_MAX;
    } else if (!(command & PCI_COMMAND_MEMORY)) {
        return PCI_BAR_UNMAPPED;
    }
    if (bar == PCI_ROM_BAR) {
        if (!(addr & PCI_ROM_ADDRESS_ENABLE)) {
            return PCI_BAR_UNMAPPED;
        }
    } else if (b->type & PCI_BASE_ADDRESS_MEM_TYPE_64) {
        addr |= (uint64_t)pci_get_long(reg + 4) << 32;
        max = INT64_MAX;
    }
    addr &= ~(b->size - 1);
    last = addr + b->size - 1;
    /* Nothing lies at 0, and a 32-bit register full of ones asks for the
     * size. */
    if (!addr || last < addr || last > max || (max == UINT32_MAX && last == max)) {
        return PCI_BAR_UNMAPPED;
    }
    return addr;
}

static void bar_map(PciDevice *d, int bar, hwaddr addr)
{
    PciBar *b = &d->bars[bar];
    PciBus *bus = pci_get_bus(d);
    MemRegion *space = b->type & PCI_BASE_ADDRESS_SPACE_IO ? bus->io : bus->mem;

    if (b->addr == addr) {
        return;
    }
    /* Its owner may have cleaned it up before. */
    if (b->addr != PCI_BAR_UNMAPPED && mem_region_is_mapped(b->mr)) {
        mem_region_del(space, b->mr);
    }
    b->addr = addr;
    if (addr != PCI_BAR_UNMAPPED) {
        mem_region_add_overlap(space, addr, b->mr, 1);
    }
}

void pci_bars_update(PciDevice *d)
{
    hwaddr want[PCI_NUM_BARS];
    bool change = false;

    for (int bar = 0; bar < PCI_NUM_BARS; bar++) {
        want[bar] = d->bars[bar].mr ? bar_decode(d, bar) : PCI_BAR_UNMAPPED;
        change |= d->bars[bar].mr && want[bar] != d->bars[bar].addr;
    }
    if (!change) {
        return;
    }
    mem_txn_begin(d->dev.vm);
    for (int bar = 0; bar < PCI_NUM_BARS; bar++) {
        if (d->bars[bar].mr) {
            bar_map(d, bar, want[bar]);
        }
    }
    mem_txn_commit(d->dev.vm);
}

void pci_bar_del(PciDevice *d, int bar)
{
    if (d->bars[bar].mr) {
        bar_map(d, bar, PCI_BAR_UNMAPPED);
        d->bars[bar].mr = NULL;
    }
}

void pci_bars_unmap(PciDevice *d)
{
    for (int bar = 0; bar < PCI_NUM_BARS; bar++) {
        pci_bar_del(d, bar);
    }
}
