/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest address spaces. A tree of regions (RAM, ROM, ROM devices, I/O, aliases,
 * containers, with priorities) is flattened into an immutable FlatView, which
 * readers take under RCU; listeners (KVM slots, ioeventfds, vhost) are told the
 * differences.
 *
 * Changing the tree: machine lock. Accesses: any thread. Region callbacks run
 * under the machine lock unless their MemOps says .unlocked; the dispatcher
 * takes the lock where the caller does not hold it.
 */
#ifndef SOFTMMU_MEMORY_H
#define SOFTMMU_MEMORY_H

#include "util/event-notifier.h"

typedef enum MemResult {
    MEM_OK = 0,
    MEM_ERROR = 1,        /* the device refused */
    MEM_DECODE_ERROR = 2, /* nothing there */
} MemResult;

/* What travels with an access: who asks. */
typedef struct MemAttrs {
    uint16_t requester; /* PCI requester id of a DMA master */
    bool unspecified;
} MemAttrs;
#define MEM_ATTRS_NONE ((MemAttrs){ .unspecified = true })

typedef enum MemEndian {
    MEM_LITTLE_ENDIAN = 0,
    MEM_BIG_ENDIAN,
} MemEndian;

/*
 * An access wider than impl.max is split, at rising addresses. One narrower
 * than impl.min reaches the callback with impl.min at its own address: reads
 * are truncated, writes zero-extended.
 */
typedef struct MemOps {
    /* @size is 1, 2, 4 or 8 within .impl; @addr is relative to the region. */
    uint64_t (*read)(void *opaque, hwaddr addr, unsigned size);
    void (*write)(void *opaque, hwaddr addr, uint64_t value, unsigned size);
    /* In place of the above where a device can refuse or asks who. */
    MemResult (*read_attrs)(void *opaque, hwaddr addr, uint64_t *value,
                            unsigned size, MemAttrs attrs);
    MemResult (*write_attrs)(void *opaque, hwaddr addr, uint64_t value,
                             unsigned size, MemAttrs attrs);
    MemEndian endian;
    /* What the guest may use (others fail) and what the callbacks take (the
     * core splits and joins). Zero means 1 .. 8 for valid, 1 .. 4 for impl. */
    struct {
        uint8_t min, max;
        bool unaligned;
    } valid, impl;
    /* Callbacks may run without the machine lock and lock for themselves.
     * They run in an RCU read section. */
    bool unlocked;
} MemOps;

typedef enum MemKind {
    MEM_CONTAINER,
    MEM_RAM,
    MEM_ROM,        /* RAM the guest cannot write */
    MEM_ROM_DEVICE, /* reads from RAM (while romd), writes to ops */
    MEM_IO,
    MEM_ALIAS,
} MemKind;

/* Host memory behind RAM regions. Made by memory backends or mem_region_init_*;
 * reference counted; the block's fd (or -1) can be shared with other
 * processes. */
typedef struct RamBlock RamBlock;

typedef struct MemIoeventfd MemIoeventfd;

struct MemRegion {
    const char *name; /* owned */
    MemKind kind;
    Object *owner; /* keeps the region alive while mapped; may be NULL */
    uint64_t size; /* 0 means 2^64 for containers */
    const MemOps *ops;
    void *opaque;
    RamBlock *ram;
    MemRegion *alias;
    hwaddr alias_offset;
    bool enabled, readonly, romd, nonvolatile;
    /* All below is private to softmmu/core. */
    MemRegion *container;
    hwaddr addr;
    int priority;
    GPtrArray *subregions; /* by falling priority */
    GPtrArray *aliases;    /* alias regions that point here */
    AddressSpace *spaces;  /* whose root this is */
    MemIoeventfd *ioeventfds;
    unsigned n_ioeventfds;
    uint8_t dirty_clients; /* who wants a dirty log of it */
};

/* Making regions. A region is embedded in its owner; mem_region_cleanup() (or
 * the owner's finalize) undoes it and it must be unmapped by then. */
void mem_region_init(MemRegion *mr, Object *owner, const char *name,
                     uint64_t size); /* container */
void mem_region_init_io(MemRegion *mr, Object *owner, const MemOps *ops,
                        void *opaque, const char *name, uint64_t size);
/* New anonymous memory, zeroed, page aligned. */
bool mem_region_init_ram(MemRegion *mr, Object *owner, const char *name,
                         uint64_t size, Error **errp);
bool mem_region_init_rom(MemRegion *mr, Object *owner, const char *name,
                         uint64_t size, Error **errp);
bool mem_region_init_rom_device(MemRegion *mr, Object *owner,
                                const MemOps *ops, void *opaque,
                                const char *name, uint64_t size, Error **errp);
/* Memory that exists: a backend's. */
void mem_region_init_ram_block(MemRegion *mr, Object *owner, const char *name,
                               RamBlock *block);
/* Memory of a device (a VFIO BAR, vhost shared memory): @ptr stays theirs. */
void mem_region_init_ram_ptr(MemRegion *mr, Object *owner, const char *name,
                             uint64_t size, void *ptr);
void mem_region_init_alias(MemRegion *mr, Object *owner, const char *name,
                           MemRegion *target, hwaddr offset, uint64_t size);
void mem_region_cleanup(MemRegion *mr);

/* Placing them. Overlap is allowed only with different priorities. */
void mem_region_add(MemRegion *container, hwaddr addr, MemRegion *sub);
void mem_region_add_overlap(MemRegion *container, hwaddr addr, MemRegion *sub,
                            int priority);
void mem_region_del(MemRegion *container, MemRegion *sub);
void mem_region_set_enabled(MemRegion *mr, bool on);
void mem_region_set_address(MemRegion *mr, hwaddr addr);
void mem_region_set_size(MemRegion *mr, uint64_t size);
void mem_region_set_alias_offset(MemRegion *mr, hwaddr offset);
void mem_region_set_readonly(MemRegion *mr, bool on);
void mem_region_rom_device_set_romd(MemRegion *mr, bool on);
bool mem_region_is_mapped(const MemRegion *mr);
uint64_t mem_region_size(const MemRegion *mr);

/* Host address of a RAM region's byte 0 and its length: for loaders and ROM
 * contents of our own, never from offsets the guest chose. */
void *mem_region_ram_ptr(MemRegion *mr);
RamBlock *mem_region_ram_block(MemRegion *mr);

/* Group changes: listeners hear of the result at the last commit. Nests. */
void mem_txn_begin(Vm *vm);
void mem_txn_commit(Vm *vm);
/* From now on threads other than the main one read guest memory. Called when
 * the VM first runs; until then old views are freed at once. */
void mem_set_shared(Vm *vm);
/* When the VM goes: all address spaces must be gone. */
void mem_free(Vm *vm);

/*
 * A write of @size bytes (0: any size) at @addr of the region, of @value when
 * @match, signals @e instead of reaching the ops (KVM ioeventfd). Without KVM
 * the dispatcher signals it, so devices need not care.
 */
void mem_region_add_ioeventfd(MemRegion *mr, hwaddr addr, unsigned size,
                              bool match, uint64_t value, EventNotifier *e);
void mem_region_del_ioeventfd(MemRegion *mr, hwaddr addr, unsigned size,
                              bool match, uint64_t value, EventNotifier *e);

/* Address spaces -------------------------------------------------------------- */

/* vm->memory and vm->io exist once the machine does; a device behind an IOMMU
 * gets its own. */
AddressSpace *address_space_new(Vm *vm, const char *name, MemRegion *root);
void address_space_free(AddressSpace *as);

/* Any thread. The region's access rules apply; several regions may be
 * crossed. Reads of nothing give 0xff bytes and MEM_DECODE_ERROR. */
MemResult as_read(AddressSpace *as, hwaddr addr, void *buf, size_t len,
                  MemAttrs attrs);
MemResult as_write(AddressSpace *as, hwaddr addr, const void *buf, size_t len,
                   MemAttrs attrs);
MemResult as_set(AddressSpace *as, hwaddr addr, uint8_t byte, uint64_t len);
/* For loaders: as as_write(), but writes ROM too. */
MemResult as_write_rom(AddressSpace *as, hwaddr addr, const void *buf,
                       size_t len);
/* One access of 1, 2, 4 or 8 bytes in host order, little-endian bus. */
MemResult as_load(AddressSpace *as, hwaddr addr, uint64_t *value, unsigned size,
                  MemAttrs attrs);
MemResult as_store(AddressSpace *as, hwaddr addr, uint64_t value, unsigned size,
                   MemAttrs attrs);

/* RAM only, for devices that read guest structures: false (and zeroed output)
 * when any byte is not RAM. These never call device code. */
bool gmem_read(AddressSpace *as, hwaddr addr, void *buf, size_t len) MUST_CHECK;
bool gmem_write(AddressSpace *as, hwaddr addr, const void *buf, size_t len)
    MUST_CHECK;
#define gmem_read_obj(as, addr, obj) gmem_read(as, addr, obj, sizeof(*(obj)))
#define gmem_write_obj(as, addr, obj) gmem_write(as, addr, obj, sizeof(*(obj)))

/*
 * A scoped mapping of guest RAM for bulk data. The mapping keeps the memory
 * alive (a RAM block reference) until gmem_unmap(), which for writes marks the
 * pages dirty. May return fewer bytes than asked (never 0 on success).
 */
typedef struct GmemMap {
    void *ptr; /* NULL: failed */
    size_t len;
    RamBlock *block; /* private from here */
    uint64_t offset;
    bool write;
} GmemMap;
bool gmem_map(AddressSpace *as, hwaddr addr, size_t len, bool write,
              GmemMap *map) MUST_CHECK;
/* @touched bytes were written (for a write mapping). */
void gmem_unmap(GmemMap *map, size_t touched);

/*
 * A long-lived mapping that follows changes of the address space, for rings:
 * gmem_cache_ptr() is one comparison when nothing changed. Fails when the
 * range is not plain RAM in one block.
 */
typedef struct GmemCache {
    AddressSpace *as;
    hwaddr addr;
    size_t len;
    bool write;
    unsigned generation;
    GmemMap map;
} GmemCache;
void gmem_cache_init(GmemCache *c, AddressSpace *as, hwaddr addr, size_t len,
                     bool write);
/* Host pointer to @len bytes or NULL. Valid until the caller's next return to
 * its loop. */
void *gmem_cache_ptr(GmemCache *c);
/* Bytes [off, off+len) of a write cache were written. */
void gmem_cache_dirty(GmemCache *c, size_t off, size_t len);
void gmem_cache_destroy(GmemCache *c);

/* Listeners ------------------------------------------------------------------- */

/* One contiguous piece of a flat view. */
typedef struct MemSection {
    AddressSpace *as;
    MemRegion *mr;
    hwaddr addr;      /* in the address space */
    uint64_t offset;  /* in the region */
    uint64_t size;
    bool readonly, nonvolatile, romd;
    uint8_t dirty_clients; /* DIRTY_*: who wants its dirty log */
} MemSection;
/* The section that @addr lies in; false when nothing is there. The owner of
 * the region is referenced: object_unref() it. Machine lock. */
bool address_space_find(AddressSpace *as, hwaddr addr, MemSection *s);
/* Host address of a RAM section's first byte. */
void *mem_section_host(const MemSection *s);
/* Visit the current view's sections in order. Machine lock. */
void address_space_foreach(AddressSpace *as,
                           bool (*fn)(const MemSection *s, void *opaque),
                           void *opaque);

typedef struct MemListener MemListener;
struct MemListener {
    /* Machine lock held. All optional. */
    void (*begin)(MemListener *l);
    void (*add)(MemListener *l, const MemSection *s);
    void (*del)(MemListener *l, const MemSection *s);
    void (*nop)(MemListener *l, const MemSection *s); /* unchanged */
    void (*log_start)(MemListener *l, const MemSection *s);
    void (*log_stop)(MemListener *l, const MemSection *s);
    /* Fetch the dirty log of the section into the block's bitmap. */
    void (*log_sync)(MemListener *l, const MemSection *s);
    void (*eventfd_add)(MemListener *l, const MemSection *s, bool match,
                        uint64_t value, EventNotifier *e);
    void (*eventfd_del)(MemListener *l, const MemSection *s, bool match,
                        uint64_t value, EventNotifier *e);
    void (*commit)(MemListener *l);
    int priority;
    AddressSpace *as; /* set by mem_listener_add */
    MemListener *next;
};
/* Told of the current view at once. */
void mem_listener_add(MemListener *l, AddressSpace *as);
void mem_listener_del(MemListener *l);

/* RAM blocks ---------------------------------------------------------------- */

typedef enum RamFlags {
    RAM_SHARED = 1,
    RAM_READONLY = 2,
    RAM_NORESERVE = 4,
    RAM_PMEM = 8,
    RAM_NAMED_FILE = 16, /* fd is a file the user named */
} RamFlags;

/* Anonymous memory, or a mapping of @fd (taken over on success) at
 * @fd_offset when fd >= 0. @align 0: the page size of the file or host. */
RamBlock *ram_block_new(const char *id, uint64_t size, uint64_t align,
                        unsigned flags, int fd, uint64_t fd_offset,
                        Error **errp);
RamBlock *ram_block_ref(RamBlock *b);
void ram_block_unref(RamBlock *b);
const char *ram_block_id(const RamBlock *b);
/* The migration id ("pc.ram", "0000:00:03.0/vga.vram"); lists the block with
 * @vm, so that migration and "info ramblock" find it. Once per block. */
bool ram_block_register(RamBlock *b, Vm *vm, const char *id, Error **errp);
void ram_block_unregister(RamBlock *b);
/* Registered blocks, biggest first. Machine lock. */
void ram_blocks_foreach(Vm *vm, bool (*fn)(RamBlock *b, void *opaque),
                        void *opaque);
void *ram_block_host(RamBlock *b);
uint64_t ram_block_size(const RamBlock *b);
int ram_block_fd(const RamBlock *b, uint64_t *offset);
size_t ram_block_page_size(const RamBlock *b);
bool ram_block_is_shared(const RamBlock *b);

/* madvise() of the whole block; QEMU's mem-merge and dump-guest-core. */
void ram_block_set_merge(RamBlock *b, bool on);
void ram_block_set_dump(RamBlock *b, bool on);

/*
 * Dirty tracking in bitmaps of one bit per 4 KiB page and client. Any thread,
 * except start and stop: machine lock.
 */
enum { DIRTY_MIGRATION = 1, DIRTY_VGA = 2 };
#define DIRTY_PAGE_BITS 12
void ram_block_set_dirty(RamBlock *b, uint64_t offset, uint64_t len);
/* Pages first + i of the set bits i of @bitmap are dirty. */
void ram_block_merge_dirty(RamBlock *b, uint64_t first_page,
                           const uint64_t *bitmap, uint64_t pages);
/* Start with a clean bitmap. */
void ram_block_dirty_start(RamBlock *b, unsigned client);
void ram_block_dirty_stop(RamBlock *b, unsigned client);
/* Was any page of the range dirty for @client? Cleans them. */
bool ram_block_test_clear_dirty(RamBlock *b, unsigned client, uint64_t offset,
                                uint64_t len);
/* Move the bits of pages [first, first + pages) (multiples of 64, but for the
 * block's end) into @bitmap; returns how many were set. */
uint64_t ram_block_take_dirty(RamBlock *b, unsigned client,
                              uint64_t first_page, uint64_t *bitmap,
                              uint64_t pages);

/* Have listeners log writes to one region, or to all RAM. Machine lock. */
void mem_region_set_log(MemRegion *mr, bool on, unsigned client);
void mem_log_start(Vm *vm, unsigned client);
void mem_log_stop(Vm *vm, unsigned client);
/* Fetch what the listeners logged into the blocks' bitmaps. */
void mem_log_sync(Vm *vm);

/* "info mtree": -f shows flat views, -o owners, -D disabled regions. */
char *mem_info_mtree(Vm *vm, bool flat, bool owner, bool disabled);
char *mem_info_ramblock(Vm *vm);

#endif
