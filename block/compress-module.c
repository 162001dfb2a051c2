/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module block-compress: the compression libraries that qcow2 names
 * (deflate: RFC 1951; zstd: RFC 8878).
 */
#include "util/osdep.h"

#include <zlib.h>
#ifdef CONFIG_LIBDEFLATE
#include <libdeflate.h>
#endif
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif

#include "block/compress.h"

static bool inflate_cluster(void *out, size_t out_len, const void *in,
                            size_t in_len)
{
    z_stream z = { .next_in = (Bytef *)in,
                   .avail_in = in_len,
                   .next_out = out,
                   .avail_out = out_len };
    int ret;

    /* A raw stream with a window of 4 KiB. */
    if (inflateInit2(&z, -12) != Z_OK) {
        return false;
    }
    ret = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    /* What follows the stream in the last sector is of no matter. */
    return (ret == Z_STREAM_END || ret == Z_BUF_ERROR) && !z.avail_out;
}

#ifdef CONFIG_LIBDEFLATE
/* Distances may exceed 4 KiB: RFC 1951 allows it, and who inflates to one
 * buffer needs no window. */
static size_t deflate_cluster(void *out, size_t out_len, const void *in,
                              size_t in_len)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
    size_t len =
        c ? libdeflate_deflate_compress(c, in, in_len, out, out_len) : 0;

    if (c) {
        libdeflate_free_compressor(c);
    }
    return len;
}
#else
static size_t deflate_cluster(void *out, size_t out_len, const void *in,
                              size_t in_len)
{
    z_stream z = { .next_in = (Bytef *)in,
                   .avail_in = in_len,
                   .next_out = out,
                   .avail_out = out_len };
    bool ok;

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return 0;
    }
    ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
    deflateEnd(&z);
    return ok ? z.total_out : 0;
}
#endif

#ifdef CONFIG_ZSTD
static size_t zstd_cluster(void *out, size_t out_len, const void *in,
                           size_t in_len)
{
    size_t len = ZSTD_compress(out, out_len, in, in_len, ZSTD_CLEVEL_DEFAULT);

    return ZSTD_isError(len) ? 0 : len;
}

static bool unzstd_cluster(void *out, size_t out_len, const void *in,
                           size_t in_len)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    ZSTD_inBuffer src = { in, in_len, 0 };
    ZSTD_outBuffer dst = { out, out_len, 0 };

    if (!ctx) {
        return false;
    }
    while (dst.pos < dst.size) {
        size_t src_before = src.pos, dst_before = dst.pos;
        size_t ret = ZSTD_decompressStream(ctx, &dst, &src);

        if (ZSTD_isError(ret) ||
            (src.pos == src_before && dst.pos == dst_before)) {
            break;
        }
    }
    ZSTD_freeDCtx(ctx);
    return dst.pos == dst.size;
}
#endif

__attribute__((visibility("default"))) const CompressOps nemu_compress_ops = {
    .inflate = inflate_cluster,
    .deflate = deflate_cluster,
#ifdef CONFIG_ZSTD
    .zstd = zstd_cluster,
    .unzstd = unzstd_cluster,
#endif
};
