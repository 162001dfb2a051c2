/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Assigning bus numbers, BARs, bridge windows and interrupt lines, which
 * firmware does otherwise: for direct boot, after each reset.
 */
#ifndef HW_PCI_ASSIGN_H
#define HW_PCI_ASSIGN_H

#include "hw/pci/pci.h"

typedef struct PciRange {
    uint64_t base, limit; /* inclusive */
} PciRange;

typedef struct PciAssign {
    PciRange io, mem32, mem64;
    /* What to put into "interrupt line" of a function whose pin is @pin (0 is
     * A); or NULL. */
    uint8_t (*irq_line)(void *opaque, PciDevice *d, int pin);
    void *opaque;
} PciAssign;

/*
 * Assign everything below @root. What does not fit is left for the OS and
 * reported once each. Returns the last bus number that is taken, or kept free
 * for bridges to come. Machine lock.
 */
unsigned pci_assign_all(PciBus *root, const PciAssign *a);

#endif
