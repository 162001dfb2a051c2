/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "Making" what is there already: disks of iSCSI targets and NBD servers, and
 * devices. The beginning is cleared, so that no format is seen there any more.
 */
#include "util/osdep.h"

#include "block/block-backend.h"
#include "block/block-create.h"
#include "block/block-graph.h"
#include "block/drivers.h"
#include "util/error.h"

#define SECTOR 512

typedef struct Clearing {
    BlockNode *n;
    int64_t size;
    bool ok;
    Error **errp;
} Clearing;

static void coroutine_fn clear_entry(void *opaque)
{
    Clearing *c = opaque;
    int64_t length;
    int ret;

    c->ok = node_truncate(c->n, c->size, false, c->errp);
    if (!c->ok) {
        return;
    }
    length = node_length(c->n);
    ret = node_pwrite_zeroes(c->n, 0, MIN(length, SECTOR), 0);
    c->ok = ret >= 0 || error_errno(c->errp, -ret,
                                    "Failed to clear the new image's first "
                                    "sector");
}

static BlockNode *open_existing(BlockGraph *g, const char *filename,
                                Error **errp)
{
    g_autoptr(QDict) d = block_name_options(g, filename, errp);
    BlockNode *n = d ? block_open_filename(g, NULL, NULL, d, NULL, errp) : NULL;

    if (!n) {
        error_prefix(errp,
                     "Protocol driver '%s' does not support image creation, "
                     "and opening the image failed",
                     block_name_driver(filename)->name);
    }
    return n;
}

static bool existing_create(BlockGraph *g, const char *filename,
                            const QDict *opts, Error **errp)
{
    const char *prealloc = qdict_get_str(opts, "preallocation");
    Clearing c = { .size = block_option_size(opts, "size", 0), .errp = errp };
    BlockBackend *blk;

    if (prealloc && strcmp(prealloc, "off")) {
        return error_set(errp, "Unsupported preallocation mode '%s'", prealloc);
    }
    if (c.size < 0) {
        return error_set(errp, "Image size is too large");
    }
    c.n = open_existing(g, filename, errp);
    if (!c.n) {
        return false;
    }
    blk = blk_new(g, BLK_PERM_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE,
                  BLK_PERM_ALL);
    if (blk_insert_node(blk, c.n, errp)) {
        block_run(clear_entry, &c);
    }
    blk_unref(blk);
    node_unref(c.n);
    return c.ok;
}

/* The driver is given, the name is a path. */
static bool create_on(const char *driver, BlockGraph *g, const char *filename,
                      const QDict *opts, Error **errp)
{
    g_autofree char *name = block_path_has_protocol(filename)
                                ? g_strdup(filename)
                                : g_strdup_printf("%s:%s", driver, filename);

    return existing_create(g, name, opts, errp);
}

static bool host_device_create(BlockGraph *g, const char *filename,
                               const QDict *opts, Error **errp)
{
    return create_on("host_device", g, filename, opts, errp);
}

static bool host_cdrom_create(BlockGraph *g, const char *filename,
                              const QDict *opts, Error **errp)
{
    return create_on("host_cdrom", g, filename, opts, errp);
}

static const BlockCreateOption existing_options[] = {
    { "size", BLOCK_OPTION_SIZE, "Virtual disk size", NULL },
    { "preallocation", BLOCK_OPTION_STR,
      "Preallocation mode (allowed values: off)", NULL },
    {},
};

const BlockCreateOps existing_create_ops = {
    .options = existing_options,
    .create = existing_create,
};

const BlockCreateOps host_device_create_ops = {
    .options = existing_options,
    .create = host_device_create,
};

const BlockCreateOps host_cdrom_create_ops = {
    .options = existing_options,
    .create = host_cdrom_create,
};
