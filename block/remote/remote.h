/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks that a module reaches over a network: see remote-module.h. */
#ifndef BLOCK_REMOTE_H
#define BLOCK_REMOTE_H

#include "block/block-graph.h"
#include "block/block-node.h"
#include "block/remote/remote-module.h"
#include "qobject/qobject.h"

/* Connections that one node has at most, and calls on a shared one. */
#define REMOTE_HANDLES 4
#define REMOTE_CALLS   16

/* The first member of the state of a node. */
typedef struct RemoteDisk {
    const RemoteOps *ops;
    const void *params; /* the driver's */
    bool writable;
    RemoteInfo info; /* of the first handle */
    Mutex lock;
    CoQueue waiting;
    void *idle[REMOTE_CALLS]; /* guarded by lock; a shared one often */
    unsigned n_idle, n_open, max_open;
} RemoteDisk;

/* A module's operations, or NULL. */
const RemoteOps *remote_ops(const char *module, const char *table,
                            Error **errp);
/* Load @module with its table @table, connect, and set up @n: from open(). */
bool coroutine_fn remote_open(BlockNode *n, const char *module,
                              const char *table, const void *params,
                              Error **errp);
void coroutine_fn remote_close(BlockNode *n);
void remote_refresh_limits(BlockNode *n);
/* How long the disk is now, or -errno; RemoteOps.size. */
int64_t coroutine_fn remote_size(BlockNode *n);
/* How long it was when that was last seen. */
int64_t coroutine_fn remote_getlength(BlockNode *n);
/* Make a disk: RemoteOps.create on a worker. From control code. */
bool remote_create(const char *module, const char *table, const void *params,
                   uint64_t size, const void *how, Error **errp);
/* The text of secret @id, or NULL without an error if @id is NULL. False: an
 * error. Free with remote_free_secret(). */
bool remote_secret(BlockGraph *g, const char *id, char **text, Error **errp);
void remote_free_secret(char *text);

extern const BlockIoOps remote_io_ops;
extern const BlockSizeOps remote_size_ops;

/* Is @name one of a remote disk: "http://...", "rbd:..."? */
bool is_remote_name(const char *name);
/* What it says, or NULL with an error; as a driver's options. */
QDict *remote_name_options(const BlockGraph *g, const char *name, Error **errp);
BlockdevOptions *remote_name_parse(const BlockGraph *g, const char *name,
                                   Error **errp);

/* The same of each kind of name. */
QDict *curl_url_options(const BlockGraph *g, const char *url, Error **errp);
QDict *iscsi_url_options(const BlockGraph *g, const char *url, Error **errp);
QDict *nfs_url_options(const BlockGraph *g, const char *url, Error **errp);
QDict *rbd_name_options(const BlockGraph *g, const char *name, Error **errp);
QDict *ssh_url_options(const BlockGraph *g, const char *url, Error **errp);

#endif
