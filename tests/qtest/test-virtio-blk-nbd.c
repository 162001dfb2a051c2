/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk that is an NBD client, served by an IOThread, whose server vanishes
 * and comes back.
 * Spec: reconnect-delay and open-timeout in QEMU 7.2's QMP reference.
 */
#include "util/osdep.h"

#include <signal.h>
#include <sys/wait.h>

#include "tests/qtest/virtio-disk.h"

#define REQUESTS 4

typedef struct Remote {
    char *dir, *socket, *image;
    pid_t pid; /* of the server, or 0 */
} Remote;

static void remote_init(Remote *r)
{
    r->dir = g_dir_make_tmp("nemu-nbd-XXXXXX", NULL);
    r->socket = g_build_filename(r->dir, "socket", NULL);
    r->image = disk_image();
    r->pid = 0;
}

/* It may take its time: who connects tries again. */
static void remote_serve(Remote *r)
{
    const char *emulator = g_getenv("QTEST_QEMU_BINARY");
    g_autofree char *dir = g_path_get_dirname(emulator);
    g_autofree char *program = g_build_filename(dir, "qemu-nbd", NULL);

    r->pid = fork();
    g_assert_cmpint(r->pid, >=, 0);
    if (!r->pid) {
        execl(program, program, "-t", "-e", "8", "-f", "raw", "-k", r->socket,
              r->image, NULL);
        _exit(127);
    }
}

static void remote_wait(const Remote *r)
{
    for (int i = 0; i < 6000 && access(r->socket, F_OK) < 0; i++) {
        g_usleep(10000);
    }
    g_assert_cmpint(access(r->socket, F_OK), ==, 0);
}

static void remote_kill(Remote *r)
{
    kill(r->pid, SIGKILL);
    g_assert_cmpint(waitpid(r->pid, NULL, 0), ==, r->pid);
    unlink(r->socket);
    r->pid = 0;
}

static void remote_free(Remote *r)
{
    remote_kill(r);
    unlink(r->image);
    rmdir(r->dir);
    g_free(r->dir);
    g_free(r->socket);
    g_free(r->image);
}

static void open_disk(Disk *d, const Remote *r, const char *opts)
{
    d->path = disk_image(); /* only to be removed */
    d->q = qtest_startf("-machine q35 -object iothread,id=t0 -blockdev "
                        "driver=nbd,node-name=n0,server.type=unix,"
                        "server.path=%s%s "
                        "-device virtio-blk-pci,id=d0,drive=n0,addr=4,"
                        "iothread=t0,werror=report",
                        r->socket, opts);
    disk_attach(d, false, 0);
}

static uint8_t write_byte(Disk *d, uint8_t byte, uint64_t sector)
{
    qtest_memset(d->q, d->data, byte, 4096);
    return disk_request(d, VIRTIO_BLK_T_OUT, sector, 4096);
}

static void check_image(const Remote *r, uint64_t sector, uint8_t byte)
{
    autofd int fd = open(r->image, O_RDONLY | O_CLOEXEC);
    uint8_t buf[4096];

    g_assert_cmpint(pread(fd, buf, sizeof(buf), sector * 512), ==, 4096);
    for (size_t i = 0; i < sizeof(buf); i++) {
        g_assert_cmphex(buf[i], ==, byte);
    }
}

static void test_requests_wait_for_the_server(void)
{
    Remote r;
    Disk d;

    remote_init(&r);
    remote_serve(&r);
    remote_wait(&r);
    open_disk(&d, &r, ",reconnect-delay=60");
    g_assert_cmpuint(write_byte(&d, 1, 0), ==, VIRTIO_BLK_S_OK);
    check_image(&r, 0, 1);
    for (unsigned round = 2; round < 5; round++) {
        remote_kill(&r);
        qtest_memset(d.q, d.data, round, 4096);
        for (size_t i = 0; i < REQUESTS; i++) {
            /* The same write, so that they may share header and status. */
            disk_add(&d, VIRTIO_BLK_T_OUT, 8 * round, 4096);
        }
        vring_kick(d.r);
        remote_serve(&r);
        for (size_t i = 0; i < REQUESTS; i++) {
            vring_wait(d.r, NULL);
        }
        g_assert_cmpuint(qtest_readb(d.q, d.status), ==, VIRTIO_BLK_S_OK);
        check_image(&r, 8 * round, round);
    }
    disk_close(&d);
    remote_free(&r);
}

static void test_requests_fail_without_a_delay(void)
{
    uint8_t status = VIRTIO_BLK_S_IOERR;
    Remote r;
    Disk d;

    remote_init(&r);
    remote_serve(&r);
    remote_wait(&r);
    open_disk(&d, &r, "");
    g_assert_cmpuint(write_byte(&d, 1, 0), ==, VIRTIO_BLK_S_OK);
    remote_kill(&r);
    g_assert_cmpuint(write_byte(&d, 2, 0), ==, VIRTIO_BLK_S_IOERR);
    remote_serve(&r);
    remote_wait(&r);
    for (int i = 0; i < 6000 && status != VIRTIO_BLK_S_OK; i++) {
        g_usleep(10000);
        status = write_byte(&d, 3, 0);
    }
    g_assert_cmpuint(status, ==, VIRTIO_BLK_S_OK);
    check_image(&r, 0, 3);
    disk_close(&d);
    remote_free(&r);
}

static void test_open_waits_for_the_server(void)
{
    Remote r;
    Disk d;

    remote_init(&r);
    remote_serve(&r); /* and at once: */
    open_disk(&d, &r, ",open-timeout=60");
    g_assert_cmpuint(write_byte(&d, 5, 16), ==, VIRTIO_BLK_S_OK);
    check_image(&r, 16, 5);
    disk_close(&d);
    remote_free(&r);
}

/* Control code drains the node while requests wait for the server. */
static void test_reset_while_the_server_is_away(void)
{
    Remote r;
    Disk d;

    remote_init(&r);
    remote_serve(&r);
    remote_wait(&r);
    open_disk(&d, &r, ",reconnect-delay=1");
    g_assert_cmpuint(write_byte(&d, 1, 0), ==, VIRTIO_BLK_S_OK);
    remote_kill(&r);
    disk_add(&d, VIRTIO_BLK_T_OUT, 8, 4096);
    vring_kick(d.r);
    /* What waits fails after the delay; then the device is as new. */
    g_free(qtest_hmp(d.q, "system_reset"));
    remote_serve(&r);
    remote_wait(&r);
    g_free(d.r);
    vdev_close(d.v);
    disk_attach(&d, false, 0);
    for (int i = 0; i < 6000 && write_byte(&d, 7, 24) != VIRTIO_BLK_S_OK; i++) {
        g_usleep(10000);
    }
    check_image(&r, 24, 7);
    disk_close(&d);
    remote_free(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-blk/nbd/requests-wait-for-the-server",
                    test_requests_wait_for_the_server);
    g_test_add_func("/virtio-blk/nbd/requests-fail-without-a-delay",
                    test_requests_fail_without_a_delay);
    g_test_add_func("/virtio-blk/nbd/open-waits-for-the-server",
                    test_open_waits_for_the_server);
    g_test_add_func("/virtio-blk/nbd/reset-while-the-server-is-away",
                    test_reset_while_the_server_is_away);
    return g_test_run();
}
