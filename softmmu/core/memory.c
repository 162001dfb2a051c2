/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree of memory regions: making, placing and changing them. What the
 * guest sees of it is worked out in memory-flat.c.
 */
#include "util/osdep.h"

#include "softmmu/core/memory-internal.h"
#include "softmmu/vm.h"
#include "util/error.h"

static void region_setup(MemRegion *mr, Object *owner, const char *name,
                         uint64_t size, MemKind kind)
{
    *mr = (MemRegion){
        .name = g_strdup(name),
        .kind = kind,
        .owner = owner,
        .size = size,
        .enabled = true,
    };
}

void mem_region_init(MemRegion *mr, Object *owner, const char *name,
                     uint64_t size)
{
    region_setup(mr, owner, name, size, MEM_CONTAINER);
}

void mem_region_init_io(MemRegion *mr, Object *owner, const MemOps *ops,
                        void *opaque, const char *name, uint64_t size)
{
    region_setup(mr, owner, name, size, MEM_IO);
    mr->ops = ops;
    mr->opaque = opaque;
}

void mem_region_init_ram_block(MemRegion *mr, Object *owner, const char *name,
                               RamBlock *block)
{
    region_setup(mr, owner, name, ram_block_size(block), MEM_RAM);
    mr->ram = ram_block_ref(block);
    mr->nonvolatile = false;
}

static bool region_alloc(MemRegion *mr, Object *owner, const char *name,
                         uint64_t size, MemKind kind, Error **errp)
{
    RamBlock *block = ram_block_new(name, size, 0, 0, -1, 0, errp);

    if (!block) {
        return false;
    }
    mem_region_init_ram_block(mr, owner, name, block);
    mr->size = size;
    mr->kind = kind;
    mr->readonly = kind == MEM_ROM;
    ram_block_unref(block);
    return true;
}

bool mem_region_init_ram(MemRegion *mr, Object *owner, const char *name,
                         uint64_t size, Error **errp)
{
    return region_alloc(mr, owner, name, size, MEM_RAM, errp);
}

bool mem_region_init_rom(MemRegion *mr, Object *owner, const char *name,
                         uint64_t size, Error **errp)
{
    return region_alloc(mr, owner, name, size, MEM_ROM, errp);
}

bool mem_region_init_rom_device(MemRegion *mr, Object *owner,
                                const MemOps *ops, void *opaque,
                                const char *name, uint64_t size, Error **errp)
{
    if (!region_alloc(mr, owner, name, size, MEM_ROM_DEVICE, errp)) {
        return false;
    }
    mr->ops = ops;
    mr->opaque = opaque;
    mr->romd = true;
    return true;
}

void mem_region_init_ram_ptr(MemRegion *mr, Object *owner, const char *name,
                             uint64_t size, void *ptr)
{
    RamBlock *block = ram_block_new_ptr(name, size, ptr);

    mem_region_init_ram_block(mr, owner, name, block);
    ram_block_unref(block);
}

void mem_region_init_alias(MemRegion *mr, Object *owner, const char *name,
                           MemRegion *target, hwaddr offset, uint64_t size)
{
    region_setup(mr, owner, name, size, MEM_ALIAS);
    mr->alias = target;
    mr->alias_offset = offset;
    if (!target->aliases) {
        target->aliases = g_ptr_array_new();
    }
    g_ptr_array_add(target->aliases, mr);
}

void mem_region_cleanup(MemRegion *mr)
{
    if (!mr->name) {
        return;
    }
    if (mr->container) {
        mem_region_del(mr->container, mr);
    }
    assert(!mr->spaces);
    if (mr->kind == MEM_ALIAS) {
        g_ptr_array_remove(mr->alias->aliases, mr);
    }
    while (mr->subregions && mr->subregions->len) {
        mem_region_del(mr, g_ptr_array_index(mr->subregions, 0));
    }
    assert(!mr->aliases || !mr->aliases->len);
    g_clear_pointer(&mr->subregions, g_ptr_array_unref);
    g_clear_pointer(&mr->aliases, g_ptr_array_unref);
    g_clear_pointer(&mr->ram, ram_block_unref);
    g_clear_pointer(&mr->ioeventfds, g_free);
    mr->n_ioeventfds = 0;
    g_free((char *)mr->name);
    mr->name = NULL;
}

static void region_insert(MemRegion *container, MemRegion *sub)
{
    unsigned i;

    if (!container->subregions) {
        container->subregions = g_ptr_array_new();
    }
    /* Among equals, the last one placed wins. */
    for (i = 0; i < container->subregions->len; i++) {
        const MemRegion *other = g_ptr_array_index(container->subregions, i);

        if (sub->priority >= other->priority) {
            break;
        }
    }
    g_ptr_array_insert(container->subregions, i, sub);
    sub->container = container;
}

void mem_region_add_overlap(MemRegion *container, hwaddr addr, MemRegion *sub,
                            int priority)
{
    assert(!sub->container && sub != container);
    sub->addr = addr;
    sub->priority = priority;
    region_insert(container, sub);
    if (sub->enabled) {
        mem_region_changed(container);
    }
}

void mem_region_add(MemRegion *container, hwaddr addr, MemRegion *sub)
{
    mem_region_add_overlap(container, addr, sub, 0);
}

void mem_region_del(MemRegion *container, MemRegion *sub)
{
    assert(sub->container == container);
    g_ptr_array_remove(container->subregions, sub);
    sub->container = NULL;
    if (sub->enabled) {
        mem_region_changed(container);
    }
}

void mem_region_set_enabled(MemRegion *mr, bool on)
{
    if (mr->enabled != on) {
        mr->enabled = on;
        mem_region_changed(mr);
    }
}

void mem_region_set_address(MemRegion *mr, hwaddr addr)
{
    if (mr->addr != addr) {
        mr->addr = addr;
        mem_region_changed(mr);
    }
}

void mem_region_set_size(MemRegion *mr, uint64_t size)
{
    assert(!mr->ram || size <= ram_block_size(mr->ram));
    if (mr->size != size) {
        mr->size = size;
        mem_region_changed(mr);
    }
}

void mem_region_set_alias_offset(MemRegion *mr, hwaddr offset)
{
    assert(mr->kind == MEM_ALIAS);
    if (mr->alias_offset != offset) {
        mr->alias_offset = offset;
        mem_region_changed(mr);
    }
}

void mem_region_set_readonly(MemRegion *mr, bool on)
{
    if (mr->readonly != on) {
        mr->readonly = on;
        mem_region_changed(mr);
    }
}

void mem_region_rom_device_set_romd(MemRegion *mr, bool on)
{
    assert(mr->kind == MEM_ROM_DEVICE);
    if (mr->romd != on) {
        mr->romd = on;
        mem_region_changed(mr);
    }
}

void mem_region_set_log(MemRegion *mr, bool on, unsigned client)
{
    uint8_t now = on ? mr->dirty_clients | client : mr->dirty_clients & ~client;

    if (now == mr->dirty_clients) {
        return;
    }
    if (on) {
        ram_block_dirty_start(mr->ram, client);
    }
    mr->dirty_clients = now;
    mem_region_changed(mr);
    if (!on) {
        ram_block_dirty_stop(mr->ram, client);
    }
}

bool mem_region_is_mapped(const MemRegion *mr)
{
    return mr->container != NULL;
}

uint64_t mem_region_size(const MemRegion *mr)
{
    return mr->size;
}

void *mem_region_ram_ptr(MemRegion *mr)
{
    hwaddr offset = 0;

    while (mr->kind == MEM_ALIAS) {
        offset += mr->alias_offset;
        mr = mr->alias;
    }
    return mr->ram ? (uint8_t *)ram_block_host(mr->ram) + offset : NULL;
}

RamBlock *mem_region_ram_block(MemRegion *mr)
{
    return mr->ram;
}

/* ioeventfds ----------------------------------------------------------------- */

void mem_region_add_ioeventfd(MemRegion *mr, hwaddr addr, unsigned size,
                              bool match, uint64_t value, EventNotifier *e)
{
    mr->ioeventfds = g_renew(MemIoeventfd, mr->ioeventfds,
                             mr->n_ioeventfds + 1);
    mr->ioeventfds[mr->n_ioeventfds++] = (MemIoeventfd){
        .addr = addr, .size = size, .match = match, .value = value, .e = e,
    };
    mem_region_eventfds_changed(mr);
}

void mem_region_del_ioeventfd(MemRegion *mr, hwaddr addr, unsigned size,
                              bool match, uint64_t value, EventNotifier *e)
{
    for (unsigned i = 0; i < mr->n_ioeventfds; i++) {
        const MemIoeventfd *f = &mr->ioeventfds[i];

        if (f->e == e && f->addr == addr && f->size == size &&
            f->match == match && f->value == value) {
            mr->ioeventfds[i] = mr->ioeventfds[--mr->n_ioeventfds];
            mem_region_eventfds_changed(mr);
            return;
        }
    }
    assert(!"ioeventfd is not there");
}
