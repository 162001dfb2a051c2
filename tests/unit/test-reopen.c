/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reopening nodes while a backend uses them: the data that the new graph shows,
 * and nothing changed by what fails. Options: see tests/oracle/test_reopen.py.
 */
#include "util/osdep.h"

#include "block-image.h"
#include "block/block-backend.h"
#include "block/block-graph.h"
#include "qapi/qapi-types-block-core.h"
#include "qobject/keyval.h"
#include "util/error.h"

#define SIZE ((int64_t)(1 * MiB))

static Loop *loop;
static BlockGraph *graph;
static char *path;

static BlockdevOptions *parse(const char *option)
{
    return qapi_parse_option(&qapi_type_BlockdevOptions, option, "driver",
                             error_abort);
}

static BlockBackend *open_blk(const char *option, uint64_t perm)
{
    g_autoptr(BlockdevOptions) opts = parse(option);
    BlockBackend *blk = blk_new(graph, perm, BLK_PERM_ALL);
    BlockNode *n = block_open(graph, opts, NULL, error_abort);

    blk_insert_node(blk, n, error_abort);
    node_unref(n);
    return blk;
}

/* Up to two nodes' options. */
static bool reopen(const char *first, const char *second, Error **errp)
{
    g_autoptr(BlockdevOptions) a = parse(first);
    g_autoptr(BlockdevOptions) b = second ? parse(second) : NULL;
    BlockdevOptionsList tail = { .value = b };
    BlockdevOptionsList list = { .next = b ? &tail : NULL, .value = a };

    return block_reopen(graph, &list, errp);
}

static void refused(const char *first, const char *second)
{
    autoerr Error *err = NULL;

    g_assert_false(reopen(first, second, &err));
    g_assert_nonnull(err);
}

static void fill(BlockBackend *blk, int64_t offset, int byte, int64_t len)
{
    g_autofree char *buf = g_malloc(len);

    memset(buf, byte, len);
    g_assert_cmpint(blk_pwrite(blk, offset, len, buf, 0), ==, 0);
}

static int byte_at(BlockBackend *blk, int64_t offset)
{
    uint8_t byte;

    g_assert_cmpint(blk_pread(blk, offset, 1, &byte), ==, 0);
    return byte;
}

/* A qcow2 file "q" below "t", over a null "z" of zeroes, a raw "r" of 7s. */
static BlockBackend *open_overlay(void)
{
    g_autofree char *file = g_strdup_printf("%s.raw", path);
    g_autofree char *raw =
        g_strdup_printf("raw,node-name=r,file.driver=file,file.filename=%s",
                        file);
    g_autofree char *top = g_strdup_printf(
        "qcow2,node-name=t,backing=r,file.driver=file,file.node-name=q,"
        "file.filename=%s",
        path);
    BlockBackend *below, *blk;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    make_qcow2(fd, 12, SIZE);
    close(fd);
    fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
    g_assert_cmpint(ftruncate(fd, SIZE), ==, 0);
    close(fd);
    below = open_blk(raw, BLK_PERM_READ | BLK_PERM_WRITE);
    fill(below, 0, 7, SIZE);
    blk = open_blk(top, BLK_PERM_READ | BLK_PERM_WRITE);
    blk_unref(below);
    fill(blk, 0, 1, 4096);
    return blk;
}

static void test_backing_comes_and_goes(void)
{
    BlockBackend *blk = open_overlay();
    BlockBackend *z =
        open_blk("null-co,node-name=z,read-zeroes=on,size=1048576",
                 BLK_PERM_READ);

    g_assert_cmpint(byte_at(blk, 4096), ==, 7);
    g_assert_true(reopen("qcow2,node-name=t,backing=z,file=q", NULL,
                         error_abort));
    g_assert_null(node_find(graph, "r")); /* nobody else used it */
    g_assert_cmpint(byte_at(blk, 4096), ==, 0);
    g_assert_cmpint(byte_at(blk, 0), ==, 1);
    fill(blk, 4096, 2, 100);
    g_assert_cmpint(byte_at(blk, 4196), ==, 0);
    blk_unref(blk);
    blk_unref(z);
}

static void test_caches_are_replaced_without_loss(void)
{
    BlockBackend *blk = open_overlay();

    for (int i = 0; i < 20; i++) {
        fill(blk, i * 40000, 10 + i, 30000);
        g_assert_true(reopen(i & 1 ? "qcow2,node-name=t,backing=r,file=q,"
                                     "l2-cache-entry-size=512,"
                                     "lazy-refcounts=on"
                                   : "qcow2,node-name=t,backing=r,file=q,"
                                     "cache-size=1048576",
                             NULL, error_abort));
    }
    for (int i = 0; i < 20; i++) {
        g_assert_cmpint(byte_at(blk, i * 40000 + 29999), ==, 10 + i);
    }
    blk_unref(blk);
}

static void test_page_cache_is_left_and_used_again(void)
{
    BlockBackend *blk = open_overlay();
    g_autofree char *direct = g_strdup_printf(
        "qcow2,node-name=t,backing=r,cache.direct=on,file.driver=file,"
        "file.filename=%s",
        path);

    g_assert_cmpint(node_find(graph, "q")->limits.request_alignment, ==, 1);
    g_assert_true(reopen(direct, NULL, error_abort));
    g_assert_true(node_find(graph, "q")->flags.direct);
    g_assert_cmpint(node_find(graph, "q")->limits.request_alignment, >=, 512);
    fill(blk, 1000, 3, 50);
    fill(blk, 100001, 4, 5);
    g_assert_true(reopen("qcow2,node-name=t,backing=r,file=q", NULL,
                         error_abort));
    g_assert_false(node_find(graph, "q")->flags.direct);
    g_assert_cmpint(node_find(graph, "q")->limits.request_alignment, ==, 1);
    g_assert_cmpint(byte_at(blk, 999), ==, 1);
    g_assert_cmpint(byte_at(blk, 1049), ==, 3);
    g_assert_cmpint(byte_at(blk, 100005), ==, 4);
    g_assert_cmpint(byte_at(blk, 100006), ==, 7);
    blk_unref(blk);
}

static void test_failure_changes_nothing(void)
{
    BlockBackend *blk = open_overlay();
    BlockNode *t = node_find(graph, "t");

    /* The writer is in the way of read-only. */
    refused("qcow2,node-name=t,backing=r,file=q,read-only=on", NULL);
    g_assert_false(t->read_only);
    /* The second is bad after the first was fine. */
    refused("qcow2,node-name=t,file=q,backing=r,discard=unmap,"
            "l2-cache-entry-size=512",
            "raw,node-name=r,file=nowhere");
    g_assert_false(t->flags.unmap);
    refused("qcow2,node-name=t,file=q,backing=r", "raw,node-name=r,file=t");
    g_assert_true(t->backing->node == node_find(graph, "r"));
    g_assert_true(t->file->node == node_find(graph, "q"));
    fill(blk, 5000, 9, 10);
    g_assert_cmpint(byte_at(blk, 5000), ==, 9);
    g_assert_cmpint(byte_at(blk, 5010), ==, 7);
    blk_unref(blk);
}

static void test_read_only_and_back(void)
{
    BlockBackend *blk = open_overlay();
    char byte = 0;

    g_assert_true(blk_set_perm(blk, BLK_PERM_READ, BLK_PERM_ALL, error_abort));
    g_assert_true(reopen("qcow2,node-name=t,backing=r,file=q,read-only=on",
                         NULL, error_abort));
    g_assert_true(node_find(graph, "q")->read_only); /* defined inside */
    g_assert_cmpint(blk_pwrite(blk, 0, 1, &byte, 0), ==, -EPERM);
    g_assert_true(reopen("qcow2,node-name=t,backing=r,file=q", NULL,
                         error_abort));
    g_assert_true(blk_set_perm(blk, BLK_PERM_READ | BLK_PERM_WRITE,
                               BLK_PERM_ALL, error_abort));
    fill(blk, 0, 5, 1);
    g_assert_cmpint(byte_at(blk, 0), ==, 5);
    blk_unref(blk);
}

int main(int argc, char **argv)
{
    g_autofree char *file = NULL;
    int ret, fd;

    g_test_init(&argc, &argv, NULL);
    loop = loop_new("main", error_abort);
    loop_set_current(loop);
    graph = block_graph_new(loop);
    path = g_strdup("/var/tmp/nemu-reopen-XXXXXX");
    fd = g_mkstemp(path);
    close(fd);
    file = g_strdup_printf("%s.raw", path);
    g_test_add_func("/reopen/backing", test_backing_comes_and_goes);
    g_test_add_func("/reopen/caches", test_caches_are_replaced_without_loss);
    g_test_add_func("/reopen/direct", test_page_cache_is_left_and_used_again);
    g_test_add_func("/reopen/atomic", test_failure_changes_nothing);
    g_test_add_func("/reopen/read-only", test_read_only_and_back);
    ret = g_test_run();
    unlink(path);
    unlink(file);
    block_graph_free(graph);
    loop_free(loop);
    g_free(path);
    return ret;
}
