/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host bridge of the Q35 chipset: places mch, ports and the root bus. */
#include "util/osdep.h"

#include "hw/pci-host/q35.h"
#include "softmmu/vm.h"
#include "util/error.h"

enum { CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc };

static const Prop q35_host_props[] = {
    PROP(Q35Host, ecam_base, "MCFG", Q35_ECAM_BASE),
    PROP_SIZE(Q35Host, hole64_size, "pci-hole64-size", 32 * GiB),
    PROP(Q35Host, short_root_bus, "short_root_bus", 0),
    PROP_SIZE(Q35Host, below_4g, "below-4g-mem-size", 0),
    PROP_SIZE(Q35Host, above_4g, "above-4g-mem-size", 0),
    PROP(Q35Host, hole64_fix, "x-pci-hole64-fix", true),
    PROP(Q35Host, config_reg_migration, "x-config-reg-migration-enabled", true),
    PROP(Q35Host, bypass_iommu, "bypass-iommu", false),
    {},
};

static void q35_host_init(Object *obj)
{
    Q35Host *s = q35_host(obj);

    s->mch = mch(object_new(&mch_type));
    object_add_child(obj, "mch", s->mch, error_abort);
    object_unref(s->mch);
}

static bool check_props(const Q35Host *s, Error **errp)
{
    if (s->ecam_base != Q35_ECAM_BASE) {
        return error_set(errp, "MCFG other than 0x%x is not supported",
                         Q35_ECAM_BASE);
    }
    if (s->short_root_bus || !s->hole64_fix || !s->config_reg_migration) {
        return error_set(errp, "short_root_bus, x-pci-hole64-fix and "
                               "x-config-reg-migration-enabled cannot be "
                               "changed");
    }
    return true;
}

static bool q35_host_realize(Device *dev, Error **errp)
{
    Q35Host *s = q35_host(dev);
    PciHost *host = &s->parent;

    if (!check_props(s, errp)) {
        return false;
    }
    mem_region_add(s->system_io, CONFIG_ADDRESS, &host->conf_index);
    mem_region_add(s->system_io, CONFIG_DATA, &host->conf_data);
    host->bus = pci_root_bus_new(dev, &pcie_bus_type, "pcie.0", s->pci_memory,
                                 s->system_io, 0);
    s->mch->host = host;
    s->mch->ram = s->ram;
    s->mch->system_memory = s->system_memory;
    s->mch->pci_memory = s->pci_memory;
    s->mch->below_4g = s->below_4g;
    device_setup(&s->mch->pci.dev, dev->vm);
    s->mch->pci.addr = PCI_DEVFN_MAKE(0, 0);
    return device_realize(&s->mch->pci.dev, &host->bus->bus, errp);
}

static void q35_host_unrealize(Device *dev)
{
    Q35Host *s = q35_host(dev);

    bus_unparent(&s->parent.bus->bus);
    s->parent.bus = NULL;
}

/* The window begins at the next GiB above RAM and is aligned to itself. */
hwaddr q35_hole64_base(const Q35Host *host, hwaddr above_4g_end)
{
    return ALIGN_UP(MAX(above_4g_end, 4 * GiB), GiB);
}

static const PciHostClass q35_host_class = {
    .device = {
        .props = q35_host_props,
        .internal = true,
        .category = DEVICE_CATEGORY_BRIDGE,
        .realize = q35_host_realize,
        .unrealize = q35_host_unrealize,
        .fw_name = "pci@i0cf8", /* by its first port */
    },
};
QOM_DEFINE(Q35Host, q35_host, .name = "q35-pcihost", .parent = &pci_host_type,
           .class = &q35_host_class, .init = q35_host_init);
