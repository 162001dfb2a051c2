/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers that break a ring's rules: whichever way, the device asks for a reset
 * (virtio 1.2, 2.1.2), leaves the ring alone, and works again after it.
 */
#include "util/osdep.h"

#include "tests/qtest/virtio-driver.h"

enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

typedef struct Rng {
    QTest *q;
    VDev *v;
    VRing *r;
    uint64_t buf;
} Rng;

typedef void Crime(Rng *s);

static void rng_start(Rng *s, uint64_t features)
{
    vdev_negotiate(s->v, features);
    s->r = vring_new(s->v, 0);
    vdev_driver_ok(s->v);
}

static void wait_needs_reset(Rng *s)
{
    int64_t start = g_get_monotonic_time();

    while (!(vdev_status(s->v) & VIRTIO_CONFIG_S_NEEDS_RESET)) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, 5000000);
        g_usleep(100);
    }
}

static void commit_and_recover(Crime *crime, uint64_t features)
{
    VSeg seg;
    Rng s;

    s.q = qtest_start("-machine q35 -device virtio-rng-pci,addr=4");
    s.v = vdev_open(s.q, 4, false);
    rng_start(&s, features);
    s.buf = vdev_alloc(s.v, 4096);
    seg = (VSeg){ s.buf, 16, true };
    vring_do(s.r, &seg, 1);
    vdev_isr(s.v);
    crime(&s);
    vring_kick(s.r);
    wait_needs_reset(&s);
    vdev_wait_isr(s.v, 2); /* told as a change of configuration */
    g_assert_false(vring_has_used(s.r));

    /* Nothing it says counts now, until the reset. */
    vring_kick(s.r);
    vdev_set_status(s.v, vdev_status(s.v) & ~VIRTIO_CONFIG_S_NEEDS_RESET);
    g_assert_true(vdev_status(s.v) & VIRTIO_CONFIG_S_NEEDS_RESET);
    g_free(s.r);
    rng_start(&s, 0);
    vring_do(s.r, &seg, 1);
    g_free(s.r);
    vdev_close(s.v);
    qtest_quit(s.q);
}

static void desc(Rng *s, unsigned i, uint64_t addr, uint32_t len,
                 uint16_t flags, uint16_t next)
{
    uint64_t at = s->r->desc + 16 * i;

    qtest_writeq(s->q, at, addr);
    qtest_writel(s->q, at + 8, len);
    qtest_writew(s->q, at + 12, flags);
    qtest_writew(s->q, at + 14, next);
}

static void offer(Rng *s, uint16_t head)
{
    VRing *r = s->r;

    qtest_writew(s->q, r->avail + 4 + 2 * (r->avail_idx % r->num), head);
    qtest_writew(s->q, r->avail + 2, ++r->avail_idx);
}

static void index_jumps(Rng *s)
{
    qtest_writew(s->q, s->r->avail + 2, s->r->avail_idx + s->r->num + 1);
}

static void head_is_outside(Rng *s)
{
    offer(s, s->r->num);
}

static void next_is_outside(Rng *s)
{
    desc(s, 0, s->buf, 16, WRITE | NEXT, s->r->num);
    offer(s, 0);
}

static void chain_is_a_loop(Rng *s)
{
    desc(s, 0, s->buf, 16, WRITE | NEXT, 1);
    desc(s, 1, s->buf, 16, WRITE | NEXT, 0);
    offer(s, 0);
}

static void order_is_wrong(Rng *s)
{
    desc(s, 0, s->buf, 16, WRITE | NEXT, 1);
    desc(s, 1, s->buf, 16, 0, 0);
    offer(s, 0);
}

static void buffer_is_no_memory(Rng *s)
{
    desc(s, 0, UINT64_C(1) << 60, 16, WRITE, 0);
    offer(s, 0);
}

static void buffer_wraps_around(Rng *s)
{
    desc(s, 0, UINT64_MAX - 8, 4096, WRITE, 0);
    offer(s, 0);
}

static void table_was_not_negotiated(Rng *s)
{
    desc(s, 0, s->buf, 32, INDIRECT, 0);
    offer(s, 0);
}

static void table_is_odd(Rng *s)
{
    desc(s, 0, s->buf, 17, INDIRECT, 0);
    offer(s, 0);
}

static void table_is_empty(Rng *s)
{
    desc(s, 0, s->buf, 0, INDIRECT, 0);
    offer(s, 0);
}

static void table_is_no_memory(Rng *s)
{
    desc(s, 0, UINT64_C(1) << 60, 32, INDIRECT, 0);
    offer(s, 0);
}

static void table_in_a_table(Rng *s)
{
    qtest_writeq(s->q, s->buf, s->buf);
    qtest_writel(s->q, s->buf + 8, 16);
    qtest_writew(s->q, s->buf + 12, INDIRECT);
    desc(s, 0, s->buf, 16, INDIRECT, 0);
    offer(s, 0);
}

static void table_leads_outside(Rng *s)
{
    qtest_writeq(s->q, s->buf, s->buf);
    qtest_writel(s->q, s->buf + 8, 16);
    qtest_writew(s->q, s->buf + 12, WRITE | NEXT);
    qtest_writew(s->q, s->buf + 14, 1);
    desc(s, 0, s->buf, 16, INDIRECT, 0);
    offer(s, 0);
}

static const struct {
    const char *path;
    Crime *crime;
    bool indirect;
} crimes[] = {
    { "/virtio-broken/index", index_jumps, false },
    { "/virtio-broken/head", head_is_outside, false },
    { "/virtio-broken/next", next_is_outside, false },
    { "/virtio-broken/loop", chain_is_a_loop, false },
    { "/virtio-broken/order", order_is_wrong, false },
    { "/virtio-broken/buffer", buffer_is_no_memory, false },
    { "/virtio-broken/wrap", buffer_wraps_around, false },
    { "/virtio-broken/indirect/unasked", table_was_not_negotiated, false },
    { "/virtio-broken/indirect/odd", table_is_odd, true },
    { "/virtio-broken/indirect/empty", table_is_empty, true },
    { "/virtio-broken/indirect/outside", table_is_no_memory, true },
    { "/virtio-broken/indirect/nested", table_in_a_table, true },
    { "/virtio-broken/indirect/next", table_leads_outside, true },
};

static void test_crime(const void *data)
{
    size_t i = GPOINTER_TO_SIZE(data);

    commit_and_recover(crimes[i].crime, crimes[i].indirect ? BIT(28) : 0);
}

/* Rings that are not in memory at all, or not aligned. */
static void ring_at(uint64_t desc_at)
{
    g_autoptr(QTest) q =
        qtest_start("-machine q35 -device virtio-rng-pci,addr=4");
    g_autoptr(VDev) v = vdev_open(q, 4, false);
    Rng s = { .q = q, .v = v };

    vdev_negotiate(v, 0);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_DESCLO, desc_at, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_DESCHI, desc_at >> 32, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_AVAILLO, 0x200000, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_USEDLO, 0x210000, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
    vdev_driver_ok(v);
    qtest_writew(q, 0x200002, 1);
    qtest_writew(q, v->mmio + v->notify, 0);
    wait_needs_reset(&s);
}

static void test_ring_outside_memory(void)
{
    ring_at(UINT64_C(1) << 60);
}

static void test_ring_off_its_alignment(void)
{
    ring_at(0x100008);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(crimes); i++) {
        g_test_add_data_func(crimes[i].path, GSIZE_TO_POINTER(i), test_crime);
    }
    g_test_add_func("/virtio-broken/ring/outside", test_ring_outside_memory);
    g_test_add_func("/virtio-broken/ring/alignment",
                    test_ring_off_its_alignment);
    return g_test_run();
}
