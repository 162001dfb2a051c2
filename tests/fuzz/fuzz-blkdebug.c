/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration files of blkdebug, and requests under the rules that they
 * make. */
#include "util/osdep.h"

#include <sys/mman.h>

#include "block/block-backend.h"
#include "fuzz-graph.h"
#include "fuzz-limits.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

enum { INPUT_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static BlockdevOptions *make_options(int fd)
{
    g_autofree char *text = g_strdup_printf(
        "{\"driver\": \"blkdebug\", \"config\": \"/proc/self/fd/%d\", "
        "\"image\": {\"driver\": \"null-co\", \"size\": 65536}}",
        fd);

    return qapi_parse_option(&qapi_type_BlockdevOptions, text, "driver",
                             error_abort);
}

static void use(BlockGraph *g, BlockNode *n)
{
    static char buf[8192];
    BlockBackend *blk =
        blk_new(g, BLK_PERM_READ | BLK_PERM_WRITE, BLK_PERM_ALL);

    blk_insert_node(blk, n, error_abort);
    for (int64_t at = 0; at < 65536; at += sizeof(buf)) {
        blk_pread(blk, at, sizeof(buf), buf);
        blk_pwrite(blk, at, sizeof(buf), buf, 0);
        blk_pwrite_zeroes(blk, at, 512, 0);
        blk_pdiscard(blk, at, 512);
    }
    blk_flush(blk);
    blk_unref(blk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static BlockdevOptions *opts;
    static BlockGraph *g;
    static int fd;
    autoerr Error *err = NULL;
    BlockNode *n;

    if (!g) {
        g = fuzz_graph_new();
        fd = memfd_create("rules", MFD_CLOEXEC);
        opts = make_options(fd);
    }
    if (size > INPUT_MAX) {
        return 0;
    }
    if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size) {
        abort();
    }
    limits_start();
    n = block_open(g, opts, NULL, &err);
    if (!n != !!err) {
        abort();
    }
    if (n) {
        use(g, n);
        node_unref(n);
    }
    return 0;
}
