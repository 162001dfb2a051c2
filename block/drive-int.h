/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files about -drive share. */
#ifndef BLOCK_DRIVE_INT_H
#define BLOCK_DRIVE_INT_H

#include "block/drive.h"
#include "block/throttle.h"

/* The last value of @key, taken out; to be freed. NULL: absent. */
char *drive_take(QDict *d, const char *key);

/* drive-place.c: if=, media=, bus=, unit=, index=, taken out of @d. */
bool drive_choose_place(BlockGraph *g, QDict *d, DriveInfo *info, Error **errp);
/* id=, or a name made of the place; the drive's place is known. */
bool drive_choose_id(BlockGraph *g, QDict *d, DriveInfo *info, Error **errp);

/* throttle-blk.c: limits, taken out of @d; *group is to be freed. */
bool drive_take_throttling(QDict *d, ThrottleConfig *cfg, char **group,
                           Error **errp);

/* drive-snapshot.c: nodes that -drive puts above the image. */
typedef struct DriveLayers {
    bool snapshot, copy_on_read;
    bool read_only, unmap;
    int detect_zeroes; /* BlockdevDetectZeroesOptions */
} DriveLayers;

/* Take from the image's options what is the layers' now. */
void drive_prepare_layers(QDict *d, DriveLayers *layers);
/* The top node; takes @n's reference over. */
BlockNode *drive_add_layers(BlockGraph *g, BlockNode *n,
                            const DriveLayers *layers, Error **errp);

#endif
