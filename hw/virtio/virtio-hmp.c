/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: "info virtio" and its relatives, made from the QMP commands. */
#include "util/osdep.h"

#include "qapi/hmp.h"
#include "qapi/qapi-commands-virtio.h"
#include "util/error.h"

static const char *yes(bool v)
{
    return v ? "true" : "false";
}

static bool info_virtio(Hmp *hmp, const QDict *args, Error **errp)
{
    VirtioInfoList *list = qmp_x_query_virtio(hmp->vm, errp);

    if (!list) {
        hmp_printf(hmp, "No VirtIO devices\n");
    }
    for (VirtioInfoList *l = list; l; l = l->next) {
        hmp_printf(hmp, "%s [%s]\n", l->value->path, l->value->name);
    }
    qapi_free_VirtioInfoList(list);
    return true;
}

static void print_names(Hmp *hmp, const strList *list)
{
    for (; list; list = list->next) {
        hmp_printf(hmp, "\t%s%s\n", list->value, list->next ? "," : "");
    }
}

static void print_features(Hmp *hmp, const char *what,
                           const VirtioDeviceFeatures *f)
{
    hmp_printf(hmp, "  %s features:\n", what);
    print_names(hmp, f->transports);
    print_names(hmp, f->dev_features);
    if (f->unknown_dev_features) {
        hmp_printf(hmp, "  unknown-features(0x%016" PRIx64 ")\n",
                   f->unknown_dev_features);
    }
}

static bool info_status(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *path = qdict_get_str(args, "path");
    VirtioStatus *s = qmp_x_query_virtio_status(hmp->vm, path, errp);

    if (!s) {
        return false;
    }
    hmp_printf(hmp,
               "%s:\n"
               "  device_name:             %s\n"
               "  device_id:               %u\n"
               "  vhost_started:           %s\n"
               "  bus_name:                %s\n"
               "  broken:                  %s\n"
               "  disabled:                %s\n"
               "  disable_legacy_check:    %s\n"
               "  started:                 %s\n"
               "  use_started:             %s\n"
               "  start_on_kick:           %s\n"
               "  use_guest_notifier_mask: %s\n"
               "  vm_running:              %s\n"
               "  num_vqs:                 %" PRId64 "\n"
               "  queue_sel:               %u\n"
               "  isr:                     %u\n"
               "  endianness:              %s\n",
               path, s->name, s->device_id, yes(s->vhost_started), s->bus_name,
               yes(s->broken), yes(s->disabled), yes(s->disable_legacy_check),
               yes(s->started), yes(s->use_started), yes(s->start_on_kick),
               yes(s->use_guest_notifier_mask), yes(s->vm_running), s->num_vqs,
               s->queue_sel, s->isr, s->device_endian);
    hmp_printf(hmp, "  status:\n");
    print_names(hmp, s->status->statuses);
    if (s->status->unknown_statuses) {
        hmp_printf(hmp, "  unknown-statuses(0x%02x)\n",
                   s->status->unknown_statuses);
    }
    print_features(hmp, "Guest", s->guest_features);
    print_features(hmp, "Host", s->host_features);
    print_features(hmp, "Backend", s->backend_features);
    qapi_free_VirtioStatus(s);
    return true;
}

/* The queue of the line, which must be a queue's number. */
static bool queue_arg(const QDict *args, const char *key, uint16_t *v,
                      Error **errp)
{
    int64_t n = qdict_get_int(args, key, -1);

    if (n < 0 || n > UINT16_MAX) {
        return error_set(errp, "'%s' must be between 0 and 65535", key);
    }
    *v = n;
    return true;
}

static bool info_queue_status(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *path = qdict_get_str(args, "path");
    VirtQueueStatus *s;
    uint16_t queue;

    if (!queue_arg(args, "queue", &queue, errp)) {
        return false;
    }
    s = qmp_x_query_virtio_queue_status(hmp->vm, path, queue, errp);
    if (!s) {
        return false;
    }
    hmp_printf(hmp,
               "%s:\n"
               "  device_name:          %s\n"
               "  queue_index:          %u\n"
               "  inuse:                %u\n"
               "  used_idx:             %u\n"
               "  signalled_used:       %u\n"
               "  signalled_used_valid: %s\n"
               "  last_avail_idx:       %u\n"
               "  shadow_avail_idx:     %u\n"
               "  VRing:\n"
               "    num:          %u\n"
               "    num_default:  %u\n"
               "    align:        %u\n"
               "    desc:         0x%016" PRIx64 "\n"
               "    avail:        0x%016" PRIx64 "\n"
               "    used:         0x%016" PRIx64 "\n",
               path, s->name, s->queue_index, s->inuse, s->used_idx,
               s->signalled_used, yes(s->signalled_used_valid),
               s->last_avail_idx, s->shadow_avail_idx, s->vring_num,
               s->vring_num_default, s->vring_align, s->vring_desc,
               s->vring_avail, s->vring_used);
    qapi_free_VirtQueueStatus(s);
    return true;
}

static void print_desc(Hmp *hmp, const VirtioRingDesc *d)
{
    hmp_printf(hmp, "    addr 0x%" PRIx64 " len %u", d->addr, d->len);
    for (const strList *f = d->flags; f; f = f->next) {
        hmp_printf(hmp, "%s%s", f == d->flags ? " (" : ", ", f->value);
    }
    hmp_printf(hmp, "%s\n", d->flags ? ")" : "");
}

static bool info_queue_element(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *path = qdict_get_str(args, "path");
    bool has_index = qdict_has(args, "index");
    VirtioQueueElement *e;
    uint16_t queue, index = 0;

    if (!queue_arg(args, "queue", &queue, errp) ||
        (has_index && !queue_arg(args, "index", &index, errp))) {
        return false;
    }
    e = qmp_x_query_virtio_queue_element(hmp->vm, path, queue, has_index, index,
                                         errp);
    if (!e) {
        return false;
    }
    hmp_printf(hmp, "%s:\n  device_name: %s\n  index:   %u\n  desc:\n", path,
               e->name, e->index);
    for (VirtioRingDescList *l = e->descs; l; l = l->next) {
        print_desc(hmp, l->value);
    }
    hmp_printf(hmp,
               "  avail:\n    flags: %u\n    idx:   %u\n    ring:  %u\n"
               "  used:\n    flags: %u\n    idx:   %u\n",
               e->avail->flags, e->avail->idx, e->avail->ring, e->used->flags,
               e->used->idx);
    qapi_free_VirtioQueueElement(e);
    return true;
}

static const HmpArg path_args[] = { { "path", HMP_WORD }, {} };
static const HmpArg queue_args[] = {
    { "path", HMP_WORD },
    { "queue", HMP_INT },
    {},
};
static const HmpArg element_args[] = {
    { "path", HMP_WORD },
    { "queue", HMP_INT },
    { "index", HMP_INT, .optional = true },
    {},
};

static const HmpCommand virtio_commands[] = {
    { .name = "info virtio",
      .help = "List all available virtio devices",
      .run = info_virtio },
    { .name = "info virtio-status",
      .args = path_args,
      .help = "Display status of a given virtio device",
      .run = info_status },
    { .name = "info virtio-queue-status",
      .args = queue_args,
      .params = "path queue",
      .help = "Display status of a given virtio queue",
      .run = info_queue_status },
    { .name = "info virtio-queue-element",
      .args = element_args,
      .params = "path queue [index]",
      .help = "Display element of a given virtio queue",
      .run = info_queue_element },
};
HMP_COMMANDS(virtio_commands);
