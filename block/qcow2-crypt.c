/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encrypted qcow2 images: "aes" (the password is the key of AES-128-CBC, the
 * guest's offset makes the initialization vectors) and "luks" (a LUKS header
 * in clusters of its own, the offset in the file counts).
 * Spec: the qcow2 specification, "Full disk encryption header pointer" and
 * "Data encryption"; LUKS1 On-Disk Format Specification 1.2.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/luks.h"
#include "block/qcow2.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

/* On disk */
typedef struct __attribute__((packed)) CryptoPointer {
    uint64_t offset, length;
} CryptoPointer;

#define AES_KEY 16

#define NO_AES                                                                \
    "Use of AES-CBC encrypted qcow2 images is no longer supported in system " \
    "emulators"

static LuksPlace place(const QcowState *s)
{
    return (LuksPlace){ s->n->file->node, s->crypt.offset };
}

/* Header
 * ---------------------------------------------------------------------------
 */

bool qc_crypt_take_extension(QcowState *s, const char *data, uint32_t len,
                             Error **errp)
{
    CryptoPointer raw;

    if (s->h.crypt_method != QC_CRYPT_LUKS) {
        return error_set(errp, "CRYPTO header extension only expected with "
                               "LUKS encryption method");
    }
    if (len != sizeof(raw)) {
        return error_set(errp,
                         "CRYPTO header extension size %u, but expected size "
                         "%zu",
                         len, sizeof(raw));
    }
    memcpy(&raw, data, sizeof(raw));
    s->crypt.offset = be64toh(raw.offset);
    s->crypt.length = be64toh(raw.length);
    if (!IS_ALIGNED(s->crypt.offset, (uint64_t)s->cluster_size)) {
        return error_set(errp,
                         "Encryption header offset '%" PRIu64
                         "' is not a multiple of cluster size '%" PRId64 "'",
                         s->crypt.offset, s->cluster_size);
    }
    return (s->crypt.offset && s->crypt.length >= LUKS_HEADER &&
            s->crypt.length <= LUKS_MAX_HEADER &&
            s->crypt.offset < QC_MAX_HOST_OFFSET) ||
           error_set(errp, "Encryption header is invalid");
}

bool qc_crypt_extension(const QcowState *s, uint8_t out[16])
{
    CryptoPointer raw = { htobe64(s->crypt.offset), htobe64(s->crypt.length) };

    memcpy(out, &raw, sizeof(raw));
    return s->crypt.offset;
}

/* Open
 * -----------------------------------------------------------------------------
 */

static bool check_format(const QcowState *s, const BlockdevQcow2Encryption *e,
                         Error **errp)
{
    static const char *const names[] = {
        [QC_CRYPT_AES] = "aes", [QC_CRYPT_LUKS] = "luks"
    };
    const char *have = names[s->h.crypt_method];
    const char *want =
        e ? qapi_enum_name(&qapi_type_BlockdevQcow2EncryptionFormat, e->format)
          : NULL;

    if (want && !have) {
        return error_set(errp,
                         "No encryption in image header, but options specified "
                         "format '%s'",
                         want);
    }
    return !want || !strcmp(have, want) || s->n->graph->any_encryption ||
           error_set(errp,
                     "Header reported '%s' encryption format but options "
                     "specify '%s'",
                     have, want);
}

static const char *key_secret(const BlockdevQcow2Encryption *e)
{
    return !e ? NULL
           : e->format == BLOCKDEV_QCOW2_ENCRYPTION_FORMAT_LUKS
               ? e->u.luks.key_secret
               : e->u.aes.key_secret;
}

static CryptoSectors *aes_cipher(const char *password, Error **errp)
{
    uint8_t key[AES_KEY] = { 0 };
    CryptoSectors *c;

    memcpy(key, password, MIN(strlen(password), sizeof(key)));
    c = crypto_sectors_new(QCRYPTO_CIPHER_ALGORITHM_AES_128,
                           QCRYPTO_CIPHER_MODE_CBC,
                           QCRYPTO_IVGEN_ALGORITHM_PLAIN64, 0, key, sizeof(key),
                           errp);
    explicit_bzero(key, sizeof(key));
    return c;
}

static bool coroutine_fn read_luks(QcowState *s, Error **errp)
{
    if (!s->crypt.offset) {
        return error_set(errp, "CRYPTO header extension is missing");
    }
    s->crypt.luks = g_new0(Luks, 1);
    if (!luks_read(s->crypt.luks, place(s), errp)) {
        return false;
    }
    return (uint64_t)luks_payload_bytes(s->crypt.luks) <= s->crypt.length ||
           error_set(errp, "Request for data outside of extension header");
}

bool coroutine_fn qc_crypt_open(QcowState *s, const BlockdevQcow2Encryption *e,
                                Error **errp)
{
    BlockGraph *g = s->n->graph;
    char *password;

    if (!check_format(s, e, errp)) {
        return false;
    }
    if (!s->h.crypt_method) {
        return true;
    }
    if (s->h.crypt_method == QC_CRYPT_AES && g->emulator) {
        error_set(errp, NO_AES);
        error_hint(errp, "You can use 'qemu-img convert' to convert your image "
                         "to an alternative supported format, such as "
                         "unencrypted qcow2, or raw with the LUKS format "
                         "instead.\n");
        return false;
    }
    if (s->h.crypt_method == QC_CRYPT_LUKS && !read_luks(s, errp)) {
        return false;
    }
    if (g->describing) {
        return true;
    }
    password = luks_password(g, key_secret(e), "encrypt.key-secret", errp);
    if (!password) {
        return false;
    }
    s->crypt.data = s->crypt.luks
                        ? luks_unlock(s->crypt.luks, place(s), password, errp)
                        : aes_cipher(password, errp);
    luks_free_password(password);
    return s->crypt.data;
}

void qc_crypt_close(QcowState *s)
{
    crypto_sectors_free(s->crypt.data);
    g_free(s->crypt.luks);
}

ImageInfoSpecificQCow2Encryption *qc_crypt_info(const QcowState *s)
{
    ImageInfoSpecificQCow2Encryption *info;
    QCryptoBlockInfoLUKS *luks;

    if (!s->h.crypt_method) {
        return NULL;
    }
    info = g_new0(ImageInfoSpecificQCow2Encryption, 1);
    info->format = BLOCKDEV_QCOW2_ENCRYPTION_FORMAT_AES;
    if (s->crypt.luks) {
        info->format = BLOCKDEV_QCOW2_ENCRYPTION_FORMAT_LUKS;
        luks = luks_info(s->crypt.luks);
        info->u.luks = *luks;
        g_free(luks);
    }
    return info;
}

/* Data
 * ------------------------------------------------------------------------- */

static int64_t iv_place(const QcowState *s, uint64_t host, int64_t guest)
{
    return s->h.crypt_method == QC_CRYPT_LUKS ? (int64_t)host : guest;
}

int coroutine_fn qc_data_read(QcowState *s, uint64_t host, int64_t guest,
                              int64_t bytes, const IoVec *iov,
                              size_t iov_offset)
{
    BlockNode *data = qc_data_node(s);

    if (likely(!s->h.crypt_method)) {
        return node_preadv(data, host, bytes, iov, iov_offset, 0);
    }
    return s->crypt.data
               ? crypt_preadv(s->crypt.data, data, host,
                              iv_place(s, host, guest), bytes, iov, iov_offset)
               : -EACCES;
}

int coroutine_fn qc_data_write(QcowState *s, uint64_t host, int64_t guest,
                               int64_t bytes, const IoVec *iov,
                               size_t iov_offset, unsigned flags)
{
    BlockNode *data = qc_data_node(s);

    if (likely(!s->h.crypt_method)) {
        return node_pwritev(data, host, bytes, iov, iov_offset, flags);
    }
    return s->crypt.data ? crypt_pwritev(s->crypt.data, data, host,
                                         iv_place(s, host, guest), bytes, iov,
                                         iov_offset, flags)
                         : -EACCES;
}

/* New images and new passwords
 * ---------------------------------------------------------------- */

static bool coroutine_fn make_luks(QcowState *s, const QcCryptPlan *p,
                                   Error **errp)
{
    int64_t bytes = luks_payload_bytes(p->luks), got, offset;

    offset = qc_alloc(s, ALIGN_UP(bytes, s->cluster_size), true, &got);
    if (offset < 0) {
        return error_errno(errp, -offset,
                           "Cannot allocate cluster for LUKS header size "
                           "%" PRId64,
                           bytes);
    }
    s->crypt.offset = offset;
    s->crypt.length = bytes;
    if (node_length(s->n->file->node) < offset + got &&
        !node_truncate(s->n->file->node, offset + got, false, errp)) {
        return false;
    }
    s->crypt.luks = g_new0(Luks, 1);
    *s->crypt.luks = *p->luks;
    return luks_format(s->crypt.luks, place(s), p->password, p->iter_ms, errp);
}

bool coroutine_fn qc_crypt_create(QcowState *s, const QcCryptPlan *p,
                                  Error **errp)
{
    bool luks = p->method == QC_CRYPT_LUKS, ok;
    int ret;

    if (!p->method) {
        return true;
    }
    co_mutex_lock(&s->lock);
    ok = !luks || make_luks(s, p, errp);
    if (ok) {
        s->h.crypt_method = p->method;
        ret = qc_header_write(s);
        ok = ret >= 0 || error_errno(errp, -ret, "Could not write the header");
    }
    co_mutex_unlock(&s->lock);
    return ok;
}

bool coroutine_fn qc_crypt_amend(QcowState *s, const QDict *opts, bool force,
                                 Error **errp)
{
    const BlockdevQcow2Encryption *e = s->n->opts->u.qcow2.encrypt;
    const char *format = qdict_get_str(opts, "encrypt.format");

    if (format && strcmp(format, "luks")) {
        return error_set(errp, "Amend can't be used to change the qcow2 "
                               "encryption format");
    }
    if (!s->h.crypt_method) {
        return error_set(errp, "Can't amend encryption options - encryption "
                               "not present");
    }
    if (s->h.crypt_method != QC_CRYPT_LUKS) {
        return error_set(errp, "Only LUKS encryption options can be "
                               "amended");
    }
    return luks_amend(s->crypt.luks, place(s), s->n->graph, opts, "encrypt.",
                      key_secret(e), force, errp);
}

static bool plan_method(const QDict *opts, QcCryptPlan *p, Error **errp)
{
    const char *format = qdict_get_str(opts, "encrypt.format");

    if (qdict_has(opts, "encryption")) {
        if (format) {
            return error_set(errp, "'encrypt.format' and its alias "
                                   "'encryption' can't be used at the same "
                                   "time");
        }
        format = block_option_bool(opts, "encryption", false) ? "aes" : NULL;
    } else if (!format) {
        QDICT_FOREACH(opts, e) {
            if (g_str_has_prefix(e->key, "encrypt.")) {
                return error_set(errp, "Parameter 'encrypt.format' is missing");
            }
        }
    }
    p->method = !format                  ? QC_CRYPT_NONE
                : !strcmp(format, "aes") ? QC_CRYPT_AES
                                         : QC_CRYPT_LUKS;
    return !format || p->method == QC_CRYPT_AES || !strcmp(format, "luks") ||
           error_set(errp, "Parameter 'format' does not accept value '%s'",
                     format);
}

static bool only_key(const QDict *opts, Error **errp)
{
    QDICT_FOREACH(opts, e) {
        if (g_str_has_prefix(e->key, "encrypt.") &&
            strcmp(e->key, "encrypt.format") &&
            strcmp(e->key, "encrypt.key-secret")) {
            return error_set(errp, "Parameter '%s' is unexpected", e->key);
        }
    }
    return true;
}

bool qc_crypt_plan(BlockGraph *g, const QDict *opts, QcCryptPlan *p,
                   Error **errp)
{
    const char *id = qdict_get_str(opts, "encrypt.key-secret");

    *p = (QcCryptPlan){ .iter_ms = block_option_size(opts, "encrypt.iter-time",
                                                     LUKS_ITER_MS) };
    if (!plan_method(opts, p, errp)) {
        return false;
    }
    if (!p->method) {
        return true;
    }
    if (p->method == QC_CRYPT_AES && !only_key(opts, errp)) {
        return false;
    }
    if (p->method == QC_CRYPT_AES && g && g->emulator) {
        return error_set(errp, NO_AES);
    }
    if (!id) {
        return error_set(errp, "Parameter 'encrypt.key-secret' is required for "
                               "cipher");
    }
    if (p->method == QC_CRYPT_LUKS) {
        p->luks = g_new0(Luks, 1);
        if (!luks_plan(p->luks, opts, "encrypt.", errp)) {
            return false;
        }
    }
    p->password = luks_password(g, id, "encrypt.key-secret", errp);
    return p->password;
}

void qc_crypt_plan_free(QcCryptPlan *p)
{
    luks_free_password(p->password);
    g_free(p->luks);
}

uint64_t qc_crypt_plan_bytes(const QcCryptPlan *p, uint64_t cluster)
{
    return p->luks ? ALIGN_UP((uint64_t)luks_payload_bytes(p->luks), cluster)
                   : 0;
}
