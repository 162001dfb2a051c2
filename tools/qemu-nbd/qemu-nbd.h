/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of qemu-nbd share. */
#ifndef TOOLS_QEMU_NBD_H
#define TOOLS_QEMU_NBD_H

#include "block/block-graph.h"
#include "qapi/qapi-types-sockets.h"
#include "qom/object.h"

typedef struct NbdArgs {
    const char *file, *format, *port, *bind, *socket, *name, *description;
    const char *cache, *aio, *discard, *detect_zeroes, *pid_file;
    const char *tls_creds, *tls_authz, *tls_hostname;
    GPtrArray *objects; /* const char *, of --object */
    GPtrArray *bitmaps; /* char *, borrowed */
    uint64_t offset;
    uint32_t shared;
    bool image_opts, read_only, snapshot, persistent, verbose, fork, list,
        depth;
} NbdArgs;

/* Both return the exit status. @ready_fd: the parent of --fork, or -1. */
int nbd_serve(const NbdArgs *a, int ready_fd);
int nbd_show_list(const NbdArgs *a);

/* What --object makes: the root of its tree, one reference; or NULL. */
Object *nbd_make_objects(const NbdArgs *a, Error **errp);

/* -k, or -b and -p; free. */
SocketAddress *nbd_address(const NbdArgs *a);

#endif
