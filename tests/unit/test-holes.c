/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a file's block status says of data and holes, between changes of the
 * file: nothing that is called zeroes may hold data.
 */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/block-graph.h"
#include "qapi/qapi-types-block-core.h"
#include "util/coroutine.h"
#include "util/error.h"

enum { STEP = 4096, STEPS = 256, ROUNDS = 400, QUESTIONS = 12 };

static Loop *loop;
static BlockGraph *graph;

typedef struct Question {
    BlockNode *n;
    int64_t offset, bytes;
    int ret;
} Question;

static void coroutine_fn question_entry(void *opaque)
{
    Question *q = opaque;
    BlockNode *file;
    int64_t map;

    q->ret = node_block_status(q->n, true, q->offset,
                               (int64_t)STEPS * STEP - q->offset, &q->bytes,
                               &map, &file);
}

static Question ask(BlockBackend *blk, int64_t offset)
{
    Question q = { .n = blk_node(blk), .offset = offset };

    block_run(question_entry, &q);
    g_assert_cmpint(q.ret, >=, 0);
    g_assert_cmpint(q.bytes, >, 0);
    return q;
}

/* How many of the asked steps are zeroes; the file must agree. */
static unsigned check(BlockBackend *blk, GRand *rand)
{
    static char buf[STEP];
    unsigned zeroes = 0;
    int64_t at = 0;

    for (int i = 0; i < QUESTIONS; i++) {
        Question q;

        /* In order from somewhere, now and then from somewhere else. */
        if (at == (int64_t)STEPS * STEP || !g_rand_int_range(rand, 0, 4)) {
            at = (int64_t)STEP * g_rand_int_range(rand, 0, STEPS);
        }
        q = ask(blk, at);
        at += q.bytes;
        if (!(q.ret & BLK_STATUS_ZERO)) {
            continue;
        }
        for (int64_t o = q.offset; o < at; o += STEP) {
            g_assert_cmpint(blk_pread(blk, o, STEP, buf), ==, 0);
            g_assert_true(buffer_is_zero(buf, STEP));
            zeroes++;
        }
    }
    return zeroes;
}

static void change(BlockBackend *blk, GRand *rand)
{
    int64_t at = (int64_t)STEP * g_rand_int_range(rand, 0, STEPS);
    static char buf[STEP];

    switch (g_rand_int_range(rand, 0, 4)) {
    case 0:
        g_assert_cmpint(blk_pwrite_zeroes(blk, at, STEP, BLK_REQ_MAY_UNMAP), ==,
                        0);
        break;
    case 1:
        g_assert_cmpint(blk_pdiscard(blk, at, STEP), ==, 0);
        break;
    case 2:
        /* Cut off, and grown again. */
        g_assert_true(blk_truncate(blk, at, true, error_abort));
        g_assert_true(
            blk_truncate(blk, (int64_t)STEPS * STEP, true, error_abort));
        break;
    default:
        memset(buf, 1, sizeof(buf));
        for (int i = 0; i < 8; i++) {
            at = (int64_t)STEP * g_rand_int_range(rand, 0, STEPS);
            g_assert_cmpint(blk_pwrite(blk, at, STEP, buf, 0), ==, 0);
        }
    }
}

static void run(const char *options)
{
    g_autofree char *path = NULL, *text = NULL;
    g_autoptr(BlockdevOptions) opts = NULL;
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    int fd = g_file_open_tmp("nemu-XXXXXX", &path, NULL);
    BlockBackend *blk =
        blk_new(graph, BLK_PERM_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE, 0);
    unsigned zeroes = 0;
    BlockNode *n;

    g_assert_cmpint(ftruncate(fd, (int64_t)STEPS * STEP), ==, 0);
    close(fd);
    text = g_strdup_printf("driver=file,filename=%s,%s", path, options);
    opts = qapi_parse_option(&qapi_type_BlockdevOptions, text, "driver",
                             error_abort);
    n = block_open(graph, opts, NULL, error_abort);
    blk_insert_node(blk, n, error_abort);
    node_unref(n);
    for (int i = 0; i < ROUNDS; i++) {
        zeroes += check(blk, rand);
        change(blk, rand);
    }
    g_assert_cmpuint(zeroes, >, ROUNDS);
    blk_unref(blk);
    unlink(path);
}

static void test_alone(void)
{
    run("discard=unmap");
}

static void test_shared(void)
{
    run("discard=unmap,locking=off");
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    loop = loop_new("main", error_abort);
    loop_set_current(loop);
    graph = block_graph_new(loop);
    g_test_add_func("/holes/alone", test_alone);
    g_test_add_func("/holes/shared", test_shared);
    ret = g_test_run();
    block_graph_free(graph);
    loop_free(loop);
    return ret;
}
