/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checking a qcow2 image: counts all references to clusters; qcow2-compare.c
 * holds them against the refcounts. s->lock is held; no requests are under way.
 * Spec: the qcow2 specification; messages and totals as "qemu-img check" of 7.2
 * has them.
 */
#include "util/osdep.h"

#include "block/qcow2-bitmap.h"
#include "block/qcow2-check.h"
#include "util/error.h"

#define L1_RESERVED       UINT64_C(0x7f000000000001ff)
#define L2_RESERVED       UINT64_C(0x3f000000000001fe)
#define REFTABLE_RESERVED UINT64_C(0x1ff)

void qc_check_say(const QcCount *c, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (c->result->say) {
        va_start(ap, fmt);
        text = g_strdup_vprintf(fmt, ap);
        va_end(ap);
        c->result->say(text);
    }
}

/* One more reference to each cluster of the range. */
static void count_range(QcCount *c, uint64_t offset, uint64_t bytes)
{
    QcowState *s = c->s;
    uint64_t first = offset >> s->cluster_bits, last;

    if (!bytes) {
        return;
    }
    last = (offset + bytes - 1) >> s->cluster_bits;
    if (last < first || last >= c->clusters) {
        qc_check_say(c,
                     "ERROR: counting reference for region exceeding the end "
                     "of the file by one cluster or more: offset 0x%" PRIx64
                     " size 0x%" PRIx64,
                     offset, bytes);
        c->result->corruptions++;
        return;
    }
    for (uint64_t i = first; i <= last; i++) {
        qc_refs_add(c, i);
    }
}

/* Tables
 * ---------------------------------------------------------------------------
 */

static void count_compressed(QcCount *c, uint64_t entry)
{
    uint64_t offset, bytes = qc_compressed_extent(c->s, entry, &offset);

    if (entry & QC_COPIED) {
        qc_check_say(c,
                     "ERROR: coffset=0x%" PRIx64 ": copied flag must never be "
                     "set for compressed clusters",
                     offset);
        c->result->corruptions++;
    }
    count_range(c, offset, bytes);
}

static void count_data(QcCount *c, uint64_t entry)
{
    uint64_t offset = entry & QC_OFFSET_MASK;

    if (offset & (c->s->cluster_size - 1)) {
        qc_check_say(c,
                     "ERROR offset=%" PRIx64 ": Data cluster is not properly "
                     "aligned; L2 entry corrupted.",
                     offset);
        c->result->corruptions++;
    }
    if (!c->s->external) {
        count_range(c, offset, c->s->cluster_size);
    }
}

/* What check tells of the guest's data, beyond right and wrong. */
static void count_fragments(QcCount *c, uint64_t entry)
{
    uint64_t offset = entry & QC_OFFSET_MASK;

    c->result->allocated_clusters++;
    if (entry & QC_COMPRESSED) {
        c->result->compressed_clusters++;
        c->result->fragmented_clusters++;
        return;
    }
    if (c->next_data && offset != c->next_data) {
        c->result->fragmented_clusters++;
    }
    c->next_data = offset + c->s->cluster_size;
}

/* Does the bitmap of an extended entry fit its descriptor? False: what the
 * entry leads to is not even counted, as QEMU has it. */
static bool check_subclusters(QcCount *c, QcEntry e, unsigned index)
{
    uint64_t data = e.map & QC_ALL_SUBCLUSTERS;

    if (e.desc & QC_COMPRESSED) {
        if (!e.map) {
            return true;
        }
        qc_check_say(c,
                     "ERROR compressed cluster %u with non-zero subcluster "
                     "allocation bitmap, entry=0x%" PRIx64,
                     index, e.desc);
    } else if (!qc_has_host(c->s, e.desc)) {
        if (!data) {
            return true;
        }
        qc_check_say(c, "ERROR: Unallocated cluster has non-zero subcluster "
                        "allocation map");
    } else {
        if (!(data & e.map >> 32)) {
            return true;
        }
        qc_check_say(c,
                     "ERROR offset=%" PRIx64 ": Allocated cluster has "
                     "corrupted subcluster allocation bitmap",
                     e.desc & QC_OFFSET_MASK);
    }
    c->result->corruptions++;
    return !(e.desc & QC_COMPRESSED);
}

static void count_entry(QcCount *c, QcEntry e, unsigned index, bool active)
{
    QcowState *s = c->s;
    uint64_t reserved = s->h.version < 3 ? L2_RESERVED | QC_ZERO : L2_RESERVED;

    if (!(e.desc & QC_COMPRESSED) && (e.desc & reserved)) {
        qc_check_say(c, "ERROR found l2 entry with reserved bits set: %" PRIx64,
                     e.desc);
        c->result->corruptions++;
    }
    if (s->extended && !check_subclusters(c, e, index)) {
        return;
    }
    if (e.desc & QC_COMPRESSED) {
        count_compressed(c, e.desc);
    } else if (qc_has_host(s, e.desc)) {
        count_data(c, e.desc);
    } else {
        return;
    }
    if (active) {
        count_fragments(c, e.desc);
    }
}

static int coroutine_fn count_l2(QcCount *c, uint64_t offset, uint64_t *buf,
                                 bool active)
{
    QcowState *s = c->s;
    int ret;

    count_range(c, offset, s->cluster_size);
    if (offset >> s->cluster_bits < c->clusters &&
        qc_refs_get(c, offset >> s->cluster_bits) > s->h.nb_snapshots + 1) {
        /* No image has that: going through it again and again would take
         * for ever. Its count is wrong in any case. */
        return 0;
    }
    if (offset & (s->cluster_size - 1)) {
        qc_check_say(c,
                     "ERROR l2_offset=%" PRIx64 ": Table is not cluster "
                     "aligned; L1 entry corrupted",
                     offset);
        c->result->corruptions++;
    }
    if (offset >> s->cluster_bits >= c->clusters) {
        return 0; /* nothing but zeroes */
    }
    ret = node_pread(s->n->file->node, offset, s->cluster_size, buf);
    if (ret < 0) {
        qc_check_say(c, "ERROR: I/O error in check_refcounts_l2");
        c->result->check_errors++;
        return ret;
    }
    c->next_data = 0;
    for (unsigned i = 0; i < BIT(s->l2_bits); i++) {
        QcEntry e = qc_entry_get(s, buf, i);

        if (e.desc || e.map) {
            count_entry(c, e, i, active);
        }
    }
    return c->too_many ? -ENOMEM : 0;
}

/* @l1 in host byte order; all of a table or a part. */
static int coroutine_fn count_l1(QcCount *c, const uint64_t *l1, uint32_t size,
                                 bool active)
{
    g_autofree uint64_t *buf = g_try_malloc(c->s->cluster_size);
    int ret = buf ? 0 : -ENOMEM;

    for (uint32_t i = 0; i < size && ret >= 0; i++) {
        if (!l1[i]) {
            continue;
        }
        if (l1[i] & L1_RESERVED) {
            qc_check_say(c,
                         "ERROR found L1 entry with reserved bits set: "
                         "%" PRIx64,
                         l1[i]);
            c->result->corruptions++;
        }
        if (l1[i] & QC_OFFSET_MASK) {
            ret = count_l2(c, l1[i] & QC_OFFSET_MASK, buf, active);
        }
    }
    return ret;
}

/* Snapshots
 * ------------------------------------------------------------------------- */

/* @l1: room for QC_TABLE_PIECE entries. */
static int coroutine_fn count_snapshot(QcCount *c, const QcSnapshot *sn,
                                       uint64_t *l1)
{
    QcowState *s = c->s;
    uint64_t cluster = sn->l1_offset >> s->cluster_bits;
    uint64_t bytes = (uint64_t)sn->l1_size * 8;
    int ret = 0;

    if (!sn->l1_size) {
        return 0;
    }
    if (bytes > QC_MAX_L1_BYTES || sn->l1_offset > QC_MAX_HOST_OFFSET ||
        (sn->l1_offset & (s->cluster_size - 1))) {
        qc_check_say(c,
                     "ERROR snapshot %s (%s) l1_offset=%#" PRIx64 ": L1 table "
                     "is not cluster aligned; snapshot table entry corrupted",
                     sn->id, sn->name, sn->l1_offset);
        c->result->corruptions++;
        c->unknown = true;
        return 0;
    }
    if (cluster < c->clusters && qc_refs_get(c, cluster)) {
        /* The table of something else: no way to tell what it means. */
        count_range(c, sn->l1_offset, bytes);
        c->unknown = true;
        return 0;
    }
    count_range(c, sn->l1_offset, bytes);
    for (uint32_t at = 0; at < sn->l1_size && ret >= 0; at += QC_TABLE_PIECE) {
        uint32_t n = MIN(sn->l1_size - at, (uint32_t)QC_TABLE_PIECE);

        memset(l1, 0, n * sizeof(*l1));
        ret = qc_table_read(s, sn->l1_offset + at * UINT64_C(8), n, l1);
        if (ret >= 0) {
            ret = count_l1(c, l1, n, false);
        }
    }
    return ret;
}

static int coroutine_fn count_snapshots(QcCount *c)
{
    QcowState *s = c->s;
    autoerr Error *err = NULL;
    g_autoptr(GPtrArray) list = qc_snapshots_read(s, &err);
    g_autofree uint64_t *l1 = g_new(uint64_t, QC_TABLE_PIECE);
    uint64_t bytes = 0;
    int ret = 0;

    if (!list) {
        qc_check_say(c, "ERROR failed to read the snapshot table: %s",
                     error_text(err));
        c->result->corruptions++;
        c->unknown = true;
        return 0;
    }
    for (guint i = 0; i < list->len && ret >= 0; i++) {
        const QcSnapshot *sn = list->pdata[i];

        if (s->h.version >= 3 && sn->extra_size < QC_SNAPSHOT_EXTRA_MIN) {
            qc_check_say(c, "%s snapshot table entry %u is incomplete",
                         qc_check_verb(c, BLOCK_FIX_ERRORS), i);
            c->complete = c->fix & BLOCK_FIX_ERRORS;
            *(c->complete ? &c->result->corruptions_fixed
                          : &c->result->corruptions) += 1;
        }
        bytes += sn->bytes;
        ret = count_snapshot(c, sn, l1);
    }
    count_range(c, s->h.snapshots_offset, bytes);
    return ret;
}

/* Bitmaps
 * ---------------------------------------------------------------------------
 */

static int coroutine_fn count_bitmap(QcCount *c, const QcBitmap *b)
{
    g_autofree uint64_t *table = NULL;
    int ret;

    count_range(c, b->table_offset, b->table_entries * UINT64_C(8));
    ret = qc_bitmap_read_table(c->s, b, &table);
    if (ret == -EINVAL) {
        qc_check_say(c, "ERROR table of bitmap '%s' is broken", b->name);
        c->result->corruptions++;
        c->unknown = true;
        return 0;
    }
    for (uint32_t i = 0; i < b->table_entries && ret >= 0; i++) {
        if (table[i] & QC_OFFSET_MASK) {
            count_range(c, table[i] & QC_OFFSET_MASK, c->s->cluster_size);
        }
    }
    return ret;
}

static int coroutine_fn count_bitmaps(QcCount *c)
{
    autoerr Error *err = NULL;
    g_autoptr(GPtrArray) list = qc_bitmaps_read(c->s, &err);
    int ret = 0;

    if (!list) {
        qc_check_say(c, "ERROR failed to read the bitmap directory: %s",
                     error_text(err));
        c->result->corruptions++;
        c->unknown = true;
        return 0;
    }
    count_range(c, c->s->bitmaps.offset, c->s->bitmaps.size);
    for (guint i = 0; i < list->len && ret >= 0; i++) {
        ret = count_bitmap(c, list->pdata[i]);
    }
    return ret;
}

/* Refcount structures
 * --------------------------------------------------------------- */

/* An entry of the table that cannot be used: repairing does without it. */
static void drop_block(QcCount *c, uint32_t i, uint64_t *raw)
{
    c->result->corruptions++;
    c->rebuild = true;
    if (c->fix & BLOCK_FIX_ERRORS) {
        c->s->reftable[i] = 0;
        *raw = 0;
        c->result->corruptions_fixed++;
        c->result->corruptions--;
    }
}

static void count_block(QcCount *c, uint32_t i, uint64_t *raw)
{
    QcowState *s = c->s;
    uint64_t entry = *raw, block = entry & ~REFTABLE_RESERVED;
    uint64_t cluster = block >> s->cluster_bits;

    if (entry & REFTABLE_RESERVED) {
        qc_check_say(c, "ERROR refcount table entry %u has reserved bits set",
                     i);
        drop_block(c, i, raw);
    } else if (block & (s->cluster_size - 1)) {
        qc_check_say(c,
                     "ERROR refcount block %u is not cluster aligned; refcount "
                     "table entry corrupted",
                     i);
        drop_block(c, i, raw);
    } else if (block && cluster >= c->clusters) {
        qc_check_say(c, "%s refcount block %u is outside image",
                     qc_check_verb(c, BLOCK_FIX_ERRORS), i);
        drop_block(c, i, raw);
    } else if (block) {
        count_range(c, block, s->cluster_size);
        if (qc_refs_get(c, cluster) != 1) {
            qc_check_say(c, "ERROR refcount block %u refcount=%" PRIu32, i,
                         qc_refs_get(c, cluster));
            drop_block(c, i, raw);
            if (!*raw) {
                qc_refs_drop(c, cluster);
            }
        }
    }
}

/* Once more, with the bits that the copy in memory does not have. */
static int coroutine_fn count_refcounts(QcCount *c)
{
    QcowState *s = c->s;
    g_autofree uint64_t *raw = g_new(uint64_t, QC_TABLE_PIECE);
    int64_t before = c->result->corruptions_fixed;
    int ret = 0;

    count_range(c, s->h.reftable_offset, (uint64_t)s->reftable_size * 8);
    for (uint32_t at = 0; at < s->reftable_size && ret >= 0;
         at += QC_TABLE_PIECE) {
        uint32_t n = MIN(s->reftable_size - at, (uint32_t)QC_TABLE_PIECE);
        uint64_t offset = s->h.reftable_offset + at * UINT64_C(8);
        int64_t fixed = c->result->corruptions_fixed;

        memset(raw, 0, n * sizeof(*raw));
        ret = qc_table_read(s, offset, n, raw);
        for (uint32_t i = 0; i < n && ret >= 0; i++) {
            if (raw[i]) {
                count_block(c, at + i, &raw[i]);
            }
        }
        if (ret >= 0 && fixed != c->result->corruptions_fixed) {
            ret = qc_table_write(s, offset, n, raw);
        }
    }
    if (before != c->result->corruptions_fixed) {
        qc_check_say(c, "Rebuilding refcount structure");
    }
    return ret;
}

/* Everything
 * -------------------------------------------------------------------------- */

static int coroutine_fn count_all(QcCount *c)
{
    QcowState *s = c->s;
    int ret;

    count_range(c, 0, s->cluster_size);
    count_range(c, s->crypt.offset, s->crypt.length);
    count_range(c, s->h.l1_offset, (uint64_t)s->h.l1_size * 8);
    ret = count_l1(c, s->l1, s->h.l1_size, true);
    if (ret >= 0 && s->h.nb_snapshots) {
        ret = count_snapshots(c);
    }
    if (ret >= 0) {
        ret = count_bitmaps(c);
    }
    if (ret >= 0) {
        ret = count_refcounts(c);
    }
    /* Guests of the image that we do not know. */
    c->unknown = c->unknown || s->extensions->len > 0;
    return ret;
}

/* Write the table of snapshots with all that version 3 wants in it. */
static int coroutine_fn complete_snapshots(QcowState *s)
{
    autoerr Error *err = NULL;
    g_autoptr(GPtrArray) list = qc_snapshots_read(s, &err);

    return list ? qc_snapshots_write(s, list) : -EIO;
}

static int coroutine_fn check(QcCount *c)
{
    QcowState *s = c->s;
    int ret = qc_cache_flush(s->l2c);

    if (ret >= 0) {
        ret = qc_cache_flush(s->rbc);
    }
    c->clusters = DIV_ROUND_UP((uint64_t)node_length(s->n->file->node),
                               (uint64_t)s->cluster_size);
    if (ret >= 0) {
        ret = count_all(c);
    }
    if (ret >= 0 && c->too_many) {
        ret = -ENOMEM;
    }
    if (ret >= 0) {
        ret = qc_check_compare(c);
    }
    if (ret >= 0 && !c->result->check_errors) {
        ret = qc_check_copied(c);
    }
    if (ret >= 0 && c->complete) {
        ret = complete_snapshots(s);
    }
    if (ret >= 0 && c->fix) {
        ret = qc_cache_flush(s->rbc);
    }
    if (ret >= 0 && c->fix) {
        ret = node_flush(s->n->file->node);
    }
    return ret;
}

bool coroutine_fn qc_check(QcowState *s, unsigned fix, BlockCheck *result,
                           Error **errp)
{
    QcCount c = { .s = s, .result = result, .fix = fix };
    int ret;

    *result = (BlockCheck){ .say = result->say };
    result->total_clusters = DIV_ROUND_UP(s->h.size, (uint64_t)s->cluster_size);
    qc_refs_init(&c);
    ret = check(&c);
    qc_refs_free(&c);
    return ret >= 0 || error_errno(errp, -ret, "Check failed");
}
