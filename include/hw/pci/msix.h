/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Message signalled interrupts by capability MSI-X (PCI Local Bus 3.0, 6.8.2):
 * table and pending bits in a BAR. The PCI core handles the guest's writes and
 * reset. Machine lock, except where said.
 */
#ifndef HW_PCI_MSIX_H
#define HW_PCI_MSIX_H

#include "accel/accel.h"
#include "hw/pci/pci.h"

#define MSIX_MAX_VECTORS 2048

/* Table at @table_off of region @table_bar (registered as BAR @table_nr) and
 * pending bits at @pba_off of @pba_bar, which may be the same. @cap_off 0:
 * any. */
bool msix_init(PciDevice *d, unsigned vectors, MemRegion *table_bar,
               uint8_t table_nr, uint32_t table_off, MemRegion *pba_bar,
               uint8_t pba_nr, uint32_t pba_off, uint8_t cap_off,
               Error **errp);
/* In a BAR of its own, table in the first half, pending bits in the second
 * (4 KiB and 0x800 up to 128 vectors). */
bool msix_init_exclusive_bar(PciDevice *d, unsigned vectors, uint8_t nr,
                             Error **errp);
void msix_uninit(PciDevice *d); /* NULL-safe; unmaps its regions */

bool msix_present(const PciDevice *d);
unsigned msix_vectors(const PciDevice *d);
bool msix_enabled(const PciDevice *d);
/* MSI-X is off, or the whole function is masked. True without MSI-X. */
bool msix_function_masked(const PciDevice *d);
/* Masked by its own bit or by the function, or MSI-X is off. */
bool msix_is_masked(const PciDevice *d, unsigned vector);
bool msix_is_pending(const PciDevice *d, unsigned vector);
void msix_set_pending(PciDevice *d, unsigned vector, bool pending);
MsiMessage msix_message(const PciDevice *d, unsigned vector);
/* Signal a vector, or mark it pending while masked. Vectors out of range or
 * not in use are dropped. */
void msix_notify(PciDevice *d, unsigned vector);
void msix_reset(PciDevice *d);
/* For the PCI core, after a write; @was_masked: msix_function_masked() before. */
void msix_config_written(PciDevice *d, uint32_t addr, unsigned len,
                         bool was_masked);

/* Which vectors a device may signal (counted). False: out of range. */
bool msix_vector_use(PciDevice *d, unsigned vector);
void msix_vector_unuse(PciDevice *d, unsigned vector);
void msix_unuse_all(PciDevice *d);

/*
 * For devices that bind vectors to irqfds: .use when a vector becomes unmasked
 * (also with a new message), .release when masked, .poll to collect what
 * eventfds hold while masked (before the guest reads pending bits).
 */
typedef struct MsixNotifiers {
    bool (*use)(PciDevice *d, unsigned vector, const MsiMessage *msg);
    void (*release)(PciDevice *d, unsigned vector);
    void (*poll)(PciDevice *d, unsigned first, unsigned end); /* or NULL */
} MsixNotifiers;
/* Calls .use for what is unmasked now; false (and all released) when one
 * refuses. NULL takes the notifiers away, releasing. */
bool msix_set_notifiers(PciDevice *d, const MsixNotifiers *n);

/* State: the table, then pending bits. As a field for state tables ... */
extern const VmState msix_vmstate;
#define VMS_MSIX(T, f, nam)                                                    \
    { .name = nam, .kind = &vmk_struct, .offset = offsetof(T, f), .num = 1,    \
      .size = sizeof(PciDevice), .flags = VMF_STRUCT, .sub = &msix_vmstate }
/* ... and by hand. */
void msix_save(const PciDevice *d, VmWriter *w);
bool msix_load(PciDevice *d, VmReader *r, Error **errp);

#endif
