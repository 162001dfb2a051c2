/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Broken qcow2 images: refusing writes that would damage metadata, and telling
 * about corruption.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/qcow2.h"
#include "qapi/qapi-events-block-core.h"
#include "util/error.h"

/* An L1 table longer than this is not searched for each write. */
#define L1_SEARCH_MAX 4096

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a < b + b_len && b < a + a_len;
}

static const char *overlapping(const QcowState *s, uint64_t offset,
                               uint64_t bytes)
{
    if (overlap(offset, bytes, 0, s->cluster_size)) {
        return "qcow2 header";
    }
    if (overlap(offset, bytes, s->h.l1_offset, (uint64_t)s->h.l1_size * 8)) {
        return "active L1 table";
    }
    if (overlap(offset, bytes, s->h.reftable_offset,
                (uint64_t)s->reftable_size * 8)) {
        return "refcount table";
    }
    return NULL;
}

/* The tables that the tables point to. */
static const char *overlapping_tables(const QcowState *s, uint64_t offset,
                                      uint64_t bytes)
{
    for (uint32_t i = 0; i < s->reftable_size; i++) {
        uint64_t at = s->reftable[i];

        if (at && overlap(offset, bytes, at, s->cluster_size)) {
            return "refcount block";
        }
    }
    for (uint32_t i = 0; i < MIN(s->h.l1_size, L1_SEARCH_MAX); i++) {
        uint64_t at = s->l1[i] & QC_OFFSET_MASK;

        if (at && overlap(offset, bytes, at, s->cluster_size)) {
            return "active L2 table";
        }
    }
    return NULL;
}

int coroutine_fn qc_check_overlap(QcowState *s, uint64_t offset, uint64_t bytes)
{
    const char *what;

    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) {
        return -EIO;
    }
    what = overlapping(s, offset, bytes);
    if (likely(!what)) {
        return 0;
    }
    return qc_corrupt(s, true, offset,
                      "Preventing invalid write on metadata "
                      "(overlaps with %s)",
                      what);
}

int coroutine_fn qc_check_alloc(QcowState *s, uint64_t offset, uint64_t bytes)
{
    const char *what = overlapping_tables(s, offset, bytes);

    if (likely(!what)) {
        return qc_check_overlap(s, offset, bytes);
    }
    return qc_corrupt(s, true, offset,
                      "Preventing invalid allocation of %s "
                      "at offset %#" PRIx64,
                      what, offset);
}

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
