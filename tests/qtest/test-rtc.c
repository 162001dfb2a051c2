/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mc146818rtc on the virtual clock: time, alarms, periodic ticks. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

#define MS INT64_C(1000000)
#define S  (1000 * MS)

enum { A = 10, B = 11, C = 12, D = 13 };

static QTest *start(void)
{
    return qtest_start("-M q35 -rtc clock=vm,base=2020-02-28T23:59:50");
}

static uint8_t get(QTest *q, uint8_t reg)
{
    qtest_outb(q, 0x70, reg);
    return qtest_inb(q, 0x71);
}

static void set(QTest *q, uint8_t reg, uint8_t value)
{
    qtest_outb(q, 0x70, reg);
    qtest_outb(q, 0x71, value);
}

static void assert_time(QTest *q, uint8_t hour, uint8_t min, uint8_t sec)
{
    g_assert_cmphex(get(q, 4), ==, hour);
    g_assert_cmphex(get(q, 2), ==, min);
    g_assert_cmphex(get(q, 0), ==, sec);
}

static void test_starts_with_base_in_bcd(void)
{
    g_autoptr(QTest) q = start();

    assert_time(q, 0x23, 0x59, 0x50);
    g_assert_cmphex(get(q, 6), ==, 6); /* a Friday */
    g_assert_cmphex(get(q, 7), ==, 0x28);
    g_assert_cmphex(get(q, 8), ==, 0x02);
    g_assert_cmphex(get(q, 9), ==, 0x20);
    g_assert_cmphex(get(q, 0x32), ==, 0x20);
    g_assert_cmphex(get(q, D), ==, 0x80);
}

static void test_leap_day_comes_at_midnight(void)
{
    g_autoptr(QTest) q = start();

    qtest_clock_step(q, 11 * S);
    assert_time(q, 0x00, 0x00, 0x01);
    g_assert_cmphex(get(q, 7), ==, 0x29);
    g_assert_cmphex(get(q, 8), ==, 0x02);
    g_assert_cmphex(get(q, 6), ==, 7);
}

static void test_binary_and_12_hours(void)
{
    g_autoptr(QTest) q = start();

    set(q, B, 0x04); /* binary, 12 hours */
    assert_time(q, 0x80 | 11, 59, 50);
    qtest_clock_step(q, 10 * S);
    assert_time(q, 12, 0, 0); /* midnight */
}

static void test_setting_holds_and_resumes(void)
{
    g_autoptr(QTest) q = start();

    set(q, B, 0x82);
    set(q, 4, 0x07);
    set(q, 2, 0x08);
    set(q, 0, 0x09);
    qtest_clock_step(q, 5 * S);
    assert_time(q, 0x07, 0x08, 0x09);
    set(q, B, 0x02);
    qtest_clock_step(q, 2 * S);
    assert_time(q, 0x07, 0x08, 0x11);
    qobject_unref(qtest_wait_event(q, "RTC_CHANGE"));
}

static void test_update_flag_each_second(void)
{
    g_autoptr(QTest) q = start();

    get(q, C);
    qtest_clock_step(q, S + MS);
    g_assert_cmphex(get(q, C), ==, 0x10);
    g_assert_cmphex(get(q, C), ==, 0);
    set(q, B, 0x12);
    qtest_clock_step(q, S);
    g_assert_cmphex(get(q, C), ==, 0x90);
}

static void test_update_in_progress_shows_before_the_second(void)
{
    g_autoptr(QTest) q = start();

    qtest_clock_set(q, S - MS);
    g_assert_cmphex(get(q, A) & 0x80, ==, 0);
    qtest_clock_set(q, S - MS / 10);
    g_assert_cmphex(get(q, A) & 0x80, ==, 0x80);
}

static void test_alarm_at_a_time(void)
{
    g_autoptr(QTest) q = start();

    set(q, 5, 0x00);
    set(q, 3, 0x00);
    set(q, 1, 0x05);
    set(q, B, 0x22);
    get(q, C);
    qtest_clock_step(q, 14 * S);
    g_assert_cmphex(get(q, C) & 0xa0, ==, 0);
    qtest_clock_step(q, S);
    g_assert_cmphex(get(q, C) & 0xa0, ==, 0xa0);
}

static void test_alarm_every_minute(void)
{
    g_autoptr(QTest) q = start();

    set(q, 5, 0xc0);
    set(q, 3, 0xff);
    set(q, 1, 0x30);
    set(q, B, 0x22);
    get(q, C);
    for (unsigned i = 0; i < 3; i++) {
        qtest_clock_step(q, 60 * S);
        g_assert_cmphex(get(q, C) & 0x20, ==, 0x20);
    }
}

static void test_alarm_at_no_time_never_comes(void)
{
    g_autoptr(QTest) q = start();

    set(q, 5, 0x99);
    set(q, 3, 0x00);
    set(q, 1, 0x00);
    get(q, C);
    qtest_clock_step(q, 2 * 86400 * S);
    g_assert_cmphex(get(q, C) & 0x20, ==, 0);
}

static void test_periodic_rate(void)
{
    g_autoptr(QTest) q = start();
    unsigned ticks = 0;

    set(q, A, 0x26); /* 1024 Hz */
    set(q, B, 0x42);
    get(q, C);
    for (unsigned i = 0; i < 64; i++) {
        qtest_clock_step(q, S / 1024);
        ticks += !!(get(q, C) & 0x40);
    }
    g_assert_cmpuint(ticks, >=, 62);
    set(q, B, 0x02);
    get(q, C);
    qtest_clock_step(q, S / 10);
    g_assert_cmphex(get(q, C) & 0x40, ==, 0);
}

static void test_slew_gives_back_missed_ticks(void)
{
    g_autoptr(QTest) q =
        qtest_start("-M q35 -rtc clock=vm,driftfix=slew,base=2020-02-28");
    unsigned ticks = 0;

    set(q, A, 0x2a); /* 64 Hz */
    set(q, B, 0x42);
    get(q, C);
    for (unsigned i = 0; i < 5; i++) { /* nobody looks at five of them */
        qtest_clock_step(q, S / 64 + MS / 1000);
    }
    while (get(q, C) & 0x40) {
        ticks++;
    }
    g_assert_cmpuint(ticks, ==, 5);
}

static void test_reset_reinjection_forgets_them(void)
{
    g_autoptr(QTest) q =
        qtest_start("-M q35 -rtc clock=vm,driftfix=slew,base=2020-02-28");

    set(q, A, 0x2a);
    set(q, B, 0x42);
    get(q, C);
    for (unsigned i = 0; i < 5; i++) {
        qtest_clock_step(q, S / 64 + MS / 1000);
    }
    qtest_qmp_ok(q, "{'execute': 'rtc-reset-reinjection'}");
    g_assert_cmphex(get(q, C) & 0x40, ==, 0x40);
    g_assert_cmphex(get(q, C) & 0x40, ==, 0);
}

static void test_reset_keeps_time_and_memory(void)
{
    g_autoptr(QTest) q = start();

    set(q, 0x40, 0xab);
    set(q, B, 0x72);
    qtest_qmp_ok(q, "{'execute': 'system_reset'}");
    qobject_unref(qtest_wait_event(q, "RESET"));
    g_assert_cmphex(get(q, B), ==, 0x02);
    g_assert_cmphex(get(q, 0x40), ==, 0xab);
    assert_time(q, 0x23, 0x59, 0x50);
}

static void test_machine_shows_the_time(void)
{
    g_autoptr(QTest) q = start();
    g_autoptr(QObject) tm =
        qtest_qmp_return(q, "{'execute': 'qom-get', 'arguments': "
                            "{'path': '/machine', 'property': 'rtc-time'}}");
    QDict *d = qobject_to_dict(tm);

    g_assert_cmpint(qdict_get_int(d, "tm_year", -1), ==, 120);
    g_assert_cmpint(qdict_get_int(d, "tm_mon", -1), ==, 1);
    g_assert_cmpint(qdict_get_int(d, "tm_mday", -1), ==, 28);
    g_assert_cmpint(qdict_get_int(d, "tm_sec", -1), ==, 50);
}

static void test_cmos_has_sizes_and_boot_order(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35 -m 64 -smp 2 -boot order=nc");

    g_assert_cmphex(get(q, 0x34) | get(q, 0x35) << 8, ==, 0x300);
    g_assert_cmphex(get(q, 0x15) | get(q, 0x16) << 8, ==, 640);
    g_assert_cmphex(get(q, 0x3d), ==, 0x24);
    g_assert_cmphex(get(q, 0x5f), ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtc/base", test_starts_with_base_in_bcd);
    g_test_add_func("/rtc/leap", test_leap_day_comes_at_midnight);
    g_test_add_func("/rtc/binary", test_binary_and_12_hours);
    g_test_add_func("/rtc/set", test_setting_holds_and_resumes);
    g_test_add_func("/rtc/update", test_update_flag_each_second);
    g_test_add_func("/rtc/uip",
                    test_update_in_progress_shows_before_the_second);
    g_test_add_func("/rtc/alarm", test_alarm_at_a_time);
    g_test_add_func("/rtc/alarm/any", test_alarm_every_minute);
    g_test_add_func("/rtc/alarm/never", test_alarm_at_no_time_never_comes);
    g_test_add_func("/rtc/periodic", test_periodic_rate);
    g_test_add_func("/rtc/slew", test_slew_gives_back_missed_ticks);
    g_test_add_func("/rtc/slew/reset", test_reset_reinjection_forgets_them);
    g_test_add_func("/rtc/reset", test_reset_keeps_time_and_memory);
    g_test_add_func("/rtc/rtc-time", test_machine_shows_the_time);
    g_test_add_func("/rtc/cmos", test_cmos_has_sizes_and_boot_order);
    return g_test_run();
}
