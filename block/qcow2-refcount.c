/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reference counts of qcow2 clusters, and allocation of clusters by them. All
 * of it runs with s->lock.
 *
 * Order on disk, so that a crash leaks clusters but never shares them: a new
 * refcount block before the table entry that points to it, increased counts
 * before what refers to the clusters, decreased ones after.
 * Spec: the qcow2 specification, section Host cluster management.
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"
#include "util/rcu.h"
#include "util/trace.h"

TRACE_POINT(qcow2_alloc_clusters);

/* Entries of any width
 * -------------------------------------------------------------- */

uint64_t qc_refcount_peek(const void *block, unsigned order, uint64_t index)
{
    const uint8_t *p = block;

    switch (order) {
    case 3:
        return p[index];
    case 4:
        return be16toh(((const uint16_t *)block)[index]);
    case 5:
        return be32toh(((const uint32_t *)block)[index]);
    case 6:
        return be64toh(((const uint64_t *)block)[index]);
    default: {
        /* Less than a byte: the first entry is in the low bits. */
        unsigned bits = 1u << order, per = 8 / bits;

        return p[index / per] >> (index % per * bits) & ((1u << bits) - 1);
    }
    }
}

void qc_refcount_poke(void *block, unsigned order, uint64_t index,
                      uint64_t value)
{
    uint8_t *p = block;

    switch (order) {
    case 3:
        p[index] = value;
        break;
    case 4:
        ((uint16_t *)block)[index] = htobe16(value);
        break;
    case 5:
        ((uint32_t *)block)[index] = htobe32(value);
        break;
    case 6:
        ((uint64_t *)block)[index] = htobe64(value);
        break;
    default: {
        unsigned bits = 1u << order, per = 8 / bits;
        unsigned shift = index % per * bits;
        unsigned mask = ((1u << bits) - 1) << shift;

        p[index / per] = (p[index / per] & ~mask) | (value << shift);
    }
    }
}

static uint64_t refcount_max(const QcowState *s)
{
    return s->h.refcount_order == 6 ? UINT64_MAX
                                    : BIT(1u << s->h.refcount_order) - 1;
}

/* The old table, which a check for overlaps may be reading. */
typedef struct OldTable {
    struct rcu_head rcu;
    uint64_t *table;
} OldTable;

static void free_old_table(struct rcu_head *rcu)
{
    OldTable *old = container_of(rcu, OldTable, rcu);

    g_free(old->table);
    g_free(old);
}

void qc_reftable_publish(QcowState *s, uint64_t *table, uint32_t size)
{
    uint64_t *replaced = s->reftable;
    uint32_t used = size;

    while (used && !table[used - 1]) {
        used--;
    }

    qc_filter_make(s, &s->refblock_filter, table, size);
    rcu_assign_pointer(s->reftable, table);
    s->reftable_size = size;
    /* Pairs with the acquire in in_refblocks(): first the longer table. */
    __atomic_store_n(&s->reftable_used, used, __ATOMIC_RELEASE);
    if (replaced) {
        OldTable *old = g_new(OldTable, 1);

        old->table = replaced;
        call_rcu(&old->rcu, free_old_table);
    }
}

/* Table
 * ----------------------------------------------------------------------------
 */

bool coroutine_fn qc_reftable_read(QcowState *s, Error **errp)
{
    uint64_t bytes = (uint64_t)s->h.reftable_clusters << s->cluster_bits;
    uint64_t used;
    int ret;

    s->reftable = g_try_malloc0(bytes);
    if (!s->reftable) {
        return error_set(errp, "no memory for the reference count table");
    }
    s->reftable_size = bytes / 8;
    qc_event(s, BLKDEBUG_EVENT_REFTABLE_LOAD);
    ret = qc_table_read_used(s, s->h.reftable_offset, s->reftable_size,
                             s->reftable, &used);
    if (ret < 0) {
        return error_errno(errp, -ret, "Could not read reference count table");
    }
    for (uint64_t i = 0; i < used; i++) {
        /* The low bits are reserved: whoever set them meant nothing. */
        s->reftable[i] &= ~UINT64_C(511);
    }
    s->reftable_used = used;
    qc_filter_make(s, &s->refblock_filter, s->reftable, s->reftable_used);
    return true;
}

/* The block at table entry @index; *t NULL when there is none. */
int coroutine_fn qc_refblock_get(QcowState *s, uint64_t index, QcTable **t)
{
    uint64_t entry;

    *t = NULL;
    if (index >= s->reftable_size) {
        return 0;
    }
    entry = s->reftable[index];
    if (!entry) {
        return 0;
    }
    if (entry & (s->cluster_size - 1)) {
        return qc_corrupt(s, true, entry,
                          "Refblock offset %#" PRIx64 " unaligned (reftable "
                          "index: %#" PRIx64 ")",
                          entry, index);
    }
    return qc_cache_get(s->rbc, entry, false, true, t);
}

int coroutine_fn qc_refcount_get(QcowState *s, uint64_t cluster,
                                 uint64_t *count)
{
    uint64_t mask = BIT(s->refblock_bits) - 1;
    QcTable *t;
    int ret = qc_refblock_get(s, cluster >> s->refblock_bits, &t);

    *count = 0;
    if (ret >= 0 && t) {
        *count = qc_refcount_peek(t->data, s->h.refcount_order, cluster & mask);
        qc_cache_put(s->rbc, t);
    }
    return ret;
}

/* Searching
 * ------------------------------------------------------------------------- */

/*
 * The first @n free clusters in a row at or after s->free_index; counts are
 * not changed. @exact false: a shorter run will do. Length of the run or
 * -errno.
 */
static int64_t coroutine_fn find_free(QcowState *s, uint64_t n, bool exact,
                                      uint64_t *start)
{
    uint64_t per_block = BIT(s->refblock_bits);
    uint64_t i = s->free_index, run = 0;

    while (run < n) {
        uint64_t index = i & (per_block - 1);
        QcTable *t;
        int ret = qc_refblock_get(s, i >> s->refblock_bits, &t);

        if (ret < 0) {
            return ret;
        }
        if (!t) {
            /* All of them free, up to the next block. */
            uint64_t step = MIN(n - run, per_block - index);

            run += step;
            i += step;
            continue;
        }
        for (; index < per_block && run < n; index++, i++) {
            if (!qc_refcount_peek(t->data, s->h.refcount_order, index)) {
                run++;
            } else if (run && !exact) {
                break;
            } else {
                run = 0;
            }
        }
        qc_cache_put(s->rbc, t);
        if (run && !exact && index < per_block) {
            break;
        }
    }
    *start = i - run;
    if (i > QC_MAX_HOST_OFFSET >> s->cluster_bits) {
        return -EFBIG;
    }
    return run;
}

/* New blocks
 * ------------------------------------------------------------------------- */

static int coroutine_fn reftable_write_entry(QcowState *s, uint64_t index)
{
    uint64_t raw = htobe64(s->reftable[index]);

    qc_event(s, BLKDEBUG_EVENT_REFBLOCK_ALLOC_HOOKUP);
    return node_pwrite(s->n->file->node, s->h.reftable_offset + index * 8, 8,
                       &raw, BLK_REQ_FUA);
}

/* Let table entry @index point to an empty block, which describes itself when
 * it lies in the range that it is for. */
static int coroutine_fn refblock_new(QcowState *s, uint64_t index)
{
    uint64_t at, offset;
    QcTable *t;
    int64_t got = find_free(s, 1, true, &at);
    int ret;

    if (got < 0) {
        return got;
    }
    s->free_index = at + 1;
    offset = at << s->cluster_bits;
    ret = qc_cache_get(s->rbc, offset, true, true, &t);
    if (ret < 0) {
        return ret;
    }
    if (at >> s->refblock_bits == index) {
        qc_refcount_poke(t->data, s->h.refcount_order,
                         at & (BIT(s->refblock_bits) - 1), 1);
    } else {
        ret = qc_refcount_change(s, offset, s->cluster_size, true, false);
    }
    qc_cache_dirty(s->rbc, t);
    qc_cache_put(s->rbc, t);
    if (ret >= 0) {
        qc_event(s, BLKDEBUG_EVENT_REFBLOCK_ALLOC_WRITE);
        ret = qc_cache_flush_durable(s->rbc);
    }
    if (ret >= 0 && index < s->reftable_size && !s->reftable[index]) {
        qc_filter_add(s, &s->refblock_filter, s->reftable, s->reftable_size,
                      offset);
        s->reftable[index] = offset;
        __atomic_store_n(&s->reftable_used,
                         MAX(s->reftable_used, (uint32_t)index + 1),
                         __ATOMIC_RELEASE);
        ret = reftable_write_entry(s, index);
        if (ret < 0) {
            s->reftable[index] = 0;
        }
    }
    return ret;
}

/* Where a bigger table goes: blocks first, then the table, all of them beyond
 * what the old table describes. */
typedef struct TableLayout {
    uint64_t area;                /* first cluster */
    uint64_t first_block, blocks; /* table entries of the area's own blocks */
    uint64_t table_clusters;
} TableLayout;

static bool layout_table(const QcowState *s, uint64_t index, TableLayout *l)
{
    uint64_t described = (uint64_t)s->reftable_size << s->refblock_bits;
    uint64_t entries =
        MAX(index + 1, s->reftable_size + s->reftable_size / 2 + 1);

    l->area = MAX(described, s->free_index);
    l->first_block = l->area >> s->refblock_bits;
    l->blocks = 0;
    for (;;) {
        uint64_t last;

        l->table_clusters =
            DIV_ROUND_UP(entries * 8, (uint64_t)s->cluster_size);
        last =
            (l->area + l->blocks + l->table_clusters - 1) >> s->refblock_bits;
        if (last < l->first_block + l->blocks && last < entries) {
            break;
        }
        l->blocks = MAX(l->blocks, last - l->first_block + 1);
        entries = MAX(entries, last + 1);
    }
    return l->table_clusters << s->cluster_bits <= QC_MAX_REFTABLE_BYTES &&
           (l->area + l->blocks + l->table_clusters) <= QC_MAX_HOST_OFFSET >>
               s->cluster_bits;
}

static int coroutine_fn write_own_blocks(QcowState *s, const TableLayout *l,
                                         uint64_t *table)
{
    uint64_t end = l->area + l->blocks + l->table_clusters;
    uint64_t per_block = BIT(s->refblock_bits);
    g_autofree char *buf = g_malloc(s->cluster_size);

    for (uint64_t b = 0; b < l->blocks; b++) {
        uint64_t base = (l->first_block + b) << s->refblock_bits;
        uint64_t offset = (l->area + b) << s->cluster_bits;
        int ret;

        memset(buf, 0, s->cluster_size);
        for (uint64_t i = MAX(base, l->area); i < MIN(base + per_block, end);
             i++) {
            qc_refcount_poke(buf, s->h.refcount_order, i - base, 1);
        }
        qc_event(s, BLKDEBUG_EVENT_REFBLOCK_ALLOC_WRITE_BLOCKS);
        ret = node_pwrite(s->n->file->node, offset, s->cluster_size, buf, 0);
        if (ret < 0) {
            return ret;
        }
        table[l->first_block + b] = offset;
    }
    return 0;
}

static int coroutine_fn write_new_table(QcowState *s, const TableLayout *l,
                                        const uint64_t *table, uint64_t size)
{
    uint64_t offset = (l->area + l->blocks) << s->cluster_bits;
    struct __attribute__((packed)) {
        uint64_t offset;
        uint32_t clusters;
    } field = { htobe64(offset), htobe32(l->table_clusters) };
    int ret;

    qc_event(s, BLKDEBUG_EVENT_REFBLOCK_ALLOC_WRITE_TABLE);
    ret = qc_table_write(s, offset, size, table);
    if (ret >= 0) {
        ret = node_flush(s->n->file->node);
    }
    if (ret >= 0) {
        /* refcount_table_offset and _clusters, in one write */
        qc_event(s, BLKDEBUG_EVENT_REFBLOCK_ALLOC_SWITCH_TABLE);
        ret = node_pwrite(s->n->file->node, 48, sizeof(field), &field, 0);
    }
    return ret < 0 ? ret : node_flush(s->n->file->node);
}

static int coroutine_fn reftable_grow(QcowState *s, uint64_t index)
{
    uint64_t old_offset = s->h.reftable_offset;
    uint64_t old_bytes = (uint64_t)s->h.reftable_clusters << s->cluster_bits;
    uint64_t *table, size, free_index;
    TableLayout l;
    int ret;

    if (!layout_table(s, index, &l)) {
        return -EFBIG;
    }
    qc_event(s, BLKDEBUG_EVENT_REFTABLE_GROW);
    size = (l.table_clusters << s->cluster_bits) / 8;
    table = g_try_new0(uint64_t, size);
    if (!table) {
        return -ENOMEM;
    }
    memcpy(table, s->reftable, (size_t)s->reftable_size * 8);
    ret = write_own_blocks(s, &l, table);
    if (ret >= 0) {
        ret = write_new_table(s, &l, table, size);
    }
    if (ret < 0) {
        g_free(table);
        return ret;
    }
    qc_reftable_publish(s, table, size);
    s->h.reftable_offset = (l.area + l.blocks) << s->cluster_bits;
    s->h.reftable_clusters = l.table_clusters;
    s->free_index = MAX(s->free_index, l.area + l.blocks + l.table_clusters);
    /* Whoever is allocating has found clusters that do not count as used yet:
     * the search must not come back to them. */
    free_index = s->free_index;
    qc_free(s, old_offset, old_bytes, false);
    s->free_index = free_index;
    return 0;
}

/* The block for changing @cluster's count; makes it when missing. */
static int coroutine_fn refblock_for_change(QcowState *s, uint64_t cluster,
                                            QcTable **t)
{
    uint64_t index = cluster >> s->refblock_bits;

    qc_event(s, BLKDEBUG_EVENT_REFBLOCK_ALLOC);
    for (;;) {
        int ret = qc_refblock_get(s, index, t);

        if (ret < 0 || *t) {
            return ret;
        }
        ret = index >= s->reftable_size ? reftable_grow(s, index)
                                        : refblock_new(s, index);
        if (ret < 0) {
            return ret;
        }
    }
}

/* Changing
 * ---------------------------------------------------------------------------
 */

/* Where @cluster's count is: *t, referenced, and the index in it. */
static int coroutine_fn count_for_change(QcowState *s, uint64_t cluster,
                                         QcTable **t, uint64_t *index,
                                         uint64_t *count)
{
    int ret = refblock_for_change(s, cluster, t);

    *index = cluster & (BIT(s->refblock_bits) - 1);
    *count =
        ret < 0 ? 0 : qc_refcount_peek((*t)->data, s->h.refcount_order, *index);
    return ret;
}

static void store_count(QcowState *s, QcTable *t, uint64_t index,
                        uint64_t cluster, uint64_t count)
{
    qc_refcount_poke(t->data, s->h.refcount_order, index, count);
    qc_cache_dirty(s->rbc, t);
    if (!count) {
        s->free_index = MIN(s->free_index, cluster);
        if (s->free_byte >> s->cluster_bits == (int64_t)cluster) {
            s->free_byte = 0;
        }
    }
}

int coroutine_fn qc_refcount_set(QcowState *s, uint64_t cluster, uint64_t count)
{
    uint64_t index, old;
    QcTable *t;
    int ret = count > refcount_max(s)
                  ? -EINVAL
                  : count_for_change(s, cluster, &t, &index, &old);

    if (ret >= 0) {
        store_count(s, t, index, cluster, count);
        qc_cache_put(s->rbc, t);
    }
    return ret;
}

static int coroutine_fn change_one(QcowState *s, uint64_t cluster,
                                   bool increase, bool *freed)
{
    uint64_t index, count;
    QcTable *t;
    int ret = count_for_change(s, cluster, &t, &index, &count);

    *freed = false;
    if (ret < 0) {
        return ret;
    }
    if (increase ? count == refcount_max(s) : !count) {
        ret = -EINVAL;
    } else {
        count += increase ? 1 : -1;
        store_count(s, t, index, cluster, count);
        *freed = !count;
    }
    qc_cache_put(s->rbc, t);
    return ret;
}

int coroutine_fn qc_refcount_change(QcowState *s, uint64_t offset,
                                    uint64_t bytes, bool increase, bool discard)
{
    uint64_t first = offset >> s->cluster_bits;
    uint64_t last = (offset + bytes - 1) >> s->cluster_bits;
    int ret = 0;

    if (!bytes) {
        return 0;
    }
    if (!increase) {
        ret = qc_cache_depend(s->rbc, s->l2c);
    }
    for (uint64_t c = first; c <= last && ret >= 0; c++) {
        bool freed;

        ret = change_one(s, c, increase, &freed);
        if (ret < 0 && increase) {
            /* All or nothing, as far as that is possible. */
            while (c-- > first) {
                change_one(s, c, false, &freed);
            }
            break;
        }
        if (ret >= 0 && freed) {
            qc_cache_forget(s->rbc, c << s->cluster_bits, s->cluster_size);
            qc_cache_forget(s->l2c, c << s->cluster_bits, s->cluster_size);
            if (discard) {
                node_pdiscard(s->n->file->node, c << s->cluster_bits,
                              s->cluster_size);
            }
        }
    }
    return ret;
}

static int coroutine_fn mark_dirty(QcowState *s)
{
    return s->lazy ? qc_set_incompat(s, QC_INCOMPAT_DIRTY, true) : 0;
}

int64_t coroutine_fn qc_alloc(QcowState *s, int64_t bytes, bool exact,
                              int64_t *got)
{
    uint64_t start, offset;
    int64_t run;
    int ret;

    qc_event(s, BLKDEBUG_EVENT_CLUSTER_ALLOC);
    ret = mark_dirty(s);

    trace(qcow2_alloc_clusters, "bytes %" PRId64, bytes);
    if (ret < 0) {
        return ret;
    }
    run = find_free(s, bytes >> s->cluster_bits, exact, &start);
    if (run < 0) {
        return run;
    }
    /* New refcount blocks and tables go behind what was found. */
    s->free_index = start + run;
    offset = start << s->cluster_bits;
    *got = run << s->cluster_bits;
    ret = qc_check_alloc(s, offset, *got);
    if (ret >= 0) {
        ret = qc_refcount_change(s, offset, *got, true, false);
    }
    return ret < 0 ? ret : (int64_t)offset;
}

void coroutine_fn qc_free(QcowState *s, uint64_t offset, uint64_t bytes,
                          bool discard)
{
    qc_event(s, BLKDEBUG_EVENT_CLUSTER_FREE);
    if (mark_dirty(s) >= 0) {
        qc_refcount_change(s, offset, bytes, false, discard);
    }
}
