/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logs that blklogwrites is to continue: the superblock, the entries, and what
 * is written behind them. */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "fuzz-graph.h"
#include "fuzz-limits.h"
#include "memdisk.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

enum { MAX_LOG = 1 << 14 };
#define DISK ((int64_t)(4 * MiB))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static MemDisk disk;

static void use(BlockGraph *g, BlockNode *n)
{
    static char buf[65536];
    BlockBackend *blk =
        blk_new(g, BLK_PERM_READ | BLK_PERM_WRITE, BLK_PERM_ALL);

    blk_insert_node(blk, n, error_abort);
    blk_pwrite(blk, 0, 700, buf, 0);
    blk_pwrite_zeroes(blk, 4096, 8192, 0);
    blk_pdiscard(blk, 0, 65536);
    blk_pwrite(blk, 512, sizeof(buf), buf, BLK_REQ_FUA);
    blk_flush(blk);
    blk_unref(blk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static BlockdevOptions *opts;
    static BlockGraph *g;
    autoerr Error *err = NULL;
    BlockNode *log, *n;

    if (!g) {
        g = fuzz_graph_new();
        memdisk_init(&disk, DISK);
        opts = qapi_parse_option(
            &qapi_type_BlockdevOptions,
            "{\"driver\": \"blklogwrites\", \"log\": \"log\", "
            "\"log-append\": true, \"log-super-update-interval\": 2, "
            "\"file\": {\"driver\": \"null-co\", \"size\": 1048576}}",
            "driver", error_abort);
    }
    if (!size || size > MAX_LOG) {
        return 0;
    }
    limits_start();
    /* The last byte says how long the log's disk is. */
    log = memdisk_open(g, "log", &disk, data, size,
                       MAX((int64_t)size, (int64_t)data[size - 1] << 13));
    n = block_open(g, opts, NULL, &err);
    if (!n != !!err) {
        abort();
    }
    if (n) {
        use(g, n);
        node_unref(n);
    }
    node_unref(log);
    return 0;
}
