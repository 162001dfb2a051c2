/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a vhost-user-blk export share. */
#ifndef BLOCK_VHOST_USER_H
#define BLOCK_VHOST_USER_H

#include "block/block-backend.h"
#include "block/vhost-user/ring.h"
#include "io/channel.h"
#include "util/loop.h"

#define VU_QUEUES_MAX 256
/* What seg_max says: pieces of data in one request. */
#define VU_SEG_MAX 126

typedef struct VuDevice VuDevice;
typedef struct VuRequest VuRequest;

typedef struct VuQueue {
    VuDevice *dev;
    unsigned index;
    VuRing ring;
    bool enabled;
    int kick_fd, call_fd, err_fd; /* or -1 */
    LoopFd *watch;                /* of kick_fd, while the ring is started */
    unsigned in_flight;
    unsigned untold; /* completions since the driver was told last */
    bool in_round;
    LoopTask call; /* tell the driver, and look for more */
    VuRequest *pool;
} VuQueue;

/* What the device is; const. */
typedef struct VuConst {
    BlockBackend *blk;
    unsigned n_queues;
    uint32_t block_size;
    bool writable;
} VuConst;

/* A device that a front end uses. All on @loop. */
struct VuDevice {
    const VuConst *k;
    Loop *loop;
    IoChannel *ch;
    LoopFd *watch;
    void (*gone)(void *opaque); /* nothing of it is under way any more */
    void *gone_opaque;
    bool closing;
    /* The message that is being read */
    VuHeader head;
    VuPayload payload;
    size_t have;
    IoFds fds;
    /* What was agreed on */
    uint64_t features, protocol;
    VuMem *mem;
    VuDirtyLog log;
    VuQueue *queue; /* k->n_queues */
    int backend_fd; /* where messages of our own go, or -1 */
    /* GET_VRING_BASE waits for the queue's requests */
    VuQueue *stopping;
};

/* A client on @ch (taken over). */
VuDevice *vu_device_new(const VuConst *k, Loop *loop, IoChannel *ch,
                        void (*gone)(void *opaque), void *opaque);
/* On its loop: drop the front end; gone() follows, maybe inside. */
void vu_device_close(VuDevice *dev);
/* On its loop: tell the front end to read the configuration again. */
void vu_device_config_changed(VuDevice *dev);
/* From gone() on, any thread. */
void vu_device_free(VuDevice *dev);

/* msg.c: carry out the message in dev->head and dev->payload, dev->fds. False:
 * the conversation is over. */
bool vu_message(VuDevice *dev);
/* Send the answer to a message. */
bool vu_reply(VuDevice *dev, uint32_t request, const void *payload, size_t len);
/* Length of a message's payload is one that vu_message() expects. */
bool vu_message_size_ok(const VuHeader *head);

/* queue.c */
void vu_queue_init(VuQueue *q, VuDevice *dev, unsigned index);
/* Forget descriptors and requests' memory; nothing is in flight. */
void vu_queue_destroy(VuQueue *q);
/* The ring's addresses, its size, descriptors, or its state have changed. */
void vu_queue_update(VuQueue *q);
/* Take no more requests. */
void vu_queue_stop(VuQueue *q);
/* One request of @q is done: told from queue.c to device.c. */
void vu_device_idle(VuDevice *dev, VuQueue *q);

/* blk.c: the device's features and configuration space. */
uint64_t vu_blk_features(const VuConst *k);
void vu_blk_config(const VuConst *k, uint8_t *config);
bool vu_blk_set_config(const VuConst *k, const VuConfig *c);
#define VU_BLK_CONFIG_SIZE 60

struct VuRequest {
    VuQueue *q;
    VuRequest *next; /* in the pool */
    VuMem *mem;      /* where the buffers are */
    VuChain chain;
    IoVec data; /* within chain.iov, without header and status */
    uint8_t *status;
    uint32_t written; /* bytes in front of the status */
};
/* Start a request whose chain is filled in; vu_request_done() follows, maybe
 * inside. False: the ring is broken. */
bool vu_blk_start(VuRequest *r);
void vu_request_done(VuRequest *r, uint8_t status);

#endif
