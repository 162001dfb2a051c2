/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Broken qcow2 images: refusing writes that would damage metadata, and telling
 * about corruption.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/qcow2.h"
#include "qapi/qapi-events-block-core.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"
#include "util/rcu.h"

/* Checks
 * ------------------------------------------------------------------------ */

static const char *const names[] = {
    "qcow2 header",   "active L1 table",   "refcount table",
    "snapshot table", "bitmap directory",  "active L2 table",
    "refcount block", "inactive L1 table", "inactive L2 table",
};

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a < b + b_len && b < a + a_len;
}

/* The table may be replaced meanwhile; the old one is freed by RCU. */
static bool in_refblocks(const QcowState *s, uint64_t offset, uint64_t bytes)
{
    uint32_t used;
    bool hit;

    rcu_read_lock();
    /* Pairs with qc_reftable_publish(): no more entries than the table has. */
    used = __atomic_load_n(&s->reftable_used, __ATOMIC_ACQUIRE);
    hit = qc_filter_find(s, &s->refblock_filter, rcu_dereference(s->reftable),
                         used, offset, bytes);
    rcu_read_unlock();
    return hit;
}

static bool in_inactive_l1(const QcowState *s, uint64_t offset, uint64_t bytes)
{
    for (guint i = 0; s->inactive && i < s->inactive->len; i++) {
        const QcInactive *t = &g_array_index(s->inactive, QcInactive, i);

        if (overlap(offset, bytes, t->l1_offset, (uint64_t)t->l1_size * 8)) {
            return true;
        }
    }
    return false;
}

/* Of the checks in @what, those that the range fails. What costs most comes
 * last. */
static unsigned overlaps(const QcowState *s, unsigned what, uint64_t offset,
                         uint64_t bytes)
{
    if ((what & QC_OVERLAP_HEADER) &&
        overlap(offset, bytes, 0, s->cluster_size)) {
        return QC_OVERLAP_HEADER;
    }
    if ((what & QC_OVERLAP_ACTIVE_L1) &&
        overlap(offset, bytes, s->h.l1_offset, (uint64_t)s->h.l1_size * 8)) {
        return QC_OVERLAP_ACTIVE_L1;
    }
    if ((what & QC_OVERLAP_REFTABLE) &&
        overlap(offset, bytes, s->h.reftable_offset,
                (uint64_t)s->h.reftable_clusters << s->cluster_bits)) {
        return QC_OVERLAP_REFTABLE;
    }
    if ((what & QC_OVERLAP_SNAPSHOTS) && s->snapshots_bytes &&
        overlap(offset, bytes, s->h.snapshots_offset, s->snapshots_bytes)) {
        return QC_OVERLAP_SNAPSHOTS;
    }
    if ((what & QC_OVERLAP_BITMAPS) && s->bitmaps.count &&
        overlap(offset, bytes, s->bitmaps.offset,
                MIN(s->bitmaps.size, (uint64_t)s->cluster_size))) {
        return QC_OVERLAP_BITMAPS;
    }
    if ((what & QC_OVERLAP_ACTIVE_L2) &&
        qc_filter_find(s, &s->l2_filter, s->l1, s->h.l1_size, offset, bytes)) {
        return QC_OVERLAP_ACTIVE_L2;
    }
    if ((what & QC_OVERLAP_REFBLOCKS) && in_refblocks(s, offset, bytes)) {
        return QC_OVERLAP_REFBLOCKS;
    }
    return (what & QC_OVERLAP_INACTIVE_L1) && in_inactive_l1(s, offset, bytes)
               ? QC_OVERLAP_INACTIVE_L1
               : 0;
}

static int coroutine_fn in_table_on_disk(QcowState *s, const QcInactive *t,
                                         uint64_t offset, uint64_t bytes,
                                         bool *hit)
{
    g_autofree uint64_t *l1 = g_new(uint64_t, QC_TABLE_PIECE);
    int ret = 0;

    for (uint32_t at = 0; at < t->l1_size && ret >= 0 && !*hit;
         at += QC_TABLE_PIECE) {
        uint32_t n = MIN(t->l1_size - at, (uint32_t)QC_TABLE_PIECE);

        memset(l1, 0, n * sizeof(*l1));
        ret = qc_table_read(s, t->l1_offset + at * UINT64_C(8), n, l1);
        *hit = ret >= 0 && qc_filter_find(s, NULL, l1, n, offset, bytes);
    }
    return ret;
}

/* The one that has to read from the image. *hit or -errno. */
static int coroutine_fn in_inactive_l2(QcowState *s, uint64_t offset,
                                       uint64_t bytes, bool *hit)
{
    int ret = 0;

    *hit = false;
    for (guint i = 0; i < s->inactive->len && !*hit && ret >= 0; i++) {
        QcInactive t = g_array_index(s->inactive, QcInactive, i);

        ret = in_table_on_disk(s, &t, offset, bytes, hit);
    }
    return ret;
}

int coroutine_fn qc_check_overlap(QcowState *s, unsigned ignore,
                                  uint64_t offset, uint64_t bytes)
{
    unsigned what = s->overlap & ~ignore, bad;

    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) {
        return -EIO;
    }
    bad = overlaps(s, what, offset, bytes);
    if (unlikely(!bad && (what & QC_OVERLAP_INACTIVE_L2) && s->inactive)) {
        bool hit;
        int ret = in_inactive_l2(s, offset, bytes, &hit);

        if (ret < 0) {
            return ret;
        }
        bad = hit ? QC_OVERLAP_INACTIVE_L2 : 0;
    }
    if (likely(!bad)) {
        return 0;
    }
    return qc_corrupt(s, true, offset,
                      "Preventing invalid write on metadata "
                      "(overlaps with %s)",
                      names[__builtin_ctz(bad)]);
}

int coroutine_fn qc_check_alloc(QcowState *s, uint64_t offset, uint64_t bytes)
{
    unsigned bad = overlaps(s, s->overlap, offset, bytes);

    if (likely(!bad)) {
        return 0;
    }
    return qc_corrupt(s, true, offset,
                      "Preventing invalid allocation of %s "
                      "at offset %#" PRIx64,
                      names[__builtin_ctz(bad)], offset);
}

void qc_overlap_set_snapshots(QcowState *s, const GPtrArray *list)
{
    if (s->inactive) {
        g_array_unref(s->inactive);
        s->inactive = NULL;
    }
    s->snapshots_bytes = 0;
    for (guint i = 0; i < list->len; i++) {
        const QcSnapshot *sn = list->pdata[i];
        QcInactive t = { sn->l1_offset, sn->l1_size };

        s->snapshots_bytes += sn->bytes;
        if (!s->inactive) {
            s->inactive = g_array_new(FALSE, FALSE, sizeof(QcInactive));
        }
        if ((uint64_t)t.l1_size * 8 <= QC_MAX_L1_BYTES &&
            t.l1_offset <= QC_MAX_HOST_OFFSET) {
            g_array_append_val(s->inactive, t);
        }
    }
}

/* Options
 * ------------------------------------------------------------------------ */

static unsigned mode_checks(Qcow2OverlapCheckMode mode)
{
    switch (mode) {
    case QCOW2_OVERLAP_CHECK_MODE_NONE:
        return 0;
    case QCOW2_OVERLAP_CHECK_MODE_CONSTANT:
        return QC_OVERLAP_CONSTANT;
    case QCOW2_OVERLAP_CHECK_MODE_ALL:
        return QC_OVERLAP_CACHED | QC_OVERLAP_INACTIVE_L2;
    default:
        return QC_OVERLAP_CACHED;
    }
}

static void set_check(unsigned *checks, unsigned bit, bool given, bool on)
{
    if (given) {
        *checks = on ? *checks | bit : *checks & ~bit;
    }
}

unsigned qc_overlap_checks(const BlockdevOptionsQcow2 *o)
{
    const Qcow2OverlapCheckFlags *f;
    unsigned checks;

    if (!o->overlap_check) {
        return QC_OVERLAP_CACHED;
    }
    if (o->overlap_check->type == QTYPE_QSTRING) {
        return mode_checks(o->overlap_check->u.mode);
    }
    f = &o->overlap_check->u.flags;
    checks = f->has_template ? mode_checks(f->q_template) : QC_OVERLAP_CACHED;
    set_check(&checks, QC_OVERLAP_HEADER, f->has_main_header, f->main_header);
    set_check(&checks, QC_OVERLAP_ACTIVE_L1, f->has_active_l1, f->active_l1);
    set_check(&checks, QC_OVERLAP_ACTIVE_L2, f->has_active_l2, f->active_l2);
    set_check(&checks, QC_OVERLAP_REFTABLE, f->has_refcount_table,
              f->refcount_table);
    set_check(&checks, QC_OVERLAP_REFBLOCKS, f->has_refcount_block,
              f->refcount_block);
    set_check(&checks, QC_OVERLAP_SNAPSHOTS, f->has_snapshot_table,
              f->snapshot_table);
    set_check(&checks, QC_OVERLAP_INACTIVE_L1, f->has_inactive_l1,
              f->inactive_l1);
    set_check(&checks, QC_OVERLAP_INACTIVE_L2, f->has_inactive_l2,
              f->inactive_l2);
    set_check(&checks, QC_OVERLAP_BITMAPS, f->has_bitmap_directory,
              f->bitmap_directory);
    return checks;
}

/* Telling
 * ------------------------------------------------------------------------ */

int coroutine_fn qc_corrupt(QcowState *s, bool fatal, int64_t offset,
                            const char *fmt, ...)
{
    g_autofree char *msg = NULL;
    va_list ap;
    bool first;

    fatal = fatal && !s->n->read_only;
    first = !__atomic_exchange_n(&s->told_corrupt, true, __ATOMIC_SEQ_CST);
    if (!first && !(fatal && !s->corrupt)) {
        return -EIO;
    }
    va_start(ap, fmt);
    msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (fatal) {
        error_report("qcow2: Marking image as corrupt: %s; further corruption "
                     "events will be suppressed",
                     msg);
        __atomic_store_n(&s->corrupt, true, __ATOMIC_RELAXED);
        qc_set_incompat(s, QC_INCOMPAT_CORRUPT, true);
    } else {
        error_report("qcow2: Image is corrupt: %s; further non-fatal "
                     "corruption events will be suppressed",
                     msg);
    }
    qapi_event_send_block_image_corrupted(block_events(s->n->graph), "",
                                          s->n->named ? s->n->name : NULL, msg,
                                          offset >= 0, offset, false, 0, fatal);
    return -EIO;
}
