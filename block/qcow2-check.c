/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting all references of a qcow2 image and comparing with its refcounts;
 * repairing those. s->lock is held; no requests are under way.
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "util/error.h"

typedef struct Count {
    QcowState *s;
    uint32_t *refs;
    uint64_t n, cap;
    QcCheck *result;
    bool unknown; /* something has references that we do not count */
} Count;

static bool count_reserve(Count *c, uint64_t n)
{
    uint32_t *refs;
    uint64_t cap;

    if (n <= c->n) {
        return true;
    }
    if (n > c->cap) {
        cap = MAX(n, c->cap + c->cap / 2);
        refs = g_try_realloc_n(c->refs, cap, sizeof(*refs));
        if (!refs) {
            return false;
        }
        memset(refs + c->cap, 0, (cap - c->cap) * sizeof(*refs));
        c->refs = refs;
        c->cap = cap;
    }
    c->n = n;
    return true;
}

/* One more reference to each cluster of the range. */
static void count_range(Count *c, uint64_t offset, uint64_t bytes)
{
    /* What is used exists, but for the rest of the last cluster. */
    uint64_t end = DIV_ROUND_UP((uint64_t)node_length(c->s->n->file->node),
                                (uint64_t)c->s->cluster_size);
    uint64_t first = offset >> c->s->cluster_bits, last;

    if (!bytes) {
        return;
    }
    last = (offset + bytes - 1) >> c->s->cluster_bits;
    if (last < first || last >= end || !count_reserve(c, last + 1)) {
        c->result->corruptions++;
        return;
    }
    for (uint64_t i = first; i <= last; i++) {
        c->refs[i] += c->refs[i] != UINT32_MAX;
    }
}

static void count_entry(Count *c, uint64_t entry)
{
    QcowState *s = c->s;
    uint64_t offset, bytes;

    switch (qc_entry_type(s, entry)) {
    case QC_TYPE_COMPRESSED:
        bytes = qc_compressed_extent(s, entry, &offset);
        count_range(c, offset, bytes);
        c->result->compressed_clusters++;
        c->result->allocated_clusters++;
        break;
    case QC_TYPE_NORMAL:
    case QC_TYPE_ZERO_ALLOC:
        offset = entry & QC_OFFSET_MASK;
        if (offset & (s->cluster_size - 1)) {
            c->result->corruptions++;
            break;
        }
        count_range(c, offset, s->cluster_size);
        c->result->allocated_clusters++;
        break;
    default:
        break;
    }
}

static int coroutine_fn count_l2(Count *c, uint64_t offset, uint64_t *buf)
{
    QcowState *s = c->s;
    int ret;

    if (offset & (s->cluster_size - 1)) {
        c->result->corruptions++;
        return 0;
    }
    count_range(c, offset, s->cluster_size);
    ret = node_pread(s->n->file->node, offset, s->cluster_size, buf);
    if (ret < 0) {
        return ret;
    }
    for (unsigned i = 0; i < BIT(s->l2_bits); i++) {
        count_entry(c, be64toh(buf[i]));
    }
    return 0;
}

/* @l1 in host byte order. */
static int coroutine_fn count_l1(Count *c, uint64_t offset, const uint64_t *l1,
                                 uint32_t size)
{
    g_autofree uint64_t *buf = g_try_malloc(c->s->cluster_size);
    int ret = buf ? 0 : -ENOMEM;

    count_range(c, offset, (uint64_t)size * 8);
    for (uint32_t i = 0; i < size && ret >= 0; i++) {
        uint64_t l2 = l1[i] & QC_OFFSET_MASK;

        if (l2) {
            ret = count_l2(c, l2, buf);
        }
    }
    return ret;
}

/* Snapshots
 * ------------------------------------------------------------------------- */

typedef struct __attribute__((packed)) RawSnapshot {
    uint64_t l1_offset;
    uint32_t l1_size;
    uint16_t id_size, name_size;
    uint32_t date_sec, date_nsec;
    uint64_t vm_clock;
    uint32_t vm_state_size, extra_size;
} RawSnapshot;

static int coroutine_fn count_snapshot_l1(Count *c, uint64_t offset,
                                          uint32_t size)
{
    g_autofree uint64_t *l1 = NULL;
    int ret;

    if ((uint64_t)size * 8 > QC_MAX_L1_BYTES ||
        (offset & (c->s->cluster_size - 1))) {
        c->result->corruptions++;
        return 0;
    }
    l1 = g_try_new(uint64_t, MAX(size, 1));
    ret = l1 ? node_pread(c->s->n->file->node, offset, (int64_t)size * 8, l1)
             : -ENOMEM;
    if (ret < 0) {
        return ret;
    }
    for (uint32_t i = 0; i < size; i++) {
        l1[i] = be64toh(l1[i]);
    }
    return count_l1(c, offset, l1, size);
}

static int coroutine_fn count_snapshots(Count *c)
{
    QcowState *s = c->s;
    uint64_t at = s->h.snapshots_offset;

    for (uint32_t i = 0; i < s->h.nb_snapshots; i++) {
        RawSnapshot raw;
        int ret = node_pread(s->n->file->node, at, sizeof(raw), &raw);

        if (ret >= 0) {
            ret = count_snapshot_l1(c, be64toh(raw.l1_offset),
                                    be32toh(raw.l1_size));
        }
        if (ret < 0) {
            return ret;
        }
        at += ALIGN_UP(sizeof(raw) + be32toh(raw.extra_size) +
                           be16toh(raw.id_size) + be16toh(raw.name_size),
                       8);
        if (at - s->h.snapshots_offset > 64 * MiB) {
            c->result->corruptions++;
            break;
        }
    }
    count_range(c, s->h.snapshots_offset, at - s->h.snapshots_offset);
    return 0;
}

/* Everything
 * -------------------------------------------------------------------------- */

static int coroutine_fn count_all(Count *c)
{
    QcowState *s = c->s;
    int ret;

    count_range(c, 0, s->cluster_size);
    ret = count_l1(c, s->h.l1_offset, s->l1, s->h.l1_size);
    if (ret >= 0 && s->h.nb_snapshots) {
        ret = count_snapshots(c);
    }
    count_range(c, s->h.reftable_offset,
                (uint64_t)s->h.reftable_clusters << s->cluster_bits);
    for (uint32_t i = 0; i < s->reftable_size; i++) {
        uint64_t block = s->reftable[i];

        if (block & (s->cluster_size - 1)) {
            c->result->corruptions++;
        } else if (block) {
            count_range(c, block, s->cluster_size);
        }
    }
    /* Bitmaps and other guests of the image that we do not know. */
    c->unknown = s->extensions->len > 0;
    return ret;
}

/* One cluster: too low a count is corruption, too high a one a leak. */
static int coroutine_fn compare_one(Count *c, uint64_t i, bool leaks, bool fix)
{
    QcowState *s = c->s;
    uint64_t have, want = i < c->n ? c->refs[i] : 0;
    int ret = qc_refcount_get(s, i, &have);
    bool low = have < want;

    if (ret < 0 || have == want || low == leaks) {
        return ret;
    }
    *(leaks ? &c->result->leaks : &c->result->corruptions) += 1;
    if (!fix) {
        return 0;
    }
    ret = qc_refcount_set(s, i, want);
    if (ret >= 0) {
        *(leaks ? &c->result->leaks_fixed : &c->result->corruptions_fixed) += 1;
    }
    return ret;
}

static int coroutine_fn compare_all(Count *c, bool fix)
{
    QcowState *s = c->s;
    uint64_t end = DIV_ROUND_UP((uint64_t)node_length(s->n->file->node),
                                (uint64_t)s->cluster_size);
    int ret = 0;

    end = MAX(end, c->n);
    if (fix) {
        /* New refcount blocks go where nothing can be. */
        s->free_index = end;
    }
    /* Low counts first: afterwards what counts as free is free. */
    for (uint64_t i = 0; i < end && ret >= 0; i++) {
        ret = compare_one(c, i, false, fix);
    }
    for (uint64_t i = 0; i < end && ret >= 0; i++) {
        ret = compare_one(c, i, true, fix && !c->unknown);
    }
    s->free_index = 0;
    c->result->image_end = c->n << s->cluster_bits;
    return ret;
}

bool coroutine_fn qc_check(QcowState *s, bool fix, QcCheck *result,
                           Error **errp)
{
    Count c = { .s = s, .result = result };
    int ret;

    memset(result, 0, sizeof(*result));
    result->total_clusters = DIV_ROUND_UP(s->h.size, (uint64_t)s->cluster_size);
    ret = qc_cache_flush(s->l2c);
    if (ret >= 0) {
        ret = qc_cache_flush(s->rbc);
    }
    if (ret >= 0) {
        ret = count_all(&c);
    }
    if (ret >= 0) {
        ret = compare_all(&c, fix);
    }
    if (ret >= 0 && fix) {
        ret = qc_cache_flush(s->rbc);
    }
    g_free(c.refs);
    return ret >= 0 || error_errno(errp, -ret, "Could not check the image");
}
