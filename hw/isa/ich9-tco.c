/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCO watchdog: two periods of a timer in units of 0.6 s without a reload
 * reset the machine. Intel I/O Controller Hub 9 datasheet (316972), 13.9.
 */
#include "util/osdep.h"

#include "hw/isa/ich9.h"
#include "softmmu/vm.h"
#include "util/error.h"

enum {
    TCO_RLD = 0x00,
    TCO_DAT_IN = 0x02,
    TCO_DAT_OUT = 0x03,
    TCO_STS1 = 0x04,
    TCO_STS2 = 0x06,
    TCO_CNT1 = 0x08,
    TCO_CNT2 = 0x0a,
    TCO_MSG1 = 0x0c,
    TCO_MSG2 = 0x0d,
    TCO_WDCNT = 0x0e,
    TCO_SW_IRQ_GEN = 0x10,
    TCO_TMR = 0x12,
    TCO_SIZE = 0x20,

    STS1_SW_SMI = 0x02,
    STS1_INT = 0x04,
    STS1_TIMEOUT = 0x08,
    STS2_SECOND_TIMEOUT = 0x02,
    CNT1_NMI_NOW = 0x100,
    CNT1_HALT = 0x800,
    CNT1_LOCK = 0x1000,
    COUNT_MASK = 0x3ff,
    COUNT_DEFAULT = 4,
};
#define TICK_NS INT64_C(600000000)

static bool halted(const Tco *t)
{
    return t->cnt1 & CNT1_HALT;
}

static void reload(Tco *t)
{
    int64_t ticks = MAX(t->tmr & COUNT_MASK, 1);

    t->expire_time = vm_clock_ns(t->vm, VM_CLOCK_VIRTUAL) + ticks * TICK_NS;
    vm_timer_set(&t->timer, t->expire_time);
}

static void stop(Tco *t)
{
    vm_timer_cancel(&t->timer);
    t->expire_time = -1;
}

static void expired(void *opaque)
{
    Tco *t = opaque;

    t->rld = 0;
    t->sts1 |= STS1_TIMEOUT;
    if (++t->timeouts < 2) {
        reload(t);
        return;
    }
    t->sts2 |= STS2_SECOND_TIMEOUT;
    t->timeouts = 0;
    stop(t);
    if (!t->no_reboot(t->opaque)) {
        vm_watchdog_request(t->vm);
    }
}

static uint16_t count(const Tco *t)
{
    int64_t left;

    if (t->expire_time < 0) {
        return t->rld;
    }
    left = t->expire_time - vm_clock_ns(t->vm, VM_CLOCK_VIRTUAL);
    return left > 0 ? (left / TICK_NS) & COUNT_MASK : 0;
}

static uint64_t tco_read(void *opaque, hwaddr addr, unsigned size)
{
    const Tco *t = opaque;

    switch (addr) {
    case TCO_RLD:
        return count(t);
    case TCO_DAT_IN:
        return t->din;
    case TCO_DAT_OUT:
        return t->dout;
    case TCO_STS1:
        return t->sts1;
    case TCO_STS2:
        return t->sts2;
    case TCO_CNT1:
        return t->cnt1;
    case TCO_CNT2:
        return t->cnt2;
    case TCO_MSG1:
        return t->msg1;
    case TCO_MSG2:
        return t->msg2;
    case TCO_WDCNT:
        return t->wdcnt;
    case TCO_SW_IRQ_GEN:
        return t->sw_irq_gen;
    case TCO_TMR:
        return t->tmr;
    default:
        return 0;
    }
}

static void write_cnt1(Tco *t, uint16_t value)
{
    bool was_halted = halted(t);

    value = (value & ~CNT1_NMI_NOW) | (t->cnt1 & CNT1_LOCK);
    if (t->cnt1 & CNT1_LOCK) {
        value = (value & ~CNT1_HALT) | (t->cnt1 & CNT1_HALT);
    }
    t->cnt1 = value;
    if (halted(t) && !was_halted) {
        t->rld = count(t);
        stop(t);
    } else if (!halted(t) && was_halted) {
        reload(t);
    }
}

static void tco_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Tco *t = opaque;

    switch (addr) {
    case TCO_RLD:
        t->timeouts = 0;
        t->rld = t->tmr & COUNT_MASK;
        if (!halted(t)) {
            reload(t);
        }
        break;
    case TCO_DAT_IN:
        t->din = value;
        t->sts1 |= STS1_SW_SMI;
        break;
    case TCO_DAT_OUT:
        t->dout = value;
        t->sts1 |= STS1_INT;
        break;
    case TCO_STS1:
        t->sts1 &= ~value;
        break;
    case TCO_STS2:
        t->sts2 &= ~value;
        break;
    case TCO_CNT1:
        write_cnt1(t, value);
        break;
    case TCO_CNT2:
        t->cnt2 = value;
        break;
    case TCO_MSG1:
        t->msg1 = value;
        break;
    case TCO_MSG2:
        t->msg2 = value;
        break;
    case TCO_WDCNT:
        t->wdcnt = value;
        break;
    case TCO_SW_IRQ_GEN:
        t->sw_irq_gen = value;
        break;
    case TCO_TMR:
        t->tmr = value & COUNT_MASK;
        break;
    }
}

static const MemOps tco_ops = {
    .read = tco_read,
    .write = tco_write,
    .valid = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 2 },
};

void tco_init(Tco *t, Object *owner, Vm *vm, bool (*no_reboot)(void *),
              void *opaque)
{
    t->vm = vm;
    t->no_reboot = no_reboot;
    t->opaque = opaque;
    mem_region_init_io(&t->io, owner, &tco_ops, t, "sm-tco", TCO_SIZE);
    vm_timer_init(&t->timer, vm, VM_CLOCK_VIRTUAL, expired, t);
}

void tco_cleanup(Tco *t)
{
    vm_timer_cancel(&t->timer);
    mem_region_cleanup(&t->io);
}

/* The guest starts it by its first reload. */
void tco_reset(Tco *t)
{
    t->rld = t->tmr = COUNT_DEFAULT;
    t->din = t->dout = 0;
    t->sts1 = t->sts2 = t->cnt1 = t->cnt2 = 0;
    t->msg1 = t->msg2 = t->wdcnt = 0;
    t->sw_irq_gen = 3;
    t->timeouts = 0;
    stop(t);
}

static void tco_pre_save(void *state)
{
    Tco *t = state;

    t->timer_deadline = t->timer.deadline;
}

static bool tco_post_load(void *state, int version, Error **errp)
{
    Tco *t = state;

    if (t->timer_deadline >= 0) {
        vm_timer_set(&t->timer, t->timer_deadline);
    } else {
        vm_timer_cancel(&t->timer);
    }
    return true;
}

const VmState tco_vmstate = {
    .name = "tco io device status",
    .version = 1,
    .pre_save = tco_pre_save,
    .post_load = tco_post_load,
    .fields = (const VmField[]){
        VMS_N(Tco, rld, "tco.rld"),
        VMS_N(Tco, din, "tco.din"),
        VMS_N(Tco, dout, "tco.dout"),
        VMS_N(Tco, sts1, "tco.sts1"),
        VMS_N(Tco, sts2, "tco.sts2"),
        VMS_N(Tco, cnt1, "tco.cnt1"),
        VMS_N(Tco, cnt2, "tco.cnt2"),
        VMS_N(Tco, msg1, "tco.msg1"),
        VMS_N(Tco, msg2, "tco.msg2"),
        VMS_N(Tco, wdcnt, "tco.wdcnt"),
        VMS_N(Tco, tmr, "tco.tmr"),
        VMS(Tco, sw_irq_gen),
        VMS_N(Tco, timer_deadline, "tco_timer"),
        VMS(Tco, expire_time),
        VMS_N(Tco, timeouts, "timeouts_no"),
        {},
    },
};
