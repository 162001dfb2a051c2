/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-nbd as a server: opens the image, exports it, ends with its clients. */
#include "util/osdep.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "block/block-backend.h"
#include "block/drive-int.h"
#include "block/export.h"
#include "crypto/tls.h"
#include "qemu-nbd.h"
#include "qobject/keyval.h"
#include "tools/snapshot-view.h"
#include "util/error.h"

typedef struct Serve {
    const NbdArgs *args;
    Loop *loop;
    BlockGraph *graph;
    BlockNode *node;
    char *pid_file; /* written by us */
    NbdDevice device;
    int ready_fd; /* of the parent that waits, or -1 */
} Serve;

/* The image ------------------------------------------------------------------
 */

static bool add_cache(QDict *d, const char *mode, bool *writeback, Error **errp)
{
    bool direct, no_flush;
    QDict *cache;

    if (!drive_cache_mode(mode, writeback, &direct, &no_flush)) {
        return error_set(errp, "Invalid cache mode `%s'", mode);
    }
    cache = qdict_new();
    qdict_put_bool(cache, "direct", direct);
    qdict_put_bool(cache, "no-flush", no_flush);
    qdict_put(d, "cache", cache);
    return true;
}

static bool add_aio(QDict *d, const char *mode, Error **errp)
{
    QDict *file = qdict_get_dict(d, "file");

    if (strcmp(mode, "threads") && strcmp(mode, "native") &&
        strcmp(mode, "io_uring")) {
        return error_set(errp, "Invalid aio mode '%s'", mode);
    }
    if (!file) {
        file = qdict_new();
        qdict_put(d, "file", file);
    }
    qdict_put_str(file, "aio", mode);
    return true;
}

static bool add_discard(QDict *d, const char *mode, Error **errp)
{
    bool on = !strcmp(mode, "on") || !strcmp(mode, "unmap");

    if (!on && strcmp(mode, "off") && strcmp(mode, "ignore")) {
        return error_set(errp, "Invalid discard mode `%s'", mode);
    }
    qdict_put_str(d, "discard", on ? "unmap" : "ignore");
    return true;
}

static QDict *image_options(const NbdArgs *a, bool *writeback, Error **errp)
{
    g_autoptr(QDict) d =
        a->image_opts ? keyval_parse(a->file, NULL, NULL, errp) : qdict_new();

    *writeback = true;
    if (!d || (a->cache && !add_cache(d, a->cache, writeback, errp)) ||
        (a->aio && !add_aio(d, a->aio, errp)) ||
        (a->discard && !add_discard(d, a->discard, errp))) {
        return NULL;
    }
    if (a->detect_zeroes) {
        qdict_put_str(d, "detect-zeroes", a->detect_zeroes);
    }
    if (!qdict_has(d, "read-only")) {
        qdict_put_str(d, "read-only", a->read_only ? "on" : "off");
    }
    return g_steal_pointer(&d);
}

/* -o: a node that shows what is behind the offset. */
static BlockNode *add_offset(BlockGraph *g, BlockNode *n, uint64_t offset,
                             Error **errp)
{
    g_autoptr(QDict) d = qdict_new();
    BlockNode *top;

    if (offset >= node_length(n)) {
        error_set(errp,
                  "Offset (%" PRIu64 ") has to be smaller than the image "
                  "size (%" PRId64 ")",
                  offset, node_length(n));
        node_unref(n);
        return NULL;
    }
    qdict_put_str(d, "file", n->name);
    qdict_put_int(d, "offset", offset);
    qdict_put_bool(d, "read-only", n->read_only);
    if (n->flags.unmap) {
        qdict_put_str(d, "discard", "unmap");
    }
    top = block_open_filename(g, NULL, "raw", d, NULL, errp);
    node_unref(n);
    return top;
}

static BlockNode *open_image(Serve *s, bool *writeback, Error **errp)
{
    const NbdArgs *a = s->args;
    g_autoptr(QDict) d = image_options(a, writeback, errp);
    DriveLayers layers = { .snapshot = a->snapshot };
    BlockNode *n;

    if (!d) {
        return NULL;
    }
    if (a->snapshot) {
        drive_prepare_layers(d, &layers);
    }
    n = block_open_filename(s->graph, a->image_opts ? NULL : a->file, a->format,
                            d, NULL, errp);
    if (!n) {
        error_prefix(errp, "Failed to blk_new_open '%s'", a->file);
        return NULL;
    }
    if (a->snapshot) {
        n = drive_add_layers(s->graph, n, &layers, errp);
    }
    if (n && a->load_snapshot && !snapshot_view(n, a->load_snapshot, errp)) {
        error_prefix(errp, "Failed to load snapshot");
        node_unref(n);
        return NULL;
    }
    return n && a->offset ? add_offset(s->graph, n, a->offset, errp) : n;
}

/* The server -----------------------------------------------------------------
 */

/* What sockets of this thread are labelled from now on; "": as the policy
 * says. Spec: setsockcreatecon(3); SELinux's files in proc_pid_attr(5). */
static bool label_sockets(const char *label, Error **errp)
{
    autofd int fd =
        open("/proc/thread-self/attr/sockcreate", O_WRONLY | O_CLOEXEC);
    size_t len = *label ? strlen(label) + 1 : 0;

    return (fd >= 0 && write(fd, label, len) >= 0) ||
           error_errno(errp, errno,
                       "Cannot set SELinux socket create context to %s", label);
}

static bool start_server(Serve *s, Error **errp)
{
    const NbdArgs *a = s->args;
    g_autoptr(SocketAddress) addr = nbd_address(a);
    NbdServerConfig config = { a->tls_creds, a->tls_authz, a->shared };

    if (a->activated) {
        return nbd_server_start_fd(s->graph, ACTIVATION_FD, &config, errp);
    }
    return (!a->selinux_label || label_sockets(a->selinux_label, errp)) &&
           nbd_server_start(s->graph, addr, NULL, &config, errp) &&
           (!a->selinux_label || label_sockets("", errp));
}

/* The last that was named comes first. */
static BlockDirtyBitmapOrStrList *bitmap_list(const NbdArgs *a)
{
    BlockDirtyBitmapOrStrList *list = NULL;

    for (guint i = 0; i < a->bitmaps->len; i++) {
        BlockDirtyBitmapOrStr *b = g_new0(BlockDirtyBitmapOrStr, 1);

        b->type = QTYPE_QSTRING;
        b->u.local = g_strdup(a->bitmaps->pdata[i]);
        QAPI_LIST_PREPEND(list, b);
    }
    return list;
}

static bool start(Serve *s, Error **errp)
{
    const NbdArgs *a = s->args;
    BlockExportOptions o = {
        .type = BLOCK_EXPORT_TYPE_NBD,
        .id = (char *)"qemu-nbd-export",
        .has_writethrough = true,
        .has_writable = true,
        .u.nbd = {
            .name = (char *)(a->name ? a->name : ""),
            .description = (char *)a->description,
            .has_allocation_depth = true,
            .allocation_depth = a->depth,
        },
    };
    bool writeback, ok;

    s->graph->root = nbd_make_objects(a, errp);
    if (!s->graph->root) {
        return false;
    }
    if (a->tls_creds) {
        TlsCreds *creds =
            tls_creds_find(s->graph->root, a->tls_creds, true, errp);

        if (!creds) {
            return error_prefix(errp, "Failed to get TLS creds");
        }
        tls_creds_unref(creds);
    }
    s->node = open_image(s, &writeback, errp);
    if (!s->node || !start_server(s, errp)) {
        return false;
    }
    o.node_name = s->node->name;
    o.writethrough = !writeback;
    o.writable = !a->read_only && !s->node->read_only;
    o.u.nbd.has_bitmaps = true;
    o.u.nbd.bitmaps = bitmap_list(a);
    ok = block_export_add(s->graph, &o, NULL, errp);
    qapi_free_BlockDirtyBitmapOrStrList(o.u.nbd.bitmaps);
    return ok;
}

static void client_left(void *opaque, unsigned clients)
{
    Serve *s = opaque;

    if (!clients && !s->args->persistent) {
        loop_stop(s->loop);
    }
}

static void signalled(void *opaque, unsigned events)
{
    Serve *s = opaque;

    loop_stop(s->loop);
}

static bool write_pid_file(Serve *s, Error **errp)
{
    const char *path = s->args->pid_file;
    g_autofree char *text = g_strdup_printf("%d\n", getpid());
    autofd int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, text, strlen(text)) < 0) {
        return error_errno(errp, errno, "Cannot write pid file %s", path);
    }
    s->pid_file = g_strdup(path);
    return true;
}

/* Tell the parent; nothing goes to the terminal any more. */
static void go_background(int ready_fd)
{
    autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char ok = 0;

    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    if (write(ready_fd, &ok, 1) < 0) {
        /* nobody waits: nobody needs to know */
    }
    close(ready_fd);
}

/* In the device's thread. */
static void device_connected(void *opaque)
{
    Serve *s = opaque;

    if (s->args->verbose) {
        fprintf(stderr, "NBD device %s is now connected to %s\n",
                s->args->device, s->args->file);
    }
    if (s->ready_fd >= 0) {
        go_background(s->ready_fd);
    }
}

static void device_gone(void *opaque)
{
    Serve *s = opaque;

    loop_stop(s->loop);
}

/* The loop serves the device, until it or a signal ends it. */
static bool run_device(Serve *s, Error **errp)
{
    g_autoptr(SocketAddress) addr = nbd_address(s->args);

    s->device = (NbdDevice){ .path = s->args->device,
                             .addr = addr,
                             .export = s->args->name ? s->args->name : "",
                             .connected = device_connected,
                             .gone = device_gone,
                             .opaque = s };
    if (!nbd_device_start(&s->device, errp)) {
        return false;
    }
    loop_run(s->loop);
    nbd_device_stop(&s->device);
    block_exports_close(s->graph);
    return nbd_device_join(&s->device, errp);
}

static bool run(Serve *s, int signal_fd, Error **errp)
{
    LoopFd *watch;
    bool ok = true;

    if (!start(s, errp) || (s->args->pid_file && !write_pid_file(s, errp))) {
        return false;
    }
    nbd_server_on_disconnect(s->graph, client_left, s);
    watch = loop_fd_add(s->loop, signal_fd, LOOP_IN, signalled, s);
    if (s->args->device) {
        ok = run_device(s, errp);
    } else {
        if (s->args->verbose) {
            fprintf(stderr, "qemu-nbd: serving '%s'\n", s->args->file);
        }
        if (s->ready_fd >= 0) {
            go_background(s->ready_fd);
        }
        loop_run(s->loop);
    }
    nbd_server_on_disconnect(s->graph, NULL, NULL);
    loop_fd_del(watch);
    return ok;
}

static int make_signal_fd(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int nbd_serve(const NbdArgs *a, int ready_fd)
{
    Serve s = { .args = a, .ready_fd = ready_fd };
    Error *err = NULL;
    autofd int signal_fd = -1;
    bool ok = false;

    s.loop = loop_new("main", &err);
    if (s.loop) {
        loop_set_current(s.loop);
        signal_fd = make_signal_fd();
        s.graph = block_graph_new(s.loop);
        ok = run(&s, signal_fd, &err);
        block_exports_close(s.graph);
        node_unref(s.node);
        object_unref(s.graph->root);
        block_graph_free(s.graph);
        loop_free(s.loop);
    }
    if (s.pid_file) {
        unlink(s.pid_file);
        g_free(s.pid_file);
    }
    if (!ok) {
        error_report_err(err);
    }
    return !ok;
}
