/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: what its commands share. */
#ifndef TOOLS_QEMU_IMG_H
#define TOOLS_QEMU_IMG_H

#include <getopt.h>

#include "block/block-backend.h"
#include "block/block-create.h"
#include "block/block-graph.h"
#include "qobject/qobject.h"

typedef struct SnapshotInfoList SnapshotInfoList;

typedef struct ImgTool {
    Loop *loop;
    BlockGraph *graph;
} ImgTool;

/* How to open an image. */
typedef struct ImgOpen {
    const char *format; /* NULL: probe */
    const char *cache;  /* mode, a known one; NULL: writeback */
    const char *aio;    /* of the file below; NULL: the default */
    bool image_opts;    /* the name is key=value,... */
    const QDict *made;  /* options it was made with: has the keys; or NULL */
    bool writable, force_share, no_backing, unmap;
    bool steady; /* nobody else may write to it */
} ImgOpen;

/* An open image, or NULL with a message printed. */
BlockBackend *img_open(ImgTool *t, const char *filename, const ImgOpen *o);

/* The same with the error for the caller. */
BlockBackend *img_open_err(ImgTool *t, const char *filename, const ImgOpen *o,
                           Error **errp);

/* Commands: the exit status. argv[0] is the program's name. */
int img_amend(ImgTool *t, int argc, char **argv);
int img_bench(ImgTool *t, int argc, char **argv);
int img_bitmap(ImgTool *t, int argc, char **argv);
int img_check(ImgTool *t, int argc, char **argv);
int img_commit(ImgTool *t, int argc, char **argv);
int img_compare(ImgTool *t, int argc, char **argv);
int img_convert(ImgTool *t, int argc, char **argv);
int img_create(ImgTool *t, int argc, char **argv);
int img_dd(ImgTool *t, int argc, char **argv);
int img_info(ImgTool *t, int argc, char **argv);
int img_map(ImgTool *t, int argc, char **argv);
int img_measure(ImgTool *t, int argc, char **argv);
int img_rebase(ImgTool *t, int argc, char **argv);
int img_resize(ImgTool *t, int argc, char **argv);
int img_snapshot(ImgTool *t, int argc, char **argv);

/* Long options without a letter. */
enum {
    IMG_OPT_IMAGE_OPTS = 256,
    IMG_OPT_OUTPUT,
    IMG_OPT_OBJECT,
    IMG_OPT_FIRST, /* a command's own start here */
};

/* getopt_long() that serves --object and -h (which ends the program) itself;
 * '?' after a message. @letters begins with ":". */
int img_getopt(ImgTool *t, int argc, char **argv, const char *letters,
               const struct option *options);
/* Is @mode a cache mode? False after a message that calls it @what. */
bool img_check_cache(const char *what, const char *mode);
/* Print "MESSAGE\nTry 'qemu-img --help' ..." and give 1. */
int img_usage_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* --output=; false after a message. */
bool img_parse_output(const char *text, bool *json);
/* A number of bytes; negative after a message about @what. */
int64_t img_parse_size(const char *what, const char *text);
/* "size" in words: 1.5 MiB. Free with g_free(). */
char *img_size_text(uint64_t bytes);
/* Progress of a long command. */
typedef struct ImgProgress {
    bool shown; /* -p */
    int64_t total, done; /* negative total: not known yet */
    double last, least;  /* percent: shown; that is worth a line */
} ImgProgress;
/* From here on SIGUSR1 asks, unless progress is shown anyway. */
void img_progress_begin(ImgProgress *p, bool shown, int64_t total);
/* Does the next step tell anybody? */
bool img_progress_wanted(const ImgProgress *p);
void img_progress_step(ImgProgress *p, int64_t done);
void img_progress_set(ImgProgress *p, int64_t done, int64_t total);
void img_progress_end(ImgProgress *p, bool ok);
/* Wait until @done bytes since @start_ns are no more than @rate a second. */
void img_hold_back(uint64_t rate, int64_t start_ns, int64_t done);
/* The table of "info" and "snapshot -l". */
void img_print_snapshots(const SnapshotInfoList *list);
/* -o options: several join. False after a message. */
bool img_add_options(QDict *d, const char *text);
/* Does @text, of -o, ask for help? */
bool img_options_help(const char *text);
/* -o help of what makes images; @filename NULL: none is given. */
int img_create_help(const char *format, const char *filename);
bool img_has_option(const BlockCreateOption *options, const char *name);
void img_print_options(const char *title, const BlockCreateOption *options);

/* bitmap.c, for convert: can the bitmaps of @from be copied? False after a
 * message, as for the next two. */
bool img_check_bitmaps(BlockNode *from, bool skip_broken);
bool img_check_bitmap_target(BlockNode *to);
/* All that are consistent. */
bool img_copy_bitmaps(BlockNode *from, BlockNode *to);
/* Bytes that they take in an image with such clusters. */
uint64_t img_measure_bitmaps(BlockNode *from, uint64_t cluster);

/*
 * What is at [offset, offset + bytes) of @n through its backing files down to
 * @base (excluded; NULL: all): BLK_STATUS_*, with the number of backing files
 * passed in *depth.
 */
int coroutine_fn img_status(BlockNode *n, const BlockNode *base, int64_t offset,
                            int64_t bytes, int64_t *pnum, int64_t *map,
                            BlockNode **file, int *depth);
/* The same from outside coroutines. */
int img_status_sync(BlockNode *n, int64_t offset, int64_t bytes, int64_t *pnum,
                    int64_t *map, BlockNode **file, int *depth);

#endif
