/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of q35 that -machine leaves out or puts in. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

enum { PM1_CNT = 0x604 };

/* Is there a device of this type? */
static bool has_device(QTest *q, const char *type)
{
    g_autofree char *tree = qtest_hmp(q, "info qtree");
    g_autofree char *line = g_strdup_printf("dev: %s,", type);

    return strstr(tree, line) != NULL;
}

static void test_pit_off(void)
{
    g_autoptr(QTest) with = qtest_start("-M q35");
    g_autoptr(QTest) q = qtest_start("-M q35,pit=off");

    g_assert_true(has_device(with, "isa-pit"));
    g_assert_true(has_device(with, "isa-pcspk"));
    g_assert_false(has_device(q, "isa-pit"));
    g_assert_false(has_device(q, "isa-pcspk"));
    g_assert_cmphex(qtest_inb(q, 0x61), ==, 0xff);
    qtest_clock_step(q, 100000000); /* the HPET is alone, and reset */
    qtest_writel(q, 0xfed00010, 3);
    qtest_writel(q, 0xfed00010, 0);
}

static void test_pic_off(void)
{
    g_autoptr(QTest) with = qtest_start("-M q35");
    g_autoptr(QTest) q = qtest_start("-M q35,pic=off");

    qtest_outb(with, 0x21, 0xa5);
    g_assert_cmphex(qtest_inb(with, 0x21), ==, 0xa5);
    qtest_outb(q, 0x21, 0xa5);
    g_assert_cmphex(qtest_inb(q, 0x21), ==, 0xff);
    qtest_irq_intercept_in(q, "/machine/q35/ioapic");
    qtest_outb(q, 0x43, 0x34);
    qtest_outb(q, 0x40, 0x00);
    qtest_outb(q, 0x40, 0x10);
    qtest_clock_step(q, 100000000);
    g_assert_cmpuint(qtest_irq_raised(q, 0), >, 1);
}

static void map_pm(QTest *q)
{
    qtest_outl(q, 0xcf8, 0x8000f840);
    qtest_outl(q, 0xcfc, 0x600);
    qtest_outl(q, 0xcf8, 0x8000f844);
    qtest_outl(q, 0xcfc, 0x80);
}

static void test_smm_off_is_acpi_mode_for_good(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35,smm=off");

    map_pm(q);
    g_assert_cmphex(qtest_inw(q, PM1_CNT), ==, 1);
    qtest_outw(q, PM1_CNT, 0);
    g_assert_cmphex(qtest_inw(q, PM1_CNT), ==, 1);
    qtest_outb(q, 0xb2, 3);
    g_assert_cmphex(qtest_inw(q, PM1_CNT), ==, 1);
}

static void test_smm_compat_keeps_the_mode_switch(void)
{
    g_autoptr(QTest) q =
        qtest_start("-M q35,smm=off -global ICH9-LPC.smm-compat=on");

    map_pm(q);
    g_assert_cmphex(qtest_inw(q, PM1_CNT), ==, 0);
    qtest_outb(q, 0xb2, 2);
    g_assert_cmphex(qtest_inw(q, PM1_CNT), ==, 1);
}

/* The answers to a vCPU are in tests/functional: here is none to ask. */
static void test_vmport_comes_with_the_keyboard(void)
{
    static const struct {
        const char *machine;
        bool there;
    } cases[] = {
        { "-M q35", true },
        { "-M q35,vmport=off", false },
        { "-M q35,i8042=off", false },
        { "-M q35,i8042=off,vmport=on", true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_autoptr(QTest) q = qtest_start(cases[i].machine);

        g_assert_cmpint(has_device(q, "vmport"), ==, cases[i].there);
        g_assert_cmphex(qtest_inl(q, 0x5658), ==, UINT32_MAX);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/q35-options/pit", test_pit_off);
    g_test_add_func("/q35-options/pic", test_pic_off);
    g_test_add_func("/q35-options/smm", test_smm_off_is_acpi_mode_for_good);
    g_test_add_func("/q35-options/smm-compat",
                    test_smm_compat_keeps_the_mode_switch);
    g_test_add_func("/q35-options/vmport", test_vmport_comes_with_the_keyboard);
    return g_test_run();
}
