/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Items of fw_cfg and the guest's way to them, apart from the device. */
#ifndef HW_NVRAM_FW_CFG_CORE_H
#define HW_NVRAM_FW_CFG_CORE_H

#include "hw/nvram/fw_cfg.h"
#include "softmmu/memory.h"

typedef struct FwCfgItem {
    char *name; /* files: at most FW_CFG_MAX_NAME with its 0 */
    uint8_t *data;
    size_t len;
    LoopFn *selected;      /* fills in the data; or NULL */
    FwCfgWritten *written; /* may be written; or NULL */
    bool writable;
    void *opaque;
} FwCfgItem;

typedef struct FwCfgCore {
    FwCfgItem fixed[2][FW_CFG_FILE_FIRST]; /* generic, of the architecture */
    GPtrArray *files;                      /* FwCfgItem *, sorted by name */
    unsigned max_files;
    /* Guest state. */
    uint16_t key; /* FW_CFG_INVALID: none such */
    uint32_t offset;
    uint64_t dma_addr;
} FwCfgCore;

#define FW_CFG_INVALID       0xffff
#define FW_CFG_DMA_SIGNATURE UINT64_C(0x51454d5520434647) /* "QEMU CFG" */

void fw_cfg_core_init(FwCfgCore *c, unsigned max_files, bool dma);
void fw_cfg_core_destroy(FwCfgCore *c);

FwCfgItem *fw_cfg_core_fixed(FwCfgCore *c, uint16_t key); /* NULL: no such */
FwCfgItem *fw_cfg_core_file(const FwCfgCore *c, const char *name);
/* A new, empty file. */
FwCfgItem *fw_cfg_core_add_file(FwCfgCore *c, const char *name, Error **errp);
void fw_cfg_item_set(FwCfgItem *item, const void *data, size_t len);

/* The guest: */
void fw_cfg_core_select(FwCfgCore *c, uint16_t key);
uint8_t fw_cfg_core_read(FwCfgCore *c); /* the next byte */
/* Do what the descriptor at c->dma_addr says. */
void fw_cfg_core_dma(FwCfgCore *c, AddressSpace *as);

#endif
