/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening nodes: from schema options, and from file names as images and tools
 * give them. Each node opens on a coroutine of its own, so that long chains
 * need no deep stack.
 */
#include "util/osdep.h"

#include <sys/stat.h>

#include "block/block-graph.h"
#include "block/block-int.h"
#include "block/drivers.h"
#include "block/file.h"
#include "block/nbd/client.h"
#include "block/remote/remote.h"
#include "qapi/qapi-types-block-core.h"
#include "qobject/keyval.h"
#include "util/error.h"

const BlockDriver *const block_drivers[] = {
    &block_driver_blkdebug,
    &block_driver_blklogwrites,
    &block_driver_blkverify,
    &block_driver_cbw,
    &block_driver_compress,
    &block_driver_copy_on_read,
    &block_driver_file,
    &block_driver_ftp,
    &block_driver_ftps,
    &block_driver_host_cdrom,
    &block_driver_host_device,
    &block_driver_http,
    &block_driver_https,
    &block_driver_iscsi,
    &block_driver_luks,
    &block_driver_nbd,
    &block_driver_nfs,
    &block_driver_null_aio,
    &block_driver_null_co,
    &block_driver_preallocate,
    &block_driver_qcow2,
    &block_driver_quorum,
    &block_driver_raw,
    &block_driver_rbd,
    &block_driver_snapshot_access,
    &block_driver_ssh,
    &block_driver_throttle,
    NULL,
};

const BlockDriver *block_driver_find(const char *name)
{
    for (size_t i = 0; block_drivers[i]; i++) {
        if (!strcmp(block_drivers[i]->name, name)) {
            return block_drivers[i];
        }
    }
    return NULL;
}

static const BlockDriver *driver_of(BlockdevDriver driver)
{
    for (size_t i = 0; block_drivers[i]; i++) {
        if (block_drivers[i]->driver == (int)driver) {
            return block_drivers[i];
        }
    }
    return NULL;
}

/* Flags
 * ------------------------------------------------------------------------ */

static bool flags_check(const BlockOpenFlags *f, BlockDetectZeroes dz,
                        Error **errp)
{
    if (f->force_share && !f->read_only) {
        return error_set(errp, "force-share=on can only be used with "
                               "read-only images");
    }
    if (dz == BLOCK_DETECT_ZEROES_UNMAP && !f->unmap) {
        return error_set(errp, "setting detect-zeroes to unmap is not allowed "
                               "without setting discard operation to unmap");
    }
    return true;
}

bool block_flags_from_options(const BlockdevOptions *o,
                              const BlockOpenFlags *inherit, BlockOpenFlags *f,
                              Error **errp)
{
    *f = inherit ? *inherit : (BlockOpenFlags){ 0 };
    if (o->has_read_only) {
        f->read_only = o->read_only;
    }
    if (o->has_auto_read_only) {
        f->auto_read_only = o->auto_read_only;
    }
    if (o->has_force_share) {
        f->force_share = o->force_share;
    }
    if (o->has_discard) {
        f->unmap = o->discard == BLOCKDEV_DISCARD_OPTIONS_UNMAP;
    }
    if (o->cache && o->cache->has_direct) {
        f->direct = o->cache->direct;
    }
    if (o->cache && o->cache->has_no_flush) {
        f->no_flush = o->cache->no_flush;
    }
    return flags_check(f, o->has_detect_zeroes ? (int)o->detect_zeroes : 0,
                       errp);
}

/* What a child that is defined inside @n gets by default. Formats pass on only
 * the discards that their own option allows, so the child may unmap. */
BlockOpenFlags block_flags_for_child(const BlockOpenFlags *parent,
                                     unsigned role)
{
    BlockOpenFlags f = *parent;

    f.unmap = true;
    if (role & BLOCK_ROLE_COW) {
        f.read_only = true;
        f.auto_read_only = false;
    }
    return f;
}

/* Open
 * ------------------------------------------------------------------------- */

typedef struct OpenJob {
    BlockNode *n;
    const BlockdevOptions *opts;
    Error **errp;
    bool ok, done;
    Coroutine *waiter;
    Loop *loop;
} OpenJob;

static void coroutine_fn open_entry(void *opaque)
{
    OpenJob *job = opaque;

    job->ok = job->n->drv->open(job->n, job->opts, job->errp);
    job->done = true;
    if (job->waiter) {
        coroutine_wake_on(job->waiter, job->loop);
    }
}

static bool open_run(BlockNode *n, const BlockdevOptions *opts, Error **errp)
{
    OpenJob job = { .n = n, .opts = opts, .errp = errp };

    if (!in_coroutine()) {
        block_run(open_entry, &job);
        return job.ok;
    }
    coroutine_enter(coroutine_new(open_entry, &job));
    if (!job.done) {
        job.waiter = coroutine_self();
        job.loop = loop_current();
        coroutine_yield();
    }
    return job.ok;
}

static bool node_finish_open(BlockNode *n, Error **errp)
{
    node_refresh_limits(n);
    node_publish(n);
    /* The children learn what the node needs now that it is open. */
    return node_refresh_perms(n, errp);
}

BlockNode *block_open(BlockGraph *g, const BlockdevOptions *opts,
                      const BlockOpenFlags *inherit, Error **errp)
{
    const BlockDriver *drv = driver_of(opts->driver);
    BlockOpenFlags flags;
    BlockNode *n;
    bool ok;

    if (!drv) {
        error_set(errp, "Unknown driver '%s'",
                  qapi_enum_name(&qapi_type_BlockdevDriver, opts->driver));
        return NULL;
    }
    if (!block_flags_from_options(opts, inherit, &flags, errp)) {
        return NULL;
    }
    if (g->opening >= BLOCK_MAX_DEPTH) {
        error_set(errp, "The chain of images is too long, or a loop");
        return NULL;
    }
    n = node_new(g, drv, opts->node_name, errp);
    if (!n) {
        return NULL;
    }
    n->flags = flags;
    n->opts = qapi_clone(&qapi_type_BlockdevOptions, opts);
    n->probed = g->probing;
    g->probing = false;
    n->read_only = flags.read_only;
    n->detect_zeroes = opts->has_detect_zeroes ? (int)opts->detect_zeroes : 0;
    g->opening++;
    ok = open_run(n, opts, errp) && node_finish_open(n, errp);
    g->opening--;
    if (!ok) {
        node_unref(n);
        return NULL;
    }
    return n;
}

static BlockNode *reference_child(BlockNode *n, const char *reference,
                                  Error **errp)
{
    BlockNode *child = node_lookup(n->graph, reference, reference, errp);

    if (child == n) {
        error_set(errp, "Node '%s' cannot be its own child", n->name);
        return NULL;
    }
    return child ? node_ref(child) : NULL;
}

bool block_can_write(const BlockNode *n)
{
    return !n->read_only || (n->flags.auto_read_only && !n->flags.read_only);
}

BlockEdge *coroutine_fn node_open_child(BlockNode *n, const char *name,
                                        const BlockdevRef *ref, unsigned role,
                                        Error **errp)
{
    BlockOpenFlags flags = block_flags_for_child(&n->flags, role);
    BlockNode *child;

    if (ref->type == QTYPE_QSTRING) {
        child = reference_child(n, ref->u.reference, errp);
    } else {
        child = block_open(n->graph, &ref->u.definition, &flags, errp);
    }
    if (!child) {
        return NULL;
    }
    if (ref->type != QTYPE_QSTRING) {
        child->inherits = n;
    }
    if (role & BLOCK_ROLE_PRIMARY) {
        n->read_only = n->flags.read_only ||
                       (n->flags.auto_read_only && !block_can_write(child));
    }
    return node_attach_child(n, child, name, role, errp);
}

BlockEdge *coroutine_fn node_open_backing(BlockNode *n, const char *filename,
                                          const char *format, Error **errp)
{
    BlockOpenFlags flags = block_flags_for_child(&n->flags, BLOCK_ROLE_COW);
    BlockNode *child =
        block_open_filename(n->graph, filename, format, NULL, &flags, errp);

    if (!child) {
        return NULL;
    }
    child->inherits = n;
    return node_attach_child(n, child, "backing", BLOCK_ROLE_COW, errp);
}

/* File names
 * ------------------------------------------------------------------- */

bool block_path_has_protocol(const char *path)
{
    size_t n = strcspn(path, ":/");

    return path[n] == ':' && n;
}

char *block_path_combine(const char *base, const char *path)
{
    const char *slash = strrchr(base, '/');

    if (path[0] == '/' || block_path_has_protocol(path) || !slash) {
        return g_strdup(path);
    }
    return g_strdup_printf("%.*s/%s", (int)(slash - base), base, path);
}

/* "blkdebug:CONFIG:IMAGE" */
static QDict *blkdebug_options(const BlockGraph *g, const char *filename,
                               Error **errp)
{
    const char *config = filename + strlen("blkdebug:");
    const char *image = strchr(config, ':');
    g_autoptr(QDict) d = qdict_new();
    QDict *below;

    if (!image) {
        error_set(errp, "blkdebug requires both config file and image path");
        return NULL;
    }
    below = block_name_options(g, image + 1, errp);
    if (!below) {
        return NULL;
    }
    qdict_put_str(d, "driver", "blkdebug");
    qdict_put(d, "image", below);
    if (image != config) {
        g_autofree char *path = g_strndup(config, image - config);

        qdict_put_str(d, "config", path);
    }
    return g_steal_pointer(&d);
}

/* "blkverify:RAW:TEST" */
static QDict *blkverify_options(const BlockGraph *g, const char *filename,
                                Error **errp)
{
    const char *raw = filename + strlen("blkverify:");
    const char *test = strchr(raw, ':');
    g_autoptr(QDict) d = qdict_new();
    g_autofree char *raw_name = NULL;
    QDict *below[2];

    if (!test) {
        error_set(errp, "blkverify requires raw copy and original image path");
        return NULL;
    }
    raw_name = g_strndup(raw, test - raw);
    below[0] = block_name_options(g, raw_name, errp);
    below[1] = below[0] ? block_name_options(g, test + 1, errp) : NULL;
    if (!below[1]) {
        qobject_unref(below[0]);
        return NULL;
    }
    qdict_put_str(d, "driver", "blkverify");
    qdict_put(d, "raw", below[0]);
    qdict_put(d, "test", below[1]);
    return g_steal_pointer(&d);
}

const BlockDriver *block_path_driver(const char *path)
{
    struct stat st;

    if (stat(path, &st)) {
        return g_str_has_prefix(path, "/dev/cdrom") ? &block_driver_host_device
                                                    : &block_driver_file;
    }
    if (S_ISBLK(st.st_mode) && host_cdrom_probe(path)) {
        return &block_driver_host_cdrom;
    }
    return S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)
               ? &block_driver_host_device
               : &block_driver_file;
}

const BlockDriver *block_name_driver(const char *filename)
{
    g_autofree char *name = g_strndup(filename, strcspn(filename, ":+"));

    if (!block_path_has_protocol(filename)) {
        return block_path_driver(filename);
    }

    return block_driver_find(!strcmp(name, "iser") ? "iscsi" : name);
}

/* "json:{...}", whose keys may be dotted: "file.filename". */
static QDict *json_options(const char *text, Error **errp)
{
    g_autoptr(QObject) v = json_parse(text, errp);
    const char *driver;
    QObject *tree;

    if (!v) {
        error_prefix(errp, "Could not parse the JSON options");
        return NULL;
    }
    if (!qobject_to_dict(v)) {
        error_set(errp, "Invalid JSON object given");
        return NULL;
    }
    driver = qdict_get_str(qobject_to_dict(v), "driver");
    if (driver && !block_driver_find(driver)) {
        error_set(errp, "Unknown driver '%s'", driver);
        return NULL;
    }
    qdict_flatten(qobject_to_dict(v));
    tree = qdict_crumple(qobject_to_dict(v), errp);
    if (tree && !qobject_to_dict(tree)) {
        error_set(errp, "Invalid JSON object given");
        qobject_unref(tree);
        return NULL;
    }
    return qobject_to_dict(tree);
}

QDict *block_name_options(const BlockGraph *g, const char *filename,
                          Error **errp)
{
    g_autoptr(QDict) d = qdict_new();
    const char *path = filename, *driver = NULL;

    if (g_str_has_prefix(filename, "json:")) {
        return json_options(filename + strlen("json:"), errp);
    }
    if (g_str_has_prefix(filename, "blkdebug:")) {
        return blkdebug_options(g, filename, errp);
    }
    if (g_str_has_prefix(filename, "blkverify:")) {
        return blkverify_options(g, filename, errp);
    }
    if (g_str_has_prefix(filename, "null-co://") ||
        g_str_has_prefix(filename, "null-aio://")) {
        qdict_put_str(d, "driver", filename[5] == 'c' ? "null-co" : "null-aio");
        return g_steal_pointer(&d);
    }
    if (g_str_has_prefix(filename, "null-co:") ||
        g_str_has_prefix(filename, "null-aio:")) {
        error_set(errp,
                  "The only allowed filename for this driver is 'null-%s://'",
                  filename[5] == 'c' ? "co" : "aio");
        return NULL;
    }
    if (g_str_has_prefix(filename, "nbd:") ||
        g_str_has_prefix(filename, "nbd+")) {
        return nbd_uri_options(filename, errp);
    }
    if (is_remote_name(filename)) {
        return remote_name_options(g, filename, errp);
    }
    if (g_str_has_prefix(filename, "file:")) {
        path += strlen("file:");
    } else if (g_str_has_prefix(filename, "host_device:")) {
        path += strlen("host_device:");
        driver = "host_device";
    } else if (g_str_has_prefix(filename, "host_cdrom:")) {
        path += strlen("host_cdrom:");
        driver = "host_cdrom";
    } else if (block_path_has_protocol(filename)) {
        error_set(errp, "Unknown protocol '%.*s'", (int)strcspn(filename, ":"),
                  filename);
        return NULL;
    }
    if (!driver) {
        driver = block_path_driver(path)->name;
    }
    if (!*path) {
        error_set(errp, "The '%s' block driver requires a file name", driver);
        return NULL;
    }
    qdict_put_str(d, "driver", driver);
    qdict_put_str(d, "filename", path);
    return g_steal_pointer(&d);
}

/* Probing
 * ---------------------------------------------------------------------- */

typedef struct ProbeJob {
    BlockNode *n;
    uint8_t buf[BLOCK_PROBE_SIZE];
    int ret;
} ProbeJob;

static void coroutine_fn probe_entry(void *opaque)
{
    ProbeJob *job = opaque;

    job->ret = node_pread(job->n, 0, sizeof(job->buf), job->buf);
}

const BlockDriver *block_probe_buffer(const uint8_t *buf, size_t len)
{
    const BlockDriver *best = NULL;
    int score = 0;

    if (block_foreign_format(buf, len)) {
        return NULL;
    }
    for (size_t i = 0; block_drivers[i]; i++) {
        const BlockDriver *drv = block_drivers[i];
        int s = drv->probe ? drv->probe(buf, len) : 0;

        if (s > score) {
            score = s;
            best = drv;
        }
    }
    return best;
}

static const BlockDriver *probe_node(BlockNode *n, Error **errp)
{
    ProbeJob job = { .n = n };
    const BlockDriver *drv;
    const char *foreign;

    block_run(probe_entry, &job);
    if (job.ret < 0) {
        error_errno(errp, -job.ret,
                    "Could not read image '%s' for "
                    "determining its format",
                    n->filename);
        return NULL;
    }
    drv = block_probe_buffer(job.buf, sizeof(job.buf));
    foreign = drv ? NULL : block_foreign_format(job.buf, sizeof(job.buf));
    if (drv == &block_driver_raw && g_str_has_suffix(n->filename, ".dmg")) {
        foreign = "dmg"; /* known by its name and its end */
    }
    if (foreign) {
        error_set(errp, "Unknown driver '%s'", foreign);
        error_hint(errp,
                   "'%s' looks like an image of that format. Specify the 'raw' "
                   "format explicitly to use its bytes as they are.\n",
                   n->filename);
        return NULL;
    }
    return drv;
}

void block_convert_sizes(QDict *d)
{
    static const char *const keys[] = {
        "offset",
        "size",
        "cache-size",
        "l2-cache-size",
        "l2-cache-entry-size",
        "refcount-cache-size",
    };
    uint64_t size;

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *text = qdict_get_str(d, keys[i]);

        if (text && parse_size(text, 'B', &size) && size <= INT64_MAX) {
            qdict_put_int(d, keys[i], size);
        }
    }
    QDICT_FOREACH(d, e) {
        QDict *sub = qobject_to_dict(e->value);

        if (sub) {
            block_convert_sizes(sub);
        }
    }
}

/* "encrypt.key-secret" alone: in whatever format the image says. */
static bool imply_encryption(QDict *d)
{
    QDict *encrypt = qdict_get_dict(d, "encrypt");

    if (!encrypt || qdict_has(encrypt, "format") ||
        g_strcmp0(qdict_get_str(d, "driver"), "qcow2")) {
        return false;
    }
    qdict_put_str(encrypt, "format", "luks");
    return true;
}

/* Of the host's files, those that have none. */
static bool check_filename(const QDict *d, Error **errp)
{
    const char *driver = qdict_get_str(d, "driver");
    const char *name = qdict_get_str(d, "filename");
    const QDict *file = qdict_get_dict(d, "file");

    if (driver && (!qdict_has(d, "filename") || (name && !*name)) &&
        (!strcmp(driver, "file") || !strcmp(driver, "host_device") ||
         !strcmp(driver, "host_cdrom"))) {
        return error_set(errp, "The '%s' block driver requires a file name",
                         driver);
    }
    return !file || check_filename(file, errp);
}

static BlockNode *open_dict(BlockGraph *g, QDict *d,
                            const BlockOpenFlags *inherit, Error **errp)
{
    g_autoptr(BlockdevOptions) opts = NULL;
    bool any = imply_encryption(d);
    BlockNode *n;

    if (!check_filename(d, errp)) {
        return NULL;
    }
    block_convert_sizes(d);
    opts = qapi_from_qobject(&qapi_type_BlockdevOptions, QOBJECT(d),
                             QAPI_KEYVAL, errp);
    if (!opts) {
        return NULL;
    }
    g->any_encryption = g->any_encryption || any;
    n = block_open(g, opts, inherit, errp);
    g->any_encryption = g->any_encryption && !any;
    return n;
}

/* The flags that a format node with the options @top would have. */
static bool flags_of_dict(const QDict *top, const BlockOpenFlags *inherit,
                          BlockOpenFlags *flags, Error **errp)
{
    static const char *const generic[] = {
        "discard",        "cache",       "read-only",
        "auto-read-only", "force-share", "detect-zeroes",
    };
    g_autoptr(QDict) d = qdict_new();
    g_autoptr(BlockdevOptions) opts = NULL;

    qdict_put_str(d, "driver", "null-co");
    for (size_t i = 0; i < ARRAY_SIZE(generic); i++) {
        QObject *v = qdict_get(top, generic[i]);

        if (v) {
            qdict_put(d, generic[i], qobject_ref(v));
        }
    }
    opts = qapi_from_qobject(&qapi_type_BlockdevOptions, QOBJECT(d),
                             QAPI_KEYVAL, errp);
    return opts && block_flags_from_options(opts, inherit, flags, errp);
}

/* Open top["file"] and see what is in it. */
static BlockNode *open_probed(BlockGraph *g, QDict *top,
                              const BlockOpenFlags *inherit, Error **errp)
{
    QDict *file_opts = qdict_get_dict(top, "file");
    const BlockDriver *drv;
    BlockOpenFlags flags;
    BlockNode *file, *n = NULL;

    if (!flags_of_dict(top, inherit, &flags, errp)) {
        return NULL;
    }
    flags.unmap = true;
    file = file_opts ? open_dict(g, file_opts, &flags, errp)
                     : node_lookup(g, qdict_get_str(top, "file"),
                                   qdict_get_str(top, "file"), errp);
    if (!file) {
        return NULL;
    }
    if (!file_opts) {
        node_ref(file);
    }
    drv = probe_node(file, errp);
    if (drv) {
        qdict_put_str(top, "driver", drv->name);
        qdict_put_str(top, "file", file->name);
        g->probing = true;
        n = open_dict(g, top, inherit, errp);
        g->probing = false;
    }
    node_unref(file);
    return n;
}

/* "blkverify:RAW:TEST" does not say in which format TEST is: the node, which
 * the options name from here on. */
static BlockNode *open_test_image(BlockGraph *g, QDict *top,
                                  const BlockOpenFlags *inherit, Error **errp)
{
    QDict *verify = qdict_get_dict(top, "file");
    g_autoptr(QDict) test = qdict_new();
    BlockOpenFlags flags;
    BlockNode *n;

    if (!flags_of_dict(top, inherit, &flags, errp)) {
        return NULL;
    }
    verify = verify ? verify : top;
    qdict_put(test, "file", qobject_ref(qdict_get_dict(verify, "test")));
    n = open_probed(g, test, &flags, errp);
    if (n) {
        qdict_put_str(verify, "test", n->name);
    }
    return n;
}

static bool options_add_file(const BlockGraph *g, QDict *top,
                             const char *filename, Error **errp)
{
    g_autoptr(QDict) proto = block_name_options(g, filename, errp);
    const char *driver = qdict_get_str(top, "driver");
    const BlockDriver *drv = driver ? block_driver_find(driver) : NULL;
    QDict *file = qdict_get_dict(top, "file");

    if (!proto) {
        return false;
    }
    if (drv && drv->protocol) {
        /* "driver=host_device,file=...": no format above it */
        qdict_del(proto, "driver");
        qdict_join(top, proto, false);
        return true;
    }
    /* "json:" with a file below, or without a format above: the node. */
    if (g_str_has_prefix(filename, "json:") &&
        (!driver || qdict_has(proto, "file"))) {
        qdict_join(top, proto, false);
        return true;
    }
    if (qdict_has(top, "file") && !file) {
        return error_set(errp, "Cannot specify both a file name and a "
                               "reference to a node");
    }
    if (!file) {
        qdict_put(top, "file", g_steal_pointer(&proto));
    } else {
        qdict_join(file, proto, false);
    }
    return true;
}

/* "X.filename=NAME" without a driver: a file of that name. */
static void imply_file_driver(QDict *d)
{
    QDICT_FOREACH(d, e) {
        QDict *sub = qobject_to_dict(e->value);

        if (!sub) {
            continue;
        }
        if (qdict_has(sub, "filename") && !qdict_has(sub, "driver")) {
            qdict_put_str(sub, "driver", "file");
        }
        imply_file_driver(sub);
    }
}

BlockNode *block_open_filename(BlockGraph *g, const char *filename,
                               const char *format, const QDict *options,
                               const BlockOpenFlags *inherit, Error **errp)
{
    g_autoptr(QDict) top =
        options ? qobject_to_dict(qobject_clone(QOBJECT(options)))
                : qdict_new();
    BlockNode *test = NULL, *n = NULL;

    if (format) {
        if (!block_driver_find(format)) {
            error_set(errp, "Unknown driver '%s'", format);
            return NULL;
        }
        qdict_put_str(top, "driver", format);
    }
    if (filename && !options_add_file(g, top, filename, errp)) {
        return NULL;
    }
    if (filename && g_str_has_prefix(filename, "blkverify:")) {
        test = open_test_image(g, top, inherit, errp);
        if (!test) {
            return NULL;
        }
    }
    imply_file_driver(top);
    if (qdict_has(top, "driver")) {
        n = open_dict(g, top, inherit, errp);
    } else if (qdict_has(top, "file")) {
        n = open_probed(g, top, inherit, errp);
    } else {
        error_set(errp, "Must specify either driver or file");
    }
    if (test) {
        node_unref(test);
    }
    return n;
}
