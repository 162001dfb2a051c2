/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of a qcow2 image's internal snapshots.
 * Spec: the qcow2 specification, section Snapshots.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"

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

typedef struct ReadList {
    QcowState *s;
    SnapshotInfoList *list;
} ReadList;

static SnapshotInfo *decode(const RawSnapshot *raw, const RawExtra *extra,
                            uint32_t extra_size)
{
    SnapshotInfo *info = g_new0(SnapshotInfo, 1);
    uint64_t clock = be64toh(raw->vm_clock);

    info->date_sec = be32toh(raw->date_sec);
    info->date_nsec = be32toh(raw->date_nsec);
    info->vm_clock_sec = clock / 1000000000;
    info->vm_clock_nsec = clock % 1000000000;
    info->vm_state_size = extra_size >= 8 ? be64toh(extra->vm_state_size)
                                          : be32toh(raw->vm_state_size);
    if (extra_size >= 24 && be64toh(extra->icount) != UINT64_MAX) {
        info->has_icount = true;
        info->icount = be64toh(extra->icount);
    }
    return info;
}

static char *coroutine_fn read_text(QcowState *s, uint64_t at, uint16_t len)
{
    char *text = g_malloc0((size_t)len + 1);

    return node_pread(s->n->file->node, at, len, text) < 0
               ? (g_free(text), NULL)
               : text;
}

/* Bytes of the entry at @at, or 0. */
static uint64_t coroutine_fn read_entry(QcowState *s, uint64_t at,
                                        SnapshotInfo **info)
{
    BlockNode *file = s->n->file->node;
    RawSnapshot raw;
    RawExtra extra = { 0 };
    uint64_t start = at;
    uint32_t more;

    if (node_pread(file, at, sizeof(raw), &raw) < 0) {
        return 0;
    }
    at += sizeof(raw);
    more = be32toh(raw.extra_size);
    if (more > 1024 ||
        node_pread(file, at, MIN(more, sizeof(extra)), &extra) < 0) {
        return 0;
    }
    at += more;
    *info = decode(&raw, &extra, more);
    (*info)->id = read_text(s, at, be16toh(raw.id_size));
    at += be16toh(raw.id_size);
    (*info)->name = read_text(s, at, be16toh(raw.name_size));
    at += be16toh(raw.name_size);
    if (!(*info)->id || !(*info)->name) {
        g_clear_pointer(info, qapi_free_SnapshotInfo);
        return 0;
    }
    return ALIGN_UP(at - start, 8);
}

static void coroutine_fn read_list(void *opaque)
{
    ReadList *r = opaque;
    QcowState *s = r->s;
    SnapshotInfoList **tail = &r->list;
    uint64_t at = s->h.snapshots_offset;

    for (uint32_t i = 0; i < s->h.nb_snapshots; i++) {
        SnapshotInfo *info = NULL;
        uint64_t len = read_entry(s, at, &info);

        if (!len || at + len - s->h.snapshots_offset > 64 * MiB) {
            qapi_free_SnapshotInfo(info);
            return;
        }
        QAPI_LIST_APPEND(tail, info);
        at += len;
    }
}

SnapshotInfoList *qc_snapshot_list(QcowState *s)
{
    ReadList r = { .s = s };

    block_run(read_list, &r);
    return r.list;
}
