/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI functions: life, capabilities, reset, bus mastering. PCI Local Bus 3.0.
 */
#include "util/osdep.h"

#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-internal.h"
#include "softmmu/vm.h"
#include "util/error.h"

static const Prop pci_device_props[] = {
    { .name = "addr", .kind = &prop_kind_pci_addr,
      .offset = offsetof(PciDevice, addr), .def.i = -1, .has_def = true,
      .help = "Slot and optional function number, example: 06.0 or 06" },
    PROP_STR(PciDevice, romfile, "romfile"),
    PROP(PciDevice, romsize, "romsize", UINT32_MAX),
    PROP(PciDevice, rombar, "rombar", 1),
    PROP_BIT(PciDevice, flags, "multifunction", PCI_FLAG_MULTIFUNCTION, false),
    PROP_BIT(PciDevice, flags, "x-pcie-lnksta-dllla", PCI_FLAG_LNKSTA_DLLLA,
             true),
    PROP_BIT(PciDevice, flags, "x-pcie-extcap-init", PCI_FLAG_EXTCAP_INIT,
             true),
    PROP_STR(PciDevice, failover_pair_id, "failover_pair_id"),
    PROP(PciDevice, acpi_index, "acpi-index", 0),
    {},
};

static bool check_props(const PciDevice *d, Error **errp)
{
    if (d->failover_pair_id && *d->failover_pair_id) {
        return error_set(errp, "failover_pair_id is not supported");
    }
    if (d->acpi_index) {
        return error_set(errp, "acpi-index is not supported");
    }
    if (!(d->flags & BIT(PCI_FLAG_EXTCAP_INIT))) {
        return error_set(errp, "x-pcie-extcap-init=off is not supported");
    }
    return true;
}

static bool decide_express(PciDevice *d)
{
    const PciDevClass *k = pci_device_class(d);

    return k->is_express ? k->is_express(d) : k->express;
}

static bool pci_device_realize(Device *dev, Error **errp)
{
    PciDevice *d = pci_device(dev);
    PciBus *bus = pci_get_bus(d);
    int devfn;

    if (!check_props(d, errp)) {
        return false;
    }
    devfn = pci_bus_place(bus, d, errp);
    if (devfn < 0) {
        return false;
    }
    d->devfn = devfn;
    d->addr = devfn;
    d->name = g_strdup(dev->obj.type->name);
    d->express = decide_express(d);
    d->config_size = d->express ? PCIE_CONFIG_SPACE_SIZE
                                : PCI_CONFIG_SPACE_SIZE;
    d->has_power = true;
    d->vmstate_version = 2;
    pci_config_init(d);
    bus->devices[devfn] = d;
    if (!pci_rom_add(d, errp)) {
        bus->devices[devfn] = NULL;
        pci_config_free(d);
        g_clear_pointer(&d->name, g_free);
        return false;
    }
    return true;
}

static void pci_device_unrealize(Device *dev)
{
    PciDevice *d = pci_device(dev);

    pci_irqs_clear(d);
    msix_uninit(d);
    msi_uninit(d);
    pci_bars_unmap(d);
    pci_rom_del(d);
    pci_get_bus(d)->devices[d->devfn] = NULL;
    pci_config_free(d);
    g_clear_pointer(&d->vmstate_config, g_free);
    g_clear_pointer(&d->name, g_free);
    d->pm_cap = d->exp_cap = 0;
    d->aer_cap = 0;
}

static void pci_device_reset_hook(Device *dev)
{
    pci_device_reset(pci_device(dev));
}

static const PciDevClass pci_device_class_data = {
    .device = {
        .props = pci_device_props,
        .bus_type = &pci_bus_type,
        .realize = pci_device_realize,
        .unrealize = pci_device_unrealize,
        .reset = pci_device_reset_hook,
    },
};
QOM_DEFINE(PciDevice, pci_device, .name = "pci-device",
           .parent = &device_type, .class = &pci_device_class_data,
           .abstract = true);

/* Back to what the masks say was writable: zero, but for the kinds of BARs. */
static void reset_header(PciDevice *d)
{
    uint16_t clear = pci_get_word(d->wmask + PCI_COMMAND) |
                     pci_get_word(d->w1cmask + PCI_COMMAND);
    uint16_t status = pci_get_word(d->w1cmask + PCI_STATUS);

    pci_set_word(d->config + PCI_COMMAND,
                 pci_get_word(d->config + PCI_COMMAND) & ~clear);
    pci_set_word(d->config + PCI_STATUS,
                 pci_get_word(d->config + PCI_STATUS) & ~status);
    d->config[PCI_CACHE_LINE_SIZE] = 0;
    d->config[PCI_INTERRUPT_LINE] &= ~d->wmask[PCI_INTERRUPT_LINE];
    for (int bar = 0; bar < PCI_NUM_BARS; bar++) {
        const PciBar *b = &d->bars[bar];
        unsigned offset = PCI_BASE_ADDRESS_0 + 4 * bar;

        if (!b->mr) {
            continue;
        }
        if (bar == PCI_ROM_BAR) {
            offset = pci_device_class(d)->bridge ? PCI_ROM_ADDRESS1
                                                 : PCI_ROM_ADDRESS;
            pci_set_long(d->config + offset, 0);
        } else if (b->type & PCI_BASE_ADDRESS_MEM_TYPE_64) {
            pci_set_quad(d->config + offset, b->type);
        } else {
            pci_set_long(d->config + offset, b->type);
        }
    }
}

void pci_device_reset(PciDevice *d)
{
    bool was_master = pci_is_bus_master(d);
    bool was_disabled = pci_irq_disabled(d);
    const PciDevClass *k = pci_device_class(d);

    pci_irqs_clear(d);
    reset_header(d);
    pci_intx_disable_changed(d, was_disabled);
    if (d->pm_cap) {
        d->config[d->pm_cap + PCI_PM_CTRL] = 0;
    }
    pci_bars_update(d);
    if (was_master && k->dma_changed) {
        k->dma_changed(d);
    }
    msi_reset(d);
    msix_reset(d);
}

/* Capabilities ------------------------------------------------------------------ */

static uint8_t find_gap(const PciDevice *d, uint8_t size)
{
    unsigned run = 0;

    for (unsigned i = PCI_STD_HEADER_SIZEOF; i < PCI_CONFIG_SPACE_SIZE; i++) {
        run = d->used[i] ? 0 : run + 1;
        /* Capabilities begin at multiples of four. */
        if (run && !IS_ALIGNED(i + 1 - run, 4)) {
            run = 0;
        }
        if (run == size) {
            return i + 1 - size;
        }
    }
    return 0;
}

uint8_t pci_cap_find(const PciDevice *d, uint8_t id)
{
    uint8_t at = d->config[PCI_CAPABILITY_LIST];

    for (unsigned steps = 0; at >= PCI_STD_HEADER_SIZEOF && steps < 48;
         steps++) {
        if (d->config[at + PCI_CAP_LIST_ID] == id) {
            return at;
        }
        at = d->config[at + PCI_CAP_LIST_NEXT];
    }
    return 0;
}

uint8_t pci_cap_add_checked(PciDevice *d, uint8_t id, uint8_t offset,
                            uint8_t size, Error **errp)
{
    unsigned span = ALIGN_UP((unsigned)size, 4);

    if (!offset) {
        offset = find_gap(d, size);
        if (!offset) {
            error_set(errp, "no room for capability %02x of %u bytes", id, size);
            return 0;
        }
    }
    if (offset < PCI_STD_HEADER_SIZEOF ||
        offset + size > PCI_CONFIG_SPACE_SIZE) {
        error_set(errp, "capability %02x does not fit at %02x", id, offset);
        return 0;
    }
    for (unsigned i = offset; i < offset + size; i++) {
        if (d->used[i]) {
            error_set(errp, "capability %02x at %02x overlaps another at %02x",
                      id, offset, i);
            return 0;
        }
    }
    d->config[offset + PCI_CAP_LIST_ID] = id;
    d->config[offset + PCI_CAP_LIST_NEXT] = d->config[PCI_CAPABILITY_LIST];
    d->config[PCI_CAPABILITY_LIST] = offset;
    d->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
    memset(d->used + offset, 0xff, MIN(span, PCI_CONFIG_SPACE_SIZE - offset));
    memset(d->wmask + offset, 0, size);
    memset(d->cmask + offset, 0xff, size);
    return offset;
}

uint8_t pci_cap_add(PciDevice *d, uint8_t id, uint8_t offset, uint8_t size)
{
    return pci_cap_add_checked(d, id, offset, size, error_abort);
}

void pci_cap_del(PciDevice *d, uint8_t id, uint8_t size)
{
    uint8_t at = pci_cap_find(d, id), *link = &d->config[PCI_CAPABILITY_LIST];

    if (!at) {
        return;
    }
    while (*link != at) {
        link = &d->config[*link + PCI_CAP_LIST_NEXT];
    }
    *link = d->config[at + PCI_CAP_LIST_NEXT];
    memset(d->wmask + at, 0xff, size);
    memset(d->w1cmask + at, 0, size);
    memset(d->cmask + at, 0, size);
    memset(d->used + at, 0, ALIGN_UP((unsigned)size, 4));
    if (!d->config[PCI_CAPABILITY_LIST]) {
        d->config[PCI_STATUS] &= ~PCI_STATUS_CAP_LIST;
    }
}

uint8_t pci_pm_init(PciDevice *d, uint8_t offset)
{
    d->pm_cap = pci_cap_add(d, PCI_CAP_ID_PM, offset, PCI_PM_SIZEOF);
    pci_set_word(d->config + d->pm_cap + PCI_PM_PMC, 3);
    pci_set_word(d->wmask + d->pm_cap + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
    /* The power state is the guest's. */
    d->cmask[d->pm_cap + PCI_PM_CTRL] = 0xfc;
    return d->pm_cap;
}

/* DMA ----------------------------------------------------------------------------- */

bool pci_is_bus_master(const PciDevice *d)
{
    return pci_get_word(d->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

AddressSpace *pci_dma_as(PciDevice *d)
{
    if (pci_is_bus_master(d) && d->has_power) {
        return d->dev.vm->memory;
    }
    return pci_root_bus(pci_get_bus(d))->no_dma;
}

MemAttrs pci_dma_attrs(const PciDevice *d)
{
    return (MemAttrs){ .requester = pci_requester_id(d) };
}

MemResult pci_dma_read(PciDevice *d, hwaddr addr, void *buf, size_t len)
{
    return as_read(pci_dma_as(d), addr, buf, len, pci_dma_attrs(d));
}

MemResult pci_dma_write(PciDevice *d, hwaddr addr, const void *buf, size_t len)
{
    return as_write(pci_dma_as(d), addr, buf, len, pci_dma_attrs(d));
}
