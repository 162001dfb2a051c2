/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg in the machine: ports, DMA, the files firmware needs, -fw_cfg. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

static void select_key(QTest *q, uint16_t key)
{
    qtest_outw(q, 0x510, key);
}

static uint64_t read_be(QTest *q, unsigned n)
{
    uint64_t v = 0;

    while (n--) {
        v = v << 8 | qtest_inb(q, 0x511);
    }
    return v;
}

static uint64_t read_le(QTest *q, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++) {
        v |= (uint64_t)qtest_inb(q, 0x511) << (8 * i);
    }
    return v;
}

/* Key and size of a file; 0: none such. */
static uint16_t find_file(QTest *q, const char *name, uint32_t *size)
{
    uint32_t n;

    select_key(q, 0x19);
    n = read_be(q, 4);
    while (n--) {
        char got[56];
        uint16_t key;

        *size = read_be(q, 4);
        key = read_be(q, 2);
        read_be(q, 2);
        for (unsigned i = 0; i < sizeof(got); i++) {
            got[i] = qtest_inb(q, 0x511);
        }
        if (!strcmp(got, name)) {
            return key;
        }
    }
    return 0;
}

static uint32_t dma(QTest *q, uint32_t control, uint32_t len, uint64_t addr)
{
    uint32_t be[4] = { GUINT32_TO_BE(control), GUINT32_TO_BE(len),
                       GUINT32_TO_BE(addr >> 32), GUINT32_TO_BE(addr) };

    qtest_memwrite(q, 0x1000, be, sizeof(be));
    qtest_outl(q, 0x514, 0);
    qtest_outl(q, 0x518, GUINT32_SWAP_LE_BE(0x1000));
    qtest_memread(q, 0x1000, be, 4);
    return GUINT32_FROM_BE(be[0]);
}

static void test_signature_by_both_interfaces(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35");

    select_key(q, 0);
    g_assert_cmphex(read_be(q, 4), ==, 0x51454d55);
    select_key(q, 1);
    g_assert_cmphex(read_le(q, 4), ==, 3);
    g_assert_cmphex(qtest_inl(q, 0x514), ==, 0x554d4551);
    g_assert_cmphex(qtest_inl(q, 0x518), ==, 0x47464320);
}

static void test_numbers_of_the_machine(void)
{
    g_autoptr(QTest) q =
        qtest_start("-M q35 -m 64 -smp 2,maxcpus=4 "
                    "-uuid 00112233-4455-6677-8899-aabbccddeeff");

    select_key(q, 3);
    g_assert_cmphex(read_le(q, 8), ==, 64 * MiB);
    select_key(q, 5);
    g_assert_cmphex(read_le(q, 2), ==, 2);
    select_key(q, 0xf);
    g_assert_cmphex(read_le(q, 2), ==, 4);
    select_key(q, 2);
    g_assert_cmphex(read_be(q, 8), ==, 0x0011223344556677);
}

static void test_user_files(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35 -fw_cfg name=opt/a,string=hello "
                                     "-fw_cfg opt/b,string=x");
    uint32_t size = 0;
    uint16_t key = find_file(q, "opt/a", &size);
    char text[5];

    g_assert_cmpuint(size, ==, 5);
    g_assert_cmphex(dma(q, key << 16 | 8 | 2, 5, 0x2000), ==, 0);
    qtest_memread(q, 0x2000, text, 5);
    g_assert_cmpmem(text, 5, "hello", 5);
    g_assert_cmphex(find_file(q, "opt/b", &size), >, key);
}

static void test_dma_to_nowhere_is_an_error(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35 -m 64");

    g_assert_cmphex(dma(q, 0 << 16 | 8 | 2, 4, UINT64_C(1) << 40), ==, 1);
    g_assert_cmphex(dma(q, 0 << 16 | 8 | 16, 4, 0x2000), ==, 1);
    qtest_outl(q, 0x514, 0xffffffff); /* no descriptor there */
    qtest_outl(q, 0x518, 0xffffffff);
    select_key(q, 0);
    g_assert_cmphex(read_be(q, 4), ==, 0x51454d55);
}

static void test_files_for_firmware_exist(void)
{
    static const char *const names[] = {
        "bootorder",
        "etc/acpi/rsdp",
        "etc/acpi/tables",
        "etc/e820",
        "etc/smbios/smbios-anchor",
        "etc/smbios/smbios-tables",
        "etc/system-states",
        "etc/table-loader",
    };
    g_autoptr(QTest) q = qtest_start("-M q35");
    uint32_t size;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!find_file(q, names[i], &size)) {
            g_test_message("no %s", names[i]);
            g_test_fail();
        }
    }
    select_key(q, find_file(q, "etc/acpi/rsdp", &size));
    g_assert_cmphex(read_be(q, 8), ==, 0x5253442050545220);
}

static void test_reset_selects_the_signature(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35");

    select_key(q, 5);
    qtest_qmp_ok(q, "{'execute': 'system_reset'}");
    qobject_unref(qtest_wait_event(q, "RESET"));
    g_assert_cmphex(read_be(q, 4), ==, 0x51454d55);
}

static void test_bad_options_are_refused(void)
{
    static const struct {
        const char *option, *message;
    } cases[] = {
        { "name=opt/a", "needs one of 'file' and 'string'" },
        { "string=x", "'name' is missing" },
        { "name=opt/a,file=/nonexistent", "can't load /nonexistent" },
        { "name=opt/a,strnig=x", "Invalid parameter 'strnig'" },
        { "name=etc/e820,string=x", "duplicate" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autofree char *args = g_strdup_printf(
            "-M q35 -accel qtest -nodefaults -display none -fw_cfg %s",
            cases[i].option);
        g_autofree char *err = NULL;

        g_assert_cmpint(qtest_run(args, NULL, &err), ==, 1);
        g_assert_nonnull(strstr(err, cases[i].message));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fw-cfg/signature", test_signature_by_both_interfaces);
    g_test_add_func("/fw-cfg/numbers", test_numbers_of_the_machine);
    g_test_add_func("/fw-cfg/user", test_user_files);
    g_test_add_func("/fw-cfg/dma", test_dma_to_nowhere_is_an_error);
    g_test_add_func("/fw-cfg/files", test_files_for_firmware_exist);
    g_test_add_func("/fw-cfg/reset", test_reset_selects_the_signature);
    g_test_add_func("/fw-cfg/errors", test_bad_options_are_refused);
    return g_test_run();
}
