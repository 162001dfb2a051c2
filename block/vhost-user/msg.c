/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of a vhost-user front end, which is not trusted: lengths, indexes,
 * addresses and descriptors are checked, and what is wrong ends the
 * conversation.
 */
#include "util/osdep.h"

#include <linux/vhost_types.h>
#include <sys/socket.h>

#include "block/vhost-user/vhost-user.h"
#include "util/trace.h"

#define F_LOG_ALL           BIT(VHOST_F_LOG_ALL)
#define F_PROTOCOL_FEATURES BIT(30)
#define RING_EVENT_IDX      BIT(29)

TRACE_POINT(vhost_user_error);

/* What a message failed with: the front end learns it if it asked. */
typedef enum Outcome {
    MSG_OK,
    MSG_FAILED,   /* as asked: nothing was changed */
    MSG_ANSWERED, /* or will be */
    MSG_FATAL,
} Outcome;

static Outcome failed(Error *err)
{
    trace(vhost_user_error, "%s", error_text(err));
    error_free(err);
    return MSG_FATAL;
}

/* Lengths --------------------------------------------------------------------
 */

bool vu_message_size_ok(const VuHeader *h)
{
    size_t config = offsetof(VuConfig, data);

    switch (h->request) {
    case VU_SET_MEM_TABLE:
        /* Front ends may send room for regions that are not there. */
        return h->size >= 8 && h->size <= sizeof(VuMemTable) &&
               (h->size - 8) % sizeof(VuRegion) == 0;
    case VU_ADD_MEM_REG:
    case VU_REM_MEM_REG:
        return h->size == sizeof(VuMemReg);
    case VU_SET_VRING_ADDR:
        return h->size == sizeof(VuVringAddr);
    case VU_SET_LOG_BASE:
        return h->size == sizeof(VuLog) || h->size == sizeof(uint64_t);
    case VU_GET_CONFIG:
    case VU_SET_CONFIG:
        return h->size >= config && h->size <= sizeof(VuConfig);
    default:
        return h->size <= sizeof(uint64_t);
    }
}

bool vu_reply(VuDevice *dev, uint32_t request, const void *payload, size_t len)
{
    VuHeader head = { request, VU_VERSION | VU_FLAG_REPLY, len };
    struct iovec iov[] = { { &head, sizeof(head) }, { (void *)payload, len } };

    /* One answer at a time is on its way: it fits, or nobody reads. */
    return io_writev_fds(dev->ch, iov, 2, NULL) ==
           (ssize_t)(sizeof(head) + len);
}

static Outcome answer_u64(VuDevice *dev, uint64_t v)
{
    return vu_reply(dev, dev->head.request, &v, sizeof(v)) ? MSG_ANSWERED
                                                           : MSG_FATAL;
}

/* The message's only descriptor; it is the caller's then. -1: it has not one.
 */
static int take_fd(VuDevice *dev)
{
    int fd;

    if (dev->fds.n != 1) {
        return -1;
    }
    fd = dev->fds.fd[0];
    dev->fds.n = 0;
    return fd;
}

static VuQueue *queue_of(VuDevice *dev, uint32_t index)
{
    return index < dev->k->n_queues ? &dev->queue[index] : NULL;
}

/* Features -------------------------------------------------------------------
 */

static uint64_t offered(const VuDevice *dev)
{
    return vu_blk_features(dev->k) | F_LOG_ALL | F_PROTOCOL_FEATURES;
}

static Outcome set_features(VuDevice *dev)
{
    uint64_t f = dev->payload.u64;

    if (f & ~offered(dev)) {
        return MSG_FATAL;
    }
    dev->features = f;
    for (unsigned i = 0; i < dev->k->n_queues; i++) {
        VuQueue *q = &dev->queue[i];

        q->ring.event_idx = f & RING_EVENT_IDX;
        if (!(f & F_PROTOCOL_FEATURES)) {
            q->enabled = true; /* there is no message for it */
        }
    }
    if (!(f & F_LOG_ALL)) {
        vu_log_close(&dev->log);
    }
    return MSG_OK;
}

#define PROTOCOL_OFFERED                                        \
    (BIT(VU_P_MQ) | BIT(VU_P_LOG_SHMFD) | BIT(VU_P_REPLY_ACK) | \
     BIT(VU_P_BACKEND_REQ) | BIT(VU_P_CONFIG) | BIT(VU_P_CONFIGURE_MEM_SLOTS))

static Outcome set_protocol(VuDevice *dev)
{
    if (dev->payload.u64 & ~(uint64_t)PROTOCOL_OFFERED) {
        return MSG_FATAL;
    }
    dev->protocol = dev->payload.u64;
    return MSG_OK;
}

static Outcome set_backend_fd(VuDevice *dev)
{
    int fd = take_fd(dev);

    if (fd < 0) {
        return MSG_FATAL;
    }
    if (dev->backend_fd >= 0) {
        close(dev->backend_fd);
    }
    dev->backend_fd = fd;
    return MSG_OK;
}

void vu_device_config_changed(VuDevice *dev)
{
    VuHeader head = { VU_BACKEND_CONFIG_CHANGE, VU_VERSION, 0 };

    if (dev->backend_fd >= 0 && dev->protocol & BIT(VU_P_BACKEND_REQ)) {
        /* One that does not read it does not want to know. */
        send(dev->backend_fd, &head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

/* Memory ---------------------------------------------------------------------
 */

/* Requests under way keep the old table. */
static void use_mem(VuDevice *dev, VuMem *m)
{
    vu_mem_unref(dev->mem);
    dev->mem = m;
    for (unsigned i = 0; i < dev->k->n_queues; i++) {
        VuQueue *q = &dev->queue[i];

        if (q->ring.started || q->ring.mem) {
            vu_ring_map(&q->ring, m);
            vu_queue_update(q);
        }
    }
}

static Outcome set_mem_table(VuDevice *dev)
{
    const VuMemTable *t = &dev->payload.table;
    VuMem *m = vu_mem_new();
    Error *err = NULL;

    if (t->n > VU_TABLE_MAX || t->n > (dev->head.size - 8) / sizeof(VuRegion) ||
        dev->fds.n != t->n) {
        vu_mem_unref(m);
        return MSG_FATAL;
    }
    for (unsigned i = 0; i < t->n; i++) {
        VuMem *more = vu_mem_add(m, &t->region[i], dev->fds.fd[i], &err);

        vu_mem_unref(m);
        if (!more) {
            return failed(err);
        }
        m = more;
    }
    use_mem(dev, m);
    return MSG_OK;
}

static Outcome change_mem(VuDevice *dev, bool add)
{
    const VuRegion *r = &dev->payload.reg.region;
    Error *err = NULL;
    VuMem *m;

    if (add && dev->fds.n != 1) {
        return MSG_FATAL;
    }
    m = add ? vu_mem_add(dev->mem, r, dev->fds.fd[0], &err)
            : vu_mem_remove(dev->mem, r, &err);
    if (!m) {
        return failed(err);
    }
    use_mem(dev, m);
    return MSG_OK;
}

static Outcome set_log_base(VuDevice *dev)
{
    const VuLog *log = &dev->payload.log;
    Error *err = NULL;

    if (dev->head.size != sizeof(*log) || dev->fds.n != 1) {
        return MSG_FATAL;
    }
    if (!vu_log_open(&dev->log, dev->fds.fd[0], log->size, log->offset, &err)) {
        return failed(err);
    }
    /* It has an answer of its own. */
    return answer_u64(dev, 0);
}

/* Rings ----------------------------------------------------------------------
 */

static Outcome set_vring_num(VuDevice *dev)
{
    VuQueue *q = queue_of(dev, dev->payload.state.index);
    uint32_t num = dev->payload.state.num;

    if (!q || q->ring.started || !num || num > VU_RING_MAX ||
        !is_power_of_2(num)) {
        return MSG_FATAL;
    }
    vu_ring_unmap(&q->ring);
    q->ring.num = num;
    return MSG_OK;
}

static Outcome set_vring_addr(VuDevice *dev)
{
    VuQueue *q = queue_of(dev, dev->payload.addr.index);

    if (!q) {
        return MSG_FATAL;
    }
    q->ring.addr = dev->payload.addr;
    if (!vu_ring_map(&q->ring, dev->mem)) {
        return MSG_FATAL;
    }
    vu_queue_update(q);
    return MSG_OK;
}

static Outcome set_vring_base(VuDevice *dev)
{
    VuQueue *q = queue_of(dev, dev->payload.state.index);

    if (!q || q->ring.started || dev->payload.state.num > UINT16_MAX) {
        return MSG_FATAL;
    }
    q->ring.last_avail = dev->payload.state.num;
    return MSG_OK;
}

static Outcome get_vring_base(VuDevice *dev)
{
    VuQueue *q = queue_of(dev, dev->payload.state.index);

    if (!q) {
        return MSG_FATAL;
    }
    vu_queue_stop(q);
    dev->stopping = q;
    vu_device_idle(dev, q);
    return MSG_ANSWERED;
}

/* Only eventfds: others may block us, or never be ready. */
static bool is_eventfd(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *target = g_file_read_link(path, NULL);

    return target && !strcmp(target, "anon_inode:[eventfd]") &&
           fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0;
}

/* Kick, call and err: *fd of the queue becomes the message's, or -1. */
static Outcome set_vring_fd(VuDevice *dev)
{
    uint64_t word = dev->payload.u64;
    VuQueue *q = queue_of(dev, word & VU_VRING_INDEX);
    uint32_t request = dev->head.request;
    bool kick = request == VU_SET_VRING_KICK;
    int fd = word & VU_VRING_NOFD ? -1 : take_fd(dev);
    int *slot;

    if (!q || (word & VU_VRING_NOFD && kick) ||
        (!(word & VU_VRING_NOFD) && fd < 0) || (fd >= 0 && !is_eventfd(fd))) {
        if (fd >= 0) {
            close(fd);
        }
        return MSG_FATAL;
    }
    slot = kick                           ? &q->kick_fd
           : request == VU_SET_VRING_CALL ? &q->call_fd
                                          : &q->err_fd;
    if (kick) {
        vu_queue_stop(q);
    }
    if (*slot >= 0) {
        close(*slot);
    }
    *slot = fd;
    if (kick) {
        if (!q->ring.mem && !vu_ring_map(&q->ring, dev->mem)) {
            return MSG_FATAL;
        }
        vu_ring_begin(&q->ring);
        vu_queue_update(q);
    } else if (request == VU_SET_VRING_CALL) {
        /* Nothing that was done before goes untold. */
        loop_task_post(&q->call);
    }
    return MSG_OK;
}

static Outcome set_vring_enable(VuDevice *dev)
{
    VuQueue *q = queue_of(dev, dev->payload.state.index);

    if (!q || dev->payload.state.num > 1) {
        return MSG_FATAL;
    }
    q->enabled = dev->payload.state.num;
    vu_queue_update(q);
    return MSG_OK;
}

/* Configuration --------------------------------------------------------------
 */

static Outcome get_config(VuDevice *dev)
{
    VuConfig *c = &dev->payload.config;
    uint8_t all[VU_BLK_CONFIG_SIZE];
    size_t head = offsetof(VuConfig, data);

    vu_blk_config(dev->k, all);
    if (c->size > sizeof(all) || c->offset > sizeof(all) - c->size ||
        dev->head.size != head + c->size) {
        c->size = 0; /* how it is told that this cannot be */
    } else {
        memcpy(c->data, all + c->offset, c->size);
    }
    return vu_reply(dev, VU_GET_CONFIG, c, head + c->size) ? MSG_ANSWERED
                                                           : MSG_FATAL;
}

static Outcome set_config(VuDevice *dev)
{
    const VuConfig *c = &dev->payload.config;

    if (dev->head.size != offsetof(VuConfig, data) + c->size) {
        return MSG_FATAL;
    }
    return vu_blk_set_config(dev->k, c) ? MSG_OK : MSG_FAILED;
}

/* All ------------------------------------------------------------------------
 */

static Outcome dispatch(VuDevice *dev)
{
    switch (dev->head.request) {
    case VU_GET_FEATURES:
        return answer_u64(dev, offered(dev));
    case VU_SET_FEATURES:
        return set_features(dev);
    case VU_SET_OWNER:
    case VU_RESET_OWNER:
        return MSG_OK;
    case VU_GET_PROTOCOL_FEATURES:
        return answer_u64(dev, PROTOCOL_OFFERED);
    case VU_SET_PROTOCOL_FEATURES:
        return set_protocol(dev);
    case VU_GET_QUEUE_NUM:
        return answer_u64(dev, dev->k->n_queues);
    case VU_GET_MAX_MEM_SLOTS:
        return answer_u64(dev, VU_SLOTS);
    case VU_SET_MEM_TABLE:
        return set_mem_table(dev);
    case VU_ADD_MEM_REG:
    case VU_REM_MEM_REG:
        return change_mem(dev, dev->head.request == VU_ADD_MEM_REG);
    case VU_SET_LOG_BASE:
        return set_log_base(dev);
    case VU_SET_LOG_FD:
        return MSG_OK; /* an eventfd that we need not use */
    case VU_SET_VRING_NUM:
        return set_vring_num(dev);
    case VU_SET_VRING_ADDR:
        return set_vring_addr(dev);
    case VU_SET_VRING_BASE:
        return set_vring_base(dev);
    case VU_GET_VRING_BASE:
        return get_vring_base(dev);
    case VU_SET_VRING_KICK:
    case VU_SET_VRING_CALL:
    case VU_SET_VRING_ERR:
        return set_vring_fd(dev);
    case VU_SET_VRING_ENABLE:
        return set_vring_enable(dev);
    case VU_SET_BACKEND_REQ_FD:
        return set_backend_fd(dev);
    case VU_GET_CONFIG:
        return get_config(dev);
    case VU_SET_CONFIG:
        return set_config(dev);
    default:
        return MSG_FATAL;
    }
}

bool vu_message(VuDevice *dev)
{
    bool ack = dev->head.flags & VU_FLAG_NEED_REPLY &&
               dev->protocol & BIT(VU_P_REPLY_ACK);
    Outcome out = dispatch(dev);

    io_fds_close(&dev->fds);
    if (out == MSG_OK || out == MSG_FAILED) {
        return !ack || answer_u64(dev, out == MSG_FAILED) == MSG_ANSWERED;
    }
    return out == MSG_ANSWERED;
}
