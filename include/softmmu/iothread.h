/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "-object iothread": a thread that serves a loop, for device queues and block
 * nodes. It never takes the machine lock, so a thread that holds the lock may
 * wait for it.
 */
#ifndef SOFTMMU_IOTHREAD_H
#define SOFTMMU_IOTHREAD_H

#include "qom/object.h"
#include "util/loop.h"

QOM_DECLARE_TYPE(IoThread, iothread)

Loop *iothread_loop(IoThread *t);

/* Run @fn(@opaque) on @loop's thread and wait until it has returned. Directly
 * when called from there. Any thread, but never for the main loop from another
 * thread that holds the machine lock. */
void loop_run_on(Loop *loop, LoopFn *fn, void *opaque);

#endif
