/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty bitmaps in qcow2 images: what their files share. s->lock is held
 * where nothing else is said. */
#ifndef BLOCK_QCOW2_BITMAP_H
#define BLOCK_QCOW2_BITMAP_H

#include "block/qcow2.h"

enum {
    QC_BITMAP_IN_USE = 1,
    QC_BITMAP_AUTO = 2,
    QC_BITMAP_EXTRA = 4, /* extra data that need not be understood */
    QC_BITMAP_KNOWN = 7,
};

#define QC_BITMAP_MIN_BITS  9
#define QC_BITMAP_MAX_BITS  31
#define QC_BITMAP_MAX_NAME  1023
#define QC_BITMAP_MAX_BYTES (512 * MiB)
#define QC_BITMAP_MAX_TABLE (128 * MiB)
/* Of one image's bitmaps together, in memory. */
#define QC_BITMAPS_MAX_BYTES (GiB)

/* An entry of the directory. */
typedef struct QcBitmap {
    char *name;
    uint64_t table_offset;
    uint32_t table_entries;
    uint32_t flags;
    uint8_t granularity_bits;
    uint32_t extra_size;
    void *extra;
} QcBitmap;

void qc_bitmap_free(QcBitmap *b);

static inline GPtrArray *qc_bitmap_list_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)qc_bitmap_free);
}

/* Clusters of a bitmap of @bytes. */
uint64_t qc_bitmap_table_entries(const QcowState *s, uint64_t bytes);
/* The directory: QcBitmap *, freed with the array; NULL when it is broken. */
GPtrArray *coroutine_fn qc_bitmaps_read(QcowState *s, Error **errp);
/* Make @list the directory; the old one's clusters are freed. The tables may
 * still be on their way to the disk. 0 or -errno. */
int coroutine_fn qc_bitmaps_write(QcowState *s, const GPtrArray *list);
/* The directory in place, of which only flags have changed. */
int coroutine_fn qc_bitmaps_write_flags(QcowState *s, const GPtrArray *list);
/* The table of @b in host byte order; every entry is checked. Free with
 * g_free(). 0 or -errno. */
int coroutine_fn qc_bitmap_read_table(QcowState *s, const QcBitmap *b,
                                      uint64_t **table);

/* Control code. */
bool qc_bitmap_can_store(BlockNode *n, const char *name, uint32_t granularity,
                         Error **errp);
bool coroutine_fn qc_bitmap_remove(BlockNode *n, const char *name,
                                   Error **errp);

#endif
