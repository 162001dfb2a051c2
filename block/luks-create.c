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

static bool format(BlockGraph *g, const char *filename, Format *f)
{
    g_autoptr(QDict) file = qdict_new();
    BlockBackend *blk;

    qdict_put_str(file, "driver", "file");
    qdict_put_str(file, "filename", filename);
    f->n = block_open_filename(g, NULL, NULL, file, NULL, f->errp);
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

    if (!block_prealloc_parse(qdict_get_str(opts, "preallocation"), true, &mode,
                              errp)) {
        return false;
    }
    /* There is nothing to do for metadata. */
    mode = mode == BLOCK_PREALLOC_METADATA ? BLOCK_PREALLOC_OFF : mode;
    password =
        luks_password(g, qdict_get_str(opts, "key-secret"), "key-secret", errp);
    f.password = password;
    ok = password && luks_plan(&l, opts, "", errp);
    if (ok && size > (uint64_t)(BLK_MAX_LENGTH - luks_payload_bytes(&l))) {
        ok = error_set(errp, "The requested file size is too large");
    }
    ok = ok && block_create_file(filename,
                                 ALIGN_UP(size, CRYPTO_SECTOR) +
                                     luks_payload_bytes(&l),
                                 mode, errp);
    if (ok && g_str_has_prefix(filename, "file:")) {
        filename += strlen("file:");
    }
    if (ok && !format(g, filename, &f)) {
        ok = false;
        if (!existed) {
            unlink(filename);
        }
    }
    luks_free_password(password);
    return ok;
}

static bool luks_measure(const QDict *opts, uint64_t *full, uint64_t *unit,
                         Error **errp)
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
    { "preallocation", BLOCK_OPTION_STR,
      "Preallocation mode (allowed values: off, falloc, full)", NULL },
    {},
};

const BlockCreateOps luks_create_ops = {
    .options = luks_options,
    .create = luks_create,
    .measure = luks_measure,
};
