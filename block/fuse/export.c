/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FUSE exports: a regular file whose contents are the node's, mounted over
 * another regular file. Spec: QEMU's manual, "fuse" of qemu-storage-daemon(1);
 * fuse(4).
 */
#include "util/osdep.h"

#include <linux/falloc.h>

#include "block/block-backend.h"
#include "block/block-node.h"
#include "block/fuse/fuse.h"
#include "block/nbd/server.h"
#include "util/error.h"
#include "util/module.h"

typedef struct FuseExport {
    BlockExport *exp;
    const FuseOps *ops;
    char *mountpoint;
    bool growable;
    struct stat st; /* what does not change of the file */
    CoMutex sizes;  /* one change of the length at a time */
    /* The export's loop */
    void *session;
    LoopFd *watch;
    int fd;
    unsigned in_flight;
    bool closing;
} FuseExport;

typedef enum FuseKind {
    FUSE_READ,
    FUSE_WRITE,
    FUSE_FLUSH,
    FUSE_RESIZE,
    FUSE_ALLOC,
    FUSE_SEEK,
} FuseKind;

typedef struct FuseRequest {
    FuseExport *f;
    void *req;
    FuseKind kind;
    int mode; /* of fallocate(2), or whence */
    int64_t offset;
    int64_t size;
    void *buf;
} FuseRequest;

/* Requests -------------------------------------------------------------------
 */

static void send_attr(FuseExport *f, void *req)
{
    struct stat st = f->st;

    st.st_size = blk_getlength(f->exp->blk);
    st.st_blocks = DIV_ROUND_UP(st.st_size, 512);
    f->ops->reply_attr(req, &st);
}

/* @shrink: make it no shorter without. */
static int coroutine_fn resize(FuseExport *f, int64_t size, bool shrink)
{
    autoerr Error *err = NULL;
    int64_t length;
    int ret = 0;

    co_mutex_lock(&f->sizes);
    length = blk_getlength(f->exp->blk);
    if (size > length || (size < length && shrink)) {
        ret = !f->growable || !f->exp->writable                ? -EPERM
              : blk_co_truncate(f->exp->blk, size, true, &err) ? 0
                                                               : -EIO;
    }
    co_mutex_unlock(&f->sizes);
    return ret;
}

static void coroutine_fn do_read(FuseRequest *r)
{
    FuseExport *f = r->f;
    int64_t length = blk_getlength(f->exp->blk);
    int64_t n = r->offset < length ? MIN(r->size, length - r->offset) : 0;
    int ret = 0;

    if (n > FUSE_REQUEST_MAX) {
        f->ops->reply_err(r->req, EINVAL);
        return;
    }
    if (n) {
        r->buf = node_alloc(blk_node(f->exp->blk), n);
        ret = r->buf ? blk_co_pread(f->exp->blk, r->offset, n, r->buf, 0)
                     : -ENOMEM;
    }
    if (ret < 0) {
        f->ops->reply_err(r->req, -ret);
    } else {
        f->ops->reply_buf(r->req, r->buf, n);
    }
}

static void coroutine_fn do_write(FuseRequest *r)
{
    FuseExport *f = r->f;
    int64_t length = blk_getlength(f->exp->blk);
    int ret = 0;

    if (r->offset + r->size > length && f->growable) {
        ret = resize(f, r->offset + r->size, false);
    } else if (r->offset >= length) {
        ret = r->size ? -ENOSPC : 0;
        r->size = 0;
    } else {
        r->size = MIN(r->size, length - r->offset);
    }
    if (ret >= 0 && r->size) {
        ret = blk_co_pwrite(f->exp->blk, r->offset, r->size, r->buf, 0);
    }
    if (ret < 0) {
        f->ops->reply_err(r->req, -ret);
    } else {
        f->ops->reply_write(r->req, r->size);
    }
}

static int coroutine_fn do_alloc(FuseRequest *r)
{
    FuseExport *f = r->f;
    int64_t length = blk_getlength(f->exp->blk), end;
    unsigned flags = 0;
    int ret = 0;

    if (!f->exp->writable) {
        return -EACCES;
    }
    if (r->offset < 0 || r->size <= 0 ||
        __builtin_add_overflow(r->offset, r->size, &end)) {
        return -EINVAL;
    }
    if (r->mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)) {
        flags = BLK_REQ_MAY_UNMAP;
    } else if (r->mode != FALLOC_FL_ZERO_RANGE &&
               r->mode != (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE)) {
        return -EOPNOTSUPP;
    }
    if (end > length && !(r->mode & FALLOC_FL_KEEP_SIZE)) {
        ret = resize(f, end, false);
        length = MAX(length, end);
    }
    if (ret >= 0 && r->offset < length) {
        ret = blk_co_pwrite_zeroes(f->exp->blk, r->offset,
                                   MIN(end, length) - r->offset, flags);
    }
    return ret;
}

/* The next place from r->offset on that is data, or is not: -ENXIO if none. */
static int64_t coroutine_fn do_seek(FuseRequest *r)
{
    BlockBackend *blk = r->f->exp->blk;
    int64_t length = blk_getlength(blk), at = r->offset;
    bool hole = r->mode == SEEK_HOLE;

    if (r->mode != SEEK_HOLE && r->mode != SEEK_DATA) {
        return -EINVAL;
    }
    if (at < 0 || at >= length) {
        return -ENXIO;
    }
    while (at < length) {
        int64_t pnum;
        unsigned depth;
        int ret = export_block_status(blk, at, length - at, &pnum, &depth);

        if (ret < 0) {
            return ret;
        }
        if (!pnum || !(ret & BLK_STATUS_DATA) == hole) {
            break;
        }
        at += pnum;
    }
    return at < length || hole ? MIN(at, length) : -ENXIO;
}

static void close_when_idle(FuseExport *f);

static void coroutine_fn request_entry(void *opaque)
{
    FuseRequest *r = opaque;
    FuseExport *f = r->f;
    int64_t ret = 0;

    switch (r->kind) {
    case FUSE_READ:
        do_read(r);
        break;
    case FUSE_WRITE:
        do_write(r);
        break;
    case FUSE_RESIZE:
        ret = resize(f, r->size, true);
        if (ret < 0) {
            f->ops->reply_err(r->req, -ret);
        } else {
            send_attr(f, r->req);
        }
        break;
    case FUSE_SEEK:
        ret = do_seek(r);
        if (ret < 0) {
            f->ops->reply_err(r->req, -ret);
        } else {
            f->ops->reply_lseek(r->req, ret);
        }
        break;
    default:
        ret = r->kind == FUSE_FLUSH ? blk_co_flush(f->exp->blk) : do_alloc(r);
        f->ops->reply_err(r->req, -ret);
        break;
    }
    free(r->buf);
    g_free(r);
    f->in_flight--;
    close_when_idle(f);
}

static void start(FuseRequest request)
{
    FuseRequest *r = g_new(FuseRequest, 1);

    *r = request;
    r->f->in_flight++;
    coroutine_enter(coroutine_new(request_entry, r));
}

static void on_getattr(void *opaque, void *req)
{
    send_attr(opaque, req);
}

static void on_resize(void *opaque, void *req, int64_t size)
{
    start((FuseRequest){ opaque, req, FUSE_RESIZE, .size = size });
}

static void on_read(void *opaque, void *req, int64_t offset, size_t size)
{
    start((FuseRequest){ opaque, req, FUSE_READ, 0, offset, size, NULL });
}

static void on_write(void *opaque, void *req, int64_t offset, const void *buf,
                     size_t size)
{
    FuseExport *f = opaque;
    void *copy;

    if (!f->exp->writable || size > FUSE_REQUEST_MAX) {
        f->ops->reply_err(req, f->exp->writable ? EINVAL : EACCES);
        return;
    }
    copy = node_alloc(blk_node(f->exp->blk), MAX(size, 1));
    if (!copy) {
        f->ops->reply_err(req, ENOMEM);
        return;
    }
    memcpy(copy, buf, size);
    start((FuseRequest){ f, req, FUSE_WRITE, 0, offset, size, copy });
}

static void on_flush(void *opaque, void *req)
{
    start((FuseRequest){ opaque, req, FUSE_FLUSH });
}

static void on_fallocate(void *opaque, void *req, int mode, int64_t offset,
                         int64_t size)
{
    start((FuseRequest){ opaque, req, FUSE_ALLOC, mode, offset, size, NULL });
}

static void on_lseek(void *opaque, void *req, int64_t offset, int whence)
{
    start((FuseRequest){ opaque, req, FUSE_SEEK, whence, offset, 0, NULL });
}

static const FuseHandlers handlers = {
    .getattr = on_getattr,
    .resize = on_resize,
    .read = on_read,
    .write = on_write,
    .flush = on_flush,
    .fallocate = on_fallocate,
    .lseek = on_lseek,
};

/* Life -----------------------------------------------------------------------
 */

static void fuse_readable(void *opaque, unsigned events)
{
    FuseExport *f = opaque;

    if (f->ops->receive(f->session) < 0) {
        /* Someone has unmounted it. */
        loop_fd_del(f->watch);
        f->watch = NULL;
    }
}

static void put_export(void *opaque)
{
    nbd_export_put(opaque);
}

static void close_when_idle(FuseExport *f)
{
    if (f->closing && !f->in_flight && f->session) {
        f->ops->unmount(g_steal_pointer(&f->session));
        loop_post(f->exp->all->graph->loop, put_export, f->exp);
    }
}

/* On the export's loop. */
static void fuse_begin(void *opaque)
{
    FuseExport *f = opaque;

    f->watch =
        loop_fd_add(f->exp->thread.loop, f->fd, LOOP_IN, fuse_readable, f);
}

static void fuse_end(void *opaque)
{
    FuseExport *f = opaque;

    loop_fd_del(f->watch);
    f->watch = NULL;
    f->closing = true;
    close_when_idle(f);
}

static bool check_mountpoint(FuseExport *f, Error **errp)
{
    if (stat(f->mountpoint, &f->st) < 0) {
        return error_errno(errp, errno, "Failed to stat '%s'", f->mountpoint);
    }
    if (!S_ISREG(f->st.st_mode)) {
        return error_set(errp, "'%s' is not a regular file", f->mountpoint);
    }
    f->st = (struct stat){
        .st_ino = 1,
        .st_mode = S_IFREG | S_IRUSR | (f->exp->writable ? S_IWUSR : 0),
        .st_nlink = 1,
        .st_uid = getuid(),
        .st_gid = getgid(),
        .st_blksize = 4096,
    };
    f->st.st_atime = f->st.st_mtime = f->st.st_ctime = time(NULL);
    return true;
}

static bool fuse_mount(FuseExport *f, bool allow_other, Error **errp)
{
    g_autofree char *options =
        g_strdup_printf("max_read=%d,default_permissions%s",
                        (int)FUSE_REQUEST_MAX,
                        allow_other ? ",allow_other" : "");
    char *text = NULL;

    f->session =
        f->ops->mount(&handlers, f, f->mountpoint, options, &f->fd, &text);
    if (!f->session) {
        error_set(errp, "%s", text);
        g_free(text);
    }
    return f->session;
}

static void fuse_free(BlockExport *exp)
{
    FuseExport *f = exp->impl;

    if (f) {
        co_mutex_destroy(&f->sizes);
        g_free(f->mountpoint);
        g_free(f);
    }
}

static bool fuse_start(BlockExport *exp, const BlockExportOptions *opts,
                       Error **errp)
{
    const BlockExportOptionsFuse *o = &opts->u.fuse;
    FuseExportAllowOther who =
        o->has_allow_other ? o->allow_other : FUSE_EXPORT_ALLOW_OTHER_AUTO;
    FuseExport *f = g_new0(FuseExport, 1);
    autoerr Error *first = NULL;

    exp->impl = f;
    f->exp = exp;
    co_mutex_init(&f->sizes);
    f->mountpoint = g_strdup(o->mountpoint);
    f->growable = o->has_growable && o->growable;
    if (!check_mountpoint(f, errp)) {
        return false;
    }
    if (f->growable &&
        !blk_set_perm(exp->blk,
                      BLK_PERM_READ |
                          (exp->writable ? BLK_PERM_WRITE | BLK_PERM_RESIZE
                                         : 0),
                      BLK_PERM_ALL, errp)) {
        return false;
    }
    f->ops = module_table("block-fuse", "nemu_fuse_ops", errp);
    if (!f->ops) {
        return false;
    }
    if (who != FUSE_EXPORT_ALLOW_OTHER_AUTO || !fuse_mount(f, true, &first)) {
        if (!fuse_mount(f, who == FUSE_EXPORT_ALLOW_OTHER_ON, errp)) {
            return false;
        }
    }
    /* It is in use as long as it is mounted. */
    nbd_export_get(exp);
    loop_post(exp->thread.loop, fuse_begin, f);
    return true;
}

static void fuse_shutdown(BlockExport *exp)
{
    loop_post(exp->thread.loop, fuse_end, exp->impl);
}

const BlockExportOps export_ops_fuse = {
    .start = fuse_start,
    .shutdown = fuse_shutdown,
    .free = fuse_free,
};
