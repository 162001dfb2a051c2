/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How timers travel in device state: the deadline on their clock. */
#include "util/osdep.h"

#include "migration/vmstate.h"
#include "softmmu/vm.h"

static void save_timer(VmWriter *w, const void *elem, const VmField *f)
{
    const VmTimer *t = elem;

    vm_put_be64(w, vm_timer_pending(t) ? t->deadline : -1);
}

static bool load_timer(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    uint64_t deadline;

    if (!vm_get_be64(r, &deadline, errp)) {
        return false;
    }
    if (deadline <= INT64_MAX) {
        vm_timer_set(elem, deadline);
    } else {
        vm_timer_cancel(elem);
    }
    return true;
}

const VmFieldKind vmk_timer = {
    .name = "timer",
    .size = sizeof(VmTimer),
    .save = save_timer,
    .load = load_timer,
};
