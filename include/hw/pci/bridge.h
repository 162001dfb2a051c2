/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI-to-PCI bridges: functions with header type 1 and a bus behind them.
 * PCI-to-PCI Bridge Architecture 1.2. A type derives from pci_bridge_type.
 */
#ifndef HW_PCI_BRIDGE_H
#define HW_PCI_BRIDGE_H

#include "hw/pci/pci.h"

/* The writable bits of the bridge control register. */
#define PCI_BRIDGE_CTL_WRITABLE                                                \
    (PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR | PCI_BRIDGE_CTL_ISA |        \
     PCI_BRIDGE_CTL_VGA | PCI_BRIDGE_CTL_VGA_16BIT |                           \
     PCI_BRIDGE_CTL_MASTER_ABORT | PCI_BRIDGE_CTL_BUS_RESET |                  \
     PCI_BRIDGE_CTL_FAST_BACK | PCI_BRIDGE_CTL_DISCARD_TIMERS)
#define PCI_BRIDGE_CTL_VGA_16BIT       0x0010
#define PCI_BRIDGE_CTL_DISCARD_TIMERS  0x0b00
#define PCI_BRIDGE_CTL_DISCARD_STATUS  0x0400

/* What firmware and direct boot shall leave free behind a bridge, in the
 * vendor capability of docs/pcie_pci_bridge.txt. UINT64_MAX (bus: UINT32_MAX):
 * no wish. */
typedef struct PciBridgeReserve {
    uint32_t bus;
    uint64_t io, mem, pref32, pref64;
} PciBridgeReserve;

typedef struct PciBridgeWindow {
    MemRegion alias;
    bool mapped;
} PciBridgeWindow;

typedef struct PciBridge {
    PciDevice pci;
    PciBus *bus; /* behind it */
    MemRegion mem, io; /* of that bus */
    PciBridgeWindow windows[3]; /* io, memory, prefetchable */
} PciBridge;

typedef struct PciBridgeClass {
    PciDevClass pci;
    const ObjectType *child_bus; /* NULL: "PCI" */
} PciBridgeClass;

QOM_DECLARE_TYPE(PciBridge, pci_bridge)

enum { PCI_WINDOW_IO, PCI_WINDOW_MEM, PCI_WINDOW_PREF };
/* What the window forwards: false when closed. @limit is inclusive. */
bool pci_bridge_window(const PciBridge *br, int window, uint64_t *base,
                       uint64_t *limit);

/* For types' config_write hooks: the default write plus the windows. */
void pci_bridge_config_write(PciDevice *d, uint32_t addr, uint32_t value,
                             unsigned len);
/* Close all windows, so that nothing is forwarded before they are set. */
void pci_bridge_close_windows(PciBridge *br);
/* For post_load hooks: windows follow the configuration space. */
void pci_bridge_loaded(PciBridge *br);
/* Subsystem ids of bridges (capability 0Dh). */
void pci_bridge_ssvid_init(PciDevice *d, uint8_t offset, uint16_t vendor,
                           uint16_t id);
/* Adds the capability unless all wishes are empty. */
bool pci_bridge_reserve_init(PciDevice *d, const PciBridgeReserve *r,
                             Error **errp);

#endif
