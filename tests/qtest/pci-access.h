/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI configuration space from tests, by ports CF8h and CFCh. */
#ifndef TESTS_QTEST_PCI_ACCESS_H
#define TESTS_QTEST_PCI_ACCESS_H

#include <linux/pci_regs.h>

#include "libqtest.h"

/* Bus, slot and function as in CF8h. */
#define BDF(bus, slot, fn) ((uint32_t)((bus) << 8 | (slot) << 3 | (fn)))

static inline void pci_select(QTest *q, uint32_t bdf, unsigned reg)
{
    qtest_outl(q, 0xcf8, 0x80000000 | bdf << 8 | (reg & 0xfc));
}

static inline uint32_t pci_readl(QTest *q, uint32_t bdf, unsigned reg)
{
    pci_select(q, bdf, reg);
    return qtest_inl(q, 0xcfc);
}

static inline uint16_t pci_readw(QTest *q, uint32_t bdf, unsigned reg)
{
    pci_select(q, bdf, reg);
    return qtest_inw(q, 0xcfc + (reg & 2));
}

static inline uint8_t pci_readb(QTest *q, uint32_t bdf, unsigned reg)
{
    pci_select(q, bdf, reg);
    return qtest_inb(q, 0xcfc + (reg & 3));
}

static inline void pci_writel(QTest *q, uint32_t bdf, unsigned reg, uint32_t v)
{
    pci_select(q, bdf, reg);
    qtest_outl(q, 0xcfc, v);
}

static inline void pci_writew(QTest *q, uint32_t bdf, unsigned reg, uint16_t v)
{
    pci_select(q, bdf, reg);
    qtest_outw(q, 0xcfc + (reg & 2), v);
}

static inline void pci_writeb(QTest *q, uint32_t bdf, unsigned reg, uint8_t v)
{
    pci_select(q, bdf, reg);
    qtest_outb(q, 0xcfc + (reg & 3), v);
}

/* Offset of capability @id, or 0. */
static inline uint8_t pci_find_cap(QTest *q, uint32_t bdf, uint8_t id)
{
    uint8_t at = pci_readb(q, bdf, PCI_CAPABILITY_LIST);

    for (unsigned n = 0; at && n < 48; n++) {
        if (pci_readb(q, bdf, at) == id) {
            return at;
        }
        at = pci_readb(q, bdf, at + 1);
    }
    return 0;
}

#endif
