/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of qemu-io that open and close images. */
#include "util/osdep.h"

#include <getopt.h>

#include "qemu-io.h"
#include "util/error.h"

/* All of several -o count. */
static void add_options(GString *options, const char *text)
{
    g_string_append_printf(options, "%s%s", options->len ? "," : "", text);
}

/* Options of "open", the texts of which go to @options. 0 or -errno. */
static int parse_open(const IoCommand *cmd, OpenArgs *a, GString *options,
                      int argc, char **argv)
{
    int c;

    optind = 0;
    while ((c = getopt(argc, argv, "snCro:ki:t:d:U")) != -1) {
        if (c == 'o') {
            add_options(options, optarg);
        } else if (c == '?') {
            return io_usage(cmd);
        } else if (!io_open_option(a, c)) {
            return -EINVAL;
        }
    }
    return argc - optind > 1 ? io_usage(cmd) : 0;
}

int io_cmd_open(IoTool *t, const IoCommand *cmd, int argc, char **argv)
{
    g_autoptr(GString) options = g_string_new(NULL);
    OpenArgs a = { 0 };
    Error *err = NULL;
    int ret = parse_open(cmd, &a, options, argc, argv);

    if (ret < 0) {
        return ret;
    }
    a.options = options->len ? options->str : NULL;
    a.file = optind < argc ? argv[optind] : NULL;
    if (!io_open(t, &a, &err)) {
        error_report_err(err);
        return -EINVAL;
    }
    return 0;
}

int io_cmd_reopen(IoTool *t, const IoCommand *cmd, int argc, char **argv)
{
    g_autoptr(GString) options = g_string_new(NULL);
    IoReopen r = { .writable = -1 };
    Error *err = NULL;
    int c;

    optind = 0;
    while ((c = getopt(argc, argv, "c:o:rw")) != -1) {
        switch (c) {
        case 'c':
            r.cache = optarg;
            break;
        case 'o':
            add_options(options, optarg);
            break;
        case 'r':
        case 'w':
            if (r.writable >= 0) {
                error_report("Only one -r/-w option may be given");
                return -EINVAL;
            }
            r.writable = c == 'w';
            break;
        default:
            return io_usage(cmd);
        }
    }
    if (optind < argc) {
        return io_usage(cmd);
    }
    r.options = options->len ? options->str : NULL;
    if (!io_reopen(t, &r, &err)) {
        error_report_err(err);
        return -EINVAL;
    }
    return 0;
}

int io_cmd_close(IoTool *t, const IoCommand *cmd, int argc, char **argv)
{
    io_close(t);
    return 0;
}
