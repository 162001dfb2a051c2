/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Message signalled interrupts by capability MSI (PCI Local Bus 3.0, 6.8.1).
 * The PCI core handles the guest's writes and reset. Machine lock.
 */
#ifndef HW_PCI_MSI_H
#define HW_PCI_MSI_H

#include "accel/accel.h"
#include "hw/pci/pci.h"

/* @vectors: 1, 2, 4, 8, 16 or 32. @offset 0: any. */
bool msi_init(PciDevice *d, uint8_t offset, unsigned vectors, bool addr64,
              bool maskable, Error **errp);
void msi_uninit(PciDevice *d);
bool msi_enabled(const PciDevice *d);
/* How many vectors the guest enabled. */
unsigned msi_vectors_enabled(const PciDevice *d);
bool msi_is_masked(const PciDevice *d, unsigned vector);
MsiMessage msi_message(const PciDevice *d, unsigned vector);
/* Signal a vector, or mark it pending while masked. */
void msi_notify(PciDevice *d, unsigned vector);
void msi_reset(PciDevice *d);
/* For the PCI core, after a write. */
void msi_config_written(PciDevice *d, uint32_t addr, unsigned len);

/* Send a message as @d: what both kinds end in. */
void pci_send_msi(PciDevice *d, const MsiMessage *msg);

#endif
