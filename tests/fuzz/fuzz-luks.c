/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LUKS headers from anywhere: open with a password, read, write, resize, close.
 * Ciphers and hashes are toys, so that the work is in our own code: the
 * splitter's thousands of hashes and the iterations that a header asks for
 * would be all that this target does.
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "block/block-backend.h"
#include "block/block-graph.h"
#include "block/block-int.h"
#include "block/luks.h"
#include "crypto/ops.h"
#include "qapi/qapi-types-block-core.h"
#include "qom/user-object.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/rcu.h"

enum { MAX_IMAGE = 1 << 16 };
#define DISK ((int64_t)(4 * MiB))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *disk;
static char buf[70000];

static void swallow(void *opaque, const char *text)
{
}

/* Toys
 * ------------------------------------------------------------------------- */

static void set_key(void *ctx, const uint8_t *key)
{
    *(uint8_t *)ctx = key[0];
}

static void toy_crypt(const void *ctx, size_t len, uint8_t *dst,
                      const uint8_t *src)
{
    memmove(dst, src, len);
    dst[0] ^= *(const uint8_t *)ctx;
}

static void hash_init(void *ctx)
{
    memset(ctx, 0, 64);
}

static void hash_update(void *ctx, size_t len, const uint8_t *data)
{
    *(uint8_t *)ctx ^= len ? data[0] ^ data[len - 1] : 0;
}

static void hash_digest(void *ctx, size_t len, uint8_t *out)
{
    memcpy(out, ctx, len);
}

static void toy_pbkdf2(const CryptoHashOps *hash, size_t key_len,
                       const uint8_t *key, unsigned iterations, size_t salt_len,
                       const uint8_t *salt, size_t out_len, uint8_t *out)
{
    memset(out, key_len ? key[0] ^ salt[0] : 0, out_len);
}

#define CIPHER(nam, key, block)                                    \
    {                                                              \
        nam, key, block, 8, set_key, set_key, toy_crypt, toy_crypt \
    }
#define HASH(nam, len)                                        \
    {                                                         \
        nam, len, 64, 64, hash_init, hash_update, hash_digest \
    }

static const CryptoCipherOps ciphers[] = {
    CIPHER("aes-128", 16, 16),
    CIPHER("aes-192", 24, 16),
    CIPHER("aes-256", 32, 16),
    CIPHER("cast5-128", 16, 8),
    CIPHER("serpent-128", 16, 16),
    CIPHER("twofish-256", 32, 16),
    {},
};
static const CryptoHashOps hashes[] = {
    HASH("md5", 16),
    HASH("sha1", 20),
    HASH("sha256", 32),
    HASH("sha512", 64),
    {},
};
const CryptoOps nemu_crypto_ops = { ciphers, hashes, toy_pbkdf2 };

/* The disk
 * ----------------------------------------------------------------------- */

static int coroutine_fn disk_preadv(BlockNode *n, int64_t offset, int64_t bytes,
                                    const IoVec *iov, size_t iov_offset,
                                    unsigned flags)
{
    iov_from_buf(iov, iov_offset, disk + offset, bytes);
    return 0;
}

static int coroutine_fn disk_pwritev(BlockNode *n, int64_t offset,
                                     int64_t bytes, const IoVec *iov,
                                     size_t iov_offset, unsigned flags)
{
    if (offset > DISK - bytes) {
        return -ENOSPC;
    }
    iov_to_buf(iov, iov_offset, disk + offset, bytes);
    return 0;
}

static int64_t coroutine_fn disk_getlength(BlockNode *n)
{
    return node_length(n);
}

static bool coroutine_fn disk_truncate(BlockNode *n, int64_t size, bool exact,
                                       Error **errp)
{
    if (size > DISK) {
        return error_set(errp, "the disk is full");
    }
    node_set_length(n, size);
    return true;
}

static const BlockIoOps disk_io = {
    .preadv = disk_preadv,
    .pwritev = disk_pwritev,
};
static const BlockSizeOps disk_size = {
    .getlength = disk_getlength,
    .truncate = disk_truncate,
};
static const BlockDriver disk_driver = {
    .name = "fuzz-disk",
    .driver = BLOCKDEV_DRIVER_FILE,
    .protocol = true,
    .io = &disk_io,
    .size = &disk_size,
};

/* The header is the input; a byte of it says how long the disk is. */
static BlockNode *disk_open(BlockGraph *g, const uint8_t *data, size_t size)
{
    BlockNode *n = node_new(g, &disk_driver, "disk", error_abort);

    memcpy(disk, data, size);
    n->length = MAX((int64_t)size, (int64_t)data[size - 1] << 14);
    node_refresh_limits(n);
    node_publish(n);
    return n;
}

static void use(BlockGraph *g, BlockNode *n)
{
    autoerr Error *err = NULL;
    BlockBackend *blk =
        blk_new(g, BLK_PERM_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE,
                BLK_PERM_ALL);
    int64_t length;

    blk_insert_node(blk, n, error_abort);
    length = blk_getlength(blk);
    qapi_free_ImageInfo(block_image_info(n, false));
    if (length > 1000) {
        blk_pread(blk, 1, MIN(length - 1, (int64_t)sizeof(buf)), buf);
        blk_pwrite(blk, 700, MIN(length - 700, 2000), buf, 0);
    }
    blk_truncate(blk, 1 << 20, false, &err);
    blk_unref(blk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static BlockdevOptions *opts;
    static BlockGraph *g;
    autoerr Error *err = NULL;
    BlockNode *file, *n;

    if (!g) {
        Loop *loop;

        rcu_register_thread();
        report_set_thread_sink(swallow, NULL);
        loop = loop_new("fuzz", error_abort);
        loop_set_current(loop);
        g = block_graph_new(loop);
        g->root = object_root_new();
        object_user_add_option(g->root, NULL, "secret,id=s,data=a",
                               error_abort);
        disk = mmap(NULL, DISK, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        opts = qapi_parse_option(&qapi_type_BlockdevOptions,
                                 "{\"driver\": \"luks\", \"file\": \"disk\", "
                                 "\"key-secret\": \"s\"}",
                                 "driver", error_abort);
    }
    if (!size || size > MAX_IMAGE) {
        return 0;
    }
    file = disk_open(g, data, size);
    n = block_open(g, opts, NULL, &err);
    if (n) {
        use(g, n);
        node_unref(n);
    }
    node_unref(file);
    memset(disk, 0, size);
    return 0;
}
