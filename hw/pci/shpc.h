/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The standard hot-plug controller of conventional bridges: registers in a BAR
 * and behind a capability. PCI Standard Hot-Plug Controller and Subsystem
 * Specification 1.0. Machine lock.
 */
#ifndef HW_PCI_SHPC_H
#define HW_PCI_SHPC_H

#include "hw/pci/bridge.h"

enum {
    SHPC_SLOTS = 31,
    SHPC_SIZE = 0x24 + 4 * SHPC_SLOTS, /* of the registers */
    SHPC_BAR_SIZE = 256,
};

typedef struct Shpc Shpc;

/* Adds the capability and places the registers at @offset of @bar. */
Shpc *shpc_new(PciBridge *br, MemRegion *bar, uint32_t offset, Error **errp);
void shpc_free(Shpc *s);
void shpc_reset(Shpc *s);
/* After a write of the bridge's configuration space. */
void shpc_config_written(Shpc *s, uint32_t addr, unsigned len);
/* Before a read: what the capability shows of the registers. */
void shpc_config_sync(Shpc *s);
/* After loading. */
void shpc_loaded(Shpc *s);

/* The registers; the field holds the pointer. */
extern const VmFieldKind vmk_shpc;

#endif
