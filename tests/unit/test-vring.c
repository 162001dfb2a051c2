/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtqueues against a driver of our own: split and packed rings, direct and
 * indirect chains, notification suppression, and drivers that cheat.
 */
#include "util/osdep.h"

#include "flat-gmem.h"
#include "hw/virtio/vring.h"

#define RAM_SIZE (1 * MiB)
#define DESC_AT  0x1000
#define AVAIL_AT 0x10000
#define USED_AT  0x20000
#define TABLE_AT 0x30000 /* indirect tables, 0x400 each */
#define DATA_AT  0x80000 /* buffers, 0x400 each */

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, P_AVAIL = 1 << 7, P_USED = 1 << 15 };

typedef struct {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} SDesc;
typedef struct {
    uint64_t addr;
    uint32_t len;
    uint16_t id, flags;
} PDesc;
typedef struct {
    uint64_t addr;
    uint32_t len;
    bool write;
} Seg;

typedef struct Bed {
    AddressSpace as;
    VirtioDevice vdev;
    VirtQueue vq;
    /* driver */
    bool packed;
    unsigned num;
    uint16_t avail_idx, used_seen; /* split: counters; packed: positions */
    bool avail_wrap, used_wrap;
    unsigned free; /* slots */
    bool busy[1024];
    unsigned slots_of[1024]; /* by id */
} Bed;

static void bed_init(Bed *b, unsigned num, uint64_t features)
{
    *b = (Bed){ .num = num, .free = num };
    b->as = (AddressSpace){ g_malloc0(RAM_SIZE), RAM_SIZE };
    b->vdev.mem = &b->as;
    b->vdev.features = features;
    b->packed = features >> VIRTIO_F_RING_PACKED & 1;
    b->avail_wrap = b->used_wrap = true;
    b->vq = (VirtQueue){ .vdev = &b->vdev,
                         .num = num,
                         .num_max = num,
                         .desc = DESC_AT,
                         .avail = AVAIL_AT,
                         .used = USED_AT };
    vring_reset(&b->vq);
    g_assert_true(vring_start(&b->vq));
    b->vq.running = 1;
    b->vq.budget = INT_MAX;
}

static void bed_clear(Bed *b)
{
    vring_reset(&b->vq);
    g_assert_cmpint(b->as.maps, ==, 0);
    g_free(b->as.ram);
}

static SDesc *sdesc(Bed *b, unsigned i)
{
    return (SDesc *)(b->as.ram + DESC_AT) + i;
}

static PDesc *pdesc(Bed *b, unsigned i)
{
    return (PDesc *)(b->as.ram + DESC_AT) + i;
}

static uint16_t *avail16(Bed *b)
{
    return (uint16_t *)(b->as.ram + AVAIL_AT);
}

static uint16_t *used16(Bed *b)
{
    return (uint16_t *)(b->as.ram + USED_AT);
}

/* Split: put @segs in free entries, make them available; the head. */
static unsigned split_add(Bed *b, const Seg *segs, unsigned n)
{
    unsigned ids[64], got = 0;

    for (unsigned i = 0; i < b->num && got < n; i++) {
        if (!b->busy[i]) {
            ids[got++] = i;
            b->busy[i] = true;
        }
    }
    g_assert_cmpuint(got, ==, n);
    for (unsigned i = 0; i < n; i++) {
        *sdesc(b, ids[i]) =
            (SDesc){ segs[i].addr, segs[i].len,
                     (segs[i].write ? WRITE : 0) | (i + 1 < n ? NEXT : 0),
                     i + 1 < n ? ids[i + 1] : 0 };
    }
    b->slots_of[ids[0]] = n;
    avail16(b)[2 + b->avail_idx % b->num] = ids[0];
    avail16(b)[1] = ++b->avail_idx;
    b->free -= n;
    return ids[0];
}

static void packed_put(Bed *b, uint64_t addr, uint32_t len, uint16_t id,
                       uint16_t flags)
{
    uint16_t wrap = b->avail_wrap ? P_AVAIL : P_USED;

    *pdesc(b, b->avail_idx) = (PDesc){ addr, len, id, flags | wrap };
    if (++b->avail_idx == b->num) {
        b->avail_idx = 0;
        b->avail_wrap = !b->avail_wrap;
    }
}

static unsigned packed_add(Bed *b, const Seg *segs, unsigned n)
{
    unsigned id = 0;

    while (b->busy[id]) {
        id++;
    }
    b->busy[id] = true;
    b->slots_of[id] = n;
    for (unsigned i = 0; i < n; i++) {
        packed_put(b, segs[i].addr, segs[i].len, id,
                   (segs[i].write ? WRITE : 0) | (i + 1 < n ? NEXT : 0));
    }
    b->free -= n;
    return id;
}

static unsigned add(Bed *b, const Seg *segs, unsigned n)
{
    return b->packed ? packed_add(b, segs, n) : split_add(b, segs, n);
}

/* One entry that leads to a table with @segs. */
static unsigned add_indirect(Bed *b, const Seg *segs, unsigned n, unsigned slot)
{
    uint64_t at = TABLE_AT + 0x400 * slot;
    Seg one = { at, n * 16, false };
    unsigned before = b->avail_idx, id;

    for (unsigned i = 0; i < n; i++) {
        uint16_t w = segs[i].write ? WRITE : 0;

        if (b->packed) {
            ((PDesc *)(b->as.ram + at))[i] =
                (PDesc){ segs[i].addr, segs[i].len, 0, w };
        } else {
            ((SDesc *)(b->as.ram + at))[i] =
                (SDesc){ segs[i].addr, segs[i].len, w | (i + 1 < n ? NEXT : 0),
                         i + 1 };
        }
    }
    id = add(b, &one, 1);
    if (b->packed) {
        pdesc(b, before)->flags |= INDIRECT;
    } else {
        sdesc(b, id)->flags |= INDIRECT;
    }
    return id;
}

/* The next used element: false when there is none. */
static bool get_used(Bed *b, unsigned *id, uint32_t *len)
{
    if (b->packed) {
        PDesc *d = pdesc(b, b->used_seen);
        bool a = d->flags & P_AVAIL, u = d->flags & P_USED;

        if (a != b->used_wrap || u != b->used_wrap) {
            return false;
        }
        *id = d->id;
        *len = d->len;
        b->used_seen += b->slots_of[*id];
        if (b->used_seen >= b->num) {
            b->used_seen -= b->num;
            b->used_wrap = !b->used_wrap;
        }
        b->busy[*id] = false;
    } else {
        uint32_t *ring = (uint32_t *)(b->as.ram + USED_AT + 4);
        unsigned i, n;

        if (used16(b)[1] == b->used_seen) {
            return false;
        }
        *id = ring[2 * (b->used_seen % b->num)];
        *len = ring[2 * (b->used_seen % b->num) + 1];
        b->used_seen++;
        for (i = *id, n = 0; n < b->slots_of[*id]; n++) {
            b->busy[i] = false;
            i = sdesc(b, i)->next;
        }
    }
    b->free += b->slots_of[*id];
    return true;
}

static const uint64_t kinds[] = {
    0,
    BIT(VIRTIO_F_EVENT_IDX) | BIT(VIRTIO_F_INDIRECT_DESC),
    BIT(VIRTIO_F_RING_PACKED),
    BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX) |
        BIT(VIRTIO_F_INDIRECT_DESC),
};

/* What works ------------------------------------------------------------- */

static void test_one_chain_goes_round(gconstpointer kind)
{
    Seg segs[] = { { DATA_AT, 5, false },
                   { DATA_AT + 0x400, 7, false },
                   { DATA_AT + 0x800, 16, true } };
    char text[12];
    unsigned id, want;
    uint32_t len;
    VqChain *c;
    Bed b;

    bed_init(&b, 8, *(const uint64_t *)kind);
    memcpy(b.as.ram + DATA_AT, "hello", 5);
    memcpy(b.as.ram + DATA_AT + 0x400, ", world", 7);
    g_assert_true(vq_empty(&b.vq));
    want = add(&b, segs, 3);
    g_assert_false(vq_empty(&b.vq));
    c = vq_pop(&b.vq);
    g_assert_nonnull(c);
    g_assert_cmpuint(c->out_len, ==, 12);
    g_assert_cmpuint(c->in_len, ==, 16);
    g_assert_cmpuint(vq_read(c, 0, text, 100), ==, 12);
    g_assert_cmpint(memcmp(text, "hello, world", 12), ==, 0);
    g_assert_cmpuint(vq_write(c, 2, "answer", 6), ==, 6);
    g_assert_null(vq_pop(&b.vq));
    vq_push(&b.vq, c, 8);
    g_assert_true(get_used(&b, &id, &len));
    g_assert_cmpuint(id, ==, want);
    g_assert_cmpuint(len, ==, 8);
    g_assert_cmpint(memcmp(b.as.ram + DATA_AT + 0x802, "answer", 6), ==, 0);
    bed_clear(&b);
}

/* Many random chains in flight, given back in random order. */
static void test_random_traffic(gconstpointer kind)
{
    uint64_t features = *(const uint64_t *)kind;
    bool indirect = features >> VIRTIO_F_INDIRECT_DESC & 1;
    unsigned num = features >> VIRTIO_F_RING_PACKED & 1 ? 23 : 32;
    unsigned id, tag = 0, done = 0, held = 0;
    VqChain *chains[64];
    uint32_t len;
    Bed b;

    bed_init(&b, num, features);
    b.as.piece = 0x200;
    for (unsigned round = 0; round < 30000; round++) {
        unsigned n = 1 + g_random_int_range(0, 4);

        if (b.free >= n && held < 32) {
            Seg segs[4];

            for (unsigned i = 0; i < n; i++) {
                segs[i] = (Seg){ DATA_AT + 0x400 * ((tag + i) % 256),
                                 g_random_int_range(4, 0x400), i > 0 };
            }
            *(uint32_t *)(b.as.ram + segs[0].addr) = n;
            if (indirect && g_random_boolean()) {
                add_indirect(&b, segs, n, tag % 64);
            } else {
                add(&b, segs, n);
            }
            tag++;
        }
        while (held < 32 && g_random_boolean() &&
               (chains[held] = vq_pop(&b.vq))) {
            held++;
        }
        if (held && g_random_boolean()) {
            unsigned k = g_random_int_range(0, held);
            VqChain *c = chains[k];

            chains[k] = chains[--held];
            g_assert_cmpuint(c->out_len, >=, 4);
            vq_push(&b.vq, c, c->in_len);
            done++;
        }
        while (get_used(&b, &id, &len)) {
        }
        g_assert_false(b.vdev.broken);
    }
    g_assert_cmpuint(done, >, 5000);
    while (held) {
        vq_drop(&b.vq, chains[--held]);
    }
    bed_clear(&b);
}

static void test_merged_buffers_appear_together(gconstpointer kind)
{
    Seg seg = { DATA_AT, 100, true };
    VqChain *c[3];
    unsigned id;
    uint32_t len;
    Bed b;

    bed_init(&b, 8, *(const uint64_t *)kind);
    for (int i = 0; i < 3; i++) {
        add(&b, &seg, 1);
        c[i] = vq_pop(&b.vq);
    }
    for (int i = 0; i < 3; i++) {
        vq_fill(&b.vq, c[i], 10 + i, i);
        g_assert_false(get_used(&b, &id, &len));
    }
    vq_flush(&b.vq, 3);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_true(get_used(&b, &id, &len));
        g_assert_cmpuint(len, ==, 10 + i);
    }
    g_assert_false(get_used(&b, &id, &len));
    bed_clear(&b);
}

static void test_unpop_gives_the_same_chain_again(gconstpointer kind)
{
    Seg segs[2] = { { DATA_AT, 10, false }, { DATA_AT + 100, 10, true } };
    VqChain *c;
    Bed b;

    bed_init(&b, 8, *(const uint64_t *)kind);
    for (int i = 0; i < 10; i++) {
        unsigned want = add(&b, segs, 2), id;
        uint32_t len;

        c = vq_pop(&b.vq);
        vq_unpop(&b.vq, c);
        c = vq_pop(&b.vq);
        g_assert_cmpuint(c->id, ==, want);
        vq_push(&b.vq, c, 0);
        g_assert_true(get_used(&b, &id, &len));
    }
    bed_clear(&b);
}

static void test_stale_chain_is_only_freed(gconstpointer kind)
{
    Seg seg = { DATA_AT, 10, true };
    unsigned id;
    uint32_t len;
    VqChain *c;
    Bed b;

    bed_init(&b, 8, *(const uint64_t *)kind);
    add(&b, &seg, 1);
    c = vq_pop(&b.vq);
    vring_reset(&b.vq);
    g_assert_true(vring_start(&b.vq));
    vq_push(&b.vq, c, 10);
    g_assert_cmpuint(b.vq.inuse, ==, 0);
    g_assert_false(get_used(&b, &id, &len));
    bed_clear(&b);
}

static void push_one(Bed *b)
{
    Seg seg = { DATA_AT, 10, true };
    unsigned id;
    uint32_t len;

    add(b, &seg, 1);
    vq_push(&b->vq, vq_pop(&b->vq), 1);
    g_assert_true(get_used(b, &id, &len));
}

static void test_split_flag_suppresses_interrupts(void)
{
    Bed b;

    bed_init(&b, 8, 0);
    push_one(&b);
    g_assert_true(vring_wants_interrupt(&b.vq));
    avail16(&b)[0] = 1;
    push_one(&b);
    g_assert_false(vring_wants_interrupt(&b.vq));
    bed_clear(&b);
}

static void test_split_event_index_delays_interrupts(void)
{
    Bed b;

    bed_init(&b, 8, BIT(VIRTIO_F_EVENT_IDX));
    push_one(&b);
    g_assert_true(vring_wants_interrupt(&b.vq)); /* the first is always told */
    avail16(&b)[2 + 8] = 3; /* used_event: after the fourth */
    push_one(&b);
    g_assert_false(vring_wants_interrupt(&b.vq));
    push_one(&b);
    push_one(&b);
    g_assert_true(vring_wants_interrupt(&b.vq));
    push_one(&b);
    g_assert_false(vring_wants_interrupt(&b.vq));
    bed_clear(&b);
}

static void test_packed_event_index_delays_interrupts(void)
{
    Bed b;

    bed_init(&b, 8, BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX));
    push_one(&b);
    g_assert_true(vring_wants_interrupt(&b.vq));
    avail16(&b)[0] = 3 | 1 << 15; /* entry 3, wrap counter 1 */
    avail16(&b)[1] = 2;
    push_one(&b);
    g_assert_false(vring_wants_interrupt(&b.vq));
    push_one(&b);
    push_one(&b);
    g_assert_true(vring_wants_interrupt(&b.vq));
    avail16(&b)[1] = 1;
    push_one(&b);
    g_assert_false(vring_wants_interrupt(&b.vq));
    bed_clear(&b);
}

static void test_kick_wishes_are_written(void)
{
    Bed b;

    bed_init(&b, 8, 0);
    vring_want_kicks(&b.vq, false);
    g_assert_cmpuint(used16(&b)[0], ==, 1);
    vring_want_kicks(&b.vq, true);
    g_assert_cmpuint(used16(&b)[0], ==, 0);
    bed_clear(&b);

    bed_init(&b, 8, BIT(VIRTIO_F_EVENT_IDX));
    push_one(&b);
    push_one(&b);
    vring_want_kicks(&b.vq, true);
    g_assert_cmpuint(used16(&b)[2 + 4 * 8], ==, 2); /* avail_event */
    bed_clear(&b);

    bed_init(&b, 8, BIT(VIRTIO_F_EVENT_IDX) | BIT(VIRTIO_F_RING_PACKED));
    push_one(&b);
    vring_want_kicks(&b.vq, false);
    g_assert_cmpuint(used16(&b)[1], ==, 1);
    vring_want_kicks(&b.vq, true);
    g_assert_cmpuint(used16(&b)[0], ==, 1 | 1 << 15);
    g_assert_cmpuint(used16(&b)[1], ==, 2);
    bed_clear(&b);
}

/* Who cheats ------------------------------------------------------------- */

typedef void Cheat(Bed *b);

static void cheat_head(Bed *b)
{
    avail16(b)[2] = 8;
}

static void cheat_index(Bed *b)
{
    avail16(b)[1] = 9;
}

static void cheat_loop(Bed *b)
{
    sdesc(b, 1)->flags |= NEXT;
    sdesc(b, 1)->next = 0;
    sdesc(b, 0)->flags = WRITE | NEXT;
}

static void cheat_next(Bed *b)
{
    sdesc(b, 0)->next = 8;
}

static void cheat_order(Bed *b)
{
    sdesc(b, 0)->flags = WRITE | NEXT;
    sdesc(b, 1)->flags = 0;
}

static void cheat_outside(Bed *b)
{
    sdesc(b, 1)->addr = RAM_SIZE - 4;
}

static void cheat_wraps(Bed *b)
{
    sdesc(b, 1)->addr = UINT64_MAX - 2;
}

static void cheat_not_negotiated(Bed *b)
{
    b->vq.indirect = false;
    sdesc(b, 0)->flags = INDIRECT;
}

static void cheat_table_length(Bed *b)
{
    *sdesc(b, 0) = (SDesc){ TABLE_AT, 17, INDIRECT, 0 };
}

static void cheat_table_outside(Bed *b)
{
    *sdesc(b, 0) = (SDesc){ RAM_SIZE, 32, INDIRECT, 0 };
}

static void cheat_table_nested(Bed *b)
{
    *sdesc(b, 0) = (SDesc){ TABLE_AT, 32, INDIRECT, 0 };
    *(SDesc *)(b->as.ram + TABLE_AT) = (SDesc){ TABLE_AT, 32, INDIRECT, 0 };
}

static void cheat_table_loop(Bed *b)
{
    *sdesc(b, 0) = (SDesc){ TABLE_AT, 16, INDIRECT, 0 };
    *(SDesc *)(b->as.ram + TABLE_AT) = (SDesc){ DATA_AT, 1, NEXT, 0 };
}

static void cheat_table_and_next(Bed *b)
{
    *sdesc(b, 0) = (SDesc){ TABLE_AT, 32, INDIRECT | NEXT, 1 };
}

static void cheat_total(Bed *b)
{
    b->as.piece = 0;
    b->as.size = RAM_SIZE;
    sdesc(b, 0)->len = UINT32_MAX;
}

static void cheat_ring_vanishes(Bed *b)
{
    b->as.size = DESC_AT;
}

static void run_cheat(const uint64_t features, Cheat *cheat)
{
    Seg segs[2] = { { DATA_AT, 10, false }, { DATA_AT + 100, 10, true } };
    Bed b;

    bed_init(&b, 8, features);
    add(&b, segs, 2);
    cheat(&b);
    g_assert_null(vq_pop(&b.vq));
    g_assert_true(b.vdev.broken);
    g_assert_true(vq_empty(&b.vq));
    g_assert_null(vq_pop(&b.vq));
    bed_clear(&b);
}

static void test_split_cheat(gconstpointer cheat)
{
    run_cheat(BIT(VIRTIO_F_INDIRECT_DESC), (Cheat *)cheat);
}

static void pcheat_id(Bed *b)
{
    pdesc(b, 1)->id = 8;
}

static void pcheat_endless(Bed *b)
{
    for (int i = 0; i < 8; i++) {
        *pdesc(b, i) = (PDesc){ DATA_AT, 1, 0, NEXT | P_AVAIL };
    }
}

static void pcheat_order(Bed *b)
{
    pdesc(b, 0)->flags |= WRITE;
    pdesc(b, 1)->flags &= ~WRITE;
}

static void pcheat_indirect_later(Bed *b)
{
    pdesc(b, 1)->flags |= INDIRECT;
}

static void pcheat_outside(Bed *b)
{
    pdesc(b, 0)->addr = UINT64_MAX - 5;
}

static void test_packed_cheat(gconstpointer cheat)
{
    run_cheat(BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_RING_PACKED),
              (Cheat *)cheat);
}

static void test_reused_entries_break_the_queue(void)
{
    Seg seg = { DATA_AT, 10, true };
    VqChain *c[8];
    Bed b;

    bed_init(&b, 8, 0);
    for (int i = 0; i < 8; i++) {
        add(&b, &seg, 1);
        c[i] = vq_pop(&b.vq);
        g_assert_nonnull(c[i]);
    }
    avail16(&b)[1]++;
    g_assert_null(vq_pop(&b.vq));
    g_assert_true(b.vdev.broken);
    for (int i = 0; i < 8; i++) {
        vq_drop(&b.vq, c[i]);
    }
    bed_clear(&b);
}

static void test_bad_addresses_do_not_start(void)
{
    Bed b;

    bed_init(&b, 8, 0);
    b.vq.desc = DESC_AT + 1;
    g_assert_false(vring_start(&b.vq));
    b.vq.desc = UINT64_MAX & ~15ull;
    g_assert_false(vring_start(&b.vq));
    b.vq.desc = DESC_AT;
    b.vq.num = 0;
    g_assert_false(vring_start(&b.vq));
    b.vq.num = 2000;
    g_assert_false(vring_start(&b.vq));
    b.vq.num = 8;
    bed_clear(&b);
}

/* Rings of noise: nothing may crash, hang or leak mappings. */
static void test_noise(gconstpointer kind)
{
    for (int round = 0; round < 20000; round++) {
        VqChain *held[16];
        unsigned n = 0;
        Bed b;

        bed_init(&b, 16, *(const uint64_t *)kind | BIT(VIRTIO_F_INDIRECT_DESC));
        for (int i = 0; i < 16; i++) {
            uint16_t flags = g_random_int_range(0, 8);

            if (b.packed) {
                *pdesc(&b, i) =
                    (PDesc){ DATA_AT + 16 * i, g_random_int_range(0, 64),
                             g_random_int_range(0, 17), flags | P_AVAIL };
            } else {
                *sdesc(&b, i) =
                    (SDesc){ DATA_AT + 16 * i, g_random_int_range(0, 64), flags,
                             g_random_int_range(0, 17) };
                avail16(&b)[2 + i] = g_random_int_range(0, 17);
            }
        }
        if (!b.packed) {
            avail16(&b)[1] = g_random_int_range(0, 18);
        }
        for (int i = 0; i < 200; i++) {
            b.as.ram[DATA_AT + i] = g_random_int();
        }
        while (n < 16 && (held[n] = vq_pop(&b.vq))) {
            n++;
        }
        while (n) {
            vq_push(&b.vq, held[--n], g_random_int());
        }
        vring_wants_interrupt(&b.vq);
        bed_clear(&b);
    }
}

static void add_kinds(const char *name, GTestDataFunc fn)
{
    static const char *const names[] = { "split", "split-event", "packed",
                                         "packed-event" };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        g_autofree char *path = g_strdup_printf("/vring/%s/%s", names[i], name);

        g_test_add_data_func(path, &kinds[i], fn);
    }
}

#define ADD_CHEAT(ring, name) \
    g_test_add_data_func("/vring/" #ring "/" #name, name, test_##ring##_cheat)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_kinds("one-chain", test_one_chain_goes_round);
    add_kinds("random-traffic", test_random_traffic);
    add_kinds("merged-buffers", test_merged_buffers_appear_together);
    add_kinds("unpop", test_unpop_gives_the_same_chain_again);
    add_kinds("stale-chain", test_stale_chain_is_only_freed);
    add_kinds("noise", test_noise);
    g_test_add_func("/vring/split/no-interrupt",
                    test_split_flag_suppresses_interrupts);
    g_test_add_func("/vring/split/event-index",
                    test_split_event_index_delays_interrupts);
    g_test_add_func("/vring/packed/event-index",
                    test_packed_event_index_delays_interrupts);
    g_test_add_func("/vring/kick-wishes", test_kick_wishes_are_written);
    g_test_add_func("/vring/reused-entries",
                    test_reused_entries_break_the_queue);
    g_test_add_func("/vring/bad-addresses", test_bad_addresses_do_not_start);
    ADD_CHEAT(split, cheat_head);
    ADD_CHEAT(split, cheat_index);
    ADD_CHEAT(split, cheat_loop);
    ADD_CHEAT(split, cheat_next);
    ADD_CHEAT(split, cheat_order);
    ADD_CHEAT(split, cheat_outside);
    ADD_CHEAT(split, cheat_wraps);
    ADD_CHEAT(split, cheat_not_negotiated);
    ADD_CHEAT(split, cheat_table_length);
    ADD_CHEAT(split, cheat_table_outside);
    ADD_CHEAT(split, cheat_table_nested);
    ADD_CHEAT(split, cheat_table_loop);
    ADD_CHEAT(split, cheat_table_and_next);
    ADD_CHEAT(split, cheat_total);
    ADD_CHEAT(split, cheat_ring_vanishes);
    ADD_CHEAT(packed, pcheat_id);
    ADD_CHEAT(packed, pcheat_endless);
    ADD_CHEAT(packed, pcheat_order);
    ADD_CHEAT(packed, pcheat_indirect_later);
    ADD_CHEAT(packed, pcheat_outside);
    return g_test_run();
}
