/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walking rings: the one file that reads and writes what a driver shares with
 * us. Virtio 1.2, 2.6 "Split Virtqueues" and 2.7 "Packed Virtqueues".
 *
 * The guest may change any byte at any time. Each field is read once, with one
 * load, into a variable of ours, checked there, and only that copy is used.
 * Indexes are taken modulo the size, which was fixed when the queue started.
 * A walk takes at most VIRTQUEUE_MAX_SIZE steps, whatever the links say.
 */
#include "util/osdep.h"

#include <endian.h>

#include "util/error.h"
#include "util/iov.h"
#include "vring.h"

/* Descriptor flags; AVAIL and USED in packed rings only. */
enum {
    DESC_F_NEXT = 1,
    DESC_F_WRITE = 2,
    DESC_F_INDIRECT = 4,
    DESC_F_AVAIL = 1 << 7,
    DESC_F_USED = 1 << 15,
};
enum {
    AVAIL_F_NO_INTERRUPT = 1,
    USED_F_NO_NOTIFY = 1,
};
enum {
    EVENT_F_ENABLE = 0,
    EVENT_F_DISABLE = 1,
    EVENT_F_DESC = 2,
};

typedef struct SplitDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} SplitDesc;

typedef struct PackedDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t id, flags;
} PackedDesc;

typedef struct PackedEvent {
    uint16_t off_wrap, flags;
} PackedEvent;

typedef struct AvailRing {
    uint16_t flags, idx, ring[]; /* then used_event */
} AvailRing;

typedef struct UsedElem {
    uint32_t id, len;
} UsedElem;

typedef struct UsedRing {
    uint16_t flags, idx;
    UsedElem ring[]; /* then avail_event */
} UsedRing;

/* One descriptor, in host order, whichever ring it came from. */
typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next; /* split */
    uint16_t id;   /* packed */
} Desc;

static inline uint16_t load16(const uint16_t *p)
{
    return le16toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline uint16_t load16_acquire(const uint16_t *p)
{
    return le16toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

static inline void store16(uint16_t *p, uint16_t v)
{
    __atomic_store_n(p, htole16(v), __ATOMIC_RELAXED);
}

static inline void store16_release(uint16_t *p, uint16_t v)
{
    __atomic_store_n(p, htole16(v), __ATOMIC_RELEASE);
}

static inline uint32_t load32(const uint32_t *p)
{
    return le32toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static inline uint64_t load64(const uint64_t *p)
{
    return le64toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static Desc split_load(const SplitDesc *d)
{
    return (Desc){
        .addr = load64(&d->addr),
        .len = load32(&d->len),
        .flags = load16(&d->flags),
        .next = load16(&d->next),
    };
}

/* All but the flags, which say whether the rest is valid and come first. */
static Desc packed_load(const PackedDesc *d, uint16_t flags)
{
    return (Desc){
        .addr = load64(&d->addr),
        .len = load32(&d->len),
        .id = load16(&d->id),
        .flags = flags,
    };
}

/* Set-up ----------------------------------------------------------------- */

size_t vring_desc_size(const VirtQueue *vq)
{
    return sizeof(SplitDesc) * (size_t)vq->num; /* PackedDesc's too */
}

size_t vring_avail_size(const VirtQueue *vq)
{
    if (vq->packed) {
        return sizeof(PackedEvent);
    }
    return sizeof(AvailRing) + sizeof(uint16_t) * (vq->num + vq->event_idx);
}

size_t vring_used_size(const VirtQueue *vq)
{
    if (vq->packed) {
        return sizeof(PackedEvent);
    }
    return sizeof(UsedRing) + sizeof(UsedElem) * vq->num +
           sizeof(uint16_t) * vq->event_idx;
}

static bool ring_addr_ok(hwaddr addr, size_t len, unsigned align)
{
    return IS_ALIGNED(addr, align) && addr + len > addr;
}

/* After a migration the used index, and so what is in flight, is the ring's
 * word; of a packed ring the stream told. */
static bool ring_restore(VirtQueue *vq)
{
    const UsedRing *used = gmem_cache_ptr(&vq->used_cache);

    vq->restored = false;
    vq->signalled_valid = false;
    vq->shadow_avail = vq->last_avail;
    if (vq->packed) {
        return vq->last_avail < vq->num && vq->used_idx < vq->num &&
               vq->inuse <= vq->num;
    }
    if (!used) {
        return false;
    }
    vq->used_idx = load16(&used->idx);
    vq->inuse = (uint16_t)(vq->last_avail - vq->used_idx);
    return vq->inuse <= vq->num;
}

bool vring_start(VirtQueue *vq)
{
    AddressSpace *mem = vq->vdev->mem;

    vq->packed = virtio_has(vq->vdev, VIRTIO_F_RING_PACKED);
    vq->event_idx = virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX);
    vq->indirect = virtio_has(vq->vdev, VIRTIO_F_INDIRECT_DESC);
    vring_stop(vq);
    if (vq->num == 0 || vq->num > VIRTQUEUE_MAX_SIZE ||
        !ring_addr_ok(vq->desc, vring_desc_size(vq), 16) ||
        !ring_addr_ok(vq->avail, vring_avail_size(vq), 2) ||
        !ring_addr_ok(vq->used, vring_used_size(vq), 4)) {
        return virtio_broken(vq->vdev, "queue %u: bad ring address or size",
                             vq->index);
    }
    gmem_cache_init(&vq->desc_cache, mem, vq->desc, vring_desc_size(vq),
                    vq->packed);
    gmem_cache_init(&vq->avail_cache, mem, vq->avail, vring_avail_size(vq),
                    false);
    gmem_cache_init(&vq->used_cache, mem, vq->used, vring_used_size(vq), true);
    if (vq->restored && !ring_restore(vq)) {
        return virtio_broken(vq->vdev,
                             "queue %u: index from the stream and ring "
                             "disagree",
                             vq->index);
    }
    return true;
}

static void free_chains(VirtQueue *vq)
{
    while (vq->free_chains) {
        VqChain *c = vq->free_chains;

        vq->free_chains = c->next;
        g_free(c->maps);
        g_free(c->out);
        g_free(c);
    }
}

void vring_stop(VirtQueue *vq)
{
    gmem_cache_destroy(&vq->desc_cache);
    gmem_cache_destroy(&vq->avail_cache);
    gmem_cache_destroy(&vq->used_cache);
    vq->desc_cache = vq->avail_cache = vq->used_cache = (GmemCache){};
    free_chains(vq);
}

void vring_reset(VirtQueue *vq)
{
    vring_stop(vq);
    vq->last_avail = vq->shadow_avail = vq->used_idx = 0;
    vq->signalled_used = 0;
    vq->signalled_valid = false;
    vq->avail_wrap = vq->used_wrap = true;
    vq->inuse = 0;
    vq->epoch++;
    vq->kicks_on = true;
    vq->kicks_muted = false;
    vq->budget = INT_MAX;
}

static bool ring_unmapped(VirtQueue *vq, const char *what)
{
    return virtio_broken(vq->vdev, "queue %u: %s ring is not RAM", vq->index,
                         what);
}

static void *desc_ring(VirtQueue *vq)
{
    void *p = gmem_cache_ptr(&vq->desc_cache);

    if (!p) {
        ring_unmapped(vq, "descriptor");
    }
    return p;
}

static void *avail_ring(VirtQueue *vq)
{
    void *p = gmem_cache_ptr(&vq->avail_cache);

    if (!p) {
        ring_unmapped(vq, "available");
    }
    return p;
}

static void *used_ring(VirtQueue *vq)
{
    void *p = gmem_cache_ptr(&vq->used_cache);

    if (!p) {
        ring_unmapped(vq, "used");
    }
    return p;
}

/* Chains ----------------------------------------------------------------- */

static VqChain *chain_new(VirtQueue *vq)
{
    VqChain *c = vq->free_chains;

    if (c) {
        vq->free_chains = c->next;
    } else {
        c = g_malloc(sizeof(*c) + vq->priv_size);
        *c = (VqChain){ .vq = vq, .priv = c + 1 };
    }
    c->next = NULL;
    c->n_out = c->n_in = 0;
    c->out_len = c->in_len = 0;
    c->slots = 0;
    c->epoch = vq->epoch;
    c->in = c->out;
    return c;
}

/* Give up the mappings; @written bytes of the in buffers were touched. */
static void chain_unmap(VqChain *c, size_t written)
{
    for (unsigned i = 0; i < c->n_out; i++) {
        gmem_unmap(&c->maps[i], 0);
    }
    for (unsigned i = 0; i < c->n_in; i++) {
        GmemMap *m = &c->maps[c->n_out + i];
        size_t touched = MIN(written, m->len);

        gmem_unmap(m, touched);
        written -= touched;
    }
    c->n_out = c->n_in = 0;
}

void vring_chain_free(VirtQueue *vq, VqChain *c, size_t written)
{
    chain_unmap(c, written);
    c->next = vq->free_chains;
    vq->free_chains = c;
}

static bool chain_grow(VqChain *c)
{
    unsigned cap = c->cap ? c->cap * 2 : 8;

    if (c->cap >= VIRTQUEUE_MAX_SIZE) {
        return virtio_broken(c->vq->vdev, "queue %u: chain of over %u pieces",
                             c->vq->index, c->cap);
    }
    c->out = g_renew(struct iovec, c->out, cap);
    c->maps = g_renew(GmemMap, c->maps, cap);
    c->in = c->out + c->n_out;
    c->cap = cap;
    return true;
}

/* Map the buffer of one descriptor at the chain's end. */
static bool chain_add(VqChain *c, const Desc *d)
{
    VirtQueue *vq = c->vq;
    bool write = d->flags & DESC_F_WRITE;
    hwaddr addr = d->addr;
    size_t left = d->len;

    if (!write && c->n_in) {
        return virtio_broken(vq->vdev,
                             "queue %u: readable buffer after a "
                             "writable one",
                             vq->index);
    }
    if (c->out_len + c->in_len + left > UINT32_MAX || addr + left < addr) {
        return virtio_broken(vq->vdev, "queue %u: chain is too long",
                             vq->index);
    }
    while (left) {
        unsigned n = c->n_out + c->n_in;
        GmemMap *m;

        if (n == c->cap && !chain_grow(c)) {
            return false;
        }
        m = &c->maps[n];
        if (!gmem_map(vq->vdev->mem, addr, left, write, m)) {
            return virtio_broken(vq->vdev,
                                 "queue %u: buffer at 0x%" PRIx64 " is not RAM",
                                 vq->index, addr);
        }
        c->out[n] = (struct iovec){ m->ptr, m->len };
        if (write) {
            c->n_in++;
            c->in_len += m->len;
        } else {
            c->n_out++;
            c->out_len += m->len;
            c->in = c->out + c->n_out;
        }
        addr += m->len;
        left -= m->len;
    }
    return true;
}

/* A table of descriptors elsewhere in memory: read as a whole, once. */
#define INDIRECT_BATCH 64

static bool indirect_checked(VirtQueue *vq, const Desc *d)
{
    if (!vq->indirect) {
        return virtio_broken(vq->vdev,
                             "queue %u: indirect descriptor was not "
                             "negotiated",
                             vq->index);
    }
    if (d->len == 0 || d->len % sizeof(SplitDesc) ||
        d->len / sizeof(SplitDesc) > VIRTQUEUE_MAX_SIZE) {
        return virtio_broken(vq->vdev, "queue %u: indirect table of %u bytes",
                             vq->index, d->len);
    }
    return true;
}

static bool indirect_read(VirtQueue *vq, hwaddr addr, void *buf, size_t len)
{
    if (addr + len < addr || !gmem_read(vq->vdev->mem, addr, buf, len)) {
        return virtio_broken(vq->vdev, "queue %u: indirect table is not RAM",
                             vq->index);
    }
    return true;
}

static bool nested(VirtQueue *vq)
{
    return virtio_broken(vq->vdev, "queue %u: indirect table within a table",
                         vq->index);
}

static bool looped(VirtQueue *vq)
{
    return virtio_broken(vq->vdev, "queue %u: descriptors form a loop",
                         vq->index);
}

/* Split: links in the table lead from one to the next. */
static bool split_indirect(VqChain *c, const Desc *d)
{
    VirtQueue *vq = c->vq;
    SplitDesc table[INDIRECT_BATCH];
    unsigned n, i = 0, base = 0, have = 0;

    if (!indirect_checked(vq, d)) {
        return false;
    }
    n = d->len / sizeof(SplitDesc);
    for (unsigned steps = 0; steps < n; steps++) {
        Desc e;

        if (i < base || i >= base + have) {
            base = i;
            have = MIN(n - i, INDIRECT_BATCH);
            if (!indirect_read(vq, d->addr + base * sizeof(SplitDesc), table,
                               have * sizeof(SplitDesc))) {
                return false;
            }
        }
        e = split_load(&table[i - base]);
        if (e.flags & DESC_F_INDIRECT) {
            return nested(vq);
        }
        if (!chain_add(c, &e)) {
            return false;
        }
        if (!(e.flags & DESC_F_NEXT)) {
            return true;
        }
        i = e.next;
        if (i >= n) {
            return virtio_broken(vq->vdev,
                                 "queue %u: next %u is beyond the "
                                 "table",
                                 vq->index, i);
        }
    }
    return looped(vq);
}

/* Packed: all entries of the table, in order. */
static bool packed_indirect(VqChain *c, const Desc *d)
{
    VirtQueue *vq = c->vq;
    PackedDesc table[INDIRECT_BATCH];
    unsigned n, have;

    if (!indirect_checked(vq, d)) {
        return false;
    }
    n = d->len / sizeof(PackedDesc);
    for (unsigned base = 0; base < n; base += have) {
        have = MIN(n - base, INDIRECT_BATCH);
        if (!indirect_read(vq, d->addr + base * sizeof(PackedDesc), table,
                           have * sizeof(PackedDesc))) {
            return false;
        }
        for (unsigned i = 0; i < have; i++) {
            Desc e = packed_load(&table[i], load16(&table[i].flags));

            if (e.flags & DESC_F_INDIRECT) {
                return nested(vq);
            }
            if (!chain_add(c, &e)) {
                return false;
            }
        }
    }
    return true;
}

/* Split rings ------------------------------------------------------------ */

/* How many chains wait, at least one if there is any; -1: broken. */
static int split_waiting(VirtQueue *vq)
{
    uint16_t n = vq->shadow_avail - vq->last_avail;
    const AvailRing *avail;

    if (n) {
        return n;
    }
    avail = avail_ring(vq);
    if (!avail) {
        return -1;
    }
    /* Pairs with the driver's barrier between filling avail->ring (and the
     * descriptors) and storing avail->idx. */
    vq->shadow_avail = load16_acquire(&avail->idx);
    n = vq->shadow_avail - vq->last_avail;
    if (n > vq->num) {
        virtio_broken(vq->vdev, "queue %u: available index moved from %u to %u",
                      vq->index, vq->last_avail, vq->shadow_avail);
        return -1;
    }
    return n;
}

static bool split_walk(VqChain *c, uint16_t head)
{
    VirtQueue *vq = c->vq;
    const SplitDesc *ring = desc_ring(vq);
    uint16_t i = head;

    if (!ring) {
        return false;
    }
    for (unsigned steps = 0; steps < vq->num; steps++) {
        Desc d = split_load(&ring[i]);

        if (d.flags & DESC_F_INDIRECT) {
            if (d.flags & DESC_F_NEXT) {
                return virtio_broken(vq->vdev,
                                     "queue %u: indirect descriptor "
                                     "with a next one",
                                     vq->index);
            }
            return split_indirect(c, &d);
        }
        if (!chain_add(c, &d)) {
            return false;
        }
        if (!(d.flags & DESC_F_NEXT)) {
            return true;
        }
        i = d.next;
        if (i >= vq->num) {
            return virtio_broken(vq->vdev,
                                 "queue %u: next %u is beyond the "
                                 "ring",
                                 vq->index, i);
        }
    }
    return looped(vq);
}

static VqChain *split_pop(VirtQueue *vq)
{
    const AvailRing *avail;
    uint16_t head;
    VqChain *c;

    if (split_waiting(vq) <= 0) {
        return NULL;
    }
    avail = avail_ring(vq);
    if (!avail) {
        return NULL;
    }
    head = load16(&avail->ring[vq->last_avail % vq->num]);
    if (head >= vq->num) {
        virtio_broken(vq->vdev, "queue %u: head %u is beyond the ring",
                      vq->index, head);
        return NULL;
    }
    c = chain_new(vq);
    c->id = head;
    c->slots = 1;
    if (!split_walk(c, head)) {
        vring_chain_free(vq, c, 0);
        return NULL;
    }
    vq->last_avail++;
    return c;
}

static void split_fill(VirtQueue *vq, VqUsed e, unsigned n)
{
    UsedRing *used = used_ring(vq);
    unsigned slot = (uint16_t)(vq->used_idx + n) % vq->num;

    if (used) {
        used->ring[slot] = (UsedElem){ htole32(e.id), htole32(e.len) };
        gmem_cache_dirty(&vq->used_cache,
                         offsetof(UsedRing, ring) + slot * sizeof(UsedElem),
                         sizeof(UsedElem));
    }
}

static void split_flush(VirtQueue *vq, unsigned count)
{
    UsedRing *used = used_ring(vq);
    uint16_t old = vq->used_idx;

    if (!used) {
        return;
    }
    vq->used_idx += count;
    /* Pairs with the driver's barrier between reading used->idx and the
     * entries (and the buffers) before it. */
    store16_release(&used->idx, vq->used_idx);
    gmem_cache_dirty(&vq->used_cache, offsetof(UsedRing, idx), 2);
    /* After 2^16 entries without an interrupt, signalled_used says nothing. */
    if ((uint16_t)(vq->used_idx - vq->signalled_used) <
        (uint16_t)(vq->used_idx - old)) {
        vq->signalled_valid = false;
    }
}

/* Has @event been passed on the way from @old to @now? (2.6.7.2) */
static bool event_passed(uint16_t event, uint16_t now, uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

static bool split_wants_interrupt(VirtQueue *vq)
{
    const AvailRing *avail = avail_ring(vq);
    bool valid = vq->signalled_valid;
    uint16_t old = vq->signalled_used;

    if (!avail) {
        return false;
    }
    if (virtio_has(vq->vdev, VIRTIO_F_NOTIFY_ON_EMPTY) && !vq->inuse &&
        split_waiting(vq) == 0) {
        return true;
    }
    if (!vq->event_idx) {
        return !(load16(&avail->flags) & AVAIL_F_NO_INTERRUPT);
    }
    vq->signalled_used = vq->used_idx;
    vq->signalled_valid = true;
    return !valid ||
           event_passed(load16(&avail->ring[vq->num]), vq->used_idx, old);
}

static void split_want_kicks(VirtQueue *vq, bool on)
{
    UsedRing *used = used_ring(vq);

    if (!used) {
        return;
    }
    if (vq->event_idx) {
        /* Off: leave it behind; the driver passes it once at most. */
        if (on) {
            uint16_t *avail_event = (uint16_t *)&used->ring[vq->num];

            store16(avail_event, vq->last_avail);
            gmem_cache_dirty(&vq->used_cache,
                             offsetof(UsedRing, ring) +
                                 vq->num * sizeof(UsedElem),
                             2);
        }
    } else {
        store16(&used->flags, on ? 0 : USED_F_NO_NOTIFY);
        gmem_cache_dirty(&vq->used_cache, offsetof(UsedRing, flags), 2);
    }
}

/* Packed rings ----------------------------------------------------------- */

static bool packed_available(uint16_t flags, bool wrap)
{
    bool avail = flags & DESC_F_AVAIL, used = flags & DESC_F_USED;

    return avail == wrap && used != wrap;
}

static int packed_waiting(VirtQueue *vq)
{
    const PackedDesc *ring = desc_ring(vq);

    if (!ring) {
        return -1;
    }
    return packed_available(load16(&ring[vq->last_avail].flags),
                            vq->avail_wrap);
}

static bool packed_walk(VqChain *c, const PackedDesc *ring, uint16_t flags)
{
    VirtQueue *vq = c->vq;
    unsigned i = vq->last_avail;

    for (unsigned steps = 1; steps <= vq->num; steps++) {
        Desc d = packed_load(&ring[i], flags);

        c->id = d.id; /* the last descriptor's counts (2.7.6) */
        c->slots = steps;
        if (d.flags & DESC_F_INDIRECT) {
            if (d.flags & DESC_F_NEXT || steps > 1) {
                return virtio_broken(vq->vdev,
                                     "queue %u: indirect descriptor "
                                     "within a chain",
                                     vq->index);
            }
            return packed_indirect(c, &d);
        }
        if (!chain_add(c, &d)) {
            return false;
        }
        if (!(d.flags & DESC_F_NEXT)) {
            return true;
        }
        i = i + 1 == vq->num ? 0 : i + 1;
        /* The head's flags made all of the chain valid. */
        flags = load16(&ring[i].flags);
    }
    return looped(vq);
}

static VqChain *packed_pop(VirtQueue *vq)
{
    const PackedDesc *ring = desc_ring(vq);
    uint16_t flags;
    VqChain *c;

    if (!ring) {
        return NULL;
    }
    /* Pairs with the driver's barrier between the rest of the chain and the
     * flags of its head. */
    flags = load16_acquire(&ring[vq->last_avail].flags);
    if (!packed_available(flags, vq->avail_wrap)) {
        return NULL;
    }
    c = chain_new(vq);
    if (!packed_walk(c, ring, flags)) {
        vring_chain_free(vq, c, 0);
        return NULL;
    }
    if (c->id >= vq->num) {
        virtio_broken(vq->vdev, "queue %u: buffer id %u is beyond the ring",
                      vq->index, c->id);
        vring_chain_free(vq, c, 0);
        return NULL;
    }
    vq->last_avail += c->slots;
    if (vq->last_avail >= vq->num) {
        vq->last_avail -= vq->num;
        vq->avail_wrap = !vq->avail_wrap;
    }
    return c;
}

/* Write the used element at @used_idx + @n slots. All but the first of a batch
 * may appear at once: the driver stops at the first that is not used. */
static void packed_fill(VirtQueue *vq, VqUsed e, unsigned slots, bool strict)
{
    PackedDesc *ring = desc_ring(vq);
    unsigned i = vq->used_idx + slots;
    bool wrap = vq->used_wrap;
    uint16_t flags;

    if (!ring) {
        return;
    }
    if (i >= vq->num) {
        i -= vq->num;
        wrap = !wrap;
    }
    flags = wrap ? DESC_F_AVAIL | DESC_F_USED : 0;
    if (e.len) {
        flags |= DESC_F_WRITE; /* len counts (2.7.4) */
    }
    ring[i].id = htole16(e.id);
    ring[i].len = htole32(e.len);
    if (strict) {
        /* Pairs with the driver's barrier between reading the flags and the
         * rest of the used element. */
        store16_release(&ring[i].flags, flags);
    } else {
        store16(&ring[i].flags, flags);
    }
    gmem_cache_dirty(&vq->desc_cache, i * sizeof(PackedDesc),
                     sizeof(PackedDesc));
}

static void packed_advance(VirtQueue *vq, unsigned slots)
{
    vq->used_idx += slots;
    if (vq->used_idx >= vq->num) {
        vq->used_idx -= vq->num;
        vq->used_wrap = !vq->used_wrap;
        vq->signalled_valid = false;
    }
}

static bool packed_wants_interrupt(VirtQueue *vq)
{
    const PackedEvent *driver = avail_ring(vq);
    bool valid = vq->signalled_valid;
    uint16_t old = vq->signalled_used, flags, off_wrap;
    int event;

    if (!driver) {
        return false;
    }
    flags = load16(&driver->flags);
    vq->signalled_used = vq->used_idx;
    vq->signalled_valid = true;
    if (flags != EVENT_F_DESC || !vq->event_idx) {
        return flags != EVENT_F_DISABLE;
    }
    /* The driver writes off_wrap before flags (2.7.14). */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    off_wrap = load16(&driver->off_wrap);
    event = off_wrap & 0x7fff;
    if (!!(off_wrap >> 15) != vq->used_wrap) {
        event -= vq->num;
    }
    return !valid || event_passed(event, vq->used_idx, old);
}

static void packed_want_kicks(VirtQueue *vq, bool on)
{
    PackedEvent *device = used_ring(vq);

    if (!device) {
        return;
    }
    if (on && vq->event_idx) {
        store16(&device->off_wrap,
                vq->last_avail | (uint16_t)vq->avail_wrap << 15);
        /* Pairs with the driver's read of flags, then off_wrap. */
        store16_release(&device->flags, EVENT_F_DESC);
    } else {
        store16(&device->flags, on ? EVENT_F_ENABLE : EVENT_F_DISABLE);
    }
    gmem_cache_dirty(&vq->used_cache, 0, sizeof(*device));
}

/* Either kind ------------------------------------------------------------ */

int vring_waiting(VirtQueue *vq)
{
    return vq->packed ? packed_waiting(vq) : split_waiting(vq);
}

VqChain *vring_pop(VirtQueue *vq)
{
    return vq->packed ? packed_pop(vq) : split_pop(vq);
}

void vring_put_used(VirtQueue *vq, VqUsed e, unsigned n, unsigned slots)
{
    if (vq->packed) {
        packed_fill(vq, e, slots, slots == 0);
    } else {
        split_fill(vq, e, n);
    }
}

void vring_publish(VirtQueue *vq, unsigned count, unsigned slots)
{
    if (vq->packed) {
        packed_advance(vq, slots);
    } else {
        split_flush(vq, count);
    }
}

bool vring_has_news(VirtQueue *vq)
{
    const AvailRing *avail;

    if (vq->packed) {
        return vq->last_avail != vq->stalled && packed_waiting(vq) > 0;
    }
    avail = avail_ring(vq);
    return avail && load16(&avail->idx) != vq->shadow_avail;
}

bool vring_wants_interrupt(VirtQueue *vq)
{
    /* Used entries before the driver's wish: pairs with the driver's barrier
     * between enabling interrupts and looking for used entries. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return vq->packed ? packed_wants_interrupt(vq) : split_wants_interrupt(vq);
}

void vring_want_kicks(VirtQueue *vq, bool on)
{
    vq->kicks_on = on;
    if (vq->packed) {
        packed_want_kicks(vq, on);
    } else {
        split_want_kicks(vq, on);
    }
    if (on) {
        /* Our wish before looking for chains: pairs with the driver's barrier
         * between making one available and reading our wish. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}
