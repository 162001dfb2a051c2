/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keyboard controller, keyboard and mouse: what a probing driver asks. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

static QTest *start(void)
{
    return qtest_start("-M q35");
}

static void command(QTest *q, uint8_t cmd)
{
    qtest_outb(q, 0x64, cmd);
}

static void data(QTest *q, uint8_t byte)
{
    qtest_outb(q, 0x60, byte);
}

static void assert_reply(QTest *q, uint8_t byte)
{
    g_assert_cmphex(qtest_inb(q, 0x64) & 0x21, ==, 0x01);
    g_assert_cmphex(qtest_inb(q, 0x60), ==, byte);
}

static void assert_mouse_reply(QTest *q, uint8_t byte)
{
    g_assert_cmphex(qtest_inb(q, 0x64) & 0x21, ==, 0x21);
    g_assert_cmphex(qtest_inb(q, 0x60), ==, byte);
}

static void assert_empty(QTest *q)
{
    g_assert_cmphex(qtest_inb(q, 0x64) & 0x01, ==, 0);
}

static void test_status_and_self_test(void)
{
    g_autoptr(QTest) q = start();

    g_assert_cmphex(qtest_inb(q, 0x64), ==, 0x18);
    command(q, 0xaa);
    g_assert_cmphex(qtest_inb(q, 0x64), ==, 0x1d);
    assert_reply(q, 0x55);
    g_assert_cmphex(qtest_inb(q, 0x64), ==, 0x1c);
    command(q, 0xab);
    assert_reply(q, 0);
    command(q, 0xa9);
    assert_reply(q, 0);
}

static void test_mode_is_kept(void)
{
    g_autoptr(QTest) q = start();

    command(q, 0x20);
    assert_reply(q, 0x03);
    command(q, 0x60);
    data(q, 0x47);
    command(q, 0x20);
    assert_reply(q, 0x47);
    command(q, 0xad);
    command(q, 0xa7);
    command(q, 0x20);
    assert_reply(q, 0x77);
}

static void test_loops(void)
{
    g_autoptr(QTest) q = start();

    command(q, 0xd2);
    data(q, 0xa6);
    assert_reply(q, 0xa6);
    command(q, 0xd3);
    data(q, 0x5a);
    assert_mouse_reply(q, 0x5a);
    assert_empty(q);
}

static void test_keyboard_id_depends_on_translation(void)
{
    g_autoptr(QTest) q = start();

    data(q, 0xf2);
    assert_reply(q, 0xfa);
    assert_reply(q, 0xab);
    assert_reply(q, 0x83);
    command(q, 0x60);
    data(q, 0x43);
    data(q, 0xf2);
    assert_reply(q, 0xfa);
    assert_reply(q, 0xab);
    assert_reply(q, 0x41);
    assert_empty(q);
}

static void test_keyboard_reset_and_leds(void)
{
    g_autoptr(QTest) q = start();

    data(q, 0xff);
    assert_reply(q, 0xfa);
    assert_reply(q, 0xaa);
    data(q, 0xed);
    assert_reply(q, 0xfa);
    data(q, 7);
    assert_reply(q, 0xfa);
    data(q, 0x01); /* no such command */
    assert_reply(q, 0xfe);
}

static void mouse(QTest *q, uint8_t byte)
{
    command(q, 0xd4);
    data(q, byte);
}

static void test_mouse_reset_and_status(void)
{
    g_autoptr(QTest) q = start();

    mouse(q, 0xff);
    assert_mouse_reply(q, 0xfa);
    assert_mouse_reply(q, 0xaa);
    assert_mouse_reply(q, 0x00);
    mouse(q, 0xe9);
    assert_mouse_reply(q, 0xfa);
    assert_mouse_reply(q, 0x00);
    assert_mouse_reply(q, 0x02);
    assert_mouse_reply(q, 0x64);
    assert_empty(q);
}

static void test_mouse_has_a_wheel_when_asked(void)
{
    static const uint8_t rates[] = { 200, 100, 80 };
    g_autoptr(QTest) q = start();

    for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
        mouse(q, 0xf3);
        assert_mouse_reply(q, 0xfa);
        mouse(q, rates[i]);
        assert_mouse_reply(q, 0xfa);
    }
    mouse(q, 0xf2);
    assert_mouse_reply(q, 0xfa);
    assert_mouse_reply(q, 3);
}

static void test_full_queue_drops_what_comes(void)
{
    g_autoptr(QTest) q = start();

    for (unsigned i = 0; i < 300; i++) {
        data(q, 0xee);
    }
    for (unsigned i = 0; i < 16; i++) {
        assert_reply(q, 0xee);
    }
    assert_empty(q);
}

static void test_pulse_resets(void)
{
    g_autoptr(QTest) q = start();

    command(q, 0xfe);
    qobject_unref(qtest_wait_event(q, "RESET"));
}

static void test_port92_resets_on_the_rising_bit(void)
{
    g_autoptr(QTest) q = start();

    qtest_outb(q, 0x92, 0x02);
    g_assert_cmphex(qtest_inb(q, 0x92), ==, 0x02);
    qtest_outb(q, 0x92, 0x03);
    qobject_unref(qtest_wait_event(q, "RESET"));
    g_assert_cmphex(qtest_inb(q, 0x92) & 1, ==, 0);
}

static void test_machine_can_lack_it(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35,i8042=off");

    g_assert_cmphex(qtest_inb(q, 0x64), ==, 0xff);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i8042/self-test", test_status_and_self_test);
    g_test_add_func("/i8042/mode", test_mode_is_kept);
    g_test_add_func("/i8042/loop", test_loops);
    g_test_add_func("/i8042/kbd/id", test_keyboard_id_depends_on_translation);
    g_test_add_func("/i8042/kbd/reset", test_keyboard_reset_and_leds);
    g_test_add_func("/i8042/mouse/status", test_mouse_reset_and_status);
    g_test_add_func("/i8042/mouse/wheel", test_mouse_has_a_wheel_when_asked);
    g_test_add_func("/i8042/queue", test_full_queue_drops_what_comes);
    g_test_add_func("/i8042/pulse", test_pulse_resets);
    g_test_add_func("/i8042/port92", test_port92_resets_on_the_rising_bit);
    g_test_add_func("/i8042/off", test_machine_can_lack_it);
    return g_test_run();
}
