/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From guest offsets to host clusters: the L1 table in memory, L2 tables in
 * slices through the cache.
 * Spec: the qcow2 specification, section Cluster mapping.
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"

QcType qc_sub_type(const QcowState *s, QcEntry e, unsigned sub)
{
    bool host = qc_has_host(s, e.desc), data = host, zero;

    if (e.desc & QC_COMPRESSED) {
        return s->external ? QC_TYPE_INVALID : QC_TYPE_COMPRESSED;
    }
    if (s->extended) {
        data = e.map & BIT(sub);
        zero = e.map & BIT(sub + 32);
        if (data && (zero || !host)) {
            return QC_TYPE_INVALID;
        }
    } else {
        zero = (e.desc & QC_ZERO) && s->h.version >= 3;
    }
    if (zero) {
        return host ? QC_TYPE_ZERO_ALLOC : QC_TYPE_ZERO;
    }
    return data   ? QC_TYPE_NORMAL
           : host ? QC_TYPE_UNALLOCATED_HOST
                  : QC_TYPE_UNALLOCATED;
}

static uint64_t l1_index(const QcowState *s, int64_t offset)
{
    return (uint64_t)offset >> (s->l2_bits + s->cluster_bits);
}

static unsigned l2_index(const QcowState *s, int64_t offset)
{
    return (offset >> s->cluster_bits) & (BIT(s->l2_bits) - 1);
}

static uint64_t l1_load(const QcowState *s, uint64_t index)
{
    return index < s->h.l1_size
               ? __atomic_load_n(&s->l1[index], __ATOMIC_ACQUIRE)
               : 0;
}

static int coroutine_fn slice_get(QcowState *s, uint64_t l1_entry,
                                  int64_t offset, bool locked, QcTable **slice)
{
    uint64_t table = l1_entry & QC_OFFSET_MASK;
    unsigned first = l2_index(s, offset) & ~(unsigned)(BIT(s->slice_bits) - 1);

    if (table & (s->cluster_size - 1)) {
        return qc_corrupt(s, true, table,
                          "L2 table offset %#" PRIx64
                          " unaligned (L1 index: %#" PRIx64 ")",
                          table, l1_index(s, offset));
    }
    return qc_cache_get(s->l2c, table + ((uint64_t)first << s->entry_bits),
                        false, locked, slice);
}

/* Check an entry that leads to a host cluster. */
static int coroutine_fn check_entry(QcowState *s, QcEntry e, int64_t offset)
{
    uint64_t host = e.desc & QC_OFFSET_MASK;

    if (host & (s->cluster_size - 1)) {
        return qc_corrupt(s, true, host,
                          "Cluster allocation offset %#" PRIx64
                          " unaligned (guest offset: %#" PRIx64 ")",
                          host, offset);
    }
    if (s->external && host != (uint64_t)qc_cluster_start(s, offset)) {
        return qc_corrupt(s, true, host,
                          "External data file host cluster offset %#" PRIx64
                          " does not match guest cluster offset: %#" PRIx64,
                          host, qc_cluster_start(s, offset));
    }
    return 0;
}

/* How many subclusters of the cluster are like @sub, from that on. */
static unsigned run_in_cluster(const QcowState *s, QcEntry e, QcType type,
                               unsigned sub)
{
    unsigned all = BIT(s->cluster_bits - s->sub_bits);
    uint64_t data = e.map & QC_ALL_SUBCLUSTERS, zero = e.map >> 32, alike;

    if (!s->extended || type == QC_TYPE_COMPRESSED) {
        return qc_sub_type(s, e, sub) == type ? all - sub : 0;
    }
    if (qc_sub_type(s, e, sub) != type) {
        return 0;
    }
    alike = type == QC_TYPE_NORMAL ? data & ~zero
            : type == QC_TYPE_ZERO || type == QC_TYPE_ZERO_ALLOC
                ? zero & ~data
                : ~(data | zero);
    /* Bits from 32 on end the run. */
    return __builtin_ctzll(~((alike & QC_ALL_SUBCLUSTERS) >> sub));
}

/* Is @e, @n clusters after @first, where it would be next to it? */
static bool is_adjacent(const QcowState *s, QcEntry first, QcEntry e,
                        unsigned n)
{
    bool host = qc_has_host(s, first.desc);

    if (host != qc_has_host(s, e.desc) || ((first.desc ^ e.desc) & QC_COPIED)) {
        return false;
    }
    return !host ||
           (e.desc & QC_OFFSET_MASK) ==
               (first.desc & QC_OFFSET_MASK) + ((uint64_t)n << s->cluster_bits);
}

/* How many subclusters continue @sub of the entry at @index, which is @first,
 * looking at @max clusters. */
static uint64_t count_alike(const QcowState *s, const QcTable *t,
                            unsigned index, unsigned max, QcEntry first,
                            unsigned sub)
{
    QcType type = qc_sub_type(s, first, sub);
    uint64_t all = BIT(s->cluster_bits - s->sub_bits);
    uint64_t run = run_in_cluster(s, first, type, sub);

    if (type == QC_TYPE_COMPRESSED || run < all - sub) {
        return run;
    }
    for (unsigned n = 1; n < max; n++) {
        QcEntry e = qc_l2_load(s, t, index + n);
        unsigned more =
            is_adjacent(s, first, e, n) ? run_in_cluster(s, e, type, 0) : 0;

        run += more;
        if (more < all) {
            break;
        }
    }
    return run;
}

int coroutine_fn qc_map(QcowState *s, int64_t offset, int64_t bytes,
                        bool locked, QcMap *map)
{
    uint64_t l1_entry = l1_load(s, l1_index(s, offset));
    int64_t into = qc_into_cluster(s, offset);
    unsigned index = l2_index(s, offset) & (BIT(s->slice_bits) - 1);
    unsigned left = BIT(s->slice_bits) - index;
    unsigned want =
        MIN((uint64_t)left,
            DIV_ROUND_UP((uint64_t)(into + bytes), (uint64_t)s->cluster_size));
    unsigned sub = into >> s->sub_bits;
    QcTable *t;
    QcEntry entry;
    int ret;

    if (!(l1_entry & QC_OFFSET_MASK)) {
        int64_t span = (int64_t)BIT(s->l2_bits + s->cluster_bits);

        *map = (QcMap){ .type = QC_TYPE_UNALLOCATED,
                        .bytes = MIN(bytes, span - (offset & (span - 1))) };
        return 0;
    }
    ret = slice_get(s, l1_entry, offset, locked, &t);
    if (ret < 0) {
        return ret;
    }
    entry = qc_l2_load(s, t, index);
    *map = (QcMap){ .type = qc_sub_type(s, entry, sub),
                    .copied = entry.desc & QC_COPIED,
                    .host = (entry.desc & QC_OFFSET_MASK) + into };
    map->bytes =
        map->type == QC_TYPE_INVALID
            ? bytes
            : MIN(bytes, (int64_t)(count_alike(s, t, index, want, entry, sub)
                                   << s->sub_bits) -
                             (offset & (s->sub_size - 1)));
    qc_cache_put(s->l2c, t);
    if (map->type == QC_TYPE_INVALID) {
        return qc_corrupt(s, true, l1_entry & QC_OFFSET_MASK,
                          "Invalid cluster entry found  (L2 offset: %#" PRIx64
                          ", L2 index: %#x)",
                          l1_entry & QC_OFFSET_MASK, l2_index(s, offset));
    }
    if (map->type == QC_TYPE_COMPRESSED) {
        map->host = entry.desc;
        map->copied = false;
        return 0;
    }
    return qc_has_host(s, entry.desc) ? check_entry(s, entry, offset) : 0;
}

/* Changing L2 tables
 * ------------------------------------------------------------ */

int coroutine_fn qc_l1_write_entry(QcowState *s, uint64_t index, uint64_t entry)
{
    uint64_t raw = htobe64(entry);
    int ret;

    qc_event(s, BLKDEBUG_EVENT_L1_UPDATE);
    ret = node_pwrite(s->n->file->node, s->h.l1_offset + index * 8, 8, &raw, 0);

    if (ret >= 0) {
        qc_filter_add(s, &s->l2_filter, s->l1, s->h.l1_size, entry);
        __atomic_store_n(&s->l1[index], entry, __ATOMIC_RELEASE);
    }
    return ret;
}

/* @buf becomes the table at @from. */
static int coroutine_fn l2_read(QcowState *s, uint64_t from, char *buf)
{
    uint64_t slice_bytes = BIT(s->slice_bits + s->entry_bits);

    qc_event(s, BLKDEBUG_EVENT_L2_ALLOC_COW_READ);
    for (uint64_t at = 0; at < (uint64_t)s->cluster_size; at += slice_bytes) {
        QcTable *t;
        int ret = qc_cache_get(s->l2c, from + at, false, true, &t);

        if (ret < 0) {
            return ret;
        }
        memcpy(buf + at, t->data, slice_bytes);
        qc_cache_put(s->l2c, t);
    }
    return 0;
}

/* Make the new table at @to that at @from (0: empty), on stable storage. It
 * does not go through the cache: the guest's data need not be written out. */
static int coroutine_fn l2_copy(QcowState *s, uint64_t from, uint64_t to)
{
    char *buf = node_alloc(s->n->file->node, s->cluster_size);
    int ret = -ENOMEM;

    if (buf) {
        memset(buf, 0, s->cluster_size);
        ret = from ? l2_read(s, from, buf) : 0;
    }
    if (ret >= 0) {
        qc_event(s, BLKDEBUG_EVENT_L2_ALLOC_WRITE);
        ret = node_pwrite(s->n->file->node, to, s->cluster_size, buf,
                          BLK_REQ_FUA);
    }
    free(buf);
    return ret;
}

/* A table of our own for L1 entry @index: new, or copied from a shared one. */
static int coroutine_fn l2_new(QcowState *s, uint64_t index)
{
    uint64_t old = s->l1[index] & QC_OFFSET_MASK;
    int64_t got, offset;
    int ret;

    if (old & (s->cluster_size - 1)) {
        return qc_corrupt(s, true, old,
                          "L2 table offset %#" PRIx64
                          " unaligned (L1 index: %#" PRIx64 ")",
                          old, index);
    }
    offset = qc_alloc(s, s->cluster_size, true, &got);
    if (offset < 0) {
        return offset;
    }
    /* On disk: counts, then the table, then what points to it. */
    ret = qc_cache_flush_durable(s->rbc);
    if (ret >= 0) {
        ret = l2_copy(s, old, offset);
    }
    if (ret >= 0) {
        ret = qc_l1_write_entry(s, index, offset | QC_COPIED);
    }
    if (ret < 0) {
        qc_free(s, offset, s->cluster_size, false);
        return ret;
    }
    /* A snapshot keeps the old one; its count must not be too low. */
    if (old && node_flush(s->n->file->node) >= 0) {
        qc_free(s, old, s->cluster_size, false);
    }
    return 0;
}

int coroutine_fn qc_l2_for_write(QcowState *s, int64_t offset, QcTable **slice,
                                 unsigned *index)
{
    uint64_t i = l1_index(s, offset);
    int ret = 0;

    if (i >= s->h.l1_size) {
        return -EIO;
    }
    if (!(s->l1[i] & QC_OFFSET_MASK) || !(s->l1[i] & QC_COPIED)) {
        ret = l2_new(s, i);
    }
    if (ret >= 0) {
        ret = slice_get(s, s->l1[i], offset, true, slice);
    }
    *index = l2_index(s, offset) & (BIT(s->slice_bits) - 1);
    return ret;
}
