/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QMP and HMP monitors have in common: output, turns, the end. */
#include "util/osdep.h"

#include "monitor/monitor-internal.h"
#include "util/error.h"
#include "util/fdset.h"

/* How long the last replies may take to leave. */
#define FLUSH_NS INT64_C(500000000)

/* Turns --------------------------------------------------------------------------- */

/* Commands run one at a time: each monitor in turn, on the main loop. */
static void monitors_pump(void *opaque)
{
    struct Monitors *all = opaque;
    bool ran = true;

    if (all->busy || all->vm->building) {
        return;
    }
    while (ran && !all->busy && !all->vm->building) {
        ran = false;
        for (guint i = 0;
             i < all->list->len && !all->busy && !all->vm->building; i++) {
            Monitor *mon = all->list->pdata[i];

            all->busy = true;
            all->current = mon;
            if (mon->ops->run_one(mon)) {
                ran = true;
            } else {
                all->busy = false;
            }
        }
    }
    if (!all->busy) {
        all->current = NULL;
        for (guint i = 0; i < all->list->len; i++) {
            Monitor *mon = all->list->pdata[i];

            mon->ops->idle(mon);
        }
    }
}

void monitors_kick(struct Monitors *all)
{
    if (loop_is_current(all->vm->loop)) {
        monitors_pump(all);
    } else {
        loop_task_post(&all->pump);
    }
}

void monitors_go_on(Vm *vm)
{
    vm->building = false;
    if (vm->monitors) {
        monitors_kick(vm->monitors);
    }
}

void monitors_command_done(struct Monitors *all)
{
    all->busy = false;
}

/* When the last QMP client has left, fd sets that nothing uses go, as QEMU has
 * it: while the guest runs, so that one client may prepare for another. */
static void client_left(void *opaque)
{
    struct Monitors *all = opaque;

    for (guint i = 0; i < all->list->len; i++) {
        Monitor *mon = all->list->pdata[i];

        if (qmp_monitor_is(mon) && char_fe_is_open(&mon->fe)) {
            return;
        }
    }
    if (vm_is_running(all->vm)) {
        fdsets_drop_unused(all->vm->fdsets);
    }
}

static void at_exit(void *opaque)
{
    monitors_cleanup(opaque);
}

struct Monitors *monitors_get(Vm *vm)
{
    struct Monitors *all = vm->monitors;

    if (!all) {
        all = g_new0(struct Monitors, 1);
        all->vm = vm;
        all->list = g_ptr_array_new();
        loop_task_init(&all->pump, vm->loop, monitors_pump, all);
        loop_task_init(&all->left, vm->loop, client_left, all);
        all->exit = (VmExitListener){ .fn = at_exit, .opaque = vm };
        vm_exit_listener_add(vm, &all->exit);
        vm->monitors = all;
    }
    return all;
}

/* Output ---------------------------------------------------------------------------- */

static void monitor_flush_locked(Monitor *mon)
{
    size_t left = mon->out->len - mon->out_done;

    mon->out_done += char_fe_write(&mon->fe, mon->out->str + mon->out_done,
                                   left);
    if (mon->out_done == mon->out->len) {
        g_string_truncate(mon->out, 0);
        mon->out_done = 0;
    }
}

static void monitor_out_ready(void *opaque)
{
    Monitor *mon = opaque;
    bool more;

    mutex_lock(&mon->lock);
    monitor_flush_locked(mon);
    more = mon->out->len;
    mutex_unlock(&mon->lock);
    if (more) {
        char_fe_watch_out(&mon->fe, monitor_out_ready, mon);
    } else {
        char_fe_accept_input(&mon->fe);
    }
}

void monitor_write_locked(Monitor *mon, const char *buf, size_t len)
{
    size_t n = 0;

    if (!mon->out->len) {
        n = char_fe_write(&mon->fe, buf, len);
    }
    if (n == len || mon->out->len > MONITOR_OUT_MAX) {
        return;
    }
    g_string_append_len(mon->out, buf + n, len - n);
    loop_task_post(&mon->out_task);
}

void monitor_write(Monitor *mon, const char *buf, size_t len)
{
    mutex_lock(&mon->lock);
    monitor_write_locked(mon, buf, len);
    mutex_unlock(&mon->lock);
}

void monitor_set_loop(Monitor *mon, Loop *loop)
{
    char_fe_watch_out(&mon->fe, NULL, NULL);
    mutex_lock(&mon->lock);
    loop_task_cancel(&mon->out_task);
    char_fe_set_loop(&mon->fe, loop);
    mon->out_task.loop = loop;
    if (mon->out->len) {
        loop_task_post(&mon->out_task);
    }
    mutex_unlock(&mon->lock);
}

bool monitor_is_clogged(Monitor *mon)
{
    bool clogged;

    mutex_lock(&mon->lock);
    clogged = mon->out->len;
    mutex_unlock(&mon->lock);
    return clogged;
}

void monitor_reset_locked(Monitor *mon)
{
    g_string_truncate(mon->out, 0);
    mon->out_done = 0;
    io_fds_close(&mon->fds);
}

/* Passed descriptors ------------------------------------------------------------------ */

void monitor_keep_fds(Monitor *mon, bool replace)
{
    int fds[IO_MAX_FDS];
    size_t n = char_fe_take_fds(&mon->fe, fds, IO_MAX_FDS);

    if (!n) {
        return;
    }
    mutex_lock(&mon->lock);
    if (replace) {
        io_fds_close(&mon->fds);
    }
    for (size_t i = 0; i < n; i++) {
        if (mon->fds.n < IO_MAX_FDS) {
            mon->fds.fd[mon->fds.n++] = fds[i];
        } else {
            close(fds[i]);
        }
    }
    mutex_unlock(&mon->lock);
}

int monitor_take_fd(Monitor *mon, Error **errp)
{
    int fd = -1;

    if (mon) {
        mutex_lock(&mon->lock);
        if (mon->fds.n) {
            fd = mon->fds.fd[0];
            mon->fds.n--;
            memmove(mon->fds.fd, mon->fds.fd + 1, mon->fds.n * sizeof(int));
        }
        mutex_unlock(&mon->lock);
    }
    if (fd < 0) {
        error_set(errp, "No file descriptor supplied via SCM_RIGHTS");
    }
    return fd;
}

/* Life ---------------------------------------------------------------------------------- */

bool monitor_init(Monitor *mon, const MonitorOps *ops, Vm *vm, Chardev *chr,
                  Error **errp)
{
    mon->ops = ops;
    mon->all = monitors_get(vm);
    if (!char_fe_init(&mon->fe, chr, errp)) {
        return false;
    }
    mutex_init(&mon->lock);
    mon->out = g_string_new(NULL);
    loop_task_init(&mon->out_task, vm->loop, monitor_out_ready, mon);
    g_ptr_array_add(mon->all->list, mon);
    return true;
}

/* Give the client a moment to take what is left, also one that will not say
 * more: "-qmp stdio" in a pipe. Writing to one that is gone ends at once. */
static void monitor_drain(Monitor *mon)
{
    int64_t end = loop_now_ns() + FLUSH_NS;

    while (monitor_is_clogged(mon) && loop_now_ns() < end) {
        mutex_lock(&mon->lock);
        monitor_flush_locked(mon);
        mutex_unlock(&mon->lock);
        g_usleep(100);
    }
}

static void monitor_free(Monitor *mon)
{
    monitor_drain(mon);
    char_fe_deinit(&mon->fe);
    loop_task_cancel(&mon->out_task);
    io_fds_close(&mon->fds);
    mon->ops->free(mon);
    g_string_free(mon->out, TRUE);
    mutex_destroy(&mon->lock);
    g_free(mon);
}

void monitors_cleanup(Vm *vm)
{
    struct Monitors *all = vm->monitors;

    if (!all || !all->list) {
        return;
    }
    if (all->oob_loop) {
        loop_stop(all->oob_loop);
        thread_join(&all->oob_thread);
    }
    vm->events = NULL;
    for (guint i = 0; i < all->list->len; i++) {
        monitor_free(all->list->pdata[i]);
    }
    g_clear_pointer(&all->events, qmp_events_free);
    loop_task_cancel(&all->pump);
    loop_task_cancel(&all->left);
    loop_free(all->oob_loop);
    all->oob_loop = NULL;
    g_ptr_array_free(all->list, TRUE);
    all->list = NULL;
}
