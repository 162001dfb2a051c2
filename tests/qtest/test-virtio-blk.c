/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-blk on a raw file: requests, refusals, queues on other threads. */
#include "util/osdep.h"

#include "tests/qtest/virtio-disk.h"

static void write_then_read(Disk *d)
{
    char buf[1024];

    qtest_memset(d->q, d->data, 0x5a, sizeof(buf));
    g_assert_cmpuint(disk_request(d, VIRTIO_BLK_T_OUT, 7, sizeof(buf)), ==, 0);
    qtest_memset(d->q, d->data, 0, sizeof(buf));
    g_assert_cmpuint(disk_request(d, VIRTIO_BLK_T_IN, 8, 512), ==, 0);
    qtest_memread(d->q, d->data, buf, sizeof(buf));
    for (int i = 0; i < 512; i++) {
        g_assert_cmpint(buf[i], ==, 0x5a);
        g_assert_cmpint(buf[512 + i], ==, 0);
    }
    g_assert_cmpuint(disk_request(d, VIRTIO_BLK_T_FLUSH, 0, 0), ==, 0);
}

static void test_modern_driver_writes_and_reads(void)
{
    Disk d;

    disk_open(&d, "", "", false, 0);
    write_then_read(&d);
    vdev_wait_isr(d.v, 1);
    disk_close(&d);
}

static void test_legacy_driver_writes_and_reads(void)
{
    Disk d;

    disk_open(&d, "", ",disable-modern=on", true, 0);
    write_then_read(&d);
    vdev_wait_isr(d.v, 1);
    disk_close(&d);
}

static void test_iothread_serves_the_queue(void)
{
    g_autoptr(QObject) threads = NULL;
    Disk d;

    disk_open(&d, "-object iothread,id=t0,poll-max-ns=0", ",iothread=t0", false,
              1);
    write_then_read(&d);
    vdev_wait_isr(d.v, 1);
    threads = qtest_qmp_return(d.q, "{'execute': 'query-iothreads'}");
    g_assert_cmpuint(qlist_size(qobject_to_list(threads)), ==, 1);
    vdev_set_status(d.v, 0);
    disk_close(&d);
}

static void test_queues_are_spread_over_iothreads(void)
{
    Disk d;
    g_autofree char *path = disk_image();

    d.q = qtest_startf(
        "-machine q35 -object iothread,id=t0 -object iothread,id=t1 "
        "-blockdev driver=file,node-name=n0,filename=%s "
        "-device '{\"driver\": \"virtio-blk-pci\", \"drive\": \"n0\", "
        "\"addr\": \"4\", \"num-queues\": 4, \"iothread-vq-mapping\": "
        "[{\"iothread\": \"t0\"}, {\"iothread\": \"t1\"}]}'",
        path);
    for (unsigned i = 0; i < 4; i++) {
        d.v = vdev_open(d.q, 4, false);
        vdev_negotiate(d.v, 0);
        d.r = vring_new(d.v, i);
        vdev_driver_ok(d.v);
        d.hdr = vdev_alloc(d.v, 16);
        d.data = vdev_alloc(d.v, 64 * KiB);
        d.status = vdev_alloc(d.v, 1);
        write_then_read(&d);
        g_free(d.r);
        vdev_close(d.v);
    }
    qtest_quit(d.q);
    unlink(path);
}

static void test_many_requests_in_one_kick(void)
{
    unsigned done = 0;
    Disk d;

    disk_open(&d, "", "", false, 0);
    for (int i = 0; i < 64; i++) {
        disk_add(&d, VIRTIO_BLK_T_IN, i, 512);
    }
    vring_kick(d.r);
    for (; done < 64; done++) {
        vring_wait(d.r, NULL);
    }
    disk_close(&d);
}

/* Chains of two and three entries, over the ring's end at changing places. */
static void test_ring_is_used_over_and_over(void)
{
    Disk d;

    disk_open(&d, "", ",queue-size=16", false, 0);
    for (unsigned i = 0; i < 100; i++) {
        g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, i, 512), ==, 0);
        g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_FLUSH, 0, 0), ==, 0);
        disk_add(&d, VIRTIO_BLK_T_FLUSH, 0, 0);
        disk_add(&d, VIRTIO_BLK_T_IN, 8 * i, 512);
        vring_kick(d.r);
        vring_wait(d.r, NULL);
        vring_wait(d.r, NULL);
    }
    disk_close(&d);
}

/* One request with buffers of its own: sector @i of eight, tagged. */
static uint64_t add_sector(Disk *d, uint32_t type, unsigned i)
{
    uint64_t at = vdev_alloc(d->v, 4096);
    VSeg segs[3] = { { at, 16, false },
                     { at + 512, 512, type == VIRTIO_BLK_T_IN },
                     { at + 1024, 1, true } };

    qtest_writel(d->q, at, type);
    qtest_writeq(d->q, at + 8, i);
    qtest_memset(d->q, at + 512, type == VIRTIO_BLK_T_OUT ? 0x40 + i : 0, 512);
    qtest_writeb(d->q, at + 1024, 0xff);
    vring_add(d->r, segs, 3);
    return at;
}

static int64_t disk_stat(Disk *d, const char *name)
{
    g_autoptr(QObject) all =
        qtest_qmp_return(d->q, "{'execute': 'query-blockstats'}");
    const QDict *disk =
        qobject_to_dict(qlist_get(qobject_to_list(all), 0));
    int64_t v;

    g_assert_true(
        qobject_get_int(qdict_get(qdict_get_dict(disk, "stats"), name), &v));
    return v;
}

static void eight_sectors_in_one_kick(Disk *d, uint32_t type)
{
    static const unsigned order[] = { 0, 1, 3, 2, 7, 6, 5, 4 };
    uint64_t at[ARRAY_SIZE(order)];

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        at[i] = add_sector(d, type, order[i]);
    }
    vring_kick(d->r);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        vring_wait(d->r, NULL);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        g_assert_cmpuint(qtest_readb(d->q, at[i] + 1024), ==, 0);
        g_assert_cmphex(qtest_readb(d->q, at[i] + 512), ==, 0x40 + order[i]);
        g_assert_cmphex(qtest_readb(d->q, at[i] + 1023), ==, 0x40 + order[i]);
    }
}

static void test_neighbours_are_merged(void)
{
    Disk d;

    disk_open(&d, "", ",num-queues=1", false, 0);
    write_then_read(&d);
    eight_sectors_in_one_kick(&d, VIRTIO_BLK_T_OUT);
    eight_sectors_in_one_kick(&d, VIRTIO_BLK_T_IN);
    g_assert_cmpint(disk_stat(&d, "wr_merged"), ==, 7);
    g_assert_cmpint(disk_stat(&d, "rd_merged"), ==, 7);
    g_assert_cmpint(disk_stat(&d, "rd_operations"), ==, 9);
    g_assert_cmpint(disk_stat(&d, "rd_bytes"), ==, 9 * 512);
    disk_close(&d);
}

static void test_merging_can_be_switched_off(void)
{
    Disk d;

    disk_open(&d, "", ",request-merging=off", false, 0);
    write_then_read(&d);
    eight_sectors_in_one_kick(&d, VIRTIO_BLK_T_OUT);
    eight_sectors_in_one_kick(&d, VIRTIO_BLK_T_IN);
    g_assert_cmpint(disk_stat(&d, "wr_merged"), ==, 0);
    g_assert_cmpint(disk_stat(&d, "rd_merged"), ==, 0);
    disk_close(&d);
}

/* A disk that takes its time. */
static void slow_disk_open(Disk *d, uint64_t latency_ns)
{
    d->path = disk_image();
    d->q = qtest_startf("-machine q35 -blockdev driver=null-co,node-name=n0,"
                        "size=4194304,latency-ns=%" PRIu64
                        " -device virtio-blk-pci,id=d0,drive=n0,addr=4,"
                        "request-merging=off",
                        latency_ns);
    disk_attach(d, false, 0);
    g_assert_cmpuint(disk_request(d, VIRTIO_BLK_T_GET_ID, 0, 20), ==, 0);
}

/* With many requests under way, new ones are found without a kick: when one
 * of those completes ... */
static void test_busy_queue_needs_no_kicks(void)
{
    Disk d;

    slow_disk_open(&d, 100 * 1000 * 1000);
    for (unsigned i = 0; i < 12; i++) {
        add_sector(&d, VIRTIO_BLK_T_IN, 0);
    }
    vring_kick(d.r);
    disk_request(&d, VIRTIO_BLK_T_GET_ID, 0, 20);
    add_sector(&d, VIRTIO_BLK_T_IN, 0);
    for (unsigned i = 0; i < 13; i++) {
        vring_wait(d.r, NULL);
    }
    /* ... and the last ones want kicks again. */
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, 0, 512), ==, 0);
    disk_close(&d);
}

/* ... or, should none do so, after a while. */
static void test_stuck_queue_is_looked_at(void)
{
    Disk d;

    slow_disk_open(&d, 1000 * 1000 * 1000);
    for (unsigned i = 0; i < 8; i++) {
        add_sector(&d, VIRTIO_BLK_T_IN, 0);
    }
    vring_kick(d.r);
    g_usleep(20000);
    disk_add(&d, VIRTIO_BLK_T_GET_ID, 0, 20);
    g_usleep(100000);
    g_assert_true(vring_has_used(d.r));
    for (unsigned i = 0; i < 9; i++) {
        vring_wait(d.r, NULL);
    }
    disk_close(&d);
}

static void test_id_is_the_serial_number(void)
{
    char id[21] = "";
    Disk d;

    disk_open(&d, "", ",serial=disk-of-test", false, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_GET_ID, 0, 20), ==, 0);
    qtest_memread(d.q, d.data, id, 20);
    g_assert_cmpstr(id, ==, "disk-of-test");
    disk_close(&d);
}

static void put_range(Disk *d, uint64_t sector, uint32_t n, uint32_t flags)
{
    qtest_writeq(d->q, d->data, sector);
    qtest_writel(d->q, d->data + 8, n);
    qtest_writel(d->q, d->data + 12, flags);
}

static void test_ranges_are_discarded_and_zeroed(void)
{
    char buf[512];
    Disk d;

    disk_open(&d, "", "", false, 0);
    qtest_memset(d.q, d.data, 0x77, 4096);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_OUT, 0, 4096), ==, 0);
    put_range(&d, 1, 2, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), ==, 0);
    put_range(&d, 4, 4, 1);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), ==, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, 1, 512), ==, 0);
    qtest_memread(d.q, d.data, buf, 512);
    g_assert_cmpint(buf[0] | buf[511], ==, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, 3, 512), ==, 0);
    qtest_memread(d.q, d.data, buf, 512);
    g_assert_cmpint(buf[0], ==, 0x77);
    put_range(&d, 0, 8, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, 16), ==, 0);
    disk_close(&d);
}

static void test_range_limits_are_kept(void)
{
    struct virtio_blk_config c;
    Disk d;

    disk_open(&d, "", ",max-discard-sectors=8,max-write-zeroes-sectors=16",
              false, 0);
    vdev_config(d.v, 0, &c, 57);
    g_assert_cmpuint(c.max_discard_sectors, ==, 8);
    g_assert_cmpuint(c.max_discard_seg, ==, 1);
    g_assert_cmpuint(c.max_write_zeroes_sectors, ==, 16);
    g_assert_cmpuint(c.max_write_zeroes_seg, ==, 1);
    put_range(&d, 0, 8, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, 16), ==, 0);
    put_range(&d, 0, 9, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, 16), ==,
                     VIRTIO_BLK_S_IOERR);
    put_range(&d, 0, 16, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), ==, 0);
    put_range(&d, 0, 17, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), ==,
                     VIRTIO_BLK_S_IOERR);
    disk_close(&d);
}

static void test_ranges_can_be_switched_off(void)
{
    Disk d;

    disk_open(&d, "", ",discard=off,write-zeroes=off", false, 0);
    g_assert_false(d.v->features & BIT(VIRTIO_BLK_F_DISCARD));
    g_assert_false(d.v->features & BIT(VIRTIO_BLK_F_WRITE_ZEROES));
    put_range(&d, 0, 8, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, 16), ==,
                     VIRTIO_BLK_S_UNSUPP);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), ==,
                     VIRTIO_BLK_S_UNSUPP);
    disk_close(&d);
}

/* The requests end first; nothing of them is written afterwards. */
static void test_reset_waits_for_slow_requests(void)
{
    Disk d;

    slow_disk_open(&d, 300 * 1000 * 1000);
    for (unsigned i = 0; i < 12; i++) {
        add_sector(&d, VIRTIO_BLK_T_IN, 0);
    }
    vring_kick(d.r);
    disk_request(&d, VIRTIO_BLK_T_GET_ID, 0, 20);
    vdev_set_status(d.v, 0);
    g_assert_cmphex(vdev_status(d.v), ==, 0);
    vdev_negotiate(d.v, 0);
    g_free(d.r);
    d.r = vring_new(d.v, 0);
    vdev_driver_ok(d.v);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, 0, 512), ==, 0);
    g_assert_false(vring_has_used(d.r));
    disk_close(&d);
}

static void test_bad_requests_get_their_status(void)
{
    Disk d;

    disk_open(&d, "", "", false, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, DISK_SIZE / 512, 512),
                     ==, VIRTIO_BLK_S_IOERR);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_OUT, UINT64_MAX, 512), ==,
                     VIRTIO_BLK_S_IOERR);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, DISK_SIZE / 512 - 1,
                                  1024),
                     ==, VIRTIO_BLK_S_IOERR);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, 0, 100), ==,
                     VIRTIO_BLK_S_IOERR);
    g_assert_cmpuint(disk_request(&d, 0x1234, 0, 512), ==, VIRTIO_BLK_S_UNSUPP);
    put_range(&d, 0, 1, 1);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, 16), ==,
                     VIRTIO_BLK_S_UNSUPP);
    put_range(&d, 0, UINT32_MAX, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, 16), ==,
                     VIRTIO_BLK_S_IOERR);
    put_range(&d, 0, 1, 0);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 12), ==,
                     VIRTIO_BLK_S_UNSUPP);
    write_then_read(&d);
    disk_close(&d);
}

static void test_request_without_status_breaks_the_queue(void)
{
    int64_t start = g_get_monotonic_time();
    VSeg seg;
    Disk d;

    disk_open(&d, "", "", false, 0);
    seg = (VSeg){ d.hdr, 8, false };
    vring_add(d.r, &seg, 1);
    vring_kick(d.r);
    while (!(vdev_status(d.v) & VIRTIO_CONFIG_S_NEEDS_RESET)) {
        g_assert_cmpint(g_get_monotonic_time() - start, <, 5000000);
    }
    disk_close(&d);
}

static void test_configuration_describes_the_disk(void)
{
    struct virtio_blk_config c;
    Disk d;

    disk_open(&d, "", ",logical_block_size=4096,queue-size=128,num-queues=3",
              false, 0);
    vdev_config(d.v, 0, &c, 57);
    g_assert_cmpuint(c.capacity, ==, DISK_SIZE / 512);
    g_assert_cmpuint(c.seg_max, ==, 126);
    g_assert_cmpuint(c.blk_size, ==, 4096);
    g_assert_cmpuint(c.num_queues, ==, 3);
    g_assert_cmpuint(c.max_discard_sectors, ==, 4194303);
    g_assert_cmpuint(c.wce, ==, 1);
    g_assert_true(d.v->features & BIT(VIRTIO_BLK_F_MQ));
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, 1, 4096), ==,
                     VIRTIO_BLK_S_IOERR);
    vdev_config_write8(d.v, offsetof(struct virtio_blk_config, wce), 0);
    vdev_config(d.v, 0, &c, 57);
    g_assert_cmpuint(c.wce, ==, 0);
    disk_close(&d);
}

static void test_resize_is_told(void)
{
    uint64_t capacity;
    uint8_t before;
    Disk d;

    disk_open(&d, "", "", false, 0);
    before = vdev_generation(d.v);
    qtest_qmp_ok(d.q, "{'execute': 'block_resize', 'arguments': "
                      "{'node-name': 'n0', 'size': 8388608}}");
    vdev_wait_isr(d.v, 2);
    g_assert_cmpuint(vdev_generation(d.v), !=, before);
    vdev_config(d.v, 0, &capacity, 8);
    g_assert_cmpuint(capacity, ==, 8388608 / 512);
    /* A sector that is there in part counts. */
    qtest_qmp_ok(d.q, "{'execute': 'block_resize', 'arguments': "
                      "{'node-name': 'n0', 'size': 8388609}}");
    vdev_wait_isr(d.v, 2);
    vdev_config(d.v, 0, &capacity, 8);
    g_assert_cmpuint(capacity, ==, 8388608 / 512 + 1);
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_OUT, 8388608 / 512, 512), ==,
                     VIRTIO_BLK_S_OK);
    disk_close(&d);
}

static void test_reset_in_the_middle_of_requests(void)
{
    g_autoptr(QDict) event = NULL;
    Disk d;

    disk_open(&d, "-object iothread,id=t0", ",iothread=t0", false, 0);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 32; i++) {
            disk_add(&d, VIRTIO_BLK_T_IN, i, 512);
        }
        vring_kick(d.r);
        g_free(d.r);
        vdev_negotiate(d.v, 0);
        d.r = vring_new(d.v, 0);
        vdev_driver_ok(d.v);
    }
    write_then_read(&d);
    qtest_qmp_ok(d.q, "{'execute': 'system_reset'}");
    event = qtest_wait_event(d.q, "RESET");
    disk_close(&d);
}

/* Into a root port, and out again when the guest switches the slot off. */
static void test_disk_comes_and_goes(void)
{
    g_autofree char *path = disk_image();
    g_autofree char *text = NULL;
    g_autoptr(QDict) event = NULL;
    g_autoptr(QTest) q =
        qtest_startf("-machine q35 -object iothread,id=t0 -blockdev "
                     "driver=file,node-name=n0,filename=%s "
                     "-device pcie-root-port,id=rp,addr=5,chassis=1,slot=1",
                     path);
    const char *add = "{'execute': 'device_add', 'arguments': {'driver': "
                      "'virtio-blk-pci', 'id': 'd0', 'bus': 'rp', 'drive': "
                      "'n0', 'iothread': 't0'}}";
    unsigned cap;

    for (int round = 0; round < 3; round++) {
        qtest_qmp_ok(q, "%s", add);
        g_free(text);
        text = qtest_qmp_error(q, "GenericError",
                               "{'execute': 'object-del', 'arguments': "
                               "{'id': 't0'}}");
        for (cap = pci_read8(q, 5, 0x34); pci_read8(q, 5, cap) != 0x10;) {
            cap = pci_read8(q, 5, cap + 1);
        }
        qtest_qmp_ok(q, "{'execute': 'device_del', 'arguments': "
                        "{'id': 'd0'}}");
        /* Slot control: power on with the indicator on, then off. */
        pci_write(q, 5, cap + 0x18, 0x0100);
        pci_write(q, 5, cap + 0x18, 0x0700);
        event = qtest_wait_event(q, "DEVICE_DELETED");
        qobject_unref(event);
        event = NULL;
        /* Off already: the next one goes in with its power. */
        pci_write(q, 5, cap + 0x18, 0x0100);
    }
    qtest_qmp_ok(q, "{'execute': 'object-del', 'arguments': {'id': 't0'}}");
    unlink(path);
}

/* Requests are under way when the guest switches the slot off. */
static void busy_disk_goes(const char *args, const char *opts)
{
    g_autoptr(QObject) status = NULL;
    unsigned cap;
    Disk d = { .path = NULL };

    d.q = qtest_startf("-machine q35 %s -blockdev driver=null-co,node-name=n0,"
                       "size=4194304,latency-ns=300000000 "
                       "-device pcie-root-port,id=rp,addr=5,chassis=1,slot=1 "
                       "-device virtio-blk-pci,id=d0,bus=rp,drive=n0%s",
                       args, opts);
    cap = disk_open_port(d.q);
    disk_attach_at(&d, VDEV_BUS, false, 0);
    for (unsigned i = 0; i < 12; i++) {
        add_sector(&d, VIRTIO_BLK_T_IN, 2 * i);
    }
    vring_kick(d.r);
    g_usleep(20000);
    qtest_qmp_ok(d.q, "{'execute': 'device_del', 'arguments': {'id': 'd0'}}");
    g_assert_false(vring_has_used(d.r));
    disk_leave_port(&d, cap);
    status = qtest_qmp_return(d.q, "{'execute': 'query-status'}");
    qtest_qmp_ok(d.q, "{'execute': 'blockdev-del', 'arguments': "
                      "{'node-name': 'n0'}}");
    qtest_quit(d.q);
}

static void test_busy_disk_goes(void)
{
    busy_disk_goes("", "");
}

static void test_busy_disk_of_an_iothread_goes(void)
{
    busy_disk_goes("-object iothread,id=t0", ",iothread=t0");
}

static void refused(const char *opts, const char *word)
{
    g_autofree char *path = disk_image();
    g_autofree char *args =
        g_strdup_printf("-machine q35,accel=qtest -display none -nodefaults "
                        "-blockdev driver=file,node-name=n0,filename=%s "
                        "-device virtio-blk-pci,drive=n0,%s",
                        path, opts);
    g_autofree char *err = NULL;

    g_assert_cmpint(qtest_run(args, NULL, &err), ==, 1);
    g_assert_nonnull(strstr(err, word));
    unlink(path);
}

static void test_bad_properties_are_named(void)
{
    refused("queue-size=3", "queue-size");
    refused("num-queues=0", "num-queues");
    refused("logical_block_size=1000", "logical_block_size");
    refused("drive=nonesuch", "nonesuch");
    refused("iothread=nonesuch", "nonesuch");
    refused("scsi=on", "scsi");
    refused("x-pcie-lnkctl-init=off", "x-pcie-lnkctl-init");
    refused("iommu_platform=on", "iommu_platform");
    refused("num-queue=1", "num-queues");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    vdev_add_test("/virtio-blk/modern", test_modern_driver_writes_and_reads);
    g_test_add_func("/virtio-blk/legacy", test_legacy_driver_writes_and_reads);
    vdev_add_test("/virtio-blk/iothread", test_iothread_serves_the_queue);
    vdev_add_test("/virtio-blk/vq-mapping",
                  test_queues_are_spread_over_iothreads);
    vdev_add_test("/virtio-blk/batch", test_many_requests_in_one_kick);
    vdev_add_test("/virtio-blk/wrap", test_ring_is_used_over_and_over);
    vdev_add_test("/virtio-blk/merging", test_neighbours_are_merged);
    vdev_add_test("/virtio-blk/no-merging", test_merging_can_be_switched_off);
    vdev_add_test("/virtio-blk/busy", test_busy_queue_needs_no_kicks);
    vdev_add_test("/virtio-blk/stuck", test_stuck_queue_is_looked_at);
    vdev_add_test("/virtio-blk/id", test_id_is_the_serial_number);
    vdev_add_test("/virtio-blk/ranges", test_ranges_are_discarded_and_zeroed);
    vdev_add_test("/virtio-blk/range-limits", test_range_limits_are_kept);
    vdev_add_test("/virtio-blk/no-ranges", test_ranges_can_be_switched_off);
    vdev_add_test("/virtio-blk/slow-reset", test_reset_waits_for_slow_requests);
    vdev_add_test("/virtio-blk/bad-requests",
                  test_bad_requests_get_their_status);
    vdev_add_test("/virtio-blk/no-status",
                  test_request_without_status_breaks_the_queue);
    g_test_add_func("/virtio-blk/configuration",
                    test_configuration_describes_the_disk);
    g_test_add_func("/virtio-blk/resize", test_resize_is_told);
    vdev_add_test("/virtio-blk/reset", test_reset_in_the_middle_of_requests);
    g_test_add_func("/virtio-blk/hotplug", test_disk_comes_and_goes);
    vdev_add_test("/virtio-blk/busy-unplug", test_busy_disk_goes);
    vdev_add_test("/virtio-blk/busy-unplug-iothread",
                  test_busy_disk_of_an_iothread_goes);
    g_test_add_func("/virtio-blk/bad-properties",
                    test_bad_properties_are_named);
    return g_test_run();
}
