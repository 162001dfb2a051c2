/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-rng: entropy from both backends, the rate limit, the PCI functions. */
#include "util/osdep.h"

#include "tests/qtest/virtio-driver.h"

static void assert_random(QTest *q, uint64_t at, size_t len)
{
    g_autofree uint8_t *buf = g_malloc(len);
    bool any = false;

    qtest_memread(q, at, buf, len);
    for (size_t i = 0; i < len; i++) {
        any |= buf[i];
    }
    g_assert_true(any);
}

static void fill_some(QTest *q, bool legacy)
{
    g_autoptr(VDev) v = vdev_open(q, 4, legacy);
    g_autofree VRing *r = NULL;
    VSeg seg = { vdev_alloc(v, 64), 64, true };

    vdev_negotiate(v, 0);
    r = vring_new(v, 0);
    vdev_driver_ok(v);
    for (int i = 0; i < 20; i++) {
        uint32_t len;

        qtest_memset(q, seg.addr, 0, 64);
        len = vring_do(r, &seg, 1);
        g_assert_cmpuint(len, >, 0);
        g_assert_cmpuint(len, <=, 64);
        assert_random(q, seg.addr, len);
    }
    vdev_wait_isr(v, 1);
}

static void test_builtin_backend_fills_buffers(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4");

    fill_some(q, false);
}

static void test_file_backend_fills_buffers_of_legacy_driver(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4,rng=r0 "
                    "-object rng-random,id=r0,filename=/dev/urandom");

    fill_some(q, true);
}

static void test_without_ioeventfd(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4,ioeventfd=off");

    fill_some(q, false);
}

static void test_rate_limit_waits_for_the_period(void)
{
    g_autoptr(QTest) q = qtest_start("-machine q35 -device virtio-rng-pci,"
                                     "addr=4,max-bytes=16,period=1000");
    g_autoptr(VDev) v = vdev_open(q, 4, false);
    g_autofree VRing *r = NULL;
    VSeg seg = { vdev_alloc(v, 64), 64, true };

    vdev_negotiate(v, 0);
    r = vring_new(v, 0);
    vdev_driver_ok(v);
    g_assert_cmpuint(vring_do(r, &seg, 1), ==, 16);
    vring_add(r, &seg, 1);
    vring_kick(r);
    g_usleep(20000);
    g_assert_false(vring_has_used(r));
    qtest_clock_step(q, 1100 * 1000 * 1000LL);
    vring_wait(r, NULL);
}

static void assert_ids(const char *type, uint32_t id, uint32_t subsystem,
                       uint8_t revision)
{
    g_autoptr(QTest) q = qtest_startf("-machine q35 -device %s,addr=4", type);

    g_assert_cmphex(pci_read(q, 4, 0), ==, id);
    g_assert_cmphex(pci_read(q, 4, 0x2c), ==, subsystem);
    g_assert_cmphex(pci_read8(q, 4, 8), ==, revision);
}

static void test_ids_tell_the_variants(void)
{
    assert_ids("virtio-rng-pci", 0x10051af4, 0x00041af4, 0);
    assert_ids("virtio-rng-pci-transitional", 0x10051af4, 0x00041af4, 0);
    assert_ids("virtio-rng-pci-non-transitional", 0x10441af4, 0x11001af4, 1);
    assert_ids("virtio-rng-pci,disable-legacy=on", 0x10441af4, 0x11001af4, 1);
    assert_ids("virtio-rng-pci,disable-modern=on", 0x10051af4, 0x00041af4, 0);
}

/* The capability list as QEMU 7.2 has it. */
static void test_capabilities_are_where_they_were(void)
{
    static const uint32_t caps[] = {
        0x01100009, 0x00000004, 0x00000000, 0x00001000, /* 0x40 common */
        0x03104009, 0x00000004, 0x00001000, 0x00001000, /* 0x50 isr */
        0x04105009, 0x00000004, 0x00002000, 0x00001000, /* 0x60 device */
        0x02146009, 0x00000004, 0x00003000, 0x00001000, /* 0x70 notify */
        0x00000004, 0x05147009, 0x00000000, 0x00000000, /* 0x84 window */
        0x00000000, 0x00000000, 0x00018411, 0x00000001, /* 0x98 MSI-X */
        0x00000801,
    };
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4");

    g_assert_cmphex(pci_read8(q, 4, 0x34), ==, 0x98);
    for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
        g_assert_cmphex(pci_read(q, 4, 0x40 + 4 * i), ==, caps[i]);
    }
}

static void test_window_reaches_the_bar(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4");
    g_autoptr(VDev) v = vdev_open(q, 4, false);

    pci_write(q, 4, 0x88, 4); /* BAR 4 */
    pci_write(q, 4, 0x8c, VIRTIO_PCI_COMMON_STATUS);
    pci_write(q, 4, 0x90, 1);
    pci_write(q, 4, 0x94, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    g_assert_cmphex(vdev_status(v), ==, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    g_assert_cmphex(pci_read(q, 4, 0x94) & 0xff, ==,
                    VIRTIO_CONFIG_S_ACKNOWLEDGE);
    pci_write(q, 4, 0x8c, 0x7fffffff); /* nothing there */
    pci_write(q, 4, 0x94, 1);
    pci_read(q, 4, 0x94);
}

static void test_masked_vector_becomes_pending(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4");
    g_autoptr(VDev) v = vdev_open(q, 4, false);
    g_autofree VRing *r = NULL;
    VSeg seg = { vdev_alloc(v, 64), 64, true };
    int64_t start = g_get_monotonic_time();

    pci_write(q, 4, 0x98, 0x80010000 | pci_read(q, 4, 0x98)); /* enable */
    qtest_writel(q, v->msix + 16 + 12, 1);                    /* masked */
    vdev_negotiate(v, 0);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
    g_assert_cmpuint(vdev_common_read(v, VIRTIO_PCI_COMMON_Q_MSIX, 2), ==, 1);
    r = vring_new(v, 0);
    vdev_driver_ok(v);
    vring_do(r, &seg, 1);
    while (qtest_readl(q, v->msix + 0x800) != 2) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, 5000000);
    }
    qtest_writel(q, v->msix + 16 + 12, 0); /* delivered now */
    g_assert_cmphex(qtest_readl(q, v->msix + 0x800), ==, 0);
    qtest_writel(q, v->msix + 16 + 12, 1);
    g_assert_cmphex(qtest_readl(q, v->msix + 0x800), ==, 0);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_MSIX, 7, 2);
    g_assert_cmphex(vdev_common_read(v, VIRTIO_PCI_COMMON_Q_MSIX, 2), ==,
                    VIRTIO_MSI_NO_VECTOR);
}

static void test_broken_ring_asks_for_reset(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4");
    g_autoptr(VDev) v = vdev_open(q, 4, false);
    g_autofree VRing *r = NULL, *again = NULL;
    VSeg seg = { UINT64_MAX - 4096, 64, true };
    int64_t start = g_get_monotonic_time();

    vdev_negotiate(v, 0);
    r = vring_new(v, 0);
    vdev_driver_ok(v);
    vring_add(r, &seg, 1);
    vring_kick(r);
    while (!(vdev_status(v) & VIRTIO_CONFIG_S_NEEDS_RESET)) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, 5000000);
    }
    seg.addr = vdev_alloc(v, 64);
    vdev_negotiate(v, 0);
    again = vring_new(v, 0);
    vdev_driver_ok(v);
    vring_do(again, &seg, 1);
}

static void test_queue_reset_starts_the_ring_over(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4");
    g_autoptr(VDev) v = vdev_open(q, 4, false);
    g_autofree VRing *r = NULL, *again = NULL;
    VSeg seg = { vdev_alloc(v, 64), 64, true };

    vdev_negotiate(v, BIT(VIRTIO_F_RING_RESET));
    g_assert_true(v->features & BIT(VIRTIO_F_RING_RESET));
    r = vring_new(v, 0);
    vdev_driver_ok(v);
    vring_do(r, &seg, 1);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
    vdev_common_write(v, 58, 1, 2);
    g_assert_cmpuint(vdev_common_read(v, 58, 2), ==, 0);
    g_assert_cmpuint(vdev_common_read(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2), ==, 0);
    again = vring_new(v, 0);
    vring_do(again, &seg, 1);
}

static void test_unknown_features_are_not_accepted(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4");
    g_autoptr(VDev) v = vdev_open(q, 4, false);

    g_assert_true(vdev_offered(v) & BIT(VIRTIO_F_VERSION_1));
    g_assert_false(vdev_offered(v) & BIT(VIRTIO_F_NOTIFY_ON_EMPTY));
    vdev_set_status(v, 3);
    vdev_common_write(v, VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_GF, 1, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_GF, 1, 4);
    vdev_set_status(v, 11);
    g_assert_cmphex(vdev_status(v), ==, 3);
}

static void test_stop_and_cont_keep_requests(void)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4");
    g_autoptr(VDev) v = vdev_open(q, 4, false);
    g_autofree VRing *r = NULL;
    VSeg seg = { vdev_alloc(v, 64), 64, true };

    vdev_negotiate(v, 0);
    r = vring_new(v, 0);
    vdev_driver_ok(v);
    vring_do(r, &seg, 1);
    qtest_qmp_ok(q, "{'execute': 'stop'}");
    vring_add(r, &seg, 1);
    vring_kick(r);
    g_usleep(20000);
    g_assert_false(vring_has_used(r));
    qtest_qmp_ok(q, "{'execute': 'cont'}");
    vring_wait(r, NULL);
}

static void test_bad_property_is_named(void)
{
    g_autofree char *err = NULL;

    g_assert_cmpint(qtest_run("-machine q35,accel=qtest -display none "
                              "-nodefaults -device virtio-rng-pci,period=0",
                              NULL, &err),
                    ==, 1);
    g_assert_nonnull(strstr(err, "period"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vdev_add_test("/virtio-rng/builtin", test_builtin_backend_fills_buffers);
    g_test_add_func("/virtio-rng/file-legacy",
                    test_file_backend_fills_buffers_of_legacy_driver);
    vdev_add_test("/virtio-rng/no-ioeventfd", test_without_ioeventfd);
    vdev_add_test("/virtio-rng/rate-limit",
                  test_rate_limit_waits_for_the_period);
    vdev_add_test("/virtio-rng/stop-cont", test_stop_and_cont_keep_requests);
    g_test_add_func("/virtio-rng/bad-property", test_bad_property_is_named);
    g_test_add_func("/virtio-pci/ids", test_ids_tell_the_variants);
    g_test_add_func("/virtio-pci/capabilities",
                    test_capabilities_are_where_they_were);
    g_test_add_func("/virtio-pci/window", test_window_reaches_the_bar);
    vdev_add_test("/virtio-pci/msix-mask", test_masked_vector_becomes_pending);
    vdev_add_test("/virtio-pci/needs-reset", test_broken_ring_asks_for_reset);
    vdev_add_test("/virtio-pci/queue-reset",
                  test_queue_reset_starts_the_ring_over);
    g_test_add_func("/virtio-pci/unknown-features",
                    test_unknown_features_are_not_accepted);
    return g_test_run();
}
