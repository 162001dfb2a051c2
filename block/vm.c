/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The block layer in a VM: options, what a stopped VM means, and the end.
 */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/block-options.h"
#include "block/export.h"
#include "block/job.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/fdset.h"

/* What hangs off the graph in a VM. */
typedef struct VmBlock {
    Vm *vm;
    VmStateListener state;
    VmExitListener exit;
} VmBlock;

static void stop_vm(void *opaque)
{
    VmBlock *b = opaque;

    vm_stop_request(b->vm, RUN_STATE_IO_ERROR);
}

static int open_fdset(void *opaque, const char *path, int flags)
{
    VmBlock *b = opaque;

    return fdsets_open(b->vm->fdsets, path, flags, 0);
}

static struct FdSets *fdsets(void *opaque)
{
    VmBlock *b = opaque;

    return b->vm->fdsets;
}

static QapiEventSink *events(void *opaque)
{
    VmBlock *b = opaque;

    return b->vm->events;
}

/* Under qtest, what waits on purpose waits by the VM's clock. */

static int64_t clock_now(void *opaque)
{
    VmBlock *b = opaque;

    return vm_clock_ns(b->vm, VM_CLOCK_VIRTUAL);
}

static void *clock_alarm(void *opaque, int64_t deadline, LoopFn *fn, void *arg)
{
    VmBlock *b = opaque;
    VmTimer *t = g_new0(VmTimer, 1);

    vm_timer_init(t, b->vm, VM_CLOCK_VIRTUAL, fn, arg);
    vm_timer_set(t, deadline);
    return t;
}

static void clock_alarm_free(void *alarm)
{
    vm_timer_cancel(alarm);
    g_free(alarm);
}

static const BlockClock *block_vm_clock(void *opaque)
{
    static const BlockClock clock = { clock_now, clock_alarm,
                                      clock_alarm_free };
    VmBlock *b = opaque;

    return vm_clock_is_manual(b->vm) ? &clock : NULL;
}

/* A stopped VM's images hold all that its guest has written. */
static void vm_state_changed(void *opaque, bool running, RunState state)
{
    VmBlock *b = opaque;

    if (!running) {
        blk_drain_all(b->vm->block);
        blk_flush_all(b->vm->block);
    }
}

/* Devices stay attached but find no medium any more. */
static void close_all(void *opaque)
{
    VmBlock *b = opaque;
    BlockGraph *g = b->vm->block;

    block_exports_close(g);
    job_cancel_all(g);
    for (guint i = 0; i < g->blks->len; i++) {
        blk_drained_begin(g->blks->pdata[i]);
    }
    blk_graph_close(g);
}

/* What an iSCSI initiator of this VM is called. */
static char *initiator_name(const Vm *vm)
{
    const uint8_t *u = vm->uuid;

    return vm->uuid_set ? g_strdup_printf("%02x%02x%02x%02x-%02x%02x-%02x%02x-"
                                          "%02x%02x-%02x%02x%02x%02x%02x%02x",
                                          u[0], u[1], u[2], u[3], u[4], u[5],
                                          u[6], u[7], u[8], u[9], u[10], u[11],
                                          u[12], u[13], u[14], u[15])
                        : g_strdup(vm->name);
}

BlockGraph *block_vm_graph(Vm *vm)
{
    VmBlock *b;

    if (vm->block) {
        return vm->block;
    }
    b = g_new0(VmBlock, 1);
    b->vm = vm;
    b->state = (VmStateListener){ .fn = vm_state_changed,
                                  .opaque = b,
                                  .priority = INT_MIN };
    b->exit = (VmExitListener){ .fn = close_all, .opaque = b };
    vm->block = block_graph_new(vm->loop);
    vm->block->root = vm->root;
    vm->block->emulator = vm->target;
    vm->block->initiator = initiator_name(vm);
    vm->block->hooks = (BlockHooks){ .stop_vm = stop_vm,
                                     .open_fdset = open_fdset,
                                     .events = events,
                                     .fdsets = fdsets,
                                     .clock = block_vm_clock,
                                     .opaque = b };
    vm_state_listener_add(vm, &b->state);
    vm_exit_listener_add(vm, &b->exit);
    return vm->block;
}

bool block_add_blockdev_option(Vm *vm, const char *text, Error **errp)
{
    return blockdev_add_option(block_vm_graph(vm), text, errp);
}

bool block_add_drive_option(Vm *vm, const char *text, bool snapshot,
                            Error **errp)
{
    block_vm_graph(vm)->snapshot = snapshot;
    return drive_add(block_vm_graph(vm), text, errp);
}
