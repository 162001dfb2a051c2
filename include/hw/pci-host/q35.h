/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Q35 chipset's north bridge: host bridge "q35-pcihost" and the memory
 * controller hub, function 00:00.0 "mch". Intel 3 Series Express Chipset Family
 * datasheet (316966).
 */
#ifndef HW_PCI_HOST_Q35_H
#define HW_PCI_HOST_Q35_H

#include "hw/pci/host.h"

enum {
    MCH_EXT_TSEG = 0x50,
    MCH_PCIEXBAR = 0x60,
    MCH_PAM0 = 0x90,
    MCH_F_SMBASE = 0x9c,
    MCH_SMRAM = 0x9d,
    MCH_ESMRAMC = 0x9e,
    MCH_PAM_REGIONS = 13,
    Q35_ECAM_BASE = 0xb0000000,
};

typedef struct PamRegion {
    MemRegion pci, rom; /* aliases over RAM: PCI, or RAM that is read-only */
} PamRegion;

QOM_DECLARE(Mch, mch)
struct Mch {
    PciDevice pci;

    /* Properties. */
    uint16_t ext_tseg_mbytes;
    bool smbase_smram;

    /* Const: links set by the host bridge. */
    PciHost *host;
    MemRegion *ram, *system_memory, *pci_memory;
    uint64_t below_4g;

    PamRegion pam[MCH_PAM_REGIONS];
    /* SMM: what lies over RAM at A0000h and in TSEG outside of SMM, and what
     * SMM sees. */
    MemRegion smram_hide, tseg_hide, smbase_hide;
    MemRegion smram, low_smram, tseg_window, smbase_window;
};

QOM_DECLARE(Q35Host, q35_host)
struct Q35Host {
    PciHost parent;
    Mch *mch; /* child "mch" */

    /* Properties. */
    uint64_t ecam_base, hole64_size, below_4g, above_4g;
    uint32_t short_root_bus;
    bool hole64_fix, config_reg_migration, bypass_iommu;

    /* Set before realize. */
    MemRegion *ram, *system_memory, *pci_memory, *system_io;
};

/* All of the segments C0000h to FFFFFh as RAM: what firmware sets up first. */
void mch_pam_open(Mch *m);
/* Switch ECAM on where the property says. */
void mch_ecam_enable(Mch *m);

/* 64-bit window above RAM: base, and size of the property. */
hwaddr q35_hole64_base(const Q35Host *host, hwaddr above_4g_end);

#endif
