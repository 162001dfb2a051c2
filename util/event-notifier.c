/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Event notifiers: eventfd(2) counters. */
#include "util/osdep.h"

#include <sys/eventfd.h>

#include "util/error.h"
#include "util/event-notifier.h"

bool event_notifier_init(EventNotifier *e, Error **errp)
{
    e->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (e->fd < 0) {
        return error_errno(errp, errno, "cannot create an eventfd");
    }
    return true;
}

void event_notifier_cleanup(EventNotifier *e)
{
    if (e->fd >= 0) {
        close(e->fd);
        e->fd = -1;
    }
}

void event_notifier_set(EventNotifier *e)
{
    uint64_t one = 1;
    ssize_t ret;

    /* EAGAIN: the counter is at its limit, thus set already. */
    ret = RETRY_ON_EINTR(write(e->fd, &one, sizeof(one)));
    (void)ret;
}

bool event_notifier_test_and_clear(EventNotifier *e)
{
    uint64_t count;

    return RETRY_ON_EINTR(read(e->fd, &count, sizeof(count))) ==
           sizeof(count);
}
