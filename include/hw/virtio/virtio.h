/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices (virtio 1.2) between a transport (virtio-pci) and a device
 * (virtio-blk, ...).
 *
 * A device is a VirtioClass: its queues, its configuration space and a few
 * hooks. Queue handlers run on the queue's loop: the main loop with the machine
 * lock held, or an IOThread without it; they may not wait for another thread.
 * Everything else runs under the machine lock with all queues quiet.
 *
 * What the driver may do wrong in a ring marks the device broken
 * (DEVICE_NEEDS_RESET): queues stop until the driver resets it.
 */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <sys/uio.h>

#include "hw/core/device.h"
#include "softmmu/memory.h"
#include "softmmu/vm.h"

enum {
    VIRTIO_QUEUE_MAX = 1024,   /* queues of a device */
    VIRTQUEUE_MAX_SIZE = 1024, /* entries of a queue, pieces of a chain */
    VIRTIO_NO_VECTOR = 0xffff,
};

/* Device ids are the kernel's VIRTIO_ID_*; feature bits that the core knows
 * beside the kernel's VIRTIO_F_*: virtio 1.2, 6. */
enum {
    VIRTIO_F_INDIRECT_DESC = 28,
    VIRTIO_F_EVENT_IDX = 29,
    VIRTIO_F_BAD_FEATURE = 30, /* legacy: a driver that acks all */
};
enum {
    VIRTIO_STATUS_ACKNOWLEDGE = 1,
    VIRTIO_STATUS_DRIVER = 2,
    VIRTIO_STATUS_DRIVER_OK = 4,
    VIRTIO_STATUS_FEATURES_OK = 8,
    VIRTIO_STATUS_NEEDS_RESET = 0x40,
    VIRTIO_STATUS_FAILED = 0x80,
};

/* Chains --------------------------------------------------------------------
 *
 * A request of the driver, validated and mapped. It belongs to the device from
 * vq_pop() to vq_push() or vq_drop(). What the buffers hold is the guest's and
 * may change at any time: copy headers out with vq_read() before looking.
 */
typedef struct VqChain VqChain;
struct VqChain {
    VirtQueue *vq;
    VqChain *next;     /* the device's while it owns the chain */
    struct iovec *out; /* device reads */
    struct iovec *in;  /* device writes */
    unsigned n_out, n_in;
    size_t out_len, in_len; /* bytes in all */
    void *priv;             /* vq_set_priv() bytes; not cleared */
    /* private */
    uint16_t id;    /* head of the chain, or buffer id (packed) */
    uint16_t slots; /* ring entries that it took */
    unsigned epoch;
    unsigned cap;
    GmemMap *maps;
};

/* One entry of a used ring, in host order. */
typedef struct VqUsed {
    uint16_t id;
    uint32_t len;
} VqUsed;

typedef void VirtQueueFn(VirtQueue *vq);

struct VirtQueue {
    /* const after realize */
    VirtioDevice *vdev;
    uint16_t index;
    VirtQueueFn *kick;
    Loop *loop; /* changes only while the device is stopped */
    uint16_t num_max;
    size_t priv_size;

    /* driver's set-up: machine lock, queue quiet */
    uint16_t num; /* power of two unless packed; 0: not available */
    uint16_t vector;
    bool enabled; /* modern queue_enable, or legacy PFN not 0 */
    bool mapped;  /* started: ring mapped, notifiers bound */
    bool in_reset;
    hwaddr desc, avail, used;

    /* ring state: owner loop */
    int running; /* atomic: handlers may run and chains be popped */
    int quiet;   /* machine lock: nested virtio_queue_quiet() */
    bool packed, event_idx, indirect;
    bool kicks_on;    /* we want kicks */
    bool kicks_muted; /* by the device; see vq_mute() */
    uint16_t last_avail, shadow_avail, used_idx, signalled_used;
    bool avail_wrap, used_wrap, signalled_valid;
    unsigned inuse, epoch;
    int budget; /* chains left in a handler's round */
    GmemCache desc_cache, avail_cache, used_cache;
    VqChain *free_chains;
    unsigned fill_slots; /* between vq_fill() and vq_flush() */
    VqUsed fill_first;
    bool fill_stale;

    /* events */
    EventNotifier host_notifier;    /* the driver kicks */
    EventNotifier guest_notifier;   /* we interrupt; bound to an irqfd */
    LoopFd *watch;                  /* owner loop */
    LoopTask attach_task;           /* owner loop */
    LoopTask again_task;            /* owner loop: another round */
    LoopTask irq_task;              /* main loop */
    int irqfd_on;                   /* atomic */
    bool attached;                  /* machine lock: notifiers exist */
    uint16_t stalled;               /* owner loop: packed position left alone */
    bool restored;                  /* from a stream: the ring knows the rest */
    bool ioeventfd_on, wants_irqfd; /* machine lock */
};

/* The next chain, or NULL when there is none (or the ring is broken, or this
 * round's share is used up: then the handler is called again). */
VqChain *vq_pop(VirtQueue *vq);
/* Give @c back, @len bytes written; frees it. Does not interrupt. A chain from
 * before a reset is only freed. */
void vq_push(VirtQueue *vq, VqChain *c, size_t len);
/* The same in two steps, for buffers that must appear together: vq_fill() the
 * n-th of them, then vq_flush() all. */
void vq_fill(VirtQueue *vq, VqChain *c, size_t len, unsigned n);
void vq_flush(VirtQueue *vq, unsigned count);
/* Put the chain popped last back, as if it had not been popped. */
void vq_unpop(VirtQueue *vq, VqChain *c);
/* Free a chain without giving it back (reset, errors). */
void vq_drop(VirtQueue *vq, VqChain *c);
/* Interrupt the driver if it wants to hear of what was pushed. */
void vq_notify(VirtQueue *vq);
/* True when no chain waits. */
bool vq_empty(VirtQueue *vq);
/* A queue whose kicks do not matter now (net rx with buffers in hand). */
void vq_mute(VirtQueue *vq, bool mute);
/* Size of VqChain.priv; before the queue is used. */
void vq_set_priv(VirtQueue *vq, size_t size);
bool vq_ready(const VirtQueue *vq);

/* Copies between a chain's buffers and memory of ours; returns the bytes
 * copied, fewer than @len where the chain ends. */
size_t vq_read(const VqChain *c, size_t off, void *buf, size_t len);
size_t vq_write(const VqChain *c, size_t off, const void *buf, size_t len);

/* Devices ---------------------------------------------------------------- */

typedef struct VirtQueueDef {
    uint16_t size;
    VirtQueueFn *kick;
} VirtQueueDef;

typedef struct VirtioClass {
    DeviceClass device;         /* realize, unrealize, props */
    const char *name;           /* "virtio-rng" */
    uint16_t id;                /* VIRTIO_ID_* */
    const VirtQueueDef *queues; /* fixed ones, ends with {}; see also
                                   virtio_add_queue() */
    int vmstate_version;
    uint64_t legacy_features; /* bits only a legacy driver is offered */

    /* Reduce or extend the offered features. Const after that. */
    uint64_t (*features)(VirtioDevice *vdev, uint64_t offered, Error **errp);
    void (*features_set)(VirtioDevice *vdev); /* vdev->features are final */
    /* Fill vdev->config / act on what the driver wrote there. */
    void (*get_config)(VirtioDevice *vdev);
    void (*set_config)(VirtioDevice *vdev, const uint8_t *config);
    /* The status is about to become @status (queues quiet). When DRIVER_OK
     * goes, finish or forget all requests. */
    void (*status_set)(VirtioDevice *vdev, uint8_t status);
    /* Finish or forget all requests (queues quiet), so that no other thread
     * touches a ring afterwards; back to power-on. */
    void (*reset)(VirtioDevice *vdev);
    /* The same for one queue. */
    void (*queue_reset)(VirtQueue *vq);
    /* Device state in the migration stream, after the rings. */
    const VmState *state;
} VirtioClass;

/* What carries a device; the functions take it as their first argument.
 * Machine lock throughout. */
typedef struct VirtioTransport {
    /* Raise the interrupt of @vector (queue), or of a config change. */
    void (*notify)(void *transport, VirtQueue *vq);
    void (*notify_config)(void *transport);
    /* Bind or unbind vq->host_notifier to the driver's notify register. */
    void (*ioeventfd)(void *transport, VirtQueue *vq, bool on);
    /* Bind or unbind guest_notifier to the queue's vector, if it can. */
    void (*irqfd)(void *transport, VirtQueue *vq, bool on);
    /* The device is about to forget its vectors and addresses. */
    void (*reset)(void *transport);
    /* Its part of the stream, before the device's and for each queue. */
    void (*save)(void *transport, VmWriter *w);
    bool (*load)(void *transport, VmReader *r, Error **errp);
    void (*save_queue)(void *transport, const VirtQueue *vq, VmWriter *w);
    bool (*load_queue)(void *transport, VirtQueue *vq, VmReader *r,
                       Error **errp);
    const VmState *extra_state;              /* of the transport; or NULL */
    uint16_t *(*queue_sel)(void *transport); /* the selected queue */
} VirtioTransport;

struct VirtioDevice {
    Device parent;

    /* const after realize */
    const VirtioTransport *transport;
    void *transport_opaque;
    AddressSpace *mem; /* where rings and buffers are */
    uint64_t host_features;
    unsigned n_queues;
    VirtQueue **queues;
    size_t config_size;
    bool use_started, use_disabled_flag, disable_legacy_check;

    /* machine lock */
    uint8_t *config;   /* config_size bytes, as the driver reads them */
    uint64_t features; /* negotiated */
    uint64_t asked;    /* what the driver wrote */
    uint8_t status;
    int isr; /* atomic */
    uint16_t config_vector;
    uint8_t generation;
    bool started; /* DRIVER_OK and machine running */
    int broken;   /* atomic */
    LoopTask broken_task;
    VmStateListener vm_listener;
    bool listening;
    bool loading; /* features_set() is told of loaded ones */
    bool saved_started, saved_disabled; /* for the stream */
};

QOM_DECLARE_TYPE(VirtioDevice, virtio_device)
extern const ObjectType virtio_bus_type;

static inline const VirtioClass *virtio_class(const VirtioDevice *vdev)
{
    return object_class(vdev);
}
static inline bool virtio_has(const VirtioDevice *vdev, unsigned feature)
{
    return vdev->features >> feature & 1;
}

/* From realize: queues beyond the class table, and the configuration space. */
VirtQueue *virtio_add_queue(VirtioDevice *vdev, uint16_t size,
                            VirtQueueFn *kick);
void virtio_set_config_size(VirtioDevice *vdev, size_t size);
/* Queue @i is served by @loop: while the device is stopped. */
void virtio_queue_set_loop(VirtQueue *vq, Loop *loop);
/* The device's configuration changed: tell the driver. */
void virtio_notify_config(VirtioDevice *vdev);
/* Any thread: the driver broke the rules. Logs, returns false. */
bool virtio_broken(VirtioDevice *vdev, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Machine lock: no handler of @vq runs when this returns, nor starts until
 * virtio_queue_unquiet(). */
void virtio_queue_quiet(VirtQueue *vq);
void virtio_queue_unquiet(VirtQueue *vq);
/* Owner loop, outside the handler: call it now, if it may run. */
void virtio_queue_run(VirtQueue *vq);
/* Owner loop or machine lock: have the handler called soon. */
void virtio_queue_kick(VirtQueue *vq);

/* For transports --------------------------------------------------------- */

/* After the device is realized; computes the offered features. */
bool virtio_plug(VirtioDevice *vdev, const VirtioTransport *t, void *opaque,
                 AddressSpace *mem, uint64_t transport_features, Error **errp);
/* Reset and leave the transport: the first thing in each device's unrealize
 * (a second call does nothing). */
void virtio_unplug(VirtioDevice *vdev);
void virtio_reset(VirtioDevice *vdev);
void virtio_set_status(VirtioDevice *vdev, uint8_t status);
/* What the driver wrote; FEATURES_OK says whether it is fine. */
void virtio_set_features(VirtioDevice *vdev, uint64_t features);
/* As a modern (or legacy) driver sees them. */
uint64_t virtio_offered(const VirtioDevice *vdev, bool legacy);
/* @size is 1, 2 or 4; all ones outside. */
uint32_t virtio_config_read(VirtioDevice *vdev, size_t off, unsigned size);
void virtio_config_write(VirtioDevice *vdev, size_t off, uint32_t value,
                         unsigned size);
void virtio_queue_enable(VirtQueue *vq);
void virtio_queue_reset(VirtQueue *vq);
/* Legacy: the three parts in one piece of memory. */
void virtio_queue_set_legacy_addr(VirtQueue *vq, hwaddr base);
/* The notify register was written. */
void virtio_driver_kick(VirtioDevice *vdev, unsigned queue);

/* The device class's vmstate: one field, all of the device. */
#define VIRTIO_VMSTATE(nam, ver)                                          \
    (&(const VmState){                                                    \
        .name = nam,                                                      \
        .version = ver,                                                   \
        .fields = (const VmField[]){                                      \
            { .name = "virtio", .kind = &virtio_vmstate_kind, .num = 1 }, \
            {} } })
extern const VmFieldKind virtio_vmstate_kind;

/* "virtio-X-device"; hw/virtio/virtio-pci.h defines the PCI types around it. */
#define VIRTIO_DEFINE(T, fn, nam, cls)                                      \
    QOM_DEFINE(T, fn, .name = nam "-device", .parent = &virtio_device_type, \
               .class = cls)

#endif
