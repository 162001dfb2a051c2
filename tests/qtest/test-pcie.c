/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Root ports: windows, MSI-X, native hotplug; where functions may sit. */
#include "util/osdep.h"

#include "pci-access.h"

#define MCH    BDF(0, 0, 0)
#define PORT   BDF(0, 1, 0)
#define BEHIND BDF(1, 0, 0)

enum {
    EXP = 0x54, /* capabilities of the port */
    MSIX = 0x48,
    SLTCTL = EXP + PCI_EXP_SLTCTL,
    SLTSTA = EXP + PCI_EXP_SLTSTA,
    LNKSTA = EXP + PCI_EXP_LNKSTA,
    MSIX_BAR = 0xd0000000,
    MSG_AT = 0x8000,
    ON = PCI_EXP_SLTCTL_PWR_IND_ON | PCI_EXP_SLTCTL_PWR_ON,
    OFF = PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PWR_OFF,
};

#define RP "-device pcie-root-port,id=rp,chassis=1,addr=1 "

static QTest *start(const char *more)
{
    QTest *q = qtest_startf("-machine q35 " RP "%s", more);

    pci_writel(q, PORT, PCI_PRIMARY_BUS, 0x00010100);
    return q;
}

static void test_windows_forward_what_they_cover(void)
{
    g_autoptr(QTest) q = start("-device virtio-rng-pci,bus=rp");

    pci_writel(q, BEHIND, PCI_BASE_ADDRESS_1, 0xe0000000);
    pci_writew(q, BEHIND, PCI_COMMAND, PCI_COMMAND_MEMORY);
    g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, 0xffffffff);
    pci_writel(q, PORT, PCI_MEMORY_BASE, 0xe000e000);
    g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, 0xffffffff);
    pci_writew(q, PORT, PCI_COMMAND, PCI_COMMAND_MEMORY);
    g_assert_cmphex(qtest_readl(q, 0xe0000000), !=, 0xffffffff);
    pci_writel(q, PORT, PCI_MEMORY_BASE, 0x0000fff0);
    g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, 0xffffffff);
}

static void test_prefetchable_window_reaches_above_4g(void)
{
    g_autoptr(QTest) q = start("-device virtio-rng-pci,bus=rp");

    pci_writel(q, BEHIND, PCI_BASE_ADDRESS_4, 0);
    pci_writel(q, BEHIND, PCI_BASE_ADDRESS_5, 0x20);
    pci_writew(q, BEHIND, PCI_COMMAND, PCI_COMMAND_MEMORY);
    pci_writel(q, PORT, PCI_PREF_MEMORY_BASE, 0);
    pci_writel(q, PORT, PCI_PREF_BASE_UPPER32, 0x20);
    pci_writel(q, PORT, PCI_PREF_LIMIT_UPPER32, 0x20);
    pci_writew(q, PORT, PCI_COMMAND, PCI_COMMAND_MEMORY);
    /* num_queues of the common configuration */
    g_assert_cmphex(qtest_readw(q, 0x2000000012), ==, 1);
}

static void test_bus_reset_resets_what_is_behind(void)
{
    g_autoptr(QTest) q = start("-device virtio-rng-pci,bus=rp");

    pci_writel(q, BEHIND, PCI_BASE_ADDRESS_1, 0xe0000000);
    pci_writeb(q, PORT, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_BUS_RESET);
    g_assert_cmphex(pci_readl(q, BEHIND, PCI_BASE_ADDRESS_1), ==, 0);
}

/* MSI-X: events of the slot are vector 0. ------------------------------------------ */

static void set_up_msix(QTest *q, uint32_t control)
{
    pci_writel(q, PORT, PCI_BASE_ADDRESS_0, MSIX_BAR);
    pci_writew(q, PORT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    qtest_writel(q, MSIX_BAR, MSG_AT);
    qtest_writel(q, MSIX_BAR + 4, 0);
    qtest_writel(q, MSIX_BAR + 8, 0x4321);
    qtest_writel(q, MSIX_BAR + 12, control);
    pci_writew(q, PORT, MSIX + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
}

/* "Command completed" follows every write of slot control. */
static void cause_event(QTest *q)
{
    pci_writew(q, PORT, SLTSTA, PCI_EXP_SLTSTA_CC);
    pci_writew(q, PORT, SLTCTL,
               OFF | PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_CCIE);
}

static void test_msix_message_is_written_to_memory(void)
{
    g_autoptr(QTest) q = start("");

    set_up_msix(q, 0);
    cause_event(q);
    g_assert_cmphex(qtest_readl(q, MSG_AT), ==, 0x4321);
}

static void test_masked_vector_waits_as_pending(void)
{
    g_autoptr(QTest) q = start("");

    set_up_msix(q, 1);
    cause_event(q);
    g_assert_cmphex(qtest_readl(q, MSG_AT), ==, 0);
    g_assert_cmphex(qtest_readl(q, MSIX_BAR + 0x800), ==, 1);
    qtest_writel(q, MSIX_BAR + 12, 0);
    g_assert_cmphex(qtest_readl(q, MSG_AT), ==, 0x4321);
    g_assert_cmphex(qtest_readl(q, MSIX_BAR + 0x800), ==, 0);
}

static void test_masked_function_waits_as_pending(void)
{
    g_autoptr(QTest) q = start("");

    set_up_msix(q, 0);
    pci_writew(q, PORT, MSIX + PCI_MSIX_FLAGS,
               PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
    cause_event(q);
    g_assert_cmphex(qtest_readl(q, MSIX_BAR + 0x800), ==, 1);
    pci_writew(q, PORT, MSIX + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
    g_assert_cmphex(qtest_readl(q, MSG_AT), ==, 0x4321);
}

static void test_no_message_without_bus_mastering(void)
{
    g_autoptr(QTest) q = start("");

    set_up_msix(q, 0);
    pci_writew(q, PORT, PCI_COMMAND, PCI_COMMAND_MEMORY);
    cause_event(q);
    g_assert_cmphex(qtest_readl(q, MSG_AT), ==, 0);
}

static void test_pending_bits_are_read_only(void)
{
    g_autoptr(QTest) q = start("");

    set_up_msix(q, 1);
    qtest_writel(q, MSIX_BAR + 0x800, 0xffffffff);
    g_assert_cmphex(qtest_readl(q, MSIX_BAR + 0x800), ==, 0);
}

/* Native hotplug ----------------------------------------------------------------------- */

static void test_cold_plugged_slot_is_on(void)
{
    g_autoptr(QTest) q = start("-device virtio-rng-pci,bus=rp");

    g_assert_cmphex(pci_readw(q, PORT, SLTSTA), ==, PCI_EXP_SLTSTA_PDS);
    g_assert_cmphex(pci_readw(q, PORT, SLTCTL), ==,
                    PCI_EXP_SLTCTL_ATTN_IND_OFF | ON);
    g_assert_cmphex(pci_readw(q, PORT, LNKSTA), ==,
                    PCI_EXP_LNKSTA_DLLLA | 0x11);
}

static void plug(QTest *q)
{
    qtest_qmp_ok(q, "{'execute': 'device_add', 'arguments': {'driver': "
                    "'virtio-rng-pci', 'bus': 'rp', 'id': 'rng'}}");
}

static void test_plugged_device_appears_when_powered(void)
{
    g_autoptr(QTest) q = start("");

    g_assert_cmphex(pci_readw(q, PORT, SLTSTA), ==, 0);
    plug(q);
    g_assert_cmphex(pci_readw(q, PORT, SLTSTA), ==,
                    PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDC |
                        PCI_EXP_SLTSTA_PDS);
    g_assert_cmphex(pci_readl(q, BEHIND, 0), ==, 0xffffffff);
    pci_writew(q, PORT, SLTCTL, ON);
    g_assert_cmphex(pci_readl(q, BEHIND, 0), ==, 0x10441af4);
}

static void test_unplug_waits_for_the_guest_to_power_off(void)
{
    g_autoptr(QTest) q = start("-device virtio-rng-pci,bus=rp,id=rng");
    QDict *event;

    qtest_qmp_ok(q, "{'execute': 'device_del', 'arguments': {'id': 'rng'}}");
    g_assert_cmphex(pci_readw(q, PORT, SLTSTA) & PCI_EXP_SLTSTA_ABP, ==,
                    PCI_EXP_SLTSTA_ABP);
    g_assert_false(qtest_has_event(q, "DEVICE_DELETED"));
    pci_writew(q, PORT, SLTCTL,
               PCI_EXP_SLTCTL_PWR_IND_BLINK | PCI_EXP_SLTCTL_PWR_ON);
    g_assert_cmphex(pci_readl(q, BEHIND, 0), ==, 0x10441af4);
    pci_writew(q, PORT, SLTCTL, OFF);
    event = qtest_wait_event(q, "DEVICE_DELETED");
    qobject_unref(event);
    g_assert_cmphex(pci_readl(q, BEHIND, 0), ==, 0xffffffff);
    g_assert_cmphex(pci_readw(q, PORT, SLTSTA) & PCI_EXP_SLTSTA_PDS, ==, 0);
    g_assert_cmphex(pci_readw(q, PORT, LNKSTA) & PCI_EXP_LNKSTA_DLLLA, ==, 0);
}

static void test_unplug_from_a_slot_without_power_is_immediate(void)
{
    g_autoptr(QTest) q = start("");

    plug(q);
    qtest_qmp_ok(q, "{'execute': 'device_del', 'arguments': {'id': 'rng'}}");
    qobject_unref(qtest_wait_event(q, "DEVICE_DELETED"));
    g_assert_cmphex(pci_readw(q, PORT, SLTSTA) & PCI_EXP_SLTSTA_PDS, ==, 0);
    plug(q); /* and the slot can be used again */
}

static void test_slot_without_hotplug_refuses(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 "
                    "-device pcie-root-port,id=rp,chassis=1,hotplug=off");
    g_autofree char *text = qtest_qmp_error(
        q, "GenericError",
        "{'execute': 'device_add', 'arguments': {'driver': 'virtio-rng-pci', "
        "'bus': 'rp'}}");

    g_assert_nonnull(strstr(text, "does not support hotplugging"));
}

static void test_root_bus_refuses_hotplug(void)
{
    g_autoptr(QTest) q = start("");
    g_autofree char *text = qtest_qmp_error(
        q, "GenericError",
        "{'execute': 'device_add', 'arguments': {'driver': 'virtio-rng-pci', "
        "'bus': 'pcie.0'}}");

    g_assert_nonnull(strstr(text, "does not support hotplugging"));
}

static void test_interlock_refuses_plugging(void)
{
    g_autoptr(QTest) q = start("");
    g_autofree char *text = NULL;

    pci_writew(q, PORT, SLTCTL, OFF | PCI_EXP_SLTCTL_EIC);
    g_assert_cmphex(pci_readw(q, PORT, SLTSTA) & PCI_EXP_SLTSTA_EIS, ==,
                    PCI_EXP_SLTSTA_EIS);
    text = qtest_qmp_error(
        q, "GenericError",
        "{'execute': 'device_add', 'arguments': {'driver': 'virtio-rng-pci', "
        "'bus': 'rp'}}");
    g_assert_nonnull(strstr(text, "locked"));
}

/* Places ----------------------------------------------------------------------------------- */

static void refuses(const char *args, const char *text)
{
    g_autofree char *all = g_strdup_printf(
        "-accel qtest -machine q35 -display none -nodefaults %s", args);
    g_autofree char *err = NULL;

    g_assert_cmpint(qtest_run(all, NULL, &err), ==, 1);
    g_assert_nonnull(strstr(err, text));
}

static void test_impossible_places_are_refused(void)
{
    refuses("-device virtio-rng-pci,addr=0x1f", "in use by ICH9-LPC");
    refuses("-device virtio-rng-pci,addr=20", "addr");
    refuses("-device virtio-rng-pci,addr=3.8", "addr");
    refuses("-device virtio-rng-pci,addr=3 -device virtio-rng-pci,addr=3.1",
            "not multifunction");
    refuses("-device virtio-rng-pci,addr=3.1 -device virtio-rng-pci,addr=3",
            "must be multifunction");
    refuses(RP "-device virtio-rng-pci,bus=rp,addr=1", "only slot 0");
    refuses(RP "-device virtio-rng-pci,bus=rp -device virtio-rng-pci,bus=rp",
            "all in use");
    refuses(RP "-device pcie-root-port,chassis=1", "chassis");
    refuses(RP "-device pcie-root-port,chassis=2,bus=rp", "root bus");
    refuses("-device virtio-rng-pci,romfile=/nonexistent", "/nonexistent");
    refuses("-device virtio-rng-pci,romsize=3000", "romsize");
    refuses("-device virtio-rng-pci,acpi-index=1", "acpi-index");
    refuses("-device virtio-rng-pci,failover_pair_id=x", "failover_pair_id");
    refuses("-device mch", "mch");
}

static void test_functions_share_a_slot_with_multifunction(void)
{
    g_autoptr(QTest) q = qtest_start(
        "-machine q35 -device virtio-rng-pci,addr=3,multifunction=on "
        "-device virtio-rng-pci,addr=0x3.0x7");

    g_assert_cmphex(pci_readb(q, BDF(0, 3, 0), PCI_HEADER_TYPE), ==, 0x80);
    g_assert_cmphex(pci_readl(q, BDF(0, 3, 7), 0), ==, 0x10051af4);
}

static void test_rom_shows_the_file_padded_with_ones(void)
{
    g_autofree char *path = NULL;
    g_autoptr(QTest) q = NULL;
    int fd = g_file_open_tmp("nemu-rom-XXXXXX", &path, NULL);

    g_assert_cmpint(write(fd, "\x55\xaa\x05rom", 6), ==, 6);
    close(fd);
    q = qtest_startf("-machine q35 -device virtio-rng-pci,addr=3,romfile=%s",
                     path);
    unlink(path);
    pci_writel(q, BDF(0, 3, 0), PCI_ROM_ADDRESS, 0xffffffff);
    g_assert_cmphex(pci_readl(q, BDF(0, 3, 0), PCI_ROM_ADDRESS), ==,
                    0xfffff801);
    pci_writel(q, BDF(0, 3, 0), PCI_ROM_ADDRESS, 0xd0000000);
    pci_writew(q, BDF(0, 3, 0), PCI_COMMAND, PCI_COMMAND_MEMORY);
    g_assert_cmphex(qtest_readl(q, 0xd0000000), ==, 0xffffffff);
    pci_writel(q, BDF(0, 3, 0), PCI_ROM_ADDRESS, 0xd0000001);
    g_assert_cmphex(qtest_readl(q, 0xd0000000), ==, 0x7205aa55);
    g_assert_cmphex(qtest_readl(q, 0xd00007fc), ==, 0xffffffff);
    qtest_writel(q, 0xd0000000, 0);
    g_assert_cmphex(qtest_readl(q, 0xd0000000), ==, 0x7205aa55);
}

/* Queries --------------------------------------------------------------------------------- */

static void test_query_pci_shows_what_is_behind_numbered_bridges(void)
{
    g_autoptr(QTest) q = start("-device virtio-rng-pci,bus=rp,id=rng");
    g_autofree char *text = qtest_hmp(q, "info pci");

    g_assert_nonnull(strstr(text, "Bus  1, device   0, function 0:"));
    g_assert_nonnull(strstr(text, "id \"rng\""));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pcie/windows", test_windows_forward_what_they_cover);
    g_test_add_func("/pcie/pref-window",
                    test_prefetchable_window_reaches_above_4g);
    g_test_add_func("/pcie/bus-reset", test_bus_reset_resets_what_is_behind);
    g_test_add_func("/pcie/msix", test_msix_message_is_written_to_memory);
    g_test_add_func("/pcie/msix-mask", test_masked_vector_waits_as_pending);
    g_test_add_func("/pcie/msix-mask-all",
                    test_masked_function_waits_as_pending);
    g_test_add_func("/pcie/msix-no-master",
                    test_no_message_without_bus_mastering);
    g_test_add_func("/pcie/msix-pba", test_pending_bits_are_read_only);
    g_test_add_func("/pcie/cold-plug", test_cold_plugged_slot_is_on);
    g_test_add_func("/pcie/plug", test_plugged_device_appears_when_powered);
    g_test_add_func("/pcie/unplug",
                    test_unplug_waits_for_the_guest_to_power_off);
    g_test_add_func("/pcie/unplug-off",
                    test_unplug_from_a_slot_without_power_is_immediate);
    g_test_add_func("/pcie/no-hotplug", test_slot_without_hotplug_refuses);
    g_test_add_func("/pcie/root-no-hotplug", test_root_bus_refuses_hotplug);
    g_test_add_func("/pcie/interlock", test_interlock_refuses_plugging);
    g_test_add_func("/pcie/places", test_impossible_places_are_refused);
    g_test_add_func("/pcie/multifunction",
                    test_functions_share_a_slot_with_multifunction);
    g_test_add_func("/pcie/rom", test_rom_shows_the_file_padded_with_ones);
    g_test_add_func("/pcie/query",
                    test_query_pci_shows_what_is_behind_numbered_bridges);
    return g_test_run();
}
