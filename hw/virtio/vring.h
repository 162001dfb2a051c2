/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rings as the virtio core sees them; see vring.c. */
#ifndef VIRTIO_VRING_H
#define VIRTIO_VRING_H

#include "hw/virtio/virtio.h"

/* Machine lock, queue quiet. False: the addresses are not usable RAM. */
bool vring_start(VirtQueue *vq);
void vring_stop(VirtQueue *vq);
/* Back to the first entry; chains in flight become stale. */
void vring_reset(VirtQueue *vq);
/* The ring's owner, for virtqueue.c. Chains that wait, at least one if there is
 * any; -1: broken. */
int vring_waiting(VirtQueue *vq);
/* The next chain, mapped; NULL: none, or broken. */
VqChain *vring_pop(VirtQueue *vq);
/* Unmap (@written bytes of the in buffers were touched) and put aside. */
void vring_chain_free(VirtQueue *vq, VqChain *c, size_t written);
/* Write the @n-th used element of a batch, which does not appear yet; @slots
 * entries were taken by those before it. A packed ring's first one comes last,
 * and makes all appear. */
void vring_put_used(VirtQueue *vq, VqUsed e, unsigned n, unsigned slots);
/* Make @count elements appear, of chains that took @slots entries. */
void vring_publish(VirtQueue *vq, unsigned count, unsigned slots);
/* The ring's owner: say whether we want kicks, before and after a round. */
void vring_want_kicks(VirtQueue *vq, bool on);
/* For polling: did chains come since the last round? */
bool vring_has_news(VirtQueue *vq);
/* Does the driver want to hear of what was flushed? Counts as told. */
bool vring_wants_interrupt(VirtQueue *vq);
/* Bytes of the three parts for @num entries. */
size_t vring_desc_size(const VirtQueue *vq);
size_t vring_avail_size(const VirtQueue *vq);
size_t vring_used_size(const VirtQueue *vq);

/* Where the device will go on after a migration: chains in flight are taken
 * again, which must be the last ones popped. */
uint16_t vring_saved_avail(const VirtQueue *vq);
bool vring_saved_avail_wrap(const VirtQueue *vq);

#endif
