/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img info. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "img.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

enum { OPT_CHAIN = IMG_OPT_FIRST };

static void print_bitmaps(const Qcow2BitmapInfoList *list)
{
    unsigned i = 0;

    printf("    bitmaps:\n");
    QAPI_LIST_FOREACH(list, l) {
        unsigned flag = 0;

        printf("        [%u]:\n            flags:\n", i++);
        QAPI_LIST_FOREACH(l->value->flags, f) {
            printf("                [%u]: %s\n", flag++,
                   qapi_enum_name(&qapi_type_Qcow2BitmapInfoFlags, f->value));
        }
        printf("            name: %s\n            granularity: %" PRIu32 "\n",
               l->value->name, l->value->granularity);
    }
}

/* @pad: spaces before each line. */
static void print_slots(const QCryptoBlockInfoLUKSSlotList *slots, int pad)
{
    unsigned i = 0;

    printf("%*sslots:\n", pad, "");
    QAPI_LIST_FOREACH(slots, l) {
        const QCryptoBlockInfoLUKSSlot *s = l->value;

        printf("%*s[%u]:\n%*sactive: %s\n", pad + 4, "", i++, pad + 8, "",
               s->active ? "true" : "false");
        if (s->has_iters) {
            printf("%*siters: %" PRId64 "\n", pad + 8, "", s->iters);
        }
        printf("%*skey offset: %" PRId64 "\n", pad + 8, "", s->key_offset);
        if (s->has_stripes) {
            printf("%*sstripes: %" PRId64 "\n", pad + 8, "", s->stripes);
        }
    }
}

static void print_luks(const QCryptoBlockInfoLUKS *l, const char *format,
                       int pad)
{
    printf("%*sivgen alg: %s\n", pad, "",
           qapi_enum_name(&qapi_type_QCryptoIVGenAlgorithm, l->ivgen_alg));
    printf("%*shash alg: %s\n%*scipher alg: %s\n%*suuid: %s\n", pad, "",
           qapi_enum_name(&qapi_type_QCryptoHashAlgorithm, l->hash_alg), pad,
           "", qapi_enum_name(&qapi_type_QCryptoCipherAlgorithm, l->cipher_alg),
           pad, "", l->uuid);
    if (l->has_ivgen_hash_alg) {
        printf("%*sivgen hash alg: %s\n", pad, "",
               qapi_enum_name(&qapi_type_QCryptoHashAlgorithm,
                              l->ivgen_hash_alg));
    }
    if (format) {
        printf("%*sformat: %s\n", pad, "", format);
    }
    printf("%*scipher mode: %s\n", pad, "",
           qapi_enum_name(&qapi_type_QCryptoCipherMode, l->cipher_mode));
    print_slots(l->slots, pad);
    printf("%*spayload offset: %" PRId64 "\n%*smaster key iters: %" PRId64 "\n",
           pad, "", l->payload_offset, pad, "", l->master_key_iters);
}

static void print_encryption(const ImageInfoSpecificQCow2Encryption *e)
{
    printf("    encrypt:\n");
    if (e->format == BLOCKDEV_QCOW2_ENCRYPTION_FORMAT_LUKS) {
        print_luks(&e->u.luks, "luks", 8);
    } else {
        printf("        format: aes\n");
    }
}

static void print_qcow2(const ImageInfoSpecificQCow2 *q)
{
    printf("    compat: %s\n    compression type: %s\n", q->compat,
           qapi_enum_name(&qapi_type_Qcow2CompressionType,
                          q->compression_type));
    if (q->has_lazy_refcounts) {
        printf("    lazy refcounts: %s\n", q->lazy_refcounts ? "true" : "false");
    }
    if (q->bitmaps) {
        print_bitmaps(q->bitmaps);
    }
    printf("    refcount bits: %" PRId64 "\n", q->refcount_bits);
    if (q->encrypt) {
        print_encryption(q->encrypt);
    }
    if (q->data_file) {
        printf("    data file: %s\n", q->data_file);
    }
    if (q->has_data_file_raw) {
        printf("    data file raw: %s\n", q->data_file_raw ? "true" : "false");
    }
    if (q->has_corrupt) {
        printf("    corrupt: %s\n", q->corrupt ? "true" : "false");
    }
    if (q->has_extended_l2) {
        printf("    extended l2: %s\n", q->extended_l2 ? "true" : "false");
    }
}

static void print_rbd(const ImageInfoSpecificRbd *r)
{
    if (r->has_encryption_format) {
        printf("    encryption format: %s\n",
               qapi_enum_name(&qapi_type_RbdImageEncryptionFormat,
                              r->encryption_format));
    }
}

static void print_specific(const ImageInfoSpecific *info)
{
    printf("Format specific information:\n");
    if (info->type == IMAGE_INFO_SPECIFIC_KIND_LUKS) {
        print_luks(info->u.luks.data, NULL, 4);
    } else if (info->type == IMAGE_INFO_SPECIFIC_KIND_RBD) {
        print_rbd(info->u.rbd.data);
    } else {
        print_qcow2(info->u.qcow2.data);
    }
}

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
        print_specific(i->format_specific);
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

static int show(ImgTool *t, const char *filename, const ImgOpen *open,
                bool chain, bool json)
{
    BlockBackend *blk;
    ImageInfo *info;

    t->graph->describing = true;
    blk = img_open(t, filename, open);
    if (!blk) {
        return 1;
    }
    info = block_image_info(blk_node(blk), chain);
    if (json) {
        print_json(info, chain);
    } else {
        print_human(info);
    }
    qapi_free_ImageInfo(info);
    blk_unref(blk);
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
            open.no_backing = false;
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
