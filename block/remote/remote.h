/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks that a module reaches over a network: see remote-module.h. */
#ifndef BLOCK_REMOTE_H
#define BLOCK_REMOTE_H

#include "block/block-graph.h"
#include "block/block-node.h"
#include "block/remote/remote-module.h"
#include "qobject/qobject.h"

/* Connections that one node has at most. */
#define REMOTE_HANDLES 4

/* The first member of the state of a node. */
typedef struct RemoteDisk {
    const RemoteOps *ops;
    const void *params; /* the driver's */
    bool writable;
    RemoteInfo info; /* of the first handle */
    Mutex lock;
    CoQueue waiting;
    void *idle[REMOTE_HANDLES]; /* guarded by lock */
    unsigned n_idle, n_open, max_open;
} RemoteDisk;

/* Load @module with its table @table, connect, and set up @n: from open(). */
bool coroutine_fn remote_open(BlockNode *n, const char *module,
                              const char *table, const void *params,
                              Error **errp);
void coroutine_fn remote_close(BlockNode *n);
void remote_refresh_limits(BlockNode *n);

extern const BlockIoOps remote_io_ops;
extern const BlockSizeOps remote_size_ops;

/* "http://...", "ftps://..." */
bool is_curl_url(const char *filename);
QDict *curl_url_options(const char *url);
/* NULL: an error. */
QDict *ssh_url_options(const char *url, Error **errp);

#endif
