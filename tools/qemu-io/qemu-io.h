/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-io: reads, writes and looks at images by commands; also those of the
 * human monitor. What they print goes to standard output. */
#ifndef TOOLS_QEMU_IO_H
#define TOOLS_QEMU_IO_H

#include "block/block-backend.h"
#include "block/block-graph.h"

typedef struct IoTool {
    BlockGraph *graph;
    Loop *loop;
    Object *root;      /* of --object; NULL: none */
    BlockBackend *blk; /* NULL: nothing is open */
    bool in_monitor;   /* not the program: no opening, closing, ending */
    bool misalign;
    bool quit;
    unsigned aio_pending;
} IoTool;

/* How to open an image. */
typedef struct OpenArgs {
    const char *file;
    const char *format;
    const char *cache;   /* mode; NULL: write through the host's cache */
    const char *discard; /* mode; NULL: unmap */
    const char *aio;
    const char *options; /* key=value,... */
    bool image_opts;     /* file is such a text */
    bool read_only, force_share, snapshot, copy_on_read;
} OpenArgs;

/* image.c */
bool io_open(IoTool *t, const OpenArgs *a, Error **errp);
void io_close(IoTool *t);
/* The image's node: without the filter of -C. */
BlockNode *io_node(const IoTool *t);
/* An option of the command line and of "open", as getopt(3) found it. False,
 * with a message: it has a wrong argument. */
bool io_open_option(OpenArgs *a, int c);

typedef struct IoReopen {
    int writable;        /* 0, 1; -1: as it is */
    const char *cache;   /* mode, or NULL */
    const char *options; /* key=value,... or NULL */
} IoReopen;
bool io_reopen(IoTool *t, const IoReopen *r, Error **errp);

typedef struct IoCommand IoCommand;
struct IoCommand {
    const char *name, *alias, *args, *help;
    const char *more;   /* of "help NAME", or NULL */
    int argmin, argmax; /* argmax -1: any number */
    bool no_file;       /* works without an open image */
    bool program_only;
    uint64_t perm;      /* of BLK_PERM_*, besides reading */
    int (*fn)(IoTool *t, const IoCommand *c, int argc, char **argv);
};

/* Run one command line; negative on failure. */
int io_command(IoTool *t, const char *line);
/* Serve what I/O needs until something happens. */
void io_wait(const IoTool *t);
/* Print what @c is for, and what it takes; -EINVAL. */
int io_usage(const IoCommand *c);
/* Print a message; -EINVAL. */
int io_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* The commands: cmd-*.c */
typedef int IoFn(IoTool *t, const IoCommand *c, int argc, char **argv);
IoFn io_cmd_read, io_cmd_readv, io_cmd_write, io_cmd_writev, io_cmd_aio_read,
    io_cmd_aio_write, io_cmd_aio_flush, io_cmd_discard, io_cmd_flush;
IoFn io_cmd_alloc, io_cmd_info, io_cmd_length, io_cmd_map, io_cmd_truncate;
IoFn io_cmd_close, io_cmd_open, io_cmd_reopen;
IoFn io_cmd_abort, io_cmd_break, io_cmd_remove_break, io_cmd_resume,
    io_cmd_sigraise, io_cmd_sleep, io_cmd_wait_break;

/* help.c: the texts of "help NAME". */
extern const char io_help_aio_read[], io_help_aio_write[], io_help_discard[],
    io_help_open[], io_help_read[], io_help_readv[], io_help_reopen[],
    io_help_sigraise[], io_help_write[], io_help_writev[];

/* util.c */
/* The largest request. */
#define IO_REQ_MAX INT64_C(2147483136)
/* False, with a message: @text is no size. */
bool io_parse_size(const char *text, int64_t *v);
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
