/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of qemu-nbd share. */
#ifndef TOOLS_QEMU_NBD_H
#define TOOLS_QEMU_NBD_H

#include "block/block-graph.h"
#include "qapi/qapi-types-sockets.h"
#include "qom/object.h"
#include "util/thread.h"

typedef struct NbdArgs {
    const char *file, *format, *port, *bind, *socket, *name, *description;
    const char *cache, *aio, *discard, *detect_zeroes, *pid_file;
    const char *tls_creds, *tls_authz, *tls_hostname;
    const char *device; /* of the kernel: -c */
    const char *load_snapshot, *selinux_label;
    GPtrArray *objects; /* const char *, of --object */
    GPtrArray *bitmaps; /* char *, borrowed */
    uint64_t offset;
    uint32_t shared;
    bool image_opts, read_only, snapshot, persistent, verbose, fork, list,
        depth, disconnect;
    bool activated; /* systemd passes this socket (sd_listen_fds(3)): */
#define ACTIVATION_FD 3
} NbdArgs;

/* Both return the exit status. @ready_fd: the parent of --fork, or -1. */
int nbd_serve(const NbdArgs *a, int ready_fd);
int nbd_show_list(const NbdArgs *a);

/* A device of the kernel that is connected to an export. */
typedef struct NbdDevice {
    const char *path;
    const SocketAddress *addr; /* of the server */
    const char *export;
    /* Called by its thread: it works; it is over, also after a failure. */
    void (*connected)(void *opaque);
    void (*gone)(void *opaque);
    void *opaque;
    /* private */
    Thread thread;
    int fd;
    bool up; /* atomic: the kernel may be serving it */
    Error *err;
} NbdDevice;

bool nbd_device_start(NbdDevice *d, Error **errp);
/* Have it end soon: when the server is gone at the latest. */
void nbd_device_stop(NbdDevice *d);
/* Waits for the end; false: it failed. */
bool nbd_device_join(NbdDevice *d, Error **errp);

/* kernel.c: of a device's descriptor. */
bool nbd_kernel_set_up(int dev, int sock, uint64_t size, uint32_t block,
                       uint16_t flags, Error **errp);
bool nbd_kernel_serve(int dev); /* returns when it is disconnected */
void nbd_kernel_stop(int dev);
/* -d: the exit status. */
int nbd_disconnect(const char *device);

/* What --object makes: the root of its tree, one reference; or NULL. */
Object *nbd_make_objects(const NbdArgs *a, Error **errp);

/* -k, or what -c uses, or -b and -p; free. */
SocketAddress *nbd_address(const NbdArgs *a);

#endif
