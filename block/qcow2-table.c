/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of big-endian 64-bit entries in qcow2 images, in pieces: a table may
 * have megabytes of entries that are zero, for which no memory is used.
 */
#include "util/osdep.h"

#include "block/qcow2.h"

/* Entries that are read at once: few enough to stay in the nearest cache. */
#define READ_PIECE ((uint64_t)2048)

int coroutine_fn qc_table_read_used(QcowState *s, uint64_t offset, uint64_t n,
                                    uint64_t *table, uint64_t *used)
{
    g_autofree uint64_t *raw = g_try_new(uint64_t, CLAMP(n, 1, READ_PIECE));
    int ret = raw ? 0 : -ENOMEM;

    *used = 0;
    for (uint64_t at = 0; at < n && ret >= 0; at += READ_PIECE) {
        uint64_t len = MIN(n - at, READ_PIECE);

        ret = node_pread(s->n->file->node, offset + at * 8, len * 8, raw);
        if (ret < 0 || buffer_is_zero(raw, len * 8)) {
            continue;
        }
        for (uint64_t i = 0; i < len; i++) {
            if (raw[i]) {
                table[at + i] = be64toh(raw[i]);
                *used = at + i + 1;
            }
        }
    }
    return ret;
}

int coroutine_fn qc_table_read(QcowState *s, uint64_t offset, uint64_t n,
                               uint64_t *table)
{
    uint64_t used;

    return qc_table_read_used(s, offset, n, table, &used);
}

int coroutine_fn qc_table_write(QcowState *s, uint64_t offset, uint64_t n,
                                const uint64_t *table)
{
    g_autofree uint64_t *raw =
        g_try_new(uint64_t, CLAMP(n, 1, (uint64_t)QC_TABLE_PIECE));
    int ret = raw ? 0 : -ENOMEM;

    for (uint64_t at = 0; at < n && ret >= 0; at += QC_TABLE_PIECE) {
        uint64_t len = MIN(n - at, (uint64_t)QC_TABLE_PIECE);

        for (uint64_t i = 0; i < len; i++) {
            raw[i] = htobe64(table[at + i]);
        }
        ret = node_pwrite(s->n->file->node, offset + at * 8, len * 8, raw, 0);
    }
    return ret;
}
