/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Other properties for a qcow2 image that exists: "qemu-img amend". No request
 * is under way.
 *
 * To version 2, which knows no zero clusters: those of all tables, also of
 * snapshots, become clusters of zeroes, or of no use where there is no backing
 * file.
 * Spec: the qcow2 specification; "qemu-img amend -o help" of 7.2.
 */
#include "util/osdep.h"

#include "block/qcow2.h"
#include "util/error.h"

typedef struct Wish {
    uint32_t version;
    unsigned refcount_order;
    bool lazy, data_raw, crypto;
    const char *data_name; /* of the data file; NULL: as it is */
    uint64_t size;         /* 0: as it is */
} Wish;

static int coroutine_fn flush_tables(QcowState *s)
{
    int ret = qc_cache_flush(s->l2c);

    if (ret >= 0) {
        ret = qc_cache_flush(s->rbc);
    }
    return ret < 0 ? ret : node_flush(s->n->file->node);
}

/* Zero clusters to data
 * --------------------------------------------------------------- */

typedef struct Expand {
    QcowState *s;
    uint64_t *l2;  /* one table, as on disk */
    uint64_t refs; /* of that table: as many has what it points to */
    bool changed;
    GArray *freed; /* uint64_t: clusters that lose @refs references */
} Expand;

/* A new cluster of zeroes; its offset or -errno. */
static int64_t coroutine_fn zero_cluster(Expand *x)
{
    QcowState *s = x->s;
    int64_t got, offset = qc_alloc(s, s->cluster_size, true, &got);
    int ret;

    if (offset < 0) {
        return offset;
    }
    ret = qc_refcount_set(s, offset >> s->cluster_bits, x->refs);
    if (ret >= 0) {
        ret = node_pwrite_zeroes(s->n->file->node, offset, s->cluster_size, 0);
    }
    return ret < 0 ? ret : offset;
}

/* A zero entry with @host, or 0: the entry that takes its place. */
static int coroutine_fn expand_entry(Expand *x, uint64_t host, uint64_t *entry)
{
    QcowState *s = x->s;
    uint64_t count = 0;
    int64_t offset = host;
    int ret = 0;

    if (!host && !s->n->backing) {
        *entry = 0;
        return 0;
    }
    if (host) {
        ret = qc_refcount_get(s, host >> s->cluster_bits, &count);
        if (ret >= 0 && count == x->refs) {
            ret =
                node_pwrite_zeroes(s->n->file->node, host, s->cluster_size, 0);
        } else {
            /* Others have data there. */
            g_array_append_val(x->freed, host);
            host = 0;
        }
    }
    if (ret >= 0 && !host) {
        offset = zero_cluster(x);
        ret = MIN(offset, 0);
    }
    *entry = offset | (x->refs == 1 ? QC_COPIED : 0);
    return ret;
}

static int coroutine_fn expand_entries(Expand *x)
{
    QcowState *s = x->s;
    int ret = 0;

    for (unsigned i = 0; i < BIT(s->l2_bits) && ret >= 0; i++) {
        uint64_t entry = be64toh(x->l2[i]), host = entry & QC_OFFSET_MASK;

        if ((entry & QC_COMPRESSED) || !(entry & QC_ZERO)) {
            continue;
        }
        if (host & (s->cluster_size - 1)) {
            return qc_corrupt(s, true, host,
                              "Cluster allocation offset %#" PRIx64
                              " unaligned",
                              host);
        }
        ret = expand_entry(x, host, &entry);
        x->l2[i] = htobe64(entry);
        x->changed = true;
    }
    return ret;
}

/* Counts are on disk before a table refers to the clusters, and go down only
 * after. */
static int coroutine_fn write_expanded(Expand *x, uint64_t offset)
{
    QcowState *s = x->s;
    int ret = flush_tables(s);

    if (ret >= 0) {
        ret =
            qc_check_overlap(s, QC_OVERLAP_ACTIVE_L2, offset, s->cluster_size);
    }
    if (ret >= 0) {
        ret = node_pwrite(s->n->file->node, offset, s->cluster_size, x->l2, 0);
    }
    qc_cache_forget(s->l2c, offset, s->cluster_size);
    if (ret >= 0 && x->freed->len) {
        ret = node_flush(s->n->file->node);
    }
    for (guint i = 0; i < x->freed->len && ret >= 0; i++) {
        for (uint64_t n = 0; n < x->refs && ret >= 0; n++) {
            ret = qc_refcount_change(s, g_array_index(x->freed, uint64_t, i),
                                     s->cluster_size, false, false);
        }
    }
    return ret;
}

static int coroutine_fn expand_table(Expand *x, uint64_t offset)
{
    QcowState *s = x->s;
    int ret;

    if (!offset || (offset & (s->cluster_size - 1))) {
        return offset ? -EIO : 0;
    }
    ret = qc_refcount_get(s, offset >> s->cluster_bits, &x->refs);
    if (ret >= 0) {
        ret = node_pread(s->n->file->node, offset, s->cluster_size, x->l2);
    }
    x->changed = false;
    g_array_set_size(x->freed, 0);
    if (ret >= 0) {
        ret = expand_entries(x);
    }
    return ret >= 0 && x->changed ? write_expanded(x, offset) : ret;
}

static int coroutine_fn expand_snapshot(Expand *x, const QcSnapshot *sn)
{
    g_autofree uint64_t *l1 = g_new(uint64_t, QC_TABLE_PIECE);
    int ret = (uint64_t)sn->l1_size * 8 > QC_MAX_L1_BYTES ? -EFBIG : 0;

    for (uint32_t at = 0; at < sn->l1_size && ret >= 0; at += QC_TABLE_PIECE) {
        uint32_t n = MIN(sn->l1_size - at, (uint32_t)QC_TABLE_PIECE);

        memset(l1, 0, n * sizeof(*l1));
        ret = qc_table_read(x->s, sn->l1_offset + at * UINT64_C(8), n, l1);
        for (uint32_t i = 0; i < n && ret >= 0; i++) {
            ret = expand_table(x, l1[i] & QC_OFFSET_MASK);
        }
    }
    return ret;
}

static int coroutine_fn expand_zeroes(QcowState *s, const GPtrArray *snapshots,
                                      const BlockAmend *a)
{
    Expand x = { .s = s, .l2 = g_try_malloc(s->cluster_size) };
    int64_t total = (int64_t)s->h.l1_size + snapshots->len;
    int ret = x.l2 ? flush_tables(s) : -ENOMEM;

    x.freed = g_array_new(false, false, sizeof(uint64_t));
    for (uint32_t i = 0; i < s->h.l1_size && ret >= 0; i++) {
        ret = expand_table(&x, s->l1[i] & QC_OFFSET_MASK);
        block_amend_progress(a, i + 1, total);
    }
    for (guint i = 0; i < snapshots->len && ret >= 0; i++) {
        ret = expand_snapshot(&x, snapshots->pdata[i]);
        block_amend_progress(a, s->h.l1_size + i + 1, total);
    }
    g_array_free(x.freed, true);
    g_free(x.l2);
    return ret < 0 ? ret : flush_tables(s);
}

/* Versions
 * ------------------------------------------------------------------------- */

/* s->lock held. */
static int coroutine_fn write_version(QcowState *s, uint32_t version)
{
    QcHeader old = s->h;
    int ret;

    s->h.version = version;
    if (version < 3) {
        s->h.header_length = 72;
        s->h.incompat = s->h.compat = s->h.autoclear = 0;
    }
    ret = qc_header_write(s);
    if (ret >= 0) {
        ret = node_flush(s->n->file->node);
    }
    if (ret < 0) {
        s->h = old;
    }
    return ret;
}

static bool coroutine_fn check_downgrade(QcowState *s,
                                         const GPtrArray *snapshots,
                                         Error **errp)
{
    uint64_t known = QC_INCOMPAT_DIRTY;

    if (s->h.refcount_order != 4) {
        return error_set(errp, "compat=0.10 requires refcount_bits=16");
    }
    if (s->h.incompat & QC_INCOMPAT_DATA_FILE) {
        return error_set(errp, "Cannot downgrade an image with a data file");
    }
    if (s->h.incompat & ~known) {
        return error_set(errp,
                         "Cannot downgrade an image with incompatible "
                         "features 0x%" PRIx64 " set",
                         s->h.incompat & ~known);
    }
    if (s->h.crypt_method) {
        return error_set(errp, "Cannot downgrade an encrypted image");
    }
    if (s->bitmaps.count) {
        return error_set(errp, "Cannot downgrade an image with bitmaps");
    }
    for (guint i = 0; i < snapshots->len; i++) {
        const QcSnapshot *sn = snapshots->pdata[i];

        if (sn->disk_size != s->h.size) {
            return error_set(errp,
                             "Internal snapshots prevent downgrade of image");
        }
    }
    return true;
}

static bool coroutine_fn downgrade(QcowState *s, const BlockAmend *a,
                                   Error **errp)
{
    g_autoptr(GPtrArray) snapshots = qc_snapshots_read(s, errp);
    int ret;

    if (!snapshots || !check_downgrade(s, snapshots, errp)) {
        return false;
    }
    co_mutex_lock(&s->lock);
    s->lazy = false;
    ret = qc_set_incompat(s, QC_INCOMPAT_DIRTY, false);
    if (ret >= 0) {
        ret = expand_zeroes(s, snapshots, a);
    }
    if (ret >= 0) {
        ret = write_version(s, 2);
    }
    co_mutex_unlock(&s->lock);
    return ret >= 0 || error_errno(errp, -ret, "Failed to downgrade the image");
}

/* Options
 * -------------------------------------------------------------------------- */

static bool parse_version(const QcowState *s, const QDict *opts, Wish *w,
                          Error **errp)
{
    const char *compat = qdict_get_str(opts, "compat");

    w->version = s->h.version;
    if (!compat) {
        return true;
    }
    if (!strcmp(compat, "0.10") || !strcmp(compat, "v2")) {
        w->version = 2;
        return true;
    }
    w->version = 3;
    return !strcmp(compat, "1.1") || !strcmp(compat, "v3") ||
           error_set(errp, "Unknown compatibility level %s", compat);
}

static bool parse_refcounts(const QcowState *s, const QDict *opts, Wish *w,
                            Error **errp)
{
    uint64_t bits =
        block_option_size(opts, "refcount_bits", BIT(s->h.refcount_order));

    if (bits > 64 || !is_power_of_2(bits)) {
        return error_set(errp, "Refcount width must be a power of two and may "
                               "not exceed 64 bits");
    }
    w->refcount_order = __builtin_ctzll(bits);
    if (w->version < 3 && bits != 16 &&
        w->refcount_order != s->h.refcount_order) {
        return error_set(errp, "Refcount widths other than 16 bits require "
                               "compatibility level 1.1 or above (use "
                               "compat=1.1 or greater)");
    }
    return true;
}

static bool parse(const QcowState *s, const QDict *opts, Wish *w, Error **errp)
{
    static const char *const crypto[] = {
        "encrypt.format",     "encrypt.iter-time",  "encrypt.keyslot",
        "encrypt.new-secret", "encrypt.old-secret", "encrypt.state"
    };
    bool lazy = s->h.compat & QC_COMPAT_LAZY;
    bool raw = s->h.autoclear & QC_AUTOCLEAR_RAW_DATA;

    if (qdict_has(opts, "backing_file") || qdict_has(opts, "backing_fmt")) {
        error_set(errp, "Cannot amend the backing file");
        error_hint(errp, "You can use 'qemu-img rebase' instead.\n");
        return false;
    }
    if (!parse_version(s, opts, w, errp)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(crypto); i++) {
        w->crypto = w->crypto || qdict_has(opts, crypto[i]);
    }
    if (w->crypto && !s->h.crypt_method) {
        return error_set(errp, "Can't amend encryption options - encryption "
                               "not present");
    }
    w->data_name = qdict_get_str(opts, "data_file");
    if (w->data_name && !s->data_file) {
        return error_set(errp, "data-file can only be set for images that use "
                               "an external data file");
    }
    w->data_raw = block_option_bool(opts, "data_file_raw", raw);
    if (w->data_raw && !raw) {
        return error_set(errp,
                         "data-file-raw cannot be set on existing images");
    }
    w->lazy = block_option_bool(opts, "lazy_refcounts", lazy);
    w->size = block_option_size(opts, "size", 0);
    if (w->size > (uint64_t)BLK_MAX_LENGTH) {
        return error_set(errp, "Image size cannot be negative");
    }
    if (w->lazy && !lazy && w->version < 3) {
        return error_set(errp, "Lazy refcounts only supported with "
                               "compatibility level 1.1 and above (use "
                               "compat=1.1 or greater)");
    }
    return parse_refcounts(s, opts, w, errp);
}

/* s->lock held. */
static int coroutine_fn set_lazy(QcowState *s, bool lazy)
{
    uint64_t old = s->h.compat;
    int ret = flush_tables(s);

    if (ret >= 0 && !lazy) {
        s->lazy = false;
        ret = qc_set_incompat(s, QC_INCOMPAT_DIRTY, false);
    }
    if (ret < 0) {
        return ret;
    }
    s->h.compat = lazy ? old | QC_COMPAT_LAZY : old & ~QC_COMPAT_LAZY;
    ret = qc_header_write(s);
    if (ret < 0) {
        s->h.compat = old;
    }
    return ret;
}

/* s->lock held. The file itself stays as it is. */
static int coroutine_fn set_data_file(QcowState *s, const Wish *w)
{
    char *old_name = s->data_name;
    uint64_t old = s->h.autoclear;
    int ret;

    if (w->data_name) {
        s->data_name = *w->data_name ? g_strdup(w->data_name) : NULL;
    }
    if (!w->data_raw) {
        s->h.autoclear &= ~(uint64_t)QC_AUTOCLEAR_RAW_DATA;
    }
    ret = qc_header_write(s);
    if (w->data_name) {
        if (ret < 0) {
            g_free(s->data_name);
            s->data_name = old_name;
        } else {
            g_free(old_name);
        }
    }
    s->h.autoclear = ret < 0 ? old : s->h.autoclear;
    return ret;
}

/* Progress of several things one after the other. */
typedef struct Steps {
    const BlockAmend *all;
    int64_t done, count;
} Steps;

static void step_progress(void *opaque, int64_t done, int64_t total)
{
    const Steps *s = opaque;

    block_amend_progress(s->all, s->done * total + done, s->count * total);
}

static int count_steps(const QcowState *s, const Wish *w)
{
    return (w->version != s->h.version) +
           (w->refcount_order != s->h.refcount_order);
}

static bool coroutine_fn change_locked(QcowState *s, const Wish *w,
                                       const BlockAmend *a, Steps *steps,
                                       Error **errp)
{
    int ret;

    if (w->data_name ||
        (!w->data_raw && (s->h.autoclear & QC_AUTOCLEAR_RAW_DATA))) {
        ret = set_data_file(s, w);
        if (ret < 0) {
            return error_errno(errp, -ret, "Failed to update the image header");
        }
    }
    if (w->version > s->h.version) {
        block_amend_progress(a, 0, 1);
        ret = write_version(s, w->version);
        if (ret < 0) {
            return error_errno(errp, -ret, "Failed to upgrade the image");
        }
        block_amend_progress(a, 1, 1);
        steps->done++;
    }
    if (w->refcount_order != s->h.refcount_order) {
        if (!qc_refcount_set_width(s, w->refcount_order, a, errp)) {
            return false;
        }
        steps->done++;
    }
    if (w->lazy != !!(s->h.compat & QC_COMPAT_LAZY) && s->h.version >= 3) {
        ret = set_lazy(s, w->lazy);
        if (ret < 0) {
            return error_errno(errp, -ret, "Failed to update the image header");
        }
    }
    return true;
}

bool coroutine_fn qc_amend(BlockNode *n, const BlockAmend *a, Error **errp)
{
    QcowState *s = n->state;
    Steps steps = { .all = a };
    BlockAmend part = *a;
    Wish w = { 0 };
    bool ok;

    part.progress = step_progress;
    part.opaque = &steps;
    if (!parse(s, a->opts, &w, errp)) {
        return false;
    }
    if (w.crypto && !qc_crypt_amend(s, a->opts, a->force, errp)) {
        return false;
    }
    co_mutex_lock(&s->lock);
    steps.count = count_steps(s, &w);
    ok = change_locked(s, &w, &part, &steps, errp);
    co_mutex_unlock(&s->lock);
    if (ok && w.size && w.size != s->h.size) {
        ok = node_truncate(n, w.size, true, errp);
    }
    if (ok && w.version < s->h.version) {
        ok = downgrade(s, &part, errp);
    }
    return ok;
}

const BlockCreateOption qc_amend_options[] = {
    { "backing_file", BLOCK_OPTION_STR, "File name of a base image" },
    { "backing_fmt", BLOCK_OPTION_STR, "Image format of the base image" },
    { "compat", BLOCK_OPTION_STR,
      "Compatibility level (v2 [0.10] or v3 [1.1])" },
    { "data_file", BLOCK_OPTION_STR, "File name of an external data file" },
    { "data_file_raw", BLOCK_OPTION_BOOL,
      "The external data file must stay valid as a raw image" },
    { "encrypt.iter-time", BLOCK_OPTION_NUM,
      "Time to spend in PBKDF in milliseconds" },
    { "encrypt.keyslot", BLOCK_OPTION_NUM,
      "Select a single keyslot to modify explicitly" },
    { "encrypt.new-secret", BLOCK_OPTION_STR,
      "New secret to set in the matching keyslots. Empty string to erase" },
    { "encrypt.old-secret", BLOCK_OPTION_STR,
      "Select all keyslots that match this password" },
    { "encrypt.state", BLOCK_OPTION_STR,
      "Select new state of affected keyslots (active/inactive)" },
    { "lazy_refcounts", BLOCK_OPTION_BOOL, "Postpone refcount updates" },
    { "refcount_bits", BLOCK_OPTION_NUM,
      "Width of a reference count entry in bits" },
    { "size", BLOCK_OPTION_SIZE, "Virtual disk size" },
    {},
};
