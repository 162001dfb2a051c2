/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 images from anywhere: open, read, write, discard, resize, close. The
 * first bytes of the input choose what is done, the rest is the image.
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "block/block-backend.h"
#include "block/block-graph.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/rcu.h"

/* A step is a byte of kind and two of place. */
enum { STEPS = 6, HEAD = 1 + STEPS * 3, MAX_IMAGE = 1 << 20, CHUNK = 70000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Loop *loop;
static char buf[CHUNK];

static void swallow(void *opaque, const char *text)
{
}

static void step(BlockBackend *blk, const uint8_t *s)
{
    int64_t length = blk_getlength(blk);
    int64_t offset =
        (int64_t)((length >> 16) * (s[1] | s[2] << 8)) + (s[0] >> 3) * 700;
    int64_t bytes = MIN(CHUNK, length - offset);

    if (bytes <= 0) {
        return;
    }
    switch (s[0] & 7) {
    case 0:
    case 1:
        blk_pread(blk, offset, bytes, buf);
        break;
    case 2:
    case 3:
        blk_pwrite(blk, offset, bytes, buf, s[0] & 64 ? BLK_REQ_FUA : 0);
        break;
    case 4:
        blk_pwrite_zeroes(blk, offset, bytes, BLK_REQ_MAY_UNMAP);
        break;
    case 5:
        blk_pdiscard(blk, offset, bytes);
        break;
    case 6:
        blk_flush(blk);
        break;
    default: {
        autoerr Error *err = NULL;

        blk_truncate(blk,
                     ALIGN_DOWN(MIN(length, (int64_t)GiB), 512) + (s[1] << 9),
                     false, &err);
    }
    }
}

static void run(BlockGraph *g, const char *option, const uint8_t *data)
{
    autoerr Error *err = NULL;
    g_autoptr(BlockdevOptions) opts =
        qapi_parse_option(&qapi_type_BlockdevOptions, option, "driver",
                          error_abort);
    BlockNode *n = block_open(g, opts, NULL, &err);
    BlockBackend *blk;

    if (!n) {
        return;
    }
    blk = blk_new(g,
                  BLK_PERM_READ |
                      (n->read_only ? 0 : BLK_PERM_WRITE | BLK_PERM_RESIZE),
                  BLK_PERM_ALL);
    blk_insert_node(blk, n, error_abort);
    node_unref(n);
    for (int i = 0; i < STEPS; i++) {
        step(blk, data + 1 + i * 3);
    }
    blk_unref(blk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static BlockGraph *g;
    static int fd;
    g_autofree char *option = NULL;

    if (!loop) {
        rcu_register_thread();
        report_set_thread_sink(swallow, NULL);
        loop = loop_new("fuzz", error_abort);
        loop_set_current(loop);
        g = block_graph_new(loop);
        fd = memfd_create("image", MFD_CLOEXEC);
    }
    if (size < HEAD || size > MAX_IMAGE) {
        return 0;
    }
    if (ftruncate(fd, 0) || pwrite(fd, data + HEAD, size - HEAD, 0) < 0) {
        abort();
    }
    option = g_strdup_printf(
        "{\"driver\": \"qcow2\", \"backing\": null, \"discard\": \"unmap\", "
        "\"read-only\": %s, \"l2-cache-size\": 4096, \"file\": "
        "{\"driver\": \"file\", \"locking\": \"off\", "
        "\"filename\": \"/proc/self/fd/%d\"}}",
        data[0] & 1 ? "true" : "false", fd);
    run(g, option, data);
    return 0;
}
