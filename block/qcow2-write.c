/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing to qcow2. Clusters of our own are written in place without any lock.
 * Others get new host clusters in four steps: allocate (lock held), write the
 * data and what must be copied around it (no lock; other allocations go on in
 * parallel), link the clusters in the L2 table (lock held), let go of the old
 * ones a grace period later.
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "util/trace.h"

TRACE_POINT(qcow2_writev_start_req);
TRACE_POINT(qcow2_handle_alloc);

/* At most this much is allocated at once: bounds the memory for copies and
 * the time that the lock is held. */
#define ALLOC_MAX ((int64_t)(4 * MiB))

/* In-flight allocations
 * ----------------------------------------------------------- */

static QcAlloc *find_alloc_locked(QcowState *s, int64_t start, int64_t end)
{
    QcAlloc *a = s->allocs, *best = NULL;

    for (; a; a = a->next) {
        if (a->guest < end && start < a->guest + a->bytes &&
            (!best || a->guest < best->guest)) {
            best = a;
        }
    }
    return best;
}

bool coroutine_fn qc_wait_allocs(QcowState *s, int64_t offset, int64_t bytes)
{
    bool waited = false;
    QcAlloc *a;

    mutex_lock(&s->alloc_lock);
    while ((a = find_alloc_locked(s, offset, offset + bytes))) {
        if (!waited) {
            co_mutex_unlock(&s->lock);
        }
        waited = true;
        co_queue_wait(&a->waiters, &s->alloc_lock);
    }
    mutex_unlock(&s->alloc_lock);
    if (waited) {
        co_mutex_lock(&s->lock);
    }
    return waited;
}

void qc_alloc_begin(QcowState *s, QcAlloc *a, int64_t guest, int64_t bytes)
{
    *a = (QcAlloc){ .guest = guest, .bytes = bytes };
    co_queue_init(&a->waiters);
    mutex_lock(&s->alloc_lock);
    a->next = s->allocs;
    s->allocs = a;
    mutex_unlock(&s->alloc_lock);
}

void qc_alloc_end(QcowState *s, QcAlloc *a)
{
    QcAlloc **p = &s->allocs;

    mutex_lock(&s->alloc_lock);
    while (*p != a) {
        p = &(*p)->next;
    }
    *p = a->next;
    co_queue_wake_all(&a->waiters);
    mutex_unlock(&s->alloc_lock);
}

/* One allocating write
 * ------------------------------------------------------------ */

typedef struct AllocWrite {
    QcowState *s;
    int64_t offset, bytes; /* the guest's part; shortened to what fits */
    const IoVec *iov;
    size_t iov_offset;
    unsigned flags;
    QcAlloc alloc;      /* the clusters around it */
    int64_t host;       /* of the first of them */
    int64_t head, tail; /* bytes around the guest's part to write as well */
    bool fresh;         /* the file ends before: it reads as zeroes there */
    bool reuse;         /* a host cluster was there already */
    bool zero_around;   /* nothing but zeroes in head and tail */
} AllocWrite;

static bool is_writable_in_place(const QcMap *m)
{
    return m->type == QC_TYPE_NORMAL && m->copied;
}

static bool is_reusable(const QcMap *m)
{
    return (m->type == QC_TYPE_ZERO_ALLOC ||
            m->type == QC_TYPE_UNALLOCATED_HOST) &&
           m->copied;
}

static bool is_empty(const QcMap *m)
{
    return m->type == QC_TYPE_UNALLOCATED ||
           m->type == QC_TYPE_UNALLOCATED_HOST;
}

/* Bits for the subclusters from @from up to @to, offsets in a cluster. */
static uint64_t sub_mask(const QcowState *s, int64_t from, int64_t to)
{
    unsigned first = from >> s->sub_bits;
    unsigned end = (to + s->sub_size - 1) >> s->sub_bits;

    return (BIT(end) - 1) & ~(BIT(first) - 1);
}

/* The subclusters that have data in the host cluster. */
static uint64_t data_map(const QcowState *s, QcEntry e)
{
    if (e.desc & QC_COMPRESSED) {
        return QC_ALL_SUBCLUSTERS;
    }
    return s->extended ? e.map & QC_ALL_SUBCLUSTERS
                       : qc_sub_type(s, e, 0) == QC_TYPE_NORMAL;
}

/* Those that read as zeroes; @offset is of the guest. */
static uint64_t zero_map(const QcowState *s, QcEntry e, int64_t offset)
{
    QcType type;

    if (!qc_has_backing(s, offset)) {
        return ~data_map(s, e);
    }
    if (s->extended) {
        return e.desc & QC_COMPRESSED ? 0 : e.map >> 32;
    }
    type = qc_sub_type(s, e, 0);
    return type == QC_TYPE_ZERO || type == QC_TYPE_ZERO_ALLOC;
}

/*
 * The guest's part begins in what entry @first describes and ends in what
 * @last does. Subclusters are written in whole, and when the cluster moves, all
 * that have data go with it.
 */
static void plan_copies(AllocWrite *w, QcEntry first, QcEntry last)
{
    QcowState *s = w->s;
    int64_t end = w->offset + w->bytes;
    int64_t last_start = qc_cluster_start(s, end - 1);
    int64_t into = qc_into_cluster(s, w->offset), past = end - last_start;
    int64_t from = ALIGN_DOWN(into, s->sub_size);
    int64_t to = ALIGN_UP(past, s->sub_size);

    if (!w->reuse) {
        uint64_t moves = data_map(s, first);

        if (moves) {
            from = MIN(from, (int64_t)__builtin_ctzll(moves) << s->sub_bits);
        }
        moves = data_map(s, last);
        if (moves) {
            to = MAX(to,
                     MIN((int64_t)(64 - __builtin_clzll(moves)) << s->sub_bits,
                         s->cluster_size));
        }
    }
    w->head = into - from;
    w->tail = to - past;
    w->zero_around =
        !((w->head ? sub_mask(s, from, into) : 0) &
          ~zero_map(s, first, w->offset)) &&
        !((w->tail ? sub_mask(s, past & ~(s->sub_size - 1), to) : 0) &
          ~zero_map(s, last, w->offset));
}

/* From @index on, how many clusters cannot be written where they are. */
static unsigned count_unowned(const QcowState *s, const QcTable *slice,
                              unsigned index, unsigned max)
{
    unsigned n = 1; /* that is known of the first one */

    for (; n < max; n++) {
        QcEntry e = qc_l2_load(s, slice, index + n);

        if (qc_has_host(s, e.desc) &&
            ((e.desc & QC_COPIED) ||
             (e.desc & QC_OFFSET_MASK & (s->cluster_size - 1)))) {
            break;
        }
    }
    return n;
}

/* s->lock held: w->host for clusters from @start on, up to @limit at most. */
static int coroutine_fn new_clusters(AllocWrite *w, int64_t start,
                                     int64_t limit)
{
    QcowState *s = w->s;
    int64_t got = limit - start;
    unsigned index, n;
    QcTable *slice;
    /* The L2 table comes first: it may move things around. */
    int ret = qc_l2_for_write(s, start, &slice, &index);

    if (ret < 0) {
        return ret;
    }
    n = count_unowned(s, slice, index, got >> s->cluster_bits);
    got = (int64_t)n << s->cluster_bits;
    w->host = s->external ? start : qc_alloc(s, got, false, &got);
    if (w->host >= 0) {
        n = got >> s->cluster_bits;
        w->bytes = MIN(w->bytes, start + got - w->offset);
        plan_copies(w, qc_l2_load(s, slice, index),
                    qc_l2_load(s, slice, index + n - 1));
    }
    qc_cache_put(s->l2c, slice);
    return MIN(w->host, 0);
}

/* s->lock held: write into the clusters that @m found. */
static int reuse_clusters(AllocWrite *w, const QcMap *m)
{
    QcowState *s = w->s;
    int64_t end = w->offset + w->bytes;

    w->host = m->host - qc_into_cluster(s, w->offset);
    w->head = w->offset & (s->sub_size - 1);
    w->tail = ALIGN_UP(end, s->sub_size) - end;
    w->zero_around =
        m->type == QC_TYPE_ZERO_ALLOC || !qc_has_backing(s, w->offset);
    return qc_check_data(s, w->host, qc_into_cluster(s, w->offset) + w->bytes);
}

/*
 * s->lock held. Decide what to allocate for the start of the write. 1: go on
 * with w->alloc on the list; 0: look again (it can be written in place, or
 * someone else was at it); -errno.
 */
static int coroutine_fn alloc_clusters(AllocWrite *w)
{
    QcowState *s = w->s;
    int64_t start = qc_cluster_start(s, w->offset), end;
    int64_t limit = MIN(w->offset + w->bytes, start + ALLOC_MAX);
    int64_t table_span = BIT(s->slice_bits + s->cluster_bits);
    bool fill = w->flags & BLK_REQ_UNCHANGED;
    QcAlloc *other;
    QcMap first;
    int ret;

    limit = ALIGN_UP(limit, s->cluster_size);
    limit = MIN(limit, ALIGN_DOWN(start, table_span) + table_span);
    mutex_lock(&s->alloc_lock);
    other = find_alloc_locked(s, start, limit);
    if (other && other->guest > start) {
        limit = other->guest;
    }
    mutex_unlock(&s->alloc_lock);
    if (other && other->guest <= start) {
        qc_wait_allocs(s, start, s->cluster_size);
        return 0;
    }
    w->bytes = MIN(w->bytes, limit - w->offset);
    ret = qc_map(s, w->offset, w->bytes, true, &first);
    if (ret < 0 || is_writable_in_place(&first) ||
        (fill && !is_empty(&first))) {
        return ret;
    }
    w->reuse = is_reusable(&first);
    if (w->reuse || fill) {
        w->bytes = first.bytes;
        limit = ALIGN_UP(w->offset + w->bytes, s->cluster_size);
    }
    ret = w->reuse ? reuse_clusters(w, &first) : new_clusters(w, start, limit);
    if (ret < 0) {
        return ret;
    }
    if (s->external) {
        /* A data file is as long as the disk. */
        w->tail = CLAMP((int64_t)s->h.size - w->offset - w->bytes, 0, w->tail);
    }
    end = ALIGN_UP(w->offset + w->bytes, s->cluster_size);
    w->fresh = !w->reuse && !s->h.crypt_method &&
               w->host >= node_length(qc_data_node(s));
    qc_alloc_begin(s, &w->alloc, start, end - start);
    return 1;
}

/* Data
 * ------------------------------------------------------------------------------
 */

/* Old content for what lies around the guest's part. */
static int coroutine_fn read_around(AllocWrite *w, int64_t from, int64_t to,
                                    char *buf)
{
    IoVec v = IOVEC_BUF(buf, to - from);

    if (w->zero_around) {
        memset(buf, 0, to - from);
        return 0;
    }
    qc_event(w->s, BLKDEBUG_EVENT_COW_READ);
    return qc_preadv(w->s->n, from, to - from, &v, 0, 0);
}

static int coroutine_fn write_with_copies(AllocWrite *w, int64_t head,
                                          int64_t tail)
{
    int64_t end = w->offset + w->bytes;
    int mid = iov_slice_count(w->iov, w->iov_offset, w->bytes), niov = 0;
    struct iovec *iov = g_new(struct iovec, mid + 2);
    char *buf = node_alloc(qc_data_node(w->s), head + tail);
    IoVec slice, all;
    int ret = -ENOMEM;

    if (buf) {
        ret = head ? read_around(w, w->offset - head, w->offset, buf) : 0;
    }
    if (ret >= 0 && tail) {
        ret = read_around(w, end, end + tail, buf + head);
    }
    if (ret >= 0) {
        if (head) {
            iov[niov++] = (struct iovec){ buf, head };
        }
        iov_slice(w->iov, w->iov_offset, w->bytes, iov + niov, mid, &slice);
        niov += slice.niov;
        if (tail) {
            iov[niov++] = (struct iovec){ buf + head, tail };
        }
        all = (IoVec){ iov, niov, head + w->bytes + tail };
        qc_event(w->s, BLKDEBUG_EVENT_COW_WRITE);
        qc_event(w->s, BLKDEBUG_EVENT_WRITE_AIO);
        ret = qc_data_write(w->s, w->host + (w->offset - w->alloc.guest) - head,
                            w->offset - head, all.size, &all, 0, w->flags);
    }
    free(buf);
    g_free(iov);
    return ret;
}

static int coroutine_fn write_data(AllocWrite *w)
{
    /* Behind the old end of the file there are zeroes already. */
    if ((w->head || w->tail) && !(w->zero_around && w->fresh)) {
        return write_with_copies(w, w->head, w->tail);
    }
    if (w->head || w->tail) {
        qc_event(w->s, BLKDEBUG_EVENT_CLUSTER_ALLOC_SPACE);
    }
    qc_event(w->s, BLKDEBUG_EVENT_WRITE_AIO);
    return qc_data_write(w->s, w->host + (w->offset - w->alloc.guest),
                         w->offset, w->bytes, w->iov, w->iov_offset, w->flags);
}

/* Linking
 * ----------------------------------------------------------------------------
 */

/* Descriptors of old clusters that the new ones replace. */
typedef struct OldClusters {
    uint64_t *desc;
    unsigned n;
} OldClusters;

/* What @e, entry @i of those being linked, becomes. */
static QcEntry linked_entry(const AllocWrite *w, QcEntry e, unsigned i)
{
    QcowState *s = w->s;
    int64_t at = w->alloc.guest + ((int64_t)i << s->cluster_bits);
    QcEntry new = {
        .desc = (w->host + ((uint64_t)i << s->cluster_bits)) | QC_COPIED,
    };

    if (s->extended) {
        int64_t from = MAX(w->offset, at) - at;
        int64_t to = MIN(w->offset + w->bytes, at + s->cluster_size) - at;
        uint64_t written = sub_mask(s, from, to);

        new.map = e.desc &QC_COMPRESSED ? QC_ALL_SUBCLUSTERS : e.map;
        new.map = (new.map | written) & ~(written << 32);
    }
    return new;
}

/* On disk before the new entries are. */
static int coroutine_fn order_before_link(AllocWrite *w)
{
    QcowState *s = w->s;
    int ret = 0;

    if (!w->reuse && !s->lazy && !s->external) {
        ret = qc_cache_depend(s->l2c, s->rbc);
    }
    if (ret >= 0 && (w->head || w->tail) && !w->zero_around) {
        /* What was safe on disk elsewhere must be so here before. */
        qc_cache_depend_on_data(s->l2c);
    }
    return ret;
}

static int coroutine_fn link_clusters(AllocWrite *w, OldClusters *old)
{
    QcowState *s = w->s;
    unsigned n = w->alloc.bytes >> s->cluster_bits, index;
    QcTable *slice;
    int ret = qc_l2_for_write(s, w->alloc.guest, &slice, &index);

    if (ret < 0) {
        return ret;
    }
    ret = order_before_link(w);
    for (unsigned i = 0; i < n && ret >= 0; i++) {
        QcEntry e = qc_l2_load(s, slice, index + i);

        if (!w->reuse && !s->external &&
            ((e.desc & QC_COMPRESSED) || qc_has_host(s, e.desc))) {
            old->desc[old->n++] = e.desc;
        }
        qc_l2_store(s, slice, index + i, linked_entry(w, e, i));
    }
    if (ret >= 0) {
        qc_cache_dirty(s->l2c, slice);
    }
    qc_cache_put(s->l2c, slice);
    return ret;
}

void coroutine_fn qc_free_entry(QcowState *s, uint64_t desc, bool discard)
{
    uint64_t offset = desc & QC_OFFSET_MASK, bytes = s->cluster_size;

    if (desc & QC_COMPRESSED) {
        bytes = qc_compressed_extent(s, desc, &offset);
    }
    if (!s->external) {
        qc_free(s, offset, bytes, discard);
    } else if (discard) {
        node_pdiscard(qc_data_node(s), offset, bytes);
    }
}

static void coroutine_fn free_old(QcowState *s, const OldClusters *old)
{
    if (!old->n) {
        return;
    }
    co_epoch_wait(&s->epoch);
    co_mutex_lock(&s->lock);
    for (unsigned i = 0; i < old->n; i++) {
        qc_free_entry(s, old->desc[i], s->discard_other);
    }
    co_mutex_unlock(&s->lock);
}

static int coroutine_fn finish_alloc(AllocWrite *w, int ret)
{
    QcowState *s = w->s;
    OldClusters old = {
        .desc = g_new(uint64_t, w->alloc.bytes >> s->cluster_bits),
    };

    co_mutex_lock(&s->lock);
    if (ret >= 0) {
        ret = link_clusters(w, &old);
    }
    if (ret < 0 && w->fresh) {
        /* Part of it may have been written: no longer known to be zero. */
        node_raise_length(qc_data_node(s), w->host + w->alloc.bytes);
    }
    if (ret < 0 && !w->reuse && !s->external) {
        qc_free(s, w->host, w->alloc.bytes, false);
    }
    qc_alloc_end(s, &w->alloc);
    co_mutex_unlock(&s->lock);
    if (ret >= 0) {
        free_old(s, &old);
    }
    g_free(old.desc);
    return ret;
}

/* Bytes written, 0 to look again, or -errno. */
static int64_t coroutine_fn write_allocating(AllocWrite *w)
{
    trace(qcow2_handle_alloc, "guest_offset 0x%" PRIx64 " bytes %" PRId64,
          w->offset, w->bytes);
    int ret;

    co_mutex_lock(&w->s->lock);
    ret = alloc_clusters(w);
    co_mutex_unlock(&w->s->lock);
    if (ret <= 0) {
        return ret;
    }
    ret = finish_alloc(w, write_data(w));
    return ret < 0 ? ret : w->bytes;
}

/* Writes
 * --------------------------------------------------------------------------------
 */

/* The same, for clusters of our own. */
static int64_t coroutine_fn write_in_place(QcowState *s, int64_t offset,
                                           int64_t bytes, const IoVec *iov,
                                           size_t iov_offset, unsigned flags)
{
    int epoch = co_epoch_enter(&s->epoch);
    QcMap map;
    int ret = qc_map(s, offset, bytes, false, &map);

    if (ret >= 0 && (flags & BLK_REQ_UNCHANGED) && !is_empty(&map)) {
        /* There already, and maybe newer than what is to be written. */
    } else if (ret < 0 || !is_writable_in_place(&map)) {
        map.bytes = 0;
    } else {
        ret = qc_check_data(s, map.host, map.bytes);
    }
    if (ret >= 0 && map.bytes && !(flags & BLK_REQ_UNCHANGED)) {
        qc_event(s, BLKDEBUG_EVENT_WRITE_AIO);
        ret = qc_data_write(s, map.host, offset, map.bytes, iov, iov_offset,
                            flags);
    }
    co_epoch_leave(&s->epoch, epoch);
    return ret < 0 ? ret : map.bytes;
}

int coroutine_fn qc_pwritev(BlockNode *n, int64_t offset, int64_t bytes,
                            const IoVec *iov, size_t iov_offset, unsigned flags)
{
    QcowState *s = n->state;
    /* Metadata makes a durable write: a flush at the end. */
    unsigned down = flags & ~BLK_REQ_FUA;
    bool allocated = false;

    trace(qcow2_writev_start_req, "bs %s offset 0x%" PRIx64 " bytes %" PRId64,
          n->name, offset, bytes);
    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) {
        return -EIO;
    }
    while (bytes) {
        int64_t done = write_in_place(s, offset, bytes, iov, iov_offset,
                                      allocated ? down : flags);

        if (!done) {
            AllocWrite w = { .s = s,
                             .offset = offset,
                             .bytes = bytes,
                             .iov = iov,
                             .iov_offset = iov_offset,
                             .flags = down };

            done = write_allocating(&w);
            allocated = allocated || done > 0;
        }
        if (done < 0) {
            return done;
        }
        offset += done;
        iov_offset += done;
        bytes -= done;
    }
    if ((flags & BLK_REQ_FUA) && allocated) {
        return node_flush_changed(n);
    }
    return 0;
}
