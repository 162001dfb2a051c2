/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img bitmap: change the dirty bitmaps that an image keeps; and copying
 * them along, for convert. */
#include "util/osdep.h"

#include "block/bitmap-user.h"
#include "img.h"
#include "util/error.h"

enum {
    OPT_ADD = IMG_OPT_FIRST,
    OPT_CLEAR,
    OPT_ENABLE,
    OPT_DISABLE,
    OPT_MERGE,
    OPT_REMOVE,
};

typedef struct Action {
    int what;           /* OPT_* */
    const char *source; /* of OPT_MERGE */
} Action;

typedef struct Args {
    ImgOpen image, source;
    const char *source_file;
    bool add, merge, has_granularity;
    uint32_t granularity;
    GArray *actions; /* Action, in order */
    const char *file, *name;
} Args;

/* Actions
 * ---------------------------------------------------------------------- */

static bool add(BlockNode *n, const Args *a, Error **errp)
{
    BitmapUserNew o = {
        .name = a->name,
        .has_granularity = a->has_granularity,
        .granularity = a->granularity,
        .persistent = true,
    };

    return bitmap_user_add(n, &o, errp);
}

static bool remove_one(BlockNode *n, DirtyBitmap *b, Error **errp)
{
    bool ok = bitmap_user_remove_stored(n, b, errp);

    if (ok) {
        dirty_bitmap_free(n, b);
    }
    return ok;
}

static bool act(BlockNode *n, BlockNode *source, const Args *a,
                const Action *action, Error **errp)
{
    /* What must not be the case. */
    unsigned bad = action->what == OPT_REMOVE
                       ? DIRTY_BITMAP_BUSY | DIRTY_BITMAP_READONLY
                       : DIRTY_BITMAP_ANY;
    DirtyBitmap *b;

    if (action->what == OPT_ADD) {
        return add(n, a, errp);
    }
    b = bitmap_user_find(n, a->name, bad, errp);
    if (!b) {
        return false;
    }
    switch (action->what) {
    case OPT_CLEAR:
        dirty_bitmap_clear(b, 0, INT64_MAX);
        return true;
    case OPT_ENABLE:
    case OPT_DISABLE:
        dirty_bitmap_enable(b, action->what == OPT_ENABLE);
        return true;
    case OPT_MERGE:
        return bitmap_user_merge(n, b, source, action->source, errp);
    default:
        return remove_one(n, b, errp);
    }
}

static bool act_all(BlockNode *n, BlockNode *source, const Args *a)
{
    static const char *const names[] = {
        [OPT_ADD] = "add",       [OPT_CLEAR] = "clear",
        [OPT_ENABLE] = "enable", [OPT_DISABLE] = "disable",
        [OPT_MERGE] = "merge",   [OPT_REMOVE] = "remove",
    };
    Error *err = NULL;

    for (guint i = 0; i < a->actions->len; i++) {
        const Action *action = &g_array_index(a->actions, Action, i);

        if (!act(n, source, a, action, &err)) {
            error_prefix(&err, "Operation %s on bitmap %s failed",
                         names[action->what], a->name);
            error_report_err(err);
            return false;
        }
    }
    return true;
}

/* Command line
 * ----------------------------------------------------------------- */

static bool parse_granularity(Args *a, const char *text)
{
    int64_t v = img_parse_size("granularity", text);

    if (v < 0) {
        return false;
    }
    /* Those that do not fit are as wrong as zero. */
    a->granularity = v <= UINT32_MAX ? v : 0;
    a->has_granularity = true;
    return true;
}

static void add_action(Args *a, int what, const char *source)
{
    Action action = { what, source };

    g_array_append_val(a->actions, action);
    a->add = a->add || what == OPT_ADD;
    a->merge = a->merge || what == OPT_MERGE;
}

static bool parse_one(Args *a, int c)
{
    switch (c) {
    case 'b':
        a->source_file = optarg;
        return true;
    case 'f':
        a->image.format = optarg;
        return true;
    case 'F':
        a->source.format = optarg;
        return true;
    case 'g':
        return parse_granularity(a, optarg);
    case IMG_OPT_IMAGE_OPTS:
        a->image.image_opts = true;
        return true;
    case OPT_ADD:
    case OPT_REMOVE:
    case OPT_CLEAR:
    case OPT_ENABLE:
    case OPT_DISABLE:
        add_action(a, c, NULL);
        return true;
    case OPT_MERGE:
        add_action(a, c, optarg);
        return true;
    default:
        return false;
    }
}

static bool refuse(const char *text)
{
    error_report("%s", text);
    return false;
}

static bool check_args(Args *a, int argc, char **argv)
{
    if (argc - optind != 2 && a->actions->len) {
        return refuse("Expecting filename and bitmap name");
    }
    if (!a->actions->len) {
        return refuse("Need at least one of --add, --remove, --clear, "
                      "--enable, --disable, or --merge");
    }
    if (a->has_granularity && !a->add) {
        return refuse("granularity only supported with --add");
    }
    if (a->source.format && !a->source_file) {
        return refuse("-F only supported with -b");
    }
    if (a->source_file && !a->merge) {
        return refuse("Merge bitmap source file only supported with --merge");
    }
    if (a->image.format && a->image.image_opts) {
        return refuse("--image-opts and --format are mutually exclusive");
    }
    a->file = argv[optind];
    a->name = argv[optind + 1];
    return true;
}

static int run(ImgTool *t, Args *a)
{
    BlockBackend *blk, *source = NULL;
    bool ok = true;

    a->image.writable = true;
    a->image.no_backing = a->source.no_backing = true;
    blk = img_open(t, a->file, &a->image);
    if (blk && a->source_file) {
        source = img_open(t, a->source_file, &a->source);
        ok = source;
    }
    ok =
        blk && ok && act_all(blk_node(blk), blk_node(source ? source : blk), a);
    if (source) {
        blk_unref(source);
    }
    if (blk) {
        blk_unref(blk);
    }
    return !ok;
}

int img_bitmap(ImgTool *t, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "format", required_argument, NULL, 'f' },
        { "source-file", required_argument, NULL, 'b' },
        { "source-format", required_argument, NULL, 'F' },
        { "granularity", required_argument, NULL, 'g' },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "add", no_argument, NULL, OPT_ADD },
        { "clear", no_argument, NULL, OPT_CLEAR },
        { "enable", no_argument, NULL, OPT_ENABLE },
        { "disable", no_argument, NULL, OPT_DISABLE },
        { "merge", required_argument, NULL, OPT_MERGE },
        { "remove", no_argument, NULL, OPT_REMOVE },
        { 0 },
    };
    g_autoptr(GArray) actions = g_array_new(FALSE, FALSE, sizeof(Action));
    Args a = { .actions = actions };
    int c;

    while ((c = img_getopt(t, argc, argv, ":hb:f:F:g:", options)) != -1) {
        if (!parse_one(&a, c)) {
            return 1;
        }
    }
    return check_args(&a, argc, argv) ? run(t, &a) : 1;
}

/* For convert
 * ------------------------------------------------------------------- */

bool img_check_bitmaps(BlockNode *from, bool skip_broken)
{
    Error *err = NULL;

    if (!bitmap_user_supported(from)) {
        error_report("Source lacks bitmap support");
        return false;
    }
    for (guint i = 0; from->bitmaps && i < from->bitmaps->len; i++) {
        const DirtyBitmap *b = from->bitmaps->pdata[i];

        if (dirty_bitmap_persistent(b) && dirty_bitmap_inconsistent(b) &&
            !skip_broken) {
            error_set(&err, "Cannot copy inconsistent bitmap '%s'",
                      dirty_bitmap_name(b));
            error_hint(&err, "Try --skip-broken-bitmaps, or use 'qemu-img "
                             "bitmap --remove' to delete it\n");
            error_report_err(err);
            return false;
        }
    }
    return true;
}

bool img_check_bitmap_target(BlockNode *to)
{
    if (!bitmap_user_supported(to)) {
        error_report("Format driver '%s' does not support bitmaps",
                     to->drv->name);
        return false;
    }
    return true;
}

uint64_t img_measure_bitmaps(BlockNode *from, uint64_t cluster)
{
    uint64_t total = 0, directory = 0;

    for (guint i = 0; from->bitmaps && i < from->bitmaps->len; i++) {
        const DirtyBitmap *b = from->bitmaps->pdata[i];
        uint64_t bytes, clusters;

        if (!dirty_bitmap_persistent(b)) {
            continue;
        }
        bytes = dirty_bitmap_image_bytes(node_length(from),
                                         dirty_bitmap_granularity(b));
        clusters = DIV_ROUND_UP(bytes, cluster);
        total += clusters * cluster + ALIGN_UP(clusters * 8, cluster);
        directory += ALIGN_UP(24 + strlen(dirty_bitmap_name(b)), 8);
    }
    return total + ALIGN_UP(directory, cluster);
}

static bool copy_bitmap(BlockNode *from, DirtyBitmap *b, BlockNode *to)
{
    BitmapUserNew o = {
        .name = dirty_bitmap_name(b),
        .has_granularity = true,
        .granularity = dirty_bitmap_granularity(b),
        .persistent = true,
        .disabled = true, /* until it has what the other says */
    };
    Error *err = NULL;
    DirtyBitmap *copy = bitmap_user_add(to, &o, &err);

    if (!copy) {
        error_prefix(&err, "Failed to create bitmap %s", o.name);
    } else if (!bitmap_user_merge(to, copy, from, o.name, &err)) {
        error_prefix(&err, "Failed to populate bitmap %s", o.name);
    } else {
        dirty_bitmap_enable(copy, dirty_bitmap_enabled(b));
        return true;
    }
    error_report_err(err);
    return false;
}

bool img_copy_bitmaps(BlockNode *from, BlockNode *to)
{
    /* Images have the newest first. */
    for (guint i = from->bitmaps ? from->bitmaps->len : 0; i-- > 0;) {
        DirtyBitmap *b = from->bitmaps->pdata[i];

        if (!dirty_bitmap_persistent(b)) {
            continue;
        }
        if (dirty_bitmap_inconsistent(b)) {
            warn_report("Skipping inconsistent bitmap '%s'",
                        dirty_bitmap_name(b));
        } else if (!copy_bitmap(from, b, to)) {
            return false;
        }
    }
    return true;
}
