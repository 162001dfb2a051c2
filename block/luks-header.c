/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The header of a LUKS volume, read with every field checked, and written.
 * Spec: LUKS1 On-Disk Format Specification 1.2, "partition header", "key
 * slots", "cipher and hash names".
 */
#include "util/osdep.h"

#include <endian.h>

#include "block/luks.h"
#include "crypto/hash.h"
#include "util/error.h"

static const uint8_t magic[6] = { 'L', 'U', 'K', 'S', 0xba, 0xbe };

#define SLOT_ACTIVE   0x00ac71f3u
#define SLOT_INACTIVE 0x0000deadu

/* As on disk. */
typedef struct __attribute__((packed)) RawSlot {
    uint32_t state, iterations;
    uint8_t salt[LUKS_SALT];
    uint32_t offset, stripes;
} RawSlot;

typedef struct __attribute__((packed)) RawHeader {
    uint8_t magic[6];
    uint16_t version;
    char cipher[32], mode[32], hash[32];
    uint32_t payload, key_len;
    uint8_t digest[LUKS_DIGEST], digest_salt[LUKS_SALT];
    uint32_t digest_iterations;
    char uuid[40];
    RawSlot slots[LUKS_SLOTS];
} RawHeader;

G_STATIC_ASSERT(sizeof(RawHeader) == LUKS_HEADER);

int luks_probe(const uint8_t *buf, size_t len)
{
    return len >= 8 && !memcmp(buf, magic, sizeof(magic)) && !buf[6] &&
                   buf[7] == 1
               ? 100
               : 0;
}

/* Names
 * ------------------------------------------------------------------------------
 */

static bool check_text(const char *text, size_t size, const char *what,
                       Error **errp)
{
    return memchr(text, 0, size) ||
           error_set(errp, "LUKS header %s is not NUL terminated", what);
}

static bool parse_hash(const char *name, QCryptoHashAlgorithm *hash,
                       Error **errp)
{
    int v = qapi_enum_find(&qapi_type_QCryptoHashAlgorithm, name, -1);

    if (v < 0) {
        return error_set(errp, "Hash algorithm '%s' not supported", name);
    }
    *hash = v;
    return true;
}

/* "xts-plain64", "cbc-essiv:sha256" */
static bool parse_mode(Luks *l, const char *text, Error **errp)
{
    g_autofree char *mode = g_strdup(text);
    char *ivgen = strchr(mode, '-'), *hash;
    int v;

    if (!ivgen) {
        return error_set(errp, "Unexpected cipher mode string format '%s'",
                         text);
    }
    *ivgen++ = '\0';
    hash = strchr(ivgen, ':');
    if (hash) {
        *hash++ = '\0';
        l->has_ivgen_hash = true;
        if (!parse_hash(hash, &l->ivgen_hash, errp)) {
            return false;
        }
    }
    v = qapi_enum_find(&qapi_type_QCryptoCipherMode, mode, -1);
    if (v < 0) {
        return error_set(errp, "Cipher mode '%s' not supported", mode);
    }
    l->mode = v;
    v = qapi_enum_find(&qapi_type_QCryptoIVGenAlgorithm, ivgen, -1);
    if (v < 0) {
        return error_set(errp, "IV generator '%s' not supported", ivgen);
    }
    l->ivgen = v;
    return v != QCRYPTO_IVGEN_ALGORITHM_ESSIV || hash ||
           error_set(errp, "Missing IV generator hash specification");
}

/* The header names families; the length of the key tells which one. */
static bool parse_cipher(Luks *l, const char *name, Error **errp)
{
    bool xts = l->mode == QCRYPTO_CIPHER_MODE_XTS;
    uint32_t len = xts ? l->key_len / 2 : l->key_len;
    g_autofree char *full =
        g_strdup_printf("%s-%" PRIu64, name, (uint64_t)len * 8);
    int v = qapi_enum_find(&qapi_type_QCryptoCipherAlgorithm, full, -1);

    if (xts && l->key_len % 2) {
        return error_set(errp, "XTS cipher key length should be a multiple "
                               "of 2");
    }
    if (v < 0) {
        return error_set(errp,
                         "Algorithm '%s' with key size %" PRIu32
                         " bytes not supported",
                         name, len);
    }
    l->cipher = v;
    return true;
}

static void cipher_name(const Luks *l, char *out, size_t size)
{
    g_strlcpy(out, qapi_enum_name(&qapi_type_QCryptoCipherAlgorithm, l->cipher),
              size);
    out[strcspn(out, "-")] = '\0';
}

static void mode_name(const Luks *l, char *out, size_t size)
{
    snprintf(out, size, "%s-%s%s%s",
             qapi_enum_name(&qapi_type_QCryptoCipherMode, l->mode),
             qapi_enum_name(&qapi_type_QCryptoIVGenAlgorithm, l->ivgen),
             l->has_ivgen_hash ? ":" : "",
             l->has_ivgen_hash ? qapi_enum_name(&qapi_type_QCryptoHashAlgorithm,
                                                l->ivgen_hash)
                               : "");
}

/* Places
 * -----------------------------------------------------------------------------
 */

#define HEADER_SECTORS DIV_ROUND_UP(LUKS_HEADER, CRYPTO_SECTOR)

static uint64_t slot_sectors(const Luks *l)
{
    return ALIGN_UP(DIV_ROUND_UP((uint64_t)l->key_len * LUKS_STRIPES,
                                 CRYPTO_SECTOR),
                    (uint64_t)LUKS_ALIGN_SECTORS);
}

static bool slots_overlap(const Luks *l, unsigned a, unsigned b)
{
    uint64_t x = l->slots[a].offset, y = l->slots[b].offset;

    return x < y + slot_sectors(l) && y < x + slot_sectors(l);
}

static bool parse_slot(Luks *l, const RawSlot *raw, unsigned i, Error **errp)
{
    LuksSlot *s = &l->slots[i];
    uint32_t state = be32toh(raw->state), stripes = be32toh(raw->stripes);

    s->active = state == SLOT_ACTIVE;
    s->iterations = be32toh(raw->iterations);
    s->offset = be32toh(raw->offset);
    memcpy(s->salt, raw->salt, LUKS_SALT);
    if (stripes != LUKS_STRIPES) {
        return error_set(errp,
                         "Keyslot %u is corrupted (stripes %" PRIu32 " != %d)",
                         i, stripes, LUKS_STRIPES);
    }
    if (s->offset < HEADER_SECTORS) {
        return error_set(errp, "Keyslot %u is overlapping with the LUKS header",
                         i);
    }
    if (!s->active && state != SLOT_INACTIVE) {
        return error_set(errp, "Keyslot %u state (active/disable) is corrupted",
                         i);
    }
    if (s->active && !s->iterations) {
        return error_set(errp, "Keyslot %u iteration count is zero", i);
    }
    if (s->offset + slot_sectors(l) > l->payload) {
        return error_set(errp,
                         "Keyslot %u is overlapping with the encrypted payload",
                         i);
    }
    return true;
}

static bool parse_slots(Luks *l, const RawHeader *raw, Error **errp)
{
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        if (!parse_slot(l, &raw->slots[i], i, errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        for (unsigned j = i + 1; j < LUKS_SLOTS; j++) {
            if (slots_overlap(l, i, j)) {
                return error_set(errp,
                                 "Keyslots %u and %u are overlapping in the "
                                 "header",
                                 i, j);
            }
        }
    }
    return true;
}

/* Read
 * --------------------------------------------------------------------------------
 */

bool luks_parse(Luks *l, const uint8_t bytes[LUKS_HEADER], Error **errp)
{
    RawHeader raw;

    memcpy(&raw, bytes, sizeof(raw));
    *l = (Luks){
        .payload = be32toh(raw.payload),
        .key_len = be32toh(raw.key_len),
        .digest_iterations = be32toh(raw.digest_iterations),
    };
    memcpy(l->digest, raw.digest, LUKS_DIGEST);
    memcpy(l->digest_salt, raw.digest_salt, LUKS_SALT);
    g_strlcpy(l->uuid, raw.uuid, sizeof(l->uuid));
    for (char *c = l->uuid; *c; c++) {
        *c = g_ascii_isprint(*c) ? *c : '?';
    }
    if (memcmp(raw.magic, magic, sizeof(magic))) {
        return error_set(errp, "Volume is not in LUKS format");
    }
    if (be16toh(raw.version) != 1) {
        return error_set(errp, "LUKS version %u is not supported",
                         be16toh(raw.version));
    }
    if (!check_text(raw.cipher, sizeof(raw.cipher), "cipher name", errp) ||
        !check_text(raw.mode, sizeof(raw.mode), "cipher mode", errp) ||
        !check_text(raw.hash, sizeof(raw.hash), "hash spec", errp)) {
        return false;
    }
    if (l->payload < HEADER_SECTORS) {
        return error_set(errp, "LUKS payload is overlapping with the header");
    }
    if (!l->digest_iterations) {
        return error_set(errp, "LUKS key iteration count is zero");
    }
    return parse_slots(l, &raw, errp) && parse_hash(raw.hash, &l->hash, errp) &&
           parse_mode(l, raw.mode, errp) && parse_cipher(l, raw.cipher, errp);
}

bool coroutine_fn luks_read(Luks *l, LuksPlace at, Error **errp)
{
    uint8_t raw[LUKS_HEADER] = { 0 };
    int ret = node_pread(at.file, at.base, sizeof(raw), raw);

    if (ret < 0) {
        return error_errno(errp, -ret, "Unable to read LUKS header");
    }
    return luks_parse(l, raw, errp);
}

/* Write
 * -------------------------------------------------------------------------------
 */

int coroutine_fn luks_write(const Luks *l, LuksPlace at)
{
    RawHeader raw = {
        .version = htobe16(1),
        .payload = htobe32(l->payload),
        .key_len = htobe32(l->key_len),
        .digest_iterations = htobe32(l->digest_iterations),
    };

    memcpy(raw.magic, magic, sizeof(magic));
    cipher_name(l, raw.cipher, sizeof(raw.cipher));
    mode_name(l, raw.mode, sizeof(raw.mode));
    g_strlcpy(raw.hash,
              qapi_enum_name(&qapi_type_QCryptoHashAlgorithm, l->hash),
              sizeof(raw.hash));
    memcpy(raw.digest, l->digest, LUKS_DIGEST);
    memcpy(raw.digest_salt, l->digest_salt, LUKS_SALT);
    g_strlcpy(raw.uuid, l->uuid, sizeof(raw.uuid));
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        const LuksSlot *s = &l->slots[i];
        RawSlot *r = &raw.slots[i];

        r->state = htobe32(s->active ? SLOT_ACTIVE : SLOT_INACTIVE);
        r->iterations = htobe32(s->iterations);
        r->offset = htobe32(s->offset);
        r->stripes = htobe32(LUKS_STRIPES);
        memcpy(r->salt, s->salt, LUKS_SALT);
    }
    return node_pwrite(at.file, at.base, sizeof(raw), &raw, 0);
}

QCryptoBlockInfoLUKS *luks_info(const Luks *l)
{
    QCryptoBlockInfoLUKS *info = g_new0(QCryptoBlockInfoLUKS, 1);

    info->cipher_alg = l->cipher;
    info->cipher_mode = l->mode;
    info->ivgen_alg = l->ivgen;
    info->has_ivgen_hash_alg = l->has_ivgen_hash;
    info->ivgen_hash_alg = l->ivgen_hash;
    info->hash_alg = l->hash;
    info->payload_offset = luks_payload_bytes(l);
    info->master_key_iters = l->digest_iterations;
    info->uuid = g_strdup(l->uuid);
    for (unsigned i = LUKS_SLOTS; i-- > 0;) {
        const LuksSlot *s = &l->slots[i];
        QCryptoBlockInfoLUKSSlot *slot = g_new0(QCryptoBlockInfoLUKSSlot, 1);

        slot->active = s->active;
        slot->key_offset = (int64_t)s->offset * CRYPTO_SECTOR;
        slot->has_iters = slot->has_stripes = s->active;
        slot->iters = s->iterations;
        slot->stripes = LUKS_STRIPES;
        QAPI_LIST_PREPEND(info->slots, slot);
    }
    return info;
}
