/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading from qcow2: by kind of cluster; also what block status tells. */
#include "util/osdep.h"

#include "block/compress.h"
#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"

/* Compressed clusters
 * ------------------------------------------------------------- */

uint64_t qc_compressed_extent(const QcowState *s, uint64_t entry,
                              uint64_t *offset)
{
    unsigned x = 62 - (s->cluster_bits - 8);
    uint64_t sectors = ((entry >> x) & (BIT(62 - x) - 1)) + 1;

    *offset = entry & (BIT(x) - 1);
    return sectors * 512 - (*offset & 511);
}

typedef struct Decompress {
    uint8_t type;
    void *out;
    size_t out_len;
    const void *in;
    size_t in_len;
} Decompress;

static int decompress_worker(void *opaque)
{
    Decompress *d = opaque;
    Error *err = NULL;
    const CompressOps *ops = compress_ops(&err);
    bool ok;

    if (!ops) {
        error_report_err(err);
        return -EIO;
    }
    ok = (d->type == QC_COMPRESSION_ZSTD
              ? ops->unzstd
              : ops->inflate)(d->out, d->out_len, d->in, d->in_len);
    return ok ? 0 : -EIO;
}

int coroutine_fn qc_read_compressed(QcowState *s, uint64_t entry, void *buf)
{
    uint64_t offset, len = qc_compressed_extent(s, entry, &offset);
    void *in = g_try_malloc(len);
    Decompress d = { s->h.compression, buf, s->cluster_size, in, len };
    int ret;

    if (!in) {
        return -ENOMEM;
    }
    qc_event(s, BLKDEBUG_EVENT_READ_COMPRESSED);
    ret = node_pread(s->n->file->node, offset, len, in);
    if (ret >= 0) {
        ret = thread_pool_run_co(decompress_worker, &d);
    }
    g_free(in);
    return ret;
}

static int coroutine_fn read_part_compressed(QcowState *s, uint64_t entry,
                                             int64_t into, int64_t bytes,
                                             const IoVec *iov,
                                             size_t iov_offset)
{
    void *buf = g_try_malloc(s->cluster_size);
    int ret;

    if (!buf) {
        return -ENOMEM;
    }
    ret = qc_read_compressed(s, entry, buf);
    if (ret >= 0) {
        iov_from_buf(iov, iov_offset, (char *)buf + into, bytes);
    }
    g_free(buf);
    return ret;
}

/* Reads
 * ------------------------------------------------------------------------------
 */

static int coroutine_fn read_mapped(BlockNode *n, const QcMap *map,
                                    int64_t offset, const IoVec *iov,
                                    size_t iov_offset)
{
    QcowState *s = n->state;

    switch (map->type) {
    case QC_TYPE_NORMAL:
        qc_event(s, BLKDEBUG_EVENT_READ_AIO);
        return qc_data_read(s, map->host, offset, map->bytes, iov, iov_offset);
    case QC_TYPE_COMPRESSED:
        return read_part_compressed(s, map->host, qc_into_cluster(s, offset),
                                    map->bytes, iov, iov_offset);
    case QC_TYPE_UNALLOCATED:
    case QC_TYPE_UNALLOCATED_HOST:
        if (qc_has_backing(s, offset)) {
            qc_event(s, BLKDEBUG_EVENT_READ_BACKING_AIO);
            return node_preadv(n->backing->node, offset, map->bytes, iov,
                               iov_offset, 0);
        }
        FALLTHROUGH;
    default:
        iov_memset(iov, iov_offset, 0, map->bytes);
        return 0;
    }
}

int coroutine_fn qc_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                           const IoVec *iov, size_t iov_offset, unsigned flags)
{
    QcowState *s = n->state;
    int ret = 0;

    while (bytes && ret >= 0) {
        int epoch = co_epoch_enter(&s->epoch);
        QcMap map;

        ret = qc_map(s, offset, bytes, false, &map);
        if (ret >= 0) {
            ret = read_mapped(n, &map, offset, iov, iov_offset);
        }
        co_epoch_leave(&s->epoch, epoch);
        if (ret < 0) {
            break;
        }
        offset += map.bytes;
        iov_offset += map.bytes;
        bytes -= map.bytes;
    }
    return ret;
}

/* Status
 * ---------------------------------------------------------------------------
 */

static int status_of(BlockNode *n, const QcMap *map, int64_t *host,
                     BlockNode **file)
{
    QcowState *s = n->state;

    switch (map->type) {
    case QC_TYPE_UNALLOCATED:
        return n->backing ? 0 : BLK_STATUS_ZERO;
    case QC_TYPE_UNALLOCATED_HOST:
        *host = map->host;
        *file = qc_data_node(s);
        return BLK_STATUS_OFFSET | (n->backing ? 0 : BLK_STATUS_ZERO);
    case QC_TYPE_ZERO:
        return BLK_STATUS_ZERO | BLK_STATUS_ALLOCATED;
    case QC_TYPE_COMPRESSED:
        return BLK_STATUS_DATA | BLK_STATUS_ALLOCATED | BLK_STATUS_COMPRESSED;
    case QC_TYPE_ZERO_ALLOC:
        *host = map->host;
        *file = qc_data_node(s);
        return BLK_STATUS_ZERO | BLK_STATUS_OFFSET | BLK_STATUS_ALLOCATED;
    default:
        *host = map->host;
        *file = qc_data_node(s);
        return BLK_STATUS_DATA | BLK_STATUS_OFFSET | BLK_STATUS_ALLOCATED;
    }
}

/* Much of the file takes no space: clusters were allocated but not written,
 * and it pays to ask the file about zeroes. */
static bool has_holes(const QcowState *s)
{
    BlockNode *file = s->n->file->node;
    int64_t real = node_allocated_size(file) >> s->cluster_bits;
    int64_t all = DIV_ROUND_UP(node_length(file), s->cluster_size);

    return real >= 0 && all >= MAX(real + real / 9, real + 2);
}

/* An estimate, as old as so many questions: each asks the host. */
static bool coroutine_fn worth_asking_file(QcowState *s)
{
    enum { EVERY = 32 };
    unsigned n = __atomic_fetch_add(&s->holes_asked, 1, __ATOMIC_RELAXED);

    if (!(n % EVERY)) {
        __atomic_store_n(&s->file_has_holes, has_holes(s), __ATOMIC_RELAXED);
    }
    return __atomic_load_n(&s->file_has_holes, __ATOMIC_RELAXED);
}

int coroutine_fn qc_block_status(BlockNode *n, bool want_zero, int64_t offset,
                                 int64_t bytes, int64_t *pnum, int64_t *host,
                                 BlockNode **file)
{
    QcowState *s = n->state;
    int epoch = co_epoch_enter(&s->epoch);
    QcMap map;
    int ret = qc_map(s, offset, bytes, false, &map);

    co_epoch_leave(&s->epoch, epoch);
    *file = NULL;
    *host = 0;
    if (ret < 0) {
        return ret;
    }
    *pnum = map.bytes;
    ret = status_of(n, &map, host, file);
    if (s->h.crypt_method) {
        /* What lies there is not what is read from there. */
        *file = NULL;
        ret &= ~BLK_STATUS_OFFSET;
    } else if (want_zero && map.type == QC_TYPE_NORMAL &&
               worth_asking_file(s)) {
        ret |= BLK_STATUS_RECURSE;
    }
    return ret;
}
