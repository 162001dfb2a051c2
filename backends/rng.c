/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random number backends: the queue of requests; see the header. */
#include "util/osdep.h"

#include "backends/rng.h"
#include "softmmu/vm.h"
#include "util/error.h"

struct RngRequest {
    size_t len;
    RngDone *done;
    void *opaque;
};

static const RngBackendClass *rng_class(const RngBackend *b)
{
    return object_class(b);
}

bool rng_open(RngBackend *b, Vm *vm, Error **errp)
{
    if (b->opened) {
        return true;
    }
    b->vm = vm;
    if (rng_class(b)->open && !rng_class(b)->open(b, errp)) {
        return false;
    }
    b->opened = true;
    return true;
}

void rng_request(RngBackend *b, size_t len, RngDone *done, void *opaque)
{
    RngRequest *r = g_new(RngRequest, 1);

    assert(len > 0 && len <= RNG_REQUEST_MAX);
    *r = (RngRequest){ len, done, opaque };
    g_queue_push_tail(&b->requests, r);
    rng_class(b)->wanted(b);
}

void rng_cancel(RngBackend *b, void *opaque)
{
    GList *l = b->requests.head;

    while (l) {
        GList *next = l->next;
        RngRequest *r = l->data;

        if (r->opaque == opaque) {
            g_queue_delete_link(&b->requests, l);
            g_free(r);
        }
        l = next;
    }
}

size_t rng_wanted(const RngBackend *b)
{
    const RngRequest *r = b->requests.head ? b->requests.head->data : NULL;

    return r ? r->len : 0;
}

void rng_deliver(RngBackend *b, const uint8_t *buf, size_t len)
{
    g_autofree RngRequest *r = g_queue_pop_head(&b->requests);

    if (r) {
        r->done(r->opaque, buf, MIN(len, r->len));
    }
}

static bool rng_complete(Object *obj, Vm *vm, Error **errp)
{
    return rng_open(rng_backend(obj), vm, errp);
}

static bool rng_can_delete(Object *obj, Error **errp)
{
    if (obj->refs > 1) {
        return error_set(errp, "'%s' is in use", object_name(obj));
    }
    return true;
}

/* Deprecated: -object opens the backend anyway. */
static QObject *rng_get_opened(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(rng_backend(obj)->opened);
}

static bool rng_set_opened(Object *obj, const Prop *prop, const QObject *value,
                           QapiMode mode, Error **errp)
{
    bool v = false;

    return qapi_read_named(&qapi_type_bool, prop->name, value, &v, mode, errp);
}

static void rng_finalize(Object *obj)
{
    RngBackend *b = (RngBackend *)obj;

    g_queue_clear_full(&b->requests, g_free);
}

static const Prop rng_props[] = {
    PROP_FN("opened", "bool", rng_get_opened, rng_set_opened),
    {},
};
static const RngBackendClass rng_backend_class = { .props = rng_props };

static const UserCreatable rng_creatable = {
    .complete = rng_complete,
    .can_delete = rng_can_delete,
    .early = true,
};

QOM_DEFINE(RngBackend, rng_backend, .name = "rng-backend",
           .parent = &object_type, .class = &rng_backend_class,
           .abstract = true, .user_creatable = &rng_creatable,
           .finalize = rng_finalize);
