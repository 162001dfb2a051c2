/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-io: the program.
 * Spec: qemu-io --help of QEMU 7.2.
 */
#include "util/osdep.h"

#include <getopt.h>

#include "qemu-io.h"
#include "qom/user-object.h"
#include "util/error.h"
#include "util/rcu.h"
#include "util/thread.h"
#include "util/trace.h"

/* Command line
 * ---------------------------------------------------------------------------
 */

static void usage(void)
{
    printf("Usage: qemu-io [OPTIONS]... [-c STRING]... [file]\n"
           "QEMU Disk exerciser\n\n"
           "  --object OBJECTDEF   define an object such as 'secret' for\n"
           "                       passwords and/or encryption keys\n"
           "  --image-opts         treat file as option string\n"
           "  -c, --cmd STRING     execute command with its arguments\n"
           "                       from the given string\n"
           "  -f, --format FMT     specifies the block driver to use\n"
           "  -r, --read-only      export read-only\n"
           "  -s, --snapshot       use snapshot file\n"
           "  -n, --nocache        disable host cache, short for -t none\n"
           "  -C, --copy-on-read   enable copy-on-read\n"
           "  -m, --misalign       misalign allocations for O_DIRECT\n"
           "  -k, --native-aio     use kernel AIO implementation\n"
           "                       (Linux only, prefer use of -i)\n"
           "  -i, --aio=MODE       use AIO mode (threads, native or "
           "io_uring)\n"
           "  -t, --cache=MODE     use the given cache mode for the image\n"
           "  -d, --discard=MODE   use the given discard mode for the image\n"
           "  -T, --trace [[enable=]<pattern>][,events=<file>]"
           "[,file=<file>]\n"
           "                       specify tracing options\n"
           "                       see qemu-img(1) man page for full "
           "description\n"
           "  -U, --force-share    force shared permissions\n"
           "  -h, --help           display this help and exit\n"
           "  -V, --version        output version information and exit\n\n"
           "See 'qemu-io -c help' for information on available commands.\n");
}

static int run_interactive(IoTool *t)
{
    g_autofree char *line = NULL;
    size_t cap = 0;
    int failed = 0;

    while (!t->quit) {
        printf("qemu-io> ");
        fflush(stdout);
        if (getline(&line, &cap, stdin) < 0) {
            break;
        }
        line[strcspn(line, "\n")] = '\0';
        failed |= io_command(t, line) < 0;
    }
    return failed;
}

static int run(IoTool *t, GPtrArray *cmds)
{
    int failed = 0;

    if (!cmds->len) {
        failed = run_interactive(t);
    }
    for (guint i = 0; i < cmds->len && !t->quit; i++) {
        failed |= io_command(t, cmds->pdata[i]) < 0;
    }
    while (t->aio_pending) {
        io_wait(t);
    }
    return failed;
}

enum { OPT_IMAGE_OPTS = 256, OPT_OBJECT };

static const struct option long_options[] = {
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { "cmd", required_argument, NULL, 'c' },
    { "format", required_argument, NULL, 'f' },
    { "read-only", no_argument, NULL, 'r' },
    { "snapshot", no_argument, NULL, 's' },
    { "nocache", no_argument, NULL, 'n' },
    { "copy-on-read", no_argument, NULL, 'C' },
    { "misalign", no_argument, NULL, 'm' },
    { "native-aio", no_argument, NULL, 'k' },
    { "aio", required_argument, NULL, 'i' },
    { "discard", required_argument, NULL, 'd' },
    { "cache", required_argument, NULL, 't' },
    { "force-share", no_argument, NULL, 'U' },
    { "image-opts", no_argument, NULL, OPT_IMAGE_OPTS },
    { "object", required_argument, NULL, OPT_OBJECT },
    { "trace", required_argument, NULL, 'T' },
    { 0 },
};

static bool add_object(IoTool *t, const char *text)
{
    Error *err = NULL;

    object_user_option_help(text);
    t->root = t->root ? t->root : object_root_new();
    if (!object_user_add_option(t->root, NULL, text, &err)) {
        error_report_err(err);
        return false;
    }
    return true;
}

/* False: end with *status. */
static bool parse(int argc, char **argv, OpenArgs *a, IoTool *t,
                  GPtrArray *cmds, int *status)
{
    int c;

    *status = 1;
    while ((c = getopt_long(argc, argv, "hVc:d:f:rsnCmki:t:T:U", long_options,
                            NULL)) != -1) {
        switch (c) {
        case 'h':
            usage();
            *status = 0;
            return false;
        case 'V':
            printf("qemu-io version " CONFIG_VERSION "\n");
            *status = 0;
            return false;
        case 'c':
            g_ptr_array_add(cmds, optarg);
            break;
        case 'f':
            a->format = optarg;
            break;
        case 'm':
            t->misalign = true;
            break;
        case OPT_IMAGE_OPTS:
            a->image_opts = true;
            break;
        case OPT_OBJECT:
            if (!add_object(t, optarg)) {
                return false;
            }
            break;
        case 'T':
            if (!trace_option(optarg)) {
                return false;
            }
            break;
        case '?':
            usage();
            return false;
        default:
            if (!io_open_option(a, c)) {
                return false;
            }
            break;
        }
    }
    if (argc - optind > 1) {
        usage();
        return false;
    }
    if (a->format && a->image_opts) {
        error_report("--image-opts and -f are mutually exclusive");
        return false;
    }
    a->file = optind < argc ? argv[optind] : NULL;
    return true;
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) cmds = g_ptr_array_new();
    OpenArgs args = { 0 };
    IoTool t = { 0 };
    Error *err = NULL;
    int status;

    report_set_program(argv[0]);
    thread_begin_signals();
    if (!parse(argc, argv, &args, &t, cmds, &status)) {
        object_unref(t.root);
        return status;
    }
    rcu_register_thread();
    t.loop = loop_new("main", &err);
    if (!t.loop) {
        error_report_err(err);
        return 1;
    }
    loop_set_current(t.loop);
    t.graph = block_graph_new(t.loop);
    t.graph->root = t.root;
    if (args.file && !io_open(&t, &args, &err)) {
        error_report_err(err);
        status = 1;
    } else {
        status = run(&t, cmds);
    }
    io_close(&t);
    /* Objects first: groups of theirs are in the graph. */
    blk_graph_close(t.graph);
    object_unref(t.root);
    block_graph_free(t.graph);
    loop_free(t.loop);
    rcu_unregister_thread();
    return status;
}
