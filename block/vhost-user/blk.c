/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of a virtio block device in shared memory. Virtio 1.2, 5.2. */
#include "util/osdep.h"

#include <endian.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "block/vhost-user/vhost-user.h"

#define SECTOR      512
#define MAX_SECTORS 32768 /* of one discard or write-zeroes request */

static const char disk_id[VIRTIO_BLK_ID_BYTES] = "vhost_user_blk";

/* The device -----------------------------------------------------------------
 */

uint64_t vu_blk_features(const VuConst *k)
{
    uint64_t f = BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
                 BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_TOPOLOGY) |
                 BIT(VIRTIO_BLK_F_CONFIG_WCE) | BIT(VIRTIO_BLK_F_MQ) |
                 BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES) |
                 BIT(VIRTIO_RING_F_INDIRECT_DESC) |
                 BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_VERSION_1);

    return f | (k->writable ? 0 : BIT(VIRTIO_BLK_F_RO));
}

void vu_blk_config(const VuConst *k, uint8_t *config)
{
    struct virtio_blk_config c = {
        .capacity = htole64(blk_getlength_sectors(k->blk) / SECTOR),
        .seg_max = htole32(VU_SEG_MAX),
        .blk_size = htole32(k->block_size),
        .min_io_size = htole16(1),
        .opt_io_size = htole32(1),
        .wce = blk_write_cache(k->blk),
        .num_queues = htole16(k->n_queues),
        .max_discard_sectors = htole32(MAX_SECTORS),
        .max_discard_seg = htole32(1),
        .discard_sector_alignment = htole32(k->block_size / SECTOR),
        .max_write_zeroes_sectors = htole32(MAX_SECTORS),
        .max_write_zeroes_seg = htole32(1),
        .write_zeroes_may_unmap = 1,
    };

    memcpy(config, &c, VU_BLK_CONFIG_SIZE);
}

bool vu_blk_set_config(const VuConst *k, const VuConfig *c)
{
    if (c->offset != offsetof(struct virtio_blk_config, wce) || c->size != 1) {
        return false;
    }
    blk_set_write_cache(k->blk, c->data[0]);
    return true;
}

/* Requests -------------------------------------------------------------------
 */

static uint8_t status_of(int ret)
{
    return ret >= 0                                ? VIRTIO_BLK_S_OK
           : ret == -ENOTSUP || ret == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP
                                                   : VIRTIO_BLK_S_IOERR;
}

static void read_done(void *opaque, int ret)
{
    VuRequest *r = opaque;

    r->written = r->data.size;
    vu_request_done(r, status_of(ret));
}

static void write_done(void *opaque, int ret)
{
    vu_request_done(opaque, status_of(ret));
}

/* Is this part of the disk there, in whole blocks? */
static bool range_ok(const VuConst *k, uint64_t sector, uint64_t bytes)
{
    uint64_t size = blk_getlength_sectors(k->blk);

    return sector <= size / SECTOR && bytes % SECTOR == 0 &&
           bytes <= size / SECTOR * SECTOR - sector * SECTOR &&
           !((sector * SECTOR | bytes) % k->block_size);
}

static void start_rw(VuRequest *r, uint64_t sector, bool write)
{
    const VuConst *k = r->q->dev->k;

    if (!range_ok(k, sector, r->data.size) || (write && !k->writable)) {
        vu_request_done(r, VIRTIO_BLK_S_IOERR);
    } else if (write) {
        blk_aio_pwritev(k->blk, sector * SECTOR, &r->data, 0, write_done, r);
    } else {
        blk_aio_preadv(k->blk, sector * SECTOR, &r->data, 0, read_done, r);
    }
}

static void start_range(VuRequest *r, uint32_t type)
{
    const VuConst *k = r->q->dev->k;
    struct virtio_blk_discard_write_zeroes range;
    uint64_t sector, bytes;
    uint32_t flags;

    if (!k->writable) {
        vu_request_done(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    if (r->data.size != sizeof(range)) {
        vu_request_done(r, VIRTIO_BLK_S_UNSUPP);
        return;
    }
    iov_to_buf(&r->data, 0, &range, sizeof(range));
    flags = le32toh(range.flags);
    if (flags &
        ~(type == VIRTIO_BLK_T_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
                                            : 0)) {
        vu_request_done(r, VIRTIO_BLK_S_UNSUPP);
        return;
    }
    sector = le64toh(range.sector);
    bytes = (uint64_t)le32toh(range.num_sectors) * SECTOR;
    if (bytes > (uint64_t)MAX_SECTORS * SECTOR || !range_ok(k, sector, bytes)) {
        vu_request_done(r, VIRTIO_BLK_S_IOERR);
    } else if (type == VIRTIO_BLK_T_DISCARD) {
        blk_aio_pdiscard(k->blk, sector * SECTOR, bytes, write_done, r);
    } else {
        blk_aio_pwrite_zeroes(k->blk, sector * SECTOR, bytes,
                              flags ? BLK_REQ_MAY_UNMAP : 0, write_done, r);
    }
}

/* Cut the header off the out buffers, and the status off the in buffers. */
static bool take_apart(VuRequest *r, struct virtio_blk_outhdr *head)
{
    VuChain *c = &r->chain;
    IoVec out = IOVEC_OF(c->iov, c->n_out);
    struct iovec *last = &c->iov[c->n_out + c->n_in - 1];
    size_t skip = sizeof(*head);

    if (!c->n_in || iov_to_buf(&out, 0, head, skip) != skip) {
        return false;
    }
    r->status = (uint8_t *)last->iov_base + last->iov_len - 1;
    if (le32toh(head->type) == VIRTIO_BLK_T_IN ||
        le32toh(head->type) == VIRTIO_BLK_T_GET_ID) {
        /* The status lies behind the data, alone or not. */
        r->data = IOVEC_OF(c->iov + c->n_out, c->n_in);
        r->data.size--;
        if (--last->iov_len == 0) {
            r->data.niov--;
        }
        return true;
    }
    r->data = (IoVec){ c->iov, c->n_out, out.size - skip };
    while (skip >= r->data.iov->iov_len && r->data.niov) {
        skip -= r->data.iov->iov_len;
        r->data.iov++;
        r->data.niov--;
    }
    if (r->data.niov) {
        r->data.iov->iov_base = (uint8_t *)r->data.iov->iov_base + skip;
        r->data.iov->iov_len -= skip;
    }
    return true;
}

bool vu_blk_start(VuRequest *r)
{
    struct virtio_blk_outhdr head;

    r->written = 0;
    if (!take_apart(r, &head)) {
        return false;
    }
    switch (le32toh(head.type)) {
    case VIRTIO_BLK_T_IN:
        start_rw(r, le64toh(head.sector), false);
        break;
    case VIRTIO_BLK_T_OUT:
        start_rw(r, le64toh(head.sector), true);
        break;
    case VIRTIO_BLK_T_FLUSH:
        blk_aio_flush(r->q->dev->k->blk, write_done, r);
        break;
    case VIRTIO_BLK_T_GET_ID:
        r->written = iov_from_buf(&r->data, 0, disk_id,
                                  MIN(r->data.size, sizeof(disk_id)));
        vu_request_done(r, VIRTIO_BLK_S_OK);
        break;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES:
        start_range(r, le32toh(head.type));
        break;
    default:
        vu_request_done(r, VIRTIO_BLK_S_UNSUPP);
        break;
    }
    return true;
}
