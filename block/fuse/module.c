/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module block-fuse: one file by libfuse's low-level interface. */
#define FUSE_USE_VERSION 31
#include "util/osdep.h"

#include <fuse_lowlevel.h>

#include "block/fuse/fuse.h"

typedef struct Session {
    const FuseHandlers *h;
    void *opaque;
    struct fuse_session *se;
    struct fuse_buf buf;
} Session;

static Session *session(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static void op_init(void *opaque, struct fuse_conn_info *conn)
{
    conn->max_write = MIN(conn->max_write, FUSE_REQUEST_MAX);
    conn->max_read = FUSE_REQUEST_MAX; /* as the option says */
    conn->max_readahead = MIN(conn->max_readahead, FUSE_REQUEST_MAX);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    fuse_reply_err(req, ENOENT);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
                       struct fuse_file_info *fi)
{
    session(req)->h->getattr(session(req)->opaque, req);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st,
                       int to_set, struct fuse_file_info *fi)
{
    if (to_set & ~(FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_ATIME |
                   FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |
                   FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME)) {
        fuse_reply_err(req, ENOTSUP);
    } else if (to_set & FUSE_SET_ATTR_SIZE) {
        session(req)->h->resize(session(req)->opaque, req, st->st_size);
    } else {
        session(req)->h->getattr(session(req)->opaque, req);
    }
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    session(req)->h->read(session(req)->opaque, req, offset, size);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf,
                     size_t size, off_t offset, struct fuse_file_info *fi)
{
    session(req)->h->write(session(req)->opaque, req, offset, buf, size);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    session(req)->h->flush(session(req)->opaque, req);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
                     struct fuse_file_info *fi)
{
    session(req)->h->flush(session(req)->opaque, req);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
                         off_t length, struct fuse_file_info *fi)
{
    session(req)->h->fallocate(session(req)->opaque, req, mode, offset, length);
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
                     struct fuse_file_info *fi)
{
    session(req)->h->lseek(session(req)->opaque, req, offset, whence);
}

static const struct fuse_lowlevel_ops ops = {
    .init = op_init,
    .lookup = op_lookup,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .flush = op_flush,
    .fsync = op_fsync,
    .fallocate = op_fallocate,
    .lseek = op_lseek,
};

static void unmount(void *opaque)
{
    Session *s = opaque;

    fuse_session_unmount(s->se);
    fuse_session_destroy(s->se);
    free(s->buf.mem);
    g_free(s);
}

static void *mount_file(const FuseHandlers *h, void *opaque,
                        const char *mountpoint, const char *options, int *fd,
                        char **err)
{
    char *argv[] = { (char *)"", (char *)"-o", (char *)options, NULL };
    struct fuse_args args = FUSE_ARGS_INIT(3, argv);
    Session *s = g_new0(Session, 1);

    s->h = h;
    s->opaque = opaque;
    s->se = fuse_session_new(&args, &ops, sizeof(ops), s);
    fuse_opt_free_args(&args);
    if (!s->se || fuse_session_mount(s->se, mountpoint) < 0) {
        *err = g_strdup(s->se ? "Failed to mount FUSE session to export"
                              : "Failed to set up FUSE session");
        if (s->se) {
            fuse_session_destroy(s->se);
        }
        g_free(s);
        return NULL;
    }
    *fd = fuse_session_fd(s->se);
    fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK);
    return s;
}

static int receive(void *opaque)
{
    Session *s = opaque;

    for (;;) {
        int ret = fuse_session_receive_buf(s->se, &s->buf);

        if (ret == -EAGAIN || ret == -EINTR) {
            return 0;
        }
        if (ret <= 0) {
            return ret ? ret : -ENODEV;
        }
        fuse_session_process_buf(s->se, &s->buf);
        if (fuse_session_exited(s->se)) {
            return -ENODEV;
        }
    }
}

static void reply_err(void *req, int err)
{
    fuse_reply_err(req, err);
}

static void reply_buf(void *req, const void *buf, size_t size)
{
    fuse_reply_buf(req, buf, size);
}

static void reply_write(void *req, size_t size)
{
    fuse_reply_write(req, size);
}

static void reply_lseek(void *req, int64_t offset)
{
    fuse_reply_lseek(req, offset);
}

static void reply_attr(void *req, const struct stat *st)
{
    /* Sizes change behind the kernel's back. */
    fuse_reply_attr(req, st, 0);
}

__attribute__((visibility("default"))) const FuseOps nemu_fuse_ops = {
    .mount = mount_file,
    .receive = receive,
    .unmount = unmount,
    .reply_err = reply_err,
    .reply_buf = reply_buf,
    .reply_write = reply_write,
    .reply_lseek = reply_lseek,
    .reply_attr = reply_attr,
};
