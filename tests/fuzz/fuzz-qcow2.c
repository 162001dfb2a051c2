/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 images from anywhere: open, read, write, zero, discard, flush, resize,
 * check, repair, snapshots, bitmaps, close. The first bytes of the input choose
 * what is done, the rest is the image, which lives in memory, as does its data
 * file.
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "block/bitmap-user.h"
#include "block/block-backend.h"
#include "block/block-graph.h"
#include "block/block-int.h"
#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/rcu.h"

/* A step is a byte of kind and two of place. */
enum { STEPS = 6, HEAD = 1 + STEPS * 3, MAX_IMAGE = 1 << 20, CHUNK = 70000 };
/* The disk that the image lies on is full then. */
#define DISK ((int64_t)(16 * MiB))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *disk, *data_disk;
static char buf[CHUNK];

typedef struct Disk {
    char *mem;
} Disk;

static char *mem_of(BlockNode *n)
{
    return ((Disk *)n->state)->mem;
}

static void swallow(void *opaque, const char *text)
{
}

/* The disk
 * ----------------------------------------------------------------------- */

static int coroutine_fn disk_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset,
                                    unsigned flags)
{
    /* A write that found the disk full may have raised the length. */
    int64_t there = CLAMP(DISK - offset, 0, bytes);

    if (there) {
        iov_from_buf(iov, iov_offset, mem_of(n) + offset, there);
    }
    iov_memset(iov, iov_offset + there, 0, bytes - there);
    return 0;
}

static int coroutine_fn disk_pwritev(BlockNode *n, int64_t offset,
                                     int64_t bytes, const IoVec *iov,
                                     size_t iov_offset, unsigned flags)
{
    if (offset > DISK - bytes) {
        return -ENOSPC;
    }
    iov_to_buf(iov, iov_offset, mem_of(n) + offset, bytes);
    return 0;
}

static int64_t coroutine_fn disk_getlength(BlockNode *n)
{
    return node_length(n);
}

static bool coroutine_fn disk_truncate(BlockNode *n, int64_t size, bool exact,
                                       Error **errp)
{
    if (size > DISK) {
        return error_set(errp, "the disk is full");
    }
    if (size < node_length(n)) {
        memset(mem_of(n) + size, 0, MIN(node_length(n), DISK) - size);
    }
    node_set_length(n, size);
    return true;
}

static void coroutine_fn disk_close(BlockNode *n)
{
    int64_t used = MAX(n->highest_write, node_length(n));

    madvise(mem_of(n), MIN(used, DISK), MADV_DONTNEED);
}

static const BlockIoOps disk_io = {
    .preadv = disk_preadv,
    .pwritev = disk_pwritev,
};
static const BlockSizeOps disk_size = {
    .getlength = disk_getlength,
    .truncate = disk_truncate,
};
static const BlockDriver disk_driver = {
    .name = "fuzz-disk",
    .state_size = sizeof(Disk),
    .driver = BLOCKDEV_DRIVER_FILE,
    .protocol = true,
    .close = disk_close,
    .io = &disk_io,
    .size = &disk_size,
};

static BlockNode *disk_open(BlockGraph *g, const char *name, char *mem,
                            const uint8_t *data, size_t size)
{
    BlockNode *n = node_new(g, &disk_driver, name, error_abort);

    ((Disk *)n->state)->mem = mem;
    memcpy(mem, data, size);
    n->length = size;
    n->flags.unmap = true;
    node_refresh_limits(n);
    node_publish(n);
    return n;
}

/* Steps
 * ---------------------------------------------------------------------- */

static void coroutine_fn check(void *opaque)
{
    autoerr Error *err = NULL;
    QcowState *s = ((BlockNode *)opaque)->state;
    BlockCheck result = { 0 };
    bool writable = !s->n->read_only && !s->corrupt;

    co_mutex_lock(&s->lock);
    qc_check(s, writable ? BLOCK_FIX_LEAKS | BLOCK_FIX_ERRORS : 0, &result,
             &err);
    co_mutex_unlock(&s->lock);
}

static void coroutine_fn snapshot(void *opaque)
{
    autoerr Error *err = NULL;
    BlockNode *n = opaque;
    SnapshotInfo info = { .name = (char *)"s" };
    const BlockSnapshotOps *ops = n->drv->snapshot;

    if (!n->read_only && ops->create(n, &info) >= 0) {
        BlockBackend *blk = ((BlockEdge *)n->parents->pdata[0])->blk;

        blk_co_pwrite(blk, 0, MIN(CHUNK, node_length(n)), buf, 0);
        ops->apply(n, info.id, &err);
        error_free(err);
        err = NULL;
        ops->remove(n, info.id, &err);
    }
    g_free(info.id);
    qapi_free_SnapshotInfoList(qc_snapshot_list(n->state));
}

/* Add a bitmap, change one, take one away: by @s. */
static void change_bitmaps(BlockNode *n, const uint8_t *s)
{
    autoerr Error *err = NULL;
    BitmapUserNew o = {
        .name = s[1] & 8 ? "f" : "other name",
        .has_granularity = true,
        .granularity = 512u << (s[1] & 7),
        .persistent = true,
    };
    DirtyBitmap *b = n->bitmaps ? n->bitmaps->pdata[0] : NULL;

    if (s[1] & 128) {
        bitmap_user_add(n, &o, &err);
    } else if (b && dirty_bitmap_check(b, DIRTY_BITMAP_ANY, &err)) {
        dirty_bitmap_set(b, (int64_t)s[1] << 16, (int64_t)s[2] << 16);
    }
    error_free(err);
    err = NULL;
    if ((s[1] & 64) && b &&
        dirty_bitmap_check(b, DIRTY_BITMAP_READONLY, &err) &&
        bitmap_user_remove_stored(n, b, &err)) {
        dirty_bitmap_free(n, b);
    }
}

/* Growing and shrinking; or, for one place, looking after the image. */
static void maintain(BlockBackend *blk, const uint8_t *s, int64_t length)
{
    autoerr Error *err = NULL;

    if (s[2] & 128 && s[2] & 32) {
        change_bitmaps(blk_node(blk), s);
    } else if (s[2] & 128) {
        block_run(s[2] & 64 ? snapshot : check, blk_node(blk));
    } else {
        blk_truncate(blk,
                     ALIGN_DOWN(MIN(length, (int64_t)GiB), 512) + (s[1] << 9),
                     false, &err);
    }
}

static void step(BlockBackend *blk, const uint8_t *s)
{
    int64_t length = blk_getlength(blk);
    int64_t offset =
        (int64_t)((length >> 16) * (s[1] | s[2] << 8)) + (s[0] >> 3) * 700;
    int64_t bytes = MIN(CHUNK, length - offset);

    if ((s[0] & 7) == 7) {
        maintain(blk, s, length);
        return;
    }
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
    default:
        blk_flush(blk);
    }
}

static void run(BlockGraph *g, const BlockdevOptions *opts, const uint8_t *data)
{
    autoerr Error *err = NULL;
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

/* By bit 0 of the first byte; then with a data file. */
static const char *const options[] = {
    "{\"driver\": \"qcow2\", \"backing\": null, \"discard\": \"unmap\", "
    "\"read-only\": false, \"l2-cache-size\": 4096, \"file\": \"disk\"}",
    "{\"driver\": \"qcow2\", \"backing\": null, \"discard\": \"unmap\", "
    "\"read-only\": true, \"l2-cache-size\": 4096, \"file\": \"disk\"}",
    "{\"driver\": \"qcow2\", \"backing\": null, \"discard\": \"unmap\", "
    "\"read-only\": false, \"l2-cache-size\": 4096, \"file\": \"disk\", "
    "\"data-file\": \"data\"}",
    "{\"driver\": \"qcow2\", \"backing\": null, \"discard\": \"unmap\", "
    "\"read-only\": true, \"l2-cache-size\": 4096, \"file\": \"disk\", "
    "\"data-file\": \"data\"}",
    "{\"driver\": \"qcow2\", \"backing\": null, \"discard\": \"unmap\", "
    "\"read-only\": false, \"l2-cache-size\": 4096, \"file\": \"disk\", "
    "\"discard-no-unref\": true}",
};

/* Images that have one must not open what they name. */
static const BlockdevOptions *choose(BlockdevOptions **opts,
                                     const uint8_t *data, size_t size)
{
    bool external = size > HEAD + 79 && (data[HEAD + 79] & 4);

    if (external) {
        return opts[2 + (data[0] & 1)];
    }
    return opts[data[0] & 4 ? 4 : data[0] & 1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static BlockdevOptions *opts[ARRAY_SIZE(options)];
    static BlockGraph *g;
    BlockNode *n, *d;

    if (!g) {
        Loop *loop;

        rcu_register_thread();
        report_set_thread_sink(swallow, NULL);
        loop = loop_new("fuzz", error_abort);
        loop_set_current(loop);
        g = block_graph_new(loop);
        disk = mmap(NULL, DISK, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        data_disk = mmap(NULL, DISK, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
            opts[i] = qapi_parse_option(&qapi_type_BlockdevOptions, options[i],
                                        "driver", error_abort);
        }
    }
    if (size < HEAD || size > MAX_IMAGE) {
        return 0;
    }
    n = disk_open(g, "disk", disk, data + HEAD, size - HEAD);
    d = disk_open(g, "data", data_disk, data, HEAD);
    run(g, choose(opts, data, size), data);
    node_unref(d);
    node_unref(n);
    return 0;
}
