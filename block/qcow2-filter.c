/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a table lead to one of these clusters? Every write asks, and a table may
 * have millions of entries. So a Bloom filter answers first: what it does not
 * know is not in the table. Only else, or for short tables, the table is gone
 * through. Entries that leave the table stay in the filter until it is full.
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "util/rcu.h"

enum { BITS_PER_ENTRY = 16, PROBES = 4 };

struct QcFilter {
    struct rcu_head rcu;
    uint64_t room; /* for entries; s->lock */
    uint64_t n_bits;
    uint64_t words[]; /* atomic */
};

static void free_filter(struct rcu_head *rcu)
{
    g_free(container_of(rcu, QcFilter, rcu));
}

static uint64_t hash(uint64_t cluster)
{
    uint64_t h = (cluster + 1) * UINT64_C(0x9e3779b97f4a7c15);

    return (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

static uint64_t place(const QcFilter *f, uint64_t h, unsigned i)
{
    return ((uint64_t)(uint32_t)(h + i * (h >> 32)) * f->n_bits) >> 32;
}

static void put(QcFilter *f, uint64_t cluster)
{
    uint64_t h = hash(cluster);

    for (unsigned i = 0; i < PROBES; i++) {
        uint64_t bit = place(f, h, i);

        __atomic_fetch_or(&f->words[bit / 64], BIT(bit % 64), __ATOMIC_RELAXED);
    }
    f->room--;
}

static bool may_have(const QcFilter *f, uint64_t cluster)
{
    uint64_t h = hash(cluster);

    for (unsigned i = 0; i < PROBES; i++) {
        uint64_t bit = place(f, h, i);

        if (!(__atomic_load_n(&f->words[bit / 64], __ATOMIC_RELAXED) >>
                  bit % 64 &
              1)) {
            return false;
        }
    }
    return true;
}

void qc_filter_free(QcFilter *f)
{
    g_free(f);
}

void qc_filter_make(const QcowState *s, QcFilter **filter,
                    const uint64_t *table, uint64_t n)
{
    QcFilter *f, *old = *filter;
    uint64_t room = 64, words;

    for (uint64_t i = 0; i < n; i++) {
        room += !!(table[i] & QC_OFFSET_MASK);
    }
    room += room / 4;
    words = DIV_ROUND_UP(room * BITS_PER_ENTRY, 64);
    f = g_try_malloc0(sizeof(*f) + words * sizeof(uint64_t));
    if (f) {
        f->room = room;
        f->n_bits = words * 64;
        for (uint64_t i = 0; i < n; i++) {
            if (table[i] & QC_OFFSET_MASK) {
                put(f, (table[i] & QC_OFFSET_MASK) >> s->cluster_bits);
            }
        }
    }
    rcu_assign_pointer(*filter, f);
    if (old) {
        call_rcu(&old->rcu, free_filter);
    }
}

void qc_filter_add(const QcowState *s, QcFilter **filter, const uint64_t *table,
                   uint64_t n, uint64_t entry)
{
    if (!(entry & QC_OFFSET_MASK)) {
        return;
    }
    if (*filter && !(*filter)->room) {
        qc_filter_make(s, filter, table, n);
    }
    if (*filter) {
        put(*filter, (entry & QC_OFFSET_MASK) >> s->cluster_bits);
    }
}

/* Does an entry lead to a cluster in the range? */
static bool search(const uint64_t *table, uint64_t n, uint64_t first,
                   uint64_t span)
{
    bool hit = false;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t at =
            __atomic_load_n(&table[i], __ATOMIC_RELAXED) & QC_OFFSET_MASK;

        hit |= at && at - first < span;
    }
    return hit;
}

bool qc_filter_find(const QcowState *s, QcFilter *const *filter,
                    const uint64_t *table, uint64_t n, uint64_t offset,
                    uint64_t bytes)
{
    uint64_t first = ALIGN_DOWN(offset, (uint64_t)s->cluster_size);
    uint64_t span = offset + bytes - first;
    uint64_t c = first >> s->cluster_bits;
    uint64_t end = c + DIV_ROUND_UP(span, (uint64_t)s->cluster_size);
    bool may = !filter || n / 16 < end - c;
    const QcFilter *f;

    if (!may) {
        rcu_read_lock();
        f = rcu_dereference(*filter);
        may = !f;
        for (; c < end && !may; c++) {
            may = may_have(f, c);
        }
        rcu_read_unlock();
    }
    return may && search(table, n, first, span);
}
