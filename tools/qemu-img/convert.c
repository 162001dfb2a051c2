/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-img convert: its options, and the images that take part.
 * Spec: qemu-img(1) of QEMU 7.2.
 */
#include "util/osdep.h"

#include "block/block-create.h"
#include "convert.h"
#include "tools/snapshot-view.h"
#include "util/error.h"

enum {
    OPT_TARGET_OPTS = IMG_OPT_FIRST,
    OPT_ZERO,
    OPT_SALVAGE,
    OPT_BITMAPS,
    OPT_SKIP_BROKEN
};

#define SPARSE_MAX ((int64_t)(16 * MiB))

typedef struct Args {
    ImgOpen src, dst;
    const char *out_format; /* NULL: not told */
    const char *backing, *backing_format, *snapshot;
    char **from;
    int n_from;
    const char *to;
    int64_t min_sparse, workers, rate;
    bool no_create, out_of_order, target_zero, compressed, progress, quiet;
    bool bitmaps, skip_broken, salvage, offload;
    bool sparse_set, help, given; /* -S; -o help; -o */
    QDict *opts;
} Args;

/* Command line
 * --------------------------------------------------------------------- */

static bool parse_sparse(Args *a)
{
    a->sparse_set = true;
    a->min_sparse = img_parse_size("buffer size for sparse output", optarg);
    if (a->min_sparse > SPARSE_MAX || a->min_sparse % 512 > 0) {
        error_report("Invalid buffer size for sparse output specified. Valid "
                     "sizes are multiples of %d up to %" PRId64 ". Select 0 to "
                     "disable sparse detection (fully allocates output).",
                     512, SPARSE_MAX);
        return false;
    }
    return a->min_sparse >= 0;
}

static bool parse_workers(Args *a)
{
    char *end;

    a->workers = strtol(optarg, &end, 0);
    if (*end || a->workers < 1 || a->workers > CONVERT_MAX_WORKERS) {
        error_report("Invalid number of coroutines. Allowed number of "
                     "coroutines is between 1 and %d",
                     CONVERT_MAX_WORKERS);
        return false;
    }
    return true;
}

/* Options with a value. */
static bool parse_value(Args *a, int c)
{
    switch (c) {
    case 'f':
        a->src.format = optarg;
        return true;
    case 'O':
        a->out_format = optarg;
        return true;
    case 'B':
        a->backing = optarg;
        return true;
    case 'F':
        a->backing_format = optarg;
        return true;
    case 't':
        a->dst.cache = optarg;
        return true;
    case 'T':
        a->src.cache = optarg;
        return true;
    case 'o':
        a->given = true;
        a->help = a->help || img_options_help(optarg);
        return a->help || img_add_options(a->opts, optarg);
    case 'l':
        a->snapshot = optarg;
        return snapshot_param_parse(optarg, NULL, NULL);
    case 'S':
        return parse_sparse(a);
    case 'm':
        return parse_workers(a);
    case 'r':
        a->rate = img_parse_size("rate limit", optarg);
        return a->rate >= 0;
    default:
        return false;
    }
}

static bool *flag_of(Args *a, int c)
{
    switch (c) {
    case 'c':
        return &a->compressed;
    case 'C':
        return &a->offload;
    case 'n':
        return &a->no_create;
    case 'p':
        return &a->progress;
    case 'q':
        return &a->quiet;
    case 'W':
        return &a->out_of_order;
    case 'U':
        return &a->src.force_share;
    case IMG_OPT_IMAGE_OPTS:
        return &a->src.image_opts;
    case OPT_TARGET_OPTS:
        return &a->dst.image_opts;
    case OPT_ZERO:
        return &a->target_zero;
    case OPT_SALVAGE:
        return &a->salvage;
    case OPT_BITMAPS:
        return &a->bitmaps;
    case OPT_SKIP_BROKEN:
        return &a->skip_broken;
    default:
        return NULL;
    }
}

static bool parse(ImgTool *t, Args *a, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", no_argument, NULL, 'U' },
        { "target-image-opts", no_argument, NULL, OPT_TARGET_OPTS },
        { "salvage", no_argument, NULL, OPT_SALVAGE },
        { "target-is-zero", no_argument, NULL, OPT_ZERO },
        { "bitmaps", no_argument, NULL, OPT_BITMAPS },
        { "skip-broken-bitmaps", no_argument, NULL, OPT_SKIP_BROKEN },
        { 0 },
    };
    int c;

    while ((c = img_getopt(t, argc, argv,
                           ":hf:O:B:CcF:o:l:S:pt:T:qnm:WUr:", options)) != -1) {
        bool *flag = flag_of(a, c);

        if (flag) {
            *flag = true;
        } else if (!parse_value(a, c)) {
            return false;
        }
    }
    a->from = argv + optind;
    a->n_from = argc - optind - 1;
    a->to = optind < argc ? argv[argc - 1] : NULL;
    return true;
}

/* What does not go together. */
static bool check(const Args *a)
{
    const char *wrong = NULL;

    if (a->n_from < 1) {
        wrong = "Must specify image file name";
    } else if (a->skip_broken && !a->bitmaps) {
        wrong = "Use of --skip-broken-bitmaps requires --bitmaps";
    } else if (a->dst.image_opts && !a->no_create) {
        wrong = "--target-image-opts requires use of -n flag";
    } else if (a->target_zero && !a->no_create) {
        wrong = "--target-is-zero requires use of -n flag";
    } else if (a->no_create && a->given) {
        wrong = "-o has no effect when skipping image creation";
    } else if (a->offload && a->compressed) {
        wrong = "Cannot enable copy offloading when -c is used";
    } else if (a->offload && a->sparse_set) {
        wrong = "Cannot enable copy offloading when -S is used";
    } else if (a->offload && a->salvage) {
        wrong = "Cannot use copy offloading in salvaging mode";
    } else if (a->snapshot && a->n_from > 1) {
        wrong = "No support for concatenating multiple snapshot";
    } else if (a->dst.image_opts && a->out_format) {
        wrong = "--image-opts and --format are mutually exclusive";
    }
    if (wrong) {
        error_report("%s", wrong);
    }
    return !wrong;
}

/* Target
 * ---------------------------------------------------------------------------
 */

static bool add_backing(Args *a, const BlockCreateOps *ops)
{
    if (a->backing && !img_has_option(ops->options, "backing_file")) {
        error_report("Backing file not supported for file format '%s'",
                     a->out_format);
        return false;
    }
    if (a->backing) {
        qdict_put_str(a->opts, "backing_file", a->backing);
    }
    if (a->backing_format) {
        qdict_put_str(a->opts, "backing_fmt", a->backing_format);
    }
    a->backing = qdict_get_str(a->opts, "backing_file");
    if (a->backing && a->n_from > 1) {
        error_report("Having a backing file for the target makes no sense when "
                     "concatenating multiple input images");
        return false;
    }
    if (a->backing && !qdict_has(a->opts, "backing_fmt")) {
        error_report("Use of backing file requires explicit backing format");
        return false;
    }
    return true;
}

static bool check_compression(const Args *a, const BlockDriver *drv)
{
    const char *prealloc = qdict_get_str(a->opts, "preallocation");

    if (!a->compressed) {
        return true;
    }
    if (!drv->io->pwrite_compressed) {
        error_report("Compression not supported for this file format");
        return false;
    }
    if (qdict_has(a->opts, "encrypt.format") ||
        block_option_bool(a->opts, "encryption", false)) {
        error_report("Compression and encryption not supported at the same "
                     "time");
        return false;
    }
    if (prealloc && strcmp(prealloc, "off")) {
        error_report("Compression and preallocation not supported at the same "
                     "time");
        return false;
    }
    return true;
}

static bool create_target(ImgTool *t, Args *a, int64_t length)
{
    g_autofree char *size = g_strdup_printf("%" PRId64, length);
    Error *err = NULL;
    const BlockCreateOps *ops = block_create_ops_at(a->out_format, a->to, &err);
    bool ok;

    if (!ops || !block_create_check(ops, a->to, a->opts, &err)) {
        error_report_err(err);
        return false;
    }
    if (!add_backing(a, ops) ||
        !check_compression(a, block_driver_find(a->out_format))) {
        return false;
    }
    qdict_put_str(a->opts, "size", size); /* whatever -o says */
    t->graph->filling = true;             /* -t says when it is durable */
    ok = block_create(t->graph, a->out_format, a->to, a->opts, &err);
    t->graph->filling = false;
    if (!ok) {
        error_prefix(&err, "%s: error while converting %s", a->to,
                     a->out_format);
        error_report_err(err);
        return false;
    }
    return true;
}

static bool open_target(ImgTool *t, Args *a, Convert *c)
{
    int64_t have;

    a->dst.writable = a->dst.unmap = true;
    a->dst.made = a->no_create ? NULL : a->opts;
    a->dst.format = a->dst.image_opts ? NULL : a->out_format;
    c->dst = img_open(t, a->to, &a->dst);
    if (!c->dst || !check_compression(a, blk_node(c->dst)->drv) ||
        (a->bitmaps && !img_check_bitmap_target(blk_node(c->dst)))) {
        return false;
    }
    have = blk_getlength(c->dst);
    if (have < c->length && a->no_create) {
        error_report("output file is smaller than input file");
        return false;
    }
    c->length = MIN(c->length, have);
    return true;
}

/* The node of the source's chain that the target's backing file is; one of
 * another name has what the source's own backing file has. */
static const BlockNode *find_base(const BlockNode *top, const char *backing)
{
    for (const BlockNode *n = top; n;
         n = n->backing ? n->backing->node : NULL) {
        if (!strcmp(n->filename, backing)) {
            return n;
        }
    }
    return top->backing ? top->backing->node : NULL;
}

/* What a device holds is not known; nor what zeroes are once decrypted. */
static bool unknown_content(const BlockNode *n, const QDict *made)
{
    const char *prealloc = qdict_get_str(made, "preallocation");

    if (prealloc && strcmp(prealloc, "off") &&
        qdict_has(made, "encrypt.key-secret")) {
        return true;
    }
    while (n->file) {
        if (!strcmp(n->drv->name, "luks")) {
            return true;
        }
        n = n->file->node;
    }
    return strcmp(n->drv->name, "file") != 0;
}

/* Sources
 * -------------------------------------------------------------------------- */

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

static bool open_sources(ImgTool *t, const Args *a, Convert *c)
{
    ImgOpen src = a->src;

    src.steady = !src.force_share;
    c->src = g_new0(ConvertSource, a->n_from);
    for (int i = 0; i < a->n_from; i++) {
        ConvertSource *s = &c->src[i];

        s->blk = img_open(t, a->from[i], &src);
        if (!s->blk) {
            return false;
        }
        c->n_src++;
        if (a->snapshot && !view_snapshot(blk_node(s->blk), a->snapshot)) {
            return false;
        }
        if (blk_getlength(s->blk) < 0) {
            error_report("Could not get size of %s: %s", a->from[i],
                         strerror(-blk_getlength(s->blk)));
            return false;
        }
        s->start = c->length;
        s->length = ALIGN_UP(blk_getlength(s->blk), 512);
        if (s->length > BLK_MAX_LENGTH - c->length) {
            error_report("The images are too large together");
            return false;
        }
        c->length += s->length;
    }
    return true;
}

/* Command
 * -------------------------------------------------------------------------- */

static void set_up(const Args *a, Convert *c)
{
    const BlockLimits *l = blk_limits(c->dst);

    c->target_backing = a->backing;
    c->base = a->backing ? find_base(blk_node(c->src->blk), a->backing) : NULL;
    c->piece = CONVERT_PIECE;
    c->target_zero = a->no_create ? a->target_zero
                                  : !unknown_content(blk_node(c->dst), a->opts);
    c->min_sparse = a->min_sparse;
    c->compressed = a->compressed;
    c->cluster = MAX(512, l->discard_alignment);
    c->piece = MAX(c->piece, c->compressed ? c->cluster : 0);
    c->unit = MAX(4096, c->compressed ? c->cluster : l->write_zeroes_alignment);
    /* Streams lie as they come: who waits for his turn compresses nothing. */
    c->out_of_order = a->out_of_order || a->compressed;
    c->salvage = a->salvage;
    c->quiet = a->quiet;
    c->offload = a->offload;
    c->rate = a->rate;
}

static int convert(ImgTool *t, Args *a, Convert *c)
{
    BlockNode *first;
    int64_t all;
    int ret;

    if (!img_check_cache("Invalid cache option", a->dst.cache) ||
        !img_check_cache("Invalid source cache option", a->src.cache) ||
        !open_sources(t, a, c)) {
        return 1;
    }
    first = blk_node(c->src->blk);
    all = c->length;
    if (a->bitmaps && a->n_from > 1) {
        error_report("Copying bitmaps only possible with single source");
        return 1;
    }
    if ((a->bitmaps && !img_check_bitmaps(first, a->skip_broken)) ||
        (!a->no_create && !create_target(t, a, all)) || !open_target(t, a, c)) {
        return 1;
    }
    set_up(a, c);
    ret = convert_copy(c, t->loop, a->workers);
    if (ret >= 0 && a->bitmaps && !img_copy_bitmaps(first, blk_node(c->dst))) {
        ret = -EINVAL;
    }
    if (ret >= 0) {
        ret = blk_flush(c->dst);
    }
    return ret < 0;
}

int img_convert(ImgTool *t, int argc, char **argv)
{
    g_autoptr(QDict) opts = qdict_new();
    Args a = {
        .opts = opts,
        .min_sparse = 4096,
        .workers = 8,
        .dst.cache = "unsafe",
    };
    Convert c = { 0 };
    int status;

    if (!parse(t, &a, argc, argv)) {
        return 1;
    }
    if (!a.out_format && !a.dst.image_opts) {
        a.out_format = "raw";
    }
    if (a.help) {
        return img_create_help(a.out_format, a.to);
    }
    if (!check(&a)) {
        return 1;
    }
    img_progress_begin(&c.progress, a.progress && !a.quiet, -1);
    status = convert(t, &a, &c);
    img_progress_end(&c.progress, !status);
    blk_unref(c.dst);
    for (unsigned i = 0; i < c.n_src; i++) {
        blk_unref(c.src[i].blk);
    }
    g_free(c.src);
    return status;
}
