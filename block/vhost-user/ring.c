/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Split virtqueues in shared memory; see the header. */
#include "util/osdep.h"

#include <endian.h>

#include "block/vhost-user/ring.h"

enum {
    DESC_F_NEXT = 1,
    DESC_F_WRITE = 2,
    DESC_F_INDIRECT = 4,
};
enum {
    AVAIL_F_NO_INTERRUPT = 1,
    USED_F_NO_NOTIFY = 1,
};

typedef struct VuSplitDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} VuSplitDesc;

struct VuSplitAvail {
    uint16_t flags, idx, ring[]; /* then used_event */
};

typedef struct VuUsedElem {
    uint32_t id, len;
} VuUsedElem;

struct VuSplitUsed {
    uint16_t flags, idx;
    VuUsedElem ring[]; /* then avail_event */
};

static uint16_t load16(const uint16_t *p)
{
    return le16toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static uint16_t load16_acquire(const uint16_t *p)
{
    return le16toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

static void store16(uint16_t *p, uint16_t v)
{
    __atomic_store_n(p, htole16(v), __ATOMIC_RELAXED);
}

/* Set-up ---------------------------------------------------------------------
 */

static size_t avail_size(const VuRing *r)
{
    return sizeof(struct VuSplitAvail) + 2 * ((size_t)r->num + 1);
}

static size_t used_size(const VuRing *r)
{
    return sizeof(struct VuSplitUsed) + sizeof(VuUsedElem) * (size_t)r->num + 2;
}

void vu_ring_unmap(VuRing *r)
{
    r->desc = NULL;
    r->avail = NULL;
    r->used = NULL;
    vu_mem_unref(r->mem);
    r->mem = NULL;
}

bool vu_ring_map(VuRing *r, VuMem *m)
{
    const VuVringAddr *a = &r->addr;

    vu_ring_unmap(r);
    if (!r->num || a->desc % 16 || a->avail % 2 || a->used % 4) {
        return false;
    }
    r->desc = vu_mem_user(m, a->desc, sizeof(VuSplitDesc) * (size_t)r->num);
    r->avail = vu_mem_user(m, a->avail, avail_size(r));
    r->used = vu_mem_user(m, a->used, used_size(r));
    if (!r->desc || !r->avail || !r->used) {
        return false;
    }
    /* Regions may begin anywhere in our address space. */
    if ((uintptr_t)r->desc % 16 || (uintptr_t)r->avail % 2 ||
        (uintptr_t)r->used % 4) {
        return false;
    }
    r->mem = vu_mem_ref(m);
    return true;
}

void vu_ring_begin(VuRing *r)
{
    r->broken = false;
    r->started = true;
    r->used_idx = load16(&r->used->idx);
    r->signalled_valid = false;
}

/* Requests -------------------------------------------------------------------
 */

static bool broken(VuRing *r)
{
    r->broken = true;
    return false;
}

/* How many entries wait; -1: more than there can be. */
static int waiting(VuRing *r)
{
    /* Acquire: pairs with the driver's barrier before it moves the index; the
     * entries and descriptors are read after it. */
    uint16_t n = load16_acquire(&r->avail->idx) - r->last_avail;

    return n <= r->num ? n : -1;
}

bool vu_ring_empty(VuRing *r)
{
    return !r->avail || r->broken || waiting(r) <= 0;
}

/* Add one buffer, which may lie in several regions. */
static bool add_buffer(VuRing *r, VuChain *c, uint64_t addr, uint32_t len,
                       bool in)
{
    if (!len || (c->n_in && !in)) {
        return false;
    }
    while (len) {
        int i = c->n_out + c->n_in;
        uint64_t got;
        void *p;

        if (i == VU_CHAIN_IOV) {
            return false;
        }
        p = vu_mem_guest(r->mem, addr, len, &got);
        if (!p) {
            return false;
        }
        c->iov[i] = (struct iovec){ p, got };
        c->guest[i] = addr;
        *(in ? &c->n_in : &c->n_out) += 1;
        addr += got;
        len -= got;
    }
    return true;
}

/* A table of descriptors that one of the ring stands for. */
static const VuSplitDesc *indirect_table(VuRing *r, uint64_t addr, uint32_t len,
                                         unsigned *num)
{
    uint64_t got;
    const VuSplitDesc *t;

    if (!len || len % sizeof(*t) || len / sizeof(*t) > VU_RING_MAX) {
        return NULL;
    }
    t = vu_mem_guest(r->mem, addr, len, &got);
    *num = len / sizeof(*t);
    return t && got == len && !((uintptr_t)t % sizeof(uint64_t)) ? t : NULL;
}

static bool walk(VuRing *r, VuChain *c)
{
    const VuSplitDesc *table = r->desc;
    unsigned num = r->num, i = c->head;
    bool indirect = false;

    /* As many steps as there are descriptors: a circle ends here too. */
    for (unsigned steps = 0; steps < num; steps++) {
        const VuSplitDesc *d = &table[i];
        uint64_t addr = le64toh(__atomic_load_n(&d->addr, __ATOMIC_RELAXED));
        uint32_t len = le32toh(__atomic_load_n(&d->len, __ATOMIC_RELAXED));
        uint16_t flags = load16(&d->flags);

        if (flags & DESC_F_INDIRECT) {
            if (indirect || (flags & DESC_F_NEXT)) {
                return false;
            }
            table = indirect_table(r, addr, len, &num);
            if (!table) {
                return false;
            }
            indirect = true;
            i = 0;
            steps = -1u; /* from the start: the next is 0 */
            continue;
        }
        if (!add_buffer(r, c, addr, len, flags & DESC_F_WRITE)) {
            return false;
        }
        if (!(flags & DESC_F_NEXT)) {
            return true;
        }
        i = load16(&d->next);
        if (i >= num) {
            return false;
        }
    }
    return false;
}

bool vu_ring_pop(VuRing *r, VuChain *c)
{
    int n = r->avail && !r->broken ? waiting(r) : 0;

    if (n <= 0) {
        return n < 0 ? broken(r) : false;
    }
    c->head = load16(&r->avail->ring[r->last_avail % r->num]);
    c->n_out = c->n_in = 0;
    if (c->head >= r->num || !walk(r, c)) {
        return broken(r);
    }
    r->last_avail++;
    return true;
}

/* Giving back ----------------------------------------------------------------
 */

static void log_used(VuRing *r, size_t offset, size_t len)
{
    if (r->addr.flags & VU_VRING_F_LOG) {
        vu_log_mark(r->log, r->addr.log + offset, len);
    }
}

static void log_chain(VuRing *r, const VuChain *c, uint32_t written)
{
    for (int i = 0; i < c->n_in; i++) {
        size_t len = c->iov[c->n_out + i].iov_len;
        bool last = i == c->n_in - 1;

        /* The status, the last byte, may have been cut off. */
        if (written || last) {
            vu_log_mark(r->log, c->guest[c->n_out + i], len + last);
        }
        written -= MIN(written, len);
    }
}

void vu_ring_push(VuRing *r, const VuChain *c, uint32_t written)
{
    unsigned slot;

    if (r->log->map) {
        log_chain(r, c, written);
    }
    if (!r->used) {
        return; /* the memory is gone */
    }
    slot = r->used_idx % r->num;
    __atomic_store_n(&r->used->ring[slot].id, htole32(c->head),
                     __ATOMIC_RELAXED);
    __atomic_store_n(&r->used->ring[slot].len, htole32(written),
                     __ATOMIC_RELAXED);
    r->used_idx++;
    /* Release: pairs with the driver's barrier after it reads the index. */
    __atomic_store_n(&r->used->idx, htole16(r->used_idx), __ATOMIC_RELEASE);
    if (r->log->map) {
        log_used(r,
                 offsetof(struct VuSplitUsed, ring) + slot * sizeof(VuUsedElem),
                 sizeof(VuUsedElem));
        log_used(r, offsetof(struct VuSplitUsed, idx), 2);
    }
}

bool vu_ring_wants_call(VuRing *r)
{
    uint16_t old = r->signalled, now = r->used_idx;
    bool valid = r->signalled_valid;

    if (!r->used) {
        return false;
    }
    /* Full barrier: pairs with the driver's between asking for interrupts and
     * looking at the index once more. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    r->signalled = now;
    r->signalled_valid = true;
    if (!r->event_idx) {
        return !(load16(&r->avail->flags) & AVAIL_F_NO_INTERRUPT);
    }
    return !valid || (uint16_t)(now - load16(&r->avail->ring[r->num]) - 1) <
                         (uint16_t)(now - old);
}

void vu_ring_want_kicks(VuRing *r, bool on)
{
    if (!r->used) {
        return;
    }
    if (!r->event_idx) {
        store16(&r->used->flags, on ? 0 : USED_F_NO_NOTIFY);
    } else if (on) {
        /* avail_event, behind the ring's entries */
        store16((uint16_t *)&r->used->ring[r->num], r->last_avail);
    }
    if (on) {
        /* Full barrier: pairs with the driver's between moving the index and
         * looking whether we want a kick. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
    if (r->log->map) {
        log_used(r, 0, 2);
        log_used(r, used_size(r) - 2, 2);
    }
}
