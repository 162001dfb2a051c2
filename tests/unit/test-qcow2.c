/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes to qcow2 that allocate clusters: their data is on its way at once. */
#include "util/osdep.h"

#include <sys/mman.h>

#include "block-image.h"
#include "block/block-backend.h"
#include "block/block-graph.h"
#include "block/block-int.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"
#include "util/rcu.h"

enum { WRITERS = 4, CLUSTER = 65536, DISK = 16 * MiB };

/* A disk in memory that answers writes of data when all writers are there. */
static char *disk;
static Loop *loop;
static BlockGraph *graph;
static CoQueue all_there;
static Mutex lock;
static unsigned there;
static bool meet;

static int coroutine_fn disk_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset,
                                    unsigned flags)
{
    iov_from_buf(iov, iov_offset, disk + offset, bytes);
    return 0;
}

static int coroutine_fn disk_pwritev(BlockNode *n, int64_t offset,
                                     int64_t bytes, const IoVec *iov,
                                     size_t iov_offset, unsigned flags)
{
    if (offset > DISK - bytes) {
        return -ENOSPC;
    }
    iov_to_buf(iov, iov_offset, disk + offset, bytes);
    if (!meet || disk[offset] != 'd') {
        return 0;
    }
    mutex_lock(&lock);
    there++;
    if (there == WRITERS) {
        co_queue_wake_all(&all_there);
    }
    while (there < WRITERS) {
        co_queue_wait(&all_there, &lock);
    }
    mutex_unlock(&lock);
    return 0;
}

static int64_t coroutine_fn disk_getlength(BlockNode *n)
{
    return node_length(n);
}

static const BlockIoOps disk_io = {
    .preadv = disk_preadv,
    .pwritev = disk_pwritev,
};
static const BlockSizeOps disk_size = { .getlength = disk_getlength };
static const BlockDriver disk_driver = {
    .name = "test-disk",
    .driver = BLOCKDEV_DRIVER_FILE,
    .protocol = true,
    .io = &disk_io,
    .size = &disk_size,
};

static BlockNode *disk_open(void)
{
    BlockNode *n = node_new(graph, &disk_driver, "disk", error_abort);
    int fd = memfd_create("disk", MFD_CLOEXEC);

    make_qcow2(fd, 16, 8 * MiB);
    n->length = lseek(fd, 0, SEEK_END);
    disk = mmap(NULL, DISK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    g_assert_cmpint(pread(fd, disk, n->length, 0), ==, n->length);
    close(fd);
    node_refresh_limits(n);
    node_publish(n);
    return n;
}

static BlockBackend *image_open(BlockNode *below)
{
    g_autoptr(BlockdevOptions) opts =
        qapi_parse_option(&qapi_type_BlockdevOptions,
                          "{\"driver\": \"qcow2\", \"file\": \"disk\"}",
                          "driver", error_abort);
    BlockNode *n = block_open(graph, opts, NULL, error_abort);
    BlockBackend *blk =
        blk_new(graph, BLK_PERM_READ | BLK_PERM_WRITE, BLK_PERM_ALL);

    blk_insert_node(blk, n, error_abort);
    node_unref(n);
    return blk;
}

static void write_done(void *opaque, int ret)
{
    g_assert_cmpint(ret, ==, 0);
    (*(unsigned *)opaque)--;
}

static void test_data_writes_overlap(void)
{
    BlockNode *n = disk_open();
    BlockBackend *blk = image_open(n);
    static char buf[CLUSTER];
    struct iovec iov = { buf, CLUSTER };
    IoVec v = { &iov, 1, CLUSTER };
    unsigned left = WRITERS;

    memset(buf, 'd', sizeof(buf));
    meet = true;
    for (int64_t i = 0; i < WRITERS; i++) {
        blk_aio_pwritev(blk, i * 2 * CLUSTER, &v, 0, write_done, &left);
    }
    /* One after the other would wait for ever. */
    while (left) {
        loop_run_once(loop, true);
    }
    g_assert_cmpuint(there, ==, WRITERS);
    meet = false;
    memset(buf, 0, sizeof(buf));
    g_assert_cmpint(blk_pread(blk, 2 * CLUSTER, CLUSTER, buf), ==, 0);
    g_assert_cmpint(buf[0], ==, 'd');
    g_assert_cmpint(buf[CLUSTER - 1], ==, 'd');
    blk_unref(blk);
    node_unref(n);
    munmap(disk, DISK);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    rcu_register_thread();
    loop = loop_new("test", error_abort);
    loop_set_current(loop);
    graph = block_graph_new(loop);
    mutex_init(&lock);
    co_queue_init(&all_there);
    g_test_add_func("/qcow2/allocating-writes-overlap",
                    test_data_writes_overlap);
    ret = g_test_run();
    block_graph_free(graph);
    loop_free(loop);
    rcu_unregister_thread();
    return ret;
}
