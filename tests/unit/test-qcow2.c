/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes to qcow2 that allocate clusters: their data is on its way at once. */
#include "util/osdep.h"

#include <sys/mman.h>

#include "block-image.h"
#include "block/block-backend.h"
#include "block/block-graph.h"
#include "memdisk.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"
#include "util/rcu.h"

enum { WRITERS = 4, CLUSTER = 65536, DISK = 16 * MiB };

static MemDisk disk;
static Loop *loop;
static BlockGraph *graph;
static CoQueue all_there;
static Mutex lock;
static unsigned there;
static bool meet;

/* Answer writes of data when all writers are there. */
static void coroutine_fn wait_for_all(MemDisk *d, int64_t offset)
{
    if (!meet || d->mem[offset] != 'd') {
        return;
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
}

static BlockNode *disk_open(void)
{
    int fd = memfd_create("disk", MFD_CLOEXEC);
    g_autofree char *image = NULL;
    int64_t length;

    make_qcow2(fd, 16, 8 * MiB);
    length = lseek(fd, 0, SEEK_END);
    image = g_malloc(length);
    g_assert_cmpint(pread(fd, image, length, 0), ==, length);
    close(fd);
    memdisk_init(&disk, DISK);
    disk.written = wait_for_all;
    return memdisk_open(graph, "disk", &disk, image, length, 0);
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
    memdisk_destroy(&disk);
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
