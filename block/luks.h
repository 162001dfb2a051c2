/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LUKS headers, for volumes of their own and inside of qcow2 images.
 * Spec: LUKS1 On-Disk Format Specification 1.2.
 */
#ifndef BLOCK_LUKS_H
#define BLOCK_LUKS_H

#include "block/block-create.h"
#include "block/crypt.h"

#define LUKS_SLOTS   8
#define LUKS_SALT    32
#define LUKS_DIGEST  20
#define LUKS_STRIPES 4000
#define LUKS_HEADER  592
/* The places of key material are multiples of this many sectors. */
#define LUKS_ALIGN_SECTORS 8
/* At most: 8 slots of 64-byte keys. */
#define LUKS_MAX_HEADER (4 * MiB)

typedef struct LuksSlot {
    bool active;
    uint32_t iterations;
    uint8_t salt[LUKS_SALT];
    uint32_t offset; /* of the key material, in sectors */
} LuksSlot;

/* A header whose fields were checked. */
typedef struct Luks {
    QCryptoCipherAlgorithm cipher;
    QCryptoCipherMode mode;
    QCryptoIVGenAlgorithm ivgen;
    QCryptoHashAlgorithm hash, ivgen_hash;
    bool has_ivgen_hash;
    uint32_t payload; /* sectors */
    uint32_t key_len;
    uint8_t digest[LUKS_DIGEST], digest_salt[LUKS_SALT];
    uint32_t digest_iterations;
    char uuid[37];
    LuksSlot slots[LUKS_SLOTS];
} Luks;

/* Where a header is: in a node, from an offset on. */
typedef struct LuksPlace {
    BlockNode *file;
    int64_t base;
} LuksPlace;

static inline int64_t luks_payload_bytes(const Luks *l)
{
    return (int64_t)l->payload * CRYPTO_SECTOR;
}

/* luks-header.c */
int luks_probe(const uint8_t *buf, size_t len);
bool coroutine_fn luks_read(Luks *l, LuksPlace at, Error **errp);
/* From the bytes as on disk. */
bool luks_parse(Luks *l, const uint8_t raw[LUKS_HEADER], Error **errp);
int coroutine_fn luks_write(const Luks *l, LuksPlace at);
QCryptoBlockInfoLUKS *luks_info(const Luks *l);

/* luks-keys.c. Passwords are texts; long work runs in the thread pool. */
/* The data's cipher, or NULL with an error. */
CryptoSectors *coroutine_fn luks_unlock(const Luks *l, LuksPlace at,
                                        const char *password, Error **errp);
/* Does @password open slot @i? Then *match, and @master is the key. */
bool coroutine_fn luks_try_slot(const Luks *l, LuksPlace at, unsigned i,
                                const char *password, bool *match,
                                uint8_t master[CRYPTO_MAX_KEY], Error **errp);
/* The first slot that @password opens, or -1 with an error. */
int coroutine_fn luks_find_slot(const Luks *l, LuksPlace at,
                                const char *password,
                                uint8_t master[CRYPTO_MAX_KEY], Error **errp);
/* Slot @i opens with @password from now on; the header is written. With
 * @with_digest, @master is a new key. */
bool coroutine_fn luks_store_key(Luks *l, LuksPlace at, unsigned i,
                                 const char *password, uint64_t iter_ms,
                                 const uint8_t master[CRYPTO_MAX_KEY],
                                 bool with_digest, Error **errp);
/* Bytes of the key material of a slot: the split key, in whole sectors. */
size_t luks_material_len(const Luks *l);
/*
 * What a new header will have, by the options "cipher-alg", ... that @opts has
 * with @prefix before them.
 */
bool luks_plan(Luks *l, const QDict *opts, const char *prefix, Error **errp);
/* Make a key, put it into slot 0 and write the header. */
bool coroutine_fn luks_format(Luks *l, LuksPlace at, const char *password,
                              uint64_t iter_ms, Error **errp);

/*
 * Add or erase passwords, as the options "state", "new-secret", "old-secret",
 * "keyslot", "iter-time" that @opts has with @prefix before them say: "qemu-img
 * amend". @key_secret: what the volume was opened with, or NULL. @force: also
 * what loses the data.
 */
bool coroutine_fn luks_amend(Luks *l, LuksPlace at, BlockGraph *g,
                             const QDict *opts, const char *prefix,
                             const char *key_secret, bool force, Error **errp);

#define LUKS_ITER_MS 2000
/* The password that option "key-secret" names; @option: how messages call it.
 * Free with luks_free_password(). */
char *luks_password(BlockGraph *g, const char *id, const char *option,
                    Error **errp);
void luks_free_password(char *password);

#define LUKS_CREATE_OPTIONS(prefix)                        \
    { prefix "cipher-alg", BLOCK_OPTION_STR,               \
      "Name of encryption cipher algorithm", NULL },       \
        { prefix "cipher-mode", BLOCK_OPTION_STR,          \
          "Name of encryption cipher mode", NULL },        \
        { prefix "ivgen-alg", BLOCK_OPTION_STR,            \
          "Name of IV generator algorithm", NULL },        \
        { prefix "ivgen-hash-alg", BLOCK_OPTION_STR,       \
          "Name of IV generator hash algorithm", NULL },   \
        { prefix "hash-alg", BLOCK_OPTION_STR,             \
          "Name of encryption hash algorithm", NULL },     \
    {                                                      \
        prefix "iter-time", BLOCK_OPTION_NUM,              \
            "Time to spend in PBKDF in milliseconds", NULL \
    }

/* clang-format off */
#define LUKS_AMEND_OPTIONS(prefix)                                             \
    { prefix "state", BLOCK_OPTION_STR,                                        \
      "Select new state of affected keyslots (active/inactive)", NULL },       \
    { prefix "new-secret", BLOCK_OPTION_STR,                                   \
      "New secret to set in the matching keyslots. Empty string to erase",     \
      NULL },                                                                  \
    { prefix "old-secret", BLOCK_OPTION_STR,                                   \
      "Select all keyslots that match this password", NULL },                  \
    { prefix "keyslot", BLOCK_OPTION_NUM,                                      \
      "Select a single keyslot to modify explicitly", NULL },                  \
    { prefix "iter-time", BLOCK_OPTION_NUM,                                    \
      "Time to spend in PBKDF in milliseconds", NULL }
/* clang-format on */

#endif
