/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img info. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "img.h"
#include "qapi/qapi-types-block-core.h"
#include "tools/info-text.h"
#include "util/error.h"

enum { OPT_CHAIN = IMG_OPT_FIRST };

static void print_info(const ImageInfo *i)
{
    g_autofree char *virtual = img_size_text(i->virtual_size);
    g_autofree char *disk =
        i->has_actual_size ? img_size_text(i->actual_size) : NULL;

    printf("image: %s\nfile format: %s\nvirtual size: %s (%" PRId64
           " bytes)\ndisk size: %s\n",
           i->filename, i->format, virtual, i->virtual_size,
           disk ? disk : "unavailable");
    if (i->has_encrypted && i->encrypted) {
        printf("encrypted: yes\n");
    }
    if (i->has_cluster_size) {
        printf("cluster_size: %" PRId64 "\n", i->cluster_size);
    }
    if (i->has_dirty_flag && i->dirty_flag) {
        printf("cleanly shut down: no\n");
    }
    if (i->backing_filename) {
        printf("backing file: %s", i->backing_filename);
        if (!i->full_backing_filename) {
            printf(" (cannot determine actual path)");
        } else if (strcmp(i->backing_filename, i->full_backing_filename)) {
            printf(" (actual path: %s)", i->full_backing_filename);
        }
        printf("\n");
        if (i->backing_filename_format) {
            printf("backing file format: %s\n", i->backing_filename_format);
        }
    }
    if (i->snapshots) {
        printf("Snapshot list:\n");
        img_print_snapshots(i->snapshots);
    }
    if (i->format_specific) {
        info_print_specific(i->format_specific);
    }
}

/* One image, or with its backing images. */
static void print_human(const ImageInfo *info)
{
    for (; info; info = info->backing_image) {
        print_info(info);
        if (info->backing_image) {
            printf("\n");
        }
    }
}

static void print_json(ImageInfo *info, bool chain)
{
    g_autoptr(QList) list = qlist_new();
    g_autofree char *text = NULL;

    while (info) {
        ImageInfo *below = info->backing_image;

        info->backing_image = NULL;
        qlist_append(list, qapi_to_qobject(&qapi_type_ImageInfo, &info));
        info->backing_image = below;
        info = below;
    }
    text = qobject_to_json_pretty(chain ? QOBJECT(list) : qlist_get(list, 0));
    printf("%s\n", text);
}

static ImageInfo *describe(ImgTool *t, const char *filename,
                           const ImgOpen *open)
{
    BlockBackend *blk = img_open(t, filename, open);
    ImageInfo *info = NULL;

    if (blk) {
        info = block_image_info(blk_node(blk), false);
        blk_unref(blk);
    }
    return info;
}

/* One image after the other, each without those below. */
static ImageInfo *describe_chain(ImgTool *t, const char *filename,
                                 const ImgOpen *first)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    ImgOpen open = *first;
    ImageInfo *top = NULL, **end = &top;

    while (filename) {
        if (!g_hash_table_add(seen, (void *)filename)) {
            error_report("Backing file '%s' creates an infinite loop.",
                         filename);
            break;
        }
        *end = describe(t, filename, &open);
        if (!*end) {
            break;
        }
        filename = (*end)->full_backing_filename;
        open.format = (*end)->backing_filename_format;
        open.image_opts = false;
        end = &(*end)->backing_image;
    }
    if (filename) {
        qapi_free_ImageInfo(top);
        return NULL;
    }
    return top;
}

static int show(ImgTool *t, const char *filename, const ImgOpen *open,
                bool chain, bool json)
{
    ImageInfo *info;

    t->graph->describing = true;
    info =
        chain ? describe_chain(t, filename, open) : describe(t, filename, open);
    if (!info) {
        return 1;
    }
    if (json) {
        print_json(info, chain);
    } else {
        print_human(info);
    }
    qapi_free_ImageInfo(info);
    return 0;
}

int img_info(ImgTool *t, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "format", required_argument, NULL, 'f' },
        { "output", required_argument, NULL, IMG_OPT_OUTPUT },
        { "backing-chain", no_argument, NULL, OPT_CHAIN },
        { "object", required_argument, NULL, IMG_OPT_OBJECT },
        { "image-opts", no_argument, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", no_argument, NULL, 'U' },
        { 0 },
    };
    ImgOpen open = { .no_backing = true };
    bool chain = false, json = false;
    int c;

    while ((c = img_getopt(t, argc, argv, ":hf:U", options)) != -1) {
        switch (c) {
        case 'f':
            open.format = optarg;
            break;
        case 'U':
            open.force_share = true;
            break;
        case IMG_OPT_OUTPUT:
            if (!img_parse_output(optarg, &json)) {
                return 1;
            }
            break;
        case IMG_OPT_IMAGE_OPTS:
            open.image_opts = true;
            break;
        case OPT_CHAIN:
            chain = true;
            break;
        default:
            return 1;
        }
    }
    if (optind != argc - 1) {
        return img_usage_error("Expecting one image file name");
    }
    return show(t, argv[optind], &open, chain, json);
}
