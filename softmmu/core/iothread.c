/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "-object iothread" and query-iothreads; see the header for the contract. */
#include "util/osdep.h"

#include "qapi/qapi-commands-misc.h"
#include "softmmu/iothread.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/thread-pool.h"

struct IoThread {
    Object obj;
    Loop *loop; /* const from complete to finalize */
    Thread thread;
    int thread_id;
    Mutex lock;
    Cond started; /* with lock: thread_id is set */
    /* machine lock */
    int64_t poll_max_ns, poll_grow, poll_shrink;
    int64_t aio_max_batch;
    int64_t pool_min, pool_max;
};

enum { POLL_MAX_NS_DEFAULT = 32768, THREAD_POOL_MAX_DEFAULT = 64 };

Loop *iothread_loop(IoThread *t)
{
    return t->loop;
}

/* A call on another loop's thread ---------------------------------------- */

typedef struct LoopCall {
    LoopFn *fn;
    void *opaque;
    Mutex lock;
    Cond done_cond;
    bool done; /* lock */
} LoopCall;

static void loop_call_run(void *opaque)
{
    LoopCall *call = opaque;

    call->fn(call->opaque);
    mutex_lock(&call->lock);
    call->done = true;
    cond_signal(&call->done_cond);
    mutex_unlock(&call->lock);
}

void loop_run_on(Loop *loop, LoopFn *fn, void *opaque)
{
    LoopCall call = { .fn = fn, .opaque = opaque };

    if (loop_is_current(loop)) {
        fn(opaque);
        return;
    }
    mutex_init(&call.lock);
    cond_init(&call.done_cond);
    loop_post(loop, loop_call_run, &call);
    mutex_lock(&call.lock);
    while (!call.done) {
        cond_wait(&call.done_cond, &call.lock);
    }
    mutex_unlock(&call.lock);
    cond_destroy(&call.done_cond);
    mutex_destroy(&call.lock);
}

/* The object ------------------------------------------------------------- */

static void *iothread_main(void *opaque)
{
    IoThread *t = opaque;

    loop_set_current(t->loop);
    mutex_lock(&t->lock);
    t->thread_id = thread_id();
    cond_signal(&t->started);
    mutex_unlock(&t->lock);
    loop_run(t->loop);
    return NULL;
}

/* On the loop: take over changed settings. */
static void iothread_apply(void *opaque)
{
    IoThread *t = opaque;

    loop_set_poll(t->loop, t->poll_max_ns, t->poll_grow, t->poll_shrink);
    thread_pool_set_limits(t->loop, t->pool_min, t->pool_max);
}

static bool iothread_complete(Object *obj, Vm *vm, Error **errp)
{
    IoThread *t = iothread(obj);
    const char *id = object_name(obj);
    g_autofree char *name = g_strdup_printf("IO %s", id ? id : "");

    t->loop = loop_new(id ? id : "iothread", errp);
    if (!t->loop) {
        return false;
    }
    iothread_apply(t);
    if (!thread_create(&t->thread, name, iothread_main, t, errp)) {
        loop_free(t->loop);
        t->loop = NULL;
        return false;
    }
    mutex_lock(&t->lock);
    while (!t->thread_id) {
        cond_wait(&t->started, &t->lock);
    }
    mutex_unlock(&t->lock);
    return true;
}

static bool iothread_can_delete(Object *obj, Error **errp)
{
    /* The tree holds one reference, our caller may another; devices that use
     * the thread hold the rest by their link. */
    if (obj->refs > 1) {
        return error_set(errp, "iothread '%s' is in use", object_name(obj));
    }
    return true;
}

static void iothread_init(Object *obj)
{
    IoThread *t = (IoThread *)obj;

    t->poll_max_ns = POLL_MAX_NS_DEFAULT;
    t->pool_max = THREAD_POOL_MAX_DEFAULT;
    mutex_init(&t->lock);
    cond_init(&t->started);
}

static void iothread_finalize(Object *obj)
{
    IoThread *t = (IoThread *)obj;

    if (t->loop) {
        loop_stop(t->loop);
        thread_join(&t->thread);
        loop_free(t->loop);
    }
    cond_destroy(&t->started);
    mutex_destroy(&t->lock);
}

/* Properties: integers of at least 0 that may change while the thread runs  */

static QObject *iothread_get_int(Object *obj, const Prop *prop, Error **errp)
{
    return qint_new(*(int64_t *)prop_slot(obj, prop));
}

static bool iothread_check(IoThread *t, const Prop *prop, int64_t v,
                           Error **errp)
{
    const int64_t *slot = prop_slot(&t->obj, prop);

    if (v < 0) {
        return error_set(errp, "property '%s': must be at least 0", prop->name);
    }
    if (slot == &t->aio_max_batch && v) {
        return error_set(errp, "property 'aio-max-batch': batches have no "
                               "limit to set; only 0 is supported");
    }
    if (slot == &t->pool_min && v > t->pool_max) {
        return error_set(errp, "property 'thread-pool-min': greater than "
                               "thread-pool-max");
    }
    if (slot == &t->pool_max && (v == 0 || v < t->pool_min)) {
        return error_set(errp, "property 'thread-pool-max': must be at least 1 "
                               "and thread-pool-min");
    }
    return true;
}

static bool iothread_set_int(Object *obj, const Prop *prop,
                             const QObject *value, QapiMode mode, Error **errp)
{
    IoThread *t = iothread(obj);
    int64_t v = 0;

    if (!qapi_read_named(&qapi_type_int, prop->name, value, &v, mode, errp) ||
        !iothread_check(t, prop, v, errp)) {
        return false;
    }
    *(int64_t *)prop_slot(obj, prop) = v;
    if (t->loop) {
        loop_run_on(t->loop, iothread_apply, t);
    }
    return true;
}

#define IOTHREAD_INT(nam, f, hlp)                                    \
    {                                                                \
        .name = nam, .kind = &prop_kind_fn, .type = "int",           \
        .offset = offsetof(IoThread, f), .get_fn = iothread_get_int, \
        .set_fn = iothread_set_int, .live = true, .help = hlp        \
    }

static const Prop iothread_props[] = {
    IOTHREAD_INT("poll-max-ns", poll_max_ns,
                 "Longest time to poll before waiting; 0: do not poll"),
    IOTHREAD_INT("poll-grow", poll_grow,
                 "Factor by which the polling time grows; 0: the default"),
    IOTHREAD_INT("poll-shrink", poll_shrink,
                 "Divisor by which the polling time shrinks; 0: the default"),
    IOTHREAD_INT("aio-max-batch", aio_max_batch, NULL),
    IOTHREAD_INT("thread-pool-min", pool_min, NULL),
    IOTHREAD_INT("thread-pool-max", pool_max, NULL),
    {},
};

static const ObjectClass iothread_class = { .props = iothread_props };

static const UserCreatable iothread_creatable = {
    .complete = iothread_complete,
    .can_delete = iothread_can_delete,
    .early = true,
};

QOM_DEFINE(IoThread, iothread, .name = "iothread", .parent = &object_type,
           .class = &iothread_class, .user_creatable = &iothread_creatable,
           .init = iothread_init, .finalize = iothread_finalize);

/* QMP -------------------------------------------------------------------- */

static bool collect_iothread(Object *child, void *opaque)
{
    IOThreadInfoList ***tail = opaque;
    IoThread *t = object_dynamic_cast(child, &iothread_type);
    IOThreadInfo *info;

    if (!t || !t->loop) {
        return true;
    }
    info = g_new0(IOThreadInfo, 1);
    info->id = g_strdup(object_name(child));
    info->thread_id = t->thread_id;
    info->poll_max_ns = t->poll_max_ns;
    info->poll_grow = t->poll_grow;
    info->poll_shrink = t->poll_shrink;
    info->aio_max_batch = t->aio_max_batch;
    QAPI_LIST_APPEND(*tail, info);
    return true;
}

IOThreadInfoList *qmp_query_iothreads(Vm *vm, Error **errp)
{
    IOThreadInfoList *list = NULL, **tail = &list;

    object_children_foreach(object_container(vm->root, "objects"),
                            collect_iothread, &tail);
    return list;
}
