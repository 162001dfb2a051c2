/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isa-debug-exit, isa-debugcon, pvpanic. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

static void test_debug_exit_ends_with_its_status(void)
{
    g_autoptr(QTest) q =
        qtest_start("-M q35 -device isa-debug-exit,iobase=0x501");

    qtest_outb(q, 0x501, 0x10);
    g_assert_cmpint(qtest_wait_exit(q), ==, 33);
}

static void test_debug_exit_at_another_port(void)
{
    g_autoptr(QTest) q =
        qtest_start("-M q35 -device isa-debug-exit,iobase=0xf4,iosize=4");

    qtest_outb(q, 0x501, 0x10); /* nothing there */
    qtest_outl(q, 0xf4, 0);
    g_assert_cmpint(qtest_wait_exit(q), ==, 1);
}

static void test_debugcon_writes_and_reads_back(void)
{
    g_autoptr(QTest) q =
        qtest_start("-M q35 -chardev ringbuf,id=c0,size=64 "
                    "-device isa-debugcon,chardev=c0,readback=0x42");
    g_autoptr(QObject) text = NULL;

    g_assert_cmphex(qtest_inb(q, 0xe9), ==, 0x42);
    qtest_outb(q, 0xe9, 'h');
    qtest_outb(q, 0xe9, 'i');
    text = qtest_qmp_return(q, "{'execute': 'ringbuf-read', 'arguments': "
                               "{'device': 'c0', 'size': 64}}");
    g_assert_cmpstr(qobject_get_str(text), ==, "hi");
}

static void test_debugcon_needs_a_chardev(void)
{
    g_autofree char *err = NULL;

    g_assert_cmpint(qtest_run("-M q35 -accel qtest -nodefaults -display none "
                              "-device isa-debugcon",
                              NULL, &err),
                    ==, 1);
    g_assert_nonnull(strstr(err, "empty char device"));
}

static void test_pvpanic_tells_of_a_panic(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35 -device pvpanic");

    g_assert_cmphex(qtest_inb(q, 0x505), ==, 3);
    qtest_outb(q, 0x505, 1);
    qobject_unref(qtest_wait_event(q, "GUEST_PANICKED"));
}

static void test_pvpanic_tells_of_a_crash_kernel(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35 -device pvpanic,events=2");

    g_assert_cmphex(qtest_inb(q, 0x505), ==, 2);
    qtest_outb(q, 0x505, 1); /* not offered */
    qtest_outb(q, 0x505, 2);
    qobject_unref(qtest_wait_event(q, "GUEST_CRASHLOADED"));
    g_assert_false(qtest_has_event(q, "GUEST_PANICKED"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/debug-exit/status", test_debug_exit_ends_with_its_status);
    g_test_add_func("/debug-exit/port", test_debug_exit_at_another_port);
    g_test_add_func("/debugcon/bytes", test_debugcon_writes_and_reads_back);
    g_test_add_func("/debugcon/missing", test_debugcon_needs_a_chardev);
    g_test_add_func("/pvpanic/panic", test_pvpanic_tells_of_a_panic);
    g_test_add_func("/pvpanic/crashload", test_pvpanic_tells_of_a_crash_kernel);
    return g_test_run();
}
