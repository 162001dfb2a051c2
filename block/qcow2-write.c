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
    QcAlloc alloc;    /* the clusters around it */
    int64_t host;     /* of the first of them */
    bool fresh;       /* the file ends before: unwritten parts read as zeroes */
    bool reuse;       /* clusters that were there already (zero, allocated) */
    bool zero_around; /* nothing but zeroes was there */
} AllocWrite;

static bool is_writable_in_place(const QcMap *m)
{
    return m->type == QC_TYPE_NORMAL && m->copied;
}

static bool is_reusable(const QcMap *m)
{
    return m->type == QC_TYPE_ZERO_ALLOC && m->copied;
}

/* s->lock held: how far the range from @first on needs new clusters too. */
static int coroutine_fn extend_run(AllocWrite *w, const QcMap *first,
                                   int64_t start, int64_t limit, int64_t *end)
{
    QcowState *s = w->s;
    QcMap m = *first;
    bool fill = w->flags & BLK_REQ_UNCHANGED;

    *end = start;
    w->zero_around = true;
    do {
        if (m.type == QC_TYPE_NORMAL || m.type == QC_TYPE_COMPRESSED ||
            (m.type == QC_TYPE_UNALLOCATED && s->n->backing)) {
            w->zero_around = false;
        }
        *end = MIN(*end + m.bytes, limit);
        if (*end < limit) {
            int ret = qc_map(s, *end, limit - *end, true, &m);

            if (ret < 0) {
                return ret;
            }
        }
    } while (*end < limit && !is_writable_in_place(&m) && !is_reusable(&m) &&
             !(fill && m.type != QC_TYPE_UNALLOCATED));
    return 0;
}

/*
 * s->lock held. Decide what to allocate for the start of the write. 1: go on
 * with w->alloc on the list; 0: look again (it can be written in place, or
 * someone else was at it); -errno.
 */
static int coroutine_fn alloc_clusters(AllocWrite *w)
{
    QcowState *s = w->s;
    int64_t start = qc_cluster_start(s, w->offset), end, got;
    int64_t limit = MIN(w->offset + w->bytes, start + ALLOC_MAX);
    int64_t table_span = BIT(s->slice_bits + s->cluster_bits);
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
    ret = qc_map(s, start, limit - start, true, &first);
    if (ret < 0 || is_writable_in_place(&first) ||
        ((w->flags & BLK_REQ_UNCHANGED) && first.type != QC_TYPE_UNALLOCATED)) {
        return ret;
    }
    w->reuse = is_reusable(&first);
    if (w->reuse) {
        w->host = first.host;
        w->zero_around = true;
        end = start + first.bytes;
        ret = qc_check_overlap(s, w->host, end - start);
        if (ret < 0) {
            return ret;
        }
    } else {
        QcTable *slice;
        unsigned index;

        ret = extend_run(w, &first, start, limit, &end);
        if (ret < 0) {
            return ret;
        }
        /* The L2 table comes first: it may move things around. */
        ret = qc_l2_for_write(s, start, &slice, &index);
        if (ret < 0) {
            return ret;
        }
        qc_cache_put(s->l2c, slice);
        w->host = qc_alloc(s, end - start, false, &got);
        if (w->host < 0) {
            return w->host;
        }
        end = start + got;
    }
    w->fresh = !w->reuse && w->host >= node_length(s->n->file->node);
    w->bytes = MIN(w->bytes, end - w->offset);
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
    BlockNode *file = w->s->n->file->node;
    int64_t end = w->offset + w->bytes;
    int mid = iov_slice_count(w->iov, w->iov_offset, w->bytes), niov = 0;
    struct iovec *iov = g_new(struct iovec, mid + 2);
    char *buf = node_alloc(file, head + tail);
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
        ret = node_pwritev(file, w->host + (w->offset - w->alloc.guest) - head,
                           all.size, &all, 0, w->flags);
    }
    free(buf);
    g_free(iov);
    return ret;
}

static int coroutine_fn write_data(AllocWrite *w)
{
    int64_t head = w->offset - w->alloc.guest;
    int64_t tail = w->alloc.guest + w->alloc.bytes - (w->offset + w->bytes);

    if (w->zero_around && w->fresh) {
        /* Behind the old end of the file there are zeroes already. */
        head = tail = 0;
    }
    if (head || tail) {
        return write_with_copies(w, head, tail);
    }
    qc_event(w->s, BLKDEBUG_EVENT_WRITE_AIO);
    return node_pwritev(w->s->n->file->node,
                        w->host + (w->offset - w->alloc.guest), w->bytes,
                        w->iov, w->iov_offset, w->flags);
}

/* Linking
 * ----------------------------------------------------------------------------
 */

/* Old clusters that the new ones replace. */
typedef struct OldClusters {
    uint64_t *entry;
    unsigned n;
} OldClusters;

static int coroutine_fn link_clusters(AllocWrite *w, OldClusters *old)
{
    QcowState *s = w->s;
    unsigned n = w->alloc.bytes >> s->cluster_bits, index;
    bool copied = w->offset != w->alloc.guest || w->bytes != w->alloc.bytes;
    QcTable *slice;
    int ret = qc_l2_for_write(s, w->alloc.guest, &slice, &index);

    if (ret < 0) {
        return ret;
    }
    if (!w->reuse && !s->lazy) {
        ret = qc_cache_depend(s->l2c, s->rbc);
    }
    if (ret < 0) {
        qc_cache_put(s->l2c, slice);
        return ret;
    }
    if (copied && !w->zero_around) {
        /* What was safe on disk elsewhere must be so here before. */
        qc_cache_depend_on_data(s->l2c);
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t entry = qc_l2_load(slice, index + i);
        QcType type = qc_entry_type(s, entry);

        if (!w->reuse && type != QC_TYPE_UNALLOCATED && type != QC_TYPE_ZERO) {
            old->entry[old->n++] = entry;
        }
        qc_l2_store(slice, index + i,
                    (w->host + ((uint64_t)i << s->cluster_bits)) | QC_COPIED);
    }
    qc_cache_dirty(s->l2c, slice);
    qc_cache_put(s->l2c, slice);
    return 0;
}

/* s->lock held; readers of the old clusters are gone. */
static void coroutine_fn free_entry(QcowState *s, uint64_t entry)
{
    uint64_t offset = entry & QC_OFFSET_MASK, bytes = s->cluster_size;

    if (entry & QC_COMPRESSED) {
        bytes = qc_compressed_extent(s, entry, &offset);
    }
    qc_free(s, offset, bytes, s->discard_other);
}

static void coroutine_fn free_old(QcowState *s, const OldClusters *old)
{
    if (!old->n) {
        return;
    }
    co_epoch_wait(&s->epoch);
    co_mutex_lock(&s->lock);
    for (unsigned i = 0; i < old->n; i++) {
        free_entry(s, old->entry[i]);
    }
    co_mutex_unlock(&s->lock);
}

static int coroutine_fn finish_alloc(AllocWrite *w, int ret)
{
    QcowState *s = w->s;
    OldClusters old = {
        .entry = g_new(uint64_t, w->alloc.bytes >> s->cluster_bits),
    };

    co_mutex_lock(&s->lock);
    if (ret >= 0) {
        ret = link_clusters(w, &old);
    }
    if (ret < 0 && w->fresh) {
        /* Part of it may have been written: no longer known to be zero. */
        node_raise_length(s->n->file->node, w->host + w->alloc.bytes);
    }
    if (ret < 0 && !w->reuse) {
        qc_free(s, w->host, w->alloc.bytes, false);
    }
    qc_alloc_end(s, &w->alloc);
    co_mutex_unlock(&s->lock);
    if (ret >= 0) {
        free_old(s, &old);
    }
    g_free(old.entry);
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

    if (ret >= 0 && (flags & BLK_REQ_UNCHANGED) &&
        map.type != QC_TYPE_UNALLOCATED) {
        /* There already, and maybe newer than what is to be written. */
    } else if (ret < 0 || !is_writable_in_place(&map)) {
        map.bytes = 0;
    } else {
        ret = qc_check_overlap(s, map.host, map.bytes);
    }
    if (ret >= 0 && map.bytes && !(flags & BLK_REQ_UNCHANGED)) {
        qc_event(s, BLKDEBUG_EVENT_WRITE_AIO);
        ret = node_pwritev(s->n->file->node, map.host, map.bytes, iov,
                           iov_offset, flags);
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
