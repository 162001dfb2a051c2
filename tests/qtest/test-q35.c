/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Q35 chipset: memory controller hub, LPC bridge, power management. */
#include "util/osdep.h"

#include "pci-access.h"

#define MCH  BDF(0, 0, 0)
#define LPC  BDF(0, 31, 0)
#define SMB  BDF(0, 31, 3)
#define PORT BDF(0, 1, 0)

enum {
    PM = 0x600,
    PM1_STS = PM,
    PM1_EN = PM + 2,
    PM1_CNT = PM + 4,
    PM_TMR = PM + 8,
    GPE0 = PM + 0x20,
    TCO = PM + 0x60,
    SCI_GSI = 9,
    ECAM = 0xb0000000,
    RCBA = 0xfed1c000,
};

static QTest *start(const char *more)
{
    return qtest_startf("-machine q35 %s", more);
}

static QTest *start_pm(const char *more)
{
    QTest *q = start(more);

    pci_writel(q, LPC, 0x40, PM | 1);
    pci_writeb(q, LPC, 0x44, 0x80);
    return q;
}

/* Configuration ------------------------------------------------------------------ */

static void test_the_chipset_functions_have_their_ids(void)
{
    g_autoptr(QTest) q = start("");

    g_assert_cmphex(pci_readl(q, MCH, 0), ==, 0x29c08086);
    g_assert_cmphex(pci_readl(q, LPC, 0), ==, 0x29188086);
    g_assert_cmphex(pci_readl(q, SMB, 0), ==, 0x29308086);
    g_assert_cmphex(pci_readl(q, BDF(0, 5, 0), 0), ==, 0xffffffff);
    g_assert_cmphex(pci_readl(q, BDF(7, 0, 0), 0), ==, 0xffffffff);
}

static void test_data_port_needs_the_enable_bit(void)
{
    g_autoptr(QTest) q = start("");

    qtest_outl(q, 0xcf8, 0);
    g_assert_cmphex(qtest_inl(q, 0xcfc), ==, 0xffffffff);
}

static void test_index_port_takes_whole_registers_only(void)
{
    g_autoptr(QTest) q = start("");

    qtest_outl(q, 0xcf8, 0x80001234);
    qtest_outb(q, 0xcf8, 0x77);
    qtest_outw(q, 0xcfa, 0x7777);
    g_assert_cmphex(qtest_inl(q, 0xcf8), ==, 0x80001234);
}

static void test_ecam_is_where_pciexbar_says(void)
{
    g_autoptr(QTest) q = start("");

    g_assert_cmphex(qtest_readl(q, ECAM), !=, 0x29c08086);
    pci_writel(q, MCH, 0x60, ECAM | 1);
    g_assert_cmphex(qtest_readl(q, ECAM), ==, 0x29c08086);
    g_assert_cmphex(qtest_readw(q, ECAM + (LPC << 12) + 2), ==, 0x2918);
    g_assert_cmphex(qtest_readl(q, ECAM + (LPC << 12) + 0x100), ==, 0xffffffff);
    pci_writel(q, MCH, 0x60, 0xe0000000 | 1);
    g_assert_cmphex(qtest_readl(q, ECAM), !=, 0x29c08086);
    g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, 0x29c08086);
    pci_writel(q, MCH, 0x60, 0xe0000000);
    g_assert_cmphex(qtest_readl(q, 0xe0000000), !=, 0x29c08086);
}

static void test_pam_modes_route_reads_and_writes(void)
{
    g_autoptr(QTest) q = start("");

    pci_writeb(q, MCH, 0x91, 0x33);
    qtest_writel(q, 0xc0000, 0x11223344);
    g_assert_cmphex(qtest_readl(q, 0xc0000), ==, 0x11223344);
    pci_writeb(q, MCH, 0x91, 0x31); /* read-only */
    qtest_writel(q, 0xc0000, 0x55667788);
    g_assert_cmphex(qtest_readl(q, 0xc0000), ==, 0x11223344);
    qtest_writel(q, 0xc4000, 0x99aabbcc); /* its neighbour stays writable */
    g_assert_cmphex(qtest_readl(q, 0xc4000), ==, 0x99aabbcc);
}

/* Firmware lies in PCI's memory at F0000h. */
static void test_pam_shadows_the_firmware(void)
{
    g_autoptr(QTest) q = start("");
    uint32_t rom = qtest_readl(q, 0xffff0);

    g_assert_cmphex(rom, ==, qtest_readl(q, 0xfffffff0));
    pci_writeb(q, MCH, 0x90, 0x30); /* RAM */
    qtest_writel(q, 0xffff0, 0x5a5a5a5a);
    pci_writeb(q, MCH, 0x90, 0x10); /* read RAM, write PCI */
    qtest_writel(q, 0xffff0, 0x12345678);
    g_assert_cmphex(qtest_readl(q, 0xffff0), ==, 0x5a5a5a5a);
    pci_writeb(q, MCH, 0x90, 0x00);
    g_assert_cmphex(qtest_readl(q, 0xffff0), ==, rom);
}

static void test_smram_opens_and_locks(void)
{
    g_autoptr(QTest) q = start("");

    pci_writeb(q, MCH, 0x9d, 0x4a); /* open, enabled */
    qtest_writel(q, 0xa0000, 0x12345678);
    g_assert_cmphex(qtest_readl(q, 0xa0000), ==, 0x12345678);
    pci_writeb(q, MCH, 0x9d, 0x5a); /* lock closes */
    g_assert_cmphex(pci_readb(q, MCH, 0x9d), ==, 0x1a);
    pci_writeb(q, MCH, 0x9d, 0x4a);
    g_assert_cmphex(pci_readb(q, MCH, 0x9d), ==, 0x1a);
}

static void test_tseg_hides_the_top_of_low_ram(void)
{
    g_autoptr(QTest) q = start("-m 64");

    qtest_writel(q, 63 * MiB, 0x0badcafe);
    pci_writeb(q, MCH, 0x9d, 0x0a);
    pci_writeb(q, MCH, 0x9e, 0x01); /* 1 MiB */
    g_assert_cmphex(qtest_readl(q, 63 * MiB), ==, 0xffffffff);
    qtest_writel(q, 63 * MiB - 4, 0x600dcafe);
    g_assert_cmphex(qtest_readl(q, 63 * MiB - 4), ==, 0x600dcafe);
    pci_writeb(q, MCH, 0x9e, 0x00);
    g_assert_cmphex(qtest_readl(q, 63 * MiB), ==, 0x0badcafe);
}

static void test_extended_tseg_size_can_be_asked_for(void)
{
    g_autoptr(QTest) q = start("-global mch.extended-tseg-mbytes=48");

    pci_writew(q, MCH, 0x50, 0xffff);
    g_assert_cmpint(pci_readw(q, MCH, 0x50), ==, 48);
}

static void test_ram_lies_on_both_sides_of_the_hole(void)
{
    g_autoptr(QTest) q = start("-m 4G");

    qtest_writel(q, 2 * GiB - 4, 0x11111111);
    qtest_writel(q, 4 * GiB, 0x22222222);
    qtest_writel(q, 6 * GiB - 4, 0x33333333);
    g_assert_cmphex(qtest_readl(q, 2 * GiB - 4), ==, 0x11111111);
    g_assert_cmphex(qtest_readl(q, 2 * GiB), !=, 0x22222222);
    g_assert_cmphex(qtest_readl(q, 4 * GiB), ==, 0x22222222);
    g_assert_cmphex(qtest_readl(q, 6 * GiB - 4), ==, 0x33333333);
}

static void test_max_ram_below_4g_moves_the_hole(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35,max-ram-below-4g=64M -m 128");

    qtest_writel(q, 64 * MiB - 4, 0x44444444);
    qtest_writel(q, 4 * GiB + 64 * MiB - 4, 0x55555555);
    g_assert_cmphex(qtest_readl(q, 64 * MiB - 4), ==, 0x44444444);
    g_assert_cmphex(qtest_readl(q, 64 * MiB), !=, 0);
    g_assert_cmphex(qtest_readl(q, 4 * GiB + 64 * MiB - 4), ==, 0x55555555);
}

/* Power management ----------------------------------------------------------------- */

static void test_pm_block_moves_with_pmbase(void)
{
    g_autoptr(QTest) q = start_pm("");

    g_assert_cmphex(qtest_inw(q, PM1_CNT), ==, 0);
    pci_writel(q, LPC, 0x40, 0xb001);
    g_assert_cmphex(qtest_inw(q, PM1_CNT), ==, 0xffff);
    g_assert_cmphex(qtest_inw(q, 0xb004), ==, 0);
    pci_writeb(q, LPC, 0x44, 0);
    g_assert_cmphex(qtest_inw(q, 0xb004), ==, 0xffff);
}

static void test_pm_timer_counts_the_virtual_clock(void)
{
    g_autoptr(QTest) q = start_pm("");
    uint32_t before = qtest_inl(q, PM_TMR);

    qtest_clock_step(q, 1000000000);
    g_assert_cmpint((qtest_inl(q, PM_TMR) - before) & 0xffffff, ==, 3579545);
    qtest_clock_step(q, INT64_C(10000000000));
    g_assert_cmphex(qtest_inl(q, PM_TMR) >> 24, ==, 0);
}

static void test_pm_timer_overflow_raises_the_sci(void)
{
    g_autoptr(QTest) q = start_pm("");

    qtest_irq_intercept_in(q, "/machine/q35/ioapic");
    qtest_clock_step(q, 1000000);
    qtest_outw(q, PM1_STS, 1);
    qtest_outw(q, PM1_EN, 1);
    g_assert_false(qtest_irq(q, SCI_GSI));
    qtest_clock_step(q, INT64_C(2400000000)); /* bit 23 after 2.34 s */
    g_assert_true(qtest_irq(q, SCI_GSI));
    g_assert_cmphex(qtest_inw(q, PM1_STS) & 1, ==, 1);
    qtest_outw(q, PM1_STS, 1);
    g_assert_false(qtest_irq(q, SCI_GSI));
}

static void test_power_button_raises_the_sci(void)
{
    g_autoptr(QTest) q = start_pm("");

    qtest_irq_intercept_in(q, "/machine/q35/ioapic");
    qtest_outw(q, PM1_EN, 0x100);
    qtest_qmp_ok(q, "{'execute': 'system_powerdown'}");
    qobject_unref(qtest_wait_event(q, "POWERDOWN"));
    g_assert_cmphex(qtest_inw(q, PM1_STS) & 0x100, ==, 0x100);
    g_assert_true(qtest_irq(q, SCI_GSI));
    qtest_outw(q, PM1_STS, 0x100);
    g_assert_false(qtest_irq(q, SCI_GSI));
}

static void test_sci_follows_its_select_field(void)
{
    g_autoptr(QTest) q = start_pm("");

    qtest_irq_intercept_in(q, "/machine/q35/ioapic");
    qtest_outw(q, PM1_EN, 0x100);
    qtest_qmp_ok(q, "{'execute': 'system_powerdown'}");
    qobject_unref(qtest_wait_event(q, "POWERDOWN"));
    pci_writeb(q, LPC, 0x44, 0x84); /* IOAPIC pin 20 */
    g_assert_false(qtest_irq(q, SCI_GSI));
    g_assert_true(qtest_irq(q, 20));
    pci_writeb(q, LPC, 0x44, 0x87); /* reserved: no change */
    g_assert_true(qtest_irq(q, 20));
}

static void test_acpi_mode_follows_the_command_port(void)
{
    g_autoptr(QTest) q = start_pm("");

    qtest_outb(q, 0xb2, 2);
    g_assert_cmphex(qtest_inw(q, PM1_CNT) & 1, ==, 1);
    qtest_outb(q, 0xb2, 3);
    g_assert_cmphex(qtest_inw(q, PM1_CNT) & 1, ==, 0);
    qtest_outb(q, 0xb3, 0x5a);
    g_assert_cmphex(qtest_inb(q, 0xb3), ==, 0x5a);
}

static void test_gpe_status_is_cleared_by_ones(void)
{
    g_autoptr(QTest) q = start_pm("");

    qtest_outb(q, GPE0 + 8, 0xa5);
    g_assert_cmphex(qtest_inb(q, GPE0 + 8), ==, 0xa5);
    qtest_outb(q, GPE0, 0xff);
    g_assert_cmphex(qtest_inb(q, GPE0), ==, 0);
}

static void test_s5_ends_the_emulator_with_status_0(void)
{
    QTest *q = start_pm("");

    qtest_outw(q, PM1_CNT, 0x2000);
    g_assert_cmpint(qtest_wait_exit(q), ==, 0);
    qtest_quit(q);
}

static void test_port_cf9_resets(void)
{
    g_autoptr(QTest) q = start("");

    qtest_outb(q, 0xcf9, 0x02);
    g_assert_cmphex(qtest_inb(q, 0xcf9), ==, 0x02);
    pci_writeb(q, MCH, 0x91, 0x33);
    qtest_outb(q, 0xcf9, 0x06);
    qobject_unref(qtest_wait_event(q, "RESET"));
    g_assert_cmphex(qtest_inb(q, 0xcf9), ==, 0);
    g_assert_cmphex(pci_readb(q, MCH, 0x91), ==, 0);
}

/* Watchdog ------------------------------------------------------------------------ */

static void start_tco(QTest *q, bool reboot)
{
    pci_writel(q, LPC, 0xf0, RCBA | 1);
    qtest_writel(q, RCBA + 0x3410, reboot ? 0 : 0x20);
    qtest_outw(q, TCO + 0x12, 10); /* 6 s */
    qtest_outw(q, TCO, 1);
}

static void test_watchdog_resets_after_two_periods(void)
{
    g_autoptr(QTest) q = start_pm("");

    start_tco(q, true);
    qtest_clock_step(q, INT64_C(6100000000));
    g_assert_cmphex(qtest_inw(q, TCO + 4) & 8, ==, 8);
    qtest_clock_step(q, INT64_C(6000000000));
    qobject_unref(qtest_wait_event(q, "WATCHDOG"));
    qobject_unref(qtest_wait_event(q, "RESET"));
}

static void test_reload_keeps_the_watchdog_quiet(void)
{
    g_autoptr(QTest) q = start_pm("");

    start_tco(q, true);
    for (int i = 0; i < 4; i++) {
        qtest_clock_step(q, INT64_C(5000000000));
        qtest_outw(q, TCO, 1);
    }
    g_assert_cmphex(qtest_inw(q, TCO + 4), ==, 0);
    g_assert_cmpint(qtest_inw(q, TCO) & 0x3ff, >=, 9);
}

static void test_no_reboot_only_records_the_timeout(void)
{
    g_autoptr(QTest) q = start_pm("");

    start_tco(q, false);
    qtest_clock_step(q, INT64_C(13000000000));
    g_assert_cmphex(qtest_inw(q, TCO + 6) & 2, ==, 2);
}

/* Interrupt routing ---------------------------------------------------------------- */

/* A slot command of the root port at 00:01.0 raises its pin A. */
static void raise_port_pin(QTest *q)
{
    uint8_t exp = pci_find_cap(q, PORT, PCI_CAP_ID_EXP);

    pci_writew(q, PORT, exp + PCI_EXP_SLTCTL,
               PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_CCIE);
}

static void clear_port_pin(QTest *q)
{
    uint8_t exp = pci_find_cap(q, PORT, PCI_CAP_ID_EXP);

    pci_writew(q, PORT, exp + PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_CC);
}

static void test_pin_of_slot_1_is_pirq_f(void)
{
    g_autoptr(QTest) q = start("-device pcie-root-port,chassis=1,addr=1");

    qtest_irq_intercept_in(q, "/machine/q35/ioapic");
    raise_port_pin(q);
    g_assert_true(qtest_irq(q, 21));
    clear_port_pin(q);
    g_assert_false(qtest_irq(q, 21));
}

static void test_pirq_register_routes_to_isa_too(void)
{
    g_autoptr(QTest) q = start("-device pcie-root-port,chassis=1,addr=1");

    qtest_irq_intercept_in(q, "/machine/q35/ioapic");
    pci_writeb(q, LPC, 0x69, 11); /* PIRQ F */
    raise_port_pin(q);
    g_assert_true(qtest_irq(q, 11));
    pci_writeb(q, LPC, 0x69, 10);
    g_assert_false(qtest_irq(q, 11));
    g_assert_true(qtest_irq(q, 10));
    pci_writeb(q, LPC, 0x69, 0x80);
    g_assert_false(qtest_irq(q, 10));
    g_assert_true(qtest_irq(q, 21));
}

static void test_intx_disable_takes_the_pin_down(void)
{
    g_autoptr(QTest) q = start("-device pcie-root-port,chassis=1,addr=1");

    qtest_irq_intercept_in(q, "/machine/q35/ioapic");
    raise_port_pin(q);
    pci_writew(q, PORT, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);
    g_assert_false(qtest_irq(q, 21));
    g_assert_cmphex(pci_readw(q, PORT, PCI_STATUS) & PCI_STATUS_INTERRUPT, ==,
                    PCI_STATUS_INTERRUPT);
    pci_writew(q, PORT, PCI_COMMAND, 0);
    g_assert_true(qtest_irq(q, 21));
}

/* SMBus ------------------------------------------------------------------------------ */

static void test_nobody_answers_on_the_smbus(void)
{
    g_autoptr(QTest) q = start("");

    pci_writel(q, SMB, 0x20, 0xc000);
    pci_writew(q, SMB, PCI_COMMAND, PCI_COMMAND_IO);
    pci_writeb(q, SMB, 0x40, 1);
    qtest_outb(q, 0xc004, 0x50 << 1 | 1);
    qtest_outb(q, 0xc002, 0x48); /* byte data, start */
    g_assert_cmphex(qtest_inb(q, 0xc000), ==, 0x04);
    qtest_outb(q, 0xc000, 0xff);
    g_assert_cmphex(qtest_inb(q, 0xc000), ==, 0);
}

/* Options ---------------------------------------------------------------------------- */

static void refuses(const char *args, const char *text)
{
    g_autofree char *all = g_strdup_printf(
        "-accel qtest -display none -nodefaults %s", args);
    g_autofree char *err = NULL;

    g_assert_cmpint(qtest_run(all, NULL, &err), ==, 1);
    g_assert_nonnull(strstr(err, text));
}

static void test_what_is_not_there_is_refused_by_name(void)
{
    refuses("-machine q35,smm=on", "smm=on");
    refuses("-machine q35,sata=on", "sata=on");
    refuses("-machine q35,smbios-entry-point-type=16", "16");
    refuses("-machine q35,x-oem-id=TOOLONGID", "x-oem-id");
    refuses("-machine q35,max-ram-below-4g=5G", "max-ram-below-4g");
    refuses("-machine q35 -global ICH9-LPC.disable_s3=0", "disable_s3");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/q35/ids", test_the_chipset_functions_have_their_ids);
    g_test_add_func("/q35/conf-enable", test_data_port_needs_the_enable_bit);
    g_test_add_func("/q35/conf-index",
                    test_index_port_takes_whole_registers_only);
    g_test_add_func("/q35/ecam", test_ecam_is_where_pciexbar_says);
    g_test_add_func("/q35/pam", test_pam_modes_route_reads_and_writes);
    g_test_add_func("/q35/pam-firmware", test_pam_shadows_the_firmware);
    g_test_add_func("/q35/smram", test_smram_opens_and_locks);
    g_test_add_func("/q35/tseg", test_tseg_hides_the_top_of_low_ram);
    g_test_add_func("/q35/ext-tseg", test_extended_tseg_size_can_be_asked_for);
    g_test_add_func("/q35/ram", test_ram_lies_on_both_sides_of_the_hole);
    g_test_add_func("/q35/max-ram-below-4g",
                    test_max_ram_below_4g_moves_the_hole);
    g_test_add_func("/q35/pmbase", test_pm_block_moves_with_pmbase);
    g_test_add_func("/q35/pm-timer", test_pm_timer_counts_the_virtual_clock);
    g_test_add_func("/q35/pm-overflow", test_pm_timer_overflow_raises_the_sci);
    g_test_add_func("/q35/power-button", test_power_button_raises_the_sci);
    g_test_add_func("/q35/sci-select", test_sci_follows_its_select_field);
    g_test_add_func("/q35/acpi-mode", test_acpi_mode_follows_the_command_port);
    g_test_add_func("/q35/gpe", test_gpe_status_is_cleared_by_ones);
    g_test_add_func("/q35/s5", test_s5_ends_the_emulator_with_status_0);
    g_test_add_func("/q35/cf9", test_port_cf9_resets);
    g_test_add_func("/q35/tco", test_watchdog_resets_after_two_periods);
    g_test_add_func("/q35/tco-reload", test_reload_keeps_the_watchdog_quiet);
    g_test_add_func("/q35/tco-no-reboot",
                    test_no_reboot_only_records_the_timeout);
    g_test_add_func("/q35/pirq", test_pin_of_slot_1_is_pirq_f);
    g_test_add_func("/q35/pirq-isa", test_pirq_register_routes_to_isa_too);
    g_test_add_func("/q35/intx-disable", test_intx_disable_takes_the_pin_down);
    g_test_add_func("/q35/smbus", test_nobody_answers_on_the_smbus);
    g_test_add_func("/q35/options", test_what_is_not_there_is_refused_by_name);
    return g_test_run();
}
