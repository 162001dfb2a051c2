/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of qemu-io for tests: breakpoints, signals, waiting. */
#include "util/osdep.h"

#include <signal.h>

#include "block/block-debug.h"
#include "qemu-io.h"
#include "qobject/keyval.h"
#include "util/loop.h"

int io_cmd_abort(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    abort();
}

/* Breakpoints
 * -------------------------------------------------------------------- */

int io_cmd_break(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    int ret = block_debug_break(blk_node(t->blk), argv[1], argv[2]);

    if (ret < 0) {
        printf("Could not set breakpoint: %s\n", g_strerror(-ret));
    }
    return ret;
}

int io_cmd_remove_break(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    int ret = block_debug_remove(blk_node(t->blk), argv[1]);

    if (ret < 0) {
        printf("Could not remove breakpoint %s: %s\n", argv[1],
               g_strerror(-ret));
    }
    return ret;
}

int io_cmd_resume(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    int ret = block_debug_resume(blk_node(t->blk), argv[1]);

    if (ret < 0) {
        printf("Could not resume request: %s\n", g_strerror(-ret));
    }
    return ret;
}

int io_cmd_wait_break(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    while (!block_debug_suspended(blk_node(t->blk), argv[1])) {
        io_wait(t);
    }
    return 0;
}

/* The tool itself
 * ---------------------------------------------------------------- */

int io_cmd_sigraise(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    int64_t sig;

    if (!io_parse_size(argv[1], &sig)) {
        return -EINVAL;
    }
    if (sig > NSIG) {
        return io_fail("signal argument '%s' is too large to be a valid "
                       "signal",
                       argv[1]);
    }
    fflush(NULL);
    raise(sig);
    return 0;
}

static void sleep_over(void *opaque)
{
    *(bool *)opaque = true;
}

int io_cmd_sleep(IoTool *t, const IoCommand *c, int argc, char **argv)
{
    LoopTimer timer;
    bool over = false;
    int64_t ms;

    if (!parse_int64(argv[1], &ms) || ms < 0 || ms > INT64_MAX / 2000000) {
        return io_fail("%s is not a valid number", argv[1]);
    }
    loop_timer_init(&timer, t->loop, sleep_over, &over);
    loop_timer_set_io(&timer);
    loop_timer_set(&timer, loop_now_ns() + ms * (1000000));
    while (!over) {
        io_wait(t);
    }
    return 0;
}
