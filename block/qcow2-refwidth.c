/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another width of the reference counts of a qcow2 image: new blocks and a new
 * table are written behind everything that is in use, then one write of the
 * header changes over. A crash before that leaves the old ones as they were.
 * Spec: the qcow2 specification, sections Header and Host cluster management.
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "util/error.h"

typedef struct Recount {
    QcowState *s;
    unsigned order, block_bits; /* new */
    uint64_t end;               /* clusters in use now are below */
    uint64_t blocks;            /* new blocks, from cluster "end" on */
    uint64_t table_clusters;    /* behind them */
    uint64_t entries;           /* of the new table */
    uint64_t *table;            /* new, host byte order */
    const BlockAmend *amend;
} Recount;

static uint64_t own_end(const Recount *r)
{
    return r->end + r->blocks + r->table_clusters;
}

static int64_t old_clusters(const QcowState *s)
{
    return (int64_t)s->reftable_size << s->refblock_bits;
}

/* The old table and blocks are no longer used. */
static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static GArray *old_places(const QcowState *s)
{
    uint64_t n = s->h.reftable_clusters;
    GArray *a;

    for (uint64_t i = 0; i < s->reftable_used; i++) {
        n += !!s->reftable[i];
    }
    a = g_array_sized_new(false, false, sizeof(uint64_t), n);
    for (uint64_t i = 0; i < s->h.reftable_clusters; i++) {
        uint64_t c = (s->h.reftable_offset >> s->cluster_bits) + i;

        g_array_append_val(a, c);
    }
    for (uint64_t i = 0; i < s->reftable_size; i++) {
        uint64_t c = s->reftable[i] >> s->cluster_bits;

        if (c) {
            g_array_append_val(a, c);
        }
    }
    g_array_sort(a, by_value);
    return a;
}

static bool in_places(const GArray *places, uint64_t cluster)
{
    return bsearch(&cluster, places->data, places->len, sizeof(cluster),
                   by_value);
}

/* What @cluster counts in the new structures. */
static int coroutine_fn new_count(Recount *r, const GArray *old,
                                  uint64_t cluster, uint64_t *count)
{
    if (cluster >= r->end) {
        *count = cluster < own_end(r);
        return 0;
    }
    if (in_places(old, cluster)) {
        *count = 0;
        return 0;
    }
    return qc_refcount_get(r->s, cluster, count);
}

/* Blocks for clusters that the file is far from having would take for ever. */
enum { BEYOND = 64 };

static bool check_end(const QcowState *s, Error **errp)
{
    uint64_t clusters = DIV_ROUND_UP((uint64_t)node_length(s->n->file->node),
                                     (uint64_t)s->cluster_size);

    return s->reftable_used <= (clusters >> s->refblock_bits) + BEYOND ||
           error_set(errp, "There are refcounts far behind the end of the "
                           "file");
}

/* Does every count fit? Finds the last cluster in use. */
static bool coroutine_fn scan(Recount *r, uint64_t *used, Error **errp)
{
    QcowState *s = r->s;
    uint64_t max = r->order == 6 ? UINT64_MAX : BIT(1u << r->order) - 1;
    uint64_t all = old_clusters(s), count = 0;

    for (uint64_t c = 0; c < all; c++) {
        int ret;

        if (!s->reftable[c >> s->refblock_bits]) {
            c |= BIT(s->refblock_bits) - 1;
            continue;
        }
        ret = qc_refcount_get(s, c, &count);
        if (ret < 0) {
            return error_errno(errp, -ret, "Could not read refcounts");
        }
        if (count > max) {
            return error_set(errp,
                             "Cannot decrease refcount entry width to %u "
                             "bits: Cluster at offset %#" PRIx64
                             " has a refcount of %" PRIu64,
                             1u << r->order, c << s->cluster_bits, count);
        }
        if (count) {
            r->end = c + 1;
            used[(c >> r->block_bits) / 64] |= BIT((c >> r->block_bits) % 64);
        }
    }
    return true;
}

static bool is_used(const uint64_t *used, uint64_t block)
{
    return used[block / 64] & BIT(block % 64);
}

/* How many blocks and table clusters it takes, themselves counted too. */
static bool lay_out(Recount *r, const uint64_t *used, Error **errp)
{
    QcowState *s = r->s;
    uint64_t first = r->end >> r->block_bits, own = 0, of_data = 0;

    for (uint64_t i = 0; i < first; i++) {
        of_data += is_used(used, i);
    }
    for (;;) {
        uint64_t last;

        r->blocks = of_data + own;
        r->entries = first + own;
        r->table_clusters =
            MAX(DIV_ROUND_UP(r->entries * 8, (uint64_t)s->cluster_size), 1);
        last = (own_end(r) - 1) >> r->block_bits;
        if (last < first + own) {
            break;
        }
        own = last - first + 1;
    }
    if (r->table_clusters << s->cluster_bits > QC_MAX_REFTABLE_BYTES) {
        return error_set(errp, "The refcount table would be too large");
    }
    r->table = g_try_malloc0(r->table_clusters << s->cluster_bits);
    if (!r->table) {
        return error_set(errp, "no memory for the reference count table");
    }
    own = 0;
    for (uint64_t i = 0; i < r->entries; i++) {
        if (i >= first || is_used(used, i)) {
            r->table[i] = (r->end + own++) << s->cluster_bits;
        }
    }
    return true;
}

static int coroutine_fn write_block(Recount *r, const GArray *old,
                                    uint64_t index, void *buf)
{
    QcowState *s = r->s;
    uint64_t base = index << r->block_bits, count;

    memset(buf, 0, s->cluster_size);
    for (uint64_t i = 0; i < BIT(r->block_bits) && base + i < own_end(r); i++) {
        int ret = new_count(r, old, base + i, &count);

        if (ret < 0) {
            return ret;
        }
        if (count) {
            qc_refcount_poke(buf, r->order, i, count);
        }
    }
    return node_pwrite(s->n->file->node, r->table[index], s->cluster_size, buf,
                       0);
}

static int coroutine_fn write_structures(Recount *r)
{
    QcowState *s = r->s;
    uint64_t bytes = r->table_clusters << s->cluster_bits, done = 0;
    uint64_t offset = (r->end + r->blocks) << s->cluster_bits;
    g_autofree char *buf = g_try_malloc(s->cluster_size);
    g_autoptr(GArray) old = old_places(s);
    int ret = buf ? 0 : -ENOMEM;

    for (uint64_t i = 0; i < r->entries && ret >= 0; i++) {
        if (r->table[i]) {
            ret = write_block(r, old, i, buf);
            block_amend_progress(r->amend, ++done, r->blocks + 1);
        }
    }
    if (ret >= 0) {
        ret = qc_table_write(s, offset, bytes / 8, r->table);
    }
    return ret < 0 ? ret : node_flush(s->n->file->node);
}

/* One write changes over. */
static int coroutine_fn switch_over(Recount *r)
{
    QcowState *s = r->s;
    g_autoptr(GArray) old = old_places(s);
    QcHeader header = s->h;
    int ret;

    s->h.refcount_order = r->order;
    s->h.reftable_offset = (r->end + r->blocks) << s->cluster_bits;
    s->h.reftable_clusters = r->table_clusters;
    ret = qc_header_write(s);
    if (ret >= 0) {
        ret = node_flush(s->n->file->node);
    }
    if (ret < 0) {
        s->h = header;
        return ret;
    }
    for (guint i = 0; i < old->len; i++) {
        qc_cache_forget(s->rbc,
                        g_array_index(old, uint64_t, i) << s->cluster_bits,
                        s->cluster_size);
    }
    qc_reftable_publish(s, g_steal_pointer(&r->table),
                        (r->table_clusters << s->cluster_bits) / 8);
    s->refblock_bits = r->block_bits;
    s->free_index = 0;
    s->free_byte = 0;
    return 0;
}

bool coroutine_fn qc_refcount_set_width(QcowState *s, unsigned order,
                                        const BlockAmend *amend, Error **errp)
{
    Recount r = { .s = s,
                  .order = order,
                  .block_bits = s->cluster_bits + 3 - order,
                  .amend = amend };
    g_autofree uint64_t *used = NULL;
    bool ok;
    int ret;

    block_amend_progress(amend, 0, 1);
    ret = qc_cache_flush(s->rbc);
    if (ret >= 0) {
        ret = node_flush(s->n->file->node);
    }
    if (ret < 0) {
        return error_errno(errp, -ret, "Could not write refcounts");
    }
    if (!check_end(s, errp)) {
        return false;
    }
    used = g_try_new0(uint64_t, (old_clusters(s) >> r.block_bits) / 64 + 1);
    if (!used) {
        return error_set(errp, "no memory for the reference counts");
    }
    ok = scan(&r, used, errp) && lay_out(&r, used, errp);
    if (ok) {
        ret = write_structures(&r);
        if (ret >= 0) {
            ret = switch_over(&r);
        }
        ok = ret >= 0 ||
             error_errno(errp, -ret, "Could not write the new refcounts");
    }
    g_free(r.table);
    if (ok) {
        block_amend_progress(amend, 1, 1);
    }
    return ok;
}
