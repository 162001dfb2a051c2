/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs beside writers on two loops: nothing that was written is lost, and the
 * copy is the source.
 */
#include "util/osdep.h"

#include "block-image.h"
#include "block/backup.h"
#include "block/block-backend.h"
#include "block/mirror.h"
#include "qobject/keyval.h"
#include "util/error.h"
#include "util/thread.h"

#define SIZE ((int64_t)(4 * MiB))
#define HALF (SIZE / 2)

static Loop *loop;
static BlockGraph *graph;
static char *dir;

typedef struct Writer {
    BlockBackend *blk;
    int64_t base; /* of its half */
    uint8_t *model;
    GRand *rand;
    int stop; /* atomic */
    unsigned writes;
    bool done;
    Thread thread;
} Writer;

static void coroutine_fn write_one(Writer *w)
{
    g_autofree char *buf = NULL;
    int64_t at = g_rand_int_range(w->rand, 0, HALF);
    int64_t want = g_rand_int_range(w->rand, 1, 100000);
    int64_t len = MIN(HALF - at, want);
    int byte = g_rand_int_range(w->rand, 0, 256);

    if (g_rand_int_range(w->rand, 0, 4)) {
        buf = g_malloc(len);
        memset(buf, byte, len);
        g_assert_cmpint(blk_co_pwrite(w->blk, w->base + at, len, buf, 0), ==,
                        0);
    } else {
        byte = 0;
        g_assert_cmpint(blk_co_pwrite_zeroes(w->blk, w->base + at, len, 0), ==,
                        0);
    }
    memset(w->model + w->base + at, byte, len);
    __atomic_fetch_add(&w->writes, 1, __ATOMIC_RELAXED);
}

static void coroutine_fn writer_entry(void *opaque)
{
    Writer *w = opaque;

    while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
        write_one(w);
        coroutine_sleep_ns(200000);
    }
    w->done = true;
}

static void *writer_thread(void *opaque)
{
    Writer *w = opaque;
    Loop *own = loop_new("writer", error_abort);

    loop_set_current(own);
    coroutine_enter(coroutine_new(writer_entry, w));
    while (!w->done) {
        loop_run_once(own, true);
    }
    loop_free(own);
    return NULL;
}

/* Images
 * ------------------------------------------------------------------------ */

static char *image(const char *name)
{
    char *path = g_strdup_printf("%s/%s", dir, name);
    autofd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    make_qcow2(fd, 16, SIZE);
    return path;
}

static BlockNode *add(const char *name, const char *backing)
{
    g_autofree char *path = image(name);
    g_autofree char *text =
        g_strdup_printf("driver=qcow2,node-name=%s,file.driver=file,"
                        "file.filename=%s%s%s",
                        name, path, backing ? ",backing=" : "",
                        backing ? backing : "");
    g_autoptr(BlockdevOptions) opts =
        qapi_parse_option(&qapi_type_BlockdevOptions, text, "driver",
                          error_abort);

    return block_open(graph, opts, NULL, error_abort);
}

/* Other bytes in each third. */
static void fill(BlockNode *n, uint8_t *model, int third, int byte)
{
    BlockBackend *blk = blk_new(graph, BLK_PERM_WRITE, BLK_PERM_ALL);
    g_autofree char *buf = g_malloc(SIZE / 3);

    memset(buf, byte, SIZE / 3);
    blk_insert_node(blk, n, error_abort);
    g_assert_cmpint(blk_pwrite(blk, third * (SIZE / 3), SIZE / 3, buf, 0), ==,
                    0);
    memset(model + third * (SIZE / 3), byte, SIZE / 3);
    blk_unref(blk);
}

static void assert_content(BlockNode *n, const uint8_t *model)
{
    BlockBackend *blk = blk_new(graph, BLK_PERM_READ, BLK_PERM_ALL);
    g_autofree uint8_t *buf = g_malloc(SIZE);

    blk_insert_node(blk, n, error_abort);
    g_assert_cmpint(blk_pread(blk, 0, SIZE, buf), ==, 0);
    for (int64_t i = 0; i < SIZE; i++) {
        if (buf[i] != model[i]) {
            g_error("%s: byte %" PRId64 " is %u, not %u", n->name, i, buf[i],
                    model[i]);
        }
    }
    blk_unref(blk);
}

/* The disk
 * ------------------------------------------------------------------------ */

typedef struct Disk {
    BlockNode *base, *mid, *top, *copy;
    BlockBackend *blk;
    uint8_t *model;
    Writer w[2];
} Disk;

static void writers_start(Disk *d, unsigned seed)
{
    for (int i = 0; i < 2; i++) {
        d->w[i] = (Writer){ .blk = d->blk,
                            .base = i * HALF,
                            .model = d->model,
                            .rand = g_rand_new_with_seed(seed * 2 + i) };
    }
    thread_create(&d->w[0].thread, "writer", writer_thread, &d->w[0],
                  error_abort);
    coroutine_enter(coroutine_new(writer_entry, &d->w[1]));
}

static void disk_start(Disk *d, unsigned seed)
{
    *d = (Disk){ .model = g_malloc0(SIZE) };
    d->base = add("base", NULL);
    fill(d->base, d->model, 0, 1);
    d->mid = add("mid", "base");
    fill(d->mid, d->model, 1, 2);
    d->top = add("top", "mid");
    d->copy = add("copy", NULL);
    d->blk = blk_new(graph, BLK_PERM_READ | BLK_PERM_WRITE,
                     BLK_PERM_ALL & ~(uint64_t)BLK_PERM_WRITE);
    blk_insert_node(d->blk, d->top, error_abort);
    writers_start(d, seed);
}

static unsigned disk_writes(Disk *d)
{
    return __atomic_load_n(&d->w[0].writes, __ATOMIC_RELAXED) + d->w[1].writes;
}

/* Let both write on for a while. */
static void disk_run(Disk *d, unsigned writes)
{
    unsigned until = disk_writes(d) + writes;

    while (disk_writes(d) < until) {
        loop_run_once(loop, true);
    }
}

static void disk_stop(Disk *d)
{
    for (int i = 0; i < 2; i++) {
        __atomic_store_n(&d->w[i].stop, 1, __ATOMIC_RELAXED);
    }
    while (!d->w[1].done) {
        loop_run_once(loop, true);
    }
    thread_join(&d->w[0].thread);
    g_rand_free(d->w[0].rand);
    g_rand_free(d->w[1].rand);
}

static void disk_free(Disk *d)
{
    blk_unref(d->blk);
    node_unref(d->top);
    node_unref(d->mid);
    node_unref(d->base);
    node_unref(d->copy);
    g_assert_cmpuint(graph->nodes->len, ==, 0);
    g_free(d->model);
}

static void wait_ready(void)
{
    while (!job_find(graph, "j")->ready) {
        loop_run_once(loop, true);
    }
}

static void wait_end(void)
{
    while (job_find(graph, "j")) {
        loop_run_once(loop, true);
    }
}

#define JOB                                                    \
    {                                                          \
        .id = "j", .auto_finalize = true, .auto_dismiss = true \
    }

static void mirror(unsigned seed, bool blocking, bool commit)
{
    Disk d;
    MirrorOptions o = { .job = JOB,
                        .write_blocking = blocking,
                        .sync = MIRROR_SYNC_MODE_FULL,
                        .commit = commit };

    disk_start(&d, seed);
    o.source = d.top;
    o.target = commit ? d.base : d.copy;
    if (commit) {
        o.sync = MIRROR_SYNC_MODE_TOP;
    }
    disk_run(&d, 20);
    g_assert_true(mirror_start(graph, &o, error_abort));
    disk_run(&d, 60);
    wait_ready();
    disk_run(&d, 60);
    job_user_complete(job_find(graph, "j"), error_abort);
    wait_end();
    g_assert_true(blk_node(d.blk) == o.target);
    disk_run(&d, 40);
    disk_stop(&d);
    assert_content(o.target, d.model);
    disk_free(&d);
}

static void test_mirror(void)
{
    for (unsigned seed = 1; seed <= 4; seed++) {
        mirror(seed, false, false);
    }
}

static void test_mirror_write_blocking(void)
{
    for (unsigned seed = 11; seed <= 14; seed++) {
        mirror(seed, true, false);
    }
}

static void test_active_commit(void)
{
    for (unsigned seed = 21; seed <= 24; seed++) {
        mirror(seed, false, true);
    }
}

static void test_commit_below_writers(void)
{
    Disk d;
    CommitOptions o = { .job = JOB };

    disk_start(&d, 31);
    o.active = d.top;
    o.top = d.mid;
    o.base = d.base;
    g_assert_true(commit_start(graph, &o, error_abort));
    disk_run(&d, 60);
    wait_end();
    g_assert_true(d.top->backing->node == d.base);
    disk_run(&d, 40);
    disk_stop(&d);
    assert_content(d.top, d.model);
    disk_free(&d);
}

static void test_stream(void)
{
    for (unsigned seed = 41; seed <= 44; seed++) {
        Disk d;
        StreamOptions o = { .job = JOB };

        disk_start(&d, seed);
        o.node = d.top;
        o.bottom = seed % 2 ? d.mid : d.base;
        g_assert_true(stream_start(graph, &o, error_abort));
        disk_run(&d, 80);
        wait_end();
        g_assert_true(seed % 2 ? d.top->backing->node == d.base
                               : !d.top->backing);
        disk_run(&d, 40);
        disk_stop(&d);
        assert_content(d.top, d.model);
        disk_free(&d);
    }
}

static void backup(unsigned seed, bool bitmap, bool cancel)
{
    Disk d;
    BackupOptions o = { .job = JOB, .sync = MIRROR_SYNC_MODE_FULL };
    g_autofree uint8_t *then = NULL;

    disk_start(&d, seed);
    if (bitmap) {
        o.sync = MIRROR_SYNC_MODE_INCREMENTAL;
        o.bitmap = dirty_bitmap_new(d.top, 64 * KiB, error_abort);
        dirty_bitmap_set(o.bitmap, 0, SIZE);
    }
    disk_run(&d, 20);
    disk_stop(&d);
    then = g_memdup2(d.model, SIZE);
    o.source = d.top;
    o.target = d.copy;
    o.job.speed = cancel ? 1 : 0;
    job_start(backup_new(graph, &o, error_abort));
    writers_start(&d, seed + 1000);
    disk_run(&d, 60);
    if (cancel) {
        job_user_cancel(job_find(graph, "j"), true, error_abort);
    }
    wait_end();
    disk_run(&d, 20);
    disk_stop(&d);
    assert_content(d.top, d.model);
    if (!cancel) {
        assert_content(d.copy, then);
    }
    if (bitmap && cancel) {
        g_assert_cmpint(dirty_bitmap_count(o.bitmap), ==, SIZE);
    } else if (bitmap) {
        int64_t dirty = dirty_bitmap_count(o.bitmap);

        g_assert_cmpint(dirty, >, 0);
        g_assert_cmpint(dirty, <=, SIZE);
    }
    disk_free(&d);
}

static void test_backup_is_of_one_moment(void)
{
    for (unsigned seed = 71; seed <= 76; seed++) {
        backup(seed, false, false);
    }
}

static void test_backup_and_bitmap(void)
{
    backup(81, true, false);
    backup(82, true, true);
}

static void test_cancelled_under_writes(void)
{
    Disk d;
    MirrorOptions o = { .job = JOB, .sync = MIRROR_SYNC_MODE_FULL };

    o.job.speed = 1;
    disk_start(&d, 51);
    o.source = d.top;
    o.target = d.copy;
    g_assert_true(mirror_start(graph, &o, error_abort));
    disk_run(&d, 40);
    job_user_cancel(job_find(graph, "j"), true, error_abort);
    wait_end();
    g_assert_true(blk_node(d.blk) == d.top);
    g_assert_null(d.top->bitmaps);
    disk_run(&d, 20);
    disk_stop(&d);
    assert_content(d.top, d.model);
    disk_free(&d);
}

static void test_all_end_with_the_graph(void)
{
    Disk d;
    MirrorOptions o = { .job = JOB, .sync = MIRROR_SYNC_MODE_FULL };

    disk_start(&d, 61);
    o.source = d.top;
    o.target = d.copy;
    g_assert_true(mirror_start(graph, &o, error_abort));
    disk_run(&d, 20);
    disk_stop(&d);
    job_cancel_all(graph);
    assert_content(d.top, d.model);
    disk_free(&d);
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "base", "mid", "top", "copy" };
    int ret;

    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("nemu-jobs-XXXXXX", NULL);
    g_assert_nonnull(dir);
    loop = loop_new("main", error_abort);
    loop_set_current(loop);
    graph = block_graph_new(loop);
    g_test_add_func("/jobs/mirror", test_mirror);
    g_test_add_func("/jobs/mirror-write-blocking", test_mirror_write_blocking);
    g_test_add_func("/jobs/active-commit", test_active_commit);
    g_test_add_func("/jobs/commit-below-writers", test_commit_below_writers);
    g_test_add_func("/jobs/stream", test_stream);
    g_test_add_func("/jobs/backup-is-of-one-moment",
                    test_backup_is_of_one_moment);
    g_test_add_func("/jobs/backup-and-bitmap", test_backup_and_bitmap);
    g_test_add_func("/jobs/cancelled-under-writes",
                    test_cancelled_under_writes);
    g_test_add_func("/jobs/end-with-the-graph", test_all_end_with_the_graph);
    ret = g_test_run();
    block_graph_free(graph);
    loop_free(loop);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", dir, names[i]);

        unlink(path);
    }
    rmdir(dir);
    g_free(dir);
    return ret;
}
