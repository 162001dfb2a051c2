/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qcow2 header and its extensions: read with every field checked, written
 * with what we do not know kept.
 * Spec: the qcow2 specification, sections Header and Header extensions.
 */
#include "util/osdep.h"

#include "block/compress.h"
#include "block/qcow2.h"
#include "util/error.h"

/* As on disk. */
typedef struct __attribute__((packed)) RawHeader {
    uint32_t magic, version;
    uint64_t backing_offset;
    uint32_t backing_size, cluster_bits;
    uint64_t size;
    uint32_t crypt_method, l1_size;
    uint64_t l1_offset, reftable_offset;
    uint32_t reftable_clusters, nb_snapshots;
    uint64_t snapshots_offset;
    /* version 3 */
    uint64_t incompat, compat, autoclear;
    uint32_t refcount_order, header_length;
    uint8_t compression, padding[7];
} RawHeader;

#define V2_LENGTH 72
#define V3_LENGTH 104

int qc_probe(const uint8_t *buf, size_t len)
{
    uint32_t magic, version;

    if (len < 8) {
        return 0;
    }
    memcpy(&magic, buf, 4);
    memcpy(&version, buf + 4, 4);
    return be32toh(magic) == QC_MAGIC && be32toh(version) >= 2 ? 100 : 0;
}

static void header_from_raw(QcHeader *h, const RawHeader *r)
{
    *h = (QcHeader){
        .version = be32toh(r->version),
        .backing_offset = be64toh(r->backing_offset),
        .backing_size = be32toh(r->backing_size),
        .cluster_bits = be32toh(r->cluster_bits),
        .size = be64toh(r->size),
        .crypt_method = be32toh(r->crypt_method),
        .l1_size = be32toh(r->l1_size),
        .l1_offset = be64toh(r->l1_offset),
        .reftable_offset = be64toh(r->reftable_offset),
        .reftable_clusters = be32toh(r->reftable_clusters),
        .nb_snapshots = be32toh(r->nb_snapshots),
        .snapshots_offset = be64toh(r->snapshots_offset),
        .refcount_order = 4,
        .header_length = V2_LENGTH,
    };
    if (h->version >= 3) {
        h->incompat = be64toh(r->incompat);
        h->compat = be64toh(r->compat);
        h->autoclear = be64toh(r->autoclear);
        h->refcount_order = be32toh(r->refcount_order);
        h->header_length = be32toh(r->header_length);
        if (h->header_length > offsetof(RawHeader, compression)) {
            h->compression = r->compression;
        }
    }
}

static void header_to_raw(const QcHeader *h, RawHeader *r)
{
    *r = (RawHeader){
        .magic = htobe32(QC_MAGIC),
        .version = htobe32(h->version),
        .backing_offset = htobe64(h->backing_offset),
        .backing_size = htobe32(h->backing_size),
        .cluster_bits = htobe32(h->cluster_bits),
        .size = htobe64(h->size),
        .crypt_method = htobe32(h->crypt_method),
        .l1_size = htobe32(h->l1_size),
        .l1_offset = htobe64(h->l1_offset),
        .reftable_offset = htobe64(h->reftable_offset),
        .reftable_clusters = htobe32(h->reftable_clusters),
        .nb_snapshots = htobe32(h->nb_snapshots),
        .snapshots_offset = htobe64(h->snapshots_offset),
        .incompat = htobe64(h->incompat),
        .compat = htobe64(h->compat),
        .autoclear = htobe64(h->autoclear),
        .refcount_order = htobe32(h->refcount_order),
        .header_length = htobe32(h->header_length),
        .compression = h->compression,
    };
}

/* Checks
 * ------------------------------------------------------------------------ */

static bool check_table(const QcHeader *h, uint64_t offset, uint64_t bytes,
                        uint64_t max, const char *what, Error **errp)
{
    uint64_t cluster = BIT(h->cluster_bits);

    if (bytes > max) {
        return error_set(errp, "%s is too large", what);
    }
    if (!IS_ALIGNED(offset, cluster) || offset > QC_MAX_HOST_OFFSET - bytes) {
        return error_set(errp, "%s offset is invalid", what);
    }
    return true;
}

/* zstd: fail now, not at the first read. */
static bool check_codec(const QcHeader *h, Error **errp)
{
    const CompressOps *ops;

    if (h->compression != QC_COMPRESSION_ZSTD) {
        return error_set(errp, "qcow2: unknown compression type %u",
                         h->compression);
    }
    ops = compress_ops(errp);
    if (ops && !ops->unzstd) {
        error_set(errp, "qcow2: zstd compression is not built in");
    }
    return ops && ops->unzstd;
}

static bool check_features(const QcHeader *h, Error **errp)
{
    if (h->crypt_method > QC_CRYPT_LUKS) {
        return error_set(errp, "Unsupported encryption method %" PRIu32,
                         h->crypt_method);
    }
    if ((h->incompat & QC_INCOMPAT_EXTL2) &&
        h->cluster_bits < QC_MIN_EXTENDED_BITS) {
        return error_set(errp, "Unsupported subcluster size: %u",
                         1u << (h->cluster_bits - 5));
    }
    if (!(h->incompat & QC_INCOMPAT_COMPRESSION) != !h->compression) {
        return error_set(errp,
                         "qcow2: compression type %u does not agree "
                         "with the header's incompatible feature bit",
                         h->compression);
    }
    return h->compression == QC_COMPRESSION_DEFLATE || check_codec(h, errp);
}

static bool check_sizes(const QcHeader *h, Error **errp)
{
    uint64_t l1_bytes = (uint64_t)h->l1_size * 8;
    unsigned entry_bits = h->incompat & QC_INCOMPAT_EXTL2 ? 4 : 3;
    unsigned l2_span_bits = h->cluster_bits + h->cluster_bits - entry_bits;

    if (h->size > (uint64_t)BLK_MAX_LENGTH) {
        return error_set(errp, "Image is too big");
    }
    if (!check_table(h, h->l1_offset, l1_bytes, QC_MAX_L1_BYTES,
                     "Active L1 table", errp)) {
        return false;
    }
    if (h->l1_size < DIV_ROUND_UP(h->size, BIT(l2_span_bits))) {
        return error_set(errp, "L1 table is too small");
    }
    if (!h->reftable_clusters) {
        return error_set(errp, "Image does not contain a reference count "
                               "table");
    }
    if (!check_table(h, h->reftable_offset,
                     (uint64_t)h->reftable_clusters << h->cluster_bits,
                     QC_MAX_REFTABLE_BYTES, "Reference count table", errp)) {
        return false;
    }
    if (h->nb_snapshots > QC_MAX_SNAPSHOTS) {
        return error_set(errp, "Too many snapshots");
    }
    return check_table(h, h->snapshots_offset, (uint64_t)h->nb_snapshots * 40,
                       64 * MiB, "Snapshot table", errp);
}

/* Tables may end behind the file's end, where there are zeroes; but a file
 * without any of them has lost its end. */
static bool check_not_truncated(const QcHeader *h, uint64_t length,
                                Error **errp)
{
    const char *what = h->reftable_offset >= length        ? "refcount table"
                       : h->l1_size && h->l1_offset >= length ? "L1 table"
                       : h->nb_snapshots && h->snapshots_offset >= length
                           ? "snapshot table"
                           : NULL;

    return !what || error_set(errp,
                              "Image is truncated: its %s lies behind the end "
                              "of the file",
                              what);
}

static bool check_header(const QcHeader *h, Error **errp)
{
    if (h->version < 2 || h->version > 3) {
        return error_set(errp, "Unsupported qcow2 version %" PRIu32,
                         h->version);
    }
    if (h->cluster_bits < QC_MIN_CLUSTER_BITS ||
        h->cluster_bits > QC_MAX_CLUSTER_BITS) {
        return error_set(errp, "Unsupported cluster size: 2^%" PRIu32,
                         h->cluster_bits);
    }
    if (h->version >= 3 && h->header_length < V3_LENGTH) {
        return error_set(errp, "qcow2 header too short");
    }
    if (h->header_length > BIT(h->cluster_bits)) {
        return error_set(errp, "qcow2 header exceeds cluster size");
    }
    if (h->refcount_order > 6) {
        return error_set(errp, "Reference count entry width too large; may "
                               "not exceed 64 bits");
    }
    if (h->backing_offset &&
        (h->backing_size > 1023 || h->backing_offset > BIT(h->cluster_bits) ||
         h->backing_size > BIT(h->cluster_bits) - h->backing_offset)) {
        return error_set(errp, "Invalid backing file name");
    }
    return check_features(h, errp) && check_sizes(h, errp);
}

/* Extensions
 * ---------------------------------------------------------------------- */

typedef struct ExtHeader {
    uint32_t type, len;
} ExtHeader;

/* What stands at *pos, which is behind it then; false at the end of all. */
static bool next_extension(const char *cluster, uint64_t *pos, uint64_t end,
                           ExtHeader *ext)
{
    if (*pos + sizeof(*ext) > end) {
        return false;
    }
    memcpy(ext, cluster + *pos, sizeof(*ext));
    ext->type = be32toh(ext->type);
    ext->len = be32toh(ext->len);
    *pos += sizeof(*ext);
    return ext->type != QC_EXT_END;
}

static bool take_extension(QcowState *s, uint32_t type, const char *data,
                           uint32_t len, Error **errp)
{
    uint32_t raw[2] = { htobe32(type), htobe32(len) };
    static const char zeroes[8];

    switch (type) {
    case QC_EXT_BACKING_FORMAT:
        if (len > 15) {
            return error_set(errp, "Backing format name is too long");
        }
        g_free(s->backing_format);
        s->backing_format = g_strndup(data, len);
        return true;
    case QC_EXT_FEATURE_NAMES:
        return true; /* written anew */
    case QC_EXT_BITMAPS:
        return qc_bitmaps_take_extension(s, data, len, errp);
    case QC_EXT_DATA_FILE:
        g_free(s->data_name);
        s->data_name = g_strndup(data, len);
        return true;
    case QC_EXT_CRYPTO:
        return qc_crypt_take_extension(s, data, len, errp);
    default:
        g_byte_array_append(s->extensions, (guint8 *)raw, 8);
        g_byte_array_append(s->extensions, (const guint8 *)data, len);
        g_byte_array_append(s->extensions, (const guint8 *)zeroes,
                            ALIGN_UP(len, 8) - len);
        return true;
    }
}

typedef struct __attribute__((packed)) FeatureName {
    uint8_t type, bit;
    char name[46];
} FeatureName;

/* Take the bits that the table names out of *unknown, their names to @out. */
static void name_features(const char *table, uint32_t len, uint64_t *unknown,
                          GString *out)
{
    for (; len >= sizeof(FeatureName); len -= sizeof(FeatureName)) {
        const FeatureName *f = (const FeatureName *)table;
        bool printable = true;

        for (size_t i = 0; i < sizeof(f->name) && f->name[i]; i++) {
            printable = printable && g_ascii_isprint(f->name[i]);
        }
        if (!f->type && f->bit < 64 && (*unknown & BIT(f->bit)) &&
            f->name[0] && printable) {
            g_string_append_printf(out, "%s%.*s", out->len ? ", " : "",
                                   (int)sizeof(f->name), f->name);
            *unknown &= ~BIT(f->bit);
        }
        table += sizeof(FeatureName);
    }
}

static bool refuse_features(const QcowState *s, const char *cluster,
                            uint64_t end, uint64_t unknown, Error **errp)
{
    uint64_t pos = s->h.header_length;
    g_autoptr(GString) names = g_string_new(NULL);
    ExtHeader ext;

    while (next_extension(cluster, &pos, end, &ext) && ext.len <= end - pos) {
        if (ext.type == QC_EXT_FEATURE_NAMES) {
            name_features(cluster + pos, ext.len, &unknown, names);
        }
        pos += ALIGN_UP((uint64_t)ext.len, 8);
    }
    if (unknown) {
        g_string_append_printf(names,
                               "%sUnknown incompatible feature: %" PRIx64,
                               names->len ? ", " : "", unknown);
    }
    return error_set(errp, "Unsupported qcow2 feature(s): %s", names->str);
}

static bool take_extensions(QcowState *s, const char *cluster, uint64_t end,
                            Error **errp)
{
    uint64_t pos = s->h.header_length;
    ExtHeader ext;

    while (next_extension(cluster, &pos, end, &ext)) {
        if (ext.len > end - pos) {
            return error_set(errp, "Header extension too large");
        }
        if (!take_extension(s, ext.type, cluster + pos, ext.len, errp)) {
            return false;
        }
        pos += ALIGN_UP((uint64_t)ext.len, 8);
    }
    return true;
}

/* Read
 * ---------------------------------------------------------------------------
 */

/* So much is read at first; few headers are longer. */
#define HEADER_START 4096

/* Is there all that the header tells of in the first @have bytes? */
static bool is_complete(const QcHeader *h, const char *buf, uint64_t have)
{
    uint64_t pos = h->header_length;
    ExtHeader ext = { .type = QC_EXT_FEATURE_NAMES }; /* not the end */

    if (h->backing_offset) {
        return h->backing_offset + h->backing_size <= have;
    }
    while (next_extension(buf, &pos, have, &ext)) {
        pos += ALIGN_UP((uint64_t)ext.len, 8);
    }
    return ext.type == QC_EXT_END;
}

/* What stands behind the fields: @have bytes of the cluster in @buf. */
static bool take_rest(QcowState *s, const char *buf, uint64_t have,
                      Error **errp)
{
    const QcHeader *h = &s->h;
    uint64_t unknown =
        h->incompat & ~(uint64_t)(QC_INCOMPAT_DIRTY | QC_INCOMPAT_CORRUPT |
                                  QC_INCOMPAT_DATA_FILE |
                                  QC_INCOMPAT_COMPRESSION | QC_INCOMPAT_EXTL2);

    if (unknown) {
        return refuse_features(s, buf, have, unknown, errp);
    }
    /* The 72 bytes of version 2 have no length field of their own. */
    if (!take_extensions(s, buf, h->backing_offset ? h->backing_offset : have,
                         errp)) {
        return false;
    }
    if (h->backing_offset && h->backing_size && buf[h->backing_offset]) {
        s->backing_name = g_strndup(buf + h->backing_offset, h->backing_size);
    }
    return true;
}

bool coroutine_fn qc_header_read(QcowState *s, Error **errp)
{
    BlockNode *file = s->n->file->node;
    g_autofree char *buf = g_malloc(HEADER_START);
    const RawHeader *raw = (const RawHeader *)buf;
    int64_t have;
    int ret;

    if (node_length(file) < V2_LENGTH) {
        return error_set(errp, "Image is not in qcow2 format");
    }
    ret = node_pread(file, 0, HEADER_START, buf);
    if (ret < 0) {
        return error_errno(errp, -ret, "Could not read the qcow2 header");
    }
    if (be32toh(raw->magic) != QC_MAGIC) {
        return error_set(errp, "Image is not in qcow2 format");
    }
    header_from_raw(&s->h, raw);
    if (!check_header(&s->h, errp) ||
        !check_not_truncated(&s->h, node_length(file), errp)) {
        return false;
    }
    s->cluster_bits = s->h.cluster_bits;
    s->cluster_size = BIT(s->cluster_bits);
    s->extended = s->h.incompat & QC_INCOMPAT_EXTL2;
    s->external = s->h.incompat & QC_INCOMPAT_DATA_FILE;
    s->raw_data = s->external && (s->h.autoclear & QC_AUTOCLEAR_RAW_DATA);
    s->sub_bits = s->cluster_bits - (s->extended ? 5 : 0);
    s->sub_size = BIT(s->sub_bits);
    s->entry_bits = s->extended ? 4 : 3;
    s->l2_bits = s->cluster_bits - s->entry_bits;
    s->refblock_bits = s->cluster_bits + 3 - s->h.refcount_order;
    have = MIN(HEADER_START, s->cluster_size);
    if (have < s->cluster_size && !is_complete(&s->h, buf, have)) {
        buf = g_realloc(buf, s->cluster_size);
        ret = node_pread(file, have, s->cluster_size - have, buf + have);
        have = s->cluster_size;
    }
    if (ret < 0) {
        return error_errno(errp, -ret, "Could not read the qcow2 header");
    }
    return take_rest(s, buf, have, errp);
}

/* Write
 * -------------------------------------------------------------------------- */

static void append_extension(GByteArray *out, uint32_t type, const void *data,
                             uint32_t len)
{
    uint32_t raw[2] = { htobe32(type), htobe32(len) };
    static const guint8 zeroes[8];

    g_byte_array_append(out, (guint8 *)raw, 8);
    if (len) {
        g_byte_array_append(out, data, len);
    }
    g_byte_array_append(out, zeroes, ALIGN_UP(len, 8) - len);
}

static void append_feature_names(GByteArray *out)
{
    static const FeatureName names[] = {
        { 0, 0, "dirty bit" },
        { 0, 1, "corrupt bit" },
        { 0, 2, "external data file" },
        { 0, 3, "compression type" },
        { 0, 4, "extended L2 entries" },
        { 1, 0, "lazy refcounts" },
        { 2, 0, "bitmaps" },
        { 2, 1, "raw external data" },
    };

    append_extension(out, QC_EXT_FEATURE_NAMES, names, sizeof(names));
}

int qc_header_build(QcowState *s, char *cluster)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GByteArray) bitmaps = qc_bitmaps_extension(s);
    uint32_t raw_length = s->h.version == 2 ? V2_LENGTH : sizeof(RawHeader);
    uint8_t crypto[16];
    RawHeader raw;

    s->h.header_length = MAX(s->h.header_length, raw_length);
    if (s->backing_format) {
        append_extension(out, QC_EXT_BACKING_FORMAT, s->backing_format,
                         strlen(s->backing_format));
    }
    if (s->data_name) {
        append_extension(out, QC_EXT_DATA_FILE, s->data_name,
                         strlen(s->data_name));
    }
    if (qc_crypt_extension(s, crypto)) {
        append_extension(out, QC_EXT_CRYPTO, crypto, sizeof(crypto));
    }
    if (s->h.version >= 3 && s->cluster_size > 4096) {
        append_feature_names(out);
    }
    if (bitmaps->len) {
        append_extension(out, QC_EXT_BITMAPS, bitmaps->data, bitmaps->len);
    }
    g_byte_array_append(out, s->extensions->data, s->extensions->len);
    append_extension(out, QC_EXT_END, NULL, 0);
    s->h.backing_offset = 0;
    s->h.backing_size = s->backing_name ? strlen(s->backing_name) : 0;
    if (s->backing_name) {
        s->h.backing_offset = s->h.header_length + out->len;
        g_byte_array_append(out, (const guint8 *)s->backing_name,
                            s->h.backing_size);
    }
    if (s->h.header_length + out->len > s->cluster_size) {
        return -ENOSPC;
    }
    header_to_raw(&s->h, &raw);
    memcpy(cluster, &raw, raw_length);
    memcpy(cluster + s->h.header_length, out->data, out->len);
    return s->h.header_length + out->len;
}

int coroutine_fn qc_header_write(QcowState *s)
{
    g_autofree char *cluster = g_malloc0(s->cluster_size);
    int ret;

    /* What lies between our header's end and header_length is unknown to us:
     * take it over. */
    ret = node_pread(s->n->file->node, 0, s->cluster_size, cluster);
    if (ret >= 0) {
        ret = qc_header_build(s, cluster);
    }
    if (ret >= 0) {
        memset(cluster + ret, 0, s->cluster_size - ret);
    }
    return ret < 0 ? ret
                   : node_pwrite(s->n->file->node, 0, s->cluster_size, cluster,
                                 0);
}

int coroutine_fn qc_set_incompat(QcowState *s, uint64_t bits, bool on)
{
    uint64_t want = on ? s->h.incompat | bits : s->h.incompat & ~bits;
    uint64_t raw = htobe64(want);
    int ret;

    if (want == s->h.incompat) {
        return 0;
    }
    if (s->h.version < 3) {
        return -ENOTSUP;
    }
    ret = node_pwrite(s->n->file->node, offsetof(RawHeader, incompat), 8, &raw,
                      0);
    if (ret >= 0) {
        ret = node_flush(s->n->file->node);
    }
    if (ret >= 0) {
        s->h.incompat = want;
    }
    return ret;
}
