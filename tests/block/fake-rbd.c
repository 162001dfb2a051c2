/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stand-in for librados and librbd: images are files under $FAKE_RBD_DIR,
 * "POOL/IMAGE", "POOL/NAMESPACE/IMAGE" or "POOL/IMAGE@SNAPSHOT". Whoever
 * connects leaves what it has set in "log" there. An encrypted image begins
 * with a header that has its passphrase; data is as it is.
 * Spec: librados.h, librbd.h.
 */
#include "util/osdep.h"

#include <fcntl.h>
#include <pthread.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define OBJECT (4u << 20)
#define HEADER OBJECT

typedef struct Cluster {
    char settings[4096];
    int monitor;
} Cluster;

typedef struct Pool {
    char path[1024];
    char name_space[256];
} Pool;

typedef struct Image {
    int fd;
    uint64_t start; /* of what is shown in the file */
    int read_only;
} Image;

/* Clusters -------------------------------------------------------------------
 */

static const char *folder(void)
{
    const char *dir = getenv("FAKE_RBD_DIR");

    return dir ? dir : "/nonexistent";
}

int rados_create(rados_t *cluster, const char *const id)
{
    Cluster *c = calloc(1, sizeof(*c));

    snprintf(c->settings, sizeof(c->settings), "id=%s\n", id ? id : "");
    *cluster = c;
    return 0;
}

int rados_conf_set(rados_t cluster, const char *option, const char *value)
{
    static const char *const known[] = { "key",
                                         "mon_host",
                                         "auth_client_required",
                                         "rbd_cache",
                                         "rbd_cache_writethrough_until_flush",
                                         "keyring" };
    Cluster *c = cluster;
    size_t len = strlen(c->settings);

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (!strcmp(option, known[i])) {
            c->monitor |= !strcmp(option, "mon_host") && *value;
            snprintf(c->settings + len, sizeof(c->settings) - len, "%s=%s\n",
                     option, value);
            return 0;
        }
    }
    return -ENOENT;
}

int rados_conf_read_file(rados_t cluster, const char *path)
{
    char line[256];
    FILE *f = path ? fopen(path, "r") : NULL;

    if (!f) {
        return -ENOENT;
    }
    while (fgets(line, sizeof(line), f)) {
        char *equals = strchr(line, '=');

        line[strcspn(line, "\n")] = 0;
        if (equals) {
            *equals = 0;
            rados_conf_set(cluster, line, equals + 1);
        }
    }
    fclose(f);
    return 0;
}

int rados_connect(rados_t cluster)
{
    Cluster *c = cluster;
    char path[1024];
    FILE *f;

    if (!c->monitor) {
        return -ENOENT;
    }
    snprintf(path, sizeof(path), "%s/log", folder());
    f = fopen(path, "w");
    if (f) {
        fputs(c->settings, f);
        fclose(f);
    }
    return 0;
}

void rados_shutdown(rados_t cluster)
{
    free(cluster);
}

int rados_ioctx_create(rados_t cluster, const char *pool_name,
                       rados_ioctx_t *ioctx)
{
    Pool *p = calloc(1, sizeof(*p));
    struct stat st;

    snprintf(p->path, sizeof(p->path), "%s/%s", folder(), pool_name);
    if (stat(p->path, &st) || !*pool_name) {
        free(p);
        return -ENOENT;
    }
    *ioctx = p;
    return 0;
}

void rados_ioctx_set_namespace(rados_ioctx_t io, const char *nspace)
{
    Pool *p = io;

    snprintf(p->name_space, sizeof(p->name_space), "%s", nspace ? nspace : "");
}

void rados_ioctx_destroy(rados_ioctx_t io)
{
    free(io);
}

int rbd_namespace_exists(rados_ioctx_t io, const char *namespace_name,
                         bool *exists)
{
    Pool *p = io;
    char path[2048];

    snprintf(path, sizeof(path), "%s/%s", p->path, namespace_name);
    *exists = !access(path, F_OK);
    return 0;
}

/* Images ---------------------------------------------------------------------
 */

static void image_path(const Pool *p, const char *name, const char *snap,
                       char path[4096])
{
    snprintf(path, 4096, "%s%s%s/%s%s%s", p->path, *p->name_space ? "/" : "",
             p->name_space, name, snap && *snap ? "@" : "", snap ? snap : "");
}

static int open_image(rados_ioctx_t io, const char *name, rbd_image_t *image,
                      const char *snap, int read_only)
{
    char path[4096];
    Image *m;
    int fd;

    image_path(io, name, snap, path);
    fd = *name ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) {
        return -ENOENT;
    }
    m = calloc(1, sizeof(*m));
    m->fd = fd;
    m->read_only = read_only || (snap && *snap);
    *image = m;
    return 0;
}

int rbd_open(rados_ioctx_t io, const char *name, rbd_image_t *image,
             const char *snap_name)
{
    return open_image(io, name, image, snap_name, 0);
}

int rbd_open_read_only(rados_ioctx_t io, const char *name, rbd_image_t *image,
                       const char *snap_name)
{
    return open_image(io, name, image, snap_name, 1);
}

int rbd_close(rbd_image_t image)
{
    Image *m = image;

    close(m->fd);
    free(m);
    return 0;
}

int rbd_create(rados_ioctx_t io, const char *name, uint64_t size, int *order)
{
    char path[4096];
    int fd;

    image_path(io, name, NULL, path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    if (*order && (*order < 12 || *order > 25)) {
        unlink(path);
        close(fd);
        return -EDOM;
    }
    *order = *order ? *order : 22;
    close(fd);
    return truncate(path, size) ? -errno : 0;
}

int rbd_remove(rados_ioctx_t io, const char *name)
{
    char path[4096];

    image_path(io, name, NULL, path);
    return unlink(path) ? -errno : 0;
}

int rbd_get_size(rbd_image_t image, uint64_t *size)
{
    Image *m = image;
    struct stat st;

    if (fstat(m->fd, &st)) {
        return -errno;
    }
    *size = (uint64_t)st.st_size > m->start ? st.st_size - m->start : 0;
    return 0;
}

int rbd_resize(rbd_image_t image, uint64_t size)
{
    Image *m = image;

    return m->read_only ? -EROFS : ftruncate(m->fd, size) ? -errno : 0;
}

int rbd_stat(rbd_image_t image, rbd_image_info_t *info, size_t infosize)
{
    memset(info, 0, infosize);
    info->order = 22;
    info->obj_size = OBJECT;
    return rbd_get_size(image, &info->size);
}

int rbd_get_features(rbd_image_t image, uint64_t *features)
{
    *features = 1 | 1 << 3 | 1 << 4; /* layering, object map, fast diff */
    return 0;
}

int rbd_get_flags(rbd_image_t image, uint64_t *flags)
{
    *flags = 0;
    return 0;
}

int rbd_get_parent_info(rbd_image_t image, char *pool, size_t pool_len,
                        char *name, size_t name_len, char *snap,
                        size_t snap_len)
{
    return -ENOENT;
}

int rbd_invalidate_cache(rbd_image_t image)
{
    return 0;
}

int rbd_snap_create(rbd_image_t image, const char *snapname)
{
    return -EOPNOTSUPP;
}

int rbd_snap_remove(rbd_image_t image, const char *snapname)
{
    return -EOPNOTSUPP;
}

int rbd_snap_rollback(rbd_image_t image, const char *snapname)
{
    return -EOPNOTSUPP;
}

int rbd_snap_list(rbd_image_t image, rbd_snap_info_t *snaps, int *max_snaps)
{
    return 0;
}

void rbd_snap_list_end(rbd_snap_info_t *snaps)
{
}

/* Encryption -----------------------------------------------------------------
 */

typedef rbd_encryption_luks2_format_options_t Luks; /* both are alike */

static void header(char out[512], rbd_encryption_format_t format,
                   const Luks *luks)
{
    memset(out, 0, 512);
    memcpy(out, "LUKS\xba\xbe\0", 7);
    out[7] = format == RBD_ENCRYPTION_FORMAT_LUKS1 ? 1 : 2;
    memcpy(out + 64, luks->passphrase,
           luks->passphrase_size < 256 ? luks->passphrase_size : 256);
}

int rbd_encryption_format(rbd_image_t image, rbd_encryption_format_t format,
                          rbd_encryption_options_t opts, size_t opts_size)
{
    Image *m = image;
    char h[512];

    header(h, format, opts);
    h[16] = '0' + ((Luks *)opts)->alg;
    if (pwrite(m->fd, h, sizeof(h), 0) != sizeof(h)) {
        return -EIO;
    }
    m->start = HEADER;
    return 0;
}

int rbd_encryption_load(rbd_image_t image, rbd_encryption_format_t format,
                        rbd_encryption_options_t opts, size_t opts_size)
{
    Image *m = image;
    char h[512], found[512];

    header(h, format, opts);
    if (pread(m->fd, found, sizeof(found), 0) != sizeof(found) ||
        memcmp(h, found, 8)) {
        return -EINVAL;
    }
    if (memcmp(h + 64, found + 64, 256)) {
        return -EPERM;
    }
    m->start = HEADER;
    return 0;
}

/* Requests -------------------------------------------------------------------
 */

ssize_t rbd_read(rbd_image_t image, uint64_t ofs, size_t len, char *buf)
{
    Image *m = image;
    ssize_t got = pread(m->fd, buf, len, ofs + m->start);

    return got < 0 ? -errno : got;
}

static ssize_t check_write(Image *m, uint64_t ofs, uint64_t len)
{
    uint64_t size;

    rbd_get_size(m, &size);
    return m->read_only ? -EROFS : ofs + len > size ? -EINVAL : 0;
}

ssize_t rbd_write(rbd_image_t image, uint64_t ofs, size_t len, const char *buf)
{
    Image *m = image;
    ssize_t ret = check_write(m, ofs, len);

    if (!ret) {
        ret = pwrite(m->fd, buf, len, ofs + m->start);
        ret = ret < 0 ? -errno : ret;
    }
    return ret;
}

int rbd_discard(rbd_image_t image, uint64_t ofs, uint64_t len)
{
    Image *m = image;
    int ret = check_write(m, ofs, len);

    if (!ret && fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                          ofs + m->start, len)) {
        ret = -errno;
    }
    return ret;
}

ssize_t rbd_write_zeroes(rbd_image_t image, uint64_t ofs, size_t len,
                         int zero_flags, int op_flags)
{
    char *zeroes;
    ssize_t ret;

    if (!(zero_flags & RBD_WRITE_ZEROES_FLAG_THICK_PROVISION)) {
        ret = rbd_discard(image, ofs, len);
        return ret ? ret : (ssize_t)len;
    }
    zeroes = calloc(1, len);
    ret = rbd_write(image, ofs, len, zeroes);
    free(zeroes);
    return ret;
}

int rbd_flush(rbd_image_t image)
{
    Image *m = image;

    return fdatasync(m->fd) ? -errno : 0;
}

/* Whole objects that have data. */
int rbd_diff_iterate2(rbd_image_t image, const char *fromsnapname, uint64_t ofs,
                      uint64_t len, uint8_t include_parent,
                      uint8_t whole_object,
                      int (*cb)(uint64_t, size_t, int, void *), void *arg)
{
    Image *m = image;
    uint64_t end = ofs + len;

    for (uint64_t at = ofs / OBJECT * OBJECT; at < end; at += OBJECT) {
        off_t data = lseek(m->fd, at + m->start, SEEK_DATA);
        uint64_t from = at < ofs ? ofs : at;
        uint64_t to = at + OBJECT < end ? at + OBJECT : end;
        int ret = 0;

        if (data >= 0 && (uint64_t)data < at + m->start + OBJECT) {
            ret = cb(from, to - from, 1, arg);
        }
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* The same for who does not wait ---------------------------------------------
 */

typedef struct Completion {
    rbd_callback_t cb;
    void *arg;
    ssize_t ret;
    int refs;
} Completion;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void put(Completion *c)
{
    int left;

    pthread_mutex_lock(&lock);
    left = --c->refs;
    pthread_mutex_unlock(&lock);
    if (!left) {
        free(c);
    }
}

static void *complete(void *opaque)
{
    Completion *c = opaque;

    c->cb(c, c->arg);
    put(c);
    return NULL;
}

/* On another thread, as librbd does. */
static int finish(rbd_completion_t completion, ssize_t ret)
{
    Completion *c = completion;
    pthread_t thread;

    c->ret = ret;
    c->refs++;
    if (pthread_create(&thread, NULL, complete, c)) {
        abort();
    }
    pthread_detach(thread);
    return 0;
}

int rbd_aio_create_completion(void *cb_arg, rbd_callback_t complete_cb,
                              rbd_completion_t *c)
{
    Completion *new = calloc(1, sizeof(*new));

    *new = (Completion){ complete_cb, cb_arg, 0, 1 };
    *c = new;
    return 0;
}

ssize_t rbd_aio_get_return_value(rbd_completion_t c)
{
    return ((Completion *)c)->ret;
}

void rbd_aio_release(rbd_completion_t c)
{
    put(c);
}

int rbd_aio_readv(rbd_image_t image, const struct iovec *iov, int iovcnt,
                  uint64_t off, rbd_completion_t c)
{
    Image *m = image;

    return finish(c, preadv(m->fd, iov, iovcnt, off + m->start));
}

int rbd_aio_writev(rbd_image_t image, const struct iovec *iov, int iovcnt,
                   uint64_t off, rbd_completion_t c)
{
    Image *m = image;

    return finish(c,
                  pwritev(m->fd, iov, iovcnt, off + m->start) < 0 ? -errno : 0);
}

int rbd_aio_discard(rbd_image_t image, uint64_t off, uint64_t len,
                    rbd_completion_t c)
{
    return finish(c, rbd_discard(image, off, len));
}

int rbd_aio_write_zeroes(rbd_image_t image, uint64_t off, size_t len,
                         rbd_completion_t c, int zero_flags, int op_flags)
{
    ssize_t ret = rbd_write_zeroes(image, off, len, zero_flags, op_flags);

    return finish(c, ret < 0 ? ret : 0);
}

int rbd_aio_flush(rbd_image_t image, rbd_completion_t c)
{
    return finish(c, rbd_flush(image));
}
