/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making qcow2 images: an image without data is written by hand. Where there is
 * more to be made than a few clusters, it has no size, is then opened, and
 * grown like any other. Spec: the qcow2 specification; "qemu-img create -f
 * qcow2 -o help" of 7.2.
 */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/block-create.h"
#include "block/block-graph.h"
#include "block/drivers.h"
#include "block/luks.h"
#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

typedef struct Plan {
    QcHeader h;
    const char *backing, *backing_format;
    const char *data_file; /* path; NULL: none */
    BlockPrealloc prealloc;
    QcCryptPlan crypt;
    BlockNode *file_node; /* the image is in */
    BlockNode *data_node; /* that is open already, or NULL */
    bool fresh;           /* file_node: made for the image */
} Plan;

/* Options
 * ------------------------------------------------------------------------ */

static bool plan_version(const QDict *opts, QcHeader *h, Error **errp)
{
    const char *compat = qdict_get_str(opts, "compat");

    h->version = 3;
    if (!compat || !strcmp(compat, "1.1") || !strcmp(compat, "v3")) {
        return true;
    }
    h->version = 2;
    return !strcmp(compat, "0.10") || !strcmp(compat, "v2") ||
           error_set(errp, "Parameter 'version' does not accept value '%s'",
                     compat);
}

static bool plan_compression(const QDict *opts, QcHeader *h, Error **errp)
{
    const char *type = qdict_get_str(opts, "compression_type");

    if (!type || !strcmp(type, "zlib")) {
        return true;
    }
#ifdef CONFIG_ZSTD
    if (!strcmp(type, "zstd")) {
        h->compression = 1;
        h->incompat |= QC_INCOMPAT_COMPRESSION;
        return h->version >= 3 ||
               error_set(errp, "Non-zlib compression type is only supported "
                               "with compatibility level 1.1 and above (use "
                               "version=v3 or greater)");
    }
#endif
    return error_set(errp,
                     "Parameter 'compression-type' does not accept value '%s'",
                     type);
}

static bool plan_refcounts(const QDict *opts, QcHeader *h, Error **errp)
{
    uint64_t bits = block_option_size(opts, "refcount_bits", 16);

    if (bits > 64 || !is_power_of_2(bits)) {
        return error_set(errp, "Refcount width must be a power of two and may "
                               "not exceed 64 bits");
    }
    if (h->version < 3 && bits != 16) {
        return error_set(errp, "Different refcount widths than 16 bits require "
                               "compatibility level 1.1 or above (use "
                               "version=v3 or greater)");
    }
    h->refcount_order = __builtin_ctzll(bits);
    return true;
}

static bool plan_cluster(const QDict *opts, QcHeader *h, Error **errp)
{
    uint64_t size = block_option_size(opts, "cluster_size", 64 * KiB);

    if (!is_power_of_2(size) || size < BIT(QC_MIN_CLUSTER_BITS) ||
        size > BIT(QC_MAX_CLUSTER_BITS)) {
        return error_set(errp, "Cluster size must be a power of two between "
                               "512 and 2048k");
    }
    h->cluster_bits = __builtin_ctzll(size);
    return true;
}

static bool plan_backing(const QDict *opts, Plan *p, Error **errp)
{
    p->backing = qdict_get_str(opts, "backing_file");
    p->backing_format = qdict_get_str(opts, "backing_fmt");
    if (p->backing_format && !p->backing) {
        return error_set(errp, "Backing format cannot be used without backing "
                               "file");
    }
    if (p->backing_format && !block_driver_find(p->backing_format)) {
        return error_set(errp, "Unknown driver '%s'", p->backing_format);
    }
    if (p->backing && p->prealloc != BLOCK_PREALLOC_OFF &&
        !(p->h.incompat & QC_INCOMPAT_EXTL2)) {
        return error_set(errp, "Backing file and preallocation can only be "
                               "used at the same time if extended_l2 is on");
    }
    if (p->backing && strlen(p->backing) > 1023) {
        return error_set(errp, "Backing file name is too long");
    }
    return true;
}

static bool plan_extended(const QDict *opts, QcHeader *h, Error **errp)
{
    if (!block_option_bool(opts, "extended_l2", false)) {
        return true;
    }
    h->incompat |= QC_INCOMPAT_EXTL2;
    if (h->cluster_bits < QC_MIN_EXTENDED_BITS) {
        return error_set(errp,
                         "Extended L2 entries are only supported with "
                         "cluster sizes of at least %u bytes",
                         1u << QC_MIN_EXTENDED_BITS);
    }
    return h->version >= 3 ||
           error_set(errp, "Extended L2 entries are only supported with "
                           "compatibility level 1.1 and above (use version=v3 "
                           "or greater)");
}

static bool plan_data_file(const QDict *opts, Plan *p, Error **errp)
{
    QcHeader *h = &p->h;

    p->data_file = qdict_get_str(opts, "data_file");
    if (p->data_file) {
        h->incompat |= QC_INCOMPAT_DATA_FILE;
        if (g_str_has_prefix(p->data_file, "file:")) {
            p->data_file += strlen("file:");
        }
        if (h->version < 3) {
            return error_set(errp, "External data files are only supported "
                                   "with compatibility level 1.1 and above "
                                   "(use version=v3 or greater)");
        }
    }
    if (!block_option_bool(opts, "data_file_raw", false)) {
        return true;
    }
    h->autoclear |= QC_AUTOCLEAR_RAW_DATA;
    if (!p->data_file) {
        return error_set(errp, "data-file-raw requires data-file");
    }
    if (p->backing) {
        return error_set(errp, "Backing file and data-file-raw cannot be used "
                               "at the same time");
    }
    /* Whatever is written to the raw image shows here. */
    p->prealloc = MAX(p->prealloc, BLOCK_PREALLOC_METADATA);
    return true;
}

static bool plan(const QDict *opts, Plan *p, Error **errp)
{
    QcHeader *h = &p->h;

    h->size = ALIGN_UP(block_option_size(opts, "size", 0), 512);
    if (h->size > BLK_MAX_LENGTH) {
        return error_set(errp, "Image size is too large");
    }
    if (!plan_version(opts, h, errp) || !plan_cluster(opts, h, errp) ||
        !block_prealloc_parse(qdict_get_str(opts, "preallocation"), true,
                              &p->prealloc, errp) ||
        !plan_extended(opts, h, errp) || !plan_backing(opts, p, errp) ||
        !plan_data_file(opts, p, errp) || !plan_refcounts(opts, h, errp) ||
        !plan_compression(opts, h, errp)) {
        return false;
    }
    if (block_option_bool(opts, "lazy_refcounts", false)) {
        h->compat |= QC_COMPAT_LAZY;
        if (h->version < 3) {
            return error_set(errp, "Lazy refcounts only supported with "
                                   "compatibility level 1.1 and above (use "
                                   "version=v3 or greater)");
        }
    }
    return true;
}

/* The empty image
 * ---------------------------------------------------------------- */

typedef struct Fill {
    BlockNode *n;
    const Plan *p;
    bool whole;  /* written as it shall be; else of no size, and grown then */
    bool empty;  /* the file: what is not written of it is zero */
    uint64_t l1; /* entries */
    bool ok;
    Error **errp;
} Fill;

/* Entries of the L1 table. */
static uint64_t l1_entries(const QcHeader *h)
{
    uint64_t cluster = BIT(h->cluster_bits);
    uint64_t l2 = cluster / (h->incompat & QC_INCOMPAT_EXTL2 ? 16 : 8);

    return DIV_ROUND_UP(h->size, cluster * l2);
}

/* A cluster holds the L1 table, and there is nothing else to be made. */
static bool fits_whole(const Plan *p)
{
    return l1_entries(&p->h) * 8 <= BIT(p->h.cluster_bits) && !p->data_file &&
           !p->crypt.method && p->prealloc == BLOCK_PREALLOC_OFF;
}

static int build_header(const Fill *f, char *cluster)
{
    const Plan *p = f->p;
    QcowState s = {
        .h = p->h,
        .cluster_size = (int64_t)BIT(p->h.cluster_bits),
        .backing_name = (char *)p->backing,
        .backing_format = (char *)p->backing_format,
        .data_name = (char *)p->data_file,
        .extensions = g_byte_array_new(),
    };
    int ret;

    s.h.size = f->whole ? p->h.size : 0;
    s.h.reftable_offset = s.cluster_size;
    s.h.reftable_clusters = 1;
    s.h.l1_size = f->l1;
    s.h.l1_offset = f->l1 ? 3 * s.cluster_size : 0;
    ret = qc_header_build(&s, cluster);
    g_byte_array_free(s.extensions, TRUE);
    return ret;
}

/* The first @bytes of @cluster are not zero: write them, and the rest too where
 * there may be something, or the file would end too early. */
static int coroutine_fn write_cluster(const Fill *f, int64_t index,
                                      const char *cluster, int64_t bytes)
{
    int64_t size = (int64_t)BIT(f->p->h.cluster_bits);

    return node_pwrite(f->n, index * size, f->empty && f->l1 ? bytes : size,
                       cluster, 0);
}

/* Refcount table, refcount block, L1 table if any: a cluster each behind the
 * header, by way of @cluster, which is zero before and after. */
static int coroutine_fn write_tables(const Fill *f, char *cluster)
{
    const size_t counts = 4 * sizeof(uint64_t); /* the widest refcounts */
    int64_t size = (int64_t)BIT(f->p->h.cluster_bits);
    uint64_t entry = htobe64(2 * size);
    int ret = f->l1 ? node_pwrite(f->n, 3 * size, f->l1 * 8, cluster, 0) : 0;

    for (int i = 0; i < (f->l1 ? 4 : 3); i++) {
        qc_refcount_poke(cluster, f->p->h.refcount_order, i, 1);
    }
    if (ret >= 0) {
        ret = write_cluster(f, 2, cluster, counts);
    }
    memset(cluster, 0, counts);
    memcpy(cluster, &entry, sizeof(entry));
    if (ret >= 0) {
        ret = write_cluster(f, 1, cluster, sizeof(entry));
    }
    memset(cluster, 0, sizeof(entry));
    return ret;
}

/* /dev/null and its like take everything and keep nothing. */
static int coroutine_fn keeps_header(const Fill *f, const char *header,
                                     bool *kept)
{
    char found[8];
    int ret = node_pread(f->n, 0, sizeof(found), found);

    *kept = ret < 0 || !memcmp(found, header, sizeof(found));
    return ret;
}

static void coroutine_fn write_start(void *opaque)
{
    Fill *f = opaque;
    g_autofree char *cluster = g_malloc0(BIT(f->p->h.cluster_bits));
    bool kept = true;
    int ret, length;

    if (!f->p->fresh && !node_truncate(f->n, 0, false, f->errp)) {
        return; /* devices keep their length */
    }
    f->empty = f->n->drv == &block_driver_file && !node_length(f->n);
    ret = write_tables(f, cluster);
    length = build_header(f, cluster);
    if (ret >= 0 && length < 0) {
        error_set(f->errp, "Header of the image does not fit a cluster");
        return;
    }
    /* Who is killed before the header is there leaves no image. */
    if (ret >= 0) {
        ret = write_cluster(f, 0, cluster, length);
    }
    if (ret >= 0 && f->n->drv == &block_driver_host_device) {
        ret = keeps_header(f, cluster, &kept);
    }
    if (!kept) {
        error_set(f->errp, "Image is not in qcow2 format");
        return;
    }
    if (ret >= 0) {
        ret = node_flush(f->n);
    }
    f->ok = ret >= 0 ||
            error_errno(f->errp, -ret, "Could not write qcow2 header");
}

static bool prealloc_error(const Plan *p, int err, Error **errp)
{
    return err == ENOTSUP
               ? error_set(errp,
                           "Preallocation mode '%s' unsupported for this "
                           "non-regular file",
                           p->prealloc == BLOCK_PREALLOC_FULL ? "full"
                                                              : "falloc")
               : error_errno(errp, err, "Could not preallocate metadata");
}

static void coroutine_fn grow(void *opaque)
{
    Fill *f = opaque;
    int ret = 0;

    f->ok = qc_crypt_create(f->n->state, &f->p->crypt, f->errp) &&
            node_truncate(f->n, f->p->h.size, false, f->errp);
    if (f->ok && f->p->prealloc != BLOCK_PREALLOC_OFF) {
        /* Files that are made for the image have their space already. */
        ret = qc_preallocate(f->n, 0, f->p->h.size,
                             f->p->fresh ? BLOCK_PREALLOC_METADATA
                                         : f->p->prealloc);
        if (ret >= 0 && !f->p->fresh) {
            ret = node_flush(f->n);
        }
        f->ok = ret >= 0 || prealloc_error(f->p, -ret, f->errp);
    }
}

/* Run @fn on @n, of which it takes the reference, with all permissions. */
static bool with_node(BlockNode *n, CoroutineFn *fn, Fill *f)
{
    BlockBackend *blk;

    f->n = n;
    if (!n) {
        return false;
    }
    blk = blk_new(n->graph, BLK_PERM_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE,
                  BLK_PERM_READ);
    f->ok = false;
    if (blk_insert_node(blk, f->n, f->errp)) {
        block_run(fn, f);
    }
    blk_unref(blk);
    node_unref(f->n);
    return f->ok;
}

/* Before its end nothing need be durable: an image half made is none. */
static QDict *made_options(BlockGraph *g, const char *filename, Error **errp)
{
    QDict *file = block_created_options(g, filename, errp);

    if (file && !g_strcmp0(qdict_get_str(file, "driver"), "file")) {
        QDict *cache = qdict_new();

        qdict_put_bool(cache, "no-flush", true);
        qdict_put(file, "cache", cache);
    }
    return file;
}

static bool make_durable(BlockGraph *g, const char *filename, Error **errp)
{
    g_autoptr(QDict) file = NULL;

    if (g->filling) {
        return true;
    }
    file = made_options(g, filename, errp);
    return file && (!qdict_has(file, "cache") ||
                    block_sync_file(qdict_get_str(file, "filename"), errp));
}

/* The option that is the node, or opens the file. */
static bool put_data_file(BlockGraph *g, QDict *top, const Plan *p,
                          Error **errp)
{
    QDict *file;

    if (p->data_node) {
        qdict_put_str(top, "data-file", p->data_node->name);
        return true;
    }
    file = made_options(g, p->data_file, errp);
    if (file) {
        qdict_put(top, "data-file", file);
    }
    return file;
}

static BlockNode *open_made(BlockGraph *g, const char *filename, Error **errp)
{
    g_autoptr(QDict) file = made_options(g, filename, errp);

    return file ? block_open_filename(g, NULL, NULL, file, NULL, errp) : NULL;
}

/* The image in the plan's node. */
static bool write_image(BlockGraph *g, const Plan *p, Error **errp)
{
    g_autoptr(QDict) top = qdict_new();
    Fill f = { .p = p, .whole = fits_whole(p), .errp = errp };

    f.l1 = f.whole ? l1_entries(&p->h) : 0;
    if (!with_node(node_ref(p->file_node), write_start, &f)) {
        return false;
    }
    if (f.whole) {
        return true;
    }
    qdict_put_str(top, "driver", "qcow2");
    qdict_put_str(top, "file", p->file_node->name);
    qdict_put_null(top, "backing");
    if (p->data_file && !put_data_file(g, top, p, errp)) {
        return false;
    }
    return with_node(block_open_filename(g, NULL, NULL, top, NULL, errp), grow,
                     &f);
}

/* Space
 * ---------------------------------------------------------------------------- */

/* Clusters exist in whole, and before a table leads to them. */
static int coroutine_fn reach(BlockNode *n, int64_t end)
{
    autoerr Error *err = NULL;

    return end <= node_length(n) || node_truncate(n, end, false, &err)
               ? 0
               : -ENOSPC;
}

int coroutine_fn qc_preallocate(BlockNode *n, int64_t from, int64_t to,
                                int mode)
{
    QcowState *s = n->state;
    int ret = 0;

    for (int64_t at = qc_cluster_start(s, from); at < to && ret >= 0;) {
        int64_t got, host;
        unsigned index;
        QcTable *slice;

        co_mutex_lock(&s->lock);
        ret = qc_l2_for_write(s, at, &slice, &index);
        if (ret < 0) {
            co_mutex_unlock(&s->lock);
            return ret;
        }
        got = ALIGN_UP(to - at, s->cluster_size);
        got = MIN(got, (int64_t)(BIT(s->slice_bits) - index)
                           << s->cluster_bits);
        host = s->external ? at : qc_alloc(s, got, false, &got);
        /* As much is still to come, at least. */
        ret = host < 0 ? host
                       : reach(qc_data_node(s),
                               host + ALIGN_UP(to - at, s->cluster_size));
        if (ret >= 0) {
            ret = qc_cache_depend(s->l2c, s->rbc);
        }
        for (int64_t i = 0; ret >= 0 && i < got >> s->cluster_bits; i++) {
            /* Extended: no subcluster has data yet, zeroes stay. */
            uint64_t zeroes = qc_l2_load(s, slice, index + i).map >> 32 << 32;

            qc_l2_store(s, slice, index + i,
                        (QcEntry){ (host + (i << s->cluster_bits)) | QC_COPIED,
                                   zeroes });
        }
        if (ret >= 0) {
            qc_cache_dirty(s->l2c, slice);
            at += got;
        }
        qc_cache_put(s->l2c, slice);
        co_mutex_unlock(&s->lock);
        /* Only here: metadata lies between the data. */
        if (ret >= 0 && mode != BLOCK_PREALLOC_METADATA) {
            ret = node_preallocate(qc_data_node(s), host, host + got, mode);
        }
    }
    return ret;
}

/* The first cluster without data: the one that @from lies in may be. */
static int64_t coroutine_fn first_free(BlockNode *n, int64_t from)
{
    QcowState *s = n->state;
    int64_t start = qc_cluster_start(s, from);
    QcMap map;
    int ret;

    co_mutex_lock(&s->lock);
    ret = qc_map(s, start, s->cluster_size, true, &map);
    co_mutex_unlock(&s->lock);
    return ret >= 0 && map.type == QC_TYPE_UNALLOCATED && !n->backing
               ? start
               : ALIGN_UP(from, s->cluster_size);
}

int coroutine_fn qc_preallocate_space(BlockNode *n, int64_t from, int64_t to,
                                      int mode)
{
    QcowState *s = n->state;
    int ret;

    /* Behind the end of the file: freed clusters are not zero. */
    co_mutex_lock(&s->lock);
    if (!s->external) {
        s->free_index = MAX(s->free_index,
                            DIV_ROUND_UP((uint64_t)node_length(n->file->node),
                                         (uint64_t)s->cluster_size));
    }
    co_mutex_unlock(&s->lock);
    ret = qc_preallocate(n, first_free(n, from), to, mode);
    return ret < 0 ? ret : node_flush(n);
}

uint64_t qc_image_size(const QcHeader *h, uint64_t data_clusters)
{
    uint64_t size = h->size, cluster = BIT(h->cluster_bits);
    uint64_t entries = cluster / (h->incompat & QC_INCOMPAT_EXTL2 ? 16 : 8);
    uint64_t l2 = DIV_ROUND_UP(DIV_ROUND_UP(size, cluster), entries);
    uint64_t l1 = DIV_ROUND_UP(DIV_ROUND_UP(size, cluster * entries) * 8,
                               cluster);
    uint64_t per_block = cluster * 8 >> h->refcount_order;
    uint64_t fixed = 1 + l1 + l2 + data_clusters;
    uint64_t total = fixed, last;

    do {
        uint64_t blocks = DIV_ROUND_UP(total, per_block);

        last = total;
        total = fixed + blocks + DIV_ROUND_UP(blocks * 8, cluster);
    } while (total != last);
    return total << h->cluster_bits;
}

/* The format
 * ----------------------------------------------------------------------- */

static bool create_planned(BlockGraph *g, const char *filename,
                           const Plan *plan, const QDict *opts, Error **errp)
{
    Plan p = *plan;
    bool existed = !access(filename, F_OK);
    BlockPrealloc mode, data_mode = BLOCK_PREALLOC_OFF;
    int64_t bytes = 0, data_bytes = 0;
    bool ok;

    mode = p.prealloc == BLOCK_PREALLOC_METADATA ? BLOCK_PREALLOC_OFF
                                                 : p.prealloc;
    if (p.data_file) {
        data_bytes = mode == BLOCK_PREALLOC_OFF ? 0 : p.h.size;
        data_mode = mode;
        mode = BLOCK_PREALLOC_OFF;
    }
    if (mode != BLOCK_PREALLOC_OFF) {
        bytes =
            qc_image_size(&p.h, DIV_ROUND_UP(p.h.size, BIT(p.h.cluster_bits))) +
            qc_crypt_plan_bytes(&p.crypt, BIT(p.h.cluster_bits));
    }
    if (!block_create_file(g, filename, bytes, mode, &qcow2_create_ops, opts,
                           errp)) {
        return false;
    }
    if (p.data_file && !block_create_file(g, p.data_file, data_bytes, data_mode,
                                          &qcow2_create_ops, opts, errp)) {
        if (!existed) {
            unlink(filename);
        }
        return false;
    }
    p.fresh = true;
    p.file_node = open_made(g, filename, errp);
    ok = p.file_node && write_image(g, &p, errp) &&
         make_durable(g, filename, errp) &&
         (!p.data_file || make_durable(g, p.data_file, errp));
    node_unref(p.file_node);
    if (!ok && !existed) {
        unlink(filename);
    }
    return ok;
}

static bool qcow2_create(BlockGraph *g, const char *filename, const QDict *opts,
                         Error **errp)
{
    Plan p = { 0 };
    bool ok = plan(opts, &p, errp) && qc_crypt_plan(g, opts, &p.crypt, errp) &&
              create_planned(g, filename, &p, opts, errp);

    qc_crypt_plan_free(&p.crypt);
    return ok;
}

static bool qcow2_create_in(BlockGraph *g, BlockNode *file, BlockNode *data,
                            const QDict *opts, Error **errp)
{
    Plan p = { .file_node = file, .data_node = data };
    bool ok;

    if (!plan(opts, &p, errp)) {
        return false;
    }
    if (block_option_size(opts, "size", 0) % 512) {
        return error_set(errp, "Image size must be a multiple of 512 bytes");
    }
    ok = qc_crypt_plan(g, opts, &p.crypt, errp) && write_image(g, &p, errp);
    qc_crypt_plan_free(&p.crypt);
    return ok;
}

static bool qcow2_measure(BlockGraph *g, const QDict *opts, uint64_t *full,
                          uint64_t *unit, Error **errp)
{
    Plan p = { 0 };
    bool ok = plan(opts, &p, errp) && qc_crypt_plan(g, opts, &p.crypt, errp);

    if (ok) {
        *unit = BIT(p.h.cluster_bits);
        *full = qc_image_size(&p.h, DIV_ROUND_UP(p.h.size, *unit)) +
                qc_crypt_plan_bytes(&p.crypt, *unit);
    }
    qc_crypt_plan_free(&p.crypt);
    return ok;
}

static const BlockCreateOption qcow2_options[] = {
    { "encryption", BLOCK_OPTION_BOOL,
      "Encrypt the image with format 'aes'. (Deprecated in favor of "
      "encrypt.format=aes)",
      NULL },
    { "encrypt.format", BLOCK_OPTION_STR,
      "Encrypt the image, format choices: 'aes', 'luks'", NULL },
    { "encrypt.key-secret", BLOCK_OPTION_STR,
      "ID of secret providing qcow AES key or LUKS passphrase", NULL },
    LUKS_CREATE_OPTIONS("encrypt."),
    { "cluster_size", BLOCK_OPTION_SIZE, "qcow2 cluster size", "65536" },
    { "extended_l2", BLOCK_OPTION_BOOL, "Extended L2 tables", "off" },
    { "preallocation", BLOCK_OPTION_STR,
      "Preallocation mode (allowed values: off, metadata, falloc, full)",
      NULL },
    { "compression_type", BLOCK_OPTION_STR,
      "Compression method used for image cluster compression", "zlib" },
    { "size", BLOCK_OPTION_SIZE, "Virtual disk size", NULL },
    { "compat", BLOCK_OPTION_STR, "Compatibility level (v2 [0.10] or v3 [1.1])",
      NULL },
    { "backing_file", BLOCK_OPTION_STR, "File name of a base image", NULL },
    { "backing_fmt", BLOCK_OPTION_STR, "Image format of the base image", NULL },
    { "data_file", BLOCK_OPTION_STR, "File name of an external data file",
      NULL },
    { "data_file_raw", BLOCK_OPTION_BOOL,
      "The external data file must stay valid as a raw image", NULL },
    { "lazy_refcounts", BLOCK_OPTION_BOOL, "Postpone refcount updates", "off" },
    { "refcount_bits", BLOCK_OPTION_NUM,
      "Width of a reference count entry in bits", "16" },
    {},
};

const BlockCreateOps qcow2_create_ops = {
    .options = qcow2_options,
    .create = qcow2_create,
    .create_in = qcow2_create_in,
    .measure = qcow2_measure,
};
