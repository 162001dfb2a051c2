/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-user-blk exports: a socket where one front end at a time gets a device.
 * The socket is the graph's loop's, the device that of the export.
 */
#include "util/osdep.h"

#include <linux/virtio_blk.h>

#include "block/nbd/server.h"
#include "block/vhost-user/vhost-user.h"
#include "io/socket.h"
#include "util/error.h"

#define BLOCK_SIZE_MIN 512
#define BLOCK_SIZE_MAX (2 * MiB)

typedef struct VuExport {
    BlockExport *exp;
    VuConst k;
    int fd;        /* listening */
    LoopFd *watch; /* rests while there is a front end */
    char *path;    /* to remove */
    /* The front end: made here, then used on the export's loop */
    IoChannel *ch;
    VuDevice *dev;
    VuDevice *gone; /* waits for the graph's loop to be freed */
} VuExport;

static void next_client(VuExport *v)
{
    if (v->watch) {
        loop_fd_set_events(v->watch, LOOP_IN);
    }
}

/* On the graph's loop: the front end is gone. */
static void client_left(void *opaque)
{
    VuExport *v = opaque;

    vu_device_free(g_steal_pointer(&v->gone));
    next_client(v);
    nbd_export_put(v->exp); /* the last thing: @v may go with it */
}

static void client_gone(void *opaque)
{
    VuExport *v = opaque;

    v->gone = g_steal_pointer(&v->dev);
    loop_post(v->exp->all->graph->loop, client_left, v);
}

/* On the export's loop. */
static void client_begin(void *opaque)
{
    VuExport *v = opaque;

    v->dev = vu_device_new(&v->k, v->exp->thread.loop, g_steal_pointer(&v->ch),
                           client_gone, v);
}

static void put_export(void *opaque)
{
    nbd_export_put(opaque);
}

static void client_drop(void *opaque)
{
    VuExport *v = opaque;

    if (v->dev) {
        vu_device_close(v->dev);
    }
    loop_post(v->exp->all->graph->loop, put_export, v->exp);
}

/* On the export's loop. */
static void config_changed(void *opaque)
{
    VuExport *v = opaque;

    if (v->dev) {
        vu_device_config_changed(v->dev);
    }
    loop_post(v->exp->all->graph->loop, put_export, v->exp);
}

static void export_resized(void *opaque)
{
    VuExport *v = opaque;

    nbd_export_get(v->exp);
    loop_post(v->exp->thread.loop, config_changed, v);
}

static const BlkDevOps export_blk_ops = {
    .resized = export_resized,
};

static void export_accept(void *opaque, unsigned events)
{
    VuExport *v = opaque;
    int fd = socket_accept(v->fd);

    if (fd < 0) {
        return;
    }
    loop_fd_set_events(v->watch, 0);
    v->ch = io_channel_socket(fd);
    nbd_export_get(v->exp);
    loop_post(v->exp->thread.loop, client_begin, v);
}

/* Life -----------------------------------------------------------------------
 */

static bool check_options(const BlockExportOptionsVhostUserBlk *o,
                          const char *id, Error **errp)
{
    uint64_t size = o->logical_block_size;

    if (o->addr->type != SOCKET_ADDRESS_TYPE_UNIX &&
        o->addr->type != SOCKET_ADDRESS_TYPE_FD) {
        return error_set(errp, "Only socket address types 'unix' and 'fd' are "
                               "supported");
    }
    if (o->has_logical_block_size &&
        (size < BLOCK_SIZE_MIN || size > BLOCK_SIZE_MAX)) {
        return error_set(errp,
                         "Property %s.logical-block-size doesn't take value "
                         "%" PRIu64 " (minimum: 512, maximum: 2097152)",
                         id, size);
    }
    if (o->has_logical_block_size && !is_power_of_2(size)) {
        return error_set(errp,
                         "Property %s.logical-block-size doesn't take value "
                         "'%" PRIu64 "', it's not a power of 2",
                         id, size);
    }
    if (o->has_num_queues && !o->num_queues) {
        return error_set(errp, "num-queues must be greater than 0");
    }
    /* A queue's number has eight bits in messages about its descriptors. */
    if (o->has_num_queues && o->num_queues > VU_QUEUES_MAX) {
        return error_set(errp, "num-queues must be at most %d", VU_QUEUES_MAX);
    }
    return true;
}

static bool vu_start(BlockExport *exp, const BlockExportOptions *opts,
                     Error **errp)
{
    const BlockExportOptionsVhostUserBlk *o = &opts->u.vhost_user_blk;
    VuExport *v;
    int fd;

    if (!check_options(o, opts->id, errp)) {
        return false;
    }
    fd = socket_listen(o->addr, 1, exp->thread.fds, errp);
    if (fd < 0) {
        return false;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    v = g_new0(VuExport, 1);
    v->exp = exp;
    v->k = (VuConst){
        .blk = exp->blk,
        .n_queues = o->has_num_queues ? o->num_queues : 1,
        .block_size = o->has_logical_block_size ? o->logical_block_size : 512,
        .writable = exp->writable,
    };
    v->fd = fd;
    v->path = socket_bound_path(o->addr);
    v->watch =
        loop_fd_add(exp->all->graph->loop, fd, LOOP_IN, export_accept, v);
    exp->impl = v;
    blk_set_ops(exp->blk, &export_blk_ops, v);
    return true;
}

static void vu_shutdown(BlockExport *exp)
{
    VuExport *v = exp->impl;

    blk_set_ops(exp->blk, NULL, NULL);
    loop_fd_del(v->watch);
    v->watch = NULL;
    if (v->path) {
        unlink(v->path);
        g_clear_pointer(&v->path, g_free);
    }
    /* The reference goes when the export's loop has seen to it. */
    nbd_export_get(exp);
    loop_post(exp->thread.loop, client_drop, v);
}

static void vu_free(BlockExport *exp)
{
    VuExport *v = exp->impl;

    if (v) {
        close(v->fd);
        g_free(v);
    }
}

const BlockExportOps export_ops_vhost_user_blk = {
    .start = vu_start,
    .shutdown = vu_shutdown,
    .free = vu_free,
};
