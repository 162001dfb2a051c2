/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img convert: what copying needs to know. */
#ifndef TOOLS_QEMU_IMG_CONVERT_H
#define TOOLS_QEMU_IMG_CONVERT_H

#include "img.h"
#include "util/coroutine.h"

#define CONVERT_MAX_WORKERS 16
#define CONVERT_PIECE       ((int64_t)(1 * MiB))

typedef struct ConvertSource {
    BlockBackend *blk;
    int64_t start, length; /* in the target */
} ConvertSource;

typedef struct Convert {
    /* Const while copying */
    ConvertSource *src; /* in order, without gaps */
    unsigned n_src;
    BlockBackend *dst;
    const BlockNode *base; /* whose data the target has by its own backing */
    int64_t length, min_sparse;
    int64_t unit;    /* of the target: smaller parts are not skipped */
    int64_t cluster; /* what is compressed at a time */
    int64_t piece;   /* what a worker takes at most */
    uint64_t rate;   /* bytes per second; 0: as fast as it goes */
    bool out_of_order, target_zero, target_backing, compressed;
    bool salvage; /* what cannot be read is zero */
    bool quiet;
    bool offload; /* let the host copy, as long as it can */

    ImgProgress progress;
    int64_t start_ns, written;
    int64_t next;         /* offset that no worker has taken */
    uint64_t taken, turn; /* numbers of pieces */
    CoQueue queue;        /* for the turn */
    Mutex lock;
    CoMutex taking;
    unsigned running;
    int64_t write_failed; /* the first piece that could not be written */
    int write_ret;        /* and why */
    int ret;
} Convert;

/* Serves block I/O of @loop until everything is copied. 0, or -errno after a
 * message. */
int convert_copy(Convert *c, Loop *loop, unsigned workers);

#endif
