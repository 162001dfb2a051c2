/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The block layer from inside: one backend used from several loops at once,
 * draining, permissions, error policy. Formats are judged in tests/block.
 */
#include "util/osdep.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "block-image.h"
#include "block/block-backend.h"
#include "block/block-graph.h"
#include "block/drive.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"
#include "util/thread.h"

static Loop *loop;
static BlockGraph *graph;

static BlockNode *open_node(const char *option)
{
    g_autoptr(BlockdevOptions) opts =
        qapi_parse_option(&qapi_type_BlockdevOptions, option, "driver",
                          error_abort);

    return block_open(graph, opts, NULL, error_abort);
}

static BlockBackend *open_blk(const char *option, uint64_t shared)
{
    BlockBackend *blk =
        blk_new(graph, BLK_PERM_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE,
                shared);
    BlockNode *n = open_node(option);

    blk_insert_node(blk, n, error_abort);
    node_unref(n);
    return blk;
}

/* A temporary file; its name is to be freed. */
static char *temp_image(unsigned bits, uint64_t size)
{
    char *path = NULL;
    int fd = g_file_open_tmp("nemu-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    if (bits) {
        make_qcow2(fd, bits, size);
    } else {
        g_assert_cmpint(ftruncate(fd, size), ==, 0);
    }
    close(fd);
    return path;
}

/* Several loops ---------------------------------------------------------------
 */

enum { THREADS = 3, DEPTH = 8, STRIPE = 3000, SLOTS = 40, STEPS = 100 };

typedef struct Worker Worker;

/* One request at a time; owns the slots s with s % (THREADS * DEPTH) == id of
 * the disk, which lie between those of others in the same clusters. */
typedef struct Lane {
    Worker *w;
    unsigned id, left;
    uint8_t expect[SLOTS];
    uint8_t buf[STRIPE];
    struct iovec iov;
    IoVec v;
    unsigned slot;
    enum { LANE_READ, LANE_WRITE, LANE_ZERO } kind;
    bool busy, in_step;
} Lane;

struct Worker {
    BlockBackend *blk;
    Loop *loop;
    Thread thread;
    unsigned running;
    GRand *rand;
    Lane lane[DEPTH];
};

static void lane_step(Lane *l);

static int64_t lane_offset(const Lane *l)
{
    return ((int64_t)l->slot * THREADS * DEPTH + l->id) * STRIPE;
}

static void lane_done(void *opaque, int ret)
{
    Lane *l = opaque;

    g_assert_cmpint(ret, ==, 0);
    g_assert_true(loop_is_current(l->w->loop));
    if (l->kind == LANE_READ) {
        for (unsigned i = 0; i < STRIPE; i++) {
            g_assert_cmpint(l->buf[i], ==, l->expect[l->slot]);
        }
    }
    l->busy = false;
    if (!l->in_step) {
        lane_step(l);
    }
}

static void lane_submit(Lane *l)
{
    BlockBackend *blk = l->w->blk;

    l->slot = g_rand_int_range(l->w->rand, 0, SLOTS);
    l->kind = g_rand_int_range(l->w->rand, 0, 3);
    l->busy = true;
    switch (l->kind) {
    case LANE_READ:
        blk_aio_preadv(blk, lane_offset(l), &l->v, 0, lane_done, l);
        break;
    case LANE_WRITE:
        l->expect[l->slot] = g_rand_int_range(l->w->rand, 1, 256);
        memset(l->buf, l->expect[l->slot], STRIPE);
        blk_aio_pwritev(blk, lane_offset(l), &l->v,
                        l->left % 50 ? 0 : BLK_REQ_FUA, lane_done, l);
        break;
    default:
        l->expect[l->slot] = 0;
        blk_aio_pwrite_zeroes(blk, lane_offset(l), STRIPE, BLK_REQ_MAY_UNMAP,
                              lane_done, l);
    }
}

/* Requests that complete at once must not nest. */
static void lane_step(Lane *l)
{
    l->in_step = true;
    while (!l->busy && l->left) {
        l->left--;
        lane_submit(l);
    }
    l->in_step = false;
    if (!l->busy && !l->left) {
        l->w->running--;
    }
}

static void *worker_main(void *opaque)
{
    Worker *w = opaque;

    w->loop = loop_new("worker", error_abort);
    loop_set_current(w->loop);
    w->running = DEPTH;
    for (unsigned i = 0; i < DEPTH; i++) {
        lane_step(&w->lane[i]);
    }
    while (w->running) {
        loop_run_once(w->loop, true);
    }
    return NULL;
}

static void workers_start(Worker *w, BlockBackend *blk)
{
    for (unsigned t = 0; t < THREADS; t++) {
        w[t].blk = blk;
        w[t].rand = g_rand_new_with_seed(t + 1);
        for (unsigned i = 0; i < DEPTH; i++) {
            Lane *l = &w[t].lane[i];

            l->w = &w[t];
            l->id = t * DEPTH + i;
            l->left = STEPS;
            l->iov = (struct iovec){ l->buf, STRIPE };
            l->v = IOVEC_OF(&l->iov, 1);
        }
        thread_create(&w[t].thread, "worker", worker_main, &w[t], error_abort);
    }
}

static void workers_check(Worker *w, BlockBackend *blk)
{
    for (unsigned t = 0; t < THREADS; t++) {
        thread_join(&w[t].thread);
        g_rand_free(w[t].rand);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        loop_free(w[t].loop);
    }
    for (unsigned i = 0; i < THREADS * DEPTH; i++) {
        Lane *l = &w[i / DEPTH].lane[i % DEPTH];

        for (l->slot = 0; l->slot < SLOTS; l->slot++) {
            g_assert_cmpint(blk_pread(blk, lane_offset(l), STRIPE, l->buf), ==,
                            0);
            g_assert_cmpint(l->buf[0], ==, l->expect[l->slot]);
            g_assert_cmpint(l->buf[STRIPE - 1], ==, l->expect[l->slot]);
        }
    }
}

static void test_loops(const char *format, unsigned bits, const char *options)
{
    Worker *w = g_new0(Worker, THREADS);
    g_autofree char *path = temp_image(bits, 8 * MiB);
    g_autofree char *option =
        g_strdup_printf("driver=%s,file.driver=file,file.filename=%s,%s",
                        format, path, options);
    BlockBackend *blk = open_blk(option, BLK_PERM_ALL);

    workers_start(w, blk);
    for (int i = 0; i < 20; i++) {
        blk_drained_begin(blk);
        g_assert_cmpuint(blk_in_flight(blk), ==, 0);
        blk_drained_end(blk);
        g_assert_cmpint(blk_flush(blk), ==, 0);
        g_usleep(500);
    }
    workers_check(w, blk);
    blk_unref(blk);
    /* Once more, from the file. */
    blk = open_blk(option, BLK_PERM_ALL);
    for (unsigned i = 0; i < THREADS * DEPTH; i++) {
        Lane *l = &w[i / DEPTH].lane[i % DEPTH];

        l->slot = i % SLOTS;
        blk_pread(blk, lane_offset(l), STRIPE, l->buf);
        g_assert_cmpint(l->buf[0], ==, l->expect[l->slot]);
    }
    blk_unref(blk);
    unlink(path);
    g_free(w);
}

static void test_raw_from_several_loops(void)
{
    test_loops("raw", 0, "discard=unmap");
}

static void test_raw_without_page_cache(void)
{
#ifdef CONFIG_LINUX_AIO
    test_loops("raw", 0, "cache.direct=on,file.aio=native");
#else
    g_test_skip("built without Linux AIO");
#endif
}

static void test_qcow2_from_several_loops(void)
{
    test_loops("qcow2", 16, "discard=unmap");
}

static void test_qcow2_with_small_clusters_and_cache(void)
{
    test_loops("qcow2", 9,
               "discard=unmap,l2-cache-size=2048,"
               "l2-cache-entry-size=512,"
               "refcount-cache-size=2048");
}

static void test_qcow2_without_page_cache(void)
{
    test_loops("qcow2", 12,
               "discard=unmap,cache.direct=on,"
               "file.aio=threads");
}

/* Draining
 * --------------------------------------------------------------------- */

static void count_done(void *opaque, int ret)
{
    g_assert_cmpint(ret, ==, 0);
    ++*(int *)opaque;
}

static void test_drain_waits_and_holds_back(void)
{
    BlockBackend *blk = open_blk("null-co,latency-ns=3000000", BLK_PERM_ALL);
    char buf[512];
    IoVec v = IOVEC_BUF(buf, sizeof(buf));
    int before = 0, during = 0;

    for (int i = 0; i < 5; i++) {
        blk_aio_preadv(blk, 0, &v, 0, count_done, &before);
    }
    g_assert_cmpuint(blk_in_flight(blk), ==, 5);
    blk_drained_begin(blk);
    g_assert_cmpint(before, ==, 5);
    blk_aio_preadv(blk, 0, &v, 0, count_done, &during);
    loop_run_once(loop, false);
    g_assert_cmpuint(blk_in_flight(blk), ==, 0);
    blk_drained_end(blk);
    while (!during) {
        loop_run_once(loop, true);
    }
    blk_unref(blk);
}

/* Permissions
 * -------------------------------------------------------------------- */

static void test_second_writer_is_refused(void)
{
    autoerr Error *err = NULL;
    BlockNode *n = open_node("null-co,node-name=shared");
    BlockBackend *a = blk_for_device(graph, "shared", error_abort);
    BlockBackend *b = blk_for_device(graph, "shared", error_abort);

    blk_apply_disk_perm(a, false, false, error_abort);
    g_assert_false(blk_apply_disk_perm(b, false, false, &err));
    g_assert_nonnull(strstr(error_text(err), "write"));
    /* Readers are welcome, and writers once both share. */
    blk_apply_disk_perm(b, true, true, error_abort);
    blk_apply_disk_perm(a, false, true, error_abort);
    blk_apply_disk_perm(b, false, true, error_abort);
    blk_unref(a);
    blk_unref(b);
    node_unref(n);
}

static void test_failed_change_leaves_permissions(void)
{
    autoerr Error *err = NULL;
    BlockNode *n = open_node("null-co,node-name=ro,read-only=on");
    BlockBackend *a = blk_for_device(graph, "ro", error_abort);

    g_assert_true(blk_is_read_only(a));
    g_assert_false(blk_set_perm(a, BLK_PERM_WRITE, BLK_PERM_ALL, &err));
    blk_set_perm(a, BLK_PERM_READ, BLK_PERM_READ, error_abort);
    blk_unref(a);
    node_unref(n);
}

static void test_names_are_unique_and_checked(void)
{
    static const char *const bad[] = {
        "null-co,node-name=one",
        "null-co,node-name=1x",
        "null-co,node-name=a b",
        "null-co,node-name=drv",
        "null-co,node-name=a23456789012345678901234567890123",
    };
    BlockNode *n = open_node("null-co,node-name=one");
    DriveInfo *d =
        drive_add(graph, "if=none,id=drv,driver=null-co", error_abort);

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        autoerr Error *err = NULL;

        g_assert_false(blockdev_add_option(graph, bad[i], &err));
    }
    g_assert_true(blk_find(graph, "drv") == d->blk);
    node_unref(n);
}

/* -drive
 * -------------------------------------------------------------------------- */

static void test_drive_takes_its_options(void)
{
    g_autofree char *path = temp_image(0, MiB);
    g_autofree char *text = g_strdup_printf(
        "file=%s,format=raw,if=none,id=d1,cache=directsync,discard=on,"
        "werror=stop,rerror=ignore,readonly=off,aio=threads",
        path);
    DriveInfo *d = drive_add(graph, text, error_abort);
    BlockNode *n = blk_node(d->blk);

    g_assert_false(blk_write_cache(d->blk));
    g_assert_true(n->flags.direct && n->flags.unmap);
    g_assert_true(n->file->node->flags.direct);
    g_assert_cmpint(blk_on_error(d->blk, false), ==, BLK_ON_ERROR_STOP);
    g_assert_cmpint(blk_on_error(d->blk, true), ==, BLK_ON_ERROR_IGNORE);
    g_assert_cmpint(d->type, ==, DRIVE_IF_NONE);
    unlink(path);
}

static void test_bad_drives_are_refused(void)
{
    static const char *const bad[] = {
        "if=none,id=d1", /* taken */
        "if=nono,id=x",
        "if=none,id=9",
        "if=none,id=x,cache=fast",
        "if=none,id=x,werror=maybe",
        "if=none,id=x,rerror=enospc",
        "if=none,id=x,file=/nonexistent/y",
        "if=none,id=x,driver=null-co,colour=red",
        "if=none,id=x,snapshot=perhaps",
        "if=none,id=x,index=1,bus=0",
        "if=none,id=x,media=tape",
        "if=none,id=x,driver=null-co,discard=perhaps",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        autoerr Error *err = NULL;

        g_assert_null(drive_add(graph, bad[i], &err));
        g_assert_nonnull(err);
    }
    g_assert_null(blk_find(graph, "x"));
}

/* Errors
 * ---------------------------------------------------------------------------
 */

static void note_stop(void *opaque)
{
    ++*(int *)opaque;
}

static void test_error_policy(void)
{
    BlockBackend *blk = open_blk("null-co", BLK_PERM_ALL);
    int stops = 0;

    graph->hooks.stop_vm = note_stop;
    graph->hooks.opaque = &stops;
    blk_set_on_error(blk, BLK_ON_ERROR_AUTO, BLK_ON_ERROR_AUTO);
    g_assert_cmpint(blk_error(blk, BLK_ACCT_READ, 0, EIO), ==,
                    BLK_ACTION_REPORT);
    g_assert_cmpint(blk_error(blk, BLK_ACCT_WRITE, 0, EIO), ==,
                    BLK_ACTION_REPORT);
    g_assert_cmpint(stops, ==, 0);
    g_assert_cmpint(blk_error(blk, BLK_ACCT_WRITE, 0, ENOSPC), ==,
                    BLK_ACTION_STOP);
    g_assert_cmpint(stops, ==, 1);
    blk_set_on_error(blk, BLK_ON_ERROR_STOP, BLK_ON_ERROR_IGNORE);
    g_assert_cmpint(blk_error(blk, BLK_ACCT_READ, 0, EIO), ==, BLK_ACTION_STOP);
    g_assert_cmpint(blk_error(blk, BLK_ACCT_WRITE, 0, ENOSPC), ==,
                    BLK_ACTION_IGNORE);
    graph->hooks = (BlockHooks){ 0 };
    blk_unref(blk);
}

static void test_requests_outside_fail(void)
{
    BlockBackend *blk = open_blk("null-co,size=4096", BLK_PERM_ALL);
    char buf[512] = { 0 };

    g_assert_cmpint(blk_pread(blk, 4096, 512, buf), ==, -EIO);
    g_assert_cmpint(blk_pread(blk, 3840, 512, buf), ==, -EIO);
    g_assert_cmpint(blk_pwrite(blk, -512, 512, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pdiscard(blk, INT64_MAX - 10, 4096), ==, -EIO);
    g_assert_cmpint(blk_pread(blk, 3584, 512, buf), ==, 0);
    blk_remove_node(blk);
    g_assert_cmpint(blk_pread(blk, 0, 512, buf), ==, -ENOMEDIUM);
    blk_unref(blk);
}

static void test_drive_snapshot_leaves_the_image_alone(void)
{
    g_autofree char *path = temp_image(0, MiB);
    g_autofree char *option =
        g_strdup_printf("id=snap,if=none,format=raw,snapshot=on,file=%s", path);
    g_autofree char *raw = g_strdup_printf("file,filename=%s", path);
    DriveInfo *d = drive_add(graph, option, error_abort);
    BlockBackend *blk = d->blk, *direct;
    uint8_t buf[3000];

    memset(buf, 0x55, sizeof(buf));
    blk_set_perm(blk, BLK_PERM_READ | BLK_PERM_WRITE, BLK_PERM_ALL,
                 error_abort);
    g_assert_cmpint(blk_pwrite(blk, 1000, sizeof(buf), buf, 0), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    memset(buf, 0, sizeof(buf));
    g_assert_cmpint(blk_pread(blk, 1000, sizeof(buf), buf), ==, 0);
    g_assert_cmphex(buf[0], ==, 0x55);
    g_assert_cmphex(buf[2999], ==, 0x55);
    blk_remove_node(blk);
    direct = open_blk(raw, BLK_PERM_ALL);
    g_assert_cmpint(blk_pread(direct, 1000, sizeof(buf), buf), ==, 0);
    g_assert_cmphex(buf[0], ==, 0);
    blk_unref(direct);
    unlink(path);
}

/* Pages of the first @bytes of @path that the host has in memory. */
static unsigned cached_pages(const char *path, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    size_t page = sysconf(_SC_PAGESIZE);
    g_autofree unsigned char *in = g_malloc0(bytes / page);
    unsigned n = 0;

    g_assert_cmpint(mincore(p, bytes, in), ==, 0);
    for (size_t i = 0; i < bytes / page; i++) {
        n += in[i] & 1;
    }
    munmap(p, bytes);
    close(fd);
    return n;
}

static void check_drop_cache(const char *path, const char *value, bool dropped)
{
    g_autofree char *option =
        g_strdup_printf("file,drop-cache=%s,filename=%s", value, path);
    g_autofree char *buf = g_malloc0(MiB);
    BlockBackend *blk = open_blk(option, BLK_PERM_ALL);

    g_assert_cmpint(blk_pwrite(blk, 0, MiB, buf, 0), ==, 0);
    g_assert_cmpint(cached_pages(path, MiB), ==, 256);
    g_assert_true(block_invalidate_all(graph, error_abort));
    g_assert_cmpint(cached_pages(path, MiB), ==, dropped ? 0 : 256);
    blk_unref(blk);
}

static void test_drop_cache_when_taking_over(void)
{
    /* On a file system whose pages are a cache of something. */
    g_autofree char *path = g_strdup("/var/tmp/nemu-XXXXXX");
    int fd = g_mkstemp(path);
    struct statfs st;

    g_assert_cmpint(fstatfs(fd, &st), ==, 0);
    g_assert_cmpint(ftruncate(fd, MiB), ==, 0);
    close(fd);
    if (st.f_type == TMPFS_MAGIC || sysconf(_SC_PAGESIZE) != 4096) {
        g_test_skip("no page cache under /var/tmp");
    } else {
        check_drop_cache(path, "off", false);
        check_drop_cache(path, "on", true);
    }
    unlink(path);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    loop = loop_new("main", error_abort);
    loop_set_current(loop);
    graph = block_graph_new(loop);
    g_test_add_func("/block/drain", test_drain_waits_and_holds_back);
    g_test_add_func("/block/perm/writers", test_second_writer_is_refused);
    g_test_add_func("/block/perm/undo", test_failed_change_leaves_permissions);
    g_test_add_func("/block/names", test_names_are_unique_and_checked);
    g_test_add_func("/block/drive", test_drive_takes_its_options);
    g_test_add_func("/block/drive-bad", test_bad_drives_are_refused);
    g_test_add_func("/block/errors", test_error_policy);
    g_test_add_func("/block/drive-snapshot",
                    test_drive_snapshot_leaves_the_image_alone);
    g_test_add_func("/block/drop-cache", test_drop_cache_when_taking_over);
    g_test_add_func("/block/outside", test_requests_outside_fail);
    g_test_add_func("/block/loops/raw", test_raw_from_several_loops);
    g_test_add_func("/block/loops/raw-direct", test_raw_without_page_cache);
    g_test_add_func("/block/loops/qcow2", test_qcow2_from_several_loops);
    g_test_add_func("/block/loops/qcow2-small",
                    test_qcow2_with_small_clusters_and_cache);
    g_test_add_func("/block/loops/qcow2-direct", test_qcow2_without_page_cache);
    ret = g_test_run();
    block_graph_free(graph);
    loop_free(loop);
    return ret;
}
