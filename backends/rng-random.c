/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "rng-random,filename=": bytes from a file such as /dev/hwrng, which may
 * make us wait. */
#include "util/osdep.h"

#include <sys/stat.h>

#include "backends/rng.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/fdset.h"

QOM_DECLARE(RngRandom, rng_random)
struct RngRandom {
    RngBackend parent;
    char *filename; /* property: const after open */
    int fd;
    LoopFd *watch; /* NULL for files that epoll does not take */
    LoopTask task; /* for those */
};

static void rng_random_serve(RngRandom *s)
{
    size_t want = rng_wanted(&s->parent);
    uint8_t buf[4096];
    ssize_t n;

    if (!want) {
        if (s->watch) {
            loop_fd_set_events(s->watch, 0);
        }
        return;
    }
    n = read(s->fd, buf, MIN(want, sizeof(buf)));
    if (n > 0) {
        rng_deliver(&s->parent, buf, n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        warn_report_ratelimited("rng-random: cannot read '%s': %s", s->filename,
                                n ? g_strerror(errno) : "end of file");
        if (s->watch) {
            loop_fd_set_events(s->watch, 0);
        }
        return; /* the guest waits */
    }
    if (!s->watch && rng_wanted(&s->parent)) {
        loop_task_post(&s->task);
    }
}

static void rng_random_readable(void *opaque, unsigned events)
{
    rng_random_serve(opaque);
}

static void rng_random_task(void *opaque)
{
    rng_random_serve(opaque);
}

static bool rng_random_open(RngBackend *b, Error **errp)
{
    RngRandom *s = rng_random(b);
    struct stat st;

    s->fd = fdsets_open(b->vm->fdsets, s->filename,
                        O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
    if (s->fd < 0) {
        return error_errno(errp, -s->fd, "cannot open '%s'", s->filename);
    }
    if (fstat(s->fd, &st) == 0 && !S_ISREG(st.st_mode)) {
        s->watch = loop_fd_add(b->vm->loop, s->fd, 0, rng_random_readable, s);
    }
    loop_task_init(&s->task, b->vm->loop, rng_random_task, s);
    return true;
}

static void rng_random_wanted(RngBackend *b)
{
    RngRandom *s = rng_random(b);

    if (s->watch) {
        loop_fd_set_events(s->watch, LOOP_IN);
    } else {
        loop_task_post(&s->task);
    }
}

static void rng_random_init(Object *obj)
{
    ((RngRandom *)obj)->fd = -1;
}

static void rng_random_finalize(Object *obj)
{
    RngRandom *s = (RngRandom *)obj;

    loop_fd_del(s->watch);
    if (s->parent.opened) {
        loop_task_cancel(&s->task);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
}

static const Prop rng_random_props[] = {
    PROP_STR_DEF(RngRandom, filename, "filename", "/dev/urandom",
                 .type = "string"),
    {},
};
static const RngBackendClass rng_random_class = {
    .props = rng_random_props,
    .open = rng_random_open,
    .wanted = rng_random_wanted,
};
QOM_DEFINE(RngRandom, rng_random, .name = "rng-random",
           .parent = &rng_backend_type, .class = &rng_random_class,
           .init = rng_random_init, .finalize = rng_random_finalize);
