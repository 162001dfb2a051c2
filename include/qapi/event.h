/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP events: the generated qapi_event_send_NAME(sink, ...) build the data
 * and hand it to the sink the caller was given (the Vm's, in a VMM).
 */
#ifndef QAPI_EVENT_H
#define QAPI_EVENT_H

#include "qapi/qapi.h"

typedef struct QapiEventInfo {
    const char *name;     /* "SHUTDOWN" */
    const QapiType *data; /* struct of the data, NULL for none */
    uint32_t flags;       /* QAPI_DEPRECATED, QAPI_UNSTABLE */
} QapiEventInfo;

struct QapiEventSink {
    /*
     * Any thread may emit; the sink takes the time stamp and does its own
     * locking. @data is lent, NULL when the event has none.
     */
    void (*emit)(QapiEventSink *sink, const QapiEventInfo *info, QDict *data);
};

/* Used by generated code. A NULL sink drops the event. @obj is the struct of
 * info->data. */
void qapi_event_emit(QapiEventSink *sink, const QapiEventInfo *info,
                     const void *obj);

#endif
