/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of LUKS volumes: unlocking with a password, making a volume, adding and
 * removing passwords. What computes runs in the thread pool.
 * Spec: LUKS1 On-Disk Format Specification 1.2, "LUKS operations".
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/luks.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "util/error.h"

#define MIN_ITERATIONS 1000

/* Passwords
 * -------------------------------------------------------------------------- */

char *luks_password(BlockGraph *g, const char *id, const char *option,
                    Error **errp)
{
    if (!id) {
        return error_set(errp, "Parameter '%s' is required for cipher", option),
               NULL;
    }
    return secret_find_text(g->root, id, errp);
}

void luks_free_password(char *password)
{
    crypto_wipe_free(password, password ? strlen(password) : 0);
}

/* One slot
 * ---------------------------------------------------------------------------
 */

/* Key material: the split key, in whole sectors. */
static size_t split_len(const Luks *l)
{
    return (size_t)l->key_len * LUKS_STRIPES;
}

size_t luks_material_len(const Luks *l)
{
    return ALIGN_UP(split_len(l), (size_t)CRYPTO_SECTOR);
}

typedef struct SlotWork {
    const Luks *l;
    const LuksSlot *slot;
    const char *password;
    uint8_t *material;
    uint8_t master[CRYPTO_MAX_KEY];
    bool match;
    Error **errp; /* whose coroutine waits for us */
} SlotWork;

static CryptoSectors *data_cipher(const Luks *l, const uint8_t *key,
                                  Error **errp)
{
    return crypto_sectors_new(l->cipher, l->mode, l->ivgen, l->ivgen_hash, key,
                              l->key_len, errp);
}

static CryptoSectors *slot_cipher(const SlotWork *w, Error **errp)
{
    const LuksSlot *s = w->slot;
    uint8_t key[CRYPTO_MAX_KEY];
    CryptoSectors *c = NULL;

    if (crypto_pbkdf2(w->l->hash, w->password, strlen(w->password), s->salt,
                      LUKS_SALT, s->iterations, key, w->l->key_len, errp)) {
        c = data_cipher(w->l, key, errp);
    }
    explicit_bzero(key, sizeof(key));
    return c;
}

static bool master_digest(const Luks *l, const uint8_t *master,
                          uint8_t digest[LUKS_DIGEST], Error **errp)
{
    return crypto_pbkdf2(l->hash, master, l->key_len, l->digest_salt, LUKS_SALT,
                         l->digest_iterations, digest, LUKS_DIGEST, errp);
}

static int unlock_worker(void *opaque)
{
    SlotWork *w = opaque;
    CryptoSectors *c = slot_cipher(w, w->errp);
    uint8_t digest[LUKS_DIGEST];

    if (!c) {
        return -EINVAL;
    }
    crypto_sectors_decrypt(c, 0, w->material, luks_material_len(w->l));
    crypto_sectors_free(c);
    if (!crypto_af_merge(w->l->hash, w->material, w->l->key_len, LUKS_STRIPES,
                         w->master, w->errp) ||
        !master_digest(w->l, w->master, digest, w->errp)) {
        return -EINVAL;
    }
    w->match = !memcmp(digest, w->l->digest, LUKS_DIGEST);
    return 0;
}

/* Does @password open slot @i? Then *match, and @master is the key. */
bool coroutine_fn luks_try_slot(const Luks *l, LuksPlace at, unsigned i,
                                const char *password, bool *match,
                                uint8_t master[CRYPTO_MAX_KEY], Error **errp)
{
    const LuksSlot *s = &l->slots[i];
    size_t len = luks_material_len(l);
    SlotWork w = { .l = l, .slot = s, .password = password, .errp = errp };
    int ret;

    *match = false;
    if (!s->active) {
        return true;
    }
    w.material = g_malloc(len);
    ret = node_pread(at.file, at.base + (int64_t)s->offset * CRYPTO_SECTOR, len,
                     w.material);
    if (ret < 0) {
        error_errno(errp, -ret, "Failed to read key material");
    } else {
        ret = thread_pool_run_co(unlock_worker, &w);
    }
    *match = ret >= 0 && w.match;
    if (*match) {
        memcpy(master, w.master, CRYPTO_MAX_KEY);
    }
    crypto_wipe_free(w.material, len);
    explicit_bzero(w.master, sizeof(w.master));
    return ret >= 0;
}

/* The first slot that @password opens, or -1 with an error. */
int coroutine_fn luks_find_slot(const Luks *l, LuksPlace at,
                                const char *password,
                                uint8_t master[CRYPTO_MAX_KEY], Error **errp)
{
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        bool match;

        if (!luks_try_slot(l, at, i, password, &match, master, errp)) {
            return -1;
        }
        if (match) {
            return i;
        }
    }
    error_set(errp, "Invalid password, cannot unlock any keyslot");
    return -1;
}

CryptoSectors *coroutine_fn luks_unlock(const Luks *l, LuksPlace at,
                                        const char *password, Error **errp)
{
    uint8_t master[CRYPTO_MAX_KEY];
    CryptoSectors *c = NULL;

    /* What the header asks for must exist, whatever the password. */
    if (l->key_len != crypto_cipher_key_len(l->cipher, l->mode)) {
        return error_set(errp, "Unsupported length of the key: %" PRIu32,
                         l->key_len),
               NULL;
    }
    if (luks_find_slot(l, at, password, master, errp) >= 0) {
        c = data_cipher(l, master, errp);
    }
    explicit_bzero(master, sizeof(master));
    return c;
}

/* Filling a slot
 * ------------------------------------------------------------------------- */

typedef struct FillWork {
    SlotWork w;
    Luks *l; /* the same as w.l */
    LuksSlot *slot;
    uint64_t iter_ms;
    bool with_digest; /* make the master key's digest as well */
} FillWork;

static bool choose_iterations(const Luks *l, size_t out_len, uint64_t ms,
                              uint32_t *iterations, Error **errp)
{
    uint64_t n;

    if (!crypto_pbkdf2_iterations(l->hash, out_len, ms, &n, errp)) {
        return false;
    }
    if (n > UINT32_MAX) {
        return error_set(errp, "PBKDF iterations %" PRIu64 " larger than %u", n,
                         UINT32_MAX);
    }
    *iterations = MAX(n, MIN_ITERATIONS);
    return true;
}

static bool fill_slot(FillWork *f, Error **errp)
{
    Luks *l = f->l;
    CryptoSectors *c;

    if (!choose_iterations(l, l->key_len, f->iter_ms, &f->slot->iterations,
                           errp) ||
        !crypto_random(f->slot->salt, LUKS_SALT, errp) ||
        !crypto_af_split(l->hash, f->w.master, l->key_len, LUKS_STRIPES,
                         f->w.material, errp)) {
        return false;
    }
    c = slot_cipher(&f->w, errp);
    if (!c) {
        return false;
    }
    crypto_sectors_encrypt(c, 0, f->w.material, luks_material_len(l));
    crypto_sectors_free(c);
    f->slot->active = true;
    if (!f->with_digest) {
        return true;
    }
    return choose_iterations(l, LUKS_DIGEST, f->iter_ms / 8,
                             &l->digest_iterations, errp) &&
           crypto_random(l->digest_salt, LUKS_SALT, errp) &&
           master_digest(l, f->w.master, l->digest, errp);
}

static int fill_worker(void *opaque)
{
    FillWork *f = opaque;

    return fill_slot(f, f->w.errp) ? 0 : -EINVAL;
}

/* Slot @i opens with @password from now on; then the header is written. */
bool coroutine_fn luks_store_key(Luks *l, LuksPlace at, unsigned i,
                                 const char *password, uint64_t iter_ms,
                                 const uint8_t master[CRYPTO_MAX_KEY],
                                 bool with_digest, Error **errp)
{
    LuksSlot old = l->slots[i];
    size_t len = luks_material_len(l);
    FillWork f = { .w = { .l = l,
                          .slot = &l->slots[i],
                          .password = password,
                          .material = g_malloc0(len),
                          .errp = errp },
                   .l = l,
                   .slot = &l->slots[i],
                   .iter_ms = iter_ms,
                   .with_digest = with_digest };
    bool ok;
    int ret = 0;

    memcpy(f.w.master, master, CRYPTO_MAX_KEY);
    ok = thread_pool_run_co(fill_worker, &f) >= 0;
    if (ok) {
        /* The key must be there before the header says so. */
        ret =
            node_pwrite(at.file, at.base + (int64_t)old.offset * CRYPTO_SECTOR,
                        len, f.w.material, BLK_REQ_FUA);
        ret = ret < 0 ? ret : luks_write(l, at);
    }
    if (!ok || ret < 0) {
        l->slots[i] = old;
    }
    crypto_wipe_free(f.w.material, len);
    explicit_bzero(f.w.master, sizeof(f.w.master));
    return ok && (ret >= 0 || error_errno(errp, -ret, "Unable to store key"));
}

/* New volumes
 * ------------------------------------------------------------------------ */

static bool plan_enum(const QDict *opts, const char *prefix, const char *name,
                      const QapiType *type, unsigned *value, bool *given,
                      Error **errp)
{
    g_autofree char *key = g_strconcat(prefix, name, NULL);
    const char *text = qdict_get_str(opts, key);
    int v;

    *given = text;
    if (!text) {
        return true;
    }
    v = qapi_enum_find(type, text, -1);
    if (v < 0) {
        return error_set(errp, "Parameter '%s' does not accept value '%s'",
                         name, text);
    }
    *value = v;
    return true;
}

static bool plan_algorithms(Luks *l, const QDict *opts, const char *prefix,
                            Error **errp)
{
    bool given;

    *l = (Luks){ .cipher = QCRYPTO_CIPHER_ALGORITHM_AES_256,
                 .mode = QCRYPTO_CIPHER_MODE_XTS,
                 .ivgen = QCRYPTO_IVGEN_ALGORITHM_PLAIN64,
                 .hash = QCRYPTO_HASH_ALGORITHM_SHA256,
                 .ivgen_hash = QCRYPTO_HASH_ALGORITHM_SHA256 };
    if (!plan_enum(opts, prefix, "cipher-alg",
                   &qapi_type_QCryptoCipherAlgorithm, &l->cipher, &given,
                   errp) ||
        !plan_enum(opts, prefix, "cipher-mode", &qapi_type_QCryptoCipherMode,
                   &l->mode, &given, errp) ||
        !plan_enum(opts, prefix, "ivgen-alg", &qapi_type_QCryptoIVGenAlgorithm,
                   &l->ivgen, &given, errp) ||
        !plan_enum(opts, prefix, "ivgen-hash-alg",
                   &qapi_type_QCryptoHashAlgorithm, &l->ivgen_hash,
                   &l->has_ivgen_hash, errp)) {
        return false;
    }
    l->has_ivgen_hash =
        l->has_ivgen_hash || l->ivgen == QCRYPTO_IVGEN_ALGORITHM_ESSIV;
    return plan_enum(opts, prefix, "hash-alg", &qapi_type_QCryptoHashAlgorithm,
                     &l->hash, &given, errp);
}

static void make_uuid(char uuid[37])
{
    g_autofree char *text = g_uuid_string_random();

    g_strlcpy(uuid, text, 37);
}

bool luks_plan(Luks *l, const QDict *opts, const char *prefix, Error **errp)
{
    uint8_t key[CRYPTO_MAX_KEY] = { 0 };
    CryptoSectors *c;
    uint32_t step;

    if (!plan_algorithms(l, opts, prefix, errp)) {
        return false;
    }
    l->key_len = crypto_cipher_key_len(l->cipher, l->mode);
    /* Is there such a cipher? */
    c = data_cipher(l, key, errp);
    if (!c) {
        return false;
    }
    crypto_sectors_free(c);
    step = ALIGN_UP(luks_material_len(l) / CRYPTO_SECTOR,
                    (size_t)LUKS_ALIGN_SECTORS);
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        l->slots[i].offset = LUKS_ALIGN_SECTORS + i * step;
    }
    l->payload = LUKS_ALIGN_SECTORS + LUKS_SLOTS * step;
    make_uuid(l->uuid);
    return true;
}

bool coroutine_fn luks_format(Luks *l, LuksPlace at, const char *password,
                              uint64_t iter_ms, Error **errp)
{
    uint8_t master[CRYPTO_MAX_KEY] = { 0 };
    bool ok;

    ok = crypto_random(master, l->key_len, errp) &&
         luks_store_key(l, at, 0, password, iter_ms, master, true, errp);
    explicit_bzero(master, sizeof(master));
    return ok;
}
