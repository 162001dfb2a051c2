/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directory of a qcow2 image's dirty bitmaps: the header extension that
 * finds it, reading it with every field checked, writing it anew.
 * Spec: the qcow2 specification, sections Bitmaps extension and Bitmaps.
 */
#include "util/osdep.h"

#include "block/dirty-bitmap.h"
#include "block/qcow2-bitmap.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

#define MAX_BITMAPS   65535u
#define MAX_DIRECTORY (MAX_BITMAPS * UINT64_C(1024))
/* It is held in memory several times: 65535 with names of 100 letters. */
#define MAX_HELD      ((uint64_t)(8 * MiB))
#define TYPE_DIRTY    1

typedef struct __attribute__((packed)) RawExtension {
    uint32_t bitmaps, reserved;
    uint64_t directory_size, directory_offset;
} RawExtension;

/* Extra data and the name follow; the whole is padded to 8 bytes. */
typedef struct __attribute__((packed)) RawEntry {
    uint64_t table_offset;
    uint32_t table_size, flags;
    uint8_t type, granularity_bits;
    uint16_t name_size;
    uint32_t extra_size;
} RawEntry;

/* Header extension
 * ------------------------------------------------------------- */

/* Who wrote last did not know of them. */
static void warn_stale(const QcowState *s)
{
    Error *err = NULL;

    if (s->h.version < 3) {
        error_set(&err, "This qcow2 v2 image contains bitmaps, but they may "
                        "have been modified by a program without persistent "
                        "bitmap support; so now they must all be considered "
                        "inconsistent");
    } else {
        error_set(&err, "a program lacking bitmap support modified this file, "
                        "so all bitmaps are now considered inconsistent");
    }
    error_hint(&err, "Some clusters may be leaked, run 'qemu-img check -r' on "
                     "the image file to fix.\n");
    warn_report_err(err);
}

bool qc_bitmaps_take_extension(QcowState *s, const char *data, uint32_t len,
                               Error **errp)
{
    QcBitmaps *bm = &s->bitmaps;
    RawExtension raw;

    if (len != sizeof(raw)) {
        return error_set(errp, "bitmaps_ext: Invalid extension length");
    }
    if (s->h.version < 3 || !(s->h.autoclear & QC_AUTOCLEAR_BITMAPS)) {
        warn_stale(s);
        return true;
    }
    memcpy(&raw, data, sizeof(raw));
    *bm = (QcBitmaps){
        .count = be32toh(raw.bitmaps),
        .size = be64toh(raw.directory_size),
        .offset = be64toh(raw.directory_offset),
    };
    if (raw.reserved) {
        return error_set(errp, "bitmaps_ext: Reserved field is not zero");
    }
    if (bm->count > MAX_BITMAPS) {
        return error_set(errp,
                         "bitmaps_ext: Image has %" PRIu32
                         " bitmaps, exceeding "
                         "the QEMU supported maximum of %u",
                         bm->count, MAX_BITMAPS);
    }
    if (!bm->count) {
        return error_set(errp, "found bitmaps extension with zero bitmaps");
    }
    if (!IS_ALIGNED(bm->offset, s->cluster_size) || !bm->offset ||
        bm->offset > QC_MAX_HOST_OFFSET) {
        return error_set(errp, "bitmaps_ext: invalid bitmap directory offset");
    }
    if (bm->size > MAX_DIRECTORY) {
        return error_set(errp,
                         "bitmaps_ext: bitmap directory size (%" PRIu64 ") "
                         "exceeds the maximum supported size (%" PRIu64 ")",
                         bm->size, MAX_DIRECTORY);
    }
    return bm->size <= MAX_HELD ||
           error_set(errp,
                     "bitmaps_ext: bitmap directory size (%" PRIu64 ") takes "
                     "too much memory",
                     bm->size);
}

GByteArray *qc_bitmaps_extension(const QcowState *s)
{
    RawExtension raw = {
        .bitmaps = htobe32(s->bitmaps.count),
        .directory_size = htobe64(s->bitmaps.size),
        .directory_offset = htobe64(s->bitmaps.offset),
    };
    GByteArray *out = g_byte_array_new();

    if (s->bitmaps.count) {
        g_byte_array_append(out, (guint8 *)&raw, sizeof(raw));
    }
    return out;
}

/* Read
 * ---------------------------------------------------------------------------
 */

void qc_bitmap_free(QcBitmap *b)
{
    if (b) {
        g_free(b->name);
        g_free(b->extra);
        g_free(b);
    }
}

uint64_t qc_bitmap_table_entries(const QcowState *s, uint64_t bytes)
{
    return DIV_ROUND_UP(bytes, (uint64_t)s->cluster_size);
}

static bool check_entry(const QcowState *s, const QcBitmap *b, uint8_t type)
{
    uint64_t table = b->table_entries * UINT64_C(8);

    if (type != TYPE_DIRTY || (b->flags & ~(uint32_t)QC_BITMAP_KNOWN) ||
        b->granularity_bits < QC_BITMAP_MIN_BITS ||
        b->granularity_bits > QC_BITMAP_MAX_BITS || !*b->name) {
        return false;
    }
    /* What is to be read is understood only together with the extra data. */
    if ((b->extra_size > 0) != !!(b->flags & QC_BITMAP_EXTRA)) {
        return false;
    }
    if (!IS_ALIGNED(b->table_offset, s->cluster_size) || !b->table_offset ||
        b->table_offset > QC_MAX_HOST_OFFSET || !b->table_entries ||
        table > QC_BITMAP_MAX_TABLE ||
        (uint64_t)b->table_entries << s->cluster_bits >
            QC_BITMAP_MAX_BYTES + (uint64_t)s->cluster_size) {
        return false;
    }
    /* One that was left in use may have another size than the image. */
    return (b->flags & QC_BITMAP_IN_USE) ||
           qc_bitmap_table_entries(
               s,
               dirty_bitmap_image_bytes(s->h.size, BIT(b->granularity_bits))) <=
               b->table_entries;
}

/* The entry at *at, which moves on. */
static QcBitmap *read_entry(const QcowState *s, const char *dir, uint64_t *at,
                            Error **errp)
{
    uint64_t left = s->bitmaps.size - *at, size;
    QcBitmap *b;
    RawEntry raw;

    if (left < sizeof(raw)) {
        error_set(errp, "Broken bitmap directory");
        return NULL;
    }
    memcpy(&raw, dir + *at, sizeof(raw));
    size = sizeof(raw) + be32toh(raw.extra_size) +
           (uint64_t)be16toh(raw.name_size);
    if (ALIGN_UP(size, 8) > left ||
        be16toh(raw.name_size) > QC_BITMAP_MAX_NAME) {
        error_set(errp, "Broken bitmap directory");
        return NULL;
    }
    b = g_new0(QcBitmap, 1);
    b->table_offset = be64toh(raw.table_offset);
    b->table_entries = be32toh(raw.table_size);
    b->flags = be32toh(raw.flags);
    b->granularity_bits = raw.granularity_bits;
    b->extra_size = be32toh(raw.extra_size);
    b->extra = g_memdup2(dir + *at + sizeof(raw), b->extra_size);
    b->name = g_strndup(dir + *at + sizeof(raw) + b->extra_size,
                        be16toh(raw.name_size));
    *at += ALIGN_UP(size, 8);
    if (strlen(b->name) != be16toh(raw.name_size) ||
        !check_entry(s, b, raw.type)) {
        error_set(errp, "Bitmap '%s' doesn't satisfy the constraints", b->name);
        qc_bitmap_free(b);
        return NULL;
    }
    return b;
}

static GPtrArray *parse(const QcowState *s, const char *dir, Error **errp)
{
    g_autoptr(GPtrArray) list = qc_bitmap_list_new();
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    uint64_t at = 0;

    while (at < s->bitmaps.size) {
        QcBitmap *b;

        if (list->len == s->bitmaps.count) {
            error_set(errp, "More bitmaps found than specified in header "
                            "extension");
            return NULL;
        }
        b = read_entry(s, dir, &at, errp);
        if (!b) {
            return NULL;
        }
        g_ptr_array_add(list, b);
        if (!g_hash_table_add(names, b->name)) {
            error_set(errp, "Bitmap '%s' is there twice", b->name);
            return NULL;
        }
    }
    if (list->len != s->bitmaps.count) {
        error_set(errp, "Less bitmaps found than specified in header "
                        "extension");
        return NULL;
    }
    return g_steal_pointer(&list);
}

GPtrArray *coroutine_fn qc_bitmaps_read(QcowState *s, Error **errp)
{
    g_autofree char *dir = NULL;
    uint64_t length = ALIGN_UP((uint64_t)node_length(s->n->file->node),
                               (uint64_t)s->cluster_size);
    int ret;

    if (!s->bitmaps.count) {
        return qc_bitmap_list_new();
    }
    if (s->bitmaps.offset > length ||
        s->bitmaps.size > length - s->bitmaps.offset) {
        error_set(errp, "Bitmap directory lies behind the end of the file");
        return NULL;
    }
    dir = g_try_malloc(s->bitmaps.size + 1);
    ret = dir ? node_pread(s->n->file->node, s->bitmaps.offset, s->bitmaps.size,
                           dir)
              : -ENOMEM;
    if (ret < 0) {
        error_errno(errp, -ret, "Failed to read bitmap directory");
        return NULL;
    }
    return parse(s, dir, errp);
}

/* Write
 * -------------------------------------------------------------------------- */

static GByteArray *encode(const GPtrArray *list)
{
    static const guint8 zeroes[8];
    GByteArray *out = g_byte_array_new();

    for (guint i = 0; i < list->len; i++) {
        const QcBitmap *b = list->pdata[i];
        RawEntry raw = {
            .table_offset = htobe64(b->table_offset),
            .table_size = htobe32(b->table_entries),
            .flags = htobe32(b->flags),
            .type = TYPE_DIRTY,
            .granularity_bits = b->granularity_bits,
            .name_size = htobe16(strlen(b->name)),
            .extra_size = htobe32(b->extra_size),
        };

        g_byte_array_append(out, (guint8 *)&raw, sizeof(raw));
        if (b->extra_size) {
            g_byte_array_append(out, b->extra, b->extra_size);
        }
        g_byte_array_append(out, (guint8 *)b->name, strlen(b->name));
        g_byte_array_append(out, zeroes, ALIGN_UP(out->len, 8) - out->len);
    }
    return out;
}

/* With the metadata that it refers to on disk first. */
static int coroutine_fn write_new(QcowState *s, const GByteArray *dir,
                                  QcBitmaps *bm)
{
    int64_t offset, got;
    int ret = 0;

    if (dir->len) {
        offset = qc_alloc(s, ALIGN_UP((int64_t)dir->len, s->cluster_size), true,
                          &got);
        if (offset < 0) {
            return offset;
        }
        bm->offset = offset;
        bm->size = dir->len;
        ret = node_pwrite(s->n->file->node, offset, dir->len, dir->data, 0);
    }
    if (ret >= 0) {
        ret = qc_cache_flush(s->rbc);
    }
    return ret < 0 ? ret : node_flush(s->n->file->node);
}

int coroutine_fn qc_bitmaps_write(QcowState *s, const GPtrArray *list)
{
    g_autoptr(GByteArray) dir = encode(list);
    QcBitmaps old = s->bitmaps, new = { .count = list->len };
    uint64_t autoclear = s->h.autoclear;
    int ret;

    if (dir->len > MAX_HELD || list->len > MAX_BITMAPS) {
        return -EFBIG;
    }
    ret = write_new(s, dir, &new);
    if (ret >= 0) {
        s->bitmaps.count = new.count;
        s->bitmaps.size = new.size;
        s->bitmaps.offset = new.offset;
        s->h.autoclear = list->len ? autoclear | QC_AUTOCLEAR_BITMAPS
                                   : autoclear & ~QC_AUTOCLEAR_BITMAPS;
        ret = qc_header_write(s);
    }
    if (ret >= 0) {
        ret = node_flush(s->n->file->node);
    }
    if (ret < 0) {
        /* The header may be the old or the new one: what it may refer to
         * stays. */
        s->bitmaps.count = old.count;
        s->bitmaps.size = old.size;
        s->bitmaps.offset = old.offset;
        s->h.autoclear = autoclear;
        return ret;
    }
    qc_free(s, old.offset, old.size, s->discard_other);
    return 0;
}

int coroutine_fn qc_bitmaps_write_flags(QcowState *s, const GPtrArray *list)
{
    g_autoptr(GByteArray) dir = encode(list);
    int ret;

    /* Nothing else changes, and no field straddles a sector. */
    assert(dir->len == s->bitmaps.size);
    ret = node_pwrite(s->n->file->node, s->bitmaps.offset, dir->len, dir->data,
                      0);
    return ret < 0 ? ret : node_flush(s->n->file->node);
}

/* Limits
 * ------------------------------------------------------------------------- */

static uint64_t entry_bytes(const char *name)
{
    return ALIGN_UP(sizeof(RawEntry) + strlen(name), 8);
}

/* Of the directory with one more entry. */
static uint64_t directory_bytes(const BlockNode *n, const char *name)
{
    const QcowState *s = n->state;
    uint64_t bytes = entry_bytes(name);

    for (guint i = 0; s->bitmaps.list && i < s->bitmaps.list->len; i++) {
        const QcBitmap *b = s->bitmaps.list->pdata[i];

        bytes += ALIGN_UP((uint64_t)b->extra_size, 8);
    }

    for (guint i = 0; n->bitmaps && i < n->bitmaps->len; i++) {
        const DirtyBitmap *b = n->bitmaps->pdata[i];

        if (dirty_bitmap_persistent(b)) {
            bytes += entry_bytes(dirty_bitmap_name(b));
        }
    }
    return bytes;
}

bool qc_bitmap_can_store(BlockNode *n, const char *name, uint32_t granularity,
                         Error **errp)
{
    QcowState *s = n->state;
    uint64_t bytes = dirty_bitmap_image_bytes(s->h.size, granularity);
    unsigned count = 0;

    if (s->h.version < 3) {
        return error_set(errp, "Cannot store dirty bitmaps in qcow2 v2 files");
    }
    if (strlen(name) > QC_BITMAP_MAX_NAME) {
        return error_set(errp, "Name length exceeds maximum (%u characters)",
                         QC_BITMAP_MAX_NAME);
    }
    if (bytes > QC_BITMAP_MAX_BYTES ||
        qc_bitmap_table_entries(s, bytes) * 8 > QC_BITMAP_MAX_TABLE) {
        return error_set(errp, "Too much space will be occupied by the bitmap. "
                               "Use larger granularity");
    }
    for (guint i = 0; n->bitmaps && i < n->bitmaps->len; i++) {
        count += dirty_bitmap_persistent(n->bitmaps->pdata[i]);
    }
    return (count < MAX_BITMAPS && directory_bytes(n, name) <= MAX_HELD) ||
           error_set(errp, "Maximum number of persistent bitmaps is already "
                           "reached");
}

bool qc_bitmaps_can_resize(BlockNode *n, Error **errp)
{
    for (guint i = 0; n->bitmaps && i < n->bitmaps->len; i++) {
        const DirtyBitmap *b = n->bitmaps->pdata[i];

        if (dirty_bitmap_persistent(b) &&
            !dirty_bitmap_check(b, DIRTY_BITMAP_ANY, errp)) {
            return false;
        }
    }
    return true;
}

/* Information
 * -------------------------------------------------------------------------- */

Qcow2BitmapInfoList *qc_bitmaps_info(const QcowState *s)
{
    Qcow2BitmapInfoList *list = NULL, **tail = &list;

    for (guint i = 0; s->bitmaps.list && i < s->bitmaps.list->len; i++) {
        const QcBitmap *b = s->bitmaps.list->pdata[i];
        Qcow2BitmapInfo *info = g_new0(Qcow2BitmapInfo, 1);
        Qcow2BitmapInfoFlagsList **flags = &info->flags;

        info->name = g_strdup(b->name);
        info->granularity = BIT(b->granularity_bits);
        if (b->flags & QC_BITMAP_IN_USE) {
            QAPI_LIST_APPEND(flags, QCOW2_BITMAP_INFO_FLAGS_IN_USE);
        }
        if (b->flags & QC_BITMAP_AUTO) {
            QAPI_LIST_APPEND(flags, QCOW2_BITMAP_INFO_FLAGS_AUTO);
        }
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}
