/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of qemu-io: the table, and running one line.
 * Spec: "help" of QEMU 7.2's qemu-io.
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "qemu-io.h"
#include "util/error.h"
#include "util/loop.h"

int io_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    return -EINVAL;
}

/* @name: by which the user knows it. */
static int print_usage(const IoCommand *c, const char *name)
{
    printf("%s ", name);
    if (c->args) {
        printf("%s ", c->args);
    }
    printf("-- %s\n", c->help);
    return -EINVAL;
}

int io_usage(const IoCommand *c)
{
    return print_usage(c, c->name);
}

static int cmd_help(IoTool *t, const IoCommand *c, int argc, char **argv);

static int cmd_quit(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    t->quit = true;
    return 0;
}

static const IoCommand commands[] = {
    {
        .name = "abort",
        .help = "simulate a program crash using abort(3)",
        .no_file = true,
        .fn = io_cmd_abort,
    },
    {
        .name = "aio_flush",
        .help = "completes all outstanding aio requests",
        .fn = io_cmd_aio_flush,
    },
    {
        .name = "aio_read",
        .args = "[-Ciqv] [-P pattern] off len [len..]",
        .help = "asynchronously reads a number of bytes",
        .more = io_help_aio_read,
        .argmin = 2,
        .argmax = -1,
        .fn = io_cmd_aio_read,
    },
    {
        .name = "aio_write",
        .args = "[-Cfiquz] [-P pattern] off len [len..]",
        .help = "asynchronously writes a number of bytes",
        .more = io_help_aio_write,
        .argmin = 2,
        .argmax = -1,
        .perm = BLK_PERM_WRITE,
        .fn = io_cmd_aio_write,
    },
    {
        .name = "alloc",
        .alias = "a",
        .args = "offset [count]",
        .help = "checks if offset is allocated in the file",
        .argmin = 1,
        .argmax = 2,
        .fn = io_cmd_alloc,
    },
    {
        .name = "break",
        .args = "event tag",
        .help =
            "sets a breakpoint on event and tags the stopped request as tag",
        .argmin = 2,
        .argmax = 2,
        .fn = io_cmd_break,
    },
    {
        .name = "close",
        .alias = "c",
        .help = "close the current open file",
        .program_only = true,
        .fn = io_cmd_close,
    },
    {
        .name = "discard",
        .alias = "d",
        .args = "[-Cq] off len",
        .help = "discards a number of bytes at a specified offset",
        .more = io_help_discard,
        .argmin = 2,
        .argmax = -1,
        .perm = BLK_PERM_WRITE,
        .fn = io_cmd_discard,
    },
    {
        .name = "flush",
        .alias = "f",
        .help = "flush all in-core file state to disk",
        .fn = io_cmd_flush,
    },
    {
        .name = "help",
        .alias = "?",
        .args = "[command]",
        .help = "help for one or all commands",
        .argmax = 1,
        .no_file = true,
        .fn = cmd_help,
    },
    {
        .name = "info",
        .alias = "i",
        .help = "prints information about the current file",
        .fn = io_cmd_info,
    },
    {
        .name = "length",
        .alias = "l",
        .help = "gets the length of the current file",
        .fn = io_cmd_length,
    },
    {
        .name = "map",
        .args = "",
        .help = "prints the allocated areas of a file",
        .argmax = 1,
        .fn = io_cmd_map,
    },
    {
        .name = "open",
        .alias = "o",
        .args = "[-rsCnkU] [-t cache] [-d discard] [-o options] [path]",
        .help = "open the file specified by path",
        .more = io_help_open,
        .argmin = 1,
        .argmax = -1,
        .no_file = true,
        .program_only = true,
        .fn = io_cmd_open,
    },
    {
        .name = "quit",
        .alias = "q",
        .help = "exit the program",
        .argmax = -1,
        .no_file = true,
        .program_only = true,
        .fn = cmd_quit,
    },
    {
        .name = "read",
        .alias = "r",
        .args = "[-abCqv] [-P pattern [-s off] [-l len]] off len",
        .help = "reads a number of bytes at a specified offset",
        .more = io_help_read,
        .argmin = 2,
        .argmax = -1,
        .fn = io_cmd_read,
    },
    {
        .name = "readv",
        .args = "[-Cqv] [-P pattern] off len [len..]",
        .help = "reads a number of bytes at a specified offset",
        .more = io_help_readv,
        .argmin = 2,
        .argmax = -1,
        .fn = io_cmd_readv,
    },
    {
        .name = "remove_break",
        .args = "tag",
        .help = "remove a breakpoint by tag",
        .argmin = 1,
        .argmax = 1,
        .fn = io_cmd_remove_break,
    },
    {
        .name = "reopen",
        .args = "[(-r|-w)] [-c cache] [-o options]",
        .help = "reopens an image with new options",
        .more = io_help_reopen,
        .argmax = -1,
        .fn = io_cmd_reopen,
    },
    {
        .name = "resume",
        .args = "tag",
        .help = "resumes the request tagged as tag",
        .argmin = 1,
        .argmax = 1,
        .fn = io_cmd_resume,
    },
    {
        .name = "sigraise",
        .args = "signal",
        .help = "raises a signal",
        .more = io_help_sigraise,
        .argmin = 1,
        .argmax = 1,
        .no_file = true,
        .fn = io_cmd_sigraise,
    },
    {
        .name = "sleep",
        .help = "waits for the given value in milliseconds",
        .argmin = 1,
        .argmax = 1,
        .no_file = true,
        .fn = io_cmd_sleep,
    },
    {
        .name = "truncate",
        .alias = "t",
        .args = "[-m prealloc_mode] off",
        .help = "truncates the current file at the given offset",
        .argmin = 1,
        .argmax = 3,
        .perm = BLK_PERM_WRITE | BLK_PERM_RESIZE,
        .fn = io_cmd_truncate,
    },
    {
        .name = "wait_break",
        .args = "tag",
        .help = "waits for the suspension of a request",
        .argmin = 1,
        .argmax = 1,
        .fn = io_cmd_wait_break,
    },
    {
        .name = "write",
        .alias = "w",
        .args = "[-bcCfnquz] [-P pattern | -s source_file] off len",
        .help = "writes a number of bytes at a specified offset",
        .more = io_help_write,
        .argmin = 2,
        .argmax = -1,
        .perm = BLK_PERM_WRITE,
        .fn = io_cmd_write,
    },
    {
        .name = "writev",
        .args = "[-Cfq] [-P pattern] off len [len..]",
        .help = "writes a number of bytes at a specified offset",
        .more = io_help_writev,
        .argmin = 2,
        .argmax = -1,
        .perm = BLK_PERM_WRITE,
        .fn = io_cmd_writev,
    },
};

static bool is_there(const IoTool *t, const IoCommand *c)
{
    return !c->program_only || !t->in_monitor;
}

static const IoCommand *find_command(const IoTool *t, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const IoCommand *c = &commands[i];

        if (is_there(t, c) &&
            (!strcmp(c->name, name) || (c->alias && !strcmp(c->alias, name)))) {
            return c;
        }
    }
    return NULL;
}

static int cmd_help(IoTool *t, const IoCommand *self, int argc, char **argv)
{
    if (argc == 2) {
        const IoCommand *c = find_command(t, argv[1]);

        if (!c) {
            return io_fail("command %s not found", argv[1]);
        }
        print_usage(c, argv[1]);
        if (c->more) {
            printf("%s", c->more);
        }
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (is_there(t, &commands[i])) {
            io_usage(&commands[i]);
        }
    }
    printf("\nUse 'help commandname' for extended help.\n");
    return 0;
}

/* Running
 * ------------------------------------------------------------------------ */

static int check_count(const IoCommand *c, int n)
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

/* The image may be open for less than @c does. */
static bool take_perm(IoTool *t, const IoCommand *c)
{
    Error *err = NULL;

    if (!c->perm ||
        blk_set_perm(t->blk, t->blk->perm | c->perm, t->blk->shared, &err)) {
        return true;
    }
    error_report_err(err);
    return false;
}

static int run_words(IoTool *t, int argc, char **argv)
{
    const IoCommand *c = find_command(t, argv[0]);

    if (!c) {
        fprintf(stderr, "command \"%s\" not found\n", argv[0]);
        return -EINVAL;
    }
    if (!c->no_file && !t->blk) {
        fprintf(stderr, "no file open, try 'help open'\n");
        return -EINVAL;
    }
    if (check_count(c, argc - 1) < 0 || !take_perm(t, c)) {
        return -EINVAL;
    }
    return c->fn(t, c, argc, argv);
}

void io_wait(const IoTool *t)
{
    loop_run_io(t->loop, true);
}

int io_command(IoTool *t, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    g_autofree char **argv = g_new0(char *, g_strv_length(words) + 1);
    int argc = 0, ret;

    for (char **w = words; *w; w++) {
        if (**w) {
            argv[argc++] = *w;
        }
    }
    ret = argc ? run_words(t, argc, argv) : 0;
    fflush(stdout);
    return ret;
}
