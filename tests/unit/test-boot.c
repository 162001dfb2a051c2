/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct boot of synthetic kernels into a flat piece of memory: what the boot
 * protocols promise to the kernel, and errors for files that break them.
 */
#include "util/osdep.h"

#include "hw/i386/boot/boot-private.h"
#include "util/error.h"

/* Guest memory for the loaders: 64 MiB from 0. */
#define LOW_RAM (64 * MiB)

struct AddressSpace {
    uint8_t ram[LOW_RAM];
};

MemResult as_write_rom(AddressSpace *as, hwaddr addr, const void *buf,
                       size_t len)
{
    if (len > LOW_RAM || addr > LOW_RAM - len) {
        return MEM_DECODE_ERROR;
    }
    memcpy(as->ram + addr, buf, len);
    return MEM_OK;
}

bool gmem_map(AddressSpace *as, hwaddr addr, size_t len, bool write,
              GmemMap *map)
{
    if (addr >= LOW_RAM) {
        return false;
    }
    /* Pieces, as the real one may give. */
    len = MIN(MIN(len, 100000), LOW_RAM - addr);
    *map = (GmemMap){ .ptr = as->ram + addr, .len = len, .write = write };
    return true;
}

void gmem_unmap(GmemMap *map, size_t touched)
{
    g_assert_cmpuint(touched, <=, map->len);
}

/* Kernels ------------------------------------------------------------------ */

#define KERNEL_SIZE 0x3000
#define LOAD_ADDR   0x1000000

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
    boot_set_le(p, v, bytes);
}

/* Protocol 2.15, 64-bit entry, one setup sector. */
static GByteArray *new_bzimage(void)
{
    GByteArray *f = g_byte_array_new();

    g_byte_array_set_size(f, 1024 + KERNEL_SIZE);
    memset(f->data, 0, f->len);
    f->data[0x1f1] = 1;
    put(f->data + 0x1f4, KERNEL_SIZE / 16, 4);
    put(f->data + 0x1fe, 0xaa55, 2);
    f->data[0x201] = 0x6a;
    memcpy(f->data + 0x202, "HdrS", 4);
    put(f->data + 0x206, 0x20f, 2);
    f->data[0x211] = 1;
    put(f->data + 0x22c, 0x7fffffff, 4);
    put(f->data + 0x230, 0x200000, 4);
    f->data[0x234] = 1;
    put(f->data + 0x236, 1, 2);
    put(f->data + 0x238, 2047, 4);
    put(f->data + 0x258, LOAD_ADDR, 8);
    put(f->data + 0x260, 0x800000, 4);
    memset(f->data + 1024, 0xcc, KERNEL_SIZE);
    return f;
}

/* ELF64 with one PT_LOAD (with bss) and one PT_NOTE. */
static GByteArray *new_elf(void)
{
    GByteArray *f = g_byte_array_new();
    uint8_t *p;

    g_byte_array_set_size(f, 0x1000 + KERNEL_SIZE);
    memset(f->data, 0, f->len);
    p = f->data;
    memcpy(p, "\177ELF\2\1\1", 7);
    put(p + 16, 2, 2);
    put(p + 18, 62, 2);
    put(p + 32, 64, 8);
    put(p + 54, 56, 2);
    put(p + 56, 2, 2);
    p += 64;
    put(p, 1, 4);
    put(p + 8, 0x1000, 8);
    put(p + 24, LOAD_ADDR, 8);
    put(p + 32, KERNEL_SIZE, 8);
    put(p + 40, KERNEL_SIZE + 0x1000, 8);
    p += 56;
    put(p, 4, 4);
    put(p + 8, 0x200, 8);
    put(p + 32, 0x40, 8);
    p = f->data + 0x200;
    put(p, 4, 4); /* some other note first */
    put(p + 4, 1, 4);
    put(p + 8, 1, 4);
    memcpy(p + 12, "Xen", 4);
    p += 20;
    put(p, 4, 4);
    put(p + 4, 8, 4);
    put(p + 8, 18, 4);
    memcpy(p + 12, "Xen", 4);
    put(p + 16, LOAD_ADDR + 0x10, 8);
    memset(f->data + 0x1000, 0xcc, KERNEL_SIZE);
    return f;
}

static AcpiTables *new_acpi(void *opaque)
{
    AcpiTables *t = acpi_tables_new("OEM", "TABLE");

    (void)opaque;
    acpi_put_facs(t);
    acpi_table_begin(t, "TEST", 1, true);
    acpi_table_end(t);
    acpi_tables_finish(t, 0);
    return t;
}

typedef struct Fixture {
    AddressSpace *as;
    X86BootMachine m;
    X86Boot b;
    X86BootEntry entry;
    Error *err;
} Fixture;

static const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
static const E820Range high[] = {
    { 0xb0000000, 0x10000000, E820_RESERVED },
    { 4 * GiB, GiB, E820_RAM },
};

static void setup(Fixture *x, gconstpointer unused)
{
    (void)unused;
    x->as = g_new0(AddressSpace, 1);
    memset(x->as->ram, 0x55, LOW_RAM); /* bss must be cleared */
    x->m = (X86BootMachine){
        .memory = x->as,
        .low_ram = LOW_RAM,
        .ranges = high,
        .n_ranges = ARRAY_SIZE(high),
        .acpi = new_acpi,
        .gdt = gdt,
        .gdt_entries = ARRAY_SIZE(gdt),
    };
    x->b.cmdline = g_strdup("console=ttyS0");
    x->b.initrd.fd = -1;
}

static void teardown(Fixture *x, gconstpointer unused)
{
    (void)unused;
    boot_file_close(&x->b.kernel);
    boot_file_close(&x->b.initrd);
    g_free(x->b.cmdline);
    g_free(x->as);
    if (x->err) {
        error_free(x->err);
    }
}

static bool use_linux(Fixture *x, GByteArray *image)
{
    boot_file_mem(&x->b.kernel, image->data, image->len);
    g_byte_array_unref(image);
    return linux_image_parse(&x->b.kernel, &x->b.linux_image, &x->err);
}

static bool use_pvh(Fixture *x, GByteArray *image)
{
    boot_file_mem(&x->b.kernel, image->data, image->len);
    g_byte_array_unref(image);
    x->b.is_pvh = true;
    return pvh_image_parse(&x->b.kernel, &x->b.pvh_image, &x->err);
}

static void use_initrd(Fixture *x, size_t len)
{
    g_autofree uint8_t *data = g_malloc(len);

    memset(data, 0x77, len);
    boot_file_mem(&x->b.initrd, data, len);
    x->b.has_initrd = true;
}

static bool load(Fixture *x)
{
    x86_boot_entry(&x->b, &x->entry);
    return x86_boot_load(&x->b, &x->m, &x->err);
}

static uint64_t ram(Fixture *x, uint64_t addr, unsigned bytes)
{
    return boot_get_le(x->as->ram + addr, bytes);
}

/* bzImage ------------------------------------------------------------------ */

static void test_bzimage_is_entered_in_long_mode(Fixture *x, gconstpointer u)
{
    g_assert_true(use_linux(x, new_bzimage()));
    g_assert_true(load(x));
    g_assert_true(x->entry.long_mode);
    g_assert_cmphex(x->entry.pc, ==, LOAD_ADDR + 0x200);
    g_assert_cmphex(x->as->ram[LOAD_ADDR], ==, 0xcc);
    g_assert_cmphex(x->as->ram[LOAD_ADDR + KERNEL_SIZE - 1], ==, 0xcc);
    g_assert_cmphex(x->as->ram[LOAD_ADDR + KERNEL_SIZE], ==, 0x55);
}

static void test_bzimage_gets_its_parameters(Fixture *x, gconstpointer u)
{
    uint64_t zp;

    use_initrd(x, 300000);
    g_assert_true(use_linux(x, new_bzimage()));
    g_assert_true(load(x));
    zp = x->entry.rsi;
    g_assert_cmphex(ram(x, zp + 0x202, 4), ==, 0x53726448);
    g_assert_cmphex(ram(x, zp + 0x210, 1), ==, 0xff);
    g_assert_cmpstr((char *)x->as->ram + ram(x, zp + 0x228, 4), ==,
                    "console=ttyS0");
    g_assert_cmpuint(ram(x, zp + 0x21c, 4), ==, 300000);
    g_assert_cmphex(ram(x, ram(x, zp + 0x218, 4), 8), ==, 0x7777777777777777);
    g_assert_cmphex(ram(x, ram(x, zp + 0x70, 8), 8), ==,
                    boot_get_le((const uint8_t *)"RSD PTR ", 8));
    /* one node of setup data: a seed */
    g_assert_cmpuint(ram(x, ram(x, zp + 0x250, 8) + 8, 4), ==, 9);
    g_assert_cmpuint(ram(x, ram(x, zp + 0x250, 8), 8), ==, 0);
}

static void test_memory_map_keeps_tables_from_the_kernel(Fixture *x,
                                                         gconstpointer u)
{
    uint64_t e, n, rsdp, rsdt;

    g_assert_true(use_linux(x, new_bzimage()));
    g_assert_true(load(x));
    e = x->entry.rsi + 0x2d0;
    n = ram(x, x->entry.rsi + 0x1e8, 1);
    g_assert_cmpuint(n, ==, 7);
    g_assert_cmphex(ram(x, e + 3 * 20, 8), ==, 0x100000);
    g_assert_cmpuint(ram(x, e + 3 * 20 + 16, 4), ==, E820_RAM);
    g_assert_cmphex(ram(x, e + 4 * 20, 8) + ram(x, e + 4 * 20 + 8, 8), ==,
                    LOW_RAM);
    g_assert_cmpuint(ram(x, e + 4 * 20 + 16, 4), ==, E820_ACPI);
    g_assert_cmphex(ram(x, e + 6 * 20, 8), ==, 4 * GiB);
    rsdp = ram(x, x->entry.rsi + 0x70, 8);
    rsdt = ram(x, rsdp + 16, 4);
    g_assert_cmphex(rsdt, >=, ram(x, e + 4 * 20, 8));
    g_assert_cmpmem(x->as->ram + rsdt, 4, "RSDT", 4);
}

static void test_page_tables_map_4_gib_one_to_one(Fixture *x, gconstpointer u)
{
    uint64_t pdpt, pd;

    g_assert_true(use_linux(x, new_bzimage()));
    g_assert_true(load(x));
    pdpt = ram(x, x->entry.cr3, 8) & ~0xfffull;
    pd = ram(x, pdpt + 3 * 8, 8) & ~0xfffull;
    g_assert_cmphex(ram(x, pd + 511 * 8, 8), ==, 0xffe00083);
    g_assert_cmphex(ram(x, x->entry.gdt_base + 0x10, 8), ==,
                    0x00af9b000000ffff);
}

static void test_old_protocol_gets_32_bit_entry(Fixture *x, gconstpointer u)
{
    GByteArray *f = new_bzimage();

    put(f->data + 0x206, 0x208, 2);
    g_assert_true(use_linux(x, f));
    g_assert_true(load(x));
    g_assert_false(x->entry.long_mode);
    g_assert_cmphex(x->entry.pc, ==, 0x100000);
}

static void test_truncated_bzimage_is_refused(Fixture *x, gconstpointer u)
{
    GByteArray *f = new_bzimage();

    g_byte_array_set_size(f, f->len - 16);
    g_assert_false(use_linux(x, f));
    g_assert_nonnull(strstr(error_text(x->err), "truncated"));
}

static void test_header_only_bzimage_is_refused(Fixture *x, gconstpointer u)
{
    GByteArray *f = new_bzimage();

    g_byte_array_set_size(f, 0x210);
    g_assert_false(use_linux(x, f));
}

static void test_low_load_address_is_refused(Fixture *x, gconstpointer u)
{
    GByteArray *f = new_bzimage();

    f->data[0x234] = 0; /* not relocatable */
    put(f->data + 0x258, 0x7000, 8);
    g_assert_false(use_linux(x, f));
}

static void test_kernel_bigger_than_memory_is_refused(Fixture *x,
                                                      gconstpointer u)
{
    GByteArray *f = new_bzimage();

    put(f->data + 0x260, 0xffffffff, 4);
    g_assert_true(use_linux(x, f));
    g_assert_false(x86_boot_check(&x->b, &x->m, &x->err));
    g_assert_nonnull(strstr(error_text(x->err), "RAM up to"));
}

static void test_initrd_bigger_than_room_is_refused(Fixture *x, gconstpointer u)
{
    use_initrd(x, LOW_RAM - LOAD_ADDR - 0x800000);
    g_assert_true(use_linux(x, new_bzimage()));
    g_assert_false(x86_boot_check(&x->b, &x->m, &x->err));
    g_assert_nonnull(strstr(error_text(x->err), "initrd"));
}

static void test_long_command_line_is_refused(Fixture *x, gconstpointer u)
{
    g_free(x->b.cmdline);
    x->b.cmdline = g_strnfill(2048, 'a');
    g_assert_true(use_linux(x, new_bzimage()));
    g_assert_false(x86_boot_check(&x->b, &x->m, &x->err));
}

/* PVH ---------------------------------------------------------------------- */

static void test_elf_is_entered_by_its_pvh_note(Fixture *x, gconstpointer u)
{
    uint64_t info;

    use_initrd(x, 5000);
    g_assert_true(use_pvh(x, new_elf()));
    g_assert_true(load(x));
    g_assert_false(x->entry.long_mode);
    g_assert_cmphex(x->entry.pc, ==, LOAD_ADDR + 0x10);
    info = x->entry.rbx;
    g_assert_cmphex(ram(x, info, 4), ==, 0x336ec578);
    g_assert_cmpuint(ram(x, info + 4, 4), ==, 1);
    g_assert_cmpuint(ram(x, info + 12, 4), ==, 1);
    g_assert_cmpuint(ram(x, ram(x, info + 16, 8) + 8, 8), ==, 5000);
    g_assert_cmpstr((char *)x->as->ram + ram(x, info + 24, 8), ==,
                    "console=ttyS0");
    g_assert_cmpmem(x->as->ram + ram(x, info + 32, 8), 8, "RSD PTR ", 8);
    g_assert_cmpuint(ram(x, info + 48, 4), ==, 7);
}

static void test_bss_is_cleared(Fixture *x, gconstpointer u)
{
    g_assert_true(use_pvh(x, new_elf()));
    g_assert_true(load(x));
    g_assert_cmphex(x->as->ram[LOAD_ADDR + KERNEL_SIZE - 1], ==, 0xcc);
    g_assert_cmphex(x->as->ram[LOAD_ADDR + KERNEL_SIZE], ==, 0);
    g_assert_cmphex(x->as->ram[LOAD_ADDR + KERNEL_SIZE + 0xfff], ==, 0);
    g_assert_cmphex(x->as->ram[LOAD_ADDR + KERNEL_SIZE + 0x1000], ==, 0x55);
}

static void test_elf_without_note_is_refused(Fixture *x, gconstpointer u)
{
    GByteArray *f = new_elf();

    memset(f->data + 0x200, 0, 0x40);
    g_assert_false(use_pvh(x, f));
    g_assert_nonnull(strstr(error_text(x->err), "PVH"));
}

static void test_truncated_elf_is_refused(Fixture *x, gconstpointer u)
{
    GByteArray *f = new_elf();

    g_byte_array_set_size(f, f->len - 1);
    g_assert_false(use_pvh(x, f));
    g_assert_nonnull(strstr(error_text(x->err), "truncated"));
}

static void test_segment_over_our_tables_is_refused(Fixture *x, gconstpointer u)
{
    GByteArray *f = new_elf();

    put(f->data + 64 + 24, 0x8000, 8);
    g_assert_false(use_pvh(x, f));
}

static void test_entry_outside_the_kernel_is_refused(Fixture *x,
                                                     gconstpointer u)
{
    GByteArray *f = new_elf();

    put(f->data + 0x200 + 20 + 16, 0x1234, 8);
    g_assert_false(use_pvh(x, f));
}

/* Any single damaged byte: an error or a boot, never worse. */
static void test_every_damaged_header_byte_is_survived(Fixture *x,
                                                       gconstpointer u)
{
    static const uint8_t damage[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };

    for (unsigned elf = 0; elf < 2; elf++) {
        for (unsigned at = 0; at < 0x280; at++) {
            for (unsigned i = 0; i < ARRAY_SIZE(damage); i++) {
                GByteArray *f = elf ? new_elf() : new_bzimage();
                bool ok;

                f->data[at] = damage[i];
                ok = elf ? use_pvh(x, f) : use_linux(x, f);
                ok = ok && load(x);
                g_assert_cmpint(ok, ==, x->err == NULL);
                if (x->err) {
                    error_free(x->err);
                    x->err = NULL;
                }
                boot_file_close(&x->b.kernel);
            }
        }
    }
}

static void add(const char *name, void (*fn)(Fixture *, gconstpointer))
{
    g_test_add(name, Fixture, NULL, setup, fn, teardown);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/boot/bzimage/entry", test_bzimage_is_entered_in_long_mode);
    add("/boot/bzimage/params", test_bzimage_gets_its_parameters);
    add("/boot/bzimage/map", test_memory_map_keeps_tables_from_the_kernel);
    add("/boot/bzimage/pages", test_page_tables_map_4_gib_one_to_one);
    add("/boot/bzimage/old", test_old_protocol_gets_32_bit_entry);
    add("/boot/bzimage/truncated", test_truncated_bzimage_is_refused);
    add("/boot/bzimage/header", test_header_only_bzimage_is_refused);
    add("/boot/bzimage/low", test_low_load_address_is_refused);
    add("/boot/bzimage/big", test_kernel_bigger_than_memory_is_refused);
    add("/boot/initrd/big", test_initrd_bigger_than_room_is_refused);
    add("/boot/cmdline/long", test_long_command_line_is_refused);
    add("/boot/pvh/entry", test_elf_is_entered_by_its_pvh_note);
    add("/boot/pvh/bss", test_bss_is_cleared);
    add("/boot/pvh/no-note", test_elf_without_note_is_refused);
    add("/boot/pvh/truncated", test_truncated_elf_is_refused);
    add("/boot/pvh/low", test_segment_over_our_tables_is_refused);
    add("/boot/pvh/entry-outside", test_entry_outside_the_kernel_is_refused);
    add("/boot/damaged", test_every_damaged_header_byte_is_survived);
    return g_test_run();
}
