/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads, writes and flushes of files: by io_uring on the submitting loop, by
 * Linux AIO (file-laio.c), or by worker threads; of what the page cache holds,
 * without them. A short read is the end of
 * the file and gives zeroes; other short transfers are continued.
 */
#include "util/osdep.h"

#ifdef CONFIG_LINUX_IO_URING
#include <liburing.h>
#endif

#include "block/block-backend.h"
#include "block/file.h"
#include "util/loop.h"
#include "util/trace.h"

TRACE_POINT(file_co_rw_submit);

#define STACK_IOV 16
/* Shorter writes are not worth a system call more. */
#define RESERVE_MIN (256 * KiB)
/* A copy of up to so many bytes is cheaper than a thread that does it. */
#define CACHED_MAX 32768
#define CACHE_COLD 32
/* The same where nobody waits: clusters of metadata. */
#define IN_PLACE_MAX (128 * KiB)

/* One call's worth of a transfer. */
typedef struct FileRw {
    int fd;
    bool write;
    bool dsync;
    bool *reserve; /* the host can allocate; NULL: it need not */
    int64_t offset;
    IoVec iov;
    unsigned max_batch;
    bool buffered; /* goes through the page cache */
} FileRw;

/* Worker threads
 * ---------------------------------------------------------------- */

static int rw_worker(void *opaque)
{
    const FileRw *rw = opaque;
    ssize_t ret;

    /* What is allocated before is written in about half the time. */
    if (rw->reserve && __atomic_load_n(rw->reserve, __ATOMIC_RELAXED) &&
        fallocate(rw->fd, FALLOC_FL_KEEP_SIZE, rw->offset, rw->iov.size) < 0) {
        __atomic_store_n(rw->reserve, false, __ATOMIC_RELAXED);
    }
    if (rw->write) {
        ret = RETRY_ON_EINTR(pwritev2(rw->fd, rw->iov.iov, rw->iov.niov,
                                      rw->offset, rw->dsync ? RWF_DSYNC : 0));
    } else {
        ret = RETRY_ON_EINTR(
            preadv(rw->fd, rw->iov.iov, rw->iov.niov, rw->offset));
    }
    return ret < 0 ? -errno : ret;
}

/* File systems let one write into the page cache of a file at a time: more
 * threads would only wait for the inode's lock. What syncs waits without it. */
static const void *rw_turn(const FileState *s, const FileRw *rw)
{
    return rw->write && rw->buffered && !rw->dsync && !s->device ? s : NULL;
}

/* What the page cache holds, read without waiting: bytes, or -EAGAIN. After
 * CACHE_COLD misses in a row only one request of as many tries. */
static int cached_read(FileState *s, const FileRw *rw)
{
    /* A hint: what two loops count at once may get lost. */
    unsigned misses = __atomic_load_n(&s->cache_misses, __ATOMIC_RELAXED);
    ssize_t ret;

    if (s->in_memory) {
        ret = preadv(rw->fd, rw->iov.iov, rw->iov.niov, rw->offset);
        return ret < 0 ? -errno : ret;
    }
    if (__atomic_load_n(&s->no_nowait, __ATOMIC_RELAXED)) {
        return -EAGAIN;
    }
    if (misses < CACHE_COLD || !(misses % CACHE_COLD)) {
        ret =
            preadv2(rw->fd, rw->iov.iov, rw->iov.niov, rw->offset, RWF_NOWAIT);
        if (ret >= 0) {
            if (misses) {
                __atomic_store_n(&s->cache_misses, 0, __ATOMIC_RELAXED);
            }
            return ret;
        }
        if (errno == EOPNOTSUPP) {
            /* This file system cannot say. */
            __atomic_store_n(&s->no_nowait, true, __ATOMIC_RELAXED);
        }
    }
    __atomic_store_n(&s->cache_misses, misses + 1, __ATOMIC_RELAXED);
    return -EAGAIN;
}

/* By this thread, if it will not wait or nobody minds: bytes, -EAGAIN if it is
 * for others to do, or another error. The ring has a thread of its own made for
 * each write into the page cache that waits at all. */
static int rw_in_place(FileState *s, const FileRw *rw)
{
    if (!rw->buffered || s->aio == FILE_AIO_NATIVE) {
        return -EAGAIN;
    }
    if (!rw->write) {
        return s->in_place || rw->iov.size <= CACHED_MAX ? cached_read(s, rw)
                                                         : -EAGAIN;
    }
    return s->in_place && !rw->dsync && rw->iov.size <= IN_PLACE_MAX
               ? rw_worker((void *)rw)
               : -EAGAIN;
}

int coroutine_fn file_call(const FileState *s, ThreadPoolFn *fn, void *opaque)
{
    return s->in_place ? fn(opaque) : thread_pool_run_co(fn, opaque);
}

/* io_uring
 * ------------------------------------------------------------------------ */

#ifdef CONFIG_LINUX_IO_URING
typedef struct FileUring {
    LoopUring req;
    Coroutine *co;
    int res;
} FileUring;

static void file_uring_done(LoopUring *req, int res)
{
    FileUring *u = container_of(req, FileUring, req);

    u->res = res;
    coroutine_enter(u->co);
}

static void prep_rw(struct io_uring_sqe *sqe, const FileRw *rw)
{
    int flags = rw->dsync ? RWF_DSYNC : 0;

    if (rw->iov.niov == 1 && rw->write) {
        io_uring_prep_write(sqe, rw->fd, rw->iov.iov->iov_base,
                            rw->iov.iov->iov_len, rw->offset);
        sqe->rw_flags = flags;
    } else if (rw->iov.niov == 1) {
        io_uring_prep_read(sqe, rw->fd, rw->iov.iov->iov_base,
                           rw->iov.iov->iov_len, rw->offset);
    } else if (rw->write) {
        io_uring_prep_writev2(sqe, rw->fd, rw->iov.iov, rw->iov.niov,
                              rw->offset, flags);
    } else {
        io_uring_prep_readv(sqe, rw->fd, rw->iov.iov, rw->iov.niov, rw->offset);
    }
}

/* io_uring_prep_* overwrite the whole entry: keep what ties it to @u. */
static struct io_uring_sqe *uring_sqe(FileUring *u, uint64_t *data)
{
    Loop *loop = loop_current();
    struct io_uring_sqe *sqe;

    if (!loop_has_uring(loop)) {
        return NULL;
    }
    *u = (FileUring){ .req.done = file_uring_done, .co = coroutine_self() };
    sqe = loop_uring_sqe(loop, &u->req);
    if (sqe) {
        *data = sqe->user_data;
    }
    return sqe;
}

static int coroutine_fn uring_rw(const FileRw *rw)
{
    struct io_uring_sqe *sqe;
    FileUring u;
    uint64_t data;

    sqe = uring_sqe(&u, &data);
    if (!sqe) {
        return thread_pool_run_co(rw_worker, (void *)rw);
    }
    prep_rw(sqe, rw);
    sqe->user_data = data;
    coroutine_yield();
    return u.res;
}
#endif

/* Any engine: bytes done or -errno. */
static int coroutine_fn rw_once(FileState *s, const FileRw *rw)
{
    FileAio aio = rw->reserve ? FILE_AIO_THREADS : s->aio;
    int ret = rw_in_place(s, rw);

    trace(file_co_rw_submit, "fd %d %s offset %" PRId64 " bytes %zu aio %d",
          rw->fd, rw->write ? "write" : "read", rw->offset, rw->iov.size, aio);
    while (ret == -EINTR || ret == -EAGAIN) {
        switch (aio) {
#ifdef CONFIG_LINUX_IO_URING
        case FILE_AIO_URING:
            ret = uring_rw(rw);
            break;
#endif
#ifdef CONFIG_LINUX_AIO
        case FILE_AIO_NATIVE:
            ret = laio_rw(rw->fd, rw->write, rw->offset, &rw->iov, rw->dsync,
                          rw->max_batch);
            break;
#endif
        default:
            ret =
                thread_pool_run_turn_co(rw_turn(s, rw), rw_worker, (void *)rw);
        }
    }
    return ret;
}

/* Requests
 * -------------------------------------------------------------------------- */

static int coroutine_fn rw_all(FileState *s, FileRw *rw, const IoVec *iov,
                               size_t iov_offset, int64_t bytes,
                               struct iovec *parts, int max_parts)
{
    while (bytes) {
        int ret;

        if (!iov_slice(iov, iov_offset, bytes, parts, max_parts, &rw->iov)) {
            return -EINVAL; /* the node's max_iov sees to it */
        }
        ret = rw_once(s, rw);
        if (ret < 0) {
            return ret;
        }
        if (!ret) {
            if (rw->write) {
                return -ENOSPC;
            }
            iov_memset(iov, iov_offset, 0, bytes);
            return 0;
        }
        rw->offset += ret;
        iov_offset += ret;
        bytes -= ret;
    }
    return 0;
}

static int coroutine_fn file_rw(BlockNode *n, FileRw *rw, const IoVec *iov,
                                size_t iov_offset, int64_t bytes)
{
    FileState *s = n->state;
    struct iovec parts[STACK_IOV], *heap;
    int ret;

    rw->fd = s->fd;
    rw->max_batch = s->max_batch;
    rw->buffered = !n->flags.direct;
    /* The usual case: the whole vector at once, as it is. */
    if (!iov_offset && iov->size == (size_t)bytes) {
        rw->iov = *iov;
        ret = rw_once(s, rw);
        if (ret < 0 || ret == bytes) {
            return MIN(ret, 0);
        }
        iov_offset = ret;
        rw->offset += ret;
        bytes -= ret;
        if (!ret && !rw->write) {
            iov_memset(iov, 0, 0, bytes);
            return 0;
        }
    }
    if (iov->niov <= STACK_IOV) {
        return rw_all(s, rw, iov, iov_offset, bytes, parts, STACK_IOV);
    }
    heap = g_new(struct iovec, iov->niov);
    ret = rw_all(s, rw, iov, iov_offset, bytes, heap, iov->niov);
    g_free(heap);
    return ret;
}

static int coroutine_fn file_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset,
                                    unsigned flags)
{
    FileRw rw = { .offset = offset };

    return file_rw(n, &rw, iov, iov_offset, bytes);
}

/* A growing file is handed to the disk in steps of so many bytes: whoever
 * flushes it finds most of the work done, and the page cache stays clean. */
#define WRITE_OUT_STEP ((int64_t)(8 * MiB))

typedef struct WriteOut {
    int fd;
    int64_t start, bytes;
} WriteOut;

static int write_out_worker(void *opaque)
{
    const WriteOut *w = opaque;

    return sync_file_range(w->fd, w->start, w->bytes, SYNC_FILE_RANGE_WRITE);
}

static void coroutine_fn write_out(BlockNode *n, int64_t end)
{
    FileState *s = n->state;
    int64_t done = __atomic_load_n(&s->written_out, __ATOMIC_RELAXED);
    WriteOut w = { s->fd, done, end - done };
#ifdef CONFIG_LINUX_IO_URING
    struct io_uring_sqe *sqe;
    FileUring u;
    uint64_t data;
#endif

    if (w.bytes < WRITE_OUT_STEP || n->flags.no_flush || n->flags.direct ||
        !__atomic_compare_exchange_n(&s->written_out, &done, end, false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        return;
    }
#ifdef CONFIG_LINUX_IO_URING
    if (s->aio == FILE_AIO_URING && (sqe = uring_sqe(&u, &data))) {
        io_uring_prep_sync_file_range(sqe, w.fd, w.bytes, w.start,
                                      SYNC_FILE_RANGE_WRITE);
        sqe->user_data = data;
        coroutine_yield();
        return;
    }
#endif
    thread_pool_run_co(write_out_worker, &w);
}

static int coroutine_fn file_pwritev(BlockNode *n, int64_t offset,
                                     int64_t bytes, const IoVec *iov,
                                     size_t iov_offset, unsigned flags)
{
    FileRw rw = { .offset = offset,
                  .write = true,
                  .dsync = (flags & BLK_REQ_FUA) && !n->flags.no_flush };
    FileState *s = n->state;
    bool grows = offset + bytes > node_length(n);
    int ret;

    /* Without flushes it is a copy in bulk: cache=unsafe. */
    if (n->flags.no_flush && bytes >= RESERVE_MIN && !s->device) {
        rw.reserve = &s->can_reserve;
    }
    ret = file_rw(n, &rw, iov, iov_offset, bytes);
    file_holes_forget(&s->holes);
    if (ret >= 0 && grows) {
        write_out(n, offset + bytes);
    }
    return ret;
}

static int flush_worker(void *opaque)
{
    const FileState *s = opaque;

    return RETRY_ON_EINTR(fdatasync(s->fd)) < 0 ? -errno : 0;
}

static int coroutine_fn file_flush(BlockNode *n)
{
    FileState *s = n->state;
#ifdef CONFIG_LINUX_IO_URING
    struct io_uring_sqe *sqe;
    FileUring u;
    uint64_t data;
#endif

    if (n->flags.no_flush) {
        return 0;
    }
#ifdef CONFIG_LINUX_IO_URING
    if (s->aio == FILE_AIO_URING && (sqe = uring_sqe(&u, &data))) {
        io_uring_prep_fsync(sqe, s->fd, IORING_FSYNC_DATASYNC);
        sqe->user_data = data;
        coroutine_yield();
        if (u.res != -EINTR) {
            return u.res;
        }
    }
#endif
    return thread_pool_run_co(flush_worker, s);
}

typedef struct FileCopy {
    int from, to;
    int64_t src_offset, offset, bytes;
} FileCopy;

static int copy_worker(void *opaque)
{
    FileCopy *c = opaque;

    while (c->bytes) {
        off64_t in = c->src_offset, out = c->offset;
        ssize_t n = RETRY_ON_EINTR(
            copy_file_range(c->from, &in, c->to, &out, c->bytes, 0));

        if (n <= 0) {
            return n < 0 ? -errno : -ENOTSUP; /* none: the source's end */
        }
        c->src_offset += n;
        c->offset += n;
        c->bytes -= n;
    }
    return 0;
}

static int coroutine_fn file_copy_range(BlockNode *src, int64_t src_offset,
                                        BlockNode *n, int64_t offset,
                                        int64_t bytes)
{
    FileState *s = n->state, *from = src->state;
    FileCopy c = {
        .to = s->fd, .src_offset = src_offset, .offset = offset, .bytes = bytes
    };
    int ret;

    if (src->drv->io != n->drv->io) {
        return -ENOTSUP;
    }
    c.from = from->fd;
    ret = thread_pool_run_co(copy_worker, &c);
    file_holes_forget(&s->holes);
    return ret;
}

const BlockIoOps file_io_ops = {
    .preadv = file_preadv,
    .pwritev = file_pwritev,
    .pwrite_zeroes = file_pwrite_zeroes,
    .pdiscard = file_pdiscard,
    .copy_range = file_copy_range,
    .flush = file_flush,
    .block_status = file_block_status,
};

void blk_plug(void)
{
#ifdef CONFIG_LINUX_AIO
    laio_plug();
#endif
}

void blk_unplug(void)
{
#ifdef CONFIG_LINUX_AIO
    laio_unplug();
#endif
}
