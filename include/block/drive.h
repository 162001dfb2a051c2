/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -drive and -blockdev. Control code; see block-backend.h.
 */
#ifndef BLOCK_DRIVE_H
#define BLOCK_DRIVE_H

#include "block/block-backend.h"
#include "qapi/qapi.h"

typedef enum DriveIf {
    DRIVE_IF_DEFAULT, /* the machine's choice */
    DRIVE_IF_NONE,    /* a -device names it */
    DRIVE_IF_VIRTIO,
    DRIVE_IF_PFLASH,
    DRIVE_IF_IDE,
    DRIVE_IF_SCSI,
    DRIVE_IF_FLOPPY,
    DRIVE_IF_SD,
    DRIVE_IF_MTD,
    DRIVE_IF_XEN,
} DriveIf;

/* What -drive says that is not about the image. */
typedef struct DriveInfo {
    BlockBackend *blk; /* not owned: lives as long as this */
    DriveIf type;
    int bus, unit, index; /* -1: not given */
    bool cdrom;
    bool read_only;
    bool claimed; /* a device or machine uses it */
} DriveInfo;

/*
 * One -drive option: opens the image and makes a backend that control code
 * owns. NULL on error.
 */
DriveInfo *drive_add(BlockGraph *g, const char *optarg, Error **errp);
/* -hda and the like: a file name with more options ("index=0,media=disk"). */
DriveInfo *drive_add_file(BlockGraph *g, const char *filename, const char *more,
                          Error **errp);
DriveInfo *drive_info(BlockBackend *blk); /* NULL: not by -drive */
/* The drives of @type in order of the command line: pass NULL first. */
DriveInfo *drive_next(BlockGraph *g, DriveIf type, DriveInfo *prev);
void drive_info_free(DriveInfo *d);

/* One -blockdev option, key=value or JSON. */
bool blockdev_add_option(BlockGraph *g, const char *optarg, Error **errp);
/* blockdev-add; takes nothing over. */
bool blockdev_add(BlockGraph *g, const BlockdevOptions *opts, Error **errp);

/* The text of one write-cache mode ("none", ...). False: unknown. */
bool drive_cache_mode(const char *mode, bool *writeback, bool *direct,
                      bool *no_flush);

#endif
