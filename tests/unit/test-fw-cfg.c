/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg items, directory, and DMA with good and hostile descriptors. */
#include "util/osdep.h"

#include "hw/nvram/fw_cfg-core.h"
#include "util/error.h"

#define RAM_SIZE 0x10000

struct AddressSpace {
    uint8_t ram[RAM_SIZE];
};

static bool inside(hwaddr addr, size_t len)
{
    return len <= RAM_SIZE && addr <= RAM_SIZE - len;
}

MemResult as_read(AddressSpace *as, hwaddr addr, void *buf, size_t len,
                  MemAttrs attrs)
{
    if (!inside(addr, len)) {
        memset(buf, 0xff, len);
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

typedef struct Fixture {
    FwCfgCore core;
    AddressSpace as;
    unsigned calls; /* of a callback */
} Fixture;

static void setup(Fixture *x, gconstpointer unused)
{
    fw_cfg_core_init(&x->core, 3, true);
    memset(x->as.ram, 0x55, RAM_SIZE);
}

static void teardown(Fixture *x, gconstpointer unused)
{
    fw_cfg_core_destroy(&x->core);
}

static FwCfgItem *add(Fixture *x, const char *name, const char *text)
{
    FwCfgItem *item = fw_cfg_core_add_file(&x->core, name, error_abort);

    fw_cfg_item_set(item, text, strlen(text));
    return item;
}

static uint64_t read_be(Fixture *x, unsigned bytes)
{
    uint64_t v = 0;

    while (bytes--) {
        v = v << 8 | fw_cfg_core_read(&x->core);
    }
    return v;
}

/* A descriptor at 0x100; returns its control word afterwards. */
static uint32_t dma(Fixture *x, uint32_t control, uint32_t len, uint64_t addr)
{
    uint32_t be;
    uint64_t be64 = GUINT64_TO_BE(addr);

    be = GUINT32_TO_BE(control);
    memcpy(x->as.ram + 0x100, &be, 4);
    be = GUINT32_TO_BE(len);
    memcpy(x->as.ram + 0x104, &be, 4);
    memcpy(x->as.ram + 0x108, &be64, 8);
    x->core.dma_addr = 0x100;
    fw_cfg_core_dma(&x->core, &x->as);
    memcpy(&be, x->as.ram + 0x100, 4);
    return GUINT32_FROM_BE(be);
}

static void test_signature_and_id(Fixture *x, gconstpointer u)
{
    fw_cfg_core_select(&x->core, FW_CFG_SIGNATURE);
    g_assert_cmphex(read_be(x, 4), ==, 0x51454d55);
    g_assert_cmphex(read_be(x, 2), ==, 0);
    fw_cfg_core_select(&x->core, FW_CFG_ID);
    g_assert_cmphex(read_be(x, 4), ==, 0x03000000);
}

static void test_directory_is_sorted(Fixture *x, gconstpointer u)
{
    char name[FW_CFG_MAX_NAME];

    add(x, "opt/z", "zz");
    add(x, "etc/a", "a");
    fw_cfg_core_select(&x->core, FW_CFG_FILE_DIR);
    g_assert_cmpuint(read_be(x, 4), ==, 2);
    g_assert_cmpuint(read_be(x, 4), ==, 1);
    g_assert_cmphex(read_be(x, 2), ==, 0x20);
    read_be(x, 2);
    for (unsigned i = 0; i < sizeof(name); i++) {
        name[i] = fw_cfg_core_read(&x->core);
    }
    g_assert_cmpstr(name, ==, "etc/a");
    fw_cfg_core_select(&x->core, 0x21);
    g_assert_cmphex(read_be(x, 2), ==, 0x7a7a);
}

static void test_bad_files_are_refused(Fixture *x, gconstpointer u)
{
    autoerr Error *dup = NULL, *big = NULL, *full = NULL;
    g_autofree char *name = g_strnfill(FW_CFG_MAX_NAME, 'n');

    add(x, "a", "");
    g_assert_null(fw_cfg_core_add_file(&x->core, "a", &dup));
    g_assert_null(fw_cfg_core_add_file(&x->core, name, &big));
    add(x, "b", "");
    add(x, "c", "");
    g_assert_null(fw_cfg_core_add_file(&x->core, "d", &full));
}

static void test_unknown_keys_read_as_zero(Fixture *x, gconstpointer u)
{
    static const uint16_t keys[] = { 0x1f,   0x20,   0x3fff, 0x2a0,
                                     0x801f, 0x8020, 0xbfff, 0xffff };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        fw_cfg_core_select(&x->core, keys[i]);
        g_assert_cmphex(read_be(x, 8), ==, 0);
    }
}

static void test_dma_reads_and_fills_with_zeros(Fixture *x, gconstpointer u)
{
    add(x, "a", "hello");
    g_assert_cmphex(dma(x, 0x20 << 16 | 8 | 2, 8, 0x2000), ==, 0);
    g_assert_cmpmem(x->as.ram + 0x2000, 9, "hello\0\0\0\x55", 9);
}

static void test_dma_skips(Fixture *x, gconstpointer u)
{
    add(x, "a", "hello");
    g_assert_cmphex(dma(x, 0x20 << 16 | 8 | 4, 3, 0), ==, 0);
    g_assert_cmphex(fw_cfg_core_read(&x->core), ==, 'l');
    g_assert_cmphex(dma(x, 4, UINT32_MAX, 0), ==, 0);
    g_assert_cmphex(fw_cfg_core_read(&x->core), ==, 0);
}

static void count_call(void *opaque, const uint8_t *data, size_t len)
{
    ((Fixture *)opaque)->calls++;
}

static void test_dma_writes_only_where_allowed(Fixture *x, gconstpointer u)
{
    FwCfgItem *item = add(x, "a", "hello");

    g_assert_cmphex(dma(x, 0x20 << 16 | 8 | 16, 2, 0x2000), ==, 1);
    item->writable = true;
    item->written = count_call;
    item->opaque = x;
    g_assert_cmphex(dma(x, 0x20 << 16 | 8 | 16, 2, 0x2000), ==, 0);
    g_assert_cmpmem(item->data, 5, "\x55\x55llo", 5);
    g_assert_cmpuint(x->calls, ==, 1);
    g_assert_cmphex(dma(x, 16, 4, 0x2000), ==, 1); /* longer than the rest */
    g_assert_cmphex(dma(x, 16, UINT32_MAX, 0x2000), ==, 1);
    g_assert_cmpuint(x->calls, ==, 1);
}

static void test_dma_outside_of_memory_fails(Fixture *x, gconstpointer u)
{
    add(x, "a", "hello");
    g_assert_cmphex(dma(x, 0x20 << 16 | 8 | 2, 5, RAM_SIZE - 2), ==, 1);
    g_assert_cmphex(dma(x, 0x20 << 16 | 8 | 2, 5, UINT64_MAX - 2), ==, 1);
    g_assert_cmphex(dma(x, 0x20 << 16 | 8 | 2, UINT32_MAX, 0x8000), ==, 1);
    x->core.dma_addr = UINT64_MAX;
    fw_cfg_core_dma(&x->core, &x->as);
    g_assert_cmphex(x->core.dma_addr, ==, 0);
}

static void select_called(void *opaque)
{
    ((Fixture *)opaque)->calls++;
}

static void test_selecting_calls_the_owner(Fixture *x, gconstpointer u)
{
    FwCfgItem *item = add(x, "a", "hello");

    item->selected = select_called;
    item->opaque = x;
    fw_cfg_core_select(&x->core, 0x20);
    g_assert_cmpuint(x->calls, ==, 1);
}

static void add_test(const char *name, void (*fn)(Fixture *, gconstpointer))
{
    g_test_add(name, Fixture, NULL, setup, fn, teardown);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_test("/fw-cfg/signature", test_signature_and_id);
    add_test("/fw-cfg/directory", test_directory_is_sorted);
    add_test("/fw-cfg/files", test_bad_files_are_refused);
    add_test("/fw-cfg/unknown", test_unknown_keys_read_as_zero);
    add_test("/fw-cfg/dma/read", test_dma_reads_and_fills_with_zeros);
    add_test("/fw-cfg/dma/skip", test_dma_skips);
    add_test("/fw-cfg/dma/write", test_dma_writes_only_where_allowed);
    add_test("/fw-cfg/dma/outside", test_dma_outside_of_memory_fails);
    add_test("/fw-cfg/select", test_selecting_calls_the_owner);
    return g_test_run();
}
