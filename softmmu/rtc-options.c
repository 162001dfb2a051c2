/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -rtc: what the guest's wall clock starts from and what moves it. */
#include "util/osdep.h"

#include <time.h>

#include "qapi/qapi.h"
#include "softmmu/launch.h"
#include "softmmu/vm.h"
#include "util/error.h"

#define NS_PER_S INT64_C(1000000000)

/* "2026-11-21T08:00:00" or "2026-11-21", as if UTC. */
static bool parse_datetime(const char *text, int64_t *seconds)
{
    struct tm tm = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    if (!end) {
        memset(&tm, 0, sizeof(tm));
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    if (!end || *end) {
        return false;
    }
    *seconds = timegm(&tm);
    return true;
}

static bool apply_base(Vm *vm, const char *base, int64_t host_ns, Error **errp)
{
    int64_t now = host_ns;
    int64_t seconds;

    if (g_str_equal(base, "localtime")) {
        time_t t = host_ns / NS_PER_S;
        struct tm tm;

        localtime_r(&t, &tm);
        now += tm.tm_gmtoff * NS_PER_S;
    } else if (parse_datetime(base, &seconds)) {
        now = seconds * NS_PER_S;
    } else if (!g_str_equal(base, "utc")) {
        error_set(errp, "invalid datetime format '%s'", base);
        error_hint(errp, "valid: utc, localtime, '2006-06-17T16:01:21' or "
                   "'2006-06-17'\n");
        return false;
    }
    vm->rtc_offset_ns = now - vm_clock_ns(vm, vm->rtc_clock);
    return true;
}

static bool apply_clock(Vm *vm, const char *clock, Error **errp)
{
    static const struct {
        const char *name;
        VmClock clock;
    } clocks[] = {
        { "host", VM_CLOCK_HOST },
        { "rt", VM_CLOCK_REALTIME },
        { "vm", VM_CLOCK_VIRTUAL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
        if (g_str_equal(clock, clocks[i].name)) {
            vm->rtc_clock = clocks[i].clock;
            return true;
        }
    }
    return error_set(errp, "invalid clock '%s' (valid: host, rt, vm)", clock);
}

static bool apply_driftfix(Vm *vm, const char *fix, Error **errp)
{
    vm->rtc_slew = g_str_equal(fix, "slew");
    return vm->rtc_slew || g_str_equal(fix, "none") ||
           error_set(errp, "invalid driftfix '%s' (valid: none, slew)", fix);
}

bool rtc_option_apply(Vm *vm, const char *text, Error **errp)
{
    static const char *const keys[] = { "base", "clock", "driftfix", NULL };
    bool help;
    QapiMode mode;
    g_autoptr(QDict) d =
        qapi_parse_opts_dict(text, "base", &help, &mode, errp);

    if (!d) {
        return false;
    }
    qapi_opts_keep_last(d);
    QDICT_FOREACH(d, e) {
        if (!g_strv_contains(keys, e->key)) {
            error_set(errp, "Invalid parameter '%s'", e->key);
            error_hint_nearest(errp, e->key, keys);
            return false;
        }
    }
    return apply_clock(vm, qdict_get_str(d, "clock") ?: "host", errp) &&
           apply_base(vm, qdict_get_str(d, "base") ?: "utc",
                      vm_clock_ns(vm, VM_CLOCK_HOST), errp) &&
           apply_driftfix(vm, qdict_get_str(d, "driftfix") ?: "none", errp);
}
