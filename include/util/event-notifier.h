/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An eventfd: what KVM signals for ioeventfd and takes for irqfd. */
#ifndef UTIL_EVENT_NOTIFIER_H
#define UTIL_EVENT_NOTIFIER_H

typedef struct EventNotifier {
    int fd; /* -1 when closed */
} EventNotifier;

#define EVENT_NOTIFIER_INIT { .fd = -1 }

/* Non-blocking and close-on-exec. */
bool event_notifier_init(EventNotifier *e, Error **errp);
void event_notifier_cleanup(EventNotifier *e);
/* Any thread. */
void event_notifier_set(EventNotifier *e);
/* True when it was set; clears it. */
bool event_notifier_test_and_clear(EventNotifier *e);

#endif
