/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What -drive puts above an image: a temporary overlay that takes all writes
 * (snapshot=on) and the copy-on-read filter.
 */
#include "util/osdep.h"

#include "block/block-create.h"
#include "block/block-graph.h"
#include "block/drive-int.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

void drive_prepare_layers(QDict *d, DriveLayers *layers)
{
    g_autofree char *discard = NULL, *zeroes = NULL;

    layers->read_only = !strcmp(qdict_get_str(d, "read-only"), "on");
    if (!layers->snapshot) {
        return;
    }
    /* The image is a backing file: it is not written. */
    qdict_put_str(d, "read-only", "on");
    qdict_put_str(d, "auto-read-only", "off");
    discard = drive_take(d, "discard");
    zeroes = drive_take(d, "detect-zeroes");
    layers->unmap = !g_strcmp0(discard, "unmap");
    layers->detect_zeroes =
        !g_strcmp0(zeroes, "unmap") ? BLOCKDEV_DETECT_ZEROES_OPTIONS_UNMAP
        : !g_strcmp0(zeroes, "on")  ? BLOCKDEV_DETECT_ZEROES_OPTIONS_ON
                                    : BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF;
}

/* An empty qcow2 image of @size; its name is to be freed. */
static char *make_overlay(BlockGraph *g, int64_t size, Error **errp)
{
    const char *dir = g_getenv("TMPDIR");
    g_autofree char *path =
        g_strdup_printf("%s/vl.XXXXXX", dir ? dir : "/var/tmp");
    g_autofree char *text = g_strdup_printf("%" PRId64, size);
    g_autoptr(QDict) opts = qdict_new();
    autofd int fd = g_mkstemp(path);

    if (fd < 0) {
        error_errno(errp, errno, "Could not create temporary overlay '%s'",
                    path);
        return NULL;
    }
    qdict_put_str(opts, "size", text);
    if (!block_create(g, "qcow2", path, opts, errp)) {
        error_prefix(errp, "Could not create temporary overlay '%s'", path);
        unlink(path);
        return NULL;
    }
    return g_steal_pointer(&path);
}

/* Nothing of it is to be kept: flushes do nothing, and the name is gone. */
static BlockNode *add_overlay(BlockGraph *g, BlockNode *base,
                              const DriveLayers *layers, Error **errp)
{
    g_autofree char *path = make_overlay(g, node_length(base), errp);
    BlockdevOptionsFile file = { .filename = path };
    BlockdevCacheOptions cache = { .has_no_flush = true, .no_flush = true };
    BlockdevRef storage = { .type = QTYPE_QDICT };
    BlockdevRefOrNull backing = { .type = QTYPE_QSTRING };
    BlockdevOptions opts = {
        .driver = BLOCKDEV_DRIVER_QCOW2,
        .cache = &cache,
        .has_read_only = true,
        .read_only = layers->read_only,
        .has_discard = true,
        .discard = layers->unmap ? BLOCKDEV_DISCARD_OPTIONS_UNMAP
                                 : BLOCKDEV_DISCARD_OPTIONS_IGNORE,
        .has_detect_zeroes = true,
        .detect_zeroes = layers->detect_zeroes,
    };
    BlockNode *n;

    if (!path) {
        return NULL;
    }
    backing.u.reference = base->name;
    storage.u.definition = (BlockdevOptions){
        .driver = BLOCKDEV_DRIVER_FILE,
        .u.file = file,
    };
    opts.u.qcow2.file = &storage;
    opts.u.qcow2.backing = &backing;
    n = block_open(g, &opts, NULL, errp);
    unlink(path);
    return n;
}

static BlockNode *add_copy_on_read(BlockGraph *g, BlockNode *below,
                                   Error **errp)
{
    BlockdevRef file = { .type = QTYPE_QSTRING };
    BlockdevOptions opts = { .driver = BLOCKDEV_DRIVER_COPY_ON_READ };
    BlockNode *n;

    file.u.reference = below->name;
    opts.u.copy_on_read.file = &file;
    opts.has_discard = true;
    opts.discard = below->flags.unmap;
    n = block_open(g, &opts, NULL, errp);
    if (n) {
        n->implicit = true;
    }
    return n;
}

BlockNode *drive_add_layers(BlockGraph *g, BlockNode *n,
                            const DriveLayers *layers, Error **errp)
{
    BlockNode *top;

    if (layers->snapshot) {
        top = add_overlay(g, n, layers, errp);
        node_unref(n);
        n = top;
    }
    if (n && layers->copy_on_read && !n->read_only) {
        top = add_copy_on_read(g, n, errp);
        node_unref(n);
        n = top;
    }
    return n;
}
