/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transfers of qemu-io: one request with its options and its buffer. */
#ifndef TOOLS_QEMU_IO_XFER_H
#define TOOLS_QEMU_IO_XFER_H

#include "qemu-io.h"

typedef enum XferKind {
    XFER_READ,
    XFER_READV,
    XFER_WRITE,
    XFER_WRITEV,
    XFER_AIO_READ,
    XFER_AIO_WRITE,
    XFER_DISCARD,
} XferKind;

typedef struct Xfer {
    IoTool *t;
    XferKind kind;
    bool machine, quiet, dump, zero, unmap, fua, no_fallback, compressed,
        vmstate, invalid;
    const char *source;             /* file to fill the buffer from */
    int pattern;                    /* -1: none given */
    int64_t check_start, check_len; /* -s and -l; len -1: all */
    int64_t offset, len;
    IoVec iov; /* not for zeroes and discards */
    uint8_t *buf;
    int64_t start_ns;
    bool done;
    int ret;
} Xfer;

static inline bool xfer_is_read(const Xfer *x)
{
    return x->kind == XFER_READ || x->kind == XFER_READV ||
           x->kind == XFER_AIO_READ;
}

static inline bool xfer_is_async(const Xfer *x)
{
    return x->kind == XFER_AIO_READ || x->kind == XFER_AIO_WRITE;
}

/* "off len [len..]" from argv[first] on, and a buffer. 0 or -EINVAL. */
int xfer_take_range(Xfer *x, int first, int argc, char **argv);
/* Start, wait, report: 0 or -errno. An asynchronous one is reported, and @x
 * freed, when it is done. */
int xfer_run(Xfer *x);
void xfer_free(Xfer *x);

#endif
