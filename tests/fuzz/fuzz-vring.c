/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtqueues in memory that the input fills: pops, pushes and notifications
 * must stay inside it, end, and leave no mapping behind. */
#include "util/osdep.h"

#include "../unit/flat-gmem.h"
#include "hw/virtio/vring.h"

enum { NUM = 16, DESC = 0, AVAIL = 256, USED = 512, RAM = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t ram[RAM];
    AddressSpace as = { ram, RAM, 512 };
    VirtioDevice vdev = { .mem = &as };
    VirtQueue vq = { .vdev = &vdev,
                     .num = NUM,
                     .num_max = NUM,
                     .desc = DESC,
                     .avail = AVAIL,
                     .used = USED };
    VqChain *held[NUM];
    unsigned n = 0;

    if (size < 1) {
        return 0;
    }
    memset(ram, 0, RAM);
    memcpy(ram, data + 1, MIN(size - 1, RAM));
    vdev.features = (data[0] & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0) |
                    (data[0] & 2 ? BIT(VIRTIO_F_EVENT_IDX) : 0) |
                    (data[0] & 4 ? BIT(VIRTIO_F_INDIRECT_DESC) : 0);
    vring_reset(&vq);
    if (!vring_start(&vq)) {
        return 0;
    }
    vq.running = 1;
    vq.budget = 1000;
    for (int i = 0; i < 64; i++) {
        if (n < NUM && (held[n] = vq_pop(&vq))) {
            n++;
        } else if (n) {
            VqChain *c = held[--n];

            vq_write(c, 0, data, MIN(size, c->in_len));
            vq_push(&vq, c, c->in_len);
            vring_wants_interrupt(&vq);
            vring_want_kicks(&vq, i & 1);
        }
    }
    while (n) {
        vq_drop(&vq, held[--n]);
    }
    vring_reset(&vq);
    assert(as.maps == 0);
    return 0;
}
