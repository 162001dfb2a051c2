/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of qemu-io that read, write and discard. */
#include "util/osdep.h"

#include <getopt.h>

#include "xfer.h"

static bool parse_pattern(const char *text, int *pattern)
{
    char *end;
    long v = strtol(text, &end, 0);

    if (*end || end == text || v < 0 || v > 255) {
        printf("%s is not a valid pattern byte\n", text);
        return false;
    }
    *pattern = v;
    return true;
}

/* One letter; false: it, or its value, is bad. *usage: print what is right. */
static bool take_option(Xfer *x, int letter, const char *value, bool *usage)
{
    *usage = false;
    switch (letter) {
    case 'b':
        x->vmstate = true;
        return true;
    case 'c':
        x->compressed = true;
        return true;
    case 'C':
        x->machine = true;
        return true;
    case 'f':
        x->fua = true;
        return true;
    case 'i':
        x->invalid = true;
        return true;
    case 'l':
        return io_parse_size(value, &x->check_len);
    case 'n':
        x->no_fallback = true;
        return true;
    case 'p':
        return true;
    case 'P':
        return parse_pattern(value, &x->pattern);
    case 'q':
        x->quiet = true;
        return true;
    case 's':
        x->source = value;
        return x->kind != XFER_READ || io_parse_size(value, &x->check_start);
    case 'u':
        x->unmap = true;
        return true;
    case 'v':
        x->dump = true;
        return true;
    case 'z':
        x->zero = true;
        return true;
    default:
        *usage = true;
        return false;
    }
}

/* The letters of the command line; false: *ret is the command's result. */
static bool parse_options(Xfer *x, const IoCommand *cmd, int argc, char **argv,
                          const char *letters, int *ret)
{
    bool usage;
    int c;

    *ret = -EINVAL;
    optind = 0;
    while ((c = getopt(argc, argv, letters)) != -1) {
        if (!take_option(x, c, optarg, &usage)) {
            *ret = usage ? io_usage(cmd) : -EINVAL;
            return false;
        }
        if (x->invalid) {
            bool read = xfer_is_read(x);

            printf("injecting invalid %s request\n", read ? "read" : "write");
            blk_acct_invalid(x->t->blk, read ? BLK_ACCT_READ : BLK_ACCT_WRITE);
            *ret = 0;
            return false;
        }
    }
    return true;
}

/* Do the options of a write agree? */
static bool check_write(const Xfer *x)
{
    if (x->vmstate && x->zero) {
        printf("-b and -z cannot be specified at the same time\n");
        return false;
    }
    if (x->fua && (x->vmstate || x->compressed)) {
        printf("-f and -b or -c cannot be specified at the same time\n");
        return false;
    }
    if (x->no_fallback && !x->zero) {
        printf("-n requires -z to be specified\n");
        return false;
    }
    if (x->unmap && !x->zero) {
        printf("-u requires -z to be specified\n");
        return false;
    }
    if (x->kind == XFER_WRITE &&
        x->zero + (x->pattern >= 0) + !!x->source > 1) {
        printf("Only one of -z, -P, and -s can be specified at the same "
               "time\n");
        return false;
    }
    return true;
}

/* After the range is known: what a read shall compare. */
static bool check_compare(const Xfer *x)
{
    int64_t len = MAX(x->check_len, 0);

    if (x->check_start > x->len || len > x->len - x->check_start) {
        printf("pattern verification range exceeds end of read data\n");
        return false;
    }
    return true;
}

static int do_xfer(Xfer *x, const IoCommand *cmd, int argc, char **argv,
                   const char *letters, int max_parts)
{
    bool compares;
    int ret, parts;

    if (!parse_options(x, cmd, argc, argv, letters, &ret)) {
        return ret;
    }
    parts = argc - optind - 1;
    compares = x->kind == XFER_READ && (x->source || x->check_len >= 0);
    if (parts < 1 || parts > max_parts || (compares && x->pattern < 0)) {
        return io_usage(cmd);
    }
    if (x->kind == XFER_READ) {
        x->source = NULL; /* was a number */
    }
    if (x->kind == XFER_AIO_WRITE && x->zero && parts != 1) {
        return io_fail("-z supports only a single length parameter");
    }
    if (!xfer_is_read(x) && !check_write(x)) {
        return -EINVAL;
    }
    return xfer_take_range(x, optind, argc, argv) < 0 || !check_compare(x)
               ? -EINVAL
               : 1;
}

/* @max_parts: how many lengths may be given. */
static int xfer(IoTool *t, XferKind kind, const IoCommand *cmd, int argc,
                char **argv, const char *letters, int max_parts)
{
    Xfer *x = g_new0(Xfer, 1);
    int ret;

    *x = (Xfer){ .t = t, .kind = kind, .pattern = -1, .check_len = -1 };
    ret = do_xfer(x, cmd, argc, argv, letters, max_parts);
    if (ret > 0) {
        return xfer_run(x);
    }
    xfer_free(x);
    return ret;
}

int io_cmd_read(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    return xfer(t, XFER_READ, c, argc, argv, "bCl:pP:qs:v", 1);
}

int io_cmd_readv(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    return xfer(t, XFER_READV, c, argc, argv, "CP:qv", IOVEC_MAX);
}

int io_cmd_write(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    return xfer(t, XFER_WRITE, c, argc, argv, "bcCfnpP:qs:uz", 1);
}

int io_cmd_writev(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    return xfer(t, XFER_WRITEV, c, argc, argv, "CfqP:", IOVEC_MAX);
}

int io_cmd_aio_read(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    return xfer(t, XFER_AIO_READ, c, argc, argv, "CP:iqv", IOVEC_MAX);
}

int io_cmd_aio_write(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    return xfer(t, XFER_AIO_WRITE, c, argc, argv, "CfiP:quz", IOVEC_MAX);
}

int io_cmd_discard(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    return xfer(t, XFER_DISCARD, c, argc, argv, "Cq", 1);
}

int io_cmd_aio_flush(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    while (t->aio_pending) {
        io_wait(t);
    }
    return 0;
}

int io_cmd_flush(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    /* Quiet: the exit status tells. */
    return blk_flush(t->blk);
}
