/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory of a plain buffer at address 0 behind the gmem_* contract, and
 * what else hw/virtio/vring.c needs of the device core, so that rings can be
 * tested and fuzzed alone. Include it in one file of the program.
 */
#ifndef TESTS_FLAT_GMEM_H
#define TESTS_FLAT_GMEM_H

#include "hw/virtio/virtio.h"

struct AddressSpace {
    uint8_t *ram;
    size_t size;
    size_t piece; /* mappings do not cross multiples of this; 0: any */
    long maps;    /* outstanding */
};

static bool flat_ok(const AddressSpace *as, hwaddr addr, size_t len)
{
    return len <= as->size && addr <= as->size - len;
}

bool gmem_read(AddressSpace *as, hwaddr addr, void *buf, size_t len)
{
    if (!flat_ok(as, addr, len)) {
        memset(buf, 0, len);
        return false;
    }
    memcpy(buf, as->ram + addr, len);
    return true;
}

bool gmem_map(AddressSpace *as, hwaddr addr, size_t len, bool write,
              GmemMap *map)
{
    *map = (GmemMap){ .write = write };
    if (!len || addr >= as->size) {
        return false;
    }
    len = MIN(len, as->size - addr);
    if (as->piece) {
        len = MIN(len, as->piece - addr % as->piece);
    }
    map->ptr = as->ram + addr;
    map->len = len;
    map->block = (RamBlock *)as;
    as->maps++;
    return true;
}

void gmem_unmap(GmemMap *map, size_t touched)
{
    if (map->block) {
        g_assert_cmpuint(touched, <=, map->len);
        ((AddressSpace *)map->block)->maps--;
    }
    *map = (GmemMap){};
}

void gmem_cache_init(GmemCache *c, AddressSpace *as, hwaddr addr, size_t len,
                     bool write)
{
    *c = (GmemCache){ .as = as, .addr = addr, .len = len, .write = write };
}

void *gmem_cache_ptr(GmemCache *c)
{
    return flat_ok(c->as, c->addr, c->len) ? c->as->ram + c->addr : NULL;
}

void gmem_cache_dirty(GmemCache *c, size_t off, size_t len)
{
    g_assert_cmpuint(off + len, <=, c->len);
}

void gmem_cache_destroy(GmemCache *c)
{
}

bool virtio_broken(VirtioDevice *vdev, const char *fmt, ...)
{
    vdev->broken = 1;
    return false;
}

#endif
