/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img compare: exit status 0 for equal, 1 for different, 2 and more for
 * errors. */
#include "util/osdep.h"

#include "img.h"
#include "util/error.h"

#define CHUNK ((int64_t)(2 * MiB))

typedef struct Side {
    const char *name;
    BlockBackend *blk;
    int64_t length;
    char *buf;
    int flags;
    int64_t num; /* that are alike from here on */
} Side;

static int look(Side *s, int64_t at, int64_t bytes)
{
    int64_t map;
    BlockNode *file;
    int depth;

    if (at >= s->length) {
        s->flags = BLK_STATUS_ZERO;
        s->num = bytes;
        return 0;
    }
    s->flags = img_status_sync(blk_node(s->blk), at,
                               MIN(bytes, s->length - at), &s->num, &map, &file,
                               &depth);
    if (s->flags < 0) {
        error_report("Sector allocation test failed for %s", s->name);
        return -1;
    }
    return 0;
}

static int read_side(Side *s, int64_t at, int64_t bytes)
{
    int ret;

    if (s->flags & BLK_STATUS_ZERO) {
        memset(s->buf, 0, bytes);
        return 0;
    }
    ret = blk_pread(s->blk, at, bytes, s->buf);
    if (ret < 0) {
        error_report("Error while reading offset %" PRId64 " of %s: %s", at,
                     s->name, g_strerror(-ret));
    }
    return ret;
}

/* The first sector that differs. */
static int64_t first_difference(const Side *s, int64_t at, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 512) {
        if (memcmp(s[0].buf + i, s[1].buf + i, MIN(512, bytes - i))) {
            return at + i;
        }
    }
    return -1;
}

static int compare(Side *s, bool quiet, bool strict, ImgProgress *p)
{
    const int shown = BLK_STATUS_DATA | BLK_STATUS_ZERO | BLK_STATUS_OFFSET |
                      BLK_STATUS_ALLOCATED;
    int64_t end = MAX(s[0].length, s[1].length), bytes;
    int64_t both = MIN(s[0].length, s[1].length);

    for (int64_t at = 0; at < end; at += bytes) {
        int64_t where;

        /* First what both have, then what only one has. */
        bytes = (at < both ? both : end) - at;
        if (at == both && !quiet) {
            printf("Warning: Image size mismatch!\n");
        }
        if (look(&s[0], at, bytes) < 0 || look(&s[1], at, bytes) < 0) {
            return 3;
        }
        bytes = MIN(s[0].num, s[1].num);
        if (strict && (s[0].flags ^ s[1].flags) & shown) {
            if (!quiet) {
                printf("Strict mode: Offset %" PRId64
                       " block status mismatch!\n",
                       at);
            }
            return 1;
        }
        if (s[0].flags & s[1].flags & BLK_STATUS_ZERO) {
            img_progress_step(p, bytes);
            continue;
        }
        bytes = MIN(bytes, CHUNK);
        if (read_side(&s[0], at, bytes) < 0 ||
            read_side(&s[1], at, bytes) < 0) {
            return 4;
        }
        where = first_difference(s, at, bytes);
        if (where >= 0) {
            if (!quiet) {
                printf("Content mismatch at offset %" PRId64 "!\n", where);
            }
            return 1;
        }
        img_progress_step(p, bytes);
    }
    if (!quiet) {
        printf("Images are identical.\n");
    }
    return 0;
}

static int run(Side *s, bool quiet, bool strict, bool shown)
{
    ImgProgress p;
    int status = 1;

    img_progress_begin(&p, shown && !quiet, MAX(s[0].length, s[1].length));
    p.least = 2;
    if (s[0].length == s[1].length || !strict) {
        status = compare(s, quiet, strict, &p);
    } else if (!quiet) {
        printf("Strict mode: Image size mismatch!\n");
    }
    img_progress_end(&p, false); /* the lines above have said how it ended */
    return status;
}

int img_compare(ImgTool *t, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", no_argument, NULL, 'U' },
        { 0 },
    };
    ImgOpen open[2] = { 0 };
    Side s[2] = { 0 };
    bool quiet = false, strict = false, progress = false, ok;
    int c, status = 2;

    while ((c = img_getopt(t, argc, argv, ":hf:F:T:pqsU", options)) != -1) {
        switch (c) {
        case 'f':
            open[0].format = optarg;
            break;
        case 'F':
            open[1].format = optarg;
            break;
        case 'T':
            open[0].cache = open[1].cache = optarg;
            break;
        case 'p':
            progress = true;
            break;
        case 'q':
            quiet = true;
            break;
        case 's':
            strict = true;
            break;
        case 'U':
            open[0].force_share = open[1].force_share = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            open[0].image_opts = open[1].image_opts = true;
            break;
        default:
            return 1;
        }
    }
    if (optind != argc - 2) {
        return img_usage_error("Expecting two image file names");
    }
    ok = img_check_cache("Invalid source cache option", open[0].cache);
    for (int i = 0; i < 2 && ok; i++) {
        s[i].name = argv[optind + i];
        s[i].blk = img_open(t, s[i].name, &open[i]);
        if (!s[i].blk) {
            break;
        }
        s[i].length = blk_getlength(s[i].blk);
        s[i].buf = g_aligned_alloc(1, CHUNK, 4096);
    }
    if (s[0].blk && s[1].blk) {
        status = run(s, quiet, strict, progress);
    } else if (progress && !quiet) {
        printf("\n"); /* the end of no progress */
    }
    for (int i = 0; i < 2; i++) {
        blk_unref(s[i].blk);
        g_aligned_free(s[i].buf);
    }
    return status;
}
