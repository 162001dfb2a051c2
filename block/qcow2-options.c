/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The run-time options of qcow2 nodes: caches, discards, lazy refcounts. */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

#define DEFAULT_L2_CACHE      ((int64_t)(32 * MiB))
#define DEFAULT_SLICE         4096
#define MIN_REFCOUNT_ENTRIES  4
#define MIN_L2_ENTRIES        4
#define DEFAULT_CLEAN_SECONDS 600

/* Caches
 * -----------------------------------------------------------------------------
 */

typedef struct CacheSizes {
    int64_t l2, refcount, slice;
} CacheSizes;

static bool check_given_sizes(const BlockdevOptionsQcow2 *o, Error **errp)
{
    if ((o->has_cache_size && o->cache_size < 0) ||
        (o->has_l2_cache_size && o->l2_cache_size < 0) ||
        (o->has_refcount_cache_size && o->refcount_cache_size < 0)) {
        return error_set(errp, "cache sizes must not be negative");
    }
    if (o->has_cache_size && o->has_l2_cache_size &&
        o->has_refcount_cache_size) {
        return error_set(errp, "cache-size, l2-cache-size and "
                               "refcount-cache-size may not be set at the same "
                               "time");
    }
    if (o->has_cache_size && o->has_l2_cache_size &&
        o->l2_cache_size > o->cache_size) {
        return error_set(errp, "l2-cache-size may not exceed cache-size");
    }
    if (o->has_cache_size && o->has_refcount_cache_size &&
        o->refcount_cache_size > o->cache_size) {
        return error_set(errp, "refcount-cache-size may not exceed "
                               "cache-size");
    }
    return true;
}

static bool cache_sizes(QcowState *s, const BlockdevOptionsQcow2 *o,
                        CacheSizes *c, Error **errp)
{
    int64_t min_refcount = MIN_REFCOUNT_ENTRIES * s->cluster_size;
    /* All L2 entries of the image. */
    int64_t full = ALIGN_UP(DIV_ROUND_UP(s->h.size, (uint64_t)s->cluster_size)
                                << s->entry_bits,
                            (uint64_t)s->cluster_size);
    int64_t slice = MIN(s->cluster_size, DEFAULT_SLICE);

    if (!check_given_sizes(o, errp)) {
        return false;
    }
    c->slice = o->has_l2_cache_entry_size ? o->l2_cache_entry_size : slice;
    if (c->slice < 512 || c->slice > s->cluster_size ||
        !is_power_of_2(c->slice)) {
        return error_set(errp,
                         "L2 cache entry size must be a power of two "
                         "between 512 and the cluster size (%" PRId64 ")",
                         s->cluster_size);
    }
    c->refcount = min_refcount;
    c->l2 = MIN(full, DEFAULT_L2_CACHE);
    if (o->has_cache_size) {
        c->l2 = o->has_refcount_cache_size
                    ? o->cache_size - o->refcount_cache_size
                    : MIN(full, MAX(o->cache_size - min_refcount, 0));
        c->refcount = MAX(o->cache_size - c->l2, min_refcount);
    }
    if (o->has_l2_cache_size) {
        c->l2 = o->l2_cache_size;
        if (o->has_cache_size) {
            c->refcount = o->cache_size - c->l2;
        }
    }
    if (o->has_refcount_cache_size) {
        c->refcount = o->refcount_cache_size;
    }
    if (c->l2 / c->slice > INT_MAX || c->refcount / s->cluster_size > INT_MAX) {
        return error_set(errp, "cache size too big");
    }
    return true;
}

static bool open_caches(QcowState *s, const BlockdevOptionsQcow2 *o,
                        QcOptions *opt, Error **errp)
{
    CacheSizes c = { 0 };

    if (!cache_sizes(s, o, &c, errp)) {
        return false;
    }
    opt->slice_bits = __builtin_ctzll(c.slice) - s->entry_bits;
    opt->l2c = qc_cache_new(s, c.slice, MAX(c.l2 / c.slice, MIN_L2_ENTRIES),
                          BLKDEBUG_EVENT_L2_LOAD,
                            BLKDEBUG_EVENT_L2_UPDATE);
    opt->rbc =
        qc_cache_new(s, s->cluster_size,
                     MAX(c.refcount / s->cluster_size, MIN_REFCOUNT_ENTRIES),
                     BLKDEBUG_EVENT_REFBLOCK_LOAD,
                     BLKDEBUG_EVENT_REFBLOCK_UPDATE_PART);
    return true;
}

static void clean_caches(void *opaque)
{
    QcowState *s = opaque;

    qc_cache_clean(s->l2c);
    qc_cache_clean(s->rbc);
    loop_timer_set(&s->clean_timer, loop_now_ns() + s->clean_interval_ns);
}

/* All of them
 * ------------------------------------------------------------------------- */

static bool check_interval(const BlockdevOptionsQcow2 *o, QcOptions *opt,
                           Error **errp)
{
    int64_t seconds = o->has_cache_clean_interval ? o->cache_clean_interval
                                                  : DEFAULT_CLEAN_SECONDS;

    if (seconds < 0 || seconds > UINT32_MAX) {
        return error_set(errp, "Cache clean interval is out of range");
    }
    opt->clean_interval_ns = seconds * 1000000000;
    return true;
}

bool qc_options_prepare(QcowState *s, const BlockdevOptionsQcow2 *o,
                        const BlockOpenFlags *flags, QcOptions *opt,
                        Error **errp)
{
    *opt = (QcOptions){
        .lazy = o->has_lazy_refcounts ? o->lazy_refcounts
                                      : s->h.compat & QC_COMPAT_LAZY,
        .discard_request = o->has_pass_discard_request ? o->pass_discard_request
                                                       : flags->unmap,
        .discard_other = o->has_pass_discard_other && o->pass_discard_other,
        .discard_snapshot =
            !o->has_pass_discard_snapshot || o->pass_discard_snapshot,
        .overlap = qc_overlap_checks(o),
        .discard_no_unref = o->has_discard_no_unref && o->discard_no_unref,
    };
    if (opt->discard_no_unref && s->h.version < 3) {
        return error_set(errp, "discard-no-unref is only supported since "
                               "qcow2 version 3");
    }
    if (opt->lazy && s->h.version < 3) {
        return error_set(errp, "Lazy refcounts require a qcow2 image with at "
                               "least qemu 1.1 compatibility level");
    }
    return check_interval(o, opt, errp) && open_caches(s, o, opt, errp);
}

void qc_options_drop(QcOptions *opt)
{
    qc_cache_free(opt->l2c);
    qc_cache_free(opt->rbc);
}

void qc_options_apply(QcowState *s, QcOptions *opt)
{
    qc_cache_free(s->l2c);
    qc_cache_free(s->rbc);
    s->l2c = opt->l2c;
    s->rbc = opt->rbc;
    s->slice_bits = opt->slice_bits;
    s->lazy = opt->lazy;
    s->discard_request = opt->discard_request;
    s->discard_other = opt->discard_other;
    s->discard_no_unref = opt->discard_no_unref;
    s->discard_snapshot = opt->discard_snapshot;
    s->overlap = opt->overlap;
    s->clean_interval_ns = opt->clean_interval_ns;
    if (!s->clean_timer.loop) {
        loop_timer_init(&s->clean_timer, s->n->graph->loop, clean_caches, s);
    }
    loop_timer_cancel(&s->clean_timer);
    if (s->clean_interval_ns) {
        loop_timer_set(&s->clean_timer, loop_now_ns() + s->clean_interval_ns);
    }
}
