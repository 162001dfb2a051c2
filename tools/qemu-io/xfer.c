/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transfers of qemu-io: buffers, requests, and what is told of them. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "util/loop.h"
#include "xfer.h"

void xfer_free(Xfer *x)
{
    g_free(x->iov.iov);
    free(x->buf);
    g_free(x);
}

/* Ranges and buffers
 * ------------------------------------------------------------- */

static bool is_vector(const Xfer *x)
{
    return x->kind == XFER_READV || x->kind == XFER_WRITEV || xfer_is_async(x);
}

static bool check_len(const Xfer *x, int64_t len, const char *text)
{
    if (len <= IO_REQ_MAX) {
        return true;
    }
    if (is_vector(x) && !x->zero) {
        printf("Argument '%s' exceeds maximum size %" PRId64 "\n", text,
               IO_REQ_MAX);
        return false;
    }
    if (x->kind == XFER_AIO_WRITE || x->no_fallback) {
        return true; /* zeroes need no buffer */
    }
    printf("length cannot exceed %" PRId64 "%s, given %s\n", IO_REQ_MAX,
           x->kind == XFER_WRITE ? " without -n" : "", text);
    return false;
}

static bool take_lengths(Xfer *x, int n, char **argv)
{
    x->iov.iov = g_new0(struct iovec, n);
    x->iov.niov = n;
    for (int i = 0; i < n; i++) {
        int64_t len;

        if (!io_parse_size(argv[i], &len) || !check_len(x, len, argv[i])) {
            return false;
        }
        if (!x->zero && len > IO_REQ_MAX - x->len) {
            printf("The total number of bytes exceed the maximum size "
                   "%" PRId64 "\n",
                   IO_REQ_MAX);
            return false;
        }
        x->iov.iov[i].iov_len = len;
        x->len += len;
    }
    x->iov.size = x->len;
    return true;
}

static bool is_sectors(int64_t v, const char *what)
{
    if (v & 511) {
        printf("%" PRId64 " is not a sector-aligned value for '%s'\n", v, what);
    }
    return !(v & 511);
}

/* The file's bytes, again and again, into the buffer. */
static bool fill_from_file(Xfer *x, uint8_t *to)
{
    FILE *f = fopen(x->source, "r");
    int64_t got;

    if (!f) {
        fprintf(stderr, "%s: %s\n", x->source, g_strerror(errno));
        return false;
    }
    got = fread(to, 1, x->len, f);
    if (ferror(f) || (!got && x->len)) {
        fprintf(stderr, "%s: file is empty\n", x->source);
        fclose(f);
        return false;
    }
    fclose(f);
    for (int64_t i = got; i < x->len; i++) {
        to[i] = to[i - got];
    }
    return true;
}

static bool make_buffer(Xfer *x)
{
    size_t skew = x->t->misalign ? 16 : 0;
    uint8_t *p;

    if (posix_memalign((void **)&x->buf, 4096, x->len + 4096)) {
        printf("no memory\n");
        return false;
    }
    p = x->buf + skew;
    for (int i = 0; i < x->iov.niov; i++) {
        x->iov.iov[i].iov_base = p;
        p += x->iov.iov[i].iov_len;
    }
    p = x->buf + skew;
    if (x->source) {
        return fill_from_file(x, p);
    }
    if (!xfer_is_read(x)) {
        memset(p, x->pattern >= 0 ? x->pattern : 0xcd, x->len);
    }
    return true;
}

int xfer_take_range(Xfer *x, int first, int argc, char **argv)
{
    bool sectors = x->vmstate || x->compressed;

    if (!io_parse_size(argv[first], &x->offset) ||
        !take_lengths(x, argc - first - 1, argv + first + 1) ||
        (sectors &&
         (!is_sectors(x->offset, "offset") || !is_sectors(x->len, "count"))) ||
        (!x->zero && x->kind != XFER_DISCARD && !make_buffer(x))) {
        return -EINVAL;
    }
    return 0;
}

/* Reports
 * ------------------------------------------------------------------------ */

static int check_pattern(const Xfer *x)
{
    int64_t from = x->check_start;
    int64_t len = x->check_len >= 0 ? x->check_len : x->len - from;
    const uint8_t *p = x->iov.iov[0].iov_base;

    for (int64_t i = from; i < from + len; i++) {
        if (p[i] != x->pattern) {
            printf("Pattern verification failed at offset %" PRId64 ", %" PRId64
                   " bytes\n",
                   x->offset + from, len);
            return -EINVAL;
        }
    }
    return 0;
}

static int report(const Xfer *x)
{
    static const char *const names[] = {
        "read", "readv", "write", "writev", "readv", "aio_write", "discard",
    };
    IoStats s = { .verb = xfer_is_read(x)           ? "read"
                          : x->kind == XFER_DISCARD ? "discard"
                                                    : "wrote",
                  .offset = x->offset,
                  .asked = x->len,
                  .done = x->len,
                  .ops = 1,
                  .seconds = (loop_now_ns() - x->start_ns) / 1e9,
                  .machine = x->machine };
    int ret = x->ret;

    if (ret < 0) {
        printf("%s failed: %s\n", names[x->kind], g_strerror(-ret));
        return ret;
    }
    if (xfer_is_read(x) && x->pattern >= 0) {
        ret = check_pattern(x);
    }
    if (!x->quiet) {
        if (x->dump) {
            io_dump(x->iov.iov[0].iov_base, x->offset, x->len);
        }
        io_report(&s);
    }
    return ret;
}

/* Requests
 * ----------------------------------------------------------------------- */

/* What has no asynchronous function: runs while the tool waits. */
static void coroutine_fn run_entry(void *opaque)
{
    Xfer *x = opaque;
    BlockNode *n = blk_co_enter(x->t->blk);
    int64_t cluster = MAX(512, n->limits.discard_alignment);
    const char *buf = x->iov.iov[0].iov_base;

    if (x->vmstate) {
        x->ret = xfer_is_read(x) ? node_load_vmstate(n, x->offset, &x->iov)
                                 : node_save_vmstate(n, x->offset, &x->iov);
    } else if (x->offset > node_length(n) ||
               x->len > node_length(n) - x->offset) {
        x->ret = -EIO;
    }
    for (int64_t done = 0; !x->vmstate && done < x->len && x->ret >= 0;) {
        int64_t step = MIN(cluster, x->len - done);

        x->ret = node_pwrite_compressed(n, x->offset + done, step, buf + done);
        done += step;
    }
    blk_co_leave(x->t->blk);
}

static void xfer_done(void *opaque, int ret)
{
    Xfer *x = opaque;

    x->ret = ret;
    x->done = true;
    if (xfer_is_async(x)) {
        x->t->aio_pending--;
        report(x); /* the command itself was done long ago */
        xfer_free(x);
    }
}

static void start(Xfer *x)
{
    BlockBackend *blk = x->t->blk;
    unsigned flags = (x->fua ? BLK_REQ_FUA : 0) |
                     (x->unmap ? BLK_REQ_MAY_UNMAP : 0) |
                     (x->no_fallback ? BLK_REQ_NO_FALLBACK : 0);

    x->start_ns = loop_now_ns();
    x->t->aio_pending += xfer_is_async(x);
    if (x->kind == XFER_DISCARD) {
        blk_aio_pdiscard(blk, x->offset, x->len, xfer_done, x);
    } else if (x->zero) {
        blk_aio_pwrite_zeroes(blk, x->offset, x->len, flags, xfer_done, x);
    } else if (x->vmstate || x->compressed) {
        if (x->vmstate) {
            blk_drain(blk);
        }
        block_run(run_entry, x);
        xfer_done(x, x->ret);
    } else if (xfer_is_read(x)) {
        blk_aio_preadv(blk, x->offset, &x->iov, 0, xfer_done, x);
    } else {
        blk_aio_pwritev(blk, x->offset, &x->iov, flags, xfer_done, x);
    }
}

int xfer_run(Xfer *x)
{
    IoTool *t = x->t;
    bool async = xfer_is_async(x);
    int ret;

    start(x);
    if (async) {
        return 0;
    }
    while (!x->done) {
        io_wait(t);
    }
    ret = report(x);
    xfer_free(x);
    return ret;
}
