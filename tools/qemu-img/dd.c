/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img dd: copy part of an image into a new one. */
#include "util/osdep.h"

#include "block/block-create.h"
#include "img.h"
#include "util/error.h"

/* At most this much at once, whatever bs= says. */
#define PIECE ((int64_t)(2 * MiB))

typedef struct Dd {
    ImgOpen src;
    const char *out_format, *from, *to;
    int64_t bs, count, skip;
    bool has_count;
} Dd;

static bool parse_operand(Dd *d, char *text)
{
    char *value = strchr(text, '=');
    int64_t *number = NULL;

    if (value) {
        *value++ = '\0';
    }
    if (value && !strcmp(text, "if")) {
        d->from = value;
        return true;
    }
    if (value && !strcmp(text, "of")) {
        d->to = value;
        return true;
    }
    if (value) {
        number = !strcmp(text, "bs")      ? &d->bs
                 : !strcmp(text, "count") ? &d->count
                 : !strcmp(text, "skip")  ? &d->skip
                                          : NULL;
    }
    if (!number) {
        error_report("unrecognized operand %s", text);
        return false;
    }
    *number = img_parse_size(text, value);
    if (*number >= 0 && number == &d->bs && (d->bs < 1 || d->bs > INT32_MAX)) {
        error_report("Invalid bs specified. Must be between 1 and %d.",
                     INT32_MAX);
        return false;
    }
    d->has_count = d->has_count || number == &d->count;
    return *number >= 0;
}

static int copy(BlockBackend *src, BlockBackend *dst, int64_t from, int64_t to)
{
    g_autofree char *buf = g_malloc(PIECE);

    for (int64_t at = from; at < to;) {
        int64_t n = MIN(PIECE, to - at);
        int ret = blk_pread(src, at, n, buf);

        if (ret < 0) {
            error_report("error while reading from input image file: %s",
                         g_strerror(-ret));
            return 1;
        }
        ret = blk_pwrite(dst, at - from, n, buf, 0);
        if (ret < 0) {
            error_report("error while writing to output image file: %s",
                         g_strerror(-ret));
            return 1;
        }
        at += n;
    }
    return blk_flush(dst) < 0;
}

/* [*from, *to) of the source. As in 7.2, "count" starts before "skip". */
static void range_of(const Dd *d, int64_t length, int64_t *from, int64_t *to)
{
    *to = length;
    if (d->has_count && d->count <= INT64_MAX / d->bs) {
        *to = MIN(length, d->count * d->bs);
    }
    *from = d->skip;
    if (d->skip && (d->skip > INT64_MAX / d->bs || d->skip * d->bs > *to)) {
        error_report("%s: cannot skip to specified offset", d->from);
        *from = *to;
    } else {
        *from = d->skip * d->bs;
    }
}

static int run(ImgTool *t, Dd *d)
{
    ImgOpen open = { .format = d->out_format, .writable = true };
    g_autoptr(QDict) opts = qdict_new();
    g_autofree char *size = NULL;
    BlockBackend *src, *dst = NULL;
    int64_t from, to;
    Error *err = NULL;
    int status = 1;

    src = img_open(t, d->from, &d->src);
    if (!src) {
        return 1;
    }
    if (blk_getlength(src) < 0) {
        error_report("Failed to get size for '%s'", d->from);
        blk_unref(src);
        return 1;
    }
    range_of(d, blk_getlength(src), &from, &to);
    size = g_strdup_printf("%" PRId64, to - from);
    qdict_put_str(opts, "size", size);
    if (!block_create_ops_at(d->out_format, d->to, &err)) {
        error_report_err(err);
    } else if (!block_create(t->graph, d->out_format, d->to, opts, &err)) {
        error_prefix(&err, "%s: error while creating output image", d->to);
        error_report_err(err);
    } else {
        dst = img_open(t, d->to, &open);
    }
    if (dst) {
        status = copy(src, dst, from, to);
    }
    blk_unref(dst);
    blk_unref(src);
    return status;
}

int img_dd(ImgTool *t, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", no_argument, NULL, 'U' },
        { 0 },
    };
    Dd d = { .out_format = "raw", .bs = 512 };
    Error *err = NULL;
    int c;

    while ((c = img_getopt(t, argc, argv, ":hf:O:U", options)) != -1) {
        switch (c) {
        case 'f':
            d.src.format = optarg;
            break;
        case 'O':
            d.out_format = optarg;
            break;
        case 'U':
            d.src.force_share = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            d.src.image_opts = true;
            break;
        default:
            return 1;
        }
    }
    for (; optind < argc; optind++) {
        if (!parse_operand(&d, argv[optind])) {
            return 1;
        }
    }
    if (!d.from || !d.to) {
        error_report("Must specify both input and output files");
        return 1;
    }
    if (!block_driver_find(d.out_format)) {
        error_report("Unknown file format");
        return 1;
    }
    if (!block_create_ops(d.out_format, &err)) {
        error_report_err(err);
        return 1;
    }
    return run(t, &d);
}
