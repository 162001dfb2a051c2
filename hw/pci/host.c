/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host bridges: how configuration space is reached. See hw/pci/host.h. */
#include "util/osdep.h"

#include "hw/pci/host.h"
#include "softmmu/vm.h"

enum { CONFIG_ENABLE = 1u << 31, CONFIG_INDEX_MASK = 0xfc };

static uint64_t index_read(void *opaque, hwaddr addr, unsigned size)
{
    PciHost *host = opaque;

    return host->config_reg;
}

/* Only a write of the whole register counts. */
static void index_write(void *opaque, hwaddr addr, uint64_t value,
                        unsigned size)
{
    PciHost *host = opaque;

    if (addr == 0 && size == 4) {
        host->config_reg = value;
    }
}

static const MemOps index_ops = {
    .read = index_read,
    .write = index_write,
    .valid = { .min = 1, .max = 4 },
};

static PciDevice *selected(PciHost *host)
{
    uint32_t reg = host->config_reg;

    if (!host->bus || !(reg & CONFIG_ENABLE)) {
        return NULL;
    }
    return pci_find_device(host->bus, (reg >> 16) & 0xff, (reg >> 8) & 0xff);
}

static uint64_t data_read(void *opaque, hwaddr addr, unsigned size)
{
    PciHost *host = opaque;
    PciDevice *d = selected(host);

    if (!d) {
        return UINT32_MAX >> (32 - 8 * size);
    }
    return pci_config_read(d, (host->config_reg & CONFIG_INDEX_MASK) + addr,
                           size);
}

static void data_write(void *opaque, hwaddr addr, uint64_t value,
                       unsigned size)
{
    PciHost *host = opaque;
    PciDevice *d = selected(host);

    if (d) {
        pci_config_write(d, (host->config_reg & CONFIG_INDEX_MASK) + addr,
                         value, size);
    }
}

static const MemOps data_ops = {
    .read = data_read,
    .write = data_write,
    .valid = { .min = 1, .max = 4 },
};

static PciDevice *ecam_device(PciHost *host, hwaddr addr)
{
    return host->bus ? pci_find_device(host->bus, (addr >> 20) & 0xff,
                                       (addr >> 12) & 0xff)
                     : NULL;
}

static uint64_t ecam_read(void *opaque, hwaddr addr, unsigned size)
{
    PciDevice *d = ecam_device(opaque, addr);

    return d ? pci_config_read(d, addr & 0xfff, size)
             : UINT32_MAX >> (32 - 8 * size);
}

static void ecam_write(void *opaque, hwaddr addr, uint64_t value,
                       unsigned size)
{
    PciDevice *d = ecam_device(opaque, addr);

    if (d) {
        pci_config_write(d, addr & 0xfff, value, size);
    }
}

static const MemOps ecam_ops = {
    .read = ecam_read,
    .write = ecam_write,
    .valid = { .min = 1, .max = 4 },
};

void pci_host_ecam_unmap(PciHost *host)
{
    if (host->ecam_mapped) {
        mem_region_cleanup(&host->ecam);
        host->ecam_mapped = false;
    }
}

void pci_host_ecam_map(PciHost *host, MemRegion *space, hwaddr base,
                       uint64_t size)
{
    assert(is_power_of_2(size) && size <= PCIE_ECAM_MAX_SIZE);
    pci_host_ecam_unmap(host);
    mem_region_init_io(&host->ecam, &host->dev.obj, &ecam_ops, host,
                       "pcie-mmcfg-mmio", size);
    mem_region_add_overlap(space, base, &host->ecam, 0);
    host->ecam_mapped = true;
}

static bool pci_host_realize(Device *dev, Error **errp)
{
    PciHost *host = pci_host(dev);

    mem_region_init_io(&host->conf_index, &dev->obj, &index_ops, host,
                       "pci-conf-idx", 4);
    mem_region_init_io(&host->conf_data, &dev->obj, &data_ops, host,
                       "pci-conf-data", 4);
    return true;
}

static void pci_host_unrealize(Device *dev)
{
    PciHost *host = pci_host(dev);

    pci_host_ecam_unmap(host);
    mem_region_cleanup(&host->conf_index);
    mem_region_cleanup(&host->conf_data);
}

static void pci_host_reset(Device *dev)
{
    pci_host(dev)->config_reg = 0;
}

static const VmState pci_host_vmstate = {
    .name = "PCIHost",
    .version = 1,
    .fields = (const VmField[]){ VMS(PciHost, config_reg), {} },
};

static const PciHostClass pci_host_class = {
    .device = {
        .internal = true,
        .vmstate = &pci_host_vmstate,
        .realize = pci_host_realize,
        .unrealize = pci_host_unrealize,
        .reset = pci_host_reset,
        .fw_name = "pci@i0cf8",
    },
};
QOM_DEFINE(PciHost, pci_host, .name = "pci-host-bridge",
           .parent = &device_type, .class = &pci_host_class, .abstract = true);
