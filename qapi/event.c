/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events from the generated senders to the sink. */
#include "util/osdep.h"

#include "qapi/event.h"

void qapi_event_emit(QapiEventSink *sink, const QapiEventInfo *info,
                     const void *obj)
{
    g_autoptr(QObject) data = NULL;

    if (!sink) {
        return;
    }
    if (info->data) {
        data = qapi_to_qobject(info->data, &obj);
    }
    sink->emit(sink, info, qobject_to_dict(data));
}
