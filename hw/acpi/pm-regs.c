/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fixed ACPI hardware. See hw/acpi/pm-regs.h. */
#include "util/osdep.h"

#include "hw/acpi/pm-regs.h"
#include "qapi/qapi-events-run-state.h"

enum {
    SCI_EVENTS = ACPI_PM1_TMR | ACPI_PM1_GBL | ACPI_PM1_PWRBTN | ACPI_PM1_RTC,
    TIMER_HALF = 0x800000, /* bit 23 changes */
};

/* Timer ----------------------------------------------------------------------- */

static int64_t timer_ticks(const AcpiRegs *r)
{
    __int128 ns = vm_clock_ns(r->vm, VM_CLOCK_VIRTUAL);

    return (int64_t)(ns * ACPI_PM_TIMER_HZ / 1000000000);
}

static int64_t ticks_to_ns(int64_t ticks)
{
    /* Rounded up, so that the tick has come when the timer fires. */
    return (int64_t)(((__int128)ticks * 1000000000 + ACPI_PM_TIMER_HZ - 1) /
                     ACPI_PM_TIMER_HZ);
}

static void set_next_overflow(AcpiRegs *r)
{
    r->overflow_time = (timer_ticks(r) + TIMER_HALF) & ~(TIMER_HALF - 1);
}

static uint16_t read_status(AcpiRegs *r)
{
    if (timer_ticks(r) >= r->overflow_time) {
        r->pm1_sts |= ACPI_PM1_TMR;
    }
    return r->pm1_sts;
}

/* The SCI, and when the timer will raise it. */
static void update(AcpiRegs *r)
{
    uint16_t sts = read_status(r);

    r->update_sci(r->opaque);
    if ((r->pm1_en & ACPI_PM1_TMR) && !(sts & ACPI_PM1_TMR)) {
        vm_timer_set(&r->timer, ticks_to_ns(r->overflow_time));
    } else {
        vm_timer_cancel(&r->timer);
    }
}

static void timer_expired(void *opaque)
{
    update(opaque);
}

static uint64_t tmr_read(void *opaque, hwaddr addr, unsigned size)
{
    return timer_ticks(opaque) & 0xffffff;
}

static void ignore_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
}

static const MemOps tmr_ops = {
    .read = tmr_read,
    .write = ignore_write,
    .valid = { .min = 1, .max = 4 },
    .impl = { .min = 4, .max = 4 },
};

/* PM1 --------------------------------------------------------------------------- */

static uint64_t evt_read(void *opaque, hwaddr addr, unsigned size)
{
    AcpiRegs *r = opaque;

    return addr == 0 ? read_status(r) : r->pm1_en;
}

static void evt_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AcpiRegs *r = opaque;

    if (addr == 0) {
        if (read_status(r) & value & ACPI_PM1_TMR) {
            set_next_overflow(r);
        }
        r->pm1_sts &= ~value;
    } else {
        r->pm1_en = value;
    }
    update(r);
}

static const MemOps evt_ops = {
    .read = evt_read,
    .write = evt_write,
    .valid = { .min = 1, .max = 4 },
    .impl = { .min = 2, .max = 2 },
};

/* S3 (type 1) is not offered in the DSDT and does nothing. */
static void enter_sleep(AcpiRegs *r, unsigned type)
{
    if (type == 0) {
        vm_shutdown_request(r->vm, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    } else if (type == r->s4_val && !r->disable_s4) {
        qapi_event_send_suspend_disk(r->vm->events);
        vm_shutdown_request(r->vm, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    }
}

static uint64_t cnt_read(void *opaque, hwaddr addr, unsigned size)
{
    return ((AcpiRegs *)opaque)->pm1_cnt;
}

static uint16_t always_set(const AcpiRegs *r)
{
    return r->acpi_only ? ACPI_PM1_SCI_EN : 0;
}

static void cnt_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AcpiRegs *r = opaque;

    r->pm1_cnt = (value & ~ACPI_PM1_SLP_EN) | always_set(r);
    if (value & ACPI_PM1_SLP_EN) {
        enter_sleep(r, (value >> 10) & 7);
    }
}

static const MemOps cnt_ops = {
    .read = cnt_read,
    .write = cnt_write,
    .valid = { .min = 1, .max = 2 },
    .impl = { .min = 2, .max = 2 },
};

void acpi_regs_set_acpi_mode(AcpiRegs *r, bool on)
{
    if (on) {
        r->pm1_cnt |= ACPI_PM1_SCI_EN;
    } else if (!r->acpi_only) {
        r->pm1_cnt &= ~ACPI_PM1_SCI_EN;
    }
}

static void power_button(void *opaque)
{
    AcpiRegs *r = opaque;

    r->pm1_sts |= ACPI_PM1_PWRBTN;
    update(r);
}

/* General-purpose events ---------------------------------------------------------- */

static uint64_t gpe_read(void *opaque, hwaddr addr, unsigned size)
{
    const AcpiRegs *r = opaque;
    unsigned half = r->gpe_len / 2;

    return addr < half ? r->gpe_sts[addr] : r->gpe_en[addr - half];
}

static void gpe_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AcpiRegs *r = opaque;
    unsigned half = r->gpe_len / 2;

    if (addr < half) {
        r->gpe_sts[addr] &= ~value;
    } else {
        r->gpe_en[addr - half] = value;
    }
    update(r);
}

static const MemOps gpe_ops = {
    .read = gpe_read,
    .write = gpe_write,
    .valid = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 1 },
};

void acpi_regs_gpe_raise(AcpiRegs *r, unsigned bit)
{
    assert(bit / 8 < r->gpe_len / 2u);
    r->gpe_sts[bit / 8] |= BIT(bit % 8);
    update(r);
}

bool acpi_regs_sci(const AcpiRegs *r)
{
    if (r->pm1_sts & r->pm1_en & SCI_EVENTS) {
        return true;
    }
    for (unsigned i = 0; i < r->gpe_len / 2u; i++) {
        if (r->gpe_sts[i] & r->gpe_en[i]) {
            return true;
        }
    }
    return false;
}

/* Life ------------------------------------------------------------------------------ */

void acpi_regs_init(AcpiRegs *r, Object *owner, Vm *vm, uint8_t gpe_len,
                    void (*update_sci)(void *opaque), void *opaque)
{
    assert(gpe_len <= ACPI_GPE_MAX);
    r->vm = vm;
    r->update_sci = update_sci;
    r->opaque = opaque;
    r->gpe_len = gpe_len;
    mem_region_init_io(&r->evt, owner, &evt_ops, r, "acpi-evt", 4);
    mem_region_init_io(&r->cnt, owner, &cnt_ops, r, "acpi-cnt", 2);
    mem_region_init_io(&r->tmr, owner, &tmr_ops, r, "acpi-tmr", 4);
    mem_region_init_io(&r->gpe, owner, &gpe_ops, r, "acpi-gpe0", gpe_len);
    vm_timer_init(&r->timer, vm, VM_CLOCK_VIRTUAL, timer_expired, r);
    r->powerdown = (VmPowerdownListener){ .fn = power_button, .opaque = r };
    vm_powerdown_listener_add(vm, &r->powerdown);
}

void acpi_regs_cleanup(AcpiRegs *r)
{
    vm_powerdown_listener_del(r->vm, &r->powerdown);
    vm_timer_cancel(&r->timer);
    mem_region_cleanup(&r->evt);
    mem_region_cleanup(&r->cnt);
    mem_region_cleanup(&r->tmr);
    mem_region_cleanup(&r->gpe);
}

void acpi_regs_reset(AcpiRegs *r)
{
    r->pm1_sts = r->pm1_en = 0;
    r->pm1_cnt = always_set(r);
    r->overflow_time = 0;
    memset(r->gpe_sts, 0, sizeof(r->gpe_sts));
    memset(r->gpe_en, 0, sizeof(r->gpe_en));
    vm_timer_cancel(&r->timer);
    r->update_sci(r->opaque);
}

void acpi_regs_pre_save(AcpiRegs *r)
{
    r->timer_deadline = r->timer.deadline;
}

void acpi_regs_loaded(AcpiRegs *r)
{
    if (r->timer_deadline >= 0) {
        vm_timer_set(&r->timer, r->timer_deadline);
    } else {
        vm_timer_cancel(&r->timer);
    }
    r->update_sci(r->opaque);
}
