/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RAM blocks: host memory that guests see, anonymous or of a file, and its
 * dirty bitmaps.
 */
#include "util/osdep.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "softmmu/core/memory-internal.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* So that the kernel can back guest memory with huge pages, and KVM map them
 * as such. */
#define RAM_ALIGN (2 * MiB)

#define DIRTY_CLIENTS 2

struct RamBlock {
    unsigned refs; /* atomic */
    /* Const after creation. */
    uint8_t *host;
    uint64_t size;   /* what the owner asked for */
    uint64_t mapped; /* rounded to pages */
    size_t page_size;
    unsigned flags;
    int fd;
    uint64_t fd_offset;
    bool foreign; /* the memory is not ours */
    /* Machine lock. */
    char *id;
    Vm *vm; /* registered with; or NULL */
    /* One bit a page; made at the first start, kept until the block goes, as
     * other threads set bits. */
    uint64_t *dirty[DIRTY_CLIENTS];
    unsigned logging; /* atomic: clients that log */
};

static size_t host_page_size(void)
{
    return sysconf(_SC_PAGESIZE);
}

static size_t fd_page_size(int fd)
{
    struct statfs fs;

    if (RETRY_ON_EINTR(fstatfs(fd, &fs)) == 0 &&
        fs.f_type == HUGETLBFS_MAGIC) {
        return fs.f_bsize;
    }
    return host_page_size();
}

/* Map @b at an address that is a multiple of @align, with an inaccessible page
 * behind it. */
static bool block_mmap(RamBlock *b, uint64_t align, Error **errp)
{
    size_t guard = MAX(b->page_size, host_page_size());
    size_t total = b->mapped + align + guard;
    int prot = PROT_READ | (b->flags & RAM_READONLY ? 0 : PROT_WRITE);
    int flags = MAP_FIXED;
    uint8_t *area, *start;

    area = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
                MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        return error_errno(errp, errno, "cannot reserve %" PRIu64
                           " bytes of address space for '%s'", b->size, b->id);
    }
    start = (uint8_t *)ALIGN_UP((uintptr_t)area, align);
    flags |= b->flags & RAM_SHARED ? MAP_SHARED : MAP_PRIVATE;
    flags |= b->fd < 0 ? MAP_ANONYMOUS : 0;
    flags |= b->flags & RAM_NORESERVE ? MAP_NORESERVE : 0;
    if (mmap(start, b->mapped, prot, flags, b->fd, b->fd_offset) ==
        MAP_FAILED) {
        error_errno(errp, errno, "cannot set up guest memory '%s'", b->id);
        munmap(area, total);
        return false;
    }
    if (start > area) {
        munmap(area, start - area);
    }
    munmap(start + b->mapped + guard,
           area + total - (start + b->mapped + guard));
    b->host = start;
    return true;
}

/* A new (empty) file gets the size of the block; others must have it. */
static bool block_fit_file(RamBlock *b, Error **errp)
{
    uint64_t want = b->fd_offset + b->mapped;
    struct stat st;

    if (fstat(b->fd, &st)) {
        return error_errno(errp, errno, "cannot stat the file of '%s'", b->id);
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size >= want) {
        return true;
    }
    if (st.st_size > 0) {
        return error_set(errp, "backing store size 0x%" PRIx64 " does not "
                         "match 'size' option 0x%" PRIx64,
                         (uint64_t)st.st_size, b->size);
    }
    if (RETRY_ON_EINTR(ftruncate(b->fd, want))) {
        return error_errno(errp, errno, "cannot resize the file of '%s'",
                           b->id);
    }
    return true;
}

RamBlock *ram_block_new(const char *id, uint64_t size, uint64_t align,
                        unsigned flags, int fd, uint64_t fd_offset,
                        Error **errp)
{
    g_autofree RamBlock *b = g_new0(RamBlock, 1);
    g_autofree char *name = g_strdup(id);

    b->refs = 1;
    b->id = name;
    b->size = size;
    b->flags = flags;
    b->fd = fd;
    b->fd_offset = fd_offset;
    b->page_size = fd >= 0 ? fd_page_size(fd) : host_page_size();
    if (!size || size > INT64_MAX - b->page_size) {
        error_set(errp, "memory '%s' cannot have a size of %" PRIu64, id, size);
        return NULL;
    }
    b->mapped = ALIGN_UP(size, (uint64_t)b->page_size);
    if (!is_power_of_2(align)) {
        align = size >= RAM_ALIGN ? RAM_ALIGN : b->page_size;
    }
    align = MAX(align, b->page_size);
    if ((fd >= 0 && !block_fit_file(b, errp)) || !block_mmap(b, align, errp)) {
        return NULL;
    }
    if (fd < 0 && size >= RAM_ALIGN) {
        madvise(b->host, b->mapped, MADV_HUGEPAGE);
    }
    madvise(b->host, b->mapped, MADV_DONTFORK);
    g_steal_pointer(&name);
    return g_steal_pointer(&b);
}

RamBlock *ram_block_new_ptr(const char *id, uint64_t size, void *ptr)
{
    RamBlock *b = g_new0(RamBlock, 1);

    b->refs = 1;
    b->id = g_strdup(id);
    b->size = b->mapped = size;
    b->fd = -1;
    b->host = ptr;
    b->page_size = host_page_size();
    b->foreign = true;
    b->flags = RAM_SHARED;
    return b;
}

RamBlock *ram_block_ref(RamBlock *b)
{
    __atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
    return b;
}

static size_t bitmap_words(const RamBlock *b)
{
    return DIV_ROUND_UP(DIV_ROUND_UP(b->size, 1u << DIRTY_PAGE_BITS), 64);
}

void ram_block_unref(RamBlock *b)
{
    /* Release and acquire: the last one sees all writes of the others. */
    if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL)) {
        return;
    }
    ram_block_unregister(b);
    for (unsigned i = 0; i < DIRTY_CLIENTS; i++) {
        if (b->dirty[i]) {
            munmap(b->dirty[i], bitmap_words(b) * 8);
        }
    }
    if (!b->foreign) {
        size_t guard = MAX(b->page_size, host_page_size());

        munmap(b->host, b->mapped + guard);
    }
    if (b->fd >= 0) {
        close(b->fd);
    }
    g_free(b->id);
    g_free(b);
}

const char *ram_block_id(const RamBlock *b)
{
    return b->id;
}

void *ram_block_host(RamBlock *b)
{
    return b->host;
}

uint64_t ram_block_size(const RamBlock *b)
{
    return b->size;
}

int ram_block_fd(const RamBlock *b, uint64_t *offset)
{
    if (offset) {
        *offset = b->fd_offset;
    }
    return b->fd;
}

size_t ram_block_page_size(const RamBlock *b)
{
    return b->page_size;
}

bool ram_block_is_shared(const RamBlock *b)
{
    return b->flags & RAM_SHARED;
}

void ram_block_set_merge(RamBlock *b, bool on)
{
    madvise(b->host, b->mapped, on ? MADV_MERGEABLE : MADV_UNMERGEABLE);
}

void ram_block_set_dump(RamBlock *b, bool on)
{
    madvise(b->host, b->mapped, on ? MADV_DODUMP : MADV_DONTDUMP);
}

/* Registration ---------------------------------------------------------------- */

bool ram_block_register(RamBlock *b, Vm *vm, const char *id, Error **errp)
{
    GPtrArray *blocks = vm_memory(vm)->blocks;
    unsigned at = 0;

    assert(!b->vm);
    for (unsigned i = 0; i < blocks->len; i++) {
        const RamBlock *other = g_ptr_array_index(blocks, i);

        if (!strcmp(other->id, id)) {
            return error_set(errp, "there is a RAM block '%s' already", id);
        }
        if (other->size >= b->size) {
            at = i + 1;
        }
    }
    if (id != b->id) {
        g_free(b->id);
        b->id = g_strdup(id);
    }
    b->vm = vm;
    g_ptr_array_insert(blocks, at, b);
    for (unsigned c = 0; c < DIRTY_CLIENTS; c++) {
        if (vm->mem->log_clients & BIT(c)) {
            ram_block_dirty_start(b, BIT(c));
        }
    }
    return true;
}

void ram_block_unregister(RamBlock *b)
{
    if (b->vm) {
        g_ptr_array_remove(b->vm->mem->blocks, b);
        b->vm = NULL;
    }
}

void ram_blocks_foreach(Vm *vm, bool (*fn)(RamBlock *b, void *opaque),
                        void *opaque)
{
    GPtrArray *blocks = vm_memory(vm)->blocks;

    for (unsigned i = 0; i < blocks->len; i++) {
        if (!fn(g_ptr_array_index(blocks, i), opaque)) {
            return;
        }
    }
}

/* Dirty bitmaps ---------------------------------------------------------------- */

static unsigned client_index(unsigned client)
{
    assert(is_power_of_2(client) && client < BIT(DIRTY_CLIENTS));
    return __builtin_ctz(client);
}

void ram_block_dirty_start(RamBlock *b, unsigned client)
{
    unsigned i = client_index(client);

    if (b->dirty[i]) {
        memset(b->dirty[i], 0, bitmap_words(b) * 8);
    } else {
        void *map = mmap(NULL, bitmap_words(b) * 8, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (map == MAP_FAILED) {
            g_error("out of memory for a dirty bitmap");
        }
        b->dirty[i] = map;
    }
    /* Pairs with the acquire in ram_block_set_dirty(). */
    __atomic_or_fetch(&b->logging, client, __ATOMIC_RELEASE);
}

void ram_block_dirty_stop(RamBlock *b, unsigned client)
{
    unsigned i = client_index(client);

    __atomic_and_fetch(&b->logging, ~client, __ATOMIC_RELAXED);
    if (b->dirty[i]) {
        madvise(b->dirty[i], bitmap_words(b) * 8, MADV_DONTNEED);
    }
}

/* The bits [first, last] that fall into word @w. */
static uint64_t word_mask(uint64_t w, uint64_t first, uint64_t last)
{
    uint64_t mask = UINT64_MAX;

    if (w == first / 64) {
        mask &= UINT64_MAX << (first % 64);
    }
    if (w == last / 64) {
        mask &= UINT64_MAX >> (63 - last % 64);
    }
    return mask;
}

static void bitmap_set(uint64_t *map, uint64_t first, uint64_t last)
{
    for (uint64_t w = first / 64; w <= last / 64; w++) {
        uint64_t mask = word_mask(w, first, last);

        if ((__atomic_load_n(&map[w], __ATOMIC_RELAXED) & mask) != mask) {
            __atomic_or_fetch(&map[w], mask, __ATOMIC_RELEASE);
        }
    }
}

void ram_block_set_dirty(RamBlock *b, uint64_t offset, uint64_t len)
{
    unsigned logging = __atomic_load_n(&b->logging, __ATOMIC_ACQUIRE);

    if (likely(!logging) || !len || offset >= b->size) {
        return;
    }
    len = MIN(len, b->size - offset);
    for (; logging; logging &= logging - 1) {
        bitmap_set(b->dirty[__builtin_ctz(logging)], offset >> DIRTY_PAGE_BITS,
                   (offset + len - 1) >> DIRTY_PAGE_BITS);
    }
}

void ram_block_merge_dirty(RamBlock *b, uint64_t first_page,
                           const uint64_t *bitmap, uint64_t pages)
{
    for (uint64_t w = 0; w < DIV_ROUND_UP(pages, 64); w++) {
        uint64_t bits = bitmap[w];

        if (w == pages / 64) {
            bits &= BIT(pages % 64) - 1;
        }
        while (bits) {
            uint64_t page = first_page + w * 64 + __builtin_ctzll(bits);

            ram_block_set_dirty(b, page << DIRTY_PAGE_BITS, 1);
            bits &= bits - 1;
        }
    }
}

bool ram_block_test_clear_dirty(RamBlock *b, unsigned client, uint64_t offset,
                                uint64_t len)
{
    uint64_t *map = b->dirty[client_index(client)];
    uint64_t first = offset >> DIRTY_PAGE_BITS;
    uint64_t last = (offset + len - 1) >> DIRTY_PAGE_BITS;
    bool dirty = false;

    if (!map || !len || offset >= b->size || len > b->size - offset) {
        return false;
    }
    for (uint64_t w = first / 64; w <= last / 64; w++) {
        uint64_t mask = word_mask(w, first, last);

        if (__atomic_load_n(&map[w], __ATOMIC_RELAXED) & mask) {
            dirty |= __atomic_fetch_and(&map[w], ~mask, __ATOMIC_ACQ_REL) &
                     mask;
        }
    }
    return dirty;
}

uint64_t ram_block_take_dirty(RamBlock *b, unsigned client,
                              uint64_t first_page, uint64_t *bitmap,
                              uint64_t pages)
{
    uint64_t *map = b->dirty[client_index(client)];
    size_t first = first_page / 64, words = DIV_ROUND_UP(pages, 64);
    uint64_t count = 0;

    assert(!(first_page % 64) && first + words <= bitmap_words(b));
    for (size_t w = 0; map && w < words; w++) {
        uint64_t bits = 0;

        if (__atomic_load_n(&map[first + w], __ATOMIC_RELAXED)) {
            bits = __atomic_exchange_n(&map[first + w], 0, __ATOMIC_ACQ_REL);
        }
        count += __builtin_popcountll(bits & ~bitmap[w]);
        bitmap[w] |= bits;
    }
    return count;
}
