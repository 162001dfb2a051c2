/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg: items, the file directory, reading by port and by DMA. QEMU's manual,
 * docs/specs/fw_cfg.
 */
#include "util/osdep.h"

#include "hw/nvram/fw_cfg-core.h"
#include "util/error.h"

enum {
    ID_TRADITIONAL = 1,
    ID_DMA = 2,

    DMA_ERROR = 1,
    DMA_READ = 2,
    DMA_SKIP = 4,
    DMA_SELECT = 8,
    DMA_WRITE = 16,

    DIR_ENTRY_SIZE = 64,
};

static void item_free(FwCfgItem *item)
{
    g_free(item->name);
    g_free(item->data);
    g_free(item);
}

void fw_cfg_item_set(FwCfgItem *item, const void *data, size_t len)
{
    uint8_t *copy = g_memdup2(data, len);

    g_free(item->data);
    item->data = copy;
    item->len = len;
}

void fw_cfg_core_init(FwCfgCore *c, unsigned max_files, bool dma)
{
    uint32_t id = GUINT32_TO_LE(ID_TRADITIONAL | (dma ? ID_DMA : 0));

    memset(c, 0, sizeof(*c));
    c->files = g_ptr_array_new_with_free_func((GDestroyNotify)item_free);
    c->max_files = max_files;
    fw_cfg_item_set(&c->fixed[0][FW_CFG_SIGNATURE], "QEMU", 4);
    fw_cfg_item_set(&c->fixed[0][FW_CFG_ID], &id, sizeof(id));
}

void fw_cfg_core_destroy(FwCfgCore *c)
{
    for (unsigned i = 0; i < FW_CFG_FILE_FIRST; i++) {
        g_free(c->fixed[0][i].data);
        g_free(c->fixed[1][i].data);
    }
    g_ptr_array_unref(c->files);
}

FwCfgItem *fw_cfg_core_fixed(FwCfgCore *c, uint16_t key)
{
    unsigned n = key & ~(FW_CFG_ARCH_LOCAL | FW_CFG_WRITE_CHANNEL);

    return n < FW_CFG_FILE_FIRST ? &c->fixed[!!(key & FW_CFG_ARCH_LOCAL)][n]
                                 : NULL;
}

FwCfgItem *fw_cfg_core_file(const FwCfgCore *c, const char *name)
{
    for (unsigned i = 0; i < c->files->len; i++) {
        FwCfgItem *item = c->files->pdata[i];

        if (!strcmp(item->name, name)) {
            return item;
        }
    }
    return NULL;
}

/* What FW_CFG_FILE_DIR holds: a count, then size, key, name of every file; all
 * big-endian. */
static void update_directory(FwCfgCore *c)
{
    g_autoptr(GByteArray) dir = g_byte_array_new();
    uint32_t count = GUINT32_TO_BE(c->files->len);

    g_byte_array_append(dir, (uint8_t *)&count, sizeof(count));
    for (unsigned i = 0; i < c->files->len; i++) {
        const FwCfgItem *item = c->files->pdata[i];
        uint8_t e[DIR_ENTRY_SIZE] = { 0 };
        uint32_t size = GUINT32_TO_BE(item->len);
        uint16_t key = GUINT16_TO_BE(FW_CFG_FILE_FIRST + i);

        memcpy(e, &size, 4);
        memcpy(e + 4, &key, 2);
        g_strlcpy((char *)e + 8, item->name, FW_CFG_MAX_NAME);
        g_byte_array_append(dir, e, sizeof(e));
    }
    fw_cfg_item_set(&c->fixed[0][FW_CFG_FILE_DIR], dir->data, dir->len);
}

FwCfgItem *fw_cfg_core_add_file(FwCfgCore *c, const char *name, Error **errp)
{
    FwCfgItem *item;
    unsigned at = 0;

    if (strlen(name) >= FW_CFG_MAX_NAME) {
        error_set(errp,
                  "fw_cfg file name '%s' is too long (at most %d "
                  "characters)",
                  name, FW_CFG_MAX_NAME - 1);
        return NULL;
    }
    if (fw_cfg_core_file(c, name)) {
        error_set(errp, "duplicate fw_cfg file name: %s", name);
        return NULL;
    }
    if (c->files->len >= c->max_files) {
        error_set(errp, "no room for fw_cfg file '%s': all %u slots are taken",
                  name, c->max_files);
        return NULL;
    }
    item = g_new0(FwCfgItem, 1);
    item->name = g_strdup(name);
    while (at < c->files->len &&
           strcmp(((FwCfgItem *)c->files->pdata[at])->name, name) < 0) {
        at++;
    }
    g_ptr_array_insert(c->files, at, item);
    return item;
}

/* The guest's side --------------------------------------------------------- */

static FwCfgItem *current(FwCfgCore *c)
{
    unsigned n = c->key & ~(FW_CFG_ARCH_LOCAL | FW_CFG_WRITE_CHANNEL);

    if (c->key == FW_CFG_INVALID) {
        return NULL;
    }
    if (n < FW_CFG_FILE_FIRST) {
        return fw_cfg_core_fixed(c, c->key);
    }
    n -= FW_CFG_FILE_FIRST;
    return n < c->files->len && !(c->key & FW_CFG_ARCH_LOCAL)
               ? c->files->pdata[n]
               : NULL;
}

void fw_cfg_core_select(FwCfgCore *c, uint16_t key)
{
    FwCfgItem *item;

    c->key = key;
    c->offset = 0;
    if (key == FW_CFG_FILE_DIR) {
        update_directory(c);
    }
    item = current(c);
    if (!item) {
        c->key = FW_CFG_INVALID;
    } else if (item->selected) {
        item->selected(item->opaque);
    }
}

uint8_t fw_cfg_core_read(FwCfgCore *c)
{
    const FwCfgItem *item = current(c);

    return item && c->offset < item->len ? item->data[c->offset++] : 0;
}

/* Zeros, as reading past an item's end gives. */
static bool dma_zeros(AddressSpace *as, uint64_t addr, uint64_t len)
{
    while (len > 0) {
        GmemMap map;

        if (!gmem_map(as, addr, len, true, &map)) {
            return false;
        }
        memset(map.ptr, 0, map.len);
        addr += map.len;
        len -= map.len;
        gmem_unmap(&map, map.len);
    }
    return true;
}

static bool dma_read(FwCfgCore *c, AddressSpace *as, uint64_t addr,
                     uint32_t len)
{
    const FwCfgItem *item = current(c);
    uint32_t n = 0;

    if (item && item->data && c->offset < item->len) {
        n = MIN(len, item->len - c->offset);
        if (as_write(as, addr, item->data + c->offset, n, MEM_ATTRS_NONE)) {
            return false;
        }
        c->offset += n;
    }
    return addr <= UINT64_MAX - n && dma_zeros(as, addr + n, len - n);
}

static bool dma_write(FwCfgCore *c, AddressSpace *as, uint64_t addr,
                      uint32_t len)
{
    FwCfgItem *item = current(c);

    if (!item || !item->writable || !item->data || c->offset >= item->len ||
        len > item->len - c->offset ||
        as_read(as, addr, item->data + c->offset, len, MEM_ATTRS_NONE)) {
        return false;
    }
    c->offset += len;
    if (item->written) {
        item->written(item->opaque, item->data, item->len);
    }
    return true;
}

static void dma_skip(FwCfgCore *c, uint32_t len)
{
    const FwCfgItem *item = current(c);

    if (item && c->offset < item->len) {
        c->offset += MIN(len, item->len - c->offset);
    }
}

void fw_cfg_core_dma(FwCfgCore *c, AddressSpace *as)
{
    struct {
        uint32_t control, length;
        uint64_t address;
    } d; /* big-endian */
    uint64_t at = c->dma_addr, addr;
    uint32_t control, len, done;
    bool ok = true;

    c->dma_addr = 0;
    if (as_read(as, at, &d, sizeof(d), MEM_ATTRS_NONE)) {
        done = GUINT32_TO_BE(DMA_ERROR);
        as_write(as, at, &done, sizeof(done), MEM_ATTRS_NONE);
        return;
    }
    control = GUINT32_FROM_BE(d.control);
    len = GUINT32_FROM_BE(d.length);
    addr = GUINT64_FROM_BE(d.address);
    if (control & DMA_SELECT) {
        fw_cfg_core_select(c, control >> 16);
    }
    if (control & DMA_READ) {
        ok = dma_read(c, as, addr, len);
    } else if (control & DMA_WRITE) {
        ok = dma_write(c, as, addr, len);
    } else if (control & DMA_SKIP) {
        dma_skip(c, len);
    }
    done = GUINT32_TO_BE(ok ? 0 : DMA_ERROR);
    as_write(as, at, &done, sizeof(done), MEM_ATTRS_NONE);
}
