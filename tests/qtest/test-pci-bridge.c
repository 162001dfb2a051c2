/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The conventional bridge and its standard hot-plug controller. */
#include "util/osdep.h"

#include "pci-access.h"

#define BRIDGE BDF(0, 2, 0)

enum {
    REGS = 0xd0000000,
    COMMAND = REGS + 0x14,
    STATUS = REGS + 0x16,
    LOCATOR = REGS + 0x18,
    SERR_INT = REGS + 0x20,
    EMPTY = 0x7f000d0f,
    MSG_AT = 0x9000,
};

static uint64_t slot_reg(unsigned slot)
{
    return REGS + 0x24 + 4 * (slot - 1);
}

static QTest *start_bridge(const char *bridge, const char *more)
{
    QTest *q =
        qtest_startf("-machine q35 -device %s,id=br,addr=2 %s", bridge, more);

    pci_writel(q, BRIDGE, PCI_PRIMARY_BUS, 0x00010100);
    pci_writel(q, BRIDGE, PCI_BASE_ADDRESS_0, REGS);
    pci_writew(q, BRIDGE, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    return q;
}

static QTest *start(const char *more)
{
    return start_bridge("pci-bridge,chassis_nr=1", more);
}

static void plug(QTest *q)
{
    qtest_qmp_ok(q, "{'execute': 'device_add', 'arguments': {'driver': "
                    "'virtio-rng-pci', 'bus': 'br', 'id': 'rng', "
                    "'addr': '5'}}");
}

/* Set Slot Operation with target 5. */
static void slot_command(QTest *q, uint8_t op)
{
    qtest_writew(q, COMMAND, 5 << 8 | op);
}

static void test_slots_show_what_is_in_them(void)
{
    g_autoptr(QTest) q = start("-device virtio-rng-pci,bus=br,addr=3");

    g_assert_cmphex(qtest_readl(q, slot_reg(2)), ==, EMPTY);
    g_assert_cmphex(qtest_readl(q, slot_reg(3)), ==, 0x7f000006);
    g_assert_cmphex(pci_readl(q, BDF(1, 3, 0), 0), ==, 0x10051af4);
}

static void test_registers_are_reached_by_the_capability(void)
{
    g_autoptr(QTest) q = start("");
    uint8_t cap = pci_find_cap(q, BRIDGE, PCI_CAP_ID_SHPC);

    pci_writeb(q, BRIDGE, cap + 2, 3);
    g_assert_cmphex(pci_readl(q, BRIDGE, cap + 4), ==, 0xe001011f);
    pci_writeb(q, BRIDGE, cap + 2, 0xff); /* beyond the last */
    g_assert_cmphex(pci_readl(q, BRIDGE, cap + 4), ==, 0);
    pci_writel(q, BRIDGE, cap + 4, 0xffffffff);
}

static void test_command_of_no_slot_is_invalid(void)
{
    g_autoptr(QTest) q = start("");

    qtest_writew(q, COMMAND, 0 << 8 | 2);
    g_assert_cmphex(qtest_readw(q, STATUS), ==, 4);
    qtest_writew(q, COMMAND, 1 << 8 | 2); /* its latch is open */
    g_assert_cmphex(qtest_readw(q, STATUS), ==, 2);
    qtest_writew(q, COMMAND, 0x7f);
    g_assert_cmphex(qtest_readw(q, STATUS), ==, 4);
}

static void test_plugging_presses_the_button(void)
{
    g_autoptr(QTest) q = start("");

    plug(q);
    g_assert_cmphex(qtest_readl(q, slot_reg(5)), ==, 0x7f0d000f);
    slot_command(q, 0x06); /* enable, power indicator on */
    g_assert_cmphex(qtest_readw(q, STATUS), ==, 0);
    g_assert_cmphex(qtest_readl(q, slot_reg(5)), ==, 0x7f0d0006);
    qtest_writel(q, slot_reg(5), 0x7f1f0000);
    g_assert_cmphex(qtest_readl(q, slot_reg(5)), ==, 0x7f000006);
    g_assert_cmphex(pci_readl(q, BDF(1, 5, 0), 0), ==, 0x10051af4);
}

static void test_unplugging_waits_for_the_guest(void)
{
    g_autoptr(QTest) q = start("-device virtio-rng-pci,bus=br,addr=5,id=rng");

    qtest_qmp_ok(q, "{'execute': 'device_del', 'arguments': {'id': 'rng'}}");
    g_assert_cmphex(qtest_readl(q, slot_reg(5)) & 0x40000, ==, 0x40000);
    g_assert_false(qtest_has_event(q, "DEVICE_DELETED"));
    slot_command(q, 0x0f); /* disable, power indicator off */
    qobject_unref(qtest_wait_event(q, "DEVICE_DELETED"));
    g_assert_cmphex(qtest_readl(q, slot_reg(5)) & 0xffff, ==, EMPTY & 0xffff);
    g_assert_cmphex(pci_readl(q, BDF(1, 5, 0), 0), ==, 0xffffffff);
}

static void test_events_signal_by_msi_when_unmasked(void)
{
    g_autoptr(QTest) q = start("");
    uint8_t msi = pci_find_cap(q, BRIDGE, PCI_CAP_ID_MSI);

    pci_writel(q, BRIDGE, msi + PCI_MSI_ADDRESS_LO, MSG_AT);
    pci_writew(q, BRIDGE, msi + PCI_MSI_DATA_64, 0x99);
    pci_writew(q, BRIDGE, msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
    qtest_writeb(q, SERR_INT, 0); /* all on */
    plug(q);
    g_assert_cmphex(qtest_readl(q, MSG_AT), ==, 0);
    qtest_writel(q, slot_reg(5), 0);
    g_assert_cmphex(qtest_readl(q, LOCATOR), ==, 1 << 5);
    g_assert_cmphex(qtest_readl(q, MSG_AT), ==, 0x99);
}

static void test_masked_msi_is_pending_until_unmasked(void)
{
    g_autoptr(QTest) q = start("");
    uint8_t msi = pci_find_cap(q, BRIDGE, PCI_CAP_ID_MSI);

    pci_writel(q, BRIDGE, msi + PCI_MSI_ADDRESS_LO, MSG_AT);
    pci_writew(q, BRIDGE, msi + PCI_MSI_DATA_64, 0x99);
    pci_writel(q, BRIDGE, msi + PCI_MSI_MASK_64, 1);
    pci_writew(q, BRIDGE, msi + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE);
    qtest_writeb(q, SERR_INT, 0);
    slot_command(q, 0x0f); /* "command completed" */
    g_assert_cmphex(qtest_readl(q, MSG_AT), ==, 0);
    g_assert_cmphex(pci_readl(q, BRIDGE, msi + PCI_MSI_PENDING_64), ==, 1);
    pci_writel(q, BRIDGE, msi + PCI_MSI_MASK_64, 0);
    g_assert_cmphex(qtest_readl(q, MSG_AT), ==, 0x99);
}

static void test_events_raise_the_pin_without_msi(void)
{
    g_autoptr(QTest) q = start("");

    qtest_irq_intercept_in(q, "/machine/q35/ioapic");
    qtest_writeb(q, SERR_INT, 0);
    slot_command(q, 0x0f);
    g_assert_true(qtest_irq(q, 22)); /* slot 2, pin A: PIRQ G */
    qtest_writel(q, SERR_INT, 0x10000);
    g_assert_false(qtest_irq(q, 22));
}

static void test_pins_turn_at_the_bridge(void)
{
    /* A port's pin cannot be behind a conventional bridge, so: the bridge in
     * a bridge at slot 1 has its pin A at slot 1, which is pin B of slot 2. */
    g_autoptr(QTest) q = start("-device pci-bridge,bus=br,chassis_nr=2,addr=1");

    pci_writel(q, BRIDGE, PCI_PRIMARY_BUS, 0x00020100);
    pci_writel(q, BRIDGE, PCI_MEMORY_BASE, 0xe000e000);
    pci_writel(q, BDF(1, 1, 0), PCI_BASE_ADDRESS_0, 0xe0000000);
    pci_writew(q, BDF(1, 1, 0), PCI_COMMAND, PCI_COMMAND_MEMORY);
    qtest_irq_intercept_in(q, "/machine/q35/ioapic");
    qtest_writeb(q, 0xe0000020, 0);
    qtest_writew(q, 0xe0000014, 5 << 8 | 0x0f);
    g_assert_true(qtest_irq(q, 23)); /* PIRQ H */
}

/* The same controller behind a PCI Express bridge. */
static void test_express_bridge_has_slots(void)
{
    g_autoptr(QTest) q = start_bridge("pcie-pci-bridge", "");
    uint8_t cap = pci_find_cap(q, BRIDGE, PCI_CAP_ID_EXP);

    g_assert_cmphex(pci_readw(q, BRIDGE, cap + PCI_EXP_FLAGS) >> 4 & 0xf, ==,
                    PCI_EXP_TYPE_PCI_BRIDGE);
    g_assert_cmphex(pci_find_cap(q, BRIDGE, PCI_CAP_ID_MSI), !=, 0);
    plug(q);
    g_assert_cmphex(qtest_readl(q, slot_reg(5)), ==, 0x7f0d000f);
    slot_command(q, 0x06);
    g_assert_cmphex(pci_readl(q, BDF(1, 5, 0), 0), ==, 0x10051af4);
    qtest_qmp_ok(q, "{'execute': 'device_del', 'arguments': {'id': 'rng'}}");
    qtest_writel(q, slot_reg(5), 0x7f1f0000); /* the button at plugging */
    slot_command(q, 0x0f);
    qobject_unref(qtest_wait_event(q, "DEVICE_DELETED"));
    g_assert_cmphex(pci_readl(q, BDF(1, 5, 0), 0), ==, 0xffffffff);
}

static void test_express_bridge_without_msi(void)
{
    g_autoptr(QTest) q = start_bridge("pcie-pci-bridge,msi=off", "");

    g_assert_cmphex(pci_find_cap(q, BRIDGE, PCI_CAP_ID_MSI), ==, 0);
}

/* It can be plugged itself, and goes with what is behind it. */
static void test_express_bridge_is_plugged_and_unplugged(void)
{
    g_autoptr(QTest) q = qtest_start("-machine q35 -device "
                                     "pcie-root-port,id=rp,chassis=1");

    qtest_qmp_ok(q, "{'execute': 'device_add', 'arguments': {'driver': "
                    "'pcie-pci-bridge', 'bus': 'rp', 'id': 'br'}}");
    qtest_qmp_ok(q, "{'execute': 'device_add', 'arguments': {'driver': "
                    "'virtio-rng-pci', 'bus': 'br', 'id': 'rng', "
                    "'addr': '1'}}");
    qtest_qmp_ok(q, "{'execute': 'device_del', 'arguments': {'id': 'br'}}");
    pci_writew(q, BDF(0, 1, 0),
               pci_find_cap(q, BDF(0, 1, 0), PCI_CAP_ID_EXP) + PCI_EXP_SLTCTL,
               PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_ON);
    pci_writew(q, BDF(0, 1, 0),
               pci_find_cap(q, BDF(0, 1, 0), PCI_CAP_ID_EXP) + PCI_EXP_SLTCTL,
               PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF);
    qobject_unref(qtest_wait_event(q, "DEVICE_DELETED"));
}

static void test_wrong_options_are_refused(void)
{
    static const struct {
        const char *args, *text;
    } bad[] = {
        { "-device pci-bridge", "chassis" },
        { "-device pci-bridge,chassis_nr=1,msi=on,shpc=off", "msi=on" },
        { "-device pci-bridge,id=b,chassis_nr=1 "
          "-device virtio-rng-pci,bus=b,addr=0",
          "slot 0" },
        { "-device pci-bridge,chassis_nr=1,pref32-reserve=1M,pref64-reserve=1M",
          "exclude" },
        { "-device pcie-root-port,id=port", "id 'port'" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autofree char *all = g_strdup_printf(
            "-accel qtest -machine q35 -display none -nodefaults %s",
            bad[i].args);
        g_autofree char *err = NULL;

        g_assert_cmpint(qtest_run(all, NULL, &err), ==, 1);
        g_assert_nonnull(strstr(err, bad[i].text));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci-bridge/slots", test_slots_show_what_is_in_them);
    g_test_add_func("/pci-bridge/capability",
                    test_registers_are_reached_by_the_capability);
    g_test_add_func("/pci-bridge/bad-command",
                    test_command_of_no_slot_is_invalid);
    g_test_add_func("/pci-bridge/plug", test_plugging_presses_the_button);
    g_test_add_func("/pci-bridge/unplug", test_unplugging_waits_for_the_guest);
    g_test_add_func("/pci-bridge/msi", test_events_signal_by_msi_when_unmasked);
    g_test_add_func("/pci-bridge/msi-mask",
                    test_masked_msi_is_pending_until_unmasked);
    g_test_add_func("/pci-bridge/pin", test_events_raise_the_pin_without_msi);
    g_test_add_func("/pci-bridge/swizzle", test_pins_turn_at_the_bridge);
    g_test_add_func("/pci-bridge/express", test_express_bridge_has_slots);
    g_test_add_func("/pci-bridge/express-no-msi",
                    test_express_bridge_without_msi);
    g_test_add_func("/pci-bridge/express-unplug",
                    test_express_bridge_is_plugged_and_unplugged);
    g_test_add_func("/pci-bridge/options", test_wrong_options_are_refused);
    return g_test_run();
}
