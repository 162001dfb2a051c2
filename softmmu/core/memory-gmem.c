/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM for devices: copies of whole objects, scoped mappings for bulk
 * data, and mappings that follow the address space for rings. None of these
 * ever reaches device code.
 */
#include "util/osdep.h"

#include "softmmu/core/memory-internal.h"
#include "softmmu/vm.h"
#include "util/rcu.h"

static const FlatRange *ram_at(AddressSpace *as, hwaddr addr, bool write)
{
    const FlatRange *r = flat_view_find(rcu_dereference(as->view), addr);

    if (!r || !r->host || (r->mr->kind == MEM_ROM_DEVICE && !r->romd) ||
        (write && (!flat_range_is_ram(r) || r->readonly))) {
        return NULL;
    }
    return r;
}

/* The whole transfer is checked as it goes: on failure a write may have been
 * done in part, as with any bus error. */
static bool copy(AddressSpace *as, hwaddr addr, uint8_t *buf, size_t len,
                 bool write)
{
    if (len && addr + len - 1 < addr) {
        return false;
    }
    while (len) {
        const FlatRange *r = ram_at(as, addr, write);
        uint64_t off, now;

        if (!r) {
            return false;
        }
        off = addr - r->first;
        now = MIN(len - 1, r->last - addr) + 1;
        if (write) {
            memcpy(r->host + off, buf, now);
            ram_block_set_dirty(r->ram, r->offset + off, now);
        } else {
            memcpy(buf, r->host + off, now);
        }
        addr += now;
        buf += now;
        len -= now;
    }
    return true;
}

bool gmem_read(AddressSpace *as, hwaddr addr, void *buf, size_t len)
{
    bool ok;

    rcu_read_lock();
    ok = copy(as, addr, buf, len, false);
    rcu_read_unlock();
    if (!ok) {
        memset(buf, 0, len);
    }
    return ok;
}

bool gmem_write(AddressSpace *as, hwaddr addr, const void *buf, size_t len)
{
    bool ok;

    rcu_read_lock();
    ok = copy(as, addr, (uint8_t *)buf, len, true);
    rcu_read_unlock();
    return ok;
}

bool gmem_map(AddressSpace *as, hwaddr addr, size_t len, bool write,
              GmemMap *map)
{
    const FlatRange *r;

    *map = (GmemMap){ .write = write };
    if (!len) {
        return false;
    }
    rcu_read_lock();
    r = ram_at(as, addr, write);
    if (r) {
        uint64_t off = addr - r->first;

        map->ptr = r->host + off;
        map->len = MIN(len - 1, r->last - addr) + 1;
        map->offset = r->offset + off;
        map->block = ram_block_ref(r->ram);
    }
    rcu_read_unlock();
    return map->ptr != NULL;
}

void gmem_unmap(GmemMap *map, size_t touched)
{
    if (!map->block) {
        return;
    }
    if (map->write && touched) {
        ram_block_set_dirty(map->block, map->offset, MIN(touched, map->len));
    }
    ram_block_unref(map->block);
    *map = (GmemMap){ NULL };
}

void gmem_cache_init(GmemCache *c, AddressSpace *as, hwaddr addr, size_t len,
                     bool write)
{
    *c = (GmemCache){ .as = as, .addr = addr, .len = len, .write = write };
}

static void *cache_refresh(GmemCache *c, unsigned generation)
{
    gmem_unmap(&c->map, 0);
    c->generation = generation;
    if (!gmem_map(c->as, c->addr, c->len, c->write, &c->map)) {
        return NULL;
    }
    if (c->map.len < c->len) {
        gmem_unmap(&c->map, 0);
    }
    return c->map.ptr;
}

void *gmem_cache_ptr(GmemCache *c)
{
    /* Pairs with the release in space_update_view(): a generation that we see
     * has its view published. */
    unsigned now = __atomic_load_n(&c->as->generation, __ATOMIC_ACQUIRE);

    return likely(now == c->generation) ? c->map.ptr : cache_refresh(c, now);
}

void gmem_cache_dirty(GmemCache *c, size_t off, size_t len)
{
    if (c->map.block && off < c->map.len) {
        ram_block_set_dirty(c->map.block, c->map.offset + off,
                            MIN(len, c->map.len - off));
    }
}

void gmem_cache_destroy(GmemCache *c)
{
    if (c->as) {
        gmem_unmap(&c->map, 0);
        c->as = NULL;
    }
}
