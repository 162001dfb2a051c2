/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zeroes and discard in qcow2: changes of L2 entries only. Host clusters that
 * fall out of use are freed when nobody can be writing to them any more.
 */
#include "util/osdep.h"

#include "block/job.h"
#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"

/* Entries changed in one go with the lock held. */
#define BATCH 512

typedef struct Cleared {
    uint64_t desc[BATCH]; /* old descriptors whose clusters are to be freed */
    unsigned n;
    uint64_t kept[BATCH]; /* host clusters whose data may go */
    unsigned n_kept;
} Cleared;

typedef enum ClearMode {
    CLEAR_DISCARD, /* reads as zeroes (version 2: is empty); frees the cluster
                    */
    CLEAR_ZERO,    /* reads as zeroes; keeps the cluster */
    CLEAR_ZERO_UNMAP, /* reads as zeroes; frees the cluster */
    CLEAR_ZERO_NEW,   /* reads as zeroes where there was nothing */
    CLEAR_EMPTY,      /* the backing file shows; frees the cluster */
} ClearMode;

/* s->lock not held. */
static void coroutine_fn free_cleared(QcowState *s, Cleared *c, bool discard)
{
    if (!c->n && !(c->n_kept && discard)) {
        return;
    }
    co_epoch_wait(&s->epoch);
    co_mutex_lock(&s->lock);
    for (unsigned i = 0; i < c->n; i++) {
        qc_free_entry(s, c->desc[i], discard);
    }
    for (unsigned i = 0; i < c->n_kept && discard; i++) {
        node_pdiscard(qc_data_node(s), c->kept[i], s->cluster_size);
    }
    co_mutex_unlock(&s->lock);
}

/* What becomes of an entry. */
typedef struct Change {
    QcEntry new;
    bool gone; /* the old cluster is to be freed */
    bool kept; /* it stays, but not its data */
} Change;

/* The entry for a cluster of zeroes, with the host cluster of @desc. */
static QcEntry zero_entry(const QcowState *s, uint64_t desc)
{
    return s->extended ? (QcEntry){ desc, QC_ALL_SUBCLUSTERS << 32 }
                       : (QcEntry){ desc | QC_ZERO, 0 };
}

/* Does every subcluster read as zeroes without the backing file? */
static bool is_zero(const QcowState *s, QcEntry e)
{
    if (!s->extended) {
        QcType type = qc_sub_type(s, e, 0);

        return type == QC_TYPE_ZERO || type == QC_TYPE_ZERO_ALLOC;
    }
    return !(e.desc & QC_COMPRESSED) && e.map == QC_ALL_SUBCLUSTERS << 32;
}

static bool is_empty(const QcowState *s, QcEntry e)
{
    return !(e.desc & QC_COMPRESSED) && !e.map &&
           (s->extended || qc_sub_type(s, e, 0) == QC_TYPE_UNALLOCATED);
}

/* The zero bits for those of @mask that have nothing yet. */
static QcEntry fill_with_zeroes(const QcowState *s, QcEntry e, uint64_t mask)
{
    if (e.desc & QC_COMPRESSED) {
        return e;
    }
    if (s->extended) {
        e.map |= (mask & ~(e.map | e.map >> 32)) << 32;
        return e;
    }
    return is_empty(s, e) ? zero_entry(s, e.desc) : e;
}

static Change clear_entry(const QcowState *s, QcEntry e, ClearMode mode)
{
    bool host = qc_has_host(s, e.desc), none = !host && is_empty(s, e);
    bool any = host || (e.desc & QC_COMPRESSED);
    Change c = { e, false, false };

    if (mode == CLEAR_EMPTY) {
        return (Change){ { 0, 0 }, any, false };
    }
    /* Nothing there, and nothing shines through: keep it so. But zeroes that
     * are written must be there, for a backing file may come. */
    if (none && !s->n->backing && mode == CLEAR_DISCARD) {
        return c;
    }
    if (mode == CLEAR_ZERO_NEW) {
        c.new = fill_with_zeroes(s, e, QC_ALL_SUBCLUSTERS);
    } else if (!host && is_zero(s, e)) {
        /* as it is */
    } else if (mode == CLEAR_ZERO && host) {
        c.new = zero_entry(s, e.desc);
    } else if (s->discard_no_unref && host && (e.desc & QC_COPIED)) {
        c.new = zero_entry(s, e.desc);
        c.kept = true;
    } else {
        /* Zeroes stay zeroes when a backing file comes. Version 2 has no
         * zero clusters. */
        c.new = s->h.version >= 3 ? zero_entry(s, 0) : (QcEntry){ 0, 0 };
        c.gone = any;
    }
    return c;
}

/*
 * s->lock held: change the entries of whole clusters from @offset on, within
 * one slice. Bytes done or -errno.
 */
static int64_t coroutine_fn clear_slice(QcowState *s, int64_t offset,
                                        int64_t bytes, ClearMode mode,
                                        Cleared *c)
{
    unsigned index, n, done = 0;
    bool changed = false;
    QcTable *t;
    QcMap map;
    int ret = qc_map(s, offset, bytes, true, &map);

    if (ret < 0) {
        return ret;
    }
    /* A range without an L2 table needs none for staying as it is. */
    if (map.type == QC_TYPE_UNALLOCATED && map.bytes >= s->cluster_size &&
        (mode == CLEAR_EMPTY || (mode == CLEAR_DISCARD && !s->n->backing))) {
        return ALIGN_DOWN(map.bytes, s->cluster_size);
    }
    ret = qc_l2_for_write(s, offset, &t, &index);
    if (ret < 0) {
        return ret;
    }
    n = MIN(BIT(s->slice_bits) - index, (uint64_t)bytes >> s->cluster_bits);
    for (; done < n && c->n < BATCH && c->n_kept < BATCH; done++) {
        QcEntry old = qc_l2_load(s, t, index + done);
        Change change = clear_entry(s, old, mode);

        if (change.gone) {
            c->desc[c->n++] = old.desc;
        }
        if (change.kept) {
            c->kept[c->n_kept++] = old.desc & QC_OFFSET_MASK;
        }
        if (change.new.desc != old.desc || change.new.map != old.map) {
            qc_l2_store(s, t, index + done, change.new);
            changed = true;
        }
    }
    if (changed) {
        qc_cache_dirty(s->l2c, t);
    }
    qc_cache_put(s->l2c, t);
    return (int64_t)done << s->cluster_bits;
}

/*
 * Where host clusters stay known after their data has been discarded, nobody
 * may fill them again before that is done.
 */
static bool must_hold(const QcowState *s)
{
    return s->external || s->discard_no_unref;
}

static int coroutine_fn clear_clusters(QcowState *s, int64_t offset,
                                       int64_t bytes, ClearMode mode,
                                       bool discard)
{
    Cleared *c = g_new0(Cleared, 1);
    int64_t done = 0;

    while (bytes && done >= 0) {
        int64_t step = MIN(bytes, (int64_t)BATCH << s->cluster_bits);
        QcAlloc hold;
        bool held;

        co_mutex_lock(&s->lock);
        while (qc_wait_allocs(s, offset, step)) {
            /* look again */
        }
        done = clear_slice(s, offset, step, mode, c);
        held = must_hold(s) && done > 0;
        if (held) {
            qc_alloc_begin(s, &hold, offset, done);
        }
        co_mutex_unlock(&s->lock);
        free_cleared(s, c, discard);
        c->n = c->n_kept = 0;
        if (held) {
            qc_alloc_end(s, &hold);
        }
        if (done > 0) {
            offset += done;
            bytes -= done;
        }
    }
    g_free(c);
    return MIN(done, 0);
}

/* Extended entries: zeroes for some subclusters of one cluster. */
static int coroutine_fn clear_part(QcowState *s, int64_t offset, int64_t bytes,
                                   ClearMode mode)
{
    unsigned first = qc_into_cluster(s, offset) >> s->sub_bits, index;
    uint64_t mask = (BIT(bytes >> s->sub_bits) - 1) << first;
    QcTable *t;
    QcEntry e, old;
    int ret;

    co_mutex_lock(&s->lock);
    while (qc_wait_allocs(s, offset, bytes)) {
        /* look again */
    }
    ret = qc_l2_for_write(s, offset, &t, &index);
    if (ret >= 0) {
        e = old = qc_l2_load(s, t, index);
        if (mode == CLEAR_ZERO_NEW) {
            e = fill_with_zeroes(s, e, mask);
        } else if (e.desc & QC_COMPRESSED) {
            ret = -ENOTSUP;
        } else {
            e.map = (e.map | mask << 32) & ~mask;
        }
        if (ret >= 0 && e.map != old.map) {
            qc_l2_store(s, t, index, e);
            qc_cache_dirty(s->l2c, t);
        }
        qc_cache_put(s->l2c, t);
    }
    co_mutex_unlock(&s->lock);
    return ret;
}

/* [offset, offset + bytes) of whole subclusters. */
static int coroutine_fn clear_subclusters(QcowState *s, int64_t offset,
                                          int64_t bytes, ClearMode mode)
{
    int ret = 0;

    while (bytes && ret >= 0) {
        int64_t into = qc_into_cluster(s, offset), step;

        if (into || bytes < s->cluster_size) {
            step = MIN(bytes, s->cluster_size - into);
            ret = clear_part(s, offset, step, mode);
        } else {
            step = qc_cluster_start(s, bytes);
            ret = clear_clusters(s, offset, step, mode, s->discard_request);
        }
        offset += step;
        bytes -= step;
    }
    return ret;
}

/* 0 when [offset, offset + bytes) reads as zeroes and has no data here. */
static int coroutine_fn check_zeroes(BlockNode *n, int64_t offset,
                                     int64_t bytes)
{
    while (bytes > 0) {
        BlockNode *file;
        int64_t num, host;
        int ret = qc_block_status(n, true, offset, bytes, &num, &host, &file);
        bool zero = ret & BLK_STATUS_ZERO;

        if (ret >= 0 && !(ret & BLK_STATUS_ALLOCATED) && n->backing) {
            ret = chain_status(n->backing->node, NULL, offset, num, &num);
            zero = ret & CHAIN_ZERO;
        }
        if (ret < 0 || !zero) {
            return ret < 0 ? ret : -ENOTSUP;
        }
        offset += num;
        bytes -= num;
    }
    return 0;
}

/*
 * Part of one subcluster: all of it, when the rest is zero too. Where others
 * write to that meanwhile, what was zero stays so for our part, and is not
 * touched.
 */
static int coroutine_fn zero_part(BlockNode *n, int64_t offset, int64_t bytes)
{
    QcowState *s = n->state;
    int64_t from = ALIGN_DOWN(offset, (int64_t)s->sub_size);
    int64_t to = from + s->sub_size;
    int ret;

    if (offset + bytes > to) {
        return -ENOTSUP;
    }
    ret = check_zeroes(n, from, MIN(to, node_length(n)) - from);
    return ret < 0 || s->h.version < 3
               ? ret
               : clear_subclusters(s, from, to - from, CLEAR_ZERO_NEW);
}

/* The data file is a raw image too: what reads as zeroes here must do so
 * there. */
static int coroutine_fn zero_raw_data(QcowState *s, int64_t offset,
                                      int64_t bytes, unsigned flags)
{
    BlockNode *data = qc_data_node(s);

    bytes = MIN(bytes, node_length(data) - offset);
    return s->raw_data && bytes > 0
               ? node_pwrite_zeroes(data, offset, bytes, flags)
               : 0;
}

static ClearMode mode_for_flags(unsigned flags)
{
    return flags & BLK_REQ_UNCHANGED   ? CLEAR_ZERO_NEW
           : flags & BLK_REQ_MAY_UNMAP ? CLEAR_ZERO_UNMAP
                                       : CLEAR_ZERO;
}

int coroutine_fn qc_pwrite_zeroes(BlockNode *n, int64_t offset, int64_t bytes,
                                  unsigned flags)
{
    QcowState *s = n->state;
    int64_t head = offset & (s->sub_size - 1), end = offset + bytes;
    int64_t tail = end & (s->sub_size - 1), last = end;
    int ret;

    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) {
        return -EIO;
    }
    if (end == node_length(n)) {
        tail = 0; /* nothing of the last cluster is left */
        last = ALIGN_UP(end, s->cluster_size);
    }
    if (s->h.version < 3 && (n->backing || (flags & BLK_REQ_NO_FALLBACK))) {
        return -ENOTSUP; /* there are no zero clusters */
    }
    if (head || tail) {
        ret = zero_part(n, offset, bytes);
        return ret >= 0 && (flags & BLK_REQ_FUA) ? node_flush_changed(n) : ret;
    }
    ret = flags & BLK_REQ_UNCHANGED
              ? 0
              : zero_raw_data(s, offset, bytes, flags & BLK_REQ_MAY_UNMAP);
    if (ret >= 0) {
        ret = clear_subclusters(s, offset, last - offset,
                                s->h.version < 3 ? CLEAR_DISCARD
                                                 : mode_for_flags(flags));
    }
    return ret >= 0 && (flags & BLK_REQ_FUA) ? node_flush_changed(n) : ret;
}

int coroutine_fn qc_pdiscard(BlockNode *n, int64_t offset, int64_t bytes)
{
    QcowState *s = n->state;
    int ret;

    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) {
        return -EIO;
    }
    /* Version 2 with a backing file: what was hidden would come back. */
    if (s->h.version < 3 && n->backing) {
        return -ENOTSUP;
    }
    ret = zero_raw_data(s, offset, bytes, BLK_REQ_MAY_UNMAP);
    return ret < 0 ? ret
                   : clear_clusters(s, offset, ALIGN_UP(bytes, s->cluster_size),
                                    CLEAR_DISCARD, s->discard_request);
}

int coroutine_fn qc_drop(BlockNode *n, int64_t offset, int64_t bytes)
{
    QcowState *s = n->state;
    int ret;

    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) {
        return -EIO;
    }
    ret = zero_raw_data(s, offset, bytes, BLK_REQ_MAY_UNMAP);
    return ret < 0 ? ret
                   : clear_clusters(s, offset, ALIGN_UP(bytes, s->cluster_size),
                                    CLEAR_EMPTY, s->discard_request);
}

int coroutine_fn qc_make_empty(BlockNode *n)
{
    QcowState *s = n->state;

    qc_event(s, BLKDEBUG_EVENT_EMPTY_IMAGE_PREPARE);
    return qc_drop(n, 0, (int64_t)s->h.size);
}
