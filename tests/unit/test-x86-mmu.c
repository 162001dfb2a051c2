/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks of x86 page tables: 32-bit, PAE, 4 and 5 levels. */
#include "util/osdep.h"

#include "target/i386/mmu.h"

/* 32 KiB at 0: tables that the tests fill in. */
static uint64_t pages[8][512];

static bool load_page(void *opaque, uint64_t pa, unsigned size, uint64_t *entry)
{
    if (pa + size > sizeof(pages)) {
        return false;
    }
    *entry = 0;
    memcpy(entry, (uint8_t *)pages + pa, size);
    return true;
}

static uint64_t walk(uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer,
                     uint64_t va)
{
    const X86Mmu m = { cr0, cr3, cr4, efer, load_page, NULL };
    uint64_t pa;

    return x86_mmu_translate(&m, va, &pa) ? pa : UINT64_MAX;
}

#define PG   BIT(31)
#define LMA  BIT(10)
#define PAE  BIT(5)
#define PSE  BIT(4)
#define LA57 BIT(12)

static void test_mmu_off(void)
{
    g_assert_cmphex(walk(0, 0, 0, 0, 0x12345), ==, 0x12345);
    g_assert_cmphex(walk(0, 0, 0, 0, 0x1fffffff0), ==, 0xfffffff0);
}

static void test_mmu_long(void)
{
    memset(pages, 0, sizeof(pages));
    pages[1][511] = 0x2003; /* CR3 0x1000: the top half's last */
    pages[2][510] = 0x3003;
    pages[2][509] = 0x40000083;                  /* 1 GiB */
    pages[3][1] = 0x4003;
    pages[3][2] = 0x00a00083;                    /* 2 MiB */
    pages[4][5] = UINT64_C(0x8000000000123063); /* no-execute */
    pages[0][0] = 0x1003;                        /* level 5 */
    g_assert_cmphex(walk(PG, 0x1000, PAE, LMA, 0xffffffff80205678), ==,
                    0x123678);
    g_assert_cmphex(walk(PG, 0x1000, PAE, LMA, 0xffffffff80412345), ==,
                    0xa12345);
    g_assert_cmphex(walk(PG, 0x1000, PAE, LMA, 0xffffffff4abcdef0), ==,
                    0x4abcdef0);
    g_assert_cmphex(walk(PG, 0x1000, PAE, LMA, 0xffffffff80206000), ==,
                    UINT64_MAX);
    g_assert_cmphex(walk(PG, 0x1000, PAE, LMA, 0), ==, UINT64_MAX);
    /* A root where no memory is. */
    g_assert_cmphex(walk(PG, 0x100000, PAE, LMA, 0), ==, UINT64_MAX);
    g_assert_cmphex(walk(PG, 0, PAE | LA57, LMA, 0xffff80205678), ==, 0x123678);
}

static void test_mmu_pae(void)
{
    memset(pages, 0, sizeof(pages));
    pages[0][4 + 1] = 0x1001; /* CR3 0x20 */
    pages[1][0] = 0x2003;
    pages[1][1] = UINT64_C(0x100200083); /* 2 MiB above 4 GiB */
    pages[2][3] = 0x5003;
    g_assert_cmphex(walk(PG, 0x20, PAE, 0, 0x40003abc), ==, 0x5abc);
    g_assert_cmphex(walk(PG, 0x20, PAE, 0, 0x40201234), ==, 0x100201234);
    g_assert_cmphex(walk(PG, 0x20, PAE, 0, 0x80000000), ==, UINT64_MAX);
}

static void test_mmu_32_bits(void)
{
    uint32_t *dir = (uint32_t *)pages[1], *table = (uint32_t *)pages[2];

    memset(pages, 0, sizeof(pages));
    dir[0] = 0x2003;
    dir[1] = 0x00402083; /* 4 MiB; bit 13 is bit 32 of the address */
    table[7] = 0x9003;
    g_assert_cmphex(walk(PG, 0x1000, 0, 0, 0x7123), ==, 0x9123);
    g_assert_cmphex(walk(PG, 0x1000, PSE, 0, 0x00412345), ==, 0x100412345);
    g_assert_cmphex(walk(PG, 0x1000, 0, 0, 0x8000), ==, UINT64_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mmu/off", test_mmu_off);
    g_test_add_func("/mmu/long", test_mmu_long);
    g_test_add_func("/mmu/pae", test_mmu_pae);
    g_test_add_func("/mmu/32-bits", test_mmu_32_bits);
    return g_test_run();
}
