/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pci-bridge", a conventional PCI-to-PCI bridge with MSI and slot numbering
 * capabilities. PCI-to-PCI Bridge Architecture 1.2.
 */
#include "util/osdep.h"

#include "hw/pci/bridge.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci-internal.h"
#include "hw/pci/shpc.h"
#include "qapi/qapi-types-common.h"
#include "util/error.h"

QOM_DECLARE(PciBridgeDev, pci_bridge_dev)

struct PciBridgeDev {
    PciBridge br;

    /* Properties. */
    uint8_t chassis_nr;
    int msi; /* OnOffAuto */
    uint32_t flags;
    PciBridgeReserve reserve;

    Shpc *shpc; /* NULL: shpc=off */
    MemRegion bar;
};

enum { FLAG_SHPC = 1, FAST_66MHZ = PCI_STATUS_66MHZ | PCI_STATUS_FAST_BACK };

static const Prop pci_bridge_dev_props[] = {
    PROP(PciBridgeDev, chassis_nr, "chassis_nr", 0),
    PROP_ON_OFF_AUTO(PciBridgeDev, msi, "msi", ON_OFF_AUTO_AUTO,
                     .help = "on/off/auto"),
    PROP_BIT(PciBridgeDev, flags, "shpc", FLAG_SHPC, true),
    PROP(PciBridgeDev, reserve.bus, "bus-reserve", UINT32_MAX),
    PROP_SIZE(PciBridgeDev, reserve.io, "io-reserve", UINT64_MAX),
    PROP_SIZE(PciBridgeDev, reserve.mem, "mem-reserve", UINT64_MAX),
    PROP_SIZE(PciBridgeDev, reserve.pref32, "pref32-reserve", UINT64_MAX),
    PROP_SIZE(PciBridgeDev, reserve.pref64, "pref64-reserve", UINT64_MAX),
    {},
};

static bool has_shpc(const PciBridgeDev *s)
{
    return s->flags & BIT(FLAG_SHPC);
}

static bool add_shpc(PciBridgeDev *s, Error **errp)
{
    PciDevice *d = &s->br.pci;

    if (!has_shpc(s)) {
        return true;
    }
    d->config[PCI_INTERRUPT_PIN] = 1;
    mem_region_init(&s->bar, &d->dev.obj, "shpc-bar", SHPC_BAR_SIZE);
    s->shpc = shpc_new(&s->br, &s->bar, 0, errp);
    if (!s->shpc) {
        mem_region_cleanup(&s->bar);
        return false;
    }
    return true;
}

/* The expansion slot register: slots behind the bridge, and its chassis. */
static bool add_slot_id(PciBridgeDev *s, Error **errp)
{
    PciDevice *d = &s->br.pci;
    uint8_t at;

    if (!s->chassis_nr) {
        return error_set(errp, "Bridge chassis not specified. Each bridge is "
                               "required to be assigned a unique chassis id > "
                               "0.");
    }
    at = pci_cap_add_checked(d, PCI_CAP_ID_SLOTID, 0, 4, errp);
    if (!at) {
        return false;
    }
    d->config[at + 2] = PCI_SID_ESR_FIC; /* counts no expansion slots */
    d->config[at + 3] = s->chassis_nr;
    /* A chassis number is the guest's to set. */
    d->wmask[at + 3] = 0xff;
    return true;
}

static void pci_bridge_dev_cleanup(PciBridgeDev *s)
{
    if (s->shpc) {
        pci_bar_del(&s->br.pci, 0);
        shpc_free(s->shpc);
        s->shpc = NULL;
        mem_region_cleanup(&s->bar);
    }
}

static bool pci_bridge_dev_realize(Device *dev, Error **errp)
{
    PciBridgeDev *s = pci_bridge_dev(dev);
    PciDevice *d = &s->br.pci;

    if (s->msi == ON_OFF_AUTO_ON && !has_shpc(s)) {
        return error_set(errp, "msi=on needs shpc=on: nothing else interrupts");
    }
    pci_set_word(d->config + PCI_STATUS,
                 pci_get_word(d->config + PCI_STATUS) | FAST_66MHZ);
    pci_set_word(d->config + PCI_SEC_STATUS, FAST_66MHZ);
    if (!add_shpc(s, errp)) {
        return false;
    }
    if (!add_slot_id(s, errp) ||
        (s->shpc && s->msi != ON_OFF_AUTO_OFF &&
         !msi_init(d, 0, 1, true, true, errp)) ||
        !pci_bridge_reserve_init(d, &s->reserve, errp)) {
        pci_bridge_dev_cleanup(s);
        return false;
    }
    if (s->shpc) {
        pci_bar_add(d, 0,
                    PCI_BASE_ADDRESS_SPACE_MEMORY |
                        PCI_BASE_ADDRESS_MEM_TYPE_64, &s->bar);
    }
    return true;
}

static void pci_bridge_dev_unrealize(Device *dev)
{
    pci_bridge_dev_cleanup(pci_bridge_dev(dev));
}

static void pci_bridge_dev_reset(Device *dev)
{
    PciBridgeDev *s = pci_bridge_dev(dev);

    if (s->shpc) {
        shpc_reset(s->shpc);
    }
}

static uint32_t pci_bridge_dev_config_read(PciDevice *d, uint32_t addr,
                                           unsigned len)
{
    PciBridgeDev *s = pci_bridge_dev(d);

    if (s->shpc) {
        shpc_config_sync(s->shpc);
    }
    return pci_config_read_default(d, addr, len);
}

static void pci_bridge_dev_config_write(PciDevice *d, uint32_t addr,
                                        uint32_t value, unsigned len)
{
    PciBridgeDev *s = pci_bridge_dev(d);

    pci_bridge_config_write(d, addr, value, len);
    if (s->shpc) {
        shpc_config_written(s->shpc, addr, len);
    }
}

static bool pci_bridge_dev_post_load(void *state, int version, Error **errp)
{
    PciBridgeDev *s = state;

    pci_bridge_loaded(&s->br);
    if (s->shpc) {
        shpc_loaded(s->shpc);
    }
    return true;
}

static bool state_has_shpc(const void *state, int version)
{
    return has_shpc(state);
}

static const VmState pci_bridge_dev_vmstate = {
    .name = "pci_bridge",
    .version = 0,
    .priority = VMS_PRI_PCI_BUS,
    .post_load = pci_bridge_dev_post_load,
    .fields = (const VmField[]){
        VMS_PCI(PciBridgeDev, br.pci, "parent_obj"),
        { .name = "shpc", .kind = &vmk_shpc,
          .offset = offsetof(PciBridgeDev, shpc), .num = 1,
          .flags = VMF_POINTER, .exists = state_has_shpc },
        {},
    },
};

static const PciBridgeClass pci_bridge_dev_class = {
    .pci = {
        .device = {
            .props = pci_bridge_dev_props,
            .desc = "Standard PCI Bridge",
            .category = DEVICE_CATEGORY_BRIDGE,
            .bus_type = &pci_bus_type,
            .vmstate = &pci_bridge_dev_vmstate,
            .realize = pci_bridge_dev_realize,
            .unrealize = pci_bridge_dev_unrealize,
            .reset = pci_bridge_dev_reset,
        },
        .vendor_id = PCI_VENDOR_ID_REDHAT,
        .device_id = PCI_DEVICE_ID_REDHAT_BRIDGE,
        .class_id = PCI_CLASS_BRIDGE_PCI,
        .bridge = true,
        .config_read = pci_bridge_dev_config_read,
        .config_write = pci_bridge_dev_config_write,
    },
};
QOM_DEFINE(PciBridgeDev, pci_bridge_dev, .name = "pci-bridge",
           .parent = &pci_bridge_type, .class = &pci_bridge_dev_class);
