/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-blk, between its parts. */
#ifndef HW_BLOCK_VIRTIO_BLK_H
#define HW_BLOCK_VIRTIO_BLK_H

#include <linux/virtio_blk.h>

#include "block/block-backend.h"
#include "hw/virtio/virtio-pci.h"
#include "softmmu/iothread.h"

/* Bytes of a "sector" in all of virtio-blk's numbers. */
#define VIRTIO_BLK_SECTOR 512
/* Most sectors of a request, and of a range to discard. */
#define VIRTIO_BLK_MAX_SECTORS ((uint32_t)(INT_MAX / VIRTIO_BLK_SECTOR))

typedef struct VirtioBlk VirtioBlk;
typedef struct BlkQueue BlkQueue;

typedef struct BlkReq BlkReq;
struct BlkReq {
    BlkQueue *q;
    VqChain *c;
    uint32_t type;   /* VIRTIO_BLK_T_* without flags */
    int64_t offset;  /* bytes */
    int64_t bytes;   /* of ranges without data */
    unsigned flags;  /* BLK_REQ_* */
    uint8_t *status; /* the last byte of the in buffers */
    size_t in_len;   /* with the status */
    IoVec data;
    BlkReq *next;             /* merged with this one */
    struct iovec *merged_iov; /* the first of them: owned */
};

/* Reads or writes that may be merged, by offset. */
#define BLK_BATCH_MAX 32
typedef struct BlkBatch {
    unsigned n;
    BlkReq *req[BLK_BATCH_MAX];
} BlkBatch;

/* A queue's requests. Owner: the queue's loop, but for in_flight. */
struct BlkQueue {
    VirtioBlk *s;
    VirtQueue *vq;
    bool in_handler;
    bool unannounced;   /* pushed, but not notified yet */
    bool busy;          /* kicks are off; see virtio-blk-data.c */
    LoopTask notify;    /* does that at the end of a batch of completions */
    LoopTask restart;   /* submits what stopped the machine again */
    LoopTimer look;     /* for new requests, when nothing completes */
    VqChain *failed;    /* kept by werror=stop or rerror=stop */
    BlkBatch batch;     /* of the handler's round */
    unsigned in_flight; /* atomic */
};

struct VirtioBlk {
    VirtioDevice parent;

    /* properties */
    char *drive, *serial;
    uint32_t logical_block_size, physical_block_size;
    uint64_t min_io_size, opt_io_size, discard_granularity;
    uint32_t cyls, heads, secs, lcyls, lheads, lsecs;
    int32_t bootindex;
    bool share_rw, config_wce, scsi, request_merging, seg_max_adjust;
    bool enable_wce_if_config_wce, report_discard_granularity;
    bool discard, write_zeroes;
    int write_cache, backend_defaults, account_invalid, account_failed;
    int werror, rerror;
    uint16_t num_queues, queue_size;
    uint32_t max_discard_sectors, max_write_zeroes_sectors;
    IoThread *iothread;
    QObject *vq_mapping; /* iothread-vq-mapping as given, or NULL */

    /* const after realize */
    BlockBackend *blk;
    BlkQueue *queues;
    GPtrArray *mapped; /* IoThread * that we hold for vq_mapping */
    VmStateListener vm_listener;

    /* waiting for in_flight to become 0 */
    int draining; /* atomic */
    Mutex drain_lock;
    Cond drain_cond;
};

QOM_DECLARE_TYPE(VirtioBlk, virtio_blk)

/* virtio-blk-data.c */
size_t virtio_blk_priv_size(void);
void virtio_blk_kick(VirtQueue *vq);
void virtio_blk_queue_init(VirtioBlk *s, BlkQueue *q, VirtQueue *vq);
/* The machine runs again: submit what was kept. */
void virtio_blk_restart(VirtioBlk *s);
/* Start @r, or @data for it; @done gets @r. */
void virtio_blk_submit(BlkReq *r);
void virtio_blk_submit_as(BlkReq *r, const IoVec *data, BlkDone *done);
void virtio_blk_done(void *opaque, int ret);
/* Queues quiet, machine lock: wait for what is in flight, drop what is kept. */
void virtio_blk_finish(VirtioBlk *s);

/* virtio-blk-merge.c: owner loop. Nothing may stay in a batch when the handler
 * returns. */
void virtio_blk_batch_add(VirtioBlk *s, BlkBatch *b, BlkReq *r);
void virtio_blk_batch_submit(VirtioBlk *s, BlkBatch *b);

/* virtio-blk-map.c: give the queues their loops by the properties. */
bool virtio_blk_map_queues(VirtioBlk *s, Error **errp);
void virtio_blk_unmap_queues(VirtioBlk *s);
QObject *virtio_blk_get_mapping(Object *obj, const Prop *prop, Error **errp);
bool virtio_blk_set_mapping(Object *obj, const Prop *prop, const QObject *value,
                            QapiMode mode, Error **errp);

#endif
