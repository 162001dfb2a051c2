/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The protocol drivers "file" (regular files) and "host_device" (devices):
 * opening, limits, permissions and size. Requests are in file-io.c and
 * file-zero.c, image locks in file-lock.c, CD drives in host-cdrom.c.
 */
#include "util/osdep.h"

#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "block/block-create.h"
#include "block/block-graph.h"
#include "block/block-int.h"
#include "block/drivers.h"
#include "block/file.h"
#include "qapi/qapi-types-block-core.h"
#include "util/error.h"

/* Opening
 * ---------------------------------------------------------------------- */

static const BlockdevOptionsFile *file_options(const BlockNode *n,
                                               const BlockdevOptions *opts)
{
    switch (n->drv->driver) {
    case BLOCKDEV_DRIVER_FILE:
        return &opts->u.file;
    case BLOCKDEV_DRIVER_HOST_CDROM:
        return &opts->u.host_cdrom;
    default:
        return &opts->u.host_device;
    }
}

static int file_open_flags(const BlockNode *n, bool read_only)
{
    /* Drives open that way also when they are empty. */
    return O_CLOEXEC | (read_only ? O_RDONLY : O_RDWR) |
           (n->flags.direct ? O_DIRECT : 0) | (n->drv->medium ? O_NONBLOCK : 0);
}

/* A descriptor for s->path, or -errno. "/dev/fdset/N" is one of the monitor's
 * fd sets. */
static int file_open_path(BlockNode *n, int flags)
{
    FileState *s = n->state;
    const BlockHooks *hooks = &n->graph->hooks;
    int fd;

    if (g_str_has_prefix(s->path, "/dev/fdset/") && hooks->open_fdset) {
        return hooks->open_fdset(hooks->opaque, s->path, flags);
    }
    fd = RETRY_ON_EINTR(open(s->path, flags));
    return fd < 0 ? -errno : fd;
}

/* To open it could wait for its other end, forever. */
static bool is_fifo(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISFIFO(st.st_mode);
}

static bool wrong_type(const BlockNode *n, const char *path, Error **errp)
{
    return error_set(errp, "'%s' driver requires '%s' to be %s", n->drv->name,
                     path,
                     n->drv->driver == BLOCKDEV_DRIVER_FILE
                         ? "a regular file"
                         : "either a character or block device");
}

static bool file_check_type(BlockNode *n, Error **errp)
{
    FileState *s = n->state;
    struct statfs fs;
    struct stat st;

    if (fstat(s->fd, &st) < 0) {
        return error_errno(errp, errno, "Could not stat file '%s'", s->path);
    }
    s->device = n->drv->driver != BLOCKDEV_DRIVER_FILE;
    /* Where the kernel cannot say what it would have to wait for: nothing. */
    s->in_memory =
        !s->device && !fstatfs(s->fd, &fs) && fs.f_type == TMPFS_MAGIC;
    return (s->device ? S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)
                      : S_ISREG(st.st_mode)) ||
           wrong_type(n, s->path, errp);
}

static bool file_choose_aio(BlockNode *n, const BlockdevOptionsFile *o,
                            Error **errp)
{
    FileState *s = n->state;

    s->aio = FILE_AIO_THREADS;
    /* The schema has no names for engines that this build has not. */
#ifdef CONFIG_LINUX_IO_URING
    /* Unasked, the better engine; loops without io_uring use threads. */
    if (!o->has_aio || o->aio == BLOCKDEV_AIO_OPTIONS_IO_URING) {
        s->aio = FILE_AIO_URING;
    }
#endif
#ifdef CONFIG_LINUX_AIO
    if (o->has_aio && o->aio == BLOCKDEV_AIO_OPTIONS_NATIVE) {
        if (!n->flags.direct) {
            return error_set(errp, "aio=native was specified, but it requires "
                                   "cache.direct=on, which was not specified.");
        }
        if (!laio_available()) {
            return error_set(errp, "aio=native: the kernel has no room for "
                                   "more Linux AIO contexts (fs.aio-max-nr)");
        }
        s->aio = FILE_AIO_NATIVE;
    }
#endif
    return true;
}

static bool is_same_file(int a, int b)
{
    struct stat x, y;

    return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/*
 * The same file on an open file description of its own: requests in a ring
 * keep theirs, and with it its locks, for a while after the process is gone.
 * All writes are over by then; locks must be too.
 */
static int file_reopen_fd(const FileState *s)
{
    int flags = O_RDONLY | O_CLOEXEC;
    g_autofree char *link = NULL;
    int new;

    /* By its name it takes a few us, by way of proc(5) up to 30. */
    new = s->device ? -1 : open(s->path, flags | O_NONBLOCK);
    if (new >= 0 && is_same_file(new, s->fd)) {
        return new;
    }
    if (new >= 0) {
        close(new);
    }
    link = g_strdup_printf("/proc/self/fd/%d", s->fd);
    new = open(link, flags);
    return new >= 0 ? new : fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
}

static bool file_setup_locks(BlockNode *n, const BlockdevOptionsFile *o,
                             Error **errp)
{
    FileState *s = n->state;
    OnOffAuto locking = o->has_locking ? o->locking : ON_OFF_AUTO_AUTO;

    s->lock_fd = -1;
    if (locking == ON_OFF_AUTO_OFF || n->flags.force_share) {
        return true;
    }
    if (!file_lock_supported(s->fd)) {
        return locking == ON_OFF_AUTO_AUTO ||
               error_set(errp,
                         "File lock requested but the file system of "
                         "'%s' has no open file description locks",
                         s->path);
    }
    s->lock_fd = file_reopen_fd(s);
    if (s->lock_fd < 0) {
        return error_errno(errp, errno, "Could not lock '%s'", s->path);
    }
    s->use_locks = true;
    return true;
}

int64_t coroutine_fn file_getlength(BlockNode *n)
{
    FileState *s = n->state;
    struct stat st;
    uint64_t size;

    if (s->device) {
        int64_t end;

        if (n->drv->medium && !n->drv->medium->is_inserted(n)) {
            return 0;
        }
        if (!ioctl(s->fd, BLKGETSIZE64, &size)) {
            return (int64_t)size;
        }
        end = lseek(s->fd, 0, SEEK_END); /* a character device */
        return end < 0 ? -errno : end;
    }
    return fstat(s->fd, &st) < 0 ? -errno : st.st_size;
}

/* Open s->path as the flags say; EACCES and the like may make it read-only
 * when that is allowed. */
static bool file_open_fd(BlockNode *n, Error **errp)
{
    FileState *s = n->state;

    if (is_fifo(s->path)) {
        return wrong_type(n, s->path, errp);
    }
    /* With auto-read-only a writer must come first. */
    n->read_only = n->flags.read_only || n->flags.auto_read_only;
    s->open_flags = file_open_flags(n, n->read_only);
    s->fd = file_open_path(n, s->open_flags);
    if (s->fd >= 0 && n->flags.auto_read_only && !n->flags.read_only &&
        !g_str_has_prefix(s->path, "/dev/fdset/") && access(s->path, W_OK)) {
        n->flags.read_only = true; /* nobody can write */
    }
    if (s->fd == -EINVAL && n->flags.direct) {
        return error_set(errp,
                         "Could not open '%s': file system may not "
                         "support O_DIRECT",
                         s->path);
    }
    if (s->fd < 0) {
        return error_errno(errp, -s->fd, "Could not open '%s'", s->path);
    }
    return true;
}

bool coroutine_fn file_open(BlockNode *n, const BlockdevOptions *opts,
                            Error **errp)
{
    const BlockdevOptionsFile *o = file_options(n, opts);
    FileState *s = n->state;
    int64_t length;

    s->lock_fd = s->new_fd = -1;
    s->path = g_strdup(o->filename);
    s->max_batch = o->has_aio_max_batch ? o->aio_max_batch : 0;
    s->drop_cache = !o->has_drop_cache || o->drop_cache;
    s->can_discard = s->can_zero_range = s->can_punch = s->can_reserve = true;
    if (!file_open_fd(n, errp)) {
        g_free(s->path);
        return false;
    }
    if (!file_check_type(n, errp) || !file_choose_aio(n, o, errp) ||
        !file_setup_locks(n, o, errp)) {
        goto fail;
    }
    s->in_place =
        n->graph->one_command && !s->device && !n->flags.direct && !o->has_aio;
    length = file_getlength(n);
    if (length < 0) {
        error_errno(errp, -length, "Could not get the size of '%s'", s->path);
        goto fail;
    }
    n->length = length;
    s->written_out = length;
    n->zero_flags = BLK_REQ_FUA | BLK_REQ_MAY_UNMAP;
    g_free(n->filename);
    n->filename = g_strdup(s->path);
    mutex_init(&s->holes.lock);
    return true;
fail:
    if (s->lock_fd >= 0) {
        close(s->lock_fd);
    }
    close(s->fd);
    g_free(s->path);
    return false;
}

void coroutine_fn file_close(BlockNode *n)
{
    FileState *s = n->state;

    if (s->lock_fd >= 0) {
        close(s->lock_fd);
    }
    close(s->fd);
    mutex_destroy(&s->holes.lock);
    g_free(s->path);
}

/* Limits
 * ----------------------------------------------------------------------- */

static bool dio_probe(int fd, size_t align, void *buf)
{
    ssize_t n = pread(fd, buf, align, 0);

    return n >= 0 || errno != EINVAL;
}

/* The smallest size and address that O_DIRECT takes, by trying. */
static void file_probe_direct(FileState *s, uint32_t *offset_align,
                              uint32_t *mem_align)
{
    const size_t max = 64 * KiB;
    uint32_t align;
    char *buf;

    *offset_align = *mem_align = 4096;
    if (posix_memalign((void **)&buf, max, 2 * max)) {
        return;
    }
    for (align = 512; align < max && !dio_probe(s->fd, align, buf);) {
        align *= 2;
    }
    *offset_align = align;
    for (align = 512;
         align < max && !dio_probe(s->fd, *offset_align, buf + align);) {
        align *= 2;
    }
    *mem_align = align;
    free(buf);
}

static void file_direct_limits(BlockNode *n)
{
    FileState *s = n->state;
    BlockLimits *l = &n->limits;
#ifdef STATX_DIOALIGN
    struct statx stx;

    if (!statx(s->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
        (stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_offset_align) {
        l->request_alignment = stx.stx_dio_offset_align;
        l->mem_alignment = MAX(stx.stx_dio_mem_align, 1);
        return;
    }
#endif
    file_probe_direct(s, &l->request_alignment, &l->mem_alignment);
}

void file_refresh_limits(BlockNode *n)
{
    FileState *s = n->state;
    unsigned sectors;

    n->limits.max_iov = IOVEC_MAX;
    n->limits.max_transfer = BLK_REQ_MAX;
    if (n->flags.direct) {
        file_direct_limits(n);
    }
    if (s->device && !ioctl(s->fd, BLKSECTGET, &sectors) && sectors) {
        n->limits.max_hw_transfer = MIN(sectors, UINT32_MAX / 512) * 512;
    }
}

bool file_blocksizes(BlockNode *n, uint32_t *logical, uint32_t *physical)
{
    FileState *s = n->state;
    int size;
    unsigned phys;

    if (!s->device || ioctl(s->fd, BLKSSZGET, &size) < 0 ||
        ioctl(s->fd, BLKPBSZGET, &phys) < 0) {
        return false;
    }
    *logical = size;
    *physical = phys;
    return true;
}

/* Permissions
 * -------------------------------------------------------------------- */

/* The descriptor follows the node's flags and, with auto-read-only, what the
 * users want. */
static bool file_prepare_access(BlockNode *n, uint64_t perm, Error **errp)
{
    FileState *s = n->state;
    bool read_only =
        !(perm & (BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED | BLK_PERM_RESIZE));
    int flags;

    if (n->flags.read_only || !n->flags.auto_read_only) {
        read_only = n->flags.read_only;
    }
    flags = file_open_flags(n, read_only);
    if (flags == s->open_flags) {
        return true;
    }
    s->new_fd = file_open_path(n, flags);
    if (s->new_fd < 0) {
        int err = -s->new_fd;

        s->new_fd = -1;
        return error_errno(errp, err, "Could not reopen file '%s'", s->path);
    }
    s->new_flags = flags;
    return true;
}

static void file_drop_new_fd(FileState *s)
{
    if (s->new_fd >= 0) {
        close(s->new_fd);
        s->new_fd = -1;
    }
}

static bool file_perm_prepare(BlockNode *n, uint64_t perm, uint64_t shared,
                              Error **errp)
{
    FileState *s = n->state;

    if (!file_prepare_access(n, perm, errp)) {
        return false;
    }
    if (!file_lock_prepare(s, perm, ~shared & BLK_PERM_ALL, errp)) {
        file_drop_new_fd(s);
        return false;
    }
    return true;
}

static void file_perm_commit(BlockNode *n)
{
    FileState *s = n->state;

    file_lock_commit(s);
    if (s->new_fd >= 0) {
        /* Same number: requests on other loops need not know. */
        dup3(s->new_fd, s->fd, O_CLOEXEC);
        file_drop_new_fd(s);
        s->open_flags = s->new_flags;
        n->read_only = (s->open_flags & O_ACCMODE) == O_RDONLY;
    }
}

static void file_perm_abort(BlockNode *n)
{
    FileState *s = n->state;

    file_lock_abort(s);
    file_drop_new_fd(s);
}

/* Reopen ----------------------------------------------------------------------
 */

static bool coroutine_fn file_reopen_prepare(BlockReopen *r, Error **errp)
{
    const FileState *s = r->n->state;

    return s->aio != FILE_AIO_NATIVE || r->flags.direct ||
           error_set(errp, "aio=native requires cache.direct=on");
}

static void coroutine_fn file_reopen_commit(BlockReopen *r)
{
    const BlockdevOptionsFile *o = file_options(r->n, r->opts);
    FileState *s = r->n->state;

    s->drop_cache = !o->has_drop_cache || o->drop_cache;
}

/* Size
 * ------------------------------------------------------------------------- */

bool coroutine_fn file_truncate(BlockNode *n, int64_t size, bool exact,
                                Error **errp)
{
    FileState *s = n->state;
    bool was_empty;

    if (s->device) {
        int64_t have = file_getlength(n);

        if (have != size && exact) {
            return error_set(errp, "Cannot resize device files");
        }
        return size <= have || error_set(errp, "Cannot grow device files");
    }
    was_empty = file_getlength(n) == 0;
    if (ftruncate(s->fd, size) < 0) {
        return error_errno(errp, errno, "Could not resize file '%s'", s->path);
    }
    if (was_empty) {
        file_first_block(s->fd, size);
    }
    __atomic_store_n(&s->written_out, size, __ATOMIC_RELAXED);
    file_holes_forget(&s->holes);
    return true;
}

int64_t file_allocated(BlockNode *n)
{
    FileState *s = n->state;
    struct stat st;

    if (fstat(s->fd, &st) < 0) {
        return -errno;
    }
    return (int64_t)st.st_blocks * 512;
}

/* The host may have read the file's pages before another host wrote them. */
static int coroutine_fn file_invalidate(BlockNode *n)
{
    FileState *s = n->state;

    if (!s->drop_cache || n->flags.direct) {
        return 0;
    }
    if (fdatasync(s->fd) < 0) {
        return -errno;
    }
    return -posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Statistics
 * -------------------------------------------------------------------- */

static BlockStatsSpecific *file_stats(const BlockNode *n)
{
    BlockStatsSpecific *stats = g_new0(BlockStatsSpecific, 1);
    const FileState *s = n->state;
    BlockStatsSpecificFile *f = n->drv->driver == BLOCKDEV_DRIVER_FILE
                                    ? &stats->u.file
                                    : &stats->u.host_device;

    stats->driver = n->drv->driver;
    f->discard_nb_ok = __atomic_load_n(&s->discards_ok, __ATOMIC_RELAXED);
    f->discard_nb_failed =
        __atomic_load_n(&s->discards_failed, __ATOMIC_RELAXED);
    f->discard_bytes_ok =
        __atomic_load_n(&s->discarded_bytes, __ATOMIC_RELAXED);
    return stats;
}

static const BlockInfoOps file_info_ops = {
    .stats = file_stats,
};

typedef struct FilePrealloc {
    int fd;
    int64_t from, to;
    BlockPrealloc mode;
} FilePrealloc;

static int preallocate_worker(void *opaque)
{
    const FilePrealloc *p = opaque;

    return file_preallocate(p->fd, p->from, p->to, p->mode);
}

static int coroutine_fn file_node_preallocate(BlockNode *n, int64_t from,
                                              int64_t to, int mode)
{
    FileState *s = n->state;
    FilePrealloc p = { s->fd, from, to, mode };
    int ret;

    if (s->device) {
        return -ENOTSUP; /* it has its space */
    }
    ret = thread_pool_run_co(preallocate_worker, &p);
    file_holes_forget(&s->holes);
    return ret;
}

static const BlockSizeOps file_size_ops = {
    .preallocate = file_node_preallocate,
    .getlength = file_getlength,
    .truncate = file_truncate,
    .allocated = file_allocated,
    .blocksizes = file_blocksizes,
};

const BlockReopenOps file_reopen_ops = {
    .options = (const char *const[]){ "drop-cache", NULL },
    .prepare = file_reopen_prepare,
    .commit = file_reopen_commit,
};

const BlockPermOps file_perm_ops = {
    .prepare = file_perm_prepare,
    .commit = file_perm_commit,
    .abort = file_perm_abort,
};

const BlockDriver block_driver_file = {
    .name = "file",
    .driver = BLOCKDEV_DRIVER_FILE,
    .state_size = sizeof(FileState),
    .protocol = true,
    .open = file_open,
    .close = file_close,
    .invalidate = file_invalidate,
    .refresh_limits = file_refresh_limits,
    .io = &file_io_ops,
    .size = &file_size_ops,
    .perm = &file_perm_ops,
    .info = &file_info_ops,
    .reopen = &file_reopen_ops,
    .create = &file_create_ops,
};

const BlockDriver block_driver_host_device = {
    .name = "host_device",
    .driver = BLOCKDEV_DRIVER_HOST_DEVICE,
    .state_size = sizeof(FileState),
    .protocol = true,
    .open = file_open,
    .close = file_close,
    .invalidate = file_invalidate,
    .refresh_limits = file_refresh_limits,
    .io = &file_io_ops,
    .size = &file_size_ops,
    .perm = &file_perm_ops,
    .info = &file_info_ops,
    .reopen = &file_reopen_ops,
    .create = &host_device_create_ops,
};
