/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -l of qemu-img and qemu-nbd: reading a snapshot in place of the disk. */
#ifndef TOOLS_SNAPSHOT_VIEW_H
#define TOOLS_SNAPSHOT_VIEW_H

#include "block/block-graph.h"
#include "qapi/qapi-types-block-core.h"

/* The ID of the snapshot with this name, or, with @ids, this ID. NULL: none.
 * Lent by the list. */
const char *snapshot_find_id(const SnapshotInfoList *list, const char *name,
                             bool ids);
/* "snapshot.id=ID,snapshot.name=NAME", or one word, which is NULL in *id and
 * *name then. Free them. Both may be NULL: just check. False after a message.
 */
bool snapshot_param_parse(const char *text, char **id, char **name);
/* Let @n, open for reading, show the snapshot that @param names. */
bool snapshot_view(BlockNode *n, const char *param, Error **errp);

#endif
