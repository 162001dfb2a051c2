/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the session: capabilities, passed descriptors. */
#include "util/osdep.h"

#include "monitor/monitor-internal.h"
#include "monitor/qmp-commands.h"
#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-commands-misc.h"
#include "util/error.h"
#include "util/fdset.h"

static Monitor *current(Vm *vm)
{
    return vm->monitors ? vm->monitors->current : NULL;
}

bool qmp_qmp_capabilities(Vm *vm, bool has_enable, QMPCapabilityList *enable,
                          Error **errp)
{
    bool oob = false;

    QAPI_LIST_FOREACH(enable, node) {
        oob |= node->value == QMP_CAPABILITY_OOB;
    }
    return qmp_negotiate(current(vm), oob, errp);
}

bool qmp_getfd(Vm *vm, const char *fdname, Error **errp)
{
    int fd = monitor_take_fd(current(vm), errp);

    return fd >= 0 && fdsets_put_name(vm->fdsets, fdname, fd, errp);
}

bool qmp_closefd(Vm *vm, const char *fdname, Error **errp)
{
    autofd int fd = fdsets_take_name(vm->fdsets, fdname, errp);

    return fd >= 0;
}

AddfdInfo *qmp_add_fd(Vm *vm, bool has_fdset_id, int64_t fdset_id,
                      const char *opaque, Error **errp)
{
    AddfdInfo *info;
    int64_t id;
    int fd;

    if (has_fdset_id && fdset_id < 0) {
        error_set(errp, "Parameter 'fdset-id' expects a non-negative value");
        return NULL;
    }
    fd = monitor_take_fd(current(vm), errp);
    if (fd < 0) {
        return NULL;
    }
    id = fdsets_add(vm->fdsets, has_fdset_id ? fdset_id : -1, fd, opaque, errp);
    if (id < 0) {
        return NULL;
    }
    info = g_new0(AddfdInfo, 1);
    info->fdset_id = id;
    info->fd = fd;
    return info;
}

bool qmp_remove_fd(Vm *vm, int64_t fdset_id, bool has_fd, int64_t fd,
                   Error **errp)
{
    if (has_fd && fd < 0) {
        return error_set(errp, "File descriptor named 'fdset-id:%" PRId64
                               ", fd:%" PRId64 "' not found", fdset_id, fd);
    }
    return fdsets_remove(vm->fdsets, fdset_id, has_fd ? fd : -1, errp);
}

typedef struct FdsetQuery {
    FdsetInfoList *list, **tail;
    FdsetInfo *last;
    FdsetFdInfoList **fd_tail;
} FdsetQuery;

static void add_fdset_info(void *user, int64_t id, int fd, const char *opaque)
{
    FdsetQuery *q = user;
    FdsetFdInfo *info = g_new0(FdsetFdInfo, 1);

    if (!q->last || q->last->fdset_id != id) {
        q->last = g_new0(FdsetInfo, 1);
        q->last->fdset_id = id;
        q->fd_tail = &q->last->fds;
        QAPI_LIST_APPEND(q->tail, q->last);
    }
    info->fd = fd;
    info->opaque = g_strdup(opaque);
    QAPI_LIST_APPEND(q->fd_tail, info);
}

FdsetInfoList *qmp_query_fdsets(Vm *vm, Error **errp)
{
    FdsetQuery q = { .list = NULL };

    q.tail = &q.list;
    fdsets_foreach(vm->fdsets, add_fdset_info, &q);
    return q.list;
}
