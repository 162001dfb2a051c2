/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory core: dispatch rules by example, and random region trees against
 * a model that resolves each address by walking the tree.
 */
#include "util/osdep.h"

#include "softmmu/memory.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/rcu.h"

static Vm test_vm;

/* The machine lock of a VM that has nothing else. */
static __thread bool lock_held;

void vm_lock(Vm *vm) NO_THREAD_SAFETY
{
    g_assert_false(lock_held);
    lock_held = true;
}

void vm_unlock(Vm *vm) NO_THREAD_SAFETY
{
    g_assert_true(lock_held);
    lock_held = false;
}

bool vm_locked(const Vm *vm)
{
    return lock_held;
}

/* A device that remembers. */
typedef struct Probe {
    uint8_t regs[64];
    char log[256];
} Probe;

static uint64_t probe_read(void *opaque, hwaddr addr, unsigned size)
{
    Probe *p = opaque;
    uint64_t v = 0;

    memcpy(&v, p->regs + addr, size);
    snprintf(p->log + strlen(p->log), sizeof(p->log) - strlen(p->log),
             "r%u@%u ", size, (unsigned)addr);
    return v;
}

static void probe_write(void *opaque, hwaddr addr, uint64_t value,
                        unsigned size)
{
    Probe *p = opaque;

    memcpy(p->regs + addr, &value, size);
    snprintf(p->log + strlen(p->log), sizeof(p->log) - strlen(p->log),
             "w%u@%u=%" PRIx64 " ", size, (unsigned)addr, value);
}

static const MemOps ops_plain = { .read = probe_read, .write = probe_write };
static const MemOps ops_bytes = { .read = probe_read, .write = probe_write,
                                  .impl = { 1, 1 } };
static const MemOps ops_words = { .read = probe_read, .write = probe_write,
                                  .valid = { 4, 4 }, .impl = { 4, 4 } };
static const MemOps ops_big = { .read = probe_read, .write = probe_write,
                                .endian = MEM_BIG_ENDIAN, .impl = { 1, 2 } };
static const MemOps ops_unlocked = { .read = probe_read, .write = probe_write,
                                     .unlocked = true };

typedef struct Fixture {
    MemRegion root, io;
    AddressSpace *as;
    Probe probe;
} Fixture;

static void NO_THREAD_SAFETY setup(Fixture *f, gconstpointer ops)
{
    memset(f, 0, sizeof(*f));
    vm_lock(&test_vm);
    mem_region_init(&f->root, NULL, "root", 0);
    f->as = address_space_new(&test_vm, "test", &f->root);
    mem_region_init_io(&f->io, NULL, ops, &f->probe, "probe",
                       sizeof(f->probe.regs));
    mem_region_add(&f->root, 0x1000, &f->io);
    for (unsigned i = 0; i < sizeof(f->probe.regs); i++) {
        f->probe.regs[i] = i;
    }
}

static void NO_THREAD_SAFETY teardown(Fixture *f, gconstpointer ops)
{
    address_space_free(f->as);
    mem_region_cleanup(&f->io);
    mem_region_cleanup(&f->root);
    vm_unlock(&test_vm);
}

static uint64_t load(Fixture *f, hwaddr addr, unsigned size)
{
    uint64_t v;

    as_load(f->as, addr, &v, size, MEM_ATTRS_NONE);
    return v;
}

static void test_wide_reads_are_split(Fixture *f, gconstpointer ops)
{
    g_assert_cmphex(load(f, 0x1008, 8), ==, 0x0f0e0d0c0b0a0908);
    g_assert_cmpstr(f->probe.log, ==, "r4@8 r4@12 ");
}

static void test_impl_size_is_respected(Fixture *f, gconstpointer ops)
{
    as_store(f->as, 0x1004, 0xaabbccdd, 4, MEM_ATTRS_NONE);
    g_assert_cmpstr(f->probe.log, ==, "w1@4=dd w1@5=cc w1@6=bb w1@7=aa ");
}

/* Ports CF8h (a dword) and CF9h (a byte of another device). */
static void test_partly_hidden_region_has_whole_accesses(Fixture *f,
                                                         gconstpointer ops)
{
    Probe other = { .regs = { 0x77 } };
    MemRegion byte;

    mem_region_init_io(&byte, NULL, ops, &other, "byte", 1);
    mem_region_add_overlap(&f->root, 0x1001, &byte, 1);
    as_store(f->as, 0x1000, 0xaabbccdd, 4, MEM_ATTRS_NONE);
    g_assert_cmphex(load(f, 0x1000, 4), ==, 0xaabbccdd);
    g_assert_cmphex(load(f, 0x1001, 1), ==, 0x77);
    g_assert_cmpstr(f->probe.log, ==, "w4@0=aabbccdd r4@0 ");
    mem_region_del(&f->root, &byte);
    mem_region_cleanup(&byte);
}

static void test_invalid_size_is_refused(Fixture *f, gconstpointer ops)
{
    uint64_t v;

    g_assert_cmpint(as_load(f->as, 0x1000, &v, 1, MEM_ATTRS_NONE), !=, MEM_OK);
    g_assert_cmpint(as_load(f->as, 0x1000, &v, 4, MEM_ATTRS_NONE), ==, MEM_OK);
    g_assert_cmpstr(f->probe.log, ==, "r4@0 ");
}

static void test_big_endian_is_swapped(Fixture *f, gconstpointer ops)
{
    /* Pieces of two bytes, each in host order, form a big-endian register. */
    g_assert_cmphex(load(f, 0x1000, 2), ==, 0x0001);
    as_store(f->as, 0x1010, 0x11223344, 4, MEM_ATTRS_NONE);
    g_assert_cmphex(load(f, 0x1010, 4), ==, 0x11223344);
    g_assert_cmpstr(f->probe.log, ==,
                    "r2@0 w2@16=4433 w2@18=2211 r2@16 r2@18 ");
}

static void test_holes_read_as_ones(Fixture *f, gconstpointer ops)
{
    uint8_t buf[4];

    g_assert_cmpint(as_read(f->as, 0x103e, buf, 4, MEM_ATTRS_NONE), ==,
                    MEM_DECODE_ERROR);
    g_assert_cmpmem(buf, 4, "\x3e\x3f\xff\xff", 4);
    g_assert_cmpint(as_read(f->as, UINT64_MAX - 1, buf, 4, MEM_ATTRS_NONE), ==,
                    MEM_DECODE_ERROR);
}

static void test_device_access_is_not_cut(Fixture *f, gconstpointer ops)
{
    MemRegion other;
    Probe probe = { .log = "" };

    mem_region_init_io(&other, NULL, ops, &probe, "other", 1);
    mem_region_add_overlap(&f->root, 0x1001, &other, 1);
    as_store(f->as, 0x1000, 0x11223344, 4, MEM_ATTRS_NONE);
    as_store(f->as, 0x1001, 0x55, 1, MEM_ATTRS_NONE);
    g_assert_cmpstr(f->probe.log, ==, "w4@0=11223344 ");
    g_assert_cmpstr(probe.log, ==, "w1@0=55 ");
    mem_region_cleanup(&other);
}

static void NO_THREAD_SAFETY test_callbacks_get_the_lock(Fixture *f,
                                                         gconstpointer ops)
{
    g_assert_cmphex(load(f, 0x1000, 4), ==, 0x03020100);
    vm_unlock(&test_vm);
    g_assert_cmphex(load(f, 0x1000, 4), ==, 0x03020100);
    vm_lock(&test_vm);
    g_assert_cmpstr(f->probe.log, ==, "r4@0 r4@0 ");
}

static void test_ioeventfd_replaces_write(Fixture *f, gconstpointer ops)
{
    EventNotifier e = EVENT_NOTIFIER_INIT;
    autoerr Error *err = NULL;

    g_assert_true(event_notifier_init(&e, &err));
    mem_region_add_ioeventfd(&f->io, 8, 2, true, 7, &e);
    as_store(f->as, 0x1008, 6, 2, MEM_ATTRS_NONE);
    g_assert_false(event_notifier_test_and_clear(&e));
    g_assert_cmpstr(f->probe.log, ==, "w2@8=6 ");
    as_store(f->as, 0x1008, 7, 2, MEM_ATTRS_NONE);
    g_assert_true(event_notifier_test_and_clear(&e));
    g_assert_cmpstr(f->probe.log, ==, "w2@8=6 ");
    mem_region_del_ioeventfd(&f->io, 8, 2, true, 7, &e);
    event_notifier_cleanup(&e);
}

static void test_rom_ignores_guest_writes(Fixture *f, gconstpointer ops)
{
    autoerr Error *err = NULL;
    MemRegion rom;
    char buf[4];

    g_assert_true(mem_region_init_rom(&rom, NULL, "rom", 4096, &err));
    mem_region_add(&f->root, 0x8000, &rom);
    g_assert_cmpint(as_write_rom(f->as, 0x8000, "abcd", 4), ==, MEM_OK);
    g_assert_cmpint(as_write(f->as, 0x8000, "wxyz", 4, MEM_ATTRS_NONE), !=,
                    MEM_OK);
    g_assert_false(gmem_write(f->as, 0x8000, "wxyz", 4));
    g_assert_true(gmem_read(f->as, 0x8000, buf, 4));
    g_assert_cmpmem(buf, 4, "abcd", 4);
    mem_region_cleanup(&rom);
}

static void test_gmem_never_touches_devices(Fixture *f, gconstpointer ops)
{
    char buf[4] = "xyz";

    g_assert_false(gmem_read(f->as, 0x1000, buf, 4));
    g_assert_cmpmem(buf, 4, "\0\0\0\0", 4);
    g_assert_false(gmem_write(f->as, 0x1000, "abcd", 4));
    g_assert_cmpstr(f->probe.log, ==, "");
}

static void test_mapping_outlives_region(Fixture *f, gconstpointer ops)
{
    autoerr Error *err = NULL;
    MemRegion ram;
    GmemMap map;
    GmemCache cache;

    g_assert_true(mem_region_init_ram(&ram, NULL, "ram", 8192, &err));
    mem_region_add(&f->root, 0x10000, &ram);
    gmem_cache_init(&cache, f->as, 0x10ff0, 32, false);
    g_assert_nonnull(gmem_cache_ptr(&cache));
    g_assert_true(gmem_map(f->as, 0x11f00, 4096, true, &map));
    g_assert_cmpuint(map.len, ==, 256);
    mem_region_cleanup(&ram);
    g_assert_null(gmem_cache_ptr(&cache));
    memset(map.ptr, 1, map.len);
    gmem_unmap(&map, 256);
    gmem_cache_destroy(&cache);
}

static void test_dirty_log(void)
{
    autoerr Error *err = NULL;
    RamBlock *b = ram_block_new("ram", 1 * MiB, 0, 0, -1, 0, &err);
    uint64_t bits[4] = { 0 };

    ram_block_set_dirty(b, 0, 4096); /* nobody logs */
    ram_block_dirty_start(b, DIRTY_MIGRATION);
    ram_block_set_dirty(b, 0x3fff, 2);
    ram_block_set_dirty(b, 64 * 4096 - 1, 4097);
    ram_block_set_dirty(b, 1 * MiB - 1, UINT64_MAX);
    g_assert_true(ram_block_test_clear_dirty(b, DIRTY_MIGRATION, 0x4000, 1));
    g_assert_false(ram_block_test_clear_dirty(b, DIRTY_MIGRATION, 0x4000, 1));
    g_assert_cmpuint(ram_block_take_dirty(b, DIRTY_MIGRATION, 0, bits, 256), ==,
                     4);
    g_assert_cmphex(bits[0], ==, BIT(3) | BIT(63));
    g_assert_cmphex(bits[1], ==, BIT(0));
    g_assert_cmphex(bits[3], ==, BIT(63));
    ram_block_merge_dirty(b, 8, (uint64_t[]){ 5 }, 2);
    g_assert_true(ram_block_test_clear_dirty(b, DIRTY_MIGRATION, 8 << 12, 1));
    g_assert_false(ram_block_test_clear_dirty(b, DIRTY_MIGRATION, 10 << 12, 1));
    ram_block_unref(b);
}

/* Random trees ----------------------------------------------------------------- */

#define N_REGIONS 40
#define SPACE     0x4000u

typedef struct Model {
    MemRegion regions[N_REGIONS];
    MemRegion root;
    AddressSpace *as;
    MemListener listener;
    GArray *sections; /* MemSection, as the listener heard */
    bool in_txn;
} Model;

/* What is at @addr of @mr, by the rules in memory.h. */
static MemRegion *resolve(MemRegion *mr, int64_t addr, uint64_t *offset,
                          bool *readonly)
{
    bool ro = *readonly || mr->readonly;

    if (!mr->enabled || addr < 0 || (mr->size && addr >= mr->size)) {
        return NULL;
    }
    if (mr->kind == MEM_ALIAS) {
        *readonly = ro;
        return resolve(mr->alias, addr + mr->alias_offset, offset, readonly);
    }
    for (unsigned i = 0; mr->subregions && i < mr->subregions->len; i++) {
        MemRegion *sub = g_ptr_array_index(mr->subregions, i), *hit;
        bool sub_ro = ro;

        hit = resolve(sub, addr - (int64_t)sub->addr, offset, &sub_ro);
        if (hit) {
            *readonly = sub_ro;
            return hit;
        }
    }
    *offset = addr;
    *readonly = ro;
    return mr->kind == MEM_CONTAINER ? NULL : mr;
}

static void heard_begin(MemListener *l)
{
    Model *m = container_of(l, Model, listener);

    g_assert_false(m->in_txn);
    m->in_txn = true;
}

static void heard_commit(MemListener *l)
{
    Model *m = container_of(l, Model, listener);

    g_assert_true(m->in_txn);
    m->in_txn = false;
}

static void heard_add(MemListener *l, const MemSection *s)
{
    Model *m = container_of(l, Model, listener);

    for (unsigned i = 0; i < m->sections->len; i++) {
        const MemSection *o = &g_array_index(m->sections, MemSection, i);

        g_assert_true(s->addr + s->size <= o->addr ||
                      o->addr + o->size <= s->addr);
    }
    g_array_append_val(m->sections, *s);
}

static void heard_del(MemListener *l, const MemSection *s)
{
    Model *m = container_of(l, Model, listener);

    for (unsigned i = 0; i < m->sections->len; i++) {
        const MemSection *o = &g_array_index(m->sections, MemSection, i);

        if (o->addr == s->addr && o->size == s->size && o->mr == s->mr &&
            o->offset == s->offset && o->readonly == s->readonly) {
            g_array_remove_index_fast(m->sections, i);
            return;
        }
    }
    g_assert_not_reached();
}

static void model_check(Model *m)
{
    uint64_t covered = 0, expected = 0;

    for (hwaddr addr = 0; addr < SPACE; addr += 16) {
        uint64_t offset = 0;
        bool ro = false;
        MemRegion *want = resolve(&m->root, addr, &offset, &ro);
        MemSection s;
        bool found = address_space_find(m->as, addr, &s);

        g_assert_cmpint(found, ==, want != NULL);
        if (found) {
            g_assert_true(s.mr == want);
            g_assert_cmphex(s.offset + (addr - s.addr), ==, offset);
            g_assert_cmpint(s.readonly, ==, ro);
            expected += 16;
        }
    }
    for (unsigned i = 0; i < m->sections->len; i++) {
        const MemSection *s = &g_array_index(m->sections, MemSection, i);
        MemSection now;

        g_assert_true(address_space_find(m->as, s->addr, &now));
        g_assert_true(now.mr == s->mr && now.addr == s->addr &&
                      now.size == s->size && now.offset == s->offset);
        covered += s->addr < SPACE ? MIN(s->size, SPACE - s->addr) : 0;
    }
    g_assert_cmpuint(covered, ==, expected);
}

/* Only lower-numbered regions are containers or targets of higher ones, so
 * the graph has no cycle. */
static void model_make(Model *m, unsigned i)
{
    MemRegion *mr = &m->regions[i];
    uint64_t size = g_test_rand_int_range(1, 0x100) * 16;

    switch (g_test_rand_int_range(0, 4)) {
    case 0:
        mem_region_init(mr, NULL, "container", size * 4);
        break;
    case 1:
        if (i + 1 < N_REGIONS && m->regions[i + 1].name) {
            mem_region_init_alias(
                mr, NULL, "alias",
                &m->regions[g_test_rand_int_range(i + 1, N_REGIONS)],
                g_test_rand_int_range(0, 0x40) * 16, size);
            break;
        }
        FALLTHROUGH;
    default:
        mem_region_init_io(mr, NULL, &ops_plain, m, "io", size);
    }
    mr->readonly = g_test_rand_int_range(0, 8) == 0;
}

static MemRegion *model_container(Model *m, unsigned i)
{
    unsigned at = g_test_rand_int_range(0, i + 1);

    return at == i || m->regions[at].kind == MEM_ALIAS ? &m->root
                                                       : &m->regions[at];
}

static void model_place(Model *m, unsigned i)
{
    mem_region_add_overlap(model_container(m, i),
                           g_test_rand_int_range(0, 0x300) * 16,
                           &m->regions[i], g_test_rand_int_range(-2, 3));
}

static void model_mutate(Model *m)
{
    unsigned i = g_test_rand_int_range(0, N_REGIONS);
    MemRegion *mr = &m->regions[i];

    switch (g_test_rand_int_range(0, 6)) {
    case 0:
        mem_region_set_enabled(mr, !mr->enabled);
        break;
    case 1:
        mem_region_set_address(mr, g_test_rand_int_range(0, 0x300) * 16);
        break;
    case 2:
        mem_region_set_size(mr, g_test_rand_int_range(1, 0x200) * 16);
        break;
    case 3:
        mem_region_set_readonly(mr, !mr->readonly);
        break;
    case 4:
        if (mr->kind == MEM_ALIAS) {
            mem_region_set_alias_offset(mr,
                                        g_test_rand_int_range(0, 0x80) * 16);
        }
        break;
    default:
        if (mr->container) {
            mem_region_del(mr->container, mr);
        } else {
            model_place(m, i);
        }
    }
}

static void test_random_trees(void)
{
    g_autofree Model *m = g_new0(Model, 1);

    vm_lock(&test_vm);
    mem_region_init(&m->root, NULL, "root", 0);
    m->as = address_space_new(&test_vm, "random", &m->root);
    m->sections = g_array_new(false, false, sizeof(MemSection));
    m->listener = (MemListener){ .begin = heard_begin, .add = heard_add,
                                 .del = heard_del, .commit = heard_commit };
    for (int i = N_REGIONS - 1; i >= 0; i--) {
        model_make(m, i);
    }
    for (unsigned i = 0; i < N_REGIONS; i++) {
        model_place(m, i);
    }
    mem_listener_add(&m->listener, m->as);
    for (unsigned round = 0; round < 300; round++) {
        mem_txn_begin(&test_vm);
        for (unsigned k = g_test_rand_int_range(1, 5); k; k--) {
            model_mutate(m);
        }
        mem_txn_commit(&test_vm);
        model_check(m);
    }
    mem_listener_del(&m->listener);
    g_assert_cmpuint(m->sections->len, ==, 0);
    address_space_free(m->as);
    for (unsigned i = 0; i < N_REGIONS; i++) {
        if (m->regions[i].container) {
            mem_region_del(m->regions[i].container, &m->regions[i]);
        }
    }
    for (unsigned i = 0; i < N_REGIONS; i++) {
        mem_region_cleanup(&m->regions[i]);
    }
    mem_region_cleanup(&m->root);
    g_array_free(m->sections, true);
    vm_unlock(&test_vm);
}

static void test_spaces_share_views(Fixture *f, gconstpointer ops)
{
    MemRegion bus, alias;
    AddressSpace *dma;
    uint64_t v;

    mem_region_init(&bus, NULL, "bus master", 0);
    mem_region_init_alias(&alias, NULL, "system", &f->root, 0, 0);
    mem_region_add(&bus, 0, &alias);
    mem_region_set_enabled(&alias, false);
    dma = address_space_new(&test_vm, "dma", &bus);
    g_assert_cmpint(as_load(dma, 0x1000, &v, 4, MEM_ATTRS_NONE), !=, MEM_OK);
    mem_region_set_enabled(&alias, true);
    g_assert_cmpint(as_load(dma, 0x1000, &v, 4, MEM_ATTRS_NONE), ==, MEM_OK);
    mem_region_set_address(&f->io, 0x2000);
    g_assert_cmpint(as_load(dma, 0x1000, &v, 4, MEM_ATTRS_NONE), !=, MEM_OK);
    g_assert_cmpint(as_load(dma, 0x2000, &v, 4, MEM_ATTRS_NONE), ==, MEM_OK);
    address_space_free(dma);
    mem_region_cleanup(&alias);
    mem_region_cleanup(&bus);
}

static void test_mtree_text(Fixture *f, gconstpointer ops)
{
    g_autofree char *tree = mem_info_mtree(&test_vm, false, false, false);
    g_autofree char *flat = mem_info_mtree(&test_vm, true, false, false);

    g_assert_cmpstr(tree, ==,
        "address-space: test\n"
        "  0000000000000000-ffffffffffffffff (prio 0, i/o): root\n"
        "    0000000000001000-000000000000103f (prio 0, i/o): probe\n\n");
    g_assert_cmpstr(flat, ==,
        "FlatView #0\n AS \"test\", root: root\n Root memory region: root\n"
        "  0000000000001000-000000000000103f (prio 0, i/o): probe\n\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_register_thread();
#define ADD(name, ops, fn)                                                     \
    g_test_add("/memory/" name, Fixture, ops, setup, fn, teardown)
    ADD("wide-reads-are-split", &ops_plain, test_wide_reads_are_split);
    ADD("impl-size-is-respected", &ops_bytes, test_impl_size_is_respected);
    ADD("partly-hidden-region", &ops_plain,
        test_partly_hidden_region_has_whole_accesses);
    ADD("invalid-size-is-refused", &ops_words, test_invalid_size_is_refused);
    ADD("big-endian-is-swapped", &ops_big, test_big_endian_is_swapped);
    ADD("holes-read-as-ones", &ops_plain, test_holes_read_as_ones);
    ADD("device-access-is-not-cut", &ops_plain, test_device_access_is_not_cut);
    ADD("callbacks-get-the-lock", &ops_plain, test_callbacks_get_the_lock);
    ADD("unlocked-callbacks", &ops_unlocked, test_callbacks_get_the_lock);
    ADD("ioeventfd-replaces-write", &ops_plain, test_ioeventfd_replaces_write);
    ADD("rom-ignores-guest-writes", &ops_plain, test_rom_ignores_guest_writes);
    ADD("gmem-never-touches-devices", &ops_plain,
        test_gmem_never_touches_devices);
    ADD("mapping-outlives-region", &ops_plain, test_mapping_outlives_region);
    ADD("spaces-share-views", &ops_plain, test_spaces_share_views);
    ADD("mtree-text", &ops_plain, test_mtree_text);
    g_test_add_func("/memory/dirty-log", test_dirty_log);
    g_test_add_func("/memory/random-trees", test_random_trees);
    return g_test_run();
}
