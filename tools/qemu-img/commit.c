/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-img commit: bring what an image has over its backing file into that.
 * The images above the base are open each on its own, without backing files:
 * only what they have themselves is read from them.
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "img.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

#define PIECE ((int64_t)(2 * MiB))

typedef struct Commit {
    const char *filename, *base_name;
    ImgOpen top;
    bool drop, quiet, progress;
    uint64_t rate;              /* bytes per second; 0: as fast as it goes */
    GPtrArray *above;           /* BlockBackend *, the top first */
    BlockBackend *base;         /* written to */
    GPtrArray *paths, *formats; /* of all images of the chain */
    guint base_index;           /* in these */
    ImgProgress shown;
} Commit;

/* The chain
 * ----------------------------------------------------------------------- */

static bool same_path(const char *a, const char *b)
{
    g_autofree char *full_a = g_canonicalize_filename(a, NULL);
    g_autofree char *full_b = g_canonicalize_filename(b, NULL);

    return !strcmp(a, b) || !strcmp(full_a, full_b);
}

static bool read_chain(ImgTool *t, Commit *c)
{
    ImgOpen open = c->top;
    BlockBackend *blk;
    BlockNode *n;

    open.writable = true;
    blk = img_open(t, c->filename, &open);
    if (!blk) {
        return false;
    }
    img_progress_begin(&c->shown, c->progress, -1);
    for (n = blk_node(blk); n; n = n->backing ? n->backing->node : NULL) {
        g_ptr_array_add(c->paths, g_strdup(n->filename));
        g_ptr_array_add(c->formats, (void *)n->drv->name);
    }
    blk_unref(blk);
    if (c->paths->len < 2 && !c->base_name) {
        error_report("Image does not have a backing file");
        return false;
    }
    c->base_index = 1;
    while (c->base_name && c->base_index < c->paths->len &&
           !same_path(c->paths->pdata[c->base_index], c->base_name)) {
        c->base_index++;
    }
    if (c->base_index == c->paths->len) {
        error_report("Did not find '%s' in the backing chain of '%s'",
                     c->base_name, c->filename);
        return false;
    }
    return true;
}

static bool open_chain(ImgTool *t, Commit *c)
{
    for (guint i = 0; i <= c->base_index; i++) {
        /* The base's own backing files show through where it is written. */
        ImgOpen o = { .format = c->formats->pdata[i],
                      .cache = c->top.cache,
                      .no_backing = i < c->base_index,
                      .writable = i == c->base_index || (!i && c->drop),
                      .unmap = true };
        BlockBackend *blk;

        if (!i) {
            o.format = c->top.format;
            o.image_opts = c->top.image_opts;
        }
        blk = img_open(t, i ? c->paths->pdata[i] : c->filename, &o);
        if (!blk) {
            return false;
        }
        if (i < c->base_index) {
            g_ptr_array_add(c->above, blk);
        } else {
            c->base = blk;
        }
    }
    return true;
}

/* Data
 * ------------------------------------------------------------------------------
 */

/* The uppermost image above the base that has something at @at; NULL: none
 * has, for *num bytes. */
static BlockBackend *find_data(Commit *c, int64_t at, int64_t bytes,
                               int64_t *num, int *flags)
{
    int64_t n, map;
    BlockNode *file;
    int depth;

    *num = bytes;
    for (guint i = 0; i < c->above->len; i++) {
        BlockBackend *blk = c->above->pdata[i];

        if (at >= blk_getlength(blk)) {
            /* It ends before: zeroes for those above. */
            *flags = i ? BLK_STATUS_ZERO : 0;
            return i ? blk : NULL;
        }
        *flags = img_status_sync(blk_node(blk), at,
                                 MIN(*num, blk_getlength(blk) - at), &n, &map,
                                 &file, &depth);
        if (*flags < 0) {
            return blk;
        }
        *num = n;
        if (*flags & BLK_STATUS_ALLOCATED) {
            return blk;
        }
    }
    return NULL;
}

static int copy_range(Commit *c, BlockBackend *from, int flags, int64_t at,
                      int64_t bytes, char *buf)
{
    int ret;

    if (flags & BLK_STATUS_ZERO) {
        return blk_pwrite_zeroes(c->base, at, bytes, BLK_REQ_MAY_UNMAP);
    }
    ret = blk_pread(from, at, bytes, buf);
    return ret < 0 ? ret : blk_pwrite(c->base, at, bytes, buf, 0);
}

/* How many bytes there are to commit. */
static int64_t count_work(Commit *c, int64_t length)
{
    int64_t total = 0, num;
    int flags = 0;

    for (int64_t at = 0; at < length && flags >= 0; at += num) {
        if (find_data(c, at, length - at, &num, &flags)) {
            total += num;
        }
    }
    return total;
}

static int copy(Commit *c)
{
    int64_t length = blk_getlength(c->above->pdata[0]), num, done = 0;
    int64_t start = loop_now_ns();
    g_autofree char *buf = g_malloc(PIECE);
    int ret = 0;

    if (img_progress_wanted(&c->shown)) {
        c->shown.total = count_work(c, length);
    }
    for (int64_t at = 0; at < length && ret >= 0; at += num) {
        int flags = 0;
        BlockBackend *from = find_data(c, at, length - at, &num, &flags);

        if (from && !(flags & BLK_STATUS_ZERO)) {
            num = MIN(num, PIECE);
        }
        ret = flags < 0 ? flags
              : from    ? copy_range(c, from, flags, at, num, buf)
                        : 0;
        if (c->shown.total < 0 && img_progress_wanted(&c->shown)) {
            c->shown.total = count_work(c, length);
        }
        img_progress_step(&c->shown, from ? num : 0);
        if (from && c->rate && ret >= 0) {
            done += num;
            img_hold_back(c->rate, start, done);
        }
    }
    if (ret >= 0) {
        ret = blk_flush(c->base);
    }
    return ret;
}

static void coroutine_fn empty_entry(void *opaque)
{
    BlockNode **n = opaque;
    int ret = (*n)->drv->image->make_empty(*n);

    if (ret >= 0) {
        ret = node_flush(*n);
    }
    if (ret < 0) {
        error_report("Could not empty %s: %s", (*n)->filename,
                     g_strerror(-ret));
        *n = NULL;
    }
}

/* Command
 * ------------------------------------------------------------------------ */

static bool grow_base(Commit *c)
{
    int64_t length = blk_getlength(c->above->pdata[0]);
    Error *err = NULL;

    if (blk_getlength(c->base) >= length ||
        blk_truncate(c->base, length, false, &err)) {
        return true;
    }
    error_report_err(err);
    return false;
}

static bool commit(ImgTool *t, Commit *c)
{
    BlockNode *top;
    int ret;

    if (!img_check_cache("Invalid cache option", c->top.cache) ||
        !read_chain(t, c) || !open_chain(t, c) || !grow_base(c)) {
        return false;
    }
    ret = copy(c);
    if (ret < 0) {
        error_report("Error while committing: %s", g_strerror(-ret));
        return false;
    }
    top = blk_node(c->above->pdata[0]);
    if (c->drop && top->drv->image && top->drv->image->make_empty) {
        block_run(empty_entry, &top);
    }
    return top;
}

static int run(ImgTool *t, Commit *c)
{
    bool ok;

    ok = commit(t, c);
    img_progress_end(&c->shown, ok);
    if (ok && !c->quiet) {
        printf("Image committed.\n");
    }
    return !ok;
}

static bool parse(ImgTool *t, Commit *c, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { 0 },
    };
    int64_t rate;
    int o;

    while ((o = img_getopt(t, argc, argv, ":f:ht:b:dpqr:", options)) != -1) {
        switch (o) {
        case 'f':
            c->top.format = optarg;
            break;
        case 't':
            c->top.cache = optarg;
            break;
        case 'b':
            c->base_name = optarg;
            c->drop = false;
            break;
        case 'd':
            c->drop = false;
            break;
        case 'p':
            c->progress = true;
            break;
        case 'q':
            c->quiet = true;
            break;
        case 'r':
            rate = img_parse_size("rate limit", optarg);
            if (rate < 0) {
                return false;
            }
            c->rate = rate;
            break;
        case IMG_OPT_IMAGE_OPTS:
            c->top.image_opts = true;
            break;
        default:
            return false;
        }
    }
    c->progress = c->progress && !c->quiet;
    return true;
}

int img_commit(ImgTool *t, int argc, char **argv)
{
    Commit c = { .drop = true };
    int status;

    if (!parse(t, &c, argc, argv)) {
        return 1;
    }
    if (optind != argc - 1) {
        return img_usage_error("Expecting one image file name");
    }
    c.filename = argv[optind];
    c.above = g_ptr_array_new_with_free_func((GDestroyNotify)blk_unref);
    c.paths = g_ptr_array_new_with_free_func(g_free);
    c.formats = g_ptr_array_new();
    status = run(t, &c);
    g_ptr_array_free(c.above, TRUE);
    g_ptr_array_free(c.paths, TRUE);
    g_ptr_array_free(c.formats, TRUE);
    blk_unref(c.base);
    return status;
}
