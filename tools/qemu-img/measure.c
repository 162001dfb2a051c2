/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img measure: how big a converted image would be. */
#include "util/osdep.h"

#include "block/bitmap-user.h"
#include "block/block-create.h"
#include "img.h"
#include "tools/snapshot-view.h"
#include "util/error.h"

enum { OPT_SIZE = IMG_OPT_FIRST };

typedef struct Measure {
    const char *out_format, *snapshot;
    QDict *opts;
    int64_t size;
    bool json;
    bool bitmaps; /* source and target could have them */
    uint64_t required, full, bitmap_bytes;
} Measure;

/* Bytes of the units of which any part holds data. */
static bool count_data(BlockNode *n, uint64_t unit, uint64_t *data)
{
    int64_t end = node_length(n), num, map;
    uint64_t counted = 0; /* units below are done with */
    BlockNode *file;
    int depth;

    *data = 0;
    for (int64_t at = 0; at < end; at += num) {
        int ret = img_status_sync(n, at, end - at, &num, &map, &file, &depth);
        uint64_t first = MAX(at / unit, counted), last;

        if (ret < 0) {
            error_report("Unable to get block status: %s", g_strerror(-ret));
            return false;
        }
        last = DIV_ROUND_UP((uint64_t)(at + num), unit);
        if ((ret & BLK_STATUS_DATA) && !(ret & BLK_STATUS_ZERO) &&
            last > first) {
            *data += (last - first) * unit;
            counted = last;
        }
    }
    return true;
}

static bool measure(ImgTool *t, Measure *m, BlockNode *n)
{
    g_autofree char *size = g_strdup_printf("%" PRId64, m->size);
    Error *err = NULL;
    const BlockCreateOps *ops = block_create_ops(m->out_format, &err);
    const char *prealloc = qdict_get_str(m->opts, "preallocation");
    uint64_t unit = 0, data = 0;

    qdict_put_str(m->opts, "size", size);
    if (ops && ops->measure && !block_create_check(ops, "", m->opts, &err)) {
        error_report_err(err);
        error_report("Invalid options for file format '%s'", m->out_format);
        return false;
    }
    if (!ops) {
        error_report_err(err);
        return false;
    }
    if (!ops->measure) {
        error_report("Block driver '%s' does not support size measurement",
                     m->out_format);
        return false;
    }
    if (!ops->measure(t->graph, m->opts, &m->full, &unit, &err)) {
        error_report_err(err);
        return false;
    }
    if (n && unit && !count_data(n, unit, &data)) {
        return false;
    }
    if (n && unit && m->bitmaps) {
        m->bitmap_bytes = img_measure_bitmaps(n, unit);
    }
    if (prealloc &&
        (!strcmp(prealloc, "falloc") || !strcmp(prealloc, "full"))) {
        m->required = m->full;
        return true;
    }
    m->required =
        unit ? m->full - ALIGN_UP((uint64_t)m->size, unit) + data : m->full;
    return true;
}

static void print(const Measure *m)
{
    if (m->json) {
        printf("{\n");
        if (m->bitmaps) {
            printf("    \"bitmaps\": %" PRIu64 ",\n", m->bitmap_bytes);
        }
        printf("    \"required\": %" PRIu64
               ",\n    \"fully-allocated\": %" PRIu64 "\n}\n",
               m->required, m->full);
        return;
    }
    printf("required size: %" PRIu64 "\nfully allocated size: %" PRIu64 "\n",
           m->required, m->full);
    if (m->bitmaps) {
        printf("bitmaps size: %" PRIu64 "\n", m->bitmap_bytes);
    }
}

static bool can_have_bitmaps(const Measure *m, BlockNode *n)
{
    const char *compat = qdict_get_str(m->opts, "compat");
    bool v2 = compat && (!strcmp(compat, "0.10") || !strcmp(compat, "v2"));

    return !strcmp(m->out_format, "qcow2") && !v2 && bitmap_user_supported(n);
}

static bool view_snapshot(BlockNode *n, const char *param)
{
    Error *err = NULL;

    if (snapshot_view(n, param, &err)) {
        return true;
    }
    error_prefix(&err, "Failed to load snapshot");
    error_report_err(err);
    return false;
}

static int run(ImgTool *t, Measure *m, const char *filename, ImgOpen *open)
{
    BlockBackend *blk = NULL;
    bool ok;

    if (filename) {
        blk = img_open(t, filename, open);
        if (!blk ||
            (m->snapshot && !view_snapshot(blk_node(blk), m->snapshot))) {
            blk_unref(blk);
            return 1;
        }
        m->size = MAX(blk_getlength(blk), 0);
        m->bitmaps = can_have_bitmaps(m, blk_node(blk));
    }
    ok = measure(t, m, blk ? blk_node(blk) : NULL);
    if (ok) {
        print(m);
    }
    blk_unref(blk);
    return !ok;
}

int img_measure(ImgTool *t, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "output", required_argument, NULL, IMG_OPT_OUTPUT },
        { "size", required_argument, NULL, OPT_SIZE },
        { "force-share", no_argument, NULL, 'U' },
        { 0 },
    };
    g_autoptr(QDict) opts = qdict_new();
    Measure m = { .out_format = "raw", .opts = opts, .size = -1 };
    ImgOpen open = { 0 };
    int c;

    while ((c = img_getopt(t, argc, argv, ":hf:l:o:O:U", options)) != -1) {
        switch (c) {
        case 'f':
            open.format = optarg;
            break;
        case 'l':
            m.snapshot = optarg;
            if (!snapshot_param_parse(optarg, NULL, NULL)) {
                return 1;
            }
            break;
        case 'O':
            m.out_format = optarg;
            break;
        case 'o':
            if (!img_add_options(opts, optarg)) {
                return 1;
            }
            break;
        case 'U':
            open.force_share = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            open.image_opts = true;
            break;
        case IMG_OPT_OUTPUT:
            if (!img_parse_output(optarg, &m.json)) {
                return 1;
            }
            break;
        case OPT_SIZE:
            m.size = img_parse_size("image size", optarg);
            if (m.size < 0) {
                return 1;
            }
            break;
        default:
            return 1;
        }
    }
    if (argc - optind > 1) {
        error_report("At most one filename argument is allowed.");
        return 1;
    }
    if ((argc - optind == 1) == (m.size >= 0)) {
        error_report(m.size >= 0
                         ? "--size N cannot be used together with a filename."
                         : "Either --size N or one filename must be "
                           "specified.");
        return 1;
    }
    if (m.size >= 0 && (open.image_opts || open.format || m.snapshot)) {
        error_report("--image-opts, -f, and -l require a filename argument.");
        return 1;
    }
    return run(t, &m, optind < argc ? argv[optind] : NULL, &open);
}
