/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img create and resize. */
#include "util/osdep.h"

#include "block/block-create.h"
#include "block/drivers.h"
#include "img.h"
#include "qobject/keyval.h"
#include "tools/resize.h"
#include "util/error.h"

typedef struct Create {
    const char *format, *filename, *backing, *backing_format;
    bool quiet, unsafe;
    QDict *opts;
} Create;

/* Create
 * ----------------------------------------------------------------------- */

/* "Formatting ...": all options that are given or have a default. */
static void announce(const Create *c, const BlockCreateOption *options)
{
    printf("Formatting '%s', fmt=%s", c->filename, c->format);
    for (const BlockCreateOption *o = options; o->name; o++) {
        const char *v = qdict_get_str(c->opts, o->name);

        v = v ? v : o->def;
        if (v && o->kind == BLOCK_OPTION_SIZE) {
            printf(" %s=%" PRIu64, o->name,
                   block_option_size(c->opts, o->name, strtoull(v, NULL, 10)));
        } else if (v) {
            printf(" %s=%s", o->name, v);
        }
    }
    printf("\n");
    fflush(stdout);
}

/* The backing file must be there; it has the size that was not given. */
static bool check_backing(ImgTool *t, Create *c, Error **errp)
{
    const char *backing = qdict_get_str(c->opts, "backing_file");
    const char *format = qdict_get_str(c->opts, "backing_fmt");
    g_autoptr(QDict) opts = qdict_new();
    g_autofree char *path = NULL, *size = NULL;
    BlockNode *n;

    if (backing && c->unsafe && !format) {
        return error_set(errp, "Backing file specified without backing format");
    }
    if (!backing || c->unsafe) {
        return true;
    }
    if (!strcmp(backing, c->filename)) {
        return error_set(errp, "Error: Trying to create an image with the same "
                               "filename as the backing file");
    }
    path = block_path_combine(c->filename, backing);
    qdict_put_bool(opts, "read-only", true);
    t->graph->describing = true; /* its key is not needed */
    n = block_open_filename(t->graph, path, format, opts, NULL, errp);
    t->graph->describing = false;
    if (!n) {
        error_hint(errp, "Could not open backing image.\n");
        return false;
    }
    if (!format) {
        error_set(errp, "Backing file specified without backing format");
        error_hint(errp, "Detected format of %s.", n->drv->name);
        node_unref(n);
        return false;
    }
    if (!qdict_has(c->opts, "size")) {
        size = g_strdup_printf("%" PRId64, ALIGN_UP(node_length(n), 512));
        qdict_put_str(c->opts, "size", size);
    }
    node_unref(n);
    return true;
}

static bool create(ImgTool *t, Create *c, Error **errp)
{
    const BlockCreateOps *ops =
        block_create_ops_at(c->format, c->filename, errp);
    g_autofree BlockCreateOption *options = NULL;

    if (!ops) {
        return false;
    }
    if (c->backing && !img_has_option(ops->options, "backing_file")) {
        return error_set(errp,
                         "Backing file not supported for file format '%s'",
                         c->format);
    }
    if (c->backing) {
        qdict_put_str(c->opts, "backing_file", c->backing);
    }
    if (c->backing_format) {
        qdict_put_str(c->opts, "backing_fmt", c->backing_format);
    }
    options = block_create_options(ops, c->filename);
    if (!block_options_check(options, c->opts, errp) ||
        !check_backing(t, c, errp)) {
        return false;
    }
    if (!qdict_has(c->opts, "size")) {
        return error_set(errp, "Image creation needs a size parameter");
    }
    if (!c->quiet) {
        announce(c, options);
    }
    return ops->create(t->graph, c->filename, c->opts, errp);
}

/* False: end with *status. */
static bool parse_create(ImgTool *t, Create *c, int argc, char **argv,
                         int *status)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { 0 },
    };
    bool show = false;
    int o;

    *status = 1;
    while ((o = img_getopt(t, argc, argv, ":F:b:f:ho:qu", options)) != -1) {
        switch (o) {
        case 'F':
            c->backing_format = optarg;
            break;
        case 'b':
            c->backing = optarg;
            break;
        case 'f':
            c->format = optarg;
            break;
        case 'o':
            show = show || img_options_help(optarg);
            if (!show && !img_add_options(c->opts, optarg)) {
                return false;
            }
            break;
        case 'q':
            c->quiet = true;
            break;
        case 'u':
            c->unsafe = true;
            break;
        default:
            return false;
        }
    }
    if (show) {
        *status =
            img_create_help(c->format, optind < argc ? argv[optind] : NULL);
        return false;
    }
    return true;
}

int img_create(ImgTool *t, int argc, char **argv)
{
    g_autoptr(QDict) opts = qdict_new();
    Create c = { .format = "raw", .opts = opts };
    Error *err = NULL;
    int status;

    if (!parse_create(t, &c, argc, argv, &status)) {
        return status;
    }
    if (optind >= argc) {
        return img_usage_error("Expecting image file name");
    }
    c.filename = argv[optind++];
    if (optind < argc) {
        int64_t size = img_parse_size("image size", argv[optind++]);
        g_autofree char *text = g_strdup_printf("%" PRId64, size);

        if (size < 0) {
            return 1;
        }
        if (optind < argc) {
            return img_usage_error("Unexpected argument: %s", argv[optind]);
        }
        if (qdict_has(opts, "size")) {
            error_report("%s: The image size must be specified only once",
                         c.filename);
            return 1;
        }
        qdict_put_str(opts, "size", text);
    }
    if (!create(t, &c, &err)) {
        error_prefix(&err, "%s", c.filename);
        error_report_err(err);
        return 1;
    }
    return 0;
}

/* Resize
 * ----------------------------------------------------------------------- */

enum { OPT_SHRINK = IMG_OPT_FIRST, OPT_PREALLOCATION };

typedef struct Resize {
    int relative; /* 1: grow by, -1: shrink by, 0: to */
    int64_t amount;
    BlockPrealloc prealloc;
    bool shrink, quiet;
} Resize;

static bool check_size(const Resize *r, int64_t have, int64_t size)
{
    if (size <= 0) {
        error_report("New image size must be positive");
        return false;
    }
    if (size <= have && r->prealloc != BLOCK_PREALLOC_OFF) {
        error_report("Preallocation can only be used for growing images");
        return false;
    }
    if (size < have && !r->shrink) {
        error_report("Use the --shrink option to perform a shrink operation.");
        warn_report("Shrinking an image will delete all data beyond the "
                    "shrunken image's end. Before performing such an "
                    "operation, make sure there is no important data there.");
        return false;
    }
    return true;
}

static int resize(BlockBackend *blk, const Resize *r)
{
    int64_t have = blk_getlength(blk);
    int64_t size = r->relative ? have + r->relative * r->amount : r->amount;
    Error *err = NULL;

    if (have < 0) {
        error_report("Failed to inquire current image length: %s",
                     strerror(-have));
        return 1;
    }
    if (r->relative > 0 && r->amount > BLK_MAX_LENGTH - have) {
        size = -1;
    }
    if (!check_size(r, have, size)) {
        return 1;
    }
    if (!tool_resize(blk, size, true, r->prealloc, &err)) {
        error_report_err(err);
        return 1;
    }
    if (!r->quiet) {
        printf("Image resized.\n");
    }
    return 0;
}

static bool parse_amount(const char *text, int64_t *amount)
{
    uint64_t v;

    if (!parse_size(text, 'B', &v)) {
        error_report("Parameter 'size' expects a non-negative number below "
                     "2^64");
        fprintf(stderr, "Optional suffix k, M, G, T, P or E means kilo-, "
                        "mega-, giga-, tera-, peta-\n"
                        "and exabytes, respectively.\n");
        return false;
    }
    if (v > BLK_MAX_LENGTH) {
        error_report("New image size must be positive");
        return false;
    }
    *amount = v;
    return true;
}

int img_resize(ImgTool *t, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "preallocation", required_argument, NULL, OPT_PREALLOCATION },
        { "shrink", no_argument, NULL, OPT_SHRINK },
        { 0 },
    };
    ImgOpen open = { .writable = true };
    Resize r = { 0 };
    const char *size;
    BlockBackend *blk;
    Error *err = NULL;
    int c, status;

    /* The size comes last and may look like an option. */
    if (argc < 3) {
        return img_usage_error("Not enough arguments");
    }
    size = argv[--argc];
    while ((c = img_getopt(t, argc, argv, ":f:hq", options)) != -1) {
        switch (c) {
        case 'f':
            open.format = optarg;
            break;
        case 'q':
            r.quiet = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            open.image_opts = true;
            break;
        case OPT_PREALLOCATION:
            if (!block_prealloc_parse(optarg, true, &r.prealloc, &err)) {
                error_free(err);
                error_report("Invalid preallocation mode '%s'", optarg);
                return 1;
            }
            break;
        case OPT_SHRINK:
            r.shrink = true;
            break;
        default:
            return 1;
        }
    }
    if (optind != argc - 1) {
        return img_usage_error("Expecting image file name and size");
    }
    r.relative = *size == '+' ? 1 : *size == '-' ? -1 : 0;
    if (!parse_amount(size + (r.relative != 0), &r.amount)) {
        return 1;
    }
    blk = img_open(t, argv[optind], &open);
    if (!blk) {
        return 1;
    }
    status = resize(blk, &r);
    blk_unref(blk);
    return status;
}
