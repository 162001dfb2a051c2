/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-blk when the host's disk fails: what werror= and rerror= make of it.
 *
 * Three disks that fail: one whose file may not grow (RLIMIT_FSIZE, which the
 * test can lift later: EFBIG), a qcow2 image in a window that has no room for
 * another cluster (ENOSPC), and a qcow2 image with a bad L1 entry (EIO).
 */
#include "util/osdep.h"

#include <sys/resource.h>

#include "tests/qtest/virtio-disk.h"
#include "tests/unit/block-image.h"

#define CLUSTER_BITS 16
#define L1_OFFSET    (3 << CLUSTER_BITS)
#define QCOW2_SIZE   (4 << CLUSTER_BITS)

/* What the machine says about the disk ----------------------------------- */

/* @nospace: false, true, or -1 where no error of this disk stops the machine:
 * then it is not told. */
static void expect_io_error(Disk *d, const char *operation, const char *action,
                            int nospace)
{
    g_autoptr(QDict) event = qtest_wait_event(d->q, "BLOCK_IO_ERROR");
    const QDict *data = qdict_get_dict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "operation"), ==, operation);
    g_assert_cmpstr(qdict_get_str(data, "action"), ==, action);
    g_assert_cmpstr(qdict_get_str(data, "node-name"), ==, "n0");
    g_assert_cmpint(qdict_has(data, "nospace"), ==, nospace >= 0);
    g_assert_cmpint(qdict_get_bool(data, "nospace", false), ==, nospace > 0);
    g_assert_nonnull(qdict_get_str(data, "reason"));
}

static void expect_state(Disk *d, const char *state)
{
    g_autoptr(QObject) status =
        qtest_qmp_return(d->q, "{'execute': 'query-status'}");

    g_assert_cmpstr(qdict_get_str(qobject_to_dict(status), "status"), ==,
                    state);
}

static void expect_stop(Disk *d)
{
    qobject_unref(qtest_wait_event(d->q, "STOP"));
    expect_state(d, "io-error");
}

static void expect_io_status(Disk *d, const char *expected)
{
    g_autoptr(QObject) all =
        qtest_qmp_return(d->q, "{'execute': 'query-block'}");
    const QDict *disk = qobject_to_dict(qlist_get(qobject_to_list(all), 0));

    g_assert_cmpstr(qdict_get_str(disk, "io-status"), ==, expected);
}

static void cont(Disk *d)
{
    qtest_qmp_ok(d->q, "{'execute': 'cont'}");
}

/* Disks that fail -------------------------------------------------------- */

/* Writes beyond the first MiB fail until lift_limit(). */
static void limited_open(Disk *d, const char *args, const char *opts)
{
    struct rlimit old, limit;

    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &old), ==, 0);
    disk_open(d, args, opts, false, 0);
    limit = old;
    limit.rlim_cur = 1 * MiB;
    g_assert_cmpint(prlimit(qtest_pid(d->q), RLIMIT_FSIZE, &limit, NULL), ==,
                    0);
}

static void lift_limit(Disk *d)
{
    struct rlimit limit;

    g_assert_cmpint(prlimit(qtest_pid(d->q), RLIMIT_FSIZE, NULL, &limit), ==,
                    0);
    limit.rlim_cur = limit.rlim_max;
    g_assert_cmpint(prlimit(qtest_pid(d->q), RLIMIT_FSIZE, &limit, NULL), ==,
                    0);
}

static void qcow2_open(Disk *d, uint64_t l1_entry, const char *opts)
{
    int fd = g_file_open_tmp("nemu-blk-XXXXXX", &d->path, NULL);

    g_assert_cmpint(fd, >=, 0);
    make_qcow2(fd, CLUSTER_BITS, DISK_SIZE);
    l1_entry = htobe64(l1_entry);
    g_assert_cmpint(pwrite(fd, &l1_entry, 8, L1_OFFSET), ==, 8);
    close(fd);
    d->q = qtest_startf(
        "-machine q35 -blockdev driver=file,node-name=f0,filename=%s "
        "-blockdev driver=raw,node-name=w0,file=f0,offset=0,size=%d "
        "-blockdev driver=qcow2,node-name=n0,file=w0 "
        "-device virtio-blk-pci,id=d0,drive=n0,addr=4%s",
        d->path, QCOW2_SIZE, opts);
    disk_attach(d, false, 0);
}

static void full_disk_open(Disk *d, const char *opts)
{
    qcow2_open(d, 0, opts);
}

static void unreadable_disk_open(Disk *d, const char *opts)
{
    qcow2_open(d, 0x1200, opts); /* no cluster begins there */
}

#define FAR (2 * MiB / 512)

/* Tests ------------------------------------------------------------------ */

static void test_full_disk_stops_the_machine(void)
{
    g_autoptr(QDict) resume = NULL;
    Disk d;

    full_disk_open(&d, "");
    disk_add(&d, VIRTIO_BLK_T_OUT, 0, 512);
    vring_kick(d.r);
    expect_io_error(&d, "write", "stop", true);
    expect_stop(&d);
    expect_io_status(&d, "nospace");
    g_assert_false(vring_has_used(d.r));

    /* It is tried again, and fails again. */
    cont(&d);
    resume = qtest_wait_event(d.q, "RESUME");
    expect_io_error(&d, "write", "stop", true);
    expect_stop(&d);

    /* A reset forgets it. */
    vdev_negotiate(d.v, 0);
    expect_io_status(&d, "nospace");
    cont(&d);
    expect_io_status(&d, "ok");
    expect_state(&d, "running");
    g_assert_false(qtest_has_event(d.q, "BLOCK_IO_ERROR"));
    disk_close(&d);
}

static void test_full_disk_is_reported(void)
{
    Disk d;

    full_disk_open(&d, ",werror=report");
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_OUT, 0, 512), ==,
                     VIRTIO_BLK_S_IOERR);
    expect_io_error(&d, "write", "report", -1);
    expect_state(&d, "running");
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, 0, 512), ==,
                     VIRTIO_BLK_S_OK);
    disk_close(&d);
}

static void test_full_disk_is_ignored(void)
{
    Disk d;

    full_disk_open(&d, ",werror=ignore");
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_OUT, 0, 512), ==,
                     VIRTIO_BLK_S_OK);
    expect_io_error(&d, "write", "ignore", -1);
    expect_state(&d, "running");
    disk_close(&d);
}

/* "enospc" stops for that only; other errors are reported. */
static void test_other_write_errors_are_reported(void)
{
    Disk d;

    limited_open(&d, "", ",werror=enospc");
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_OUT, FAR, 512), ==,
                     VIRTIO_BLK_S_IOERR);
    expect_io_error(&d, "write", "report", false);
    expect_state(&d, "running");
    disk_close(&d);
}

static void check_file(const Disk *d, off_t at, uint8_t byte)
{
    autofd int fd = open(d->path, O_RDONLY | O_CLOEXEC);
    uint8_t got = ~byte;

    g_assert_cmpint(pread(fd, &got, 1, at), ==, 1);
    g_assert_cmphex(got, ==, byte);
}

static void stopped_write_is_done_later(const char *args, const char *opts)
{
    Disk d;

    limited_open(&d, args, opts);
    qtest_memset(d.q, d.data, 0x6b, 512);
    disk_add(&d, VIRTIO_BLK_T_OUT, FAR, 512);
    vring_kick(d.r);
    expect_io_error(&d, "write", "stop", false);
    expect_stop(&d);
    expect_io_status(&d, "failed");
    g_assert_false(vring_has_used(d.r));
    lift_limit(&d);
    cont(&d);
    vring_wait(d.r, NULL);
    g_assert_cmpuint(qtest_readb(d.q, d.status), ==, VIRTIO_BLK_S_OK);
    expect_state(&d, "running");
    expect_io_status(&d, "ok");
    check_file(&d, FAR * 512, 0x6b);
    disk_close(&d);
}

static void test_stopped_write_is_done_later(void)
{
    stopped_write_is_done_later("", ",werror=stop");
}

static void test_stopped_write_on_an_iothread(void)
{
    stopped_write_is_done_later("-object iothread,id=t0",
                                ",werror=stop,iothread=t0");
}

/* All requests of a transfer are kept, and each is done. */
static void test_stopped_merged_writes_are_done_later(void)
{
    enum { N = 4 };
    uint64_t at[N];
    Disk d;

    limited_open(&d, "", ",werror=stop");
    disk_request(&d, VIRTIO_BLK_T_FLUSH, 0, 0);
    for (unsigned i = 0; i < N; i++) {
        at[i] = vdev_alloc(d.v, 4096);
        VSeg segs[3] = { { at[i], 16, false },
                         { at[i] + 512, 512, false },
                         { at[i] + 1024, 1, true } };

        qtest_writel(d.q, at[i], VIRTIO_BLK_T_OUT);
        qtest_writeq(d.q, at[i] + 8, FAR + i);
        qtest_memset(d.q, at[i] + 512, 0x10 + i, 512);
        qtest_writeb(d.q, at[i] + 1024, 0xff);
        vring_add(d.r, segs, 3);
    }
    vring_kick(d.r);
    expect_io_error(&d, "write", "stop", false);
    expect_stop(&d);
    lift_limit(&d);
    cont(&d);
    for (unsigned i = 0; i < N; i++) {
        vring_wait(d.r, NULL);
    }
    for (unsigned i = 0; i < N; i++) {
        g_assert_cmpuint(qtest_readb(d.q, at[i] + 1024), ==, 0);
        check_file(&d, (FAR + i) * 512, 0x10 + i);
    }
    disk_close(&d);
}

static void test_read_errors_are_reported(void)
{
    Disk d;

    unreadable_disk_open(&d, "");
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, 0, 512), ==,
                     VIRTIO_BLK_S_IOERR);
    expect_io_error(&d, "read", "report", false);
    expect_state(&d, "running");
    disk_close(&d);
}

static void test_read_errors_are_ignored(void)
{
    Disk d;

    unreadable_disk_open(&d, ",rerror=ignore");
    g_assert_cmpuint(disk_request(&d, VIRTIO_BLK_T_IN, 0, 512), ==,
                     VIRTIO_BLK_S_OK);
    expect_io_error(&d, "read", "ignore", false);
    disk_close(&d);
}

static void test_read_errors_stop_the_machine(void)
{
    Disk d;

    unreadable_disk_open(&d, ",rerror=stop");
    disk_add(&d, VIRTIO_BLK_T_IN, 0, 512);
    vring_kick(d.r);
    expect_io_error(&d, "read", "stop", false);
    expect_stop(&d);
    expect_io_status(&d, "failed");
    disk_close(&d);
}

/* A disk that has stopped the machine is unplugged: its request goes along. */
static void stopped_disk_goes(const char *args, const char *opts)
{
    Disk d = { .path = NULL };
    unsigned cap;

    d.q = qtest_startf(
        "-machine q35 %s -blockdev driver=null-co,node-name=f0,size=4194304 "
        "-blockdev driver=blkdebug,node-name=n0,image=f0,"
        "inject-error.0.event=none,inject-error.0.iotype=write,"
        "inject-error.0.errno=28 "
        "-device pcie-root-port,id=rp,addr=5,chassis=1,slot=1 "
        "-device virtio-blk-pci,id=d0,bus=rp,drive=n0%s",
        args, opts);
    cap = disk_open_port(d.q);
    disk_attach_at(&d, VDEV_BUS, false, 0);
    disk_add(&d, VIRTIO_BLK_T_OUT, 0, 512);
    vring_kick(d.r);
    expect_io_error(&d, "write", "stop", true);
    expect_stop(&d);
    qtest_qmp_ok(d.q, "{'execute': 'device_del', 'arguments': {'id': 'd0'}}");
    g_assert_false(vring_has_used(d.r));
    disk_leave_port(&d, cap);
    qtest_qmp_ok(d.q, "{'execute': 'blockdev-del', 'arguments': "
                      "{'node-name': 'n0'}}");
    cont(&d);
    expect_state(&d, "running");
    g_assert_false(qtest_has_event(d.q, "BLOCK_IO_ERROR"));
    qtest_quit(d.q);
}

static void test_stopped_disk_goes(void)
{
    stopped_disk_goes("", "");
}

static void test_stopped_disk_goes_from_an_iothread(void)
{
    stopped_disk_goes("-object iothread,id=t0", ",iothread=t0");
}

/* A system reset forgets the request, too. */
static void reset_forgets(const char *args, const char *opts)
{
    Disk d;

    limited_open(&d, args, opts);
    disk_add(&d, VIRTIO_BLK_T_OUT, FAR, 512);
    vring_kick(d.r);
    expect_io_error(&d, "write", "stop", false);
    expect_stop(&d);
    qtest_qmp_ok(d.q, "{'execute': 'system_reset'}");
    qobject_unref(qtest_wait_event(d.q, "RESET"));
    lift_limit(&d);
    cont(&d);
    expect_state(&d, "running");
    g_assert_cmpuint(qtest_readb(d.q, d.status), ==, 0xff);
    check_file(&d, FAR * 512, 0);
    disk_close(&d);
}

static void test_system_reset(void)
{
    reset_forgets("", ",werror=stop");
}

static void test_system_reset_of_an_iothread(void)
{
    reset_forgets("-object iothread,id=t0", ",werror=stop,iothread=t0");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-blk/enospc/stop",
                    test_full_disk_stops_the_machine);
    g_test_add_func("/virtio-blk/enospc/report", test_full_disk_is_reported);
    g_test_add_func("/virtio-blk/enospc/ignore", test_full_disk_is_ignored);
    g_test_add_func("/virtio-blk/enospc/other",
                    test_other_write_errors_are_reported);
    vdev_add_test("/virtio-blk/werror/stop", test_stopped_write_is_done_later);
    g_test_add_func("/virtio-blk/werror/iothread",
                    test_stopped_write_on_an_iothread);
    vdev_add_test("/virtio-blk/werror/unplug", test_stopped_disk_goes);
    g_test_add_func("/virtio-blk/werror/unplug-iothread",
                    test_stopped_disk_goes_from_an_iothread);
    g_test_add_func("/virtio-blk/werror/reset", test_system_reset);
    g_test_add_func("/virtio-blk/werror/reset-iothread",
                    test_system_reset_of_an_iothread);
    g_test_add_func("/virtio-blk/werror/merged",
                    test_stopped_merged_writes_are_done_later);
    g_test_add_func("/virtio-blk/rerror/report", test_read_errors_are_reported);
    g_test_add_func("/virtio-blk/rerror/ignore", test_read_errors_are_ignored);
    g_test_add_func("/virtio-blk/rerror/stop",
                    test_read_errors_stop_the_machine);
    return g_test_run();
}
