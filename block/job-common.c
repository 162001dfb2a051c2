/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kinds of jobs share: chains of images, copying, names. */
#include "util/osdep.h"

#include "block/job.h"
#include "util/error.h"

/* Chains
 * ------------------------------------------------------------------------ */

BlockNode *skip_filters(BlockNode *n)
{
    while (n && n->drv->filter && n->file) {
        n = n->file->node;
    }
    return n;
}

BlockNode *chain_next(BlockNode *n)
{
    n = skip_filters(n);
    return n->backing ? n->backing->node : NULL;
}

bool chain_contains(BlockNode *top, const BlockNode *n)
{
    for (BlockNode *i = top; i; i = chain_next(i)) {
        for (BlockNode *f = i;; f = f->file->node) {
            if (f == n) {
                return true;
            }
            if (!f->drv->filter || !f->file) {
                break;
            }
        }
    }
    return false;
}

/* What the header of the image above says about @n. */
static bool named_above(BlockNode *above, const char *file)
{
    ImageInfo *info = block_image_info(above, false);
    bool same = info->backing_filename && !strcmp(info->backing_filename, file);

    qapi_free_ImageInfo(info);
    return same;
}

/* The names of the same file. */
static bool same_file(const char *a, const char *b)
{
    g_autofree char *x = realpath(a, NULL), *y = realpath(b, NULL);

    return !strcmp(a, b) || (x && y && !strcmp(x, y));
}

BlockNode *chain_find_file(BlockNode *top, const char *file)
{
    BlockNode *above = NULL;

    for (BlockNode *n = skip_filters(top); n; n = skip_filters(chain_next(n))) {
        if (same_file(n->filename, file) ||
            (above && named_above(above, file))) {
            return n;
        }
        above = n;
    }
    return NULL;
}

int coroutine_fn chain_status(BlockNode *top, BlockNode *base, int64_t offset,
                              int64_t bytes, int64_t *pnum)
{
    base = skip_filters(base);
    for (BlockNode *n = skip_filters(top); n != base; n = chain_next(n)) {
        BlockNode *file;
        int64_t num, map;
        int ret;

        n = skip_filters(n);
        if (n == base) {
            break;
        }
        ret = node_block_status(n, true, offset, bytes, &num, &map, &file);
        if (ret < 0) {
            return ret;
        }
        if (!num) { /* past this layer's end: zeroes, whatever is below */
            *pnum = bytes;
            return CHAIN_ALLOCATED | CHAIN_ZERO;
        }
        bytes = MIN(bytes, num);
        if ((ret & BLK_STATUS_ALLOCATED) || (!n->backing && !base)) {
            *pnum = bytes;
            return CHAIN_ALLOCATED | (ret & BLK_STATUS_ZERO ? CHAIN_ZERO : 0);
        }
    }
    *pnum = bytes;
    return 0;
}

/* Names
 * ------------------------------------------------------------------------- */

BlockNode *job_root_node(BlockGraph *g, const char *device, Error **errp)
{
    BlockNode *n = node_lookup(g, device, device, errp);

    n = skip_implicit(n);
    if (!n) {
        return NULL;
    }
    for (guint i = 0; i < n->parents->len; i++) {
        BlockEdge *e = n->parents->pdata[i];

        if (e->parent ? !e->parent->implicit : job_owns_backend(e->blk)) {
            error_set(errp, "Need a root block node");
            return NULL;
        }
    }
    return n;
}

/* Backing files in images
 * ------------------------------------------------------- */

typedef struct ChangeBacking {
    BlockNode *n;
    const char *file, *format;
    int ret;
} ChangeBacking;

static void coroutine_fn change_backing_entry(void *opaque)
{
    ChangeBacking *c = opaque;

    c->ret = c->n->drv->change_backing(c->n, c->file, c->format);
    if (c->ret >= 0) {
        c->ret = node_flush_changed(c->n);
    }
}

bool node_change_backing_file(BlockNode *n, const char *file,
                              const char *format, Error **errp)
{
    ChangeBacking c = { .n = n, .file = file, .format = format };

    if (!n->drv->change_backing) {
        return true; /* an image that says nothing about backing files */
    }
    block_run(change_backing_entry, &c);
    return c.ret >= 0 ||
           error_errno(errp, -c.ret,
                       "Could not change the backing file of '%s'", n->name);
}
