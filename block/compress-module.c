/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module block-compress: the compression libraries that qcow2 names
 * (deflate: RFC 1951; zstd: RFC 8878).
 */
#include "util/osdep.h"

#include <zlib.h>
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

#ifdef CONFIG_ZSTD
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
#ifdef CONFIG_ZSTD
    .unzstd = unzstd_cluster,
#endif
};
