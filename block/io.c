/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests on nodes: what lies between a user and a driver. Splits requests
 * to the driver's limits, pads unaligned ones, bounces misaligned memory,
 * falls back from efficient zeroes to buffers.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/block-int.h"
#include "block/dirty-bitmap.h"
#include "qapi/qapi-events-block-core.h"
#include "util/error.h"
#include "util/trace.h"

TRACE_POINT(bdrv_co_preadv_part);
TRACE_POINT(bdrv_co_pwritev_part);
TRACE_POINT(bdrv_co_pwrite_zeroes);
TRACE_POINT(bdrv_co_pdiscard);
TRACE_POINT(bdrv_co_flush);

/* Bounce buffers are no larger than this. */
#define BOUNCE_MAX ((int64_t)(1 * MiB))

void *node_alloc(const BlockNode *n, size_t size)
{
    size_t align = MAX(n->limits.mem_alignment, 512);
    void *p;

    return posix_memalign(&p, align, MAX(size, 1)) ? NULL : p;
}

static int node_check_range(int64_t offset, int64_t bytes)
{
    if (offset < 0 || bytes < 0 || bytes > BLK_MAX_LENGTH ||
        offset > BLK_MAX_LENGTH - bytes) {
        return -EIO;
    }
    return 0;
}

/* How much of @bytes the driver takes at once; 0: not even one block. */
static int64_t node_clip(const BlockNode *n, const IoVec *iov,
                         size_t iov_offset, int64_t bytes)
{
    uint32_t max = n->limits.max_transfer;
    int64_t align = n->limits.request_alignment;

    if (max && bytes > max) {
        bytes = ALIGN_DOWN((int64_t)max, align);
    }
    if (n->limits.max_iov && iov->niov > n->limits.max_iov) {
        while (iov_slice_count(iov, iov_offset, bytes) > n->limits.max_iov) {
            bytes = ALIGN_DOWN(bytes / 2, align);
        }
    }
    return bytes;
}

static bool node_needs_bounce(const BlockNode *n, int64_t offset, int64_t bytes,
                              const IoVec *iov, size_t iov_offset)
{
    int64_t align = n->limits.request_alignment;

    if (align > 1 && !IS_ALIGNED(offset | bytes, align)) {
        return true;
    }
    return n->limits.mem_alignment > 1 &&
           (!IS_ALIGNED(iov_offset, n->limits.mem_alignment) ||
            !iov_is_aligned(iov, n->limits.mem_alignment));
}

/* Reads ----------------------------------------------------------------------
 */

static int coroutine_fn node_read_direct(BlockNode *n, int64_t offset,
                                         int64_t bytes, const IoVec *iov,
                                         size_t iov_offset, unsigned flags)
{
    while (bytes) {
        int64_t step = node_clip(n, iov, iov_offset, bytes);
        int ret = step > 0 ? n->drv->io->preadv(n, offset, step, iov,
                                                iov_offset, flags)
                           : -EINVAL;

        if (ret < 0) {
            return ret;
        }
        offset += step;
        iov_offset += step;
        bytes -= step;
    }
    return 0;
}

static int coroutine_fn node_read_bounced(BlockNode *n, int64_t offset,
                                          int64_t bytes, const IoVec *iov,
                                          size_t iov_offset, unsigned flags)
{
    int64_t align = n->limits.request_alignment;
    int64_t size = MIN(ALIGN_UP(bytes + align, align), MAX(BOUNCE_MAX, align));
    char *buf = node_alloc(n, size);
    int ret = 0;

    if (!buf) {
        return -ENOMEM;
    }
    while (bytes && ret >= 0) {
        int64_t start = ALIGN_DOWN(offset, align);
        int64_t skip = offset - start;
        int64_t step = MIN(bytes, size - skip);
        int64_t len = ALIGN_UP(skip + step, align);
        IoVec v = IOVEC_BUF(buf, len);

        ret = node_read_direct(n, start, len, &v, 0, flags);
        if (ret >= 0) {
            iov_from_buf(iov, iov_offset, buf + skip, step);
        }
        offset += step;
        iov_offset += step;
        bytes -= step;
    }
    free(buf);
    return ret;
}

int coroutine_fn node_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                             const IoVec *iov, size_t iov_offset,
                             unsigned flags)
{
    int64_t length = node_length(n);
    int ret = node_check_range(offset, bytes);

    trace(bdrv_co_preadv_part,
          "bs %s offset %" PRId64 " bytes %" PRId64 " flags 0x%x", n->name,
          offset, bytes, flags);
    if (ret < 0) {
        return ret;
    }
    if (unlikely(offset + bytes > length)) {
        int64_t inside = offset < length ? length - offset : 0;

        iov_memset(iov, iov_offset + inside, 0, bytes - inside);
        bytes = inside;
    }
    if (!bytes) {
        return 0;
    }
    if (unlikely(node_needs_bounce(n, offset, bytes, iov, iov_offset))) {
        return node_read_bounced(n, offset, bytes, iov, iov_offset, flags);
    }
    return node_read_direct(n, offset, bytes, iov, iov_offset, flags);
}

int coroutine_fn node_pread(BlockNode *n, int64_t offset, int64_t bytes,
                            void *buf)
{
    IoVec v = IOVEC_BUF(buf, bytes);

    return node_preadv(n, offset, bytes, &v, 0, 0);
}

/* Writes ---------------------------------------------------------------------
 */

void node_raise_length(BlockNode *n, int64_t end)
{
    int64_t old = node_length(n);

    while (unlikely(old < end) &&
           !__atomic_compare_exchange_n(&n->length, &old, end, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        /* another writer was faster: look again */
    }
}

/* A write beyond the threshold makes one event and forgets the threshold. */
static void check_threshold(BlockNode *n, int64_t end)
{
    uint64_t threshold = __atomic_load_n(&n->write_threshold, __ATOMIC_RELAXED);

    if (threshold && (uint64_t)end > threshold &&
        __atomic_compare_exchange_n(&n->write_threshold, &threshold, 0, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        qapi_event_send_block_write_threshold(block_events(n->graph), n->name,
                                              end - threshold, threshold);
    }
}

static void node_written(BlockNode *n, int64_t end)
{
    if (!__atomic_load_n(&n->dirty, __ATOMIC_RELAXED)) {
        __atomic_store_n(&n->dirty, 1, __ATOMIC_SEQ_CST);
    }
    if (end > __atomic_load_n(&n->highest_write, __ATOMIC_RELAXED)) {
        __atomic_store_n(&n->highest_write, end, __ATOMIC_RELAXED);
    }
    node_raise_length(n, end);
}

/* A write is over, well or not: what it may have changed is dirty. */
static void node_changed(BlockNode *n, int64_t offset, int64_t bytes,
                         unsigned flags)
{
    if (unlikely(n->bitmaps) && !(flags & BLK_REQ_UNCHANGED)) {
        dirty_bitmaps_written(n, offset, bytes);
    }
}

static int coroutine_fn node_write_direct(BlockNode *n, int64_t offset,
                                          int64_t bytes, const IoVec *iov,
                                          size_t iov_offset, unsigned flags)
{
    while (bytes) {
        int64_t step = node_clip(n, iov, iov_offset, bytes);
        int ret;

        node_event(n, BLKDEBUG_EVENT_PWRITEV);
        ret = step > 0 ? n->drv->io->pwritev(n, offset, step, iov,
                                                 iov_offset, flags)
                           : -EINVAL;

        if (ret < 0) {
            return ret;
        }
        offset += step;
        iov_offset += step;
        bytes -= step;
        node_written(n, offset);
        node_event(n, BLKDEBUG_EVENT_PWRITEV_DONE);
    }
    return 0;
}

/* Aligned in offset and length, any memory. */
static int coroutine_fn node_write_bounced(BlockNode *n, int64_t offset,
                                           int64_t bytes, const IoVec *iov,
                                           size_t iov_offset, unsigned flags)
{
    int64_t size =
        MIN(bytes, MAX(BOUNCE_MAX, (int64_t)n->limits.request_alignment));
    char *buf = node_alloc(n, size);
    int ret = 0;

    if (!buf) {
        return -ENOMEM;
    }
    while (bytes && ret >= 0) {
        int64_t step = MIN(bytes, size);
        IoVec v = IOVEC_BUF(buf, step);

        iov_to_buf(iov, iov_offset, buf, step);
        ret = node_write_direct(n, offset, step, &v, 0, flags);
        offset += step;
        iov_offset += step;
        bytes -= step;
    }
    free(buf);
    return ret;
}

/*
 * Write part of one aligned block: read it, change it, write it. @iov NULL
 * writes zeroes. Nobody else writes to the node meanwhile.
 */
static int coroutine_fn node_write_part(BlockNode *n, int64_t offset,
                                        int64_t bytes, const IoVec *iov,
                                        size_t iov_offset, unsigned flags)
{
    int64_t align = n->limits.request_alignment;
    int64_t start = ALIGN_DOWN(offset, align);
    bool head = offset > start, tail = offset + bytes < start + align;
    char *buf = node_alloc(n, align);
    IoVec v = IOVEC_BUF(buf, align);
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    co_mutex_lock(&n->rmw_lock);
    co_gate_close(n->rmw);
    if (head) {
        node_event(n, BLKDEBUG_EVENT_PWRITEV_RMW_HEAD);
    }
    if (tail) {
        node_event(n, BLKDEBUG_EVENT_PWRITEV_RMW_TAIL);
    }
    ret = node_preadv(n, start, align, &v, 0, 0);
    if (head) {
        node_event(n, BLKDEBUG_EVENT_PWRITEV_RMW_AFTER_HEAD);
    }
    if (tail) {
        node_event(n, BLKDEBUG_EVENT_PWRITEV_RMW_AFTER_TAIL);
    }
    if (ret >= 0) {
        if (iov) {
            iov_to_buf(iov, iov_offset, buf + (offset - start), bytes);
        } else {
            memset(buf + (offset - start), 0, bytes);
        }
        ret = node_write_direct(n, start, align, &v, 0, flags);
    }
    co_gate_open(n->rmw);
    co_mutex_unlock(&n->rmw_lock);
    free(buf);
    return ret;
}

static int coroutine_fn node_write_aligned(BlockNode *n, int64_t offset,
                                           int64_t bytes, const IoVec *iov,
                                           size_t iov_offset, unsigned flags)
{
    int ret;

    if (n->rmw) {
        co_gate_enter(n->rmw);
    }
    if (unlikely(node_needs_bounce(n, offset, bytes, iov, iov_offset))) {
        ret = node_write_bounced(n, offset, bytes, iov, iov_offset, flags);
    } else {
        ret = node_write_direct(n, offset, bytes, iov, iov_offset, flags);
    }
    if (n->rmw) {
        co_gate_leave(n->rmw);
    }
    return ret;
}

/* An unaligned range: in the first block, whole blocks, in the last one. */
typedef struct Parts {
    int64_t head, body, tail;
} Parts;

static Parts split_parts(int64_t offset, int64_t bytes, int64_t align)
{
    int64_t into = offset & (align - 1);
    Parts p = { 0 };

    if (into) {
        p.head = MIN(bytes, align - into);
    }
    p.body = ALIGN_DOWN(bytes - p.head, align);
    p.tail = bytes - p.head - p.body;
    return p;
}

static int coroutine_fn node_write_unaligned(BlockNode *n, int64_t offset,
                                             int64_t bytes, const IoVec *iov,
                                             size_t iov_offset, unsigned flags)
{
    Parts p = split_parts(offset, bytes, n->limits.request_alignment);
    int ret = 0;

    if (p.head) {
        ret = node_write_part(n, offset, p.head, iov, iov_offset, flags);
    }
    if (ret >= 0 && p.body) {
        ret = node_write_aligned(n, offset + p.head, p.body, iov,
                                 iov_offset + p.head, flags);
    }
    if (ret >= 0 && p.tail) {
        ret = node_write_part(n, offset + p.head + p.body, p.tail, iov,
                              iov_offset + p.head + p.body, flags);
    }
    return ret;
}

int coroutine_fn node_pwritev(BlockNode *n, int64_t offset, int64_t bytes,
                              const IoVec *iov, size_t iov_offset,
                              unsigned flags)
{
    int ret = node_check_range(offset, bytes);

    trace(bdrv_co_pwritev_part,
          "bs %s offset %" PRId64 " bytes %" PRId64 " flags 0x%x", n->name,
          offset, bytes, flags);
    if (ret < 0 || !bytes) {
        return ret;
    }
    if (n->read_only || !n->drv->io->pwritev) {
        return -EPERM;
    }
    if (unlikely(n->write_threshold)) {
        check_threshold(n, offset + bytes);
    }
    if (unlikely(n->detect_zeroes) && iov_is_zero(iov, iov_offset, bytes)) {
        if (n->detect_zeroes == BLOCK_DETECT_ZEROES_UNMAP) {
            flags |= BLK_REQ_MAY_UNMAP;
        }
        return node_pwrite_zeroes(n, offset, bytes, flags);
    }
    if (unlikely(!IS_ALIGNED(offset | bytes, n->limits.request_alignment))) {
        ret = node_write_unaligned(n, offset, bytes, iov, iov_offset, flags);
    } else {
        ret = node_write_aligned(n, offset, bytes, iov, iov_offset, flags);
    }
    node_changed(n, offset, bytes, flags);
    return ret;
}

int coroutine_fn node_pwrite(BlockNode *n, int64_t offset, int64_t bytes,
                             const void *buf, unsigned flags)
{
    IoVec v = IOVEC_BUF(buf, bytes);

    return node_pwritev(n, offset, bytes, &v, 0, flags);
}

int coroutine_fn node_pwrite_compressed(BlockNode *n, int64_t offset,
                                        int64_t bytes, const void *buf)
{
    int ret = node_check_range(offset, bytes);

    if (ret < 0 || !bytes) {
        return ret;
    }
    if (!n->drv->io->pwrite_compressed) {
        return -ENOTSUP;
    }
    if (n->read_only) {
        return -EPERM;
    }
    ret = n->drv->io->pwrite_compressed(n, offset, bytes, buf);
    node_changed(n, offset, bytes, 0);
    if (ret >= 0) {
        node_written(n, offset + bytes);
    }
    return ret;
}

/* Zeroes and discard
 * ----------------------------------------------------------- */

static int coroutine_fn node_write_zero_buffer(BlockNode *n, int64_t offset,
                                               int64_t bytes, unsigned flags)
{
    int64_t size =
        MIN(bytes, MAX(BOUNCE_MAX, (int64_t)n->limits.request_alignment));
    char *buf = node_alloc(n, size);
    int ret = 0;

    if (!buf) {
        return -ENOMEM;
    }
    memset(buf, 0, size);
    while (bytes && ret >= 0) {
        int64_t step = MIN(bytes, size);
        IoVec v = IOVEC_BUF(buf, step);

        ret = node_write_direct(n, offset, step, &v, 0, flags);
        offset += step;
        bytes -= step;
    }
    free(buf);
    return ret;
}

/* Aligned to request_alignment. */
static int coroutine_fn node_zero_aligned(BlockNode *n, int64_t offset,
                                          int64_t bytes, unsigned flags)
{
    int64_t max = n->limits.max_write_zeroes ? n->limits.max_write_zeroes
                                             : BLK_MAX_LENGTH;
    int64_t align = n->limits.write_zeroes_alignment;
    int ret = 0;

    while (bytes && ret >= 0) {
        int64_t step = MIN(bytes, max);
        int64_t into = align ? offset & (align - 1) : 0;

        /* Whole blocks apart from parts of them: those are done cheaply. */
        if (into) {
            step = MIN(step, align - into);
        } else if (align && step > align) {
            step = ALIGN_DOWN(step, align);
        }

        ret = -ENOTSUP;
        if (n->drv->io->pwrite_zeroes) {
            node_event(n, BLKDEBUG_EVENT_PWRITEV_ZERO);
            ret = n->drv->io->pwrite_zeroes(n, offset, step, flags);
        }
        if (ret >= 0) {
            node_written(n, offset + step);
            node_event(n, BLKDEBUG_EVENT_PWRITEV_DONE);
        } else if (ret == -ENOTSUP && !(flags & BLK_REQ_NO_FALLBACK)) {
            ret = node_write_zero_buffer(n, offset, step,
                                         flags &
                                             (BLK_REQ_FUA | BLK_REQ_UNCHANGED));
        }
        offset += step;
        bytes -= step;
    }
    return ret;
}

int coroutine_fn node_pwrite_zeroes(BlockNode *n, int64_t offset, int64_t bytes,
                                    unsigned flags)
{
    int ret = node_check_range(offset, bytes);
    Parts p;

    trace(bdrv_co_pwrite_zeroes,
          "bs %s offset %" PRId64 " count %" PRId64 " flags 0x%x", n->name,
          offset, bytes, flags);
    if (ret < 0 || !bytes) {
        return ret;
    }
    if (n->read_only || !n->drv->io->pwritev) {
        return -EPERM;
    }
    if (unlikely(n->write_threshold)) {
        check_threshold(n, offset + bytes);
    }
    if (!n->flags.unmap) {
        flags &= ~BLK_REQ_MAY_UNMAP;
    }
    p = split_parts(offset, bytes, n->limits.request_alignment);
    if (p.head) {
        ret = node_write_part(n, offset, p.head, NULL, 0, flags & BLK_REQ_FUA);
    }
    if (ret >= 0 && p.body) {
        if (n->rmw) {
            co_gate_enter(n->rmw);
        }
        ret = node_zero_aligned(n, offset + p.head, p.body, flags);
        if (n->rmw) {
            co_gate_leave(n->rmw);
        }
    }
    if (ret >= 0 && p.tail) {
        ret = node_write_part(n, offset + p.head + p.body, p.tail, NULL, 0,
                              flags & BLK_REQ_FUA);
    }
    node_changed(n, offset, bytes, flags);
    return ret;
}

static int coroutine_fn node_discard_blocks(BlockNode *n, int64_t offset,
                                            int64_t bytes)
{
    int64_t align =
        MAX(n->limits.discard_alignment, n->limits.request_alignment);
    int64_t max =
        n->limits.max_discard ? n->limits.max_discard : BLK_MAX_LENGTH;
    int64_t end = offset + bytes;

    /* A hint: parts of blocks stay. The image's end counts as aligned. */
    offset = ALIGN_UP(offset, align);
    if (end < node_length(n)) {
        end = ALIGN_DOWN(end, align);
    }
    while (offset < end) {
        int64_t step = MIN(end - offset, max);
        int ret = n->drv->io->pdiscard(n, offset, step);

        if (ret < 0 && ret != -ENOTSUP) {
            return ret;
        }
        if (ret >= 0) {
            node_written(n, 0);
        }
        offset += step;
    }
    return 0;
}

int coroutine_fn node_pdiscard(BlockNode *n, int64_t offset, int64_t bytes)
{
    int ret = node_check_range(offset, bytes);

    trace(bdrv_co_pdiscard, "bs %s offset %" PRId64 " bytes %" PRId64, n->name,
          offset, bytes);
    if (ret < 0) {
        return ret;
    }
    if (n->read_only) {
        return -EPERM;
    }
    if (!n->flags.unmap || !n->drv->io->pdiscard) {
        return 0;
    }
    ret = node_discard_blocks(n, offset, bytes);
    node_changed(n, offset, bytes, 0);
    return ret;
}

int coroutine_fn node_preallocate(BlockNode *n, int64_t from, int64_t to,
                                  int mode)
{
    return n->drv->size->preallocate
               ? n->drv->size->preallocate(n, from, to, mode)
               : -ENOTSUP;
}

int coroutine_fn node_copy_range(BlockNode *src, int64_t src_offset,
                                 BlockNode *n, int64_t offset, int64_t bytes)
{
    int ret = node_check_range(offset, bytes);

    if (ret < 0) {
        return ret;
    }
    if (n->read_only) {
        return -EPERM;
    }
    if (!n->drv->io->copy_range) {
        return -ENOTSUP;
    }
    ret = n->drv->io->copy_range(src, src_offset, n, offset, bytes);
    if (ret != -ENOTSUP) {
        node_changed(n, offset, bytes, 0);
    }
    return ret;
}

/* Flush
 * ------------------------------------------------------------------------- */

static int coroutine_fn node_flush_now(BlockNode *n)
{
    int ret;

    if (n->file) {
        node_event(n->file->node, BLKDEBUG_EVENT_FLUSH_TO_OS);
    }
    ret = n->drv->io->flush ? n->drv->io->flush(n) : 0;
    if (n->file) {
        node_event(n->file->node, BLKDEBUG_EVENT_FLUSH_TO_DISK);
    }

    for (BlockEdge *e = n->children; e && ret >= 0 && !n->drv->io->flush_all;
         e = e->next) {
        if (e->perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED)) {
            ret = node_flush(e->node);
        }
    }
    return ret;
}

int coroutine_fn node_flush(BlockNode *n)
{
    bool others, dirty;
    int ret = 0;

    trace(bdrv_co_flush, "bs %s", n->name);
    if (n->read_only) {
        return 0;
    }
    /* What others are flushing right now may be what we must wait for. */
    others = __atomic_fetch_add(&n->flushing, 1, __ATOMIC_SEQ_CST) > 0;
    dirty = __atomic_exchange_n(&n->dirty, 0, __ATOMIC_SEQ_CST);
    if (dirty || others) {
        ret = node_flush_now(n);
        if (ret < 0) {
            __atomic_store_n(&n->dirty, 1, __ATOMIC_SEQ_CST);
        }
    }
    __atomic_fetch_sub(&n->flushing, 1, __ATOMIC_SEQ_CST);
    return ret;
}

int coroutine_fn node_flush_changed(BlockNode *n)
{
    __atomic_store_n(&n->dirty, 1, __ATOMIC_SEQ_CST);
    return node_flush(n);
}

/* Status and size
 * ------------------------------------------------------------------ */

/* Where the data is in *file: what does that node know about it? */
static int coroutine_fn node_status_below(BlockNode *n, bool want_zero, int ret,
                                          int64_t *pnum, int64_t *map,
                                          BlockNode **file)
{
    BlockNode *sub_file;
    int64_t sub_num, sub_map;
    int sub = node_block_status(*file, want_zero, *map, *pnum, &sub_num,
                                &sub_map, &sub_file);

    ret &= ~BLK_STATUS_RECURSE;
    if (sub < 0) {
        return ret;
    }
    if (!sub_num) {
        return ret | BLK_STATUS_ZERO; /* past the end */
    }
    *pnum = MIN(*pnum, sub_num);
    if (n->drv->filter) {
        *map = sub_map;
        *file = sub_file;
        return (ret & BLK_STATUS_ALLOCATED) | (sub & ~BLK_STATUS_EOF);
    }
    return ret | (sub & BLK_STATUS_ZERO);
}

int coroutine_fn node_block_status(BlockNode *n, bool want_zero, int64_t offset,
                                   int64_t bytes, int64_t *pnum, int64_t *map,
                                   BlockNode **file)
{
    int64_t length = node_length(n);
    int ret = BLK_STATUS_DATA | BLK_STATUS_ALLOCATED | BLK_STATUS_OFFSET;

    *pnum = 0;
    *map = offset;
    *file = n;
    if (offset >= length) {
        return BLK_STATUS_EOF;
    }
    bytes = MIN(bytes, length - offset);
    if (n->drv->io->block_status) {
        ret = n->drv->io->block_status(n, want_zero, offset, bytes, pnum, map,
                                       file);
    } else {
        *pnum = bytes;
    }
    if (ret >= 0 && (ret & BLK_STATUS_RECURSE)) {
        ret = node_status_below(n, want_zero, ret, pnum, map, file);
    }
    if (ret >= 0 && offset + *pnum == length) {
        ret |= BLK_STATUS_EOF;
    }
    return ret;
}

bool coroutine_fn node_truncate(BlockNode *n, int64_t size, bool exact,
                                Error **errp)
{
    int64_t length;

    if (size < 0 || size > BLK_MAX_LENGTH) {
        return error_set(errp, "Image size %" PRId64 " is out of range", size);
    }
    if (n->read_only) {
        return error_set(errp, "Image is read-only");
    }
    if (!n->drv->size->truncate) {
        return error_set(errp, "Image format driver does not support resize");
    }
    if (!n->drv->size->truncate(n, size, exact, errp)) {
        return false;
    }
    length = n->drv->size->getlength(n);
    node_set_length(n, length < 0 ? size : length);
    dirty_bitmaps_resize(n, node_length(n));
    __atomic_store_n(&n->dirty, 1, __ATOMIC_SEQ_CST);
    return true;
}

int64_t node_allocated_size(BlockNode *n)
{
    if (n->drv->size->allocated) {
        return n->drv->size->allocated(n);
    }
    if (!n->drv->protocol && n->file) {
        return node_allocated_size(n->file->node);
    }
    return -ENOTSUP;
}
