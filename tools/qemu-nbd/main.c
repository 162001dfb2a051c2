/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-nbd: the program and its options.
 * Spec: qemu-nbd(8) of QEMU 7.2.
 */
#include "util/osdep.h"

#include <getopt.h>
#include <sys/wait.h>

#include "block/nbd/proto.h"
#include "qemu-nbd.h"
#include "qobject/keyval.h"
#include "qom/user-object.h"
#include "tools/snapshot-view.h"
#include "util/error.h"
#include "util/rcu.h"
#include "util/thread.h"
#include "util/trace.h"

static void help(void)
{
    printf(
        "Usage: qemu-nbd [OPTIONS] FILE\n"
        "  or:  qemu-nbd -L [OPTIONS]\n"
        "QEMU Disk Network Block Device Utility\n\n"
        "  -h, --help                display this help and exit\n"
        "  -V, --version             output version information and exit\n\n"
        "Connection properties:\n"
        "  -p, --port=PORT           port to listen on (default `10809')\n"
        "  -b, --bind=IFACE          interface to bind to (default "
        "`0.0.0.0')\n"
        "  -k, --socket=PATH         path to the unix socket\n"
        "  -e, --shared=NUM          device can be shared by NUM clients "
        "(default '1')\n"
        "  -t, --persistent          don't exit on the last connection\n"
        "  -v, --verbose             display extra debugging information\n"
        "  -c, --connect=DEV         connect FILE to the local NBD device DEV\n"
        "  -d, --disconnect          disconnect the specified device\n"
        "  -x, --export-name=NAME    expose export by name (default is empty "
        "string)\n"
        "  -D, --description=TEXT    export a human-readable description\n\n"
        "Exposing part of the image:\n"
        "  -o, --offset=OFFSET       offset into the image\n"
        "  -A, --allocation-depth    expose the allocation depth\n"
        "  -B, --bitmap=NAME         expose a persistent dirty bitmap\n\n"
        "General purpose options:\n"
        "  -L, --list                list exports available from another NBD "
        "server\n"
        "  --object type,id=ID,...   define an object such as 'secret' or "
        "'tls-creds-x509'\n"
        "  --tls-creds=ID            use the credentials of an earlier "
        "--object for TLS\n"
        "  --tls-authz=ID            let in whom an earlier --object allows\n"
        "  --tls-hostname=NAME       with -L: what the server's certificate "
        "must be for\n"
        "  -T, --trace [[enable=]<pattern>][,events=<file>][,file=<file>]\n"
        "                            specify tracing options\n"
        "  --fork                    fork off the server process and exit the "
        "parent\n"
        "                            once the server is running\n"
        "  --pid-file=PATH           store the server's process ID in the "
        "given file\n"
        "  --selinux-label=LABEL     label the listening socket\n\n"
        "Block device options:\n"
        "  -f, --format=FORMAT       set image format (raw, qcow2, ...)\n"
        "  -r, --read-only           export read-only\n"
        "  -s, --snapshot            use FILE as an external snapshot, create "
        "a temporary\n"
        "                            file with backing_file=FILE, redirect the "
        "write to\n"
        "                            the temporary one\n"
        "  -l, --load-snapshot=SNAPSHOT_PARAM\n"
        "                            export a snapshot inside of FILE, "
        "read-only:\n"
        "                            'snapshot.id=[ID],snapshot.name=[NAME]' "
        "or\n"
        "                            '[ID_OR_NAME]'\n"
        "  -n, --nocache             disable host cache\n"
        "      --cache=MODE          set cache mode used to access the disk "
        "image, the\n"
        "                            valid options are: 'none', 'writeback' "
        "(default),\n"
        "                            'writethrough', 'directsync' and "
        "'unsafe'\n"
        "      --aio=MODE            set AIO mode (native, io_uring or "
        "threads)\n"
        "      --discard=MODE        set discard mode (ignore, unmap)\n"
        "      --detect-zeroes=MODE  set detect-zeroes mode (off, on, unmap)\n"
        "      --image-opts          treat FILE as a full set of image "
        "options\n");
}

enum {
    OPT_CACHE = 256,
    OPT_AIO,
    OPT_DISCARD,
    OPT_DETECT_ZEROES,
    OPT_IMAGE_OPTS,
    OPT_FORK,
    OPT_PID_FILE,
    OPT_OBJECT,
    OPT_TLS_CREDS,
    OPT_TLS_AUTHZ,
    OPT_TLS_HOSTNAME,
    OPT_SELINUX_LABEL,
};

static const struct option options[] = {
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { "port", required_argument, NULL, 'p' },
    { "bind", required_argument, NULL, 'b' },
    { "socket", required_argument, NULL, 'k' },
    { "shared", required_argument, NULL, 'e' },
    { "persistent", no_argument, NULL, 't' },
    { "verbose", no_argument, NULL, 'v' },
    { "export-name", required_argument, NULL, 'x' },
    { "description", required_argument, NULL, 'D' },
    { "offset", required_argument, NULL, 'o' },
    { "allocation-depth", no_argument, NULL, 'A' },
    { "bitmap", required_argument, NULL, 'B' },
    { "list", no_argument, NULL, 'L' },
    { "trace", required_argument, NULL, 'T' },
    { "fork", no_argument, NULL, OPT_FORK },
    { "pid-file", required_argument, NULL, OPT_PID_FILE },
    { "format", required_argument, NULL, 'f' },
    { "read-only", no_argument, NULL, 'r' },
    { "snapshot", no_argument, NULL, 's' },
    { "nocache", no_argument, NULL, 'n' },
    { "cache", required_argument, NULL, OPT_CACHE },
    { "aio", required_argument, NULL, OPT_AIO },
    { "discard", required_argument, NULL, OPT_DISCARD },
    { "detect-zeroes", required_argument, NULL, OPT_DETECT_ZEROES },
    { "image-opts", no_argument, NULL, OPT_IMAGE_OPTS },
    { "object", required_argument, NULL, OPT_OBJECT },
    { "tls-creds", required_argument, NULL, OPT_TLS_CREDS },
    { "tls-authz", required_argument, NULL, OPT_TLS_AUTHZ },
    { "tls-hostname", required_argument, NULL, OPT_TLS_HOSTNAME },
    { "connect", required_argument, NULL, 'c' },
    { "disconnect", no_argument, NULL, 'd' },
    { "load-snapshot", required_argument, NULL, 'l' },
    { "selinux-label", required_argument, NULL, OPT_SELINUX_LABEL },
    { 0 },
};

static bool parse_number(const char *text, uint64_t max, uint64_t *v)
{
    char *end;

    errno = 0;
    *v = g_ascii_strtoull(text, &end, 0);
    return g_ascii_isdigit(*text) && !*end && !errno && *v <= max;
}

static bool set_cache(NbdArgs *a, const char *mode)
{
    if (a->cache) {
        error_report("-n and --cache can only be specified once");
        return false;
    }
    a->cache = mode;
    return true;
}

/* Options that are numbers. */
static bool parse_value(NbdArgs *a, int c)
{
    uint64_t v;

    if (c == 'e') {
        if (!parse_number(optarg, INT_MAX, &v)) {
            error_report("Invalid shared device number '%s'", optarg);
            return false;
        }
        a->shared = v;
    } else if (!parse_number(optarg, INT64_MAX, &a->offset)) {
        error_report("Invalid offset '%s'", optarg);
        return false;
    }
    return true;
}

static bool parse_one(NbdArgs *a, int c)
{
    switch (c) {
    case 'h':
        help();
        exit(0);
    case 'V':
        printf("qemu-nbd " CONFIG_VERSION "\n");
        exit(0);
    case 'p':
        a->port = optarg;
        return true;
    case 'b':
        a->bind = optarg;
        return true;
    case 'k':
        a->socket = optarg;
        if (*optarg != '/') {
            error_report("socket path must be absolute");
            return false;
        }
        return true;
    case 'e':
    case 'o':
        return parse_value(a, c);
    case 't':
        a->persistent = true;
        return true;
    case 'c':
        a->device = optarg;
        return true;
    case 'd':
        a->disconnect = true;
        return true;
    case 'v':
        a->verbose = true;
        return true;
    case 'x':
        a->name = optarg;
        return true;
    case 'D':
        a->description = optarg;
        return true;
    case 'A':
        a->depth = true;
        return true;
    case 'B':
        g_ptr_array_add(a->bitmaps, optarg);
        return true;
    case 'L':
        a->list = true;
        return true;
    case 'T':
        return trace_option(optarg);
    case 'f':
        a->format = optarg;
        return true;
    case 'r':
        a->read_only = true;
        return true;
    case 's':
        a->snapshot = true;
        return true;
    case 'n':
        return set_cache(a, "none");
    case OPT_CACHE:
        return set_cache(a, optarg);
    case OPT_AIO:
        a->aio = optarg;
        return true;
    case OPT_DISCARD:
        a->discard = optarg;
        return true;
    case OPT_DETECT_ZEROES:
        a->detect_zeroes = optarg;
        return true;
    case OPT_IMAGE_OPTS:
        a->image_opts = true;
        return true;
    case OPT_OBJECT:
        object_user_option_help(optarg);
        g_ptr_array_add(a->objects, optarg);
        return true;
    case OPT_TLS_CREDS:
        a->tls_creds = optarg;
        return true;
    case OPT_TLS_AUTHZ:
        a->tls_authz = optarg;
        return true;
    case OPT_TLS_HOSTNAME:
        a->tls_hostname = optarg;
        return true;
    case OPT_FORK:
        a->fork = true;
        return true;
    case OPT_PID_FILE:
        a->pid_file = optarg;
        return true;
    case 'l':
        a->load_snapshot = optarg;
        a->read_only = true;
        return snapshot_param_parse(optarg, NULL, NULL);
    case OPT_SELINUX_LABEL:
        a->selinux_label = optarg;
        return true;
    default:
        error_report("Try `qemu-nbd --help' for more information.");
        return false;
    }
}

Object *nbd_make_objects(const NbdArgs *a, Error **errp)
{
    g_autoptr(Object) root = object_root_new();

    for (guint i = 0; i < a->objects->len; i++) {
        if (!object_user_add_option(root, NULL, a->objects->pdata[i], errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&root);
}

static bool check_tls(const NbdArgs *a)
{
    if (a->tls_hostname && (!a->list || !a->tls_creds)) {
        error_report("--tls-hostname is not permitted without %s",
                     a->tls_creds ? "-L" : "--tls-creds");
        return false;
    }
    if (a->tls_creds && a->device) {
        error_report("TLS is not supported with a host device");
        return false;
    }
    if (a->tls_authz && (a->list || !a->tls_creds)) {
        error_report(a->tls_creds ? "TLS authorization is incompatible with "
                                    "export list"
                                  : "--tls-authz is not permitted without "
                                    "--tls-creds");
        return false;
    }
    return true;
}

static bool parse(int argc, char **argv, NbdArgs *a)
{
    int c;

    while ((c = getopt_long(argc, argv, "hVb:o:p:rsnc:dvk:e:f:tl:x:T:D:AB:L",
                            options, NULL)) != -1) {
        if (!parse_one(a, c)) {
            return false;
        }
    }
    if (!check_tls(a)) {
        return false;
    }
    if (a->list) {
        if (optind < argc) {
            error_report("List mode is incompatible with a file name");
            return false;
        }
        if (a->name || a->description || a->offset || a->snapshot ||
            a->device || a->disconnect || a->format || a->read_only ||
            a->depth || a->bitmaps->len) {
            error_report("List mode is incompatible with per-device settings");
            return false;
        }
        if (a->fork) {
            error_report("List mode is incompatible with forking");
            return false;
        }
        return true;
    }
    if (argc - optind != 1) {
        error_report("Invalid number of arguments");
        fprintf(stderr, "Try `qemu-nbd --help' for more information.\n");
        return false;
    }
    if (a->image_opts && a->format) {
        error_report("--image-opts and -f are mutually exclusive");
        return false;
    }
    a->file = argv[optind];
    return true;
}

SocketAddress *nbd_address(const NbdArgs *a)
{
    SocketAddress *addr = g_new0(SocketAddress, 1);

    if (a->socket || a->device) {
        g_autofree char *name =
            a->device ? g_path_get_basename(a->device) : NULL;

        addr->type = SOCKET_ADDRESS_TYPE_UNIX;
        addr->u.q_unix.path =
            a->socket ? g_strdup(a->socket)
                      : g_strdup_printf("/var/lock/qemu-nbd-%s", name);
    } else {
        addr->type = SOCKET_ADDRESS_TYPE_INET;
        addr->u.inet.host = g_strdup(a->bind ? a->bind : "0.0.0.0");
        addr->u.inet.port = g_strdup(a->port ? a->port : NBD_DEFAULT_PORT);
    }
    return addr;
}

/* Did somebody make the socket for us? Before any fork. */
static bool check_activation(NbdArgs *a)
{
    const char *pid = g_getenv("LISTEN_PID"), *fds = g_getenv("LISTEN_FDS");

    if (!pid || !fds || g_ascii_strtoull(pid, NULL, 10) != getpid()) {
        return true;
    }
    g_unsetenv("LISTEN_PID");
    if (strcmp(fds, "1")) {
        error_report("qemu-nbd does not support socket activation with "
                     "LISTEN_FDS > 1");
        return false;
    }
    if (a->device) {
        error_report("NBD device can't be set when using socket activation");
        return false;
    }
    if (a->socket || a->bind || a->port) {
        error_report("Socket activation cannot be combined with an address");
        return false;
    }
    fcntl(ACTIVATION_FD, F_SETFD, FD_CLOEXEC);
    a->activated = true;
    return true;
}

/* The child's end of a pipe that it writes to when it serves; the parent
 * waits for that and ends. */
static int fork_server(void)
{
    int fds[2];
    char ok = 1;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        error_report("Failed to fork: %s", g_strerror(errno));
        exit(1);
    }
    if (pid) {
        close(fds[1]);
        exit(RETRY_ON_EINTR(read(fds[0], &ok, 1)) == 1 ? ok : 1);
    }
    close(fds[0]);
    setsid();
    return fds[1];
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) bitmaps = g_ptr_array_new();
    NbdArgs args = {
        .shared = 1,
        .objects = g_ptr_array_new(),
        .bitmaps = bitmaps,
    };
    int ready_fd = -1, status;

    report_set_program(argv[0]);
    thread_begin_signals();
    if (!parse(argc, argv, &args)) {
        return 1;
    }
    if (args.disconnect) {
        return nbd_disconnect(args.file);
    }
    if (!args.list && !check_activation(&args)) {
        return 1;
    }
    if (args.fork || (args.device && !args.verbose)) {
        ready_fd = fork_server();
    }
    rcu_register_thread();
    status = args.list ? nbd_show_list(&args) : nbd_serve(&args, ready_fd);
    rcu_unregister_thread();
    return status;
}
