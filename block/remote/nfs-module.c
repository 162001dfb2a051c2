/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Module block-nfs: a file on an NFS server, by libnfs.
 * Spec: RFC 1813; libnfs.h.
 */
#include "util/osdep.h"

#include <fcntl.h>
#include <nfsc/libnfs.h>
#include <poll.h>
#include <sys/stat.h>

#include "block/remote/remote-module.h"

#define TRANSFER_MAX (1 << 20)

typedef struct Handle {
    const NfsParams *params;
    struct nfs_context *nfs; /* NULL: the connection is lost */
    struct nfsfh *file;
    char *folder;     /* what is mounted */
    const char *name; /* the file in it; within params */
    bool writable;
} Handle;

/* One request and what became of it. */
typedef struct Request {
    void *buf; /* of a read */
    size_t len;
    int result; /* bytes or -errno */
    bool done;
} Request;

/* Connecting -----------------------------------------------------------------
 */

static void drop(Handle *h)
{
    if (h->nfs) {
        /* Closing the file would ask the server. */
        nfs_destroy_context(h->nfs);
        h->nfs = NULL;
        h->file = NULL;
    }
}

static char *nfs_error(Handle *h, const char *what)
{
    const char *why = nfs_get_error(h->nfs);

    return g_strdup_printf("%s: %s", what, why ? why : "unknown error");
}

static void set_options(Handle *h)
{
    const NfsParams *p = h->params;

    if (p->user >= 0) {
        nfs_set_uid(h->nfs, p->user);
    }
    if (p->group >= 0) {
        nfs_set_gid(h->nfs, p->group);
    }
    if (p->syn_count) {
        nfs_set_tcp_syncnt(h->nfs, p->syn_count);
    }
    if (p->readahead) {
        nfs_set_readahead(h->nfs, p->readahead);
    }
    if (p->page_cache) {
        nfs_set_pagecache(h->nfs, p->page_cache);
    }
    nfs_set_debug(h->nfs, p->debug);
}

static char *mount_folder(Handle *h)
{
    h->nfs = nfs_init_context();
    if (!h->nfs) {
        return g_strdup("Failed to init NFS context");
    }
    set_options(h);
    return nfs_mount(h->nfs, h->params->host, h->folder)
               ? nfs_error(h, "Failed to mount nfs share")
               : NULL;
}

static char *connect_file(Handle *h)
{
    char *error = mount_folder(h);

    if (!error &&
        nfs_open(h->nfs, h->name, h->writable ? O_RDWR : O_RDONLY, &h->file)) {
        error = nfs_error(h, "Failed to open file ");
    }
    return error;
}

static Handle *handle_new(const NfsParams *p, bool writable)
{
    Handle *h = g_new0(Handle, 1);

    h->params = p;
    h->writable = writable;
    h->name = strrchr(p->path, '/');
    h->folder = g_strndup(p->path, h->name - p->path);
    return h;
}

static void close_handle(void *opaque)
{
    Handle *h = opaque;

    if (h->file) {
        nfs_close(h->nfs, h->file);
    }
    drop(h);
    g_free(h->folder);
    g_free(h);
}

static int stat_file(Handle *h, struct nfs_stat_64 *st)
{
    return h->nfs ? nfs_fstat64(h->nfs, h->file, st) : -EIO;
}

static void *open_handle(const void *params, bool writable, RemoteInfo *info,
                         char **error)
{
    Handle *h = handle_new(params, writable);
    struct nfs_stat_64 st;

    *error = connect_file(h);
    if (!*error && stat_file(h, &st)) {
        *error = nfs_error(h, "Failed to fstat file");
    }
    if (*error) {
        close_handle(h);
        return NULL;
    }
    *info = (RemoteInfo){
        .size = st.nfs_size,
        .block = 1,
        .max_transfer = 4 * TRANSFER_MAX,
        /* What libnfs holds of the data others do not see change. */
        .handles = h->params->readahead || h->params->page_cache ? 1 : 0,
    };
    return h;
}

/* Requests -------------------------------------------------------------------
 */

static void request_done(int result, struct nfs_context *nfs, void *data,
                         void *opaque)
{
    Request *r = opaque;

    r->done = true;
    r->result = result;
    if (result > 0 && (size_t)result > r->len) {
        r->result = -EIO; /* more than was asked for */
    } else if (result > 0 && r->buf) {
        memcpy(r->buf, data, result);
    }
}

/* The connection is given up, with all requests, when it cannot be used. */
static int wait_for(Handle *h, Request *r, int started)
{
    while (!started && !r->done) {
        struct pollfd p = { .fd = nfs_get_fd(h->nfs),
                            .events = nfs_which_events(h->nfs) };

        if ((poll(&p, 1, 100) < 0 && errno != EINTR) ||
            nfs_service(h->nfs, p.revents) < 0) {
            break;
        }
    }
    if (!r->done) {
        drop(h);
        return -EIO;
    }
    return r->result;
}

static bool connected(Handle *h)
{
    char *error;

    if (h->nfs) {
        return true;
    }
    error = connect_file(h);
    if (error) {
        g_free(error);
        drop(h);
        return false;
    }
    return true;
}

static int read_handle(void *opaque, void *buf, size_t len, uint64_t offset)
{
    Handle *h = opaque;

    for (size_t done = 0; done < len;) {
        Request r = { .buf = (char *)buf + done };
        int got;

        if (!connected(h)) {
            return -EIO;
        }
        r.len = MIN(len - done, MIN(nfs_get_readmax(h->nfs), TRANSFER_MAX));
        got = !r.len ? -EIO
                     : wait_for(h, &r,
                                nfs_pread_async(h->nfs, h->file, offset + done,
                                                r.len, request_done, &r));
        if (got < 0) {
            return got;
        }
        if (!got) {
            /* It ends there: zeroes follow. */
            memset((char *)buf + done, 0, len - done);
            return 0;
        }
        done += got;
    }
    return 0;
}

static int write_handle(void *opaque, const void *buf, size_t len,
                        uint64_t offset)
{
    Handle *h = opaque;

    for (size_t done = 0; done < len;) {
        Request r = { 0 };
        int put;

        if (!connected(h)) {
            return -EIO;
        }
        r.len = MIN(len - done, MIN(nfs_get_writemax(h->nfs), TRANSFER_MAX));
        put = !r.len
                  ? -EIO
                  : wait_for(h, &r,
                             nfs_pwrite_async(h->nfs, h->file, offset + done,
                                              r.len, (const char *)buf + done,
                                              request_done, &r));
        if (put <= 0) {
            return put ? put : -EIO;
        }
        done += put;
    }
    return 0;
}

static int flush_handle(void *opaque)
{
    Handle *h = opaque;
    Request r = { 0 };

    return connected(h)
               ? wait_for(h, &r,
                          nfs_fsync_async(h->nfs, h->file, request_done, &r))
               : -EIO;
}

static int truncate_handle(void *opaque, uint64_t size)
{
    Handle *h = opaque;
    Request r = { 0 };

    return connected(h) ? wait_for(h, &r,
                                   nfs_ftruncate_async(h->nfs, h->file, size,
                                                       request_done, &r))
                        : -EIO;
}

static int64_t allocated_handle(void *opaque)
{
    Handle *h = opaque;
    struct nfs_stat_64 st;
    int ret = connected(h) ? stat_file(h, &st) : -EIO;

    return ret < 0                           ? ret
           : st.nfs_blocks > INT64_MAX / 512 ? -EIO
                                             : (int64_t)st.nfs_blocks * 512;
}

/* Making files ---------------------------------------------------------------
 */

static char *create_file(const void *params, uint64_t size, const void *how)
{
    Handle *h = handle_new(params, true);
    char *error = mount_folder(h);

    if (!error && nfs_creat(h->nfs, h->name, 0600, &h->file)) {
        error = nfs_error(h, "Failed to create file");
    }
    if (!error && nfs_ftruncate(h->nfs, h->file, size)) {
        error = nfs_error(h, "Failed to resize file");
    }
    close_handle(h);
    return error;
}

const RemoteOps nemu_nfs_ops = {
    .open = open_handle,
    .close = close_handle,
    .read = read_handle,
    .write = write_handle,
    .flush = flush_handle,
    .truncate = truncate_handle,
    .truncate_error = "Failed to truncate file",
    .allocated = allocated_handle,
    .create = create_file,
};
