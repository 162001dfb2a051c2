/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between FUSE exports and libfuse, which lives in the module block-fuse. The
 * file system has one file, its root. All on the loop of the export.
 */
#ifndef BLOCK_FUSE_H
#define BLOCK_FUSE_H

#include <sys/stat.h>

/* Requests of the kernel: each is answered by one reply_*() with @req, soon or
 * later. */
typedef struct FuseHandlers {
    void (*getattr)(void *opaque, void *req);
    void (*resize)(void *opaque, void *req, int64_t size);
    void (*read)(void *opaque, void *req, int64_t offset, size_t size);
    /* @buf is there until the function returns. */
    void (*write)(void *opaque, void *req, int64_t offset, const void *buf,
                  size_t size);
    void (*flush)(void *opaque, void *req);
    void (*fallocate)(void *opaque, void *req, int mode, int64_t offset,
                      int64_t size);
    void (*lseek)(void *opaque, void *req, int64_t offset, int whence);
} FuseHandlers;

/* The module's table. It calls nothing of the program but the handlers. */
typedef struct FuseOps {
    /* NULL with a text in *err, to be freed. *fd: to watch for requests. */
    void *(*mount)(const FuseHandlers *h, void *opaque, const char *mountpoint,
                   const char *options, int *fd, char **err);
    /* Take what waits: 0, or -errno when the file system is gone. */
    int (*receive)(void *session);
    void (*unmount)(void *session);
    void (*reply_err)(void *req, int err); /* 0: done */
    void (*reply_buf)(void *req, const void *buf, size_t size);
    void (*reply_write)(void *req, size_t size);
    void (*reply_lseek)(void *req, int64_t offset);
    void (*reply_attr)(void *req, const struct stat *st);
} FuseOps;

/* Largest request. */
#define FUSE_REQUEST_MAX (1 * MiB)

#endif
