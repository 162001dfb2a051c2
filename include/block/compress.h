/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Codecs of compressed clusters. They live in the module block-compress, so
 * that a program that meets no compressed cluster loads no library for them.
 */
#ifndef BLOCK_COMPRESS_H
#define BLOCK_COMPRESS_H

#include "util/error.h"

typedef struct CompressOps {
    /*
     * Fill all of @out from a compressed stream at the start of @in, which
     * may have other bytes behind it; false if the stream is broken or too
     * short. Any thread. NULL for a codec that is not built in.
     */
    bool (*inflate)(void *out, size_t out_len, const void *in, size_t in_len);
    bool (*unzstd)(void *out, size_t out_len, const void *in, size_t in_len);
    /* All of @in in @out_len bytes; the stream's length, 0 if it does not fit.
     * Any thread. */
    size_t (*deflate)(void *out, size_t out_len, const void *in, size_t in_len);
    size_t (*zstd)(void *out, size_t out_len, const void *in, size_t in_len);
} CompressOps;

/*
 * The codecs; loads the module at the first call that succeeds. NULL with an
 * error if it cannot be loaded. Any thread. A program calls it before it
 * gives up the paths of modules (chroot).
 */
const CompressOps *compress_ops(Error **errp);

/*
 * The module's table; a program that links the codecs itself (a fuzz target)
 * has it without loading anything.
 */
extern const CompressOps nemu_compress_ops __attribute__((weak));

#endif
