/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI Express root port with one slot, native hotplug, AER and ACS
 * registers. PCI Express Base 4.0; docs/pcie.txt of QEMU for its properties.
 */
#include "util/osdep.h"

#include "hw/pci/bridge.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-internal.h"
#include "hw/pci/pcie.h"
#include "qapi/qapi-types-common.h"
#include "util/error.h"

QOM_DECLARE(RootPort, root_port)

struct RootPort {
    PciBridge br;

    /* Properties. */
    uint8_t port, chassis;
    uint16_t slot;
    bool hotplug, native_hotplug, migrate_msix, disable_acs;
    uint32_t flags;
    int speed, width; /* PCIELinkSpeed, PCIELinkWidth */
    PciBridgeReserve reserve;

    PcieAerLog aer_log;
};

enum {
    SSVID_AT = 0x40,
    EXP_AT = 0x54,
    AER_AT = 0x100,
    AER_SIZE = 0x48,
    ACS_AT = 0x148,
    FLAG_POWER_CONTROLLER = 0,
};

static const Prop root_port_props[] = {
    PROP(RootPort, migrate_msix, "x-migrate-msix", true),
    PROP(RootPort, reserve.bus, "bus-reserve", UINT32_MAX),
    PROP_SIZE(RootPort, reserve.io, "io-reserve", UINT64_MAX),
    PROP_SIZE(RootPort, reserve.mem, "mem-reserve", UINT64_MAX),
    PROP_SIZE(RootPort, reserve.pref32, "pref32-reserve", UINT64_MAX),
    PROP_SIZE(RootPort, reserve.pref64, "pref64-reserve", UINT64_MAX),
    PROP_ENUM(RootPort, speed, "x-speed", &qapi_type_PCIELinkSpeed,
              PCIE_LINK_SPEED_16, .help = "2_5/5/8/16"),
    PROP_ENUM(RootPort, width, "x-width", &qapi_type_PCIELinkWidth,
              PCIE_LINK_WIDTH_32, .help = "1/2/4/8/12/16/32"),
    PROP_BIT(RootPort, flags, "power_controller_present",
             FLAG_POWER_CONTROLLER, true),
    PROP(RootPort, disable_acs, "disable-acs", false),
    PROP(RootPort, chassis, "chassis", 0),
    PROP(RootPort, slot, "slot", 0),
    PROP(RootPort, hotplug, "hotplug", true),
    PROP(RootPort, native_hotplug, "x-native-hotplug", true),
    PROP(RootPort, port, "port", 0),
    PROP(RootPort, aer_log.log_max, "aer_log_max", PCIE_AER_LOG_DEFAULT),
    {},
};

typedef struct SlotSearch {
    const RootPort *port;
    const RootPort *found;
} SlotSearch;

static bool same_slot(Device *dev, void *opaque)
{
    SlotSearch *s = opaque;
    const RootPort *other = object_dynamic_cast(dev, &root_port_type);

    if (other && other != s->port && dev->realized &&
        other->chassis == s->port->chassis && other->slot == s->port->slot) {
        s->found = other;
    }
    return !s->found;
}

/* A person finds a slot by chassis and number, so there is one of each. */
static bool check_slot(RootPort *rp, Error **errp)
{
    SlotSearch search = { .port = rp };

    bus_foreach(&pci_root_bus(pci_get_bus(&rp->br.pci))->bus, same_slot,
                &search);
    if (search.found) {
        return error_set(errp,
                         "slot %u of chassis %u is taken by another port "
                         "(set 'chassis' or 'slot')",
                         rp->slot, rp->chassis);
    }
    return true;
}

static unsigned link_width(const RootPort *rp)
{
    static const uint8_t lanes[] = { 1, 2, 4, 8, 12, 16, 32 };

    return lanes[rp->width];
}

static void add_capabilities(RootPort *rp)
{
    PciDevice *d = &rp->br.pci;

    pcie_cap_init(d, EXP_AT, PCI_EXP_TYPE_ROOT_PORT, rp->port);
    pcie_port_link_init(d, rp->speed + 1, link_width(rp));
    pcie_arifwd_init(d);
    pcie_deverr_init(d);
    pcie_slot_init(d, rp->slot, rp->hotplug && rp->native_hotplug,
                   rp->flags & BIT(FLAG_POWER_CONTROLLER));
    pci_set_word(d->wmask + EXP_AT + PCI_EXP_RTCTL,
                 PCI_EXP_RTCTL_SECEE | PCI_EXP_RTCTL_SENFEE |
                     PCI_EXP_RTCTL_SEFEE);
    pcie_aer_init(d, PCIE_AER_VERSION, AER_AT, AER_SIZE);
    if (!rp->disable_acs) {
        pcie_acs_init(d, ACS_AT);
    }
}

static bool root_port_realize(Device *dev, Error **errp)
{
    RootPort *rp = root_port(dev);
    PciDevice *d = &rp->br.pci;

    if (!pci_get_bus(d)->express || !pci_get_bus(d)->root) {
        return error_set(errp, "a root port must sit on a PCI Express root "
                               "bus, '%s' is none", dev->bus->name);
    }
    if (!check_slot(rp, errp) || !pcie_aer_log_init(&rp->aer_log, errp)) {
        return false;
    }
    d->config[PCI_INTERRUPT_PIN] = 1;
    /* A link has no parity, fast cycles or timers of a parallel bus. */
    pci_set_word(d->wmask + PCI_BRIDGE_CONTROL,
                 PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR |
                     PCI_BRIDGE_CTL_ISA | PCI_BRIDGE_CTL_VGA |
                     PCI_BRIDGE_CTL_VGA_16BIT | PCI_BRIDGE_CTL_BUS_RESET);
    pci_set_word(d->w1cmask + PCI_BRIDGE_CONTROL, 0);
    pci_bridge_ssvid_init(d, SSVID_AT, PCI_VENDOR_ID_REDHAT, 0);
    if (!msix_init_exclusive_bar(d, 1, 0, errp)) {
        pcie_aer_log_free(&rp->aer_log);
        return false;
    }
    msix_vector_use(d, 0);
    add_capabilities(rp);
    if (!pci_bridge_reserve_init(d, &rp->reserve, errp)) {
        pcie_aer_log_free(&rp->aer_log);
        return false;
    }
    return true;
}

static void root_port_unrealize(Device *dev)
{
    pcie_aer_log_free(&root_port(dev)->aer_log);
}

static void root_port_reset(Device *dev)
{
    RootPort *rp = root_port(dev);

    pcie_reset(&rp->br.pci);
    pcie_slot_reset(&rp->br.pci);
    pci_bridge_close_windows(&rp->br);
}

static void root_port_config_write(PciDevice *d, uint32_t addr, uint32_t value,
                                   unsigned len)
{
    uint16_t control = pci_get_word(d->config + d->exp_cap + PCI_EXP_SLTCTL);
    uint16_t status = pci_get_word(d->config + d->exp_cap + PCI_EXP_SLTSTA);

    pci_bridge_config_write(d, addr, value, len);
    pcie_slot_config_written(d, addr, len, control, status);
}

static bool root_port_post_load(void *state, int version, Error **errp)
{
    RootPort *rp = state;

    pci_bridge_loaded(&rp->br);
    pcie_slot_loaded(&rp->br.pci);
    return true;
}

static bool migrates_msix(const void *state, int version)
{
    return ((const RootPort *)state)->migrate_msix;
}

static const VmState root_port_vmstate = {
    .name = "pcie-root-port",
    .version = 1,
    .priority = VMS_PRI_PCI_BUS,
    .post_load = root_port_post_load,
    .fields =
        (const VmField[]){
            VMS_PCI(RootPort, br.pci, "parent_obj.parent_obj.parent_obj"),
            VMS_STRUCT(RootPort, aer_log,
                       "parent_obj.parent_obj.parent_obj.exp.aer_log",
                       &pcie_aer_log_vmstate),
            { .name = "parent_obj.parent_obj.parent_obj.parent_obj",
              .kind = &vmk_struct, .offset = offsetof(RootPort, br.pci),
              .size = sizeof(PciDevice), .num = 1, .flags = VMF_STRUCT,
              .sub = &msix_vmstate, .exists = migrates_msix },
            {},
        },
};

static const PciBridgeClass root_port_class = {
    .pci = {
        .device = {
            .props = root_port_props,
            .desc = "PCI Express Root Port",
            .category = DEVICE_CATEGORY_BRIDGE,
            .bus_type = &pcie_bus_type,
            .no_hotplug = true,
            .vmstate = &root_port_vmstate,
            .realize = root_port_realize,
            .unrealize = root_port_unrealize,
            .reset = root_port_reset,
        },
        .vendor_id = PCI_VENDOR_ID_REDHAT,
        .device_id = PCI_DEVICE_ID_REDHAT_PCIE_RP,
        .class_id = PCI_CLASS_BRIDGE_PCI,
        .bridge = true,
        .express = true,
        .config_write = root_port_config_write,
    },
    .child_bus = &pcie_bus_type,
};
QOM_DEFINE(RootPort, root_port, .name = "pcie-root-port",
           .parent = &pci_bridge_type, .class = &root_port_class);
