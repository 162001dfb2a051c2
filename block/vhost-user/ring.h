/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Split virtqueues in shared memory (Virtio 1.2, 2.7), walked with the same
 * care as those of guests: each field is read once, and every count, index,
 * link and address is checked. The loop of the export.
 */
#ifndef BLOCK_VHOST_USER_RING_H
#define BLOCK_VHOST_USER_RING_H

#include "block/vhost-user/mem.h"
#include "util/iov.h"

#define VU_RING_MAX 1024
/* Pieces of one request: what seg_max allows, its header and its status, and as
 * many that lie in two regions. */
#define VU_CHAIN_IOV 160

typedef struct VuRing {
    unsigned num;
    uint16_t last_avail, used_idx, signalled;
    bool event_idx, started, broken, signalled_valid;
    VuVringAddr addr;
    /* Of the current table, or NULL */
    struct VuSplitDesc *desc;
    struct VuSplitAvail *avail;
    struct VuSplitUsed *used;
    VuMem *mem;
    VuDirtyLog *log;
} VuRing;

/* The buffers of a request: of the driver (out), then for it (in). */
typedef struct VuChain {
    uint16_t head;
    int n_out, n_in;
    struct iovec iov[VU_CHAIN_IOV];
    uint64_t guest[VU_CHAIN_IOV]; /* addresses of iov, for the log */
} VuChain;

/* Find the ring's parts in a table (its own reference). False: not there. */
bool vu_ring_map(VuRing *r, VuMem *m);
void vu_ring_unmap(VuRing *r);
/* The driver begins anew, or goes on: used entries follow those that are
 * there. */
void vu_ring_begin(VuRing *r);
/* The next request; false: none, or r->broken. */
bool vu_ring_pop(VuRing *r, VuChain *c);
bool vu_ring_empty(VuRing *r);
/* Give the chain back; @written bytes of its in buffers at their start, and
 * the last one. */
void vu_ring_push(VuRing *r, const VuChain *c, uint32_t written);
/* Must the driver hear of what was pushed? Counts as told. */
bool vu_ring_wants_call(VuRing *r);
/* Ask for kicks, or not. After asking look once more for requests. */
void vu_ring_want_kicks(VuRing *r, bool on);

#endif
