/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of a qcow2 image's internal snapshots: read, written, listed.
 * Spec: the qcow2 specification, section Snapshots.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

#define MAX_EXTRA 1024
/* Also in memory: 65536 snapshots with names of 150 letters. */
#define MAX_TABLE ((uint64_t)(16 * MiB))

typedef struct __attribute__((packed)) RawSnapshot {
    uint64_t l1_offset;
    uint32_t l1_size;
    uint16_t id_size, name_size;
    uint32_t date_sec, date_nsec;
    uint64_t vm_clock;
    uint32_t vm_state_size, extra_size;
} RawSnapshot;

/* The start of the extra data. */
typedef struct __attribute__((packed)) RawExtra {
    uint64_t vm_state_size, disk_size, icount;
} RawExtra;

void qc_snapshot_free(QcSnapshot *sn)
{
    g_free(sn->id);
    g_free(sn->name);
    g_free(sn->extra);
    g_free(sn);
}

/* Read
 * ---------------------------------------------------------------------------
 */

static void decode(QcSnapshot *sn, const RawSnapshot *raw, uint64_t size)
{
    RawExtra extra = { .icount = UINT64_MAX };

    memcpy(&extra, sn->extra, MIN(sn->extra_size, sizeof(extra)));
    sn->l1_offset = be64toh(raw->l1_offset);
    sn->l1_size = be32toh(raw->l1_size);
    sn->date_sec = be32toh(raw->date_sec);
    sn->date_nsec = be32toh(raw->date_nsec);
    sn->vm_clock_nsec = be64toh(raw->vm_clock);
    sn->vm_state_size = sn->extra_size >= 8 ? be64toh(extra.vm_state_size)
                                            : be32toh(raw->vm_state_size);
    sn->disk_size = sn->extra_size >= 16 ? be64toh(extra.disk_size) : size;
    sn->icount = sn->extra_size >= 24 ? be64toh(extra.icount) : UINT64_MAX;
}

static int coroutine_fn read_bytes(QcowState *s, uint64_t *at, size_t len,
                                   void **out)
{
    int ret;

    *out = g_malloc0(len + 1);
    ret = len ? node_pread(s->n->file->node, *at, len, *out) : 0;
    *at += len;
    return ret;
}

/* A name of @len bytes on disk may be a short one in memory. */
static int coroutine_fn read_name(QcowState *s, uint64_t *at, size_t len,
                                  char **out)
{
    g_autofree char *text = NULL;
    int ret = read_bytes(s, at, len, (void **)&text);

    *out = g_strdup(text);
    return ret;
}

/* NULL: broken or unreadable. */
static QcSnapshot *coroutine_fn read_entry(QcowState *s, uint64_t at)
{
    g_autofree QcSnapshot *sn = g_new0(QcSnapshot, 1);
    uint64_t start = at, length = node_length(s->n->file->node);
    RawSnapshot raw;
    int ret;

    /* A short file must not make us look for thousands of entries. */
    if (at + sizeof(raw) > ALIGN_UP(length, (uint64_t)s->cluster_size)) {
        return NULL;
    }
    ret = node_pread(s->n->file->node, at, sizeof(raw), &raw);
    at += sizeof(raw);
    sn->extra_size = be32toh(raw.extra_size);
    if (ret < 0 || sn->extra_size > MAX_EXTRA) {
        return NULL;
    }
    ret = read_bytes(s, &at, sn->extra_size, &sn->extra);
    if (ret >= 0) {
        ret = read_name(s, &at, be16toh(raw.id_size), &sn->id);
    }
    if (ret >= 0) {
        ret = read_name(s, &at, be16toh(raw.name_size), &sn->name);
    }
    if (ret < 0) {
        qc_snapshot_free(g_steal_pointer(&sn));
        return NULL;
    }
    decode(sn, &raw, s->h.size);
    sn->bytes = ALIGN_UP(at - start, 8);
    return g_steal_pointer(&sn);
}

GPtrArray *coroutine_fn qc_snapshots_read(QcowState *s, Error **errp)
{
    g_autoptr(GPtrArray) list =
        g_ptr_array_new_with_free_func((GDestroyNotify)qc_snapshot_free);
    uint64_t at = s->h.snapshots_offset;

    for (uint32_t i = 0; i < s->h.nb_snapshots; i++) {
        QcSnapshot *sn = read_entry(s, at);

        if (sn) {
            g_ptr_array_add(list, sn);
            at += sn->bytes;
        }
        if (!sn || at - s->h.snapshots_offset > MAX_TABLE) {
            error_set(errp, "Snapshot table entry %" PRIu32 " is broken", i);
            return NULL;
        }
    }
    return g_steal_pointer(&list);
}

/* Write
 * -------------------------------------------------------------------------- */

static void append(GByteArray *out, const void *data, size_t len)
{
    if (len) {
        g_byte_array_append(out, data, len);
    }
}

static void encode(GByteArray *out, const QcSnapshot *sn)
{
    static const guint8 zeroes[8];
    RawExtra extra = { htobe64(sn->vm_state_size), htobe64(sn->disk_size),
                       htobe64(sn->icount) };
    size_t extra_size = MAX(sn->extra_size, sizeof(extra));
    RawSnapshot raw = {
        .l1_offset = htobe64(sn->l1_offset),
        .l1_size = htobe32(sn->l1_size),
        .id_size = htobe16(strlen(sn->id)),
        .name_size = htobe16(strlen(sn->name)),
        .date_sec = htobe32(sn->date_sec),
        .date_nsec = htobe32(sn->date_nsec),
        .vm_clock = htobe64(sn->vm_clock_nsec),
        .vm_state_size =
            htobe32(sn->vm_state_size <= UINT32_MAX ? sn->vm_state_size : 0),
        .extra_size = htobe32(extra_size),
    };

    append(out, &raw, sizeof(raw));
    append(out, &extra, sizeof(extra));
    if (extra_size > sizeof(extra)) {
        append(out, (char *)sn->extra + sizeof(extra),
               extra_size - sizeof(extra));
    }
    append(out, sn->id, strlen(sn->id));
    append(out, sn->name, strlen(sn->name));
    append(out, zeroes, ALIGN_UP(out->len, 8) - out->len);
}

static int coroutine_fn write_table(QcowState *s, const GByteArray *table,
                                    uint64_t offset, uint32_t n)
{
    BlockNode *file = s->n->file->node;
    struct __attribute__((packed)) {
        uint32_t n;
        uint64_t offset;
    } field = { htobe32(n), htobe64(offset) };
    int ret = node_pwrite(file, offset, table->len, table->data, 0);

    if (ret >= 0) {
        ret = qc_cache_flush(s->rbc);
    }
    if (ret >= 0) {
        ret = node_flush(file);
    }
    if (ret >= 0) {
        /* nb_snapshots and snapshots_offset, in one write */
        ret = node_pwrite(file, 60, sizeof(field), &field, 0);
    }
    return ret < 0 ? ret : node_flush(file);
}

int coroutine_fn qc_snapshots_write(QcowState *s, const GPtrArray *list)
{
    g_autoptr(GByteArray) table = g_byte_array_new();
    /* None if they could not be read: its clusters leak. */
    uint64_t old_bytes = s->snapshots_bytes, old = s->h.snapshots_offset;
    int64_t offset = 0, got;
    int ret;

    for (guint i = 0; i < list->len; i++) {
        encode(table, list->pdata[i]);
    }
    if (list->len > QC_MAX_SNAPSHOTS || table->len > MAX_TABLE) {
        return -EFBIG;
    }
    if (table->len) {
        offset = qc_alloc(s, ALIGN_UP((int64_t)table->len, s->cluster_size),
                          true, &got);
    }
    if (offset < 0) {
        return offset;
    }
    ret = write_table(s, table, offset, list->len);
    if (ret < 0) {
        qc_free(s, offset, table->len, false);
        return ret;
    }
    s->h.nb_snapshots = list->len;
    s->h.snapshots_offset = offset;
    qc_overlap_set_snapshots(s, list);
    s->snapshots_bytes = table->len;
    qc_free(s, old, old_bytes, s->discard_snapshot);
    return 0;
}

/* List
 * ---------------------------------------------------------------------------
 */

static SnapshotInfo *describe(const QcSnapshot *sn)
{
    SnapshotInfo *info = g_new0(SnapshotInfo, 1);

    info->id = g_strdup(sn->id);
    info->name = g_strdup(sn->name);
    info->date_sec = sn->date_sec;
    info->date_nsec = sn->date_nsec;
    info->vm_clock_sec = sn->vm_clock_nsec / 1000000000;
    info->vm_clock_nsec = sn->vm_clock_nsec % 1000000000;
    info->vm_state_size = sn->vm_state_size;
    info->has_icount = sn->icount != UINT64_MAX;
    info->icount = info->has_icount ? sn->icount : 0;
    return info;
}

typedef struct ListJob {
    QcowState *s;
    SnapshotInfoList *list;
} ListJob;

static void coroutine_fn list_entry(void *opaque)
{
    ListJob *j = opaque;
    SnapshotInfoList **tail = &j->list;
    autoerr Error *err = NULL;
    g_autoptr(GPtrArray) all = qc_snapshots_read(j->s, &err);

    for (guint i = 0; all && i < all->len; i++) {
        QAPI_LIST_APPEND(tail, describe(all->pdata[i]));
    }
}

SnapshotInfoList *qc_snapshot_list(QcowState *s)
{
    ListJob j = { .s = s };

    block_run(list_entry, &j);
    return j.list;
}
