/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making LUKS volumes. */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/block-graph.h"
#include "block/drivers.h"
#include "block/luks.h"
#include "util/error.h"

typedef struct Format {
    BlockNode *n;
    Luks *l;
    const char *password;
    uint64_t iter_ms;
    bool ok;
    Error **errp;
} Format;

static void coroutine_fn format_entry(void *opaque)
{
    Format *f = opaque;

    f->ok = luks_format(f->l, (LuksPlace){ f->n, 0 }, f->password, f->iter_ms,
                        f->errp);
}

static bool plan_preallocation(const QDict *opts, BlockPrealloc *mode,
                               Error **errp)
{
    if (!block_prealloc_parse(qdict_get_str(opts, "preallocation"), true, mode,
                              errp)) {
        return false;
    }
    /* There is nothing to do for metadata. */
    if (*mode == BLOCK_PREALLOC_METADATA) {
        *mode = BLOCK_PREALLOC_OFF;
    }
    return true;
}

static bool check_size(const Luks *l, uint64_t size, Error **errp)
{
    return size <= (uint64_t)(BLK_MAX_LENGTH - luks_payload_bytes(l)) ||
           error_set(errp, "The requested file size is too large");
}

static bool format(BlockGraph *g, const char *filename, Format *f)
{
    g_autoptr(QDict) file = block_created_options(g, filename, f->errp);
    BlockBackend *blk;

    f->n =
        file ? block_open_filename(g, NULL, NULL, file, NULL, f->errp) : NULL;
    if (!f->n) {
        return false;
    }
    blk = blk_new(g, BLK_PERM_READ | BLK_PERM_WRITE, BLK_PERM_READ);
    if (blk_insert_node(blk, f->n, f->errp)) {
        block_run(format_entry, f);
    }
    blk_unref(blk);
    node_unref(f->n);
    return f->ok;
}

/* In an open node
 * ----------------------------------------------------------------------- */

typedef struct Fill {
    Format format;
    int64_t size; /* of the file */
    BlockPrealloc mode;
} Fill;

static void coroutine_fn fill_entry(void *opaque)
{
    Fill *f = opaque;
    BlockNode *n = f->format.n;
    int ret = 0;

    /* Devices keep their length. */
    if (!node_truncate(n, 0, false, f->format.errp) ||
        !node_truncate(n, f->size, false, f->format.errp)) {
        return;
    }
    if (f->mode != BLOCK_PREALLOC_OFF) {
        ret = node_preallocate(n, 0, f->size, f->mode);
    }
    if (ret < 0) {
        error_errno(f->format.errp, -ret, "Could not preallocate data");
        return;
    }
    format_entry(&f->format);
}

static bool luks_create_in(BlockGraph *g, BlockNode *file, BlockNode *data,
                           const QDict *opts, Error **errp)
{
    uint64_t size = block_option_size(opts, "size", 0);
    Luks l;
    Fill f = { .format = { .n = file,
                           .l = &l,
                           .iter_ms = block_option_size(opts, "iter-time",
                                                        LUKS_ITER_MS),
                           .errp = errp } };
    BlockBackend *blk;
    char *password;

    if (!plan_preallocation(opts, &f.mode, errp)) {
        return false;
    }
    password =
        luks_password(g, qdict_get_str(opts, "key-secret"), "key-secret", errp);
    f.format.password = password;
    if (!password || !luks_plan(&l, opts, "", errp) ||
        !check_size(&l, size, errp)) {
        luks_free_password(password);
        return false;
    }
    f.size = size + luks_payload_bytes(&l);
    blk = blk_new(g, BLK_PERM_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE,
                  BLK_PERM_READ);
    if (blk_insert_node(blk, file, errp)) {
        block_run(fill_entry, &f);
    }
    blk_unref(blk);
    luks_free_password(password);
    return f.format.ok;
}

/* In a file
 * ---------------------------------------------------------------------------
 */

static bool luks_create(BlockGraph *g, const char *filename, const QDict *opts,
                        Error **errp)
{
    uint64_t size = block_option_size(opts, "size", 0);
    bool existed = !access(filename, F_OK), ok;
    BlockPrealloc mode;
    Luks l;
    Format f = { .l = &l,
                 .iter_ms = block_option_size(opts, "iter-time", LUKS_ITER_MS),
                 .errp = errp };
    char *password;

    if (!plan_preallocation(opts, &mode, errp)) {
        return false;
    }
    password =
        luks_password(g, qdict_get_str(opts, "key-secret"), "key-secret", errp);
    f.password = password;
    ok =
        password && luks_plan(&l, opts, "", errp) && check_size(&l, size, errp);
    ok = ok && block_create_file(g, filename,
                                 ALIGN_UP(size, CRYPTO_SECTOR) +
                                     luks_payload_bytes(&l),
                                 mode, &luks_create_ops, opts, errp);
    if (ok && !format(g, filename, &f)) {
        ok = false;
        if (!existed) {
            unlink(filename);
        }
    }
    luks_free_password(password);
    return ok;
}

static bool luks_measure(BlockGraph *g, const QDict *opts, uint64_t *full,
                         uint64_t *unit, Error **errp)
{
    Luks l;

    if (!qdict_has(opts, "key-secret")) {
        return error_set(errp, "Parameter 'key-secret' is required for cipher");
    }
    if (!luks_plan(&l, opts, "", errp)) {
        return false;
    }
    *unit = 0;
    *full = block_option_size(opts, "size", 0) + luks_payload_bytes(&l);
    return true;
}

static const BlockCreateOption luks_options[] = {
    { "size", BLOCK_OPTION_SIZE, "Virtual disk size", NULL },
    { "key-secret", BLOCK_OPTION_STR,
      "ID of the secret that provides the keyslot passphrase", NULL },
    LUKS_CREATE_OPTIONS(""),
    {},
};

const BlockCreateOps luks_create_ops = {
    .options = luks_options,
    .create = luks_create,
    .create_in = luks_create_in,
    .measure = luks_measure,
};
