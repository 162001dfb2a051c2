/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AML encodings byte by byte (ACPI 6.4, section 20.2), checksums and
 * relocations of table sets, and the PC's tables read back by iasl.
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "hw/acpi/x86.h"
#include "util/error.h"

#define ASSERT_AML(a, ...)                                 \
    do {                                                   \
        static const uint8_t want_[] = { __VA_ARGS__ };    \
        size_t len_;                                       \
        const uint8_t *got_ = aml_data(a, &len_);          \
        g_assert_cmpmem(got_, len_, want_, sizeof(want_)); \
    } while (0)

static void test_integers_take_the_shortest_form(void)
{
    g_autoptr(Aml) a = aml_new();

    aml_int(a, 0);
    aml_int(a, 1);
    aml_int(a, 0xff);
    aml_int(a, 0x1234);
    aml_int(a, 0x12345678);
    aml_int(a, 0x123456789abcdef0);
    ASSERT_AML(a, 0x00, 0x01, 0x0a, 0xff, 0x0b, 0x34, 0x12, 0x0c, 0x78, 0x56,
               0x34, 0x12, 0x0e, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34,
               0x12);
}

static void test_names_are_padded_and_prefixed(void)
{
    g_autoptr(Aml) a = aml_new();

    aml_ref(a, "\\_SB");
    aml_ref(a, "^FOO.BARX");
    aml_ref(a, "\\");
    aml_ref(a, "A.B.C");
    ASSERT_AML(a, '\\', '_', 'S', 'B', '_', '^', 0x2e, 'F', 'O', 'O', '_', 'B',
               'A', 'R', 'X', '\\', 0, 0x2f, 3, 'A', '_', '_', '_', 'B', '_',
               '_', '_', 'C', '_', '_', '_');
}

static void test_eisa_id_is_compressed(void)
{
    g_autoptr(Aml) a = aml_new();

    aml_eisaid(a, "PNP0A08");
    ASSERT_AML(a, 0x0c, 0x41, 0xd0, 0x0a, 0x08);
}

static void test_uuid_mixes_byte_orders(void)
{
    g_autoptr(Aml) a = aml_new();

    aml_uuid(a, "00112233-4455-6677-8899-aabbccddeeff");
    ASSERT_AML(a, 0x11, 0x13, 0x0a, 0x10, 0x33, 0x22, 0x11, 0x00, 0x55, 0x44,
               0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff);
}

static void test_package_length_grows_with_its_contents(void)
{
    static const struct {
        size_t payload, header;
    } cases[] = {
        { 0x3f - 1 - 2, 1 }, /* length byte, two bytes of BufferSize */
        { 0x40 - 1 - 2, 2 }, /* the first that needs another byte */
        { 0xfff - 2 - 3, 2 }, { 0x1000 - 2 - 3, 3 }, { 0xfffff - 3 - 5, 3 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autoptr(Aml) a = aml_new();
        g_autofree uint8_t *data = g_malloc0(cases[i].payload);
        size_t len;
        const uint8_t *p;
        size_t total;

        aml_buffer(a, data, cases[i].payload);
        p = aml_data(a, &len);
        g_assert_cmpuint(p[1] >> 6, ==, cases[i].header - 1);
        total = cases[i].header == 1
                    ? p[1]
                    : (p[1] & 0xf) | (size_t)p[2] << 4 |
                          (cases[i].header > 2 ? (size_t)p[3] << 12 : 0);
        g_assert_cmpuint(total, ==, len - 1);
    }
}

static void test_resource_template_has_size_and_end_tag(void)
{
    g_autoptr(Aml) a = aml_new();

    aml_resources(a);
    aml_res_io(a, 0x70, 0x70, 1, 8);
    aml_res_irq(a, 8);
    aml_end(a);
    ASSERT_AML(a, 0x11, 0x10, 0x0a, 0x0d, 0x47, 0x01, 0x70, 0x00, 0x70, 0x00,
               0x01, 0x08, 0x22, 0x00, 0x01, 0x79, 0x00);
}

/* Table sets --------------------------------------------------------------- */

static uint8_t sum(const uint8_t *p, size_t len)
{
    uint8_t s = 0;

    while (len--) {
        s += *p++;
    }
    return s;
}

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static void build_ecdt_like(AcpiTables *t)
{
    size_t dsdt;

    acpi_put_facs(t);
    dsdt = acpi_table_begin(t, "DSDT", 1, false);
    acpi_table_end(t);
    acpi_table_begin(t, "TEST", 1, true);
    acpi_put_pointer(t, dsdt, 8);
    acpi_table_end(t);
}

static void test_relocated_pointers_lead_from_rsdp_to_tables(void)
{
    const uint32_t base = 0x7fe0000;
    g_autoptr(AcpiTables) t = acpi_tables_new("OEM", "TABLE");
    const uint8_t *b, *rsdp, *rsdt, *test;

    build_ecdt_like(t);
    acpi_tables_finish(t, 0);
    acpi_tables_relocate(t, base);
    b = acpi_tables_blob(t)->data;
    rsdp = acpi_tables_rsdp(t)->data;
    g_assert_cmpuint(acpi_tables_rsdp(t)->len, ==, 20);
    g_assert_cmpuint(sum(rsdp, 20), ==, 0);
    g_assert_cmpmem(rsdp + 9, 6, "OEM\0\0\0", 6);
    rsdt = b + (le32(rsdp + 16) - base);
    g_assert_cmpmem(rsdt, 4, "RSDT", 4);
    g_assert_cmpuint(sum(rsdt, le32(rsdt + 4)), ==, 0);
    test = b + (le32(rsdt + 36) - base);
    g_assert_cmpmem(test, 4, "TEST", 4);
    g_assert_cmpuint(sum(test, le32(test + 4)), ==, 0);
    g_assert_cmpmem(b + (le32(test + 36) - base), 4, "DSDT", 4);
}

static void test_revision_2_uses_the_xsdt(void)
{
    g_autoptr(AcpiTables) t = acpi_tables_new("OEM", "TABLE");
    const uint8_t *rsdp, *xsdt;

    build_ecdt_like(t);
    acpi_tables_finish(t, 2);
    acpi_tables_relocate(t, 0x1000000);
    rsdp = acpi_tables_rsdp(t)->data;
    g_assert_cmpuint(acpi_tables_rsdp(t)->len, ==, 36);
    g_assert_cmpuint(sum(rsdp, 20), ==, 0);
    g_assert_cmpuint(sum(rsdp, 36), ==, 0);
    xsdt = acpi_tables_blob(t)->data + (le32(rsdp + 24) - 0x1000000);
    g_assert_cmpmem(xsdt, 4, "XSDT", 4);
}

/* What firmware does with the script must give what relocation gives. */
static void run_loader(AcpiTables *t, GByteArray *tables, GByteArray *rsdp,
                       uint32_t base)
{
    g_autoptr(GByteArray) script = acpi_tables_loader(t);

    g_assert_cmpuint(script->len % 128, ==, 0);
    for (size_t at = 0; at < script->len; at += 128) {
        const uint8_t *e = script->data + at;
        bool is_rsdp = !strcmp((const char *)e + 4, ACPI_FILE_RSDP);
        uint8_t *dest = (is_rsdp ? rsdp : tables)->data;

        if (le32(e) == 2) {
            uint32_t off = le32(e + 116), v;

            g_assert_cmpstr((const char *)e + 60, ==, ACPI_FILE_TABLES);
            v = GUINT32_TO_LE(le32(dest + off) + base);
            memcpy(dest + off, &v, 4);
        } else if (le32(e) == 3) {
            dest[le32(e + 60)] -= sum(dest + le32(e + 64), le32(e + 68));
        }
    }
}

static void test_linker_script_equals_relocation(void)
{
    g_autoptr(AcpiTables) t = acpi_tables_new("OEM", "TABLE");
    g_autoptr(GByteArray) tables = g_byte_array_new();
    g_autoptr(GByteArray) rsdp = g_byte_array_new();
    const GByteArray *b, *r;

    build_ecdt_like(t);
    acpi_tables_finish(t, 0);
    b = acpi_tables_blob(t);
    r = acpi_tables_rsdp(t);
    g_byte_array_append(tables, b->data, b->len);
    g_byte_array_append(rsdp, r->data, r->len);
    run_loader(t, tables, rsdp, 0x3fe0000);
    acpi_tables_relocate(t, 0x3fe0000);
    g_assert_cmpmem(tables->data, tables->len, b->data, b->len);
    g_assert_cmpmem(rsdp->data, rsdp->len, r->data, r->len);
}

static void test_raw_table_of_wrong_length_is_refused(void)
{
    g_autoptr(AcpiTables) t = acpi_tables_new("OEM", "TABLE");
    autoerr Error *err = NULL;
    uint8_t bad[40] = "SSDT\x30";

    g_assert_false(acpi_add_raw_table(t, bad, sizeof(bad), &err));
    g_assert_nonnull(err);
}

/* The PC ------------------------------------------------------------------- */

static void add_rtc(void *opaque, Aml *a)
{
    (void)opaque;
    aml_device(a, "RTC");
    aml_name_eisaid(a, "_HID", "PNP0B00");
    aml_end(a);
}

static AcpiTables *build_q35(void)
{
    static const AcpiCpu cpus[] = {
        { .apic_id = 0, .present = true },
        { .apic_id = 1, .present = true, .node = 1 },
        { .apic_id = 300, .node = 1 },
    };
    static const AcpiPciWindow windows[] = {
        { ACPI_WINDOW_IO, false, 0, 0xcf7 },
        { ACPI_WINDOW_IO, false, 0xd00, 0xffff },
        { ACPI_WINDOW_MEM, false, 0xc0000000, 0xfebfffff },
        { ACPI_WINDOW_MEM, true, 0x100000000, 0x8ffffffff },
    };
    static const AcpiNumaRange ranges[] = {
        { 0, 0x8000000, 0, false },
        { 0x8000000, 0x8000000, 1, false },
    };
    static const uint8_t distances[] = { 10, 20, 20, 10 };
    AcpiX86Info info = {
        .oem_id = "BOCHS ",
        .oem_table_id = "BXPC    ",
        .cpus = cpus,
        .n_cpus = ARRAY_SIZE(cpus),
        .sci_irq = 9,
        .pm_base = 0x600,
        .gpe0_len = 16,
        .smi_port = 0xb2,
        .acpi_enable_cmd = 2,
        .acpi_disable_cmd = 3,
        .reset_port = 0xcf9,
        .reset_value = 0xf,
        .has_8042 = true,
        .rtc_century = 0x32,
        .ioapic_addr = 0xfec00000,
        .level_irqs = 1 << 5 | 1 << 9 | 1 << 10 | 1 << 11,
        .irq0_override = true,
        .ecam_base = 0xb0000000,
        .ecam_last_bus = 255,
        .last_bus = 3,
        .hpet_base = 0xfed00000,
        .hpet_id = 0x8086a201,
        .windows = windows,
        .n_windows = ARRAY_SIZE(windows),
        .pcie = true,
        .q35_lpc = true,
        .fw_cfg_port = 0x510,
        .n_nodes = 2,
        .ranges = ranges,
        .n_ranges = ARRAY_SIZE(ranges),
        .distances = distances,
        .isa_devices = add_rtc,
    };
    AcpiTables *t = acpi_x86_build(&info);

    acpi_tables_finish(t, 0);
    acpi_tables_relocate(t, 0);
    return t;
}

/* The table with this signature; NULL: none. */
static const uint8_t *find_table(const AcpiTables *t, const char *sig)
{
    const GByteArray *b = acpi_tables_blob(t);

    for (size_t at = 0; at + 8 <= b->len; at += le32(b->data + at + 4)) {
        if (!memcmp(b->data + at, sig, 4)) {
            return b->data + at;
        }
    }
    return NULL;
}

static void test_fadt_has_the_7_2_layout(void)
{
    g_autoptr(AcpiTables) t = build_q35();
    const uint8_t *p = find_table(t, "FACP");

    g_assert_cmpuint(le32(p + 4), ==, 0xf4);
    g_assert_cmpuint(p[8], ==, 3);
    g_assert_cmphex(le32(p + 56), ==, 0x600);
    g_assert_cmphex(le32(p + 76), ==, 0x608);
    g_assert_cmphex(le32(p + 80), ==, 0x620);
    g_assert_cmphex(p[108], ==, 0x32);
    g_assert_cmphex(le32(p + 112), ==, 0x84a5);
    g_assert_cmphex(p[128], ==, 0xf);
    g_assert_cmphex(le32(p + 140), ==, 64); /* X_DSDT follows the FACS */
    g_assert_cmphex(le32(p + 152), ==, 0x600);
    g_assert_cmphex(le32(p + 224), ==, 0x620);
}

static char *run_iasl(const char *dir, const char *args)
{
    g_autofree char *cmd = g_strdup_printf("iasl %s", args);
    g_autofree char *out = NULL, *errs = NULL;
    g_auto(GStrv) argv = g_strsplit(cmd, " ", 0);
    int status;

    g_assert_true(g_spawn_sync(dir, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                               &out, &errs, &status, NULL));
    return g_strconcat(out, errs, NULL);
}

static void remove_dir(const char *dir)
{
    g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(d))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        g_remove(path);
    }
    g_rmdir(dir);
}

/* Disassemble @sig, and compile what came out again: iasl must be content. */
static char *disassemble(const AcpiTables *t, const char *sig)
{
    g_autofree char *dir = g_dir_make_tmp("nemu-acpi-XXXXXX", NULL);
    g_autofree char *aml = g_build_filename(dir, "t.aml", NULL);
    g_autofree char *dsl = g_build_filename(dir, "t.dsl", NULL);
    g_autofree char *log1 = NULL, *log2 = NULL;
    const uint8_t *p = find_table(t, sig);
    char *text = NULL;

    g_assert_nonnull(p);
    g_assert_true(g_file_set_contents(aml, (const char *)p, le32(p + 4), NULL));
    log1 = run_iasl(dir, "-d t.aml");
    g_assert_true(g_file_get_contents(dsl, &text, NULL, NULL));
    g_assert_null(strstr(text, "Incorrect checksum"));
    g_assert_null(strstr(text, "**** Warning"));
    log2 = run_iasl(dir, "-p again t.dsl");
    if (!strstr(log2, " 0 Errors") || !strstr(log2, " 0 Warnings")) {
        g_test_message("%s\n%s", log1, log2);
        g_test_fail();
    }
    remove_dir(dir);
    return text;
}

static bool have_iasl(void)
{
    g_autofree char *path = g_find_program_in_path("iasl");

    if (!path) {
        g_test_skip("iasl is not installed");
    }
    return path;
}

static void test_iasl_reads_the_dsdt(void)
{
    static const char *const wanted[] = {
        "EisaId (\"PNP0A08\")",
        "Name (_S5",
        "QEMU0002",
        "PNP0B00",
        "ToUUID (\"33db4d5b",
        "\"ACPI0007\"",
        "0x0000000100000000,",
        "Device (LNKH)",
        "Device (GSIA)",
    };
    g_autoptr(AcpiTables) t = build_q35();
    g_autofree char *text = NULL;

    if (!have_iasl()) {
        return;
    }
    text = disassemble(t, "DSDT");
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        if (!strstr(text, wanted[i])) {
            g_test_message("no %s in\n%s", wanted[i], text);
            g_test_fail();
        }
    }
}

static void test_iasl_reads_the_data_tables(void)
{
    static const char *const sigs[] = {
        "FACP", "APIC", "MCFG", "HPET", "SRAT", "SLIT", "WAET",
    };
    g_autoptr(AcpiTables) t = build_q35();

    if (!have_iasl()) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
        g_autofree char *text = disassemble(t, sigs[i]);

        g_assert_null(strstr(text, "Invalid"));
        g_assert_null(strstr(text, "Unknown"));
    }
}

static void test_madt_gives_big_apic_ids_the_x2apic_form(void)
{
    g_autoptr(AcpiTables) t = build_q35();
    const uint8_t *p = find_table(t, "APIC");
    const uint8_t *third = p + 44 + 8 + 8;

    g_assert_cmpuint(third[0], ==, 9);
    g_assert_cmpuint(le32(third + 4), ==, 300);
    g_assert_cmpuint(le32(third + 8), ==, 0); /* not enabled */
    g_assert_cmpuint(le32(third + 12), ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/aml/int", test_integers_take_the_shortest_form);
    g_test_add_func("/aml/name", test_names_are_padded_and_prefixed);
    g_test_add_func("/aml/eisaid", test_eisa_id_is_compressed);
    g_test_add_func("/aml/uuid", test_uuid_mixes_byte_orders);
    g_test_add_func("/aml/pkglength",
                    test_package_length_grows_with_its_contents);
    g_test_add_func("/aml/resources",
                    test_resource_template_has_size_and_end_tag);
    g_test_add_func("/acpi/relocate",
                    test_relocated_pointers_lead_from_rsdp_to_tables);
    g_test_add_func("/acpi/xsdt", test_revision_2_uses_the_xsdt);
    g_test_add_func("/acpi/loader", test_linker_script_equals_relocation);
    g_test_add_func("/acpi/raw", test_raw_table_of_wrong_length_is_refused);
    g_test_add_func("/acpi/fadt", test_fadt_has_the_7_2_layout);
    g_test_add_func("/acpi/madt-x2apic",
                    test_madt_gives_big_apic_ids_the_x2apic_form);
    g_test_add_func("/acpi/iasl-dsdt", test_iasl_reads_the_dsdt);
    g_test_add_func("/acpi/iasl-tables", test_iasl_reads_the_data_tables);
    return g_test_run();
}
