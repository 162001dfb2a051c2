/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-img rebase: give an image another backing file. In safe mode, what would
 * read differently afterwards is copied into the image before; the image is
 * open without its backing files meanwhile, which are read on their own.
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/drivers.h"
#include "img.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

#define PIECE ((int64_t)(2 * MiB))

typedef struct Rebase {
    const char *filename, *backing, *format; /* backing "": none */
    ImgOpen top, src;
    bool unsafe, progress, quiet;
    BlockBackend *image, *old, *new; /* old, new: NULL for none */
    char *buf[2];
    ImgProgress shown;
} Rebase;

/* What @blk has there: zeroes behind its end. */
static int read_side(BlockBackend *blk, int64_t at, int64_t bytes, char *buf)
{
    int64_t have = blk ? MIN(bytes, MAX(blk_getlength(blk) - at, 0)) : 0;

    memset(buf + have, 0, bytes - have);
    return have ? blk_pread(blk, at, have, buf) : 0;
}

/* Whole units of the image that differ: part of one would hide the rest. */
static int write_changed(Rebase *r, int64_t at, int64_t bytes, int64_t unit)
{
    int64_t from = 0, n;
    int ret = 0;

    for (int64_t i = 0; i <= bytes && ret >= 0; i += unit) {
        n = MIN(unit, bytes - i);
        if (i < bytes && memcmp(r->buf[0] + i, r->buf[1] + i, n)) {
            continue;
        }
        if (i > from) {
            ret =
                blk_pwrite(r->image, at + from, i - from, r->buf[0] + from, 0);
        }
        from = i + unit;
    }
    if (ret >= 0 && from < bytes) {
        ret =
            blk_pwrite(r->image, at + from, bytes - from, r->buf[0] + from, 0);
    }
    if (ret < 0) {
        error_report("Error while writing to COW image: %s", g_strerror(-ret));
    }
    return ret;
}

static int copy_range(Rebase *r, int64_t start, int64_t end, int64_t unit)
{
    for (int64_t at = start; at < end; at += PIECE) {
        int64_t n = MIN(PIECE, end - at);
        int ret = read_side(r->old, at, n, r->buf[0]);

        if (ret < 0) {
            error_report("error while reading from old backing file");
            return ret;
        }
        ret = read_side(r->new, at, n, r->buf[1]);
        if (ret < 0) {
            error_report("error while reading from new backing file");
            return ret;
        }
        ret = write_changed(r, at, n, unit);
        if (ret < 0) {
            return ret;
        }
        img_progress_step(&r->shown, n);
    }
    return 0;
}

static int copy(Rebase *r)
{
    BlockNode *n = blk_node(r->image), *file;
    int64_t length = node_length(n), num, map;
    int64_t unit = MAX(512, n->limits.write_zeroes_alignment);
    int depth, ret = 0;

    r->shown.total = length;
    for (int64_t at = 0; at < length && ret >= 0; at += num) {
        ret = img_status_sync(n, at, length - at, &num, &map, &file, &depth);
        if (ret < 0) {
            error_report("error while reading image metadata: %s",
                         g_strerror(-ret));
        } else if (!(ret & BLK_STATUS_ALLOCATED)) {
            ret = copy_range(r, at, at + num, unit);
        } else {
            img_progress_step(&r->shown, num);
        }
    }
    if (ret >= 0) {
        ret = blk_flush(r->image);
    }
    return ret;
}

/* Opening
 * ------------------------------------------------------------------------- */

static BlockBackend *open_backing(ImgTool *t, const char *path,
                                  const char *format, const ImgOpen *src,
                                  const char *what)
{
    ImgOpen o = { .format = format,
                  .cache = src->cache,
                  .force_share = src->force_share };
    Error *err = NULL;
    BlockBackend *blk = img_open_err(t, path, &o, &err);

    if (!blk) {
        error_prefix(&err, "Could not open %s backing file '%s'", what, path);
        error_report_err(err);
    }
    return blk;
}

static bool open_sides(ImgTool *t, Rebase *r)
{
    BlockNode *n = blk_node(r->image);
    ImageInfo *info = block_image_info(n, false);
    g_autofree char *path = NULL;
    bool ok = true;

    if (info->full_backing_filename) {
        r->old = open_backing(t, info->full_backing_filename,
                              info->backing_filename_format, &r->src, "old");
        ok = r->old;
    }
    qapi_free_ImageInfo(info);
    if (ok && r->backing[0]) {
        path = block_path_combine(block_node_path(n), r->backing);
        r->new = open_backing(t, path, r->format, &r->src, "new");
        ok = r->new;
    }
    return ok;
}

typedef struct Change {
    BlockNode *n;
    const char *backing, *format;
    int ret;
} Change;

static void coroutine_fn change_entry(void *opaque)
{
    Change *c = opaque;

    c->ret = c->n->drv->image->change_backing(c->n, c->backing, c->format);
    if (c->ret >= 0) {
        c->ret = node_flush(c->n);
    }
}

static int change_backing(Rebase *r)
{
    Change c = { blk_node(r->image), r->backing[0] ? r->backing : NULL,
                 r->format, 0 };

    block_run(change_entry, &c);
    if (c.ret == -ENOSPC) {
        error_report("Could not change the backing file to '%s': No space left "
                     "in the file header",
                     r->backing);
    } else if (c.ret < 0) {
        error_report("Could not change the backing file to '%s': %s",
                     r->backing, g_strerror(-c.ret));
    }
    return c.ret;
}

/* Command
 * ------------------------------------------------------------------------ */

static bool check_arguments(const Rebase *r)
{
    const BlockNode *n = blk_node(r->image);

    if (r->backing[0] && !r->format) {
        error_report("Could not change the backing file to '%s': backing "
                     "format must be specified",
                     r->backing);
        return false;
    }
    if (!n->drv->image || !n->drv->image->change_backing) {
        error_report("Could not change the backing file to '%s': %s",
                     r->backing, g_strerror(ENOTSUP));
        return false;
    }
    return true;
}

static int rebase(ImgTool *t, Rebase *r)
{
    int ret;

    if (r->format && !block_driver_find(r->format)) {
        error_report("Invalid format name: '%s'", r->format);
        return 1;
    }
    if (!img_check_cache("Invalid cache option", r->top.cache) ||
        !img_check_cache("Invalid source cache option", r->src.cache)) {
        return 1;
    }
    r->image = img_open(t, r->filename, &r->top);
    if (!r->image || (!r->unsafe && !open_sides(t, r)) || !check_arguments(r)) {
        return 1;
    }
    if (!r->unsafe) {
        r->buf[0] = g_malloc(PIECE);
        r->buf[1] = g_malloc(PIECE);
        ret = copy(r);
        if (ret < 0) {
            return 1;
        }
    }
    return change_backing(r) < 0;
}

static int run(ImgTool *t, Rebase *r)
{
    int status;

    img_progress_begin(&r->shown, r->progress && !r->quiet, 0);
    status = rebase(t, r);
    img_progress_end(&r->shown, !status);
    return status;
}

static bool parse(ImgTool *t, Rebase *r, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", no_argument, NULL, 'U' },
        { 0 },
    };
    int c;

    while ((c = img_getopt(t, argc, argv, ":hf:F:b:upt:T:qU", options)) != -1) {
        switch (c) {
        case 'f':
            r->top.format = optarg;
            break;
        case 'F':
            r->format = optarg;
            break;
        case 'b':
            r->backing = optarg;
            break;
        case 'u':
            r->unsafe = true;
            break;
        case 'p':
            r->progress = true;
            break;
        case 't':
            r->top.cache = optarg;
            break;
        case 'T':
            r->src.cache = optarg;
            break;
        case 'q':
            r->quiet = true;
            break;
        case 'U':
            r->src.force_share = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            r->top.image_opts = true;
            break;
        default:
            return false;
        }
    }
    return true;
}

int img_rebase(ImgTool *t, int argc, char **argv)
{
    Rebase r = { .top = { .writable = true, .no_backing = true } };
    int status;

    if (!parse(t, &r, argc, argv)) {
        return 1;
    }
    if (optind != argc - 1) {
        return img_usage_error("Expecting one image file name");
    }
    if (!r.unsafe && !r.backing) {
        return img_usage_error("Must specify backing file (-b) or use unsafe "
                               "mode (-u)");
    }
    r.backing = r.backing ? r.backing : "";
    r.filename = argv[optind];
    status = run(t, &r);
    blk_unref(r.new);
    blk_unref(r.old);
    blk_unref(r.image);
    g_free(r.buf[0]);
    g_free(r.buf[1]);
    return status;
}
