/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the virtio core, its transports and its migration state. */
#ifndef VIRTIO_INTERNAL_H
#define VIRTIO_INTERNAL_H

#include "hw/virtio/virtio.h"

/* Machine lock, before the irqfd of @vq is unbound: interrupts go by the main
 * loop from now on. True when one was on its way, to be raised by the caller.
 */
bool virtio_irqfd_off(VirtQueue *vq);

/* A bit's number and "NAME: what it means"; tables end with an empty one. */
typedef struct VirtioBitName {
    uint8_t bit;
    const char *text;
} VirtioBitName;
extern const VirtioBitName virtio_status_names[], virtio_transport_names[];
/* Features of the kind of device with this id. */
const VirtioBitName *virtio_device_names(uint16_t id);

#endif
