/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block exports and the NBD server that serves them. Control code; see
 * block-backend.h. What the clients do happens on the loop of their export.
 */
#ifndef BLOCK_EXPORT_H
#define BLOCK_EXPORT_H

#include "block/block-graph.h"
#include "qapi/qapi-types-block-export.h"
#include "util/fdset.h"

/* Where an export serves its clients. */
typedef struct BlockExportThread {
    Loop *loop;  /* NULL: the graph's */
    FdSets *fds; /* for addresses of kind fd, or NULL */
    /* Called when the export is gone; may be NULL. */
    void (*release)(void *opaque);
    void *opaque;
} BlockExportThread;

/* @thread may be NULL; it is released only if the export was made. */
bool block_export_add(BlockGraph *g, const BlockExportOptions *opts,
                      const BlockExportThread *thread, Error **errp);
/* Ask it to go; block_events() learns when it has. */
bool block_export_del(BlockGraph *g, const char *id, bool hard, Error **errp);
BlockExportInfoList *block_export_infos(BlockGraph *g);
/* Stop the server, end all exports and wait until they are gone. Serves the
 * loop meanwhile. */
void block_exports_close(BlockGraph *g);

/* Whom the NBD server serves. */
typedef struct NbdServerConfig {
    const char *tls_creds, *tls_authz; /* ids of objects, or NULL */
    uint32_t max_connections;          /* 0: any number */
} NbdServerConfig;

/* The NBD server: one per graph. @fds: for addresses of kind fd. */
bool nbd_server_start(BlockGraph *g, const SocketAddress *addr, FdSets *fds,
                      const NbdServerConfig *config, Error **errp);
/* The same on a listening socket, which is taken over. */
bool nbd_server_start_fd(BlockGraph *g, int fd, const NbdServerConfig *config,
                         Error **errp);
/* Also ends all exports of its. */
bool nbd_server_stop(BlockGraph *g, Error **errp);
/* Does it run? */
bool nbd_server_running(const BlockGraph *g);
/* Told each time a client that used an export has left; @clients are still
 * there. */
void nbd_server_on_disconnect(BlockGraph *g,
                              void (*fn)(void *opaque, unsigned clients),
                              void *opaque);

#endif
