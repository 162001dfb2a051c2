/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Module block-rbd: an image of a Ceph cluster, by librbd. An open image takes
 * any number of calls at once, and only one may write where there is an
 * exclusive lock: so one handle serves all.
 * Spec: librados.h, librbd.h.
 */
#include "util/osdep.h"

#include <rados/librados.h>
#include <rbd/librbd.h>

#include "block/remote/remote-module.h"
#include "qapi/qapi-types-block-core.h"

#define TRANSFER_MAX (32u << 20)
#define RANGE_MAX    (1u << 30)
/* No error of Ceph's: the first area was found, no more is wanted. */
#define ENOUGH (-9000)

typedef struct Cluster {
    rados_t rados;
    rados_ioctx_t pool;
} Cluster;

typedef struct Handle {
    Cluster cluster;
    rbd_image_t image;
    GMutex lock;
    uint64_t size;     /* guarded by lock */
    uint64_t overhead; /* of encryption, in the image's size */
    bool fast_diff;
} Handle;

static char *error_text(int ret, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

static char *error_text(int ret, const char *fmt, ...)
{
    g_autofree char *what = NULL;
    va_list ap;

    va_start(ap, fmt);
    what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return g_strdup_printf("%s: %s", what, g_strerror(-ret));
}

/* The cluster ----------------------------------------------------------------
 */

/* @name may be "mon_host" or any other of Ceph's. */
static char *set_option(rados_t rados, const char *name, const char *value)
{
    int ret = value ? rados_conf_set(rados, name, value) : 0;

    return ret < 0 ? error_text(ret, "invalid conf option %s", name) : NULL;
}

static char *set_named(rados_t rados, const char *const *settings)
{
    char *error = NULL;

    for (; settings && *settings && !error; settings++) {
        const char *equals = strchr(*settings, '=');
        g_autofree char *name = NULL;

        if (!equals) {
            return g_strdup_printf("conf option %s has no value", *settings);
        }
        name = g_strndup(*settings, equals - *settings);
        error = set_option(rados, name, equals + 1);
    }
    return error;
}

static char *set_options(rados_t rados, const RbdParams *p)
{
    int ret = p->conf ? rados_conf_read_file(rados, p->conf) : 0;
    char *error;

    if (ret < 0) {
        return error_text(ret, "error reading conf file %s", p->conf);
    }
    if (!p->conf) {
        rados_conf_read_file(rados, NULL); /* there may be none */
    }
    error = set_named(rados, p->settings);
    error = error ? error : set_option(rados, "mon_host", p->mon_host);
    error = error ? error : set_option(rados, "key", p->key);
    error = error ? error : set_option(rados, "auth_client_required", p->auth);
    return error
               ? error
               : set_option(rados, "rbd_cache", p->no_cache ? "false" : "true");
}

static char *enter_name_space(rados_ioctx_t pool, const char *name)
{
    bool exists = false;
    int ret = rbd_namespace_exists(pool, name, &exists);

    if (ret < 0) {
        return error_text(ret, "error checking namespace");
    }
    if (!exists) {
        return g_strdup_printf("namespace '%s' does not exist", name);
    }
    rados_ioctx_set_namespace(pool, name);
    return NULL;
}

static char *connect_cluster(Cluster *c, const RbdParams *p)
{
    char *error;
    int ret = rados_create(&c->rados, p->user);

    if (ret < 0) {
        c->rados = NULL;
        return error_text(ret, "error initializing");
    }
    error = set_options(c->rados, p);
    if (error) {
        return error;
    }
    ret = rados_connect(c->rados);
    if (ret < 0) {
        return error_text(ret, "error connecting");
    }
    ret = rados_ioctx_create(c->rados, p->pool, &c->pool);
    if (ret < 0) {
        c->pool = NULL;
        return error_text(ret, "error opening pool %s", p->pool);
    }
    return p->name_space && *p->name_space
               ? enter_name_space(c->pool, p->name_space)
               : NULL;
}

static void disconnect(Cluster *c)
{
    if (c->pool) {
        rados_ioctx_destroy(c->pool);
    }
    if (c->rados) {
        rados_shutdown(c->rados);
    }
}

/* Handles --------------------------------------------------------------------
 */

static char *load_encryption(Handle *h, const RbdParams *p)
{
    size_t len = p->passphrase ? strlen(p->passphrase) : 0;
    rbd_encryption_luks1_format_options_t luks1 = { .passphrase = p->passphrase,
                                                    .passphrase_size = len };
    rbd_encryption_luks2_format_options_t luks2 = { .passphrase = p->passphrase,
                                                    .passphrase_size = len };
    int ret = 0;

    if (p->encryption == RBD_IMAGE_ENCRYPTION_FORMAT_LUKS) {
        ret = rbd_encryption_load(h->image, RBD_ENCRYPTION_FORMAT_LUKS1, &luks1,
                                  sizeof(luks1));
    } else if (p->encryption == RBD_IMAGE_ENCRYPTION_FORMAT_LUKS2) {
        ret = rbd_encryption_load(h->image, RBD_ENCRYPTION_FORMAT_LUKS2, &luks2,
                                  sizeof(luks2));
    }
    return ret < 0 ? error_text(ret, "encryption load fail") : NULL;
}

static char *open_image(Handle *h, const RbdParams *p, bool writable,
                        RemoteInfo *info)
{
    uint64_t features = 0, whole = 0;
    rbd_image_info_t st;
    char *error;
    int ret = writable
                  ? rbd_open(h->cluster.pool, p->image, &h->image, p->snapshot)
                  : rbd_open_read_only(h->cluster.pool, p->image, &h->image,
                                       p->snapshot);

    if (ret < 0) {
        h->image = NULL;
        return error_text(ret, "error reading header from %s", p->image);
    }
    ret = rbd_get_size(h->image, &whole);
    error = load_encryption(h, p);
    if (error) {
        return error;
    }
    ret = ret < 0 ? ret : rbd_get_size(h->image, &h->size);
    h->overhead = whole > h->size ? whole - h->size : 0;
    if (ret < 0) {
        return error_text(ret, "error getting image size from %s", p->image);
    }
    ret = rbd_stat(h->image, &st, sizeof(st));
    if (ret < 0) {
        return error_text(ret, "error getting image info from %s", p->image);
    }
    ret = rbd_get_features(h->image, &features);
    if (ret < 0) {
        return error_text(ret, "error getting image features from %s",
                          p->image);
    }
    /* The map is of what is stored, not of what it decrypts to. */
    h->fast_diff = p->encryption < 0 && (features & RBD_FEATURE_FAST_DIFF);
    *info = (RemoteInfo){ .size = h->size,
                          .block = 1,
                          .max_transfer = TRANSFER_MAX,
                          .max_zero = RANGE_MAX,
                          .max_discard = RANGE_MAX,
                          .handles = 1,
                          .shared = true };
    if (p->snapshot) {
        info->read_only = "rbd snapshots are read-only";
    }
    if (st.obj_size && !(st.obj_size & (st.obj_size - 1)) &&
        st.obj_size <= RANGE_MAX) {
        info->cluster = st.obj_size;
    }
    return NULL;
}

static void close_handle(void *opaque)
{
    Handle *h = opaque;

    if (h->image) {
        rbd_close(h->image);
    }
    disconnect(&h->cluster);
    g_mutex_clear(&h->lock);
    g_free(h);
}

static void *open_handle(const void *params, bool writable, RemoteInfo *info,
                         char **error)
{
    const RbdParams *p = params;
    Handle *h = g_new0(Handle, 1);

    g_mutex_init(&h->lock);
    *error = connect_cluster(&h->cluster, p);
    if (!*error) {
        *error = open_image(h, p, writable, info);
    }
    if (*error) {
        close_handle(h);
        return NULL;
    }
    return h;
}

/* Requests -------------------------------------------------------------------
 */

static int read_handle(void *opaque, void *buf, size_t len, uint64_t offset)
{
    Handle *h = opaque;
    ssize_t got = rbd_read(h->image, offset, len, buf);

    if (got < 0) {
        return got;
    }
    /* The image became shorter: what it had reads as zeroes. */
    memset((char *)buf + MIN((size_t)got, len), 0, len - MIN((size_t)got, len));
    return 0;
}

/*
 * Show @size bytes. Versions of librbd differ in whether what encryption takes
 * is in the size that they are told; one that is too large loses nothing.
 */
static int resize_image(rbd_image_t image, uint64_t size, uint64_t overhead)
{
    uint64_t now = 0;
    int ret = rbd_resize(image, size + overhead);

    if (ret >= 0 && overhead) {
        ret = rbd_get_size(image, &now);
    }
    return ret >= 0 && now == size + overhead && overhead
               ? rbd_resize(image, size)
               : ret;
}

/* An image does not grow by writing. */
static int have_room(Handle *h, uint64_t end)
{
    int ret = 0;

    g_mutex_lock(&h->lock);
    if (end > h->size) {
        ret = resize_image(h->image, end, h->overhead);
        h->size = ret < 0 ? h->size : end;
    }
    g_mutex_unlock(&h->lock);
    return ret;
}

static int write_handle(void *opaque, const void *buf, size_t len,
                        uint64_t offset)
{
    Handle *h = opaque;
    int ret = have_room(h, offset + len);
    ssize_t put = ret < 0 ? ret : rbd_write(h->image, offset, len, buf);

    return put < 0 ? put : (size_t)put < len ? -EIO : 0;
}

static int flush_handle(void *opaque)
{
    Handle *h = opaque;

    return rbd_flush(h->image);
}

static int zero_handle(void *opaque, uint64_t offset, uint64_t len, bool unmap)
{
    Handle *h = opaque;
    int ret = have_room(h, offset + len);
    ssize_t put =
        ret < 0
            ? ret
            : rbd_write_zeroes(h->image, offset, len,
                               unmap ? 0
                                     : RBD_WRITE_ZEROES_FLAG_THICK_PROVISION,
                               0);

    return put < 0 ? put : (size_t)put < len ? -EIO : 0;
}

static int discard_handle(void *opaque, uint64_t offset, uint64_t len)
{
    Handle *h = opaque;
    int ret = rbd_discard(h->image, offset, len);

    return ret < 0 ? ret : 0;
}

static int truncate_handle(void *opaque, uint64_t size)
{
    Handle *h = opaque;
    int ret;

    g_mutex_lock(&h->lock);
    ret = resize_image(h->image, size, h->overhead);
    h->size = ret < 0 ? h->size : size;
    g_mutex_unlock(&h->lock);
    return ret;
}

/* Block status ---------------------------------------------------------------
 */

/* The first stretch of areas of one kind. */
typedef struct Stretch {
    uint64_t offset, end;
    bool data;
} Stretch;

static int take_area(uint64_t offset, size_t len, int exists, void *opaque)
{
    Stretch *s = opaque;

    if (!len || !exists) {
        return 0; /* a hole in what a snapshot has: as if not told */
    }
    if (offset > s->end || !s->data) {
        if (s->data) {
            return ENOUGH;
        }
        if (offset > s->offset) {
            s->end = offset;
            return ENOUGH;
        }
        s->data = true;
    }
    s->end = MAX(s->end, offset + len);
    return 0;
}

/* Only the cluster's map of objects answers fast enough. */
static int status_handle(void *opaque, uint64_t offset, uint64_t len,
                         uint64_t *num)
{
    Handle *h = opaque;
    Stretch s = { .offset = offset, .end = offset };
    uint64_t flags = 0;
    int ret;

    *num = len;
    if (!h->fast_diff || rbd_get_flags(h->image, &flags) < 0 ||
        (flags & RBD_FLAG_FAST_DIFF_INVALID)) {
        return REMOTE_IS_DATA;
    }
    ret = rbd_diff_iterate2(h->image, NULL, offset, len, true, true, take_area,
                            &s);
    if (ret < 0 && ret != ENOUGH) {
        return ret;
    }
    if (s.data || s.end > offset) {
        *num = MIN(len, s.end - offset);
    }
    return s.data ? REMOTE_IS_DATA : REMOTE_IS_ZERO;
}

static int64_t size_handle(void *opaque)
{
    Handle *h = opaque;
    uint64_t size;
    int ret = rbd_get_size(h->image, &size);

    return ret < 0 ? ret : (int64_t)MIN(size, INT64_MAX);
}

/* Making images --------------------------------------------------------------
 */

static int format_image(rbd_image_t image, const RbdParams *p,
                        const RbdCreate *how)
{
    rbd_encryption_algorithm_t alg = how->aes128
                                         ? RBD_ENCRYPTION_ALGORITHM_AES128
                                         : RBD_ENCRYPTION_ALGORITHM_AES256;
    size_t len = strlen(p->passphrase);

    if (p->encryption == RBD_IMAGE_ENCRYPTION_FORMAT_LUKS) {
        rbd_encryption_luks1_format_options_t o = { alg, p->passphrase, len };

        return rbd_encryption_format(image, RBD_ENCRYPTION_FORMAT_LUKS1, &o,
                                     sizeof(o));
    } else {
        rbd_encryption_luks2_format_options_t o = { alg, p->passphrase, len };

        return rbd_encryption_format(image, RBD_ENCRYPTION_FORMAT_LUKS2, &o,
                                     sizeof(o));
    }
}

/* Encrypt a new image; what its header takes is added to its size. */
static int encrypt_image(Cluster *c, const RbdParams *p, const RbdCreate *how,
                         uint64_t size)
{
    rbd_image_t image;
    uint64_t inside = 0;
    int ret = rbd_open(c->pool, p->image, &image, NULL);

    if (ret < 0) {
        return ret;
    }
    ret = format_image(image, p, how);
    if (ret >= 0) {
        ret = rbd_get_size(image, &inside);
    }
    if (ret >= 0 && inside < size) {
        ret = resize_image(image, size, size - inside);
    }
    rbd_close(image);
    return ret;
}

static char *create_image(const void *params, uint64_t size, const void *opaque)
{
    const RbdParams *p = params;
    const RbdCreate *how = opaque;
    Cluster c = { 0 };
    char *error = connect_cluster(&c, p);
    int order = how->order, ret = 0;

    if (!error) {
        ret = rbd_create(c.pool, p->image, size, &order);
    }
    if (ret < 0) {
        error = error_text(ret, "error rbd create");
    } else if (!error && p->encryption >= 0) {
        ret = encrypt_image(&c, p, how, size);
        if (ret < 0) {
            error = error_text(ret, "encryption format fail");
            rbd_remove(c.pool, p->image);
        }
    }
    disconnect(&c);
    return error;
}

const RemoteOps nemu_rbd_ops = {
    .open = open_handle,
    .close = close_handle,
    .read = read_handle,
    .write = write_handle,
    .flush = flush_handle,
    .zero = zero_handle,
    .discard = discard_handle,
    .truncate = truncate_handle,
    .status = status_handle,
    .size = size_handle,
    .create = create_image,
};
