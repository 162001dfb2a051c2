/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing compressed clusters to qcow2. Streams follow one another in host
 * clusters, whose counts tell how many streams touch them. Compressing runs on
 * worker threads; the lock is held only to find room and to link.
 * Spec: the qcow2 specification, section Compressed Clusters Descriptor.
 */
#include "util/osdep.h"

#include "block/compress.h"
#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

/* Room
 * -------------------------------------------------------------------------- */

/* One more user for the cluster at @offset; false: no room in its count. */
static bool coroutine_fn share_cluster(QcowState *s, uint64_t offset)
{
    return qc_refcount_change(s, offset, 1, true, false) >= 0;
}

/* s->lock held: @len bytes, at most a cluster. Offset or -errno. */
static int64_t coroutine_fn find_room(QcowState *s, int64_t len)
{
    int64_t at = s->free_byte, got, host;
    int64_t left = at ? s->cluster_size - qc_into_cluster(s, at) : 0;

    qc_event(s, BLKDEBUG_EVENT_CLUSTER_ALLOC_BYTES);
    if (left >= len && share_cluster(s, at)) {
        s->free_byte = left == len ? 0 : at + len;
        return at;
    }
    host = qc_alloc(s, s->cluster_size, true, &got);
    if (host < 0) {
        return host;
    }
    /* The next one follows directly: the stream may lie across both. */
    if (s->free_byte && left < len && host == at + left &&
        share_cluster(s, at)) {
        host = at;
    }
    s->free_byte = host + len;
    if (!qc_into_cluster(s, s->free_byte)) {
        s->free_byte = 0;
    }
    return host;
}

/* Writing
 * ------------------------------------------------------------------------ */

typedef struct Compress {
    uint8_t type;
    const void *in;
    void *out;
    size_t in_len, out_len;
    size_t len; /* of the stream; 0: does not become smaller */
} Compress;

static int compress_worker(void *opaque)
{
    Compress *c = opaque;
    Error *err = NULL;
    const CompressOps *ops = compress_ops(&err);

    if (!ops) {
        error_report_err(err);
        return -EIO;
    }
    c->len = (c->type == QC_COMPRESSION_ZSTD
                  ? ops->zstd
                  : ops->deflate)(c->out, c->out_len, c->in, c->in_len);
    return 0;
}

/* s->lock held: what the entry of the cluster must not be. */
static int coroutine_fn check_unused(QcowState *s, int64_t offset)
{
    QcMap map;
    int ret = qc_map(s, offset, s->cluster_size, true, &map);

    if (ret >= 0 &&
        ((map.type != QC_TYPE_UNALLOCATED && map.type != QC_TYPE_ZERO) ||
         map.bytes < s->cluster_size)) {
        ret = -EIO;
    }
    return ret;
}

static int coroutine_fn link_stream(QcowState *s, int64_t offset, int64_t host,
                                    int64_t len)
{
    unsigned x = 62 - (s->cluster_bits - 8), index;
    uint64_t sectors = (host + len - 1) / 512 - host / 512;
    QcTable *slice;
    int ret = qc_l2_for_write(s, offset, &slice, &index);

    if (ret < 0) {
        return ret;
    }
    qc_event(s, BLKDEBUG_EVENT_L2_UPDATE_COMPRESSED);
    ret = s->lazy ? 0 : qc_cache_depend(s->l2c, s->rbc);
    if (ret >= 0) {
        qc_l2_store(s, slice, index,
                    (QcEntry){ QC_COMPRESSED | sectors << x | host, 0 });
        qc_cache_dirty(s->l2c, slice);
    }
    qc_cache_put(s->l2c, slice);
    return ret;
}

static int coroutine_fn write_stream(QcowState *s, int64_t offset,
                                     const void *data, int64_t len)
{
    int64_t host = 0;
    QcAlloc alloc;
    int ret;

    co_mutex_lock(&s->lock);
    while (qc_wait_allocs(s, offset, s->cluster_size)) {
        /* look again */
    }
    ret = check_unused(s, offset);
    if (ret >= 0) {
        host = find_room(s, len);
        ret = MIN(host, 0);
    }
    if (ret >= 0 && (uint64_t)host >> (62 - (s->cluster_bits - 8))) {
        qc_free(s, host, len, false);
        ret = -EFBIG; /* the entry has no bits for it */
    }
    if (ret >= 0) {
        ret = qc_check_overlap(s, 0, host, len);
    }
    if (ret < 0) {
        co_mutex_unlock(&s->lock);
        return ret;
    }
    qc_alloc_begin(s, &alloc, offset, s->cluster_size);
    co_mutex_unlock(&s->lock);
    qc_event(s, BLKDEBUG_EVENT_WRITE_COMPRESSED);
    ret = node_pwrite(s->n->file->node, host, len, data, 0);
    co_mutex_lock(&s->lock);
    if (ret >= 0) {
        ret = link_stream(s, offset, host, len);
    }
    if (ret < 0) {
        qc_free(s, host, len, false);
    }
    qc_alloc_end(s, &alloc);
    co_mutex_unlock(&s->lock);
    return ret;
}

int coroutine_fn qc_pwrite_compressed(BlockNode *n, int64_t offset,
                                      int64_t bytes, const void *buf)
{
    QcowState *s = n->state;
    g_autofree char *out = NULL, *padded = NULL;
    Compress c = { .type = s->h.compression,
                   .in = buf,
                   .in_len = s->cluster_size,
                   .out_len = s->cluster_size - 1 };
    int ret;

    if (__atomic_load_n(&s->corrupt, __ATOMIC_RELAXED)) {
        return -EIO;
    }
    if (s->external || s->h.crypt_method) {
        return -ENOTSUP;
    }
    if (qc_into_cluster(s, offset) || bytes > s->cluster_size ||
        (bytes < s->cluster_size && offset + bytes != node_length(n))) {
        return -EINVAL;
    }
    out = g_try_malloc(c.out_len);
    if (bytes < s->cluster_size) {
        padded = g_try_malloc0(s->cluster_size);
        c.in = padded;
    }
    if (!out || !c.in) {
        return -ENOMEM;
    }
    if (padded) {
        memcpy(padded, buf, bytes);
    }
    c.out = out;
    ret = thread_pool_run_co(compress_worker, &c);
    if (ret < 0) {
        return ret;
    }
    return c.len ? write_stream(s, offset, out, c.len)
                 : node_pwrite(n, offset, bytes, buf, 0);
}
