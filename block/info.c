/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is to tell about an image: for query-block and qemu-img info. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "qapi/qapi-types-block-core.h"

ImageInfo *block_image_info(BlockNode *n, bool chain)
{
    ImageInfo *info = g_new0(ImageInfo, 1);
    int64_t actual = node_allocated_size(n);

    info->filename = g_strdup(n->filename);
    info->format = g_strdup(n->drv->name);
    info->virtual_size = ALIGN_UP(node_length(n), 512);
    info->has_dirty_flag = true;
    if (actual >= 0) {
        info->has_actual_size = true;
        info->actual_size = actual;
    }
    if (n->drv->info && n->drv->info->image) {
        n->drv->info->image(n, info);
    }
    if (chain && n->backing) {
        info->backing_image = block_image_info(n->backing->node, true);
    }
    return info;
}
