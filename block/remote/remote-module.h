/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What modules for remote disks offer. A module wraps one client library whose
 * calls block; block/remote/remote.c calls it from worker threads.
 *
 * A handle is one connection to one disk. At any time at most one call is made
 * on a handle that is not shared, from any thread; calls on different handles
 * go on side by side, and a flush of one handle covers the finished writes of
 * all others of the disk. Results are 0 or -errno unless something else is
 * said; texts of errors are allocated with g_malloc().
 */
#ifndef BLOCK_REMOTE_MODULE_H
#define BLOCK_REMOTE_MODULE_H

#include "util/osdep.h"

/* Of requests; all in bytes. 0 where nothing else is said: no limit. */
typedef struct RemoteInfo {
    uint64_t size;
    uint32_t block;        /* power of 2; requests are multiples of it */
    uint32_t max_transfer; /* of a read or write */
    uint32_t max_zero, max_discard;
    uint32_t cluster;                   /* unit of allocation; 0: not known */
    uint32_t zero_align, discard_align; /* powers of 2, to have an effect */
    unsigned handles; /* how many may be open; 0: as many as are of use */
    bool shared;      /* the only handle; serves any number of calls at once */
    bool fixed;       /* writes do not make it longer */
    const char *read_only; /* why there are no writes, or NULL */
} RemoteInfo;

/* Results of status(): what it reads as. */
enum {
    REMOTE_IS_HOLE, /* no space; not known */
    REMOTE_IS_DATA,
    REMOTE_IS_ZERO,
};

typedef struct RemoteOps {
    /* @params: the struct below that fits the module, which outlives the
     * handle. A handle, or NULL with *@error. */
    void *(*open)(const void *params, bool writable, RemoteInfo *info,
                  char **error);
    void (*close)(void *handle);
    /* Exactly @len bytes, all of them inside of the disk. */
    int (*read)(void *handle, void *buf, size_t len, uint64_t offset);
    /* NULL: disks of this kind are read-only. */
    int (*write)(void *handle, const void *buf, size_t len, uint64_t offset);
    int (*flush)(void *handle);
    /* Optional. Zeroes; @unmap: they need no space. -ENOTSUP: write them. */
    int (*zero)(void *handle, uint64_t offset, uint64_t len, bool unmap);
    int (*discard)(void *handle, uint64_t offset, uint64_t len);
    int (*truncate)(void *handle, uint64_t size);
    const char *truncate_error; /* how a message of it begins; may be NULL */
    /* What the first *@num (at least 1, at most @len) bytes at @offset are. */
    int (*status)(void *handle, uint64_t offset, uint64_t len, uint64_t *num);
    int64_t (*size)(void *handle);      /* as it is now */
    int64_t (*allocated)(void *handle); /* bytes that it occupies */
    /* Make a disk of @size bytes, in a way that the module knows. NULL or the
     * error. */
    char *(*create)(const void *params, uint64_t size, const void *how);
} RemoteOps;

/* Module block-curl: http, https, ftp, ftps. NULLs: not given. */
typedef struct CurlParams {
    const char *url, *cookie;
    const char *username, *password;
    const char *proxy_username, *proxy_password;
    uint32_t timeout;   /* seconds that nothing may move; 0: any */
    uint32_t readahead; /* bytes */
    bool sslverify;
} CurlParams;

/* Module block-ssh: a file that an SFTP server has. */
typedef struct SshParams {
    /* A connected socket, or -1 with *@error; from any thread. */
    int (*connect)(const void *server, char **error);
    const void *server;
    const char *host, *port, *user; /* @user NULL: this one */
    const char *path;
    enum { SSH_CHECK_NONE, SSH_CHECK_HASH, SSH_CHECK_KNOWN_HOSTS } check;
    int hash_type;           /* SshHostKeyCheckHashType */
    const char *fingerprint; /* hexadecimal */
} SshParams;

/* Module block-nfs: a file that an NFS server has. */
typedef struct NfsParams {
    const char *host;
    const char *path;                                 /* begins with '/' */
    int64_t user, group;                              /* -1: of this process */
    uint32_t syn_count, readahead, page_cache, debug; /* 0: the default */
} NfsParams;

/* Module block-iscsi. NULLs: not given. */
typedef struct IscsiParams {
    const char *portal, *target;
    int lun;
    const char *user, *password;
    const char *initiator;
    int digest; /* IscsiHeaderDigest */
    int timeout;
    bool iser;
} IscsiParams;

/* Module block-rbd. NULLs: not given. */
typedef struct RbdParams {
    const char *pool, *name_space, *image, *snapshot;
    const char *conf, *user, *key;
    const char *auth;            /* "cephx;none" */
    const char *mon_host;        /* "host:port;host:port" */
    const char *const *settings; /* "name=value", NULL at the end; or NULL */
    bool no_cache;
    int encryption;         /* RbdImageEncryptionFormat; -1: none */
    const char *passphrase; /* with encryption */
} RbdParams;

/* RemoteOps.create of block-rbd; encryption as in RbdParams. */
typedef struct RbdCreate {
    int order; /* log2 of the objects' size; 0: the default */
    bool aes128;
} RbdCreate;

extern const RemoteOps nemu_curl_ops, nemu_iscsi_ops, nemu_nfs_ops,
    nemu_rbd_ops, nemu_ssh_ops;

#endif
