/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The conversation with a vhost-user front end: from its connection until
 * nothing of it is under way any more. */
#include "util/osdep.h"

#include <sys/socket.h>

#include "block/vhost-user/vhost-user.h"

/* Reading messages -----------------------------------------------------------
 */

static void add_fds(IoFds *to, IoFds *from)
{
    for (size_t i = 0; i < from->n; i++) {
        if (to->n < IO_MAX_FDS) {
            to->fd[to->n++] = from->fd[i];
        } else {
            close(from->fd[i]);
        }
    }
}

/* Read some of the current message: bytes, 0 at the end, or -errno. */
static ssize_t read_some(VuDevice *dev)
{
    size_t head = sizeof(dev->head);
    struct iovec iov;
    IoFds fds = { .n = 0 };
    ssize_t ret;

    if (dev->have < head) {
        iov = (struct iovec){ (uint8_t *)&dev->head + dev->have,
                              head - dev->have };
    } else {
        iov = (struct iovec){ (uint8_t *)&dev->payload + dev->have - head,
                              head + dev->head.size - dev->have };
    }
    ret = io_readv_fds(dev->ch, &iov, 1, &fds);
    add_fds(&dev->fds, &fds);
    return ret;
}

/* The message is there, or its head, which must be one that makes sense. */
static bool take_some(VuDevice *dev, ssize_t n, bool *complete)
{
    size_t head = sizeof(dev->head);

    dev->have += n;
    *complete = false;
    if (dev->have < head) {
        return true;
    }
    if (dev->have == head &&
        ((dev->head.flags & VU_VERSION_MASK) != VU_VERSION ||
         dev->head.flags & VU_FLAG_REPLY || !vu_message_size_ok(&dev->head))) {
        return false;
    }
    *complete = dev->have == head + dev->head.size;
    return true;
}

static void device_readable(void *opaque, unsigned events)
{
    VuDevice *dev = opaque;

    while (!dev->closing && !dev->stopping) {
        ssize_t ret = read_some(dev);
        bool complete = false;

        if (ret == -EAGAIN) {
            return;
        }
        if (ret <= 0 || !take_some(dev, ret, &complete)) {
            vu_device_close(dev);
            return;
        }
        if (complete) {
            size_t left = sizeof(dev->payload) - dev->head.size;

            /* What a short message does not say is zero. */
            memset((uint8_t *)&dev->payload + dev->head.size, 0, left);
            dev->have = 0;
            if (!vu_message(dev)) {
                vu_device_close(dev);
                return;
            }
        }
    }
}

/* Life -----------------------------------------------------------------------
 */

VuDevice *vu_device_new(const VuConst *k, Loop *loop, IoChannel *ch,
                        void (*gone)(void *opaque), void *opaque)
{
    VuDevice *dev = g_new0(VuDevice, 1);

    dev->k = k;
    dev->loop = loop;
    dev->ch = ch;
    dev->backend_fd = -1;
    dev->gone = gone;
    dev->gone_opaque = opaque;
    dev->mem = vu_mem_new();
    dev->queue = g_new0(VuQueue, k->n_queues);
    for (unsigned i = 0; i < k->n_queues; i++) {
        vu_queue_init(&dev->queue[i], dev, i);
    }
    dev->watch = loop_fd_add(loop, ch->fd, LOOP_IN, device_readable, dev);
    return dev;
}

/* Nothing is under way: what belongs to the loop goes. */
static void device_gone(VuDevice *dev)
{
    for (unsigned i = 0; i < dev->k->n_queues; i++) {
        vu_queue_destroy(&dev->queue[i]);
    }
    vu_mem_unref(dev->mem);
    vu_log_close(&dev->log);
    dev->gone(dev->gone_opaque);
}

static bool device_busy(const VuDevice *dev)
{
    for (unsigned i = 0; i < dev->k->n_queues; i++) {
        if (dev->queue[i].in_flight || dev->queue[i].in_round) {
            return true;
        }
    }
    return false;
}

void vu_device_close(VuDevice *dev)
{
    if (dev->closing) {
        return;
    }
    dev->closing = true;
    loop_fd_del(dev->watch);
    dev->watch = NULL;
    io_fds_close(&dev->fds);
    io_channel_close(dev->ch);
    for (unsigned i = 0; i < dev->k->n_queues; i++) {
        vu_queue_stop(&dev->queue[i]);
    }
    if (!device_busy(dev)) {
        device_gone(dev);
    }
}

void vu_device_idle(VuDevice *dev, VuQueue *q)
{
    if (dev->closing) {
        if (!device_busy(dev)) {
            device_gone(dev);
        }
    } else if (dev->stopping == q && !q->in_flight) {
        VuVringState state = { q->index, q->ring.last_avail };

        dev->stopping = NULL;
        q->ring.signalled_valid = false;
        vu_ring_unmap(&q->ring);
        loop_fd_set_events(dev->watch, LOOP_IN);
        if (!vu_reply(dev, VU_GET_VRING_BASE, &state, sizeof(state))) {
            /* Who reads finds out; here the caller still uses @dev. */
            io_channel_shutdown(dev->ch, SHUT_RDWR);
        }
    } else if (dev->stopping) {
        loop_fd_set_events(dev->watch, 0);
    }
}

void vu_device_free(VuDevice *dev)
{
    io_channel_unref(dev->ch);
    if (dev->backend_fd >= 0) {
        close(dev->backend_fd);
    }
    g_free(dev->queue);
    g_free(dev);
}
