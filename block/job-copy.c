/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The copy engine of the jobs: locks of ranges, pieces side by side. */
#include "util/osdep.h"

#include "block/job-copy.h"

#define RETRY_NS (10 * INT64_C(1000000))

/* Data
 * -------------------------------------------------------------------------- */

/* Buffers are kept: fresh memory costs more than the copy. */
static void *take_buffer(Job *j, const BlockNode *n)
{
    void *buf = NULL;

    mutex_lock(&j->buffers_lock);
    if (j->buffers->len) {
        buf = g_ptr_array_steal_index_fast(j->buffers, j->buffers->len - 1);
    }
    mutex_unlock(&j->buffers_lock);
    return buf ? buf : node_alloc(n, COPY_CHUNK);
}

static void give_buffer(Job *j, void *buf)
{
    mutex_lock(&j->buffers_lock);
    g_ptr_array_add(j->buffers, buf);
    mutex_unlock(&j->buffers_lock);
}

static int coroutine_fn copy_chunk(Job *j, BlockNode *from, BlockNode *to,
                                   int64_t offset, int64_t bytes,
                                   unsigned flags, bool *is_read)
{
    bool to_rules = to->limits.mem_alignment > from->limits.mem_alignment;
    void *buf = take_buffer(j, to_rules ? to : from);
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    ret = node_pread(from, offset, bytes, buf);
    if (ret < 0) {
        *is_read = true;
    } else {
        ret = node_pwrite(to, offset, bytes, buf, flags);
    }
    give_buffer(j, buf);
    return ret;
}

int coroutine_fn copy_data(Job *j, BlockNode *from, BlockNode *to,
                           int64_t offset, int64_t bytes, bool zero,
                           unsigned flags, bool *is_read)
{
    int ret = 0;

    *is_read = false;
    if (zero) {
        return node_pwrite_zeroes(to, offset, bytes, flags);
    }
    while (bytes && ret >= 0) {
        int64_t n = MIN(bytes, COPY_CHUNK);

        ret = copy_chunk(j, from, to, offset, n, flags & ~BLK_REQ_MAY_UNMAP,
                         is_read);
        offset += n;
        bytes -= n;
    }
    return ret;
}

/* Ranges
 * ------------------------------------------------------------------------ */

void copy_lock_init(CopyLock *l)
{
    mutex_init(&l->lock);
    co_queue_init(&l->queue);
    l->ranges = NULL;
}

void copy_lock_destroy(CopyLock *l)
{
    mutex_destroy(&l->lock);
}

static bool range_busy(const CopyLock *l, const CopyRange *r)
{
    for (const CopyRange *i = l->ranges; i; i = i->next) {
        if (r->offset < i->offset + i->bytes &&
            i->offset < r->offset + r->bytes) {
            return true;
        }
    }
    return false;
}

void coroutine_fn copy_lock(CopyLock *l, CopyRange *r)
{
    mutex_lock(&l->lock);
    while (range_busy(l, r)) {
        co_queue_wait(&l->queue, &l->lock);
    }
    r->next = l->ranges;
    l->ranges = r;
    mutex_unlock(&l->lock);
}

void copy_unlock(CopyLock *l, CopyRange *r)
{
    mutex_lock(&l->lock);
    for (CopyRange **p = &l->ranges; *p; p = &(*p)->next) {
        if (*p == r) {
            *p = r->next;
            break;
        }
    }
    co_queue_wake_all(&l->queue);
    mutex_unlock(&l->lock);
}

/* Pieces
 * ------------------------------------------------------------------------ */

typedef struct Piece {
    CopyPool *p;
    int64_t offset, bytes;
    bool zero;
} Piece;

static void coroutine_fn piece_entry(void *opaque)
{
    Piece *c = opaque;
    CopyPool *p = c->p;
    BlkErrorAction action = BLK_ACTION_IGNORE;
    bool is_read = false;
    int ret;

    job_begin(p->job);
    ret = p->copy(p->job, c->offset, c->bytes, c->zero, &is_read);
    job_end(p->job);

    if (ret < 0) {
        p->failed = true;
        action = job_error(p->job, is_read ? p->on_read : p->on_write, is_read,
                           -ret);
        if (action == BLK_ACTION_REPORT && !p->error) {
            p->error = ret;
        }
    }
    p->pieces--;
    p->bytes -= c->bytes;
    p->copying -= c->zero ? 0 : c->bytes;
    p->done(p->job, c->offset, c->bytes, c->zero, ret, action);
    job_wake(p->job);
    g_free(c);
}

bool copy_pool_full(const CopyPool *p)
{
    return p->pieces >= p->max_pieces ||
           (p->pieces && p->copying >= p->max_bytes);
}

void copy_pool_start(CopyPool *p, int64_t offset, int64_t bytes, bool zero)
{
    Piece *c = g_new(Piece, 1);

    *c = (Piece){ p, offset, bytes, zero };
    p->pieces++;
    p->bytes += bytes;
    p->copying += zero ? 0 : bytes;
    job_account(p->job, zero ? 0 : bytes);
    coroutine_enter(coroutine_new(piece_entry, c));
}

void coroutine_fn copy_pool_breathe(CopyPool *p)
{
    job_wake(p->job);
    job_wait(p->job, p->failed ? loop_now_ns() + RETRY_NS : 0);
    p->failed = false;
}

void coroutine_fn copy_pool_settle(CopyPool *p)
{
    while (p->pieces) {
        job_wait(p->job, 0);
    }
}

int coroutine_fn copy_pool_check(CopyPool *p)
{
    Job *j = p->job;

    if (!p->error && !j->pauses && !j->cancelled) {
        return 0;
    }
    copy_pool_settle(p);
    if (p->error) {
        return p->error;
    }
    return job_pause_point(j) ? -ECANCELED : 1;
}

/* In order
 * ---------------------------------------------------------------------- */

static void line_done(Job *j, int64_t offset, int64_t bytes, bool zero, int ret,
                      BlkErrorAction action)
{
    CopyLine *c = j->line;

    if (ret >= 0) {
        j->offset += bytes;
    } else if (action == BLK_ACTION_IGNORE && c->skip_errors) {
        c->skipped = c->skipped ? c->skipped : ret;
        j->offset += bytes;
    } else {
        Piece piece = { NULL, offset, bytes, zero };

        g_array_append_val(c->again, piece);
    }
}

/* What is at @offset: nothing to do, or a piece is started. */
static void coroutine_fn line_step(CopyLine *c, int64_t *offset, int64_t length)
{
    Job *j = c->pool.job;
    int64_t num;
    int ret;

    job_begin(j);
    ret = c->status(j, *offset, length - *offset, &num);
    job_end(j);
    if (ret < 0) {
        BlkErrorAction action = job_error(j, c->pool.on_read, true, -ret);

        c->pool.failed = true;
        if (action == BLK_ACTION_REPORT) {
            c->pool.error = ret;
        } else if (action == BLK_ACTION_IGNORE && c->skip_errors) {
            c->skipped = c->skipped ? c->skipped : ret;
            num = MIN(length - *offset, COPY_CHUNK);
            j->offset += num;
            *offset += num;
        }
        return;
    }
    if (!(ret & CHAIN_ALLOCATED)) {
        j->offset += num;
    } else {
        num = ret & CHAIN_ZERO ? num : MIN(num, COPY_CHUNK);
        copy_pool_start(&c->pool, *offset, num, ret & CHAIN_ZERO);
    }
    *offset += num;
}

static void line_repeat(CopyLine *c)
{
    Piece p = g_array_index(c->again, Piece, c->again->len - 1);

    g_array_set_size(c->again, c->again->len - 1);
    copy_pool_start(&c->pool, p.offset, p.bytes, p.zero);
}

int coroutine_fn copy_line(CopyLine *c, int64_t length)
{
    CopyPool *p = &c->pool;
    int64_t offset = 0;
    int ret = 0;

    p->done = line_done;
    p->max_pieces = COPY_MAX_PIECES;
    p->max_bytes = COPY_MAX_BYTES;
    p->job->line = c;
    c->again = g_array_new(FALSE, FALSE, sizeof(Piece));
    while (offset < length || c->again->len || p->pieces) {
        ret = copy_pool_check(p);
        if (ret < 0) {
            break;
        }
        if (ret) {
            continue;
        }
        if (copy_pool_full(p) || (offset >= length && !c->again->len)) {
            job_wait(p->job, 0);
            continue;
        }
        job_throttle(p->job);
        if (p->job->pauses || p->job->cancelled) {
            continue;
        }
        if (c->again->len) {
            line_repeat(c);
        } else {
            line_step(c, &offset, length);
        }
        copy_pool_breathe(p);
    }
    g_array_free(c->again, TRUE);
    return ret < 0 ? ret : c->skipped;
}
