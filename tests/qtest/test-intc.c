/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PICs, I/O APIC and PIT where KVM does not have them. */
#include "util/osdep.h"

#include "tests/qtest/libqtest.h"

#define IOAPIC 0xfec00000

static uint32_t ioapic_get(QTest *q, unsigned reg)
{
    qtest_writel(q, IOAPIC, reg);
    return qtest_readl(q, IOAPIC + 0x10);
}

static void ioapic_put(QTest *q, unsigned reg, uint32_t v)
{
    qtest_writel(q, IOAPIC, reg);
    qtest_writel(q, IOAPIC + 0x10, v);
}

/* Vectors from 20h and 28h, cascade on 2, all inputs open. */
static void init_pics(QTest *q)
{
    static const uint8_t words[2][4] = { { 0x11, 0x20, 4, 1 },
                                         { 0x11, 0x28, 2, 1 } };

    for (unsigned i = 0; i < 2; i++) {
        uint16_t port = i ? 0xa0 : 0x20;

        qtest_outb(q, port, words[i][0]);
        for (unsigned k = 1; k < 4; k++) {
            qtest_outb(q, port + 1, words[i][k]);
        }
        qtest_outb(q, port + 1, 0);
    }
}

static void test_pit_interrupt_reaches_the_pic(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35");

    init_pics(q);
    qtest_outb(q, 0x43, 0x30); /* channel 0, both bytes, mode 0 */
    qtest_outb(q, 0x40, 0xe8);
    qtest_outb(q, 0x40, 0x03);
    qtest_outb(q, 0x20, 0x0a); /* read requests */
    g_assert_cmphex(qtest_inb(q, 0x20) & 1, ==, 0);
    qtest_clock_step(q, 1000 * 1000); /* 1000 clocks take 838 us */
    g_assert_cmphex(qtest_inb(q, 0x20) & 1, ==, 1);
    qtest_outb(q, 0x20, 0x0c); /* poll */
    g_assert_cmphex(qtest_inb(q, 0x20), ==, 0x80);
    qtest_outb(q, 0x20, 0x0b); /* read what is in service */
    g_assert_cmphex(qtest_inb(q, 0x20), ==, 1);
    qtest_outb(q, 0x20, 0x20); /* end of interrupt */
    g_assert_cmphex(qtest_inb(q, 0x20), ==, 0);
}

static void test_pic_masks_and_keeps_requests(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35");

    init_pics(q);
    qtest_outb(q, 0x21, 0xff);
    g_assert_cmphex(qtest_inb(q, 0x21), ==, 0xff);
    qtest_outb(q, 0x43, 0x30);
    qtest_outb(q, 0x40, 1);
    qtest_outb(q, 0x40, 0);
    qtest_clock_step(q, 1000 * 1000);
    qtest_outb(q, 0x20, 0x0c);
    g_assert_cmphex(qtest_inb(q, 0x20), ==, 0); /* nothing to serve */
    qtest_outb(q, 0x21, 0xfe);
    qtest_outb(q, 0x20, 0x0c);
    g_assert_cmphex(qtest_inb(q, 0x20), ==, 0x80);
}

static void test_pit_counts_down(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35");
    unsigned count;

    qtest_outb(q, 0x43, 0x34); /* mode 2 */
    qtest_outb(q, 0x40, 0x00);
    qtest_outb(q, 0x40, 0x10);
    qtest_clock_step(q, 1000 * 1000);
    qtest_outb(q, 0x43, 0x00); /* latch */
    count = qtest_inb(q, 0x40);
    count |= qtest_inb(q, 0x40) << 8;
    g_assert_cmpuint(count, ==, 0x1000 - 1193);
    qtest_outb(q, 0x43, 0xe2); /* read back: status of channel 0 */
    g_assert_cmphex(qtest_inb(q, 0x40) & 0x3f, ==, 0x34);
}

static void test_speaker_port_shows_channel_2(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35");

    qtest_outb(q, 0x61, 1); /* gate */
    qtest_outb(q, 0x43, 0xb0); /* channel 2, mode 0 */
    qtest_outb(q, 0x42, 0xe8);
    qtest_outb(q, 0x42, 0x03);
    g_assert_cmphex(qtest_inb(q, 0x61) & 0x21, ==, 1);
    qtest_clock_step(q, 1000 * 1000);
    g_assert_cmphex(qtest_inb(q, 0x61) & 0x21, ==, 0x21);
}

static void test_ioapic_registers(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35");

    g_assert_cmphex(ioapic_get(q, 1), ==, 0x00170020);
    g_assert_cmphex(ioapic_get(q, 0x10), ==, 0x10000);
    ioapic_put(q, 0, 0x0f000000);
    g_assert_cmphex(ioapic_get(q, 0), ==, 0x0f000000);
    ioapic_put(q, 0x3f, 0xab000000);
    ioapic_put(q, 0x3e, 0x1d041); /* status and remote IRR are read-only */
    g_assert_cmphex(ioapic_get(q, 0x3e), ==, 0x18041);
    g_assert_cmphex(ioapic_get(q, 0x3f), ==, 0xab000000);
    ioapic_put(q, 0x40, 1); /* beyond the table */
    g_assert_cmphex(ioapic_get(q, 0x40), ==, 0);
}

static void test_interrupt_lines_reach_the_ioapic(void)
{
    g_autoptr(QTest) q = qtest_start("-M q35");

    qtest_irq_intercept_in(q, "/machine/q35/ioapic");
    qtest_outb(q, 0x43, 0x30);
    qtest_outb(q, 0x40, 1);
    qtest_outb(q, 0x40, 0);
    g_assert_false(qtest_irq(q, 0));
    qtest_clock_step(q, 1000 * 1000);
    g_assert_true(qtest_irq(q, 0));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/intc/pit-interrupt-reaches-the-pic",
                    test_pit_interrupt_reaches_the_pic);
    g_test_add_func("/intc/pic-masks-and-keeps-requests",
                    test_pic_masks_and_keeps_requests);
    g_test_add_func("/intc/pit-counts-down", test_pit_counts_down);
    g_test_add_func("/intc/speaker-port-shows-channel-2",
                    test_speaker_port_shows_channel_2);
    g_test_add_func("/intc/ioapic-registers", test_ioapic_registers);
    g_test_add_func("/intc/interrupt-lines-reach-the-ioapic",
                    test_interrupt_lines_reach_the_ioapic);
    return g_test_run();
}
