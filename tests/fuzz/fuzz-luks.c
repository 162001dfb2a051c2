/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LUKS headers from anywhere: open with a password, read, write, resize, close.
 */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/block-int.h"
#include "block/luks.h"
#include "fuzz-graph.h"
#include "fuzz-limits.h"
#include "memdisk.h"
#include "qapi/qapi-types-block-core.h"
#include "qom/user-object.h"
#include "util/error.h"

enum { MAX_IMAGE = 1 << 16 };
#define DISK ((int64_t)(4 * MiB))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static MemDisk disk;
static char buf[70000];

static void swallow(void *opaque, const char *text)
{
}

static void use(BlockGraph *g, BlockNode *n)
{
    autoerr Error *err = NULL;
    BlockBackend *blk =
        blk_new(g, BLK_PERM_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE,
                BLK_PERM_ALL);
    int64_t length;

    blk_insert_node(blk, n, error_abort);
    length = blk_getlength(blk);
    qapi_free_ImageInfo(block_image_info(n, false));
    if (length > 1000) {
        blk_pread(blk, 1, MIN(length - 1, (int64_t)sizeof(buf)), buf);
        blk_pwrite(blk, 700, MIN(length - 700, 2000), buf, 0);
    }
    blk_truncate(blk, 1 << 20, false, &err);
    blk_unref(blk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static BlockdevOptions *opts;
    static BlockGraph *g;
    autoerr Error *err = NULL;
    BlockNode *file, *n;

    if (!g) {
        g = fuzz_graph_new();
        report_set_thread_sink(swallow, NULL);
        g->root = object_root_new();
        object_user_add_option(g->root, NULL, "secret,id=s,data=a",
                               error_abort);
        memdisk_init(&disk, DISK);
        opts = qapi_parse_option(&qapi_type_BlockdevOptions,
                                 "{\"driver\": \"luks\", \"file\": \"disk\", "
                                 "\"key-secret\": \"s\"}",
                                 "driver", error_abort);
    }
    if (!size || size > MAX_IMAGE) {
        return 0;
    }
    limits_start();
    /* The header is the input; a byte of it says how long the disk is. */
    file = memdisk_open(g, "disk", &disk, data, size,
                        (int64_t)data[size - 1] << 14);
    n = block_open(g, opts, NULL, &err);
    if (n) {
        use(g, n);
        node_unref(n);
    }
    node_unref(file);
    return 0;
}
