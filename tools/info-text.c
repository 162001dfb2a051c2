/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a format tells of its image, as text: for qemu-img and qemu-io. */
#include "util/osdep.h"

#include "info-text.h"

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
        printf("    lazy refcounts: %s\n",
               q->lazy_refcounts ? "true" : "false");
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

void info_print_specific(const ImageInfoSpecific *info)
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
