/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's transmission phase (proto.md, "Transmission phase").
 *
 * One coroutine reads requests and starts another for each. Replies queue up
 * and leave together when the loop has nothing else ready: many small requests
 * cost few system calls.
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "block/block-backend.h"
#include "block/block-node.h"
#include "block/nbd/server.h"

/* Requests kept for the next one, and what buffer they keep. */
#define POOL_MAX    NBD_CONN_REQUESTS
#define POOL_BUFFER 16384
/* Elements of one sendmsg(2). */
#define SEND_IOV 128
/* Reads from here on are looked at for holes. */
#define SPARSE_READ 65536
/* Extents in one reply to BLOCK_STATUS. */
#define EXTENTS_MAX 2048

typedef struct NbdRequest {
    NbdConn *conn;
    struct NbdRequest *next; /* in the queue of replies, or the pool */
    uint64_t handle, offset;
    uint32_t length;
    uint16_t type, flags;
    size_t charged; /* of conn->bytes */
    uint8_t *buf;
    size_t buf_size;
    /* The reply: head, then tail_len bytes of buf at tail, in this order. */
    uint8_t head[64];
    unsigned head_len;
    size_t tail_len;
    size_t sent;
} NbdRequest;

/* Requests and their memory --------------------------------------------------
 */

static NbdRequest *request_get(NbdConn *conn)
{
    NbdRequest *r = conn->pool;

    if (r) {
        conn->pool = r->next;
        conn->pooled--;
    } else {
        r = g_new0(NbdRequest, 1);
        r->conn = conn;
    }
    r->next = NULL;
    r->head_len = 0;
    r->tail_len = r->sent = 0;
    return r;
}

static void request_free(NbdRequest *r)
{
    free(r->buf);
    g_free(r);
}

/* The reply is sent, or never will be. */
static void request_put(NbdRequest *r)
{
    NbdConn *conn = r->conn;
    Coroutine *co = conn->waiting;

    conn->in_flight--;
    conn->bytes -= r->charged;
    r->charged = 0;
    if (conn->pooled < POOL_MAX && r->buf_size <= POOL_BUFFER) {
        r->next = conn->pool;
        conn->pool = r;
        conn->pooled++;
    } else {
        request_free(r);
    }
    if (co) {
        conn->waiting = NULL;
        coroutine_wake_on(co, conn->st.loop);
    }
}

static bool request_buffer(NbdRequest *r, size_t size)
{
    if (r->buf_size >= size) {
        return true;
    }
    free(r->buf);
    r->buf = node_alloc(blk_node(r->conn->exp->blk), size);
    r->buf_size = r->buf ? size : 0;
    return r->buf;
}

static void coroutine_fn conn_wait(NbdConn *conn)
{
    conn->waiting = coroutine_self();
    coroutine_yield();
}

/* Replies --------------------------------------------------------------------
 */

static unsigned gather(const NbdConn *conn, struct iovec *iov)
{
    unsigned n = 0;

    for (NbdRequest *r = conn->out_head; r && n + 2 <= SEND_IOV; r = r->next) {
        size_t from = r->sent < r->head_len ? 0 : r->sent - r->head_len;

        if (r->sent < r->head_len) {
            iov[n++] =
                (struct iovec){ r->head + r->sent, r->head_len - r->sent };
        }
        if (r->tail_len) {
            iov[n++] = (struct iovec){ r->buf + from, r->tail_len - from };
        }
    }
    return n;
}

/* The first @len bytes of the queue are sent. */
static void sent(NbdConn *conn, size_t len)
{
    while (conn->out_head) {
        NbdRequest *r = conn->out_head;
        size_t left = r->head_len + r->tail_len - r->sent;

        if (len < left) {
            r->sent += len;
            return;
        }
        len -= left;
        conn->out_head = r->next;
        if (!conn->out_head) {
            conn->out_tail = &conn->out_head;
        }
        request_put(r);
    }
}

static void conn_flush(void *opaque)
{
    NbdConn *conn = opaque;
    struct iovec iov[SEND_IOV];

    conn->blocked = false;
    while (conn->out_head && !conn->dead) {
        unsigned n = gather(conn, iov);
        ssize_t ret = io_writev_fds(conn->st.ch, iov, n, NULL);

        if (ret == -EAGAIN) {
            conn->blocked = true;
            nbd_stream_wait_out(&conn->st, conn_flush, conn);
            return;
        }
        if (ret < 0) {
            conn->dead = true;
            io_channel_shutdown(conn->st.ch, SHUT_RDWR);
        } else {
            sent(conn, ret);
        }
    }
    if (conn->dead) {
        sent(conn, SIZE_MAX); /* to nobody */
    }
}

static void request_queue(NbdRequest *r)
{
    NbdConn *conn = r->conn;

    *conn->out_tail = r;
    conn->out_tail = &r->next;
    if (!conn->blocked) {
        loop_task_post(&conn->flush);
    }
}

static void put_chunk(NbdRequest *r, uint16_t type, uint32_t len, bool done)
{
    uint8_t *p = r->head + r->head_len;

    be32_put(p, NBD_CHUNK_MAGIC);
    be16_put(p + 4, done ? NBD_CHUNK_DONE : 0);
    be16_put(p + 6, type);
    be64_put(p + 8, r->handle);
    be32_put(p + 16, len);
    r->head_len += NBD_CHUNK_SIZE;
}

static void put_simple(NbdRequest *r, uint32_t error)
{
    be32_put(r->head, NBD_SIMPLE_MAGIC);
    be32_put(r->head + 4, error);
    be64_put(r->head + 8, r->handle);
    r->head_len = NBD_SIMPLE_SIZE;
}

/* A reply without data; @ret 0 or -errno. */
static void reply_status(NbdRequest *r, int ret)
{
    bool chunk = r->conn->structured &&
                 (r->type == NBD_CMD_READ || r->type == NBD_CMD_BLOCK_STATUS);
    uint32_t error = ret < 0 ? nbd_error_from_errno(-ret) : 0;

    r->tail_len = 0;
    if (!chunk) {
        put_simple(r, error);
    } else if (!error) {
        put_chunk(r, NBD_CHUNK_NONE, 0, true);
    } else {
        put_chunk(r, NBD_CHUNK_ERROR, 6, true);
        be32_put(r->head + r->head_len, error);
        be16_put(r->head + r->head_len + 4, 0);
        r->head_len += 6;
    }
    request_queue(r);
}

/* Reads and block status -----------------------------------------------------
 */

/* How the bytes at @offset are; fewer than asked for in *pnum. */
static int coroutine_fn status_chain(BlockNode *n, int64_t offset,
                                     int64_t bytes, int64_t *pnum,
                                     unsigned *depth)
{
    BlockNode *file;
    int64_t map;
    int ret = node_block_status(n, true, offset, bytes, pnum, &map, &file);

    *depth = 1;
    while (ret >= 0 && !(ret & BLK_STATUS_ALLOCATED) && n->drv->filter &&
           n->file) {
        n = n->file->node;
        ret = node_block_status(n, true, offset, *pnum, pnum, &map, &file);
    }
    while (ret >= 0 && !(ret & BLK_STATUS_ALLOCATED)) {
        int64_t num = *pnum;

        n = n->backing ? n->backing->node : NULL;
        if (!n) {
            *depth = 0;
            return ret | BLK_STATUS_ZERO;
        }
        ret = node_block_status(n, true, offset, num, pnum, &map, &file);
        if (ret >= 0 && !*pnum) {
            *pnum = num; /* ends before: zeroes */
            ++*depth;
            return BLK_STATUS_ZERO;
        }
        ++*depth;
    }
    return ret;
}

int coroutine_fn export_block_status(BlockBackend *blk, int64_t offset,
                                     int64_t bytes, int64_t *pnum,
                                     unsigned *depth)
{
    BlockNode *n = blk_co_enter(blk);
    int64_t length;
    int ret;

    if (!n) {
        return -ENOMEDIUM;
    }
    length = node_length(n);
    if (length && offset >= length) {
        /* The rest of the last sector is like its beginning. */
        ret = status_chain(n, length - 1, 1, pnum, depth);
        *pnum = bytes;
    } else {
        ret = status_chain(n, offset, bytes, pnum, depth);
        if (offset + *pnum >= length) {
            *pnum = bytes;
        }
    }
    blk_co_leave(blk);
    return ret;
}

static void coroutine_fn do_read(NbdRequest *r)
{
    BlockBackend *blk = r->conn->exp->blk;
    bool structured = r->conn->structured;
    int ret;

    if (structured && r->length >= SPARSE_READ &&
        !(r->flags & NBD_CMD_FLAG_DF)) {
        unsigned depth;
        int64_t n;

        ret = export_block_status(blk, r->offset, r->length, &n, &depth);
        if (ret >= 0 && (ret & BLK_STATUS_ZERO) && n == r->length) {
            put_chunk(r, NBD_CHUNK_HOLE, 12, true);
            be64_put(r->head + r->head_len, r->offset);
            be32_put(r->head + r->head_len + 8, r->length);
            r->head_len += 12;
            request_queue(r);
            return;
        }
    }
    ret = blk_co_pread(blk, r->offset, r->length, r->buf, 0);
    if (ret < 0 || (structured && !r->length)) {
        reply_status(r, ret);
        return;
    }
    if (structured) {
        put_chunk(r, NBD_CHUNK_DATA, 8 + r->length, true);
        be64_put(r->head + r->head_len, r->offset);
        r->head_len += 8;
    } else {
        put_simple(r, 0);
    }
    r->tail_len = r->length;
    request_queue(r);
}

/* What @context says of the bytes at @offset, or -errno. */
static int64_t coroutine_fn context_flags(NbdRequest *r, unsigned context,
                                          uint64_t offset, uint64_t bytes,
                                          int64_t *num)
{
    const BlockExport *exp = r->conn->exp;
    unsigned depth;
    int status;

    if (context >= NBD_CONTEXT_BITMAPS) {
        return nbd_bitmap_status(
            exp->bitmaps->pdata[context - NBD_CONTEXT_BITMAPS], offset, bytes,
            num);
    }
    status = export_block_status(exp->blk, offset, bytes, num, &depth);
    if (status < 0) {
        return status;
    }
    if (context == NBD_CONTEXT_DEPTH) {
        return depth;
    }
    return (status & BLK_STATUS_ZERO ? NBD_STATE_ZERO : 0) |
           (status & BLK_STATUS_DATA ? 0 : NBD_STATE_HOLE);
}

/* The extents of one context behind what buf holds already: how many bytes
 * more, or -errno. */
static ssize_t coroutine_fn put_extents(NbdRequest *r, unsigned context,
                                        size_t at, unsigned max)
{
    uint64_t offset = r->offset, end = r->offset + r->length;
    uint8_t *p = r->buf + at, *last = NULL;

    be32_put(p, context);
    p += 4;
    while (offset < end) {
        int64_t num = 0;
        int64_t flags = context_flags(r, context, offset, end - offset, &num);

        if (flags < 0 || !num) {
            return flags < 0 ? flags : -EIO;
        }
        if (last && be32_get(last + 4) == flags) {
            be32_put(last, be32_get(last) + num);
        } else if (max--) {
            last = p;
            be32_put(p, num);
            be32_put(p + 4, flags);
            p += 8;
        } else {
            break;
        }
        offset += num;
    }
    return p - (r->buf + at);
}

static void coroutine_fn do_block_status(NbdRequest *r)
{
    unsigned max = r->flags & NBD_CMD_FLAG_REQ_ONE ? 1 : EXTENTS_MAX;
    uint64_t contexts = r->conn->contexts;
    size_t at = 0;

    if (!contexts || !r->length) {
        reply_status(r, -EINVAL);
        return;
    }
    for (unsigned i = 0; i < NBD_CONTEXT__MAX; i++) {
        ssize_t len;

        if (!(contexts & BIT(i))) {
            continue;
        }
        /* The chunk's header goes into the buffer too. */
        len = put_extents(r, i, at + NBD_CHUNK_SIZE, max);
        if (len < 0) {
            reply_status(r, len);
            return;
        }
        contexts &= ~BIT(i);
        put_chunk(r, NBD_CHUNK_STATUS, len, !contexts);
        r->head_len = 0;
        memcpy(r->buf + at, r->head, NBD_CHUNK_SIZE);
        at += NBD_CHUNK_SIZE + len;
    }
    r->tail_len = at;
    request_queue(r);
}

/* The other commands ---------------------------------------------------------
 */

static unsigned write_flags(const NbdRequest *r)
{
    return r->flags & NBD_CMD_FLAG_FUA ? BLK_REQ_FUA : 0;
}

static int coroutine_fn do_zeroes(const NbdRequest *r)
{
    unsigned flags = write_flags(r);
    int ret;

    if (!(r->flags & NBD_CMD_FLAG_NO_HOLE)) {
        flags |= BLK_REQ_MAY_UNMAP;
    }
    if (r->flags & NBD_CMD_FLAG_FAST_ZERO) {
        flags |= BLK_REQ_NO_FALLBACK;
    }
    ret = blk_co_pwrite_zeroes(r->conn->exp->blk, r->offset, r->length, flags);
    /* What that flag promises to say when it is not fast. */
    return ret == -EOPNOTSUPP ? -ENOTSUP : ret;
}

static int coroutine_fn do_trim(const NbdRequest *r)
{
    BlockBackend *blk = r->conn->exp->blk;
    int ret = blk_co_pdiscard(blk, r->offset, r->length);

    if (ret >= 0 && (r->flags & NBD_CMD_FLAG_FUA)) {
        ret = blk_co_flush(blk);
    }
    return ret;
}

static void coroutine_fn request_entry(void *opaque)
{
    NbdRequest *r = opaque;
    BlockBackend *blk = r->conn->exp->blk;

    switch (r->type) {
    case NBD_CMD_READ:
        do_read(r);
        break;
    case NBD_CMD_BLOCK_STATUS:
        do_block_status(r);
        break;
    case NBD_CMD_WRITE:
        reply_status(r, blk_co_pwrite(blk, r->offset, r->length, r->buf,
                                      write_flags(r)));
        break;
    case NBD_CMD_FLUSH:
        reply_status(r, blk_co_flush(blk));
        break;
    case NBD_CMD_TRIM:
        reply_status(r, do_trim(r));
        break;
    case NBD_CMD_CACHE:
        reply_status(r, blk_co_pread(blk, r->offset, r->length, r->buf, 0));
        break;
    default:
        reply_status(r, do_zeroes(r));
        break;
    }
}

/* Requests as they come ------------------------------------------------------
 */

static bool is_write(uint16_t type)
{
    return type == NBD_CMD_WRITE || type == NBD_CMD_TRIM ||
           type == NBD_CMD_WRITE_ZEROES;
}

/* 0 or what to tell the client. */
static int request_check(const NbdRequest *r)
{
    static const uint16_t flags[] = {
        [NBD_CMD_READ] = NBD_CMD_FLAG_DF,
        [NBD_CMD_BLOCK_STATUS] = NBD_CMD_FLAG_REQ_ONE,
        [NBD_CMD_WRITE_ZEROES] = NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO,
    };
    const BlockExport *exp = r->conn->exp;
    uint16_t ok = NBD_CMD_FLAG_FUA;

    if (r->type > NBD_CMD_BLOCK_STATUS || r->type == NBD_CMD_DISC) {
        return -EINVAL;
    }
    ok |= flags[r->type];
    if (r->type == NBD_CMD_READ && !r->conn->structured) {
        ok &= ~NBD_CMD_FLAG_DF;
    }
    if (r->flags & ~ok) {
        return -EINVAL;
    }
    if (is_write(r->type) && (exp->flags & NBD_FLAG_READ_ONLY)) {
        return -EPERM;
    }
    if (r->type != NBD_CMD_FLUSH &&
        (r->offset > exp->size || r->length > exp->size - r->offset)) {
        return r->type == NBD_CMD_WRITE || r->type == NBD_CMD_WRITE_ZEROES
                   ? -ENOSPC
                   : -EINVAL;
    }
    return 0;
}

/* Bytes of buffer that a request needs. */
static size_t request_memory(const NbdRequest *r)
{
    switch (r->type) {
    case NBD_CMD_READ:
    case NBD_CMD_WRITE:
    case NBD_CMD_CACHE:
        return MAX(r->length, 1);
    case NBD_CMD_BLOCK_STATUS:
        return (size_t)__builtin_popcountll(r->conn->contexts) *
               (NBD_CHUNK_SIZE + 4 +
                8 * (r->flags & NBD_CMD_FLAG_REQ_ONE ? 1 : EXTENTS_MAX));
    default:
        return 0;
    }
}

/* Room for one request more; false when the connection is dead. */
static bool coroutine_fn wait_for_room(NbdConn *conn, size_t bytes)
{
    while (!conn->dead && conn->in_flight &&
           (conn->in_flight >= NBD_CONN_REQUESTS ||
            conn->bytes + bytes > NBD_CONN_BYTES)) {
        conn_wait(conn);
    }
    return !conn->dead;
}

/* False: the conversation is over. */
static bool coroutine_fn request_start(NbdConn *conn, const uint8_t *head)
{
    NbdRequest probe = {
        .conn = conn,
        .flags = be16_get(head + 4),
        .type = be16_get(head + 6),
        .handle = be64_get(head + 8),
        .offset = be64_get(head + 16),
        .length = be32_get(head + 24),
    };
    size_t memory = request_memory(&probe);
    NbdRequest *r;
    int err;

    if (be32_get(head) != NBD_REQUEST_MAGIC || probe.type == NBD_CMD_DISC) {
        return false;
    }
    if (memory > NBD_MAX_PAYLOAD) {
        if (probe.type == NBD_CMD_WRITE) {
            return false; /* what follows is too long to be skipped */
        }
        memory = 0;
    }
    if (!wait_for_room(conn, memory)) {
        return false;
    }
    r = request_get(conn);
    r->handle = probe.handle;
    r->offset = probe.offset;
    r->length = probe.length;
    r->type = probe.type;
    r->flags = probe.flags;
    r->charged = memory;
    conn->in_flight++;
    conn->bytes += memory;

    err = request_memory(r) > NBD_MAX_PAYLOAD ? -EINVAL : request_check(r);
    if (!err && !request_buffer(r, memory)) {
        err = -ENOMEM;
    }
    if (r->type == NBD_CMD_WRITE) {
        int ret = err ? nbd_skip(&conn->st, r->length)
                      : nbd_read(&conn->st, r->buf, r->length);

        if (ret < 0) {
            request_put(r);
            return false;
        }
    }
    if (err) {
        reply_status(r, err);
    } else {
        coroutine_enter(coroutine_new(request_entry, r));
    }
    return true;
}

void coroutine_fn nbd_transmit(NbdConn *conn)
{
    uint8_t head[NBD_REQUEST_SIZE];

    conn->out_tail = &conn->out_head;
    loop_task_init(&conn->flush, conn->st.loop, conn_flush, conn);
    while (!conn->dead && nbd_read(&conn->st, head, sizeof(head)) == 0 &&
           request_start(conn, head)) {
        /* next */
    }
    while (conn->in_flight) {
        conn_wait(conn);
    }
    loop_task_cancel(&conn->flush);
    while (conn->pool) {
        NbdRequest *r = conn->pool;

        conn->pool = r->next;
        request_free(r);
    }
}
