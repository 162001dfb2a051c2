/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metadata cache of qcow2: L2 table slices and refcount blocks.
 *
 * c->lock guards the bookkeeping and is never held over a yield. Contents are
 * changed, and written to the file, under s->lock only; so a reader that needs
 * room while every table is dirty takes s->lock and writes them out.
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "util/trace.h"

TRACE_POINT(qcow2_cache_get);
TRACE_POINT(qcow2_cache_flush);

struct QcCache {
    QcowState *s;
    size_t entry_size;
    int load_event, update_event; /* for blkdebug */
    unsigned n;
    QcTable *tables;
    Mutex lock;
    CoQueue loaded; /* woken when a table has been read */
    QcTable **bucket;
    unsigned bucket_mask;
    unsigned hand; /* where the search for room goes on */
    uint64_t clock, clean_mark;
    unsigned n_dirty;
    QcTable *dirty; /* and some that are clean again */
    /* s->lock */
    QcCache *depends;
    bool depends_on_data;
};

QcCache *qc_cache_new(QcowState *s, size_t entry_size, unsigned entries,
                      int load_event, int update_event)
{
    QcCache *c = g_new0(QcCache, 1);

    c->s = s;
    c->load_event = load_event;
    c->update_event = update_event;
    c->entry_size = entry_size;
    c->n = entries;
    c->tables = g_new0(QcTable, entries);
    c->bucket_mask = 15;
    while (c->bucket_mask < entries) {
        c->bucket_mask = c->bucket_mask * 2 + 1;
    }
    c->bucket = g_new0(QcTable *, c->bucket_mask + 1);
    mutex_init(&c->lock);
    co_queue_init(&c->loaded);
    return c;
}

void qc_cache_free(QcCache *c)
{
    if (!c) {
        return;
    }
    for (unsigned i = 0; i < c->n; i++) {
        assert(!c->tables[i].refs);
        free(c->tables[i].data);
    }
    mutex_destroy(&c->lock);
    g_free(c->bucket);
    g_free(c->tables);
    g_free(c);
}

static QcTable **bucket_of(QcCache *c, uint64_t offset)
{
    uint64_t x = offset / c->entry_size;

    return &c->bucket[(x ^ (x >> 7) ^ (x >> 15)) & c->bucket_mask];
}

static QcTable *find_locked(QcCache *c, uint64_t offset)
{
    QcTable *t = *bucket_of(c, offset);

    while (t && t->offset != offset) {
        t = t->next;
    }
    return t;
}

static void unhash(QcCache *c, QcTable *t)
{
    QcTable **p = bucket_of(c, t->offset);

    while (*p != t) {
        p = &(*p)->next;
    }
    *p = t->next;
    t->offset = 0;
}

static void rehash(QcCache *c, QcTable *t, uint64_t offset)
{
    QcTable **p = bucket_of(c, offset);

    t->offset = offset;
    t->next = *p;
    *p = t;
}

/* A clean, unused table that was not used lately ("second chance"). */
static QcTable *victim_locked(QcCache *c)
{
    for (unsigned i = 0; i < 2 * c->n; i++) {
        QcTable *t = &c->tables[c->hand];

        c->hand = (c->hand + 1) % c->n;
        if (t->refs || t->dirty) {
            continue;
        }
        if (!t->offset || !t->recent) {
            return t;
        }
        t->recent = false;
    }
    return NULL;
}

static int coroutine_fn load(QcCache *c, QcTable *t, bool fresh)
{
    if (fresh) {
        memset(t->data, 0, c->entry_size);
        return 0;
    }
    qc_event(c->s, c->load_event);
    return node_pread(c->s->n->file->node, t->offset, c->entry_size, t->data);
}

/* Nothing clean to be had: write out the dirty ones. */
static int coroutine_fn make_room(QcCache *c, bool locked)
{
    int ret;

    if (!locked) {
        co_mutex_lock(&c->s->lock);
    }
    ret = qc_cache_flush(c);
    if (!locked) {
        co_mutex_unlock(&c->s->lock);
    }
    return ret;
}

static bool has_dirty_unused_locked(QcCache *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->tables[i].dirty && !c->tables[i].refs) {
            return true;
        }
    }
    return false;
}

int coroutine_fn qc_cache_get(QcCache *c, uint64_t offset, bool fresh,
                              bool locked, QcTable **table)
{
    QcTable *t;
    int ret;

    trace(qcow2_cache_get, "cache %p offset 0x%" PRIx64 " read_from_disk %d", c,
          offset, !fresh);
    mutex_lock(&c->lock);
    while ((t = find_locked(c, offset)) ? t->loading
                                        : !(t = victim_locked(c))) {
        if (t || !has_dirty_unused_locked(c)) {
            /* Being read, or all in use: someone will be done with it. */
            co_queue_wait(&c->loaded, &c->lock);
            continue;
        }
        mutex_unlock(&c->lock);
        ret = make_room(c, locked);
        if (ret < 0) {
            return ret;
        }
        mutex_lock(&c->lock);
    }
    t->refs++;
    t->recent = true;
    t->used = ++c->clock;
    *table = t;
    if (t->offset == offset && !fresh) {
        mutex_unlock(&c->lock);
        return 0;
    }
    if (t->offset != offset) {
        if (t->offset) {
            unhash(c, t);
        }
        rehash(c, t, offset);
    }
    t->loading = true;
    mutex_unlock(&c->lock);
    if (!t->data) {
        t->data = node_alloc(c->s->n->file->node, c->entry_size);
    }
    ret = t->data ? load(c, t, fresh) : -ENOMEM;
    mutex_lock(&c->lock);
    t->loading = false;
    if (ret < 0) {
        t->refs--;
        unhash(c, t);
    }
    co_queue_wake_all(&c->loaded);
    mutex_unlock(&c->lock);
    return ret;
}

void qc_cache_put(QcCache *c, QcTable *t)
{
    mutex_lock(&c->lock);
    assert(t->refs);
    if (!--t->refs && !co_queue_empty(&c->loaded)) {
        co_queue_wake_all(&c->loaded);
    }
    mutex_unlock(&c->lock);
}

void qc_cache_dirty(QcCache *c, QcTable *t)
{
    mutex_lock(&c->lock);
    c->n_dirty += !t->dirty;
    t->dirty = true;
    if (!t->listed) {
        t->listed = true;
        t->next_dirty = c->dirty;
        c->dirty = t;
    }
    mutex_unlock(&c->lock);
}

/* Writing out
 * ------------------------------------------------------------------ */

static int coroutine_fn flush_before(QcCache *c)
{
    int ret = 0;

    if (c->depends) {
        ret = qc_cache_flush(c->depends);
    }
    if (ret >= 0 && c->depends_on_data && c->s->data_file) {
        ret = node_flush(c->s->data_file->node);
    }
    if (ret >= 0 && (c->depends || c->depends_on_data)) {
        ret = node_flush(c->s->n->file->node);
    }
    if (ret >= 0) {
        c->depends = NULL;
        c->depends_on_data = false;
    }
    return ret;
}

/* The next dirty table, referenced, so that nobody replaces it; or NULL. */
static QcTable *next_dirty(QcCache *c)
{
    QcTable *t;

    mutex_lock(&c->lock);
    while ((t = c->dirty) && !t->dirty) {
        c->dirty = t->next_dirty;
        t->listed = false;
    }
    if (t) {
        t->refs++;
    }
    mutex_unlock(&c->lock);
    return t;
}

static int coroutine_fn write_table(QcCache *c, QcTable *t, unsigned flags)
{
    /* What the table is itself, is no damage. */
    unsigned own = c == c->s->l2c
                       ? QC_OVERLAP_ACTIVE_L2 | QC_OVERLAP_INACTIVE_L2
                       : QC_OVERLAP_REFBLOCKS;
    int ret = qc_check_overlap(c->s, own, t->offset, c->entry_size);

    if (ret >= 0) {
        qc_event(c->s, c->update_event);
        ret = node_pwrite(c->s->n->file->node, t->offset, c->entry_size,
                          t->data, flags);
    }
    mutex_lock(&c->lock);
    if (ret >= 0) {
        t->dirty = false;
        c->n_dirty--;
    }
    mutex_unlock(&c->lock);
    qc_cache_put(c, t);
    return ret;
}

static int coroutine_fn flush(QcCache *c, unsigned flags)
{
    QcTable *t;
    int ret;

    if (!c->n_dirty) {
        return 0;
    }
    trace(qcow2_cache_flush, "cache %p dirty %u", c, (unsigned)c->n_dirty);
    ret = flush_before(c);
    while (ret >= 0 && (t = next_dirty(c))) {
        ret = write_table(c, t, flags);
    }
    return ret;
}

int coroutine_fn qc_cache_flush(QcCache *c)
{
    return flush(c, 0);
}

int coroutine_fn qc_cache_flush_durable(QcCache *c)
{
    enum { FEW = 4 }; /* each costs about as much as a flush of the file */
    int ret;

    if (c->n_dirty <= FEW) {
        return flush(c, BLK_REQ_FUA);
    }
    ret = flush(c, 0);
    return ret < 0 ? ret : node_flush(c->s->n->file->node);
}

int coroutine_fn qc_cache_depend(QcCache *c, QcCache *dep)
{
    if (dep->depends == c) {
        /* The other way round so far: settle that first, or leave it. Both
         * at once would have no end. */
        int ret = qc_cache_flush(dep);

        if (ret < 0) {
            return ret;
        }
        dep->depends = NULL;
    }
    c->depends = dep;
    return 0;
}

void qc_cache_depend_on_data(QcCache *c)
{
    c->depends_on_data = true;
}

static void forget_locked(QcCache *c, QcTable *t)
{
    c->n_dirty -= t->dirty;
    t->dirty = false;
    if (!t->refs) {
        unhash(c, t);
    }
}

void qc_cache_forget(QcCache *c, uint64_t offset, uint64_t bytes)
{
    mutex_lock(&c->lock);
    for (uint64_t at = offset; at < offset + bytes; at += c->entry_size) {
        QcTable *t = at ? find_locked(c, at) : NULL;

        if (t) {
            forget_locked(c, t);
        }
    }
    mutex_unlock(&c->lock);
}

void qc_cache_clean(QcCache *c)
{
    mutex_lock(&c->lock);
    for (unsigned i = 0; i < c->n; i++) {
        QcTable *t = &c->tables[i];

        if (t->data && !t->refs && !t->dirty && t->used <= c->clean_mark) {
            if (t->offset) {
                unhash(c, t);
            }
            free(t->data);
            t->data = NULL;
        }
    }
    c->clean_mark = c->clock;
    mutex_unlock(&c->lock);
}
