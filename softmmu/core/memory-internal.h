/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared by the files of the memory core.
 *
 * Flat views are immutable. Readers take as->view in an RCU read section, or
 * under the machine lock, where it does not change. A replaced view is freed
 * after a grace period by a task of the main loop, which also drops the
 * references to the regions' owners.
 */
#ifndef SOFTMMU_CORE_MEMORY_INTERNAL_H
#define SOFTMMU_CORE_MEMORY_INTERNAL_H

#include "softmmu/memory.h"
#include "util/loop.h"

/* A piece of an address space; bounds are inclusive, as spaces have 2^64
 * bytes. */
typedef struct FlatRange {
    hwaddr first, last;
    uint64_t offset; /* of first in the region */
    MemRegion *mr;
    Object *owner; /* referenced, as is .ram */
    uint8_t *host; /* address of first for RAM, else NULL */
    RamBlock *ram;
    bool readonly, nonvolatile, romd;
    uint8_t dirty_clients;
} FlatRange;

typedef struct FlatView {
    unsigned refs; /* machine lock */
    MemRegion *root; /* the effective root it was made for */
    unsigned n;
    unsigned cap;
    FlatRange *ranges; /* sorted, disjoint */
    struct FlatView *next_retired;
} FlatView;

typedef struct FlatEventfd {
    hwaddr addr;
    unsigned size;
    bool match;
    uint64_t value;
    EventNotifier *e;
    MemRegion *mr;
    uint64_t offset;
} FlatEventfd;

struct MemIoeventfd {
    hwaddr addr;
    unsigned size;
    bool match;
    uint64_t value;
    EventNotifier *e;
};

struct AddressSpace {
    Vm *vm;
    char *name;
    MemRegion *root;
    FlatView *view;       /* RCU */
    unsigned generation;  /* atomic; counts views */
    FlatEventfd *eventfds; /* what listeners know; lock */
    unsigned n_eventfds;
    MemListener *listeners; /* by priority; lock */
    bool view_stale, eventfds_stale; /* lock */
    AddressSpace *next;      /* in vm->mem */
    AddressSpace *next_same; /* with the same root region */
};

typedef struct VmMemory {
    Vm *vm;
    unsigned depth; /* of nested transactions */
    bool stale;     /* some address space is */
    bool committing;
    AddressSpace *spaces;
    GPtrArray *blocks; /* registered RamBlock *, biggest first */
    uint8_t log_clients; /* global dirty log */
    FlatView *retired;
    LoopTask reclaim;
    bool shared; /* other threads may be reading views */
} VmMemory;

VmMemory *vm_memory(Vm *vm);

/* memory-flat.c */
FlatView *flat_view_new(MemRegion *root, uint8_t log_clients);
void flat_view_free(FlatView *v);
MemRegion *flat_effective_root(MemRegion *root);
FlatEventfd *flat_eventfds(const FlatView *v, unsigned *n);
int flat_eventfd_order(const void *a, const void *b); /* for qsort */
const FlatRange *flat_view_find(const FlatView *v, hwaddr addr);
MemSection flat_section(AddressSpace *as, const FlatRange *r);

/* Set for regions whose RAM the guest may write directly. */
static inline bool flat_range_is_ram(const FlatRange *r)
{
    return r->host && r->mr->kind == MEM_RAM;
}

/* memory-txn.c: all address spaces that show @mr need a new view (or a new
 * list of eventfds); committed at once when no transaction is open. */
void mem_region_changed(MemRegion *mr);
void mem_region_eventfds_changed(MemRegion *mr);

/* ramblock.c: memory that is not ours. */
RamBlock *ram_block_new_ptr(const char *id, uint64_t size, void *ptr);

#endif
