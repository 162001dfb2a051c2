/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Throttling, by the VM's clock: how many requests get through by when, by
 * drives' limits and by groups, and that nothing waits in a drained section.
 */
#include "util/osdep.h"

#include "qapi/qapi-builtin-types.h"
#include "tests/qtest/virtio-disk.h"
#include "util/error.h"

#define MS INT64_C(1000000)

/* Disks d0 and d1 on nodes n0 and n1. */
typedef struct Pair {
    QTest *q;
    Disk d[2];
    unsigned taken[2]; /* requests */
} Pair;

static void pair_open(Pair *p, const char *args, const char *opts)
{
    p->q = qtest_startf("-machine q35 %s "
                        "-device virtio-blk-pci,id=d0,drive=n0,addr=4%s "
                        "-device virtio-blk-pci,id=d1,drive=n1,addr=5%s",
                        args, opts, opts);
    for (unsigned i = 0; i < 2; i++) {
        p->d[i] = (Disk){ .q = p->q };
        disk_attach_at(&p->d[i], 4 + i, false, 0);
    }
}

static void pair_close(Pair *p)
{
    for (unsigned i = 0; i < 2; i++) {
        g_free(p->d[i].r);
        vdev_close(p->d[i].v);
    }
    qtest_quit(p->q);
}

/* Until the device has taken @n requests off its ring. */
static void expect_taken(Pair *p, unsigned disk, int64_t n)
{
    for (;;) {
        g_autoptr(QObject) status = qtest_qmp_return(
            p->q,
            "{'execute': 'x-query-virtio-queue-status', 'arguments': {"
            "'path': '/machine/peripheral/d%u/virtio-backend', 'queue': 0}}",
            disk);

        if (qdict_get_int(qobject_to_dict(status), "last-avail-idx", 0) == n) {
            return;
        }
        g_usleep(1000);
    }
}

/* @n requests, which the device then knows of. */
static void submit(Pair *p, unsigned disk, unsigned n, uint32_t type,
                   uint32_t len)
{
    Disk *d = &p->d[disk];

    for (unsigned i = 0; i < n; i++) {
        disk_add(d, type, 0, len);
    }
    vring_kick(d->r);
    p->taken[disk] += n;
    expect_taken(p, disk, p->taken[disk]);
}

static int64_t done(Pair *p, unsigned disk, const char *counter)
{
    g_autoptr(QObject) all =
        qtest_qmp_return(p->q, "{'execute': 'query-blockstats'}");
    const QDict *dev = qobject_to_dict(qlist_get(qobject_to_list(all), disk));

    return qdict_get_int(qdict_get_dict(dev, "stats"), counter, -1);
}

static int64_t reads(Pair *p, unsigned disk)
{
    return done(p, disk, "rd_operations");
}

/* Both together: waits for them, and the clock lets no more through. */
static void expect_reads(Pair *p, int64_t n)
{
    while (reads(p, 0) + reads(p, 1) < n) {
        g_usleep(1000);
    }
    g_assert_cmpint(reads(p, 0) + reads(p, 1), ==, n);
}

#define PLAIN                                      \
    "-blockdev null-co,node-name=n0,size=4194304 " \
    "-blockdev null-co,node-name=n1,size=4194304 "
#define GROUPED(limits)                                                     \
    "-object throttle-group,id=g," limits " "                               \
    "-blockdev throttle,node-name=n0,throttle-group=g,file.driver=null-co " \
    "-blockdev throttle,node-name=n1,throttle-group=g,file.driver=null-co "

#define NO_LIMITS                                                   \
    "'bps': 0, 'bps_rd': 0, 'bps_wr': 0, 'iops': 0, 'iops_rd': 0, " \
    "'iops_wr': 0"

/* Tests ------------------------------------------------------------------ */

/* Without a burst the bucket has room for a tenth of a second. */
static void test_iops_are_kept(void)
{
    Pair p;

    pair_open(&p, GROUPED("x-iops-total=100"), "");
    submit(&p, 0, 20, VIRTIO_BLK_T_IN, 512);
    expect_reads(&p, 11);
    qtest_clock_step(p.q, 10 * MS + 1000);
    expect_reads(&p, 12);
    qtest_clock_step(p.q, 5 * MS);
    expect_reads(&p, 12);
    qtest_clock_step(p.q, 35 * MS);
    expect_reads(&p, 16);
    qtest_clock_step(p.q, 1000 * MS);
    expect_reads(&p, 20);
    pair_close(&p);
}

static void test_bursts_fill_the_bucket(void)
{
    Pair p;

    pair_open(&p, GROUPED("x-iops-total=10,x-iops-total-max=25"), "");
    submit(&p, 0, 32, VIRTIO_BLK_T_IN, 512);
    expect_reads(&p, 26);
    qtest_clock_step(p.q, 100 * MS + 1000);
    expect_reads(&p, 27);
    pair_close(&p);
}

static void test_long_bursts_keep_their_own_rate(void)
{
    Pair p;

    pair_open(&p,
              GROUPED("x-iops-total=10,x-iops-total-max=100,"
                      "x-iops-total-max-length=2"),
              "");
    submit(&p, 0, 32, VIRTIO_BLK_T_IN, 512);
    expect_reads(&p, 11);
    qtest_clock_step(p.q, 100 * MS + 1000);
    expect_reads(&p, 21);
    pair_close(&p);
}

static void test_large_requests_count_several_times(void)
{
    Pair p;

    pair_open(&p, GROUPED("x-iops-total=100,x-iops-size=4096"), "");
    submit(&p, 0, 20, VIRTIO_BLK_T_IN, 8192);
    expect_reads(&p, 6);
    qtest_clock_step(p.q, 20 * MS + 1000);
    expect_reads(&p, 7);
    pair_close(&p);
}

static void test_directions_have_their_own_limits(void)
{
    Pair p;

    pair_open(&p, GROUPED("x-bps-write=40960"), "");
    submit(&p, 0, 10, VIRTIO_BLK_T_IN, 4096);
    expect_reads(&p, 10);
    submit(&p, 1, 10, VIRTIO_BLK_T_OUT, 4096);
    qtest_clock_step(p.q, 100 * MS + 1000);
    while (done(&p, 1, "wr_operations") < 3) {
        g_usleep(1000);
    }
    g_assert_cmpint(done(&p, 1, "wr_operations"), ==, 3);
    pair_close(&p);
}

static void check_turns(const char *args, const char *opts)
{
    Pair p;

    pair_open(&p, args, opts);
    submit(&p, 0, 24, VIRTIO_BLK_T_IN, 512);
    expect_reads(&p, 3);
    submit(&p, 1, 24, VIRTIO_BLK_T_IN, 512);
    for (int i = 1; i <= 20; i++) {
        int64_t a, b;

        qtest_clock_step(p.q, 50 * MS + 1000);
        expect_reads(&p, 3 + i);
        a = reads(&p, 0) - 3;
        b = reads(&p, 1);
        g_assert_cmpint(ABS(a - b), <=, 1);
    }
    pair_close(&p);
}

static void test_members_of_a_group_take_turns(void)
{
    check_turns(GROUPED("x-iops-total=20"), "");
}

static void test_members_on_an_iothread_take_turns(void)
{
    check_turns("-object iothread,id=t0 " GROUPED("x-iops-total=20"),
                ",iothread=t0");
}

static void test_drained_requests_do_not_wait(void)
{
    Pair p;

    pair_open(&p, GROUPED("x-iops-total=1"), "");
    submit(&p, 0, 10, VIRTIO_BLK_T_IN, 512);
    expect_reads(&p, 1);
    qtest_qmp_ok(p.q, "{'execute': 'stop'}");
    expect_reads(&p, 10);
    pair_close(&p);
}

static void test_limits_of_a_device(void)
{
    Pair p;

    pair_open(&p, PLAIN, "");
    qtest_qmp_ok(p.q, "{'execute': 'block_set_io_throttle', 'arguments': {"
                      "'id': '/machine/peripheral/d0/virtio-backend', "
                      "'bps': 0, 'bps_rd': 0, 'bps_wr': 0, 'iops': 100, "
                      "'iops_rd': 0, 'iops_wr': 0}}");
    submit(&p, 0, 20, VIRTIO_BLK_T_IN, 512);
    expect_reads(&p, 11);
    submit(&p, 1, 20, VIRTIO_BLK_T_IN, 512);
    expect_reads(&p, 31);
    /* Without limits all that waits goes. */
    qtest_qmp_ok(p.q, "{'execute': 'block_set_io_throttle', 'arguments': {"
                      "'id': 'd0', " NO_LIMITS "}}");
    expect_reads(&p, 40);
    pair_close(&p);
}

static void test_more_is_allowed_later(void)
{
    Pair p;

    pair_open(&p, GROUPED("x-iops-total=1"), "");
    submit(&p, 0, 10, VIRTIO_BLK_T_IN, 512);
    expect_reads(&p, 1);
    qtest_qmp_ok(p.q, "{'execute': 'qom-set', 'arguments': {"
                      "'path': '/objects/g', 'property': 'limits', "
                      "'value': {'iops-total': 1000}}}");
    expect_reads(&p, 10);
    pair_close(&p);
}

static const QDict *stats(const QObject *all)
{
    const QDict *dev = qobject_to_dict(qlist_get(qobject_to_list(all), 0));

    return qdict_get_dict(dev, "stats");
}

static void expect_bins(const QDict *histogram, const int64_t *bins, size_t n)
{
    const QList *list = qobject_to_list(qdict_get(histogram, "bins"));

    g_assert_cmpuint(qlist_size(list), ==, n);
    for (size_t i = 0; i < n; i++) {
        int64_t v = -1;

        g_assert_true(qapi_read_named(&qapi_type_int, "bin", qlist_get(list, i),
                                      &v, QAPI_STRICT, error_abort));
        g_assert_cmpint(v, ==, bins[i]);
    }
}

/* The third of four reads waits for 100 ms, the fourth for 200 ms. */
static void test_latencies_are_counted(void)
{
    g_autoptr(QObject) all = NULL;
    const QDict *interval, *histogram;
    Pair p;

    pair_open(&p,
              "-drive if=none,id=n0,file=null-co://,format=raw,"
              "stats-intervals.0=10,throttling.iops-total=10 "
              "-blockdev null-co,node-name=n1 ",
              "");
    qtest_qmp_ok(p.q, "{'execute': 'block-latency-histogram-set', "
                      "'arguments': {'id': 'd0/virtio-backend', "
                      "'boundaries': [1, 50000000, 150000000]}}");
    submit(&p, 0, 4, VIRTIO_BLK_T_IN, 512);
    expect_reads(&p, 2);
    qtest_clock_step(p.q, 100 * MS + 1000);
    expect_reads(&p, 3);
    qtest_clock_step(p.q, 100 * MS + 1000);
    expect_reads(&p, 4);

    all = qtest_qmp_return(p.q, "{'execute': 'query-blockstats'}");
    histogram = qdict_get_dict(stats(all), "rd_latency_histogram");
    expect_bins(histogram, (const int64_t[]){ 2, 0, 1, 1 }, 4);
    interval = qobject_to_dict(
        qlist_get(qobject_to_list(qdict_get(stats(all), "timed_stats")), 0));
    g_assert_cmpint(qdict_get_int(interval, "interval_length", 0), ==, 10);
    g_assert_cmpint(qdict_get_int(interval, "min_rd_latency_ns", -1), ==, 0);
    g_assert_cmpint(qdict_get_int(interval, "max_rd_latency_ns", 0), >=,
                    200 * MS);
    g_assert_cmpint(qdict_get_int(interval, "avg_rd_latency_ns", 0), >=,
                    75 * MS);
    g_assert_cmpint(qdict_get_int(interval, "max_wr_latency_ns", -1), ==, 0);
    qobject_unref(g_steal_pointer(&all));

    /* Two intervals later nothing of it is left. */
    qtest_clock_step(p.q, 20000 * MS);
    all = qtest_qmp_return(p.q, "{'execute': 'query-blockstats'}");
    interval = qobject_to_dict(
        qlist_get(qobject_to_list(qdict_get(stats(all), "timed_stats")), 0));
    g_assert_cmpint(qdict_get_int(interval, "max_rd_latency_ns", -1), ==, 0);
    pair_close(&p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/throttle/iops-are-kept", test_iops_are_kept);
    g_test_add_func("/throttle/bursts-fill-the-bucket",
                    test_bursts_fill_the_bucket);
    g_test_add_func("/throttle/long-bursts-keep-their-own-rate",
                    test_long_bursts_keep_their_own_rate);
    g_test_add_func("/throttle/large-requests-count-several-times",
                    test_large_requests_count_several_times);
    g_test_add_func("/throttle/directions-have-their-own-limits",
                    test_directions_have_their_own_limits);
    g_test_add_func("/throttle/members-of-a-group-take-turns",
                    test_members_of_a_group_take_turns);
    g_test_add_func("/throttle/members-on-an-iothread-take-turns",
                    test_members_on_an_iothread_take_turns);
    g_test_add_func("/throttle/drained-requests-do-not-wait",
                    test_drained_requests_do_not_wait);
    g_test_add_func("/throttle/limits-of-a-device", test_limits_of_a_device);
    g_test_add_func("/throttle/more-is-allowed-later",
                    test_more_is_allowed_later);
    g_test_add_func("/throttle/latencies-are-counted",
                    test_latencies_are_counted);
    return g_test_run();
}
