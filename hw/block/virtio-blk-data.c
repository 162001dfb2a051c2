/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-blk's requests: virtio 1.2, 5.2.6 "Device Operation".
 *
 * A request lives in its chain's private bytes and uses the chain's own
 * scatter-gather list: nothing is allocated. The driver's kick leads to one
 * batch of submissions, a batch of completions to one interrupt.
 */
#include "util/osdep.h"

#include <endian.h>

#include "util/error.h"
#include "util/trace.h"
#include "virtio-blk.h"

TRACE_POINT(virtio_blk_req_complete);
TRACE_POINT(virtio_blk_handle_io);

/*
 * With so many requests under way the driver need not kick: each completion
 * looks for new ones. That saves the driver an exit, and us a wake-up, per
 * request. The timer is for a disk that stands still.
 */
#define BUSY_REQUESTS 8
#define LOOK_NS       5000000

size_t virtio_blk_priv_size(void)
{
    return sizeof(BlkReq);
}

/* Completion ------------------------------------------------------------- */

static void announce(void *opaque)
{
    BlkQueue *q = opaque;

    if (q->unannounced) {
        q->unannounced = false;
        vq_notify(q->vq);
    }
}

/* A batch of completions. */
static void completed(void *opaque)
{
    BlkQueue *q = opaque;

    if (q->busy) {
        virtio_queue_run(q->vq); /* tells the driver, too */
    }
    announce(q);
}

static void look(void *opaque)
{
    BlkQueue *q = opaque;

    virtio_queue_run(q->vq);
}

/* The end of a handler's round: are kicks worth having? */
static void set_busy(BlkQueue *q)
{
    q->busy = __atomic_load_n(&q->in_flight, __ATOMIC_RELAXED) >= BUSY_REQUESTS;
    vq_mute(q->vq, q->busy);
    if (q->busy) {
        loop_timer_set(&q->look, loop_now_ns() + LOOK_NS);
    } else {
        loop_timer_cancel(&q->look);
    }
}

static void left_flight(BlkQueue *q)
{
    VirtioBlk *s = q->s;

    if (__atomic_sub_fetch(&q->in_flight, 1, __ATOMIC_SEQ_CST) == 0 &&
        __atomic_load_n(&s->draining, __ATOMIC_SEQ_CST)) {
        mutex_lock(&s->drain_lock);
        cond_broadcast(&s->drain_cond);
        mutex_unlock(&s->drain_lock);
    }
}

static void finish(BlkReq *r, uint8_t status)
{
    BlkQueue *q = r->q;

    trace(virtio_blk_req_complete, "vdev %p req %p status %u", q->s, r, status);
    *r->status = status;
    vq_push(q->vq, r->c, r->in_len); /* frees the request */
    q->unannounced = true;
    if (!q->in_handler) {
        loop_task_post(&q->notify);
    }
    left_flight(q);
}

/* Keep the request until the machine runs again. */
static void keep(BlkReq *r)
{
    BlkQueue *q = r->q;

    r->c->next = q->failed;
    q->failed = r->c;
    left_flight(q);
}

static bool has_data(const BlkReq *r)
{
    return r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_OUT;
}

static void failed(BlkReq *r, int error)
{
    static const BlkAcctType acct[] = {
        [VIRTIO_BLK_T_IN] = BLK_ACCT_READ,
        [VIRTIO_BLK_T_OUT] = BLK_ACCT_WRITE,
        [VIRTIO_BLK_T_FLUSH] = BLK_ACCT_FLUSH,
        [VIRTIO_BLK_T_DISCARD] = BLK_ACCT_UNMAP,
        [VIRTIO_BLK_T_WRITE_ZEROES] = BLK_ACCT_WRITE,
    };
    VirtioBlk *s = r->q->s;

    switch (blk_error(s->blk, acct[r->type],
                      has_data(r) ? (int64_t)r->data.size : r->bytes, error)) {
    case BLK_ACTION_STOP:
        keep(r);
        break;
    case BLK_ACTION_IGNORE:
        finish(r, VIRTIO_BLK_S_OK);
        break;
    default:
        finish(r, VIRTIO_BLK_S_IOERR);
        break;
    }
}

void virtio_blk_done(void *opaque, int ret)
{
    BlkReq *r = opaque;

    if (ret < 0) {
        failed(r, -ret);
    } else {
        finish(r, VIRTIO_BLK_S_OK);
    }
}

/* Submission ------------------------------------------------------------- */

void virtio_blk_submit_as(BlkReq *r, const IoVec *data, BlkDone *done)
{
    BlockBackend *blk = r->q->s->blk;

    switch (r->type) {
    case VIRTIO_BLK_T_IN:
        blk_aio_preadv(blk, r->offset, data, 0, done, r);
        break;
    case VIRTIO_BLK_T_OUT:
        blk_aio_pwritev(blk, r->offset, data, 0, done, r);
        break;
    case VIRTIO_BLK_T_FLUSH:
        blk_aio_flush(blk, done, r);
        break;
    case VIRTIO_BLK_T_DISCARD:
        blk_aio_pdiscard(blk, r->offset, r->bytes, done, r);
        break;
    case VIRTIO_BLK_T_WRITE_ZEROES:
        blk_aio_pwrite_zeroes(blk, r->offset, r->bytes, r->flags, done, r);
        break;
    default:
        g_assert_not_reached();
    }
}

void virtio_blk_submit(BlkReq *r)
{
    virtio_blk_submit_as(r, &r->data, virtio_blk_done);
}

/* virtio_blk_batch_submit() must follow. */
static void submit_in_batch(BlkQueue *q, BlkReq *r)
{
    if (q->s->request_merging && has_data(r)) {
        virtio_blk_batch_add(q->s, &q->batch, r);
    } else {
        virtio_blk_submit(r);
    }
}

static bool range_ok(VirtioBlk *s, uint64_t sector, uint64_t bytes)
{
    int64_t length = blk_getlength_sectors(s->blk);
    uint64_t sectors = length < 0 ? 0 : length / VIRTIO_BLK_SECTOR;

    return bytes % s->logical_block_size == 0 && sector <= sectors &&
           sector * VIRTIO_BLK_SECTOR % s->logical_block_size == 0 &&
           bytes / VIRTIO_BLK_SECTOR <= sectors - sector &&
           bytes / VIRTIO_BLK_SECTOR <= VIRTIO_BLK_MAX_SECTORS;
}

static void invalid(BlkReq *r, BlkAcctType type, uint8_t status)
{
    blk_acct_invalid(r->q->s->blk, type);
    finish(r, status);
}

static void handle_io(BlkReq *r, uint64_t sector, bool is_read)
{
    VirtioBlk *s = r->q->s;

    trace(virtio_blk_handle_io,
          "vdev %p req %p %s sector %" PRIu64 " bytes %zu", s, r,
          is_read ? "read" : "write", sector, r->data.size);
    if ((!is_read && blk_is_read_only(s->blk)) || r->data.size > BLK_REQ_MAX ||
        !range_ok(s, sector, r->data.size)) {
        invalid(r, is_read ? BLK_ACCT_READ : BLK_ACCT_WRITE,
                VIRTIO_BLK_S_IOERR);
        return;
    }
    r->offset = sector * VIRTIO_BLK_SECTOR;
    submit_in_batch(r->q, r);
}

/* Discard and write zeroes: one segment, as our configuration says. */
static uint8_t parse_range(BlkReq *r)
{
    VirtioBlk *s = r->q->s;
    bool zeroes = r->type == VIRTIO_BLK_T_WRITE_ZEROES;
    struct virtio_blk_discard_write_zeroes seg;
    uint64_t sector, bytes;
    uint32_t flags;

    if (zeroes ? !s->write_zeroes : !s->discard) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    if (r->data.size != sizeof(seg) ||
        iov_to_buf(&r->data, 0, &seg, sizeof(seg)) != sizeof(seg)) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    sector = le64toh(seg.sector);
    bytes = (uint64_t)le32toh(seg.num_sectors) * VIRTIO_BLK_SECTOR;
    flags = le32toh(seg.flags);
    if (flags & ~(zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0)) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    if (blk_is_read_only(s->blk) ||
        le32toh(seg.num_sectors) >
            (zeroes ? s->max_write_zeroes_sectors : s->max_discard_sectors) ||
        !range_ok(s, sector, bytes)) {
        return VIRTIO_BLK_S_IOERR;
    }
    r->offset = sector * VIRTIO_BLK_SECTOR;
    r->bytes = bytes;
    r->flags =
        flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP ? BLK_REQ_MAY_UNMAP : 0;
    return VIRTIO_BLK_S_OK;
}

static void handle_range(BlkReq *r)
{
    uint8_t status = parse_range(r);

    if (status != VIRTIO_BLK_S_OK) {
        invalid(r,
                r->type == VIRTIO_BLK_T_DISCARD ? BLK_ACCT_UNMAP
                                                : BLK_ACCT_WRITE,
                status);
    } else if (r->bytes == 0) {
        finish(r, VIRTIO_BLK_S_OK);
    } else {
        virtio_blk_submit(r);
    }
}

static void handle_get_id(BlkReq *r)
{
    char id[VIRTIO_BLK_ID_BYTES] = "";
    const char *serial = r->q->s->serial;

    if (serial) {
        memcpy(id, serial, MIN(strlen(serial), sizeof(id)));
    }
    iov_from_buf(&r->data, 0, id, MIN(r->data.size, sizeof(id)));
    finish(r, VIRTIO_BLK_S_OK);
}

/* Cut bytes off a list's front or end; the list belongs to us. */
static void cut_front(struct iovec **iov, unsigned *n, size_t len)
{
    while (len && *n) {
        size_t part = MIN(len, (*iov)->iov_len);

        (*iov)->iov_base = (char *)(*iov)->iov_base + part;
        (*iov)->iov_len -= part;
        len -= part;
        if ((*iov)->iov_len == 0) {
            (*iov)++;
            (*n)--;
        }
    }
}

static uint8_t *cut_last_byte(struct iovec *iov, unsigned *n)
{
    struct iovec *last = &iov[*n - 1];

    last->iov_len--;
    if (last->iov_len == 0) {
        (*n)--;
    }
    return (uint8_t *)last->iov_base + last->iov_len;
}

static bool has_in_data(uint32_t type)
{
    return type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
}

/* Take the header off the front and the status off the end. */
static bool parse(BlkReq *r, uint64_t *sector)
{
    VqChain *c = r->c;
    struct virtio_blk_outhdr hdr;
    unsigned n_in = c->n_in, n_out = c->n_out;
    struct iovec *out = c->out;

    if (vq_read(c, 0, &hdr, sizeof(hdr)) != sizeof(hdr) || c->in_len == 0) {
        return false;
    }
    /* The barrier bit of old drivers says nothing any more. */
    r->type = le32toh(hdr.type) & ~(uint32_t)VIRTIO_BLK_T_BARRIER;
    *sector = le64toh(hdr.sector);
    r->in_len = c->in_len;
    r->status = cut_last_byte(c->in, &n_in);
    cut_front(&out, &n_out, sizeof(hdr));
    if (has_in_data(r->type)) {
        r->data = (IoVec){ c->in, n_in, c->in_len - 1 };
    } else {
        r->data = (IoVec){ out, n_out, c->out_len - sizeof(hdr) };
    }
    return true;
}

static void handle(BlkQueue *q, VqChain *c)
{
    BlkReq *r = c->priv;
    uint64_t sector;

    *r = (BlkReq){ .q = q, .c = c };
    if (!parse(r, &sector)) {
        virtio_broken(&q->s->parent, "request without header or status");
        vq_drop(q->vq, c);
        return;
    }
    __atomic_add_fetch(&q->in_flight, 1, __ATOMIC_RELAXED);
    switch (r->type) {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT:
        handle_io(r, sector, r->type == VIRTIO_BLK_T_IN);
        break;
    case VIRTIO_BLK_T_FLUSH:
        virtio_blk_batch_submit(q->s, &q->batch);
        virtio_blk_submit(r);
        break;
    case VIRTIO_BLK_T_GET_ID:
        handle_get_id(r);
        break;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        handle_range(r);
        break;
    default:
        finish(r, VIRTIO_BLK_S_UNSUPP);
        break;
    }
}

void virtio_blk_kick(VirtQueue *vq)
{
    VirtioBlk *s = virtio_blk(vq->vdev);
    BlkQueue *q = &s->queues[vq->index];
    VqChain *c;

    q->in_handler = true;
    blk_plug();
    while ((c = vq_pop(vq))) {
        handle(q, c);
    }
    virtio_blk_batch_submit(s, &q->batch);
    blk_unplug();
    q->in_handler = false;
    set_busy(q);
    announce(q);
}

/* Stop and go ------------------------------------------------------------ */

static void restart(void *opaque)
{
    BlkQueue *q = opaque;
    VqChain *c = q->failed;

    q->failed = NULL;
    q->in_handler = true;
    blk_plug();
    while (c) {
        VqChain *next = c->next;

        __atomic_add_fetch(&q->in_flight, 1, __ATOMIC_RELAXED);
        submit_in_batch(q, c->priv);
        c = next;
    }
    virtio_blk_batch_submit(q->s, &q->batch);
    blk_unplug();
    q->in_handler = false;
    announce(q);
}

void virtio_blk_restart(VirtioBlk *s)
{
    for (unsigned i = 0; i < s->num_queues; i++) {
        loop_task_post(&s->queues[i].restart);
    }
}

void virtio_blk_queue_init(VirtioBlk *s, BlkQueue *q, VirtQueue *vq)
{
    q->s = s;
    q->vq = vq;
    loop_task_init(&q->notify, vq->loop, completed, q);
    loop_task_init(&q->restart, vq->loop, restart, q);
    loop_timer_init(&q->look, vq->loop, look, q);
}

static unsigned in_flight(VirtioBlk *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->num_queues; i++) {
        n += __atomic_load_n(&s->queues[i].in_flight, __ATOMIC_SEQ_CST);
    }
    return n;
}

/*
 * On a vCPU's thread: the main loop must be able to complete requests, so the
 * machine lock is given up meanwhile. The references keep us there.
 */
static void NO_THREAD_SAFETY wait_unlocked(VirtioBlk *s)
{
    Device *dev = &s->parent.parent;
    Device *proxy = dev->bus->parent;
    Vm *vm = dev->vm;

    object_ref(dev);
    object_ref(proxy);
    __atomic_add_fetch(&s->draining, 1, __ATOMIC_SEQ_CST);
    vm_unlock(vm);
    mutex_lock(&s->drain_lock);
    while (in_flight(s)) {
        cond_wait(&s->drain_cond, &s->drain_lock);
    }
    mutex_unlock(&s->drain_lock);
    vm_lock(vm);
    __atomic_sub_fetch(&s->draining, 1, __ATOMIC_SEQ_CST);
    object_unref(proxy);
    object_unref(dev);
}

/* On the queue's loop: what the tasks would do later. */
static void settle(void *opaque)
{
    BlkQueue *q = opaque;

    loop_task_cancel(&q->restart);
    loop_task_cancel(&q->notify);
    loop_timer_cancel(&q->look);
    q->busy = false;
    announce(q);
}

void virtio_blk_finish(VirtioBlk *s)
{
    Loop *main_loop = s->parent.parent.vm->loop;

    if (in_flight(s) && loop_is_current(main_loop)) {
        blk_drain(s->blk);
    } else if (in_flight(s)) {
        wait_unlocked(s);
    }
    for (unsigned i = 0; i < s->num_queues; i++) {
        BlkQueue *q = &s->queues[i];

        if (q->vq->loop != main_loop || loop_is_current(main_loop)) {
            loop_run_on(q->vq->loop, settle, q);
        }
        while (q->failed) {
            VqChain *c = q->failed;

            q->failed = c->next;
            vq_drop(q->vq, c);
        }
    }
}
