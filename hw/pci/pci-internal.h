/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the PCI core share. */
#ifndef HW_PCI_PCI_INTERNAL_H
#define HW_PCI_PCI_INTERNAL_H

#include "hw/pci/pci.h"

/* bus.c */
int pci_bus_place(PciBus *bus, const PciDevice *d, Error **errp);
bool pci_bus_check(Bus *b, Device *dev, Error **errp);

/* config.c */
void pci_config_init(PciDevice *d);
void pci_config_free(PciDevice *d);
void pci_bars_update(PciDevice *d);
void pci_bars_unmap(PciDevice *d);

/* irq.c: the INTx disable bit changed. */
void pci_intx_disable_changed(PciDevice *d, bool was_disabled);
/* After loading: count a level that the interrupt controllers know of. */
void pci_irq_restore(PciDevice *d, int pin, bool level);
/* Set all pins low. */
void pci_irqs_clear(PciDevice *d);

/* rom.c */
bool pci_rom_add(PciDevice *d, Error **errp);
void pci_rom_del(PciDevice *d);

/* names.c: "Ethernet controller" (or NULL), and "ethernet" (to be freed). */
const char *pci_class_desc(const PciDevice *d);
char *pci_class_fw_name(const PciDevice *d);

/* pcie.c */
void pcie_config_written(PciDevice *d, uint32_t addr, unsigned len);

#endif
