/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isa-serial: registers, FIFOs, interrupts' causes, time-out, loopback. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

#define PORT 0x3f8

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static uint8_t get(QTest *q, unsigned reg)
{
    return qtest_inb(q, PORT + reg);
}

static void set(QTest *q, unsigned reg, uint8_t value)
{
    qtest_outb(q, PORT + reg, value);
}

static QTest *start(void)
{
    return qtest_start("-M q35 -chardev ringbuf,id=c0,size=64 "
                       "-device isa-serial,chardev=c0,index=0");
}

static void test_registers_after_reset(void)
{
    g_autoptr(QTest) q = start();

    g_assert_cmphex(get(q, IER), ==, 0);
    g_assert_cmphex(get(q, IIR), ==, 1);
    g_assert_cmphex(get(q, LCR), ==, 0);
    g_assert_cmphex(get(q, MCR), ==, 8);
    g_assert_cmphex(get(q, LSR), ==, 0x60);
    g_assert_cmphex(get(q, MSR), ==, 0xb0);
    set(q, LCR, 0x80);
    g_assert_cmphex(get(q, DATA), ==, 12);
    g_assert_cmphex(get(q, IER), ==, 0);
}

static void test_output_reaches_the_chardev(void)
{
    g_autoptr(QTest) q = start();
    g_autoptr(QObject) text = NULL;

    for (const char *p = "hello"; *p; p++) {
        set(q, DATA, *p);
        g_assert_cmphex(get(q, LSR) & 0x60, ==, 0x60);
    }
    text = qtest_qmp_return(q, "{'execute': 'ringbuf-read', 'arguments': "
                               "{'device': 'c0', 'size': 64}}");
    g_assert_cmpstr(qobject_get_str(text), ==, "hello");
}

static void test_transmitter_empty_is_told_once(void)
{
    g_autoptr(QTest) q = start();

    set(q, IER, 2);
    g_assert_cmphex(get(q, IIR), ==, 2);
    g_assert_cmphex(get(q, IIR), ==, 1);
    set(q, DATA, 'x');
    g_assert_cmphex(get(q, IIR), ==, 2);
}

static void test_fifo_trigger_level(void)
{
    g_autoptr(QTest) q = start();

    set(q, IIR, 0x81); /* FIFOs on, trigger at 8 */
    set(q, MCR, 0x10); /* loopback feeds the receiver */
    set(q, IER, 1);
    for (unsigned i = 0; i < 7; i++) {
        set(q, DATA, 'a' + i);
    }
    g_assert_cmphex(get(q, IIR), ==, 0xc1);
    set(q, DATA, 'h');
    g_assert_cmphex(get(q, IIR), ==, 0xc4);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(get(q, DATA), ==, 'a' + i);
    }
    g_assert_cmphex(get(q, LSR) & 1, ==, 0);
}

static void test_characters_below_the_trigger_time_out(void)
{
    g_autoptr(QTest) q = start();

    set(q, IIR, 0xc1);
    set(q, MCR, 0x10);
    set(q, IER, 1);
    set(q, DATA, 'x');
    g_assert_cmphex(get(q, IIR), ==, 0xc1);
    qtest_clock_step(q, 10 * 1000 * 1000);
    g_assert_cmphex(get(q, IIR), ==, 0xcc);
    g_assert_cmphex(get(q, DATA), ==, 'x');
    g_assert_cmphex(get(q, IIR), ==, 0xc1);
}

static void test_overrun_is_an_error(void)
{
    g_autoptr(QTest) q = start();

    set(q, MCR, 0x10);
    set(q, IER, 4);
    set(q, DATA, 'a');
    set(q, DATA, 'b');
    g_assert_cmphex(get(q, IIR), ==, 6);
    g_assert_cmphex(get(q, LSR) & 3, ==, 3);
    g_assert_cmphex(get(q, LSR) & 2, ==, 0); /* reading clears it */
    g_assert_cmphex(get(q, IIR), ==, 1);
}

static void test_loopback_of_modem_lines(void)
{
    g_autoptr(QTest) q = start();

    for (unsigned mcr = 0; mcr < 16; mcr++) {
        uint8_t msr = (mcr & 2 ? 0x10 : 0) | (mcr & 1 ? 0x20 : 0) |
                      (mcr & 4 ? 0x40 : 0) | (mcr & 8 ? 0x80 : 0);

        set(q, MCR, 0x10 | mcr);
        g_assert_cmphex(get(q, MSR), ==, msr);
    }
}

static void test_clearing_fifos(void)
{
    g_autoptr(QTest) q = start();

    set(q, IIR, 1);
    set(q, MCR, 0x10);
    set(q, DATA, 'x');
    g_assert_cmphex(get(q, LSR) & 1, ==, 1);
    set(q, IIR, 3);
    g_assert_cmphex(get(q, LSR) & 1, ==, 0);
}

static void test_four_ports_and_no_more(void)
{
    g_autofree char *err = NULL;
    int status = qtest_run("-M q35 -accel qtest -display none "
                           "-nodefaults -device isa-serial "
                           "-device isa-serial -device isa-serial "
                           "-device isa-serial -device isa-serial",
                           NULL, &err);

    g_assert_cmpint(status, ==, 1);
    g_assert_nonnull(strstr(err, "Max. supported number of ISA serial"));
}

static void test_wakeup_is_refused(void)
{
    g_autofree char *err = NULL;

    g_assert_cmpint(qtest_run("-M q35 -accel qtest -display none -nodefaults "
                              "-device isa-serial,wakeup=on",
                              NULL, &err),
                    ==, 1);
    g_assert_nonnull(strstr(err, "wakeup=on is not supported"));
}

static void test_second_port_is_com2(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35 -device isa-serial "
                                     "-device isa-serial");

    qtest_outb(q, 0x2ff, 0x5a);
    g_assert_cmphex(qtest_inb(q, 0x2ff), ==, 0x5a);
    g_assert_cmphex(qtest_inb(q, 0x3ff), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/serial/reset", test_registers_after_reset);
    g_test_add_func("/serial/output", test_output_reaches_the_chardev);
    g_test_add_func("/serial/thre", test_transmitter_empty_is_told_once);
    g_test_add_func("/serial/trigger", test_fifo_trigger_level);
    g_test_add_func("/serial/timeout",
                    test_characters_below_the_trigger_time_out);
    g_test_add_func("/serial/overrun", test_overrun_is_an_error);
    g_test_add_func("/serial/loopback", test_loopback_of_modem_lines);
    g_test_add_func("/serial/clear", test_clearing_fifos);
    g_test_add_func("/serial/max", test_four_ports_and_no_more);
    g_test_add_func("/serial/wakeup", test_wakeup_is_refused);
    g_test_add_func("/serial/com2", test_second_port_is_com2);
    return g_test_run();
}
