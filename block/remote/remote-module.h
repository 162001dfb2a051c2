/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What modules for remote disks offer. A module wraps one client library whose
 * calls block; block/remote/remote.c calls it from worker threads.
 *
 * A handle is one connection to one disk. At any time at most one call is made
 * on a handle, from any thread; calls on different handles go on side by side,
 * and a flush of one handle covers the finished writes of all others of the
 * disk. Results are 0 or -errno unless something else is said; texts of errors
 * are allocated with g_malloc().
 */
#ifndef BLOCK_REMOTE_MODULE_H
#define BLOCK_REMOTE_MODULE_H

#include "util/osdep.h"

typedef struct RemoteInfo {
    uint64_t size;         /* bytes */
    uint32_t block;        /* requests are multiples of it; 1: any */
    uint32_t max_transfer; /* of a read or write */
    bool read_only;        /* the server allows no writes */
} RemoteInfo;

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
    const char *host, *port, *user; /* @user NULL: this one */
    const char *path;
    enum { SSH_CHECK_NONE, SSH_CHECK_HASH, SSH_CHECK_KNOWN_HOSTS } check;
    int hash_type;           /* SshHostKeyCheckHashType */
    const char *fingerprint; /* hexadecimal */
} SshParams;

extern const RemoteOps nemu_curl_ops, nemu_ssh_ops;

#endif
