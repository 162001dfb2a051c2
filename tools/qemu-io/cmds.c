/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of qemu-io. */
#include "util/osdep.h"

#include <getopt.h>
#include <signal.h>

#include "qemu-io.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct Command {
    const char *name, *alias, *args, *help;
    int argmin, argmax; /* argmax -1: any number */
    bool no_file;       /* works without an open image */
    int (*fn)(IoTool *t, int argc, char **argv);
} Command;

static int fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
static int fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    return -EINVAL;
}

/* Options that the transfer commands share. */
typedef struct Xfer {
    bool machine, quiet, dump, zero, unmap, fua, no_fallback, compressed,
        invalid;
    const char *source;             /* file to fill the buffer from */
    int pattern;                    /* -1: none given */
    int64_t check_start, check_len; /* -s and -l; len -1: all */
    int64_t offset, len;
    IoVec iov;
    uint8_t *buf;
} Xfer;

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

static bool parse_len(const char *text, const char *what, int64_t *v)
{
    *v = io_parse_size(text);
    if (*v < 0) {
        printf("Parsing error: non-numeric argument, or extraneous/"
               "unrecognized suffix -- %s\n",
               text);
        return false;
    }
    return true;
}

static bool parse_xfer_options(Xfer *x, int argc, char **argv,
                               const char *letters)
{
    int c;

    *x = (Xfer){ .pattern = -1, .check_len = -1 };
    optind = 0;
    while ((c = getopt(argc, argv, letters)) != -1) {
        switch (c) {
        case 'C':
            x->machine = true;
            break;
        case 'q':
            x->quiet = true;
            break;
        case 'v':
            x->dump = true;
            break;
        case 'z':
            x->zero = true;
            break;
        case 'u':
            x->unmap = true;
            break;
        case 'f':
            x->fua = true;
            break;
        case 'n':
            x->no_fallback = true;
            break;
        case 'p':
            break;
        case 'P':
            if (!parse_pattern(optarg, &x->pattern)) {
                return false;
            }
            break;
        case 'c':
            x->compressed = true;
            break;
        case 'i':
            x->invalid = true;
            break;
        case 's':
            if (strchr(letters, 'c')) {
                x->source = optarg; /* of a write */
                break;
            }
            if (!parse_len(optarg, "start", &x->check_start)) {
                return false;
            }
            break;
        case 'l':
            if (!parse_len(optarg, "length", &x->check_len)) {
                return false;
            }
            break;
        default:
            return false;
        }
    }
    if ((x->check_start || x->check_len >= 0) && x->pattern < 0) {
        printf("-s and -l need -P\n");
        return false;
    }
    return true;
}

/* "off len [len..]" from optind on; a buffer unless zeroes are written. */
static bool parse_xfer_range(IoTool *t, Xfer *x, int argc, char **argv, int max,
                             int fill)
{
    int n = argc - optind - 1;

    if (n < 1 || n > max) {
        printf("bad argument count\n");
        return false;
    }
    if (!parse_len(argv[optind], "offset", &x->offset)) {
        return false;
    }
    x->iov.iov = g_new0(struct iovec, n);
    for (int i = 0; i < n; i++) {
        int64_t len;

        if (!parse_len(argv[optind + 1 + i], "length", &len)) {
            return false;
        }
        if (len > BLK_REQ_MAX && !x->zero) {
            printf("length cannot exceed %" PRId64 ", given %s\n", BLK_REQ_MAX,
                   argv[optind + 1 + i]);
            return false;
        }
        x->iov.iov[i].iov_len = len;
        x->len += len;
    }
    x->iov.niov = n;
    x->iov.size = x->len;
    if (!x->zero) {
        size_t skew = t->misalign ? 16 : 0;
        uint8_t *p;

        if (posix_memalign((void **)&x->buf, 4096, x->len + 4096)) {
            printf("no memory\n");
            return false;
        }
        memset(x->buf, fill, x->len + skew);
        p = x->buf + skew;
        for (int i = 0; i < n; i++) {
            x->iov.iov[i].iov_base = p;
            p += x->iov.iov[i].iov_len;
        }
    }
    return true;
}

static void xfer_free(Xfer *x)
{
    g_free(x->iov.iov);
    free(x->buf);
}

/* Transfers
 * ------------------------------------------------------------------------- */

typedef enum Kind { KIND_READ, KIND_WRITE, KIND_ZERO, KIND_COMPRESSED } Kind;

typedef struct Pending {
    IoTool *t;
    Xfer x;
    Kind kind;
    int64_t start;
    bool done, async;
    int ret;
} Pending;

static int check_pattern(const Xfer *x)
{
    int64_t from = x->check_start;
    int64_t len = x->check_len >= 0 ? x->check_len : x->len - from;
    const uint8_t *p = x->iov.iov[0].iov_base;

    if (from > x->len || len > x->len - from) {
        return fail("pattern verification range exceeds end of read data");
    }
    for (int64_t i = from; i < from + len; i++) {
        if (p[i] != x->pattern) {
            printf("Pattern verification failed at offset %" PRId64 ", %" PRId64
                   " bytes\n",
                   x->offset + from, len);
            return -EINVAL;
        }
    }
    return 0;
}

static int xfer_report(Pending *p)
{
    static const char *const verbs[] = { "read", "wrote", "wrote", "wrote" };
    static const char *const names[] = { "read", "write", "write", "write" };
    Xfer *x = &p->x;
    IoStats s = { .verb = verbs[p->kind],
                  .offset = x->offset,
                  .asked = x->len,
                  .done = x->len,
                  .ops = 1,
                  .seconds = (loop_now_ns() - p->start) / 1e9,
                  .machine = x->machine };
    int ret = p->ret;

    if (ret < 0) {
        printf("%s%s failed: %s\n", p->async ? "aio_" : "", names[p->kind],
               g_strerror(-ret));
        return ret;
    }
    if (p->kind == KIND_READ && x->pattern >= 0) {
        ret = check_pattern(x);
    }
    if (!x->quiet) {
        if (p->kind == KIND_READ && x->dump) {
            io_dump(x->iov.iov[0].iov_base, x->offset, x->len);
        }
        io_report(&s);
    }
    return ret;
}

typedef struct Compressed {
    BlockNode *n;
    const Xfer *x;
    int ret;
} Compressed;

static void coroutine_fn compressed_entry(void *opaque)
{
    Compressed *c = opaque;
    const Xfer *x = c->x;
    int64_t cluster = MAX(512, c->n->limits.discard_alignment);
    const char *buf = x->iov.iov[0].iov_base;

    c->ret = c->n->read_only ? -EPERM : 0;
    for (int64_t done = 0; done < x->len && c->ret >= 0;) {
        int64_t step = MIN(cluster, x->len - done);

        c->ret =
            node_pwrite_compressed(c->n, x->offset + done, step, buf + done);
        done += step;
    }
}

static void xfer_done(void *opaque, int ret)
{
    Pending *p = opaque;

    p->ret = ret;
    p->done = true;
    if (p->async) {
        p->t->aio_pending--;
        p->t->aio_failed |= xfer_report(p) < 0;
        xfer_free(&p->x);
        g_free(p);
    }
}

static void xfer_start(Pending *p)
{
    Xfer *x = &p->x;
    unsigned flags = (x->fua ? BLK_REQ_FUA : 0) |
                     (x->unmap ? BLK_REQ_MAY_UNMAP : 0) |
                     (x->no_fallback ? BLK_REQ_NO_FALLBACK : 0);

    p->start = loop_now_ns();
    p->t->aio_pending += p->async;
    switch (p->kind) {
    case KIND_READ:
        blk_aio_preadv(p->t->blk, x->offset, &x->iov, 0, xfer_done, p);
        break;
    case KIND_COMPRESSED: {
        Compressed c = { blk_node(p->t->blk), x, 0 };

        block_run(compressed_entry, &c);
        xfer_done(p, c.ret);
        break;
    }
    case KIND_WRITE:
        blk_aio_pwritev(p->t->blk, x->offset, &x->iov, flags, xfer_done, p);
        break;
    default:
        blk_aio_pwrite_zeroes(p->t->blk, x->offset, x->len, flags, xfer_done,
                              p);
    }
}

/* The file's bytes, again and again, into the buffer. */
static bool fill_from_file(Xfer *x)
{
    g_autofree char *data = NULL;
    gsize len;
    FILE *f = fopen(x->source, "r");
    uint8_t *p = x->iov.iov[0].iov_base;

    if (f) {
        fclose(f);
    }
    if (!f || !g_file_get_contents(x->source, &data, &len, NULL)) {
        printf("%s: %s\n", x->source, g_strerror(errno));
        return false;
    }
    if (!len) {
        printf("%s: file is empty\n", x->source);
        return false;
    }
    for (int64_t i = 0; i < x->len; i++) {
        p[i] = data[i % len];
    }
    return true;
}

static bool is_sectors(int64_t v, const char *what)
{
    if (v & 511) {
        printf("%" PRId64 " is not a sector-aligned value for '%s'\n", v, what);
    }
    return !(v & 511);
}

/* Do the options of a write agree? */
static bool check_write(const Xfer *x)
{
    if (x->compressed && x->fua) {
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
    if (x->zero + (x->pattern >= 0) + !!x->source > 1) {
        printf("Only one of -z, -P, and -s can be specified at the same "
               "time\n");
        return false;
    }
    return true;
}

static int xfer(IoTool *t, Kind kind, int argc, char **argv,
                const char *letters, int max_parts, bool async)
{
    Pending *p = g_new0(Pending, 1);
    bool ok = parse_xfer_options(&p->x, argc, argv, letters) &&
              (kind == KIND_READ || check_write(&p->x));
    int ret = -EINVAL;

    if (ok && p->x.invalid) {
        printf("injecting invalid %s request\n",
               kind == KIND_READ ? "read" : "write");
        blk_acct_invalid(t->blk,
                         kind == KIND_READ ? BLK_ACCT_READ : BLK_ACCT_WRITE);
        g_free(p);
        return 0;
    }
    if (kind == KIND_WRITE && p->x.zero) {
        kind = KIND_ZERO;
    } else if (kind == KIND_WRITE && p->x.compressed) {
        kind = KIND_COMPRESSED;
    }
    if (!ok ||
        !parse_xfer_range(t, &p->x, argc, argv, max_parts,
                          kind == KIND_READ   ? 0xab
                          : p->x.pattern >= 0 ? p->x.pattern
                                              : 0xcd) ||
        (p->x.source && !fill_from_file(&p->x)) ||
        (kind == KIND_COMPRESSED && (!is_sectors(p->x.offset, "offset") ||
                                     !is_sectors(p->x.len, "count")))) {
        xfer_free(&p->x);
        g_free(p);
        return ret;
    }
    p->t = t;
    p->kind = kind;
    p->async = async;
    xfer_start(p);
    if (async) {
        return 0;
    }
    while (!p->done) {
        loop_run_once(t->loop, true);
    }
    ret = xfer_report(p);
    xfer_free(&p->x);
    g_free(p);
    return ret;
}

static int cmd_read(IoTool *t, int argc, char **argv)
{
    return xfer(t, KIND_READ, argc, argv, "Cl:pP:qs:v", 1, false);
}

static int cmd_readv(IoTool *t, int argc, char **argv)
{
    return xfer(t, KIND_READ, argc, argv, "CP:qv", IOVEC_MAX, false);
}

static int cmd_write(IoTool *t, int argc, char **argv)
{
    return xfer(t, KIND_WRITE, argc, argv, "cCfnpP:qs:uz", 1, false);
}

static int cmd_writev(IoTool *t, int argc, char **argv)
{
    return xfer(t, KIND_WRITE, argc, argv, "CfqP:", IOVEC_MAX, false);
}

static int cmd_aio_read(IoTool *t, int argc, char **argv)
{
    return xfer(t, KIND_READ, argc, argv, "CP:iqv", IOVEC_MAX, true);
}

static int cmd_aio_write(IoTool *t, int argc, char **argv)
{
    return xfer(t, KIND_WRITE, argc, argv, "CfP:iquz", IOVEC_MAX, true);
}

static int cmd_aio_flush(IoTool *t, int argc, char **argv)
{
    bool failed;

    while (t->aio_pending) {
        loop_run_once(t->loop, true);
    }
    failed = t->aio_failed;
    t->aio_failed = false;
    return failed ? -EIO : 0;
}

static int cmd_flush(IoTool *t, int argc, char **argv)
{
    /* Quiet, as QEMU's: the exit status tells. */
    return blk_flush(t->blk);
}

static int cmd_discard(IoTool *t, int argc, char **argv)
{
    int64_t start = loop_now_ns();
    IoStats s = { .verb = "discard", .ops = 1 };
    Xfer x;
    int ret;

    if (!parse_xfer_options(&x, argc, argv, "Cq") || argc - optind != 2 ||
        !parse_len(argv[optind], "offset", &x.offset) ||
        !parse_len(argv[optind + 1], "length", &x.len)) {
        return -EINVAL;
    }
    ret = blk_pdiscard(t->blk, x.offset, x.len);
    if (ret < 0) {
        printf("discard failed: %s\n", g_strerror(-ret));
        return ret;
    }
    s.offset = x.offset;
    s.asked = s.done = x.len;
    s.seconds = (loop_now_ns() - start) / 1e9;
    s.machine = x.machine;
    if (!x.quiet) {
        io_report(&s);
    }
    return 0;
}

/* Looking
 * -----------------------------------------------------------------------------
 */

typedef struct Status {
    BlockNode *n;
    int64_t offset, bytes;
    int64_t num;
    int ret;
} Status;

static void coroutine_fn status_entry(void *opaque)
{
    Status *s = opaque;
    BlockNode *file;
    int64_t map;

    s->ret = node_block_status(s->n, false, s->offset, s->bytes, &s->num, &map,
                               &file);
}

/* 1: allocated in this layer, 0: not, or -errno; *num bytes alike. */
static int allocated(IoTool *t, int64_t offset, int64_t bytes, int64_t *num)
{
    Status s = { blk_node(t->blk), offset, bytes, 0, 0 };

    block_run(status_entry, &s);
    *num = s.num;
    return s.ret < 0 ? s.ret : !!(s.ret & BLK_STATUS_ALLOCATED);
}

static int cmd_alloc(IoTool *t, int argc, char **argv)
{
    int64_t start, count = 512, sum = 0, num;
    char at[64];

    if (!parse_len(argv[1], "offset", &start) ||
        (argc == 3 && !parse_len(argv[2], "count", &count))) {
        return -EINVAL;
    }
    for (int64_t off = start, left = count; left;) {
        int ret = allocated(t, off, left, &num);

        if (ret < 0) {
            printf("is_allocated failed: %s\n", g_strerror(-ret));
            return ret;
        }
        if (!num) {
            break;
        }
        sum += ret ? num : 0;
        off += num;
        left -= num;
    }
    io_print_size(start, at, sizeof(at));
    printf("%" PRId64 "/%" PRId64 " bytes allocated at offset %s\n", sum, count,
           at);
    return 0;
}

static int cmd_map(IoTool *t, int argc, char **argv)
{
    int64_t off = 0, length = blk_getlength(t->blk);

    while (off < length) {
        int64_t run = 0, num, more;
        int ret = allocated(t, off, length - off, &num), next = ret;
        char size[64], at[64];

        while (ret >= 0 && next == ret && num) {
            run += num;
            next = off + run < length
                       ? allocated(t, off + run, length - off - run, &more)
                       : -1;
            num = more;
        }
        if (ret < 0 || !run) {
            return fail("Failed to get allocation status");
        }
        io_print_size(run, size, sizeof(size));
        io_print_size(off, at, sizeof(at));
        printf("%s (0x%" PRIx64 ") bytes %s allocated at offset %s (0x%" PRIx64
               ")\n",
               size, run, ret ? "   " : "not", at, off);
        off += run;
    }
    return 0;
}

static int cmd_length(IoTool *t, int argc, char **argv)
{
    char size[64];

    io_print_size(blk_getlength(t->blk), size, sizeof(size));
    printf("%s\n", size);
    return 0;
}

static int cmd_truncate(IoTool *t, int argc, char **argv)
{
    Error *err = NULL;
    int64_t size;

    if (!parse_len(argv[1], "offset", &size)) {
        return -EINVAL;
    }
    if (!blk_set_perm(t->blk, BLK_PERM_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE,
                      BLK_PERM_ALL, &err) ||
        !blk_truncate(t->blk, size, false, &err)) {
        error_report_err(err);
        return -EIO;
    }
    return 0;
}

/* Files and the tool itself
 * ------------------------------------------------------------- */

static int cmd_open(IoTool *t, int argc, char **argv)
{
    g_autoptr(GString) options = g_string_new(NULL);
    OpenArgs a = { 0 };
    Error *err = NULL;
    int c;

    optind = 0;
    while ((c = getopt(argc, argv, "rnkUt:d:o:")) != -1) {
        switch (c) {
        case 'r':
            a.read_only = true;
            break;
        case 'n':
            a.cache = "none";
            break;
        case 'k':
            a.aio = "native";
            break;
        case 'U':
            a.force_share = true;
            break;
        case 't':
            a.cache = optarg;
            break;
        case 'd':
            a.discard = optarg;
            break;
        case 'o':
            /* All of them count. */
            g_string_append_printf(options, "%s%s", options->len ? "," : "",
                                   optarg);
            a.options = options->str;
            break;
        default:
            return -EINVAL;
        }
    }
    a.file = optind < argc ? argv[optind] : NULL;
    if (t->blk) {
        return fail("file open already, try 'help close'");
    }
    if (!io_open(t, &a, &err)) {
        error_report_err(err);
        return -EINVAL;
    }
    return 0;
}

static int cmd_close(IoTool *t, int argc, char **argv)
{
    io_close(t);
    return 0;
}

static int cmd_quit(IoTool *t, int argc, char **argv)
{
    t->quit = true;
    return 0;
}

static int cmd_abort(IoTool *t, int argc, char **argv)
{
    abort();
}

static int cmd_sigraise(IoTool *t, int argc, char **argv)
{
    fflush(NULL);
    return raise(atoi(argv[1])) ? -EINVAL : 0;
}

static void sleep_over(void *opaque)
{
    *(bool *)opaque = true;
}

static int cmd_sleep(IoTool *t, int argc, char **argv)
{
    LoopTimer timer;
    bool over = false;

    loop_timer_init(&timer, t->loop, sleep_over, &over);
    loop_timer_set(&timer, loop_now_ns() + atoll(argv[1]) * 1000000);
    while (!over) {
        loop_run_once(t->loop, true);
    }
    return 0;
}

static int cmd_help(IoTool *t, int argc, char **argv);

static const Command commands[] = {
    { "abort", NULL, NULL, "simulate a program crash using abort(3)", 0, 0,
      true, cmd_abort },
    { "aio_flush", NULL, NULL, "completes all outstanding aio requests", 0, 0,
      false, cmd_aio_flush },
    { "aio_read", NULL, "[-Ciqv] [-P pattern] off len [len..]",
      "asynchronously reads a number of bytes", 2, -1, false, cmd_aio_read },
    { "aio_write", NULL, "[-Cfiquz] [-P pattern] off len [len..]",
      "asynchronously writes a number of bytes", 2, -1, false, cmd_aio_write },
    { "alloc", NULL, "offset [count]",
      "checks if offset is allocated in the file", 1, 2, false, cmd_alloc },
    { "close", "c", NULL, "close the current open file", 0, 0, false,
      cmd_close },
    { "discard", "d", "[-Cq] off len",
      "discards a number of bytes at a specified offset", 2, -1, false,
      cmd_discard },
    { "flush", "f", NULL, "flush all in-core file state to disk", 0, 0, false,
      cmd_flush },
    { "help", "?", "[command]", "help for one or all commands", 0, 1, true,
      cmd_help },
    { "length", "l", NULL, "gets the length of the current file", 0, 0, false,
      cmd_length },
    { "map", NULL, NULL, "prints the allocated areas of a file", 0, 0, false,
      cmd_map },
    { "open", "o", "[-rnkU] [-t cache] [-d discard] [-o options] [path]",
      "open the file specified by path", 1, -1, true, cmd_open },
    { "quit", "q", NULL, "exit the program", 0, 0, true, cmd_quit },
    { "read", "r", "[-Cqv] [-P pattern [-s off] [-l len]] off len",
      "reads a number of bytes at a specified offset", 2, -1, false, cmd_read },
    { "readv", NULL, "[-Cqv] [-P pattern] off len [len..]",
      "reads a number of bytes at a specified offset", 2, -1, false,
      cmd_readv },
    { "sigraise", NULL, "signal", "raises a signal", 1, 1, true, cmd_sigraise },
    { "sleep", NULL, NULL, "waits for the given value in milliseconds", 1, 1,
      true, cmd_sleep },
    { "truncate", "t", "off", "truncates the current file at the given offset",
      1, 1, false, cmd_truncate },
    { "write", "w", "[-cCfnquz] [-P pattern | -s source_file] off len",
      "writes a number of bytes at a specified offset", 2, -1, false,
      cmd_write },
    { "writev", NULL, "[-Cfq] [-P pattern] off len [len..]",
      "writes a number of bytes at a specified offset", 2, -1, false,
      cmd_writev },
};

static const Command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const Command *c = &commands[i];

        if (!strcmp(c->name, name) || (c->alias && !strcmp(c->alias, name))) {
            return c;
        }
    }
    return NULL;
}

static void print_help_line(const Command *c)
{
    printf("%s %s%s-- %s\n", c->name, c->args ? c->args : "",
           c->args ? " " : "", c->help);
}

static int cmd_help(IoTool *t, int argc, char **argv)
{
    if (argc == 2) {
        const Command *c = find_command(argv[1]);

        if (!c) {
            return fail("command %s not found", argv[1]);
        }
        print_help_line(c);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        print_help_line(&commands[i]);
    }
    printf("\nUse 'help commandname' for extended help.\n");
    return 0;
}

static int check_count(const Command *c, int n)
{
    if (n >= c->argmin && (c->argmax < 0 || n <= c->argmax)) {
        return 0;
    }
    if (c->argmax < 0) {
        fprintf(stderr,
                "bad argument count %d to %s, expected at least %d "
                "arguments\n",
                n, c->name, c->argmin);
    } else if (c->argmin == c->argmax) {
        fprintf(stderr,
                "bad argument count %d to %s, expected %d "
                "arguments\n",
                n, c->name, c->argmin);
    } else {
        fprintf(stderr,
                "bad argument count %d to %s, expected between %d and "
                "%d arguments\n",
                n, c->name, c->argmin, c->argmax);
    }
    return -EINVAL;
}

int io_command(IoTool *t, const char *line)
{
    g_auto(GStrv) words = g_strsplit_set(line, " \t\n", -1);
    g_autofree char **argv = g_new0(char *, g_strv_length(words) + 1);
    const Command *c;
    int argc = 0;

    for (char **w = words; *w; w++) {
        if (**w) {
            argv[argc++] = *w;
        }
    }
    if (!argc) {
        return 0;
    }
    c = find_command(argv[0]);
    if (!c) {
        fprintf(stderr, "command \"%s\" not found\n", argv[0]);
        return -EINVAL;
    }
    if (!c->no_file && !t->blk) {
        fprintf(stderr, "no file open, try 'help open'\n");
        return -EINVAL;
    }
    if (check_count(c, argc - 1) < 0) {
        return -EINVAL;
    }
    return c->fn(t, argc, argv);
}
