/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about trace points. */
#include "util/osdep.h"

#include "qapi/qapi-commands-trace.h"
#include "util/error.h"
#include "util/trace.h"

/* A name without wildcards must be there. */
static bool check_name(const char *name, bool found, bool has_vcpu,
                       Error **errp)
{
    if (strpbrk(name, "*?[")) {
        return true;
    }
    if (!found) {
        return error_set(errp, "unknown event \"%s\"", name);
    }
    return !has_vcpu ||
           error_set(errp, "event \"%s\" is not vCPU-specific", name);
}

TraceEventInfoList *qmp_trace_event_get_state(Vm *vm, const char *name,
                                              bool has_vcpu, int64_t vcpu,
                                              Error **errp)
{
    TraceEventInfoList *list = NULL, **tail = &list;
    bool found = false;
    TracePoint *tp;

    for (size_t i = 0; (tp = trace_at(i)); i++) {
        TraceEventInfo *info;

        if (!trace_match(tp, name)) {
            continue;
        }
        found = true;
        if (has_vcpu) {
            continue;
        }
        info = g_new0(TraceEventInfo, 1);
        info->name = g_strdup(tp->name);
        info->state = tp->on ? TRACE_EVENT_STATE_ENABLED
                             : TRACE_EVENT_STATE_DISABLED;
        QAPI_LIST_APPEND(tail, info);
    }
    check_name(name, found, has_vcpu, errp);
    return list;
}

bool qmp_trace_event_set_state(Vm *vm, const char *name, bool enable,
                               bool has_ignore_unavailable,
                               bool ignore_unavailable, bool has_vcpu,
                               int64_t vcpu, Error **errp)
{
    bool found = false;
    TracePoint *tp;

    for (size_t i = 0; (tp = trace_at(i)); i++) {
        found |= trace_match(tp, name);
    }
    if (!check_name(name, found, has_vcpu, errp)) {
        return false;
    }
    for (size_t i = 0; !has_vcpu && (tp = trace_at(i)); i++) {
        if (trace_match(tp, name)) {
            trace_set(tp, enable);
        }
    }
    return true;
}
