/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pcie-pci-bridge": from PCI Express to a conventional bus with standard
 * hotplug. PCI Express to PCI/PCI-X Bridge Specification 1.0.
 */
#include "util/osdep.h"

#include "hw/pci/bridge.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci-internal.h"
#include "hw/pci/pcie.h"
#include "hw/pci/shpc.h"
#include "qapi/qapi-types-common.h"
#include "util/error.h"

QOM_DECLARE(PciePciBridge, pcie_pci_bridge)

struct PciePciBridge {
    PciBridge br;
    int msi; /* property: OnOffAuto */
    Shpc *shpc;
    MemRegion bar;
};

enum {
    AER_AT = 0x100,
    AER_SIZE = 0x48,
    FAST_66MHZ = PCI_STATUS_66MHZ | PCI_STATUS_FAST_BACK,
};

static const Prop pcie_pci_bridge_props[] = {
    PROP_ON_OFF_AUTO(PciePciBridge, msi, "msi", ON_OFF_AUTO_AUTO,
                     .help = "on/off/auto"),
    {},
};

static void pcie_pci_bridge_unrealize(Device *dev)
{
    PciePciBridge *s = pcie_pci_bridge(dev);

    pci_bar_del(&s->br.pci, 0);
    shpc_free(s->shpc);
    s->shpc = NULL;
    mem_region_cleanup(&s->bar);
}

static bool pcie_pci_bridge_realize(Device *dev, Error **errp)
{
    PciePciBridge *s = pcie_pci_bridge(dev);
    PciDevice *d = &s->br.pci;

    pci_set_word(d->config + PCI_STATUS,
                 pci_get_word(d->config + PCI_STATUS) | FAST_66MHZ);
    pci_set_word(d->config + PCI_SEC_STATUS, FAST_66MHZ);
    d->config[PCI_INTERRUPT_PIN] = 1;
    mem_region_init(&s->bar, &dev->obj, "shpc-bar", SHPC_BAR_SIZE);
    s->shpc = shpc_new(&s->br, &s->bar, 0, errp);
    if (!s->shpc) {
        mem_region_cleanup(&s->bar);
        return false;
    }
    pci_bar_add(d, 0,
                PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64,
                &s->bar);
    pcie_cap_init(d, 0, PCI_EXP_TYPE_PCI_BRIDGE, 0);
    pci_pm_init(d, 0);
    pcie_aer_init(d, PCIE_AER_VERSION, AER_AT, AER_SIZE);
    if (s->msi != ON_OFF_AUTO_OFF && !msi_init(d, 0, 1, true, true, errp)) {
        pcie_pci_bridge_unrealize(dev);
        return false;
    }
    return true;
}

static void pcie_pci_bridge_reset(Device *dev)
{
    PciePciBridge *s = pcie_pci_bridge(dev);

    pcie_reset(&s->br.pci);
    shpc_reset(s->shpc);
}

static uint32_t pcie_pci_bridge_config_read(PciDevice *d, uint32_t addr,
                                            unsigned len)
{
    shpc_config_sync(pcie_pci_bridge(d)->shpc);
    return pci_config_read_default(d, addr, len);
}

static void pcie_pci_bridge_config_write(PciDevice *d, uint32_t addr,
                                         uint32_t value, unsigned len)
{
    pci_bridge_config_write(d, addr, value, len);
    shpc_config_written(pcie_pci_bridge(d)->shpc, addr, len);
}

static bool pcie_pci_bridge_post_load(void *state, int version, Error **errp)
{
    PciePciBridge *s = state;

    pci_bridge_loaded(&s->br);
    shpc_loaded(s->shpc);
    return true;
}

static const VmState pcie_pci_bridge_vmstate = {
    .name = "pcie-pci-bridge",
    .version = 0,
    .priority = VMS_PRI_PCI_BUS,
    .post_load = pcie_pci_bridge_post_load,
    .fields =
        (const VmField[]){
            VMS_PCI(PciePciBridge, br.pci, "parent_obj"),
            { .name = "shpc",
              .kind = &vmk_shpc,
              .offset = offsetof(PciePciBridge, shpc),
              .num = 1,
              .flags = VMF_POINTER },
            {},
        },
};

static const PciBridgeClass pcie_pci_bridge_class = {
    .pci = {
        .device = {
            .props = pcie_pci_bridge_props,
            .category = DEVICE_CATEGORY_BRIDGE,
            .bus_type = &pcie_bus_type,
            .vmstate = &pcie_pci_bridge_vmstate,
            .realize = pcie_pci_bridge_realize,
            .unrealize = pcie_pci_bridge_unrealize,
            .reset = pcie_pci_bridge_reset,
        },
        .vendor_id = PCI_VENDOR_ID_REDHAT,
        .device_id = PCI_DEVICE_ID_REDHAT_PCIE_PCI_BRIDGE,
        .class_id = PCI_CLASS_BRIDGE_PCI,
        .bridge = true,
        .express = true,
        .config_read = pcie_pci_bridge_config_read,
        .config_write = pcie_pci_bridge_config_write,
    },
};
QOM_DEFINE(PciePciBridge, pcie_pci_bridge, .name = "pcie-pci-bridge",
           .parent = &pci_bridge_type, .class = &pcie_pci_bridge_class);
