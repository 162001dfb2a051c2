/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making images: options, plain files, raw images. */
#include "util/osdep.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "block/block-create.h"
#include "block/block-graph.h"
#include "block/drivers.h"
#include "block/file.h"
#include "qapi/qapi-types-block-jobs.h"
#include "qobject/keyval.h"
#include "util/error.h"

/* Options
 * ------------------------------------------------------------------------ */

const BlockCreateOps *block_create_ops(const char *format, Error **errp)
{
    const BlockDriver *drv = block_driver_find(format);

    if (!drv) {
        error_set(errp, "Unknown file format '%s'", format);
        return NULL;
    }
    if (!drv->create) {
        error_set(errp, "Format driver '%s' does not support image creation",
                  format);
        return NULL;
    }
    return drv->create;
}

/* Not a file: made by a protocol's driver. */
static bool is_elsewhere(const char *filename)
{
    return block_name_driver(filename) != &block_driver_file;
}

static const BlockCreateOps *protocol_ops(const char *filename, Error **errp)
{
    const BlockDriver *drv = block_name_driver(filename);

    if (!drv) {
        error_set(errp, "Unknown protocol '%.*s'", (int)strcspn(filename, ":"),
                  filename);
        return NULL;
    }
    if (!drv->create) {
        error_set(errp, "Protocol driver '%s' does not support image creation",
                  drv->name);
    }
    return drv->create;
}

static const BlockCreateOption *find_option(const BlockCreateOption *options,
                                            const char *name)
{
    for (const BlockCreateOption *o = options; o->name; o++) {
        if (!strcmp(o->name, name)) {
            return o;
        }
    }
    return NULL;
}

static bool check_value(const BlockCreateOption *o, const char *text,
                        Error **errp)
{
    uint64_t v;
    bool b;

    switch (o->kind) {
    case BLOCK_OPTION_BOOL:
        return parse_bool(text, &b) ||
               error_set(errp, "Parameter '%s' expects 'on' or 'off'", o->name);
    case BLOCK_OPTION_NUM:
        return parse_uint64(text, &v) ||
               error_set(errp, "Parameter '%s' expects a number", o->name);
    case BLOCK_OPTION_SIZE:
        if (parse_size(text, 'B', &v)) {
            return true;
        }
        error_set(errp,
                  "Parameter '%s' expects a non-negative number below 2^64",
                  o->name);
        error_hint(errp, "Optional suffix k, M, G, T, P or E means kilo-, "
                         "mega-, giga-, tera-, peta-\n"
                         "and exabytes, respectively.\n");
        return false;
    default:
        return true;
    }
}

bool block_options_check(const BlockCreateOption *options, const QDict *opts,
                         Error **errp)
{
    QDICT_FOREACH(opts, e) {
        const BlockCreateOption *o = find_option(options, e->key);

        if (!o) {
            return error_set(errp, "Invalid parameter '%s'", e->key);
        }
        if (!check_value(o, qobject_get_str(e->value), errp)) {
            return false;
        }
    }
    return true;
}

static void add_options(GArray *all, const BlockCreateOption *more)
{
    for (const BlockCreateOption *o = more; o->name; o++) {
        if (!find_option((BlockCreateOption *)all->data, o->name)) {
            g_array_append_vals(all, o, 1);
        }
    }
}

BlockCreateOption *block_create_options(const BlockCreateOps *ops,
                                        const char *filename)
{
    const BlockDriver *below = block_name_driver(filename);
    GArray *all = g_array_new(true, false, sizeof(BlockCreateOption));

    add_options(all, ops->options);
    if (below && below->create) {
        add_options(all, below->create->options);
    }
    return (BlockCreateOption *)g_array_free(all, false);
}

bool block_create_check(const BlockCreateOps *ops, const char *filename,
                        const QDict *opts, Error **errp)
{
    g_autofree BlockCreateOption *all = block_create_options(ops, filename);

    return block_options_check(all, opts, errp);
}

uint64_t block_option_size(const QDict *opts, const char *name, uint64_t def)
{
    const char *text = qdict_get_str(opts, name);
    uint64_t v;

    return text && parse_size(text, 'B', &v) ? v : def;
}

bool block_option_bool(const QDict *opts, const char *name, bool def)
{
    const char *text = qdict_get_str(opts, name);
    bool v;

    return text && parse_bool(text, &v) ? v : def;
}

bool block_prealloc_parse(const char *text, bool metadata, BlockPrealloc *mode,
                          Error **errp)
{
    static const char *const names[] = { "off", "metadata", "falloc", "full" };

    *mode = BLOCK_PREALLOC_OFF;
    for (size_t i = 0; text && i < ARRAY_SIZE(names); i++) {
        if (!strcmp(text, names[i])) {
            *mode = i;
            text = NULL;
        }
    }
    if (text) {
        return error_set(errp,
                         "Parameter 'preallocation' does not accept value "
                         "'%s'",
                         text);
    }
    if (*mode == BLOCK_PREALLOC_METADATA && !metadata) {
        return error_set(errp, "Unsupported preallocation mode: metadata");
    }
    return true;
}

const BlockCreateOps *block_create_ops_at(const char *format,
                                          const char *filename, Error **errp)
{
    const BlockCreateOps *ops = block_create_ops(format, errp);

    /* "raw" is what the protocol makes. */
    if (ops && is_elsewhere(filename)) {
        const BlockCreateOps *protocol = protocol_ops(filename, errp);

        return protocol && ops != &raw_create_ops ? ops : protocol;
    }
    return ops;
}

bool block_create(BlockGraph *g, const char *format, const char *filename,
                  const QDict *opts, Error **errp)
{
    const BlockCreateOps *ops = block_create_ops_at(format, filename, errp);

    return ops && block_create_check(ops, filename, opts, errp) &&
           ops->create(g, filename, opts, errp);
}

/* Files
 * -------------------------------------------------------------------------- */

static int write_zeroes(int fd, int64_t start, int64_t end)
{
    size_t size = 64 * KiB;
    g_autofree char *buf = g_malloc0(size);

    while (start < end) {
        ssize_t n = RETRY_ON_EINTR(
            pwrite(fd, buf, MIN((int64_t)size, end - start), start));

        if (n < 0) {
            return -errno;
        }
        start += n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

int file_preallocate(int fd, int64_t start, int64_t end, BlockPrealloc mode)
{
    if (start >= end) {
        return 0;
    }
    switch (mode) {
    case BLOCK_PREALLOC_FALLOC:
        return -posix_fallocate(fd, start, end - start);
    case BLOCK_PREALLOC_FULL:
        return write_zeroes(fd, start, end);
    default:
        return 0;
    }
}

/* Nobody may be using the file that is about to be overwritten. */
static bool lock_for_creation(FileState *s, Error **errp)
{
    if (!file_lock_supported(s->fd)) {
        return true;
    }
    s->use_locks = true;
    return file_lock_prepare(s, BLK_PERM_WRITE | BLK_PERM_RESIZE,
                             BLK_PERM_ALL & ~BLK_PERM_WRITE_UNCHANGED &
                                 ~BLK_PERM_READ,
                             errp);
}

/* Also of an empty disk the first block is there: whoever wants to know what
 * alignment the file needs reads that. As in 7.2. */
void file_first_block(int fd, int64_t size)
{
    static const char zeroes[4096] __attribute__((aligned(4096)));

    /* Without it nothing is wrong. */
    if (pwrite(fd, zeroes, MIN(size, (int64_t)sizeof(zeroes)), 0) < 0) {
        return;
    }
}

/* What a file is told unless the user says otherwise, as in 7.2. */
#define EXTENT_SIZE_HINT (1 * MiB)

/* A plain file to make. */
typedef struct NewFile {
    const char *path;
    int64_t size;
    BlockPrealloc mode;
    uint64_t extent_hint; /* 0: none */
    bool nocow;
} NewFile;

/* What helps on some file systems (XFS knows the one, btrfs the other); that
 * the rest refuse it does no harm. The file is empty. */
static void tune_file(int fd, const NewFile *f)
{
    struct fsxattr x;
    int flags;

    if (f->extent_hint && !ioctl(fd, FS_IOC_FSGETXATTR, &x)) {
        x.fsx_xflags |= FS_XFLAG_EXTSIZE;
        x.fsx_extsize = f->extent_hint;
        ioctl(fd, FS_IOC_FSSETXATTR, &x);
    }
    if (f->nocow && !ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
        flags |= FS_NOCOW_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
}

static bool fill_file(int fd, const NewFile *f, Error **errp)
{
    struct stat st;
    int ret = fstat(fd, &st) < 0 ? -errno : 0;

    /* To empty what is empty takes a file system time. */
    if (ret >= 0 && (!S_ISREG(st.st_mode) || st.st_size || st.st_blocks)) {
        ret = ftruncate(fd, 0) < 0 ? -errno : 0;
    }
    tune_file(fd, f);
    if (ret >= 0 && f->size) {
        ret = ftruncate(fd, f->size) < 0 ? -errno : 0;
    }
    if (ret < 0) {
        return error_errno(errp, -ret, "Could not resize file");
    }
    if (f->size) {
        file_first_block(fd, f->size);
    }
    ret = file_preallocate(fd, 0, f->size, f->mode);
    return ret >= 0 ||
           error_errno(errp, -ret, "Could not preallocate data for '%s'",
                       f->path);
}

static bool make_file(const NewFile *f, Error **errp)
{
    bool existed = !access(f->path, F_OK), ok;
    autofd int fd = -1;
    FileState s = { 0 };

    if (f->extent_hint > UINT32_MAX) {
        return error_set(errp, "Extent size hint is too large");
    }
    fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return error_errno(errp, errno, "Could not create '%s'", f->path);
    }
    s.fd = s.lock_fd = fd;
    s.path = (char *)f->path;
    if (!lock_for_creation(&s, errp)) {
        return false;
    }
    ok = fill_file(fd, f, errp);
    if (!ok && !existed) {
        unlink(f->path);
    }
    return ok;
}

static bool create_elsewhere(BlockGraph *g, const char *filename, int64_t size,
                             BlockPrealloc mode, const BlockCreateOps *format,
                             const QDict *more, Error **errp)
{
    static const char *const modes[] = { NULL, "metadata", "falloc", "full" };
    const BlockCreateOps *ops = protocol_ops(filename, errp);
    g_autofree char *text = g_strdup_printf("%" PRId64, size);
    g_autoptr(QDict) opts = qdict_new();

    qdict_put_str(opts, "size", text);
    /* What is there already has its space. */
    if (modes[mode] && ops && ops->options != existing_create_ops.options) {
        qdict_put_str(opts, "preallocation", modes[mode]);
    }
    QDICT_FOREACH(more, e) {
        if (!find_option(format->options, e->key) &&
            strcmp(e->key, "preallocation")) {
            qdict_put(opts, e->key, qobject_ref(e->value));
        }
    }
    return ops && block_create_check(ops, filename, opts, errp) &&
           ops->create(g, filename, opts, errp);
}

QDict *block_created_options(BlockGraph *g, const char *filename, Error **errp)
{
    QDict *d;

    if (is_elsewhere(filename)) {
        return block_name_options(g, filename, errp);
    }
    if (g_str_has_prefix(filename, "file:")) {
        filename += strlen("file:");
    }
    d = qdict_new();
    qdict_put_str(d, "driver", "file");
    qdict_put_str(d, "filename", filename);
    return d;
}

bool block_create_file(BlockGraph *g, const char *filename, int64_t size,
                       BlockPrealloc mode, const BlockCreateOps *ops,
                       const QDict *opts, Error **errp)
{
    NewFile f = {
        .path = g_str_has_prefix(filename, "file:") ? filename + strlen("file:")
                                                    : filename,
        .size = size,
        .mode = mode,
        .extent_hint =
            block_option_size(opts, "extent_size_hint", EXTENT_SIZE_HINT),
        .nocow = block_option_bool(opts, "nocow", false),
    };

    if (is_elsewhere(filename)) {
        return create_elsewhere(g, filename, size, mode, ops, opts, errp);
    }
    return make_file(&f, errp);
}

bool block_sync_file(const char *path, Error **errp)
{
    autofd int fd = open(path, O_RDWR | O_CLOEXEC);

    return (fd >= 0 && fdatasync(fd) >= 0) ||
           error_errno(errp, errno, "Could not write out '%s'", path);
}

/* Raw
 * ---------------------------------------------------------------------------- */

static bool raw_create(BlockGraph *g, const char *filename, const QDict *opts,
                       Error **errp)
{
    uint64_t size = block_option_size(opts, "size", 0);
    BlockPrealloc mode;

    if (!block_prealloc_parse(qdict_get_str(opts, "preallocation"), false,
                              &mode, errp)) {
        return false;
    }
    if (size > BLK_MAX_LENGTH) {
        return error_set(errp, "Image size is too large");
    }
    return block_create_file(g, filename, ALIGN_UP(size, 512), mode,
                             &raw_create_ops, opts, errp);
}

static const BlockCreateOption raw_options[] = {
    { "size", BLOCK_OPTION_SIZE, "Virtual disk size", NULL },
    {},
};

static const BlockCreateOption file_options[] = {
    { "size", BLOCK_OPTION_SIZE, "Virtual disk size", NULL },
    { "nocow", BLOCK_OPTION_BOOL,
      "Turn off copy-on-write (valid only on btrfs)", NULL },
    { "preallocation", BLOCK_OPTION_STR,
      "Preallocation mode (allowed values: off, falloc, full)", NULL },
    { "extent_size_hint", BLOCK_OPTION_SIZE,
      "Extent size hint for the image file, 0 to disable", NULL },
    {},
};

static bool raw_measure(BlockGraph *g, const QDict *opts, uint64_t *full,
                        uint64_t *unit, Error **errp)
{
    *full = ALIGN_UP(block_option_size(opts, "size", 0), 512);
    *unit = 0;
    return true;
}

/* The name is a path here, whatever it begins with. */
static bool file_create_qmp(BlockGraph *g, const BlockdevCreateOptions *opts,
                            Error **errp)
{
    const BlockdevCreateOptionsFile *o = &opts->u.file;
    NewFile f = {
        .path = o->filename,
        .size = o->size,
        .extent_hint =
            o->has_extent_size_hint ? o->extent_size_hint : EXTENT_SIZE_HINT,
        .nocow = o->has_nocow && o->nocow,
    };

    return block_prealloc_parse(o->has_preallocation
                                    ? qapi_enum_name(&qapi_type_PreallocMode,
                                                     o->preallocation)
                                    : NULL,
                                false, &f.mode, errp) &&
           make_file(&f, errp);
}

const BlockCreateOps file_create_ops = {
    .options = file_options,
    .create = raw_create,
    .create_qmp = file_create_qmp,
    .measure = raw_measure,
};

const BlockCreateOps raw_create_ops = {
    .options = raw_options,
    .create = raw_create,
    .measure = raw_measure,
};
