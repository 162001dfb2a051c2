/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of qemu-io that look at the open image or change its size. */
#include "util/osdep.h"

#include <getopt.h>

#include "block/block-int.h"
#include "qemu-io.h"
#include "tools/info-text.h"
#include "tools/resize.h"
#include "util/error.h"

/* Allocation
 * --------------------------------------------------------------------- */

typedef struct Status {
    BlockNode *n;
    int64_t offset, bytes;
    int64_t num;
    int ret;
} Status;

static void coroutine_fn status_entry(void *opaque)
{
    Status *s = opaque;
    BlockNode *file;
    int64_t map;

    s->ret = node_block_status(s->n, false, s->offset, s->bytes, &s->num, &map,
                               &file);
}

/* 1: allocated in this layer, 0: not, or -errno; *num bytes alike. */
static int allocated(IoTool *t, int64_t offset, int64_t bytes, int64_t *num)
{
    Status s = { blk_node(t->blk), offset, bytes, 0, 0 };

    block_run(status_entry, &s);
    *num = s.num;
    if (s.ret >= 0 && offset + s.num >= blk_getlength(t->blk)) {
        *num = bytes; /* the rest of the last sector is like the rest */
    }
    return s.ret < 0 ? s.ret : !!(s.ret & BLK_STATUS_ALLOCATED);
}

int io_cmd_alloc(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    int64_t start, count = 512, sum = 0, num,
                   length = blk_getlength_sectors(t->blk);
    char at[64];

    if (!io_parse_size(argv[1], &start) ||
        (argc == 3 && !io_parse_size(argv[2], &count))) {
        return -EINVAL;
    }
    count = MIN(count, MAX(length - start, 0));
    for (int64_t off = start, left = count; left; off += num, left -= num) {
        int ret = allocated(t, off, left, &num);

        if (ret < 0) {
            printf("is_allocated failed: %s\n", g_strerror(-ret));
            return ret;
        }
        if (!num) {
            count -= left;
            break;
        }
        sum += ret ? num : 0;
    }
    io_print_size(start, at, sizeof(at));
    printf("%" PRId64 "/%" PRId64 " bytes allocated at offset %s\n", sum, count,
           at);
    return 0;
}

int io_cmd_map(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    int64_t off = 0, length = blk_getlength_sectors(t->blk);

    if (length < 0) {
        error_report("Failed to query image length: %s", strerror(-length));
        return length;
    }
    while (off < length) {
        int64_t run = 0, num;
        int ret = allocated(t, off, length - off, &num), next = ret;
        char size[64], at[64];

        while (ret >= 0 && next == ret && num) {
            run += num;
            next = off + run < length
                       ? allocated(t, off + run, length - off - run, &num)
                       : -1;
        }
        if (ret < 0 || !run) {
            return io_fail("Failed to get allocation status");
        }
        io_print_size(run, size, sizeof(size));
        io_print_size(off, at, sizeof(at));
        printf("%s (0x%" PRIx64 ") bytes %s allocated at offset %s (0x%" PRIx64
               ")\n",
               size, run, ret ? "   " : "not", at, off);
        off += run;
    }
    return 0;
}

/* Properties
 * --------------------------------------------------------------------- */

/* The node that knows how its image is laid out; NULL: none does. */
static BlockNode *with_layout(BlockNode *n)
{
    while (n && strcmp(n->drv->name, "qcow2") && strcmp(n->drv->name, "luks") &&
           strcmp(n->drv->name, "file") &&
           strcmp(n->drv->name, "host_device")) {
        bool through = n->drv->filter || !strcmp(n->drv->name, "raw") ||
                       !strcmp(n->drv->name, "blkverify");
        const BlockEdge *e = n->file ? n->file : n->children;

        n = through && e ? e->node : NULL;
    }
    return n;
}

/* Drivers that are known by a name of their own in file names. */
static bool is_protocol(const BlockDriver *drv)
{
    return drv->protocol || !strcmp(drv->name, "blkdebug") ||
           !strcmp(drv->name, "blkverify");
}

int io_cmd_info(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    BlockNode *n = io_node(t), *layout = with_layout(n);
    ImageInfo *info;
    char text[64];

    for (int i = 0; i <= is_protocol(n->drv); i++) {
        printf("format name: %s\n", n->drv->name);
    }
    if (!layout) {
        return -ENOTSUP;
    }
    info = block_image_info(layout, false);
    io_print_size(info->has_cluster_size ? info->cluster_size : 0, text,
                  sizeof(text));
    printf("cluster size: %s\n", text);
    io_print_size(node_vmstate_offset(layout), text, sizeof(text));
    printf("vm state offset: %s\n", text);
    if (info->format_specific && layout == n) {
        info_print_specific(info->format_specific);
    }
    qapi_free_ImageInfo(info);
    return 0;
}

int io_cmd_length(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    int64_t length = blk_getlength_sectors(t->blk);
    char size[64];

    if (length < 0) {
        printf("getlength: %s\n", strerror(-length));
        return length;
    }
    io_print_size(length, size, sizeof(size));
    printf("%s\n", size);
    return 0;
}

int io_cmd_truncate(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    BlockPrealloc mode = BLOCK_PREALLOC_OFF;
    Error *err = NULL;
    int64_t size;
    int opt;

    optind = 0;
    while ((opt = getopt(argc, argv, "m:")) != -1) {
        if (opt != 'm') {
            return io_usage(c);
        }
        if (!block_prealloc_parse(optarg, true, &mode, &err)) {
            error_free(err);
            error_report("Invalid preallocation mode '%s'", optarg);
            return -EINVAL;
        }
    }
    if (optind >= argc) {
        return io_usage(c);
    }
    if (!io_parse_size(argv[optind], &size)) {
        return -EINVAL;
    }
    if (!tool_resize(t->blk, size, false, mode, &err)) {
        error_report_err(err);
        return -EIO;
    }
    return 0;
}
