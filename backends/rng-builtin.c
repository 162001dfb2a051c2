/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "rng-builtin": bytes from the host kernel by getrandom(2). */
#include "util/osdep.h"

#include <sys/random.h>

#include "backends/rng.h"
#include "softmmu/vm.h"
#include "util/error.h"

QOM_DECLARE(RngBuiltin, rng_builtin)
struct RngBuiltin {
    RngBackend parent;
    LoopTask task;
};

static void rng_builtin_serve(void *opaque)
{
    RngBuiltin *s = opaque;
    size_t want = rng_wanted(&s->parent);
    uint8_t buf[4096];
    ssize_t n;

    if (!want) {
        return;
    }
    /* Never blocks for long: the host has been up for a while. */
    n = RETRY_ON_EINTR(getrandom(buf, MIN(want, sizeof(buf)), 0));
    if (n > 0) {
        rng_deliver(&s->parent, buf, n);
    }
    if (rng_wanted(&s->parent)) {
        loop_task_post(&s->task);
    }
}

static bool rng_builtin_open(RngBackend *b, Error **errp)
{
    RngBuiltin *s = rng_builtin(b);

    loop_task_init(&s->task, b->vm->loop, rng_builtin_serve, s);
    return true;
}

static void rng_builtin_wanted(RngBackend *b)
{
    loop_task_post(&rng_builtin(b)->task);
}

static void rng_builtin_finalize(Object *obj)
{
    RngBuiltin *s = (RngBuiltin *)obj;

    if (s->parent.opened) {
        loop_task_cancel(&s->task);
    }
}

static const RngBackendClass rng_builtin_class = {
    .open = rng_builtin_open,
    .wanted = rng_builtin_wanted,
};
QOM_DEFINE(RngBuiltin, rng_builtin, .name = "rng-builtin",
           .parent = &rng_backend_type, .class = &rng_builtin_class,
           .finalize = rng_builtin_finalize);
