/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zeroes and discard in qcow2: changes of L2 entries only. Host clusters that
 * fall out of use are freed when nobody can be writing to them any more.
 */
#include "util/osdep.h"

#include "block/qcow2.h"

/* Entries changed in one go with the lock held. */
#define BATCH 512

typedef struct Cleared {
    uint64_t entry[BATCH]; /* old entries whose clusters are to be freed */
    unsigned n;
} Cleared;

/* s->lock not held. */
static void coroutine_fn free_cleared(QcowState *s, Cleared *c, bool discard)
{
    if (!c->n) {
        return;
    }
    co_epoch_wait(&s->epoch);
    co_mutex_lock(&s->lock);
    for (unsigned i = 0; i < c->n; i++) {
        uint64_t offset = c->entry[i] & QC_OFFSET_MASK;
        uint64_t bytes = s->cluster_size;

        if (c->entry[i] & QC_COMPRESSED) {
            bytes = qc_compressed_extent(s, c->entry[i], &offset);
        }
        qc_free(s, offset, bytes, discard);
    }
    co_mutex_unlock(&s->lock);
    c->n = 0;
}

typedef enum ClearMode {
    CLEAR_DISCARD,    /* reads as zeroes where possible; frees the cluster */
    CLEAR_ZERO,       /* reads as zeroes; keeps the cluster */
    CLEAR_ZERO_UNMAP, /* reads as zeroes; frees the cluster */
    CLEAR_ZERO_NEW,   /* reads as zeroes where there was nothing */
    CLEAR_EMPTY,      /* the backing file shows; frees the cluster */
} ClearMode;

/* What an L2 entry becomes. *gone: its cluster is to be freed. */
static uint64_t cleared_entry(const QcowState *s, uint64_t entry,
                              ClearMode mode, bool *gone)
{
    QcType type = qc_entry_type(s, entry);
    bool has_cluster = type == QC_TYPE_NORMAL || type == QC_TYPE_COMPRESSED ||
                       type == QC_TYPE_ZERO_ALLOC;
    bool need_zero = s->n->backing || mode != CLEAR_DISCARD;

    *gone = false;
    if (mode == CLEAR_EMPTY) {
        *gone = has_cluster;
        return 0;
    }
    if (mode == CLEAR_ZERO_NEW && type != QC_TYPE_UNALLOCATED) {
        return entry;
    }
    if (mode == CLEAR_ZERO &&
        (type == QC_TYPE_NORMAL || type == QC_TYPE_ZERO_ALLOC)) {
        return entry | QC_ZERO;
    }
    /* Nothing there, and nothing shines through: keep it so. */
    if (type == QC_TYPE_UNALLOCATED && !s->n->backing) {
        return entry;
    }
    if (type == QC_TYPE_UNALLOCATED && mode == CLEAR_DISCARD) {
        return entry;
    }
    if (type == QC_TYPE_ZERO) {
        return entry;
    }
    *gone = has_cluster;
    /* Version 2 has no zero clusters. */
    return need_zero && s->h.version >= 3 ? QC_ZERO : 0;
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
    if (map.type == QC_TYPE_UNALLOCATED &&
        (mode == CLEAR_DISCARD || mode == CLEAR_EMPTY || !s->n->backing)) {
        return map.bytes;
    }
    ret = qc_l2_for_write(s, offset, &t, &index);
    if (ret < 0) {
        return ret;
    }
    n = MIN(BIT(s->slice_bits) - index, (uint64_t)bytes >> s->cluster_bits);
    for (; done < n && c->n < BATCH; done++) {
        uint64_t old = qc_l2_load(t, index + done);
        bool gone;
        uint64_t new = cleared_entry(s, old, mode, &gone);

        if (gone) {
            c->entry[c->n++] = old;
        }
        if (new != old) {
            qc_l2_store(t, index + done, new);
            changed = true;
        }
    }
    if (changed) {
        qc_cache_dirty(s->l2c, t);
    }
    qc_cache_put(s->l2c, t);
    return (int64_t)done << s->cluster_bits;
}

static int coroutine_fn clear_clusters(QcowState *s, int64_t offset,
                                       int64_t bytes, ClearMode mode,
                                       bool discard)
{
    Cleared *c = g_new0(Cleared, 1);
    int64_t done = 0;

    while (bytes && done >= 0) {
        int64_t step = MIN(bytes, (int64_t)BATCH << s->cluster_bits);

        co_mutex_lock(&s->lock);
        while (qc_wait_allocs(s, offset, step)) {
            /* look again */
        }
        done = clear_slice(s, offset, step, mode, c);
        co_mutex_unlock(&s->lock);
        free_cleared(s, c, discard);
        if (done > 0) {
            offset += done;
            bytes -= done;
        }
    }
    g_free(c);
    return MIN(done, 0);
}

/* Does all of the cluster at @offset read as zeroes now? */
static int coroutine_fn reads_as_zeroes(BlockNode *n, int64_t offset,
                                        int64_t bytes)
{
    while (bytes > 0) {
        BlockNode *file;
        int64_t num, host;
        int ret = qc_block_status(n, true, offset, bytes, &num, &host, &file);

        if (ret < 0 || !(ret & BLK_STATUS_ZERO)) {
            return MIN(ret, 0);
        }
        offset += num;
        bytes -= num;
    }
    return 1;
}

int coroutine_fn qc_pwrite_zeroes(BlockNode *n, int64_t offset, int64_t bytes,
                                  unsigned flags)
{
    QcowState *s = n->state;
    int64_t head = qc_into_cluster(s, offset), end = offset + bytes;
    int64_t tail = qc_into_cluster(s, end);
    int ret;

    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) {
        return -EIO;
    }
    if (end == node_length(n)) {
        tail = 0; /* nothing of the last cluster is left */
    }
    if (head || tail) {
        /* Part of a cluster: whole ones only when the rest is zero too. */
        int64_t from = offset - head;
        int64_t to = tail ? qc_cluster_start(s, end) + s->cluster_size : end;

        if (to - from > s->cluster_size) {
            return -ENOTSUP;
        }
        ret = reads_as_zeroes(n, from, MIN(to, node_length(n)) - from);
        if (ret <= 0) {
            return ret ? ret : -ENOTSUP;
        }
        return 0; /* already so */
    }
    if (s->h.version < 3) {
        return -ENOTSUP;
    }
    ret = clear_clusters(s, offset, ALIGN_UP(bytes, s->cluster_size),
                         flags & BLK_REQ_UNCHANGED   ? CLEAR_ZERO_NEW
                         : flags & BLK_REQ_MAY_UNMAP ? CLEAR_ZERO_UNMAP
                                                     : CLEAR_ZERO,
                         s->discard_request);
    return ret >= 0 && (flags & BLK_REQ_FUA) ? node_flush_changed(n) : ret;
}

int coroutine_fn qc_pdiscard(BlockNode *n, int64_t offset, int64_t bytes)
{
    QcowState *s = n->state;

    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) {
        return -EIO;
    }
    /* Version 2 with a backing file: what was hidden would come back. */
    if (s->h.version < 3 && n->backing) {
        return -ENOTSUP;
    }
    return clear_clusters(s, offset, ALIGN_UP(bytes, s->cluster_size),
                          CLEAR_DISCARD, s->discard_request);
}

int coroutine_fn qc_make_empty(BlockNode *n)
{
    QcowState *s = n->state;

    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) {
        return -EIO;
    }
    return clear_clusters(s, 0, ALIGN_UP((int64_t)s->h.size, s->cluster_size),
                          CLEAR_EMPTY, s->discard_request);
}
