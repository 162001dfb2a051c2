/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 images from anywhere, also encrypted ones: open, read, write, zero,
 * discard, flush, resize, check, repair, snapshots, bitmaps, information,
 * close. The first bytes of the input choose what is done, the rest is the
 * image, which lives in memory, as does its data file. Nothing else is opened.
 */
#include "util/osdep.h"

#include "block/bitmap-user.h"
#include "block/block-backend.h"
#include "block/block-int.h"
#include "block/qcow2.h"
#include "fuzz-graph.h"
#include "fuzz-limits.h"
#include "memdisk.h"
#include "qapi/qapi-types-block-core.h"
#include "qom/user-object.h"
#include "util/error.h"

/* A step is a byte of kind and two of place. */
enum { STEPS = 6, HEAD = 1 + STEPS * 3, MAX_IMAGE = 1 << 13, CHUNK = 70000 };
/* The disk that the image lies on is full then. */
#define DISK ((int64_t)(4 * MiB))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static MemDisk disk, data_disk;
static char buf[CHUNK];

static void swallow(void *opaque, const char *text)
{
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

typedef struct SnapshotStep {
    BlockNode *n;
    bool theirs;
} SnapshotStep;

/* One that the image came with. */
static void coroutine_fn use_snapshot(BlockNode *n)
{
    autoerr Error *err = NULL;
    const BlockSnapshotOps *ops = n->drv->snapshot;
    g_autoptr(SnapshotInfoList) list = qc_snapshot_list(n->state);

    if (list && n->read_only) {
        ops->view(n, list->value->id, &err);
    } else if (list) {
        ops->apply(n, list->value->id, &err);
        error_free(err);
        err = NULL;
        ops->remove(n, list->value->id, &err);
    }
}

static void coroutine_fn snapshot(void *opaque)
{
    autoerr Error *err = NULL;
    SnapshotStep *step = opaque;
    BlockNode *n = step->n;
    SnapshotInfo info = { .name = (char *)"s" };
    const BlockSnapshotOps *ops = n->drv->snapshot;

    if (step->theirs) {
        use_snapshot(n);
        return;
    }
    if (!n->read_only && ops->create(n, &info) >= 0) {
        BlockBackend *blk = ((BlockEdge *)n->parents->pdata[0])->blk;

        blk_co_pwrite(blk, 0, MIN(CHUNK, node_length(n)), buf, 0);
        ops->apply(n, info.id, &err);
        error_free(err);
        err = NULL;
        ops->remove(n, info.id, &err);
    }
    g_free(info.id);
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
        SnapshotStep step = { blk_node(blk), s[1] & 1 };

        block_run(s[2] & 64 ? snapshot : check,
                  s[2] & 64 ? (void *)&step : step.n);
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
    qapi_free_ImageInfo(block_image_info(n, true));
    for (int i = 0; i < STEPS; i++) {
        step(blk, data + 1 + i * 3);
    }
    blk_unref(blk);
}

/* What is said beside the common options; those before PLAIN the image asks
 * for, the others the first byte. */
enum { DATA_FILE, AES, LUKS, PLAIN, KINDS = PLAIN + 4 };
static const char *const kinds[KINDS] = {
    [DATA_FILE] = ", \"data-file\": \"data\"",
    [AES] = ", \"encrypt\": {\"format\": \"aes\", \"key-secret\": \"s\"}",
    [LUKS] = ", \"encrypt\": {\"format\": \"luks\", \"key-secret\": \"s\"}",
    [PLAIN] = "",
    ", \"discard-no-unref\": true",
    ", \"overlap-check\": \"all\"",
    ", \"lazy-refcounts\": true, \"pass-discard-other\": true",
};

static BlockdevOptions *make_options(const char *kind, bool read_only)
{
    g_autofree char *text = g_strdup_printf(
        "{\"driver\": \"qcow2\", \"backing\": null, \"discard\": \"unmap\", "
        "\"read-only\": %s, \"l2-cache-size\": 4096, \"file\": \"disk\"%s}",
        read_only ? "true" : "false", kind);

    return qapi_parse_option(&qapi_type_BlockdevOptions, text, "driver",
                             error_abort);
}

/* Images with a data file must not open what they name. */
static unsigned choose_kind(const uint8_t *data, size_t size)
{
    const uint8_t *header = data + HEAD;

    if (size > HEAD + 79 && (header[79] & QC_INCOMPAT_DATA_FILE)) {
        return DATA_FILE;
    }
    if (size > HEAD + 35 && header[35] == QC_CRYPT_AES) {
        return AES;
    }
    if (size > HEAD + 35 && header[35] == QC_CRYPT_LUKS) {
        return LUKS;
    }
    return PLAIN + (data[0] >> 2 & 3);
}

/* Of each cluster there are the first 512 bytes, so that inputs are short: how
 * far apart those come is in bits 4 to 6 of the first byte. */
static BlockNode *open_image(BlockGraph *g, const uint8_t *data, size_t size)
{
    unsigned apart = 512u << (data[0] >> 4 & 7);
    const uint8_t *image = data + HEAD;
    size_t left = size - HEAD;
    BlockNode *n = memdisk_open(g, "disk", &disk, image, MIN(left, 512),
                                (int64_t)DIV_ROUND_UP(left, 512) * apart);

    for (size_t i = 1; i * 512 < left; i++) {
        memcpy(disk.mem + i * apart, image + i * 512, MIN(left - i * 512, 512));
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static BlockdevOptions *opts[KINDS][2];
    static BlockGraph *g;
    BlockNode *n, *d;

    if (!g) {
        g = fuzz_graph_new();
        report_set_thread_sink(swallow, NULL);
        g->root = object_root_new();
        object_user_add_option(g->root, NULL, "secret,id=s,data=a",
                               error_abort);
        memdisk_init(&disk, DISK);
        memdisk_init(&data_disk, DISK);
        for (unsigned i = 0; i < KINDS; i++) {
            opts[i][0] = make_options(kinds[i], false);
            opts[i][1] = make_options(kinds[i], true);
        }
    }
    if (size < HEAD || size > MAX_IMAGE) {
        return 0;
    }
    limits_start();
    n = open_image(g, data, size);
    d = memdisk_open(g, "data", &data_disk, data, HEAD, 0);
    run(g, opts[choose_kind(data, size)][data[0] & 1], data);
    node_unref(d);
    node_unref(n);
    return 0;
}
