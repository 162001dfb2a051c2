/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI host bridges: configuration mechanism #1 (ports CF8h and CFCh; PCI Local
 * Bus 3.0, 3.2.2.3.2) and the enhanced mechanism (ECAM; PCI Express Base 4.0,
 * 7.2.2). A type derives from pci_host_type and sets .bus in realize.
 */
#ifndef HW_PCI_HOST_H
#define HW_PCI_HOST_H

#include "hw/pci/pci.h"

typedef struct PciHost {
    Device dev;
    PciBus *bus;
    MemRegion conf_index, conf_data; /* 4 bytes each; the type maps them */
    uint32_t config_reg;
    MemRegion ecam;
    bool ecam_mapped;
} PciHost;

typedef struct PciHostClass {
    DeviceClass device;
} PciHostClass;

QOM_DECLARE_TYPE(PciHost, pci_host)

/* 256 buses. */
#define PCIE_ECAM_MAX_SIZE (256 * MiB)

/* Move the ECAM window in @space: @size up to PCIE_ECAM_MAX_SIZE. */
void pci_host_ecam_map(PciHost *host, MemRegion *space, hwaddr base,
                       uint64_t size);
void pci_host_ecam_unmap(PciHost *host);

#endif
