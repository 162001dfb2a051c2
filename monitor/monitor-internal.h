/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of monitor/ share. */
#ifndef MONITOR_MONITOR_INTERNAL_H
#define MONITOR_MONITOR_INTERNAL_H

#include "io/channel.h"
#include "monitor/monitor.h"
#include "qapi/dispatch.h"
#include "qapi/event.h"
#include "softmmu/vm.h"

/* Requests that wait in one QMP monitor before it stops reading. */
#define QMP_QUEUE_MAX 8
/* Output that waits for a client before it loses events. */
#define MONITOR_OUT_MAX (16 * MiB)

typedef struct MonitorOps {
    /* Main loop, machine lock, nothing else running: do one command. False
     * when there is none. */
    bool (*run_one)(Monitor *mon);
    /* The other commands are done; input may go on. */
    void (*idle)(Monitor *mon);
    void (*free)(Monitor *mon);
} MonitorOps;

struct Monitor {
    const MonitorOps *ops;
    struct Monitors *all;
    CharFrontend fe;
    Mutex lock;
    /* Guarded by lock */
    GString *out;    /* what the chardev did not take yet */
    size_t out_done; /* of it */
    IoFds fds;       /* came with the input, for getfd */
    /* Chardev's loop */
    LoopTask out_task; /* start to watch for room */
};

struct Monitors {
    Vm *vm;
    GPtrArray *list;  /* Monitor *; machine lock, and lock to change it */
    Monitor *current; /* whose command runs; machine lock */
    bool busy;        /* a command runs; machine lock */
    LoopTask pump;    /* run what waits */
    LoopTask left;    /* a client left */
    VmExitListener exit;
    /* Out-of-band monitors read on this thread; NULL until the first one. */
    Loop *oob_loop;
    Thread oob_thread;
    struct QmpEvents *events;
};

/* The VM's, made when first asked for. */
struct Monitors *monitors_get(Vm *vm);

/* Any thread: start on what waits in the queues. */
void monitors_kick(struct Monitors *all);
/* After a command that ran in a coroutine. */
void monitors_command_done(struct Monitors *all);

bool monitor_init(Monitor *mon, const MonitorOps *ops, Vm *vm, Chardev *chr,
                  Error **errp);
/* Any thread: queue bytes for the client. */
void monitor_write(Monitor *mon, const char *buf, size_t len);
/* The same with mon->lock held. */
void monitor_write_locked(Monitor *mon, const char *buf, size_t len);
/* Main loop: read on @loop from now on. */
void monitor_set_loop(Monitor *mon, Loop *loop);
/* Output that waits: the client does not read. */
bool monitor_is_clogged(Monitor *mon);
/* Forget output and descriptors of the last client. With mon->lock held. */
void monitor_reset_locked(Monitor *mon);
/* From read(): keep the descriptors that came along. */
void monitor_keep_fds(Monitor *mon, bool replace);
/* The next passed descriptor of the monitor whose command runs, or -1. */
int monitor_take_fd(Monitor *mon, Error **errp);

/* QMP */
bool qmp_monitor_is(const Monitor *mon);
bool qmp_monitor_is_pretty(const Monitor *mon);
/* An event, with its line end. Any thread. */
void qmp_monitor_event(Monitor *mon, const char *text, size_t len);
struct QmpEvents *qmp_events_new(struct Monitors *all);
void qmp_events_free(struct QmpEvents *e);
QapiEventSink *qmp_events_sink(struct QmpEvents *e);
/* Told of monitors; the list that events go to has its own lock. */
void qmp_events_add(struct QmpEvents *e, Monitor *mon);
void qmp_events_del(struct QmpEvents *e, Monitor *mon);

#endif
