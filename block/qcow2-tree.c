/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that an L1 table of a qcow2 image refers to: counted once more, or once
 * less, and the "copied" flags of the active tables made to agree. Tables other
 * than the active one are read in pieces: they may be as long as that.
 * Spec: the qcow2 specification, section Cluster mapping.
 */
#include "util/osdep.h"

#include "block/qcow2.h"

/* Reference trees
 * --------------------------------------------------------------- */

typedef struct Tree {
    QcowState *s;
    int delta;   /* of all counts: -1, 0, 1 */
    bool active; /* set the "copied" flags of the tables as counts say */
    uint64_t *l2;
    /* A run of clusters whose counts are still to be changed. */
    uint64_t run, run_bytes;
} Tree;

static int coroutine_fn end_run(Tree *t)
{
    int ret = 0;

    if (t->run_bytes) {
        ret = qc_refcount_change(t->s, t->run, t->run_bytes, t->delta > 0,
                                 t->s->discard_snapshot);
    }
    t->run_bytes = 0;
    return ret;
}

static int coroutine_fn change_range(Tree *t, uint64_t offset, uint64_t bytes,
                                     bool joins)
{
    int ret = 0;

    if (!t->delta) {
        return 0;
    }
    if (!joins || offset != t->run + t->run_bytes || !t->run_bytes) {
        ret = end_run(t);
        t->run = offset;
    }
    t->run_bytes += bytes;
    return ret < 0 || joins ? ret : end_run(t);
}

static int coroutine_fn change_entry(Tree *t, uint64_t entry)
{
    QcowState *s = t->s;
    uint64_t offset, bytes;

    if (entry & QC_COMPRESSED) {
        /* Shares its clusters with others: each on its own. */
        bytes = qc_compressed_extent(s, entry, &offset);
        return change_range(t, offset, bytes, false);
    }
    if (!qc_has_host(s, entry)) {
        return 0;
    }
    offset = entry & QC_OFFSET_MASK;
    if (offset & (s->cluster_size - 1)) {
        return qc_corrupt(s, true, offset,
                          "Cluster allocation offset %#" PRIx64 " unaligned",
                          offset);
    }
    return change_range(t, offset, s->cluster_size, true);
}

/* @entry with the flag that its cluster's count asks for. */
static int coroutine_fn flag_entry(Tree *t, uint64_t *entry, bool *changed)
{
    uint64_t count, old = *entry;
    int ret =
        qc_refcount_get(t->s, (old & QC_OFFSET_MASK) >> t->s->cluster_bits,
                        &count);

    if (ret >= 0) {
        *entry = count == 1 ? old | QC_COPIED : old & ~QC_COPIED;
        *changed = *changed || *entry != old;
    }
    return ret;
}

static int coroutine_fn flag_l2(Tree *t, bool *changed)
{
    QcowState *s = t->s;
    int ret = 0;

    for (unsigned i = 0; i < BIT(s->l2_bits) && ret >= 0; i++) {
        uint64_t entry = qc_entry_get(s, t->l2, i).desc;

        if (qc_has_host(s, entry)) {
            ret = flag_entry(t, &entry, changed);
            t->l2[(uint64_t)i << (s->entry_bits - 3)] = htobe64(entry);
        }
    }
    return ret;
}

static int coroutine_fn write_l2(Tree *t, uint64_t offset)
{
    QcowState *s = t->s;
    int ret = qc_check_overlap(s, QC_OVERLAP_ACTIVE_L2 | QC_OVERLAP_INACTIVE_L2,
                               offset, s->cluster_size);

    if (ret >= 0) {
        ret = node_pwrite(s->n->file->node, offset, s->cluster_size, t->l2, 0);
    }
    qc_cache_forget(s->l2c, offset, s->cluster_size);
    return ret;
}

/* What entry @i of the table, at @entry, refers to. */
static int coroutine_fn walk_l2(Tree *t, uint32_t i, uint64_t *entry)
{
    QcowState *s = t->s;
    uint64_t offset = *entry & QC_OFFSET_MASK;
    bool changed = false, l1_changed = false;
    int ret;

    if (offset & (s->cluster_size - 1)) {
        return qc_corrupt(s, true, offset,
                          "L2 table offset %#" PRIx64
                          " unaligned (L1 index: %#" PRIx32 ")",
                          offset, i);
    }
    ret = node_pread(s->n->file->node, offset, s->cluster_size, t->l2);
    for (unsigned e = 0; e < BIT(s->l2_bits) && ret >= 0 && t->delta; e++) {
        uint64_t desc = qc_entry_get(s, t->l2, e).desc;

        ret = desc ? change_entry(t, desc) : 0;
    }
    if (ret >= 0) {
        ret = change_range(t, offset, s->cluster_size, false);
    }
    if (ret < 0 || !t->active) {
        return ret;
    }
    ret = flag_l2(t, &changed);
    if (ret >= 0 && changed) {
        ret = write_l2(t, offset);
    }
    if (ret >= 0) {
        ret = flag_entry(t, entry, &l1_changed);
    }
    return ret >= 0 && l1_changed ? qc_l1_write_entry(s, i, *entry) : ret;
}

/* @n entries, of which the first has index @first in the table. */
static int coroutine_fn walk(Tree *t, uint64_t *l1, uint32_t n, uint32_t first)
{
    int ret = 0;

    for (uint32_t i = 0; i < n && ret >= 0; i++) {
        if (l1[i] & QC_OFFSET_MASK) {
            ret = walk_l2(t, first + i, &l1[i]);
        }
    }
    return ret < 0 ? ret : end_run(t);
}

int coroutine_fn qc_tree_active(QcowState *s, int delta)
{
    Tree t = { .s = s, .delta = delta, .active = true };
    int ret = -ENOMEM;

    t.l2 = g_try_malloc(s->cluster_size);
    if (t.l2) {
        ret = walk(&t, s->l1, s->h.l1_size, 0);
    }
    g_free(t.l2);
    return ret;
}

int coroutine_fn qc_tree_change(QcowState *s, uint64_t offset, uint32_t n,
                                int delta)
{
    g_autofree uint64_t *l1 = g_new(uint64_t, QC_TABLE_PIECE);
    Tree t = { .s = s, .delta = delta };
    int ret = 0;

    t.l2 = g_try_malloc(s->cluster_size);
    if (!t.l2) {
        return -ENOMEM;
    }
    for (uint32_t at = 0; at < n && ret >= 0; at += QC_TABLE_PIECE) {
        uint32_t len = MIN(n - at, (uint32_t)QC_TABLE_PIECE);

        memset(l1, 0, len * sizeof(*l1));
        ret = qc_table_read(s, offset + at * UINT64_C(8), len, l1);
        if (ret >= 0) {
            ret = walk(&t, l1, len, at);
        }
    }
    g_free(t.l2);
    return ret;
}
