/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-img convert: workers take the image piece by piece, read in parallel
 * and write in turn (or, with -W, as they come).
 */
#include "util/osdep.h"

#include "block/block-create.h"
#include "img.h"
#include "util/coroutine.h"
#include "util/error.h"

enum {
    OPT_TARGET_OPTS = IMG_OPT_FIRST,
    OPT_ZERO,
    OPT_SALVAGE,
    OPT_BITMAPS,
    OPT_SKIP_BROKEN
};

#define PIECE       ((int64_t)(2 * MiB))
#define MAX_WORKERS 16

typedef struct Convert {
    BlockBackend *src, *dst;
    const BlockNode *base; /* whose data the target has by its own backing */
    int64_t length, min_sparse;
    int64_t unit; /* of the target: smaller parts are not skipped */
    int64_t cluster; /* what is compressed at a time */
    bool out_of_order, target_zero, target_backing, compressed;
    ImgProgress progress;
    int64_t next;          /* offset that no worker has taken */
    uint64_t taken, turn;  /* numbers of pieces */
    CoQueue queue;         /* for the turn */
    Mutex lock;
    CoMutex taking;
    unsigned running;
    int ret;
} Convert;

typedef enum Kind { KIND_DATA, KIND_ZERO, KIND_BELOW } Kind;

typedef struct Piece {
    uint64_t number;
    int64_t offset, bytes;
    Kind kind;
} Piece;

/* Pieces
 * ----------------------------------------------------------------------- */

/* Whole units of the target: data takes the zeroes around it along. */
static void round_piece(const Convert *c, Piece *p)
{
    int64_t end = p->offset + p->bytes;

    if (p->kind == KIND_ZERO && end < c->length) {
        end = ALIGN_DOWN(end, c->unit);
        if (end <= p->offset) {
            p->kind = KIND_DATA;
            end = p->offset + 1;
        }
    }
    if (p->kind == KIND_DATA) {
        end = MIN(MIN(ALIGN_UP(end, c->unit), c->length), p->offset + PIECE);
    }
    p->bytes = end - p->offset;
}

/* The next piece, or the end: false. c->taking held. */
static bool coroutine_fn take_piece_locked(Convert *c, Piece *p)
{
    int64_t map;
    BlockNode *file;
    int depth, ret;

    if (c->ret < 0 || c->next >= c->length) {
        return false;
    }
    p->offset = c->next;
    p->number = c->taken;
    ret = img_status(blk_node(c->src), c->base, p->offset,
                     c->length - p->offset, &p->bytes, &map, &file, &depth);
    if (ret < 0) {
        error_report("error while reading block status at offset %" PRId64
                     ": %s",
                     p->offset, g_strerror(-ret));
        c->ret = ret;
        return false;
    }
    p->kind = ret & BLK_STATUS_ZERO   ? KIND_ZERO
              : ret & BLK_STATUS_DATA ? KIND_DATA
                                      : KIND_BELOW;
    if (c->base && !(ret & (BLK_STATUS_ALLOCATED | BLK_STATUS_ZERO))) {
        p->kind = KIND_BELOW;
    }
    round_piece(c, p);
    c->next = p->offset + p->bytes;
    c->taken++;
    return true;
}

static bool coroutine_fn take_piece(Convert *c, Piece *p)
{
    bool got;

    co_mutex_lock(&c->taking);
    got = take_piece_locked(c, p);
    co_mutex_unlock(&c->taking);
    return got;
}

static void coroutine_fn wait_turn(Convert *c, const Piece *p)
{
    if (c->out_of_order) {
        return;
    }
    mutex_lock(&c->lock);
    while (c->turn != p->number) {
        co_queue_wait(&c->queue, &c->lock);
    }
    mutex_unlock(&c->lock);
}

static void end_turn(Convert *c)
{
    mutex_lock(&c->lock);
    c->turn++;
    co_queue_wake_all(&c->queue);
    mutex_unlock(&c->lock);
}

/* Writing
 * ---------------------------------------------------------------------- */

static int coroutine_fn write_zeroes(Convert *c, int64_t offset, int64_t bytes)
{
    if (c->target_zero && !c->target_backing) {
        return 0;
    }
    return blk_co_pwrite_zeroes(c->dst, offset, bytes,
                                c->min_sparse ? BLK_REQ_MAY_UNMAP : 0);
}

/* How many bytes from @buf on are all zero, or all not, in units of the target
 * or what is left. */
static int64_t alike(const Convert *c, const char *buf, int64_t offset,
                     int64_t bytes, bool *zero)
{
    int64_t n = 0;

    while (n < bytes) {
        int64_t into = (offset + n) & (c->unit - 1);
        int64_t step = MIN(c->unit - into, bytes - n);
        bool z = buffer_is_zero(buf + n, step);

        if (n && z != *zero) {
            break;
        }
        *zero = z;
        n += step;
    }
    return n;
}

/* Cluster by cluster; other workers compress theirs meanwhile. */
static int coroutine_fn write_compressed(Convert *c, int64_t offset,
                                         int64_t bytes, const char *buf)
{
    int ret = 0;

    for (int64_t at = 0, n; at < bytes && ret >= 0; at += n) {
        n = MIN(c->cluster, bytes - at);
        ret = c->min_sparse && buffer_is_zero(buf + at, n)
                  ? write_zeroes(c, offset + at, n)
                  : node_pwrite_compressed(blk_node(c->dst), offset + at, n,
                                           buf + at);
    }
    return ret;
}

static int coroutine_fn write_data(Convert *c, int64_t offset, int64_t bytes,
                                   const char *buf)
{
    int64_t from = 0, at = 0;
    int ret = 0;

    /* [from, at) is to be written; short runs of zeroes go with it. */
    while (at < bytes && ret >= 0) {
        bool zero = false;
        int64_t n = alike(c, buf + at, offset + at, bytes - at, &zero);

        if (c->min_sparse && zero && n >= MIN(c->min_sparse, bytes)) {
            if (at > from) {
                ret = blk_co_pwrite(c->dst, offset + from, at - from,
                                    buf + from, 0);
            }
            if (ret >= 0) {
                ret = write_zeroes(c, offset + at, n);
            }
            from = at + n;
        }
        at += n;
    }
    if (ret >= 0 && at > from) {
        ret = blk_co_pwrite(c->dst, offset + from, at - from, buf + from, 0);
    }
    return ret;
}

static int coroutine_fn write_piece(Convert *c, const Piece *p, char *buf)
{
    if (p->kind == KIND_BELOW) {
        return 0;
    }
    if (p->kind == KIND_DATA) {
        return (c->compressed ? write_compressed : write_data)(c, p->offset,
                                                               p->bytes, buf);
    }
    if (c->min_sparse) {
        return write_zeroes(c, p->offset, p->bytes);
    }
    /* -S 0: everything is written in full. */
    memset(buf, 0, PIECE);
    for (int64_t at = 0; at < p->bytes; at += PIECE) {
        int ret = blk_co_pwrite(c->dst, p->offset + at,
                                MIN(PIECE, p->bytes - at), buf, 0);

        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static void coroutine_fn worker(void *opaque)
{
    Convert *c = opaque;
    /* On a page: no bounce buffers, and the host copies to it faster. */
    char *buf = g_aligned_alloc(1, PIECE, 4096);
    Piece p;

    while (take_piece(c, &p)) {
        int ret = 0;

        if (p.kind == KIND_DATA) {
            ret = blk_co_pread(c->src, p.offset, p.bytes, buf, 0);
            if (ret < 0) {
                error_report("error while reading at byte %" PRId64 ": %s",
                             p.offset, g_strerror(-ret));
            }
        }
        wait_turn(c, &p);
        if (ret >= 0 && c->ret >= 0) {
            ret = write_piece(c, &p, buf);
            if (ret < 0) {
                error_report("error while writing at byte %" PRId64 ": %s",
                             p.offset, g_strerror(-ret));
            }
        }
        c->ret = MIN(c->ret, ret);
        img_progress_step(&c->progress, p.bytes);
        end_turn(c);
    }
    g_aligned_free(buf);
    c->running--;
}

static int copy(Convert *c, Loop *loop, unsigned workers)
{
    mutex_init(&c->lock);
    co_mutex_init(&c->taking);
    co_queue_init(&c->queue);
    c->running = workers;
    for (unsigned i = 0; i < workers; i++) {
        coroutine_enter(coroutine_new(worker, c));
    }
    while (c->running) {
        loop_run_io(loop, true);
    }
    co_mutex_destroy(&c->taking);
    mutex_destroy(&c->lock);
    return c->ret;
}

/* Command line
 * --------------------------------------------------------------------- */

typedef struct Args {
    ImgOpen src, dst;
    const char *out_format, *backing, *backing_format;
    const char *from, *to;
    int64_t min_sparse, workers;
    bool no_create, out_of_order, target_zero, compressed, progress, quiet;
    bool bitmaps, skip_broken;
    QDict *opts;
} Args;

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
        switch (c) {
        case 'f':
            a->src.format = optarg;
            break;
        case 'O':
            a->out_format = optarg;
            break;
        case 'B':
            a->backing = optarg;
            break;
        case 'F':
            a->backing_format = optarg;
            break;
        case 'o':
            if (!img_add_options(a->opts, optarg)) {
                return false;
            }
            break;
        case 'S':
            a->min_sparse = img_parse_size("buffer size for sparse output",
                                           optarg);
            if (a->min_sparse < 0) {
                return false;
            }
            break;
        case 't':
            a->dst.cache = optarg;
            break;
        case 'T':
            a->src.cache = optarg;
            break;
        case 'q':
            a->quiet = true;
            break;
        case 'p':
            a->progress = true;
            break;
        case 'c':
            a->compressed = true;
            break;
        case 'n':
            a->no_create = true;
            break;
        case 'm':
            a->workers = strtol(optarg, NULL, 10);
            if (a->workers < 1 || a->workers > MAX_WORKERS) {
                error_report("Invalid number of coroutines. Allowed number of "
                             "coroutines is between 1 and %d",
                             MAX_WORKERS);
                return false;
            }
            break;
        case 'W':
            a->out_of_order = true;
            break;
        case 'U':
            a->src.force_share = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            a->src.image_opts = true;
            break;
        case OPT_ZERO:
            a->target_zero = true;
            break;
        case OPT_BITMAPS:
            a->bitmaps = true;
            break;
        case OPT_SKIP_BROKEN:
            a->skip_broken = true;
            break;
        case '?':
            return false;
        default:
            error_report("option '%s' is not supported", argv[optind - 1]);
            return false;
        }
    }
    if (a->skip_broken && !a->bitmaps) {
        error_report("Use of --skip-broken-bitmaps requires --bitmaps");
        return false;
    }
    if (a->target_zero && !a->no_create) {
        error_report("--target-is-zero requires use of -n flag");
        return false;
    }
    if (argc - optind != 2) {
        if (argc - optind > 2) {
            error_report("several source images are not supported");
        } else {
            error_report("Must specify image file name");
        }
        return false;
    }
    a->from = argv[optind];
    a->to = argv[optind + 1];
    return true;
}

static bool create_target(ImgTool *t, Args *a, int64_t length)
{
    g_autofree char *size = g_strdup_printf("%" PRId64, length);
    Error *err = NULL;

    if (a->backing) {
        qdict_put_str(a->opts, "backing_file", a->backing);
    }
    if (a->backing_format) {
        qdict_put_str(a->opts, "backing_fmt", a->backing_format);
    }
    if (!qdict_has(a->opts, "size")) {
        qdict_put_str(a->opts, "size", size);
    }
    if (!block_create(t->graph, a->out_format, a->to, a->opts, &err)) {
        error_prefix(&err, "%s: error while converting %s", a->to,
                     a->out_format);
        error_report_err(err);
        return false;
    }
    return true;
}

/* The node of the source's chain that the target's backing file is. */
static const BlockNode *find_base(const BlockNode *n, const char *backing)
{
    for (; n; n = n->backing ? n->backing->node : NULL) {
        if (!strcmp(n->filename, backing)) {
            return n;
        }
    }
    return NULL;
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

static bool check_compression(const Args *a)
{
    const BlockDriver *drv = block_driver_find(a->out_format);
    const char *prealloc = qdict_get_str(a->opts, "preallocation");

    if (!a->compressed) {
        return true;
    }
    if (drv && !drv->io->pwrite_compressed) {
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

static int convert(ImgTool *t, Args *a, Convert *c)
{
    const char *backing = a->backing ? a->backing
                                     : qdict_get_str(a->opts, "backing_file");
    BlockNode *node = blk_node(c->src);
    int64_t have;
    int ret;

    if (!check_compression(a) ||
        (a->bitmaps && !img_check_bitmaps(node, a->skip_broken))) {
        return 1;
    }
    c->length = ALIGN_UP(blk_getlength(c->src), 512);
    if (!a->no_create && !create_target(t, a, c->length)) {
        return 1;
    }
    a->dst.writable = a->dst.unmap = true;
    a->dst.format = a->out_format;
    a->dst.made = a->no_create ? NULL : a->opts;
    c->dst = img_open(t, a->to, &a->dst);
    if (!c->dst) {
        return 1;
    }
    if (a->bitmaps && !img_check_bitmap_target(blk_node(c->dst))) {
        return 1;
    }
    have = blk_getlength(c->dst);
    if (have < c->length) {
        if (a->no_create) {
            error_report("output file is smaller than input file");
            return 1;
        }
        c->length = have;
    }
    c->length = MIN(c->length, blk_getlength(c->src));
    c->target_backing = backing;
    c->base = backing ? find_base(node, backing) : NULL;
    c->target_zero = a->no_create ? a->target_zero
                                  : !unknown_content(blk_node(c->dst), a->opts);
    c->min_sparse = a->min_sparse;
    c->compressed = a->compressed;
    c->cluster = MAX(512, blk_limits(c->dst)->discard_alignment);
    c->unit =
        MAX(4096, c->compressed ? c->cluster
                                : blk_limits(c->dst)->write_zeroes_alignment);
    /* Streams lie as they come: who waits for his turn compresses nothing. */
    c->out_of_order = a->out_of_order || a->compressed;
    img_progress_begin(&c->progress, a->progress && !a->quiet, c->length);
    ret = copy(c, t->loop, a->workers);
    if (ret >= 0 && a->bitmaps && !img_copy_bitmaps(node, blk_node(c->dst))) {
        ret = -EINVAL;
    }
    if (ret >= 0) {
        ret = blk_flush(c->dst);
    }
    img_progress_end(&c->progress, ret >= 0);
    return ret < 0;
}

int img_convert(ImgTool *t, int argc, char **argv)
{
    g_autoptr(QDict) opts = qdict_new();
    Args a = {
        .opts = opts,
        .out_format = "raw",
        .min_sparse = 4096,
        .workers = 8,
        .dst.cache = "unsafe",
    };
    Convert c = { 0 };
    int status;

    if (!parse(t, &a, argc, argv)) {
        return 1;
    }
    c.src = img_open(t, a.from, &a.src);
    if (!c.src) {
        return 1;
    }
    status = convert(t, &a, &c);
    blk_unref(c.dst);
    blk_unref(c.src);
    return status;
}
