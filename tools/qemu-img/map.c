/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img map. */
#include "util/osdep.h"

#include "img.h"
#include "util/error.h"

enum { OPT_START = IMG_OPT_FIRST, OPT_LENGTH };

typedef struct Entry {
    int64_t start, length, offset;
    int flags, depth; /* BLK_STATUS_* */
    BlockNode *file;
} Entry;

static bool has_offset(const Entry *e)
{
    return e->flags & BLK_STATUS_OFFSET;
}

static int print_human(const Entry *e)
{
    if ((e->flags & BLK_STATUS_DATA) && !has_offset(e)) {
        error_report("File contains external, encrypted or compressed "
                     "clusters.");
        return -1;
    }
    if ((e->flags & (BLK_STATUS_DATA | BLK_STATUS_ZERO)) == BLK_STATUS_DATA) {
        printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", e->start,
               e->length, e->offset, e->file->filename);
    }
    return 0;
}

static void print_json(const Entry *e, bool first)
{
    static const char *const word[] = { "false", "true" };

    printf("%s{ \"start\": %" PRId64 ", \"length\": %" PRId64
           ", \"depth\": %d, \"present\": %s, \"zero\": %s, \"data\": %s",
           first ? "[" : ",\n", e->start, e->length, e->depth,
           word[!!(e->flags & BLK_STATUS_ALLOCATED)],
           word[!!(e->flags & BLK_STATUS_ZERO)],
           word[!!(e->flags & BLK_STATUS_DATA)]);
    if (has_offset(e)) {
        printf(", \"offset\": %" PRId64, e->offset);
    }
    printf("}");
}

static bool continues(const Entry *a, const Entry *b)
{
    return a->flags == b->flags && a->depth == b->depth &&
           (!has_offset(a) ||
            (a->file == b->file && a->offset + a->length == b->offset));
}

static int coroutine_fn next_entry(BlockNode *n, int64_t at, int64_t end,
                                   Entry *e)
{
    const int shown = BLK_STATUS_DATA | BLK_STATUS_ZERO | BLK_STATUS_OFFSET |
                      BLK_STATUS_ALLOCATED;
    int ret;

    *e = (Entry){ .start = at };
    ret = img_status(n, NULL, at, end - at, &e->length, &e->offset, &e->file,
                     &e->depth);
    e->flags = ret & shown;
    return ret;
}

static int coroutine_fn map(BlockNode *n, int64_t start, int64_t end, bool json)
{
    Entry last = { 0 }, e;
    bool first = true;

    if (!json) {
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    }
    for (int64_t at = start; at < end; at = e.start + e.length) {
        int ret = next_entry(n, at, end, &e);

        if (ret < 0) {
            error_report("Failed to read image metadata: %s", g_strerror(-ret));
            return 1;
        }
        if (last.length && continues(&last, &e)) {
            last.length += e.length;
            continue;
        }
        if (last.length && json) {
            print_json(&last, first);
            first = false;
        } else if (last.length && print_human(&last) < 0) {
            return 1;
        }
        last = e;
    }
    if (json) {
        last.start = last.length ? last.start : start;
        print_json(&last, first);
        printf("]\n");
        return 0;
    }
    return last.length && print_human(&last) < 0 ? 1 : 0;
}

typedef struct MapJob {
    BlockNode *n;
    int64_t start, end;
    bool json;
    int status;
} MapJob;

static void coroutine_fn map_entry(void *opaque)
{
    MapJob *j = opaque;

    j->status = map(j->n, j->start, j->end, j->json);
}

int img_map(ImgTool *t, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "format", required_argument, NULL, 'f' },
        { "output", required_argument, NULL, IMG_OPT_OUTPUT },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", no_argument, NULL, 'U' },
        { "start-offset", required_argument, NULL, OPT_START },
        { "max-length", required_argument, NULL, OPT_LENGTH },
        { 0 },
    };
    int64_t length = INT64_MAX;
    ImgOpen open = { 0 };
    BlockBackend *blk;
    MapJob job = { 0 };
    int c;

    while ((c = img_getopt(t, argc, argv, ":f:s:l:hU", options)) != -1) {
        switch (c) {
        case 'f':
            open.format = optarg;
            break;
        case 'U':
            open.force_share = true;
            break;
        case IMG_OPT_OUTPUT:
            if (!img_parse_output(optarg, &job.json)) {
                return 1;
            }
            break;
        case IMG_OPT_IMAGE_OPTS:
            open.image_opts = true;
            break;
        case 's':
        case OPT_START:
            job.start = img_parse_size("start offset", optarg);
            if (job.start < 0) {
                return 1;
            }
            break;
        case 'l':
        case OPT_LENGTH:
            length = img_parse_size("max length", optarg);
            if (length < 0) {
                return 1;
            }
            break;
        default:
            return 1;
        }
    }
    if (optind != argc - 1) {
        return img_usage_error("Expecting one image file name");
    }
    blk = img_open(t, argv[optind], &open);
    if (!blk) {
        return 1;
    }
    job.n = blk_node(blk);
    if (blk_getlength(blk) < 0) {
        error_report("Failed to get size for '%s'", argv[optind]);
        blk_unref(blk);
        return 1;
    }
    job.end = ALIGN_UP(blk_getlength(blk), 512);
    if (length < job.end - job.start) {
        job.end = job.start + length;
    }
    block_run(map_entry, &job);
    blk_unref(blk);
    return job.status;
}
