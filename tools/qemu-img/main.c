/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-img: the program, and what its commands share.
 * Spec: qemu-img(1) of QEMU 7.2.
 */
#include "util/osdep.h"

#include <malloc.h>

#include "block/block-create.h"
#include "block/drive.h"
#include "img.h"
#include "qobject/keyval.h"
#include "qom/user-object.h"
#include "util/error.h"
#include "util/rcu.h"
#include "util/thread.h"
#include "util/trace.h"

typedef struct Command {
    const char *name;
    int (*fn)(ImgTool *t, int argc, char **argv);
    const char *args;
} Command;

static const Command commands[] = {
    { "amend", img_amend,
      "[--object objectdef] [--image-opts] [-p] [-q] [-f fmt] [-t "
      "cache] [--force] -o options filename" },
    { "bench", img_bench,
      "[-c count] [-d depth] [-f fmt] "
      "[--flush-interval=flush_interval] [-i aio] [-n] [--no-drain] "
      "[-o offset] [--pattern=pattern] [-q] [-s buffer_size] [-S "
      "step_size] [-t cache] [-w] [-U] filename" },
    { "bitmap", img_bitmap,
      "(--merge SOURCE | --add | --remove | --clear | --enable | "
      "--disable)... [-b source_file [-F source_fmt]] [-g "
      "granularity] [--object objectdef] [--image-opts | -f fmt] "
      "filename bitmap" },
    { "check", img_check,
      "[--object objectdef] [--image-opts] [-q] [-f fmt] "
      "[--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] "
      "filename" },
    { "commit", img_commit,
      "[--object objectdef] [--image-opts] [-q] [-f fmt] [-t cache] "
      "[-b base] [-r rate_limit] [-d] [-p] filename" },
    { "compare", img_compare,
      "[--object objectdef] [--image-opts] [-f fmt] [-F fmt] [-T "
      "src_cache] [-p] [-q] [-s] [-U] filename1 filename2" },
    { "convert", img_convert,
      "[--object objectdef] [--image-opts] [--target-image-opts] "
      "[--target-is-zero] [--bitmaps] [-U] [-C] [-c] [-p] [-q] [-n] "
      "[-f fmt] [-t cache] [-T src_cache] [-O output_fmt] [-B "
      "backing_file [-F backing_fmt]] [-o options] [-l "
      "snapshot_param] [-S sparse_size] [-r rate_limit] [-m "
      "num_coroutines] [-W] [--salvage] filename [filename2 [...]] "
      "output_filename" },
    { "create", img_create,
      "[--object objectdef] [-q] [-f fmt] [-b backing_file [-F "
      "backing_fmt]] [-u] [-o options] filename [size]" },
    { "dd", img_dd,
      "[--image-opts] [-U] [-f fmt] [-O output_fmt] [bs=block_size] "
      "[count=blocks] [skip=blocks] if=input of=output" },
    { "info", img_info,
      "[--object objectdef] [--image-opts] [-f fmt] [--output=ofmt] "
      "[--backing-chain] [-U] filename" },
    { "map", img_map,
      "[--object objectdef] [--image-opts] [-f fmt] "
      "[--start-offset=offset] [--max-length=len] [--output=ofmt] "
      "[-U] filename" },
    { "measure", img_measure,
      "[--output=ofmt] [-O output_fmt] [-o options] [--size N | "
      "[--object objectdef] [--image-opts] [-f fmt] [-l "
      "snapshot_param] filename]" },
    { "snapshot", img_snapshot,
      "[--object objectdef] [--image-opts] [-U] [-q] [-l | -a "
      "snapshot | -c snapshot | -d snapshot] filename" },
    { "rebase", img_rebase,
      "[--object objectdef] [--image-opts] [-U] [-q] [-f fmt] [-t "
      "cache] [-T src_cache] [-p] [-u] -b backing_file [-F "
      "backing_fmt] filename" },
    { "resize", img_resize,
      "[--object objectdef] [--image-opts] [-f fmt] "
      "[--preallocation=prealloc] [-q] [--shrink] filename [+ | "
      "-]size" },
};

/* Shared
 * ------------------------------------------------------------------------- */

int img_usage_error(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "qemu-img: ");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry 'qemu-img --help' for more information\n");
    return 1;
}

static void help(void);

static bool add_object(ImgTool *t, const char *text)
{
    Error *err = NULL;

    object_user_option_help(text);
    if (!t->graph->root) {
        t->graph->root = object_root_new();
    }
    if (!object_user_add_option(t->graph->root, NULL, text, &err)) {
        error_report_err(err);
        return false;
    }
    return true;
}

int img_getopt(ImgTool *t, int argc, char **argv, const char *letters,
               const struct option *options)
{
    int c;

    opterr = 0;
    do {
        c = getopt_long(argc, argv, letters, options, NULL);
        if (c == 'h') {
            help();
            exit(0);
        }
        if (c == '?') {
            img_usage_error("unrecognized option '%s'", argv[optind - 1]);
        } else if (c == ':') {
            img_usage_error("missing argument for option '%s'",
                            argv[optind - 1]);
            c = '?';
        } else if (c == IMG_OPT_OBJECT && !add_object(t, optarg)) {
            c = '?';
        }
    } while (c == IMG_OPT_OBJECT);
    return c;
}

bool img_check_cache(const char *what, const char *mode)
{
    bool writeback, direct, no_flush;

    if (mode && !drive_cache_mode(mode, &writeback, &direct, &no_flush)) {
        error_report("%s: %s", what, mode);
        return false;
    }
    return true;
}

bool img_parse_output(const char *text, bool *json)
{
    *json = !strcmp(text, "json");
    if (!*json && strcmp(text, "human")) {
        error_report("--output must be used with human or json as argument.");
        return false;
    }
    return true;
}

int64_t img_parse_size(const char *what, const char *text)
{
    uint64_t v;

    if (!*text || !parse_size(text, 'B', &v)) {
        error_report("Invalid %s specified. You may use k, M, G, T, P or E "
                     "suffixes for",
                     what);
        error_report("kilobytes, megabytes, gigabytes, terabytes, petabytes "
                     "and exabytes.");
        return -EINVAL;
    }
    if (v > INT64_MAX) {
        error_report("Invalid %s specified. Must be between 0 and %" PRId64 ".",
                     what, INT64_MAX);
        return -ERANGE;
    }
    return v;
}

char *img_size_text(uint64_t bytes)
{
    static const char *const units[] = { "B",   "KiB", "MiB", "GiB",
                                         "TiB", "PiB", "EiB" };
    double v = bytes;
    size_t u = 0;

    /* Three digits, as "%.3g" rounds. */
    while (u + 1 < ARRAY_SIZE(units) && v >= 1000) {
        v /= 1024;
        u++;
    }
    return g_strdup_printf("%0.3g %s", v, units[u]);
}

static bool open_options(QDict *d, const ImgOpen *o, bool *writeback,
                         Error **errp)
{
    bool direct = false, no_flush = false;
    QDict *cache;

    *writeback = true;
    if (o->cache &&
        !drive_cache_mode(o->cache, writeback, &direct, &no_flush)) {
        return error_set(errp, "Invalid cache option: %s", o->cache);
    }
    if (o->cache) {
        cache = qdict_new();
        qdict_put_bool(cache, "direct", direct);
        qdict_put_bool(cache, "no-flush", no_flush);
        qdict_put(d, "cache", cache);
    }
    if (!qdict_has(d, "read-only")) {
        qdict_put_bool(d, "read-only", !o->writable);
    }
    if (o->force_share) {
        qdict_put_bool(d, "force-share", true);
    }
    if (o->unmap) {
        qdict_put_str(d, "discard", "unmap");
    }
    if (o->aio) {
        QDict *file = qdict_get_dict(d, "file");

        if (!file) {
            file = qdict_new();
            qdict_put(d, "file", file);
        }
        qdict_put_str(file, "aio", o->aio);
    }
    return true;
}

/* A new image opens with the keys that it was made with. */
static void add_keys(QDict *d, const QDict *made)
{
    const char *format = qdict_get_str(made, "encrypt.format");
    const char *key = qdict_get_str(made, "encrypt.key-secret");

    if (qdict_has(made, "key-secret")) {
        qdict_put_str(d, "key-secret", qdict_get_str(made, "key-secret"));
    }
    if (key) {
        QDict *encrypt = qdict_new();

        qdict_put_str(encrypt, "format", format ? format : "aes");
        qdict_put_str(encrypt, "key-secret", key);
        qdict_put(d, "encrypt", encrypt);
    }
}

BlockBackend *img_open_err(ImgTool *t, const char *filename, const ImgOpen *o,
                           Error **errp)
{
    g_autoptr(QDict) opts =
        o->image_opts ? keyval_parse(filename, NULL, NULL, errp) : qdict_new();
    uint64_t perm = BLK_PERM_READ, shared = BLK_PERM_ALL;
    BlockBackend *blk;
    bool writeback, ok;
    BlockNode *n;

    if (!opts || !open_options(opts, o, &writeback, errp)) {
        return NULL;
    }
    if (o->made) {
        add_keys(opts, o->made);
    }
    t->graph->no_backing = o->no_backing;
    n = block_open_filename(t->graph, o->image_opts ? NULL : filename,
                            o->format, opts, NULL, errp);
    t->graph->no_backing = false;
    if (!n) {
        return NULL;
    }
    if (o->writable) {
        perm |= BLK_PERM_WRITE | BLK_PERM_RESIZE;
    }
    if (o->steady) {
        shared &= ~(uint64_t)(BLK_PERM_WRITE | BLK_PERM_RESIZE);
    }
    blk = blk_new(t->graph, perm, shared);
    ok = blk_insert_node(blk, n, errp);
    node_unref(n);
    if (!ok) {
        blk_unref(blk);
        return NULL;
    }
    blk_set_write_cache(blk, writeback);
    return blk;
}

BlockBackend *img_open(ImgTool *t, const char *filename, const ImgOpen *o)
{
    Error *err = NULL;
    BlockBackend *blk;

    if (o->image_opts && o->format) {
        error_report("--image-opts and --format are mutually exclusive");
        return NULL;
    }
    blk = img_open_err(t, filename, o, &err);
    if (!blk) {
        error_prefix(&err, "Could not open '%s'", filename);
        error_report_err(err);
    }
    return blk;
}

/* Allocation
 * --------------------------------------------------------------------- */

/* One image. The last sector is whole: zeroes follow where the file ends. */
static int coroutine_fn level_status(BlockNode *n, int64_t offset,
                                     int64_t bytes, int64_t *pnum, int64_t *map,
                                     BlockNode **file)
{
    int64_t length = node_length(n), end = ALIGN_UP(length, 512);

    if (offset < length || offset >= end || !n->file) {
        return node_block_status(n, true, offset, bytes, pnum, map, file);
    }
    *pnum = MIN(bytes, end - offset);
    *map = offset;
    *file = n->file->node;
    return BLK_STATUS_ZERO | BLK_STATUS_OFFSET | BLK_STATUS_ALLOCATED;
}

int coroutine_fn img_status(BlockNode *n, const BlockNode *base, int64_t offset,
                            int64_t bytes, int64_t *pnum, int64_t *map,
                            BlockNode **file, int *depth)
{
    int ret = level_status(n, offset, bytes, pnum, map, file);

    *depth = 0;
    while (ret >= 0 && !(ret & BLK_STATUS_ALLOCATED)) {
        int64_t num = *pnum, above = *map;
        int flags = ret;
        BlockNode *place = *file;

        n = n->backing ? n->backing->node : NULL;
        if (!n || n == base) {
            break;
        }
        ret = level_status(n, offset, num, pnum, map, file);
        if (ret >= 0 && !*pnum) {
            /* It ends before: zeroes, whatever is below. */
            *pnum = num;
            *map = above;
            *file = place;
            return BLK_STATUS_ZERO | BLK_STATUS_EOF |
                   (flags & BLK_STATUS_OFFSET);
        }
        ++*depth;
    }
    return ret;
}

typedef struct StatusJob {
    BlockNode *n;
    int64_t offset, bytes, *pnum, *map;
    BlockNode **file;
    int *depth, ret;
} StatusJob;

static void coroutine_fn status_entry(void *opaque)
{
    StatusJob *j = opaque;

    j->ret = img_status(j->n, NULL, j->offset, j->bytes, j->pnum, j->map,
                        j->file, j->depth);
}

int img_status_sync(BlockNode *n, int64_t offset, int64_t bytes, int64_t *pnum,
                    int64_t *map, BlockNode **file, int *depth)
{
    StatusJob j = { n, offset, bytes, pnum, map, file, depth, 0 };

    block_run(status_entry, &j);
    return j.ret;
}

/* Program
 * ------------------------------------------------------------------------ */

static void help(void)
{
    printf("qemu-img version " CONFIG_VERSION "\n"
           "usage: qemu-img [standard options] command [command options]\n"
           "QEMU disk image utility\n\n"
           "    '-h', '--help'       display this help and exit\n"
           "    '-V', '--version'    output version information and exit\n"
           "    '-T', '--trace'      [[enable=]<pattern>][,events=<file>]"
           "[,file=<file>]\n"
           "                         specify tracing options\n\n"
           "Command syntax:\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        printf("  %s %s\n", commands[i].name, commands[i].args);
    }
    printf("\nSupported formats:");
    for (size_t i = 0; block_drivers[i]; i++) {
        printf(" %s", block_drivers[i]->name);
    }
    printf("\n");
}

static int run(const Command *c, int argc, char **argv)
{
    Error *err = NULL;
    ImgTool t = { 0 };
    Object *root;
    int status;

    rcu_register_thread();
    t.loop = loop_new_later("main", &err);
    if (!t.loop) {
        error_report_err(err);
        return 1;
    }
    loop_set_current(t.loop);
    t.graph = block_graph_new(t.loop);
    t.graph->one_command = true;
    status = c->fn(&t, argc, argv);
    /* Objects first: groups of theirs are in the graph. */
    blk_graph_close(t.graph);
    root = g_steal_pointer(&t.graph->root);
    object_unref(root);
    block_graph_free(t.graph);
    loop_free(t.loop);
    rcu_unregister_thread();
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { "trace", required_argument, NULL, 'T' },
        { 0 },
    };
    int c;

    report_set_program(argv[0]);
    thread_begin_signals();
    /* Buffers come and go: pages of those that went serve the next. */
    mallopt(M_MMAP_THRESHOLD, 4 * MiB);
    mallopt(M_TRIM_THRESHOLD, 16 * MiB);
    while ((c = img_getopt(NULL, argc, argv, "+:hVT:", options)) != -1) {
        if (c == 'V') {
            printf("qemu-img version " CONFIG_VERSION "\n");
            return 0;
        }
        if (c != 'T' || !trace_option(optarg)) {
            return 1;
        }
    }
    if (optind >= argc) {
        return img_usage_error("Not enough arguments");
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(commands[i].name, argv[optind])) {
            char **rest = argv + optind;
            int n = argc - optind;

            rest[0] = argv[0];
            optind = 0;
            return run(&commands[i], n, rest);
        }
    }
    return img_usage_error("Command not found: %s", argv[optind]);
}
