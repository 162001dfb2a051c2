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

#endif
