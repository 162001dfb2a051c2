/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making images. Control code.
 *
 * Options are text, as "qemu-img create -o" and blockdev-create name them with
 * underscores; sizes may have suffixes.
 */
#ifndef BLOCK_BLOCK_CREATE_H
#define BLOCK_BLOCK_CREATE_H

#include "block/block-common.h"
#include "qobject/qobject.h"

typedef struct BlockdevCreateOptions BlockdevCreateOptions;

typedef enum BlockOptionKind {
    BLOCK_OPTION_STR,
    BLOCK_OPTION_BOOL,
    BLOCK_OPTION_NUM,
    BLOCK_OPTION_SIZE,
} BlockOptionKind;

/* What a format takes; tables end with a NULL name. */
typedef struct BlockCreateOption {
    const char *name;
    BlockOptionKind kind;
    const char *help;
    const char *def; /* what a creation without it is said to use; or NULL */
} BlockCreateOption;

typedef struct BlockCreateOps {
    const BlockCreateOption *options;
    /* @filename comes into being, or is overwritten; on failure a file that
     * was not there before is removed again. */
    bool (*create)(BlockGraph *g, const char *filename, const QDict *opts,
                   Error **errp);
    /* The same in an open node, whose content is lost; or NULL. @data is the
     * node of option "data_file", or NULL. */
    bool (*create_in)(BlockGraph *g, BlockNode *file, BlockNode *data,
                      const QDict *opts, Error **errp);
    /* The same from blockdev-create's options; or NULL. */
    bool (*create_qmp)(BlockGraph *g, const BlockdevCreateOptions *o,
                       Error **errp);
    /* What an image of "size" in @opts takes when all of it is allocated, and
     * the unit of allocation (0: none, it always takes that). */
    bool (*measure)(BlockGraph *g, const QDict *opts, uint64_t *full,
                    uint64_t *unit, Error **errp);
} BlockCreateOps;

/* NULL: the format is unknown or cannot be made. */
const BlockCreateOps *block_create_ops(const char *format, Error **errp);
/* The same of @filename: raw images are what the protocol there makes. */
const BlockCreateOps *block_create_ops_at(const char *format,
                                          const char *filename, Error **errp);
/* Are all of @opts in the table, and do they have the right form? */
bool block_options_check(const BlockCreateOption *options, const QDict *opts,
                         Error **errp);
/* What a new image at @filename takes: the format's options, then those of the
 * protocol there that the format has not; to be freed. */
BlockCreateOption *block_create_options(const BlockCreateOps *ops,
                                        const char *filename);
/* The same as block_options_check(), of these. */
bool block_create_check(const BlockCreateOps *ops, const char *filename,
                        const QDict *opts, Error **errp);
bool block_create(BlockGraph *g, const char *format, const char *filename,
                  const QDict *opts, Error **errp);

/* Values of checked options. */
uint64_t block_option_size(const QDict *opts, const char *name, uint64_t def);
bool block_option_bool(const QDict *opts, const char *name, bool def);

typedef enum BlockPrealloc {
    BLOCK_PREALLOC_OFF,
    BLOCK_PREALLOC_METADATA,
    BLOCK_PREALLOC_FALLOC,
    BLOCK_PREALLOC_FULL,
} BlockPrealloc;
/* @metadata: the format can preallocate that. */
bool block_prealloc_parse(const char *text, bool metadata, BlockPrealloc *mode,
                          Error **errp);
/* The file of an image: empty, or of @size bytes; "file:" may precede. Or the
 * same at what another protocol names. Of @opts those count that @ops, the
 * format, has not itself; "size" and "preallocation" never. */
bool block_create_file(BlockGraph *g, const char *filename, int64_t size,
                       BlockPrealloc mode, const BlockCreateOps *ops,
                       const QDict *opts, Error **errp);
/* What opens it then. */
QDict *block_created_options(BlockGraph *g, const char *filename, Error **errp);
/* What was written to the file at @path is durable. */
bool block_sync_file(const char *path, Error **errp);
/* Space on the host for [start, end) of @fd, which is grown to @end. */
int file_preallocate(int fd, int64_t start, int64_t end, BlockPrealloc mode);

#endif
