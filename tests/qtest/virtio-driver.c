/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See virtio-driver.h. Virtio 1.2, 2.6 and 4.1. */
#include "util/osdep.h"

#include <linux/pci_regs.h>

#include "tests/qtest/virtio-driver.h"

#define MEMORY_START (1 * MiB)
#define WAIT_SECONDS 10

/* Packed rings in this test; for the device, see test_packed(). */
static bool want_packed;

/* Configuration space ---------------------------------------------------- */

static void pci_select(QTest *q, unsigned slot, unsigned off)
{
    qtest_outl(q, 0xcf8, 0x80000000u | slot << 11 | (off & 0xfc));
}

uint32_t pci_read(QTest *q, unsigned slot, unsigned off)
{
    pci_select(q, slot, off);
    return qtest_inl(q, 0xcfc);
}

void pci_write(QTest *q, unsigned slot, unsigned off, uint32_t v)
{
    pci_select(q, slot, off);
    qtest_outl(q, 0xcfc, v);
}

uint8_t pci_read8(QTest *q, unsigned slot, unsigned off)
{
    return pci_read(q, slot, off) >> (8 * (off & 3));
}

static void map_bars(VDev *v)
{
    bool has_io = pci_read(v->q, v->slot, PCI_BASE_ADDRESS_0) & 1;
    unsigned n = v->slot % VDEV_BUS + v->slot / VDEV_BUS;

    v->io = 0xc000 + 0x100 * n;
    v->msix = 0xe0000000u + 0x10000 * n;
    v->mmio = 0xe1000000u + 0x1000000u * n;
    if (has_io) {
        pci_write(v->q, v->slot, PCI_BASE_ADDRESS_0, v->io);
    }
    pci_write(v->q, v->slot, PCI_BASE_ADDRESS_1, v->msix);
    pci_write(v->q, v->slot, PCI_BASE_ADDRESS_4, v->mmio);
    pci_write(v->q, v->slot, PCI_BASE_ADDRESS_5, 0);
    pci_write(v->q, v->slot, PCI_COMMAND,
              PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void read_caps(VDev *v)
{
    unsigned at = pci_read8(v->q, v->slot, PCI_CAPABILITY_LIST);

    for (; at; at = pci_read8(v->q, v->slot, at + 1)) {
        uint32_t off;

        if (pci_read8(v->q, v->slot, at) != PCI_CAP_ID_VNDR ||
            pci_read8(v->q, v->slot, at + VIRTIO_PCI_CAP_BAR) != 4) {
            continue;
        }
        off = pci_read(v->q, v->slot, at + VIRTIO_PCI_CAP_OFFSET);
        switch (pci_read8(v->q, v->slot, at + VIRTIO_PCI_CAP_CFG_TYPE)) {
        case VIRTIO_PCI_CAP_COMMON_CFG:
            v->common = off;
            break;
        case VIRTIO_PCI_CAP_ISR_CFG:
            v->isr = off;
            break;
        case VIRTIO_PCI_CAP_DEVICE_CFG:
            v->device = off;
            break;
        case VIRTIO_PCI_CAP_NOTIFY_CFG:
            v->notify = off;
            v->notify_mult =
                pci_read(v->q, v->slot, at + VIRTIO_PCI_NOTIFY_CAP_MULT);
            break;
        default:
            break;
        }
    }
}

VDev *vdev_open(QTest *q, unsigned slot, bool legacy)
{
    VDev *v = g_new0(VDev, 1);

    *v = (VDev){ .q = q,
                 .slot = slot,
                 .legacy = legacy,
                 .next = MEMORY_START + slot * MiB };
    g_assert_cmphex(pci_read(q, slot, PCI_VENDOR_ID) & 0xffff, ==, 0x1af4);
    map_bars(v);
    if (!legacy) {
        read_caps(v);
        g_assert_cmpuint(v->notify_mult, !=, 0);
    }
    vdev_set_status(v, 0);
    return v;
}

void vdev_close(VDev *v)
{
    g_free(v);
}

uint64_t vdev_alloc(VDev *v, size_t size)
{
    uint64_t at = v->next;

    v->next += ALIGN_UP(size, (size_t)4096);
    qtest_memset(v->q, at, 0, ALIGN_UP(size, (size_t)4096));
    return at;
}

/* Registers -------------------------------------------------------------- */

uint32_t vdev_common_read(VDev *v, unsigned off, unsigned size)
{
    uint64_t at = v->mmio + v->common + off;

    return size == 1   ? qtest_readb(v->q, at)
           : size == 2 ? qtest_readw(v->q, at)
                       : qtest_readl(v->q, at);
}

void vdev_common_write(VDev *v, unsigned off, uint32_t value, unsigned size)
{
    uint64_t at = v->mmio + v->common + off;

    if (size == 1) {
        qtest_writeb(v->q, at, value);
    } else if (size == 2) {
        qtest_writew(v->q, at, value);
    } else {
        qtest_writel(v->q, at, value);
    }
}

uint8_t vdev_status(VDev *v)
{
    return v->legacy ? qtest_inb(v->q, v->io + VIRTIO_PCI_STATUS)
                     : vdev_common_read(v, VIRTIO_PCI_COMMON_STATUS, 1);
}

void vdev_set_status(VDev *v, uint8_t status)
{
    if (v->legacy) {
        qtest_outb(v->q, v->io + VIRTIO_PCI_STATUS, status);
    } else {
        vdev_common_write(v, VIRTIO_PCI_COMMON_STATUS, status, 1);
    }
}

uint64_t vdev_offered(VDev *v)
{
    uint64_t f;

    if (v->legacy) {
        return qtest_inl(v->q, v->io + VIRTIO_PCI_HOST_FEATURES);
    }
    vdev_common_write(v, VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
    f = vdev_common_read(v, VIRTIO_PCI_COMMON_DF, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
    return f | (uint64_t)vdev_common_read(v, VIRTIO_PCI_COMMON_DF, 4) << 32;
}

void vdev_negotiate(VDev *v, uint64_t wanted)
{
    uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

    vdev_set_status(v, 0);
    g_assert_cmphex(vdev_status(v), ==, 0);
    vdev_set_status(v, status);
    if (v->legacy) {
        v->features = vdev_offered(v) & wanted;
        qtest_outl(v->q, v->io + VIRTIO_PCI_GUEST_FEATURES, v->features);
        return;
    }
    v->features =
        vdev_offered(v) & (wanted | BIT(VIRTIO_F_VERSION_1) |
                           (want_packed ? BIT(VIRTIO_F_RING_PACKED) : 0));
    g_assert_true(!want_packed || v->features & BIT(VIRTIO_F_RING_PACKED));
    vdev_common_write(v, VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_GF, v->features, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
    vdev_common_write(v, VIRTIO_PCI_COMMON_GF, v->features >> 32, 4);
    vdev_set_status(v, status | VIRTIO_CONFIG_S_FEATURES_OK);
    g_assert_cmphex(vdev_status(v), ==, status | VIRTIO_CONFIG_S_FEATURES_OK);
}

void vdev_driver_ok(VDev *v)
{
    vdev_set_status(v, vdev_status(v) | VIRTIO_CONFIG_S_DRIVER_OK);
}

uint8_t vdev_isr(VDev *v)
{
    return v->legacy ? qtest_inb(v->q, v->io + VIRTIO_PCI_ISR)
                     : qtest_readb(v->q, v->mmio + v->isr);
}

static bool patience_ends(int64_t start)
{
    g_usleep(100);
    return g_get_monotonic_time() - start > WAIT_SECONDS * G_USEC_PER_SEC;
}

void vdev_wait_isr(VDev *v, uint8_t bits)
{
    int64_t start = g_get_monotonic_time();

    while (!(vdev_isr(v) & bits)) {
        g_assert_false(patience_ends(start));
    }
}

void vdev_config(VDev *v, unsigned off, void *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)buf)[i] =
            v->legacy ? qtest_inb(v->q, v->io + 20 + off + i)
                      : qtest_readb(v->q, v->mmio + v->device + off + i);
    }
}

void vdev_config_write8(VDev *v, unsigned off, uint8_t value)
{
    if (v->legacy) {
        qtest_outb(v->q, v->io + 20 + off, value);
    } else {
        qtest_writeb(v->q, v->mmio + v->device + off, value);
    }
}

uint8_t vdev_generation(VDev *v)
{
    return vdev_common_read(v, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
}

/* Rings ------------------------------------------------------------------ */

static void set_addr(VDev *v, unsigned off, uint64_t addr)
{
    vdev_common_write(v, off, addr, 4);
    vdev_common_write(v, off + 4, addr >> 32, 4);
}

static void modern_setup(VRing *r)
{
    VDev *v = r->v;

    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_SELECT, r->index, 2);
    r->num = vdev_common_read(v, VIRTIO_PCI_COMMON_Q_SIZE, 2);
    g_assert_cmpuint(r->num, >, 0);
    r->desc = vdev_alloc(v, 16 * r->num);
    r->avail = vdev_alloc(v, 6 + 2 * r->num);
    r->used = vdev_alloc(v, 6 + 8 * r->num);
    set_addr(v, VIRTIO_PCI_COMMON_Q_DESCLO, r->desc);
    set_addr(v, VIRTIO_PCI_COMMON_Q_AVAILLO, r->avail);
    set_addr(v, VIRTIO_PCI_COMMON_Q_USEDLO, r->used);
    vdev_common_write(v, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
    g_assert_cmpuint(vdev_common_read(v, VIRTIO_PCI_COMMON_Q_ENABLE, 2), ==, 1);
}

static void legacy_setup(VRing *r)
{
    VDev *v = r->v;

    qtest_outw(v->q, v->io + VIRTIO_PCI_QUEUE_SEL, r->index);
    r->num = qtest_inw(v->q, v->io + VIRTIO_PCI_QUEUE_NUM);
    g_assert_cmpuint(r->num, >, 0);
    r->desc = vdev_alloc(v, 16 * r->num + 6 + 2 * r->num + 4096 + 8 * r->num);
    r->avail = r->desc + 16 * r->num;
    r->used = ALIGN_UP(r->avail + 6 + 2 * r->num, (uint64_t)4096);
    qtest_outl(v->q, v->io + VIRTIO_PCI_QUEUE_PFN, r->desc >> 12);
}

VRing *vring_new(VDev *v, unsigned index)
{
    VRing *r = g_new0(VRing, 1);

    r->v = v;
    r->index = index;
    r->packed = v->features & BIT(VIRTIO_F_RING_PACKED);
    r->free_wrap = r->used_wrap = true;
    if (v->legacy) {
        legacy_setup(r);
    } else {
        modern_setup(r);
    }
    return r;
}

static uint16_t packed_flags(bool wrap)
{
    return wrap ? 1 << 7 : 1 << 15; /* AVAIL as our counter, USED not */
}

/* The head's flags come last; its position is the buffer's id. */
static unsigned packed_add(VRing *r, const VSeg *segs, unsigned n)
{
    QTest *q = r->v->q;
    unsigned head = r->free;
    uint16_t head_flags = 0;

    r->slots[head] = n;
    for (unsigned i = 0; i < n; i++) {
        uint64_t d = r->desc + 16 * r->free;
        uint16_t flags = packed_flags(r->free_wrap) | (segs[i].write ? 2 : 0) |
                         (i + 1 < n ? 1 : 0);

        qtest_writeq(q, d, segs[i].addr);
        qtest_writel(q, d + 8, segs[i].len);
        qtest_writew(q, d + 12, head);
        if (i) {
            qtest_writew(q, d + 14, flags);
        } else {
            head_flags = flags;
        }
        if (++r->free == r->num) {
            r->free = 0;
            r->free_wrap = !r->free_wrap;
        }
    }
    qtest_writew(q, r->desc + 16 * head + 14, head_flags);
    return head;
}

unsigned vring_add(VRing *r, const VSeg *segs, unsigned n)
{
    QTest *q = r->v->q;
    unsigned head = r->free % r->num;

    if (r->packed) {
        return packed_add(r, segs, n);
    }

    /* Entries in turn: tests do not have a ring full of requests. */
    for (unsigned i = 0; i < n; i++) {
        unsigned at = r->free++ % r->num;
        uint64_t d = r->desc + 16 * at;

        qtest_writeq(q, d, segs[i].addr);
        qtest_writel(q, d + 8, segs[i].len);
        qtest_writew(q, d + 12, (segs[i].write ? 2 : 0) | (i + 1 < n ? 1 : 0));
        qtest_writew(q, d + 14, (at + 1) % r->num);
    }
    qtest_writew(q, r->avail + 4 + 2 * (r->avail_idx % r->num), head);
    qtest_writew(q, r->avail + 2, ++r->avail_idx);
    return head;
}

void vring_kick(VRing *r)
{
    VDev *v = r->v;

    if (v->legacy) {
        qtest_outw(v->q, v->io + VIRTIO_PCI_QUEUE_NOTIFY, r->index);
    } else {
        qtest_writew(v->q, v->mmio + v->notify + v->notify_mult * r->index,
                     r->index);
    }
}

bool vring_has_used(VRing *r)
{
    if (r->packed) {
        uint16_t flags = qtest_readw(r->v->q, r->desc + 16 * r->used_idx + 14);

        return !!(flags >> 7 & 1) == r->used_wrap &&
               !!(flags >> 15) == r->used_wrap;
    }
    return qtest_readw(r->v->q, r->used + 2) != r->used_idx;
}

static unsigned packed_take(VRing *r, uint32_t *len)
{
    uint64_t d = r->desc + 16 * r->used_idx;
    unsigned id = qtest_readw(r->v->q, d + 12);

    g_assert_cmpuint(id, <, r->num);
    g_assert_cmpuint(r->slots[id], >, 0);
    if (len) {
        *len = qtest_readl(r->v->q, d + 8);
    }
    r->used_idx += r->slots[id];
    r->slots[id] = 0;
    if (r->used_idx >= r->num) {
        r->used_idx -= r->num;
        r->used_wrap = !r->used_wrap;
    }
    return id;
}

unsigned vring_wait(VRing *r, uint32_t *len)
{
    int64_t start = g_get_monotonic_time();
    uint64_t at = r->used + 4 + 8 * (r->used_idx % r->num);

    while (!vring_has_used(r)) {
        g_assert_false(patience_ends(start));
    }
    if (r->packed) {
        return packed_take(r, len);
    }
    r->used_idx++;
    if (len) {
        *len = qtest_readl(r->v->q, at + 4);
    }
    return qtest_readl(r->v->q, at);
}

uint32_t vring_do(VRing *r, const VSeg *segs, unsigned n)
{
    unsigned head = vring_add(r, segs, n);
    uint32_t len;

    vring_kick(r);
    g_assert_cmpuint(vring_wait(r, &len), ==, head);
    return len;
}

/* Both kinds of ring ----------------------------------------------------- */

static void test_packed(const void *data)
{
    VDevTest *const *test = data;

    want_packed = true;
    qtest_set_extra_args("-global virtio-device.packed=on");
    (*test)();
    qtest_set_extra_args(NULL);
    want_packed = false;
}

void vdev_add_test(const char *path, VDevTest *test)
{
    g_autofree char *packed = g_strdup_printf("%s/packed", path);
    VDevTest **data = g_new(VDevTest *, 1);

    *data = test;
    g_test_add_func(path, test);
    g_test_add_data_func_full(packed, data, (GTestDataFunc)test_packed, g_free);
}
