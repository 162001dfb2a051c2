/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dispatch of accesses to RAM and to device callbacks: lookup in the current
 * flat view, locking as the region wants it, size and byte order conversion.
 */
#include "util/osdep.h"

#include "softmmu/core/memory-internal.h"
#include "softmmu/vm.h"
#include "util/rcu.h"
#include "util/trace.h"

TRACE_POINT(memory_region_ops_read);
TRACE_POINT(memory_region_ops_write);

/* How long a run of bytes from @addr the range covers, at most @len. */
static uint64_t range_room(const FlatRange *r, hwaddr addr, uint64_t len)
{
    uint64_t last = r->last - addr;

    return last < len ? last + 1 : len;
}

/*
 * The same for devices, which get the whole width of an access by its address
 * alone, though other regions may lie on top of what follows: port CF8h takes
 * four bytes, CF9h is something else.
 */
static uint64_t device_room(const FlatRange *r, hwaddr addr, uint64_t len)
{
    return MIN(len, r->mr->size - (addr - r->first + r->offset));
}

/* Bytes of the hole at @addr, at most @len. */
static uint64_t hole_room(const FlatView *v, hwaddr addr, uint64_t len)
{
    unsigned lo = 0, hi = v->n;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (v->ranges[mid].first <= addr) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < v->n ? MIN(len, v->ranges[lo].first - addr) : len;
}

static bool reads_ram(const FlatRange *r)
{
    return r->host && (r->mr->kind != MEM_ROM_DEVICE || r->romd);
}

static bool writes_ram(const FlatRange *r)
{
    return flat_range_is_ram(r) && !r->readonly;
}

/* Callbacks ------------------------------------------------------------------ */

static bool access_valid(const MemOps *ops, hwaddr addr, unsigned size)
{
    unsigned max = ops->valid.max ? ops->valid.max : 8;

    return size >= ops->valid.min && size <= max &&
           (ops->valid.unaligned || !(addr & (size - 1)));
}

static uint64_t size_mask(unsigned size)
{
    return UINT64_MAX >> (64 - size * 8);
}

static uint64_t swap_bytes(uint64_t v, unsigned size)
{
    return __builtin_bswap64(v) >> (64 - size * 8);
}

static MemResult call_read(const MemRegion *mr, hwaddr addr, uint64_t *value,
                           unsigned size, MemAttrs attrs)
{
    if (mr->ops->read_attrs) {
        return mr->ops->read_attrs(mr->opaque, addr, value, size, attrs);
    }
    if (!mr->ops->read) {
        return MEM_ERROR;
    }
    *value = mr->ops->read(mr->opaque, addr, size);
    return MEM_OK;
}

static MemResult call_write(const MemRegion *mr, hwaddr addr, uint64_t value,
                            unsigned size, MemAttrs attrs)
{
    if (mr->ops->write_attrs) {
        return mr->ops->write_attrs(mr->opaque, addr, value, size, attrs);
    }
    if (!mr->ops->write) {
        return MEM_ERROR;
    }
    mr->ops->write(mr->opaque, addr, value, size);
    return MEM_OK;
}

/* What one callback takes of an access of @size bytes at @addr. */
static unsigned impl_size(const MemOps *ops, hwaddr addr, unsigned size)
{
    unsigned min = ops->impl.min ? ops->impl.min : 1;
    unsigned max = ops->impl.max ? ops->impl.max : 4;
    unsigned step = MAX(MIN(size, max), min);

    while (!ops->impl.unaligned && step > min && (addr & (step - 1))) {
        step /= 2;
    }
    return step;
}

/* Where the piece at @off of a value of @size bytes sits, in bits. */
static unsigned piece_shift(const MemOps *ops, unsigned off, unsigned size,
                            unsigned step)
{
    if (ops->endian == MEM_BIG_ENDIAN && step < size) {
        return (size - step - off) * 8;
    }
    return off * 8;
}

static MemResult region_read(const MemRegion *mr, hwaddr addr, uint64_t *value,
                             unsigned size, MemAttrs attrs)
{
    const MemOps *ops = mr->ops;
    unsigned step = impl_size(ops, addr, size);
    MemResult res = MEM_OK;
    uint64_t out = 0;

    if (!access_valid(ops, addr, size)) {
        *value = size_mask(size);
        return MEM_DECODE_ERROR;
    }
    for (unsigned off = 0; off < size; off += step) {
        uint64_t piece = 0;

        res |= call_read(mr, addr + off, &piece, step, attrs);
        piece &= size_mask(step);
        out |= piece << piece_shift(ops, off, size, step);
    }
    out &= size_mask(size);
    trace(memory_region_ops_read,
          "mr %p addr 0x%" PRIx64 " value 0x%" PRIx64 " size %u name '%s'", mr,
          addr, out, size, mr->name);
    *value = ops->endian == MEM_BIG_ENDIAN ? swap_bytes(out, size) : out;
    return res;
}

static MemResult region_write(const MemRegion *mr, hwaddr addr, uint64_t value,
                              unsigned size, MemAttrs attrs)
{
    const MemOps *ops = mr->ops;
    unsigned step = impl_size(ops, addr, size);
    MemResult res = MEM_OK;

    if (!access_valid(ops, addr, size)) {
        return MEM_DECODE_ERROR;
    }
    value &= size_mask(size);
    if (ops->endian == MEM_BIG_ENDIAN) {
        value = swap_bytes(value, size);
    }
    trace(memory_region_ops_write,
          "mr %p addr 0x%" PRIx64 " value 0x%" PRIx64 " size %u name '%s'", mr,
          addr, value, size, mr->name);
    for (unsigned off = 0; off < size; off += step) {
        uint64_t piece = value >> piece_shift(ops, off, size, step);

        res |= call_write(mr, addr + off, piece & size_mask(step), step, attrs);
    }
    return res;
}

/* KVM signals most ioeventfds itself; this serves where there is no KVM. */
static bool signal_ioeventfd(const MemRegion *mr, hwaddr addr, uint64_t value,
                             unsigned size)
{
    for (unsigned i = 0; i < mr->n_ioeventfds; i++) {
        const MemIoeventfd *f = &mr->ioeventfds[i];

        if (f->addr == addr && (!f->size || f->size == size) &&
            (!f->match || f->value == (value & size_mask(size)))) {
            event_notifier_set(f->e);
            return true;
        }
    }
    return false;
}

/* The widest single access at @addr of a run of @len bytes. */
static unsigned access_size(const MemRegion *mr, hwaddr addr, uint64_t len)
{
    unsigned size = mr->ops->valid.max ? mr->ops->valid.max : 8;

    if (!mr->ops->valid.unaligned && addr) {
        size = MIN(size, addr & -addr);
    }
    while (size > len) {
        size /= 2;
    }
    return size;
}

/* Accesses ------------------------------------------------------------------- */

/*
 * One step of a transfer. The lookup is repeated under the machine lock when
 * the region wants it, since the view may change meanwhile.
 */
typedef struct Access {
    AddressSpace *as;
    bool write;
    bool rom;    /* writes reach ROM */
    bool locked; /* we took the machine lock */
    bool held;   /* the caller has it */
    MemAttrs attrs;
} Access;

static bool needs_lock(const Access *a, const FlatRange *r)
{
    return !r->mr->ops->unlocked || (a->write && r->mr->n_ioeventfds);
}

static MemResult step_device(const Access *a, const FlatRange *r, hwaddr addr,
                             uint8_t *buf, uint64_t *len)
{
    hwaddr offset = addr - r->first + r->offset;
    unsigned size = access_size(r->mr, offset, *len);
    uint64_t value = 0;
    MemResult res;

    *len = size;
    if (!a->write) {
        res = region_read(r->mr, offset, &value, size, a->attrs);
        value = GUINT64_TO_LE(value);
        memcpy(buf, &value, size);
        return res;
    }
    memcpy(&value, buf, size);
    value = GUINT64_FROM_LE(value);
    if (r->mr->n_ioeventfds &&
        signal_ioeventfd(r->mr, offset, value, size)) {
        return MEM_OK;
    }
    return region_write(r->mr, offset, value, size, a->attrs);
}

static MemResult step_ram(const Access *a, const FlatRange *r, hwaddr addr,
                          uint8_t *buf, uint64_t len)
{
    uint8_t *host = r->host + (addr - r->first);

    if (a->write) {
        memcpy(host, buf, len);
        ram_block_set_dirty(r->ram, r->offset + (addr - r->first), len);
    } else {
        memcpy(buf, host, len);
    }
    return MEM_OK;
}

/* Serve a first part of the transfer; *len becomes its length. False: retry
 * with the lock held. */
static bool step(const Access *a, hwaddr addr, uint8_t *buf, uint64_t *len,
                 MemResult *res)
{
    const FlatView *v = rcu_dereference(a->as->view);
    const FlatRange *r = flat_view_find(v, addr);

    if (!r) {
        *len = hole_room(v, addr, *len);
        if (!a->write) {
            memset(buf, 0xff, *len);
        }
        *res |= MEM_DECODE_ERROR;
        return true;
    }
    if (a->write ? (writes_ram(r) || (a->rom && r->host)) : reads_ram(r)) {
        *len = range_room(r, addr, *len);
        *res |= step_ram(a, r, addr, buf, *len);
        return true;
    }
    if (!r->mr->ops) {
        *len = range_room(r, addr, *len);
        *res |= MEM_ERROR; /* a write to ROM is lost */
        return true;
    }
    *len = device_room(r, addr, *len);
    if (!a->held && !a->locked && needs_lock(a, r)) {
        return false;
    }
    *res |= step_device(a, r, addr, buf, len);
    return true;
}

static MemResult transfer(Access *a, hwaddr addr, uint8_t *buf, uint64_t len)
{
    MemResult res = MEM_OK;

    a->held = vm_locked(a->as->vm);
    while (len) {
        uint64_t now = len;
        bool done;

        if (a->held) {
            /* The lock keeps the view; a callback may wait for readers. */
            done = step(a, addr, buf, &now, &res);
        } else {
            rcu_read_lock();
            done = step(a, addr, buf, &now, &res);
            rcu_read_unlock();
        }
        if (!done) {
            vm_lock(a->as->vm);
            a->locked = true;
            now = len;
            step(a, addr, buf, &now, &res);
            a->locked = false;
            vm_unlock(a->as->vm);
        }
        addr += now;
        buf += now;
        len -= now;
    }
    return res;
}

MemResult as_read(AddressSpace *as, hwaddr addr, void *buf, size_t len,
                  MemAttrs attrs)
{
    Access a = { .as = as, .attrs = attrs };

    return transfer(&a, addr, buf, len);
}

MemResult as_write(AddressSpace *as, hwaddr addr, const void *buf, size_t len,
                   MemAttrs attrs)
{
    Access a = { .as = as, .write = true, .attrs = attrs };

    return transfer(&a, addr, (uint8_t *)buf, len);
}

MemResult as_write_rom(AddressSpace *as, hwaddr addr, const void *buf,
                       size_t len)
{
    Access a = { .as = as, .write = true, .rom = true,
                 .attrs = MEM_ATTRS_NONE };

    return transfer(&a, addr, (uint8_t *)buf, len);
}

MemResult as_set(AddressSpace *as, hwaddr addr, uint8_t byte, uint64_t len)
{
    uint8_t chunk[512];
    MemResult res = MEM_OK;

    memset(chunk, byte, sizeof(chunk));
    while (len) {
        size_t now = MIN(len, sizeof(chunk));

        res |= as_write(as, addr, chunk, now, MEM_ATTRS_NONE);
        addr += now;
        len -= now;
    }
    return res;
}

MemResult as_load(AddressSpace *as, hwaddr addr, uint64_t *value, unsigned size,
                  MemAttrs attrs)
{
    uint64_t le = 0;
    MemResult res = as_read(as, addr, &le, size, attrs);

    *value = GUINT64_FROM_LE(le);
    return res;
}

MemResult as_store(AddressSpace *as, hwaddr addr, uint64_t value, unsigned size,
                   MemAttrs attrs)
{
    uint64_t le = GUINT64_TO_LE(value);

    return as_write(as, addr, &le, size, attrs);
}
