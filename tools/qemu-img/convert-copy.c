/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-img convert, the copying: workers take the sources piece by piece, read
 * in parallel and begin their writes in turn (or, with -W, as they come).
 */
#include "util/osdep.h"

#include "convert.h"
#include "util/error.h"

typedef enum Kind { KIND_DATA, KIND_ZERO, KIND_BELOW } Kind;

typedef struct Piece {
    uint64_t number;
    const ConvertSource *src;
    int64_t offset, bytes;
    Kind kind;
    BlockNode *file; /* where the data is, at @map; NULL: not known */
    int64_t map;
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
        end = MIN(MIN(ALIGN_UP(end, c->unit), c->length), p->offset + c->piece);
    }
    p->bytes = end - p->offset;
}

static const ConvertSource *source_at(const Convert *c, int64_t offset)
{
    const ConvertSource *s = c->src;

    while (offset >= s->start + s->length) {
        s++;
    }
    return s;
}

/* What is at p->offset, and how far it goes. */
static int coroutine_fn look(const Convert *c, Piece *p)
{
    int64_t at = p->offset - p->src->start, map = 0;
    int64_t left = MIN(p->src->length, c->length - p->src->start) - at;
    int64_t have = blk_getlength(p->src->blk);
    BlockNode *file = NULL;
    int depth, ret;

    if (at >= have) {
        /* The rest of its last sector. */
        p->bytes = left;
        return BLK_STATUS_ZERO;
    }
    ret = img_status(blk_node(p->src->blk), c->base, at, MIN(left, have - at),
                     &p->bytes, &map, &file, &depth);
    p->file = ret >= 0 && (ret & BLK_STATUS_OFFSET) ? file : NULL;
    p->map = map;
    if (ret < 0 && c->salvage) {
        if (!c->quiet) {
            warn_report("error while reading block status at offset %" PRId64
                        ": %s",
                        p->offset, g_strerror(-ret));
        }
        p->bytes = MIN(left, 512);
        return BLK_STATUS_DATA;
    }
    if (ret < 0) {
        error_report("error while reading block status at offset %" PRId64
                     ": %s",
                     p->offset, g_strerror(-ret));
    }
    return ret;
}

/* The next piece, or the end: false. c->taking held. */
static bool coroutine_fn take_piece_locked(Convert *c, Piece *p)
{
    int ret;

    if (c->ret < 0 || c->next >= c->length) {
        return false;
    }
    p->offset = c->next;
    p->number = c->taken;
    p->src = source_at(c, p->offset);
    ret = look(c, p);
    if (ret < 0) {
        c->ret = ret;
        return false;
    }
    p->kind = ret & BLK_STATUS_ZERO   ? KIND_ZERO
              : ret & BLK_STATUS_DATA ? KIND_DATA
                                      : KIND_BELOW;
    if (c->base && !(ret & (BLK_STATUS_ALLOCATED | BLK_STATUS_ZERO))) {
        p->kind = KIND_BELOW;
    }
    if (p->kind == KIND_DATA && p->file && c->offload) {
        p->bytes = MIN(p->bytes, c->piece);
    } else {
        p->file = NULL;
        round_piece(c, p);
    }
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

/* Until all before @p have begun to write. The next comes when we wait for
 * something: whoever writes finds the next piece there when one is done. */
static void coroutine_fn wait_turn(Convert *c, const Piece *p)
{
    if (c->out_of_order) {
        return;
    }
    mutex_lock(&c->lock);
    while (c->turn != p->number) {
        co_queue_wait(&c->queue, &c->lock);
    }
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
    memset(buf, 0, c->piece);
    for (int64_t at = 0; at < p->bytes; at += c->piece) {
        int ret = blk_co_pwrite(c->dst, p->offset + at,
                                MIN(c->piece, p->bytes - at), buf, 0);

        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* From one source or several; zeroes behind their ends. */
static int coroutine_fn read_sources(const Convert *c, int64_t offset,
                                     int64_t bytes, char *buf)
{
    int ret = 0;

    while (bytes && ret >= 0) {
        const ConvertSource *s = source_at(c, offset);
        int64_t at = offset - s->start, n = MIN(bytes, s->length - at);
        int64_t have = CLAMP(blk_getlength(s->blk) - at, 0, n);

        memset(buf + have, 0, n - have);
        ret = have ? blk_co_pread(s->blk, at, have, buf, 0) : 0;
        offset += n;
        bytes -= n;
        buf += n;
    }
    return ret;
}

/* Sector by sector: what cannot be read is zero. */
static void coroutine_fn salvage(const Convert *c, const Piece *p, char *buf)
{
    for (int64_t at = 0; at < p->bytes; at += 512) {
        int64_t n = MIN(512, p->bytes - at);
        int ret = read_sources(c, p->offset + at, n, buf + at);

        if (ret < 0) {
            if (!c->quiet) {
                warn_report("error while reading offset %" PRId64 ": %s",
                            p->offset + at, g_strerror(-ret));
            }
            memset(buf + at, 0, n);
        }
    }
}

static int coroutine_fn read_piece(const Convert *c, const Piece *p, char *buf)
{
    int ret = read_sources(c, p->offset, p->bytes, buf);

    if (ret < 0 && c->salvage) {
        salvage(c, p, buf);
        return 0;
    }
    if (ret < 0) {
        error_report("error while reading at byte %" PRId64 ": %s", p->offset,
                     g_strerror(-ret));
    }
    return ret;
}

/* The host copies the piece by itself; false: it does not. */
static bool coroutine_fn offload_piece(Convert *c, Piece *p)
{
    BlockNode *to = blk_node(c->dst);

    if (!p->file || !c->offload) {
        return false;
    }
    if (node_copy_range(p->file, p->map, to, p->offset, p->bytes) < 0) {
        c->offload = false;
    }
    return c->offload;
}

static void hold_back(Convert *c, const Piece *p)
{
    if (c->rate && p->kind != KIND_BELOW) {
        c->written += p->bytes;
        img_hold_back(c->rate, c->start_ns, c->written);
    }
}

static int coroutine_fn copy_piece(Convert *c, Piece *p, char *buf)
{
    bool offloaded = offload_piece(c, p);
    int ret = 0;

    if (!offloaded && p->kind == KIND_DATA) {
        ret = read_piece(c, p, buf);
    }
    wait_turn(c, p);
    if (!offloaded && ret >= 0 && c->ret >= 0) {
        ret = write_piece(c, p, buf);
        if (ret < 0 && (!c->write_ret || p->offset < c->write_failed)) {
            c->write_ret = ret;
            c->write_failed = p->offset;
        }
    }
    return ret;
}

/* Is there data to be read, or -S 0's zeroes to be written? */
static bool needs_buffer(const Convert *c, const Piece *p)
{
    return p->kind == KIND_DATA || !c->min_sparse;
}

/* Work to be done: progress is told in data, not in holes. */
static int64_t work_of(const Convert *c, const Piece *p)
{
    return p->kind == KIND_DATA || (p->kind == KIND_ZERO && !c->min_sparse)
               ? p->bytes
               : 0;
}

/* Go through all once without copying. */
static void coroutine_fn count_locked(Convert *c)
{
    Convert look_only = *c;
    int64_t total = 0;
    Piece p;

    look_only.next = 0;
    look_only.quiet = true;
    look_only.piece = c->length; /* whole runs */
    while (take_piece_locked(&look_only, &p)) {
        total += work_of(c, &p);
    }
    c->ret = look_only.ret;
    c->progress.total = total;
}

/* All the work, for progress that somebody wants to see. */
static void coroutine_fn count_work(Convert *c)
{
    if (c->progress.total < 0 && img_progress_wanted(&c->progress)) {
        co_mutex_lock(&c->taking);
        if (c->progress.total < 0) {
            count_locked(c);
        }
        co_mutex_unlock(&c->taking);
    }
}

static void coroutine_fn worker(void *opaque)
{
    Convert *c = opaque;
    char *buf = NULL;
    Piece p;

    count_work(c);
    while (take_piece(c, &p)) {
        int ret;

        if (!buf && needs_buffer(c, &p)) {
            /* On a page: no bounce buffers, and the host copies to it faster.
             */
            buf = g_aligned_alloc(1, c->piece, 4096);
        }
        ret = copy_piece(c, &p, buf);
        c->ret = MIN(c->ret, ret);
        count_work(c);
        img_progress_step(&c->progress, work_of(c, &p));
        hold_back(c, &p);
    }
    if (buf) {
        g_aligned_free(buf);
    }
    c->running--;
}

int convert_copy(Convert *c, Loop *loop, unsigned workers)
{
    mutex_init(&c->lock);
    co_mutex_init(&c->taking);
    co_queue_init(&c->queue);
    c->start_ns = loop_now_ns();
    /* No more than find something to do. */
    for (unsigned i = 0; i < workers && c->next < c->length; i++) {
        c->running++;
        coroutine_enter(coroutine_new(worker, c));
    }
    while (c->running) {
        loop_run_io(loop, true);
    }
    if (c->write_ret) {
        error_report("error while writing at byte %" PRId64 ": %s",
                     c->write_failed, g_strerror(-c->write_ret));
    }
    co_mutex_destroy(&c->taking);
    mutex_destroy(&c->lock);
    return c->ret;
}
