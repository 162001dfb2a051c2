/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-io: reads, writes and looks at images by commands. */
#ifndef TOOLS_QEMU_IO_H
#define TOOLS_QEMU_IO_H

#include "block/block-backend.h"
#include "block/block-graph.h"

typedef struct IoTool {
    BlockGraph *graph;
    Loop *loop;
    Object *root;      /* of --object; NULL: none */
    BlockBackend *blk; /* NULL: nothing is open */
    bool misalign;
    bool quit;
    unsigned aio_pending;
    bool aio_failed;
} IoTool;

/* How to open an image. */
typedef struct OpenArgs {
    const char *file;
    const char *format;
    const char *cache;   /* mode; NULL: writeback */
    const char *discard; /* mode; NULL: ignore */
    const char *aio;
    const char *options; /* key=value,... */
    bool image_opts;     /* file is such a text */
    bool read_only, force_share;
} OpenArgs;

bool io_open(IoTool *t, const OpenArgs *a, Error **errp);
void io_close(IoTool *t);

/* Run one command line; negative on failure. */
int io_command(IoTool *t, const char *line);

/* util.c */
int64_t io_parse_size(const char *text); /* negative: not a size */
void io_print_size(double bytes, char *buf, size_t len);
void io_dump(const uint8_t *buf, int64_t offset, int64_t len);

typedef struct IoStats {
    const char *verb; /* "read", "wrote" */
    int64_t offset, asked, done;
    int ops;
    double seconds;
    bool machine; /* -C */
} IoStats;
void io_report(const IoStats *s);

#endif
