/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-nbd -c: a client of our own server that hands its connection over to
 * the kernel. It has a thread, as the kernel keeps the one that serves it.
 */
#include "util/osdep.h"

#include "block/nbd/client.h"
#include "io/socket.h"
#include "qemu-nbd.h"

typedef struct Handshake {
    NbdStream st;
    NbdInfo info;
    const char *export;
    bool ok;
    Error **errp;
} Handshake;

/* Without structured replies: the kernel does not know them. */
static void coroutine_fn handshake_entry(void *opaque)
{
    static const NbdClientTls none;
    Handshake *h = opaque;
    bool old;

    h->ok =
        nbd_hello(&h->st, &none, h->errp) &&
        nbd_ask_info(&h->st, NBD_OPT_GO, h->export, &h->info, &old, h->errp);
}

/* A connection on which requests may be sent; its socket, or -1. */
static int shake_hands(NbdDevice *d, NbdInfo *info, Error **errp)
{
    Handshake h = { .export = d->export, .errp = errp };
    autofd int fd = socket_connect(d->addr, NULL, errp);
    Loop *loop = fd >= 0 ? loop_new("nbd", errp) : NULL;

    if (!loop) {
        return -1;
    }
    loop_set_current(loop);
    nbd_stream_init(&h.st, io_channel_socket(fcntl(fd, F_DUPFD_CLOEXEC, 0)),
                    loop, true);
    block_run(handshake_entry, &h);
    nbd_stream_destroy(&h.st);
    loop_free(loop);
    if (!h.ok) {
        return -1;
    }
    /* The kernel waits for the server in its own way. */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    *info = h.info;
    return steal_fd(&fd);
}

/* Opening the device makes the kernel look for partitions. */
static void *scan_partitions(void *opaque)
{
    int fd = open(opaque, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        close(fd);
    }
    return NULL;
}

static bool set_up(NbdDevice *d, Error **errp)
{
    NbdInfo info;
    autofd int sock = shake_hands(d, &info, errp);

    if (sock < 0) {
        return false;
    }
    d->fd = open(d->path, O_RDWR | O_CLOEXEC);
    if (d->fd < 0) {
        return error_set(errp, "Failed to open %s: %s", d->path,
                         g_strerror(errno));
    }
    return nbd_kernel_set_up(d->fd, sock, info.size, info.min_block, info.flags,
                             errp);
}

static void *device_thread(void *opaque)
{
    NbdDevice *d = opaque;
    autoerr Error *err = NULL;
    Thread scan;
    bool scans;

    if (set_up(d, &d->err)) {
        __atomic_store_n(&d->up, true, __ATOMIC_RELEASE);
        scans = thread_create(&scan, "nbd-scan", scan_partitions,
                              (void *)d->path, &err);
        d->connected(d->opaque);
        if (!nbd_kernel_serve(d->fd)) {
            error_set(&d->err, "Device '%s' failed", d->path);
        }
        __atomic_store_n(&d->up, false, __ATOMIC_RELEASE);
        if (scans) {
            thread_join(&scan);
        }
    }
    d->gone(d->opaque);
    return NULL;
}

bool nbd_device_start(NbdDevice *d, Error **errp)
{
    d->fd = -1;
    return thread_create(&d->thread, "nbd-device", device_thread, d, errp);
}

void nbd_device_stop(NbdDevice *d)
{
    if (__atomic_load_n(&d->up, __ATOMIC_ACQUIRE)) {
        nbd_kernel_stop(d->fd);
    }
}

bool nbd_device_join(NbdDevice *d, Error **errp)
{
    thread_join(&d->thread);
    if (d->fd >= 0) {
        close(d->fd);
    }
    return !d->err || error_move(errp, d->err);
}
