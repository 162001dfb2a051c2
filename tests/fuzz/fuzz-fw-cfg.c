/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that selects, reads and sends DMA descriptors as the input says. */
#include "util/osdep.h"

#include "hw/nvram/fw_cfg-core.h"
#include "util/error.h"

#define RAM_SIZE 0x2000

struct AddressSpace {
    uint8_t ram[RAM_SIZE];
};
static AddressSpace space;

static bool inside(hwaddr addr, size_t len)
{
    return len <= RAM_SIZE && addr <= RAM_SIZE - len;
}

MemResult as_read(AddressSpace *as, hwaddr addr, void *buf, size_t len,
                  MemAttrs attrs)
{
    if (!inside(addr, len)) {
        return MEM_DECODE_ERROR;
    }
    memcpy(buf, as->ram + addr, len);
    return MEM_OK;
}

MemResult as_write(AddressSpace *as, hwaddr addr, const void *buf, size_t len,
                   MemAttrs attrs)
{
    if (!inside(addr, len)) {
        return MEM_DECODE_ERROR;
    }
    memcpy(as->ram + addr, buf, len);
    return MEM_OK;
}

bool gmem_map(AddressSpace *as, hwaddr addr, size_t len, bool write,
              GmemMap *map)
{
    if (addr >= RAM_SIZE) {
        return false;
    }
    *map = (GmemMap){ .ptr = as->ram + addr, .len = MIN(len, RAM_SIZE - addr) };
    return true;
}

void gmem_unmap(GmemMap *map, size_t touched)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FwCfgCore core;
    FwCfgItem *item;

    fw_cfg_core_init(&core, 4, true);
    item = fw_cfg_core_add_file(&core, "etc/rw", error_abort);
    fw_cfg_item_set(item, "0123456789", 10);
    item->writable = true;
    item = fw_cfg_core_add_file(&core, "etc/empty", error_abort);
    fw_cfg_item_set(item, "", 0);
    /* Every 17 bytes: an action and its operands. */
    for (; size >= 17; data += 17, size -= 17) {
        switch (data[0] % 3) {
        case 0:
            fw_cfg_core_select(&core, data[1] | data[2] << 8);
            break;
        case 1:
            for (unsigned i = 0; i < data[1]; i++) {
                fw_cfg_core_read(&core);
            }
            break;
        case 2:
            memcpy(space.ram + 0x100, data + 1, 16);
            core.dma_addr = 0x100;
            fw_cfg_core_dma(&core, &space);
            break;
        }
    }
    fw_cfg_core_destroy(&core);
    return 0;
}
