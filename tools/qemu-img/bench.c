/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-img bench: how long a number of equal requests takes, several of them
 * in parallel.
 */
#include "util/osdep.h"

#include "block/drive.h"
#include "img.h"
#include "util/error.h"

enum { OPT_FLUSH_INTERVAL = IMG_OPT_FIRST, OPT_NO_DRAIN, OPT_PATTERN };

typedef struct Bench {
    ImgOpen open;
    Loop *loop;
    BlockBackend *blk;
    int64_t count, depth, size, step, offset, length;
    int64_t flush_interval; /* in requests; 0: never */
    int pattern;
    bool write, drain, quiet;
    uint8_t *buf;
    /* Under way */
    int64_t todo;      /* requests to be started */
    int64_t in_flight; /* reads or writes */
    int64_t since_flush;
    unsigned flushes;
    int ret;
} Bench;

typedef struct Request {
    Bench *b;
    struct iovec vec;
    IoVec iov;
} Request;

/* Requests
 * ------------------------------------------------------------------------- */

static void start_requests(Bench *b);

static void flush_done(void *opaque, int ret)
{
    Bench *b = opaque;

    b->flushes--;
    b->ret = MIN(b->ret, ret);
}

/* After every flush_interval writes: the data of these, so with --no-drain
 * those that run meanwhile may be left out. */
static bool wants_flush(const Bench *b)
{
    return b->flush_interval && b->since_flush >= b->flush_interval;
}

static void request_done(void *opaque, int ret)
{
    Request *q = opaque;
    Bench *b = q->b;

    g_free(q);
    b->in_flight--;
    b->ret = MIN(b->ret, ret);
    b->since_flush++;
}

static void start_one(Bench *b)
{
    Request *q = g_new0(Request, 1);

    q->b = b;
    q->vec = (struct iovec){ b->buf, b->size };
    q->iov = (IoVec){ .iov = &q->vec, .niov = 1, .size = b->size };
    b->todo--;
    b->in_flight++;
    if (b->write) {
        blk_aio_pwritev(b->blk, b->offset, &q->iov, 0, request_done, q);
    } else {
        blk_aio_preadv(b->blk, b->offset, &q->iov, 0, request_done, q);
    }
    b->offset += b->step;
    b->offset = b->length ? b->offset % b->length : 0;
}

static void start_requests(Bench *b)
{
    blk_plug();
    while (b->ret >= 0) {
        if (wants_flush(b) && (!b->drain || !b->in_flight)) {
            b->since_flush -= b->flush_interval;
            b->flushes++;
            blk_aio_flush(b->blk, flush_done, b);
        }
        if ((b->drain && (wants_flush(b) || b->flushes)) || !b->todo ||
            b->in_flight >= b->depth) {
            break;
        }
        start_one(b);
    }
    blk_unplug();
}

static int measure(Bench *b)
{
    int64_t start = loop_now_ns();

    b->todo = b->count;
    do {
        start_requests(b);
        if (b->in_flight || b->flushes) {
            loop_run_io(b->loop, true);
        }
    } while (b->in_flight || b->flushes || (b->ret >= 0 && b->todo));
    if (b->ret < 0) {
        error_report("Failed request: %s", g_strerror(-b->ret));
        return 1;
    }
    printf("Run completed in %3.3f seconds.\n",
           (double)(loop_now_ns() - start) / 1e9);
    return 0;
}

/* Command line
 * --------------------------------------------------------------------- */

static bool parse_number(const char *what, const char *text, int64_t max,
                         int64_t *v)
{
    char *end;

    errno = 0;
    *v = g_ascii_strtoll(text, &end, 0);
    if (errno || end == text || *end || *v < 0 || *v > max) {
        error_report("Invalid %s specified", what);
        return false;
    }
    return true;
}

static bool parse_bytes(const char *what, const char *text, int64_t max,
                        int64_t *v)
{
    *v = img_parse_size(what, text);
    if (*v > max) {
        error_report("Invalid %s specified. Must be between 0 and %" PRId64 ".",
                     what, max);
        return false;
    }
    return *v >= 0;
}

static bool set_aio(Bench *b, const char *mode)
{
    static const char *const modes[] = { "threads", "native", "io_uring",
                                         NULL };

    b->open.aio = mode;
    if (!g_strv_contains(modes, mode)) {
        error_report("Invalid aio option: %s", mode);
        return false;
    }
    return true;
}

static bool parse_value(Bench *b, int c)
{
    int64_t v;

    switch (c) {
    case 'c':
        return parse_number("request count", optarg, INT32_MAX, &b->count);
    case 'd':
        return parse_number("queue depth", optarg, INT32_MAX, &b->depth);
    case 'o':
        return parse_bytes("offset", optarg, INT64_MAX, &b->offset);
    case 's':
        return parse_bytes("buffer size", optarg, INT32_MAX, &b->size);
    case 'S':
        return parse_bytes("step_size", optarg, INT32_MAX, &b->step);
    case OPT_FLUSH_INTERVAL:
        return parse_number("flush interval", optarg, INT32_MAX,
                            &b->flush_interval);
    case OPT_PATTERN:
        if (!parse_number("pattern byte", optarg, 0xff, &v)) {
            return false;
        }
        b->pattern = v;
        return true;
    default:
        return set_aio(b, optarg);
    }
}

static bool parse(ImgTool *t, Bench *b, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "flush-interval", required_argument, NULL, OPT_FLUSH_INTERVAL },
        { "pattern", required_argument, NULL, OPT_PATTERN },
        { "no-drain", no_argument, NULL, OPT_NO_DRAIN },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", no_argument, NULL, 'U' },
        { 0 },
    };
    int c;

    while ((c = img_getopt(t, argc, argv, ":hc:d:f:ni:o:qs:S:t:wU", options)) !=
           -1) {
        switch (c) {
        case 'f':
            b->open.format = optarg;
            break;
        case 'n':
            b->open.aio = "native";
            break;
        case 'q':
            b->quiet = true; /* of messages, of which there are none */
            break;
        case 't':
            b->open.cache = optarg;
            break;
        case 'w':
            b->write = b->open.writable = true;
            break;
        case 'U':
            b->open.force_share = true;
            break;
        case OPT_NO_DRAIN:
            b->drain = false;
            break;
        case IMG_OPT_IMAGE_OPTS:
            b->open.image_opts = true;
            break;
        case '?':
            return false;
        default:
            if (!parse_value(b, c)) {
                return false;
            }
        }
    }
    if (optind != argc - 1) {
        img_usage_error("Expecting one image file name");
        return false;
    }
    return true;
}

static bool check(const Bench *b)
{
    bool writeback, direct, no_flush;

    if (b->open.cache &&
        !drive_cache_mode(b->open.cache, &writeback, &direct, &no_flush)) {
        error_report("Invalid cache mode");
    } else if (!b->depth) {
        error_report("Invalid queue depth specified");
    } else if (!b->write && b->flush_interval) {
        error_report("--flush-interval is only available in write tests");
    } else if (b->flush_interval && b->flush_interval < b->depth) {
        error_report("Flush interval can't be smaller than depth");
    } else {
        return true;
    }
    return false;
}

static int run(Bench *b)
{
    int status;

    b->length = blk_getlength(b->blk);
    b->step = b->step ? b->step : b->size;
    printf("Sending %" PRId64 " %s requests, %" PRId64 " bytes each, %" PRId64
           " in parallel (starting at offset %" PRId64 ", step size %" PRId64
           ")\n",
           b->count, b->write ? "write" : "read", b->size, b->depth, b->offset,
           b->step);
    if (b->flush_interval) {
        printf("Sending flush every %" PRId64 " requests\n", b->flush_interval);
    }
    fflush(stdout);
    b->buf = g_aligned_alloc(1, MAX(b->size, 1), 4096);
    memset(b->buf, b->pattern, b->size);
    status = measure(b);
    g_aligned_free(b->buf);
    return status;
}

int img_bench(ImgTool *t, int argc, char **argv)
{
    Bench b = { .loop = t->loop,
                .count = 75000,
                .depth = 64,
                .size = 4096,
                .drain = true };
    int status;

    if (!parse(t, &b, argc, argv) || !check(&b)) {
        return 1;
    }
    b.blk = img_open(t, argv[optind], &b.open);
    if (!b.blk) {
        return 1;
    }
    status = run(&b);
    blk_unref(b.blk);
    return status;
}
