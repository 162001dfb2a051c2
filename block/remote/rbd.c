/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver "rbd": images of Ceph clusters. */
#include "util/osdep.h"

#include "block/block-create.h"
#include "block/drivers.h"
#include "block/remote/remote.h"
#include "crypto/secret.h"
#include "qapi/qapi-types-block-jobs.h"
#include "util/error.h"

typedef struct RbdTexts {
    char *key, *passphrase, *auth, *mon_host;
    char **settings;
} RbdTexts;

typedef struct RbdDisk {
    RemoteDisk remote;
    RbdParams params;
    RbdTexts texts; /* of params, which also points into opts */
    BlockdevOptions *opts;
} RbdDisk;

/* Options --------------------------------------------------------------------
 */

static void free_texts(RbdTexts *t)
{
    remote_free_secret(t->key);
    remote_free_secret(t->passphrase);
    g_free(t->auth);
    g_free(t->mon_host);
    g_strfreev(t->settings);
    *t = (RbdTexts){ 0 };
}

/* "host:port;[host]:port" */
static char *monitors(const InetSocketAddressBaseList *l)
{
    GString *s = g_string_new(NULL);

    for (; l; l = l->next) {
        bool brackets = strchr(l->value->host, ':');

        g_string_append_printf(s, "%s%s%s%s:%s", s->len ? ";" : "",
                               brackets ? "[" : "", l->value->host,
                               brackets ? "]" : "", l->value->port);
    }
    return g_string_free(s, FALSE);
}

static char *auth_modes(const RbdAuthModeList *l)
{
    GString *s = g_string_new(NULL);

    for (; l; l = l->next) {
        g_string_append_printf(s, "%s%s", s->len ? ";" : "",
                               qapi_enum_name(&qapi_type_RbdAuthMode,
                                              l->value));
    }
    return g_string_free(s, FALSE);
}

static char **settings(const strList *l)
{
    GPtrArray *a = g_ptr_array_new();

    for (; l; l = l->next) {
        g_ptr_array_add(a, g_strdup(l->value));
    }
    g_ptr_array_add(a, NULL);
    return (char **)g_ptr_array_free(a, FALSE);
}

/* A key is told to Ceph in base64. */
static bool take_key(BlockGraph *g, const char *id, char **key, Error **errp)
{
    const uint8_t *raw;
    size_t size;

    if (!id) {
        return true;
    }
    raw = secret_find(g->root, id, &size, errp);
    if (!raw) {
        return false;
    }
    *key = g_base64_encode(raw, size);
    return true;
}

static bool rbd_params(BlockGraph *g, const BlockdevOptionsRbd *o, RbdParams *p,
                       RbdTexts *t, Error **errp)
{
    t->mon_host = o->server ? monitors(o->server) : NULL;
    t->auth =
        o->auth_client_required ? auth_modes(o->auth_client_required) : NULL;
    t->settings = settings(o->x_settings);
    if (!take_key(g, o->key_secret, &t->key, errp)) {
        return false;
    }
    *p = (RbdParams){ .pool = o->pool,
                      .name_space = o->q_namespace,
                      .image = o->image,
                      .snapshot = o->snapshot,
                      .conf = o->conf,
                      .user = o->user,
                      .key = t->key,
                      .auth = t->auth,
                      .mon_host = t->mon_host,
                      .settings = (const char *const *)t->settings,
                      .encryption = -1 };
    return true;
}

static bool take_encryption(BlockGraph *g, int format, const char *secret,
                            RbdParams *p, RbdTexts *t, Error **errp)
{
    if (!remote_secret(g, secret, &t->passphrase, errp)) {
        return false;
    }
    p->encryption = format;
    p->passphrase = t->passphrase;
    return true;
}

static const char *encryption_secret(const RbdEncryptionOptions *e)
{
    return e->format == RBD_IMAGE_ENCRYPTION_FORMAT_LUKS
               ? e->u.luks.key_secret
               : e->u.luks2.key_secret;
}

static char *rbd_name(const BlockdevOptionsRbd *o)
{
    return g_strdup_printf("rbd:%s%s%s/%s%s%s", o->pool,
                           o->q_namespace ? "/" : "",
                           o->q_namespace ? o->q_namespace : "", o->image,
                           o->snapshot ? "@" : "",
                           o->snapshot ? o->snapshot : "");
}

static bool coroutine_fn rbd_connect(BlockNode *n, RbdDisk *s, Error **errp)
{
    const BlockdevOptionsRbd *o = &s->opts->u.rbd;

    if (!rbd_params(n->graph, o, &s->params, &s->texts, errp)) {
        return false;
    }
    s->params.no_cache = n->flags.direct;
    if (o->encrypt && !take_encryption(n->graph, o->encrypt->format,
                                       encryption_secret(o->encrypt),
                                       &s->params, &s->texts, errp)) {
        return false;
    }
    return remote_open(n, "block-rbd", "nemu_rbd_ops", &s->params, errp);
}

static void rbd_free(RbdDisk *s)
{
    free_texts(&s->texts);
    qapi_free_BlockdevOptions(s->opts);
}

static bool coroutine_fn rbd_open(BlockNode *n, const BlockdevOptions *opts,
                                  Error **errp)
{
    RbdDisk *s = n->state;

    s->opts = QAPI_CLONE(BlockdevOptions, opts);
    if (!rbd_connect(n, s, errp)) {
        rbd_free(s);
        return false;
    }
    g_free(n->filename);
    n->filename = rbd_name(&s->opts->u.rbd);
    return true;
}

static void coroutine_fn rbd_close(BlockNode *n)
{
    remote_close(n);
    rbd_free(n->state);
}

/* Information ----------------------------------------------------------------
 */

typedef struct Magic {
    BlockNode *n;
    uint8_t bytes[8];
    int ret;
} Magic;

static void coroutine_fn read_magic(void *opaque)
{
    Magic *m = opaque;

    m->ret = node_pread(m->n, 0, sizeof(m->bytes), m->bytes);
}

/* An image that was opened as it is shows its LUKS header. */
static int encryption_seen(BlockNode *n)
{
    static const uint8_t luks[7] = { 'L', 'U', 'K', 'S', 0xba, 0xbe, 0 };
    Magic m = { .n = n };

    block_run(read_magic, &m);
    if (m.ret < 0 || memcmp(m.bytes, luks, sizeof(luks))) {
        return -1;
    }
    return m.bytes[7] == 1   ? RBD_IMAGE_ENCRYPTION_FORMAT_LUKS
           : m.bytes[7] == 2 ? RBD_IMAGE_ENCRYPTION_FORMAT_LUKS2
                             : -1;
}

static void rbd_image_info(BlockNode *n, ImageInfo *info)
{
    RbdDisk *s = n->state;
    ImageInfoSpecificRbd *rbd = g_new0(ImageInfoSpecificRbd, 1);
    int format = encryption_seen(n);

    info->has_cluster_size = s->remote.info.cluster;
    info->cluster_size = s->remote.info.cluster;
    rbd->has_encryption_format = format >= 0;
    rbd->encryption_format = MAX(format, 0);
    info->format_specific = g_new0(ImageInfoSpecific, 1);
    info->format_specific->type = IMAGE_INFO_SPECIFIC_KIND_RBD;
    info->format_specific->u.rbd.data = rbd;
}

/* Making images --------------------------------------------------------------
 */

/* log2 of the objects' size, from 4 KiB to 32 MiB, as Ceph has it. */
static bool object_order(uint64_t size, int *order, Error **errp)
{
    if (size & (size - 1)) {
        return error_set(errp, "obj size needs to be power of 2");
    }
    if (size && size < 4096) {
        return error_set(errp, "obj size too small");
    }
    *order = size ? __builtin_ctzll(size) : 0;
    return true;
}

static bool create_at(RbdParams *p, uint64_t size, uint64_t object,
                      RbdCreate *how, Error **errp)
{
    if (p->snapshot) {
        return error_set(errp, "Can't use snapshot name for image creation");
    }
    return object_order(object, &how->order, errp) &&
           remote_create("block-rbd", "nemu_rbd_ops", p, size, how, errp);
}

/* "encrypt.*" of qemu-img create -o */
static bool encryption_options(BlockGraph *g, const QDict *opts, RbdParams *p,
                               RbdTexts *t, RbdCreate *how, Error **errp)
{
    const char *format = qdict_get_str(opts, "encrypt.format");
    const char *secret = qdict_get_str(opts, "encrypt.key-secret");
    const char *cipher = qdict_get_str(opts, "encrypt.cipher-alg");

    if (!format) {
        return true;
    }
    if (strcmp(format, "luks") && strcmp(format, "luks2")) {
        return error_set(errp, "Parameter 'format' does not accept value '%s'",
                         format);
    }
    if (!secret) {
        return error_set(errp, "Parameter 'key-secret' is missing");
    }
    if (cipher && strcmp(cipher, "aes-128") && strcmp(cipher, "aes-256")) {
        return error_set(errp, "unknown encryption algorithm %s", cipher);
    }
    how->aes128 = cipher && !strcmp(cipher, "aes-128");
    return take_encryption(g,
                           format[4] ? RBD_IMAGE_ENCRYPTION_FORMAT_LUKS2
                                     : RBD_IMAGE_ENCRYPTION_FORMAT_LUKS,
                           secret, p, t, errp);
}

static bool rbd_create(BlockGraph *g, const char *filename, const QDict *opts,
                       Error **errp)
{
    g_autoptr(BlockdevOptions) o = remote_name_parse(g, filename, errp);
    const char *secret = qdict_get_str(opts, "password-secret");
    RbdCreate how = { 0 };
    RbdTexts t = { 0 };
    RbdParams p;
    bool ok;

    if (!o) {
        return false;
    }
    if (secret) {
        g_free(o->u.rbd.key_secret);
        o->u.rbd.key_secret = g_strdup(secret);
    }
    ok = rbd_params(g, &o->u.rbd, &p, &t, errp) &&
         encryption_options(g, opts, &p, &t, &how, errp) &&
         create_at(&p, ALIGN_UP(block_option_size(opts, "size", 0), 512),
                   block_option_size(opts, "cluster_size", 0), &how, errp);
    free_texts(&t);
    return ok;
}

static bool qmp_encryption(BlockGraph *g, const RbdEncryptionCreateOptions *e,
                           RbdParams *p, RbdTexts *t, RbdCreate *how,
                           Error **errp)
{
    bool luks = e->format == RBD_IMAGE_ENCRYPTION_FORMAT_LUKS;
    const char *secret = luks ? e->u.luks.key_secret : e->u.luks2.key_secret;
    bool has = luks ? e->u.luks.has_cipher_alg : e->u.luks2.has_cipher_alg;
    QCryptoCipherAlgorithm alg =
        luks ? e->u.luks.cipher_alg : e->u.luks2.cipher_alg;

    how->aes128 = has && alg == QCRYPTO_CIPHER_ALGORITHM_AES_128;
    if (has && !how->aes128 && alg != QCRYPTO_CIPHER_ALGORITHM_AES_256) {
        return error_set(errp, "unknown encryption algorithm %s",
                         qapi_enum_name(&qapi_type_QCryptoCipherAlgorithm,
                                        alg));
    }
    return take_encryption(g, e->format, secret, p, t, errp);
}

static bool rbd_create_qmp(BlockGraph *g, const BlockdevCreateOptions *opts,
                           Error **errp)
{
    const BlockdevCreateOptionsRbd *o = &opts->u.rbd;
    RbdCreate how = { 0 };
    RbdTexts t = { 0 };
    RbdParams p;
    bool ok;

    if (o->has_cluster_size && !o->cluster_size) {
        return error_set(errp, "obj size too small");
    }
    ok = rbd_params(g, o->location, &p, &t, errp) &&
         (!o->encrypt || qmp_encryption(g, o->encrypt, &p, &t, &how, errp)) &&
         create_at(&p, o->size, o->has_cluster_size ? o->cluster_size : 0, &how,
                   errp);
    free_texts(&t);
    return ok;
}

static const BlockCreateOption rbd_create_options[] = {
    { "size", BLOCK_OPTION_SIZE, "Virtual disk size", NULL },
    { "cluster_size", BLOCK_OPTION_SIZE, "RBD object size", NULL },
    { "password-secret", BLOCK_OPTION_STR,
      "ID of secret providing the password", NULL },
    { "encrypt.format", BLOCK_OPTION_STR,
      "Encrypt the image, format choices: 'luks', 'luks2'", NULL },
    { "encrypt.cipher-alg", BLOCK_OPTION_STR,
      "Name of encryption cipher algorithm (allowed values: aes-128, aes-256)",
      NULL },
    { "encrypt.key-secret", BLOCK_OPTION_STR,
      "ID of secret providing LUKS passphrase", NULL },
    {},
};

static const BlockCreateOps rbd_create_ops = {
    .options = rbd_create_options,
    .create = rbd_create,
    .create_qmp = rbd_create_qmp,
};

static const BlockInfoOps rbd_info_ops = {
    .image = rbd_image_info,
};

const BlockDriver block_driver_rbd = {
    .name = "rbd",
    .driver = BLOCKDEV_DRIVER_RBD,
    .state_size = sizeof(RbdDisk),
    .protocol = true,
    .open = rbd_open,
    .close = rbd_close,
    .refresh_limits = remote_refresh_limits,
    .io = &remote_io_ops,
    .size = &remote_size_ops,
    .info = &rbd_info_ops,
    .create = &rbd_create_ops,
};
