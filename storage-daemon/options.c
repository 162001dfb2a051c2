/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options of qemu-storage-daemon. Each acts at its place: what an option
 * refers to stands before it.
 * Spec: qemu-storage-daemon(1) of QEMU 7.2.
 */
#include "util/osdep.h"

#include <getopt.h>

#include "block/block-options.h"
#include "block/export.h"
#include "daemon.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands-block-export.h"
#include "qom/user-object.h"
#include "softmmu/vm.h"
#include "util/trace.h"

enum {
    OPT_BLOCKDEV = 256,
    OPT_CHARDEV,
    OPT_DAEMONIZE,
    OPT_EXPORT,
    OPT_MONITOR,
    OPT_NBD_SERVER,
    OPT_OBJECT,
    OPT_PIDFILE,
};

static const struct option options[] = {
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { "trace", required_argument, NULL, 'T' },
    { "blockdev", required_argument, NULL, OPT_BLOCKDEV },
    { "chardev", required_argument, NULL, OPT_CHARDEV },
    { "daemonize", no_argument, NULL, OPT_DAEMONIZE },
    { "export", required_argument, NULL, OPT_EXPORT },
    { "monitor", required_argument, NULL, OPT_MONITOR },
    { "nbd-server", required_argument, NULL, OPT_NBD_SERVER },
    { "object", required_argument, NULL, OPT_OBJECT },
    { "pidfile", required_argument, NULL, OPT_PIDFILE },
    { 0 },
};

static void help(void)
{
    printf(
        "Usage: qemu-storage-daemon [options]\n"
        "QEMU storage daemon\n\n"
        "  -h, --help             display this help and exit\n"
        "  -T, --trace [[enable=]<pattern>][,events=<file>][,file=<file>]\n"
        "                         specify tracing options\n"
        "  -V, --version          output version information and exit\n\n"
        "  --blockdev [driver=]<driver>[,node-name=<N>]"
        "[,discard=ignore|unmap]\n"
        "             [,cache.direct=on|off][,cache.no-flush=on|off]\n"
        "             [,read-only=on|off][,auto-read-only=on|off]\n"
        "             [,force-share=on|off][,detect-zeroes=on|off|unmap]\n"
        "             [,driver specific parameters...]\n"
        "                         configure a block backend\n\n"
        "  --chardev <options>    configure a character device backend\n"
        "                         (see the qemu(1) man page for possible "
        "options)\n\n"
        "  --daemonize            daemonize the process, and have the parent "
        "exit\n"
        "                         once startup is complete\n\n"
        "  --export [type=]nbd,id=<id>,node-name=<node-name>"
        "[,name=<export-name>]\n"
        "           [,writable=on|off][,iothread=<id>]\n"
        "                         export the specified block node over NBD\n"
        "                         (requires --nbd-server)\n\n"
        "  --export [type=]vhost-user-blk,id=<id>,node-name=<node-name>,\n"
        "           addr.type=unix|fd,addr.path=<path>|addr.str=<fd>\n"
        "           [,writable=on|off][,iothread=<id>][,num-queues=<n>]\n"
        "           [,logical-block-size=<size>]\n"
        "                         export the specified block node as a\n"
        "                         vhost-user-blk device\n\n"
#ifdef CONFIG_FUSE
        "  --export [type=]fuse,id=<id>,node-name=<node-name>,"
        "mountpoint=<file>\n"
        "           [,growable=on|off][,writable=on|off]"
        "[,allow-other=on|off|auto]\n"
        "                         export the specified block node over FUSE\n\n"
#endif
        "  --monitor [chardev=]name[,mode=control][,pretty[=on|off]]\n"
        "                         configure a QMP monitor\n\n"
        "  --nbd-server addr.type=inet,addr.host=<host>,addr.port=<port>\n"
        "               [,tls-creds=<id>][,tls-authz=<id>]"
        "[,max-connections=<n>]\n"
        "  --nbd-server addr.type=unix,addr.path=<path>\n"
        "               [,tls-creds=<id>][,tls-authz=<id>]"
        "[,max-connections=<n>]\n"
        "                         start an NBD server for exporting block "
        "nodes\n\n"
        "  --object help          list object types that can be added\n"
        "  --object <type>,help   list properties for the given object type\n"
        "  --object <type>[,<property>=<value>...]\n"
        "                         create a new object of type <type>, setting\n"
        "                         properties in the order they are "
        "specified\n\n"
        "  --pidfile <path>       write process ID to a file after startup\n");
}

/* First pass -----------------------------------------------------------------
 */

bool daemon_options_check(int argc, char **argv, DaemonArgs *args)
{
    int c;

    while ((c = getopt_long(argc, argv, "+hT:V", options, NULL)) != -1) {
        switch (c) {
        case 'h':
            help();
            exit(0);
        case 'V':
            printf("qemu-storage-daemon version " CONFIG_VERSION "\n");
            exit(0);
        case 'T':
            if (!trace_option(optarg)) {
                return false;
            }
            break;
        case '?':
            return false; /* getopt has told */
        case OPT_DAEMONIZE:
            args->daemonize = true;
            break;
        case OPT_PIDFILE:
            args->pidfile = optarg;
            break;
        case OPT_OBJECT:
            object_user_option_help(optarg);
            break;
        default:
            break;
        }
    }
    if (optind < argc) {
        error_report("Unexpected argument: %s", argv[optind]);
        return false;
    }
    optind = 1;
    return true;
}

/* Second pass ----------------------------------------------------------------
 */

static bool start_nbd_server(Vm *vm, const char *text, Error **errp)
{
    g_autoptr(NbdServerOptions) o =
        qapi_parse_option(&qapi_type_NbdServerOptions, text, NULL, errp);
    NbdServerConfig config = { 0 };

    if (!o) {
        return false;
    }
    config.tls_creds = o->tls_creds;
    config.tls_authz = o->tls_authz;
    config.max_connections = o->has_max_connections ? o->max_connections : 0;
    return nbd_server_start(block_vm_graph(vm), o->addr, vm->fdsets, &config,
                            errp);
}

static bool add_export(Vm *vm, const char *text, Error **errp)
{
    g_autoptr(BlockExportOptions) o =
        qapi_parse_option(&qapi_type_BlockExportOptions, text, "type", errp);

    return o && qmp_block_export_add(vm, o, errp);
}

static bool add_monitor(Vm *vm, const char *text, Error **errp)
{
    static const char *const keys[] = { "chardev", "mode", "pretty", "id",
                                        NULL };
    QapiMode mode;
    bool is_help, pretty = false;
    g_autoptr(QDict) d =
        qapi_parse_opts_dict(text, "chardev", &is_help, &mode, errp);
    const char *id;
    Chardev *chr;

    if (!d) {
        return false;
    }
    qapi_opts_keep_last(d);
    QDICT_FOREACH(d, e) {
        if (!g_strv_contains(keys, e->key)) {
            return error_set(errp, "Parameter '%s' is unexpected", e->key);
        }
    }
    if (qdict_has(d, "mode") && strcmp(qdict_get_str(d, "mode"), "control")) {
        return error_set(errp, "HMP is not supported here; use mode=control");
    }
    if (qdict_has(d, "pretty") &&
        !qapi_read_named(&qapi_type_bool, "pretty", qdict_get(d, "pretty"),
                         &pretty, QAPI_KEYVAL, errp)) {
        return false;
    }
    id = qdict_get_str(d, "chardev");
    chr = id ? chardev_find(vm, id) : NULL;
    if (!chr) {
        return error_set(errp, "chardev \"%s\" not found", id ? id : "");
    }
    return monitor_add_qmp(vm, chr, pretty, errp);
}

static bool run_option(Vm *vm, int c, const char *text, Error **errp)
{
    switch (c) {
    case OPT_BLOCKDEV:
        return block_add_blockdev_option(vm, text, errp);
    case OPT_CHARDEV:
        return chardev_add_opts(vm, text, errp);
    case OPT_EXPORT:
        return add_export(vm, text, errp);
    case OPT_MONITOR:
        return add_monitor(vm, text, errp);
    case OPT_NBD_SERVER:
        return start_nbd_server(vm, text, errp);
    case OPT_OBJECT:
        return object_user_add_option(vm->root, vm, text, errp);
    default:
        return true;
    }
}

bool daemon_options_run(Vm *vm, int argc, char **argv, Error **errp)
{
    int c, start = optind;

    while ((c = getopt_long(argc, argv, "+hT:V", options, NULL)) != -1) {
        if (!run_option(vm, c, optarg, errp)) {
            /* In one word or two. */
            return error_prefix(errp, "%s%s%s", argv[start],
                                optind - start > 1 ? " " : "",
                                optind - start > 1 ? argv[start + 1] : "");
        }
        start = optind;
    }
    return true;
}
