/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * luks: a LUKS volume, version 1: a header with the keys, then the data,
 * encrypted sector by sector.
 * Spec: LUKS1 On-Disk Format Specification 1.2.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/drivers.h"
#include "block/luks.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

typedef struct LuksState {
    Luks header;
    CryptoSectors *data; /* NULL: opened to look at the header only */
} LuksState;

static int64_t coroutine_fn luks_getlength(BlockNode *n)
{
    LuksState *s = n->state;

    /* A sector that is there in part is decrypted with zeroes for the rest. */
    return ALIGN_UP(
        MAX(node_length(n->file->node) - luks_payload_bytes(&s->header), 0),
        CRYPTO_SECTOR);
}

/* What is below is of no use as it is. */
static int coroutine_fn luks_status(BlockNode *n, bool precise, int64_t offset,
                                    int64_t bytes, int64_t *num, int64_t *map,
                                    BlockNode **file)
{
    *num = bytes;
    return BLK_STATUS_DATA | BLK_STATUS_ALLOCATED;
}

static bool coroutine_fn unlock(BlockNode *n, const char *secret, Error **errp)
{
    LuksState *s = n->state;
    LuksPlace at = { n->file->node, 0 };
    char *password;

    if (n->graph->describing) {
        return true;
    }
    password = luks_password(n->graph, secret, "key-secret", errp);
    if (!password) {
        return false;
    }
    s->data = luks_unlock(&s->header, at, password, errp);
    luks_free_password(password);
    return s->data;
}

static bool coroutine_fn luks_open(BlockNode *n, const BlockdevOptions *opts,
                                   Error **errp)
{
    const BlockdevOptionsLUKS *o = &opts->u.luks;
    LuksState *s = n->state;

    n->file = node_open_child(n, "file", o->file,
                              BLOCK_ROLE_DATA | BLOCK_ROLE_METADATA |
                                  BLOCK_ROLE_PRIMARY,
                              errp);
    if (!n->file ||
        !luks_read(&s->header, (LuksPlace){ n->file->node, 0 }, errp) ||
        !unlock(n, o->key_secret, errp)) {
        return false;
    }
    if (node_length(n->file->node) < luks_payload_bytes(&s->header)) {
        crypto_sectors_free(s->data);
        return error_errno(errp, EIO, "Could not refresh total sector count");
    }
    n->length = luks_getlength(n);
    block_name_node(n, n->opts, NULL, true);
    return true;
}

static void coroutine_fn luks_close(BlockNode *n)
{
    LuksState *s = n->state;

    crypto_sectors_free(s->data);
}

static void luks_refresh_limits(BlockNode *n)
{
    n->limits.request_alignment =
        MAX(n->limits.request_alignment, CRYPTO_SECTOR);
    n->limits.max_iov = 0;
}

/* Data
 * ------------------------------------------------------------------------- */

static int coroutine_fn luks_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset,
                                    unsigned flags)
{
    LuksState *s = n->state;

    if (!s->data) {
        return -EACCES;
    }
    return crypt_preadv(s->data, n->file->node,
                        offset + luks_payload_bytes(&s->header), offset, bytes,
                        iov, iov_offset);
}

static int coroutine_fn luks_pwritev(BlockNode *n, int64_t offset,
                                     int64_t bytes, const IoVec *iov,
                                     size_t iov_offset, unsigned flags)
{
    LuksState *s = n->state;

    if (!s->data) {
        return -EACCES;
    }
    return crypt_pwritev(s->data, n->file->node,
                         offset + luks_payload_bytes(&s->header), offset, bytes,
                         iov, iov_offset, flags & BLK_REQ_FUA);
}

static bool coroutine_fn luks_truncate(BlockNode *n, int64_t size, bool exact,
                                       Error **errp)
{
    LuksState *s = n->state;
    int64_t payload = luks_payload_bytes(&s->header);

    if (size > BLK_MAX_LENGTH - payload) {
        return error_set(errp, "The requested file size is too large");
    }
    return node_truncate(n->file->node, size + payload, exact, errp);
}

static int coroutine_fn luks_preallocate(BlockNode *n, int64_t from, int64_t to,
                                         int mode)
{
    LuksState *s = n->state;
    int64_t payload = luks_payload_bytes(&s->header);

    return mode == BLOCK_PREALLOC_METADATA
               ? -ENOTSUP
               : node_preallocate(n->file->node, from + payload, to + payload,
                                  mode);
}

/* Information
 * ----------------------------------------------------------------------- */

static void luks_image_info(BlockNode *n, ImageInfo *info)
{
    LuksState *s = n->state;

    info->has_encrypted = info->encrypted = true;
    info->format_specific = g_new0(ImageInfoSpecific, 1);
    info->format_specific->type = IMAGE_INFO_SPECIFIC_KIND_LUKS;
    info->format_specific->u.luks.data = luks_info(&s->header);
}

static bool coroutine_fn luks_change_keys(BlockNode *n, const BlockAmend *a,
                                          Error **errp)
{
    LuksState *s = n->state;

    return luks_amend(&s->header, (LuksPlace){ n->file->node, 0 }, n->graph,
                      a->opts, "", n->opts->u.luks.key_secret, a->force, errp);
}

static const BlockCreateOption luks_amend_options[] = {
    LUKS_AMEND_OPTIONS(""),
    {},
};

static const BlockIoOps luks_io_ops = {
    .preadv = luks_preadv,
    .pwritev = luks_pwritev,
    .block_status = luks_status,
};

static const BlockSizeOps luks_size_ops = {
    .getlength = luks_getlength,
    .preallocate = luks_preallocate,
    .truncate = luks_truncate,
};

static const BlockInfoOps luks_info_ops = {
    .image = luks_image_info,
};

static const BlockImageOps luks_image_ops = {
    .amend = luks_change_keys,
    .amend_options = luks_amend_options,
};

const BlockDriver block_driver_luks = {
    .name = "luks",
    .driver = BLOCKDEV_DRIVER_LUKS,
    .state_size = sizeof(LuksState),
    .probe = luks_probe,
    .open = luks_open,
    .close = luks_close,
    .refresh_limits = luks_refresh_limits,
    .io = &luks_io_ops,
    .size = &luks_size_ops,
    .info = &luks_info_ops,
    .image = &luks_image_ops,
    .create = &luks_create_ops,
};
