/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hpet on the virtual clock: 10 ns ticks, matches, routes, legacy interrupts.
 */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

#define BASE    UINT64_C(0xfed00000)
#define CONFIG  (BASE + 0x10)
#define STATUS  (BASE + 0x20)
#define COUNTER (BASE + 0xf0)
#define TN(n)   (BASE + 0x100 + 0x20 * (n))
#define IOAPIC  "/machine/q35/ioapic"
#define MS      INT64_C(1000000)

enum {
    ENABLE = 1,
    LEGACY = 2,
    LEVEL = 1 << 1,
    INT = 1 << 2,
    PERIODIC = 1 << 3,
    SETVAL = 1 << 6,
    NARROW = 1 << 8,
    PIN = 20, /* of the I/O APIC, one that timers may use */
    ROUTE = PIN << 9,
};

static QTest *start(void)
{
    QTest *q = qtest_start("-M q35 -rtc clock=vm");

    qtest_irq_intercept_in(q, IOAPIC);
    return q;
}

static void test_identity_and_reset_values(void)
{
    g_autoptr(QTest) q = start();

    g_assert_cmphex(qtest_readq(q, BASE), ==, UINT64_C(0x009896808086a201));
    g_assert_cmphex(qtest_readl(q, BASE + 4), ==, 0x00989680);
    for (int i = 0; i < 3; i++) {
        g_assert_cmphex(qtest_readq(q, TN(i)), ==,
                        UINT64_C(0x00ff010400000030));
        g_assert_cmphex(qtest_readq(q, TN(i) + 8), ==, UINT64_MAX);
    }
    g_assert_cmphex(qtest_readq(q, TN(3)), ==, 0);
}

static void test_counts_only_while_enabled(void)
{
    g_autoptr(QTest) q = start();

    qtest_clock_step(q, MS);
    g_assert_cmpuint(qtest_readq(q, COUNTER), ==, 0);
    qtest_writeq(q, COUNTER, UINT64_C(0xffffff000));
    qtest_writel(q, CONFIG, ENABLE);
    qtest_clock_step(q, MS);
    g_assert_cmphex(qtest_readq(q, COUNTER), ==,
                    UINT64_C(0xffffff000) + 100000);
    qtest_writel(q, COUNTER, 5); /* not while it runs */
    qtest_writel(q, CONFIG, 0);
    qtest_clock_step(q, MS);
    g_assert_cmphex(qtest_readq(q, COUNTER), ==,
                    UINT64_C(0xffffff000) + 100000);
}

static void test_one_shot_edge(void)
{
    g_autoptr(QTest) q = start();

    qtest_writel(q, TN(2), INT | ROUTE);
    qtest_writel(q, CONFIG, ENABLE);
    qtest_writeq(q, TN(2) + 8, 200000); /* 2 ms */
    qtest_clock_step(q, 2 * MS - 10);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), ==, 0);
    qtest_clock_step(q, 10);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), ==, 1);
    g_assert_false(qtest_irq(q, PIN));
    qtest_clock_step(q, 1000 * MS);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), ==, 1);
    g_assert_cmphex(qtest_readl(q, STATUS), ==, 0);
}

static void test_level_stays_until_cleared(void)
{
    g_autoptr(QTest) q = start();

    qtest_writel(q, TN(1), INT | LEVEL | ROUTE);
    qtest_writel(q, CONFIG, ENABLE);
    qtest_writel(q, TN(1) + 8, 100);
    qtest_writel(q, TN(1) + 12, 0);
    qtest_clock_step(q, MS);
    g_assert_true(qtest_irq(q, PIN));
    g_assert_cmphex(qtest_readl(q, STATUS), ==, 2);
    qtest_writel(q, STATUS, 1);
    g_assert_true(qtest_irq(q, PIN));
    qtest_writel(q, STATUS, 2);
    g_assert_false(qtest_irq(q, PIN));
    g_assert_cmphex(qtest_readl(q, STATUS), ==, 0);
}

static void test_periodic(void)
{
    g_autoptr(QTest) q = start();

    qtest_writel(q, CONFIG, ENABLE);
    qtest_writel(q, TN(0), INT | PERIODIC | SETVAL | NARROW | ROUTE);
    qtest_writel(q, TN(0) + 8, 50000);  /* first at 0.5 ms ... */
    qtest_writel(q, TN(0) + 8, 100000); /* ... then each ms */
    g_assert_cmphex(qtest_readl(q, TN(0)) & SETVAL, ==, 0);
    qtest_clock_step(q, MS / 2);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), ==, 1);
    g_assert_cmpuint(qtest_readl(q, TN(0) + 8), ==, 150000);
    for (int i = 0; i < 5; i++) {
        qtest_clock_step(q, MS);
    }
    g_assert_cmpuint(qtest_irq_raised(q, PIN), ==, 6);
}

/* A guest that was held up still gets its interrupt. */
static void test_a_match_just_missed_counts(void)
{
    g_autoptr(QTest) q = start();

    qtest_writel(q, TN(0), INT | NARROW | ROUTE);
    qtest_writel(q, CONFIG, ENABLE);
    qtest_clock_step(q, MS);
    qtest_writel(q, TN(0) + 8, 99000);
    qtest_clock_step(q, 1);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), ==, 1);
}

static void test_narrow_timer_matches_each_turn(void)
{
    g_autoptr(QTest) q = start();

    qtest_writeq(q, COUNTER, UINT64_C(0x1ffffff00));
    qtest_writel(q, TN(0), INT | NARROW | ROUTE);
    qtest_writel(q, CONFIG, ENABLE);
    qtest_writel(q, TN(0) + 8, 0x100);
    qtest_clock_step(q, 0x200 * 10 - 10);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), ==, 0);
    qtest_clock_step(q, 10);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), ==, 1);
    qtest_clock_step(q, (INT64_C(1) << 32) * 10);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), ==, 2);
}

static void test_tiny_periods_do_not_flood(void)
{
    g_autoptr(QTest) q = start();

    qtest_writel(q, CONFIG, ENABLE);
    qtest_writel(q, TN(0), INT | PERIODIC | SETVAL | ROUTE);
    qtest_writeq(q, TN(0) + 8, 1);
    qtest_clock_step(q, MS);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), >, 10);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), <=, 51);
}

static void start_pit(QTest *q)
{
    qtest_outb(q, 0x43, 0x34); /* channel 0, rate generator: 1 ms */
    qtest_outb(q, 0x40, 1193 & 0xff);
    qtest_outb(q, 0x40, 1193 >> 8);
}

static void test_legacy_replaces_the_pit(void)
{
    g_autoptr(QTest) q = start();
    unsigned before;

    start_pit(q);
    qtest_clock_step(q, 10 * MS);
    before = qtest_irq_raised(q, 0);
    g_assert_cmpuint(before, >=, 9);
    qtest_writel(q, CONFIG, ENABLE | LEGACY);
    before = qtest_irq_raised(q, 0);
    qtest_clock_step(q, 10 * MS);
    g_assert_cmpuint(qtest_irq_raised(q, 0), ==, before);
    qtest_writel(q, TN(0), INT | ROUTE);
    qtest_writeq(q, TN(0) + 8, 1000000 + 10); /* 10 ms have passed */
    qtest_clock_step(q, MS);
    g_assert_cmpuint(qtest_irq_raised(q, 0), ==, before + 1);
    g_assert_cmpuint(qtest_irq_raised(q, PIN), ==, 0);
    qtest_writel(q, CONFIG, 0);
    qtest_clock_step(q, 10 * MS);
    g_assert_cmpuint(qtest_irq_raised(q, 0), >, before + 5);
}

static void rtc_periodic(QTest *q)
{
    qtest_outb(q, 0x70, 0x0a);
    qtest_outb(q, 0x71, 0x26); /* 1024 Hz */
    qtest_outb(q, 0x70, 0x0b);
    qtest_outb(q, 0x71, 0x42);
}

static void test_legacy_replaces_the_clock(void)
{
    g_autoptr(QTest) q = start();

    rtc_periodic(q);
    qtest_writel(q, CONFIG, ENABLE | LEGACY);
    qtest_clock_step(q, 10 * MS);
    g_assert_cmpuint(qtest_irq_raised(q, 8), ==, 0);
    qtest_writel(q, TN(1), INT | ROUTE);
    qtest_writeq(q, TN(1) + 8, 1000000 + 10);
    qtest_clock_step(q, MS);
    g_assert_cmpuint(qtest_irq_raised(q, 8), ==, 1);
    qtest_writel(q, CONFIG, 0); /* the clock's interrupt has waited */
    g_assert_true(qtest_irq(q, 8));
}

static void test_fsb_only_with_msi(void)
{
    g_autoptr(QTest) q = start();
    g_autoptr(QTest) msi = qtest_start("-M q35 -global hpet.msi=on");

    qtest_writel(q, TN(0), 1 << 14);
    g_assert_cmphex(qtest_readl(q, TN(0)), ==, 0x30);
    g_assert_cmphex(qtest_readl(msi, TN(0)), ==, 0x8030);
    qtest_writel(msi, TN(0), 1 << 14);
    g_assert_cmphex(qtest_readl(msi, TN(0)), ==, 0xc030);
    qtest_writeq(msi, TN(0) + 0x10, UINT64_C(0xfee0000000000030));
    g_assert_cmphex(qtest_readq(msi, TN(0) + 0x10), ==,
                    UINT64_C(0xfee0000000000030));
}

static void test_reset_stops_it(void)
{
    g_autoptr(QTest) q = start();

    qtest_writel(q, TN(0), INT | LEVEL | ROUTE);
    qtest_writel(q, CONFIG, ENABLE | LEGACY);
    qtest_writeq(q, TN(0) + 8, 100);
    qtest_clock_step(q, MS);
    g_assert_true(qtest_irq(q, 0));
    qtest_qmp_ok(q, "{'execute': 'system_reset'}");
    qobject_unref(qtest_wait_event(q, "RESET"));
    g_assert_false(qtest_irq(q, 0));
    g_assert_cmphex(qtest_readl(q, CONFIG), ==, 0);
    g_assert_cmphex(qtest_readl(q, STATUS), ==, 0);
    g_assert_cmphex(qtest_readq(q, COUNTER), ==, 0);
    g_assert_cmphex(qtest_readl(q, TN(0)), ==, 0x30);
}

static uint8_t fw_cfg_hpets(QTest *q)
{
    qtest_outw(q, 0x510, 0x8004);
    return qtest_inb(q, 0x511);
}

static void test_off(void)
{
    g_autoptr(QTest) on = start();
    g_autoptr(QTest) q = qtest_start("-M q35,hpet=off");

    g_assert_cmphex(fw_cfg_hpets(on), ==, 1);
    g_assert_cmphex(fw_cfg_hpets(q), ==, 0xff);
    g_assert_cmphex(qtest_readl(q, BASE), !=, 0x8086a201);
}

static void test_bad_options_are_refused(void)
{
    g_autofree char *err = NULL;

    g_assert_cmpint(qtest_run("-M q35 -accel qtest -display none "
                              "-nodefaults -global hpet.timers=2",
                              NULL, &err),
                    ==, 1);
    g_assert_nonnull(strstr(err, "'timers' must be from 3 to 32"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hpet/identity", test_identity_and_reset_values);
    g_test_add_func("/hpet/counter", test_counts_only_while_enabled);
    g_test_add_func("/hpet/one-shot", test_one_shot_edge);
    g_test_add_func("/hpet/level", test_level_stays_until_cleared);
    g_test_add_func("/hpet/periodic", test_periodic);
    g_test_add_func("/hpet/late", test_a_match_just_missed_counts);
    g_test_add_func("/hpet/narrow", test_narrow_timer_matches_each_turn);
    g_test_add_func("/hpet/flood", test_tiny_periods_do_not_flood);
    g_test_add_func("/hpet/legacy-pit", test_legacy_replaces_the_pit);
    g_test_add_func("/hpet/legacy-rtc", test_legacy_replaces_the_clock);
    g_test_add_func("/hpet/fsb", test_fsb_only_with_msi);
    g_test_add_func("/hpet/reset", test_reset_stops_it);
    g_test_add_func("/hpet/off", test_off);
    g_test_add_func("/hpet/errors", test_bad_options_are_refused);
    return g_test_run();
}
