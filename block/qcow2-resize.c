/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing the virtual size of a qcow2 image. No requests are under way. */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

int coroutine_fn qc_size_write(QcowState *s, uint64_t size)
{
    uint64_t raw = htobe64(size);
    int ret = node_pwrite(s->n->file->node, 24, 8, &raw, 0);

    if (ret >= 0) {
        ret = node_flush(s->n->file->node);
    }
    if (ret >= 0) {
        s->h.size = size;
    }
    return ret;
}

static int coroutine_fn write_l1(QcowState *s, uint32_t size, uint64_t offset)
{
    struct __attribute__((packed)) {
        uint32_t size;
        uint64_t offset;
    } field = { htobe32(size), htobe64(offset) };
    int ret;

    qc_event(s, BLKDEBUG_EVENT_L1_GROW_WRITE_TABLE);
    ret = qc_table_write(s, offset, size, s->l1);
    if (ret >= 0) {
        ret = qc_cache_flush(s->rbc);
    }
    if (ret >= 0) {
        ret = node_flush(s->n->file->node);
    }
    if (ret >= 0) {
        /* l1_size and l1_table_offset, in one write */
        qc_event(s, BLKDEBUG_EVENT_L1_GROW_ACTIVATE_TABLE);
        ret = node_pwrite(s->n->file->node, 36, sizeof(field), &field, 0);
    }
    return ret < 0 ? ret : node_flush(s->n->file->node);
}

int qc_l1_reserve(QcowState *s, uint64_t n)
{
    uint64_t *l1;

    if (n * 8 > QC_MAX_L1_BYTES) {
        return -EFBIG;
    }
    if (n <= s->h.l1_size) {
        return 0;
    }
    /* Not a second table beside it: it may be long. */
    l1 = g_try_realloc(s->l1, n * sizeof(*l1));
    if (!l1) {
        return -ENOMEM;
    }
    memset(l1 + s->h.l1_size, 0, (n - s->h.l1_size) * sizeof(*l1));
    s->l1 = l1;
    return 0;
}

int coroutine_fn qc_l1_grow(QcowState *s, uint64_t need)
{
    int64_t bytes = ALIGN_UP(need * 8, (uint64_t)s->cluster_size), got;
    uint64_t old_offset = s->h.l1_offset, old_bytes = s->h.l1_size * 8;
    int64_t offset;
    int ret = qc_l1_reserve(s, need);

    if (ret < 0) {
        return ret;
    }
    qc_event(s, BLKDEBUG_EVENT_L1_GROW_ALLOC_TABLE);
    offset = qc_alloc(s, bytes, true, &got);
    if (offset < 0) {
        return offset;
    }
    ret = write_l1(s, need, offset);
    if (ret < 0) {
        qc_free(s, offset, bytes, false);
        return ret;
    }
    s->h.l1_size = need;
    s->h.l1_offset = offset;
    qc_free(s, old_offset, old_bytes, false);
    return 0;
}

int coroutine_fn qc_l1_cover(QcowState *s, uint64_t size)
{
    uint64_t need = DIV_ROUND_UP(size, BIT(s->l2_bits + s->cluster_bits));
    int ret = 0;

    co_mutex_lock(&s->lock);
    if (need > s->h.l1_size) {
        ret = qc_l1_grow(s, need);
    }
    co_mutex_unlock(&s->lock);
    return ret;
}

/* The backing file must not shine through where the image was shorter, nor
 * when it grows. */
static int coroutine_fn hide_backing(BlockNode *n, int64_t old, int64_t size)
{
    return n->backing && node_length(n->backing->node) > old
               ? node_pwrite_zeroes(n, old, size - old, 0)
               : 0;
}

/* Has the subcluster there anything that the backing file has not? */
static bool coroutine_fn has_own(QcowState *s, int64_t offset)
{
    QcMap map;
    int ret;

    co_mutex_lock(&s->lock);
    ret = qc_map(s, offset, 1, true, &map);
    co_mutex_unlock(&s->lock);
    return ret < 0 || (map.type != QC_TYPE_UNALLOCATED &&
                       map.type != QC_TYPE_UNALLOCATED_HOST);
}

static int coroutine_fn shrink(BlockNode *n, int64_t old, int64_t size)
{
    QcowState *s = n->state;
    int64_t from = ALIGN_UP(size, s->cluster_size), end = MIN(from, old);
    int64_t part = MIN(ALIGN_UP(size, (int64_t)s->sub_size), end);
    int ret = 0;

    /* What comes back by growing again must be zero. */
    if (size < part && has_own(s, size)) {
        ret = node_pwrite_zeroes(n, size, part - size, 0);
    }
    if (ret >= 0 && part < end) {
        ret = node_pwrite_zeroes(n, part, end - part, 0);
    }
    if (ret >= 0 && from < old) {
        ret = qc_drop(n, from, ALIGN_UP(old, s->cluster_size) - from);
    }
    return ret;
}

/* What is a raw image itself may have more than the image, as in 7.2. */
static bool coroutine_fn grow_data_file(const QcowState *s, int64_t size,
                                        bool exact, Error **errp)
{
    BlockNode *data = s->data_file->node;

    return (s->raw_data && node_length(data) >= size) ||
           node_truncate(data, size, exact, errp);
}

bool coroutine_fn qc_truncate(BlockNode *n, int64_t size, bool exact,
                              Error **errp)
{
    QcowState *s = n->state;
    int64_t old = s->h.size;
    int ret;

    if (size & 511) {
        return error_set(errp, "The new size must be a multiple of 512");
    }
    if (s->h.nb_snapshots && s->h.version < 3) {
        return error_set(errp, "Can't resize a v2 image which has snapshots");
    }
    if (s->external && size > old && !grow_data_file(s, size, exact, errp)) {
        return false;
    }
    if (!qc_bitmaps_can_resize(n, errp)) {
        return false;
    }
    if (size < old) {
        ret = shrink(n, old, size);
        if (ret >= 0) {
            ret = qc_size_write(s, size);
        }
    } else {
        ret = qc_l1_cover(s, size);
        if (ret >= 0) {
            /* Zeroes are in place before the size makes them visible. */
            ret = hide_backing(n, old, size);
        }
        if (ret >= 0 && s->raw_data) {
            ret = qc_preallocate(n, ALIGN_UP(old, s->cluster_size), size,
                                 BLOCK_PREALLOC_METADATA);
        }
        if (ret >= 0) {
            ret = node_flush(n);
        }
        if (ret >= 0) {
            ret = qc_size_write(s, size);
        }
    }
    if (ret < 0) {
        return error_errno(errp, -ret, "Failed to resize the image");
    }
    /* A device stays as long as it is. */
    return !s->external || size > old ||
           node_truncate(s->data_file->node, size, false, errp);
}
