/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which thread serves which queue of a virtio-blk device: "iothread=X" for all
 * of them, or "iothread-vq-mapping": a list of {iothread, vqs}, where no "vqs"
 * at all deals the queues out in turn.
 */
#include "util/osdep.h"

#include "qobject/keyval.h"
#include "qobject/qobject.h"
#include "util/error.h"
#include "virtio-blk.h"

static IoThread *find_iothread(VirtioBlk *s, const QDict *entry, Error **errp)
{
    Vm *vm = s->parent.parent.vm;
    const char *id = qobject_get_str(qdict_get(entry, "iothread"));
    Object *obj;

    if (!id) {
        error_set(errp, "iothread-vq-mapping: 'iothread' is missing");
        return NULL;
    }
    obj = object_child(object_container(vm->root, "objects"), id);
    obj = object_dynamic_cast(obj, &iothread_type);
    if (!obj) {
        error_set(errp, "IOThread '%s' object does not exist", id);
        return NULL;
    }
    for (unsigned i = 0; i < s->mapped->len; i++) {
        if (g_ptr_array_index(s->mapped, i) == obj) {
            error_set(errp,
                      "duplicate iothread name '%s' in "
                      "iothread-vq-mapping",
                      id);
            return NULL;
        }
    }
    g_ptr_array_add(s->mapped, object_ref(obj));
    return iothread(obj);
}

static bool map_one(VirtioBlk *s, const QObject *number, IoThread *t,
                    IoThread **owner, Error **errp)
{
    uint64_t vq;

    if (!qobject_get_uint(number, &vq) &&
        !(qobject_get_str(number) &&
          parse_uint64(qobject_get_str(number), &vq))) {
        return error_set(errp, "iothread-vq-mapping: 'vqs' must be numbers");
    }
    if (vq >= s->num_queues) {
        return error_set(errp,
                         "vq index %" PRIu64 " for IOThread must be less "
                         "than num_queues %u in iothread-vq-mapping",
                         vq, s->num_queues);
    }
    if (owner[vq]) {
        return error_set(errp, "cannot assign vq %" PRIu64 " to two IOThreads",
                         vq);
    }
    owner[vq] = t;
    return true;
}

static bool map_entry(VirtioBlk *s, const QObject *value, IoThread **owner,
                      bool *explicit, Error **errp)
{
    const QDict *entry = qobject_to_dict(value);
    const QList *vqs;
    IoThread *t;

    if (!entry) {
        return error_set(errp,
                         "iothread-vq-mapping: must be a list of objects");
    }
    t = find_iothread(s, entry, errp);
    if (!t) {
        return false;
    }
    vqs = qobject_to_list(qdict_get(entry, "vqs"));
    if (s->mapped->len > 1 && *explicit != (vqs != NULL)) {
        return error_set(errp, "either all items in iothread-vq-mapping must "
                               "have vqs or none of them must have it");
    }
    *explicit = vqs != NULL;
    for (size_t i = 0; vqs && i < qlist_size(vqs); i++) {
        if (!map_one(s, qlist_get(vqs, i), t, owner, errp)) {
            return false;
        }
    }
    return true;
}

static bool map_list(VirtioBlk *s, Error **errp)
{
    const QList *list = qobject_to_list(s->vq_mapping);
    g_autofree IoThread **owner = g_new0(IoThread *, s->num_queues);
    bool explicit = false;

    if (!list || !qlist_size(list)) {
        return error_set(errp,
                         "iothread-vq-mapping: must be a list of objects");
    }
    for (size_t i = 0; i < qlist_size(list); i++) {
        if (!map_entry(s, qlist_get(list, i), owner, &explicit, errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < s->num_queues; i++) {
        if (!explicit) {
            owner[i] = g_ptr_array_index(s->mapped, i % s->mapped->len);
        }
        if (!owner[i]) {
            return error_set(errp,
                             "missing vq %u IOThread assignment in "
                             "iothread-vq-mapping",
                             i);
        }
    }
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_queue_set_loop(s->parent.queues[i], iothread_loop(owner[i]));
    }
    return true;
}

bool virtio_blk_map_queues(VirtioBlk *s, Error **errp)
{
    s->mapped = g_ptr_array_new_with_free_func(object_unref);
    if (s->iothread && s->vq_mapping) {
        return error_set(errp, "iothread and iothread-vq-mapping properties "
                               "cannot be set at the same time");
    }
    if (s->vq_mapping) {
        return map_list(s, errp);
    }
    for (unsigned i = 0; s->iothread && i < s->num_queues; i++) {
        virtio_queue_set_loop(s->parent.queues[i], iothread_loop(s->iothread));
    }
    return true;
}

void virtio_blk_unmap_queues(VirtioBlk *s)
{
    g_clear_pointer(&s->mapped, g_ptr_array_unref);
}

/* The property ----------------------------------------------------------- */

QObject *virtio_blk_get_mapping(Object *obj, const Prop *prop, Error **errp)
{
    VirtioBlk *s = virtio_blk(obj);

    return s->vq_mapping ? qobject_ref(s->vq_mapping) : QOBJECT(qlist_new());
}

bool virtio_blk_set_mapping(Object *obj, const Prop *prop, const QObject *value,
                            QapiMode mode, Error **errp)
{
    VirtioBlk *s = virtio_blk(obj);

    if (!qobject_to_list(value)) {
        return error_set(errp, "Parameter '%s' must be a list", prop->name);
    }
    qobject_unref(s->vq_mapping);
    s->vq_mapping = qobject_ref((QObject *)value);
    return true;
}
